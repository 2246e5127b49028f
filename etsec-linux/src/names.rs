//! How the devices of one port are called: a name for each interrupt line, or one for all of them.
//!
//! It knows suffixes. What kind of device has the names is its callers' business.

use crate::error::Error;
use crate::wait::Lines;

/// The three devices of one MAC and the interrupt line of each (HW 9.1).
pub(crate) const PARTS: [(&str, Lines); 3] =
    [("-tx", Lines::TX), ("-rx", Lines::RX), ("-err", Lines::ERR)];

/// The device that has nothing but MDIO registers.
pub(crate) const MDIO: &str = "-mdio";

/// What the name of a port's second interrupt group has behind the port's (HW 1.3): its devices are
/// called by that name as the port's own are by the port's.
pub(crate) const SECOND: &str = "-group1";

/// The devices that make up the port `name`, each with the lines it stands for; `None` if there is
/// none of its names. `find` looks up a device by its whole name.
///
/// # Errors
/// [`Error::IncompleteSet`] if only a part is there, and those of `find`.
pub(crate) fn members<T>(
    name: &str,
    find: impl Fn(&str) -> Result<Option<T>, Error>,
) -> Result<Option<Vec<(T, Lines)>>, Error> {
    let mut found = Vec::new();
    let (mut present, mut absent) = (None, None);
    for (suffix, lines) in PARTS {
        let part = format!("{name}{suffix}");
        match find(&part)? {
            Some(device) => {
                found.push((device, lines));
                present = present.or(Some(part));
            }
            None => absent = absent.or(Some(part)),
        }
    }
    let Some(absent) = absent else { return Ok(Some(found)) };
    match (find(name)?, present) {
        (Some(single), _) => Ok(Some(vec![(single, Lines::ALL)])),
        (None, Some(present)) => Err(Error::IncompleteSet { present, absent }),
        (None, None) => Ok(None),
    }
}

/// The one of `devices` whose name, as `name_of` tells it, is `wanted`; its kernel name by `id_of`.
///
/// # Errors
/// [`Error::AmbiguousName`] if there are two.
pub(crate) fn find_one<T>(
    devices: impl IntoIterator<Item = T>,
    wanted: &str,
    name_of: impl Fn(&T) -> &str,
    id_of: impl Fn(&T) -> &str,
) -> Result<Option<T>, Error> {
    let mut named = devices.into_iter().filter(|device| name_of(device) == wanted);
    match (named.next(), named.next()) {
        (Some(first), Some(second)) => Err(Error::AmbiguousName {
            name: wanted.into(),
            first: id_of(&first).into(),
            second: id_of(&second).into(),
        }),
        (first, _) => Ok(first),
    }
}

/// Names for a message.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

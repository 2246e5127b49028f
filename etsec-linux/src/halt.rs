//! Stopping a controller that nobody owns any more. It gives no memory back.

use etsec_core::addr::AddressFilter;
use etsec_core::{Config, Stopped};

use crate::config;
use crate::device::Found;
use crate::error::Error;
use crate::roots::Roots;
use crate::spec::Spec;
use crate::time::Delay;

/// Stops the controller of the device that `spec` names, gracefully if it still can, and resets it
/// (HW 8.1). Nothing is to be done for a simulated one of this process, which dies with its owner.
///
/// # Errors
/// [`Error::Busy`] if it has an owner, any error of finding it, [`Error::Device`] if it does not
/// answer.
pub fn halt(roots: &Roots, spec: &str) -> Result<(), Error> {
    let found = match spec.parse()? {
        Spec::Uio(name) => crate::port::find(roots, &name)?,
        #[cfg(feature = "sim")]
        Spec::Remote(path) => crate::remote::find(spec, &path)?,
        _ => return Ok(()),
    };
    let Found { name, pages, config, .. } = &found;
    let station = AddressFilter::new(config::random_station()?);
    let station = station.map_err(|source| Error::Station { name: name.clone(), source })?;
    let mut settings = Config::new(station);
    settings.tbi_address = config.tbi_address.unwrap_or(settings.tbi_address);
    let error = |source| Error::Device { name: name.clone(), source };
    Stopped::attach(pages.clone(), settings, &mut Delay).map_err(error).map(drop)
}

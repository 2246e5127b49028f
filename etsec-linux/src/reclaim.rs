//! Memory of dead owners, shown and freed by somebody who does not want the port.
//!
//! It knows the order: ports are taken, so that nobody else has them; whoever else may reach their
//! memory is asked for; their controllers are stopped; and only then the memory goes.

use std::fmt;

use crate::beside;
use crate::device::{Device, Found};
use crate::error::Error;
use crate::options::Options;
use crate::roots::Roots;

/// A port that is nobody else's as long as this lives.
pub struct Idle(Found);

/// Takes the port that `spec` names, `uio:NAME` or `sim:SOCKET`, as it is. A port in use is not
/// touched.
///
/// # Errors
/// [`Error::Busy`] or that the simulated device is in use; as [`Device::open`], if the port cannot
/// be had, and so not stopped.
pub fn take(roots: &Roots, spec: &str) -> Result<Idle, Error> {
    let options = Options { roots: roots.clone(), ..Options::default() };
    Ok(Idle(Device::find(spec, &options)?))
}

impl Idle {
    /// Stops its controller.
    ///
    /// # Errors
    /// That it does not answer.
    pub fn stop(&self) -> Result<(), Error> {
        self.0.stop()
    }
}

/// Whether what dead owners have left of ports may be freed once all of these have been stopped,
/// each for itself.
///
/// # Errors
/// [`Error::Beside`] for one that may hold buffers of another port, as those do between which
/// frames were forwarded, if that is still there and none of those that may be freed.
#[must_use]
pub fn check(roots: &Roots, ports: &[Idle]) -> Vec<Result<(), Error>> {
    let mut checked: Vec<_> = ports.iter().map(|_| Ok(())).collect();
    loop {
        let free = ports.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
        let labels: Vec<String> = free.map(|(Idle(found), _)| found.label()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let before = labels.len();
        for (Idle(found), checked) in ports.iter().zip(&mut checked) {
            if checked.is_ok() {
                *checked = beside::check_one(roots, found, &labels);
            }
        }
        // One that stays is there for the others.
        if checked.iter().filter(|checked| checked.is_ok()).count() == before {
            return checked;
        }
    }
}

/// Frees what dead owners have left of ports that have been [stopped](Idle::stop), each for itself;
/// returns what has become of it.
///
/// # Errors
/// As [`check`]; what the system says.
pub fn free(roots: &Roots, ports: Vec<Idle>) -> Vec<Result<(), Error>> {
    // Before anything of any is gone.
    let checked = check(roots, &ports);
    let clear = |(Idle(found), checked): (Idle, Result<(), Error>)| {
        checked.and_then(|()| found.supply.clear(roots, &found.name))
    };
    ports.into_iter().zip(checked).map(clear).collect()
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Idle").field(&self.0.name).finish()
    }
}

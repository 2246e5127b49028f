//! Memory of dead owners, shown and freed by somebody who does not want the port.
//!
//! It knows the order: the port is taken, so that nobody else has it; its controller is stopped;
//! and only then the memory goes.

use std::fmt;

use crate::device::{Device, Found};
use crate::error::Error;
use crate::options::Options;
use crate::roots::Roots;

/// A port that is stopped, and nobody else's as long as this lives.
pub struct Idle(Found);

/// Stops the controller of the port that `spec` names, `uio:NAME` or `sim:SOCKET`. A port in use is
/// not touched.
///
/// # Errors
/// [`Error::Busy`] or that the simulated device is in use; as [`Device::open`], if the port cannot
/// be had, and so not stopped.
pub fn stop(roots: &Roots, spec: &str) -> Result<Idle, Error> {
    let options = Options { roots: roots.clone(), ..Options::default() };
    let found = Device::find(spec, &options)?;
    found.stop()?;
    Ok(Idle(found))
}

impl Idle {
    /// Frees what dead owners have left of it. Ports that may hold each other's buffers, as those
    /// between which frames were forwarded, are all to be [stopped](stop) before memory of one of
    /// them is freed.
    ///
    /// # Errors
    /// What the system says.
    pub fn free(self, roots: &Roots) -> Result<(), Error> {
        self.0.supply.clear(roots, &self.0.name)
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Idle").field(&self.0.name).finish()
    }
}

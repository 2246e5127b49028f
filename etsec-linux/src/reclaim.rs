//! Memory of dead owners, shown and freed by somebody who does not want the port.
//!
//! It knows the order: the port is taken, so that nobody else has it; its controller is stopped;
//! and only then the memory goes.

use crate::device::Device;
use crate::error::Error;
use crate::options::Options;
use crate::roots::Roots;

/// Stops the controller of the port that `spec` names, `uio:NAME` or `sim:SOCKET`, and frees what
/// dead owners have left of it. Of a port in use nothing is touched.
///
/// # Errors
/// [`Error::Busy`] or that the simulated device is in use; as [`Device::open`], if the port cannot
/// be had, and so not stopped: the memory stays then.
pub fn free(roots: &Roots, spec: &str) -> Result<(), Error> {
    let options = Options { roots: roots.clone(), ..Options::default() };
    let found = Device::find(spec, &options)?;
    found.stop()?;
    found.supply.clear(roots, &found.name)
}

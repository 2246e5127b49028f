//! The end of supervision: devices are stopped, which a dead command has left as they were, and
//! their memory is freed. It knows no command.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use etsec_linux::reclaim::{self, Idle};
use etsec_linux::{Error, Roots, Spec};
use etsec_sim::remote::RemoteError;

use crate::args::DeviceName;

/// How long a process that was killed may keep what it had: until the kernel has come to it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Stops them all. One that was simulated by the command died with it.
///
/// # Errors
/// That one is in use all the time, and so may run on, and every other reason why it may; or why
/// memory is not freed.
pub fn stop_all(devices: &[DeviceName], roots: &Roots) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let (mut idle, mut result) = (Vec::new(), Ok(()));
    for device in devices.iter().filter(|device| !matches!(device.spec, Spec::Sim(_))) {
        match stop(roots, &device.to_string(), until) {
            Ok(port) => idle.push(port),
            Err(error) => {
                let error = anyhow::Error::new(error).context(format!("{device} may still run"));
                result = result.and(Err(error));
            }
        }
    }
    // One that may still run may have buffers of the others.
    result?;
    let freed = reclaim::free(roots, idle).into_iter().collect::<Result<(), _>>();
    freed.context("its memory is not freed")
}

/// Stops one, as soon as nobody has it.
fn stop(roots: &Roots, device: &str, until: Instant) -> Result<Idle, Error> {
    let mut told = false;
    loop {
        match reclaim::take(roots, device) {
            Err(error) if in_use(&error) && Instant::now() < until => {
                if !told {
                    log::info!("{device} is waited for: {error}");
                    told = true;
                }
                std::thread::sleep(EVERY);
            }
            taken => return taken.and_then(|port| port.stop().map(|()| port)),
        }
    }
}

fn in_use(error: &Error) -> bool {
    match error {
        Error::Busy { .. } => true,
        Error::Remote { source, .. } => matches!(source, RemoteError::Owned { .. }),
        _ => false,
    }
}

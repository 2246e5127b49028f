//! The devices of a supervised command, looked at before it is started: a name that is wrong is
//! told at once, and not when they are to be stopped. It touches none of them.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use etsec_linux::{Roots, Spec, port};
use etsec_sim::remote::{Client, Role};

use crate::args::DeviceName;
use crate::control::canonical;
use crate::run::Usage;

/// Whether all of them are there, each once, and can be stopped by somebody else than the command.
///
/// # Errors
/// Why not, with the device.
pub fn check(roots: &Roots, devices: &[DeviceName]) -> Result<()> {
    let mut seen = HashSet::new();
    for device in devices {
        let within = matches!(device.spec, Spec::Sim(_));
        let why = || {
            Usage(format!(
                "{device}: it would be simulated by the command itself and end with it; name the \
                 socket of an `etsec-simd`, or a port"
            ))
        };
        ensure!(!within, why());
        let twice = || Usage(format!("{device}: it is named twice"));
        ensure!(seen.insert(canonical(&device.to_string())), twice());
    }
    for device in devices {
        match &device.spec {
            Spec::Uio(name) => {
                drop(port::devices(roots, name).with_context(|| device.to_string())?)
            }
            Spec::Remote(socket) => {
                let there = Client::connect(socket, Role::Observer);
                drop(there.with_context(|| device.to_string())?);
            }
            Spec::Sim(_) => {}
        }
    }
    Ok(())
}

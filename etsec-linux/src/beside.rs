//! Ports that hold each other's buffers, as those do between which frames are forwarded, and that
//! are not opened together: what one process has left of such a port is neither freed nor taken
//! over while the other may reach it.
//!
//! The memory itself says whose buffers may be in it. This file knows where to look for the others,
//! and touches neither them nor what was left.

#[cfg(feature = "sim")]
use std::io::ErrorKind;

use etsec_core::Pool;
use etsec_core::adopt::runs;
use etsec_core::arena::NAME_BYTES;
#[cfg(feature = "sim")]
use etsec_sim::remote::{Client, Connection, RemoteError, Role};

use crate::device::{Device, Found, check_exchange};
use crate::error::Error;
use crate::leftover;
use crate::port::{self, has_registers};
use crate::roots::Roots;
use crate::spec::Spec;
use crate::uio::Uio;

/// Sees that nobody but `together`, ports that are about to be opened or given up, may reach what
/// dead owners have left of them.
///
/// # Errors
/// [`Error::LongLabel`] if they could not be told from others by who finds what this process will
/// have left of them; [`Error::Beside`] naming another port that still runs, or whose memory is
/// still there; what the system says of what was left.
pub(crate) fn check<'a>(
    roots: &Roots,
    together: impl Iterator<Item = &'a Found> + Clone,
) -> Result<(), Error> {
    let labels: Vec<String> = together.clone().map(Found::label).collect();
    check_labels(&labels)?;
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    together.into_iter().try_for_each(|one| check_one(roots, one, &labels))
}

/// Whether each of several ports can be noted in the memory of the others. One that dies with this
/// process is none to be noted.
fn check_labels(labels: &[String]) -> Result<(), Error> {
    let noted = || labels.iter().filter(|label| !label.is_empty());
    match noted().find(|label| label.len() > NAME_BYTES) {
        Some(long) if noted().count() > 1 => Err(Error::LongLabel { label: long.clone() }),
        _ => Ok(()),
    }
}

/// The same of one of several ports with these labels.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_one(roots: &Roots, one: &Found, together: &[&str]) -> Result<(), Error> {
    refuse(roots, one.label(), one.supply.partners(roots, &one.name)?, together)
}

/// The same of the port called `name` alone, whose memory is in files, if there is any.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_files(roots: &Roots, name: &str) -> Result<(), Error> {
    let label = format!("uio:{name}");
    refuse(roots, label.clone(), leftover::partners(roots, name)?, &[&label])
}

fn refuse(
    roots: &Roots,
    port: String,
    partners: Vec<String>,
    together: &[&str],
) -> Result<(), Error> {
    let mut others = partners.into_iter().filter(|other| !together.contains(&other.as_str()));
    match others.find(|other| is_there(roots, other)) {
        Some(other) => Err(Error::Beside { port, other }),
        None => Ok(()),
    }
}

/// Whether a port may still reach memory of others: it runs, or somebody has it, or its memory is
/// there, in which another process finds it.
fn is_there(roots: &Roots, label: &str) -> bool {
    match label.parse() {
        Ok(Spec::Uio(name)) => {
            // What cannot be listed may be there.
            let has_left = |file: &leftover::Leftover| file.name == name;
            leftover::list(roots).map_or(true, |left| left.iter().any(has_left))
                || uio_runs(roots, &name)
        }
        #[cfg(feature = "sim")]
        Ok(Spec::Remote(socket)) => {
            let Connection { client, owner, .. } = match Client::connect(&socket, Role::Observer) {
                Ok(connection) => connection,
                // A simulator that is gone has taken its device along; of another nobody knows.
                Err(error) => return !is_gone(&error),
            };
            owner.is_some() || runs(&client.bus()) || !matches!(client.left(), Ok(None))
        }
        // Who paired pools without names, did not say.
        _ => true,
    }
}

/// Whether nobody is at the socket, or just nobody any more.
#[cfg(feature = "sim")]
fn is_gone(error: &RemoteError) -> bool {
    match error {
        RemoteError::Connect(_, source) => {
            matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
        }
        other => matches!(other, RemoteError::Gone(_)),
    }
}

/// Whether the port's controller may run: it does, or cannot be looked at. One that is no UIO
/// device was reset by the kernel's driver, or stopped before its memory went.
fn uio_runs(roots: &Roots, name: &str) -> bool {
    let look = || {
        let devices = port::devices(roots, name)?;
        let main = devices.iter().find(|device| has_registers(device));
        let Some(main) = main else { return Ok(true) };
        let uio = Uio::open_observer(main)?;
        Ok(runs(&uio.registers(uio.map_named("regs").unwrap_or(0))?))
    };
    match look() {
        Ok(running) => running,
        Err(Error::NoUio { .. } | Error::UnknownDevice { .. } | Error::NotBound { .. }) => false,
        Err(error) => {
            log::debug!("{name}: taken to run: {error}");
            true
        }
    }
}

/// Notes of ports that were opened together that each may hold buffers of every other one, where
/// that is possible and their memory may outlive the process.
///
/// # Errors
/// As [`check_exchange`].
pub(crate) fn pair<'a, S: 'a>(
    devices: impl Iterator<Item = &'a Device<S>> + Clone,
) -> Result<(), Error> {
    let pools: Vec<&Pool> =
        devices.filter(|device| device.memory.may_stay()).map(|device| &device.pool).collect();
    for (n, one) in pools.iter().enumerate() {
        for other in &pools[n + 1..] {
            if one.window() == other.window() {
                check_exchange(one, other)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::FileExt;
    #[cfg(feature = "sim")]
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::uio::tests::Tree;

    /// What the registers of a controller that runs hold: its ID, and both directions enabled.
    const ID: (u64, u32) = (0x000, 0x0124_0001);
    const ENABLED: (u64, u32) = (0x500, 0x0000_0005);

    #[test]
    fn a_port_is_there_as_long_as_it_runs_or_has_memory() {
        let tree = Tree::new();
        let huge = tree.root().join("huge");
        fs::create_dir(&huge).unwrap();
        let mount = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", huge.display());
        fs::write(tree.roots.proc.join("mounts"), mount).unwrap();
        let is = |label: &str| is_there(&tree.roots, label);
        assert!(!is("uio:eth1"), "there is none, it is the kernel's again perhaps");
        tree.device(0, "eth1");
        tree.map(0, 0, "regs", [0x2_5000, 0x1000, 0]);
        let dev = OpenOptions::new().write(true).open(tree.roots.dev.join("uio0")).unwrap();
        let write = |(at, value): (u64, u32)| dev.write_all_at(&value.to_be_bytes(), at).unwrap();
        write(ID);
        assert!(!is("uio:eth1"), "it is stopped");
        write(ENABLED);
        assert!(is("uio:eth1"), "it runs");
        write((ENABLED.0, 0));
        fs::write(huge.join("etsec-eth10-77"), "").unwrap();
        assert!(!is("uio:eth1"), "that is another's");
        fs::write(huge.join("etsec-eth1-77"), "").unwrap();
        assert!(is("uio:eth1"), "its memory is there");
        fs::remove_file(huge.join("etsec-eth1-77")).unwrap();
        fs::remove_file(tree.roots.dev.join("uio0")).unwrap();
        assert!(is("uio:eth1"), "its registers cannot be looked at");
        fs::remove_dir_all(tree.roots.uio_class().join("uio0")).unwrap();
        tree.device(1, "eth1-tx");
        assert!(is("uio:eth1"), "its other devices are missing");
        fs::remove_dir_all(tree.roots.uio_class()).unwrap();
        assert!(!is("uio:eth1"), "there is none");
        // Who cannot be asked for may be there.
        assert!(is("") && is("sim"));
        fs::remove_file(tree.roots.proc.join("mounts")).unwrap();
        assert!(is("uio:eth1"), "nobody knows");
        #[cfg(feature = "sim")]
        {
            let sim = |name: &str| is(&format!("sim:{}/{name}", tree.root().display()));
            assert!(!sim("nobody"), "no simulator, no device");
            drop(UnixListener::bind(tree.root().join("dead")).unwrap());
            assert!(!sim("dead"), "a socket that nobody listens at");
            // One that is of another kind; one that no socket can be called.
            let _other = UnixListener::bind(tree.root().join("other")).unwrap();
            assert!(sim("other") && sim(&"long".repeat(100)));
        }
    }
}

//! systemd, if it has started the supervisor: told how things are, and given the device files to
//! keep, so that they stay open while the supervisor itself is started again.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use etsec_linux::{Roots, Spec, port, uio};
use sd_notify::NotifyState::{FdName, FdStore, FdStoreRemove, Status, Stopping};

use crate::args::DeviceName;
use crate::notify::{Notify, tell, tell_with};

/// The device files of all ports, held open: a kernel driver that stops a device on its last close
/// does not while a command is started again.
#[derive(Debug)]
pub struct Held {
    files: Vec<(String, File)>,
}

impl Held {
    /// Opens them; they can be owned by others all the same.
    ///
    /// # Errors
    /// What keeps a port from being found.
    pub fn open(roots: &Roots, devices: &[DeviceName]) -> Result<Self> {
        let mut files = Vec::new();
        for device in devices {
            let Spec::Uio(name) = &device.spec else { continue };
            for device in port::devices(roots, name)? {
                files.push((format!("etsec-{}", device.id), uio::hold(&device)?));
            }
        }
        Ok(Held { files })
    }
}

/// The service manager.
#[derive(Debug)]
pub struct Manager {
    notify: Option<Notify>,
    names: Vec<String>,
}

impl Manager {
    /// Gives it the files to keep. Those that it has kept from before stay open until then.
    pub fn begin(held: &Held) -> Self {
        // Those are this process's own, and not for the command.
        if let Err(error) = sd_notify::listen_fds() {
            log::debug!("the files that the service manager has kept: {error}");
        }
        for (name, file) in &held.files {
            tell(&[FdStoreRemove, FdName(name)]);
            tell_with(&[FdStore, FdName(name)], &[file.as_fd()]);
        }
        let names = held.files.iter().map(|(name, _)| name.clone()).collect();
        Manager { notify: None, names }
    }

    /// The command is ready.
    pub fn ready(&mut self) {
        self.notify.get_or_insert_with(Notify::ready);
    }

    /// How things are, in a line for people.
    pub fn status(&self, status: &str) {
        tell(&[Status(status)]);
    }

    /// How often it has to hear that the supervisor is alive.
    pub fn every(&self) -> Option<Duration> {
        self.notify.as_ref().and_then(Notify::every)
    }

    /// The supervisor is alive.
    pub fn alive(&mut self, now: Instant) {
        if let Some(notify) = &mut self.notify {
            notify.alive(now);
        }
    }

    /// It is the end: nothing is to be kept any more.
    pub fn end(&self) {
        tell(&[Stopping]);
        for name in &self.names {
            tell(&[FdStoreRemove, FdName(name)]);
        }
    }
}

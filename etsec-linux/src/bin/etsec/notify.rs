//! Telling a service manager, systemd or `etsec supervise`, that a command runs and is alive. It
//! knows no device.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Speaks for a running command.
#[derive(Debug)]
pub struct Notify {
    /// How often it has to be heard of; `None`: nobody waits for it.
    every: Option<Duration>,
    spoke: Instant,
}

impl Notify {
    /// Says that all is ready.
    pub fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        // Half the time is what the manager recommends; a nap may be as long as that again.
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
        Notify { every, spoke: Instant::now() }
    }

    /// How often it has to be heard of.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// Says that it is alive, if it is time for that.
    pub fn alive(&mut self, now: Instant) {
        if self.every.is_some_and(|every| now.saturating_duration_since(self.spoke) >= every) {
            self.spoke = now;
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Says it to the manager, if there is one.
pub fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        log::debug!("the service manager does not hear: {error}");
    }
}

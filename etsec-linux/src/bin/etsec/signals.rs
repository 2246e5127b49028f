//! Ctrl-C and SIGTERM: a flag that running commands look at. It knows no device.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether the user has asked the command to end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches SIGINT and SIGTERM from here on.
    ///
    /// The first one sets the flag; a second one ends the process at once, for a command that is
    /// stuck.
    pub fn on_signals() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the shutdown must find the flag as the signal before left it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Stop(asked))
    }

    /// A third signal that asks for the end: that the terminal is gone.
    pub fn also_on_hangup(&self) -> io::Result<()> {
        flag::register(SIGHUP, Arc::clone(&self.0)).map(drop)
    }

    /// Whether it is time to end.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! Ctrl-C and SIGTERM: a flag that running commands look at, and what wakes those that sleep. It
//! knows no device.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etsec_linux::{Error, Waiter};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// Whether the user has asked the command to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// Becomes readable with each signal; `None` where none is caught.
    wakes: Option<Arc<UnixStream>>,
}

impl Stop {
    /// Catches SIGINT and SIGTERM from here on.
    ///
    /// The first one sets the flag; a second one ends the process at once, for a command that is
    /// stuck.
    pub fn on_signals() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let (wakes, wake) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the shutdown must find the flag as the signal before left it, and
            // who is woken the one that is set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
            pipe::register(signal, wake.try_clone()?)?;
        }
        Ok(Stop { asked, wakes: Some(Arc::new(wakes)) })
    }

    /// A third signal that asks for the end: that the terminal is gone.
    pub fn also_on_hangup(&self) -> io::Result<()> {
        flag::register(SIGHUP, Arc::clone(&self.asked)).map(drop)
    }

    /// Whether it is time to end.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Makes a wait end when it comes to that, and be it the moment before, by descriptor `number`.
    pub fn wake(&self, waiter: &mut Waiter, number: u32) -> Result<(), Error> {
        let wakes = self.wakes.as_deref();
        wakes.map_or(Ok(()), |wakes| waiter.also_news(wakes, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::low_level::raise;

    #[test]
    fn a_signal_right_before_a_wait_ends_it() {
        let stop = Stop::on_signals().unwrap();
        let mut waiter = Waiter::bells(Vec::new()).unwrap();
        stop.wake(&mut waiter, 5).unwrap();
        assert!(!stop.asked());
        raise(SIGTERM).unwrap();
        assert!(stop.asked());
        // For ever, if it were not for the signal.
        assert_eq!(waiter.wait(None).unwrap().also, 1 << 5);
        // What is still to be done before the end is not kept awake by it.
        let short = Some(std::time::Duration::from_millis(1));
        assert_eq!(waiter.wait(short).unwrap().also, 0);
    }
}

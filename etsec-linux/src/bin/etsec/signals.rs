//! Ctrl-C and SIGTERM: a flag that running commands look at, and what wakes those that sleep. It
//! knows no device.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use etsec_linux::{Error, Waiter};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// Signals that come within this time of the first are the same wish: some send one to a process
/// and another one to its group, as coreutils' `timeout` does.
pub const ONE_WISH: Duration = Duration::from_millis(100);

/// Whether the user has asked the command to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// A further signal is only noted.
    outlives: Arc<AtomicBool>,
    /// Becomes readable with each signal; `None` where none is caught.
    wakes: Option<Arc<UnixStream>>,
}

impl Stop {
    /// Catches SIGINT and SIGTERM from here on.
    ///
    /// The first one sets the flag; another one, unless it is of the [same wish](ONE_WISH), ends
    /// the process at once, for a command that is stuck.
    pub fn on_signals() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let outlives = Arc::new(AtomicBool::new(false));
        let (wakes, wake) = UnixStream::pair()?;
        let (first, tell) = UnixStream::pair()?;
        let ends = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: who is woken must find the flag set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ends))?;
            flag::register(signal, Arc::clone(&asked))?;
            pipe::register(signal, wake.try_clone()?)?;
            pipe::register(signal, tell.try_clone()?)?;
        }
        let outlived = Arc::clone(&outlives);
        let arm = move || {
            if (&first).read_exact(&mut [0]).is_ok() {
                thread::sleep(ONE_WISH);
                ends.store(!outlived.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        };
        // A handler cannot wait, and a command that is stuck cannot look at a clock.
        thread::Builder::new().name("signals".into()).spawn(arm)?;
        Ok(Stop { asked, outlives, wakes: Some(Arc::new(wakes)) })
    }

    /// No number of signals ends the process: it looks for further ones itself.
    pub fn outlive_signals(&self) {
        self.outlives.store(true, Ordering::Relaxed);
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

//! A thread that runs a model against the real clock, for demonstrations (feature `runner`).
//!
//! The model itself has no thread and no clock. What is here moves time and frames; it knows
//! neither registers nor descriptors, and no test of the model needs it.

mod kick;
mod thread;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use etsec_core::Bus;

use crate::ends::{Wire, WireError};
use crate::runner::kick::Kick;
use crate::{Line, Model, Sim, SimBus};

/// The lines of both interrupt groups (HW 9.4), with the number of their group.
const LINES: [(usize, Line); 6] =
    [(0, Line::Tx), (0, Line::Rx), (0, Line::Err), (1, Line::Tx), (1, Line::Rx), (1, Line::Err)];

type Notifier = Arc<dyn Fn(Line) + Send + Sync>;

/// What the thread and its owners share.
struct Shared {
    sim: Sim,
    started: Instant,
    /// Nanoseconds of real time since `started` that the model has been told of.
    told_ns: Mutex<u64>,
    /// Whether it is told of none.
    still: AtomicBool,
    kick: Kick,
    stop: AtomicBool,
    input_ended: AtomicBool,
    /// By group and line.
    armed: [[AtomicBool; 3]; 2],
    /// By group.
    notifiers: Mutex<[Option<Notifier>; 2]>,
    error: Mutex<Option<WireError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing behind these locks is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Tells the model how much real time has passed.
    fn catch_up(&self) {
        if self.still.load(Ordering::Acquire) {
            return;
        }
        let now = self.started.elapsed().as_nanos() as u64;
        let passed = {
            let mut told = lock(&self.told_ns);
            let passed = now.saturating_sub(*told);
            *told = now.max(*told);
            passed
        };
        self.sim.advance(passed);
    }

    /// Whether `line` of a group is high and armed; it is disarmed by that.
    ///
    /// Both are decided under the model's lock, which `model` stands for: an event that a driver
    /// clears before it arms the line again can then not be notified of afterwards.
    fn due(&self, model: &Model, group: usize, line: Line) -> bool {
        let high = if group == 0 { model.line(line) } else { model.second_line(line) };
        high && self.armed[group][line as usize].swap(false, Ordering::AcqRel)
    }

    fn notifiers(&self) -> [Option<Notifier>; 2] {
        lock(&self.notifiers).clone()
    }

    fn enable(&self, group: usize, line: Line) {
        self.armed[group][line as usize].store(true, Ordering::Release);
        let [first, second] = self.notifiers();
        let Some(notify) = (if group == 0 { first } else { second }) else { return };
        if self.sim.with(|model| self.due(model, group, line)) {
            notify(line);
        }
    }
}

/// A model that runs by itself, with a wire. Dropping it stops the thread and waits for its end.
///
/// Drivers must reach the model through [`Runner::bus`]: a write there wakes the thread. Delays of
/// theirs must be real ones.
pub struct Runner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("sim", &self.shared.sim).finish_non_exhaustive()
    }
}

impl Runner {
    /// Starts a thread that advances `sim` by the real time and moves frames between it and
    /// `wire`.
    ///
    /// Frames wait in the wire while the receive rings are full, as behind a switch with flow
    /// control. While the receiver is off or the link down a TAP's or cable's frames are lost and a
    /// file's wait.
    ///
    /// # Errors
    /// The system has no more threads or file descriptors.
    pub fn spawn(sim: Sim, wire: Box<dyn Wire + Send>) -> std::io::Result<Runner> {
        let shared = Arc::new(Shared {
            sim,
            started: Instant::now(),
            told_ns: Mutex::new(0),
            still: AtomicBool::new(false),
            kick: Kick::new()?,
            stop: AtomicBool::new(false),
            input_ended: AtomicBool::new(false),
            armed: [const { [const { AtomicBool::new(true) }; 3] }; 2],
            notifiers: Mutex::new([None, None]),
            error: Mutex::new(None),
        });
        let thread = thread::Mover::new(Arc::clone(&shared), wire);
        let thread =
            std::thread::Builder::new().name("etsec-sim".into()).spawn(move || thread.run())?;
        Ok(Runner { shared, thread: Mutex::new(Some(thread)) })
    }

    /// The group 0 register page; writing to it wakes the thread.
    #[must_use]
    pub fn bus(&self) -> RunnerBus {
        RunnerBus { bus: self.shared.sim.bus(), shared: Arc::clone(&self.shared) }
    }

    /// The page of the second interrupt group of an eTSEC2; writing to it wakes the thread.
    #[must_use]
    pub fn second_bus(&self) -> RunnerBus {
        RunnerBus { bus: self.shared.sim.second_bus(), shared: Arc::clone(&self.shared) }
    }

    /// The separate MDIO page of an eTSEC2; writing to it wakes the thread.
    #[must_use]
    pub fn mdio_bus(&self) -> RunnerBus {
        RunnerBus { bus: self.shared.sim.mdio_bus(), shared: Arc::clone(&self.shared) }
    }

    /// The model.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        &self.shared.sim
    }

    /// Calls `notify` when an armed line of the first group is high, and disarms that line:
    /// the semantics of a UIO device. All lines are armed at first.
    ///
    /// It is called from the runner's thread or from [`Runner::enable`], and should do no more than
    /// wake somebody.
    pub fn on_interrupt(&self, notify: impl Fn(Line) + Send + Sync + 'static) {
        lock(&self.shared.notifiers)[0] = Some(Arc::new(notify));
        self.shared.kick.kick();
    }

    /// As [`Runner::on_interrupt`], for the lines of the second group.
    pub fn on_second_interrupt(&self, notify: impl Fn(Line) + Send + Sync + 'static) {
        lock(&self.shared.notifiers)[1] = Some(Arc::new(notify));
        self.shared.kick.kick();
    }

    /// Arms a line of the first group again; if it is still high, the notifier is called before
    /// this returns.
    pub fn enable(&self, line: Line) {
        self.shared.enable(0, line);
    }

    /// As [`Runner::enable`], for a line of the second group.
    pub fn enable_second(&self, line: Line) {
        self.shared.enable(1, line);
    }

    /// Lets no real time pass for the model from here on: its time is what [`Sim::advance`] says,
    /// for tests that must not depend on how fast a machine is.
    pub fn stand_still(&self) {
        self.shared.still.store(true, Ordering::Release);
    }

    /// Takes out why the wire has failed, if it has. The model runs on, without the direction that
    /// failed.
    #[must_use]
    pub fn error(&self) -> Option<WireError> {
        lock(&self.shared.error).take()
    }

    /// Stops the thread, after it has given the wire all that the model has sent, and waits for its
    /// end. [`Runner::error`] then tells of every frame whether it could be given.
    pub fn finish(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.kick.kick();
        let thread = lock(&self.thread).take();
        let Some(Err(panic)) = thread.map(JoinHandle::join) else { return };
        if !std::thread::panicking() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Whether everything the wire will ever supply has been received, as at the end of a file.
    #[must_use]
    pub fn input_ended(&self) -> bool {
        self.shared.input_ended.load(Ordering::Acquire)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A register page of a model that runs by itself.
///
/// It works on after its [`Runner`] is gone; time then passes only when it is used.
#[derive(Clone)]
pub struct RunnerBus {
    bus: SimBus,
    shared: Arc<Shared>,
}

impl fmt::Debug for RunnerBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bus.fmt(f)
    }
}

impl Bus for RunnerBus {
    fn read(&self, at: u16) -> u32 {
        self.shared.catch_up();
        self.bus.read(at)
    }

    fn write(&self, at: u16, value: u32) {
        self.shared.catch_up();
        self.bus.write(at, value);
        self.shared.kick.kick();
    }

    fn publish(&self) {
        self.bus.publish();
    }

    fn observe(&self) {
        self.bus.observe();
    }
}

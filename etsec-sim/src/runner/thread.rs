//! The runner's thread: one turn after the other of time, frames and interrupt lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{LINES, Shared, lock};
use crate::ends::{Wire, WireError};
use crate::model::Model;
use crate::room::Room;
use crate::wire::WireFrame;

/// Frames moved each way in a turn: enough to be cheap, few enough that the driver gets the model
/// in between.
const BATCH: usize = 32;
/// How long a sleep lasts while frames are flowing, and how long after the last one they are said
/// to.
const BUSY_SLEEP: Duration = Duration::from_micros(200);
const BUSY_FOR: Duration = Duration::from_millis(2);
/// How long a sleep lasts otherwise: what the model does by itself then needs no more precision.
const IDLE_SLEEP: Duration = Duration::from_millis(10);

/// How many batches are given to the wire after the end: all that a model keeps, and a bound for
/// one that still sends.
const LAST_BATCHES: usize = 4096;

/// Moves frames between a model and a wire.
pub(super) struct Mover {
    shared: Arc<Shared>,
    wire: Box<dyn Wire + Send>,
    /// Frames from the wire; those before `given` have been received, the rest wait for room.
    inbox: Vec<Vec<u8>>,
    taken: usize,
    given: usize,
    outbox: Vec<WireFrame>,
    receives: bool,
    sends: bool,
    /// Why the wire receives no more, until the frames before that have been received.
    held: Option<WireError>,
}

impl Mover {
    pub(super) fn new(shared: Arc<Shared>, wire: Box<dyn Wire + Send>) -> Mover {
        Mover {
            shared,
            wire,
            inbox: vec![Vec::new(); BATCH],
            taken: 0,
            given: 0,
            outbox: Vec::with_capacity(BATCH),
            receives: true,
            sends: true,
            held: None,
        }
    }

    pub(super) fn run(mut self) {
        let mut last_moved = Instant::now();
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.kick.take();
            let moved = self.turn();
            if moved {
                last_moved = Instant::now();
                continue;
            }
            let busy = self.waiting() || last_moved.elapsed() < BUSY_FOR;
            let limit = if busy { BUSY_SLEEP } else { IDLE_SLEEP };
            // A frame that waits for room is the driver's turn, not the wire's.
            let fd = if self.waiting() || !self.receives { None } else { self.wire.fd() };
            self.shared.kick.sleep(fd, limit);
        }
        self.empty();
    }

    /// Gives the wire what the model has sent by now; what the wire still supplies is not wanted.
    fn empty(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.catch_up();
        for _ in 0..LAST_BATCHES {
            if !self.sends || shared.sim.with(|model| self.collect(model)) == 0 {
                return;
            }
            self.give_to_wire();
        }
    }

    /// Takes up to a batch of frames that the model has sent; returns how many.
    fn collect(&mut self, model: &mut Model) -> usize {
        for given in self.outbox.drain(..) {
            model.recycle(given.data);
        }
        let sent = std::iter::from_fn(|| model.transmitted());
        self.outbox.extend(sent.take(BATCH));
        self.outbox.len()
    }

    /// Whether frames from the wire wait for the driver.
    fn waiting(&self) -> bool {
        self.given < self.taken
    }

    /// One round; true if a frame has moved.
    fn turn(&mut self) -> bool {
        self.take_from_wire();
        let shared = Arc::clone(&self.shared);
        shared.catch_up();
        let before = self.given;
        let notifiers = shared.notifiers();
        let lines = shared.sim.with(|model| {
            while self.given < self.taken {
                let frame = &self.inbox[self.given];
                match model.room(frame.len()) {
                    Room::Full => break,
                    Room::Closed if self.wire.waits() => break,
                    Room::Closed | Room::Free => model.receive_good(frame),
                }
                self.given += 1;
            }
            self.collect(model);
            LINES.map(|(group, line)| notifiers[group].is_some() && shared.due(model, group, line))
        });
        for ((group, line), due) in LINES.into_iter().zip(lines) {
            if let (true, Some(notify)) = (due, &notifiers[group]) {
                notify(line);
            }
        }
        self.give_to_wire();
        self.conclude();
        self.given > before || !self.outbox.is_empty()
    }

    fn take_from_wire(&mut self) {
        if self.waiting() || !self.receives {
            return;
        }
        (self.taken, self.given) = (0, 0);
        while self.taken < BATCH {
            match self.wire.receive(&mut self.inbox[self.taken]) {
                Ok(true) => self.taken += 1,
                Ok(false) => break,
                Err(error) => {
                    self.receives = false;
                    self.held = Some(error);
                    break;
                }
            }
        }
    }

    fn give_to_wire(&mut self) {
        if !self.sends {
            return;
        }
        // A receiver drops what is broken.
        for frame in self.outbox.iter().filter(|frame| frame.fcs.is_right(&frame.data)) {
            if let Err(error) = self.wire.send(&frame.data) {
                self.sends = false;
                self.fail(error);
                return;
            }
        }
    }

    /// Tells of the input's end, and only then why: who sees the error finds all frames received.
    fn conclude(&mut self) {
        if self.waiting() {
            return;
        }
        let ended = !self.receives || self.wire.ended();
        self.shared.input_ended.store(ended, Ordering::Release);
        if let Some(error) = self.held.take() {
            self.fail(error);
        }
    }

    /// Keeps the first error until somebody takes it.
    fn fail(&self, error: WireError) {
        lock(&self.shared.error).get_or_insert(error);
    }
}

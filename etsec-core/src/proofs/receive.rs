//! Receive hand-over: what the queue gives is what the device stored, in order, and the device
//! stores only where it was told to.

use loom::thread;
use std::vec::Vec;

use super::device::Engine;
use super::{Bell, Ground, Line, Without, check};
use crate::buf::Buf;
use crate::rx::RxQueue;

/// How often the device looks for an empty descriptor while the driver is at work.
const LOOKS: usize = 2;
/// Switches of threads in one run.
const PREEMPTIONS: usize = 4;

/// A frame arrives: it is stored if there is room, and otherwise the ring halts until the bell is
/// heard (HW 8.6).
fn arrive(engine: &mut Engine, line: &Line, halted: &mut bool) {
    if line.take() {
        *halted = false;
    }
    if !*halted {
        *halted = !engine.store();
    }
}

/// What a driver does.
#[derive(Clone, Copy)]
struct Case {
    without: Without,
    by_burst: bool,
    /// Whether buffers go back into the ring.
    again: bool,
    /// The descriptor to begin at.
    at: u32,
}

const CASE: Case = Case { without: Without::NOTHING, by_burst: false, again: true, at: 3 };

impl Case {
    /// Takes what has come. Its buffer may go round once more, with other contents.
    fn take(self, rx: &mut RxQueue<Bell>, taken: &mut Vec<u32>) {
        let next = if self.by_burst { rx.arrived().next() } else { rx.next() };
        let Some((mut buf, meta)) = next else { return };
        assert_eq!(buf.len(), 60, "{meta:?}");
        taken.push(buf.number());
        if self.again {
            // The application's own use of it.
            buf[0] = 1;
            self.put(rx, buf);
        }
    }

    fn put(self, rx: &mut RxQueue<Bell>, buf: Buf) {
        if self.by_burst {
            rx.refiller().refill(buf).unwrap()
        } else {
            rx.refill(buf).unwrap()
        };
        rx.commit();
    }

    fn take_all(self, rx: &mut RxQueue<Bell>, engine: &Engine, taken: &mut Vec<u32>) {
        for _ in taken.len()..engine.log.len() {
            self.take(rx, taken);
        }
        assert_eq!(engine.log, *taken, "a frame is missing, or came twice");
    }
}

fn hand_over(case: Case) {
    let mut ground = Ground::new(case.without, 2);
    let (bell, line) = Bell::new(case.without);
    let (mut rx, view, mut engine) = ground.rx(bell, case.at);
    view.set_live(true);
    case.put(&mut rx, ground.pool.alloc().unwrap());
    let mut halted = false;
    let heard = line.clone();
    let device = thread::spawn(move || {
        for _ in 0..LOOKS {
            arrive(&mut engine, &heard, &mut halted);
        }
        (engine, halted)
    });
    // While the device is at work it is given a second buffer.
    let mut second = ground.pool.alloc().unwrap();
    second.set_len(1);
    second[0] = 1;
    case.put(&mut rx, second);
    let mut taken = Vec::new();
    for _ in 0..LOOKS {
        case.take(&mut rx, &mut taken);
    }
    let (mut engine, mut halted) = device.join().unwrap();
    case.take_all(&mut rx, &engine, &mut taken);
    // What is left in the ring is the device's, and it knows.
    let room = rx.pending() != 0;
    arrive(&mut engine, &line, &mut halted);
    assert_eq!(engine.log.len() - taken.len(), usize::from(room), "the ring stands still");
    case.take_all(&mut rx, &engine, &mut taken);
    view.set_live(false);
}

/// In every order, with the ring's end after each of the first two descriptors.
fn holds(case: Case) {
    for at in [2, 3] {
        check(PREEMPTIONS, move || hand_over(Case { at, ..case }));
    }
}

#[test]
fn frames_are_taken_as_they_were_stored() {
    holds(CASE);
    holds(Case { again: false, ..CASE });
}

#[test]
fn frames_are_taken_by_the_burst_as_they_were_stored() {
    holds(Case { by_burst: true, ..CASE });
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_the_barrier_behind_e_old_bytes_are_taken() {
    holds(Case { without: Without::OBSERVE, ..CASE });
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_the_barrier_behind_e_a_burst_takes_old_bytes() {
    holds(Case { without: Without::OBSERVE, by_burst: true, ..CASE });
}

// The first commit publishes twice before there is a device, the second before E and before the
// bell.
const BEFORE_E: Without = Without::publish(2);
const BEFORE_BELL: Without = Without::publish(3);

#[test]
#[should_panic(expected = "which is no buffer")]
fn without_the_barrier_before_e_the_device_stores_where_it_should_not() {
    holds(Case { without: BEFORE_E, ..CASE });
}

#[test]
#[should_panic(expected = "the ring stands still")]
fn without_the_barrier_before_the_bell_the_ring_stands_still() {
    holds(Case { without: BEFORE_BELL, again: false, ..CASE });
}

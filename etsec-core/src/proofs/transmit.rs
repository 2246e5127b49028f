//! Transmit hand-over: what the device sends is what was staged, in order, and nothing that is
//! staged and committed stays behind.

use loom::thread;
use std::vec::Vec;

use super::device::Engine;
use super::{Bell, Ground, Line, Without, check};
use crate::buf::Buf;
use crate::pool::Pool;

/// How often the device looks at the bell while the driver is at work.
const LOOKS: usize = 2;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 4;

/// Sends what it is told of, and whatever is ready behind it.
fn look(engine: &mut Engine, line: &Line) {
    if line.take() {
        while engine.send() {}
    }
}

/// A frame of so many buffers, each with contents of its own.
fn frame(pool: &Pool, buffers: usize, expected: &mut Vec<u32>) -> Buf {
    let mut frame = pool.alloc().unwrap();
    write(&mut frame, expected);
    for _ in 1..buffers {
        let mut part = pool.alloc().unwrap();
        write(&mut part, expected);
        frame.append(part).unwrap();
    }
    frame
}

fn write(buf: &mut Buf, expected: &mut Vec<u32>) {
    buf.set_len(60);
    buf[0] = 1;
    expected.push(buf.number());
}

/// What a driver does.
#[derive(Clone, Copy)]
struct Case {
    without: Without,
    /// Buffers of each frame.
    shape: &'static [usize],
    /// Whether all are committed at once.
    together: bool,
    by_burst: bool,
    /// The descriptor to begin at.
    at: u32,
}

const SINGLE: Case =
    Case { without: Without::NOTHING, shape: &[1, 1], together: false, by_burst: false, at: 3 };

fn hand_over(case: Case) {
    let mut ground = Ground::new(case.without, case.shape.iter().sum());
    let (bell, line) = Bell::new(case.without);
    let (mut tx, view, mut engine) = ground.tx(bell, case.at);
    view.set_live(true);
    let heard = line.clone();
    let device = thread::spawn(move || {
        for _ in 0..LOOKS {
            look(&mut engine, &heard);
        }
        engine
    });
    let mut expected = Vec::new();
    for &buffers in case.shape {
        let frame = frame(&ground.pool, buffers, &mut expected);
        if case.by_burst {
            tx.stager().stage(frame).unwrap()
        } else {
            tx.stage(frame).unwrap()
        };
        if !case.together {
            tx.commit();
        }
    }
    tx.commit();
    // What has been sent by now is sent again.
    let done = if case.by_burst { tx.sent().next() } else { tx.reap() };
    if let Some(mut buf) = done.filter(|buf| !buf.is_chain()) {
        write(&mut buf, &mut expected);
        tx.stage(buf).unwrap();
        tx.commit();
    }
    let mut engine = device.join().unwrap();
    look(&mut engine, &line);
    assert_eq!(engine.log, expected, "a frame stayed behind, or came twice");
    while tx.reap().is_some() {}
    assert_eq!(tx.pending(), 0, "a frame that was sent does not come back");
    view.set_live(false);
}

/// In every order, with the ring's end after each of the first two descriptors.
fn holds(case: Case) {
    for at in [2, 3] {
        check(PREEMPTIONS, move || hand_over(Case { at, ..case }));
    }
}

#[test]
fn frames_arrive_whole_and_in_order() {
    holds(SINGLE);
    holds(Case { together: true, by_burst: true, ..SINGLE });
}

#[cfg(feature = "scatter")]
#[test]
fn frames_in_several_buffers_are_ready_as_a_whole() {
    holds(Case { shape: &[1, 2], ..SINGLE });
    holds(Case { shape: &[2, 1], together: true, ..SINGLE });
}

// The second commit publishes before R and before the bell; in between for frames in several
// buffers.
const BEFORE_R: Without = Without::publish(2);
const BEFORE_FIRST_R: Without = Without::publish(3);
const BEFORE_BELL: Without = Without::publish(3);

#[test]
#[should_panic(expected = "which is no buffer")]
fn without_the_barrier_before_r_the_device_goes_where_it_should_not() {
    holds(Case { without: BEFORE_R, ..SINGLE });
}

#[test]
#[should_panic(expected = "a frame stayed behind")]
fn without_the_barrier_before_the_bell_a_frame_stays_behind() {
    holds(Case { without: BEFORE_BELL, ..SINGLE });
}

#[cfg(feature = "scatter")]
#[test]
#[should_panic(expected = "a frame without its end")]
fn without_the_barrier_before_the_first_r_half_a_frame_is_met() {
    holds(Case { without: BEFORE_FIRST_R, shape: &[1, 2], ..SINGLE });
}

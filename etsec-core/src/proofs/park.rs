//! Going to sleep against the level interrupt: whatever the device does meanwhile, a frame that is
//! in a ring has somebody awake, or a line that wakes him.

use core::convert::Infallible;

use loom::thread;

use super::device::Engine;
use super::events::{EventPage, Events};
use super::{Bell, Ground, Without, check};
use crate::bus::Bus;
use crate::event::{Event, Line};
use crate::event_port::EventPort;
use crate::park::{Park, park, park_acknowledged, park_after_look};
use crate::regs::receive::Rstat;
use crate::regs::transmit::Tstat;
use crate::rx::RxQueue;
use crate::tx::TxQueue;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 3;

/// What a sleeper does otherwise than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    No,
    /// Looks at the ring before it acknowledges, and not behind.
    LooksBefore,
    /// Acknowledges whatever is set.
    TakesAll,
    /// Finds nothing behind the acknowledgement, whatever there is.
    LooksNever,
}

/// A queue that somebody sleeps for.
trait Side {
    const LINE: Line;
    fn has_something(&self) -> bool;
    /// Does all there is to do; how many frames that were.
    fn work(&mut self) -> usize;
}

impl Side for RxQueue<Bell> {
    const LINE: Line = Line::Rx;
    fn has_something(&self) -> bool {
        self.has_arrived()
    }
    fn work(&mut self) -> usize {
        core::iter::from_fn(|| self.next()).map(drop).count()
    }
}

impl Side for TxQueue<Bell> {
    const LINE: Line = Line::Tx;
    fn has_something(&self) -> bool {
        self.has_sent()
    }
    fn work(&mut self) -> usize {
        core::iter::from_fn(|| self.reap()).map(drop).count()
    }
}

/// Who sleeps for a queue.
struct Sleeper<Q> {
    queue: Q,
    port: EventPort<EventPage>,
    page: EventPage,
    events: Events,
    /// Which of those who sleep at the line.
    number: usize,
    careless: Careless,
    seen_before: bool,
}

impl<Q: Side> Sleeper<Q> {
    fn new(queue: Q, events: &Events, number: usize, page: &EventPage) -> Self {
        let port = EventPort::new(page.clone(), Tstat::empty(), Rstat::empty());
        let (events, page) = (events.clone(), page.clone());
        Sleeper { queue, port, page, events, number, careless: Careless::No, seen_before: false }
    }

    /// Serves the queue until `due` frames are done.
    fn serve(mut self, due: usize) -> Q {
        let mut done = self.queue.work();
        let mut found = false;
        while done < due {
            if found {
                park_after_look(&mut self).unwrap();
                found = false;
            } else {
                found = park(&mut self).unwrap().is_none();
            }
            let more = self.queue.work();
            found &= more == 0;
            done += more;
        }
        self.queue
    }

    /// The same in the other order: acknowledges when it is woken, and works after that. What it
    /// has found by a look is acknowledged before the next sleep.
    fn serve_as_woken(mut self, due: usize) -> Q {
        let mut done = self.queue.work();
        let mut found = false;
        while done < due {
            let woken = if found { park(&mut self) } else { park_acknowledged(&mut self) };
            found = woken.unwrap().is_none();
            if !found {
                self.acknowledge();
            }
            done += self.queue.work();
        }
        self.queue
    }
}

impl<Q: Side> Park for Sleeper<Q> {
    type Woken = ();
    type Error = Infallible;

    fn acknowledge(&mut self) {
        self.seen_before = self.queue.has_something();
        if self.careless == Careless::TakesAll {
            self.page.write(0x010, self.page.read(0x010));
        }
        self.port.take(Q::LINE);
    }

    fn arm(&mut self) -> Result<(), Infallible> {
        self.events.arm(Q::LINE);
        Ok(())
    }

    fn look(&mut self) -> bool {
        match self.careless {
            Careless::LooksBefore => self.seen_before,
            Careless::LooksNever => false,
            _ => self.queue.has_something(),
        }
    }

    fn block(&mut self) -> Result<(), Infallible> {
        self.events.block(Q::LINE, self.number);
        Ok(())
    }
}

fn receive(engine: &mut Engine, events: &Events) {
    assert!(engine.store(), "there are empty descriptors");
    events.raise(Event::RXF.bits());
}

/// Receive ring number `n` of its port, full of buffers.
fn receiver(ground: &mut Ground, buffers: usize) -> (RxQueue<Bell>, Engine) {
    let (bell, _) = Bell::new(Without::NOTHING);
    let (mut rx, view, engine) = ground.rx(bell, 0);
    view.set_live(true);
    (0..buffers).for_each(|_| rx.refill(ground.pool.alloc().unwrap()).unwrap());
    rx.commit();
    (rx, engine)
}

/// How a queue is served.
type Serve = fn(Sleeper<RxQueue<Bell>>, usize) -> RxQueue<Bell>;
const PARKS: Serve = Sleeper::serve;
const AS_WOKEN: Serve = Sleeper::serve_as_woken;

/// Two frames arrive while their receiver goes to sleep again and again.
fn one_sleeper(serve: Serve, without: Without, pushes: bool, careless: Careless) {
    let frames = 2;
    let mut ground = Ground::new(Without::NOTHING, frames);
    let (rx, mut engine) = receiver(&mut ground, frames);
    let events = Events::new(1);
    let page = events.page(without, pushes);
    let mut sleeper = Sleeper::new(rx, &events, 0, &page);
    sleeper.careless = careless;
    let device = thread::spawn(move || {
        (0..frames).for_each(|_| receive(&mut engine, &events));
        events.end();
    });
    let rx = serve(sleeper, frames);
    device.join().unwrap();
    core::mem::forget(rx);
}

#[test]
fn no_wake_up_is_lost() {
    for serve in [PARKS, AS_WOKEN] {
        check(PREEMPTIONS, move || one_sleeper(serve, Without::NOTHING, true, Careless::No));
    }
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn without_the_barrier_behind_the_acknowledgement_one_is_lost() {
    check(PREEMPTIONS, || one_sleeper(PARKS, Without::OBSERVE, true, Careless::No));
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn without_the_barrier_one_is_lost_also_by_who_acknowledges_when_woken() {
    check(PREEMPTIONS, || one_sleeper(AS_WOKEN, Without::OBSERVE, true, Careless::No));
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn without_reading_back_one_is_lost() {
    check(PREEMPTIONS, || one_sleeper(AS_WOKEN, Without::NOTHING, false, Careless::No));
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn looking_before_the_acknowledgement_is_too_early() {
    check(PREEMPTIONS, || one_sleeper(PARKS, Without::NOTHING, true, Careless::LooksBefore));
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn without_looking_once_more_one_is_lost() {
    check(PREEMPTIONS, || one_sleeper(PARKS, Without::NOTHING, true, Careless::LooksNever));
}

/// One sleeps for what arrives, the other for what was sent, and each has a line of its own.
fn two_lines(careless: Careless) {
    let mut ground = Ground::new(Without::NOTHING, 2);
    let (rx, mut receives) = receiver(&mut ground, 1);
    let (bell, _) = Bell::new(Without::NOTHING);
    let (mut tx, view, mut sends) = ground.tx(bell, 0);
    view.set_live(true);
    let mut buf = ground.pool.alloc().unwrap();
    buf.set_len(60);
    buf.fill(1);
    tx.stage(buf).unwrap();
    tx.commit();
    let events = Events::new(1);
    let page = events.page(Without::NOTHING, true);
    let mut for_rx = Sleeper::new(rx, &events, 0, &page);
    for_rx.careless = careless;
    let for_tx = Sleeper::new(tx, &events, 0, &page);
    let device = thread::spawn(move || {
        assert!(sends.send());
        events.raise(Event::TXF.bits());
        receive(&mut receives, &events);
        events.end();
    });
    let other = thread::spawn(move || for_tx.serve(1));
    let rx = for_rx.serve(1);
    device.join().unwrap();
    core::mem::forget((rx, other.join().unwrap()));
}

#[test]
fn two_lines_do_not_take_from_each_other() {
    check(2, || two_lines(Careless::No));
}

#[test]
#[should_panic(expected = "a wake-up is lost")]
fn who_acknowledges_the_events_of_both_takes_the_others() {
    check(2, || two_lines(Careless::TakesAll));
}

/// Two sleep at one line, for a ring each.
fn one_line(second: fn(Sleeper<RxQueue<Bell>>) -> RxQueue<Bell>, frames: [usize; 2]) {
    let mut ground = Ground::new(Without::NOTHING, 2);
    let events = Events::new(2);
    let page = events.page(Without::NOTHING, true);
    let (first, mut first_ring) = receiver(&mut ground, 1);
    let first = Sleeper::new(first, &events, 0, &page);
    let (other, mut other_ring) = receiver(&mut ground, 1);
    let other = Sleeper::new(other, &events, 1, &page);
    let device = thread::spawn(move || {
        (0..frames[0]).for_each(|_| receive(&mut first_ring, &events));
        (0..frames[1]).for_each(|_| receive(&mut other_ring, &events));
        events.end();
    });
    let other = thread::spawn(move || second(other));
    let first = first.serve(frames[0]);
    device.join().unwrap();
    core::mem::forget((first, other.join().unwrap()));
}

/// Another process that has the same UIO device open can do no more.
#[test]
fn who_only_lets_interrupts_through_takes_none() {
    let arms = |sleeper: Sleeper<RxQueue<Bell>>| {
        (0..2).for_each(|_| sleeper.events.arm(Line::Rx));
        sleeper.queue
    };
    check(2, move || one_line(arms, [1, 0]));
}

/// A level may be down again before an interrupt is made of it: so the events of a line are
/// acknowledged by one alone.
#[test]
#[should_panic(expected = "a wake-up is lost")]
fn two_who_acknowledge_at_one_line_take_from_each_other() {
    check(2, || one_line(|sleeper| sleeper.serve(1), [1, 1]));
}

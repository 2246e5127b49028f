//! Frames arrive at random moments, and whoever waits for them sleeps without a time-out: a wake-up
//! that is lost leaves a frame in the ring and its receiver asleep for ever.
//!
//! `ETSEC_WAKEUPS=1000000` makes it as many arrivals.
#![cfg(feature = "sim")]

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use etsec_core::event::Line;
use etsec_core::park::Park;
use etsec_core::{Bus, EventPort, Pool, Running};
use etsec_linux::device::{Rx, Tx};
use etsec_linux::strategy::Nap;
use etsec_linux::{AnyBus, Budget, Device, Lines, Options, Strategy, Waiter};

/// Arrivals at each receiver, if nobody says otherwise.
const ARRIVALS: u64 = 20_000;
/// Frames on their way at most: fewer than a ring has descriptors.
const ON_THE_WAY: u64 = 100;
/// Without progress for so long, somebody sleeps who should not. A wake-up takes microseconds.
const STUCK: Duration = Duration::from_secs(60);

fn arrivals() -> u64 {
    std::env::var("ETSEC_WAKEUPS").map_or(ARRIVALS, |text| text.parse().expect("a number"))
}

/// Random numbers, the same ones in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A pause that is mostly none, and otherwise up to some microseconds.
    fn pause(&mut self) {
        let spins = if self.below(4) == 0 { self.below(3000) } else { self.below(40) };
        (0..spins).for_each(|_| spin_loop());
    }
}

/// A parker that dawdles between any two of its steps.
struct Dawdler<'a, P>(P, &'a mut Random);

impl<P: Park> Park for Dawdler<'_, P> {
    type Woken = P::Woken;
    type Error = P::Error;
    fn acknowledge(&mut self) {
        self.1.pause();
        self.0.acknowledge();
    }
    fn arm(&mut self) -> Result<(), P::Error> {
        self.1.pause();
        self.0.arm()
    }
    fn look(&mut self) -> bool {
        self.1.pause();
        self.0.look()
    }
    fn block(&mut self) -> Result<P::Woken, P::Error> {
        self.1.pause();
        self.0.block()
    }
}

/// A parker that looks before it acknowledges, and takes that for the look behind it.
struct Hasty<P>(P, bool);

impl<P: Park> Park for Hasty<P> {
    type Woken = P::Woken;
    type Error = P::Error;
    fn acknowledge(&mut self) {}
    fn arm(&mut self) -> Result<(), P::Error> {
        self.1 = self.0.look();
        self.0.acknowledge();
        self.0.arm()
    }
    fn look(&mut self) -> bool {
        self.1
    }
    fn block(&mut self) -> Result<P::Woken, P::Error> {
        self.0.block()
    }
}

fn opened(cable: &str) -> Device<Running<AnyBus>> {
    let options = Options { promiscuous: true, ..Options::default() };
    let device = Device::open(&format!("sim,wire=cable:{cable}"), &options).unwrap();
    let mut device = device.start().map_err(|(_, error)| error).unwrap();
    assert!(device.service(0).unwrap().link.is_ok());
    device
}

/// How many frames, which are fewer than some machines have no atomic number for.
#[derive(Default)]
struct Count(AtomicU32);

impl Count {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed).into()
    }

    /// Counts one more; how many there were before.
    fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// Who waits for frames, and how far it is.
struct Waits {
    waiter: Waiter,
    events: EventPort<AnyBus>,
    lines: Lines,
    strategy: Strategy,
    random: Random,
    /// Frames done.
    done: Arc<Count>,
    /// Goes to sleep in the wrong order.
    hasty: bool,
}

impl Waits {
    fn new(waiter: Waiter, events: EventPort<AnyBus>, lines: Lines, budget: Budget) -> Self {
        let strategy = Strategy::new(budget);
        let (random, done) = (Random(0x5EED), Arc::default());
        Waits { waiter, events, lines, strategy, random, done, hasty: false }
    }

    fn wait(&mut self, look: impl FnMut() -> bool) {
        let (events, waiter) = (&self.events, &mut self.waiter);
        let acknowledge = |line| {
            events.take(line);
        };
        let nap = Nap { waiter, lines: self.lines, limit: None, acknowledge, look };
        let done = self.done.get();
        let mut dawdler = Dawdler(nap, &mut self.random);
        match self.hasty {
            true => self.strategy.wait(&mut Hasty(dawdler, false), done).unwrap(),
            false => self.strategy.wait(&mut dawdler, done).unwrap(),
        };
    }

    /// Takes `count` frames, each with its number.
    fn receive(&mut self, rx: &mut Rx, count: u64) {
        while self.done.get() < count {
            while let Some((buf, _)) = rx.next() {
                let number = u64::from_be_bytes(buf[14..22].try_into().unwrap());
                assert_eq!(number, self.done.add(), "lost, or repeated");
                rx.refill(buf).unwrap();
            }
            rx.commit();
            self.random.pause();
            if self.done.get() < count {
                self.wait(|| rx.has_arrived());
            }
        }
    }

    /// Sends `count` frames, the next one when an interrupt has told that the last one has left: it
    /// looks at no ring before.
    fn send(&mut self, tx: &mut Tx, pool: &Pool, count: u64) {
        for number in 0..count {
            stage(tx, pool, number);
            self.random.pause();
            self.waiter.enable(self.lines).unwrap();
            let woken = self.waiter.wait(None).unwrap();
            assert_eq!(woken.lines, self.lines, "woken by another's line");
            self.events.take(Line::Tx);
            assert!(tx.reap().is_some(), "woken for nothing");
            self.done.add();
        }
    }
}

fn stage(tx: &mut Tx, pool: &Pool, number: u64) {
    let mut frame = [0xFF; 60];
    frame[14..22].copy_from_slice(&number.to_be_bytes());
    tx.stage(pool.frame(&frame).unwrap()).unwrap();
    tx.commit();
}

/// Sends `count` numbered frames at random moments, and throws away what comes. It polls.
fn disturb(device: &mut Device<Running<AnyBus>>, count: u64, taken: &Count) {
    let mut random = Random(0xA11);
    let (tx, rx) = (&mut device.tx[0], &mut device.rx[0]);
    for number in 0..count {
        // Now and then the other side gets all the time it wants to fall asleep.
        let ahead = if random.below(4) == 0 { 1 } else { ON_THE_WAY };
        while number - taken.get() >= ahead || tx.space() == 0 {
            while tx.reap().is_some() {}
            discard(rx);
            thread::yield_now();
        }
        random.pause();
        stage(tx, &device.pool, number);
        while tx.reap().is_some() {}
        discard(rx);
    }
}

fn discard(rx: &mut Rx) {
    while let Some((buf, _)) = rx.next() {
        rx.refill(buf).unwrap();
    }
    rx.commit();
}

/// Waits for the end of those who wait; they must get on meanwhile.
fn watch(ends: &Receiver<&'static str>, count: usize, progress: &[Arc<Count>]) {
    let done = || progress.iter().map(|done| done.get()).collect::<Vec<_>>();
    for _ in 0..count {
        loop {
            let before = done();
            match ends.recv_timeout(STUCK) {
                Ok(_) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let now = done();
                    assert_ne!(now, before, "a wake-up is lost: {now:?} frames are done");
                }
                Err(RecvTimeoutError::Disconnected) => panic!("a thread has failed"),
            }
        }
    }
}

/// Stops both ports; nobody has used them wrongly.
fn close(ports: Vec<Device<Running<AnyBus>>>) {
    for port in ports {
        let port = port.stop().map_err(|(_, error)| error).unwrap();
        assert!(port.memory.simulated().unwrap().sim().violations().is_empty());
    }
}

fn one_waiter(cable: &str, budget: Budget) {
    let count = arrivals();
    let mut device = opened(cable);
    let mut partner = opened(cable);
    let waiter = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new()).unwrap());
    let mut waits = Waits::new(waiter, device.port.events(), Lines::RX, budget);
    let (mut rx, done) = (device.rx.remove(0), Arc::clone(&waits.done));
    let (end, ends) = channel();
    let sender_end = end.clone();
    let receiver = thread::spawn(move || {
        waits.receive(&mut rx, count);
        end.send("receiver").unwrap();
        (rx, waits)
    });
    let taken = Arc::clone(&done);
    let sender = thread::spawn(move || {
        disturb(&mut partner, count, &taken);
        sender_end.send("sender").unwrap();
        partner
    });
    watch(&ends, 2, &[done]);
    let (rx, waits) = receiver.join().unwrap();
    let counters = waits.strategy.counters();
    println!("{cable}: {count} arrivals, {counters:?}");
    // Else it would prove little. Usually it is every other arrival; on a busy machine whoever
    // polls hardly gets to sleep.
    assert!(counters.slept > count / 200, "{counters:?}");
    close(vec![device, sender.join().unwrap()]);
    drop(rx);
}

#[test]
fn no_wake_up_is_lost_by_who_sleeps_at_once() {
    one_waiter("wakeups-off", Budget::Off);
}

#[test]
fn no_wake_up_is_lost_by_who_polls_before() {
    one_waiter("wakeups-adaptive", Budget::Adaptive(Duration::from_micros(20)));
}

/// That the others can fail: in the wrong order a receiver soon sleeps for ever.
#[test]
fn who_looks_too_early_is_found_out() {
    let mut device = opened("wakeups-hasty");
    let mut partner = opened("wakeups-hasty");
    let page = device.port.pages().group0.clone();
    let waiter = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new()).unwrap());
    let mut waits = Waits::new(waiter, device.port.events(), Lines::RX, Budget::Off);
    waits.hasty = true;
    let (mut rx, done) = (device.rx.remove(0), Arc::clone(&waits.done));
    // Both stay where they are when the test ends.
    thread::spawn(move || waits.receive(&mut rx, u64::MAX));
    let (sent, taken) = (Arc::new(Count::default()), Arc::clone(&done));
    let count = Arc::clone(&sent);
    thread::spawn(move || {
        let mut random = Random(0xA11);
        for number in 0.. {
            stage(&mut partner.tx[0], &partner.pool, number);
            count.add();
            while taken.get() <= number {
                thread::sleep(Duration::from_micros(50));
            }
            while partner.tx[0].reap().is_some() {}
            random.pause();
        }
    });
    let is_lost = || {
        let before = (sent.get(), done.get());
        thread::sleep(Duration::from_millis(500));
        let after = (sent.get(), done.get());
        // A frame is there, its event is not, and nobody takes it: RXF (HW 3.2).
        before == after && after.0 > after.1 && page.read(0x010) & 0x80 == 0
    };
    assert!((0..120).any(|_| is_lost()), "a minute without a loss");
}

#[test]
fn two_waiters_on_one_device_do_not_take_from_each_other() {
    let count = arrivals() / 4;
    let mut device = opened("wakeups-two");
    let mut partner = opened("wakeups-two");
    let mut waiter = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new()).unwrap());
    let part = waiter.part(Lines::TX).unwrap();
    let mut receives = Waits::new(waiter, device.port.events(), Lines::RX, Budget::Off);
    let mut sends = Waits::new(part, device.port.events(), Lines::TX, Budget::Off);
    let (mut rx, mut tx) = (device.rx.remove(0), device.tx.remove(0));
    let progress = [&receives, &sends].map(|waits| Arc::clone(&waits.done));
    let taken = Arc::clone(&receives.done);
    let pool = device.pool.clone();
    let (end, ends) = channel();
    let ended = [end.clone(), end.clone(), end];
    let [one, two, three] = ended;
    let receiver = thread::spawn(move || {
        receives.receive(&mut rx, count);
        one.send("receiver").unwrap();
        (rx, receives)
    });
    let sender = thread::spawn(move || {
        sends.send(&mut tx, &pool, count);
        two.send("sender").unwrap();
        (tx, sends)
    });
    let partner = thread::spawn(move || {
        disturb(&mut partner, count, &taken);
        three.send("partner").unwrap();
        partner
    });
    watch(&ends, 3, &progress);
    let (rx, receives) = receiver.join().unwrap();
    let (tx, _) = sender.join().unwrap();
    println!("two: {count} each, {:?}", receives.strategy.counters());
    close(vec![device, partner.join().unwrap()]);
    drop((rx, tx));
}

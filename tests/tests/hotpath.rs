//! What does the data path cost: registers, allocations, copies (design: one register write a burst
//! and queue)?

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use etsec_core::{Arena, Bus, PageBell, Pages, Pool, Running, RxQueue, Stopped, TxQueue};
use etsec_sim::{Sim, SimBus};
use etsec_tests::rig::{PEER, Plan, STATION, config, frame};
use etsec_tests::still::Still;

const BURSTS: [usize; 4] = [1, 8, 32, 128];

/// Accesses through a bus since they were last asked for.
#[derive(Debug, Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
    publishes: AtomicUsize,
    observes: AtomicUsize,
}

/// Reads, writes, publishes and observes.
type Taken = [usize; 4];

impl Counts {
    fn take(&self) -> Taken {
        [&self.reads, &self.writes, &self.publishes, &self.observes]
            .map(|count| count.swap(0, Ordering::Relaxed))
    }
}

/// A bus that counts what goes through it.
#[derive(Debug, Clone)]
struct Counting {
    bus: SimBus,
    counts: Arc<Counts>,
}

impl Counting {
    fn one(count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bus for Counting {
    fn read(&self, at: u16) -> u32 {
        Self::one(&self.counts.reads);
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        Self::one(&self.counts.writes);
        self.bus.write(at, value);
    }
    fn publish(&self) {
        Self::one(&self.counts.publishes);
        self.bus.publish();
    }
    fn observe(&self) {
        Self::one(&self.counts.observes);
        self.bus.observe();
    }
}

/// A running port whose register accesses are counted.
struct Counted {
    rx: RxQueue<PageBell<Counting>>,
    tx: TxQueue<PageBell<Counting>>,
    pool: Pool,
    counts: Arc<Counts>,
    port: Running<Counting>,
    sim: Sim,
}

impl Counted {
    fn new() -> Self {
        let sim = Sim::default();
        let plan = Plan { rx: vec![256], tx: vec![256], buffers: 520, ..Plan::default() };
        let counts = Arc::new(Counts::default());
        let bus = Counting { bus: sim.bus(), counts: Arc::clone(&counts) };
        let mut arena = Arena::new(sim.region(plan.bytes())).map_err(|(_, e)| e).unwrap();
        let mut delay = sim.delay();
        let mut port = Stopped::attach(Pages::single(bus), config(), &mut delay).unwrap();
        let mut rx = port.add_rx(0, arena.ring(256).unwrap()).unwrap();
        let tx = port.add_tx(0, arena.ring(256).unwrap()).unwrap();
        let pool = arena.pool(plan.buffers, config().buffer_size).unwrap();
        rx.fill(&pool);
        rx.commit();
        let port = port.start(&mut delay).map_err(|(_, e)| e).unwrap();
        counts.take();
        Counted { rx, tx, pool, counts, port, sim }
    }

    fn receive(&self, burst: usize) {
        for n in 0..burst {
            self.sim.receive(&frame(STATION, PEER, 60, n as u8));
        }
    }
}

#[test]
fn lossless_flow_control_costs_one_more_write_a_burst_and_nothing_while_it_is_off() {
    let mut port = Counted::new();
    for (threshold, writes) in [(None, 1), (Some(16), 2), (None, 1)] {
        let mut delay = port.sim.delay();
        port.port.set_lossless(&mut port.rx, threshold, &mut delay).unwrap();
        port.counts.take();
        for burst in BURSTS {
            port.receive(burst);
            while let Some((buf, _)) = port.rx.next() {
                port.rx.refill(buf).unwrap();
            }
            let [reads, before, ..] = port.counts.take();
            assert_eq!((reads, before), (0, 0));
            assert_eq!(port.rx.commit(), burst);
            assert_eq!(port.counts.take(), [0, writes, 2, 0], "commit of {burst}, {threshold:?}");
        }
    }
}

/// Most looks at the descriptors for a burst: each finds at most 32 frames, or those up to the
/// ring's end.
fn looks(burst: usize) -> usize {
    burst.div_ceil(32) + 1
}

#[test]
fn receiving_reads_no_register_and_writes_one_a_burst() {
    let mut port = Counted::new();
    // Several turns of the ring: its end costs nothing extra but one more look at the descriptors.
    for burst in BURSTS.into_iter().cycle().take(12) {
        port.receive(burst);
        let mut taken = 0;
        while let Some((buf, _)) = port.rx.next() {
            port.rx.refill(buf).unwrap();
            taken += 1;
        }
        let [reads, writes, publishes, observes] = port.counts.take();
        assert_eq!((taken, reads, writes, publishes), (burst, 0, 0, 0));
        assert!((1..=looks(burst)).contains(&observes), "{observes} for {burst} frames");
        assert_eq!(port.rx.commit(), burst);
        assert_eq!(port.counts.take(), [0, 1, 2, 0], "commit of {burst}");
    }
}

#[test]
fn sending_reads_no_register_and_writes_one_a_burst() {
    let mut port = Counted::new();
    for burst in BURSTS.into_iter().cycle().take(12) {
        for n in 0..burst {
            let buf = port.pool.frame(&frame(PEER, STATION, 60, n as u8)).unwrap();
            port.tx.stage(buf).unwrap();
        }
        assert_eq!(port.counts.take(), [0; 4], "staging {burst}");
        assert_eq!(port.tx.commit(), burst);
        assert_eq!(port.counts.take(), [0, 1, 2, 0], "commit of {burst}");
        assert_eq!(std::iter::from_fn(|| port.tx.reap()).count(), burst);
        assert_eq!(port.counts.take(), [0; 4], "reaping {burst}");
    }
}

#[test]
fn an_echo_writes_one_register_for_each_of_its_queues() {
    let mut port = Counted::new();
    for burst in BURSTS.into_iter().cycle().take(12) {
        port.receive(burst);
        while let Some((buf, _)) = port.rx.next() {
            port.tx.stage(buf).unwrap();
        }
        assert_eq!(port.tx.commit(), burst);
        while let Some(buf) = port.tx.reap() {
            port.rx.refill(buf).unwrap();
        }
        assert_eq!(port.rx.commit(), burst);
        let [reads, writes, publishes, observes] = port.counts.take();
        assert_eq!((reads, writes, publishes), (0, 2, 4));
        assert!((1..=looks(burst)).contains(&observes), "{observes} for {burst} frames");
        assert_eq!(std::iter::from_fn(|| port.sim.transmitted()).count(), burst);
    }
}

#[test]
fn chains_and_pieces_cost_one_register_too() {
    let mut port = Counted::new();
    for parts in 2..20 {
        let mut chain = port.pool.frame(&frame(PEER, STATION, 60, 1)).unwrap();
        for _ in 1..parts {
            chain.append(port.pool.frame(&[1; 7]).unwrap()).unwrap();
        }
        port.tx.stage(chain).unwrap();
        assert_eq!(port.tx.commit(), 1);
        assert!(port.tx.reap().is_some());
        // HW 4.4: the first R comes behind all others.
        assert_eq!(port.counts.take(), [0, 1, 3, 0]);
    }
}

#[test]
fn with_nothing_to_do_nothing_is_touched() {
    let mut port = Counted::new();
    for _ in 0..100 {
        assert!(port.rx.next().is_none() && port.tx.reap().is_none());
        assert_eq!((port.rx.commit(), port.tx.commit()), (0, 0));
    }
    assert_eq!(port.counts.take(), [0; 4]);
}

/// Counts what each thread allocates, so that tests beside each other do not disturb.
struct Allocations;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Allocations {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Allocations = Allocations;

/// Allocations of this thread while `f` runs.
fn allocations(f: impl FnOnce()) -> usize {
    let before = COUNT.get();
    f();
    COUNT.get() - before
}

#[test]
fn the_counter_counts() {
    // The optimiser would do without the box.
    assert_eq!(allocations(|| drop(core::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn the_data_path_allocates_nothing() {
    for burst in BURSTS {
        let mut port = Still::received(burst);
        let count = allocations(|| {
            while let Some((buf, _)) = port.rx.next() {
                port.rx.refill(buf).expect("room");
            }
            port.done = port.rx.commit();
        });
        assert_eq!(count, 0, "receiving {burst}");
        Still::check(port);

        let mut port = Still::transmitted(burst);
        let count = allocations(|| {
            while let Some(buf) = port.tx.reap() {
                port.tx.stage(buf).expect("room");
            }
            port.done = port.tx.commit();
        });
        assert_eq!(count, 0, "sending {burst}");
        Still::check(port);
    }
}

#[test]
fn an_echo_allocates_nothing_and_moves_the_buffer_itself() {
    for burst in BURSTS {
        let mut port = Still::echoing(burst);
        let mut places = [core::ptr::null(); 128];
        let count = allocations(|| {
            for place in &mut places[..burst] {
                let (buf, _) = port.rx.next().expect("a frame");
                *place = buf.as_ptr();
                port.tx.stage(buf).expect("room");
            }
            port.done = port.tx.commit();
            while let Some(buf) = port.tx.reap() {
                port.rx.refill(buf).expect("room");
            }
            port.rx.commit();
        });
        assert_eq!(count, 0, "echo of {burst}");
        port.sent(burst);
        for place in &places[..burst] {
            let back = port.tx.reap().expect("a sent frame");
            assert_eq!(back.as_ptr(), *place, "the same bytes, not a copy");
        }
        Still::check(port);
    }
}

#[test]
fn an_echo_does_not_need_the_pool() {
    let mut port = Counted::new();
    let rest: Vec<_> = std::iter::from_fn(|| port.pool.alloc()).collect();
    assert_eq!((rest.len(), port.pool.free()), (264, 0));
    for _ in 0..20 {
        port.receive(32);
        while let Some((buf, _)) = port.rx.next() {
            port.tx.stage(buf).unwrap();
        }
        assert_eq!(port.tx.commit(), 32);
        while let Some(buf) = port.tx.reap() {
            port.rx.refill(buf).unwrap();
            assert_eq!(port.pool.free(), 0);
        }
        assert_eq!(port.rx.commit(), 32);
    }
}

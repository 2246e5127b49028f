//! A driver on a model, ready to use: what most tests begin with.

use etsec_core::{
    AddressFilter, Arena, Buf, Bus, Config, FrameOptions, MacAddr, PageBell, Pages, Pool, Region,
    Running, RxOffload, RxQueue, Stopped, TxOffload, TxQueue, arena,
};
use etsec_sim::{Sim, SimBus, SimConfig, SimDelay, SimRegion};

/// The station address of a rig's port.
pub const STATION: MacAddr = MacAddr([0x02, 0x00, 0x00, 0x00, 0x00, 0x01]);
/// Somebody else.
pub const PEER: MacAddr = MacAddr([0x02, 0x00, 0x00, 0x00, 0x00, 0x02]);

/// A receive queue on a model.
pub type Rx<B = SimBus> = RxQueue<PageBell<B>>;
/// A transmit queue on a model.
pub type Tx<B = SimBus> = TxQueue<PageBell<B>>;

/// What a rig is built of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The model.
    pub sim: SimConfig,
    /// The port.
    pub config: Config,
    /// Lengths of the receive rings, from ring 0.
    pub rx: Vec<usize>,
    /// Lengths of the transmit rings, from ring 0.
    pub tx: Vec<usize>,
    /// Buffers in the pool.
    pub buffers: usize,
    /// What is done to received frames.
    pub rx_offload: RxOffload,
    /// What may be asked for frames that are sent.
    pub tx_offload: TxOffload,
    /// Options of the MAC for frames.
    pub frame_options: FrameOptions,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            sim: SimConfig::default(),
            config: config(),
            rx: vec![16],
            tx: vec![16],
            buffers: 64,
            rx_offload: RxOffload::default(),
            tx_offload: TxOffload::Off,
            frame_options: FrameOptions::default(),
        }
    }
}

impl Plan {
    /// Bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rings = self.rx.iter().chain(&self.tx).map(|&len| arena::ring_bytes(len));
        let pool = arena::pool_bytes(self.buffers, self.config.buffer_size);
        arena::HEADER_BYTES + rings.sum::<usize>() + pool
    }
}

/// The usual configuration of a port with [`STATION`].
#[must_use]
pub fn config() -> Config {
    Config::new(AddressFilter::new(STATION).expect("a station address"))
}

/// A stopped port on a model, its queues and its memory.
#[derive(Debug)]
pub struct Rig<B: Bus = SimBus, R: Region = SimRegion> {
    /// The model.
    pub sim: Sim,
    /// The port.
    pub port: Stopped<B>,
    /// Receive queues, from ring 0; filled, not yet committed to a running device.
    pub rx: Vec<Rx<B>>,
    /// Transmit queues, from ring 0.
    pub tx: Vec<Tx<B>>,
    /// The pool of all buffers.
    pub pool: Pool,
    /// The memory.
    pub arena: Arena<R>,
    /// Virtual time.
    pub delay: SimDelay,
}

/// A rig whose port is running.
#[derive(Debug)]
pub struct Live<B: Bus = SimBus, R: Region = SimRegion> {
    /// The port.
    pub port: Running<B>,
    /// Receive queues, from ring 0.
    pub rx: Vec<Rx<B>>,
    /// Transmit queues, from ring 0.
    pub tx: Vec<Tx<B>>,
    /// The pool of all buffers.
    pub pool: Pool,
    /// The memory.
    pub arena: Arena<R>,
    /// Virtual time.
    pub delay: SimDelay,
    /// The model, dropped last: it judges what it saw.
    pub sim: Sim,
}

impl Rig {
    /// Builds what `plan` says; receive rings are filled as far as the buffers go.
    #[must_use]
    pub fn new(plan: &Plan) -> Rig {
        Rig::on(&Sim::new(plan.sim.clone()), plan)
    }

    /// The same on a model that is there already.
    #[must_use]
    pub fn on(sim: &Sim, plan: &Plan) -> Rig {
        Rig::in_region(sim, plan, sim.region(plan.bytes()))
    }

    /// The same in memory of [`Plan::bytes`] that is there already.
    #[must_use]
    pub fn in_region(sim: &Sim, plan: &Plan, region: SimRegion) -> Rig {
        Rig::build(sim, plan, Pages::single(sim.bus()), region)
    }

    /// The same with the pages of both interrupt groups.
    #[must_use]
    pub fn grouped(sim: &Sim, plan: &Plan) -> Rig {
        let pages = Pages { group1: Some(sim.second_bus()), ..Pages::single(sim.bus()) };
        Rig::build(sim, plan, pages, sim.region(plan.bytes()))
    }
}

impl<B: Bus + Clone> Rig<B> {
    /// The same with `bus` in front of the model's registers.
    #[must_use]
    pub fn through(sim: &Sim, plan: &Plan, bus: B) -> Rig<B> {
        Rig::build(sim, plan, Pages::single(bus), sim.region(plan.bytes()))
    }
}

impl<B: Bus + Clone, R: Region> Rig<B, R> {
    /// The same with these pages and this memory, of [`Plan::bytes`].
    #[must_use]
    pub fn build(sim: &Sim, plan: &Plan, pages: Pages<B>, region: R) -> Rig<B, R> {
        let mut arena = Arena::new(region).map_err(|(_, e)| e).expect("a good region");
        let mut delay = sim.delay();
        let mut port = Stopped::attach(pages, plan.config.clone(), &mut delay).expect("an eTSEC");
        port.set_rx_offload(plan.rx_offload).expect("a parser if there are offloads");
        port.set_tx_offload(plan.tx_offload).expect("no queue yet");
        port.set_frame_options(plan.frame_options).expect("no queue yet");
        let rings: Vec<_> = plan.rx.iter().map(|&len| arena.ring(len).expect("a ring")).collect();
        let rx = rings.into_iter().enumerate().map(|(n, ring)| port.add_rx(n, ring));
        let mut rx: Vec<Rx<B>> = rx.collect::<Result<_, _>>().expect("receive rings");
        let rings: Vec<_> = plan.tx.iter().map(|&len| arena.ring(len).expect("a ring")).collect();
        let tx = rings.into_iter().enumerate().map(|(n, ring)| port.add_tx(n, ring));
        let tx = tx.collect::<Result<_, _>>().expect("transmit rings");
        let pool = arena.pool(plan.buffers, plan.config.buffer_size).expect("a pool");
        for queue in &mut rx {
            queue.fill(&pool);
            queue.commit();
        }
        Rig { sim: sim.clone(), port, rx, tx, pool, arena, delay }
    }

    /// Starts the port.
    #[must_use]
    pub fn start(self) -> Live<B, R> {
        let Rig { sim, port, rx, tx, pool, arena, mut delay } = self;
        let port = port.start(&mut delay).map_err(|(_, e)| e).expect("a start");
        Live { port, rx, tx, pool, arena, delay, sim }
    }
}

impl Live {
    /// The default plan, running.
    #[must_use]
    pub fn new() -> Live {
        Rig::new(&Plan::default()).start()
    }
}

impl<B: Bus + Clone, R: Region> Live<B, R> {
    /// Stops the port, gracefully or not.
    #[must_use]
    pub fn stop(self) -> Rig<B, R> {
        let Live { sim, port, rx, tx, pool, arena, mut delay } = self;
        let port = port.stop(&mut delay).map_err(|(_, e)| e).expect("a stop");
        Rig { sim, port, rx, tx, pool, arena, delay }
    }

    /// Sends one frame on ring `ring`.
    pub fn send(&mut self, ring: usize, bytes: &[u8]) {
        let buf = self.pool.frame(bytes).expect("a free buffer");
        self.tx[ring].stage(buf).expect("room in the ring");
        assert_eq!(self.tx[ring].commit(), 1);
    }

    /// Takes one frame from ring `ring`, refilling what was taken.
    pub fn receive(&mut self, ring: usize) -> Option<Vec<u8>> {
        let (buf, _) = self.rx[ring].next()?;
        let bytes = bytes_of(&buf);
        drop(buf);
        self.rx[ring].fill(&self.pool);
        self.rx[ring].commit();
        Some(bytes)
    }

    /// Sends home what has been transmitted on all rings; returns how many frames that were.
    pub fn reap(&mut self) -> usize {
        self.tx.iter_mut().map(|tx| std::iter::from_fn(|| tx.reap()).count()).sum()
    }

    /// Stops the port, drains every queue, gives back all memory, and fails if a buffer is missing
    /// or the sanitizer has found anything.
    pub fn finish(self) {
        self.stop().finish();
    }
}

impl<B: Bus + Clone, R: Region> Rig<B, R> {
    /// Drains every queue, gives back all memory, and fails if a buffer is missing or the sanitizer
    /// has found anything.
    pub fn finish(mut self) {
        for rx in &mut self.rx {
            while rx.drain().is_some() {}
        }
        for tx in &mut self.tx {
            while tx.drain().is_some() {}
        }
        assert_eq!(self.pool.free(), self.pool.buffers(), "buffers are missing");
        drop((self.port, self.rx, self.tx, self.pool));
        assert!(self.arena.retire().is_ok(), "somebody still holds memory");
    }
}

impl Default for Live {
    fn default() -> Self {
        Live::new()
    }
}

/// All bytes of a frame.
#[must_use]
pub fn bytes_of(buf: &Buf) -> Vec<u8> {
    buf.segments().flatten().copied().collect()
}

/// A frame of `len` bytes without FCS, from `from` to `to`, with a recognisable payload.
#[must_use]
pub fn frame(to: MacAddr, from: MacAddr, len: usize, seed: u8) -> Vec<u8> {
    let header = to.0.into_iter().chain(from.0).chain([0x88, 0xB5]);
    let payload = (0..).map(|n: u32| (n as u8).wrapping_mul(31).wrapping_add(seed));
    header.chain(payload).take(len).collect()
}

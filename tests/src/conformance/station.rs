//! The driver on a device, ready to use: what scenarios with a driver begin with.

use etsec_core::{Arena, PageBell, Pages, Pool, Running, RxQueue, Stopped, TxQueue, arena};

use super::Device;
use crate::rig::{Plan, bytes_of};

/// A running port with its queues.
#[derive(Debug)]
pub struct Station<D: Device> {
    /// The port.
    pub port: Running<D::Bus>,
    /// What runs beside it.
    pub parts: Parts<D>,
}

/// All but the port.
#[derive(Debug)]
pub struct Parts<D: Device> {
    /// Receive queues, from ring 0.
    pub rx: Vec<RxQueue<PageBell<D::Bus>>>,
    /// Transmit queues, from ring 0.
    pub tx: Vec<TxQueue<PageBell<D::Bus>>>,
    /// The pool of all buffers.
    pub pool: Pool,
    /// The memory.
    pub arena: Arena<D::Region>,
    /// Time.
    pub delay: D::Delay,
}

impl<D: Device> Station<D> {
    /// Builds what `plan` says of the port, and starts it.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn new(device: &mut D, plan: &Plan) -> Self {
        let (port, parts) = Station::stopped(device, plan);
        Station::start(port, parts)
    }

    /// The same, not started yet.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn stopped(device: &mut D, plan: &Plan) -> (Stopped<D::Bus>, Parts<D>) {
        let rings = plan.rx.iter().chain(&plan.tx).map(|&len| arena::ring_bytes(len));
        let pool = arena::pool_bytes(plan.buffers, plan.config.buffer_size);
        let region = device.region(arena::HEADER_BYTES + rings.sum::<usize>() + pool);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).expect("a good region");
        let mut delay = device.delay();
        let pages = Pages::single(device.bus());
        let mut port = Stopped::attach(pages, plan.config.clone(), &mut delay).expect("an eTSEC");
        port.set_rx_offload(plan.rx_offload).expect("a parser if there are offloads");
        port.set_tx_offload(plan.tx_offload).expect("no queue yet");
        port.set_frame_options(plan.frame_options).expect("no queue yet");
        let mut rx = Vec::new();
        for (n, &len) in plan.rx.iter().enumerate() {
            rx.push(port.add_rx(n, arena.ring(len).expect("a ring")).expect("a receive ring"));
        }
        let mut tx = Vec::new();
        for (n, &len) in plan.tx.iter().enumerate() {
            tx.push(port.add_tx(n, arena.ring(len).expect("a ring")).expect("a transmit ring"));
        }
        let pool = arena.pool(plan.buffers, plan.config.buffer_size).expect("a pool");
        for queue in &mut rx {
            queue.fill(&pool);
            queue.commit();
        }
        (port, Parts { rx, tx, pool, arena, delay })
    }

    /// Starts a port.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn start(port: Stopped<D::Bus>, mut parts: Parts<D>) -> Self {
        let port = port.start(&mut parts.delay).map_err(|(_, e)| e).expect("a start");
        Station { port, parts }
    }

    /// Stops it.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn stop(self) -> (Stopped<D::Bus>, Parts<D>) {
        let Station { port, mut parts } = self;
        (port.stop(&mut parts.delay).map_err(|(_, e)| e).expect("a stop"), parts)
    }

    /// Sends one frame on ring `ring`.
    ///
    /// # Panics
    /// If the driver refuses.
    pub fn send(&mut self, ring: usize, bytes: &[u8]) {
        let buf = self.parts.pool.frame(bytes).expect("a free buffer");
        self.parts.tx[ring].stage(buf).expect("room in the ring");
        assert_eq!(self.parts.tx[ring].commit(), 1);
    }

    /// Takes one frame from ring `ring`, refilling what was taken.
    pub fn receive(&mut self, ring: usize) -> Option<Vec<u8>> {
        let queue = &mut self.parts.rx[ring];
        let (buf, _) = queue.next()?;
        let bytes = bytes_of(&buf);
        drop(buf);
        queue.fill(&self.parts.pool);
        queue.commit();
        Some(bytes)
    }

    /// Sends home what has been transmitted on all rings; returns how many frames that were.
    pub fn reap(&mut self) -> usize {
        self.parts.tx.iter_mut().map(|tx| std::iter::from_fn(|| tx.reap()).count()).sum()
    }

    /// Looks after the port `times` times, a second apart by the port's clock.
    ///
    /// # Panics
    /// If the device is gone.
    pub fn tick(&mut self, times: u32) {
        for n in 0..times {
            self.port.tick(n * 1000, &mut self.parts.delay).expect("the device answers");
        }
    }

    /// Stops the port, drains every queue, and gives back all memory; whether nothing is missing.
    #[must_use]
    pub fn finish(self) -> bool {
        let (port, mut parts) = self.stop();
        parts.rx.iter_mut().for_each(|rx| while rx.drain().is_some() {});
        parts.tx.iter_mut().for_each(|tx| while tx.drain().is_some() {});
        let home = parts.pool.free() == parts.pool.buffers();
        drop((port, parts.rx, parts.tx, parts.pool));
        home && parts.arena.retire().is_ok()
    }
}

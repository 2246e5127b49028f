//! All queues of a port with their memory, made in one step; and bursts as vectors.
//!
//! Everything here is built from the public calls of arena, port and queues.

use core::fmt;

use heapless::Vec;

use crate::arena::{self, Arena, MemoryError};
use crate::buf::Buf;
use crate::bus::{Bus, Doorbell, PageBell};
use crate::device::Stopped;
use crate::dma::Region;
use crate::error::Error;
use crate::pool::Pool;
use crate::rx::{RxMeta, RxQueue};
use crate::tx::{Refused, TxQueue};

/// Rings of one direction that a controller has.
pub const RINGS: usize = 8;

/// How a port's memory is shared out.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// Lengths of the receive rings, from ring 0; 4 to 65,536 descriptors each, at most eight
    /// rings.
    pub rx: &'a [usize],
    /// Lengths of the transmit rings, likewise.
    pub tx: &'a [usize],
    /// Buffers in the pool, 1 to 65,535. Receive rings take as many as they have descriptors.
    pub buffers: usize,
}

/// The queues of a port, and the pool they take buffers from.
#[derive(Debug)]
pub struct Queues<D: Doorbell> {
    /// Receive queues, from ring 0.
    pub rx: Vec<RxQueue<D>, RINGS>,
    /// Transmit queues, from ring 0.
    pub tx: Vec<TxQueue<D>, RINGS>,
    /// The pool.
    pub pool: Pool,
}

/// Why queues could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LayoutError {
    /// The memory.
    Memory(MemoryError),
    /// The port.
    Port(Error),
}

impl From<MemoryError> for LayoutError {
    fn from(error: MemoryError) -> Self {
        LayoutError::Memory(error)
    }
}

impl From<Error> for LayoutError {
    fn from(error: Error) -> Self {
        LayoutError::Port(error)
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Memory(error) => error.fmt(f),
            LayoutError::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LayoutError {}

impl Layout<'_> {
    /// Bytes of a region that this layout takes with receive buffers of `buffer_size` bytes;
    /// [`usize::MAX`] where that is more than can be counted.
    #[must_use]
    pub fn bytes(&self, buffer_size: usize) -> usize {
        let rings = self.rx.iter().chain(self.tx).map(|&len| arena::ring_bytes(len));
        let fixed =
            arena::HEADER_BYTES.saturating_add(arena::pool_bytes(self.buffers, buffer_size));
        rings.fold(fixed, usize::saturating_add)
    }

    /// Carves the memory, adds all rings to the port and fills the receive rings as far as the
    /// buffers go.
    ///
    /// # Errors
    /// What the arena or the port refused. Memory carved until then stays carved.
    pub fn build<R: Region, B: Bus + Clone>(
        &self,
        port: &mut Stopped<B>,
        arena: &mut Arena<R>,
    ) -> Result<Queues<PageBell<B>>, LayoutError> {
        let mut rx = Vec::new();
        for (n, &len) in self.rx.iter().enumerate() {
            let queue = port.add_rx(n, arena.ring(len)?)?;
            // The port has refused ring 8, so there is room.
            let _ = rx.push(queue);
        }
        let mut tx = Vec::new();
        for (n, &len) in self.tx.iter().enumerate() {
            let queue = port.add_tx(n, arena.ring(len)?)?;
            let _ = tx.push(queue);
        }
        let pool = arena.pool(self.buffers, port.config().buffer_size)?;
        for queue in &mut rx {
            queue.fill(&pool);
            queue.commit();
        }
        Ok(Queues { rx, tx, pool })
    }
}

impl<D: Doorbell> Queues<D> {
    /// Sends every buffer of every queue home, once the port has stopped. Returns how many there
    /// were.
    pub fn drain(&mut self) -> usize {
        let rx = self.rx.iter_mut().map(|rx| core::iter::from_fn(|| rx.drain()).count());
        let tx = self.tx.iter_mut().map(|tx| core::iter::from_fn(|| tx.drain()).count());
        rx.sum::<usize>() + tx.sum::<usize>()
    }
}

/// A burst of received frames.
pub type RxBurst<const N: usize> = Vec<(Buf, RxMeta), N>;
/// A burst of frames to send.
pub type TxBurst<const N: usize> = Vec<Buf, N>;

impl<D: Doorbell> RxQueue<D> {
    /// Moves frames to the end of `burst` until it is full or none is left; returns how many.
    pub fn receive<const N: usize>(&mut self, burst: &mut RxBurst<N>) -> usize {
        let before = burst.len();
        while !burst.is_full()
            && let Some(frame) = self.next()
        {
            // There is room.
            let _ = burst.push(frame);
        }
        burst.len() - before
    }
}

impl<D: Doorbell> TxQueue<D> {
    /// Stages and commits the frames of `burst` in order, and leaves in it those behind the first
    /// one the ring did not take. Returns how many were sent on their way, and what was
    /// refused.
    pub fn send<const N: usize>(&mut self, burst: &mut TxBurst<N>) -> (usize, Option<Refused>) {
        let mut frames = core::mem::take(burst).into_iter();
        let refused = frames.find_map(|frame| self.stage(frame).err());
        // No more than came out of it.
        *burst = frames.collect();
        (self.commit(), refused)
    }
}

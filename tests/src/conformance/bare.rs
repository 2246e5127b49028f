//! A device without a driver: rings and buffers laid out by hand, to see what stands in descriptors
//! and registers. From HW 3 and 4, and not from the driver.

use etsec_core::{Bus, Region};

use super::Device;
use crate::at;

/// Descriptors in a ring.
pub const RING: usize = 8;
/// Bytes of memory for a buffer: MRBLR, and what QEMU writes beyond it.
pub const BUFFER: usize = 4096;
/// TxBD R and RxBD E: it is the device's (HW 4.2, 4.3).
pub const DEVICE: u16 = 0x8000;
/// W: the ring's last.
pub const WRAP: u16 = 0x2000;
/// I: raises an event when closed.
pub const INTERRUPT: u16 = 0x1000;
/// L: the frame's last.
pub const LAST: u16 = 0x0800;
/// F of an RxBD: the frame's first.
pub const FIRST: u16 = 0x0400;

const RX_RING: usize = RING * 8;
const BUFFERS: usize = 4096;

/// A transmit and a receive ring at number 0, each descriptor with a buffer of its own.
#[derive(Debug)]
pub struct Bare<D: Device> {
    bus: D::Bus,
    region: D::Region,
    base: u32,
}

/// Which of the two rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Transmit.
    Tx,
    /// Receive.
    Rx,
}

impl Side {
    fn place(self, n: usize) -> usize {
        8 * n + if self == Side::Rx { RX_RING } else { 0 }
    }

    fn buffer(self, n: usize) -> usize {
        BUFFERS + BUFFER * (n + if self == Side::Rx { RING } else { 0 })
    }
}

impl<D: Device> Bare<D> {
    /// Rings without a descriptor for the device, and registers set for frames of the usual length:
    /// all but the enables (HW 8.1, 8.2).
    pub fn new(device: &mut D) -> Self {
        let region = device.region(BUFFERS + 2 * RING * BUFFER);
        let base = region.bus().low();
        let mut bare = Bare { bus: device.bus(), region, base };
        for side in [Side::Tx, Side::Rx] {
            for n in 0..RING {
                bare.put(device, side, n, 0, 0);
            }
        }
        bare.bus.write(at::MAXFRM, 1536);
        bare.bus.write(at::MRBLR, 1536);
        bare.bus.write(at::MACCFG2, 0x7205);
        bare.bus.write(at::TBASE0, base);
        bare.bus.write(at::RBASE0, base + RX_RING as u32);
        bare.bus.write(at::DMACTRL, at::DMACTRL_RUNNING);
        bare
    }

    /// Both enables on.
    pub fn enable(&self, device: &mut D) {
        self.bus.write(at::MACCFG1, 5);
        device.settle();
    }

    /// The registers.
    pub fn bus(&self) -> &D::Bus {
        &self.bus
    }

    /// The address of a ring's descriptor `n`.
    #[must_use]
    pub fn address(&self, side: Side, n: usize) -> u32 {
        self.base + side.place(n) as u32
    }

    /// Writes descriptor `n` with its own buffer; W is set where it has to be.
    pub fn put(&mut self, device: &D, side: Side, n: usize, flags: u16, len: u16) {
        let wrap = if n == RING - 1 { WRAP } else { 0 };
        let buffer = self.base + side.buffer(n) as u32;
        device.store(&mut self.region, side.place(n) + 4, &buffer.to_be_bytes());
        let control = u32::from(flags | wrap) << 16 | u32::from(len);
        device.store(&mut self.region, side.place(n), &control.to_be_bytes());
        self.bus.publish();
    }

    /// Flags, without W, and length of descriptor `n`.
    #[must_use]
    pub fn get(&self, device: &D, side: Side, n: usize) -> (u16, u16) {
        let mut word = [0; 4];
        device.load(&self.region, side.place(n), &mut word);
        let word = u32::from_be_bytes(word);
        ((word >> 16) as u16 & !WRAP, word as u16)
    }

    /// Writes the bytes of a transmit buffer.
    pub fn fill(&mut self, device: &D, n: usize, bytes: &[u8]) {
        device.store(&mut self.region, Side::Tx.buffer(n), bytes);
    }

    /// Makes the buffer of descriptor `n` a frame to be sent, and the descriptor the device's.
    pub fn ready(&mut self, device: &D, n: usize, flags: u16, bytes: &[u8]) {
        self.fill(device, n, bytes);
        self.put(device, Side::Tx, n, DEVICE | flags, bytes.len() as u16);
    }

    /// The first `len` bytes of a receive buffer.
    #[must_use]
    pub fn stored(&self, device: &D, n: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        device.load(&self.region, Side::Rx.buffer(n), &mut bytes);
        bytes
    }

    /// Gives the first `count` receive descriptors to the device, with I.
    pub fn empty(&mut self, device: &D, count: usize) {
        for n in 0..count {
            self.put(device, Side::Rx, n, DEVICE | INTERRUPT, 0);
        }
    }

    /// Rings the doorbell of transmit ring 0.
    pub fn kick(&self, device: &mut D) {
        self.bus.write(at::TSTAT, 0x8000_0000);
        device.settle();
    }

    /// A frame arrives, and is dealt with.
    pub fn arrive(&self, device: &mut D, frame: &[u8]) {
        device.arrive(frame);
        device.settle();
        self.bus.observe();
    }
}

impl<D: Device> Drop for Bare<D> {
    /// Both enables off, before the memory goes.
    fn drop(&mut self) {
        self.bus.write(at::MACCFG1, 0);
    }
}

//! The steps of the data path as functions of their own, on the registers of real hardware: one
//! call a frame, and whole bursts. `cargo xtask asm` disassembles them: nobody calls them.
#![no_std]

use etsec_core::{Buf, Mmio, PageBell, Refused, RxMeta, RxQueue, TxQueue};

/// The queues of a host that maps the register page.
type Tx = TxQueue<PageBell<Mmio>>;
type Rx = RxQueue<PageBell<Mmio>>;

/// A frame into a transmit ring.
#[unsafe(no_mangle)]
pub fn push(tx: &mut Tx, frame: Buf) -> Result<(), Refused> {
    tx.stage(frame)
}

/// A burst to the device: the doorbell.
#[unsafe(no_mangle)]
pub fn kick(tx: &mut Tx) -> usize {
    tx.commit()
}

/// A sent buffer out of a transmit ring.
#[unsafe(no_mangle)]
pub fn reap(tx: &mut Tx) -> Option<Buf> {
    tx.reap()
}

/// A frame out of a receive ring.
#[unsafe(no_mangle)]
pub fn pop(rx: &mut Rx) -> Option<(Buf, RxMeta)> {
    rx.next()
}

/// An empty buffer into a receive ring.
#[unsafe(no_mangle)]
pub fn fill(rx: &mut Rx, buffer: Buf) -> Result<(), Refused> {
    rx.refill(buffer)
}

/// A burst of frames out of a receive ring into a transmit ring.
#[unsafe(no_mangle)]
pub fn forward(rx: &mut Rx, tx: &mut Tx) -> usize {
    let mut stager = tx.stager();
    for (frame, _) in rx.arrived() {
        // Refused, it goes home.
        drop(stager.stage(frame));
    }
    stager.commit()
}

/// The buffers of a burst that was sent back into a receive ring.
#[unsafe(no_mangle)]
pub fn recycle(tx: &mut Tx, rx: &mut Rx) -> usize {
    let mut refiller = rx.refiller();
    for buffer in tx.sent() {
        drop(refiller.refill(buffer));
    }
    refiller.commit()
}

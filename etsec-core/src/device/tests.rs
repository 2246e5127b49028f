//! A start beside a queue that is being drained. It knows no controller: its registers are memory.

use std::cell::Cell;
use std::vec::Vec;

use embedded_hal::delay::DelayNs;

use super::*;
use crate::addr::MacAddr;
use crate::arena::Arena;
use crate::testing::Heap;

/// Registers that keep what is written to them.
struct Registers(Vec<Cell<u32>>);

impl Registers {
    fn new() -> Self {
        let registers: Vec<Cell<u32>> = (0..0x400).map(|_| Cell::new(0)).collect();
        registers[0].set(0x0124_0000);
        Registers(registers)
    }
}

impl Bus for Registers {
    fn read(&self, at: u16) -> u32 {
        self.0[usize::from(at / 4)].get()
    }
    fn write(&self, at: u16, value: u32) {
        self.0[usize::from(at / 4)].set(value);
    }
    fn publish(&self) {}
    fn observe(&self) {}
}

struct NoTime;

impl DelayNs for NoTime {
    fn delay_ns(&mut self, _: u32) {}
}

#[test]
fn a_start_while_a_queue_is_drained_gives_the_port_back_and_lends_nothing() {
    let registers = Registers::new();
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    let pages = Pages::single(&registers);
    let mut port = Stopped::attach(pages, Config::new(filter), &mut NoTime).unwrap();
    let (region, _alive) = Heap::new(1 << 16);
    let mut arena = Arena::new(region).map_err(|(_, error)| error).unwrap();
    let rx = port.add_rx(0, arena.ring(4).unwrap()).unwrap();
    let tx = port.add_tx(0, arena.ring(4).unwrap()).unwrap();
    // Another thread is in the middle of `TxQueue::drain`.
    assert!(tx.ring().hold());
    let (port, error) = port.start(&mut NoTime).map(drop).unwrap_err();
    assert_eq!(error, Error::Draining);
    assert_eq!(registers.read(0x500) & 0x5, 0, "neither direction is enabled");
    // The receive ring, which was free, is not the device's either.
    assert!(rx.ring().hold());
    rx.ring().let_go();
    tx.ring().let_go();
    let port = port.start(&mut NoTime).map_err(|(_, error)| error).unwrap();
    assert_eq!(registers.read(0x500) & 0x5, 0x5);
    assert!(!tx.ring().hold() && !rx.ring().hold(), "both are the device's");
    drop(port);
}

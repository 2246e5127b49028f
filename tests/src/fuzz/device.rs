//! The driver on a device that does what it likes: registers that say anything, descriptors closed
//! with any flags and lengths, pointers rewritten, control blocks of noise.
//!
//! Whatever it does, no buffer is lost or handed out twice, and none is longer than it is. What the
//! device cannot reach by its own rules, the driver's words beside the descriptors, it leaves
//! alone.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_hal::delay::DelayNs;
use etsec_core::arena::{HEADER_BYTES, pool_bytes, ring_bytes};
use etsec_core::{
    Arena, Buf, Bus, Line, PageBell, Pages, Pool, Running, RxOffload, RxQueue, Stopped, TxFcb,
    TxOffload, TxQueue,
};

use super::input::Input;
use super::memory::Memory;
use crate::rig::config;

const RING: usize = 8;
const BUFFERS: usize = 32;
/// Bytes in front of a buffer that a frame may grow into.
const HEADROOM: usize = 64;
/// Most steps of a run: longer inputs find nothing that shorter ones do not.
const STEPS: usize = 600;

/// A register page that keeps what is written and says what the device likes.
#[derive(Debug, Clone)]
struct Page(Rc<RefCell<Vec<u32>>>);

impl Bus for Page {
    fn read(&self, at: u16) -> u32 {
        self.0.borrow()[usize::from(at / 4) & 1023]
    }
    fn write(&self, at: u16, value: u32) {
        self.0.borrow_mut()[usize::from(at / 4) & 1023] = value;
    }
    fn publish(&self) {}
    fn observe(&self) {}
}

/// No time passes; every wait comes to its end.
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

struct Driver {
    port: Option<Running<Page>>,
    rx: RxQueue<PageBell<Page>>,
    tx: TxQueue<PageBell<Page>>,
    pool: Pool,
    /// Bytes of a frame that a buffer takes.
    size: usize,
    /// Frames the application has.
    held: Vec<Buf>,
    now_ms: u32,
}

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let mut input = Input(data);
    let shape = input.byte();
    let size = if shape & 1 != 0 { 64 } else { 1536 };
    let bytes = HEADER_BYTES + 2 * ring_bytes(RING) + pool_bytes(BUFFERS, size);
    let memory = Memory::again(bytes);
    let page = Page(Rc::new(RefCell::new(vec![0; 1024])));
    page.write(0, 0x0124_0000);
    let mut arena = Arena::new(memory.clone()).map_err(|(_, why)| why).expect("good memory");
    let Some(mut driver) = open(&mut arena, &page, shape, size) else { return };
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        if step & 1 == 0 {
            interfere(step >> 1, &mut input, &page, &memory);
        } else {
            driver.step(step >> 1, &mut input);
        }
    }
    driver.end(arena);
}

fn open(arena: &mut Arena<Memory>, page: &Page, shape: u8, size: usize) -> Option<Driver> {
    let mut config = config();
    config.buffer_size = size;
    config.parser = shape & 2 != 0;
    config.hang_ms = etsec_core::Config::HANG_MS_MIN;
    let mut port = Stopped::attach(Pages::single(page.clone()), config, &mut NoDelay).ok()?;
    if shape & 2 != 0 {
        let padding = if shape & 4 != 0 { 10 } else { 0 };
        let both = shape & 8 != 0;
        let offload =
            RxOffload { ip_checksum: both, l4_checksum: both, vlan_extract: both, padding };
        port.set_rx_offload(offload).ok()?;
    }
    if shape & 16 != 0 {
        port.set_tx_offload(TxOffload::All).ok()?;
    }
    let rx = arena.ring(RING).ok()?;
    let tx = arena.ring(RING).ok()?;
    let pool = arena.pool(BUFFERS, size).ok()?;
    let mut rx = port.add_rx(0, rx).ok()?;
    let tx = port.add_tx(0, tx).ok()?;
    rx.fill(&pool);
    rx.commit();
    let port = port.start(&mut NoDelay).ok()?;
    Some(Driver { port: Some(port), rx, tx, pool, size, held: Vec::new(), now_ms: 0 })
}

/// The device does something.
fn interfere(what: u8, input: &mut Input<'_>, page: &Page, memory: &Memory) {
    const TBASE0: u16 = 0x204;
    const RBASE0: u16 = 0x404;
    let ring = page.read(if what & 1 == 0 { RBASE0 } else { TBASE0 });
    let at = u64::from(ring) + 8 * u64::from(input.byte() % RING as u8);
    match what >> 1 & 7 {
        // Closes descriptors as it should, a few at a time.
        0..=2 => {
            let (flags, len) = (input.half() & 0x1FFF, input.half());
            for n in 0..=u64::from(what >> 4) {
                let at = u64::from(ring) + (at - u64::from(ring) + 8 * n) % (8 * RING as u64);
                let old = memory.get(at);
                if old >> 31 == 1 {
                    let kept = old & 0x6000_0000;
                    memory.put(at, kept | u32::from(flags) << 16 | u32::from(len));
                }
            }
        }
        // Anything at all.
        3 => memory.put(at, input.word()),
        4 => memory.put(at + 4, input.word()),
        // The beginning of a buffer that the device has: a control block, or a header.
        5 => {
            let buffer = u64::from(memory.get(at + 4));
            if what & 1 == 0 && memory.get(at) >> 31 == 1 && buffer.is_multiple_of(4) {
                for n in 0..8 {
                    memory.put(buffer + 4 * n, input.word());
                }
            }
        }
        // Registers that are read: events, halts, positions, and any other.
        6 => {
            let registers = [0x010, 0x104, 0x304, 0x184, 0x384, 0x02C, 0x500, 0x730];
            page.write(registers[usize::from(input.byte() % 8)], input.word());
        }
        _ => page.write(input.half() & 0xFFC, input.word()),
    }
}

impl Driver {
    fn step(&mut self, what: u8, input: &mut Input<'_>) {
        match what % 10 {
            0 => {
                if let Some((buf, meta)) = self.rx.next() {
                    std::hint::black_box(format!("{meta:?}"));
                    self.held.push(buf);
                }
            }
            1 => self.held.extend(self.rx.arrived().map(|(buf, _)| buf)),
            2 => {
                let mut refiller = self.rx.refiller();
                for buf in self.held.drain(..) {
                    // What is refused goes home.
                    drop(refiller.refill(buf));
                }
                refiller.commit();
            }
            3 => {
                self.rx.fill(&self.pool);
                self.rx.commit();
            }
            4 => {
                if let Some(buf) = self.held.pop() {
                    drop(self.tx.stage(buf));
                }
            }
            5 => {
                let bytes = input.take(usize::from(input.0.first().copied().unwrap_or(0)));
                if let Some(buf) = self.pool.frame(bytes) {
                    let block = TxFcb::of(bytes).unwrap_or(TxFcb::ipv4(14, 20));
                    drop(self.tx.stage_with(buf, block));
                }
            }
            6 => drop(self.tx.commit()),
            7 => self.held.extend(std::iter::from_fn(|| self.tx.reap())),
            8 => self.held.extend(self.tx.sent()),
            _ => self.look_after(input),
        }
        check(&self.held, self.size);
        if self.held.len() > BUFFERS / 2 {
            self.held.clear();
        }
    }

    /// Looks after the port, or stops and starts it.
    fn look_after(&mut self, input: &mut Input<'_>) {
        let Some(mut port) = self.port.take() else { return };
        let what = input.byte();
        self.now_ms = self.now_ms.wrapping_add(u32::from(what));
        if what & 3 != 0 {
            for line in [Line::Tx, Line::Rx, Line::Err] {
                port.events().take(line);
            }
            // A device that is gone stays so, and the driver says it.
            let _ = port.tick(self.now_ms, &mut NoDelay);
            self.port = Some(port);
            return;
        }
        self.port = match port.stop(&mut NoDelay) {
            // If it does not start, it is stopped, and its queues are nobody's but ours.
            Ok(stopped) => stopped.start(&mut NoDelay).ok(),
            Err((port, _)) => Some(port),
        };
    }

    /// Ends it all; every buffer is home then, unless the device did not stop.
    fn end(self, arena: Arena<Memory>) {
        let Driver { port, mut rx, mut tx, pool, held, .. } = self;
        drop(held);
        let stopped = port.is_none_or(|port| port.stop(&mut NoDelay).is_ok());
        if stopped {
            let all = std::iter::from_fn(|| rx.drain()).chain(std::iter::from_fn(|| tx.drain()));
            all.for_each(drop);
            assert_eq!(pool.free(), BUFFERS, "buffers are missing");
        }
        drop((rx, tx, pool));
        let retired = arena.retire().is_ok();
        assert!(retired || !stopped, "somebody still holds memory");
    }
}

/// No piece of a frame is longer than a buffer with its headroom, and no two share a byte.
fn check(held: &[Buf], size: usize) {
    let mut pieces = Vec::new();
    for buf in held {
        let lens = buf.segments().map(<[u8]>::len);
        assert_eq!(lens.sum::<usize>(), buf.total_len());
        for piece in buf.segments() {
            assert!(piece.len() <= size + HEADROOM, "{} bytes in a buffer of {size}", piece.len());
            std::hint::black_box(piece.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
            pieces.push(piece.as_ptr_range());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces.sort_by_key(|piece| piece.start);
    for two in pieces.windows(2) {
        assert!(two[0].end <= two[1].start, "a buffer is there twice");
    }
}

#[cfg(test)]
mod tests {
    use etsec_core::Region;

    use super::*;

    #[test]
    fn a_device_that_behaves_is_driven() {
        // Closes a received frame, and the driver takes it: the target does something at all. One
        // that is longer than its buffer it does not take.
        let memory = Memory::new(1 << 16);
        let page = Page(Rc::new(RefCell::new(vec![0; 1024])));
        page.write(0, 0x0124_0000);
        let mut arena = Arena::new(memory.clone()).map_err(|(_, why)| why).unwrap();
        let mut driver = open(&mut arena, &page, 0, 1536).unwrap();
        let mut input = Input(&[0, 0x0C, 0, 0, 0x40]);
        interfere(0, &mut input, &page, &memory);
        driver.step(0, &mut input);
        assert_eq!(driver.held.iter().map(Buf::len).collect::<Vec<_>>(), [60]);
        interfere(0, &mut Input(&[1, 0x0C, 0, 0x13, 0x88]), &page, &memory);
        driver.step(0, &mut input);
        assert_eq!((driver.held.len(), driver.rx.counters().errors()), (1, 1));
        driver.end(arena);
        assert_eq!(memory.len(), 1 << 16);
    }
}

//! A port whose device stands still: the harness closes descriptors between bursts, as a device
//! would, so that none of the device's work is counted. It knows the descriptors' layout (HW 4)
//! and not how the driver uses it.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use embedded_hal::delay::DelayNs;
use etsec_core::addr::{AddressFilter, MacAddr};
use etsec_core::bus::PageBell;
use etsec_core::config::Config;
use etsec_core::device::{Running, Stopped};
use etsec_core::{
    Arena, Buf, BusAddr, Mmio, Pages, Region, RxOffload, RxQueue, TxFcb, TxOffload, TxQueue,
};

/// Descriptors in each ring: more than the two longest bursts that an echo has under way.
const RING: usize = 512;
const BUFFERS: usize = 1024;
const BUFFER_BYTES: usize = 1536;
/// A 64-byte frame: what the wire carries at the highest rate. The driver sees it without the FCS.
const FRAME_BYTES: u32 = 64;
/// Bursts before the measured one: pools known, every branch taken once.
const WARM_UP: usize = 4;

/// RxBD E and TxBD R: the device's turn (HW 4.2, 4.3).
const DEVICE: u32 = 0x8000_0000;
/// RxBD L and F: a whole frame in one buffer (HW 4.3).
const WHOLE: u32 = 0x0C00_0000;
/// What a control block takes, with padding that aligns the IP header (HW 5.4).
const FRONT: u32 = 8 + 2;
/// The first half of a block: UDP in IPv4, both checksums right, of ring 0 (HW 5.3).
const VERIFIED: u32 = 0x5C00_0011;

/// TSEC_ID of an eTSEC (HW 3.1).
const ID: u32 = 0x0124_0000;

type Bell = PageBell<Mmio>;

/// A started port with one ring each way.
#[derive(Debug)]
pub struct Still {
    /// Receive ring 0.
    pub rx: RxQueue<Bell>,
    /// Transmit ring 0.
    pub tx: TxQueue<Bell>,
    /// What sent frames ask for, where that is measured: both checksums of UDP in IPv4.
    pub fcb: TxFcb,
    /// Frames that the measured function has moved.
    pub done: usize,
    wanted: usize,
    /// What a received frame's last descriptor says.
    status: u32,
    rx_ring: Descriptors,
    tx_ring: Descriptors,
    _port: Running<Mmio>,
}

impl Still {
    /// With a burst of received frames.
    pub fn received(burst: usize) -> Box<Self> {
        let mut port = Self::new(burst);
        for _ in 0..WARM_UP {
            port.rx_ring.close(burst, port.status);
            while let Some((buf, _)) = port.rx.next() {
                port.rx.refill(buf).expect("room for what just came out");
            }
            port.rx.commit();
        }
        port.rx_ring.close(burst, port.status);
        port
    }

    /// With a burst of transmitted frames to be reaped.
    pub fn transmitted(burst: usize) -> Box<Self> {
        let mut port = Self::new(burst);
        let frames = port.receive(burst);
        port.transmit(frames);
        for _ in 0..WARM_UP {
            while let Some(buf) = port.tx.reap() {
                port.tx.stage(buf).expect("room for what just came out");
            }
            port.tx.commit();
            port.tx_ring.close_sent(burst);
        }
        port
    }

    /// With a burst of received frames, and one of transmitted frames.
    pub fn echoing(burst: usize) -> Box<Self> {
        Self::new(burst).echo()
    }

    /// The same with checksums verified of what is received, and made of what is sent; IP headers
    /// are aligned.
    pub fn offloading(burst: usize) -> Box<Self> {
        Self::with(burst, true).echo()
    }

    fn echo(self: Box<Self>) -> Box<Self> {
        let (burst, mut port) = (self.wanted, self);
        let frames = port.receive(burst);
        port.transmit(frames);
        for _ in 0..WARM_UP {
            let frames = port.receive(burst);
            for _ in 0..burst {
                let buf = port.tx.reap().expect("a sent frame");
                port.rx.refill(buf).expect("room where one came out");
            }
            port.rx.commit();
            port.transmit(frames);
        }
        port.rx_ring.close(burst, port.status);
        port
    }

    /// The device sends the next `burst` of what was committed.
    pub fn sent(&mut self, burst: usize) {
        self.tx_ring.close_sent(burst);
    }

    /// A measured function that moved fewer frames than a burst has measured something else.
    pub fn check(port: Box<Self>) {
        assert_eq!(port.done, port.wanted, "frames moved");
    }

    fn new(burst: usize) -> Box<Self> {
        Self::with(burst, false)
    }

    fn with(burst: usize, offload: bool) -> Box<Self> {
        let page = Block::leak(Mmio::SIZE);
        page.words[0].store(ID.to_be(), Ordering::Relaxed);
        let memory = Block::leak(4 << 20);
        let mut arena = Arena::new(memory).map_err(|(_, why)| why).expect("good memory");
        let rx_memory = arena.ring(RING).expect("room for a ring");
        let tx_memory = arena.ring(RING).expect("room for a ring");
        let pool = arena.pool(BUFFERS, BUFFER_BYTES).expect("room for a pool");
        let rx_ring = Descriptors::of(memory, rx_memory.bus());
        let tx_ring = Descriptors::of(memory, tx_memory.bus());

        // SAFETY: the page is plain memory, leaked, and reads and writes as words.
        let registers = unsafe { Mmio::new(page.words.as_ptr().cast_mut().cast()) };
        let station = MacAddr([2, 0, 0, 0, 0, 1]);
        let mut config = Config::new(AddressFilter::new(station).expect("a unicast address"));
        config.parser = offload;
        let mut port =
            Stopped::attach(Pages::single(registers), config, &mut NoDelay).expect("an eTSEC");
        if offload {
            let padding = RxOffload::ALIGN_IP;
            let verify =
                RxOffload { ip_checksum: true, l4_checksum: true, padding, ..RxOffload::default() };
            port.set_rx_offload(verify).expect("a parser");
            port.set_tx_offload(TxOffload::All).expect("no queue yet");
        }
        let fcb = TxFcb::ipv4(14, 20).header_checksum().udp_checksum();
        let status = WHOLE | (FRAME_BYTES + if offload { FRONT } else { 0 });
        let mut rx = port.add_rx(0, rx_memory).expect("a free ring");
        let tx = port.add_tx(0, tx_memory).expect("a free ring");
        // Not quite full: the echo returns a burst before it has taken the next one.
        for _ in 0..RING - 1 {
            let buf = pool.alloc().expect("a buffer for each descriptor");
            rx.refill(buf).expect("room in the ring");
        }
        rx.commit();
        let port = port.start(&mut NoDelay).map_err(|(_, why)| why).expect("a start");
        let mut still =
            Self { rx, tx, fcb, done: 0, wanted: burst, status, rx_ring, tx_ring, _port: port };
        still.rx_ring.blocks = offload;
        Box::new(still)
    }

    /// The device receives a burst, and the driver hands it out.
    fn receive(&mut self, burst: usize) -> Vec<Buf> {
        self.rx_ring.close(burst, self.status);
        let frames: Vec<Buf> = std::iter::from_fn(|| self.rx.next()).map(|(buf, _)| buf).collect();
        assert_eq!(frames.len(), burst, "frames received");
        frames
    }

    /// The driver commits a burst, and the device sends it.
    fn transmit(&mut self, frames: Vec<Buf>) {
        let burst = frames.len();
        for buf in frames {
            let staged = if self.status == WHOLE | FRAME_BYTES {
                self.tx.stage(buf)
            } else {
                self.tx.stage_with(buf, self.fcb)
            };
            staged.expect("room in the ring");
        }
        assert_eq!(self.tx.commit(), burst, "frames committed");
        self.tx_ring.close_sent(burst);
    }
}

/// The device's side of a ring.
#[derive(Debug)]
struct Descriptors {
    words: &'static [AtomicU32],
    at: usize,
    /// Where the buffers are, and whether they begin with a control block.
    memory: Block,
    blocks: bool,
}

impl Descriptors {
    /// The ring at that address in `memory`.
    fn of(memory: Block, bus: BusAddr) -> Self {
        let first = (bus.low() - memory.bus().low()) as usize / 4;
        Self { words: &memory.words[first..first + 2 * RING], at: 0, memory, blocks: false }
    }

    /// Closes the next `count` descriptors: the first word becomes `status`, wrap and all else
    /// that the driver set kept (HW 4.4).
    fn close(&mut self, count: usize, status: u32) {
        for _ in 0..count {
            let word = &self.words[2 * self.at];
            let old = u32::from_be(word.load(Ordering::Relaxed));
            assert_ne!(old & DEVICE, 0, "descriptor {} is not the device's", self.at);
            if self.blocks {
                let buffer = u32::from_be(self.words[2 * self.at + 1].load(Ordering::Relaxed));
                let block = (buffer - self.memory.bus().low()) as usize / 4;
                self.memory.words[block].store(VERIFIED.to_be(), Ordering::Relaxed);
            }
            word.store((old & !DEVICE | status).to_be(), Ordering::Relaxed);
            self.at = (self.at + 1) % RING;
        }
    }

    fn close_sent(&mut self, count: usize) {
        self.close(count, 0);
    }
}

/// Plain memory that is never freed, as device memory is.
#[derive(Debug, Clone, Copy)]
struct Block {
    words: &'static [AtomicU32],
}

#[repr(align(4096))]
struct Page(#[expect(dead_code, reason = "read through `Block::words`")] [AtomicU32; 1024]);

impl Block {
    fn leak(bytes: usize) -> Self {
        let pages: Vec<Page> = (0..bytes.div_ceil(4096))
            .map(|_| Page(std::array::from_fn(|_| AtomicU32::new(0))))
            .collect();
        let pages: &'static [Page] = pages.leak();
        let (first, words) = (pages.as_ptr().cast(), pages.len() * 1024);
        // SAFETY: pages are arrays of words without a gap, and live for ever.
        Self { words: unsafe { std::slice::from_raw_parts(first, words) } }
    }
}

// SAFETY: leaked memory, used by the arena and, word by word as a device would, by `Descriptors`.
unsafe impl Region for Block {
    fn cpu(&self) -> NonNull<u8> {
        NonNull::from(self.words).cast()
    }

    fn bus(&self) -> BusAddr {
        BusAddr::new(0x1_0000_0000).expect("36 bits")
    }

    fn len(&self) -> usize {
        size_of_val(self.words)
    }
}

/// No time passes.
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _ns: u32) {}
}

//! The second port: frames in several small buffers, sent back as they are. It can be left alone
//! for a while, so that its ring overruns, and shows how the driver finds back.

use etsec_core::{
    AddressFilter, Arena, Buf, Bus, Config, Error, MacAddr, Pages, Pool, Running, RxQueue, Stopped,
    TxQueue,
};
use etsec_firmware::clock::Delay;
use etsec_firmware::report::say;

use crate::event::Event;
use crate::frame;
use crate::memory::{SCATTER, SCATTER_BUFFERS, SCATTER_RING, SCATTER_SIZE};
use crate::port::Bell;
use crate::qemu::Page;

/// How long it is left alone after its ring has overrun, or for want of that.
const DEAF_MS: u32 = 100;
const DEAF_AT_MOST_MS: u32 = 60_000;
/// RSTAT, and QHLT of ring 0: the controller has found no free descriptor (HW 3.7).
const RSTAT: u16 = 0x304;
const QHLT0: u32 = 0x0080_0000;

/// The second port, running.
pub struct Scatter {
    page: Page,
    running: Running<Page>,
    rx: RxQueue<Bell>,
    tx: TxQueue<Bell>,
    pool: Pool,
    alone: Option<Alone>,
    damaged: u32,
    in_pieces: u32,
}

/// Since when it is left alone, and until when.
#[derive(Debug, Clone, Copy)]
struct Alone {
    from_ms: u32,
    for_ms: u32,
    overrun: bool,
}

impl Scatter {
    /// Brings the port up.
    pub fn start(page: Page, mac: MacAddr, delay: &mut Delay) -> Result<Self, &'static str> {
        let filter = AddressFilter::new(mac).map_err(|_| "not a station's address")?;
        let config = Config { buffer_size: SCATTER_SIZE, ..Config::new(filter) };
        let attached = Stopped::attach(Pages::single(page.clone()), config, delay);
        let mut stopped = attached.map_err(|_| "no second eTSEC answers")?;
        let memory = SCATTER.take().ok_or("started twice")?;
        let mut arena = Arena::new(memory).map_err(|_| "memory that cannot be used")?;
        let mut ring = || arena.ring(SCATTER_RING).map_err(|_| "too little memory for a ring");
        let mut rx = stopped.add_rx(0, ring()?).map_err(|_| "no receive ring")?;
        let tx = stopped.add_tx(0, ring()?).map_err(|_| "no transmit ring")?;
        let pool = arena.pool(SCATTER_BUFFERS, SCATTER_SIZE);
        let pool = pool.map_err(|_| "too little memory for buffers")?;
        rx.fill(&pool);
        rx.commit();
        let running = stopped.start(delay).map_err(|_| "it does not start")?;
        Ok(Self { page, running, rx, tx, pool, alone: None, damaged: 0, in_pieces: 0 })
    }

    /// Leaves the port alone from now on, until its ring has overrun and some ticks are over.
    pub fn deafen(&mut self, now_ms: u32) {
        self.alone = Some(Alone { from_ms: now_ms, for_ms: DEAF_AT_MOST_MS, overrun: false });
        say(&Event::Deaf);
    }

    /// Whether it is still to be left alone.
    fn is_alone(&mut self, now_ms: u32) -> bool {
        let Some(alone) = &mut self.alone else { return false };
        if !alone.overrun && self.page.read(RSTAT) & QHLT0 != 0 {
            *alone = Alone { from_ms: now_ms, for_ms: DEAF_MS, overrun: true };
        }
        if now_ms.wrapping_sub(alone.from_ms) < alone.for_ms {
            return true;
        }
        self.alone = None;
        say(&Event::Listening);
        false
    }

    /// Sends back what has come.
    pub fn turn(&mut self, now_ms: u32) {
        if self.is_alone(now_ms) {
            return;
        }
        while let Some((frame, _)) = self.rx.next() {
            self.send_back(frame);
        }
        self.tx.commit();
        while self.tx.reap().is_some() {}
        self.rx.fill(&self.pool);
        self.rx.commit();
    }

    fn send_back(&mut self, frame: Buf) {
        self.in_pieces += u32::from(frame.is_chain());
        if frame::is_whole(&frame, frame.segments().skip(1)) {
            // Refused, it goes home.
            drop(self.tx.stage(frame));
        } else {
            self.damaged += 1;
        }
    }

    /// Looks after the controller, also while its rings are left alone.
    pub fn tick(&mut self, now_ms: u32, delay: &mut Delay) -> Result<(), Error> {
        self.running.tick(now_ms, delay).map(drop)
    }

    /// Says what was counted.
    pub fn report(&self) {
        let counters = self.rx.counters();
        say(&Event::Scatter {
            received: counters.frames,
            resyncs: counters.resyncs,
            damaged: self.damaged,
            in_pieces: self.in_pieces,
        });
    }

    /// Stops the controller.
    pub fn stop(self, delay: &mut Delay) -> Result<(), Error> {
        self.running.stop(delay).map(drop).map_err(|(_, error)| error)
    }
}

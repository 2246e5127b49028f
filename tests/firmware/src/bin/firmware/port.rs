//! The first port: all its rings, brought up, looked after, taken down.

use embedded_hal::delay::DelayNs;
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_core::{
    AddressFilter, Arena, Config, Error, EventPort, Line, MacAddr, PageBell, Pages, Pool, Running,
    Stopped, TxQueue,
};
use etsec_firmware::clock::Delay;
use etsec_firmware::report::say;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;

use crate::event::Event;
use crate::frame;
use crate::memory::{BUFFER_SIZE, BUFFERS, PORT, RX_RING, TX_RING};
use crate::net::Net;
use crate::qemu::Page;

/// A queue's way to its controller.
pub type Bell = PageBell<Page>;

/// Frames of a burst, and how long one may take.
pub const TX_RINGS: usize = 8;
const BURST: u8 = 32;
const BURST_MS: u32 = 1000;

/// The first port, running.
pub struct Port {
    pub stack: SmoltcpPort<Bell>,
    pub events: EventPort<Page>,
    running: Running<Page>,
    /// Transmit rings 1 to 7.
    others: [TxQueue<Bell>; 7],
    pool: Pool,
    mac: MacAddr,
}

impl Port {
    /// Brings the port up with one receive and eight transmit rings.
    pub fn start(page: Page, mac: MacAddr, delay: &mut Delay) -> Result<Self, &'static str> {
        let filter = AddressFilter::new(mac).map_err(|_| "not a station's address")?;
        let attached = Stopped::attach(Pages::single(page), Config::new(filter), delay);
        let mut stopped = attached.map_err(|_| "no eTSEC answers")?;
        let memory = PORT.take().ok_or("started twice")?;
        let mut arena = Arena::new(memory).map_err(|_| "memory that cannot be used")?;
        let mut ring = |len| arena.ring(len).map_err(|_| "too little memory for a ring");
        let rx = stopped.add_rx(0, ring(RX_RING)?).map_err(|_| "no receive ring")?;
        let mut tx = |n| stopped.add_tx(n, ring(TX_RING)?).map_err(|_| "no transmit ring");
        let (first, others) = (tx(0)?, [tx(1)?, tx(2)?, tx(3)?, tx(4)?, tx(5)?, tx(6)?, tx(7)?]);
        let pool = arena.pool(BUFFERS, BUFFER_SIZE).map_err(|_| "too little memory for buffers")?;
        let mtu = stopped.config().mtu;
        let stack =
            SmoltcpPort::new(rx, first, pool.clone(), mtu).map_err(|_| "buffers too small")?;
        let running = stopped.start(delay).map_err(|_| "it does not start")?;
        Ok(Self { stack, events: running.events(), running, others, pool, mac })
    }

    /// Looks after the controller.
    pub fn tick(&mut self, now_ms: u32, delay: &mut Delay) -> Result<(), Error> {
        self.running.tick(now_ms, delay).map(drop)
    }

    /// Clears the events of the lines that have interrupted, before the rings are looked at.
    pub fn acknowledge(&mut self, line: Line) {
        if line == Line::Err {
            self.events.recover();
        }
        self.events.take(line);
    }

    /// Sends a burst on that transmit ring, and says what became of it.
    pub fn burst(&mut self, ring: usize, net: &mut Net<'_>, delay: &mut Delay) {
        let before = self.sent(ring);
        let staged = if ring == 0 { self.stage_in_stack() } else { self.stage(ring) };
        for _ in 0..BURST_MS {
            if self.sent(ring) - before == staged as u64 {
                break;
            }
            delay.delay_ms(1);
            match ring.checked_sub(1) {
                None => net.poll(&mut self.stack),
                Some(other) => while self.others[other].reap().is_some() {},
            }
        }
        say(&Event::Burst { ring, staged, sent: self.sent(ring) - before });
    }

    /// Frames sent from that ring so far.
    fn sent(&self, ring: usize) -> u64 {
        let counters = match ring.checked_sub(1) {
            None => self.stack.tx().counters(),
            Some(other) => self.others[other].counters(),
        };
        counters.frames
    }

    /// A burst on ring 0, which belongs to the stack; the number of frames.
    fn stage_in_stack(&mut self) -> usize {
        let mut staged = 0;
        for number in 0..BURST {
            let Some(token) = self.stack.transmit(Instant::ZERO) else { break };
            token.consume(size(0), |bytes| frame::burst(bytes, self.mac, 0, number));
            staged += 1;
        }
        self.stack.commit();
        staged
    }

    /// A burst on one of the others.
    fn stage(&mut self, ring: usize) -> usize {
        let tx = &mut self.others[ring - 1];
        for number in 0..BURST {
            let Some(mut buf) = self.pool.alloc() else { break };
            buf.set_len(size(ring));
            frame::burst(&mut buf, self.mac, ring as u8, number);
            drop(tx.stage(buf));
        }
        tx.commit()
    }

    /// Stops the controller.
    pub fn stop(self, delay: &mut Delay) -> Result<(), Error> {
        self.running.stop(delay).map(drop).map_err(|(_, error)| error)
    }
}

/// Frames of each ring have a length of their own.
fn size(ring: usize) -> usize {
    60 + 200 * ring
}

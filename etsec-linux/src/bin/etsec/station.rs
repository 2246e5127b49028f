//! A running device as the commands use it: one queue each way at a time, a pool, and an orderly
//! end whatever happens. In the file below it, the same for a TCP/IP stack.

mod net;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_core::{Buf, MacAddr, PageBell, Pool, RxCounters, TxCounters};
use etsec_linux::device::{Rx, Tx, check_exchange};
use etsec_linux::{AnyBus, Lines};

pub use self::net::NetStation;
use crate::counters::{Counters, PortCounters};
use crate::keeper::Keeper;
use crate::meter::Totals;
use crate::outgoing::SentStamps;
use crate::output::Output;
use crate::run::{Context, NAP, Usage};
use crate::settings::{Settings, Vlan, fit};
use crate::setup::{Opened, Setup};
use crate::signals::Stop;

/// The doorbell of the devices here.
pub type Bell = PageBell<AnyBus>;

/// Buffers that are in nobody's ring for a moment, at most.
const BURST: usize = 64;
/// Frames that a turn of a command handles at most: soon afterwards it looks at everything else.
pub const TURN: usize = 256;
/// How long to wait at the end for frames that are still in the ring.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A running device with its queues.
#[derive(Debug)]
pub struct Station {
    // Dropped in this order: the keeper stops the port, so that the queues can give their buffers
    // back.
    keeper: Keeper,
    /// The receive queue whose turn it is.
    pub rx: Rx,
    /// The others, the next one first.
    others: Vec<Rx>,
    /// How many of them have had a turn with nothing to do, one after the other.
    still: usize,
    /// The transmit queue.
    pub tx: Tx,
    /// Where buffers come from.
    pub pool: Pool,
    /// How many buffers the receive ring is kept at: more would leave none to send with.
    level: usize,
    mtu: usize,
    /// Whose tags the controller takes out and puts in.
    vlan: Vlan,
    /// What the stamps of sent frames tell, if they have any.
    stamps: Option<SentStamps>,
    /// Empty between two calls.
    bufs: Vec<Buf>,
}

impl Station {
    /// Opens and starts a device.
    pub fn open(setup: &Setup, context: &Context) -> Result<Self> {
        let opened = setup.open(&context.tracer)?;
        // Now, so that threads of the simulator stay free to run elsewhere.
        context.pin()?;
        Self::start(setup, opened, &context.stop)
    }

    /// Opens and starts two devices that hold each other's buffers.
    pub fn open_both(a: &Setup, b: &Setup, context: &Context) -> Result<[Self; 2]> {
        let mut opened = Setup::open_all(&[a, b], &context.tracer)?.into_iter();
        context.pin()?;
        let mut start = |setup| match opened.next() {
            Some(opened) => Self::start(setup, opened, &context.stop),
            None => bail!("no device was opened"),
        };
        Ok([start(a)?, start(b)?])
    }

    fn start(setup: &Setup, mut opened: Opened, stop: &Stop) -> Result<Self> {
        let (name, mtu) = (setup.device.to_string(), fit(setup.settings.mtu));
        let clock = opened.clock.take();
        let mut device = opened.start()?;
        if let Err(error) = device.prove_reception() {
            device.stop().map_err(|(_, error)| error)?;
            return Err(error.into());
        }
        let rx = device.rx.remove(0);
        let others = device.rx.split_off(0);
        let mut tx = device.tx.remove(setup.tx_queue);
        let pool = device.pool.clone();
        // Of a ring that was taken over, some may be on their way.
        let level = rx.pending().max(setup.lent()?);
        let keeper = Keeper::new(name, device, clock, setup.settings.clone(), stop)?;
        let Settings { vlan, ptp, .. } = setup.settings;
        if ptp.tx_stamps {
            tx.permit_stamps(keeper.clock());
        }
        let bufs = Vec::with_capacity(BURST);
        Ok(Station { keeper, rx, others, still: 0, tx, pool, level, mtu, vlan, stamps: None, bufs })
    }

    /// Gives the queues to smoltcp.
    pub fn into_net(self) -> Result<NetStation> {
        let Station { keeper, rx, others, tx, pool, mtu, vlan, .. } = self;
        let one = || Usage("a TCP/IP stack takes one receive ring; set rings.rx to 1".into());
        ensure!(others.is_empty(), one());
        ensure!(
            vlan.extract || vlan.id.is_none(),
            Usage("a TCP/IP stack on a VLAN gets frames without tags; set vlan.extract".into())
        );
        let mut port = SmoltcpPort::new(rx, tx, pool, mtu)?;
        port.set_vlan(vlan.tag());
        Ok(NetStation::new(keeper, port))
    }

    /// The station address.
    pub fn mac(&self) -> MacAddr {
        self.keeper.mac()
    }

    /// Ends the turn of a receive queue, in which there may have been nothing to do; the next turn
    /// is another's. Returns whether there was nothing to do for any of them.
    pub fn end_turn(&mut self, idle: bool) -> bool {
        if self.others.is_empty() {
            return idle;
        }
        self.still = if idle { self.still + 1 } else { 0 };
        self.others.rotate_left(1);
        if let Some(last) = self.others.last_mut() {
            std::mem::swap(&mut self.rx, last);
        }
        let all = self.still > self.others.len();
        if all {
            self.still = 0;
        }
        all
    }

    /// Whether the controller takes tags out of received frames, which have to be put in again.
    pub fn takes_tags(&self) -> bool {
        self.vlan.extract
    }

    /// Takes note of the stamps of sent frames from here on.
    pub fn keep_stamps(&mut self) {
        self.stamps = Some(SentStamps::default());
    }

    /// What the stamps of sent frames have told, if note was taken of them.
    pub fn stamps(&self) -> Option<&SentStamps> {
        self.stamps.as_ref()
    }

    /// How many receive queues there are.
    pub fn rx_rings(&self) -> usize {
        1 + self.others.len()
    }

    /// Puts the buffers of frames that were sent into the receive ring and fills it up.
    pub fn recycle(&mut self) {
        self.refill_from_sent(None);
    }

    /// Fills the receive ring up with the buffers of frames that were sent, by this device or the
    /// one it forwards to, and from the pool, and hands it over. Returns whether anything was sent.
    pub fn refill_from_sent(&mut self, to: Option<&mut Station>) -> bool {
        if let Some(stamps) = &mut self.stamps {
            self.tx.sent().for_each(|buf| stamps.note(buf));
        }
        let mut want = self.level.saturating_sub(self.rx.pending());
        let to = to.map_or(&mut self.tx, |to| &mut to.tx);
        if want == 0 && to.pending() == 0 {
            return false;
        }
        let mut refiller = self.rx.refiller();
        let mut sent = to.sent();
        let (mut reaped, mut refused) = (0, 0);
        // Without the detour through the pool.
        for buf in sent.by_ref().take(want) {
            reaped += 1;
            // What is refused goes home, being a chain for example.
            refused += usize::from(refiller.refill(buf).is_err());
        }
        want -= reaped - refused;
        // What is too much goes home, too.
        reaped += sent.map(drop).count();
        while want > 0
            && let Some(buf) = self.pool.alloc()
            && refiller.refill(buf).is_ok()
        {
            want -= 1;
        }
        refiller.commit();
        reaped > 0
    }

    /// Waits until the transmit ring is empty.
    ///
    /// # Errors
    /// If frames stay in it, as they do on a link that is down.
    pub fn drain(&mut self) -> Result<()> {
        let until = Instant::now() + DRAIN_TIME;
        while self.tx.pending() > 0 && Instant::now() < until {
            self.recycle();
            if self.tx.pending() > 0 {
                let (done, tx) = (self.done(), &self.tx);
                let limit = Some(Duration::from_millis(10));
                self.keeper.wait(Lines::ALL, limit, done, || tx.has_sent())?;
                self.look_after(Instant::now())?;
            }
        }
        let left = self.tx.pending();
        ensure!(left == 0, "{left} frames did not leave the ring; is the link up?");
        Ok(())
    }

    /// Throws received frames away, `most` at most; returns how many there were.
    pub fn discard_received(&mut self, most: usize) -> usize {
        let mut discarded = 0;
        loop {
            let burst = self.bufs.capacity().min(most - discarded);
            self.bufs.extend(self.rx.arrived().take(burst).map(|(buf, _)| buf));
            discarded += self.bufs.len();
            let done = self.bufs.len() < burst || discarded == most;
            let mut refiller = self.rx.refiller();
            for buf in self.bufs.drain(..) {
                // What is refused, being a chain for example, goes home.
                drop(refiller.refill(buf));
            }
            refiller.commit();
            if done {
                self.top_up();
                return discarded;
            }
        }
    }

    /// Fills the receive ring up from the pool and hands it over.
    fn top_up(&mut self) {
        while self.rx.pending() < self.level
            && let Some(buf) = self.pool.alloc()
            && self.rx.refill(buf).is_ok()
        {}
        self.rx.commit();
    }

    /// Waits for the link to come up, `limit` at most, or until the user asks to end. Returns
    /// whether it is up.
    pub fn await_link(&mut self, limit: Duration, stop: &Stop) -> Result<bool> {
        let until = Instant::now() + limit;
        while !self.keeper.has_link() && Instant::now() < until && !stop.asked() {
            self.keeper.wait(Lines::NONE, Some(NAP), 0, || false)?;
            self.look_after(Instant::now())?;
        }
        Ok(self.keeper.has_link())
    }

    /// Sleeps until the device has something to say; `limit` at most, and never longer than a nap.
    /// Returns whether it is time to look at the clock.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<bool> {
        self.wait_for_room(false, limit)
    }

    /// As [`Station::wait`]; with `room`, that a frame has been sent is something to say, too.
    pub fn wait_for_room(&mut self, room: bool, limit: Option<Duration>) -> Result<bool> {
        let (done, lines) = (self.done(), self.lines(room || self.wants_buffers()));
        let Station { keeper, rx, others, tx, .. } = self;
        keeper.wait(lines, limit, done, || have_something(rx, others, tx, lines))
    }

    /// A number that changes when a frame is taken, or reaped.
    fn done(&self) -> u64 {
        let others = self.others.iter().map(|rx| rx.counters().frames);
        let received = others.fold(self.rx.counters().frames, u64::wrapping_add);
        received.wrapping_add(self.tx.counters().frames)
    }

    /// Whether one of the receive rings has room for buffers that are elsewhere.
    fn wants_buffers(&self) -> bool {
        let wants = |rx: &Rx| rx.pending() < self.level;
        wants(&self.rx) || self.others.iter().any(wants)
    }

    /// The lines worth waiting for. What has been sent is of interest only to those who need its
    /// place in the ring, or are in `want` of its buffers: everybody else reaps it with the next
    /// burst, and is spared an interrupt for each.
    fn lines(&self, want: bool) -> Lines {
        let tx = self.tx.pending() > 0 && (want || self.tx.space() == 0);
        Lines { tx, ..Lines::ALL }
    }

    /// Makes two devices ready for [`Station::wait_for_either`].
    ///
    /// # Errors
    /// If buffers received on one cannot be sent on the other and come back.
    pub fn pair(a: &mut Station, b: &mut Station) -> Result<()> {
        check_exchange(&a.pool, &b.pool)?;
        a.keeper.pair(&b.keeper)
    }

    /// Sleeps until one of a [pair](Station::pair) has something to say; in other respects as
    /// [`Station::wait`]. With `all`, that a frame has been sent is something to say in any case.
    pub fn wait_for_either(
        a: &mut Station,
        b: &mut Station,
        all: bool,
        limit: Option<Duration>,
    ) -> Result<bool> {
        // What one has sent, the other has received.
        let wants = [&*b, &*a].map(|other| all || other.wants_buffers());
        let lines = [a.lines(wants[0]), b.lines(wants[1])];
        let done = a.done().wrapping_add(b.done());
        let Station { keeper, rx, others, tx, .. } = a;
        let look = || {
            have_something(rx, others, tx, lines[0])
                || have_something(&b.rx, &b.others, &b.tx, lines[1])
        };
        keeper.wait_for_either(&mut b.keeper, lines, limit, done, look)
    }

    /// Looks after the device if it is time.
    pub fn look_after(&mut self, now: Instant) -> Result<()> {
        self.keeper.look_after(now)
    }

    /// Whether it can be that nothing will arrive any more.
    pub fn can_end(&self) -> bool {
        self.keeper.can_end()
    }

    /// Whether nothing will arrive any more: the input of a simulated wire is at its end.
    pub fn has_ended(&self) -> bool {
        self.keeper.has_ended()
    }

    /// What has passed so far.
    pub fn totals(&self) -> Totals {
        totals(&self.received(), self.tx.counters())
    }

    /// What all receive queues have counted.
    fn received(&self) -> RxCounters {
        self.others.iter().map(Rx::counters).fold(*self.rx.counters(), RxCounters::plus)
    }

    /// Stops the device, gives everything back and prints the final counters.
    pub fn finish(self, out: Output, elapsed: Duration) -> Result<()> {
        finish_all(vec![self], out, elapsed)
    }

    /// Stops the device and gives everything back.
    pub fn stop(self) -> Result<PortCounters> {
        let received = self.received();
        let Station { keeper, rx, others, tx, pool, .. } = self;
        let end = keeper.stop(&received, tx.counters())?;
        drop((rx, others, tx, pool));
        let (counters, closed) = end.close();
        closed.map(|()| counters)
    }
}

/// Stops devices that may hold each other's buffers, gives everything back and prints the final
/// counters, also of a device that would not stop.
pub fn finish_all(stations: Vec<Station>, out: Output, elapsed: Duration) -> Result<()> {
    let mut ends = Vec::new();
    let mut queues = Vec::new();
    for station in stations {
        let received = station.received();
        let Station { keeper, rx, others, tx, pool, .. } = station;
        ends.push(keeper.stop(&received, tx.counters()));
        queues.push((rx, others, tx, pool));
    }
    // All have stopped: now every queue can send its buffers home, to whichever pool.
    drop(queues);
    let mut ports = Vec::new();
    let mut failed = Ok(());
    for end in ends {
        let closed = end.and_then(|end| {
            let (counters, closed) = end.close();
            ports.push(counters);
            closed
        });
        failed = failed.and(closed);
    }
    let shown = Counters::new(elapsed, ports).show(out);
    failed.and(shown)
}

/// Whether there is something in a station's rings that one of these lines tells of.
fn have_something(rx: &Rx, others: &[Rx], tx: &Tx, lines: Lines) -> bool {
    rx.has_arrived() || others.iter().any(Rx::has_arrived) || lines.tx && tx.has_sent()
}

fn totals(rx: &RxCounters, tx: &TxCounters) -> Totals {
    Totals {
        rx_frames: rx.frames,
        rx_bytes: rx.bytes,
        tx_frames: tx.frames,
        tx_bytes: tx.bytes,
        lost: rx.errors() + tx.errors(),
    }
}

/// A number nobody can guess.
pub fn random_seed() -> u64 {
    // The standard library keys its hash tables from the system's random numbers.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;

//! One receive queue, one transmit queue and a pool as a [`smoltcp::phy::Device`].
//!
//! smoltcp asks for frames one by one; the hardware wants bursts. [`SmoltcpPort::poll`] lets a
//! whole turn of the stack stage its work and rings each doorbell once at the end. The adapter
//! knows no controller: whoever owns it ticks, waits and stops.
//!
//! A received frame is lent to the stack where the device put it; a frame to send is built by the
//! stack in the buffer that goes into the ring. Nothing is copied, nothing is allocated but from
//! the pool.
//!
//! Checksums of IPv4, TCP and UDP are the controller's work where the port does them, and else the
//! stack's. Where the controller verifies, the stack no longer does: frames with a wrong one are
//! dropped here, and those the controller says nothing of are verified in software.

use core::fmt;

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{self, Checksum as Stack, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::buf::Buf;
use crate::bus::Doorbell;
use crate::checksum;
use crate::fcb::{Checksum, TxFcb};
use crate::pool::Pool;
use crate::rx::{RxMeta, RxQueue};
use crate::tx::{Refused, TxQueue};

/// Destination, source and EtherType, which smoltcp counts as part of its MTU.
const HEADER: usize = 14;
/// The FCS, which the device stores behind a received frame (HW 4.4).
const FCS: usize = 4;

/// What the adapter had to drop or put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SmoltcpCounters {
    /// Received frames longer than one buffer, dropped: smoltcp takes a frame in one piece.
    pub in_pieces: u64,
    /// How often the stack had to wait because the transmit ring was full or the pool empty.
    pub exhausted: u64,
    /// Frames built by the stack that the transmit queue did not take.
    pub refused: u64,
    /// Received frames with a wrong IPv4, TCP or UDP checksum, dropped. Only where the controller
    /// verifies: otherwise the stack drops them and counts nothing.
    pub bad_checksums: u64,
    /// Received frames dropped because nobody could have verified them: fragments, and packets with
    /// a route before them. Only where the controller verifies.
    pub unverifiable: u64,
    /// Received frames of another VLAN than the port's, dropped. Only where the controller takes
    /// tags out.
    pub other_vlans: u64,
}

/// A pool whose buffers are too small for the adapter: a frame would not fit into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BuffersTooSmall {
    /// Bytes of a buffer.
    pub have: usize,
    /// Bytes that the MTU asks for.
    pub need: usize,
}

impl fmt::Display for BuffersTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { have, need } = self;
        write!(
            f,
            "smoltcp needs a frame in one buffer: {need} bytes for this MTU, the pool's have {have}"
        )
    }
}

impl core::error::Error for BuffersTooSmall {}

/// A port for smoltcp.
pub struct SmoltcpPort<D: Doorbell> {
    rx: RxQueue<D>,
    tx: TxQueue<D>,
    pool: Pool,
    mtu: usize,
    /// How many buffers the receive ring is kept at.
    level: usize,
    /// The buffer the next frame to send is built in. It is kept from turn to turn: most received
    /// frames have no answer, and taking a buffer out of the pool for each would cost two atomic
    /// operations.
    spare: Option<Buf>,
    /// Whether the stack has built a frame in `spare`.
    built: bool,
    /// How many frames the stack is given in one turn.
    turn: usize,
    /// How many more it is given in this one.
    budget: usize,
    /// Whether the last turn ended for want of budget.
    behind: bool,
    /// The control word of the port's VLAN tag, if it has one.
    vlan: Option<u16>,
    counters: SmoltcpCounters,
}

/// The VLAN of a frame with or without a tag: one with a priority alone is in none.
const fn vlan_of(tag: Option<u16>) -> u16 {
    match tag {
        Some(control) => control & 0x0FFF,
        None => 0,
    }
}

impl<D: Doorbell> SmoltcpPort<D> {
    /// A port of these queues, for an IP MTU of `mtu` bytes: the `mtu` of the port's configuration.
    ///
    /// The receive ring is filled from the pool, as far as that leaves a quarter of the pool to
    /// send from.
    ///
    /// # Errors
    /// If a frame of that MTU does not fit into one of the pool's buffers.
    pub fn new(
        rx: RxQueue<D>,
        tx: TxQueue<D>,
        pool: Pool,
        mtu: usize,
    ) -> Result<Self, BuffersTooSmall> {
        let (have, need) = (pool.buffer_size(), mtu.saturating_add(HEADER + FCS));
        if have < need {
            return Err(BuffersTooSmall { have, need });
        }
        let ring = rx.space() + rx.pending();
        let level = ring.min(pool.buffers() - pool.buffers().div_ceil(4)).max(rx.pending());
        let mut port = SmoltcpPort {
            rx,
            tx,
            pool,
            mtu,
            level,
            spare: None,
            built: false,
            turn: ring,
            budget: ring,
            behind: false,
            vlan: None,
            counters: SmoltcpCounters::default(),
        };
        port.commit();
        Ok(port)
    }

    /// One turn of `iface`: reaps what was sent, hands the stack what was received, lets it send,
    /// and rings each doorbell once. Returns what [`Interface::poll`] does.
    ///
    /// A turn takes as many received frames as the ring is long, or as [`SmoltcpPort::limit_turn`]
    /// says, so that it ends under any load.
    pub fn poll(
        &mut self,
        iface: &mut Interface,
        now: Instant,
        sockets: &mut SocketSet<'_>,
    ) -> PollResult {
        self.reap();
        let result = iface.poll(now, self, sockets);
        self.commit();
        result
    }

    /// Ends a turn: hands staged frames and empty buffers to the device.
    ///
    /// [`SmoltcpPort::poll`] does it; call it yourself after using the port as a [`Device`]
    /// directly.
    pub fn commit(&mut self) {
        self.flush();
        while self.rx.pending() < self.level
            && let Some(buf) = self.pool.alloc()
            && self.rx.refill(buf).is_ok()
        {}
        self.rx.commit();
        self.tx.commit();
        self.behind = self.budget == 0;
        self.budget = self.turn;
    }

    /// Gives the stack at most that many received frames in one turn, at least one: as many as its
    /// sockets have room for, say. What is left waits in the ring.
    pub fn limit_turn(&mut self, frames: usize) {
        self.turn = frames.max(1);
        self.budget = self.turn;
    }

    /// Makes the stack a station of a VLAN, by the control word of its tag, or of none.
    ///
    /// What the stack sends gets that tag, for which the port must permit inserting
    /// ([`TxOffload`](crate::TxOffload)). Of what is received it gets the frames of that VLAN and
    /// no others, for which the controller must take tags out
    /// ([`RxOffload::vlan_extract`](crate::RxOffload::vlan_extract)); one with a priority alone is
    /// in none.
    pub fn set_vlan(&mut self, tag: Option<u16>) {
        self.vlan = tag;
    }

    /// Whether the last turn ended because it had taken as many frames as it may: others may wait.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// What the adapter itself has counted.
    #[must_use]
    pub fn counters(&self) -> &SmoltcpCounters {
        &self.counters
    }

    /// The receive queue, to look at its counters.
    #[must_use]
    pub fn rx(&self) -> &RxQueue<D> {
        &self.rx
    }

    /// The transmit queue, to look at its counters.
    #[must_use]
    pub fn tx(&self) -> &TxQueue<D> {
        &self.tx
    }

    /// Takes the port apart. A frame that was built and not staged is lost.
    #[must_use]
    pub fn into_parts(self) -> (RxQueue<D>, TxQueue<D>, Pool) {
        (self.rx, self.tx, self.pool)
    }

    /// Sends the buffers of finished frames home.
    fn reap(&mut self) {
        while self.tx.reap().is_some() {}
    }

    /// Stages the frame the stack has built, if it has.
    #[inline]
    fn flush(&mut self) {
        if self.built {
            self.built = false;
            if let Some(buf) = self.spare.take()
                && self.stage(buf).is_err()
            {
                self.counters.refused += 1;
            }
        }
    }

    /// Stages a frame whose checksums the stack has left to the controller, if that makes any.
    #[inline]
    fn stage(&mut self, mut buf: Buf) -> Result<(), Refused> {
        let most = self.tx.sums_up_to();
        if most == 0 {
            // A tag that the port does not permit is refused: a frame without it would go to others
            // than those it is for.
            return match self.vlan {
                None => self.tx.stage(buf),
                Some(tag) => self.tx.stage_with(buf, TxFcb::NONE.tag(tag)),
            };
        }
        let mut fcb = None;
        if buf.len() > most {
            checksum::fill(&mut buf);
        } else {
            fcb = TxFcb::of(&buf);
        }
        if let Some(tag) = self.vlan {
            fcb = Some(fcb.unwrap_or(TxFcb::NONE).tag(tag));
        }
        match fcb {
            Some(fcb) => self.tx.stage_with(buf, fcb),
            None => self.tx.stage(buf),
        }
    }

    /// Whether the stack may have a received frame whose checksums it will not verify.
    #[inline]
    fn is_sound(&mut self, buf: &Buf, meta: &RxMeta) -> bool {
        meta.is_verified() || self.is_sound_in_software(buf, meta)
    }

    #[cold]
    fn is_sound_in_software(&mut self, buf: &Buf, meta: &RxMeta) -> bool {
        let mut found = [meta.ip_checksum(), meta.l4_checksum()];
        if found.contains(&Checksum::Unchecked) {
            let software = checksum::verify(buf);
            for (found, software) in found.iter_mut().zip([software.ip, software.l4]) {
                *found = if *found == Checksum::Unchecked { software } else { *found };
            }
        }
        let bad = found.contains(&Checksum::Wrong);
        let unverifiable = !bad && checksum::is_unverifiable(buf);
        self.counters.bad_checksums += u64::from(bad);
        self.counters.unverifiable += u64::from(unverifiable);
        !bad && !unverifiable
    }

    /// Whether a frame can be built and staged: there is a buffer for it, and a descriptor.
    #[inline]
    fn prepare(&mut self) -> bool {
        self.flush();
        if self.tx.space() == 0 || self.spare.is_none() { self.make_room() } else { true }
    }

    /// Looks for a free descriptor and a free buffer where there may be some.
    fn make_room(&mut self) -> bool {
        if self.tx.space() == 0 {
            self.reap();
        }
        if self.spare.is_none() {
            self.spare = self.pool.alloc();
        }
        if self.tx.space() > 0 && self.spare.is_some() {
            return true;
        }
        // What is staged holds descriptors and buffers, and only leaves once the device knows of
        // it.
        self.tx.commit();
        self.reap();
        if self.spare.is_none() {
            self.spare = self.pool.alloc();
        }
        let ready = self.tx.space() > 0 && self.spare.is_some();
        self.counters.exhausted += u64::from(!ready);
        ready
    }
}

impl<D: Doorbell> fmt::Debug for SmoltcpPort<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmoltcpPort")
            .field("rx", &self.rx)
            .field("tx", &self.tx)
            .field("mtu", &self.mtu)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<D: Doorbell> Device for SmoltcpPort<D> {
    type RxToken<'a>
        = RxToken<'a, D>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        // A frame is taken only if its answer can be sent; until then it waits in the ring.
        if self.budget == 0 || !self.prepare() {
            return None;
        }
        let buf = loop {
            let (buf, meta) = self.rx.next()?;
            self.budget = self.budget.saturating_sub(1);
            if buf.is_chain() {
                self.counters.in_pieces += 1;
            } else if vlan_of(meta.tag()) != vlan_of(self.vlan) {
                self.counters.other_vlans += 1;
            } else if !self.rx.verifies() || self.is_sound(&buf, &meta) {
                break buf;
            }
        };
        let spare = self.spare.as_mut()?;
        Some((RxToken { buf, rx: &mut self.rx }, TxToken { spare, built: &mut self.built }))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        if !self.prepare() {
            return None;
        }
        Some(TxToken { spare: self.spare.as_mut()?, built: &mut self.built })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + HEADER;
        // smoltcp bounds the TCP windows it announces by this: what may arrive at once must fit
        // into the ring.
        capabilities.max_burst_size = Some(self.level);
        let sums = match (self.rx.verifies(), self.tx.sums_up_to() > 0) {
            (false, false) => Stack::Both,
            (true, false) => Stack::Tx,
            (false, true) => Stack::Rx,
            (true, true) => Stack::None,
        };
        let checksum = &mut capabilities.checksum;
        (checksum.ipv4, checksum.tcp, checksum.udp) = (sums, sums, sums);
        capabilities
    }
}

/// A received frame. Consuming it puts its buffer back into the receive ring.
#[derive(Debug)]
pub struct RxToken<'a, D: Doorbell> {
    buf: Buf,
    rx: &'a mut RxQueue<D>,
}

impl<D: Doorbell> phy::RxToken for RxToken<'_, D> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.buf);
        // Refused, the buffer goes home to its pool, and the end of the turn makes up for it.
        drop(self.rx.refill(self.buf));
        result
    }
}

/// Leave to send one frame. Consuming it builds the frame in the buffer that is sent.
#[derive(Debug)]
pub struct TxToken<'a> {
    spare: &'a mut Buf,
    built: &'a mut bool,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // smoltcp asks for no more than the MTU, and `new` saw that a buffer holds that.
        self.spare.set_len(len);
        *self.built = true;
        f(self.spare)
    }
}

//! The transmitter: takes frames from rings, sends them, closes their descriptors (HW 3.7, 4.4,
//! 18.5).
//!
//! Which ring is next is `schedule.rs`; what becomes of a frame's bytes is `outgoing.rs`.

use crate::bits::{at, dmactrl, ievent, tctrl, thlt, txbd};
use crate::config::WireSpeed;
use crate::control::pointer_at;
use crate::fault::Fault;
use crate::memory::{Bd, DmaFault};
use crate::mib::{Counted, counter};
use crate::model::Model;
use crate::receive::Incoming;
use crate::schedule::Schedule;
use crate::violation::{Breach, Direction, Place, Violation, Who};
use crate::wire::Fcs;

/// A descriptor of the frame being sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched {
    pub at: u64,
    pub place: Place,
    pub bd: Bd,
}

/// The frame on the wire.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Its ring; `None` for a pause frame of the MAC's own.
    pub ring: Option<usize>,
    pub done_at: u64,
    pub fcs: Fcs,
    pub preamble: Option<[u8; 8]>,
    /// TxBD\[TR\] and BABT.
    pub truncated: bool,
}

/// State of the transmit side.
#[derive(Debug, Default)]
pub(crate) struct Transmitter {
    pub sending: Option<Sending>,
    /// The bytes of the frame on the wire, without FCS.
    pub frame: Vec<u8>,
    /// What was read from memory, to be compared when the frame has left.
    pub raw: Vec<u8>,
    pub bds: Vec<Fetched>,
    pub schedule: Schedule,
    pub paused_until: u64,
    pub pause_wanted: bool,
    /// A pause frame of lossless flow control, with this time.
    pub flow_wanted: Option<u16>,
    pub stop_pending: bool,
    /// Erratum eTSEC76 has struck the frame on the wire.
    pub starves: bool,
    /// Rings halted by an error, 0x80 for ring 0.
    pub failed: u8,
    poll_at: u64,
}

/// Why a frame cannot be sent.
enum Trouble {
    /// R=0 before L.
    Incomplete,
    /// Bus error on data; the frame's descriptors are known.
    Data,
    /// Bus error on a descriptor.
    Descriptor,
    /// R=1 with length 0, or a frame without end.
    Nonsense,
}

/// More bytes than this cannot be a frame.
const LONGEST_FRAME: usize = 256 * 1024;
/// How often ring 0 is polled with DMACTRL\[WOP\]=0: 512 clocks of 8 ns (HW 3.4).
const POLL_NS: u64 = 4096;

impl Model {
    /// Sends what can be sent now.
    pub(crate) fn run_transmitter(&mut self) {
        loop {
            if self.faults.is(Fault::BusDead) || self.faults.is(Fault::TxHang) {
                return;
            }
            if let Some(sending) = &self.tx.sending {
                if sending.done_at > self.now {
                    return;
                }
                self.finish_frame();
                continue;
            }
            if self.tx.stop_pending {
                self.stop_if_asked();
            }
            if !self.mac_runs(Direction::Tx) {
                return;
            }
            self.watch_free();
            if self.tx.pause_wanted {
                self.tx.pause_wanted = false;
                self.start_pause_frame(self.reg(at::PTV) as u16);
                continue;
            }
            if let Some(time) = self.tx.flow_wanted.take() {
                self.start_pause_frame(time);
                continue;
            }
            if self.stop_asked(Direction::Tx) {
                return;
            }
            let Some(ring) = self.choose_ring() else { return };
            self.start_frame(ring);
        }
    }

    /// Whether ring `n` has a frame to send; sets THLTn if it has none (HW 18.5).
    pub(crate) fn tx_ready(&mut self, ring: usize) -> bool {
        if !self.tx_enabled(ring) || self.reg(at::TSTAT) & thlt(ring) != 0 {
            return false;
        }
        let at = self.tx_pointer(ring);
        self.settle_status(at);
        match self.memory.descriptor(at) {
            Ok(bd) if !bd.live() => {
                self.set_reg(at::TSTAT, self.reg(at::TSTAT) | thlt(ring));
                false
            }
            // While paused only control frames go out (HW 11.1).
            Ok(bd) => !self.paused() || bd.flags() & txbd::CF != 0,
            Err(_) => true,
        }
    }

    fn tx_pointer(&self, ring: usize) -> u64 {
        self.bus_address(at::TBASEH, pointer_at(Direction::Tx, ring))
    }

    fn start_frame(&mut self, ring: usize) {
        self.tx.frame.clear();
        self.tx.bds.clear();
        match self.gather(ring) {
            Ok(()) => self.prepare_frame(ring),
            Err(trouble) => self.give_up(ring, trouble),
        }
    }

    /// Reads a frame's descriptors and bytes.
    fn gather(&mut self, ring: usize) -> Result<(), Trouble> {
        let state = self.ring_state(Direction::Tx, ring);
        let mut at = self.tx_pointer(ring);
        // Also of bytes that cannot be read: a ring may lead around for ever.
        let (mut broken, mut total) = (false, 0);
        loop {
            let index = (at.wrapping_sub(state.base) / 8) as usize;
            let place = Place { direction: Direction::Tx, ring, index };
            let bd = self.tx_descriptor(place, at)?;
            if !bd.live() {
                return Err(Trouble::Incomplete);
            }
            self.sanitizer.fetch(&self.memory, place, at, bd, state);
            if bd.len() == 0 {
                self.report(Violation { who: Who::Bd(place), at, what: Breach::EmptyBuffer });
                return Err(Trouble::Nonsense);
            }
            self.tx.bds.push(Fetched { at, place, bd });
            total += bd.len();
            if !broken {
                broken =
                    self.read_data(place, state.window | u64::from(bd.pointer), bd.len()).is_err();
            }
            if bd.flags() & txbd::L != 0 {
                return if broken { Err(Trouble::Data) } else { Ok(()) };
            }
            if total > LONGEST_FRAME {
                self.report(Violation { who: Who::Bd(place), at, what: Breach::EndlessFrame });
                return Err(Trouble::Nonsense);
            }
            at = self.next_pointer(Direction::Tx, ring, at, bd.wraps());
        }
    }

    fn tx_descriptor(&mut self, place: Place, at: u64) -> Result<Bd, Trouble> {
        let read = match self.faults.take(Fault::TxDescriptorBusError) {
            true => Err(DmaFault::Injected),
            false => self.memory.descriptor(at),
        };
        read.map_err(|fault| {
            self.sanitizer.blame_dma(place, at, 8, fault);
            Trouble::Descriptor
        })
    }

    fn read_data(&mut self, place: Place, at: u64, len: usize) -> Result<(), DmaFault> {
        let read = match self.faults.take(Fault::TxDataBusError) {
            true => Err(DmaFault::Injected),
            false => self.memory.append(at, len, &mut self.tx.frame),
        };
        if let Err(fault) = read {
            self.sanitizer.blame_dma(place, at, len, fault);
            return Err(fault);
        }
        if self.sanitizer.is_on()
            && let Some(word) = self.memory.unwritten(at, len)
        {
            self.report(Violation { who: Who::Bd(place), at, what: Breach::Unwritten { word } });
        }
        Ok(())
    }

    /// A frame that cannot be sent at all (HW 8.6, 18.5).
    fn give_up(&mut self, ring: usize, trouble: Trouble) {
        match trouble {
            Trouble::Incomplete => {
                // The descriptors that were ready are closed; TBPTRn stays at the one that was not.
                self.close_frame(ring, txbd::UN);
                self.raise(ievent::XFUN | ievent::TXE);
                let rings = if self.config.switches.halt_all { 0xFF } else { 0x80 >> ring };
                self.fail_tx(rings);
            }
            Trouble::Data => {
                if !self.config.switches.bus_error_recurs {
                    self.close_frame(ring, txbd::UN);
                }
                self.count(counter::TDRP, 1);
                self.raise(ievent::EBERR);
                self.fail_tx(0xFF);
            }
            Trouble::Descriptor => {
                self.raise(ievent::EBERR);
                self.fail_tx(0xFF);
            }
            Trouble::Nonsense => {
                // The descriptor is left as it is, so the error recurs until it is mended.
                self.raise(ievent::TXE);
                self.fail_tx(0xFF);
            }
        }
    }

    /// Halts rings (0x80 for ring 0) because of an error, enabled or not (HW 3.7).
    fn fail_tx(&mut self, rings: u8) {
        self.tx.failed |= rings;
        self.set_reg(at::TSTAT, self.reg(at::TSTAT) | u32::from(rings) << 24);
    }

    /// Clears THLTn bits.
    pub(crate) fn restart_tx(&mut self, halts: u32) {
        self.tx.failed &= !((halts >> 24) as u8);
        self.set_reg(at::TSTAT, self.reg(at::TSTAT) & !(halts & 0xFF00_0000));
    }

    /// The frame on the wire has left, or met its fate there.
    fn finish_frame(&mut self) {
        let Some(sending) = self.tx.sending.take() else { return };
        let Some(ring) = sending.ring else {
            self.deliver(&sending);
            self.raise(ievent::TXC);
            return;
        };
        self.check_unchanged();
        let fate = if self.faults.take(Fault::LateCollision) {
            self.count(counter::TLCL, 1);
            self.count(counter::TNCL, 1);
            Some((txbd::LC, ievent::LC))
        } else if self.faults.take(Fault::RetryLimit) {
            self.count(counter::TXCL, 1);
            self.count(counter::TNCL, 16);
            Some((txbd::RL | 15 << txbd::RC_SHIFT, ievent::CRL))
        } else if core::mem::take(&mut self.tx.starves) || self.faults.take(Fault::Underrun) {
            Some((txbd::UN, ievent::XFUN))
        } else {
            None
        };
        self.stamp_sent(fate.is_none());
        match fate {
            Some((status, event)) => {
                self.close_frame(ring, status);
                self.raise(event | ievent::TXE);
                self.fail_tx(0xFF);
            }
            None => {
                let status = if sending.truncated { txbd::TR } else { 0 };
                self.close_frame(ring, status);
                if sending.truncated {
                    self.raise(ievent::BABT);
                }
                self.tx.schedule.sent(ring, self.tx.frame.len() + 4);
                self.deliver(&sending);
            }
        }
    }

    /// Compares memory with what was fetched, where a CPU could have come in between.
    fn check_unchanged(&mut self) {
        if !self.sanitizer.is_on() || self.config.wire == WireSpeed::Instant {
            return;
        }
        let mut done = 0;
        for i in 0..self.tx.bds.len() {
            let Fetched { at, place, bd } = self.tx.bds[i];
            let who = Who::Bd(place);
            if let Ok(found) = self.memory.descriptor(at)
                && found != bd
            {
                let what = Breach::DescriptorChanged { fetched: bd.word, found: found.word };
                self.report(Violation { who, at, what });
            }
            let Some(raw) = self.tx.raw.get(done..done + bd.len()) else { return };
            done += bd.len();
            let buffer = u64::from(self.reg(at::TBDBPH)) << 32 | u64::from(bd.pointer);
            if let Some(byte) = self.memory.difference(buffer, raw) {
                self.report(Violation { who, at, what: Breach::BufferChanged { byte } });
            }
        }
    }

    /// Hands the fetched descriptors back, in order; the last one carries the status (HW 4.2).
    fn close_frame(&mut self, ring: usize, status: u16) {
        let last = self.tx.bds.len().wrapping_sub(1);
        for i in 0..self.tx.bds.len() {
            let Fetched { at, place, bd } = self.tx.bds[i];
            let mut flags = bd.flags() & !txbd::R;
            if i == last {
                let toe = flags & txbd::TOE;
                flags &= txbd::PAD_CRC | txbd::W | txbd::I | txbd::L | txbd::TC;
                flags |= status;
                if self.config.switches.toe_stays {
                    flags |= toe;
                }
            }
            let word = u32::from(flags) << 16 | bd.len() as u32;
            let tells = self.write_status(place, at, word);
            let next = self.next_pointer(Direction::Tx, ring, at, bd.wraps());
            self.set_reg(pointer_at(Direction::Tx, ring), next as u32);
            if tells == Some(true) {
                self.tell_closed(place, word);
            }
        }
        self.tx.bds.clear();
    }

    /// Puts the frame where it goes: into this MAC's receiver, or on the wire.
    fn deliver(&mut self, sending: &Sending) {
        let frame = core::mem::take(&mut self.tx.frame);
        let good = sending.fcs.is_right(&frame);
        self.count_sent(Counted { data: &frame, good, dribble: false });
        if self.loops_back() {
            self.arrive(Incoming {
                preamble: sending.preamble,
                ..Incoming::plain(&frame, sending.fcs)
            });
        } else if self.link_up {
            self.sent.push(&frame, sending.fcs, sending.preamble);
        }
        self.tx.frame = frame;
    }

    /// When ring 0 is polled next, if it is (HW 3.4 WOP).
    pub(crate) fn poll_due(&self) -> Option<u64> {
        let polls = self.reg(at::DMACTRL) & dmactrl::WOP == 0
            && self.reg(at::TCTRL) & tctrl::TXSCHED == 0
            && self.tx_enabled(0)
            && self.reg(at::TSTAT) & thlt(0) != 0
            && self.tx.failed & 0x80 == 0
            && self.mac_runs(Direction::Tx)
            && !self.stop_asked(Direction::Tx);
        polls.then_some(self.tx.poll_at.max(self.now))
    }

    pub(crate) fn poll_ring0(&mut self) {
        if self.poll_due().is_some_and(|due| due <= self.now) {
            self.tx.poll_at = self.now + POLL_NS;
            self.restart_tx(thlt(0));
        }
    }
}

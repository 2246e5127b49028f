//! The model itself: register storage, what each access does, and time. It has no thread, no clock
//! and no callback.
//!
//! Its parts are in the other files as `impl Model` blocks: control, mac, transmit, receive, mib,
//! pause.

use core::fmt;

use crate::bits::{at, dmactrl, ecntrl, maccfg1};
use crate::coalesce::Coalescer;
use crate::config::{SimConfig, WireSpeed};
use crate::effects::Account;
use crate::fault::{Fault, Faults};
use crate::groups::Second;
use crate::memory::{Memory, SimRegion};
use crate::miim::Miim;
use crate::receive::Receiver;
use crate::sanitizer::Sanitizer;
use crate::sim::First;
use crate::status::Status;
use crate::table::{self, Access};
use crate::timer::Timer;
use crate::transmit::Transmitter;
use crate::violation::{Breach, Direction, Violation, Who};
use crate::wire::{Sent, WireFrame};

/// One eTSEC with its PHY, its memory and its end of the wire.
pub struct Model {
    pub(crate) config: SimConfig,
    regs: Box<[u32; 1024]>,
    pub(crate) filer: Box<[(u32, u32); 256]>,
    pub(crate) memory: Memory,
    pub(crate) sanitizer: Sanitizer,
    pub(crate) tx: Transmitter,
    pub(crate) rx: Receiver,
    pub(crate) coalescer: Coalescer,
    pub(crate) second: Second,
    pub(crate) sent: Sent,
    pub(crate) faults: Faults,
    pub(crate) status: Status,
    pub(crate) miim: Miim,
    pub(crate) now: u64,
    pub(crate) link_up: bool,
    pub(crate) msro: bool,
    pub(crate) synced: [u64; 2],
    pub(crate) timer: Timer,
    /// Whose timer stamps its frames, if it is another's.
    pub(crate) first: Option<First>,
    pub(crate) idle_settings: Account,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("now_ns", &self.now)
            .field("ievent", &format_args!("{:#010x}", self.reg(at::IEVENT)))
            .field("tstat", &format_args!("{:#010x}", self.reg(at::TSTAT)))
            .field("rstat", &format_args!("{:#010x}", self.reg(at::RSTAT)))
            .field("sent", &self.sent.len())
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// A filer table without zeros: who enables it without writing all entries is to notice (HW 18.2).
fn filer_noise() -> [(u32, u32); 256] {
    std::array::from_fn(|i| {
        let noise = (i as u32).wrapping_mul(0x9E37_79B9) ^ 0xA5C3_0F69;
        (noise & 0x800F_FFEF, !noise)
    })
}

impl Model {
    /// A model as it is after power-on, its PHY's cable plugged in.
    pub fn new(config: SimConfig) -> Self {
        let mut regs = Box::new([0; 1024]);
        for row in table::ROWS {
            for n in 0..row.count {
                regs[usize::from(row.first + n * row.stride) / 4] = row.reset;
            }
        }
        let mut model = Model {
            regs,
            filer: Box::new(filer_noise()),
            memory: Memory::new(config.memory),
            sanitizer: Sanitizer::new(config.sanitizer),
            tx: Transmitter::default(),
            rx: Receiver::default(),
            coalescer: Coalescer::default(),
            second: Second::default(),
            sent: Sent::default(),
            faults: Faults::default(),
            status: Status::default(),
            miim: Miim::new(config.phy_address),
            now: 0,
            link_up: true,
            msro: false,
            synced: [0; 2],
            timer: Timer::default(),
            first: None,
            idle_settings: Account::new(),
            config,
        };
        model.set_reg(0x000, model.config.id);
        model.set_reg(0x004, model.config.id2);
        model.set_reg(at::ECNTRL, model.config.interface.strap());
        model
    }

    /// The stored value of a register, without side effects.
    #[inline]
    pub(crate) fn reg(&self, at: u16) -> u32 {
        self.regs[usize::from(at / 4) & 1023]
    }

    /// Stores a register, without side effects.
    #[inline]
    pub(crate) fn set_reg(&mut self, at: u16, value: u32) {
        self.regs[usize::from(at / 4) & 1023] = value;
    }

    /// Reads the register at byte offset `at`. Reserved offsets read 0 (HW 18.1); a dead bus reads
    /// all ones.
    pub fn read(&mut self, at: u16) -> u32 {
        // What the device wrote before it answers has arrived before the answer.
        self.memory.observe();
        if self.faults.is(Fault::BusDead) {
            return 0xFFFF_FFFF;
        }
        if !self.proper(at) || self.is_missing(at) {
            return 0;
        }
        match at {
            at::TCTRL => self.read_tctrl(),
            at::TSTAT | at::RSTAT => self.read_status(at, 0),
            at::MACCFG1 => self.read_maccfg1(),
            at::RQFCR => self.filer[self.filer_entry()].0,
            at::RQFPR => self.filer[self.filer_entry()].1,
            at::MIIMCFG..=at::MIIMIND => self.read_miim(at),
            at::COUNTERS..=at::COUNTERS_END | at::RREJ => self.read_counter(at),
            at::TMR_CTRL..=at::TMR_LAST => self.read_timer(at),
            // Idle is equal halves (HW 14); in the middle of a frame they differ.
            at::RX_STATE if self.faults.is(Fault::GrsNeverCompletes) => 0x0080_0100,
            _ => self.reg(at),
        }
    }

    /// Writes the register at byte offset `at`. DMA that the write starts happens before it
    /// returns, as far as the wire speed allows.
    pub fn write(&mut self, at: u16, value: u32) {
        if self.faults.is(Fault::BusDead) || !self.proper(at) || self.is_missing(at) {
            return;
        }
        match at {
            at::ECNTRL => self.write_ecntrl(value),
            at::DMACTRL => self.write_dmactrl(value),
            at::TCTRL => self.write_tctrl(value),
            at::TSTAT => self.write_tstat(value, 0),
            at::RSTAT => self.write_rstat(value, 0),
            at::RCTRL => self.write_rctrl(value),
            at::TQUEUE => {
                self.store(at, value);
                self.run_transmitter();
            }
            0x184..=0x1BC | 0x204..=0x23C => self.write_pointer(Direction::Tx, at, value),
            0x384..=0x3BC | 0x404..=0x43C => self.write_pointer(Direction::Rx, at, value),
            at::TBDBPH | at::TBASEH | at::RBDBPH | at::RBASEH => {
                self.store(at, value);
                self.sanitizer.forget_spans();
            }
            0xC00..=0xC1C => self.write_rqprm(at, value),
            at::RFBPTR0..=0xC7C => self.write_rfbptr(at, value),
            at::TXIC | at::RXIC | at::RXIC0..=at::RXIC7 | at::TXIC0..=at::TXIC7 => {
                self.write_coalescing(at, value);
            }
            at::MRBLR => self.write_mrblr(value),
            at::RQFCR => {
                let entry = self.filer_entry();
                self.filer[entry].0 = value & 0x800F_FFEF;
                self.rx.lint_given = false;
            }
            at::RQFPR => {
                let entry = self.filer_entry();
                self.filer[entry].1 = value;
                self.rx.lint_given = false;
            }
            at::MIIMCFG..=at::MIIMIND => self.write_miim(at, value),
            0x500..=at::MAC15ADDR2 => self.write_mac(at, value),
            at::CAR1 | at::CAR2 | at::CAM1 | at::CAM2 => {
                self.store(at, value);
                self.carried();
            }
            at::TMR_CTRL..=at::TMR_LAST => self.write_timer(at, value),
            _ => self.store(at, value),
        }
    }

    /// Stores a written value according to the register's access class.
    pub(crate) fn store(&mut self, at: u16, value: u32) {
        let Some(row) = table::row(at) else { return };
        let old = self.reg(at);
        match row.access {
            Access::ReadWrite => self.set_reg(at, value & row.mask),
            Access::WriteOneClears => self.set_reg(at, old & !(value & row.mask)),
            Access::ReadOnly | Access::WriteOnly | Access::Indirect => {}
        }
        self.account(at, value);
    }

    /// Aligned and within the page; anything else is the driver's error (HW 18.1).
    pub(crate) fn proper(&mut self, at: u16) -> bool {
        let proper = at < 0x1000 && at.is_multiple_of(4);
        if !proper {
            self.report(Violation { who: Who::Register(at), at: 0, what: Breach::BadAccess });
        }
        proper
    }

    /// Reserved on this part: what came with the eTSEC2 (HW 2.3, 2.6).
    fn is_missing(&self, at: u16) -> bool {
        !self.config.etsec2 && matches!(at, 0x318..=0x324 | 0xEB0..=0xF2F)
    }

    /// Whatever was in the filer is lost.
    pub(crate) fn spoil_filer(&mut self) {
        *self.filer = filer_noise();
        self.rx.lint_given = false;
        for at in [at::RBIFX, at::RIR0, at::RIR0 + 4, at::RIR0 + 8, at::RIR0 + 12] {
            self.set_reg(at, 0);
        }
    }

    fn filer_entry(&self) -> usize {
        (self.reg(at::RQFAR) & 0xFF) as usize
    }

    fn tbipa(&self) -> u8 {
        self.reg(at::TBIPA) as u8
    }

    pub(crate) fn read_miim(&mut self, at: u16) -> u32 {
        let tbipa = self.tbipa();
        self.miim.read(at, tbipa)
    }

    pub(crate) fn write_miim(&mut self, at: u16, value: u32) {
        self.account(at, value);
        let tbipa = self.tbipa();
        let mistakes = self.miim.commands_while_busy();
        self.miim.write(at, value, tbipa);
        // A driver that gave up waiting for a stuck block is not to blame.
        if self.miim.commands_while_busy() != mistakes && !self.faults.is(Fault::MiiBusy) {
            self.report(Violation { who: Who::Register(at), at: 0, what: Breach::MiiWhileBusy });
        }
    }

    /// Reads the separate MDIO page of an eTSEC2: the MII registers and nothing else (HW 1.3).
    pub fn read_mdio(&mut self, at: u16) -> u32 {
        match at {
            _ if self.faults.is(Fault::BusDead) => 0xFFFF_FFFF,
            _ if !self.proper(at) => 0,
            at::MIIMCFG..=at::MIIMIND => self.read_miim(at),
            _ => 0,
        }
    }

    /// Writes the separate MDIO page of an eTSEC2.
    pub fn write_mdio(&mut self, at: u16, value: u32) {
        let dead = self.faults.is(Fault::BusDead);
        if !dead && self.proper(at) && (at::MIIMCFG..=at::MIIMIND).contains(&at) {
            self.write_miim(at, value);
        }
    }

    /// The CPU's earlier stores are visible to the device now: the sanitizer looks at the rings.
    pub fn publish(&mut self) {
        self.memory.publish();
        if self.sanitizer.is_on() {
            self.sanitizer.published();
            for (direction, first) in [(Direction::Tx, at::TBASE0), (Direction::Rx, at::RBASE0)] {
                for ring in 0..8 {
                    if self.reg(first + 8 * ring as u16) != 0 {
                        let state = self.ring_state(direction, ring);
                        self.sanitizer.publish(&self.memory, direction, ring, state);
                    }
                }
            }
        }
    }

    /// What the device has stored before is visible to the CPU now.
    pub fn observe(&mut self) {
        self.memory.observe();
    }

    /// Virtual time so far, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now
    }

    /// Lets `ns` nanoseconds pass: frames leave, pauses end, the MII works.
    pub fn advance(&mut self, ns: u64) {
        let end = self.now.saturating_add(ns);
        // Nothing stays unseen for long.
        self.memory.observe();
        self.run_transmitter();
        while let Some(due) = self.next_event().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.write_late(self.now);
            self.poll_coalescing();
            self.poll_ring0();
            self.run_transmitter();
        }
        self.now = end;
        self.run_timer();
        self.miim.advance(ns);
    }

    /// When something happens by itself next.
    fn next_event(&self) -> Option<u64> {
        if self.faults.is(Fault::BusDead) {
            return None;
        }
        let events = self.coalescing_due().into_iter().chain(self.late_due()).min();
        if self.faults.is(Fault::TxHang) {
            return events;
        }
        let sending = self.tx.sending.as_ref().map(|sending| sending.done_at);
        let pause = (self.tx.paused_until > self.now).then_some(self.tx.paused_until);
        sending
            .or(pause)
            .into_iter()
            .chain(self.poll_due())
            .chain(self.repeat_due())
            .chain(events)
            .min()
    }

    /// A frame arrives from the wire.
    pub fn receive(&mut self, frame: &WireFrame) {
        if self.link_up {
            self.arrive(frame.into());
            self.run_transmitter();
        }
    }

    /// The next frame that left on the wire, good or bad.
    pub fn transmitted(&mut self) -> Option<WireFrame> {
        self.sent.pop()
    }

    /// Frames forgotten because nobody fetched them (65536 are kept).
    pub fn forgotten(&self) -> u64 {
        self.sent.lost()
    }

    /// Takes a buffer back that [`Model::transmitted`] gave out, so that none need be allocated.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.sent.recycle(buffer);
    }

    /// The MII management block with the PHYs on its bus.
    pub fn miim(&mut self) -> &mut Miim {
        &mut self.miim
    }

    /// Plugs or pulls the PHY's cable. Frames sent or arriving while it is out are lost.
    pub fn set_link_up(&mut self, up: bool) {
        self.link_up = up;
        self.miim.set_link_up(up);
    }

    /// Memory the device reaches, at an address of the model's choice; `None` when its first 4 GiB
    /// are used up.
    pub fn region(&mut self, len: usize) -> Option<SimRegion> {
        self.memory.add(len)
    }

    /// Memory at a given bus address; `None` if it is not 64-byte aligned, ends beyond 36 bits or
    /// is in use.
    pub fn region_at(&mut self, bus: u64, len: usize) -> Option<SimRegion> {
        self.memory.add_at(bus, len)
    }

    /// Arms a fault for `times` occasions; a lasting one until [`Model::mend`].
    pub fn inject(&mut self, fault: Fault, times: u32) {
        if fault == Fault::Parity {
            // The controller goes on after a parity error (HW 8.6 DPE).
            self.raise(crate::bits::ievent::DPE);
            return;
        }
        if fault == Fault::MiiBusy {
            self.miim.stick_busy(true);
        }
        self.faults.arm(fault, times);
    }

    /// How often an armed fault will still strike.
    pub fn armed(&self, fault: Fault) -> u32 {
        self.faults.left(fault)
    }

    /// Ends a lasting fault, or disarms what is left of another.
    pub fn mend(&mut self, fault: Fault) {
        self.faults.disarm(fault);
        if fault == Fault::MiiBusy {
            self.miim.stick_busy(false);
        }
        self.stop_if_asked();
        self.run_transmitter();
    }

    /// Whether nothing holds a direction's MAC: enabled, out of reset, with a clock.
    pub(crate) fn mac_runs(&self, direction: Direction) -> bool {
        let one = self.reg(at::MACCFG1);
        let (enable, reset) = match direction {
            Direction::Tx => (maccfg1::TX_EN, maccfg1::RESET_TX),
            Direction::Rx => (maccfg1::RX_EN, maccfg1::RESET_RX),
        };
        one & enable != 0
            && one & (maccfg1::SOFT_RESET | reset) == 0
            && self.mbps().is_some()
            && !self.faults.is(Fault::BusDead)
    }

    /// How long a frame of `len` bytes is on the wire.
    pub(crate) fn wire_ns(&self, len: usize) -> u64 {
        match (self.config.wire, self.mbps()) {
            (WireSpeed::Link, Some(mbps)) => {
                let preamble = (self.reg(at::MACCFG2) >> 12 & 0xF) as usize;
                crate::wire::frame_ns(len, preamble, mbps)
            }
            _ => 0,
        }
    }

    /// Takes the violations found so far.
    pub fn violations(&mut self) -> Vec<Violation> {
        self.sanitizer.take()
    }

    pub(crate) fn set_caller(&mut self, caller: std::thread::ThreadId) {
        self.sanitizer.set_caller(caller);
    }

    pub(crate) fn report(&mut self, violation: Violation) {
        self.sanitizer.report(violation);
    }

    /// Whether graceful stop is asked for a direction.
    pub(crate) fn stop_asked(&self, direction: Direction) -> bool {
        let bit = match direction {
            Direction::Tx => dmactrl::GTS,
            Direction::Rx => dmactrl::GRS,
        };
        self.reg(at::DMACTRL) & bit != 0
    }

    /// Whether the strapped or set speed is 100 Mb/s in a 10/100 mode.
    pub(crate) fn r100m(&self) -> bool {
        self.reg(at::ECNTRL) & ecntrl::R100M != 0
    }
}

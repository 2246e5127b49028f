//! The MAC's registers: MACCFG1 and soft reset, speed, addresses.

use crate::bits::{at, maccfg1, maccfg2};
use crate::fault::Fault;
use crate::model::Model;
use crate::table;
use crate::violation::{Breach, Direction, Violation, Who};

/// Sync'd_Rx_EN and Sync'd_Tx_EN follow their enables after this long (HW 18.4).
const SYNC_NS: u64 = 200;
/// How long Rx_EN is off in the work-around of erratum NMG_eTSEC129 (HW 14).
const REST_NS: u64 = 1_000_000;

impl Model {
    pub(crate) fn write_mac(&mut self, at: u16, value: u32) {
        if at == at::MACCFG1 {
            self.write_maccfg1(value);
        } else if self.reg(at::MACCFG1) & maccfg1::SOFT_RESET == 0 {
            self.store(at, value);
            // A changed interface mode may be what the transmitter waits for.
            if at == at::MACCFG2 {
                self.run_transmitter();
            }
        }
        // While Soft_Reset holds the MAC, writes to its other registers are lost (HW 3.14, 8.4).
    }

    fn write_maccfg1(&mut self, value: u32) {
        let old = self.reg(at::MACCFG1);
        if value & maccfg1::SOFT_RESET != 0 {
            self.soft_reset();
        }
        self.store(at::MACCFG1, value);
        let new = self.reg(at::MACCFG1);
        let held = |word: u32| word & maccfg1::SOFT_RESET != 0;
        let enable = maccfg1::RX_EN;
        if old & enable != 0 && new & enable == 0 {
            self.rx.off_since = self.now;
        }
        if old & enable == 0
            && new & enable != 0
            && self.now.saturating_sub(self.rx.off_since) >= REST_NS
        {
            self.rx.deaf = false;
        }
        if held(new) {
            // Until it has been enabled, and had its rest.
            self.rx.deaf = self.config.switches.nmg129;
            self.rx.off_since = u64::MAX;
        }
        for (side, enable) in [(0, maccfg1::TX_EN), (1, maccfg1::RX_EN)] {
            let was = old & enable != 0 && !held(old);
            if new & enable != 0 && !held(new) && !was {
                self.synced[side] = self.now + SYNC_NS;
            }
        }
        let enables = maccfg1::RX_EN | maccfg1::TX_EN;
        if new & enables & !old != 0 && !held(new) && self.mbps().is_none() {
            let who = Who::Register(at::MACCFG1);
            self.report(Violation { who, at: 0, what: Breach::NoInterfaceMode });
        }
        if new & maccfg1::RESET_TX != 0 {
            self.drop_frame_on_wire();
        }
        self.stop_if_asked();
        self.run_transmitter();
    }

    /// Resets 0x500–0x5BC but for the MII, and drops what the MAC holds; rings and RCTRL/TCTRL stay
    /// (HW 18.3).
    fn soft_reset(&mut self) {
        for at in (at::MACCFG1..=at::MAC15ADDR2).step_by(4) {
            if !(at::MIIMCFG..=at::MIIMIND).contains(&at) {
                self.set_reg(at, table::row(at).map_or(0, |row| row.reset));
            }
        }
        self.tx.paused_until = 0;
        self.tx.pause_wanted = false;
        self.tx.flow_wanted = None;
        self.faults.disarm(Fault::TxHang);
        // What has left the controller is not taken back.
        self.write_late(u64::MAX);
        self.drop_frame_on_wire();
        if self.config.switches.reset_spoils_filer {
            self.spoil_filer();
        }
    }

    /// The frame being sent is lost on the wire; its descriptors have not been closed and will be
    /// fetched again.
    fn drop_frame_on_wire(&mut self) {
        self.tx.sending = None;
        self.timer.sending = None;
    }

    pub(crate) fn read_maccfg1(&self) -> u32 {
        let mut value = self.reg(at::MACCFG1);
        if value & maccfg1::SOFT_RESET == 0 {
            if value & maccfg1::TX_EN != 0 && self.now >= self.synced[0] {
                value |= maccfg1::SYNC_TX;
            }
            if value & maccfg1::RX_EN != 0 && self.now >= self.synced[1] {
                value |= maccfg1::SYNC_RX;
            }
        }
        value
    }

    /// The speed the MAC is set to (HW 8.8); `None` with a reserved interface mode: there is no
    /// clock then.
    pub(crate) fn mbps(&self) -> Option<u32> {
        match self.reg(at::MACCFG2) & maccfg2::IF_MODE {
            maccfg2::IF_BYTE => Some(1000),
            maccfg2::IF_NIBBLE if self.r100m() => Some(100),
            maccfg2::IF_NIBBLE => Some(10),
            _ => None,
        }
    }

    pub(crate) fn full_duplex(&self) -> bool {
        self.reg(at::MACCFG2) & maccfg2::FULL_DUPLEX != 0
    }

    pub(crate) fn loops_back(&self) -> bool {
        self.reg(at::MACCFG1) & maccfg1::LOOP_BACK != 0
    }

    /// Whether a TX ring takes part: enabled in TQUEUE, and ring 0 alone without
    /// scheduling (HW 3.6).
    pub(crate) fn tx_enabled(&self, ring: usize) -> bool {
        use crate::bits::{tctrl, txf};
        let single = self.reg(at::TCTRL) & tctrl::TXSCHED == 0;
        self.reg(at::TQUEUE) & txf(ring) != 0 && (ring == 0 || !single)
    }

    /// Whether an RX ring is enabled in RQUEUE.
    pub(crate) fn rx_enabled(&self, ring: usize) -> bool {
        self.reg(at::RQUEUE) & crate::bits::rxf(ring) != 0
    }

    /// Whether a frame of this TX ring is on the wire.
    pub(crate) fn sends(&self, ring: usize) -> bool {
        self.tx.sending.as_ref().is_some_and(|sending| sending.ring == Some(ring))
    }

    /// Whether a direction's rings are left alone: its MAC does not run, or a graceful stop has
    /// completed.
    pub(crate) fn stopped(&self, direction: Direction) -> bool {
        let pending = match direction {
            Direction::Tx => self.tx.stop_pending,
            Direction::Rx => self.rx.stop_pending,
        };
        !self.mac_runs(direction) || (self.stop_asked(direction) && !pending)
    }
}

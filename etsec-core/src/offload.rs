//! Offloads of a port: checksums verified and made, VLAN tags taken out and put in, and padding
//! that aligns a received frame's IP header (HW 5).
//!
//! What changes how queues read or write frames is chosen before the first one is made; the
//! verifying of checksums can change at any time. It knows no frame and no control block.

use embedded_hal::delay::DelayNs;

use crate::bd::RxFlags;
use crate::bus::Bus;
use crate::config::Config;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::errata::Errata;
use crate::error::{Error, Side};
use crate::fcb::RxFcb;
use crate::regs::mac::{MACCFG2, Maccfg2};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::regs::transmit::{TCTRL, Tctrl};
use crate::rx_form::RxForm;
use crate::settings::Settings;
use crate::tx::{ANYWHERE, OWN_PREAMBLES, SUMMED};

/// What the controller does to received frames. All of it needs
/// [`Config::parser`](crate::Config::parser).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RxOffload {
    /// Verify IPv4 header checksums; the result is in each frame's
    /// [`RxMeta`](crate::RxMeta::ip_checksum).
    pub ip_checksum: bool,
    /// Verify TCP and UDP checksums, likewise.
    pub l4_checksum: bool,
    /// Take the outer VLAN tag out of the frame; its control word is in
    /// [`RxMeta::tag`](crate::RxMeta::tag).
    pub vlan_extract: bool,
    /// Bytes between control block and frame, 0 to [`RxOffload::PADDING_MAX`]. The application does
    /// not see them: they are part of the frame's headroom.
    pub padding: u8,
}

impl RxOffload {
    /// Most padding (HW 3.11 PAL).
    pub const PADDING_MAX: u8 = 31;
    /// The padding that puts an IP header behind an Ethernet header, tagged or not, at a multiple
    /// of 4 bytes.
    pub const ALIGN_IP: u8 = 2;
    /// The same with room for a time stamp (HW 5.4): the IP header is at a multiple of 32.
    pub const ALIGN_IP_AND_STAMP: u8 = 10;
}

/// Longest frame whose checksums parts with erratum eTSEC76 make without harm (HW 14).
const ETSEC76_MOST: u32 = 2500;

/// What the controller may do to frames as they leave. What it does to one of them is asked for
/// frame by frame, with [`TxQueue::stage_with`](crate::TxQueue::stage_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TxOffload {
    /// Nothing.
    #[default]
    Off,
    /// Make checksums and insert tags. With [`Errata::ETSEC76`] it is
    /// [`UpTo`](TxOffload::UpTo)(2500).
    All,
    /// The same, but no checksums of frames longer than this. 0 is [`TxOffload::Off`].
    UpTo(u16),
}

impl TxOffload {
    /// Longest frame whose checksums may be asked for.
    fn summed(self, errata: Errata) -> u32 {
        let most = if errata.contains(Errata::ETSEC76) { ETSEC76_MOST } else { SUMMED };
        match self {
            TxOffload::Off => 0,
            TxOffload::All => most,
            TxOffload::UpTo(less) => most.min(less.into()),
        }
    }

    fn of(summed: u32) -> Self {
        match summed & SUMMED {
            0 => TxOffload::Off,
            most => u16::try_from(most).map_or(TxOffload::All, TxOffload::UpTo),
        }
    }
}

/// What receive offloads are set.
fn rx_offload(settings: &Settings) -> RxOffload {
    let set = settings.over(RCTRL, 0);
    RxOffload {
        ip_checksum: Rctrl::IPCSEN.is_set(set),
        l4_checksum: Rctrl::TUCSEN.is_set(set),
        vlan_extract: Rctrl::VLEX.is_set(set),
        padding: Rctrl::PAL.read(set) as u8,
    }
}

/// Bytes of a received preamble: seven octets and a status byte (HW 5.4).
const PREAMBLE: u8 = 8;

/// How received frames are stored with these settings.
pub(crate) fn form(settings: &Settings) -> RxForm {
    let set = rx_offload(settings);
    let (control, mac) = (settings.over(RCTRL, 0), settings.over(MACCFG2, 0));
    let preamble = if Maccfg2::PREAM_RXEN.is_set(mac) { PREAMBLE } else { 0 };
    let mut tolerated = RxFlags::empty();
    tolerated.set(RxFlags::SH, Rctrl::RSF.is_set(control));
    tolerated.set(RxFlags::LG, Maccfg2::HUGE_FRAME.is_set(mac));
    let verifies = set.ip_checksum && set.l4_checksum;
    RxForm::new(set.padding + preamble, set.vlan_extract, verifies, tolerated)
}

/// Bytes in front of each received frame with these settings.
pub(crate) fn skip(settings: &Settings, config: &Config) -> usize {
    form(settings).more() as usize + if config.parser { RxFcb::LEN } else { 0 }
}

impl<B> Controller<B> {
    fn set_rx_offload(&mut self, new: RxOffload, has_queues: bool) -> Result<(), Error> {
        let old = rx_offload(&self.settings);
        if new.padding > RxOffload::PADDING_MAX {
            return Err(Error::Padding(new.padding));
        }
        // HW 5.2 and 5.4: QEMU's model has padding only with the parser, and so have we.
        if new != RxOffload::default() && !self.config.parser {
            return Err(Error::ParserOff);
        }
        if has_queues && (new.vlan_extract, new.padding) != (old.vlan_extract, old.padding) {
            return Err(Error::HasQueues(Side::Rx));
        }
        if self.stamps() && new.padding < 8 {
            return Err(Error::StampPadding(new.padding));
        }
        let fields = Rctrl::IPCSEN.val(new.ip_checksum.into())
            + Rctrl::TUCSEN.val(new.l4_checksum.into())
            + Rctrl::VLEX.val(new.vlan_extract.into())
            + Rctrl::PAL.val(new.padding.into());
        let mut settings = self.settings.clone();
        settings.put(RCTRL, fields);
        self.config.check_room(skip(&settings, &self.config))?;
        self.rx_form = form(&settings);
        self.settings = settings;
        Ok(())
    }
}

/// What TCTRL is to permit.
fn permit(settings: &mut Settings, on: bool) {
    let on = u32::from(on);
    let permits = Tctrl::IPCSEN.val(on) + Tctrl::TUCSEN.val(on) + Tctrl::VLINS.val(on);
    settings.put_beside(TCTRL, permits);
}

impl<B: Bus + Clone> Stopped<B> {
    /// Sets what the controller does to received frames, from the next start on.
    ///
    /// # Errors
    /// [`Error::ParserOff`] unless [`Config::parser`](crate::Config::parser) is set;
    /// [`Error::Padding`]; [`Error::Scatter`] if buffers would be too small;
    /// [`Error::HasQueues`] if there are receive queues, which read frames by the padding and tags
    /// of before. Nothing changes then.
    pub fn set_rx_offload(&mut self, new: RxOffload) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        let has_queues = port.has(Side::Rx);
        port.controller.set_rx_offload(new, has_queues)
    }

    /// Sets what the controller may do to frames that are sent.
    ///
    /// # Errors
    /// [`Error::HasQueues`] if there are transmit queues, which would not know. Nothing changes
    /// then.
    pub fn set_tx_offload(&mut self, new: TxOffload) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        let errata = port.controller.config.errata;
        let summed = new.summed(errata);
        let old = port.controller.summed;
        if port.has(Side::Tx) && summed != old & SUMMED {
            return Err(Error::HasQueues(Side::Tx));
        }
        let anywhere = if errata.contains(Errata::ETSEC12) { 0 } else { ANYWHERE };
        port.controller.summed = summed | anywhere | old & OWN_PREAMBLES;
        permit(&mut port.controller.settings, summed != 0);
        Ok(())
    }

    /// What the controller does to received frames.
    #[must_use]
    pub fn rx_offload(&self) -> RxOffload {
        rx_offload(&self.owner().port.controller.settings)
    }

    /// What the controller may do to frames that are sent.
    #[must_use]
    pub fn tx_offload(&self) -> TxOffload {
        TxOffload::of(self.owner().port.controller.summed)
    }
}

impl<B: Bus + Clone> Running<B> {
    /// Changes which checksums of received frames are verified. Reception stops for the moment, as
    /// in [`Running::set_filter`].
    ///
    /// # Errors
    /// As [`Stopped::set_rx_offload`]; [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does
    /// not answer.
    pub fn set_rx_offload(&mut self, new: RxOffload, delay: &mut dyn DelayNs) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        port.controller.check_alive()?;
        let has_queues = port.has(Side::Rx);
        port.controller.set_rx_offload(new, has_queues)?;
        self.program_stopped_receiver(delay)
    }

    /// What the controller does to received frames.
    #[must_use]
    pub fn rx_offload(&self) -> RxOffload {
        rx_offload(&self.owner().port.controller.settings)
    }

    /// What the controller may do to frames that are sent.
    #[must_use]
    pub fn tx_offload(&self) -> TxOffload {
        TxOffload::of(self.owner().port.controller.summed)
    }
}

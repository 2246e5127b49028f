//! Options of the MAC at the edges of frames: preambles, short and huge frames, padding and check
//! sequence (HW 3.11, 3.15).
//!
//! What changes how queues read or write frames is chosen before the first one is made; nothing
//! here changes while the port runs.

use crate::bus::Bus;
use crate::device::Stopped;
use crate::error::{Error, Side};
use crate::offload::{form, skip};
use crate::regs::mac::{MACCFG2, Maccfg2};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::tx::OWN_PREAMBLES;

/// What the MAC puts behind a frame it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Ending {
    /// Padding to 64 bytes and the check sequence.
    #[default]
    Padded,
    /// The check sequence: short frames leave short.
    Summed,
    /// Nothing: a frame ends with its own check sequence, which counts as part of it, unless it
    /// asks for one by [`TxFlags::PAD_CRC`](crate::bd::TxFlags::PAD_CRC) or
    /// [`TxFlags::TC`](crate::bd::TxFlags::TC) in [`TxQueue::stage_as`](crate::TxQueue::stage_as).
    Own,
}

/// Options of the MAC for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FrameOptions {
    /// Octets of preamble before the start delimiter of a frame that is sent, 1 to 15. The standard
    /// has 7.
    pub preamble: u8,
    /// Store the preamble of received frames: 8 bytes right in front of the frame, where
    /// [`Buf::prepend`](crate::Buf::prepend) shows them.
    pub receive_preamble: bool,
    /// Frames may bring a preamble of their own, by
    /// [`TxQueue::stage_as`](crate::TxQueue::stage_as).
    pub own_preambles: bool,
    /// Deliver frames shorter than 64 bytes, with [`RxFlags::SH`](crate::bd::RxFlags::SH). Usually
    /// they are discarded.
    pub short_frames: bool,
    /// Deliver frames that are longer than the MTU allows, whole, with
    /// [`RxFlags::LG`](crate::bd::RxFlags::LG). Usually they are cut and dropped.
    pub huge_frames: bool,
    /// Compare the length field of 802.3 frames with the data.
    pub check_length: bool,
    /// What is put behind frames that are sent.
    pub ending: Ending,
}

impl Default for FrameOptions {
    fn default() -> Self {
        FrameOptions {
            preamble: 7,
            receive_preamble: false,
            own_preambles: false,
            short_frames: false,
            huge_frames: false,
            check_length: false,
            ending: Ending::Padded,
        }
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Sets the MAC's options for frames, from the next start on.
    ///
    /// # Errors
    /// [`Error::Preamble`] for a preamble that cannot be; [`Error::Scatter`] if buffers would be
    /// too small; [`Error::HasQueues`] if there are queues, which would not know. Nothing changes
    /// then.
    pub fn set_frame_options(&mut self, new: FrameOptions) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        if !(1..=15).contains(&new.preamble) {
            return Err(Error::Preamble(new.preamble));
        }
        for side in [Side::Rx, Side::Tx] {
            if port.has(side) {
                return Err(Error::HasQueues(side));
            }
        }
        let controller = &mut port.controller;
        let mut settings = controller.settings.clone();
        settings.put(
            MACCFG2,
            Maccfg2::PREAMBLE_LENGTH.val(new.preamble.into())
                + Maccfg2::PREAM_RXEN.val(new.receive_preamble.into())
                + Maccfg2::PREAM_TXEN.val(new.own_preambles.into())
                + Maccfg2::HUGE_FRAME.val(new.huge_frames.into())
                + Maccfg2::LENGTH_CHECK.val(new.check_length.into())
                + Maccfg2::PAD_CRC.val((new.ending == Ending::Padded).into())
                + Maccfg2::CRC_EN.val((new.ending == Ending::Summed).into()),
        );
        settings.put(RCTRL, Rctrl::RSF.val(new.short_frames.into()));
        controller.config.check_room(skip(&settings, &controller.config))?;
        controller.rx_form = form(&settings);
        controller.settings = settings;
        let own = if new.own_preambles { OWN_PREAMBLES } else { 0 };
        controller.summed = controller.summed & !OWN_PREAMBLES | own;
        Ok(())
    }
}

//! How a received frame lies in its buffers, and what the device says of it (HW 4.3, 5.3, 5.4).
//!
//! It knows no ring.

use crate::bd::{Control, RxFlags};
use crate::buf::behind;
use crate::config::Config;
use crate::fcb::{Asked, Believed, Checksum, RxFcb, RxFcbFlags, Sums};
use crate::pool::SPARE;
use crate::rx_form::RxForm;

/// Bytes of the frame check sequence, which the device delivers and the queue cuts off (HW 4.4).
pub(crate) const FCS: u16 = 4;

/// What the device says of a received frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct RxMeta {
    /// Flags of the frame's last descriptor: how the address filter accepted it.
    pub flags: RxFlags,
    /// The frame control block (HW 5.3): [`RxFcb::NONE`] if the parser is off.
    pub fcb: RxFcb,
    /// Those of the block's flags that decide whether the frame is verified.
    sums: Sums,
}

impl RxMeta {
    /// What the controller found of the IPv4 header checksum.
    #[must_use]
    pub fn ip_checksum(&self) -> Checksum {
        self.fcb.ip_checksum()
    }

    /// What the controller found of the TCP or UDP checksum.
    #[must_use]
    pub fn l4_checksum(&self) -> Checksum {
        self.fcb.l4_checksum()
    }

    /// As [`RxFcb::is_verified`].
    #[inline(always)]
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.sums.are_right()
    }

    /// The control word of the VLAN tag that the controller took out of the frame.
    #[must_use]
    pub fn tag(&self) -> Option<u16> {
        self.fcb.tag()
    }
}

/// What of the port a queue must know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RxLimits {
    /// Bytes the device may write into one buffer (MRBLR).
    pub mrblr: u16,
    /// Where a frame begins in its buffer, behind frame control block, padding and preamble (HW
    /// 5.4).
    pub place: u32,
    /// Bytes stored that are not the frame's payload: those in front of it, and FCS.
    pub cut: u32,
    /// Largest payload of a frame in one buffer.
    pub most: u32,
    form: RxForm,
    /// What of a control block can be believed.
    believed: Believed,
    asked: Asked,
    /// The flags of a descriptor that decide whether it is a whole frame without errors.
    whole: Control,
    /// The 4 GiB window of all receive buffers.
    pub window: u32,
}

impl RxLimits {
    /// For a port of that configuration, frames stored in that form, and buffers in `window`.
    pub(crate) fn new(config: &Config, form: RxForm, window: u32) -> Self {
        let (mrblr, parser) = (config.buffer_size as u16, config.parser);
        let skip = form.more() + if parser { RxFcb::LEN as u32 } else { 0 };
        let errors = match mutant!("rx-crc-ignored") {
            true => RxFlags::ERRORS.difference(RxFlags::CR),
            false => RxFlags::ERRORS,
        };
        let looked_at = RxFlags::L.union(errors).difference(form.tolerated());
        let (believed, asked) = match parser {
            true => (Believed::only(RxFcbFlags::from_bits_retain(form.believed())), Asked::ALL),
            false => (Believed::NOTHING, Asked::NOTHING),
        };
        let cut = skip + u32::from(FCS);
        RxLimits {
            mrblr,
            place: behind(skip),
            cut,
            most: u32::from(mrblr) + SPARE as u32 - cut,
            form,
            believed,
            asked,
            whole: Control::rx(looked_at),
            window,
        }
    }

    /// Bytes in front of a frame.
    pub(crate) fn skip(&self) -> u16 {
        self.cut as u16 - FCS
    }

    /// Bytes of a buffer the device may be found to have written: QEMU's model goes a little beyond
    /// MRBLR (HW 15.3).
    pub(crate) fn room(&self) -> u16 {
        self.mrblr + SPARE as u16
    }

    /// Whether the port was to verify all checksums.
    pub(crate) fn verifies(&self) -> bool {
        self.form.verifies()
    }

    /// What is known of a frame that begins with these bytes and whose last descriptor has these
    /// flags. What nobody asks for is not read.
    #[inline(always)]
    pub(crate) fn meta(&self, block: RxFcb, flags: RxFlags) -> RxMeta {
        RxMeta { flags, fcb: block.believed(self.believed), sums: block.sums(self.asked) }
    }

    /// The flags that are errors, and L.
    pub(crate) fn looked_at(&self) -> RxFlags {
        self.whole.rx_flags()
    }

    /// Whether a closed descriptor ends a frame that has no error.
    #[inline(always)]
    pub(crate) fn is_whole(&self, control: Control) -> bool {
        control.is_whole(self.whole)
    }
}

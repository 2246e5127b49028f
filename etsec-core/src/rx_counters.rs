//! What a receive queue counts, and the causes for which it drops frames. It drops none itself.

use crate::bd::RxFlags;

/// What a receive queue has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RxCounters {
    /// Frames delivered.
    pub frames: u64,
    /// Frames dropped for a CRC error (RxBD CR).
    pub crc_errors: u64,
    /// Frames dropped for a fraction of an octet (RxBD NO).
    pub alignment_errors: u64,
    /// Frames dropped because they were longer than MAXFRM (RxBD LG or TR).
    pub too_long: u64,
    /// Frames dropped because they were short (RxBD SH).
    pub short: u64,
    /// Frames dropped because the FIFO overran (RxBD OV).
    pub overruns: u64,
    /// Frames dropped because their end or beginning never came.
    pub incomplete: u64,
    /// Frames dropped because the length in the descriptor cannot be true.
    pub bad_lengths: u64,
    /// How often queue and hardware had to agree anew on the next descriptor.
    pub resyncs: u64,
    /// Bytes of the frames delivered, without FCS, control block and padding.
    pub bytes: u64,
}

impl RxCounters {
    /// Frames that reached the ring and were not delivered.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.crc_errors
            + self.alignment_errors
            + self.too_long
            + self.short
            + self.overruns
            + self.incomplete
            + self.bad_lengths
    }

    /// What two queues have done together.
    #[must_use]
    pub fn plus(self, other: &RxCounters) -> Self {
        RxCounters {
            frames: self.frames + other.frames,
            crc_errors: self.crc_errors + other.crc_errors,
            alignment_errors: self.alignment_errors + other.alignment_errors,
            too_long: self.too_long + other.too_long,
            short: self.short + other.short,
            overruns: self.overruns + other.overruns,
            incomplete: self.incomplete + other.incomplete,
            bad_lengths: self.bad_lengths + other.bad_lengths,
            resyncs: self.resyncs + other.resyncs,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Crc,
    Alignment,
    TooLong,
    Short,
    Overrun,
    Incomplete,
    BadLength,
}

impl Cause {
    /// What the error bits of a frame's last descriptor say. OV and TR make the others meaningless
    /// (HW 4.3).
    pub(crate) fn of(flags: RxFlags) -> Option<Self> {
        const ORDER: [(RxFlags, Cause); 5] = [
            (RxFlags::OV, Cause::Overrun),
            (RxFlags::TR.union(RxFlags::LG), Cause::TooLong),
            (RxFlags::CR, Cause::Crc),
            (RxFlags::NO, Cause::Alignment),
            (RxFlags::SH, Cause::Short),
        ];
        ORDER.iter().find(|(bits, _)| flags.intersects(*bits)).map(|(_, cause)| *cause)
    }
}

impl RxCounters {
    pub(crate) fn of(&mut self, cause: Cause) -> &mut u64 {
        match cause {
            Cause::Crc => &mut self.crc_errors,
            Cause::Alignment => &mut self.alignment_errors,
            Cause::TooLong => &mut self.too_long,
            Cause::Short => &mut self.short,
            Cause::Overrun => &mut self.overruns,
            Cause::Incomplete => &mut self.incomplete,
            Cause::BadLength => &mut self.bad_lengths,
        }
    }
}

//! Putting received frames together from several descriptors, and taking broken ones apart (HW 4.3,
//! 4.4, 8.6).
//!
//! It knows descriptors' contents, not rings.

use core::mem;

use crate::bd::RxFlags;
use crate::buf::Buf;
use crate::fcb::RxFcb;
use crate::rx::{FCS, RxCounters, RxLimits, RxMeta};

/// One closed descriptor and its buffer.
pub(crate) struct Piece {
    pub buf: Buf,
    pub flags: RxFlags,
    pub len: u16,
}

/// What came of a piece: perhaps a frame, perhaps buffers of broken ones.
#[derive(Default)]
pub(crate) struct Outcome {
    pub frame: Option<(Buf, RxMeta)>,
    pub broken: [Option<Buf>; 2],
}

/// A frame that has begun and not ended.
pub(crate) struct Open {
    frame: Buf,
    /// Bytes stored for it so far, control block and padding included.
    stored: u32,
    fcb: Option<RxFcb>,
}

/// The state between descriptors of one ring.
#[derive(Default)]
pub(crate) enum Assembly {
    /// The next descriptor begins a frame.
    #[default]
    Idle,
    /// A frame has begun.
    Open(Open),
    /// The rest of a frame already given up is passed over.
    Skipping,
}

impl Assembly {
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Assembly::Idle)
    }

    /// Gives up what is open.
    pub(crate) fn discard(&mut self) -> Option<Buf> {
        self.close().map(|open| open.frame)
    }

    fn close(&mut self) -> Option<Open> {
        match mem::take(self) {
            Assembly::Open(open) => Some(open),
            Assembly::Idle | Assembly::Skipping => None,
        }
    }

    pub(crate) fn add(
        &mut self,
        piece: Piece,
        limits: &RxLimits,
        counters: &mut RxCounters,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if piece.flags.contains(RxFlags::F) {
            // HW 4.4: an overrun can lose the last descriptor of the frame before.
            outcome.broken[1] = self.discard();
            counters.incomplete += u64::from(outcome.broken[1].is_some());
        }
        let last = piece.flags.contains(RxFlags::L);
        if matches!(self, Assembly::Skipping) {
            if last {
                *self = Assembly::Idle;
            }
            outcome.broken[0] = Some(piece.buf);
        } else if last {
            self.end(piece, limits, counters, &mut outcome);
        } else {
            self.extend(piece, limits, counters, &mut outcome);
        }
        outcome
    }

    /// A piece that is not the last: its length is what this buffer holds (HW 4.4).
    fn extend(
        &mut self,
        mut piece: Piece,
        limits: &RxLimits,
        counters: &mut RxCounters,
        outcome: &mut Outcome,
    ) {
        let skip = if self.is_idle() { limits.skip } else { 0 };
        if self.is_idle() && !piece.flags.contains(RxFlags::F) {
            counters.incomplete += 1;
            return self.give_up(Some(piece.buf), outcome);
        }
        if piece.len <= skip || piece.len > limits.room {
            counters.bad_lengths += 1;
            return self.give_up(Some(piece.buf), outcome);
        }
        let Assembly::Open(open) = self else {
            let fcb = limits.read_fcb(&mut piece.buf, piece.len);
            piece.buf.describe(skip, piece.len - skip);
            *self = Assembly::Open(Open { frame: piece.buf, stored: piece.len.into(), fcb });
            return;
        };
        piece.buf.describe(0, piece.len);
        open.stored += u32::from(piece.len);
        // Never more than the length field of the last descriptor could say.
        let fits = open.stored <= u32::from(u16::MAX);
        let left_over = open.frame.append(piece.buf).err();
        if !fits || left_over.is_some() {
            counters.too_long += 1;
            self.give_up(left_over, outcome);
        }
    }

    /// The last piece, of a frame in one buffer or several.
    fn end(
        &mut self,
        piece: Piece,
        limits: &RxLimits,
        counters: &mut RxCounters,
        outcome: &mut Outcome,
    ) {
        let Piece { buf, flags, len } = piece;
        let open = self.close();
        let stored = open.as_ref().map_or(0, |open| open.stored);
        let own = own_length(len.into(), stored);
        if let Some(cause) = error_counter(flags, counters) {
            *cause += 1;
        } else if own > u32::from(limits.room) || stored + own <= u32::from(limits.skip + FCS) {
            counters.bad_lengths += 1;
        } else {
            match join(open, buf, own as u16, limits) {
                Ok((frame, fcb)) => outcome.frame = Some((frame, RxMeta { flags, fcb })),
                Err(broken) => {
                    counters.too_long += 1;
                    outcome.broken = broken;
                }
            }
            return;
        }
        outcome.broken[0] = Some(buf);
        if let Some(open) = open {
            outcome.broken[1] = Some(open.frame);
        }
    }

    fn give_up(&mut self, buf: Option<Buf>, outcome: &mut Outcome) {
        outcome.broken[0] = buf;
        if let Some(open) = self.discard() {
            outcome.broken[1] = Some(open);
        }
        *self = Assembly::Skipping;
    }
}

/// Puts the last buffer, with `own` bytes, behind what is open, and cuts the FCS off, which may
/// straddle buffers.
fn join(
    open: Option<Open>,
    mut last: Buf,
    own: u16,
    limits: &RxLimits,
) -> Result<(Buf, Option<RxFcb>), [Option<Buf>; 2]> {
    let Some(Open { mut frame, stored, fcb }) = open else {
        let fcb = limits.read_fcb(&mut last, own);
        last.describe(limits.skip, own - limits.skip - FCS);
        return Ok((last, fcb));
    };
    last.describe(0, own);
    match frame.append(last) {
        Err(last) => Err([Some(last), Some(frame)]),
        Ok(()) => {
            // A buffer left without bytes goes home.
            frame.truncate(stored as usize + usize::from(own) - usize::from(limits.skip + FCS));
            Ok((frame, fcb))
        }
    }
}

/// Bytes in the last buffer. The manual gives the whole frame's length there; QEMU's model gives
/// the buffer's own bytes. HW 15.3: what exceeds the bytes stored before is a total.
fn own_length(len: u32, stored: u32) -> u32 {
    if len > stored { len - stored } else { len }
}

/// The counter for a frame with error bits. OV and TR make the other bits meaningless (HW 4.3).
fn error_counter(flags: RxFlags, counters: &mut RxCounters) -> Option<&mut u64> {
    if flags.contains(RxFlags::OV) {
        Some(&mut counters.overruns)
    } else if flags.intersects(RxFlags::TR | RxFlags::LG) {
        Some(&mut counters.too_long)
    } else if flags.contains(RxFlags::CR) {
        Some(&mut counters.crc_errors)
    } else if flags.contains(RxFlags::NO) {
        Some(&mut counters.alignment_errors)
    } else if flags.contains(RxFlags::SH) {
        Some(&mut counters.short)
    } else {
        None
    }
}

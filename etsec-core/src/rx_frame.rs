//! Putting received frames together from several descriptors, and taking broken ones apart (HW 4.3, 4.4, 8.6).
//!
//! It knows descriptors' contents, not rings.

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
struct Open {
    frame: Buf,
    /// Bytes stored for it so far, control block and padding included.
    stored: u32,
    fcb: Option<RxFcb>,
}

/// The state between descriptors of one ring.
#[derive(Default)]
pub(crate) struct Assembly {
    open: Option<Open>,
    /// The rest of a frame already given up is passed over.
    skipping: bool,
}

impl Assembly {
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && !self.skipping
    }

    /// Gives up what is open.
    pub(crate) fn discard(&mut self) -> Option<Buf> {
        self.skipping = false;
        self.open.take().map(|open| open.frame)
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
            counters.incomplete += u64::from(self.open.is_some());
            outcome.broken[1] = self.discard();
        }
        let last = piece.flags.contains(RxFlags::L);
        if self.skipping {
            self.skipping = !last;
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
        let skip = if self.open.is_some() { 0 } else { limits.skip };
        if self.open.is_none() && !piece.flags.contains(RxFlags::F) {
            counters.incomplete += 1;
            return self.give_up(piece.buf, outcome);
        }
        if piece.len <= skip || piece.len > limits.room {
            counters.bad_lengths += 1;
            return self.give_up(piece.buf, outcome);
        }
        let Some(open) = &mut self.open else {
            let fcb = limits.read_fcb(&mut piece.buf, piece.len);
            piece.buf.describe(skip, piece.len - skip);
            self.open = Some(Open { frame: piece.buf, stored: piece.len.into(), fcb });
            return;
        };
        piece.buf.describe(0, piece.len);
        open.stored += u32::from(piece.len);
        // Never more than the length field of the last descriptor could say.
        let fits = open.stored <= u32::from(u16::MAX);
        match open.frame.append(piece.buf) {
            Ok(()) if fits => {}
            Ok(()) => self.too_long(counters, None, outcome),
            Err(buf) => self.too_long(counters, Some(buf), outcome),
        }
    }

    /// The last piece, of a frame in one buffer or several.
    fn end(
        &mut self,
        mut piece: Piece,
        limits: &RxLimits,
        counters: &mut RxCounters,
        outcome: &mut Outcome,
    ) {
        let open = self.open.take();
        if let Some(cause) = error_counter(piece.flags, counters) {
            *cause += 1;
        } else if let Some(mut open) = open {
            let own = own_length(u32::from(piece.len), open.stored);
            let total = (open.stored + own) as usize;
            let used = usize::from(limits.skip + FCS);
            if own == 0 || own > u32::from(limits.room) || total <= used {
                counters.bad_lengths += 1;
                outcome.broken = [Some(piece.buf), Some(open.frame)];
                return;
            }
            piece.buf.describe(0, own as u16);
            if let Err(buf) = open.frame.append(piece.buf) {
                counters.too_long += 1;
                outcome.broken = [Some(buf), Some(open.frame)];
                return;
            }
            // The FCS may straddle buffers; a buffer left without bytes goes home.
            open.frame.truncate(total - used);
            outcome.frame = Some((open.frame, RxMeta { flags: piece.flags, fcb: open.fcb }));
            return;
        } else {
            counters.bad_lengths += 1;
        }
        outcome.broken = [Some(piece.buf), outcome.broken[1].take()];
        if let Some(open) = open {
            outcome.broken[1] = Some(open.frame);
        }
    }

    fn give_up(&mut self, buf: Buf, outcome: &mut Outcome) {
        outcome.broken[0] = Some(buf);
        if let Some(open) = self.open.take() {
            outcome.broken[1] = Some(open.frame);
        }
        self.skipping = true;
    }

    fn too_long(&mut self, counters: &mut RxCounters, buf: Option<Buf>, outcome: &mut Outcome) {
        counters.too_long += 1;
        outcome.broken = [buf, self.open.take().map(|open| open.frame)];
        self.skipping = true;
    }
}

/// Bytes in the last buffer. The manual gives the whole frame's length there; QEMU's model gives the buffer's own
/// bytes. HW 15.3: what exceeds the bytes stored before is a total.
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

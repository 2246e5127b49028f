//! Putting received frames together from several descriptors, and taking broken ones apart (HW 4.3,
//! 4.4, 8.6).
//!
//! It knows descriptors' contents, not rings.

use crate::bd::RxFlags;
use crate::buf::{Buf, MAX_CHAIN};
use crate::fcb::RxFcb;
use crate::rx::{FCS, RxLimits, RxMeta};
use crate::rx_counters::Cause;

/// What becomes of a closed descriptor's buffer.
pub(crate) enum Outcome {
    /// It ends a frame: here it is.
    Frame(Buf, RxMeta),
    /// It is part of a frame that has not ended.
    Waiting,
    /// It is part of a broken frame, as is what is open. The cause, where it is to be counted.
    Broken(Buf, Option<Cause>),
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The next descriptor begins a frame.
    #[default]
    Idle,
    /// A frame has begun.
    Open,
    /// The rest of a frame already given up is passed over.
    Skipping,
}

/// The state between descriptors of one ring.
#[derive(Default)]
pub(crate) struct Assembly {
    state: State,
    /// The frame that has begun and not ended.
    open: Option<Buf>,
    /// Bytes stored for it so far, control block and padding included.
    stored: u32,
    /// The control block at its start.
    block: RxFcb,
}

impl Assembly {
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// How many buffers are open.
    pub(crate) fn held(&self) -> u32 {
        let open = if MAX_CHAIN > 1 { self.open.as_ref() } else { None };
        open.map_or(0, |open| open.buffers() as u32)
    }

    /// Gives up what is open.
    pub(crate) fn discard(&mut self) -> Option<Buf> {
        self.state = State::Idle;
        self.take_open()
    }

    /// Passes over the rest of a frame whose beginning is somewhere else.
    #[cfg(feature = "adopt")]
    pub(crate) fn skip(&mut self) {
        self.state = State::Skipping;
    }

    /// Takes out what is open.
    pub(crate) fn take_open(&mut self) -> Option<Buf> {
        if MAX_CHAIN > 1 { self.open.take() } else { None }
    }

    /// Adds a closed descriptor's buffer. Of a broken frame what is open is left there.
    pub(crate) fn add(&mut self, buf: Buf, flags: RxFlags, len: u16, limits: &RxLimits) -> Outcome {
        let last = flags.contains(RxFlags::L);
        let state = self.state;
        self.state = if last { State::Idle } else { State::Skipping };
        if state == State::Skipping {
            return Outcome::Broken(buf, None);
        }
        if state == State::Idle {
            self.stored = 0;
        }
        let own = own_length(len.into(), self.stored, last);
        let stored = self.stored + own;
        if let Some(cause) = self.fault(flags, own, stored, limits) {
            return Outcome::Broken(buf, Some(cause));
        }
        self.stored = stored;
        match self.append(buf, own as u16, limits) {
            Err(buf) => Outcome::Broken(buf, Some(Cause::TooLong)),
            Ok(mut frame) if last => {
                // The FCS may straddle buffers; one left without bytes goes home.
                frame.truncate((stored - u32::from(limits.skip() + FCS)) as usize);
                Outcome::Frame(frame, limits.meta(self.block, flags))
            }
            Ok(frame) => {
                self.open = Some(frame);
                self.state = State::Open;
                Outcome::Waiting
            }
        }
    }

    /// What is wrong with a piece of `own` bytes that makes its frame `stored` bytes long.
    fn fault(&self, flags: RxFlags, own: u32, stored: u32, limits: &RxLimits) -> Option<Cause> {
        let last = flags.contains(RxFlags::L);
        // Errors are written with the last descriptor only (HW 4.3).
        let error = if last { Cause::of(flags.intersection(limits.looked_at())) } else { None };
        if MAX_CHAIN == 1 {
            // A good frame in one buffer does not come here: its queue has delivered it. MAXFRM
            // keeps frames shorter than a buffer, so one without its end is the hardware's fault;
            // all up to the next end is passed over.
            return error.or(Some(if last { Cause::BadLength } else { Cause::TooLong }));
        }
        let headless = !last && self.open.is_none() && !flags.contains(RxFlags::F);
        let least = if last { limits.skip() + FCS } else { limits.skip() };
        if error.is_some() {
            error
        } else if headless {
            Some(Cause::Incomplete)
        } else if own == 0 || own > limits.room().into() || stored <= least.into() {
            Some(Cause::BadLength)
        } else if stored > u16::MAX.into() {
            // More than the length field of the last descriptor could say.
            Some(Cause::TooLong)
        } else {
            None
        }
    }

    /// Puts a buffer of `own` bytes behind what is open.
    ///
    /// # Errors
    /// The buffer, where the frame would have too many; what is open stays open.
    fn append(&mut self, mut buf: Buf, own: u16, limits: &RxLimits) -> Result<Buf, Buf> {
        let Some(mut frame) = self.take_open() else {
            self.block = RxFcb::new(buf.front());
            buf.describe(limits.skip(), own - limits.skip());
            return Ok(buf);
        };
        buf.describe(0, own);
        match frame.append(buf) {
            Ok(()) => Ok(frame),
            Err(buf) => {
                self.open = Some(frame);
                Err(buf)
            }
        }
    }
}

/// Bytes in a buffer. In the last one the manual gives the whole frame's length, QEMU's model the
/// buffer's own. HW 15.3: what exceeds the bytes stored before is a total.
fn own_length(len: u32, stored: u32, last: bool) -> u32 {
    if last && len > stored { len - stored } else { len }
}

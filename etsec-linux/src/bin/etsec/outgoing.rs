//! How frames are handed over that leave unlike others: those of `send` with a tag, with a preamble
//! of their own or with a stamp of when they left, as the settings want it; those that are passed
//! on with the tag they came with. It knows no source of frames.

use etsec_core::bd::TxFlags;
use etsec_core::fcb::TxFcb;
use etsec_core::tx::Stager;
use etsec_core::{Buf, Pool, Reason, Refused};
use etsec_linux::device::Tx;
use serde::Serialize;

use crate::settings::{Preamble, Settings};
use crate::station::Bell;

/// How frames leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// As they are.
    Plain,
    /// With this tag put in.
    Tagged(u16),
    /// Behind these bytes instead of the usual preamble.
    Behind(Preamble),
    /// Stamped.
    Stamped,
}

impl Outgoing {
    /// As the settings want it, which have been checked: they want one of them.
    pub fn of(settings: &Settings) -> Self {
        match (settings.vlan.tag(), settings.frames.own_preamble) {
            (Some(tag), _) => Outgoing::Tagged(tag),
            (None, Some(preamble)) => Outgoing::Behind(preamble),
            (None, None) if settings.ptp.tx_stamps => Outgoing::Stamped,
            (None, None) => Outgoing::Plain,
        }
    }

    /// Stages a frame in a buffer of `pool`.
    ///
    /// # Errors
    /// Why the frame cannot be sent, now or at all.
    pub fn stage(self, tx: &mut Tx, pool: &Pool, frame: &[u8]) -> Result<(), Reason> {
        // Which of the two it is that there is no place for is all the same.
        let mut buf = pool.frame(frame).ok_or(Reason::Full)?;
        let staged = match self {
            Outgoing::Plain => tx.stage(buf),
            Outgoing::Tagged(tag) => tx.stage_with(buf, TxFcb::NONE.tag(tag)),
            Outgoing::Behind(Preamble(bytes)) => {
                buf.prepend(bytes.len()).ok_or(Reason::Headroom)?.copy_from_slice(&bytes);
                tx.stage_as(buf, TxFlags::PRE)
            }
            Outgoing::Stamped => tx.stage_stamped(buf),
        };
        staged.map_err(|refused| refused.why)
    }
}

/// Stages a received frame again: with its tag, if the controller has taken one out.
///
/// # Errors
/// As [`Stager::stage_with`].
#[inline]
pub fn pass_on(stager: &mut Stager<'_, Bell>, frame: Buf, tag: Option<u16>) -> Result<(), Refused> {
    match tag {
        None => stager.stage(frame),
        Some(tag) => stager.stage_with(frame, TxFcb::NONE.tag(tag)),
    }
}

/// What the stamps of sent frames tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SentStamps {
    /// Frames with a stamp.
    pub stamped: u64,
    /// Frames without, as after an error.
    pub unstamped: u64,
    /// When the first left, in nanoseconds of the clock.
    pub first_ns: Option<u64>,
    /// When the last did.
    pub last_ns: Option<u64>,
    /// The shortest time from one to the next.
    pub least_gap_ns: Option<u64>,
    /// The longest.
    pub most_gap_ns: Option<u64>,
}

impl SentStamps {
    /// Takes note of a frame that was sent, in the order in which they were.
    pub fn note(&mut self, mut sent: Buf) {
        let Some(time_ns) = sent.take_sent_stamp() else {
            self.unstamped += 1;
            return;
        };
        self.stamped += 1;
        self.first_ns.get_or_insert(time_ns);
        // A clock that was set back in between is no time that has passed.
        if let Some(gap) = self.last_ns.and_then(|last| time_ns.checked_sub(last)) {
            self.least_gap_ns = Some(self.least_gap_ns.map_or(gap, |least| least.min(gap)));
            self.most_gap_ns = Some(self.most_gap_ns.map_or(gap, |most| most.max(gap)));
        }
        self.last_ns = Some(time_ns);
    }

    /// As rows of a table.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let number = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| ns.to_string());
        [
            ("stamped frames", self.stamped.to_string()),
            ("unstamped frames", self.unstamped.to_string()),
            ("first left at (ns)", number(self.first_ns)),
            ("last left at (ns)", number(self.last_ns)),
            ("least gap (ns)", number(self.least_gap_ns)),
            ("most gap (ns)", number(self.most_gap_ns)),
        ]
        .map(|(name, value)| vec![name.to_owned(), value])
        .to_vec()
    }
}

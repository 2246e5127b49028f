//! Frames as they were on the wire, put together from the descriptors in which the device has
//! handed them back.

use super::super::line::Words;
use crate::bits::{at, maccfg2, rctrl, rxbd};
use crate::filter;
use crate::model::Model;
use crate::wire::{Fcs, WireFrame};

/// A descriptor that the device has closed.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub bd: Words,
    pub bytes: Vec<u8>,
}

impl Closed {
    pub(super) fn flags(&self) -> u16 {
        (self.bd.word >> 16) as u16
    }

    fn len(&self) -> usize {
        (self.bd.word & 0xFFFF) as usize
    }
}

/// The frame that has ended in the last of `parts`; bytes that were not recorded are zeros.
pub(super) fn frame(model: &Model, parts: &[Closed]) -> WireFrame {
    let status = parts.last().map_or(0, Closed::flags);
    let mut stored = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        // The last one tells the whole length, the others what they hold (HW 4.4).
        let end = if n + 1 == parts.len() { part.len() } else { stored.len() + part.len() };
        let from = stored.len();
        stored.extend(part.bytes.iter().copied().take(end.saturating_sub(from)));
        stored.resize(end.max(from), 0);
    }
    let control = model.reg(at::RCTRL);
    let parsed = control & rctrl::PRSDEP != 0;
    let preamble = model.reg(at::MACCFG2) & maccfg2::PREAM_RXEN != 0;
    let before = 8 * usize::from(parsed)
        + ((control & rctrl::PAL) >> 16) as usize
        + 8 * usize::from(preamble);
    let tag = tag(&stored, parsed && control & rctrl::VLEX != 0);
    let mut data = stored.split_off(before.min(stored.len()));
    if status & (rxbd::TR | rxbd::OV) == 0 {
        data.truncate(data.len().saturating_sub(4));
    }
    if status & rxbd::OV != 0 {
        // Of a frame that overran the FIFO the model stores half.
        data.resize(2 * data.len(), 0);
    }
    if let Some(tag) = tag.filter(|_| data.len() >= 12) {
        data.splice(12..12, [0x81, 0x00, tag[0], tag[1]]);
    }
    if parts.first().is_none_or(|part| part.bytes.len() < before + 14) {
        header(model, status, &mut data);
    }
    let bad = status & (rxbd::CR | rxbd::NO) != 0;
    let fcs = if bad { Fcs::wrong(&data) } else { Fcs::Right };
    WireFrame { dribble: status & rxbd::NO != 0, ..WireFrame::exact(data, fcs) }
}

/// RxFCB\[VLN\] and where VLCTL is in the block (HW 5.3).
const VLN: u8 = 0x80;
const VLCTL: usize = 6;

/// The tag that was taken out of a frame.
fn tag(stored: &[u8], extracted: bool) -> Option<[u8; 2]> {
    let (first, tag) = (stored.first()?, stored.get(VLCTL..VLCTL + 2)?);
    (extracted && first & VLN != 0).then(|| [tag[0], tag[1]])
}

/// A header that is let in with this status, where none was recorded.
fn header(model: &Model, status: u16, data: &mut [u8]) {
    let to = match status & (rxbd::BC | rxbd::MC | rxbd::M) {
        flags if flags & rxbd::BC != 0 => [0xFF; 6],
        flags if flags & rxbd::MC != 0 => [0x01, 0x00, 0x5E, 0x00, 0x00, 0x01],
        flags if flags & rxbd::M != 0 => [0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE],
        _ => filter::station(|at| model.reg(at)),
    };
    // A type that is no length, which would be compared with the frame's.
    let header = to.into_iter().chain([0; 6]).chain([0x88, 0xB5]);
    for (byte, to) in data.iter_mut().zip(header) {
        *byte = to;
    }
}

//! A station that is not ours: it sends frames as it likes, and looks at what it gets. It has no
//! driver and no model.

use etsec_sim::cable::Side;
use etsec_sim::{Fcs, WireFrame};

use super::book::Book;
use super::frames::{SHORTEST, address, talker};
use super::rules::Check;
use super::script::Odd;
use super::station::MTU;

/// So many new frames from `from`: their numbers, and all their octets.
#[must_use]
pub fn frames(book: &mut Book, from: Side, count: usize, len: usize) -> Vec<(u32, Vec<u8>)> {
    let mut frames = Vec::new();
    for n in 0..count {
        let len = SHORTEST + (len + 37 * n) % (MTU - SHORTEST);
        let to_ring = book.next_ring();
        let number = book.frames.add(from, 0, to_ring, len);
        book.frames.get_mut(number).left = 1;
        book.sums.accepted += 1;
        frames.push((number, WireFrame::good(&book.frames.bytes(number)).into_bytes()));
    }
    frames
}

/// A good frame has come.
///
/// # Errors
/// If it had come before.
pub fn take(book: &mut Book, number: u32) -> Check {
    book.sums.delivered += 1;
    book.frames.deliver(number)
}

/// A frame to the station at `to` that is not to be handed over there.
#[must_use]
pub fn odd(to: Side, odd: Odd) -> WireFrame {
    let len = match odd {
        Odd::Runt => 40,
        Odd::Giant => 2 * MTU,
        Odd::BadFcs => MTU + 18,
        Odd::Foreign | Odd::Dribble => 100,
    };
    let destination = if odd == Odd::Foreign { [0x02, 0, 0, 0, 0, 0x77] } else { address(to).0 };
    let header = destination.into_iter().chain(talker(0).0).chain([0x88, 0xB5]);
    let data: Vec<u8> = header.chain(std::iter::repeat(0xA5)).take(len).collect();
    let fcs = match odd {
        Odd::BadFcs | Odd::Dribble => Fcs::wrong(&data),
        _ => Fcs::Right,
    };
    WireFrame { dribble: odd == Odd::Dribble, ..WireFrame::exact(data, fcs) }
}

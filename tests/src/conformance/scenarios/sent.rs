//! What stands in descriptors and registers when frames have been sent (HW 3.2, 3.7, 4.2).

use etsec_core::Bus;

use crate::at;
use crate::conformance::bare::{Bare, DEVICE, INTERRUPT, LAST, Side};
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, STATION, frame};

const TX: Side = Side::Tx;

/// A transmit descriptor's flags and length, as they are now.
fn descriptor<D: Device>(seen: &mut Seen, device: &D, bare: &Bare<D>, n: usize) {
    let (flags, len) = bare.get(device, TX, n);
    seen.note(format!("flags {n}"), format_args!("{flags:#06x}"));
    seen.note(format!("length {n}"), len);
}

fn out(len: usize) -> Vec<u8> {
    frame(PEER, STATION, len, len as u8)
}

pub fn one_descriptor<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.ready(device, 0, INTERRUPT | LAST, &out(100));
    bare.kick(device);
    seen.holds("the frame leaves", device.left() == Some(out(100)));
    descriptor(&mut seen, device, &bare, 0);
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen.word("TXFn", bare.bus().read(at::TSTAT) & 0xFF00);
    seen
}

pub fn without_interrupt<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.ready(device, 0, LAST, &out(100));
    bare.kick(device);
    seen.holds("the frame leaves", device.left() == Some(out(100)));
    descriptor(&mut seen, device, &bare, 0);
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

pub fn two_descriptors<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    let bytes = out(150);
    bare.ready(device, 1, INTERRUPT | LAST, &bytes[70..]);
    bare.ready(device, 0, INTERRUPT, &bytes[..70]);
    bare.kick(device);
    seen.holds("the frame leaves", device.left() == Some(bytes));
    descriptor(&mut seen, device, &bare, 0);
    descriptor(&mut seen, device, &bare, 1);
    // TXB for the first, TXF for the last.
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

pub fn not_ready<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.ready(device, 0, LAST, &out(100));
    bare.ready(device, 2, LAST, &out(102));
    bare.kick(device);
    let left: Vec<_> = std::iter::from_fn(|| device.left()).collect();
    seen.holds("one frame leaves", left == [out(100)]);
    seen.word("TBPTR0", bare.bus().read(at::TBPTR0) - bare.address(TX, 0));
    bare.ready(device, 1, LAST, &out(101));
    bare.kick(device);
    let left: Vec<_> = std::iter::from_fn(|| device.left()).collect();
    seen.holds("the others leave", left == [out(101), out(102)]);
    seen.word("TBPTR0 then", bare.bus().read(at::TBPTR0) - bare.address(TX, 0));
    seen
}

/// HW 3.7: THLT is set when no ready descriptor can be fetched.
pub fn halted<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.kick(device);
    seen.word("THLT of an empty ring", bare.bus().read(at::TSTAT) & 0xFF00_0000);
    bare.ready(device, 0, LAST, &out(100));
    bare.kick(device);
    seen.holds("the frame leaves", device.left() == Some(out(100)));
    seen.word("THLT behind it", bare.bus().read(at::TSTAT) & 0xFF00_0000);
    seen
}

/// The pointer follows the descriptors, and wraps.
pub fn pointer<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    let mut places = Vec::new();
    for n in 0..12 {
        bare.ready(device, n % 8, LAST, &out(60 + n));
        bare.kick(device);
        places.push((bare.bus().read(at::TBPTR0) - bare.address(TX, 0)) / 8);
    }
    let left = std::iter::from_fn(|| device.left()).count();
    seen.note("places", format_args!("{places:?}"));
    seen.holds("all frames leave", left == 12);
    seen
}

/// HW 8.2: what is kicked before the transmitter is on.
pub fn without_enable<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.ready(device, 0, LAST, &out(100));
    bare.kick(device);
    seen.holds("nothing leaves", device.left().is_none());
    bare.enable(device);
    seen.note("leaves when enabled", device.left().is_some());
    bare.kick(device);
    seen.note("leaves when kicked again", device.left().is_some());
    seen.note("descriptor is done", bare.get(device, TX, 0).0 & DEVICE == 0);
    seen
}

/// TxBD PAD/CRC, which decides where MACCFG2 does not (HW 4.2).
pub fn padded_by_descriptor<D: Device>(device: &mut D) -> Seen {
    const PAD_CRC: u16 = 0x4000;
    const TC: u16 = 0x0400;
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.bus().write(at::MACCFG2, 0x7201);
    bare.enable(device);
    for (n, flags, name) in [(0, PAD_CRC, "PAD/CRC"), (1, TC, "TC")] {
        bare.ready(device, n, flags | LAST, &out(40));
        bare.kick(device);
        let len = device.left().map_or("nothing leaves".into(), |left| left.len().to_string());
        seen.note(format!("40 bytes with {name}"), len);
    }
    seen
}

/// HW 8.3: GTS stops transmission, and what is ready stays queued.
pub fn graceful_stop<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING | at::GTS);
    device.settle();
    seen.word("GTSC", bare.bus().read(at::IEVENT));
    bare.ready(device, 0, LAST, &out(100));
    bare.kick(device);
    seen.note("leaves while stopped", device.left().is_some());
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING);
    bare.kick(device);
    seen.note("leaves afterwards", device.left().is_some());
    seen.note("descriptor is done", bare.get(device, TX, 0).0 & DEVICE == 0);
    seen
}

/// A frame that reaches MAXFRM (HW 3.2 BABT, 4.2 TR).
pub fn too_long<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.bus().write(at::MAXFRM, 200);
    bare.enable(device);
    for (n, len) in [195, 196].into_iter().enumerate() {
        bare.ready(device, n, LAST, &out(len));
        bare.kick(device);
        seen.holds(format!("{} of 200 bytes leave", len + 4), device.left() == Some(out(len)));
        let truncated = bare.get(device, TX, n).0 & 1 != 0;
        seen.note(format!("TR of {}", len + 4), truncated);
    }
    seen.word("BABT", bare.bus().read(at::IEVENT) & 0x0100_0000);
    seen
}

/// Status and requests of the last use do not stay (HW 4.2).
pub fn a_used_descriptor<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    for turn in 0..3 {
        bare.ready(device, 0, INTERRUPT | LAST, &out(100 + turn));
        bare.bus().write(at::TBASE0, bare.address(TX, 0));
        bare.kick(device);
        seen.holds(format!("turn {turn}"), device.left() == Some(out(100 + turn)));
    }
    descriptor(&mut seen, device, &bare, 0);
    seen
}

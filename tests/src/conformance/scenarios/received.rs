//! What stands in descriptors, buffers and registers when frames have come (HW 3.2, 3.7, 4.3, 4.4).
//!
//! Never so many frames that a ring of whole-frame buffers is full: QEMU does not survive that
//! (HW 15.3, kept frame).

use etsec_core::Bus;

use crate::at;
use crate::conformance::bare::{Bare, DEVICE, INTERRUPT, Side};
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, STATION, frame};

const RX: Side = Side::Rx;
/// RCTRL PROM: so that both models take everything.
const PROM: u32 = 0x8;
/// RCTRL RSF: short frames are taken.
const RSF: u32 = 0x4;

fn come(len: usize) -> Vec<u8> {
    frame(STATION, PEER, len, len as u8)
}

/// A device that receives into `count` buffers.
fn ready<D: Device>(device: &mut D, count: usize, mrblr: u32) -> Bare<D> {
    let bare = prepared(device, count, mrblr);
    bare.enable(device);
    bare
}

/// The same, not enabled yet.
fn prepared<D: Device>(device: &mut D, count: usize, mrblr: u32) -> Bare<D> {
    let mut bare = Bare::new(device);
    bare.bus().write(at::RCTRL, PROM);
    bare.bus().write(at::MRBLR, mrblr);
    bare.empty(device, count);
    bare
}

/// A receive descriptor's flags and length, as they are now.
fn descriptor<D: Device>(seen: &mut Seen, device: &D, bare: &Bare<D>, n: usize) {
    let (flags, len) = bare.get(device, RX, n);
    // M, BC and MC are a matter of the address filter.
    seen.note(format!("flags {n}"), format_args!("{:#06x}", flags & !0x01C0));
    seen.note(format!("length {n}"), len);
}

fn place<D: Device>(bare: &Bare<D>) -> u32 {
    (bare.bus().read(at::RBPTR0) - bare.address(RX, 0)) / 8
}

pub fn one_descriptor<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 4, 1536);
    bare.arrive(device, &come(100));
    descriptor(&mut seen, device, &bare, 0);
    seen.holds("stored as it came", bare.stored(device, 0, 100) == come(100));
    seen.note("next", place(&bare));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen.word("RXFn", bare.bus().read(at::RSTAT) & 0xFF);
    seen
}

pub fn several_descriptors<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 6, 128);
    bare.arrive(device, &come(300));
    for n in 0..3 {
        descriptor(&mut seen, device, &bare, n);
    }
    let stored: Vec<u8> = [(0, 128), (1, 128), (2, 44)]
        .into_iter()
        .flat_map(|(n, len)| bare.stored(device, n, len))
        .collect();
    seen.holds("stored as it came", stored == come(300));
    seen.note("next", place(&bare));
    // RXB for the first two, RXF for the last.
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

pub fn without_interrupt<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = prepared(device, 4, 1536);
    bare.put(device, RX, 0, DEVICE, 0);
    bare.enable(device);
    bare.arrive(device, &come(100));
    seen.holds("it is stored", bare.get(device, RX, 0).0 & (DEVICE | INTERRUPT) == 0);
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

/// HW 3.16, 4.4: MAXFRM counts the FCS. At it a frame is whole; above it, it is not.
pub fn longest<D: Device>(device: &mut D) -> Seen {
    const TOO_LONG: u16 = 0x0021;
    let mut seen = Seen::new();
    let bare = ready(device, 6, 2048);
    bare.bus().write(at::MAXFRM, 1000);
    for (n, len) in [995, 996, 997].into_iter().enumerate() {
        bare.arrive(device, &come(len));
        let (flags, stored) = bare.get(device, RX, n);
        let verdict = if flags & TOO_LONG == 0 { "whole" } else { "too long" };
        seen.note(format!("{} of 1000 bytes", len + 4), format_args!("{verdict}, {stored} stored"));
    }
    seen
}

/// HW 3.11: frames below 64 bytes are discarded unless RSF is set.
pub fn short_without_rsf<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 4, 1536);
    bare.arrive(device, &come(40));
    seen.holds("44 bytes are discarded", bare.get(device, RX, 0).0 & DEVICE != 0);
    bare.bus().write(at::MACCFG1, 1);
    bare.bus().write(at::RCTRL, PROM | RSF);
    bare.enable(device);
    bare.arrive(device, &come(40));
    descriptor(&mut seen, device, &bare, 0);
    seen
}

/// HW 8.3: GRS drops what comes.
pub fn while_stopping<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 4, 1536);
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS);
    device.settle();
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    bare.arrive(device, &come(100));
    seen.holds("dropped", bare.get(device, RX, 0).0 & DEVICE != 0);
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING);
    device.settle();
    bare.arrive(device, &come(101));
    descriptor(&mut seen, device, &bare, 0);
    seen
}

/// Without a ring of buffers nothing is stored anywhere (HW 3.7): the ring has no base.
pub fn no_buffer_length<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 0, 1536);
    bare.bus().write(at::MACCFG1, 1);
    bare.arrive(device, &come(100));
    seen.holds("nothing is stored", (0..8).all(|n| bare.get(device, RX, n).0 == 0));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

/// RSTAT written while the ring runs changes nothing (HW 8.6).
pub fn restarted_for_nothing<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, 4, 1536);
    for n in 0..3 {
        bare.bus().write(at::RSTAT, 0x0080_0000);
        bare.arrive(device, &come(100 + n));
        seen.holds(
            format!("frame {n} is stored"),
            bare.stored(device, n, 100) == come(100 + n)[..100],
        );
    }
    seen.note("next", place(&bare));
    seen
}

/// The pointer follows the descriptors, and wraps.
pub fn pointer<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = ready(device, 6, 1536);
    let mut places = Vec::new();
    for n in 0..14 {
        bare.arrive(device, &come(60 + n));
        places.push(place(&bare));
        // Always four ahead.
        bare.put(device, RX, (n + 6) % 8, DEVICE | INTERRUPT, 0);
    }
    seen.note("places", format_args!("{places:?}"));
    seen
}

/// RCTRL PRSDEP: a control block of 8 bytes before the frame (HW 5.3, 5.4).
pub fn control_block<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = prepared(device, 4, 1536);
    bare.bus().write(at::RCTRL, PROM | 0x40);
    bare.enable(device);
    bare.arrive(device, &come(100));
    let stored = bare.stored(device, 0, 108);
    seen.note("length", bare.get(device, RX, 0).1);
    seen.note("block", format_args!("{:02x?}", &stored[..8]));
    seen.holds("the frame follows", stored[8..] == come(100));
    seen
}

/// RCTRL PAL without the parser (HW 5.4).
pub fn padding_alone<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = prepared(device, 4, 1536);
    bare.bus().write(at::RCTRL, PROM | 2 << 16);
    bare.enable(device);
    bare.arrive(device, &come(100));
    seen.note("length", bare.get(device, RX, 0).1);
    let at = [0, 2].into_iter().find(|&at| bare.stored(device, 0, 102)[at..at + 100] == come(100));
    seen.note("the frame is at", at.map_or("no place".into(), |at| at.to_string()));
    seen
}

//! Events, masks and lines (HW 3.2, 9).

use etsec_core::Bus;
use etsec_sim::Line;

use crate::at;
use crate::conformance::bare::{Bare, INTERRUPT, LAST};
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, STATION, frame};

const TXF: u32 = 0x0010_0000;
const RXF: u32 = 0x80;
const GRSC: u32 = 0x100;

/// The three lines as letters.
fn lines<D: Device>(device: &mut D) -> String {
    let all = [(Line::Tx, "TX"), (Line::Rx, "RX"), (Line::Err, "ERR")];
    let high: Vec<_> =
        all.into_iter().filter(|(line, _)| device.line(*line)).map(|(_, name)| name).collect();
    if high.is_empty() { "none".into() } else { high.join(" ") }
}

/// A device that sends and receives, with everything that `mask` enables.
fn ready<D: Device>(device: &mut D, mask: u32) -> Bare<D> {
    let mut bare = Bare::new(device);
    bare.bus().write(at::RCTRL, 0x8);
    bare.bus().write(at::IMASK, mask);
    bare.empty(device, 4);
    bare.enable(device);
    bare
}

fn send<D: Device>(device: &mut D, bare: &mut Bare<D>, n: usize) {
    bare.ready(device, n, INTERRUPT | LAST, &frame(PEER, STATION, 100, 1));
    bare.kick(device);
    while device.left().is_some() {}
}

fn come<D: Device>(device: &mut D, bare: &Bare<D>) {
    bare.arrive(device, &frame(STATION, PEER, 100, 1));
}

/// What happens to the lines when `event` is cleared.
fn clears<D: Device>(seen: &mut Seen, device: &mut D, bare: &Bare<D>, event: u32) {
    bare.bus().write(at::IEVENT, event);
    seen.note("after clearing", lines(device));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
}

pub fn transmitted<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = ready(device, u32::MAX);
    seen.note("at first", lines(device));
    send(device, &mut bare, 0);
    seen.note("after a frame", lines(device));
    clears(&mut seen, device, &bare, TXF);
    seen
}

pub fn arrived<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, u32::MAX);
    come(device, &bare);
    seen.note("after a frame", lines(device));
    come(device, &bare);
    clears(&mut seen, device, &bare, RXF);
    come(device, &bare);
    seen.note("after another", lines(device));
    seen
}

pub fn stopped<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = ready(device, u32::MAX);
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS);
    device.settle();
    seen.note("after a stop", lines(device));
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING);
    clears(&mut seen, device, &bare, GRSC);
    seen
}

/// HW 3.2: a set event with a clear mask stays visible but raises no line.
pub fn masked<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = ready(device, !(TXF | RXF));
    send(device, &mut bare, 0);
    come(device, &bare);
    seen.note("lines", lines(device));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

/// Lines are levels: an event from before counts when its mask is set.
pub fn unmasked_later<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = ready(device, 0);
    send(device, &mut bare, 0);
    come(device, &bare);
    seen.note("masked", lines(device));
    bare.bus().write(at::IMASK, TXF);
    seen.note("TXF", lines(device));
    bare.bus().write(at::IMASK, TXF | RXF);
    seen.note("TXF and RXF", lines(device));
    bare.bus().write(at::IMASK, 0);
    seen.note("masked again", lines(device));
    seen
}

/// TXB and RXB: descriptors that are not their frame's last (HW 9.1).
pub fn parts<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = ready(device, 0x0020_8000);
    bare.bus().write(at::MACCFG1, 1);
    bare.bus().write(at::MRBLR, 128);
    bare.enable(device);
    let bytes = frame(PEER, STATION, 150, 1);
    bare.ready(device, 1, LAST, &bytes[70..]);
    bare.ready(device, 0, INTERRUPT, &bytes[..70]);
    bare.kick(device);
    seen.note("sent in parts", lines(device));
    bare.arrive(device, &frame(STATION, PEER, 200, 2));
    seen.note("come in parts", lines(device));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen
}

/// HW 9.3: an event after four frames.
pub fn coalesced<D: Device>(device: &mut D) -> Seen {
    const TXIC: u16 = 0x110;
    let mut seen = Seen::new();
    let mut bare = ready(device, u32::MAX);
    bare.bus().write(TXIC, 0x8000_FFFF | 4 << 21);
    for n in 0..3 {
        send(device, &mut bare, n);
    }
    seen.note("after three frames", lines(device));
    send(device, &mut bare, 3);
    seen.note("after four", lines(device));
    seen
}

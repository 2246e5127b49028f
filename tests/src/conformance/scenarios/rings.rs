//! Every transmit ring: frames of the ring alone, then of all rings in one go (HW 3.7, 10).

use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, frame};

/// Frames through ring `ring` of a port that has all eight.
fn through<D: Device>(device: &mut D, ring: usize) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx: vec![8; 8], buffers: 120, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let out: Vec<_> = (0..20).map(|n| frame(PEER, STATION, 60 + 70 * n, n as u8)).collect();
    let mut sent = Vec::new();
    for burst in out.chunks(4) {
        for bytes in burst {
            let buf = station.parts.pool.frame(bytes).expect("a free buffer");
            if station.parts.tx[ring].stage(buf).is_err() {
                // Nothing leaves: the ring is full.
                break;
            }
        }
        station.parts.tx[ring].commit();
        device.settle();
        sent.extend(std::iter::from_fn(|| device.left()));
        station.reap();
    }
    seen.note("frames sent", sent.len());
    seen.holds("all in order and whole", sent == out);
    // Drained, and not waited for.
    seen.holds("nothing is missing", station.finish());
    seen
}

/// A frame on each ring in turn, and the doorbells of all of them.
pub fn all<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx: vec![8; 8], buffers: 120, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let out: Vec<_> = (0..24).map(|n| frame(PEER, STATION, 60 + 50 * n, n as u8)).collect();
    for (n, bytes) in out.iter().enumerate() {
        station.send(n % 8, bytes);
        device.settle();
    }
    let sent: Vec<_> = std::iter::from_fn(|| device.left()).collect();
    seen.note("frames sent", sent.len());
    seen.note("buffers back", station.reap());
    seen.holds("all in order and whole", sent == out);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// A function for each ring.
macro_rules! rings {
    ($($name:ident $number:literal),*) => {
        $(pub fn $name<D: Device>(device: &mut D) -> Seen {
            through(device, $number)
        })*
    };
}

rings!(tx0 0, tx1 1, tx2 2, tx3 3, tx4 4, tx5 5, tx6 6, tx7 7);

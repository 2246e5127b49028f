//! More frames than there are buffers, and the way back (HW 8.6 BSY).
//!
//! The ring always runs out in the middle of a frame: QEMU does not survive it otherwise (HW 15.3,
//! kept frame).

use etsec_core::{Bus, Config};

use crate::at;
use crate::conformance::bare::{Bare, DEVICE, INTERRUPT, Side};
use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, bytes_of, config, frame};

const QHLT0: u32 = 0x0080_0000;

/// What stands in registers when a ring has run out, and what restarts it.
pub fn halted<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.bus().write(at::RCTRL, 0x8);
    bare.bus().write(at::MRBLR, 128);
    bare.empty(device, 2);
    bare.enable(device);
    bare.arrive(device, &frame(STATION, PEER, 300, 1));
    let place =
        |bare: &Bare<D>| bare.bus().read(at::RBPTR0).wrapping_sub(bare.address(Side::Rx, 0)) / 8;
    seen.word("QHLT0", bare.bus().read(at::RSTAT) & QHLT0);
    seen.word("BSY", bare.bus().read(at::IEVENT) & 0x2000_0000);
    seen.note("RBPTR0", place(&bare));
    for n in 2..8 {
        bare.put(device, Side::Rx, n, DEVICE | INTERRUPT, 0);
    }
    bare.bus().write(at::RSTAT, QHLT0);
    device.settle();
    seen.word("QHLT0 when restarted", bare.bus().read(at::RSTAT) & QHLT0);
    seen.note("filled by the restart", bare.get(device, Side::Rx, 3).0 & DEVICE == 0);
    bare.bus().write(at::RSTAT, QHLT0);
    device.settle();
    let filled = (2..8).filter(|&n| bare.get(device, Side::Rx, n).0 & DEVICE == 0).count();
    seen.note("filled by a second write", filled);
    seen
}

/// Buffers of 256 bytes, of which ten are two frames and a half.
fn small() -> Plan {
    let config = Config { buffer_size: 256, ..config() };
    Plan { config, rx: vec![10], buffers: 40, ..Plan::default() }
}

/// A driver that is late: what it had is whole, and it goes on by itself.
pub fn mended<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &small());
    let come: Vec<_> = (0..3).map(|n| frame(STATION, PEER, 1000, n)).collect();
    for frame in &come {
        device.arrive(frame);
        device.settle();
    }
    let first: Vec<_> = std::iter::from_fn(|| station.receive(0)).take(2).collect();
    seen.holds("what fitted is whole", first == come[..2]);
    // Until a frame passes again; a receiver's checksums would find the one that was damaged.
    let fresh = frame(STATION, PEER, 500, 9);
    // In three turns one after the other: one may pass out of step, before queue and hardware
    // agree again.
    let (mut tries, mut good, mut first) = (0, 0, 0);
    let passes = (0..20).any(|turn| {
        station.port.tick(turn * 100, &mut station.parts.delay).expect("the device answers");
        device.settle();
        while station.receive(0).is_some() {}
        // One that is filled at once; `one_for_one` is the other kind.
        let parts = &mut station.parts;
        parts.rx[0].fill(&parts.pool);
        parts.rx[0].commit();
        device.arrive(&fresh);
        device.settle();
        tries += 1;
        let got: Vec<_> = std::iter::from_fn(|| station.receive(0)).collect();
        good = if got.last() == Some(&fresh) { good + 1 } else { 0 };
        if good == 1 {
            first = tries;
        }
        good == 3
    });
    seen.holds("frames pass again", passes);
    let more = (0..30).all(|n| {
        let frame = frame(STATION, PEER, 300 + n, n as u8);
        device.arrive(&frame);
        device.settle();
        station.receive(0) == Some(frame)
    });
    seen.holds("and go on doing so", more);
    seen.note("tries", first);
    seen.note("BSY was counted", station.port.faults().busy > 0);
    seen.note("resets", station.port.faults().resets);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// Takes a frame, and puts back as many buffers as it had and no more.
fn exchange<D: Device>(station: &mut Station<D>) -> Option<Vec<u8>> {
    let (queue, pool) = (&mut station.parts.rx[0], &station.parts.pool);
    let (frame, bytes) =
        queue.next().map(|(frame, _)| (frame.segments().count(), bytes_of(&frame))).unzip();
    for _ in 0..frame.unwrap_or(0) {
        queue.refill(pool.alloc().expect("what was in it is free")).expect("room for it");
    }
    queue.commit();
    bytes
}

/// A driver whose application refills one for one: what a frame that has begun is in comes back to
/// the ring only when somebody sees that it will not end.
pub fn one_for_one<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &small());
    let come: Vec<_> = (0..3).map(|n| frame(STATION, PEER, 1000, n)).collect();
    for frame in &come {
        device.arrive(frame);
        device.settle();
    }
    let first: Vec<_> = std::iter::from_fn(|| exchange(&mut station)).take(2).collect();
    seen.holds("what fitted is whole", first == come[..2]);
    let (mut now_ms, mut good) = (0, 0);
    let mut look = |station: &mut Station<D>, device: &mut D| {
        now_ms += 100;
        station.port.tick(now_ms, &mut station.parts.delay).expect("the device answers");
        device.settle();
        std::iter::from_fn(|| exchange(station)).last()
    };
    let passes = (0..20).any(|_| {
        // Queue and hardware agree again in a pause of some looks; a frame that comes before may
        // be damaged.
        (0..3).for_each(|_| drop(look(&mut station, device)));
        let fresh = frame(STATION, PEER, 500, 9);
        device.arrive(&fresh);
        device.settle();
        good = if look(&mut station, device) == Some(fresh) { good + 1 } else { 0 };
        good == 3
    });
    seen.holds("frames pass again", passes);
    let more = (0..30).all(|n| {
        let frame = frame(STATION, PEER, 300 + n, n as u8);
        device.arrive(&frame);
        device.settle();
        exchange(&mut station) == Some(frame)
    });
    seen.holds("and go on doing so", more);
    seen.holds("all its buffers are back", station.parts.rx[0].space() == 0);
    seen.note("resets", station.port.faults().resets);
    seen.holds("nothing is missing", station.finish());
    seen
}

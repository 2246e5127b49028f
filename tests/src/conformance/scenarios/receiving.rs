//! Frames that the driver receives: of every size, in bursts, in several buffers, from everybody.

use etsec_core::bd::RxFlags;
use etsec_core::{Config, MacAddr};

use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, config, frame};

/// Lets frames arrive in bursts of `burst`; those that the driver got.
fn receive_all<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    frames: &[Vec<u8>],
    burst: usize,
) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    for some in frames.chunks(burst) {
        for frame in some {
            device.arrive(frame);
        }
        device.settle();
        got.extend(std::iter::from_fn(|| station.receive(0)));
    }
    got
}

fn ends<D: Device>(seen: &mut Seen, station: Station<D>, got: &[Vec<u8>], sent: &[Vec<u8>]) {
    seen.note("frames", got.len());
    seen.holds("all in order and whole", got == sent);
    let counters = *station.parts.rx[0].counters();
    seen.note("counted", format_args!("{} frames, {} bytes", counters.frames, counters.bytes));
    seen.note("resynchronisations", counters.resyncs);
    seen.holds("nothing is missing", station.finish());
}

pub fn every_size<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let frames: Vec<_> = (60..=1514).map(|n| frame(STATION, PEER, n, n as u8)).collect();
    let got = receive_all(device, &mut station, &frames, 1);
    ends(&mut seen, station, &got, &frames);
    seen
}

/// Never so many that the ring is full: QEMU does not survive that (HW 15.3, kept frame).
pub fn a_burst<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { rx: vec![64], buffers: 120, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let frames: Vec<_> = (0..310).map(|n| frame(STATION, PEER, 60 + n * 4, n as u8)).collect();
    let got = receive_all(device, &mut station, &frames, 62);
    ends(&mut seen, station, &got, &frames);
    seen
}

pub fn many_turns<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan { rx: vec![7], ..Plan::default() });
    let frames: Vec<_> = (0..300).map(|n| frame(STATION, PEER, 60 + n, n as u8)).collect();
    let mut got = Vec::new();
    let mut rest = &frames[..];
    for burst in [1, 2, 3, 4, 5].into_iter().cycle() {
        let (some, more) = rest.split_at(burst.min(rest.len()));
        got.extend(receive_all(device, &mut station, some, burst));
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    ends(&mut seen, station, &got, &frames);
    seen
}

/// In buffers of 256 bytes; not those of which only FCS bytes would be left for a last buffer,
/// which QEMU never finishes (HW 15.3).
pub fn several_buffers<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let config = Config { buffer_size: 256, ..config() };
    let plan = Plan { config, rx: vec![32], buffers: 100, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let lens = (60..=1514).step_by(7).filter(|len| (len + 4) % 256 > 4);
    let frames: Vec<_> = lens.map(|n| frame(STATION, PEER, n, n as u8)).collect();
    let got = receive_all(device, &mut station, &frames, 3);
    ends(&mut seen, station, &got, &frames);
    seen
}

/// Before the start and after the stop nothing is taken.
pub fn off<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let (port, parts) = Station::stopped(device, &Plan::default());
    device.arrive(&frame(STATION, PEER, 100, 1));
    device.settle();
    let mut station = Station::<D>::start(port, parts);
    device.settle();
    seen.holds("nothing from before", station.receive(0).is_none());
    let frames = [frame(STATION, PEER, 200, 2)];
    let got = receive_all(device, &mut station, &frames, 1);
    ends(&mut seen, station, &got, &frames);
    seen
}

/// HW 7: a frame for another station.
pub fn strangers<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    device.arrive(&frame(PEER, STATION, 100, 1));
    device.settle();
    seen.note("for another station", station.receive(0).is_some());
    device.arrive(&frame(STATION, PEER, 100, 2));
    device.settle();
    seen.holds("for this one", station.receive(0).is_some());
    seen.holds("nothing is missing", station.finish());
    seen
}

/// How the address filter says that it has accepted a frame (HW 4.3).
fn bits(flags: RxFlags) -> String {
    let all = [(RxFlags::M, "M"), (RxFlags::BC, "BC"), (RxFlags::MC, "MC")];
    let set: Vec<_> =
        all.iter().filter(|(f, _)| flags.contains(*f)).map(|(_, name)| *name).collect();
    if set.is_empty() { "taken".into() } else { format!("taken, {}", set.join(" ")) }
}

/// HW 4.3, 7: broadcast and multicast, and what descriptors say of them.
pub fn groups<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    for (name, octets) in
        [("broadcast", [0xFF; 6]), ("multicast", [0x01, 0x00, 0x5E, 0x00, 0x00, 0x01])]
    {
        device.arrive(&frame(MacAddr(octets), PEER, 100, 1));
        device.settle();
        let come = station.parts.rx[0].next();
        let flags = come.map_or("dropped".into(), |(_, meta)| bits(meta.flags));
        seen.note(name, flags);
        station.parts.rx[0].fill(&station.parts.pool);
        station.parts.rx[0].commit();
    }
    seen.holds("nothing is missing", station.finish());
    seen
}

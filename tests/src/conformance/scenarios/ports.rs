//! The driver's states: bringing a port up, stopping it, starting it again; and frames after each.

use etsec_core::{Bus, Config};

use crate::at;
use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, config, frame};

/// One frame each way; whether both got through unchanged.
fn passes<D: Device>(device: &mut D, station: &mut Station<D>, len: usize) -> bool {
    let out = frame(PEER, STATION, len, len as u8);
    station.send(0, &out);
    device.settle();
    let sent = device.left().as_ref() == Some(&out) && station.reap() == 1;
    let come = frame(STATION, PEER, len, !len as u8);
    device.arrive(&come);
    device.settle();
    sent && station.receive(0) == Some(come)
}

/// What the driver has programmed, of what both models keep as it is.
fn registers<B: Bus>(seen: &mut Seen, bus: &B, when: &str) {
    for (name, offset) in [
        ("IMASK", at::IMASK),
        ("DMACTRL", at::DMACTRL),
        ("TQUEUE", at::TQUEUE),
        ("RQUEUE", at::RQUEUE),
        ("MRBLR", at::MRBLR),
        ("MACCFG2", at::MACCFG2),
        ("MAXFRM", at::MAXFRM),
        ("MACSTNADDR1", at::MACSTNADDR1),
    ] {
        seen.word(format!("{name} {when}"), bus.read(offset));
    }
    // Sync'd_Rx_EN and Sync'd_Tx_EN aside.
    seen.word(format!("MACCFG1 {when}"), bus.read(at::MACCFG1) & !0xA);
}

pub fn bring_up<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let (port, parts) = Station::stopped(device, &Plan::default());
    registers(&mut seen, &device.bus(), "stopped");
    let mut station = Station::<D>::start(port, parts);
    registers(&mut seen, &device.bus(), "running");
    seen.word("enables that are shown", device.bus().read(at::MACCFG1) & 0xA);
    seen.holds("frames pass", passes(device, &mut station, 100));
    seen.holds("nothing is missing", station.finish());
    seen
}

pub fn stop<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    seen.holds("frames pass", passes(device, &mut station, 100));
    let (port, mut parts) = station.stop();
    let bus = device.bus();
    seen.word("MACCFG1", bus.read(at::MACCFG1) & 5);
    seen.word("IMASK", bus.read(at::IMASK));
    seen.note("resets", port.faults().resets);
    let lost = port.faults().lost_in_transmit + port.faults().lost_in_receive;
    seen.note("frames lost", lost);
    device.arrive(&frame(STATION, PEER, 100, 1));
    device.settle();
    seen.holds("nothing comes in", parts.rx[0].next().is_none());
    seen.holds("nothing is missing", Station::start(port, parts).finish());
    seen
}

pub fn restart<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let mut passed = 0;
    for turn in 0..5 {
        passed += u32::from((0..7).all(|n| passes(device, &mut station, 60 + 100 * n + turn)));
        let (port, parts) = station.stop();
        station = Station::start(port, parts);
    }
    seen.note("turns in which all frames passed", passed);
    seen.holds("all did", passed == 5);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 8.4; frames that are in descriptors survive it.
pub fn reset<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    seen.holds("frames pass", passes(device, &mut station, 100));
    let come: Vec<_> = (0..5).map(|n| frame(STATION, PEER, 60 + 200 * n, n as u8)).collect();
    for frame in &come {
        device.arrive(frame);
    }
    device.settle();
    station.port.reset(&mut station.parts.delay).expect("a reset");
    let taken: Vec<_> = std::iter::from_fn(|| station.receive(0)).collect();
    seen.holds("what was received is still there", taken == come);
    seen.note("resets", station.port.faults().resets);
    seen.holds("frames pass again", passes(device, &mut station, 200));
    seen.holds("nothing is missing", station.finish());
    seen
}

/// A port whose last owner has gone without a word: HW 8.1 begins from any state.
pub fn over_a_running_one<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut first = Station::new(device, &Plan::default());
    seen.holds("frames pass at first", passes(device, &mut first, 100));
    device.arrive(&frame(STATION, PEER, 300, 1));
    device.settle();
    let bus = device.bus();
    bus.write(at::GADDR0, u32::MAX);
    // The memory stays: its owner has run away, not the machine.
    let mut second = Station::new(device, &Plan { tx: vec![32], rx: vec![32], ..Plan::default() });
    seen.word("GADDR0", bus.read(at::GADDR0));
    seen.holds("no frame of the first", second.receive(0).is_none());
    seen.holds("frames pass", (0..50).all(|n| passes(device, &mut second, 60 + 20 * n)));
    seen.holds("nothing is missing", second.finish());
    std::mem::forget(first);
    seen
}

/// Frames go back as they came, in the buffers they came in.
pub fn echo<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let (mut back, mut wrong) = (0, 0);
    for burst in 0..60usize {
        let come: Vec<_> = (0..burst % 8 + 1)
            .map(|n| frame(STATION, PEER, 60 + (burst * 97 + n * 31) % 1400, n as u8))
            .collect();
        for frame in &come {
            device.arrive(frame);
        }
        device.settle();
        let parts = &mut station.parts;
        while let Some((buf, _)) = parts.rx[0].next() {
            parts.tx[0].stage(buf).expect("room in the ring");
        }
        parts.tx[0].commit();
        device.settle();
        while let Some(buf) = parts.tx[0].reap() {
            parts.rx[0].refill(buf).expect("room in the ring");
        }
        parts.rx[0].commit();
        for frame in come {
            match device.left() {
                Some(left) if left == frame => back += 1,
                _ => wrong += 1,
            }
        }
    }
    seen.note("frames that came back", back);
    seen.holds("all of them, in order", wrong == 0);
    seen.note("resynchronisations", station.parts.rx[0].counters().resyncs);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// Looked after for a minute with nothing to do.
pub fn idle<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    station.tick(60);
    let faults = *station.port.faults();
    seen.note("hangs", faults.transmit_hangs);
    seen.note("resets", faults.resets);
    seen.note("busy", faults.busy);
    seen.note("resynchronisations", station.parts.rx[0].counters().resyncs);
    seen.holds("frames pass", passes(device, &mut station, 100));
    seen.holds("nothing is missing", station.finish());
    seen
}

pub fn jumbo<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let config = Config { mtu: Config::MTU_MAX, buffer_size: 9664, ..config() };
    let mut station = Station::new(device, &Plan { config, buffers: 40, ..Plan::default() });
    for len in [1519, 4000, 9000, 9596] {
        seen.holds(format!("{len} bytes pass"), passes(device, &mut station, len));
    }
    seen.holds("nothing is missing", station.finish());
    seen
}

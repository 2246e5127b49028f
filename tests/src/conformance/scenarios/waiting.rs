//! The driver woken by interrupts, and changed while it runs (HW 8.8, 9.2).

use etsec_core::AddressFilter;
use etsec_core::event::{Event, Line as CoreLine};
use etsec_core::link::{Duplex, Link, Speed};
use etsec_sim::Line;

use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, frame};

/// Bursts of which each raises the receive line, and is taken after one acknowledgement.
pub fn for_frames<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let events = station.port.events();
    let (mut woken, mut taken, mut low) = (0, 0, 0);
    for burst in 0..40 {
        for n in 0..burst % 5 + 1 {
            device.arrive(&frame(STATION, PEER, 60 + n, n as u8));
        }
        device.settle();
        woken += u32::from(device.line(Line::Rx));
        events.take(CoreLine::Rx);
        low += u32::from(!device.line(Line::Rx));
        taken += std::iter::from_fn(|| station.receive(0)).count();
    }
    seen.note("woken", woken);
    seen.note("low after the acknowledgement", low);
    seen.note("frames", taken);
    seen.holds("none is lost", taken == 120 && woken == 40);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// The last frame of a burst tells that it has left.
pub fn for_buffers<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let events = station.port.events();
    let (mut woken, mut back) = (0, 0);
    for burst in 0..20 {
        for n in 0..burst % 5 + 1 {
            let bytes = frame(PEER, STATION, 60 + n, n as u8);
            let buf = station.parts.pool.frame(&bytes).expect("a free buffer");
            station.parts.tx[0].stage(buf).expect("room in the ring");
        }
        station.parts.tx[0].commit();
        device.settle();
        while device.left().is_some() {}
        woken += u32::from(device.line(Line::Tx));
        let told = events.take(CoreLine::Tx);
        seen.holds(format!("TXF {burst}"), told.contains(Event::TXF));
        back += station.reap();
    }
    seen.note("woken", woken);
    seen.note("buffers back", back);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 7: the address filter changes under a running port.
pub fn new_filter<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let filter = AddressFilter::new(PEER).expect("a station address");
    station.port.set_filter(&filter, &mut station.parts.delay).expect("a filter");
    device.arrive(&frame(PEER, STATION, 100, 1));
    device.settle();
    seen.holds("frames to the new address", station.receive(0).is_some());
    seen.note("resets", station.port.faults().resets);
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 8.8: the link changes under a running port.
pub fn new_link<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    for (speed, name) in [(Speed::Mbps10, "10"), (Speed::Mbps100, "100"), (Speed::Mbps1000, "1000")]
    {
        let link = Link::new(speed, Duplex::Full);
        station.port.set_link(link, &mut station.parts.delay).expect("a link");
        station.send(0, &frame(PEER, STATION, 100, 1));
        device.arrive(&frame(STATION, PEER, 100, 2));
        device.settle();
        let passed = device.left().is_some() && station.receive(0).is_some();
        seen.holds(format!("frames pass at {name} Mb/s"), passed);
        station.reap();
    }
    seen.holds("nothing is missing", station.finish());
    seen
}

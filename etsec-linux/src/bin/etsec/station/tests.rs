//! Tests of a station: whose buffers are waited for where there are several rings.

use etsec_core::filer::Action;
use etsec_linux::Options;
use etsec_linux::device::Device;

use super::*;
use crate::settings::Filter;
use crate::tracer::Tracer;

#[test]
fn a_ring_that_is_short_of_buffers_is_thought_of_whichever_has_its_turn() {
    let device = "sim,wire=cable:station-rings";
    let mut settings = Settings { mtu: 1500, ..Settings::default() };
    settings.rings.rx = 2;
    settings.address.promiscuous = true;
    let default = Action::to(1).to_string();
    settings.filter = Filter { enabled: true, default, ..Filter::default() };
    let device_name = device.parse().unwrap();
    let setup =
        Setup { device: device_name, settings, tx_queue: 0, parser: true, own_endings: false };
    let (out, tracer) = (Output::new(true), Tracer::new(None, 0));
    let context = Context { out, quiet: true, cpu: None, stop: Stop::default(), tracer };
    let mut station = Station::open(&setup, &context).unwrap();
    let partner = Device::open(device, &Options::default()).unwrap();
    let mut partner = partner.start().map_err(|(_, error)| error).unwrap();
    partner.service(0).unwrap();
    station.await_link(DRAIN_TIME, &context.stop).unwrap();
    let tells = |station: &Station| station.lines(station.wants_buffers()).tx;
    // Nothing is on its way: nothing is worth waiting for.
    assert!(!tells(&station));
    // A frame comes to the second ring, and is on its way out from there.
    station.end_turn(false);
    partner.tx[0].stage(partner.pool.frame(&[0x5A; 60]).unwrap()).unwrap();
    partner.tx[0].commit();
    let frame = loop {
        if let Some((frame, _)) = station.rx.next() {
            break frame;
        }
        station.keeper.wait(Lines::RX, None, 0, || station.rx.has_arrived()).unwrap();
    };
    station.tx.stage(frame).unwrap();
    station.tx.commit();
    for _ in 0..3 {
        assert!(tells(&station), "its buffer is wanted");
        station.end_turn(false);
    }
    assert!(station.rx.pending() < station.level || station.others[0].pending() < station.level);
    // Both get their turn, and have all they want.
    for _ in 0..2 {
        station.recycle();
        station.end_turn(false);
    }
    assert!(!tells(&station));
    drop(partner.stop().map_err(|(_, error)| error).unwrap());
    station.stop().unwrap();
}

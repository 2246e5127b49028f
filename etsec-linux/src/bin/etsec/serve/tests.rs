//! Tests of `etsec serve`: a stack that has no room to send.

use clap::Parser as _;
use etsec_linux::Options;
use etsec_linux::device::Device;

use super::*;
use crate::args::{Cli, Command};
use crate::signals::Stop;
use crate::tracer::Tracer;

/// Turns that a stack may have in the time below: it sleeps for 50 ms at a time, and is looked at
/// now and then meanwhile. One that did not sleep would have thousands.
const FEW: u64 = 100;
const TIME: Duration = Duration::from_millis(400);
/// At 10 Mb/s and with pause frames, of which one lasts for 3 s (HW 11.1).
const LINK: &str = "10/full/rx+tx";

#[test]
fn a_stack_without_room_to_send_sleeps_until_a_frame_has_left() {
    let device = "sim,wire=cable:serve-full";
    let words = ["etsec", "serve", "--device", device, "--link", LINK, "--ring", "16"];
    let cli = Cli::parse_from(words.iter().chain(&["--address", "dhcp"]));
    let Command::Serve(args) = &cli.command else { panic!("{:?}", cli.command) };
    let (out, tracer) = (Output::new(true), Tracer::new(None, 0));
    let context = Context { out, quiet: true, cpu: None, stop: Stop::default(), tracer };
    let setup = Setup::of_port(&args.port).unwrap();
    let mut station = Station::open(&setup, &context).unwrap();
    let options = Options { link: Some(LINK.parse().unwrap()), ..Options::default() };
    let partner = Device::open(device, &options).unwrap();
    let mut partner = partner.start().map_err(|(_, error)| error).unwrap();
    partner.service(0).unwrap();
    // The partner holds the transmitter back, until its ring is full and stays so.
    let mut full = 0;
    while full < 3 {
        partner.port.send_pause(u16::MAX, &mut etsec_linux::time::Delay).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        station.look_after(Clock::now()).unwrap();
        full = if station.tx.space() == 0 { full + 1 } else { 0 };
        while let Some(frame) = station.pool.frame(&[0xFF; 60])
            && station.tx.stage(frame).is_ok()
        {}
        station.tx.commit();
    }
    // It has an address to ask for.
    let mut server = Server::new(args, station, Content::Sequence).unwrap();
    let serve = |server: &mut Server| {
        let mut run = Run::new(&context, Until { count: None, duration: Some(TIME) });
        server.serve(out, &mut run).unwrap();
    };
    serve(&mut server);
    assert_eq!(server.station.port.tx().space(), 0, "it was held back all the while");
    assert!(server.turns < FEW, "{} turns", server.turns);
    let sent = server.station.port.tx().counters().frames;
    partner.port.send_pause(0, &mut etsec_linux::time::Delay).unwrap();
    // Those that were in the ring, and the question behind them.
    while server.station.port.tx().counters().frames - sent < 17 {
        serve(&mut server);
    }
    let (_, closed) = server.station.stop().unwrap();
    closed.unwrap();
    drop(partner.stop().map_err(|(_, error)| error).unwrap());
}

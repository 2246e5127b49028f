//! Are events taken by line, nothing acknowledged that nobody asked for, and lines level-sensitive?
//! (HW 9)

use etsec_core::{Bus, Event, Line};
use etsec_sim::{Fault, Fcs, Line as Wire, SimConfig, WireFrame, WireSpeed};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};

fn events(live: &Live) -> Event {
    Event::from_bits_retain(live.sim.bus().read(at::IEVENT))
}

fn lines(live: &Live) -> [bool; 3] {
    [Wire::Tx, Wire::Rx, Wire::Err].map(|line| live.sim.line(line))
}

#[test]
fn each_line_takes_its_own_events_and_goes_down() {
    let mut live = Live::new();
    live.send(0, &frame(PEER, STATION, 60, 0));
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    live.sim.inject(Fault::Parity);
    assert_eq!(lines(&live), [true; 3]);
    let port = live.port.events();
    let left = [Event::RXF | Event::DPE, Event::DPE, Event::empty()];
    let own = [Event::TXF, Event::RXF, Event::DPE];
    for (n, line) in Line::ALL.into_iter().enumerate() {
        assert_eq!(port.take(line), own[n]);
        assert_eq!(events(&live), left[n]);
        assert!(!lines(&live)[n]);
        assert_eq!(port.take(line), Event::empty());
    }
    assert_eq!(lines(&live), [false; 3]);
    // A level: it stays up until acknowledged, and comes again with the next event.
    live.sim.receive(&frame(STATION, PEER, 60, 1));
    live.sim.receive(&frame(STATION, PEER, 60, 2));
    assert_eq!(lines(&live), [false, true, false]);
    assert_eq!(port.take(Line::Rx), Event::RXF);
    assert_eq!(lines(&live), [false; 3]);
    live.reap();
    live.finish();
}

/// Events of the error line that are no errors: a stop, a pause received and one sent, a magic
/// packet.
fn raise_bystanders(live: &mut Live) -> Event {
    live.port.set_link("1000/full/rx+tx".parse().unwrap(), &mut live.delay).unwrap();
    let bus = live.sim.bus();
    bus.write(at::TCTRL, bus.read(at::TCTRL) | 0x8);
    assert!(live.sim.transmitted().is_some(), "a pause frame");
    let mut pause = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0x00, 0x00]);
    live.sim.receive_raw(WireFrame::exact(pause, Fcs::Right));
    bus.write(at::MACCFG2, bus.read(at::MACCFG2) | 0x8);
    let mut magic = frame(STATION, PEER, 116, 0);
    magic[14..20].fill(0xFF);
    magic.truncate(20);
    (0..16).for_each(|_| magic.extend(STATION.0));
    live.sim.receive(&magic);
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS | at::GTS);
    let raised = Event::GRSC | Event::GTSC | Event::TXC | Event::RXC | Event::MAG;
    assert_eq!(events(live), raised);
    raised
}

#[test]
fn recovery_acknowledges_errors_received_pauses_and_nothing_else() {
    let mut live = Live::new();
    let bystanders = raise_bystanders(&mut live);
    live.sim.inject(Fault::Parity);
    let mut port = live.port.events();
    assert_eq!(port.recover(), Event::DPE | Event::RXC);
    assert_eq!(events(&live), bystanders.difference(Event::RXC));
    assert_eq!(port.recover(), Event::empty());
    assert_eq!(port.faults().parity_errors, 1);
    live.sim.bus().write(at::DMACTRL, at::DMACTRL_RUNNING);
    live.exchange(1);
    live.finish();
}

/// With a partner that uses flow control the line goes down again, and does not fire for ever.
#[test]
fn a_received_pause_does_not_hold_the_error_line_up() {
    let mut live = Live::new();
    let mut pause = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0x00, 0x00]);
    live.port.set_link("1000/full/rx+tx".parse().unwrap(), &mut live.delay).unwrap();
    live.sim.receive_raw(WireFrame::exact(pause, Fcs::Right));
    assert_eq!(lines(&live), [false, false, true]);
    live.port.tick(1, &mut live.delay).unwrap();
    assert_eq!(lines(&live), [false; 3]);
    live.exchange(1);
    live.finish();
}

#[test]
fn recovery_alone_restarts_what_an_error_halted() {
    for fault in [Fault::LateCollision, Fault::RetryLimit, Fault::Underrun, Fault::TxDataBusError] {
        let mut live = Live::new();
        live.sim.inject(fault);
        for n in 0..3 {
            let buf = live.pool.frame(&frame(PEER, STATION, 60 + n, 0)).unwrap();
            live.tx[0].stage(buf).unwrap();
        }
        live.tx[0].commit();
        assert!(live.sim.line(Wire::Err) && live.sim.transmitted().is_none(), "{fault:?}");
        live.port.events().recover();
        assert!(!live.sim.line(Wire::Err));
        assert_eq!((live.sent().len(), live.reap()), (2, 3), "{fault:?}");
        live.finish();
    }
    let mut live = Live::new();
    live.sim.inject(Fault::RxDataBusError);
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    live.port.events().recover();
    let come = frame(STATION, PEER, 60, 1);
    live.sim.receive(&come);
    assert_eq!(live.receive(0), Some(come));
    live.finish();
}

#[test]
fn a_handler_of_the_error_line_does_not_take_what_others_wait_for() {
    let mut live = Live::new();
    let raised = raise_bystanders(&mut live);
    let awaited = Event::GRSC | Event::GTSC | Event::TXC;
    assert_eq!(live.port.events().take(Line::Err), raised - awaited);
    assert_eq!(events(&live), awaited);
    live.finish();
}

#[test]
fn a_burst_raises_one_transmit_event_at_its_end() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut live = Rig::new(&Plan { sim, ..Plan::default() }).start();
    for _ in 0..8 {
        let buf = live.pool.frame(&frame(PEER, STATION, 1000, 0)).unwrap();
        live.tx[0].stage(buf).unwrap();
    }
    assert_eq!(live.tx[0].commit(), 8);
    let port = live.port.events();
    // A frame of 1004 bytes takes 8.192 µs.
    live.delay_us(8 * 8);
    assert_eq!(live.reap(), 7);
    assert_eq!(port.take(Line::Tx), Event::empty());
    live.delay_us(9);
    assert_eq!(live.reap(), 1);
    assert_eq!(port.take(Line::Tx), Event::TXF);
    while live.sim.transmitted().is_some() {}
    live.finish();
}

#[test]
fn several_ports_of_one_controller_share_the_errors_between_them() {
    let mut live = Live::new();
    let mut one = live.port.events();
    let mut other = one.clone();
    for n in 0..10 {
        live.sim.inject(Fault::LateCollision);
        live.send(0, &frame(PEER, STATION, 60, n));
        if n % 2 == 0 {
            one.recover();
        } else {
            other.recover();
        }
        assert_eq!(live.reap(), 1);
        live.exchange(n);
    }
    let (one, other) = (*one.faults(), *other.faults());
    assert_eq!((one.late_collisions, other.late_collisions), (5, 5));
    assert_eq!(live.port.faults().late_collisions, 0);
    live.finish();
}

/// Who is woken by one interrupt for all lines tells an error from a frame by that.
#[test]
fn whether_something_has_failed_is_seen_and_nothing_acknowledged() {
    let mut live = Live::new();
    live.send(0, &frame(PEER, STATION, 60, 0));
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    let mut port = live.port.events();
    assert!(!port.has_failed(), "frames alone");
    live.sim.inject(Fault::Parity);
    let before = events(&live);
    assert!(port.has_failed());
    assert_eq!(events(&live), before);
    assert_eq!(port.recover(), Event::DPE);
    assert!(!port.has_failed());
    live.sim.inject(Fault::BusDead);
    assert!(port.has_failed(), "the tick has to tell of that");
    live.sim.mend(Fault::BusDead);
    live.reap();
    live.finish();
}

#[test]
fn a_device_that_is_gone_has_no_events() {
    let live = Live::new();
    live.sim.inject(Fault::BusDead);
    let mut port = live.port.events();
    for line in Line::ALL {
        assert_eq!(port.take(line), Event::empty());
    }
    assert_eq!(port.recover(), Event::empty());
    assert_eq!(*port.faults(), etsec_core::FaultCounters::default());
    live.sim.mend(Fault::BusDead);
    live.finish();
}

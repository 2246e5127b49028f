//! Do frames go where rules say? (HW 6)

use etsec_core::device::{Wake, WakeFrames};
use etsec_core::filer::{Action, Change, FilerError, FilerTable, Rule, RuleError};
use etsec_core::mib::Counter;
use etsec_core::{Bus, Error, Event, Group, Line, MacAddr};
use etsec_sim::{Fault, Line as Wire, Sim, SimBus, Switches};
use etsec_tests::at;
use etsec_tests::filing::{plan, ring_of, rules, start, udp};
use etsec_tests::rig::{Live, PEER, Rig, STATION, frame};

#[test]
fn rules_decide_in_their_order_and_the_default_on_the_rest() {
    let texts = [
        "udp vlan 5 drop",
        "udp dst-port 80-443 queue 3",
        "udp dst-port 80 queue 4",
        "src-ip 10.0.0.0/8 tos 0 queue 21",
        "byte frame+0 0x03/0x03 queue 6",
    ];
    let mut live = start(&texts, Action::to(7), Switches::default());
    let group = frame(MacAddr([0xFF; 6]), PEER, 60, 1);
    for (bytes, ring) in [
        (udp(Some(5), 80), None),
        (udp(Some(6), 80), Some(3)),
        (udp(None, 443), Some(3)),
        (udp(None, 444), Some(5)),
        (group, Some(6)),
        (frame(STATION, PEER, 60, 1), Some(7)),
    ] {
        assert_eq!(ring_of(&mut live, &bytes), ring, "{bytes:x?}");
    }
    assert_eq!(live.port.mib().total(Counter::RREJ), 1);
    let shown: Vec<_> = live.port.filer().rules().map(|rule| rule.unwrap().to_string()).collect();
    let mut wanted = texts.map(String::from).to_vec();
    wanted[3] = "tos 0x00 src-ip 10.0.0.0/8 queue 21".into();
    wanted.push("queue 7".into());
    assert_eq!(shown, wanted);
    live.finish();
}

#[test]
fn a_rule_tells_of_its_frames_by_an_event_on_whichever_line() {
    for fgpi_on_rx in [false, true] {
        let texts = ["udp queue 1 interrupt", "broadcast queue 2"];
        let mut live = start(&texts, Action::to(0), Switches { fgpi_on_rx, ..Switches::default() });
        assert_eq!(live.sim.bus().read(at::IMASK), (Event::DEFAULT_MASK | Event::FGPI).bits());
        let port = live.port.events();
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 1)), Some(0));
        assert_eq!(port.take(Line::Rx), Event::RXF);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        let lines = [Wire::Rx, Wire::Err].map(|line| live.sim.line(line));
        assert_eq!(lines, [true, !fgpi_on_rx]);
        let line = if fgpi_on_rx { Line::Rx } else { Line::Err };
        assert!(port.take(line).contains(Event::FGPI));
        // Whoever looks after the error line alone does not leave it up for ever.
        port.take(Line::Rx);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        assert_eq!(live.port.tick(0, &mut live.delay), Ok(Event::FGPI));
        assert!(!live.sim.line(Wire::Err));
        // Without such a rule, the event is not listened to any more.
        live.port.set_rules(&[], Action::to(0), &mut live.delay).unwrap();
        assert_eq!(live.sim.bus().read(at::IMASK), Event::DEFAULT_MASK.bits());
        live.finish();
    }
}

#[test]
fn both_groups_listen_to_it_if_both_raise_lines() {
    let told = (Event::DEFAULT_MASK | Event::FGPI).bits();
    for steered in [false, true] {
        let plan = plan(2, Switches::default());
        let mut rig = Rig::grouped(&Sim::new(plan.sim.clone()), &plan);
        if steered {
            rig.port.set_rx_group(&mut rig.rx[1], Group::One).unwrap();
        }
        rig.port.set_rules(&rules(&["udp queue 1 interrupt"]), Action::to(0)).unwrap();
        let mut live = rig.start();
        let masks = |live: &Live| {
            let second = live.port.pages().group1.as_ref().map(|page| page.read(at::IMASK));
            [live.sim.bus().read(at::IMASK), second.unwrap()]
        };
        let second = |events: u32| if steered { events } else { 0 };
        assert_eq!(masks(&live), [told, second(told)]);
        live.port.set_rules(&[], Action::to(0), &mut live.delay).unwrap();
        let usual = Event::DEFAULT_MASK.bits();
        assert_eq!(masks(&live), [usual, second(usual)]);
        live.port
            .set_rules(
                &rules(&["udp drop", "ip4 queue 0 interrupt"]),
                Action::to(0),
                &mut live.delay,
            )
            .unwrap();
        assert_eq!(masks(&live), [told, second(told)]);
        live.finish();
    }
}

#[test]
fn in_single_queue_mode_all_go_to_ring_0_and_tell_their_queue() {
    let mut rig = Rig::new(&plan(1, Switches::default()));
    let some = rules(&["udp queue 42"]);
    let missing = FilerError::Rule(0, RuleError::NoRing { queue: 42, ring: 2 });
    assert_eq!(rig.port.set_rules(&some, Action::to(0)), Err(missing));
    rig.port.set_single_queue(true);
    rig.port.set_rules(&some, Action::to(5)).unwrap();
    let mut live = rig.start();
    for (bytes, queue) in [(udp(None, 1), 42), (frame(STATION, PEER, 60, 1), 5)] {
        live.sim.receive(&bytes);
        let (buf, meta) = live.rx[0].next().unwrap();
        assert_eq!((&buf[..], meta.fcb.queue()), (&bytes[..], queue));
    }
    live.port.set_single_queue(false, &mut live.delay).unwrap();
    assert_eq!(ring_of(&mut live, &udp(None, 1)), None);
    assert_eq!(live.port.tick(0, &mut live.delay), Ok(Event::FIQ));
    live.port.set_single_queue(true, &mut live.delay).unwrap();
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(0));
    live.finish();
}

#[test]
fn a_hash_spreads_flows_over_rings_and_keeps_each_together() {
    // The hash itself is the model's (HW 6.5): that the rings are those of RIRn is the driver's.
    let texts = ["udp spread 1,2,3,4 by src-ip,dst-ip,src-port,dst-port"];
    let mut live = start(&texts, Action::to(0), Switches::default());
    let mut rings = [0; 8];
    for port in 1..200 {
        let ring = ring_of(&mut live, &udp(None, port)).unwrap();
        assert_eq!(ring_of(&mut live, &udp(Some(9), port)), Some(ring));
        rings[ring] += 1;
    }
    assert!(rings[1..5].iter().all(|n| *n > 20), "{rings:?}");
    assert_eq!(rings[1..5].iter().sum::<i32>(), 199);
    // The next rules have their own list of rings, so that no frame is spread by half of each.
    let next = rules(&["udp spread 5,6,7 by dst-port"]);
    let change = live.port.set_rules(&next, Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Seamless));
    for port in 1..100 {
        assert!((5..8).contains(&ring_of(&mut live, &udp(None, port)).unwrap()));
    }
    live.port.reset(&mut live.delay).unwrap();
    assert!((5..8).contains(&ring_of(&mut live, &udp(None, 77)).unwrap()));
    live.finish();
}

#[test]
fn a_part_without_hash_filing_says_so_and_keeps_its_rules() {
    let mut plan = plan(2, Switches::default());
    plan.sim.etsec2 = false;
    let mut rig = Rig::new(&plan);
    let spread = rules(&["udp queue 1", "broadcast spread 0,1 by dst-port"]);
    let refused = FilerError::Rule(1, RuleError::NoSpreading);
    assert_eq!(rig.port.set_rules(&spread, Action::to(0)), Err(refused));
    let mut live = rig.start();
    let change = live.port.set_rules(&spread[..1], Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Stopped), "the filer was off");
    for _ in 0..2 {
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        let before = live.port.filer();
        assert_eq!(live.port.set_rules(&spread, Action::to(0), &mut live.delay), Err(refused));
        assert_eq!(live.port.filer(), before);
    }
    live.finish();
}

/// A bus with one filer entry instead of a table, as QEMU has it (HW 15.3).
#[derive(Clone)]
struct OneEntry(SimBus);

impl Bus for OneEntry {
    fn read(&self, at: u16) -> u32 {
        self.0.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        if at != at::RQFAR {
            self.0.write(at, value);
        }
    }
    fn publish(&self) {
        self.0.publish();
    }
    fn observe(&self) {
        self.0.observe();
    }
}

#[test]
fn a_controller_without_a_filer_says_so_and_receives_without() {
    let plan = plan(1, Switches::default());
    let sim = Sim::new(plan.sim.clone());
    let mut rig = Rig::through(&sim, &plan, OneEntry(sim.bus()));
    let drop_all = Action::Reject;
    assert_eq!(rig.port.set_rules(&[], drop_all), Err(FilerError::Port(Error::NoFiler)));
    assert_eq!(rig.port.set_filer(&FilerTable::new(0)), Err(Error::NoFiler));
    let mut live = rig.start();
    let refused = live.port.set_rules(&[], drop_all, &mut live.delay);
    assert_eq!(refused, Err(FilerError::Port(Error::NoFiler)));
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(0));
    live.finish();
}

#[test]
fn bad_rules_change_nothing() {
    let mut live = start(&["udp queue 1"], Action::to(0), Switches::default());
    let before = live.port.filer();
    let full: Vec<Rule> =
        (1..200).map(|n| format!("vlan {n} dst-port {n} queue 2").parse().unwrap()).collect();
    let mut wrong: Rule = "vlan 5 queue 2".parse().unwrap();
    wrong.action = Action::to(99);
    for (rules, error) in [
        (&full[..], "rule 83: the filer's table is full"),
        (&[wrong][..], "rule 0: queue 99: 0 to 63 are possible"),
    ] {
        let found = live.port.set_rules(rules, Action::to(0), &mut live.delay).unwrap_err();
        assert!(found.to_string().starts_with(error), "{found}");
        assert_eq!(live.port.filer(), before);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
    }
    live.finish();
    let mut plan = plan(1, Switches::default());
    plan.config.parser = false;
    let mut rig = Rig::new(&plan);
    assert_eq!(rig.port.set_rules(&[], Action::to(0)), Err(FilerError::Port(Error::ParserOff)));
}

#[test]
fn rules_outlive_resets_and_stops_whatever_a_reset_clears() {
    for reset_spoils_filer in [false, true] {
        let switches = Switches { reset_spoils_filer, ..Switches::default() };
        let texts = ["byte l3+2 0 byte l3+3 77 queue 1", "udp spread 2 by src-port"];
        let mut live = start(&texts, Action::Reject, switches);
        let check = |live: &mut Live| {
            assert_eq!(ring_of(live, &udp(None, 77)), Some(1));
            assert_eq!(ring_of(live, &udp(None, 78)), Some(2));
            assert_eq!(ring_of(live, &frame(STATION, PEER, 60, 0)), None);
        };
        check(&mut live);
        live.port.reset(&mut live.delay).unwrap();
        check(&mut live);
        live.sim.inject(Fault::GtsNeverCompletes);
        let mut live = live.stop().start();
        live.sim.mend(Fault::GtsNeverCompletes);
        check(&mut live);
        // And so do rules set while it ran.
        let next = rules(&["byte l3+3 78 queue 3"]);
        live.port.set_rules(&next, Action::Reject, &mut live.delay).unwrap();
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(ring_of(&mut live, &udp(None, 78)), Some(3));
        assert_eq!(ring_of(&mut live, &udp(None, 77)), None);
        live.finish();
    }
}

#[test]
fn rules_outlive_a_sleep() {
    for reset_spoils_filer in [false, true] {
        let switches = Switches { reset_spoils_filer, a002: true, ..Switches::default() };
        let live = start(&["udp queue 3"], Action::to(2), switches);
        let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
        let wake = Wake::Frames(WakeFrames::BROADCAST);
        let port = port.sleep(wake, &mut delay).map_err(|awake| awake.error()).unwrap();
        let port = port.wake(&mut delay).map_err(|(_, error)| error).unwrap();
        let mut live = Live { port, rx, tx, pool, arena, delay, sim };
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(3));
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 1)), Some(2));
        live.finish();
    }
}

//! Does a port that is taken over keep what its options had put into it, with nothing of it
//! interrupted?

use etsec_core::adopt::{AdoptError, running_filter};
use etsec_core::filer::{Action, Change, FilerTable, Rule};
use etsec_core::{AddressFilter, Bus, Error, Group, MacAddr, Pages};
use etsec_sim::{Sim, Switches};
use etsec_tests::adopting::{adopt, adopt_on, adopt_with, die, numbered, plan};
use etsec_tests::filing::{self, ring_of, rules, udp};
use etsec_tests::rig::{Live, PEER, Plan, Rig, frame};
use etsec_tests::trace::{Access, Traced};

const RFBPTR0: u16 = 0xC44;
const RBASE0: u16 = 0x404;

#[test]
fn the_partner_is_not_held_for_what_the_dead_process_has_not_told() {
    let mut plan = plan(16, 16);
    plan.config.link = "1000/full/tx".parse().unwrap();
    let mut rig = Rig::new(&plan);
    rig.port.set_lossless(&mut rig.rx[0], Some(4)).unwrap();
    let (sim, bus) = (rig.sim.clone(), Traced::new(rig.sim.bus()));
    let mut live = rig.start();
    (0..15).for_each(|n| sim.receive(&numbered(n)));
    live.delay_us(2);
    assert!(sim.transmitted().is_some(), "a pause frame");
    (0..15).for_each(|_| drop(live.rx[0].next().unwrap()));
    // It dies when it has lent them all again and told nobody.
    die(live);
    let (mut dying, ..) = adopt_with(&sim, &plan, bus.clone(), |port, rx| {
        port.set_lossless(&mut rx[0], Some(4)).unwrap();
    })
    .unwrap();
    bus.die_after(0);
    dying.rx[0].fill(&dying.pool);
    dying.rx[0].commit();
    die(dying);
    let first = sim.bus().read(RBASE0);
    assert_eq!(sim.bus().read(RFBPTR0), first + 8 * 15, "as at the start");

    let (mut new, ..) = adopt_with(&sim, &plan, sim.bus(), |port, rx| {
        port.set_lossless(&mut rx[0], Some(4)).unwrap();
    })
    .unwrap();
    assert_eq!(sim.bus().read(RFBPTR0), first + 8 * 14, "the last one that is empty");
    while sim.transmitted().is_some() {}
    new.delay_us(10_000);
    let frames: Vec<_> = std::iter::from_fn(|| sim.transmitted()).collect();
    assert!(frames.len() <= 1, "the partner is let go: {frames:x?}");
    new.exchange(3);
    new.finish();
}

#[test]
fn a_port_that_is_held_by_its_partner_or_was_about_to_hold_it_is_taken_over() {
    const PTV: u16 = 0x028;
    const TCTRL: u16 = 0x100;
    const RFC_PAUSE: u32 = 0x10;
    let mut plan = plan(16, 16);
    plan.config.link = "1000/full/rx+tx".parse().unwrap();
    let mut live = Rig::new(&plan).start();
    let mut pause = frame(MacAddr::PAUSE, PEER, 60, 0);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0xFF, 0xFF]);
    live.sim.receive(&pause);
    live.delay_us(2);
    live.send(0, &numbered(7));
    let (sim, bus) = (live.sim.clone(), live.sim.bus());
    // It dies when it has borrowed the time for a pause frame of its own.
    bus.write(PTV, 5);
    die(live);
    assert_ne!(bus.read(TCTRL) & RFC_PAUSE, 0, "it is held");
    let (mut new, found, _) = adopt(&sim, &plan).unwrap();
    assert_eq!(found.in_flight, 1);
    assert_eq!(bus.read(PTV), u32::from(plan.config.pause_time));
    new.delay_us(65_535 * 512 / 1000 + 1000);
    assert_eq!(sim.transmitted(), Some(numbered(7)));
    new.reap();
    new.exchange(3);
    new.finish();
}

#[test]
fn both_groups_interrupt_again_who_dies_while_stopping() {
    const IMASK: u16 = 0x14;
    let plan = Plan { rx: vec![8, 8], ..plan(8, 8) };
    let mut rig = Rig::grouped(&Sim::new(plan.sim.clone()), &plan);
    rig.port.set_rx_group(&mut rig.rx[1], Group::One).unwrap();
    let sim = die(rig.start());
    let (first, second) = (sim.bus(), sim.second_bus());
    let masks = [first.read(IMASK), second.read(IMASK)];
    // The first thing that a stop does.
    first.write(IMASK, 0);
    second.write(IMASK, 0);
    let pages = Pages { group1: Some(sim.second_bus()), ..Pages::single(sim.bus()) };
    let (new, ..) = adopt_on(&sim, &plan, pages, |port, rx| {
        port.set_rx_group(&mut rx[1], Group::One).unwrap();
    })
    .unwrap();
    assert_eq!([first.read(IMASK), second.read(IMASK)], masks);
    new.finish();
}

/// Takes a port with a filer over; what was written to registers meanwhile.
fn keep(sim: &Sim, plan: &Plan) -> (Live<Traced<impl Bus + Clone>>, Vec<u16>) {
    let bus = Traced::new(sim.bus());
    let (live, ..) = adopt_with(sim, plan, bus.clone(), |port, _| {
        assert_eq!(port.keep_filer(), Ok(true));
    })
    .unwrap();
    let written = bus.take().into_iter().filter_map(|access| match access {
        Access::Write(at, _) => Some(at),
        _ => None,
    });
    (live, written.collect())
}

fn told(table: &FilerTable) -> Vec<Rule> {
    table.rules().map(Result::unwrap).collect()
}

#[test]
fn filer_rules_stay_and_can_be_changed_as_before() {
    const IMASK: u16 = 0x14;
    const RQFAR: u16 = 0x334;
    const BELLS: [u16; 2] = [0x104, 0x304];
    let few = rules(&["udp dst-port 1-1000 queue 3", "vlan 5 drop"]);
    let many: Vec<_> = (0..110).map(|n| format!("ip4 udp dst-port {} drop", 2000 + n)).collect();
    let many = rules(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = filing::plan(8, Switches::default());
    // In the front, in the back, and, of many, in nearly all of the table.
    let turns = [(&few, 3), (&few, 4), (&few, 5), (&many, 6), (&many, 1), (&few, 2)];
    let mut rig = Rig::new(&plan);
    rig.port.set_rules(&few, Action::to(7)).unwrap();
    let mut sim = die(rig.start());
    // One that is never taken over.
    let mut twin =
        filing::start(&["udp dst-port 1-1000 queue 3"], Action::to(7), plan.sim.switches);
    twin.port.set_rules(&few, Action::to(7), &mut twin.delay).unwrap();
    twin.port.set_rules(&few, Action::to(7), &mut twin.delay).unwrap();
    let (mut before, mut stopped) = (7, 0);
    for (rules, queue) in turns {
        let (mut live, mut written) = keep(&sim, &plan);
        // What reads the table, tells of events and rings bells, and nothing else.
        written.retain(|at| ![IMASK, RQFAR].contains(at) && !BELLS.contains(at));
        assert_eq!(written, [0; 0], "turn {queue}");
        assert_eq!(ring_of(&mut live, &udp(None, 1001)), Some(before));
        let change = live.port.set_rules(rules, Action::to(queue), &mut live.delay).unwrap();
        let usual = twin.port.set_rules(rules, Action::to(queue), &mut twin.delay);
        assert_eq!(Ok(change), usual, "turn {queue}");
        stopped += u32::from(change == Change::Stopped);
        let read = told(&live.port.filer());
        assert!(read.iter().zip(rules).all(|(read, rule)| *read == rule.normal().unwrap()));
        assert_eq!(ring_of(&mut live, &udp(None, 1001)), Some(usize::from(queue)));
        before = usize::from(queue);
        sim = die(live);
    }
    let (mut live, _) = keep(&sim, &plan);
    assert_eq!(ring_of(&mut live, &udp(None, 77)), Some(3));
    assert_eq!(ring_of(&mut live, &udp(Some(5), 2000)), None);
    assert!((1..4).contains(&stopped), "{stopped}");
    live.finish();
    twin.finish();
}

#[test]
fn a_table_made_by_hand_stays_and_so_does_what_a_reset_would_clear() {
    let switches = Switches { reset_spoils_filer: true, ..Switches::default() };
    let plan = filing::plan(8, switches);
    let mut rig = Rig::new(&plan);
    rig.port.set_filer(&FilerTable::new(4)).unwrap();
    let sim = die(rig.start());
    let (mut live, _) = keep(&sim, &plan);
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(ring_of(&mut live, &udp(None, 77)), Some(4));
    let sim = die(live);
    // One that is refused for something else has it after its bring-up as well.
    let mut other = plan.clone();
    other.config.mtu = 9000;
    let refused = adopt_with(&sim, &other, sim.bus(), |port, _| {
        port.keep_filer().unwrap();
    });
    assert!(matches!(refused.map(drop), Err(AdoptError::Register { at: 0x510, .. })));
    let mut rig = Rig::new(&plan);
    assert_eq!(rig.port.keep_filer(), Ok(false), "it is off");
    drop(rig);
}

#[test]
fn a_filer_that_nobody_keeps_is_refused() {
    let plan = filing::plan(8, Switches::default());
    let sim = die(filing::start(&[], Action::to(1), Switches::default()));
    let mut other = plan.clone();
    other.config.parser = false;
    let refused = adopt_with(&sim, &other, sim.bus(), |port, _| {
        assert_eq!(port.keep_filer(), Err(Error::ParserOff));
    });
    assert!(matches!(refused.map(drop), Err(AdoptError::Register { .. })));

    let sim = die(filing::start(&[], Action::to(1), Switches::default()));
    let refused = adopt(&sim, &plan).map(drop).unwrap_err();
    assert!(matches!(refused, AdoptError::Register { at: 0x300, .. }), "{refused}");
}

#[test]
fn an_address_filter_set_while_it_ran_is_read_back() {
    let mac = |text: &str| text.parse::<MacAddr>().unwrap();
    let usual = plan(8, 8);
    let mut live = Rig::new(&usual).start();
    let mut filter = live.port.config().filter;
    filter.add_exact(mac("02:00:00:00:00:77")).unwrap();
    filter.add_hash(mac("01:00:5e:00:00:fb")).unwrap();
    filter.add_hash(mac("02:00:00:00:00:99")).unwrap();
    filter.broadcast_reject = true;
    live.port.set_filter(&filter, &mut live.delay).unwrap();
    let sim = die(live);
    let found = running_filter(&sim.bus()).unwrap();
    assert_eq!(found, filter);
    let mut plan = usual.clone();
    plan.config.filter = found;
    let (live, ..) = adopt(&sim, &plan).unwrap();
    let sim = die(live);
    assert!(matches!(adopt(&sim, &usual).map(drop), Err(AdoptError::Register { .. })));
}

#[test]
fn filters_come_back_from_their_registers() {
    let mac = |n: u8, group: u8| MacAddr([group, 0, 0x5E, n, 7, n.wrapping_mul(31)]);
    for bits in 0..64_u8 {
        let is = |bit: u8| bits & 1 << bit != 0;
        let mut filter = AddressFilter::new(mac(bits, 2)).unwrap();
        if is(0) {
            filter.set_hash_mode(etsec_core::addr::HashMode::Group).unwrap();
        }
        (filter.promiscuous, filter.broadcast_reject) = (is(1), is(2));
        filter.all_multicast = is(3);
        if is(4) {
            (0..15).for_each(|n| filter.add_exact(mac(n, 4)).unwrap());
        }
        if is(5) {
            (0..9).for_each(|n| filter.add_hash(mac(n, 1)).unwrap());
        }
        let registers = filter.registers();
        let back = AddressFilter::from_registers(&registers).unwrap();
        assert_eq!(back.registers(), registers, "{filter:?}");
        // What a full hash lets in hides what was put into it.
        assert!(filter.all_multicast || back == filter, "{filter:?}");
    }
}

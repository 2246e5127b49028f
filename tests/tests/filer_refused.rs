//! A filer that is not there, or does not keep what it is told, and a table made by hand: is each
//! told from the other, and is what is in use never in doubt? (HW 6)

use std::cell::Cell;
use std::rc::Rc;

use etsec_core::filer::{Action, Change, FilerEntry, FilerError, FilerTable, RuleError};
use etsec_core::{Bus, Error};
use etsec_sim::{Sim, SimBus, SimConfig, Switches};
use etsec_tests::at;
use etsec_tests::filing::{plan, ring_of, rules, udp};
use etsec_tests::rig::{PEER, Plan, Rig, STATION, frame};

#[test]
fn a_table_by_hand_needs_the_parser() {
    let mut rig = Rig::new(&Plan::default());
    let table = FilerTable::new(0);
    rig.sim.bus().write(at::RQFAR, 7);
    assert_eq!(rig.port.set_filer(&table), Err(Error::ParserOff));
    assert_eq!(rig.sim.bus().read(at::RQFAR), 7, "the table is not touched");
    let mut live = rig.start();
    assert_eq!(live.sim.bus().read(at::RCTRL) & 0x3000, 0, "and the filer is off");
    live.exchange(1);
    live.finish();
}

#[test]
fn a_table_by_hand_brings_its_lists_of_rings_and_they_outlive_a_reset() {
    // HW 3.22: by an IP address that is the same, all frames go to one of the rings named.
    let rules = rules(&["udp spread 2,5 by src-ip,dst-port"]);
    let table = FilerTable::compile(&rules, Action::to(0)).unwrap();
    assert_ne!(table.rir, [0; 4]);
    let mut rig = Rig::new(&plan(8, Switches::default()));
    rig.port.set_filer(&table).unwrap();
    assert_eq!(rig.port.filer().rir, [0; 4], "they are written with the start");
    let mut live = rig.start();
    for turn in 0..2 {
        assert_eq!(live.port.filer(), table, "turn {turn}");
        let mut seen = [0; 8];
        for port in 0..40 {
            seen[ring_of(&mut live, &udp(None, port)).expect("a ring")] += 1;
        }
        assert_eq!(seen[2] + seen[5], 40, "{seen:?}");
        assert!(seen[2] > 0 && seen[5] > 0, "{seen:?}");
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 0)), Some(0));
        live.port.reset(&mut live.delay).unwrap();
    }
    live.finish();
}

#[test]
fn rings_can_be_spread_over_only_where_the_controller_keeps_their_lists() {
    // HW 2.6: an eTSEC1 has no RIRn.
    let sim = SimConfig { etsec2: false, ..SimConfig::default() };
    let mut rig = Rig::new(&Plan { sim, ..plan(8, Switches::default()) });
    let spread = rules(&["tcp queue 1", "udp spread 2,5 by dst-port"]);
    let refused = rig.port.set_rules(&spread, Action::to(0));
    assert_eq!(refused, Err(FilerError::Rule(1, RuleError::NoSpreading)));
    let default: Action = "spread 2,5 by tos".parse().unwrap();
    let refused = rig.port.set_rules(&spread[..1], default);
    assert_eq!(refused, Err(FilerError::Default(RuleError::NoSpreading)));
    rig.port.set_rules(&spread[..1], Action::to(3)).unwrap();
    let mut live = rig.start();
    let refused = live.port.set_rules(&spread, Action::to(0), &mut live.delay);
    assert_eq!(refused, Err(FilerError::Rule(1, RuleError::NoSpreading)));
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(3), "the rules before are in use");
    live.finish();
}

/// A bus behind which control words of the filer stick as they are while `stuck`.
#[derive(Clone)]
struct Sticking {
    bus: SimBus,
    stuck: Rc<Cell<bool>>,
}

impl Bus for Sticking {
    fn read(&self, at: u16) -> u32 {
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        if at != at::RQFCR || !self.stuck.get() {
            self.bus.write(at, value);
        }
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

#[test]
fn a_table_that_does_not_take_the_new_rules_is_told_and_written_anew_the_next_time() {
    let (sim, stuck) = (Sim::default(), Rc::new(Cell::new(false)));
    let bus = Sticking { bus: sim.bus(), stuck: Rc::clone(&stuck) };
    let mut rig = Rig::through(&sim, &plan(8, Switches::default()), bus);
    rig.port.set_rules(&rules(&["udp queue 1"]), Action::to(0)).unwrap();
    let mut live = rig.start();
    stuck.set(true);
    let refused = live.port.set_rules(&rules(&["udp queue 2"]), Action::to(0), &mut live.delay);
    assert_eq!(refused, Err(FilerError::Port(Error::NoFiler)));
    stuck.set(false);
    // Which of the two is in use is not known: what was meant to be beside is not written there.
    let change = live.port.set_rules(&rules(&["udp queue 3"]), Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Stopped));
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(3));
    let change = live.port.set_rules(&rules(&["udp queue 4"]), Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Seamless));
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(4));
    live.finish();
}

#[test]
fn a_stopped_port_reads_its_table() {
    let mut rig = Rig::new(&plan(8, Switches::default()));
    let mut table = FilerTable::new(3);
    table.push(FilerEntry { control: 0x480, property: 7 }).unwrap();
    rig.port.set_filer(&table).unwrap();
    assert_eq!(rig.port.filer(), table);
    assert_eq!(rig.port.filer().entry(0), FilerEntry { control: 0x480, property: 7 });
}

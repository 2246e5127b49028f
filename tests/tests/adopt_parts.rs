//! Is a controller of either kind, at whatever speed, taken over as it runs?

use etsec_core::adopt::{AdoptError, running_as};
use etsec_core::link::Pause;
use etsec_core::{Config, Link};
use etsec_sim::SimConfig;
use etsec_tests::adopting::{adopt, die, plan};
use etsec_tests::at;
use etsec_tests::rig::{Plan, Rig, STATION, config};

#[test]
fn a_controller_without_groups_is_taken_over_as_well() {
    // HW 2.6: it reads 0 where an eTSEC2 has its groups.
    let usual = plan(8, 8);
    let sim = SimConfig { etsec2: false, ..usual.sim.clone() };
    let usual = Plan { sim, ..usual };
    let sim = die(Rig::new(&usual).start());
    let (mut live, found, reclaimed) = adopt(&sim, &usual).expect("all as it was");
    assert_eq!((found.waiting, found.in_flight, reclaimed), (0, 0, usual.buffers - 8));
    live.exchange(2);
    live.finish();
}

#[test]
fn its_link_is_read_from_it_and_is_what_it_is_taken_over_with() {
    for text in ["1000/full", "1000/full/rx+tx", "100/full/tx", "100/half", "10/full/rx", "10/half"]
    {
        let link: Link = text.parse().unwrap();
        let usual = Plan { config: Config { link, ..config() }, ..plan(8, 8) };
        let sim = die(Rig::new(&usual).start());
        assert_eq!(running_as(&sim.bus()), (STATION, link), "{text}");
        let (live, ..) = adopt(&sim, &usual).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(live.port.faults().resets, 0);
        live.finish();
        // One of another speed is not it.
        let sim = die(Rig::new(&usual).start());
        let other = if text.starts_with("1000") { "100/full" } else { "1000/full" };
        let other = Config { link: other.parse().unwrap(), ..config() };
        assert!(adopt(&sim, &Plan { config: other, ..usual }).is_err(), "{text}");
    }
}

/// One that runs with the link `runs`, to be taken over with `wanted`.
fn taken_over(runs: Link, wanted: Link) -> Result<(), AdoptError> {
    let of = |link| Plan { config: Config { link, ..config() }, ..plan(8, 8) };
    let sim = die(Rig::new(&of(runs)).start());
    adopt(&sim, &of(wanted)).map(|(live, ..)| live.finish())
}

#[test]
fn one_of_another_flow_control_is_not_it() {
    /// MACCFG1\[Rx_Flow\] and MACCFG1\[Tx_Flow\] (HW 3.14).
    const FLOW: u32 = 0x30;
    let links = ["10/full", "10/full/rx", "10/full/tx", "10/full/rx+tx"];
    let links = links.map(|text| text.parse::<Link>().unwrap());
    for (runs, wanted) in links.into_iter().flat_map(|runs| links.map(|wanted| (runs, wanted))) {
        let refused = match taken_over(runs, wanted) {
            Ok(()) => {
                assert_eq!(runs, wanted);
                continue;
            }
            Err(refused) => refused,
        };
        let AdoptError::Register { at: at::MACCFG1, found, wanted: would } = refused else {
            panic!("{runs} as {wanted}: {refused}")
        };
        let flow = |link: Link| u32::from(link.pause.rx) << 5 | u32::from(link.pause.tx) << 4;
        assert_eq!((found & FLOW, would & FLOW), (flow(runs), flow(wanted)), "{refused}");
        assert_eq!(found & !FLOW, would & !FLOW, "{runs} as {wanted}: {refused}");
    }
    // HW 8.8: in half duplex there is none, whatever is wished for.
    let half: Link = "10/half".parse().unwrap();
    assert_eq!(taken_over(half, half.with_pause(Pause::BOTH)), Ok(()));
}

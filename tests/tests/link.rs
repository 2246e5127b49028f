//! Does the link come up as negotiated, go, and come back; and is what is missing named? (HW
//! 8.7–8.10)

use std::cell::RefCell;

use embedded_hal::delay::DelayNs as _;
use etsec_core::link::{Interface, LinkError, Pause};
use etsec_core::mdio::{Mdio, MdioBus as _, MdioError};
use etsec_core::phy::{self, Advertisement, FixedLink, LinkChange, Phy, PhyError};
use etsec_core::tbi::{SgmiiSetup, Tbi};
use etsec_core::{Bus, Error, Link};
use etsec_sim::partner::Partner;
use etsec_sim::{Fault, Interface as Strap, Sim, SimBus, SimConfig, SimDelay, WireSpeed};
use etsec_tests::at;
use etsec_tests::rig::{Live, Plan, Rig};

type Bench = Mdio<SimBus, SimDelay>;

fn mdio(sim: &Sim) -> Bench {
    let mut mdio = Mdio::new(sim.bus(), sim.delay());
    mdio.reset().unwrap();
    mdio
}

fn plug(sim: &Sim, partner: Partner) {
    sim.with(|model| model.miim().phy_mut().set_partner(partner));
}

/// Polls ten times a second until something has changed, for at most `seconds`.
fn wait(sim: &Sim, mdio: &mut Bench, phy: &mut Phy, seconds: u32) -> Option<LinkChange> {
    (0..10 * seconds).find_map(|_| {
        sim.delay().delay_ms(100);
        phy.poll(mdio, (sim.now_ns() / 1_000_000) as u32).unwrap()
    })
}

/// MACCFG2\[I/F mode, Full_Duplex\], ECNTRL\[R100M\] and MACCFG1\[Rx_Flow, Tx_Flow\] (HW 8.8).
fn registers(live: &Live) -> (u32, u32, u32) {
    let bus = live.sim.bus();
    (bus.read(at::MACCFG2) & 0x301, bus.read(at::ECNTRL) & 0x8, bus.read(at::MACCFG1) & 0x30)
}

#[test]
fn partners_of_every_kind_give_their_link_to_the_mac() {
    let gigabit = Partner::gigabit();
    let ten = Partner { base: 0x0060, ..Partner::fast() };
    let both = Pause::BOTH;
    let none = Pause::NONE;
    // Partner, pause wished for, link, I/F mode and duplex, R100M, flow control.
    let cases = [
        (gigabit, none, "1000/full", (0x201, 0, 0x00)),
        (gigabit, both, "1000/full/rx+tx", (0x201, 0, 0x30)),
        (gigabit.with_pause(false, true), both, "1000/full", (0x201, 0, 0x00)),
        (
            gigabit.with_pause(false, true),
            Pause { rx: true, tx: false },
            "1000/full/rx",
            (0x201, 0, 0x20),
        ),
        (
            gigabit.with_pause(true, true),
            Pause { rx: false, tx: true },
            "1000/full/tx",
            (0x201, 0, 0x10),
        ),
        (Partner::fast(), both, "100/full", (0x101, 8, 0x00)),
        (Partner::fixed(true), both, "100/half", (0x100, 8, 0x00)),
        (ten, none, "10/full", (0x101, 0, 0x00)),
        (Partner::fixed(false), none, "10/half", (0x100, 0, 0x00)),
    ];
    for (partner, pause, text, expected) in cases {
        let mut live = Live::new();
        plug(&live.sim, partner);
        let mut mdio = mdio(&live.sim);
        let address = phy::find(&mut mdio, Some(0x1F)).unwrap().unwrap();
        assert_eq!(address, 1);
        let mut phy = Phy::new(address);
        phy.reset(&mut mdio, &mut live.delay).unwrap();
        phy.autonegotiate(&mut mdio, Advertisement::for_interface(live.port.interface(), pause))
            .unwrap();
        let change = wait(&live.sim, &mut mdio, &mut phy, 5);
        let link: Link = text.parse().unwrap();
        assert_eq!(change, Some(LinkChange::Up(link)));
        live.port.set_link(link, &mut live.delay).unwrap();
        assert_eq!(registers(&live), expected, "{text}");
        assert_eq!(live.port.config().link, link);
        live.exchange(1);
        // The link outlives a reset of the MAC.
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(registers(&live), expected, "{text} after a reset");
        live.exchange(2);
        assert_eq!(live.sim.with(|model| model.miim().commands_while_busy()), 0);
        live.finish();
    }
}

#[test]
fn a_change_of_speed_in_the_middle_of_traffic_loses_nothing() {
    let wire = WireSpeed::Link;
    let sim = SimConfig { wire, ..SimConfig::default() };
    let mut live = Rig::new(&Plan { sim, ..Plan::default() }).start();
    for link in ["100/full", "10/full", "1000/full/rx+tx", "100/half", "1000/full"] {
        let out = live.load(1);
        live.delay_us(5);
        live.port.set_link(link.parse().unwrap(), &mut live.delay).unwrap();
        live.settle(2);
        live.assert_sent(&out);
        assert_eq!(live.reap(), out.len());
        live.exchange(2);
    }
    assert_eq!(live.port.faults().resets, 0);
    live.finish();
}

#[test]
fn half_duplex_at_a_gigabit_is_refused_and_changes_nothing() {
    let mut live = Live::new();
    let before = registers(&live);
    let link = Link::new(etsec_core::link::Speed::Mbps1000, etsec_core::link::Duplex::Half);
    let refused = live.port.set_link(link, &mut live.delay);
    assert_eq!(refused, Err(Error::Link(LinkError::HalfGigabit)));
    assert_eq!(registers(&live), before);
    live.exchange(1);
    live.finish();
}

#[test]
fn no_cable_at_the_start_then_one_then_pulled_and_plugged_again() {
    let mut live = Live::new();
    live.sim.set_link_up(false);
    let mut mdio = mdio(&live.sim);
    let mut phy = Phy::new(1);
    let wanted = Advertisement::for_interface(Interface::Rgmii, Pause::NONE);
    phy.autonegotiate(&mut mdio, wanted).unwrap();
    let change = wait(&live.sim, &mut mdio, &mut phy, 10);
    assert_eq!(change, Some(LinkChange::NegotiationTimeout));
    // Frames sent into nothing are gone, and hurt nobody.
    live.send(0, &[0x55; 60]);
    assert_eq!((live.reap(), live.sent().len()), (1, 0));

    live.sim.set_link_up(true);
    let up = wait(&live.sim, &mut mdio, &mut phy, 5);
    let Some(LinkChange::Up(link)) = up else { panic!("{up:?}") };
    live.port.set_link(link, &mut live.delay).unwrap();
    live.exchange(1);

    live.sim.set_link_up(false);
    live.send(0, &[0x55; 60]);
    assert_eq!(wait(&live.sim, &mut mdio, &mut phy, 1), Some(LinkChange::Down));
    assert_eq!(phy.link(), None);
    live.settle(20);
    live.sim.set_link_up(true);
    assert_eq!(wait(&live.sim, &mut mdio, &mut phy, 5), Some(LinkChange::Up(link)));
    live.port.set_link(link, &mut live.delay).unwrap();
    assert_eq!(live.reap(), 1);
    live.exchange(2);
    assert_eq!(live.port.faults().resets, 0);
    live.finish();
}

#[test]
fn a_link_lost_and_back_between_two_looks_is_told_as_both() {
    let live = Live::new();
    let mut mdio = mdio(&live.sim);
    let mut phy = Phy::new(1);
    let up = wait(&live.sim, &mut mdio, &mut phy, 5);
    assert!(matches!(up, Some(LinkChange::Up(_))), "taken over as the boot loader left it: {up:?}");
    live.sim.set_link_up(false);
    live.sim.set_link_up(true);
    live.sim.advance(2_000_000_000);
    assert_eq!(wait(&live.sim, &mut mdio, &mut phy, 1), Some(LinkChange::Down));
    assert_eq!(wait(&live.sim, &mut mdio, &mut phy, 1), up);
    live.finish();
}

#[test]
fn a_forced_speed_and_a_fixed_link() {
    let mut live = Live::new();
    let mut mdio = mdio(&live.sim);
    let mut phy = Phy::new(1);
    phy.force(&mut mdio, "100/full".parse().unwrap()).unwrap();
    let change = wait(&live.sim, &mut mdio, &mut phy, 5).unwrap();
    let change = if change == LinkChange::Down {
        wait(&live.sim, &mut mdio, &mut phy, 5).unwrap()
    } else {
        change
    };
    assert_eq!(change, LinkChange::Up("100/full".parse().unwrap()));

    let mut fixed = FixedLink::new("1000/full".parse().unwrap(), Interface::Rgmii).unwrap();
    let Some(LinkChange::Up(link)) = fixed.poll() else { panic!("a fixed link is up") };
    live.port.set_link(link, &mut live.delay).unwrap();
    assert_eq!(fixed.poll(), None);
    assert!(FixedLink::new("1000/full".parse().unwrap(), Interface::Mii).is_err());
    live.exchange(1);
    live.finish();
}

#[test]
fn a_missing_phy_has_an_error_with_its_address() {
    let sim = Sim::new(SimConfig { phy_address: 32, ..SimConfig::default() });
    let live = Rig::on(&sim, &Plan::default()).start();
    let mut mdio = mdio(&sim);
    assert_eq!(phy::find(&mut mdio, Some(0x1F)), Ok(None));
    let mut phy = Phy::new(7);
    let absent = PhyError::Absent { phy: 7 };
    assert_eq!(phy.reset(&mut mdio, &mut sim.delay()), Err(absent));
    let wanted = Advertisement::for_interface(Interface::Rgmii, Pause::NONE);
    assert_eq!(phy.autonegotiate(&mut mdio, wanted), Err(absent));
    assert_eq!(phy.poll(&mut mdio, 0), Err(absent));
    assert!(absent.to_string().contains('7'));
    let nowhere = Phy::new(40).poll(&mut mdio, 0);
    assert!(matches!(nowhere, Err(PhyError::Mdio(MdioError::Address { phy: 40, .. }))));
    live.finish();
}

#[test]
fn a_stuck_management_interface_times_out_within_a_bound_and_works_again_later() {
    let live = Live::new();
    let mut mdio = mdio(&live.sim);
    live.sim.inject(Fault::MiiBusy);
    let before = live.sim.now_ns();
    let timeout = Err(MdioError::Timeout { phy: 1, reg: 2 });
    assert_eq!(mdio.read(1, 2), timeout);
    assert_eq!(mdio.write(1, 2, 0), timeout.map(drop));
    assert_eq!(mdio.reset(), Err(MdioError::ResetTimeout));
    let took = live.sim.now_ns() - before;
    assert!((30_000_000..40_000_000).contains(&took), "{took} ns for three");
    live.sim.mend(Fault::MiiBusy);
    mdio.reset().unwrap();
    assert_eq!(mdio.read(1, 2), Ok(0x0E75));
    live.sim.inject(Fault::BusDead);
    assert_eq!(mdio.read(1, 2), Err(MdioError::Gone));
    live.sim.mend(Fault::BusDead);
    live.finish();
}

#[test]
fn the_tbi_hides_a_phy_at_its_address_until_it_is_moved() {
    let sim = Sim::new(SimConfig { phy_address: 0x1F, ..SimConfig::default() });
    let hidden = Rig::on(&sim, &Plan::default());
    assert_eq!(phy::find(&mut mdio(&sim), Some(0x1F)), Ok(None));
    hidden.finish();
    let mut plan = Plan::default();
    plan.config.tbi_address = 5;
    let live = Rig::on(&sim, &plan).start();
    assert_eq!(sim.bus().read(at::TBIPA), 5);
    assert_eq!(phy::find(&mut mdio(&sim), Some(5)), Ok(Some(0x1F)));
    live.finish();
}

#[test]
fn sgmii_is_set_up_once_and_left_alone_when_up() {
    let sim = Sim::new(SimConfig { interface: Strap::Sgmii, ..SimConfig::default() });
    let mut live = Rig::on(&sim, &Plan::default()).start();
    assert_eq!(live.port.interface(), Interface::Sgmii);
    let mut mdio = mdio(&sim);
    let tbi = Tbi::new(live.port.config().tbi_address);
    assert_eq!(tbi.link_up(&mut mdio), Ok(false));
    assert_eq!(tbi.set_up_sgmii(&mut mdio), Ok(SgmiiSetup::Started));
    sim.advance(1_000_000_000);
    assert_eq!(tbi.link_up(&mut mdio), Ok(true));
    assert_eq!(tbi.set_up_sgmii(&mut mdio), Ok(SgmiiSetup::AlreadyUp));
    assert!(sim.with(|model| model.miim().tbi().link()));
    // The straps are kept through all the driver writes (HW 3.3).
    live.port.set_link("100/full".parse().unwrap(), &mut live.delay).unwrap();
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(live.port.interface(), Interface::Sgmii);
    tbi.reset(&mut mdio, &mut live.delay).unwrap();
    let elsewhere = Tbi::new(9).set_up_sgmii(&mut mdio);
    assert_eq!(elsewhere, Err(PhyError::Absent { phy: 9 }));
    live.exchange(1);
    live.finish();
}

#[test]
fn one_bus_serves_the_phys_of_two_controllers() {
    let (sim, other) = (Sim::default(), Sim::default());
    let (mut live, mut second) =
        (Rig::on(&sim, &Plan::default()).start(), Rig::on(&other, &Plan::default()).start());
    // The second controller's PHY hangs on the first one's bus (HW 1.2).
    let shared = RefCell::new(mdio(&sim));
    let (mut one, mut two) = (Phy::new(1), Phy::new(1));
    sim.advance(2_000_000_000);
    let a = one.poll(&mut &shared, 0).unwrap();
    let b = two.poll(&mut &shared, 0).unwrap();
    let Some(LinkChange::Up(link)) = a else { panic!("{a:?}") };
    assert_eq!(a, b);
    live.port.set_link(link, &mut live.delay).unwrap();
    second.port.set_link(link, &mut second.delay).unwrap();
    let held = shared.borrow_mut();
    assert_eq!((&shared).read(1, 2), Err(MdioError::InUse { phy: 1, reg: 2 }));
    drop(held);
    live.exchange(1);
    second.exchange(1);
    live.finish();
    second.finish();
}

#[test]
fn the_page_an_etsec2_has_for_mdio_reaches_the_same_bus() {
    let live = Live::new();
    let mut mdio = Mdio::new(live.sim.mdio_bus(), live.sim.delay());
    mdio.reset().unwrap();
    assert_eq!(phy::find(&mut mdio, Some(0x1F)), Ok(Some(1)));
    live.finish();
}

//! The PHY driver against fake PHYs (HW 8.10).

use std::string::ToString;

use super::fake::{FakeBus, FakeDelay, FakePhy};
use super::*;
use crate::link::{Duplex, Interface, LinkError, Modes};

const AT: u8 = 5;
const GIGABIT: Link = Link::new(Speed::Mbps1000, Duplex::Full).with_pause(Pause::BOTH);

fn everything() -> Advertisement {
    Advertisement::for_interface(Interface::Rgmii, Pause::BOTH)
}

/// A PHY that has been told to negotiate, on its bus.
fn negotiating(fake: FakePhy) -> (Phy, FakeBus) {
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, fake));
    phy.autonegotiate(&mut bus, everything()).unwrap();
    (phy, bus)
}

/// A PHY whose link has been reported up.
fn up() -> (Phy, FakeBus) {
    let (mut phy, mut bus) = negotiating(FakePhy::gigabit());
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(GIGABIT))));
    (phy, bus)
}

#[test]
fn the_first_phy_is_found_unless_the_tbi_hides_it() {
    let mut bus = FakeBus::with(7, FakePhy::gigabit());
    assert_eq!(find(&mut bus, None), Ok(Some(7)));
    assert_eq!(find(&mut bus, Some(7)), Ok(None));
    bus.phys[31] = Some(FakePhy::gigabit());
    assert_eq!(find(&mut bus, Some(7)), Ok(Some(31)));
    bus.phys[0] = Some(FakePhy::gigabit());
    assert_eq!(find(&mut bus, None), Ok(Some(0)));
}

#[test]
fn ids_of_zeros_or_ones_are_no_phy() {
    let mut bus = FakeBus::with(3, FakePhy::gigabit());
    bus.phy(3).regs[2..4].fill(0);
    assert_eq!(find(&mut bus, None), Ok(None));
    // A half of zeros or ones may be part of an identifier.
    bus.phy(3).regs[3] = 0xFFFF;
    assert_eq!(id(&mut bus, 3), Ok(Some(PhyId(0x0000_FFFF))));
    bus.accesses_left = Some(9);
    assert_eq!(find(&mut bus, Some(3)), Err(MdioError::Timeout { phy: 5, reg: 3 }));
}

#[test]
fn an_id_has_a_model_and_a_revision() {
    let id = PhyId(0x0141_0CC2);
    assert_eq!((id.model(), id.revision()), (0x0C, 2));
    assert_eq!(id.to_string(), "0x01410cc2");
}

#[test]
fn a_reset_is_waited_for_and_bounded() {
    let mut delay = FakeDelay::default();
    let mut bus = FakeBus::with(AT, FakePhy { reset_reads: 3, ..FakePhy::gigabit() });
    assert_eq!(Phy::new(AT).reset(&mut bus, &mut delay), Ok(()));
    assert_eq!((bus.writes.as_slice(), delay.ns), (&[(AT, 0, 0x8000)][..], 15_000_000));

    let mut delay = FakeDelay::default();
    bus.phy(AT).reset_reads = u32::MAX;
    let stuck = Err(PhyError::ResetTimeout { phy: AT });
    assert_eq!(Phy::new(AT).reset(&mut bus, &mut delay), stuck);
    assert!((500_000_000..=510_000_000).contains(&delay.ns), "{} ns", delay.ns);

    bus.phy(AT).mute = true;
    assert_eq!(Phy::new(AT).reset(&mut bus, &mut delay), Err(PhyError::Absent { phy: AT }));
}

#[test]
fn negotiation_offers_what_both_sides_of_the_mac_can() {
    let (phy, bus) = negotiating(FakePhy::gigabit());
    assert_eq!(phy.address(), AT);
    // Selector, all of 10 and 100, symmetric pause; 1000 full only; enable and restart.
    let expected = [(AT, 4, 0x05E1), (AT, 9, 0x0200), (AT, 0, 0x1200)];
    assert_eq!(bus.writes, expected);

    let mut bus = FakeBus::with(AT, FakePhy::gigabit());
    bus.phy(AT).regs[1] = 0x6009; // 100 only, and no ESTATUS.
    let mut phy = Phy::new(AT);
    let pause = Pause { rx: true, tx: false };
    let advertised = phy.autonegotiate(&mut bus, Advertisement { pause, ..everything() });
    let modes = Modes::FULL_100 | Modes::HALF_100;
    assert_eq!(advertised, Ok(Advertisement { modes, pause }));
    assert_eq!(bus.writes, [(AT, 4, 0x0D81), (AT, 0, 0x1200)]);
}

#[test]
fn negotiation_leaves_the_rest_of_its_registers() {
    let mut fake = FakePhy::gigabit();
    // Next page, remote fault, 100T4 and a foreign selector: the first stays.
    fake.regs[4] = 0xB210;
    fake.regs[9] = 0x1C00; // Manual master of a multi-port device.
    let (_, bus) = negotiating(fake);
    assert_eq!(bus.writes, [(AT, 4, 0x95E1), (AT, 9, 0x1E00), (AT, 0, 0x1200)]);
}

#[test]
fn a_sleeping_phy_is_woken_before_it_is_told_anything() {
    for asleep in [0x0800, 0x0400, 0x4000] {
        let mut fake = FakePhy::gigabit();
        fake.regs[0] = 0x1140 | asleep;
        let (mut phy, mut bus) = negotiating(fake);
        assert_eq!(bus.writes[0], (AT, 0, 0x1140));
        assert_eq!(bus.phy(AT).regs[0], 0x1000);
        assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(GIGABIT))));
    }
}

#[test]
fn what_cannot_be_negotiated_is_refused_untouched() {
    let mut bus = FakeBus::with(AT, FakePhy::gigabit());
    let mut phy = Phy::new(AT);
    let half = Advertisement { modes: Modes::HALF_1000, pause: Pause::NONE };
    assert_eq!(phy.autonegotiate(&mut bus, half), Err(PhyError::NothingToAdvertise { phy: AT }));
    bus.phy(AT).regs[1] = 0x7901;
    assert_eq!(
        phy.autonegotiate(&mut bus, everything()),
        Err(PhyError::CannotNegotiate { phy: AT })
    );
    bus.phy(AT).mute = true;
    assert_eq!(phy.autonegotiate(&mut bus, everything()), Err(PhyError::Absent { phy: AT }));
    assert!(bus.writes.is_empty());
    let mut nowhere = Phy::new(32);
    let address = PhyError::Mdio(MdioError::Address { phy: 32, reg: 1 });
    assert_eq!(nowhere.autonegotiate(&mut bus, everything()), Err(address));
}

/// Partner's registers 5 and 10, and the link that comes of them (HW 8.10).
#[test]
fn a_link_is_the_best_both_ends_have() {
    for (anlpar, stat1000, link) in [
        (0x45E1, 0x3C00, "1000/full/rx+tx"),
        (0x49E1, 0x0800, "1000/full"),
        (0x4DE1, 0x0400, "100/full/rx+tx"),
        (0x41E1, 0x0000, "100/full"),
        (0x44E1, 0x0000, "100/half"),
        (0x4461, 0x0000, "10/full/rx+tx"),
        (0x0080, 0x0000, "100/half"),
        (0x0020, 0x0000, "10/half"),
        (0x0000, 0x0000, "10/half"),
    ] {
        let mut fake = FakePhy::gigabit();
        (fake.regs[5], fake.regs[10]) = (anlpar, stat1000);
        let (mut phy, mut bus) = negotiating(fake);
        let expected = link.parse().unwrap();
        assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(expected))), "{anlpar:#x}");
    }
}

#[test]
fn a_slow_phy_is_not_asked_for_gigabit() {
    let mut fake = FakePhy::gigabit();
    fake.regs[1] = 0x7809;
    // Reserved registers of a slow PHY may hold anything.
    (fake.regs[9], fake.regs[10], fake.regs[15]) = (0xFFFF, 0xFFFF, 0xFFFF);
    let (mut phy, mut bus) = negotiating(fake);
    let link = "100/full/rx+tx".parse().unwrap();
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(link))));
}

#[test]
fn who_wants_to_obey_only_never_sends_pause() {
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    let pause = Pause { rx: true, tx: false };
    phy.autonegotiate(&mut bus, Advertisement { pause, ..everything() }).unwrap();
    let link = "1000/full/rx".parse().unwrap();
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(link))));
}

#[test]
fn a_link_that_stays_up_costs_one_read_and_no_word() {
    let (mut phy, mut bus) = up();
    let reads = bus.reads;
    for now_ms in 1..100 {
        assert_eq!(phy.poll(&mut bus, now_ms * 1000), Ok(None));
    }
    assert_eq!(bus.reads - reads, 99);
    assert_eq!(phy.link(), Some(GIGABIT));
}

#[test]
fn loss_and_return_are_told_once_each() {
    let (mut phy, mut bus) = up();
    bus.phy(AT).plug(false);
    assert_eq!(phy.poll(&mut bus, 10), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.link(), None);
    for now_ms in 11..20 {
        assert_eq!(phy.poll(&mut bus, now_ms), Ok(None));
    }
    bus.phy(AT).plug(true);
    assert_eq!(phy.poll(&mut bus, 20), Ok(Some(LinkChange::Up(GIGABIT))));
    assert_eq!(phy.poll(&mut bus, 21), Ok(None));
}

#[test]
fn a_bounce_between_two_polls_is_not_missed() {
    let (mut phy, mut bus) = up();
    bus.phy(AT).restart();
    bus.phy(AT).regs[10] = 0;
    assert_eq!(phy.poll(&mut bus, 1), Ok(Some(LinkChange::Down)));
    let link = "100/full/rx+tx".parse().unwrap();
    assert_eq!(phy.poll(&mut bus, 2), Ok(Some(LinkChange::Up(link))));

    // Nor when a tool's reading has cleared the latch meanwhile.
    bus.phy(AT).restart();
    assert_eq!(phy.status(&mut bus).unwrap().link, Some(link));
    assert_eq!(phy.poll(&mut bus, 3), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.poll(&mut bus, 4), Ok(Some(LinkChange::Up(link))));

    // Nor when a refused request has.
    bus.phy(AT).restart();
    let nothing = Advertisement { modes: Modes::empty(), pause: Pause::NONE };
    assert!(phy.autonegotiate(&mut bus, nothing).is_err());
    assert_eq!(phy.poll(&mut bus, 5), Ok(Some(LinkChange::Down)));
}

#[test]
fn a_new_negotiation_ends_the_old_link() {
    let (mut phy, mut bus) = up();
    phy.autonegotiate(&mut bus, everything()).unwrap();
    phy.autonegotiate(&mut bus, everything()).unwrap();
    assert_eq!(phy.link(), None);
    assert_eq!(phy.poll(&mut bus, 1), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.poll(&mut bus, 2), Ok(Some(LinkChange::Up(GIGABIT))));
    phy.reset(&mut bus, &mut FakeDelay::default()).unwrap();
    assert_eq!(phy.poll(&mut bus, 3), Ok(Some(LinkChange::Down)));
}

#[test]
fn a_negotiation_without_result_is_told_once_and_goes_on() {
    // The clock wraps on the way.
    let start = u32::MAX - 1000;
    let fake = FakePhy { cable: false, negotiation_reads: 4, ..FakePhy::gigabit() };
    let (mut phy, mut bus) = negotiating(fake);
    for after_ms in [0, 1000, 2000, 4999] {
        assert_eq!(phy.poll(&mut bus, start.wrapping_add(after_ms)), Ok(None));
    }
    let change = phy.poll(&mut bus, start.wrapping_add(5000));
    assert_eq!(change, Ok(Some(LinkChange::NegotiationTimeout)));
    assert_eq!(phy.poll(&mut bus, start.wrapping_add(20_000)), Ok(None));
    bus.phy(AT).plug(true);
    assert_eq!(phy.poll(&mut bus, start.wrapping_add(30_000)), Ok(None));
    assert_eq!(phy.poll(&mut bus, start.wrapping_add(30_100)), Ok(None));
    let change = phy.poll(&mut bus, start.wrapping_add(30_200));
    assert_eq!(change, Ok(Some(LinkChange::Up(GIGABIT))));

    // A loss starts the time anew.
    bus.phy(AT).plug(false);
    assert_eq!(phy.poll(&mut bus, 100_000), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.poll(&mut bus, 104_999), Ok(None));
    assert_eq!(phy.poll(&mut bus, 105_000), Ok(Some(LinkChange::NegotiationTimeout)));
    // So does a new negotiation.
    phy.autonegotiate(&mut bus, everything()).unwrap();
    assert_eq!(phy.poll(&mut bus, 200_000), Ok(None));
    assert_eq!(phy.poll(&mut bus, 205_000), Ok(Some(LinkChange::NegotiationTimeout)));
}

#[test]
fn a_link_bit_without_complete_negotiation_is_no_link() {
    let (mut phy, mut bus) = negotiating(FakePhy { negotiation_reads: 100, ..FakePhy::gigabit() });
    bus.phy(AT).regs[1] |= 0x0004;
    assert_eq!(phy.poll(&mut bus, 0), Ok(None));
    assert_eq!(phy.status(&mut bus).unwrap().link, None);
}

#[test]
fn a_forced_link_is_what_was_forced() {
    for (text, bmcr) in
        [("100/full/tx", 0x2100), ("100/half", 0x2000), ("10/full", 0x0100), ("10/half", 0)]
    {
        let link: Link = text.parse().unwrap();
        let mut fake = FakePhy::gigabit();
        fake.regs[0] = 0x1940;
        let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, fake));
        assert_eq!(phy.force(&mut bus, link), Ok(()));
        assert_eq!(bus.phy(AT).regs[0], bmcr, "{text}");
        assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(link))));
        assert!(!phy.status(&mut bus).unwrap().negotiating);
    }
    // Nothing negotiates here, so nothing times out.
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    phy.force(&mut bus, "10/full".parse().unwrap()).unwrap();
    bus.phy(AT).plug(false);
    assert_eq!(phy.poll(&mut bus, 0), Ok(None));
    assert_eq!(phy.poll(&mut bus, 60_000), Ok(None));
}

#[test]
fn forced_gigabit_is_negotiated_alone() {
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    let link = "1000/full".parse().unwrap();
    assert_eq!(phy.force(&mut bus, link), Ok(()));
    assert_eq!(bus.writes, [(AT, 4, 0x0001), (AT, 9, 0x0200), (AT, 0, 0x1200)]);
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(link))));
}

#[test]
fn a_mode_that_cannot_be_forced_is_refused_untouched() {
    let mut bus = FakeBus::with(AT, FakePhy::gigabit());
    bus.phy(AT).regs[1] = 0x4009; // 100 full only.
    let mut phy = Phy::new(AT);
    for text in ["1000/full", "100/half", "10/full"] {
        let link = text.parse().unwrap();
        let unsupported = Err(PhyError::Unsupported { phy: AT, link });
        assert_eq!(phy.force(&mut bus, link), unsupported);
    }
    bus.phy(AT).regs[1] = 0x4001; // Nor does it negotiate.
    let link: Link = "1000/full".parse().unwrap();
    assert_eq!(phy.force(&mut bus, link), Err(PhyError::Unsupported { phy: AT, link }));
    let half = Link::new(Speed::Mbps1000, Duplex::Half);
    assert_eq!(phy.force(&mut bus, half), Err(PhyError::Link(LinkError::HalfGigabit)));
    bus.phy(AT).mute = true;
    assert_eq!(phy.force(&mut bus, "100/full".parse().unwrap()), Err(PhyError::Absent { phy: AT }));
    assert!(bus.writes.is_empty());
}

#[test]
fn a_running_phy_is_taken_over_without_a_write() {
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    bus.phy(AT).regs[4] |= 0x0400;
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(GIGABIT))));

    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    bus.phy(AT).regs[0] = 0x2100;
    let link = "100/full".parse().unwrap();
    assert_eq!(phy.poll(&mut bus, 0), Ok(Some(LinkChange::Up(link))));
    assert!(bus.writes.is_empty());
}

#[test]
fn a_phy_that_vanishes_is_a_loss_and_then_an_error() {
    let (mut phy, mut bus) = up();
    bus.phy(AT).mute = true;
    assert_eq!(phy.poll(&mut bus, 1), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.poll(&mut bus, 2), Err(PhyError::Absent { phy: AT }));
    assert_eq!(phy.status(&mut bus), Err(PhyError::Absent { phy: AT }));
    bus.phy(AT).mute = false;
    assert_eq!(phy.poll(&mut bus, 3), Ok(Some(LinkChange::Up(GIGABIT))));
    // A line that is stuck low is no PHY either.
    *bus.phy(AT) = FakePhy { regs: [0; 32], cable: false, ..FakePhy::gigabit() };
    assert_eq!(phy.poll(&mut bus, 4), Ok(Some(LinkChange::Down)));
    assert_eq!(phy.poll(&mut bus, 5), Err(PhyError::Absent { phy: AT }));
}

#[test]
fn a_reserved_speed_is_an_error_and_no_panic() {
    let (mut phy, mut bus) = (Phy::new(AT), FakeBus::with(AT, FakePhy::gigabit()));
    bus.phy(AT).regs[0] = 0x2140;
    assert_eq!(phy.poll(&mut bus, 0), Err(PhyError::ReservedSpeed { phy: AT }));
    assert_eq!(phy.status(&mut bus), Err(PhyError::ReservedSpeed { phy: AT }));
    // While it negotiates the speed bits mean nothing.
    bus.phy(AT).regs[0] = 0x3140;
    assert!(matches!(phy.poll(&mut bus, 1), Ok(Some(LinkChange::Up(_)))));
}

#[test]
fn a_time_out_of_the_bus_changes_nothing() {
    let (mut phy, mut bus) = up();
    bus.accesses_left = Some(0);
    let timeout = PhyError::Mdio(MdioError::Timeout { phy: AT, reg: 1 });
    assert_eq!(phy.poll(&mut bus, 1), Err(timeout));
    assert_eq!(phy.link(), Some(GIGABIT));
    bus.accesses_left = None;
    assert_eq!(phy.poll(&mut bus, 2), Ok(None));

    // Whichever access fails, the link comes up when the bus is back.
    let (mut phy, mut bus) = negotiating(FakePhy::gigabit());
    for accesses in 0.. {
        bus.accesses_left = Some(accesses);
        match phy.poll(&mut bus, 3) {
            Err(error) => assert!(matches!(error, PhyError::Mdio(MdioError::Timeout { .. }))),
            Ok(change) => {
                assert_eq!((change, accesses), (Some(LinkChange::Up(GIGABIT)), 7));
                break;
            }
        }
    }
}

#[test]
fn a_status_tells_it_all() {
    let (mut phy, mut bus) = up();
    let status = phy.status(&mut bus).unwrap();
    assert_eq!(status.id, PhyId(0x0141_0CC2));
    assert_eq!((status.control, status.status), (0x1000, 0x792D));
    assert!(status.negotiating && status.complete);
    assert_eq!(status.capable, Modes::all());
    assert_eq!(status.link, Some(GIGABIT));
    let modes = "1000/full 100/full 100/half 10/full 10/half pause";
    assert_eq!(status.advertised.to_string(), modes);
    assert_eq!(status.partner.modes, Modes::all());

    // A PHY with basic registers only, without a cable and without a name.
    let mut fake = FakePhy { cable: false, ..FakePhy::gigabit() };
    fake.regs[1] = 0x7800;
    fake.regs[2..].fill(0xFFFF);
    bus.phys[usize::from(AT)] = Some(fake);
    let status = phy.status(&mut bus).unwrap();
    assert_eq!((status.id, status.link), (PhyId(0), None));
    assert_eq!(status.advertised, Abilities::default());
}

#[test]
fn a_fixed_link_is_told_once() {
    let link = "1000/full".parse().unwrap();
    let mut fixed = FixedLink::new(link, Interface::Gmii).unwrap();
    assert_eq!(fixed.poll(), Some(LinkChange::Up(link)));
    assert_eq!((fixed.poll(), fixed.link()), (None, link));
    let refused = LinkError::Interface { interface: Interface::Mii, speed: Speed::Mbps1000 };
    assert_eq!(FixedLink::new(link, Interface::Mii).unwrap_err(), refused);
}

#[test]
fn messages_name_the_phy_and_a_cure() {
    use core::error::Error;
    let link = "100/half".parse().unwrap();
    for (error, words) in [
        (PhyError::Absent { phy: 9 }, ["address 9", "fixed link"]),
        (PhyError::ResetTimeout { phy: 9 }, ["PHY 9", "500 ms"]),
        (PhyError::CannotNegotiate { phy: 9 }, ["PHY 9", "force"]),
        (PhyError::NothingToAdvertise { phy: 9 }, ["PHY 9", "allow more"]),
        (PhyError::Unsupported { phy: 9, link }, ["PHY 9 cannot do 100/half", "choose"]),
        (PhyError::ReservedSpeed { phy: 9 }, ["PHY 9", "reset"]),
        (PhyError::Mdio(MdioError::Timeout { phy: 9, reg: 1 }), ["PHY 9", "reset"]),
        (PhyError::Link(LinkError::HalfGigabit), ["half duplex", "1000/full"]),
    ] {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert_eq!(
            error.source().is_some(),
            matches!(error, PhyError::Mdio(_) | PhyError::Link(_)),
            "{text}"
        );
    }
    assert_eq!(LinkChange::Up(GIGABIT).to_string(), "link up, 1000/full/rx+tx");
    assert_eq!(LinkChange::Down.to_string(), "link down");
    assert!(LinkChange::NegotiationTimeout.to_string().contains("cable"));
}

#[test]
fn a_phy_that_somebody_else_has_set_shows_another_setting() {
    let (mut phy, mut bus) = up();
    let told = phy.setting(&mut bus).unwrap().unwrap();
    // What negotiation leaves in it is no setting of anybody's.
    for (reg, bits) in [(0, 0x2000), (0, 0x0200), (4, 0x4000), (9, 0x8000)] {
        bus.phy(AT).regs[reg] ^= bits;
        assert_eq!(phy.setting(&mut bus), Ok(Some(told)), "register {reg}, {bits:#06x}");
    }
    for (reg, bits) in
        [(0, 0x1000), (0, 0x0800), (0, 0x0400), (4, 0x0400), (4, 0x0100), (9, 0x0200)]
    {
        bus.phy(AT).regs[reg] ^= bits;
        assert_ne!(phy.setting(&mut bus), Ok(Some(told)), "register {reg}, {bits:#06x}");
        bus.phy(AT).regs[reg] ^= bits;
    }
    assert_eq!(phy.setting(&mut bus), Ok(Some(told)));
    // Where nothing is negotiated, speed and duplex are.
    phy.force(&mut bus, "100/full".parse().unwrap()).unwrap();
    let told = phy.setting(&mut bus).unwrap().unwrap();
    bus.phy(AT).regs[0] ^= 0x0100;
    assert_ne!(phy.setting(&mut bus), Ok(Some(told)));
    bus.phy(AT).resetting = 1;
    assert_eq!(phy.setting(&mut bus), Ok(None), "while it resets itself");
    bus.phys[usize::from(AT)] = None;
    assert_eq!(phy.setting(&mut bus), Ok(None), "nobody answers");
}

#[test]
fn a_loss_that_only_a_look_at_the_setting_has_seen_is_told() {
    let (mut phy, mut bus) = up();
    bus.phy(AT).restart();
    phy.setting(&mut bus).unwrap();
    assert_eq!(phy.poll(&mut bus, 1), Ok(Some(LinkChange::Down)));
}

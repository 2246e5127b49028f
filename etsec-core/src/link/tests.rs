//! Links as text, as register fields, and what is refused.

use std::string::{String, ToString};

use super::*;

const DUPLEXES: [Duplex; 2] = [Duplex::Half, Duplex::Full];
const SPEEDS: [Speed; 3] = [Speed::Mbps10, Speed::Mbps100, Speed::Mbps1000];
const BOOLS: [bool; 2] = [false, true];

fn every_link() -> impl Iterator<Item = Link> {
    SPEEDS.into_iter().flat_map(|speed| {
        DUPLEXES.into_iter().flat_map(move |duplex| {
            BOOLS.into_iter().flat_map(move |rx| {
                BOOLS.into_iter().map(move |tx| Link { speed, duplex, pause: Pause { rx, tx } })
            })
        })
    })
}

#[test]
fn a_link_reads_back_what_it_displays() {
    for link in every_link() {
        let parsed: Result<Link, _> = link.to_string().parse();
        assert_eq!(parsed, link.check().map(|()| link), "{link}");
    }
    assert_eq!(Link::new(Speed::Mbps1000, Duplex::Full).to_string(), "1000/full");
    let flow = Link::new(Speed::Mbps100, Duplex::Full).with_pause(Pause::BOTH);
    assert_eq!(flow.to_string(), "100/full/rx+tx");
    assert_eq!("100/full/none".parse(), Ok(Link::new(Speed::Mbps100, Duplex::Full)));
}

#[test]
fn bad_text_names_its_bad_part() {
    for (text, error) in [
        ("", LinkError::Syntax),
        ("1000", LinkError::Syntax),
        ("1000full", LinkError::Syntax),
        ("2500/full", LinkError::UnknownSpeed),
        (" 100/full", LinkError::UnknownSpeed),
        ("+10/full", LinkError::UnknownSpeed),
        ("100/", LinkError::UnknownDuplex),
        ("100/Full", LinkError::UnknownDuplex),
        ("100/full/", LinkError::UnknownPause),
        ("100/full/rx/tx", LinkError::UnknownPause),
        ("1000/half", LinkError::HalfGigabit),
    ] {
        assert_eq!(text.parse::<Link>(), Err(error), "{text:?}");
    }
    assert_eq!("xgmii".parse::<Interface>(), Err(LinkError::UnknownInterface));
}

#[test]
fn errors_say_what_to_do() {
    let carries = LinkError::Interface { interface: Interface::Rmii, speed: Speed::Mbps1000 };
    assert_eq!(
        carries.to_string(),
        "the rmii interface cannot carry 1000 Mb/s; choose 100 Mb/s or another interface"
    );
    for (error, cure) in [
        (LinkError::HalfGigabit, "1000/full"),
        (LinkError::Syntax, "SPEED/DUPLEX"),
        (LinkError::UnknownSpeed, "10, 100 or 1000"),
        (LinkError::UnknownDuplex, "half or full"),
        (LinkError::UnknownPause, "rx+tx"),
        (LinkError::UnknownInterface, "sgmii"),
    ] {
        assert!(error.to_string().contains(cure), "{error}");
    }
}

/// HW 8.8: the table of speeds, on registers that have everything else set.
#[test]
fn registers_follow_speed_and_duplex() {
    for (speed, if_mode, r100m) in
        [(Speed::Mbps1000, 0x200, 0), (Speed::Mbps100, 0x100, 0x8), (Speed::Mbps10, 0x100, 0)]
    {
        for (duplex, full) in [(Duplex::Half, 0), (Duplex::Full, 1)] {
            let link = Link::new(speed, duplex);
            assert_eq!(link.maccfg2().modify(0), if_mode | full);
            assert_eq!(link.maccfg2().modify(u32::MAX), 0xFFFF_FCFE | if_mode | full);
            assert_eq!(link.ecntrl().modify(0), r100m);
            assert_eq!(link.ecntrl().modify(u32::MAX), 0xFFFF_FFF7 | r100m);
        }
    }
}

/// HW 8.8: Tx_Flow and Rx_Flow, and only in full duplex.
#[test]
fn flow_control_needs_full_duplex() {
    for link in every_link() {
        let full = link.duplex == Duplex::Full;
        let rx_flow = if full && link.pause.rx { 0x20 } else { 0 };
        let tx_flow = if full && link.pause.tx { 0x10 } else { 0 };
        assert_eq!(link.maccfg1().modify(0), rx_flow | tx_flow, "{link}");
        assert_eq!(link.maccfg1().modify(u32::MAX), 0xFFFF_FFCF | rx_flow | tx_flow, "{link}");
    }
}

/// HW 8.10: every combination of the four bits against the table.
#[test]
fn pause_is_resolved_by_the_table() {
    let mut outcomes = String::new();
    for bits in 0..16u8 {
        let ability = |shift: u8| PauseAbility {
            symmetric: bits >> shift & 2 != 0,
            asymmetric: bits >> shift & 1 != 0,
        };
        let pause = Pause::resolve(ability(2), ability(0));
        outcomes.push_str(&std::format!("{bits:04b} {pause}\n"));
        let mirrored = Pause::resolve(ability(0), ability(2));
        assert_eq!((pause.rx, pause.tx), (mirrored.tx, mirrored.rx), "{bits:04b}");
    }
    // Local PAUSE, local ASYM, partner PAUSE, partner ASYM.
    let expected = "0000 none\n0001 none\n0010 none\n0011 none\n\
                    0100 none\n0101 none\n0110 none\n0111 tx\n\
                    1000 none\n1001 none\n1010 rx+tx\n1011 rx+tx\n\
                    1100 none\n1101 rx\n1110 rx+tx\n1111 rx+tx\n";
    assert_eq!(outcomes, expected);
}

#[test]
fn a_wish_is_offered_so_that_it_can_come_true() {
    for wanted in every_link().map(|link| link.pause) {
        let offer = PauseAbility::offering(wanted);
        // The best partner for this wish is one that wants the same from the other side.
        let partner = PauseAbility::offering(Pause { rx: wanted.tx, tx: wanted.rx });
        assert_eq!(Pause::resolve(offer, partner), wanted);
    }
}

/// HW 3.3: the order of decoding, with later bits set to be ignored.
#[test]
fn straps_decode_in_order() {
    for (value, interface) in [
        (0x0000_0002, Interface::Sgmii),
        (0xFFFF_FFFF, Interface::Sgmii),
        (0x0000_0020, Interface::Tbi),
        (0x0000_0064, Interface::Tbi),
        (0x0000_0030, Interface::Rtbi),
        (0x0000_0034, Interface::Rtbi),
        (0x0000_0010, Interface::Rgmii),
        (0x0000_1058, Interface::Rgmii),
        (0x0000_0014, Interface::Rmii),
        (0x0000_0040, Interface::Gmii),
        (0x0000_1000, Interface::Gmii),
    ] {
        assert_eq!(Interface::from_ecntrl(value, true), interface, "{value:#x}");
    }
    assert_eq!(Interface::from_ecntrl(0, false), Interface::Mii);
}

#[test]
fn interfaces_read_back_and_carry_their_speeds() {
    let names = ["gmii", "mii", "rgmii", "rmii", "sgmii", "tbi", "rtbi"];
    for (name, slow, fast) in [
        (names[0], true, true),
        (names[1], true, false),
        (names[2], true, true),
        (names[3], true, false),
        (names[4], true, true),
        (names[5], false, true),
        (names[6], false, true),
    ] {
        let interface: Interface = name.parse().unwrap();
        assert_eq!(interface.to_string(), name);
        for link in every_link() {
            let refused = LinkError::Interface { interface, speed: link.speed };
            let carried = if link.speed == Speed::Mbps1000 { fast } else { slow };
            let expected = link.check().and(if carried { Ok(()) } else { Err(refused) });
            assert_eq!(interface.check(link), expected, "{name} {link}");
        }
    }
    assert_eq!("rgmii-id".parse(), Ok(Interface::Rgmii));
}

#[test]
fn the_best_mode_wins() {
    let mut modes = Modes::all();
    let mut order = String::new();
    while let Some((speed, duplex)) = modes.best() {
        order.push_str(&std::format!("{speed}/{duplex} "));
        modes.remove(Modes::of(speed, duplex));
    }
    assert_eq!(order, "1000/full 1000/half 100/full 100/half 10/full 10/half ");
    assert_eq!(Modes::empty().to_string(), "none");
    assert_eq!(std::format!("{} ", Modes::all()), order);
    assert!(!Modes::USABLE.contains(Modes::HALF_1000));
}

#[test]
fn speeds_are_megabits() {
    for speed in SPEEDS {
        assert_eq!(Speed::from_mbps(speed.mbps()), Some(speed));
        assert_eq!(speed.to_string().parse(), Ok(speed));
    }
    assert_eq!(Speed::from_mbps(0), None);
    assert!(SPEEDS.is_sorted() && DUPLEXES.is_sorted());
}

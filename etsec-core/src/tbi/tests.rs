//! The TBI against a fake bus (HW 8.9).

use super::*;
use crate::mdio::MdioError;
use crate::phy::fake::{FakeBus, FakeDelay, FakePhy};

const AT: u8 = 0x11;

/// A TBI that has not negotiated yet: it knows no speed but its own.
fn tbi() -> FakePhy {
    FakePhy { negotiation_reads: 2, ..FakePhy::gigabit() }
}

#[test]
fn sgmii_takes_three_writes_and_then_comes_up() {
    let mut bus = FakeBus::with(AT, tbi());
    bus.phy(AT).restart();
    let tbi = Tbi::new(AT);
    assert_eq!(tbi.address(), AT);
    assert_eq!(tbi.set_up_sgmii(&mut bus), Ok(SgmiiSetup::Started));
    let expected = [(AT, 0x11, 0x0020), (AT, 4, 0x01A0), (AT, 0, 0x1340)];
    assert_eq!(bus.writes, expected);
    assert_eq!(tbi.link_up(&mut bus), Ok(false));
    assert_eq!(tbi.link_up(&mut bus), Ok(true));
}

#[test]
fn a_link_that_is_up_is_left_alone() {
    let mut bus = FakeBus::with(AT, FakePhy::gigabit());
    assert_eq!(Tbi::new(AT).set_up_sgmii(&mut bus), Ok(SgmiiSetup::AlreadyUp));
    assert!(bus.writes.is_empty());
}

#[test]
fn silence_is_not_taken_for_a_link() {
    let mut bus = FakeBus::empty();
    let absent = PhyError::Absent { phy: AT };
    assert_eq!(Tbi::new(AT).set_up_sgmii(&mut bus), Err(absent));
    assert!(bus.writes.is_empty());
    assert_eq!(Tbi::new(AT).reset(&mut bus, &mut FakeDelay::default()), Err(absent));
}

#[test]
fn a_reset_is_waited_for_and_bounded() {
    let mut delay = FakeDelay::default();
    let mut bus = FakeBus::with(AT, FakePhy { reset_reads: 4, ..tbi() });
    assert_eq!(Tbi::new(AT).reset(&mut bus, &mut delay), Ok(()));
    assert_eq!((bus.writes.as_slice(), delay.ns), (&[(AT, 0, 0x8000)][..], 5_000_000));

    let mut delay = FakeDelay::default();
    let mut bus = FakeBus::with(AT, FakePhy { reset_reads: u32::MAX, ..tbi() });
    let stuck = Err(PhyError::ResetTimeout { phy: AT });
    assert_eq!(Tbi::new(AT).reset(&mut bus, &mut delay), stuck);
    assert!((500_000_000..=510_000_000).contains(&delay.ns), "{} ns", delay.ns);
}

#[test]
fn every_failing_access_is_told() {
    let mut bus = FakeBus::with(AT, tbi());
    bus.phy(AT).restart();
    for accesses in 0..5 {
        bus.accesses_left = Some(accesses);
        let result = Tbi::new(AT).set_up_sgmii(&mut bus);
        let failed = matches!(result, Err(PhyError::Mdio(MdioError::Timeout { phy: AT, .. })));
        assert!(failed, "{result:?} after {accesses} accesses");
        bus.phy(AT).restart();
    }
}

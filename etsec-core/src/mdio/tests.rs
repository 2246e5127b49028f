//! The order of register accesses (HW 8.7), and how every wait ends.

use std::cell::Cell;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::*;

/// What a register page was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write(u16, u32),
    Read(u16),
    Publish,
    Observe,
}
use Access::{Observe, Publish, Read, Write};

/// A register page that answers MIIMIND from a script, whose last answer repeats.
#[derive(Debug, Default)]
struct Page {
    indicators: RefCell<Vec<u32>>,
    data: Cell<u32>,
    log: RefCell<Vec<Access>>,
}

impl Page {
    fn new(data: u32, indicators: &[u32]) -> Self {
        let page = Page::default();
        page.data.set(data);
        page.indicators.borrow_mut().extend_from_slice(indicators);
        page
    }
}

impl Bus for Page {
    fn read(&self, at: u16) -> u32 {
        self.log.borrow_mut().push(Read(at));
        match at {
            0x534 => {
                let mut script = self.indicators.borrow_mut();
                if script.len() > 1 { script.remove(0) } else { script[0] }
            }
            0x530 => self.data.get(),
            _ => panic!("read of {at:#x}"),
        }
    }
    fn write(&self, at: u16, value: u32) {
        self.log.borrow_mut().push(Write(at, value));
    }
    fn publish(&self) {
        self.log.borrow_mut().push(Publish);
    }
    fn observe(&self) {
        self.log.borrow_mut().push(Observe);
    }
}

/// Counts the time it was asked to wait.
#[derive(Debug, Default)]
struct Clock {
    ns: u64,
}

impl DelayNs for Clock {
    fn delay_ns(&mut self, ns: u32) {
        self.ns += u64::from(ns);
    }
}

/// Runs `f` on a management interface; returns its result, the accesses and the microseconds it
/// waited.
fn run<T>(page: Page, f: impl FnOnce(&mut Mdio<&Page, &mut Clock>) -> T) -> (T, Vec<Access>, u64) {
    let mut clock = Clock::default();
    let result = f(&mut Mdio::new(&page, &mut clock));
    (result, page.log.take(), clock.ns / 1000)
}

#[test]
fn a_read_is_an_edge_a_wait_and_the_data() {
    let (value, log, us) = run(Page::new(0xBEEF, &[0x5, 0x4, 0x0]), |mdio| mdio.read(0x12, 0x03));
    assert_eq!(value, Ok(0xBEEF));
    let expected = vec![
        Write(0x528, 0x1203),
        Publish,
        Write(0x524, 0),
        Publish,
        Write(0x524, 1),
        Publish,
        Read(0x534),
        Read(0x534),
        Read(0x534),
        Observe,
        Read(0x530),
        Write(0x524, 0),
        Publish,
    ];
    assert_eq!(log, expected);
    assert_eq!(us, 20);
}

#[test]
fn a_write_is_the_data_and_a_wait() {
    // Not_Valid tells of reads only and does not hold a write up.
    let (done, log, us) = run(Page::new(0, &[0x1, 0x4]), |mdio| mdio.write(31, 31, 0xFFFF));
    assert_eq!(done, Ok(()));
    let expected = vec![
        Write(0x528, 0x1F1F),
        Publish,
        Write(0x52C, 0xFFFF),
        Publish,
        Read(0x534),
        Read(0x534),
    ];
    assert_eq!(log, expected);
    assert_eq!(us, 10);
}

#[test]
fn a_reset_ends_with_a_slow_clock_and_no_scan() {
    let (done, log, _) = run(Page::new(0, &[0x3, 0x0]), |mdio| mdio.reset());
    assert_eq!(done, Ok(()));
    let expected = vec![
        Write(0x520, 0x8000_0000),
        Publish,
        Write(0x520, 0x0000_0007),
        Publish,
        Write(0x524, 0),
        Publish,
        Read(0x534),
        Read(0x534),
    ];
    assert_eq!(log, expected);
}

#[test]
fn an_endless_wait_is_a_time_out_that_names_the_register() {
    let timeout = MdioError::Timeout { phy: 7, reg: 1 };
    let (value, log, us) = run(Page::new(0, &[0x4]), |mdio| mdio.read(7, 1));
    assert_eq!(value, Err(timeout));
    assert_eq!(us, 10_000);
    // The read cycle is taken back, and stale data is not looked at.
    assert_eq!(log[log.len() - 2..], [Write(0x524, 0), Publish]);
    assert!(!log.contains(&Read(0x530)));

    let (done, _, us) = run(Page::new(0, &[0x1]), |mdio| mdio.write(7, 1, 0));
    assert_eq!((done, us), (Err(timeout), 10_000));
    let (done, _, us) = run(Page::new(0, &[0x1]), |mdio| mdio.reset());
    assert_eq!((done, us), (Err(MdioError::ResetTimeout), 10_000));
}

#[test]
fn a_dead_page_is_gone_at_once() {
    let dead = || Page::new(u32::MAX, &[u32::MAX]);
    let (value, _, us) = run(dead(), |mdio| mdio.read(0, 0));
    assert_eq!((value, us), (Err(MdioError::Gone), 0));
    let (done, _, us) = run(dead(), |mdio| mdio.write(0, 0, 0));
    assert_eq!((done, us), (Err(MdioError::Gone), 0));
    let (done, _, us) = run(dead(), |mdio| mdio.reset());
    assert_eq!((done, us), (Err(MdioError::Gone), 0));
    // It may also die between the wait and the data.
    let (value, _, _) = run(Page::new(u32::MAX, &[0]), |mdio| mdio.read(0, 0));
    assert_eq!(value, Err(MdioError::Gone));
}

#[test]
fn an_absent_phy_is_no_error_of_the_bus() {
    let (value, _, _) = run(Page::new(0xFFFF, &[0]), |mdio| mdio.read(9, 2));
    assert_eq!(value, Ok(0xFFFF));
}

#[test]
fn an_address_beyond_31_reaches_no_register() {
    for (phy, reg) in [(32, 0), (0, 32), (255, 255)] {
        let (value, log, _) = run(Page::new(0, &[0]), |mdio| mdio.read(phy, reg));
        assert_eq!((value, log), (Err(MdioError::Address { phy, reg }), vec![]));
        let (done, log, _) = run(Page::new(0, &[0]), |mdio| mdio.write(phy, reg, 0));
        assert_eq!((done, log), (Err(MdioError::Address { phy, reg }), vec![]));
    }
}

#[test]
fn two_macs_share_one_bus() {
    let page = Page::new(0x1234, &[0]);
    let shared = RefCell::new(Mdio::new(&page, Clock::default()));
    let (mut first, mut second) = (&shared, &shared);
    assert_eq!(first.read(1, 2), Ok(0x1234));
    assert_eq!(second.write(2, 0, 0x8000), Ok(()));

    let held = shared.borrow();
    assert_eq!(first.read(1, 2), Err(MdioError::InUse { phy: 1, reg: 2 }));
    assert_eq!(second.write(3, 4, 0), Err(MdioError::InUse { phy: 3, reg: 4 }));
    drop(held);
    assert_eq!(second.read(1, 2), Ok(0x1234));
    shared.into_inner().release();
}

#[test]
fn errors_name_phy_and_register_and_a_cure() {
    for (error, text) in [
        (
            MdioError::Timeout { phy: 7, reg: 1 },
            "MDIO access to register 1 of PHY 7 did not complete; reset the management interface",
        ),
        (
            MdioError::ResetTimeout,
            "MDIO interface still busy after its reset; is the controller clocked?",
        ),
        (MdioError::Gone, "MDIO registers read all ones; is the page mapped and clocked?"),
        (
            MdioError::Address { phy: 32, reg: 2 },
            "no register 2 of PHY 32 exists; both numbers are 0 to 31",
        ),
        (
            MdioError::InUse { phy: 3, reg: 4 },
            "MDIO bus is in use, register 4 of PHY 3 not reached; try again",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// Whoever wants a bus can be given one that somebody else goes on using.
fn exchange(mut bus: impl MdioBus) -> (Result<u16, MdioError>, Result<(), MdioError>) {
    (bus.read(0x12, 0x03), bus.write(0x12, 0x03, 0xABCD))
}

#[test]
fn a_borrowed_bus_is_the_bus() {
    let direct = run(Page::new(0xBEEF, &[0x0]), |mdio| {
        (mdio.read(0x12, 0x03), mdio.write(0x12, 0x03, 0xABCD))
    });
    let borrowed = run(Page::new(0xBEEF, &[0x0]), |mdio| exchange(&mut *mdio));
    assert_eq!(direct, borrowed);
    assert_eq!(borrowed.0, (Ok(0xBEEF), Ok(())));
    // Errors come through as well.
    let gone = MdioError::Gone;
    let (result, ..) = run(Page::new(0, &[u32::MAX]), |mdio| exchange(&mut *mdio));
    assert_eq!(result, (Err(gone), Err(gone)));
}

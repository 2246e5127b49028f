//! Totals over a page of plain words whose carries clear by writing ones, and that can be changed
//! between two reads.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::string::ToString;

use super::*;
use crate::regs::catalog::{CATALOG, Entry, Reading};

/// Something that happens in the device just before the next read of a register.
type Happening = (u16, Box<dyn Fn(&Page)>);

struct Page {
    words: [Cell<u32>; 1024],
    next: RefCell<VecDeque<Happening>>,
    dead: Cell<bool>,
}

impl Page {
    fn new() -> Self {
        let words = [const { Cell::new(0) }; 1024];
        Page { words, next: RefCell::default(), dead: Cell::new(false) }
    }

    fn word(&self, at: u16) -> &Cell<u32> {
        &self.words[usize::from(at / 4)]
    }

    fn hold(&self, counter: Counter, value: u32) {
        self.word(counter.register().offset()).set(value);
    }

    /// The counter goes through zero and comes to stand at `value`.
    fn wrap(&self, counter: Counter, value: u32) {
        self.hold(counter, value);
        let (at, bit) = match counter.carry() {
            Carry::Car1(bit) => (0x730, bit.bits()),
            Carry::Car2(bit) => (0x734, bit.bits()),
        };
        self.word(at).set(self.word(at).get() | bit);
    }

    fn before_read(&self, at: u16, happens: impl Fn(&Page) + 'static) {
        self.next.borrow_mut().push_back((at, Box::new(happens)));
    }
}

impl Bus for Page {
    fn read(&self, at: u16) -> u32 {
        if self.dead.get() {
            return !0;
        }
        if self.next.borrow().front().is_some_and(|(due, _)| *due == at) {
            let happening = self.next.borrow_mut().pop_front();
            happening.into_iter().for_each(|(_, happens)| happens(self));
        }
        self.word(at).get()
    }
    fn write(&self, at: u16, value: u32) {
        let old = self.word(at).get();
        self.word(at).set(if matches!(at, 0x730 | 0x734) { old & !value } else { value });
    }
    fn publish(&self) {}
    fn observe(&self) {}
}

fn running() -> (Page, Mib) {
    let (page, mut mib) = (Page::new(), Mib::new());
    mib.reset(&page);
    (page, mib)
}

#[test]
fn reset_zeroes_and_masks() {
    let page = Page::new();
    page.wrap(Counter::TR64, 7);
    page.wrap(Counter::TFRG, 9);
    let mut mib = Mib::new();
    mib.collect(&page);
    mib.reset(&page);
    assert!(mib.iter().all(|(_, total)| total == 0));
    assert_eq!((page.read(0x680), page.read(0x72C)), (0, 0));
    assert_eq!((page.read(0x730), page.read(0x734)), (0, 0));
    assert_eq!((page.read(0x738), page.read(0x73C)), (!0, !0));
}

#[test]
fn wraps_add_the_width_of_the_counter() {
    let (page, mut mib) = running();
    for (counter, width) in
        [(Counter::RDRP, 16), (Counter::RPKT, 22), (Counter::RBYT, 32), (Counter::TNCL, 13)]
    {
        assert_eq!(counter.width(), width);
        page.hold(counter, ((1u64 << width) - 1) as u32);
        mib.collect(&page);
        assert_eq!(mib.total(counter), (1 << width) - 1);
        page.wrap(counter, 5);
        mib.collect(&page);
        assert_eq!(mib.total(counter), (1 << width) + 5);
        // The carry was taken: it does not count twice, and no other was touched.
        mib.collect(&page);
        assert_eq!(mib.total(counter), (1 << width) + 5);
        assert_eq!((page.read(0x730), page.read(0x734)), (0, 0));
    }
}

#[test]
fn a_counter_seen_wider_than_documented_has_32_bits() {
    let (page, mut mib) = running();
    page.hold(Counter::TSCL, 0x1234_5678);
    mib.collect(&page);
    page.wrap(Counter::TSCL, 1);
    mib.collect(&page);
    assert_eq!(mib.total(Counter::TSCL), (1 << 32) + 1);
    // RDRP is known to have 16.
    page.hold(Counter::RDRP, 0x1_0000);
    mib.collect(&page);
    page.wrap(Counter::RDRP, 1);
    mib.collect(&page);
    assert_eq!(mib.total(Counter::RDRP), (1 << 16) + 1);
}

#[test]
fn a_carry_between_the_two_reads_is_put_right() {
    // The counter wraps after it was read and before the carries are looked at again.
    let (page, mut mib) = running();
    page.hold(Counter::RDRP, 0xFFFF);
    page.before_read(0x730, |_| ());
    page.before_read(0x730, |page| page.wrap(Counter::RDRP, 2));
    mib.collect(&page);
    assert_eq!(mib.total(Counter::RDRP), 0x1_0002);
    assert_eq!(page.read(0x730), 0);
    assert!(page.next.borrow().is_empty());
}

#[test]
fn a_wrap_just_before_the_reading_is_put_right() {
    // The counter wraps after the carries were looked at first and before it is read itself.
    let (page, mut mib) = running();
    page.hold(Counter::TLCL, 0xFFF);
    page.before_read(0x704, |page| page.wrap(Counter::TLCL, 0));
    mib.collect(&page);
    assert_eq!(mib.total(Counter::TLCL), 0x1000);
    assert_eq!(page.read(0x734), 0);
}

#[test]
fn a_carry_that_comes_during_the_second_look_is_put_right_too() {
    let (page, mut mib) = running();
    page.hold(Counter::RDRP, 0xFFFF);
    page.hold(Counter::TDRP, 0xFFFF);
    page.before_read(0x730, |_| ());
    page.before_read(0x730, |page| page.wrap(Counter::RDRP, 1));
    page.before_read(0x6DC, |page| page.wrap(Counter::TDRP, 2));
    mib.collect(&page);
    assert!(page.next.borrow().is_empty());
    assert_eq!(mib.total(Counter::RDRP), 0x1_0001);
    assert_eq!(mib.total(Counter::TDRP), 0x1_0002);
}

#[test]
fn a_carry_behind_the_last_look_waits_for_the_next_time() {
    let (page, mut mib) = running();
    page.hold(Counter::RFCS, 0xFFFF);
    mib.collect(&page);
    page.wrap(Counter::RALN, 1);
    // RFCS wraps once the reading of CAR2 has ended the last look.
    page.before_read(0x734, |_| ());
    page.before_read(0x734, |page| page.wrap(Counter::RFCS, 3));
    mib.collect(&page);
    assert_eq!(mib.total(Counter::RFCS), 0xFFFF);
    assert_eq!(page.read(0x730), 0x0000_4000);
    mib.collect(&page);
    assert_eq!(mib.total(Counter::RFCS), 0x1_0003);
}

#[test]
fn totals_survive_rearming_and_foreign_zeroes() {
    let (page, mut mib) = running();
    page.hold(Counter::TPKT, 100);
    mib.collect(&page);
    mib.rearm(&page);
    assert_eq!(mib.total(Counter::TPKT), 100);
    page.hold(Counter::TPKT, 20);
    mib.collect(&page);
    assert_eq!(mib.total(Counter::TPKT), 120);
    page.hold(Counter::TPKT, 3); // somebody pulled CLRCNT
    mib.collect(&page);
    assert_eq!(mib.total(Counter::TPKT), 123);
}

#[test]
fn a_dead_bus_changes_nothing() {
    let (page, mut mib) = running();
    page.hold(Counter::RPKT, 11);
    mib.collect(&page);
    let before = mib.clone();
    page.dead.set(true);
    mib.collect(&page);
    assert_eq!(mib, before);
}

#[test]
fn a_bus_that_dies_in_the_middle_changes_nothing() {
    for dies_at in [Counter::TR64, Counter::TPKT, Counter::TFRG] {
        let (page, mut mib) = running();
        page.hold(Counter::TPKT, 7);
        mib.collect(&page);
        page.before_read(dies_at.register().offset(), |page| page.dead.set(true));
        mib.collect(&page);
        page.dead.set(false);
        mib.collect(&page);
        let totals: std::vec::Vec<_> = mib.iter().filter(|(_, total)| *total != 0).collect();
        assert_eq!(totals, [(Counter::TPKT, 7)], "{}", dies_at.name());
    }
}

#[test]
fn every_counter_of_the_register_map_is_here() {
    // Just the counters are registers that clear under AUTOZ.
    let counters = CATALOG.iter().filter(|entry| entry.reading == Reading::SafeWithoutAutoz);
    let mut registers: std::vec::Vec<_> =
        counters.flat_map(Entry::registers).map(|r| (r.offset(), r.to_string())).collect();
    registers.sort();
    let here =
        Counter::ALL.map(|counter| (counter.register().offset(), counter.name().to_string()));
    assert_eq!(registers, here);
}

#[test]
fn carries_are_one_bit_each_and_all_different() {
    let (mut car1, mut car2) = (0u32, 0u32);
    for counter in Counter::ALL {
        let (seen, bit) = match counter.carry() {
            Carry::Car1(bit) => (&mut car1, bit.bits()),
            Carry::Car2(bit) => (&mut car2, bit.bits()),
        };
        assert!(bit.is_power_of_two() && *seen & bit == 0, "{counter:?}");
        *seen |= bit;
    }
    assert_eq!((car1, car2), (Car1::all().bits(), Car2::all().bits()));
}

#[test]
fn every_counter_has_names_of_its_own() {
    let mut names: std::vec::Vec<_> =
        Counter::ALL.iter().flat_map(|c| [c.name(), c.rmon()]).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 2 * Counter::ALL.len());
    // The direction is that of the register: 0x69C to 0x6DC receive, 0x6E0 on transmit (HW 2.5).
    for counter in Counter::ALL {
        let at = counter.register().offset();
        let direction = match at {
            0x69C..=0x6DC | 0x740 => "rx-",
            0x6E0..=0x72C => "tx-",
            _ => "",
        };
        let given = counter.rmon().split_once('-').map_or("", |_| &counter.rmon()[..3]);
        assert!(given.is_empty() || given == direction, "{}", counter.rmon());
        // The RMON group counts either direction: its names need one here.
        let rmon = counter.rmon().contains("etherStats") && !counter.rmon().ends_with("Collisions");
        assert_eq!(rmon && !direction.is_empty(), rmon && !given.is_empty(), "{}", counter.rmon());
    }
}

//! Rules against the manual's worked examples, text against rules, and what cannot be.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::compile::{Form, compile};
use super::layout::{Live, Placed};
use super::*;
use crate::MacAddr;

fn rules(texts: &[&str]) -> Vec<Rule> {
    let parse = |text: &&str| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    texts.iter().map(parse).collect()
}

fn entries(texts: &[&str], clusters: bool) -> Vec<(u32, u32)> {
    let form = Form { clusters, room: ENTRIES, places: 0, first_map: 0 };
    let program = compile(&rules(texts), Action::to(0), form).unwrap();
    program.entries.iter().map(|entry| (entry.control, entry.property)).collect()
}

const ALL: (u32, u32) = (0x80, u32::MAX);
const DEFAULT: (u32, u32) = (0x20, 0);

#[test]
fn worked_examples_come_out() {
    // HW 6.4 B to E, with the header that a field belongs to.
    let b = [(0x80, 0x210), (0x81, 0x210), ALL, (0x80E, 5001), DEFAULT];
    assert_eq!(entries(&["ip4 udp dst-port 5001 queue 2"], true), b);
    let c = [ALL, (0x85, 0x1122), (0x106, 0x33_4455), DEFAULT];
    assert_eq!(entries(&["src-mac 00:11:22:33:44:55 drop"], true), c);
    let d = [(0x80, 0x300), (0x81, 0x200), (0x80, 0xFFFF_0000), (0x40C, 0x0A01_0000), DEFAULT];
    assert_eq!(entries(&["dst-ip 10.1.0.0/16 queue 1"], true), d);
    let e = [(0x80, 0x30), (0xC1, 0), ALL, (0xAF, 20), (0x46F, 22), DEFAULT];
    assert_eq!(entries(&["src-port 20-21 queue 1"], true), e);
    // The manual's own words: VLAN priority 1 to ring 6, TOS from 0xE0 on to queue 8.
    let words = entries(&["vlan-prio 1 queue 6", "tos 0xe0-0xff queue 8"], true);
    assert!(words.contains(&(0x1809, 1)) && words.contains(&(0x202A, 0xE0)), "{words:x?}");
    // HW 6.1: an entry without a property matches always.
    assert_eq!(entries(&["drop"], true), [(0x100, 0), DEFAULT]);
    assert_eq!(entries(&["queue 63 interrupt"], true), [(0x8000_FC00, 0), DEFAULT]);
}

#[test]
fn neighbours_share_a_guard() {
    let texts = ["tcp dst-port 80 queue 1", "tcp dst-port 443 queue 2", "tcp drop", "udp queue 3"];
    let guard = [(0x80, 0x20), (0x281, 0x20)];
    let inside = [ALL, (0x40E, 80), ALL, (0x80E, 443), (0x300, 0)];
    let behind = [(0x80, 0x10), (0xC01, 0x10), DEFAULT];
    assert_eq!(entries(&texts, true), [&guard[..], &inside, &behind].concat());
    assert_eq!(entries(&texts, false).len(), 4 + 4 + 2 + 2 + 1);
}

#[test]
fn frames_are_spread_by_the_words_that_are_known() {
    // HW 6.5: what Linux writes to add a property, and its closing entry.
    let words = entries(&["ip4 spread 0,1 by dst-ip,src-port"], true);
    let flags = [(0x80, 0x200), (0x81, 0x200), ALL];
    let hash = [(0x3_00EC, u32::MAX), (0x3_00EF, u32::MAX), (0x2_0000, u32::MAX), DEFAULT];
    assert_eq!(words, [&flags[..], &hash].concat());
    // HW 3.22: even to 0, odd to 1, as the first list of the front.
    let table = FilerTable::compile(&rules(&["spread 0,1 by src-ip"]), Action::to(0)).unwrap();
    assert_eq!(table.rir, [0x0410_4100, 0, 0, 0]);
    let three = ["spread 0 by tos", "tcp spread 1 by tos", "spread 2 by tos"];
    let three = rules(&[three[1], "udp spread 3 by tos", three[2]]);
    let error = FilerTable::compile(&three[..2], three[2].action);
    assert_eq!(error, Err(FilerError::Default(RuleError::Maps)));
    let error = FilerTable::compile(&three, Action::to(0));
    assert_eq!(error, Err(FilerError::Rule(2, RuleError::Maps)));
}

#[test]
fn bytes_share_four_places() {
    // HW 3.12: DA byte 0 is 0x48, the first byte of layer 4 is 0xC0.
    let some = rules(&["byte frame+0 1/1 drop", "byte l3+0 5 byte frame+0 2 queue 1"]);
    let table = FilerTable::compile(&some, Action::to(0)).unwrap();
    assert_eq!(table.rbifx, 0x48C0_0000);
    let read: Vec<_> = table.rules().map(Result::unwrap).collect();
    assert_eq!(read[0].to_string(), "byte frame+0 0x01/0x01 drop");
    assert_eq!(read[1].to_string(), "byte frame+0 0x02 byte l3+0 0x05 queue 1");
    let five = rules(&[
        "byte frame+0 1 byte frame+1 1 byte frame+2 1 byte frame+3 1 drop",
        "byte frame+3 1 drop",
        "byte frame+4 1 drop",
    ]);
    let error = FilerTable::compile(&five, Action::to(0));
    assert_eq!(error, Err(FilerError::Rule(2, RuleError::Places)));
}

#[test]
fn text_and_rule_are_the_same() {
    for text in [
        "ip4 tcp no-fragment vlan 5 src-ip 10.0.0.0/8 dst-ip 10.1.2.3 dst-port 80-443 queue 3",
        "no-ip4 src-mac 02:00:00:00:00:01 dst-mac 01:00:5e:00:00:00/ff:ff:ff:80:00:00 drop",
        "ethertype 0x88f7 vlan-prio 0-3 queue 63 interrupt",
        "tos 0x10/0xfc protocol 47 src-ip 10.0.3.0/255.0.255.0 queue 0",
        "dst-ip 2001:db8::/32 drop",
        "vlan 0x0/0x1 byte frame+12 0x08 byte l2+9 0x11/0xf1 byte l3+13 0x02 queue 1",
        "broadcast tag cfi jumbo arp-request arp-reply rarp-request rarp-reply drop",
        "ip-checked ip-valid l4-checked l4-valid no-parse-error no-frame-error drop",
        "no-udp length-error long-headers no-fifo drop",
        "ip6 spread 0,1,2,3,4,5,6,7 by src-ip,dst-ip,src-port,dst-port",
        "queue 5",
        "drop",
    ] {
        let rule: Rule = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rule.to_string(), text);
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
    // What is written otherwise means the same.
    for (text, normal) in [
        ("  vlan\t0x5 \n queue 0x3", "vlan 5 queue 3"),
        ("tag vlan 5-5 drop", "vlan 5 drop"),
        ("src-ip 10.1.2.3/8 ip4 no-ip6 drop", "src-ip 10.0.0.0/8 drop"),
        ("src-ip 10.1.2.3/255.0.0.0 drop", "src-ip 10.0.0.0/8 drop"),
        ("no-tcp dst-port 7 drop", "no-tcp udp dst-port 7 drop"),
        ("byte l2+1 3 byte frame+1 0x7/3 drop", "byte frame+1 0x03/0x03 byte l2+1 0x03 drop"),
        ("spread 1,2 by tos", "spread 1,2,1,2,1,2,1,2 by tos"),
    ] {
        let rule: Rule = text.parse().unwrap();
        let [shown, wanted] = [rule, normal.parse().unwrap()].map(|r: Rule| r.normal().unwrap());
        assert_eq!(shown, wanted, "{text}");
    }
    assert_eq!("drop".parse(), Ok(Action::Reject));
    assert!("tcp drop".parse::<Action>().is_err());
}

#[test]
fn errors_name_place_thing_and_range() {
    for (text, error) in [
        ("", "column 1: the rule does not say what to do"),
        ("tcp dst-port 80 ", "column 16: the rule does not say what to do"),
        ("tcp foo 1 drop", "column 5: no condition or action begins so"),
        ("tcp no-tcp drop", "column 5: this is given twice"),
        (
            "src-mac 02:00:00:00:00:01 src-mac 02:00:00:00:00:02 drop",
            "column 27: this is given twice",
        ),
        ("vlan 5 dst-port 80 vlan 6 drop", "column 20: this is given twice"),
        ("vlan 4096 drop", "column 6: vlan 4096: 0 to 4095 are possible"),
        ("vlan 5-4096 drop", "column 8: vlan 4096: 0 to 4095 are possible"),
        ("vlan-prio 8 drop", "column 11: vlan-prio 8: 0 to 7 are possible"),
        ("tos 0x100 drop", "column 5: tos 256: 0 to 255 are possible"),
        ("dst-port 99999999999 drop", "column 10: dst-port: 0 to 65535 are possible"),
        ("dst-port 443-80 drop", "column 10: dst-port 443-80: the range ends before it begins"),
        ("dst-port 0-65535 drop", "column 10: dst-port: every value would match"),
        ("dst-port -3 drop", "column 10: a number"),
        ("dst-port", "column 9: a number, or a range"),
        ("src-mac 02:00 drop", "column 9: a MAC address"),
        ("src-ip 10.0.0.256 drop", "column 8: an IP address"),
        ("src-ip 10.0.0.0/33 drop", "column 17: src-ip 33: 0 to 32 are possible"),
        ("src-ip 10.0.0.0/0 drop", "column 8: src-ip: every value would match"),
        ("dst-ip 2001:db8::1 drop", "column 8: dst-ip: a prefix of 128 bits"),
        ("dst-ip 2001:db8::/48 drop", "column 19: dst-ip: a prefix of 48 bits"),
        ("byte l4+0 1 drop", "column 6: a place, frame+N, l2+N or l3+N, is wanted here"),
        ("byte frame+56 1 drop", "column 12: byte offset 56: 0 to 55 are possible"),
        ("byte l2+0 256 drop", "column 11: byte 256: 0 to 255 are possible"),
        ("byte l2+0 1 byte l2+0 1 drop", "column 1: two conditions on the same byte"),
        ("queue 64", "column 7: queue 64: 0 to 63 are possible"),
        ("queue", "column 6: a queue from 0 to 63 is wanted here"),
        ("queue 1 interupt", "column 9: the action ends the rule"),
        ("drop tcp", "column 6: the action ends the rule"),
        ("spread 0,8 by tos", "column 10: ring 8: 0 to 7 are possible"),
        ("spread 0,1,2,3,4,5,6,7,0 by tos", "column 24: no ninth ring"),
        ("spread 0,1 of tos", "column 12: by is wanted here"),
        ("spread 0,1 by tos,tos", "column 19: this is given twice"),
        ("tcp udp drop", "column 1: tcp and udp: no frame can be both"),
        (" no-tcp no-udp dst-port 7 drop", "column 2: dst-port and none of the headers"),
        ("no-tag vlan 7 drop", "column 1: tag and no-tag: no frame can be both"),
        ("ip6 src-ip 10.0.0.1 drop", "column 1: ip6 and no-ip6: no frame can be both"),
        ("src-ip 10.0.0.1 dst-ip fe80::/16 drop", "column 1: IPv4 addresses and IPv6 addresses"),
    ] {
        let found = text.parse::<Rule>().map_err(|error| error.to_string());
        let found = found.expect_err(text);
        assert!(found.starts_with(error), "{text}: {found}");
    }
}

#[test]
fn values_out_of_range_are_named_with_their_rule() {
    let good: Rule = "tcp queue 1".parse().unwrap();
    let number = |field: Field, number| {
        let mut rule = good;
        rule.when = Match::default();
        *rule.when.number_mut(field) = Some(number);
        let error = FilerTable::compile(&[good, rule], Action::to(0)).expect_err("out of range");
        error.to_string()
    };
    let vlan = number(Field::Vlan, Number::Exactly(4096));
    assert_eq!(vlan, "rule 1: vlan 4096: 0 to 4095 are possible");
    let mask = number(Field::Priority, Number::Masked { value: 0, mask: 8 });
    assert_eq!(mask, "rule 1: vlan-prio 8: 0 to 7 are possible");
    let queue = Rule { action: Action::to(64), ..good };
    let error = FilerTable::compile(&[queue], Action::to(0)).expect_err("out of range");
    assert_eq!(error.to_string(), "rule 0: queue 64: 0 to 63 are possible");
    let error = FilerTable::compile(&[good], Action::to(64)).expect_err("out of range");
    assert_eq!(error.to_string(), "default rule: queue 64: 0 to 63 are possible");
}

fn macs(n: usize) -> Vec<Rule> {
    let source = |n: usize| MacMatch::exactly(MacAddr([2, 0, 0, 0, (n >> 8) as u8, n as u8]));
    let when = |n| Match { source: Some(source(n)), ..Match::default() };
    (0..n).map(|n| Rule { when: when(n), action: Action::Reject }).collect()
}

#[test]
fn a_table_holds_256_entries_and_says_what_does_not_fit() {
    // Three entries each, one for the default.
    let table = FilerTable::compile(&macs(85), Action::to(0)).unwrap();
    assert_eq!(table.entry(255), FilerEntry::default_to(0));
    assert_eq!(table.rules().count(), 86);
    let error = FilerTable::compile(&macs(86), Action::to(0));
    assert_eq!(error, Err(FilerError::Rule(85, RuleError::Full { before: 255, needs: 3 })));
    let error = format!("{}", error.unwrap_err());
    let wanted = "rule 85: the filer's table is full: 3 entries are needed, and 255 of 256";
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn all_that_is_put_into_a_table_is_read_back() {
    for n in [0, 1, 2, 41, 42, 43, 60, 83, 84, 85] {
        let rules = macs(n);
        let table = FilerTable::compile(&rules, Action::to(9)).unwrap();
        let mut read: Vec<_> = table.rules().map(Result::unwrap).collect();
        let default = read.pop().unwrap();
        assert_eq!(read, rules);
        assert_eq!(default, Rule { when: Match::default(), action: Action::to(9) });
    }
}

#[test]
fn a_set_beside_another_leaves_that_and_its_registers_alone() {
    for (n, m) in [(0, 0), (5, 5), (42, 5), (42, 41), (83, 0), (60, 20), (40, 43)] {
        let old = Placed::anew(&macs(n), Action::to(1)).unwrap();
        let mut table = old.table();
        let before = table.clone();
        let used = match old.live {
            Live::Front { last } => 0..=last,
            Live::Back { first } => first..=255,
            Live::Whole => unreachable!(),
        };
        let (new, guard) = Placed::beside(old.live, 0, &macs(m), Action::to(2)).expect("room");
        for (at, entry) in new.entries(old.live) {
            assert!(at != 0 && !used.contains(&at), "{n}, {m}: entry {at}");
            table.set(at as u8, entry);
            // At each moment, the rules before are those in use.
            let read = |table: &FilerTable| table.rules().collect::<Result<Vec<_>, _>>();
            assert_eq!(read(&table), read(&before), "{n}, {m}: entry {at}");
        }
        table.set(0, guard);
        assert_eq!(table.rules().count(), m + 1);
        assert_eq!(table.rules().last().unwrap().unwrap().action, Action::to(2));
    }
    let old = Placed::anew(&macs(83), Action::to(1)).unwrap();
    assert!(Placed::beside(old.live, 0, &macs(83), Action::to(2)).is_none());
    let whole = Placed::anew(&macs(85), Action::to(1)).unwrap();
    assert_eq!(whole.live, Live::Whole);
}

#[test]
fn foreign_tables_are_read_as_far_as_they_are_rules() {
    let table = |words: &[(u32, u32)]| {
        let mut table = FilerTable::new(0);
        for &(control, property) in words {
            table.push(FilerEntry { control, property }).unwrap();
        }
        table
    };
    let shown = |table: &FilerTable| -> Vec<String> {
        let show = |rule: Result<Rule, Unreadable>| match rule {
            Ok(rule) => rule.to_string(),
            Err(error) => error.to_string(),
        };
        table.rules().map(show).collect()
    };
    // HW 6.4 C and F.
    let c = table(&[(0x80, 0x00FF_FFFF), (0x85, 0x1122), (0x106, 0x33_4455)]);
    assert_eq!(shown(&c), ["src-mac 00:11:22:33:44:55 drop", "queue 0"]);
    let f = table(&[(0x28B, 6), (0x40F, 80), (0x220, 0)]);
    assert_eq!(shown(&f), ["filer entry 1: not the end of a rule that this driver writes"]);
    // A port without a header it belongs to.
    assert!(shown(&table(&[(0x80E, 80)]))[0].starts_with("filer entry 0"));
    // HW 6.6: two of the clusters that Linux begins with.
    let class = |flags| [(0x80, flags), (0x281, flags), (0x60, u32::MAX), (0x200, u32::MAX)];
    let linux = table(&[class(0x110), class(0x200)].concat());
    assert_eq!(shown(&linux), ["ip6 udp queue 0", "ip4 queue 0", "queue 0"]);
    // Fillers, then the default; a table without an end.
    assert_eq!(shown(&table(&[(0x60, u32::MAX); 4])), vec!["queue 0"]);
    let mut endless = FilerTable::new(0);
    endless.set(255, FilerEntry { control: 0x80, property: 0 });
    assert_eq!(shown(&endless).len(), 1);
}

#[test]
fn what_is_never_reached_is_kept_and_checked_all_the_same() {
    let all = rules(&["tcp queue 1", "drop", "udp queue 2", "queue 3", "spread 1 by tos"]);
    for default in ["queue 0", "drop", "spread 2,3 by vlan"] {
        let table = FilerTable::compile(&all, default.parse().unwrap()).unwrap();
        let read: Vec<_> = table.rules().map(Result::unwrap).collect();
        assert_eq!(read[..5], all);
        assert_eq!(read[5..], rules(&[default]));
    }
    let mut bad = all;
    bad[4].when.vlan = Some(Number::Exactly(5000));
    let error = FilerTable::compile(&bad, Action::to(0)).unwrap_err();
    assert_eq!(error.to_string(), "rule 4: vlan 5000: 0 to 4095 are possible");
}

#[test]
fn a_guard_without_its_own_end_is_somebody_elses() {
    let of = |entries: &[(u32, u32)]| {
        let mut table = FilerTable::new(3);
        for &(control, property) in entries {
            table.push(FilerEntry { control, property }).unwrap();
        }
        table
    };
    // Never true, and the end of its cluster is a rule; the default is what finds every frame.
    let foreign = of(&[(0x2E5, 0), (0x1A00, 0)]);
    assert_eq!(foreign.rules().next(), Some(Err(Unreadable { entry: 0 })));
    // With ours, what is behind it is told.
    let default = Rule { when: Match::default(), action: Action::to(3) };
    let own = of(&[(0x2E5, 0), (0x65, 0), (0x265, 0)]);
    assert_eq!(own.rules().collect::<Vec<_>>(), [Ok(default)]);
    // Nor are there clusters inside the front.
    let nested = of(&[(0x2A5, 0), (0x285, 5), (0x265, 0)]);
    assert_eq!(nested.rules().next(), Some(Err(Unreadable { entry: 1 })));
}

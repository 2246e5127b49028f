//! The worked examples of HW 6.4 and the rules of HW 6.1, one table each.

use super::*;
use crate::parser::parse;
use crate::parser::samples::{arp, ipv4, ipv6, tagged, tcp, udp};

/// Everything the parser can find.
const RCTRL: u32 = 0x3C0;
const DEFAULT: (u32, u32) = (0x20, 0);

fn table(rules: &[(u32, u32)]) -> [(u32, u32); ENTRIES] {
    // HW 6.4 A: the rest never matches.
    let mut table = [(0x60, 0xFFFF_FFFF); ENTRIES];
    table[..rules.len()].copy_from_slice(rules);
    table
}

#[track_caller]
fn check(rules: &[(u32, u32)], frame: &[u8], decision: Decision) {
    let verdict = search(&table(rules), &parse(frame, RCTRL), 0);
    assert_eq!(verdict.decision, decision, "{verdict:?}");
}

fn udp_to(port: u16) -> Vec<u8> {
    ipv4(17, &udp(1000, port, b"x"))
}

fn tcp_to(port: u16) -> Vec<u8> {
    ipv4(6, &tcp(40000, port, b"x"))
}

#[test]
fn a_default_files_everything() {
    check(&[DEFAULT], &arp(1), Decision::File(0));
    check(&[(0x20 | 9 << 10, 0)], &arp(1), Decision::File(9));
    check(&[(0x120, 0)], &arp(1), Decision::Reject);
    check(&[], &arp(1), Decision::NoMatch);
}

#[test]
fn b_udp_port_to_ring_2() {
    let long = [(0x80, 0x210), (0x81, 0x210), (0x80, 0xFFFF), (0x80E, 5001), DEFAULT];
    let short = [(0x8B, 17), (0x80E, 5001), DEFAULT];
    for rules in [&long[..], &short[..]] {
        check(rules, &udp_to(5001), Decision::File(2));
        check(rules, &udp_to(5002), Decision::File(0));
        check(rules, &tcp_to(5001), Decision::File(0));
        check(rules, &arp(1), Decision::File(0));
    }
}

#[test]
fn c_source_address_rejected() {
    let rules = [(0x80, 0x00FF_FFFF), (0x85, 0x1122), (0x106, 0x33_4455), DEFAULT];
    let mut frame = arp(1);
    check(&rules, &frame, Decision::File(0));
    frame[6..12].copy_from_slice(&[0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
    check(&rules, &frame, Decision::Reject);
    // The same for the destination.
    let rules = [(0x80, 0x00FF_FFFF), (0x83, 0x1122), (0x104, 0x33_4455), DEFAULT];
    check(&rules, &frame, Decision::File(0));
    frame[..6].copy_from_slice(&[0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
    check(&rules, &frame, Decision::Reject);
}

#[test]
fn d_destination_network_to_ring_1() {
    let rules = [(0x80, 0x200), (0x81, 0x200), (0x80, 0xFFFF_0000), (0x40C, 0x0A01_0000), DEFAULT];
    let mut frame = udp_to(1);
    frame[30..34].copy_from_slice(&[10, 1, 200, 3]);
    check(&rules, &frame, Decision::File(1));
    frame[31] = 2;
    check(&rules, &frame, Decision::File(0));
}

#[test]
fn e_port_range_to_ring_1() {
    let rules = [(0xAF, 20), (0x46F, 22), DEFAULT];
    for (port, queue) in [(19, 0), (20, 1), (21, 1), (22, 0)] {
        check(&rules, &ipv4(17, &udp(port, 9, b"")), Decision::File(queue));
    }
}

#[test]
fn f_cluster_for_tcp_only() {
    let rules = [(0x28B, 6), (0x40F, 80), (0x220, 0), (0x820, 0)];
    check(&rules, &ipv4(6, &tcp(80, 1, b"")), Decision::File(1));
    check(&rules, &ipv4(6, &tcp(81, 1, b"")), Decision::File(0));
    check(&rules, &ipv4(17, &udp(80, 1, b"")), Decision::File(2));
    // The manual's own encodings: VLAN priority 1 → ring 6; TOS from 0xE0 on → queue 8.
    check(&[(0x1809, 1), DEFAULT], &tagged(0x2005, &udp_to(1)), Decision::File(6));
    check(&[(0x1809, 1), DEFAULT], &tagged(0x4005, &udp_to(1)), Decision::File(0));
    let mut frame = udp_to(1);
    check(&[(0x202A, 0xE0), DEFAULT], &frame, Decision::File(0));
    frame[15] = 0xE4;
    check(&[(0x202A, 0xE0), DEFAULT], &frame, Decision::File(8));
}

#[test]
fn a_failed_guard_chain_skips_the_cluster_with_its_masks() {
    // HW 6.1: the entry before the CLE one fails, so neither the inner rule nor its mask counts.
    let rules = [(0x8B, 17), (0x280, 0xFF), (0x80, 0), (0x40E, 7), (0x220, 0), (0xC0E, 0x0150)];
    check(&rules, &tcp_to(0x0150), Decision::File(3));
    check(&rules, &udp_to(0x0150), Decision::File(1));
}

#[test]
fn a_failed_chain_loads_no_more_masks() {
    // HW 18.9: were mask 0 loaded behind the failed compare, the last rule would match port 6.
    let rules = [(0x8B, 6), (0x80, 0), (0x40E, 5), (0x80E, 5), DEFAULT];
    check(&rules, &udp_to(6), Decision::File(0));
    check(&rules, &udp_to(5), Decision::File(2));
}

#[test]
fn a_mask_entry_alone_is_a_rule() {
    // HW 6.1: a mask entry without AND and with CMP 00 or 01 files to its queue.
    check(&[(0xC00, 0xFF), DEFAULT], &arp(1), Decision::File(3));
    check(&[(0xC40, 0xFF), DEFAULT], &arp(1), Decision::File(0));
    check(&[(0xC60, 0xFF), DEFAULT], &arp(1), Decision::File(0));
    // HW 6.1: the filler that leaves the mask alone.
    check(&[(0x65, 0), DEFAULT], &arp(1), Decision::File(0));
}

#[test]
fn cmp_not_equal() {
    check(&[(0x44B, 17), DEFAULT], &udp_to(1), Decision::File(0));
    check(&[(0x44B, 17), DEFAULT], &tcp_to(1), Decision::File(1));
}

#[test]
fn the_general_purpose_interrupt_is_of_accepting_rules() {
    let frame = arp(1);
    let parsed = parse(&frame, RCTRL);
    assert!(search(&table(&[(0x8000_0020, 0)]), &parsed, 0).interrupt);
    assert!(!search(&table(&[(0x8000_0120, 0)]), &parsed, 0).interrupt);
    assert!(!search(&table(&[(0x8000_0080, 0), DEFAULT]), &parsed, 0).interrupt);
}

#[test]
fn arbitrary_bytes() {
    // HW 3.12: 0xC0C1C2C3 is the first four bytes of layer 4.
    let frame = udp_to(0x1234);
    let rules = table(&[(0x402, 0x03E8_1234), DEFAULT]);
    let verdict = search(&rules, &parse(&frame, RCTRL), 0xC0C1_C2C3);
    assert_eq!(verdict.decision, Decision::File(1));
}

#[test]
fn what_is_unknown_is_not_judged() {
    // There are four RIRn; HASHTBL could name seven.
    check(&[(0x000A_0020, 0)], &arp(1), Decision::Unjudged(Unknown::Map));
    let nested = [(0x28B, 6), (0x28B, 6), (0x220, 0), DEFAULT];
    check(&nested, &tcp_to(1), Decision::Unjudged(Unknown::NestedCluster));
    check(&nested, &udp_to(1), Decision::File(0));
}

#[test]
fn equal_properties_have_equal_hashes() {
    // HW 6.5: Linux's accumulating words, then the closing entry; RIR0, then RIR3.
    let words = [(0x0003_00EF, u32::MAX), (0x0003_00EE, u32::MAX), (0x0002_0200, u32::MAX)];
    let decision =
        |table: &[_], frame: &[u8]| search(&self::table(table), &parse(frame, RCTRL), 0).decision;
    let mut hashes = std::collections::BTreeSet::new();
    for port in 0..100 {
        let Decision::Spread { map: 0, hash } = decision(&words, &udp_to(port)) else { panic!() };
        assert_eq!(decision(&words, &udp_to(port)), Decision::Spread { map: 0, hash });
        // A rule that fails first leaves nothing in the hash.
        let after = [&[(0x0003_00EE, u32::MAX), (0x8B, 6), DEFAULT], &words[..]].concat();
        assert_eq!(decision(&after, &udp_to(port)), Decision::Spread { map: 0, hash });
        let fourth = [words[0], words[1], (0x0008_0020, 0)];
        assert_eq!(decision(&fourth, &udp_to(port)), Decision::Spread { map: 3, hash });
        hashes.insert(hash);
    }
    assert_eq!(hashes.len(), 8);
    assert_eq!(decision(&[(0x0002_0120, 0)], &arp(1)), Decision::Reject);
}

#[test]
fn bits_outside_the_mask_are_reported() {
    let frame = udp_to(5001);
    let parsed = parse(&frame, RCTRL);
    let verdict = search(&table(&[(0x80, 0xFF), (0x40E, 5001), DEFAULT]), &parsed, 0);
    assert_eq!((verdict.decision, verdict.unmasked), (Decision::File(1), Some(1)));
    let verdict = search(&table(&[(0x80, 0xFF), (0x40E, 0x89), DEFAULT]), &parsed, 0);
    assert_eq!((verdict.decision, verdict.unmasked), (Decision::File(1), None));
}

#[test]
fn linux_initial_table() {
    // HW 6.6: one cluster of four entries per class, default at 255.
    let mut rules = [(0x60, u32::MAX); ENTRIES];
    rules[255] = (0x20, u32::MAX);
    for (cluster, class) in [0x100, 0x110, 0x120, 0x200, 0x210, 0x220].into_iter().enumerate() {
        let at = 200 + 4 * cluster;
        rules[at] = (0x80, class);
        rules[at + 1] = (0x281, class);
        rules[at + 2] = (0x60, u32::MAX);
        rules[at + 3] = (0x200, u32::MAX);
    }
    let entry = |frame: &[u8]| search(&rules, &parse(frame, RCTRL), 0).entry;
    assert_eq!(entry(&udp_to(1)), 215, "the IPv4 class comes before IPv4 with UDP");
    assert_eq!(entry(&ipv4(1, b"echo")), 215);
    assert_eq!(entry(&ipv6(59, b"")), 203);
    assert_eq!(entry(&arp(1)), 255);
}

#[test]
fn any_table_and_any_frame_end_in_a_verdict() {
    let mut random = crate::random::Random::new(1);
    let frame = tagged(7, &udp_to(5001));
    let parsed = parse(&frame, RCTRL);
    for _ in 0..20_000 {
        let rules = [(); ENTRIES].map(|()| {
            let word = random.next();
            // Mostly chains and clusters, seldom hashes.
            let mask = if random.below(50) == 0 { u32::MAX } else { 0x8000_FFEF };
            (word as u32 & mask, (word >> 32) as u32 >> random.below(32))
        });
        let verdict = search(&rules, &parsed, random.next() as u32);
        if let Decision::File(queue) = verdict.decision {
            assert!(queue < 64 && rules[usize::from(verdict.entry)].0 & AND == 0);
        }
    }
}

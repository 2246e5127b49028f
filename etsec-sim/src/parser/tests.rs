//! Frames built by hand, and what the parser finds in them (HW 5.3, 6.3).

use super::samples::{arp, ipv4, ipv6, tagged, tcp, udp, v4_header, with_type};
use super::*;
use crate::random::Random;

const DEPTH_L2: u32 = 0x40;
const DEPTH_L3: u32 = 0x80;
const DEPTH_L4: u32 = 0xC0;
const CHECKED: u32 = DEPTH_L4 | RCTRL_IPCSEN | RCTRL_TUCSEN;

fn flags(frame: &[u8]) -> u32 {
    parse(frame, CHECKED).property(1, 0)
}

fn fcb_flags(frame: &[u8]) -> u16 {
    let [a, b, ..] = parse(frame, CHECKED).fcb(0);
    u16::from_be_bytes([a, b])
}

#[test]
fn tcp_over_ipv4() {
    let frame = ipv4(6, &tcp(0x1234, 80, b"hello"));
    let parsed = parse(&frame, CHECKED);
    // HW 5.3: both checksums verified and right.
    assert_eq!(parsed.fcb(0x45), [0x5C, 0x00, 0x05, 6, 0, 0, 0, 0]);
    let properties: Vec<u32> = (1..16).map(|pid| parsed.property(pid, 0)).collect();
    let expected = [
        flag::IP4 | flag::ICC | flag::ICV | flag::TCP | flag::TUC | flag::TUV,
        0,
        0x02_0000,
        0x00_0001,
        0x02_0000,
        0x00_0002,
        0x0800,
        0,
        0,
        0,
        6,
        0x0A00_0002,
        0x0A00_0001,
        80,
        0x1234,
    ];
    assert_eq!(properties, expected);
}

#[test]
fn depth_gates_the_layers() {
    let frame = tagged(0xB005, &ipv4(17, &udp(7, 9, b"x")));
    assert_eq!(parse(&frame, 0).fcb(0), [0; 8]);
    let at = |depth| {
        let parsed = parse(&frame, depth);
        let [a, b, ..] = parsed.fcb(0);
        (u16::from_be_bytes([a, b]), parsed.property(11, 0), parsed.property(14, 0))
    };
    assert_eq!(at(DEPTH_L2 | 0x300), (0x8000, 0xFF, 0));
    assert_eq!(at(DEPTH_L3 | 0x300), (0xC800, 17, 0));
    assert_eq!(at(DEPTH_L4), (0xD000, 17, 9));
    assert_eq!(at(CHECKED), (0xDC00, 17, 9));
    let parsed = parse(&frame, DEPTH_L2);
    assert_eq!(parsed.property(7, 0), 0x0800);
    assert_eq!((parsed.property(8, 0), parsed.property(9, 0)), (5, 5));
    assert_eq!(parsed.property(1, 0), flag::VLN | flag::CFI);
    assert_eq!(parsed.vlan_at(), Some(12));
    assert_eq!(parsed.fcb(0)[6..], [0xB0, 0x05]);
}

#[test]
fn wrong_checksums_are_told_apart() {
    let good = ipv4(6, &tcp(1, 2, b"data"));
    let mut bad = good.clone();
    bad[14 + 8] ^= 1;
    assert_eq!(fcb_flags(&bad), fcb::IP | fcb::TUP | fcb::CIP | fcb::EIP | fcb::CTU);
    assert_eq!(flags(&bad) & (flag::ICC | flag::ICV), flag::ICC);
    let mut bad = good;
    *bad.last_mut().unwrap() ^= 0x80;
    assert_eq!(fcb_flags(&bad), fcb::IP | fcb::TUP | fcb::CIP | fcb::CTU | fcb::ETU);
    assert_eq!(flags(&bad) & (flag::TUC | flag::TUV), flag::TUC);
}

#[test]
fn udp_without_a_checksum_and_padding_are_no_errors() {
    let mut frame = ipv4(17, &udp(1, 2, b"odd"));
    frame.resize(60, 0xEE);
    assert_eq!(fcb_flags(&frame), fcb::IP | fcb::TUP | fcb::CIP | fcb::CTU);
    frame[14 + 20 + 6..14 + 20 + 8].fill(0);
    assert_eq!(fcb_flags(&frame), fcb::IP | fcb::TUP | fcb::CIP);
}

#[test]
fn fragments_stop_the_parser() {
    let mut frame = ipv4(17, &udp(1, 2, b"x"));
    frame[14 + 6] = 0x20;
    let parsed = parse(&frame, CHECKED);
    assert_eq!(parsed.property(1, 0) & (flag::IPF | flag::UDP), flag::IPF);
    assert_eq!(parsed.property(14, 0), 0);
    assert_eq!(parsed.fcb(0)[3], 17);
    // IPv6: PRO is 0xFF for a fragment header.
    let mut fragment = vec![17, 0, 0, 1, 0, 0, 0, 9];
    fragment.extend(udp(1, 2, b"x"));
    let frame = ipv6(44, &fragment);
    let parsed = parse(&frame, CHECKED);
    assert_eq!(parsed.fcb(0)[3], 0xFF);
    assert_eq!(parsed.property(1, 0), flag::IP6 | flag::IPF);
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let mut payload = vec![60, 0, 1, 4, 0, 0, 0, 0];
    payload.extend([43, 0, 1, 4, 0, 0, 0, 0]);
    payload.extend([17, 0, 0, 0, 0, 0, 0, 0]);
    let at = payload.len();
    payload.extend(udp(7, 8, b"abc"));
    let mut frame = ipv6(0, &payload);
    let header = &mut frame[14..54];
    header[0] = 0x6E;
    header[1] = 0x40;
    let checksum = samples::checksum_v6(&frame, 54 + at);
    frame[54 + at + 6..54 + at + 8].copy_from_slice(&checksum.to_be_bytes());
    let parsed = parse(&frame, CHECKED);
    assert_eq!(parsed.fcb(0)[..4], [0x74, 0, 0, 17]);
    assert_eq!(parsed.property(10, 0), 0xE4, "traffic class");
    assert_eq!(parsed.property(12, 0), 0xFD00_0000, "first bytes of the destination");
    assert_eq!(parsed.property(15, 0), 7);
    // With segments left the final address is out of sight: not judged.
    frame[54 + 16 + 3] = 1;
    assert_eq!(fcb_flags(&frame), fcb::IP | fcb::IP6 | fcb::TUP);
    // Two route headers in a row stop the parser.
    frame[54 + 8] = 43;
    frame[54] = 43;
    let parsed = parse(&frame, CHECKED);
    assert_eq!((parsed.fcb(0)[3], parsed.property(14, 0)), (0xFF, 0));
}

#[test]
fn tunnels_are_followed_to_the_inner_ports() {
    let inner = ipv4(6, &tcp(5, 6, b"x"));
    let frame = ipv6(4, &inner[14..]);
    let parsed = parse(&frame, CHECKED);
    assert_eq!(parsed.fcb(0)[..4], [0x7C, 0, 0, 6]);
    assert_eq!(parsed.property(1, 0) & 0x320, flag::IP4 | flag::IP6 | flag::TCP);
    assert_eq!((parsed.property(14, 0), parsed.property(12, 0)), (6, 0x0A00_0002));
    let mut bad = ipv4(4, &inner[14..]);
    bad[14 + 20 + 8] ^= 1;
    assert_eq!(fcb_flags(&bad) & (fcb::CIP | fcb::EIP), fcb::CIP | fcb::EIP);
    assert_eq!(flags(&bad) & flag::ICV, 0);
}

#[test]
fn layer_2_stacks() {
    let ip = &ipv4(17, &udp(7, 9, b"x"))[14..];
    let snap = |kind: u16| {
        let [a, b] = kind.to_be_bytes();
        vec![0xAA, 0xAA, 3, 0, 0, 0, a, b]
    };
    let with = |kind, parts: &[&[u8]]| with_type(kind, &parts.concat());
    let vlan = |kind: u16| [&[0x20, 7][..], &kind.to_be_bytes()].concat();
    let pppoe = |kind: u16| [&[0x11, 0, 0, 1, 0, 50][..], &kind.to_be_bytes()].concat();
    let label = [0, 0, 0x11, 64];
    let stack = [0, 0, 0x10, 64, 0, 0, 0x21, 64];
    let cases = [
        (with(ip.len() as u16 + 8, &[&snap(0x0800), ip]), 0x0800, 0),
        (with(0x8870, &[&snap(0x0800), ip]), 0x0800, flag::JUM),
        (with(0x8847, &[&label, ip]), 0x8847, 0),
        (with(0x8848, &[&stack, ip]), 0x8848, 0),
        (with(0x8864, &[&pppoe(0x0021), ip]), 0x0021, 0),
        (with(0x8864, &[&pppoe(0x0281), &label, ip]), 0x0281, 0),
        (with(0x8100, &[&vlan(0x8864), &pppoe(0x0021), ip]), 0x0021, flag::VLN),
        (with(0x8100, &[&vlan(0x8100), &vlan(0x0800), ip]), 0x0800, flag::VLN),
        (with(0x8100, &[&vlan(0x8870), &snap(0x0800), ip]), 0x0800, flag::VLN | flag::JUM),
        (with(ip.len() as u16 + 12, &[&snap(0x8100), &vlan(0x0800), ip]), 0x0800, flag::VLN),
    ];
    for (frame, ethertype, extra) in cases {
        let parsed = parse(&frame, CHECKED);
        let context = format!("{frame:02X?}");
        assert_eq!(parsed.property(7, 0), ethertype, "{context}");
        let found = flag::IP4 | flag::ICC | flag::ICV | flag::UDP | flag::TUC | flag::TUV;
        assert_eq!(parsed.property(1, 0), found | extra, "{context}");
        assert_eq!(parsed.property(14, 0), 9, "{context}");
        // HW 3.12: the first bytes behind layer 2 and behind layer 3.
        assert_eq!(parsed.property(2, 0x80C0_C148), 0x4500_0700 | 0x02, "{context}");
    }
}

#[test]
fn the_outer_tag_counts() {
    let frame = tagged(0x2001, &tagged(0x4002, &arp(1)));
    let parsed = parse(&frame, CHECKED);
    assert_eq!((parsed.property(8, 0), parsed.property(9, 0)), (1, 1));
    assert_eq!(parsed.fcb(0)[6..], [0x20, 0x01]);
    assert_eq!(parsed.property(7, 0), 0x0806);
}

#[test]
fn arp_broadcast_and_unknown_types() {
    assert_eq!(flags(&arp(1)), flag::EBC | flag::ARQ);
    assert_eq!(flags(&arp(2)), flag::EBC | flag::AR);
    let mut frame = with_type(0x05DF, &[0; 46]);
    // HW 6.3: 1501–1535 are types; a length beyond the frame is an error.
    assert_eq!(parse(&frame, CHECKED).property(7, 0), 0x05DF);
    frame[12..14].copy_from_slice(&47u16.to_be_bytes());
    assert_eq!((flags(&frame), parse(&frame, CHECKED).property(7, 0)), (flag::LERR, 0xFFFF));
    frame[13] = 46;
    assert_eq!(flags(&frame), 0);
    let mut parsed = parse(&frame, CHECKED);
    parsed.set_framing_error();
    assert_eq!(parsed.property(1, 0), flag::EER);
}

#[test]
fn inconsistent_headers_are_parse_errors() {
    let good = ipv4(6, &tcp(1, 2, b"data"));
    type Edit = fn(&mut Vec<u8>);
    let network: [Edit; 5] =
        [|f| f[14] = 0x44, |f| f[14] = 0x65, |f| f[16] = 0xFF, |f| f[17] = 19, |f| f.truncate(30)];
    for edit in network {
        let mut frame = good.clone();
        edit(&mut frame);
        assert_eq!(fcb_flags(&frame), fcb::PERR_L3);
        assert_eq!(flags(&frame), flag::PER);
    }
    let mut frame = good;
    frame[14 + 20 + 12] = 0x40;
    assert_eq!(fcb_flags(&frame), fcb::IP | fcb::PERR_L4);
    assert_eq!(flags(&frame), flag::IP4 | flag::PER);
}

#[test]
fn the_preamble_can_be_extracted() {
    let frame = with_type(0x1234, &[0xAB; 46]);
    let parsed = parse(&frame, CHECKED);
    assert_eq!(parsed.property(2, 0x4047_4880), 0x55D5_02AB);
    assert_eq!(parsed.property(2, 0x00BF_C07F), 0xAB);
}

#[test]
fn headers_beyond_512_bytes_are_flagged() {
    let mut payload = Vec::new();
    payload.extend([17, 60, 1, 4]);
    payload.resize(488, 0);
    payload.extend(udp(1, 2, b""));
    assert_eq!(flags(&ipv6(60, &payload)) & flag::HDR_GE_512, flag::HDR_GE_512);
    assert_eq!(flags(&v4_header(9, &[0; 600])) & flag::HDR_GE_512, 0);
}

#[test]
fn no_bytes_make_it_panic() {
    let tunnel = ipv6(4, &ipv4(41, &ipv6(60, &[17, 0, 0, 0, 0, 0, 0, 0])[14..])[14..]);
    let samples = [
        ipv4(6, &tcp(1, 2, b"abc")),
        tagged(1, &ipv4(17, &udp(1, 2, b"abc"))),
        ipv6(0, &[43, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0]),
        with_type(0x8864, &[0x11, 0, 0, 1, 0, 9, 2, 0x81, 0, 0, 1, 1, 0x45]),
        tunnel,
        arp(1),
    ];
    for sample in &samples {
        for length in 0..=sample.len() {
            consume(&sample[..length], 0xC0C1_BF7F);
        }
    }
    let mut random = Random::new(7);
    for round in 0..200_000 {
        let mut frame = samples[round % samples.len()].clone();
        for _ in 0..=random.below(6) {
            let at = random.below(frame.len() as u64) as usize;
            frame[at] = random.next() as u8;
        }
        frame.truncate(random.below(frame.len() as u64 + 1) as usize);
        consume(&frame, random.next() as u32);
    }
}

fn consume(frame: &[u8], rbifx: u32) {
    for depth in [0, DEPTH_L2, DEPTH_L3, DEPTH_L4, CHECKED] {
        let parsed = parse(frame, depth);
        let fields = (0..16).fold(0, |all, pid| all ^ parsed.property(pid, rbifx));
        std::hint::black_box((fields, parsed.fcb(3), parsed.vlan_at()));
    }
}

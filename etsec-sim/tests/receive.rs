//! What the receiver does with frames and rings (HW 4.3, 4.4, 5.4, 6.2, 13.3, 18.7, 18.8).

mod rig;
use etsec_sim::{Fcs, SimConfig, Switches, WireFrame};
use rig::*;

const BABR: u32 = 0x8000_0000;
const BSY: u32 = 0x2000_0000;
const RXB: u32 = 0x8000;
const RXF: u32 = 0x80;
const FGPI: u32 = 0x10;
const FIR: u32 = 0x8;
const FIQ: u32 = 0x4;
const M: u16 = 0x100;
const LG: u16 = 0x20;
const SH: u16 = 0x08;
const CR: u16 = 0x04;
const TR: u16 = 0x01;

fn with_fcs(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.extend(fcs(data));
    bytes
}

/// Stops reception, changes RCTRL, goes on.
fn set_rctrl(rig: &Rig, value: u32) {
    rig.write(DMACTRL, 0xD3);
    rig.write(RCTRL, value);
    rig.write(DMACTRL, 0xC3);
    rig.clear_events();
}

/// Loads filer entries from 0 on, and never-matching ones behind.
fn set_filer(rig: &Rig, entries: &[(u32, u32)]) {
    for at in 0..256 {
        rig.write(0x334, at);
        let (control, property) = entries.get(at as usize).copied().unwrap_or((0x60, u32::MAX));
        rig.write(0x338, control);
        rig.write(0x33C, property);
    }
}

#[test]
fn a_frame_is_stored_with_its_fcs_and_flags() {
    let mut rig = Rig::running();
    for round in 0..3 * LEN {
        let data = frame(60 + round);
        rig.sim.receive(&data);
        assert_eq!(rig.events(), RXF);
        assert_eq!(rig.read(RSTAT), 0x80);
        rig.clear_events();
        rig.write(RSTAT, 0xFF);
        let (flags, bytes) = rig.take(0).expect("a frame");
        assert_eq!(flags & 0x8FFF, F | L);
        assert_eq!(bytes, with_fcs(&data));
        assert_eq!(rig.read(0x384), rig.low(rig.rx_bd(0, (round + 1) % LEN)));
    }
}

#[test]
fn a_short_frame_from_the_test_is_padded_by_the_sender() {
    let mut rig = Rig::running();
    rig.sim.receive(&frame(20));
    let mut data = frame(20);
    data.resize(60, 0);
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&data));
}

#[test]
fn a_long_frame_takes_several_buffers_and_tells_its_whole_length() {
    let mut rig = Rig::running();
    let data = frame(1400);
    rig.sim.receive(&data);
    assert_eq!(rig.status(rig.rx_bd(0, 0)), (F | I, BUF as u16));
    assert_eq!(rig.status(rig.rx_bd(0, 1)), (I, BUF as u16));
    assert_eq!(rig.status(rig.rx_bd(0, 2)), (I | L, 1404));
    assert_eq!(rig.events(), RXB | RXF);
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&data));
    // An FCS that spills over leaves a last descriptor of few bytes.
    rig.sim.receive(&frame(2 * BUF - 2));
    assert_eq!(rig.status(rig.rx_bd(0, 5)), (I | L, 2 * BUF as u16 + 2));
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&frame(2 * BUF - 2)));
}

#[test]
fn without_i_there_is_no_event() {
    let mut rig = Rig::running();
    rig.flags(rig.rx_bd(0, 0), E, 0);
    rig.write(MACCFG1, 0);
    rig.bus_publish();
    rig.write(MACCFG1, 5);
    rig.sim.receive(&frame(64));
    assert_eq!((rig.events(), rig.read(RSTAT)), (0, 0));
    assert_eq!(rig.status(rig.rx_bd(0, 0)), (F | L, 68));
}

#[test]
fn bsy_comes_with_the_frame_that_is_lost() {
    // HW 18.7
    let rig = Rig::running();
    for _ in 0..LEN {
        rig.sim.receive(&frame(64));
    }
    assert_eq!(rig.events() & BSY, 0);
    assert_eq!(rig.read(RSTAT) & 0x00FF_0000, 0);
    rig.sim.receive(&frame(65));
    assert_eq!(rig.events() & BSY, BSY);
    assert_eq!(rig.read(RSTAT) & 0x00FF_0000, 0x0080_0000);
    assert_eq!(rig.read(0x6DC), 1);
    assert_eq!(rig.read(0x384), rig.low(rig.rx_bd(0, 0)));
}

#[test]
fn reception_goes_on_at_the_pointer_after_a_refill() {
    let mut rig = Rig::running();
    for _ in 0..LEN + 3 {
        rig.sim.receive(&frame(64));
    }
    for _ in 0..LEN {
        rig.take(0).unwrap();
    }
    rig.sim.receive(&frame(70));
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&frame(70)));
    assert_eq!(rig.read(0x6DC), 3);
}

#[test]
fn a_frame_that_runs_out_of_descriptors_leaves_no_l() {
    let mut rig = Rig::running();
    for _ in 0..LEN - 1 {
        rig.sim.receive(&frame(64));
    }
    rig.sim.receive(&frame(600));
    assert_eq!(rig.status(rig.rx_bd(0, LEN - 1)), (F | I | W, BUF as u16));
    assert_eq!(rig.events() & BSY, BSY);
    for _ in 0..LEN - 1 {
        rig.take(0).unwrap();
    }
    assert_eq!(rig.read(0x384), rig.low(rig.rx_bd(0, 0)));
}

#[test]
fn with_prefetch_bsy_comes_one_early() {
    let switches = Switches { prefetch: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.start();
    for _ in 0..LEN - 1 {
        rig.sim.receive(&frame(64));
    }
    assert_eq!(rig.events() & BSY, 0);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.events() & BSY, BSY);
    assert_eq!(rig.read(RSTAT) & 0x0080_0000, 0x0080_0000);
    // Nothing was lost.
    assert_eq!(rig.read(0x6DC), 0);
    for _ in 0..LEN {
        assert!(rig.take(0).is_some());
    }
}

#[test]
fn long_frames_are_cut_or_flagged() {
    let mut rig = Rig::running();
    rig.write(MAXFRM, 200);
    rig.sim.receive(&frame(196));
    assert_eq!(rig.take(0).unwrap().0 & 0x3F, 0);
    assert_eq!(rig.events() & BABR, 0);
    for (cut, stored) in [(197, 200), (300, 200)] {
        rig.sim.receive(&frame(cut));
        let (flags, bytes) = rig.take(0).unwrap();
        assert_eq!(flags & 0x3F, LG | TR);
        assert_eq!(bytes, with_fcs(&frame(cut))[..stored]);
        assert_eq!(rig.events() & BABR, BABR);
        rig.clear_events();
    }
    rig.write(MACCFG2, 0x7225);
    rig.sim.receive(&frame(197));
    let (flags, bytes) = rig.take(0).unwrap();
    assert_eq!((flags & 0x3F, bytes), (LG, with_fcs(&frame(197))));
    assert_eq!(rig.events() & BABR, BABR);
}

#[test]
fn short_frames_need_rsf() {
    let mut rig = Rig::running();
    let short = WireFrame::exact(frame(40), Fcs::Right);
    rig.sim.receive_raw(short.clone());
    assert!(rig.take(0).is_none());
    set_rctrl(&rig, 4);
    rig.sim.receive_raw(short);
    let (flags, bytes) = rig.take(0).unwrap();
    assert_eq!((flags & 0x3F, bytes), (SH, with_fcs(&frame(40))));
    // Even a frame without a whole address does no harm.
    rig.sim.receive_raw(WireFrame::exact(vec![], Fcs::Right));
    rig.sim.receive_raw(WireFrame::exact(vec![0xFF; 3], Fcs::wrong(&[0xFF; 3])));
}

#[test]
fn padding_comes_with_and_without_the_parser() {
    // HW 5.4
    let mut rig = Rig::running();
    for (rctrl, head) in [(0, 0), (0x0002_0000, 2), (0x40, 8), (0x001F_00C0, 39)] {
        set_rctrl(&rig, rctrl);
        rig.sim.receive(&frame(64));
        let (_, bytes) = rig.take(0).unwrap();
        assert_eq!(bytes.len(), head + 68);
        assert_eq!(bytes[head..], with_fcs(&frame(64)));
        assert!(bytes[..head].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn the_received_preamble_can_be_delivered() {
    let mut rig = Rig::running();
    rig.write(MACCFG2, 0x7285);
    let preamble = Some([1, 2, 3, 4, 5, 6, 7, 0xD5]);
    rig.sim.receive_raw(WireFrame { preamble, ..WireFrame::good(&frame(64)) });
    let (_, bytes) = rig.take(0).unwrap();
    assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 0xD5]);
    assert_eq!(bytes[8..], with_fcs(&frame(64)));
}

#[test]
fn the_filer_chooses_the_ring() {
    let mut rig = Rig::running();
    // By the last octet of the source address (HW 6.3 PID 6), queue 13 is ring 5.
    let rules = [(0x8000_3406 | 0x20, 0x99), (0x20, 0)];
    set_filer(&rig, &rules);
    set_rctrl(&rig, 0x1000 | 0xC0);
    rig.sim.receive(&frame(64));
    let (_, bytes) = rig.take(5).expect("filed to ring 5");
    assert_eq!(bytes[2], 13);
    assert_eq!(rig.events() & FGPI, FGPI);
    assert_eq!(rig.read(RSTAT) & 0xFF, 0x80 >> 5);
    // FSQEN: ring 0, but the control block still tells.
    set_rctrl(&rig, 0x1000 | 0x800 | 0xC0);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.take(0).unwrap().1[2], 13);
}

#[test]
fn the_filer_rejects_and_fails() {
    let rig = Rig::running();
    set_rctrl(&rig, 0x1000 | 0xC0);
    set_filer(&rig, &[(0x120, 0)]);
    rig.sim.receive(&frame(64));
    assert_eq!((rig.events(), rig.read(0x740)), (0, 1));
    set_filer(&rig, &[]);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.events(), FIR | FIQ);
    rig.clear_events();
    set_filer(&rig, &[(0x20 | 3 << 10, 0)]);
    rig.write(RQUEUE, 0x80);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.events(), FIQ);
    rig.clear_events();
    // Without the filer, ring 0 may be the disabled one.
    set_rctrl(&rig, 0);
    rig.write(RQUEUE, 0);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.events(), FIQ);
}

#[test]
fn the_vlan_tag_can_be_extracted() {
    let mut rig = Rig::running();
    set_rctrl(&rig, 0x2000 | 0xC0);
    let mut tagged = frame(80);
    tagged.splice(12..12, [0x81, 0, 0x60, 0x2A]);
    rig.sim.receive(&tagged);
    let (_, bytes) = rig.take(0).unwrap();
    assert_eq!(bytes[..8], [0x80, 0, 0, bytes[3], 0, 0, 0x60, 0x2A]);
    assert_eq!(bytes[8..88], frame(80));
    // The FCS is the one that was on the wire.
    assert_eq!(bytes[88..], fcs(&tagged));
}

#[test]
fn promiscuous_frames_are_marked_missed() {
    let mut rig = Rig::running();
    let other = frame_to([2, 0, 0, 0, 0, 0x43], 64);
    rig.sim.receive(&other);
    assert!(rig.take(0).is_none());
    rig.write(RCTRL, 8);
    rig.sim.receive(&other);
    assert_eq!(rig.take(0).unwrap().0 & M, M);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.take(0).unwrap().0 & M, 0);
}

#[test]
fn nothing_arrives_at_a_mac_that_is_off() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 1);
    rig.sim.receive(&frame(64));
    rig.write(MACCFG1, 5);
    rig.sim.set_link_up(false);
    rig.sim.receive(&frame(64));
    rig.sim.receive_raw(WireFrame::good(&frame(64)));
    rig.sim.set_link_up(true);
    assert!(rig.take(0).is_none());
    assert_eq!(rig.read(0x6A0), 0);
}

#[test]
fn loopback_leads_back_what_is_sent() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0x105);
    rig.send(3, &frame(64));
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&frame(64)));
    assert_eq!(rig.sim.transmitted(), None);
    // The cable does not matter.
    rig.sim.set_link_up(false);
    rig.send(3, &frame(65));
    assert_eq!(rig.take(0).unwrap().1, with_fcs(&frame(65)));
    // A wrong FCS of the driver's own is seen.
    rig.write(MACCFG2, 0x7201);
    rig.send(3, &frame(66));
    assert_eq!(rig.take(0).unwrap().0 & 0x3F, CR);
}

#[test]
fn a_magic_packet_wakes_and_nothing_else_is_stored() {
    let rig = Rig::running();
    rig.write(MACCFG2, 0x720D);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.events(), 0);
    let mut magic = frame_to([0xFF; 6], 200);
    magic[30..36].fill(0xFF);
    for copy in 0..16 {
        magic[36 + 6 * copy..42 + 6 * copy].copy_from_slice(&STATION);
    }
    rig.sim.receive(&magic);
    assert_eq!(rig.events(), 0x800);
    assert_eq!(rig.read(MACCFG2), 0x7205);
    assert_eq!(rig.status(rig.rx_bd(0, 0)).0 & E, E);
}

#[test]
fn the_way_qemu_does_it() {
    // HW 15.3, 18.8
    let switches = Switches { qemu: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.write(RCTRL, 0x0002_0000);
    rig.start();
    rig.sim.receive(&frame(64));
    // No F, and no pad bytes without the parser.
    assert_eq!(rig.status(rig.rx_bd(0, 0)), (L | I, 68));
    rig.sim.receive(&frame(700));
    assert_eq!(rig.status(rig.rx_bd(0, 1)), (F | I, BUF as u16));
    assert_eq!(rig.status(rig.rx_bd(0, 2)), (L | I, 704 - BUF as u16));
    for _ in 3..LEN {
        rig.sim.receive(&frame(64));
    }
    // Full: no BSY, the frame is kept, the pointer has gone past the descriptor.
    rig.sim.receive(&frame(99));
    rig.sim.receive(&frame(98));
    assert_eq!(rig.events() & BSY, 0);
    assert_eq!(rig.read(RSTAT) & 0x0080_0000, 0x0080_0000);
    assert_eq!(rig.read(0x384), rig.low(rig.rx_bd(0, 1)));
    for index in 0..LEN {
        let wrap = if index == LEN - 1 { W } else { 0 };
        rig.flags(rig.rx_bd(0, index), E | I | wrap, 0);
    }
    rig.bus_publish();
    // The first write only clears the halt, the second delivers.
    rig.write(RSTAT, 0x0080_0000);
    assert_eq!(rig.status(rig.rx_bd(0, 1)).0 & E, E);
    rig.write(RSTAT, 0x0080_0000);
    assert_eq!(rig.status(rig.rx_bd(0, 1)), (L | I, 103));
}

#[test]
fn the_way_qemu_keeps_a_frame_that_is_half_stored() {
    // HW 15.3: the rest comes behind a descriptor that is passed over; four bytes come twice.
    let switches = Switches { qemu: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.start();
    for _ in 0..LEN - 1 {
        rig.sim.receive(&frame(64));
    }
    let long = frame(BUF + 100);
    rig.sim.receive(&long);
    assert_eq!(rig.status(rig.rx_bd(0, LEN - 1)), (F | W | I, BUF as u16));
    for index in 0..LEN - 1 {
        rig.flags(rig.rx_bd(0, index), E | I, 0);
    }
    rig.bus_publish();
    rig.write(RSTAT, 0x0080_0000);
    assert_eq!(rig.status(rig.rx_bd(0, 1)).0 & E, E);
    rig.write(RSTAT, 0x0080_0000);
    assert_eq!(rig.status(rig.rx_bd(0, 0)).0 & E, E);
    assert_eq!(rig.status(rig.rx_bd(0, 1)), (L | I, 108));
    assert_eq!(rig.get(rig.rx_buffer(0, 1), 104), long[BUF - 4..]);
    // And the next one is whole.
    rig.sim.receive(&frame(64));
    assert_eq!(rig.status(rig.rx_bd(0, 2)), (L | I, 68));
}

//! What the transmitter does with rings and frames (HW 3.6, 3.7, 4.2, 4.4, 5.1, 10, 18.5, 18.6).

mod rig;
use etsec_sim::{Fcs, SimConfig, Switches, WireSpeed};
use rig::*;

const TXE: u32 = 0x0040_0000;
const TXB: u32 = 0x0020_0000;
const TXF: u32 = 0x0010_0000;
const XFUN: u32 = 0x0001_0000;
const BABT: u32 = 0x0100_0000;
const UN: u16 = 0x0002;
const TOE: u16 = 0x0002;
const TR: u16 = 0x0001;
const HFE: u16 = 0x0080;
const PAD_CRC: u16 = 0x4000;
const TC: u16 = 0x0400;
const PRE: u16 = 0x0200;

#[test]
fn each_ring_sends_and_closes_its_descriptor() {
    let mut rig = Rig::running();
    for ring in 0..8 {
        for round in 0..2 * LEN {
            let data = frame(60 + ring + round);
            let index = rig.send(ring, &data);
            assert_eq!(rig.sim.transmitted(), Some(data.clone()), "ring {ring}");
            let wrap = if index == LEN - 1 { W } else { 0 };
            // R is gone; W, I, L and the length stay.
            assert_eq!(rig.status(rig.tx_bd(ring, index)), (I | L | wrap, data.len() as u16));
            assert_eq!(rig.events(), TXF);
            assert_eq!(rig.read(TSTAT) >> 8 & 0xFF, 0x80 >> ring);
            let next = rig.tx_bd(ring, (index + 1) % LEN);
            assert_eq!(rig.read(0x184 + 8 * ring as u16), rig.low(next));
            rig.write(TSTAT, 0xFF00);
            rig.clear_events();
        }
    }
}

#[test]
fn a_frame_may_have_many_descriptors() {
    let mut rig = Rig::running();
    let data = frame(300);
    let used = rig.stage(2, &data, 0, &[1, 100, 63, 0]);
    rig.kick(2);
    assert_eq!(rig.sim.transmitted(), Some(data));
    assert_eq!(rig.events(), TXB | TXF);
    for index in used {
        assert_eq!(rig.status(rig.tx_bd(2, index)).0 & R, 0);
    }
}

#[test]
fn an_idle_ring_halts_without_an_event() {
    let mut rig = Rig::running();
    rig.kick(3);
    assert_eq!(rig.read(TSTAT), 0xFF00_0000);
    assert_eq!(rig.events(), 0);
    rig.send(3, &frame(64));
    assert_eq!(rig.read(TSTAT), 0xFF00_1000);
}

#[test]
fn a_kick_is_remembered_while_the_mac_is_off() {
    // HW 18.6
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0);
    let index = rig.send(0, &frame(64));
    assert_eq!(rig.read(TSTAT) & 0x8000_0000, 0);
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, R);
    rig.write(MACCFG1, 1);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn a_disabled_ring_waits_and_single_mode_serves_ring_0_alone() {
    let mut rig = Rig::running();
    rig.write(TQUEUE, 0x8000);
    rig.send(4, &frame(64));
    assert_eq!(rig.sim.transmitted(), None);
    rig.write(TQUEUE, 0x8800);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    rig.write(TCTRL, 0);
    rig.send(4, &frame(65));
    assert_eq!(rig.sim.transmitted(), None);
    rig.send(0, &frame(66));
    assert_eq!(rig.sim.transmitted(), Some(frame(66)));
    rig.write(TCTRL, 2);
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
}

#[test]
fn priority_prefers_the_lowest_ring_after_every_frame() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0);
    for (ring, len) in [(5, 100), (5, 101), (1, 102), (7, 103), (1, 104)] {
        rig.send(ring, &frame(len));
    }
    rig.write(MACCFG1, 1);
    let order: Vec<usize> =
        core::iter::from_fn(|| rig.sim.transmitted()).map(|f| f.len()).collect();
    assert_eq!(order, [102, 104, 100, 101, 103]);
}

#[test]
fn weighted_round_robin_shares_as_the_weights_say() {
    // HW 10: W0 = 1, W1 = 3, W2 = 6 of 64 bytes, and ring 3 is blocked. Ring 0 has a turn before
    // each of the three.
    let mut rig = Rig::on_link();
    rig.write(TQUEUE, 0xF000);
    rig.write(TCTRL, 4);
    rig.write(0x140, 0x0103_0600);
    for ring in 0..4 {
        for _ in 0..4 {
            rig.send(ring, &frame(60 + ring));
        }
    }
    let mut sent = [0usize; 4];
    while sent.iter().sum::<usize>() < 1200 {
        rig.sim.advance(100);
        if let Some(data) = rig.sim.transmitted() {
            let ring = data.len() - 60;
            sent[ring] += 1;
            rig.send(ring, &data);
        }
    }
    // Ring k gets W_k of ΣW + N·W0 = 9 + 3, ring 0 gets N·W0.
    assert_eq!(sent[3], 0);
    for (ring, share) in [(0, 300usize), (1, 300), (2, 600)] {
        assert!(sent[ring].abs_diff(share) < 15, "{sent:?}");
    }
}

#[test]
fn short_frames_are_padded_and_every_frame_gets_its_fcs() {
    let mut rig = Rig::running();
    let mut expected = frame(20);
    rig.send(0, &expected);
    expected.resize(60, 0);
    let raw = rig.sim.transmitted_raw().unwrap();
    assert_eq!(raw.fcs.bytes(&raw.data), fcs(&expected));
    assert_eq!(raw.data, expected);
}

#[test]
fn padding_and_crc_by_descriptor_or_by_the_driver() {
    let mut rig = Rig::running();
    rig.write(MACCFG2, 0x7201);
    // The driver's own FCS.
    let mut data = frame(80);
    data.extend(fcs(&frame(80)));
    rig.send(0, &data);
    assert_eq!(rig.sim.transmitted(), Some(frame(80)));
    // A wrong one is dropped by the receiver of `transmitted` and seen by the raw view.
    rig.send(0, &frame(80));
    assert_eq!(rig.sim.transmitted(), None);
    rig.send(0, &frame(80));
    let raw = rig.sim.transmitted_raw().unwrap();
    assert_eq!(raw.fcs, Fcs::Given(frame(80)[76..].try_into().unwrap()));
    // TC appends without padding, PAD/CRC pads.
    rig.stage(0, &frame(30), TC, &[0]);
    rig.kick(0);
    assert_eq!(rig.sim.transmitted().unwrap().len(), 30);
    rig.stage(0, &frame(30), PAD_CRC, &[0]);
    rig.kick(0);
    assert_eq!(rig.sim.transmitted().unwrap().len(), 60);
    // CRC_EN appends to every frame.
    rig.write(MACCFG2, 0x7203);
    rig.send(0, &frame(30));
    assert_eq!(rig.sim.transmitted().unwrap().len(), 30);
}

#[test]
fn an_incomplete_chain_halts_its_ring_with_underrun() {
    // HW 18.5
    let mut rig = Rig::running();
    rig.stage(1, &frame(100), 0, &[50, 0]);
    // The second descriptor is taken back before the kick.
    rig.flags(rig.tx_bd(1, 1), I | L, 50);
    rig.bus_publish();
    rig.kick(1);
    assert_eq!(rig.events(), TXE | XFUN | TXB);
    assert_eq!(rig.status(rig.tx_bd(1, 0)).0, I | UN);
    assert_eq!(rig.read(0x18C), rig.low(rig.tx_bd(1, 1)));
    assert_eq!(rig.read(TSTAT) & 0xFF00_0000, 0xFF00_0000);
    // The others were halted for want of frames only, and go on; so does this one.
    rig.send(0, &frame(64));
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn the_scope_of_that_halt_is_a_switch() {
    for halt_all in [false, true] {
        let switches = Switches { halt_all, ..Switches::default() };
        let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
        rig.start();
        rig.write(TQUEUE, 0x4000);
        rig.write(TSTAT, 0xFF00_0000);
        rig.stage(1, &frame(100), 0, &[50, 0]);
        rig.flags(rig.tx_bd(1, 1), I | L, 50);
        rig.bus_publish();
        rig.kick(1);
        let halted = if halt_all { 0xFF00_0000 } else { 0x4000_0000 };
        assert_eq!(rig.read(TSTAT) & 0xFF00_0000, halted);
    }
}

#[test]
fn a_ready_descriptor_of_length_0_halts_all_rings_again_and_again() {
    let mut rig = Rig::running();
    rig.write(TQUEUE, 0x8000);
    rig.write(TSTAT, 0xFF00_0000);
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, rig.low(rig.tx_buffer(0, 0)));
    rig.bus_publish();
    rig.flags(at, R | L | I, 0);
    rig.bus_publish();
    for _ in 0..2 {
        rig.clear_events();
        rig.write(TSTAT, 0xFF00_0000);
        assert_eq!(rig.events(), TXE);
        assert_eq!(rig.read(TSTAT), 0xFF00_0000);
        assert_eq!(rig.status(at).0, R | L | I);
    }
    let found = rig.sim.violations();
    assert!(found.iter().all(|v| v.what == etsec_sim::Breach::EmptyBuffer), "{found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn frames_at_the_limit_are_babble() {
    let mut rig = Rig::running();
    rig.write(MAXFRM, 200);
    rig.send(0, &frame(195));
    assert_eq!(rig.events() & BABT, 0);
    let at = rig.send(0, &frame(196));
    assert_eq!(rig.events() & BABT, BABT);
    assert_eq!(rig.status(rig.tx_bd(0, at)).0 & TR, TR);
    // No halt: the next one goes.
    rig.clear_events();
    rig.stage(0, &frame(300), HFE, &[0]);
    rig.kick(0);
    rig.write(MACCFG2, 0x7225);
    rig.send(0, &frame(301));
    assert_eq!(rig.events(), TXF);
    rig.write(MACCFG2, 0x7205);
    rig.send(0, &frame(302));
    let lens: Vec<usize> =
        core::iter::from_fn(|| rig.sim.transmitted_raw()).map(|f| f.wire_len()).collect();
    assert_eq!(lens, [199, 200, 304, 305, 200]);
}

#[test]
fn a_control_block_is_obeyed_and_not_sent() {
    let mut rig = Rig::running();
    rig.write(TCTRL, 0x7002);
    let mut with_fcb = vec![0x80, 0, 0, 0, 0, 0, 0x20, 0x07];
    with_fcb.extend(frame(70));
    let at = rig.stage(0, &with_fcb, TOE, &[0])[0];
    rig.kick(0);
    let sent = rig.sim.transmitted().unwrap();
    assert_eq!(sent[12..16], [0x81, 0x00, 0x20, 0x07]);
    assert_eq!(sent[16..], frame(70)[12..]);
    // TOE is gone, so the bit can be read as UN.
    assert_eq!(rig.status(rig.tx_bd(0, at)).0, I | L);
    // The block alone in the first buffer (erratum eTSEC12).
    rig.stage(0, &with_fcb, TOE, &[8, 0]);
    rig.kick(0);
    assert_eq!(rig.sim.transmitted().unwrap(), sent);
}

#[test]
fn toe_may_stay() {
    let switches = Switches { toe_stays: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.start();
    let mut with_fcb = vec![0; 8];
    with_fcb.extend(frame(70));
    rig.stage(0, &with_fcb, TOE, &[0]);
    rig.kick(0);
    assert_eq!(rig.status(rig.tx_bd(0, 0)).0, I | L | UN);
}

#[test]
fn a_preamble_of_the_drivers_own() {
    let mut rig = Rig::running();
    rig.write(MACCFG2, 0x7245);
    let mut data = vec![1, 2, 3, 4, 5, 6, 7, 0xD5];
    data.extend(frame(64));
    rig.stage(0, &data, PRE, &[0]);
    rig.kick(0);
    let raw = rig.sim.transmitted_raw().unwrap();
    assert_eq!(raw.preamble, Some([1, 2, 3, 4, 5, 6, 7, 0xD5]));
    assert_eq!(raw.data, frame(64));
}

#[test]
fn frames_take_their_time_on_the_link() {
    for (mode, r100m, ns) in [(0x200, 0, 672), (0x100, 8, 6720), (0x100, 0, 67200)] {
        let mut rig = Rig::on_link();
        rig.write(MACCFG2, 0x7005 | mode);
        rig.write(ECNTRL, 0x1000 | r100m);
        let first = rig.send(0, &frame(60));
        let second = rig.send(0, &frame(60));
        rig.sim.advance(ns - 1);
        assert_eq!(rig.sim.transmitted(), None);
        assert_eq!(rig.status(rig.tx_bd(0, first)).0 & R, R);
        rig.sim.advance(1);
        assert_eq!(rig.sim.transmitted(), Some(frame(60)));
        assert_eq!(rig.status(rig.tx_bd(0, first)).0 & R, 0);
        assert_eq!(rig.status(rig.tx_bd(0, second)).0 & R, R);
        rig.sim.advance(10 * ns);
        assert_eq!(rig.sim.transmitted(), Some(frame(60)));
        assert_eq!(rig.sim.now_ns(), 11 * ns);
    }
}

#[test]
fn ring_0_is_polled_with_wop_off_and_on_demand() {
    let mut rig = Rig::stopped(SimConfig { wire: WireSpeed::Instant, ..SimConfig::default() });
    rig.start();
    rig.write(TCTRL, 0);
    rig.stage(0, &frame(64), 0, &[0]);
    rig.sim.advance(100_000);
    assert_eq!(rig.sim.transmitted(), None);
    // TOD
    rig.write(DMACTRL, 0xC7);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    // WOP = 0
    rig.write(DMACTRL, 0xC2);
    rig.stage(0, &frame(65), 0, &[0]);
    rig.sim.advance(5000);
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
}

#[test]
fn a_pulled_cable_swallows_frames() {
    let mut rig = Rig::running();
    rig.sim.set_link_up(false);
    let index = rig.send(0, &frame(64));
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, 0);
    assert_eq!(rig.sim.transmitted(), None);
    rig.sim.set_link_up(true);
    rig.send(0, &frame(65));
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
}

#[test]
fn rings_and_buffers_may_lie_above_4_gib() {
    let sim = etsec_sim::Sim::default();
    let mut region = sim.region_at(bus_addr(0x3_0000_0000), 4096);
    use etsec_core::Bus;
    let bus = sim.bus();
    sim.store(&mut region, 0x800, &frame(64));
    for (i, word) in [0xB800_0040_u32, 0x800].into_iter().enumerate() {
        sim.store(&mut region, 4 * i, &word.to_be_bytes());
    }
    bus.publish();
    bus.write(0x180, 3);
    bus.write(0x200, 3);
    bus.write(0x204, 0);
    bus.write(MACCFG2, 0x7205);
    bus.write(DMACTRL, 0xC3);
    bus.write(MACCFG1, 1);
    assert_eq!(sim.transmitted(), Some(frame(64)));
}

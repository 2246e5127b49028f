//! Interrupt lines, graceful stop, soft reset, enables, pause (HW 8.2–8.4, 9.1, 11.1, 18.3, 18.4,
//! 18.10).

mod rig;
use etsec_sim::{Breach, Line, SimConfig, Switches, WireSpeed};
use rig::*;

const GRSC: u32 = 0x100;
const GTSC: u32 = 0x0200_0000;
const RXC: u32 = 0x4000_0000;
const TXC: u32 = 0x0080_0000;
const RFC_PAUSE: u32 = 0x10;

#[test]
fn each_event_drives_its_line_while_it_is_set_and_enabled() {
    let mut rig = Rig::running();
    rig.send(0, &frame(64));
    let lines = |rig: &Rig| [Line::Tx, Line::Rx, Line::Err].map(|line| rig.sim.line(line));
    assert_eq!(lines(&rig), [false; 3]);
    rig.write(IMASK, 0xFFFF_FFFF);
    assert_eq!(lines(&rig), [true, false, false]);
    rig.sim.receive(&frame(64));
    assert_eq!(lines(&rig), [true, true, false]);
    rig.write(DMACTRL, 0xDB);
    assert_eq!(lines(&rig), [true, true, true]);
    // Clearing one class leaves the others.
    rig.write(IEVENT, 0x0030_0000);
    assert_eq!(lines(&rig), [false, true, true]);
    rig.write(IMASK, 0x80);
    assert_eq!(lines(&rig), [false, true, false]);
    rig.write(IEVENT, 0x8080);
    assert_eq!(lines(&rig), [false; 3]);
    assert_eq!(rig.events(), GRSC | GTSC);
}

#[test]
fn a_stop_completes_once_for_each_edge() {
    let rig = Rig::running();
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GRSC | GTSC);
    rig.clear_events();
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), 0);
    rig.write(DMACTRL, 0xC3);
    rig.write(DMACTRL, 0xD3);
    assert_eq!(rig.events(), GRSC);
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GRSC | GTSC);
    // Also with the MAC off.
    rig.write(MACCFG1, 0);
    rig.write(DMACTRL, 0xC3);
    rig.clear_events();
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GRSC | GTSC);
}

#[test]
fn stopped_frames_wait_and_arriving_ones_are_dropped() {
    let mut rig = Rig::running();
    rig.write(DMACTRL, 0xDB);
    rig.clear_events();
    let index = rig.send(0, &frame(64));
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, R);
    assert_eq!(rig.read(TSTAT) & 0x8000_0000, 0);
    rig.sim.receive(&frame(64));
    assert!(rig.take(0).is_none());
    assert_eq!(rig.read(0x6DC), 1);
    rig.write(DMACTRL, 0xC3);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    rig.sim.receive(&frame(65));
    assert!(rig.take(0).is_some());
}

#[test]
fn a_stop_waits_for_the_frame_on_the_wire() {
    let mut rig = Rig::on_link();
    rig.send(0, &frame(60));
    rig.send(0, &frame(61));
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GRSC);
    rig.sim.advance(671);
    assert_eq!(rig.events() & GTSC, 0);
    rig.sim.advance(1);
    assert_eq!(rig.events() & GTSC, GTSC);
    rig.sim.advance(100_000);
    assert_eq!(rig.sim.transmitted(), Some(frame(60)));
    assert_eq!(rig.sim.transmitted(), None);
    rig.write(DMACTRL, 0xC3);
    rig.sim.advance(1000);
    assert_eq!(rig.sim.transmitted(), Some(frame(61)));
}

#[test]
fn with_a002_grsc_never_comes() {
    let switches = Switches { a002: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.start();
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GTSC);
    // The receiver is idle all the same (HW 14).
    let state = rig.read(0xD1C) & 0x7F80_7F80;
    assert_eq!(state & 0xFFFF, state >> 16);
}

#[test]
fn soft_reset_resets_the_mac_and_spares_the_rings() {
    let mut rig = Rig::running();
    rig.send(0, &frame(64));
    rig.sim.transmitted();
    rig.write(DMACTRL, 0xDB);
    rig.write(RCTRL, 0x14);
    rig.write(MACCFG1, 0);
    let pointer = rig.read(0x184);
    rig.write(MACCFG1, 0x8000_0005);
    for (at, value) in [(MACCFG2, 0x7000), (MAXFRM, 0x600), (0x540, 0), (0x544, 0)] {
        assert_eq!(rig.read(at), value);
        // Held in reset, it takes nothing.
        rig.write(at, 0x1111_1111);
        assert_eq!(rig.read(at), value);
    }
    assert_eq!((rig.read(RCTRL), rig.read(TCTRL), rig.read(0x184)), (0x14, 2, pointer));
    assert_eq!(rig.read(0x6E4), 1);
    // The enables given in reset have no effect.
    rig.sim.advance(1000);
    assert_eq!(rig.read(MACCFG1), 0x8000_0005);
    rig.write(MACCFG1, 0);
    rig.write(MACCFG2, 0x7205);
    rig.write(DMACTRL, 0xC3);
    rig.write(MACCFG1, 5);
    rig.send(0, &frame(65));
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
}

#[test]
fn a_frame_on_the_wire_dies_in_a_reset_and_its_descriptor_lives() {
    let mut rig = Rig::on_link();
    let index = rig.send(0, &frame(64));
    rig.sim.advance(100);
    rig.write(MACCFG1, 0x8000_0000);
    rig.sim.advance(10_000);
    assert_eq!(rig.sim.transmitted(), None);
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, R);
    rig.write(MACCFG1, 0);
    rig.write(MACCFG2, 0x7205);
    rig.write(MACCFG1, 5);
    rig.sim.advance(10_000);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn the_sync_bits_follow_the_enables() {
    let rig = Rig::stopped(SimConfig::default());
    rig.write(MACCFG1, 5);
    assert_eq!(rig.read(MACCFG1), 5);
    rig.sim.advance(1000);
    assert_eq!(rig.read(MACCFG1), 0xF);
    rig.write(MACCFG1, 0xF & !1);
    assert_eq!(rig.read(MACCFG1), 0xC);
}

#[test]
fn without_an_interface_mode_there_is_no_clock() {
    let mut rig = Rig::stopped(SimConfig::default());
    rig.write(MACCFG2, 0x7005);
    rig.start();
    rig.send(0, &frame(64));
    assert_eq!(rig.sim.transmitted(), None);
    assert_eq!(rig.sim.violations()[0].what, Breach::NoInterfaceMode);
    rig.write(MACCFG2, 0x7105);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

/// A pause frame of so many quanta.
fn pause(da: [u8; 6], quanta: u16) -> Vec<u8> {
    let mut data = frame_to(da, 60);
    data[12..16].copy_from_slice(&[0x88, 0x08, 0, 1]);
    data[16..18].copy_from_slice(&quanta.to_be_bytes());
    data[18..].fill(0);
    data
}

const PAUSE_DA: [u8; 6] = [0x01, 0x80, 0xC2, 0, 0, 1];

#[test]
fn a_pause_frame_keeps_data_back_for_its_time() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0x25);
    for da in [PAUSE_DA, STATION] {
        rig.sim.receive(&pause(da, 10));
        assert_eq!(rig.events(), RXC);
        rig.clear_events();
        assert_eq!(rig.read(TCTRL), 2 | RFC_PAUSE);
        rig.send(0, &frame(64));
        // 10 quanta of 512 ns.
        rig.sim.advance(5119);
        assert_eq!(rig.sim.transmitted(), None);
        rig.sim.advance(1);
        assert_eq!(rig.sim.transmitted(), Some(frame(64)));
        assert_eq!(rig.read(TCTRL), 2);
        rig.clear_events();
    }
    // Consumed: none of them is in the ring.
    assert!(rig.take(0).is_none());
}

#[test]
fn a_new_pause_replaces_the_old_and_0_ends_it() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0x25);
    rig.sim.receive(&pause(PAUSE_DA, 0xFFFF));
    rig.send(0, &frame(64));
    rig.sim.receive(&pause(PAUSE_DA, 2));
    rig.sim.advance(1024);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    rig.sim.receive(&pause(PAUSE_DA, 0xFFFF));
    rig.send(0, &frame(65));
    rig.sim.receive(&pause(PAUSE_DA, 0));
    rig.sim.advance(0);
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
}

#[test]
fn control_frames_go_out_while_paused_and_a_stop_waits() {
    let mut rig = Rig::running();
    rig.write(MACCFG1, 0x35);
    rig.sim.receive(&pause(PAUSE_DA, 100));
    rig.send(0, &frame(64));
    rig.stage(1, &frame(65), 0x40, &[0]);
    rig.kick(1);
    assert_eq!(rig.sim.transmitted(), Some(frame(65)));
    rig.write(0x028, 0x0000_1234);
    rig.write(TCTRL, 0xA);
    assert!(rig.sim.transmitted().is_some());
    rig.clear_events();
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), GRSC);
    rig.sim.advance(51_200);
    assert_eq!(rig.events(), GRSC | GTSC);
    assert_eq!(rig.sim.transmitted(), None);
}

#[test]
fn pause_frames_are_data_without_rx_flow_or_in_half_duplex() {
    let mut rig = Rig::running();
    rig.write(RCTRL, 8);
    for (one, two) in [(5, 0x7205), (0x25, 0x7104)] {
        rig.write(MACCFG1, one);
        rig.write(MACCFG2, two);
        rig.sim.receive(&pause(PAUSE_DA, 10));
        assert_eq!(rig.read(TCTRL), 2);
        assert!(rig.take(0).is_some());
    }
}

#[test]
fn tfc_pause_sends_one_pause_frame() {
    let rig = Rig::running();
    rig.write(0x028, 0x0007_1234);
    rig.write(TCTRL, 0xA);
    assert_eq!(rig.sim.transmitted(), None);
    rig.write(MACCFG1, 0x15);
    rig.write(TCTRL, 0xA);
    let sent = rig.sim.transmitted().unwrap();
    let mut expected = pause(PAUSE_DA, 0x1234);
    expected[6..12].copy_from_slice(&STATION);
    expected[18..20].copy_from_slice(&[0, 7]);
    assert_eq!(sent, expected);
    assert_eq!((rig.events(), rig.read(TCTRL)), (TXC, 2));
    assert_eq!((rig.read(0x6F0), rig.read(0x720)), (1, 1));
    assert_eq!(rig.sim.transmitted(), None);
}

#[test]
fn a_pause_frame_waits_for_the_current_frame() {
    let mut rig = Rig::stopped(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    rig.start();
    rig.write(MACCFG1, 0x15);
    rig.send(0, &frame(60));
    rig.send(0, &frame(61));
    rig.write(TCTRL, 0xA);
    assert_eq!(rig.read(TCTRL), 0xA);
    rig.sim.advance(672 * 2);
    assert_eq!(rig.read(TCTRL), 2);
    assert_eq!(rig.sim.transmitted(), Some(frame(60)));
    assert_eq!(rig.sim.transmitted().unwrap()[..6], PAUSE_DA);
}

//! Time stamps on received and sent frames (HW 12.3, 12.4).

mod rig;
use etsec_sim::{Breach, Fault, SimConfig, WireSpeed};
use rig::*;

const TMR_CTRL: u16 = 0xE00;
const TOE: u16 = 0x0002;
/// Period 8 ns, system clock, enabled, stamps into memory.
const RUN: u32 = 8 << 16 | 0x8000 | 5;
/// TS, PAL 10, parser to layer 4.
const STAMPING: u32 = 0x010A_00C0;

/// A running rig with the parser's padding, its timer ticking, frames taking their time.
fn running(rctrl: u32) -> Rig {
    let mut rig = Rig::stopped(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    rig.write(0xE20, 0xC000_000D);
    rig.write(TMR_CTRL, RUN);
    rig.write(RCTRL, rctrl);
    rig.start();
    rig.sim.advance(1_000_003);
    rig
}

fn now(rig: &Rig) -> u64 {
    let low = rig.read(0xE1C);
    u64::from(rig.read(0xE18)) << 32 | u64::from(low)
}

fn word(rig: &Rig, high: u16) -> u64 {
    u64::from(rig.read(high)) << 32 | u64::from(rig.read(high + 4))
}

fn breaches(rig: &Rig) -> Vec<Breach> {
    rig.sim.violations().into_iter().map(|violation| violation.what).collect()
}

/// A control block that asks for a stamp, and a frame.
fn asking(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut bytes = vec![0, 1, 0, 0, 0, 0, high, low];
    bytes.extend(frame(300));
    bytes
}

/// The eight bytes where a stamp goes that belongs to descriptor `index` of ring 0.
fn stamp_of(rig: &Rig, index: usize) -> u64 {
    let bytes = rig.get(rig.tx_buffer(0, index) + 16, 8);
    u64::from_be_bytes(bytes.try_into().unwrap())
}

#[test]
fn received_frames_carry_the_time_at_which_they_began() {
    let mut rig = running(STAMPING);
    for len in [60, 400] {
        let began = now(&rig);
        // Preamble and gap are 20 bytes more, the FCS 4; 8 ns each.
        rig.sim.advance((len as u64 + 24) * 8);
        rig.sim.receive(&frame(len));
        let (_, bytes) = rig.take(0).unwrap();
        let stamp = u64::from_be_bytes(bytes[8..16].try_into().unwrap());
        assert!(stamp.abs_diff(began) <= 8, "{stamp} {began}");
        assert_eq!(bytes[16..18], [0, 0], "the rest of the padding");
        assert_eq!(bytes[18..18 + len], frame(len));
        assert_eq!(word(&rig, 0x4C0), stamp);
    }
}

#[test]
fn without_ts_nothing_is_stamped() {
    let mut rig = running(STAMPING & !0x0100_0000);
    rig.sim.receive(&frame(60));
    assert_eq!(rig.take(0).unwrap().1[8..18], [0; 10]);
    assert_eq!(word(&rig, 0x4C0), 0);
}

#[test]
fn receive_stamps_without_room_or_timer_are_the_drivers_mistake() {
    for rctrl in [0x0107_00C0, 0x010A_0000] {
        let rig = running(rctrl);
        rig.sim.receive(&frame(60));
        assert_eq!(breaches(&rig), [Breach::BadStamping]);
    }
    let rig = running(STAMPING);
    rig.write(TMR_CTRL, RUN & !4);
    rig.sim.receive(&frame(60));
    assert_eq!(breaches(&rig), [Breach::BadStamping]);
}

#[test]
fn a_sent_frame_s_stamp_is_in_memory_and_in_the_registers() {
    let mut rig = running(0);
    for round in 0..3u16 {
        let index = rig.stage(0, &asking(0x1230 + round), TOE, &[8, 0])[0];
        let began = now(&rig);
        rig.kick(0);
        assert_ne!(stamp_of(&rig, index), began, "not before it has left");
        rig.sim.advance(10_000);
        assert_eq!(rig.sim.transmitted(), Some(frame(300)));
        assert_eq!(stamp_of(&rig, index), began);
        // The two sets take turns, and each has its event.
        let set = round % 2;
        assert_eq!(word(&rig, 0x2C0 + 8 * set), began);
        assert_eq!(rig.read(0x280 + 4 * set), u32::from(0x1230 + round));
        assert_eq!(rig.read(0xE0C), 0x100 << set);
        rig.write(0xE0C, 0x301);
    }
}

#[test]
fn only_the_registers_are_stamped_without_rtpe_or_a_second_descriptor() {
    let mut rig = running(0);
    rig.write(TMR_CTRL, RUN & !0x8000);
    let index = rig.stage(0, &asking(1), TOE, &[8, 0])[0];
    let before = stamp_of(&rig, index);
    rig.kick(0);
    rig.sim.advance(10_000);
    assert_eq!((stamp_of(&rig, index), rig.read(0x280)), (before, 1));
    rig.write(TMR_CTRL, RUN);
    rig.stage(0, &asking(2), TOE, &[0]);
    rig.kick(0);
    rig.sim.advance(10_000);
    assert_eq!(rig.sim.transmitted(), Some(frame(300)));
    assert_eq!(rig.sim.transmitted(), Some(frame(300)));
    assert_eq!(rig.read(0x284), 2);
}

#[test]
fn a_frame_that_fails_has_the_stamp_0() {
    let mut rig = running(0);
    rig.sim.inject(Fault::LateCollision);
    let index = rig.stage(0, &asking(7), TOE, &[8, 0])[0];
    rig.kick(0);
    rig.sim.advance(10_000);
    assert_eq!((stamp_of(&rig, index), rig.read(0x280), rig.read(0xE0C)), (0, 0, 0));
}

#[test]
fn transmit_stamps_in_a_wrong_place_are_the_drivers_mistake() {
    // A first descriptor with more than the control block.
    let mut rig = running(0);
    rig.stage(0, &asking(1), TOE, &[40, 0]);
    rig.kick(0);
    rig.sim.advance(10_000);
    assert!(breaches(&rig).contains(&Breach::BadStamping));
    // A second one that does not start the transmission: FIFO_TX_THR is 128 words.
    let mut rig = running(0);
    rig.stage(0, &asking(1), TOE, &[8, 100, 0]);
    rig.kick(0);
    rig.sim.advance(10_000);
    assert_eq!(breaches(&rig), [Breach::BadStamping]);
    // With the timer off.
    let mut rig = running(0);
    rig.write(TMR_CTRL, RUN & !4);
    rig.stage(0, &asking(1), TOE, &[8, 0]);
    rig.kick(0);
    rig.sim.advance(10_000);
    assert_eq!(breaches(&rig), [Breach::BadStamping]);
}

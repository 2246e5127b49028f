//! Counters, carries and MSRO (HW 3.24, 13.1, 13.2, 18.12).

mod rig;
use etsec_sim::{Fcs, WireFrame};
use rig::*;

const CAR1: u16 = 0x730;
const CAR2: u16 = 0x734;
const CAM1: u16 = 0x738;
const CAM2: u16 = 0x73C;
const MSRO: u32 = 0x0400_0000;

/// Counters that are not 0, by name, since the last call.
fn counted(rig: &Rig) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for at in (0x680..=0x72C).step_by(4).chain([0x740]) {
        let value = rig.read(at);
        if value != 0 {
            found.push((etsec_sim::table::name(at).unwrap(), value));
            rig.write(at, 0);
        }
    }
    found
}

fn check(rig: &Rig, expected: &[(&str, u32)]) {
    let expected: Vec<_> = expected.iter().map(|(name, n)| ((*name).to_string(), *n)).collect();
    assert_eq!(counted(rig), expected);
}

fn tagged(len: usize) -> Vec<u8> {
    let mut data = frame(len);
    data[12..14].copy_from_slice(&[0x81, 0]);
    data
}

fn bad(data: Vec<u8>) -> WireFrame {
    let fcs = Fcs::wrong(&data);
    WireFrame::exact(data, fcs)
}

#[test]
fn received_frames_by_length() {
    let rig = Rig::running();
    // Nowhere to go: what is counted is counted by the MAC.
    rig.write(RQUEUE, 0);
    for (len, name) in [
        (64, "TR64"),
        (65, "TR127"),
        (127, "TR127"),
        (128, "TR255"),
        (255, "TR255"),
        (256, "TR511"),
        (511, "TR511"),
        (512, "TR1K"),
        (1023, "TR1K"),
        (1024, "TRMAX"),
        (1518, "TRMAX"),
    ] {
        rig.sim.receive(&frame(len - 4));
        check(&rig, &[(name, 1), ("RBYT", len as u32), ("RPKT", 1)]);
    }
}

#[test]
fn received_frames_by_kind() {
    let rig = Rig::running();
    rig.write(MAXFRM, 9600);
    rig.write(RQUEUE, 0);
    rig.sim.receive(&tagged(1518));
    check(&rig, &[("TRMGV", 1), ("RBYT", 1522), ("RPKT", 1)]);
    rig.sim.receive(&frame(1515));
    check(&rig, &[("RBYT", 1519), ("RPKT", 1), ("ROVR", 1)]);
    rig.sim.receive(&tagged(1519));
    check(&rig, &[("RBYT", 1523), ("RPKT", 1), ("ROVR", 1)]);
    rig.sim.receive_raw(bad(frame(1600)));
    check(&rig, &[("RBYT", 1604), ("RPKT", 1), ("RJBR", 1)]);
    rig.sim.receive_raw(WireFrame::exact(frame(40), Fcs::Right));
    check(&rig, &[("RBYT", 44), ("RPKT", 1), ("RUND", 1)]);
    rig.sim.receive_raw(bad(frame(40)));
    check(&rig, &[("RBYT", 44), ("RPKT", 1), ("RFRG", 1)]);
    rig.sim.receive_raw(bad(frame(60)));
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RFCS", 1)]);
    rig.sim.receive_raw(WireFrame { dribble: true, ..bad(frame(60)) });
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RALN", 1)]);
    rig.sim.receive(&frame_to([0xFF; 6], 60));
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RBCA", 1)]);
    rig.sim.receive(&frame_to([1, 2, 3, 4, 5, 6], 60));
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RMCA", 1)]);
    let mut length = frame(100);
    length[12..14].copy_from_slice(&[0, 87]);
    rig.sim.receive(&length);
    check(&rig, &[("TR127", 1), ("RBYT", 104), ("RPKT", 1), ("RFLR", 1)]);
    rig.sim.receive_raw(WireFrame { symbol_error: true, ..bad(frame(60)) });
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RFCS", 1), ("RCDE", 1)]);
}

#[test]
fn control_frames() {
    let rig = Rig::running();
    rig.write(RQUEUE, 0);
    let mut control = frame(60);
    control[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 0]);
    rig.sim.receive(&control);
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RXCF", 1), ("RXPF", 1)]);
    control[15] = 9;
    rig.sim.receive(&control);
    check(&rig, &[("TR64", 1), ("RBYT", 64), ("RPKT", 1), ("RXCF", 1), ("RXUO", 1)]);
}

#[test]
fn sent_frames() {
    let mut rig = Rig::running();
    rig.write(MAXFRM, 9600);
    rig.send(0, &frame(60));
    check(&rig, &[("TR64", 1), ("TBYT", 64), ("TPKT", 1)]);
    rig.send(0, &frame_to([0xFF; 6], 100));
    check(&rig, &[("TR127", 1), ("TBYT", 104), ("TPKT", 1), ("TBCA", 1)]);
    rig.send(0, &frame_to([1, 2, 3, 4, 5, 6], 100));
    check(&rig, &[("TR127", 1), ("TBYT", 104), ("TPKT", 1), ("TMCA", 1)]);
    let long = frame(1600);
    rig.stage(0, &long, 0, &[500, 500, 500, 0]);
    rig.kick(0);
    check(&rig, &[("TBYT", 1604), ("TPKT", 1), ("TOVR", 1)]);
    // The driver's own FCS, wrong or on a short frame.
    rig.write(MACCFG2, 0x7201);
    rig.send(0, &frame(100));
    check(&rig, &[("TR127", 1), ("TBYT", 100), ("TPKT", 1), ("TFCS", 1)]);
    rig.send(0, &frame(40));
    check(&rig, &[("TBYT", 40), ("TPKT", 1), ("TFRG", 1)]);
    let mut short = frame(40);
    short.extend(fcs(&frame(40)));
    rig.send(0, &short);
    check(&rig, &[("TBYT", 44), ("TPKT", 1), ("TUND", 1)]);
    rig.stage(0, &long, 0, &[500, 500, 500, 0]);
    rig.kick(0);
    check(&rig, &[("TBYT", 1600), ("TPKT", 1), ("TJBR", 1)]);
}

#[test]
fn nothing_counts_without_sten() {
    let mut rig = Rig::running();
    rig.write(ECNTRL, 0);
    rig.sim.receive(&frame(60));
    rig.send(0, &frame(60));
    check(&rig, &[]);
}

#[test]
fn wraps_set_the_carry_and_msro_when_unmasked() {
    let rig = Rig::running();
    // RPKT is 32 bits wide, RDRP 16.
    rig.write(0x6A0, 0xFFFF_FFFF);
    rig.sim.receive(&frame(60));
    assert_eq!(rig.read(0x6A0), 0);
    assert_eq!(rig.read(CAR1), 0x8000);
    assert_eq!(rig.events() & MSRO, 0);
    // Unmasking raises it, clearing the carry allows the next.
    rig.write(CAM1, 0xFE03_7FFF);
    assert_eq!(rig.events() & MSRO, MSRO);
    rig.clear_events();
    rig.write(CAM1, 0xFE03_7FFF);
    assert_eq!(rig.events() & MSRO, 0);
    rig.write(CAR1, 0x8000);
    assert_eq!(rig.read(CAR1), 0);
    rig.write(0x6A0, 0xFFFF_FFFF);
    rig.sim.receive(&frame(60));
    assert_eq!(rig.events() & MSRO, MSRO);
}

#[test]
fn rdrp_is_16_bits_wide() {
    let rig = Rig::running();
    rig.write(0x6DC, 0x1_FFFF);
    assert_eq!(rig.read(0x6DC), 0xFFFF);
    rig.write(DMACTRL, 0xD3);
    rig.sim.receive(&frame(60));
    assert_eq!(rig.read(0x6DC), 0);
    assert_eq!(rig.read(CAR1), 1);
}

#[test]
fn transmit_carries_are_in_the_second_register() {
    let mut rig = Rig::running();
    rig.write(CAM2, 0);
    rig.write(0x6E4, 0xFFFF_FFFF);
    rig.send(0, &frame(60));
    assert_eq!(rig.read(CAR2), 0x1000);
    assert_eq!(rig.events() & MSRO, MSRO);
}

#[test]
fn autoz_clears_on_read_and_clrcnt_clears_all() {
    let rig = Rig::running();
    rig.sim.receive(&frame(60));
    assert_eq!((rig.read(0x6A0), rig.read(0x6A0)), (1, 1));
    rig.write(ECNTRL, 0x3000);
    assert_eq!((rig.read(0x6A0), rig.read(0x6A0)), (1, 0));
    rig.write(ECNTRL, 0x1000);
    rig.write(0x680, 0xFFFF_FFFF);
    rig.sim.receive(&frame(60));
    assert_ne!(rig.read(CAR1), 0);
    rig.write(ECNTRL, 0x5000);
    check(&rig, &[]);
    assert_eq!(rig.read(CAR1), 0);
    assert_eq!(rig.read(ECNTRL), 0x1050);
}

//! Is QEMU's eTSEC reached as a device is: registers, memory, wire and lines? And does it end when
//! it is to, and is it told when it ends otherwise?
//!
//! QEMU must be there.

use std::process::Command;
use std::time::{Duration, Instant};

use etsec_core::{Bus, Region};
use etsec_sim::Line;
use etsec_sim::qemu::{Qemu, QemuError};

fn machine() -> Qemu {
    Qemu::start().unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn registers_are_those_of_an_etsec_after_power_on() {
    let qemu = machine();
    let bus = qemu.bus();
    assert_eq!((bus.read(0x000), bus.read(0x508)), (0x0124_0000, 0x4060_5060));
    bus.write(0x510, 1000);
    assert_eq!(bus.read(0x510), 1000);
    // Beyond the page wraps into it, as on a mapped page.
    assert_eq!(bus.read(0x1510), 1000);
    assert!(qemu.is_alive() && qemu.error().is_none());
}

#[test]
fn a_frame_leaves_from_memory_that_is_shared() {
    let qemu = machine();
    let mut region = qemu.region(4096).expect("memory");
    let (bus, at) = (qemu.bus(), region.bus().low());
    qemu.store(&mut region, 1024, &[0x5A; 60]);
    // R, W, I and L: HW 4.2.
    let descriptor = [0xB800_003Cu32, at + 1024].map(u32::to_be_bytes).concat();
    qemu.store(&mut region, 0, &descriptor);
    bus.write(0x204, at);
    bus.write(0x500, 1);
    bus.publish();
    assert_eq!(qemu.transmitted(), None);
    bus.write(0x104, 0x8000_0000);
    assert_eq!(qemu.transmitted(), Some(vec![0x5A; 60]));
    let mut control = [0; 4];
    qemu.load(&region, 0, &mut control);
    assert_eq!(u32::from_be_bytes(control) & 0x8000_0000, 0);
}

#[test]
fn lines_follow_events_and_masks() {
    let qemu = machine();
    let bus = qemu.bus();
    assert!(!qemu.line(Line::Err));
    // GRSC, by a stop of an idle receiver (HW 15.3).
    bus.write(0x014, 0x100);
    bus.write(0x02C, 0x11);
    assert!(qemu.line(Line::Err) && !qemu.line(Line::Rx) && !qemu.line(Line::Tx));
    bus.write(0x02C, 0x01);
    bus.write(0x010, 0x100);
    assert!(!qemu.line(Line::Err));
}

#[test]
fn frames_to_a_receiver_that_is_off_are_taken_all_the_same() {
    let qemu = machine();
    for _ in 0..40 {
        assert!(qemu.receive(&[0xFF; 60]));
    }
    assert!(qemu.settle());
}

#[test]
fn memory_comes_to_an_end() {
    let qemu = machine();
    let all = qemu.region(15 << 20).expect("all of it");
    assert_eq!(all.bus().raw(), 1 << 20);
    let why = qemu.region(1).expect_err("none is left");
    assert_eq!(why.to_string(), "the machine's memory is used up");
}

#[test]
fn two_machines_know_nothing_of_each_other() {
    let (one, two) = (machine(), machine());
    one.bus().write(0x510, 1000);
    assert_eq!((one.bus().read(0x510), two.bus().read(0x510)), (1000, 1536));
}

/// Whether a process is there, or has ended and waits to be asked how.
fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_machine_that_is_ended_leaves_no_process_and_no_device() {
    let qemu = machine();
    let (bus, id) = (qemu.bus(), qemu.process_id().expect("a process"));
    assert!(runs(id));
    qemu.end();
    assert!(!runs(id));
    assert_eq!(bus.read(0x000), u32::MAX);
    bus.write(0x510, 1);
    assert!(!qemu.is_alive() && !qemu.settle() && !qemu.line(Line::Tx));
    assert!(qemu.error().is_none() && qemu.process_id().is_none());
}

#[test]
fn the_last_handle_ends_the_machine() {
    let qemu = machine();
    let (bus, id) = (qemu.bus(), qemu.process_id().expect("a process"));
    drop(qemu);
    assert_eq!(bus.read(0x508), 0x4060_5060);
    drop(bus);
    assert!(!runs(id));
}

#[test]
fn a_machine_that_is_killed_is_a_dead_bus_that_says_why() {
    let qemu = machine();
    let id = qemu.process_id().expect("a process").to_string();
    assert!(Command::new("kill").args(["-KILL", &id]).status().expect("kill").success());
    let began = Instant::now();
    while qemu.is_alive() {
        assert!(began.elapsed() < Duration::from_secs(20), "it survives a kill");
    }
    assert_eq!(qemu.bus().read(0x000), u32::MAX);
    let why = qemu.error().expect("a reason");
    assert!(matches!(why, QemuError::Ended { .. }), "{why}");
    assert!(why.to_string().contains("signal: 9"), "{why}");
    assert!(qemu.error().is_none(), "told once");
}

//! Every kind of violation, done on purpose. What only looks like one is in `innocent.rs`.

mod rig;
#[cfg(panic = "unwind")]
use std::panic::{AssertUnwindSafe, catch_unwind};

use etsec_core::{Bus, Region};
use etsec_sim::{Breach, Direction, Place, Sim, SimConfig, Violation, Who};
use rig::*;

const TX0: Place = Place { direction: Direction::Tx, ring: 0, index: 0 };
const RX0: Place = Place { direction: Direction::Rx, ring: 0, index: 0 };

/// Takes the violations out; there is one kind only, all from the same place.
fn only(rig: &Rig, who: Who) -> Breach {
    let found = rig.sim.violations();
    let Some(first) = found.first() else { panic!("nothing found") };
    assert!(found.iter().all(|violation| violation == first), "{found:?}");
    assert_eq!(first.who, who);
    first.what
}

fn clean(rig: &Rig) {
    assert_eq!(rig.sim.violations(), []);
}

/// Stages a frame of one descriptor without ever ringing.
fn staged(rig: &mut Rig, ring: usize, len: usize) -> usize {
    rig.stage(ring, &frame(len), 0, &[0])[0]
}

#[test]
fn buffers_that_overlap() {
    for (by, overlap) in [(60, true), (63, true), (64, false)] {
        let mut rig = Rig::running();
        staged(&mut rig, 0, 64);
        let at = rig.tx_bd(3, 0);
        let buffer = rig.tx_buffer(0, 0) + by;
        rig.put(buffer, &frame(64));
        rig.pointer(at, rig.low(buffer));
        rig.bus.publish();
        rig.flags(at, R | L, 64);
        rig.bus.publish();
        if overlap {
            let place = Place { direction: Direction::Tx, ring: 3, index: 0 };
            assert_eq!(only(&rig, Who::Bd(place)), Breach::Overlap { with: TX0 });
        } else {
            clean(&rig);
        }
    }
}

#[test]
fn a_tx_buffer_in_an_rx_buffer() {
    let mut rig = Rig::running();
    // The RX rings are known to be live once the device has looked.
    rig.sim.receive(&frame(64));
    let buffer = rig.rx_buffer(0, 5) + 100;
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, rig.low(buffer));
    rig.bus.publish();
    rig.flags(at, R | L, 64);
    rig.bus.publish();
    let with = Place { index: 5, ..RX0 };
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::Overlap { with });
}

#[test]
fn the_same_buffer_in_two_rx_descriptors() {
    let mut rig = Rig::stopped(SimConfig::default());
    let buffer = rig.rx_buffer(0, 0);
    rig.pointer(rig.rx_bd(0, 4), rig.low(buffer));
    rig.bus.publish();
    rig.start();
    rig.sim.receive(&frame(64));
    let place = Place { index: 4, ..RX0 };
    assert_eq!(only(&rig, Who::Bd(place)), Breach::Overlap { with: RX0 });
}

#[test]
fn dma_outside_every_region() {
    let mut rig = Rig::running();
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, 0x40);
    rig.bus.publish();
    rig.flags(at, R | L, 100);
    rig.bus.publish();
    rig.kick(0);
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::OutsideRegion { len: 100 });
    // On silicon that is a bus error.
    assert_eq!(rig.events(), 0x1000_0000);
}

#[test]
fn an_rx_buffer_that_sticks_out() {
    let mut rig = Rig::stopped(SimConfig::default());
    let end = rig.region.len() - 128;
    rig.pointer(rig.rx_bd(0, 0), rig.low(end));
    rig.bus.publish();
    rig.start();
    // The frame would fit; the next may not.
    rig.sim.receive(&frame(64));
    assert_eq!(only(&rig, Who::Bd(RX0)), Breach::OutsideRegion { len: BUF });
    assert_eq!(rig.status(rig.rx_bd(0, 0)).0, F | L | I);
}

#[test]
fn dma_into_memory_that_was_dropped() {
    let mut rig = Rig::running();
    let mut other = rig.sim.region(4096);
    rig.sim.store(&mut other, 0, &frame(64));
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, other.bus().low());
    rig.bus.publish();
    rig.flags(at, R | L, 64);
    rig.bus.publish();
    drop(other);
    rig.kick(0);
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::RetiredRegion { len: 64 });
}

#[test]
fn a_ring_that_lost_its_w() {
    let mut rig = Rig::running();
    for round in 0..LEN {
        let index = staged(&mut rig, 2, 64);
        if round == LEN - 1 {
            let (flags, len) = rig.status(rig.tx_bd(2, index));
            rig.flags(rig.tx_bd(2, index), flags & !W, len);
            rig.bus.publish();
        }
        rig.kick(2);
    }
    rig.sim.violations();
    // Behind the ring lies what looks like a descriptor.
    let beyond = rig.tx_bd(2, LEN);
    let buffer = rig.tx_buffer(2, 0);
    rig.bd(beyond, R | L, 64, rig.low(buffer));
    rig.bus.publish();
    rig.kick(2);
    let place = Place { direction: Direction::Tx, ring: 2, index: LEN };
    assert_eq!(only(&rig, Who::Bd(place)), Breach::BeyondRing { len: LEN });
}

#[test]
fn a_ring_without_end() {
    let sim = Sim::default();
    let mut region = sim.region(1024);
    sim.store(&mut region, 0, &[0; 1024]);
    sim.store(&mut region, 0, &0x8800_0040_u32.to_be_bytes());
    let buffer = region.bus().low() + 512;
    sim.store(&mut region, 4, &buffer.to_be_bytes());
    let bus = sim.bus();
    bus.publish();
    bus.write(0x204, region.bus().low());
    bus.write(MACCFG2, 0x7205);
    bus.write(DMACTRL, 0xC3);
    bus.write(MACCFG1, 1);
    let found = sim.violations();
    assert_eq!(
        found,
        [Violation { who: Who::Bd(TX0), at: region.bus().raw(), what: Breach::EndlessRing }]
    );
}

#[test]
fn bytes_nobody_wrote() {
    let mut rig = Rig::running();
    let at = rig.tx_bd(0, 0);
    let buffer = rig.tx_buffer(0, 0);
    rig.put(buffer, &frame(64));
    rig.pointer(at, rig.low(buffer));
    rig.bus.publish();
    // The length says more than was written.
    rig.flags(at, R | L, 100);
    rig.bus.publish();
    rig.kick(0);
    let word = u64::from(rig.low(buffer + 64));
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::Unwritten { word });
}

#[test]
fn bytes_of_a_received_frame_end_where_it_ends() {
    let mut rig = Rig::running();
    // Every byte of the buffer was written once, but it was received into since.
    let buffer = rig.rx_buffer(0, 0);
    rig.write(MACCFG1, 0);
    rig.put(buffer, &[0x55; BUF]);
    rig.write(MACCFG1, 5);
    rig.sim.receive(&frame(64));
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, rig.low(buffer));
    rig.bus.publish();
    rig.flags(at, R | L, 80);
    rig.bus.publish();
    rig.kick(0);
    let word = u64::from(rig.low(buffer + 72));
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::Unwritten { word });
}

#[test]
fn a_descriptor_changed_while_it_was_being_sent() {
    let mut rig = Rig::on_link();
    let index = rig.send(0, &frame(64));
    let at = rig.tx_bd(0, index);
    rig.sim.advance(10);
    rig.flags(at, R | L, 63);
    rig.sim.advance(10_000);
    let (fetched, found) = (0x9800_0040, 0x8800_003F);
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::DescriptorChanged { fetched, found });
}

#[test]
fn a_buffer_changed_while_it_was_being_sent() {
    let mut rig = Rig::on_link();
    rig.stage(0, &frame(200), 0, &[100, 0]);
    rig.kick(0);
    rig.sim.advance(10);
    let buffer = rig.tx_buffer(0, 1);
    rig.put(buffer + 7, &[0xEE]);
    rig.sim.advance(10_000);
    let byte = u64::from(rig.low(buffer + 7));
    let place = Place { index: 1, ..TX0 };
    assert_eq!(only(&rig, Who::Bd(place)), Breach::BufferChanged { byte });
}

#[test]
fn a_doorbell_without_publish() {
    let mut rig = Rig::running();
    let at = rig.tx_bd(0, 0);
    let buffer = rig.tx_buffer(0, 0);
    rig.put(buffer, &frame(64));
    rig.pointer(at, rig.low(buffer));
    rig.bus.publish();
    rig.flags(at, R | L, 64);
    rig.kick(0);
    assert_eq!(only(&rig, Who::Bd(TX0)), Breach::NotPublished);
    // The same on the other side, though nothing was halted.
    rig.sim.receive(&frame(64));
    rig.flags(rig.rx_bd(0, 0), E | I, 0);
    rig.write(RSTAT, 0x0080_0000);
    assert_eq!(only(&rig, Who::Bd(RX0)), Breach::NotPublished);
}

#[test]
fn a_pointer_without_publish() {
    let mut rig = Rig::running();
    for _ in 0..LEN - 1 {
        rig.sim.receive(&frame(64));
        rig.take(0);
    }
    rig.sim.receive(&frame(64));
    // Handed back with another buffer and no publish at all; the ring is running, no doorbell is
    // needed.
    let buffer = rig.tx_buffer(7, 0);
    rig.bd(rig.rx_bd(0, LEN - 1), E | I | W, 0, rig.low(buffer));
    for _ in 0..LEN {
        rig.sim.receive(&frame(64));
    }
    let place = Place { index: LEN - 1, ..RX0 };
    assert_eq!(only(&rig, Who::Bd(place)), Breach::NotPublished);
}

#[test]
fn a_start_without_any_publish() {
    let sim = Sim::default();
    let mut region = sim.region(1024);
    sim.store(&mut region, 512, &[1; 64]);
    sim.store(&mut region, 0, &0xA800_0040_u32.to_be_bytes());
    let buffer = region.bus().low() + 512;
    sim.store(&mut region, 4, &buffer.to_be_bytes());
    let bus = sim.bus();
    bus.write(0x204, region.bus().low());
    bus.write(TSTAT, 0x8000_0000);
    let found = sim.violations();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].who, found[0].what), (Who::Bd(TX0), Breach::NotPublished));
}

#[test]
fn ownership_in_one_publish_with_its_pointer() {
    let mut rig = Rig::running();
    rig.sim.receive(&frame(64));
    let buffer = rig.tx_buffer(7, 0);
    rig.bd(rig.rx_bd(0, 0), E | I, 0, rig.low(buffer));
    rig.bus.publish();
    assert_eq!(only(&rig, Who::Bd(RX0)), Breach::PublishedTogether);
    // The same pointer as before is no news.
    let mut rig = Rig::running();
    rig.sim.receive(&frame(64));
    rig.flags(rig.rx_bd(0, 0), E | I, 0);
    rig.bus.publish();
    clean(&rig);
}

#[test]
fn a_descriptor_rewritten_while_owned() {
    let mut rig = Rig::running();
    rig.sim.receive(&frame(64));
    rig.flags(rig.rx_bd(0, 3), I, 0);
    rig.bus.publish();
    let place = Place { index: 3, ..RX0 };
    let (was, now) = (0x9000_0000, 0x1000_0000);
    assert_eq!(only(&rig, Who::Bd(place)), Breach::Rewritten { was, now });
}

#[test]
fn unaligned_rx_buffers_and_rings() {
    let mut rig = Rig::stopped(SimConfig::default());
    let buffer = rig.rx_buffer(0, 0) + 32;
    rig.pointer(rig.rx_bd(0, 0), rig.low(buffer));
    rig.pointer(rig.rx_bd(0, 1), rig.low(buffer + 2 * BUF - 32));
    rig.bus.publish();
    rig.start();
    rig.sim.receive(&frame(64));
    let found = rig.sim.violations();
    assert!(found.iter().any(|v| v.who == Who::Bd(RX0) && v.what == Breach::UnalignedBuffer));
    rig.write(MACCFG1, 0);
    rig.write(0x20C, rig.low(4));
    assert_eq!(only(&rig, Who::Ring(Direction::Tx, 1)), Breach::UnalignedRing);
}

#[test]
fn registers_that_must_not_change_while_running() {
    let rig = Rig::running();
    rig.write(TSTAT, 0x8000_0000);
    rig.write(0x384, rig.low(rig.rx_bd(0, 1)));
    assert_eq!(only(&rig, Who::Ring(Direction::Rx, 0)), Breach::PointerWhileRunning);
    rig.write(RCTRL, 0x10);
    assert_eq!(only(&rig, Who::Register(RCTRL)), Breach::ChangedWhileRunning);
    // PROM may be toggled live.
    rig.write(RCTRL, 0x18);
    rig.write(DMACTRL, 0xDB);
    rig.write(RCTRL, 0);
    rig.write(0x384, rig.low(rig.rx_bd(0, 0)));
    clean(&rig);
}

#[test]
fn mrblr_has_its_rules() {
    let rig = Rig::running();
    rig.write(MRBLR, 100);
    assert_eq!(only(&rig, Who::Register(MRBLR)), Breach::BadMrblr { value: 100 });
    rig.write(MRBLR, 0);
    assert_eq!(only(&rig, Who::Register(MRBLR)), Breach::BadMrblr { value: 0 });
    rig.sim.receive(&frame(64));
    assert_eq!(only(&rig, Who::Register(MRBLR)), Breach::BadMrblr { value: 0 });
}

/// What the model says of a ring of ready descriptors without an end whose buffers are there, or
/// nowhere.
fn endless(there: bool) -> Vec<Violation> {
    let sim = Sim::default();
    let mut region = sim.region(0x2_0000);
    sim.store(&mut region, 0x1_0000, &vec![7; 0x1_0000]);
    let pointer = if there { region.bus().low() + 0x1_0000 } else { 64 };
    for index in 0..8 {
        let wrap = if index == 7 { 0x2000_0000 } else { 0 };
        sim.store(&mut region, 8 * index, &(0x8000_FFFF_u32 | wrap).to_be_bytes());
        sim.store(&mut region, 8 * index + 4, &pointer.to_be_bytes());
    }
    let bus = sim.bus();
    bus.publish();
    bus.write(0x204, region.bus().low());
    bus.write(MACCFG2, 0x7205);
    bus.write(DMACTRL, 0xC3);
    bus.write(MACCFG1, 1);
    assert_eq!(bus.read(TSTAT) & 0x8000_0000, 0x8000_0000);
    sim.violations()
}

#[test]
fn a_frame_without_end() {
    for there in [true, false] {
        let found = endless(there);
        assert!(found.iter().any(|found| found.what == Breach::EndlessFrame), "{there}: {found:?}");
    }
}

#[test]
fn a_filer_rule_with_bits_outside_its_mask() {
    let rig = Rig::stopped(SimConfig::default());
    for at in 0..256 {
        rig.write(0x334, at);
        rig.write(0x338, 0x20);
        rig.write(0x33C, 0);
    }
    for (at, control, property) in [(0, 0x80, 0xFF), (1, 0x0E, 0x1FF)] {
        rig.write(0x334, at);
        rig.write(0x338, control);
        rig.write(0x33C, property);
    }
    rig.write(RCTRL, 0x10C0);
    rig.write(RQUEUE, 0xFF);
    rig.write(MACCFG1, 5);
    rig.sim.receive(&frame(64));
    rig.sim.receive(&frame(64));
    assert_eq!(only(&rig, Who::Register(0x33C)), Breach::UnmaskedRule { entry: 1 });
}

// Where a panic ends the program, nobody can look at it afterwards.
#[cfg(panic = "unwind")]
#[test]
fn violations_left_behind_panic_and_name_the_culprit() {
    let panic = catch_unwind(|| {
        let sim = Sim::default();
        sim.bus().write(0x3, 0);
        let last = sim.clone();
        drop(sim);
        drop(last);
    })
    .unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("register TSEC_ID (0x003): access is unaligned"), "{text}");
    // Taken out, or with a panic under way, they do not.
    let other = catch_unwind(AssertUnwindSafe(|| {
        let sim = Sim::default();
        sim.bus().write(0x3, 0);
        panic!("another matter");
    }))
    .unwrap_err();
    assert_eq!(*other.downcast_ref::<&str>().unwrap(), "another matter");
}

#[test]
fn violations_read_well() {
    let violation = Violation {
        who: Who::Bd(Place { direction: Direction::Rx, ring: 2, index: 17 }),
        at: 0x1_2000_0040,
        what: Breach::Overlap { with: TX0 },
    };
    assert_eq!(
        violation.to_string(),
        "RX ring 2 BD 17 at 0x120000040: its buffer overlaps the one of TX ring 0 BD 0"
    );
}

#[test]
fn an_mii_command_while_busy() {
    let rig = Rig::stopped(SimConfig::default());
    rig.write(0x524, 1);
    rig.write(0x52C, 7);
    assert_eq!(only(&rig, Who::Register(0x52C)), Breach::MiiWhileBusy);
}

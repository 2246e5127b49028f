//! What an end of the wire is told about the receiver.

mod rig;

use etsec_sim::room::Room;
use rig::*;

fn room(rig: &Rig, len: usize) -> Room {
    rig.sim.with(|model| model.room(len))
}

#[test]
fn a_receiver_that_is_off_is_closed() {
    let mut rig = Rig::stopped(Default::default());
    assert_eq!(room(&rig, 60), Room::Closed);
    rig.start();
    assert_eq!(room(&rig, 60), Room::Free);
    rig.sim.set_link_up(false);
    assert_eq!(room(&rig, 60), Room::Closed);
    rig.sim.set_link_up(true);
    // HW 8.3: graceful receive stop.
    rig.write(DMACTRL, 0xD3);
    assert_eq!(room(&rig, 60), Room::Closed);
}

#[test]
fn room_is_promised_for_the_whole_frame() {
    let mut rig = Rig::running();
    for left in (1..=LEN).rev() {
        // Each of these takes one buffer, 1200 bytes take three.
        let expected = if left >= 3 { Room::Free } else { Room::Full };
        assert_eq!(room(&rig, 1200), expected, "{left} left");
        assert_eq!(room(&rig, 60), Room::Free);
        rig.sim.receive(&frame(60));
    }
    assert_eq!(room(&rig, 60), Room::Full);
    assert_eq!(rig.events() & 0x0100_0000, 0, "looking raises no BSY");
    rig.take(0).unwrap();
    assert_eq!(room(&rig, 60), Room::Free);
    // The whole ring is all there can be.
    while rig.take(0).is_some() {}
    assert_eq!(room(&rig, 9000), Room::Free);
}

#[test]
fn with_the_filer_every_ring_counts() {
    let mut rig = Rig::running();
    rig.write(DMACTRL, 0xD3);
    // PRSDEP and FILREN; rule 0 files everything to ring 3.
    rig.write(RCTRL, 0x10C0);
    for (at, value) in [(0x334, 0), (0x338, 3 << 10 | 0x20), (0x33C, 0)] {
        rig.write(at, value);
    }
    rig.write(DMACTRL, 0xC3);
    for _ in 0..LEN {
        assert_eq!(room(&rig, 60), Room::Free);
        rig.sim.receive(&frame(60));
    }
    assert_eq!(room(&rig, 60), Room::Full);
    assert!(rig.take(3).is_some());
    assert_eq!(room(&rig, 60), Room::Free);
}

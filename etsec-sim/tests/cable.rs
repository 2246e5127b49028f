//! Two models on a bad cable, in virtual time.

mod rig;

use etsec_sim::cable::{Cable, CableConfig};
use rig::*;

/// RxBD: CRC error.
const CR: u16 = 0x0004;

#[test]
fn frames_cross_a_good_cable_after_its_delay() {
    let (mut a, mut b) = (Rig::running(), Rig::running());
    let mut cable = Cable::new(CableConfig { delay_ns: 5_000, ..CableConfig::default() });
    a.send(0, &frame(100));
    b.send(0, &frame(200));
    assert_eq!(cable.step(&a.sim, &b.sim), 0);
    for rig in [&a, &b] {
        rig.sim.advance(4_999);
    }
    assert_eq!(cable.step(&a.sim, &b.sim), 0);
    for rig in [&a, &b] {
        rig.sim.advance(1);
    }
    assert_eq!(cable.step(&a.sim, &b.sim), 2);
    assert_eq!(b.take(0).unwrap().1[..100], frame(100));
    assert_eq!(a.take(0).unwrap().1[..200], frame(200));
}

#[test]
fn the_receiver_sees_what_the_cable_did() {
    let (mut a, mut b) = (Rig::running(), Rig::running());
    let config = CableConfig {
        loss_ppm: 100_000,
        duplicate_ppm: 100_000,
        corrupt_ppm: 100_000,
        seed: 2,
        ..CableConfig::default()
    };
    let mut cable = Cable::new(config);
    // A flipped bit of the destination address must not hide a frame.
    b.write(RCTRL, 0x8);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..500 {
        a.send(0, &frame(64));
        cable.step(&a.sim, &b.sim);
        while let Some((flags, bytes)) = b.take(0) {
            if flags & CR != 0 {
                bad += 1;
            } else {
                assert_eq!(bytes[..64], frame(64));
                good += 1;
            }
        }
    }
    let counters = cable.counters();
    assert!(counters.lost > 0 && counters.duplicated > 0 && counters.corrupted > 0);
    assert_eq!(bad, counters.corrupted);
    assert_eq!(good + bad, counters.sent - counters.lost + counters.duplicated);
}

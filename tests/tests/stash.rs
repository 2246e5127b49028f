//! Is what is to be stashed said to the controller as it wants it, also after a reset? (HW 3.10,
//! 3.19) What a cache makes of it no model can tell.

use etsec_core::{Bus, Error, Stash};
use etsec_tests::at::RQUEUE;
use etsec_tests::rig::{Plan, Rig};

const ATTR: u16 = 0xBF8;
const ATTRELI: u16 = 0xBFC;

#[test]
fn registers_hold_what_is_stashed_also_after_a_reset() {
    for (stash, expected) in [
        (Stash::default(), [0x00C0, 0, 0x00C0]),
        (Stash { descriptors: true, ..Stash::default() }, [0x08C0, 0, 0x00C0]),
        (Stash { length: 96, ..Stash::default() }, [0x40C0, 0x0060_0000, 0x00FF_00C0]),
        (
            Stash { descriptors: true, length: Stash::LENGTH_MAX, index: Stash::INDEX_MAX },
            [0x48C0, 0x3FF8_3FC0, 0x00FF_00C0],
        ),
    ] {
        let mut rig = Rig::new(&Plan { rx: vec![8, 8], ..Plan::default() });
        rig.port.set_stash(stash).expect("in range");
        let mut live = rig.start();
        let bus = live.sim.bus();
        let found = || [ATTR, ATTRELI, RQUEUE].map(|at| bus.read(at));
        assert_eq!(found(), expected, "{stash:?}");
        live.port.reset(&mut live.delay).expect("a device");
        assert_eq!(found(), expected, "{stash:?}");
        live.finish();
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_range_and_changes_nothing() {
    let mut rig = Rig::new(&Plan::default());
    for (length, index) in [(4, 0), (0x4000, 0), (8, 32), (8, 0x4000)] {
        let stash = Stash { descriptors: true, length, index };
        let refused = rig.port.set_stash(stash).unwrap_err();
        assert_eq!(refused, Error::Stash { length, index });
        assert!(refused.to_string().contains("up to 16376"), "{refused}");
    }
    let live = rig.start();
    assert_eq!(live.sim.bus().read(ATTR), 0x00C0);
    live.finish();
}

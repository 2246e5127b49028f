//! Which addresses are accepted (HW 7, with its vectors).

mod rig;
use rig::*;

const IGADDR: u16 = 0x800;
const GADDR: u16 = 0x880;
const GHTX: u32 = 0x400;
const BC_REJ: u32 = 0x10;
const EMEN: u32 = 2;
const BC: u16 = 0x80;
const MC: u16 = 0x40;

/// The vectors of HW 7: address, 256-entry register and mask, 512-entry register and mask.
type Vector = ([u8; 6], (u16, u32), Option<(u16, u32)>);
const VECTORS: [Vector; 8] = [
    ([0x00, 0x01, 0x02, 0x03, 0x04, 0x05], (IGADDR + 20, 0x0004_0000), None),
    ([0x01, 0x00, 0x5E, 0, 0, 0x01], (GADDR + 12, 0x1), Some((IGADDR + 28, 0x1))),
    ([0x01, 0x00, 0x5E, 0, 0, 0xFB], (GADDR + 4, 0x1), Some((IGADDR + 12, 0x2))),
    ([0x33, 0x33, 0, 0, 0, 0x01], (GADDR + 28, 0x40), Some((GADDR + 28, 0x1000))),
    ([0x33, 0x33, 0xFF, 0x12, 0x34, 0x56], (GADDR, 0x0010_0000), Some((IGADDR, 0x100))),
    ([0x01, 0x80, 0xC2, 0, 0, 0x0E], (GADDR + 16, 0x0100_0000), Some((GADDR, 0x0002_0000))),
    ([0x01, 0x1B, 0x19, 0, 0, 0], (GADDR + 28, 0x2), Some((GADDR + 28, 0x4))),
    ([0x02, 0, 0, 0, 0, 0x01], (IGADDR + 16, 0x1000_0000), None),
];

fn tables() -> impl Iterator<Item = u16> {
    (0..8).flat_map(|n| [IGADDR + 4 * n, GADDR + 4 * n])
}

/// A receiver with an RCTRL value.
fn receiver(rctrl: u32) -> Rig {
    let mut rig = Rig::stopped(etsec_sim::SimConfig::default());
    rig.write(RCTRL, rctrl);
    rig.start();
    rig
}

/// The last descriptor's flags, if a frame to `da` is accepted.
fn accepted(rig: &mut Rig, da: [u8; 6]) -> Option<u16> {
    rig.sim.receive(&frame_to(da, 64));
    rig.take(0).map(|(flags, _)| flags)
}

#[test]
fn the_vectors_hit_their_bit_and_no_other() {
    for (da, narrow, wide) in VECTORS {
        for (rctrl, hit) in [(0, Some(narrow)), (GHTX, wide)] {
            let mut rig = receiver(rctrl);
            assert_eq!(accepted(&mut rig, da), None);
            let Some((register, mask)) = hit else { continue };
            rig.write(register, mask);
            let flags = accepted(&mut rig, da).expect("in the table");
            assert_eq!(flags & (MC | BC), if da[0] & 1 == 1 { MC } else { 0 });
            // All bits but that one.
            for at in tables() {
                rig.write(at, if at == register { !mask } else { u32::MAX });
            }
            assert_eq!(accepted(&mut rig, da), None, "{da:02x?} {rctrl:#x}");
        }
    }
}

#[test]
fn individual_addresses_have_no_hash_with_ghtx() {
    let mut rig = receiver(GHTX);
    for at in tables() {
        rig.write(at, u32::MAX);
    }
    assert_eq!(accepted(&mut rig, [0x00, 0x01, 0x02, 0x03, 0x04, 0x05]), None);
    assert!(accepted(&mut rig, [0x01, 0, 0x5E, 1, 2, 3]).is_some());
}

#[test]
fn station_address_and_its_byte_order() {
    let mut rig = receiver(0);
    // The worked example of HW 3.18.
    rig.write(0x540, 0xCDAB_7856);
    rig.write(0x544, 0x3412_0000);
    assert!(accepted(&mut rig, [0x12, 0x34, 0x56, 0x78, 0xAB, 0xCD]).is_some());
    assert_eq!(accepted(&mut rig, STATION), None);
}

#[test]
fn exact_match_addresses_need_emen_and_take_groups_too() {
    for (emen, hit) in [(0, false), (EMEN, true)] {
        let mut rig = receiver(emen);
        for k in 0..15u8 {
            let pair = 0x548 + 8 * u16::from(k);
            rig.write(pair, u32::from(k) << 24 | 0x0033_4455);
            rig.write(pair + 4, 0x0102_0000);
        }
        for k in 0..15u8 {
            let hits = [[0x02, 0x01, 0x55, 0x44, 0x33, k]].map(|da| accepted(&mut rig, da));
            assert_eq!(hits[0].is_some(), hit);
        }
        assert_eq!(accepted(&mut rig, [0x02, 0x01, 0x55, 0x44, 0x33, 15]), None);
        // A multicast address there (HW 7 step 4).
        rig.write(0x548, 0x0100_005E);
        rig.write(0x54C, 0x0001_0000);
        assert_eq!(accepted(&mut rig, [0x01, 0x00, 0x5E, 0x00, 0x00, 0x01]).is_some(), hit);
        // A pair of zeros matches nothing.
        rig.write(0x548, 0);
        rig.write(0x54C, 0);
        assert_eq!(accepted(&mut rig, [0; 6]), None);
    }
}

#[test]
fn broadcast_unless_rejected() {
    let mut rig = receiver(0);
    assert_eq!(accepted(&mut rig, [0xFF; 6]).unwrap() & (BC | MC), BC);
    let mut rig = receiver(BC_REJ);
    for at in tables() {
        rig.write(at, u32::MAX);
    }
    assert_eq!(accepted(&mut rig, [0xFF; 6]), None);
    // PROM takes it all the same.
    rig.write(RCTRL, BC_REJ | 8);
    assert_eq!(accepted(&mut rig, [0xFF; 6]).unwrap() & 0x1C0, 0x100 | BC);
}

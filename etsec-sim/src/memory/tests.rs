//! Tests of the memory that CPU and model share.

use super::*;

#[test]
fn unwritten_words_are_found_and_written_ones_are_not() {
    let mut memory = Memory::default();
    let mut region = memory.add(256).unwrap();
    let at = region.bus().raw();
    assert_eq!(memory.unwritten(at + 3, 100), Some(at + 8));
    region.store(0, &[0; 128]);
    assert_eq!(memory.unwritten(at, 128), None);
    assert_eq!(memory.unwritten(at, 136), Some(at + 128));
    memory.poison(at + 60, 12);
    assert_eq!(memory.unwritten(at, 128), Some(at + 64));
}

#[test]
fn a_dropped_region_is_retired_and_its_place_is_free_again() {
    let mut memory = Memory::default();
    let region = memory.add_at(0x4_0000_0000, 64).unwrap();
    assert!(memory.add_at(0x4_0000_0000, 64).is_none());
    drop(region);
    assert_eq!(memory.check(0x4_0000_0000, 8), Err(DmaFault::Retired));
    let again = memory.add_at(0x4_0000_0000, 64).unwrap();
    assert_eq!(memory.check(again.bus().raw(), 64), Ok(()));
    assert_eq!(memory.check(again.bus().raw(), 65), Err(DmaFault::Outside));
    assert!(memory.add_at(0x20, 64).is_none());
    assert!(memory.add_at(0x10_0000_0000, 64).is_none());
}

#[test]
fn descriptors_are_big_endian_words() {
    let mut memory = Memory::default();
    let mut region = memory.add(64).unwrap();
    region.store(8, &[0xA8, 0x01, 0x00, 0x40, 0x12, 0x34, 0x56, 0x78]);
    let at = region.bus().raw() + 8;
    let bd = memory.descriptor(at).unwrap();
    assert_eq!(bd, Bd { word: 0xA801_0040, pointer: 0x1234_5678 });
    assert!(bd.live() && bd.wraps());
    memory.close(at, 0x2801_0040).unwrap();
    let mut byte = [0; 1];
    region.load(8, &mut byte);
    assert_eq!(byte, [0x28]);
    let ring = memory.ring(at, 99);
    assert_eq!((ring.len(), ring.get(0).word), (7, 0x2801_0040));
    let mut copy: Vec<RawBd> = (0..7).map(|i| ring.get(i).into()).collect();
    assert_eq!(ring.change(0, &copy), None);
    copy[5][1] ^= 1;
    assert_eq!((ring.change(0, &copy), ring.change(6, &copy)), (Some(5), None));
}

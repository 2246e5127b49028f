//! A fixed sequence of bytes without end, the same in every run and on every machine.

/// Fills `out` with the bytes of the sequence that begin at `offset`.
pub fn fill(offset: u64, out: &mut [u8]) {
    let mut word_at = offset / 8;
    let mut skip = (offset % 8) as usize;
    let mut rest = out;
    while !rest.is_empty() {
        let word = mix(word_at).to_le_bytes();
        let take = rest.len().min(8 - skip);
        let (now, later) = rest.split_at_mut(take);
        now.copy_from_slice(&word[skip..skip + take]);
        rest = later;
        skip = 0;
        word_at = word_at.wrapping_add(1);
    }
}

/// The splitmix64 output function: every word depends on its position only, so any part can be made
/// at any time.
fn mix(position: u64) -> u64 {
    let mut z = position.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_parts_of_the_whole() {
        let mut whole = [0; 100];
        fill(0, &mut whole);
        for (from, to) in [(0, 1), (3, 8), (7, 9), (8, 16), (13, 100)] {
            let mut part = vec![0; to - from];
            fill(from as u64, &mut part);
            assert_eq!(part, whole[from..to]);
        }
        // The published first output of splitmix64 for seed 0.
        assert_eq!(whole[..8], 0xE220_A839_7B1D_CDAF_u64.to_le_bytes());
    }
}

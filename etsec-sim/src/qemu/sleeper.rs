//! What the machine's processor runs: a program that puts it to sleep for ever, as an ELF file. It
//! keeps the processor from doing anything that is not asked for.

/// Where the program lies in the machine's memory: above what is handed out to drivers.
pub(super) const AT: u32 = 0x0100_0000;

/// HID0\[DOZE\]: what "wait" is to mean. MSR\[WE\]: wait; without MSR\[EE\], for ever.
const PROGRAM: [u32; 6] = [
    0x3C60_0080, // lis r3, DOZE
    0x7C70_FBA6, // mtspr HID0, r3
    0x7C60_00A6, // again: mfmsr r3
    0x6463_0004, // oris r3, r3, WE
    0x7C60_0124, // mtmsr r3
    0x4BFF_FFF4, // b again
];

const HEADER: u32 = 52;
const SEGMENT: u32 = 32;

/// The ELF file.
pub(super) fn elf() -> Vec<u8> {
    let bytes = 4 * PROGRAM.len() as u32;
    let mut file = Vec::new();
    // 32 bits, big-endian, version 1.
    file.extend([0x7F, b'E', b'L', b'F', 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // An executable for PowerPC.
    let halves = |file: &mut Vec<u8>, words: &[u16]| {
        words.iter().for_each(|word| file.extend(word.to_be_bytes()));
    };
    let words = |file: &mut Vec<u8>, words: &[u32]| {
        words.iter().for_each(|word| file.extend(word.to_be_bytes()));
    };
    halves(&mut file, &[2, 20]);
    // Version, entry, place of the one segment, no sections, no flags.
    words(&mut file, &[1, AT, HEADER, 0, 0]);
    halves(&mut file, &[HEADER as u16, SEGMENT as u16, 1, 0, 0, 0]);
    // To be loaded: from, to, to, bytes, bytes, read and execute, aligned to words.
    words(&mut file, &[1, HEADER + SEGMENT, AT, AT, bytes, bytes, 5, 4]);
    words(&mut file, &PROGRAM);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_long_as_they_say() {
        let file = elf();
        assert_eq!(file.len() as u32, HEADER + SEGMENT + 4 * PROGRAM.len() as u32);
        assert_eq!(file[84..88], PROGRAM[0].to_be_bytes());
    }
}

//! CRC-32 of Ethernet: the frame check sequence and the hash of the address filter. It knows no
//! frame layout.

/// Eight tables, so that eight bytes are done in a step.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][i] = value;
        i += 1;
    }
    let mut t = 1;
    while t < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[t - 1][i];
            tables[t][i] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            i += 1;
        }
        t += 1;
    }
    tables
}

/// The running remainder, from all ones, without the final inversion.
pub(crate) fn remainder(bytes: &[u8]) -> u32 {
    let mut crc = 0xFFFF_FFFF_u32;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let low = crc ^ u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        let [a, b, c, d] = low.to_le_bytes();
        crc = TABLES[7][usize::from(a)]
            ^ TABLES[6][usize::from(b)]
            ^ TABLES[5][usize::from(c)]
            ^ TABLES[4][usize::from(d)]
            ^ TABLES[3][usize::from(chunk[4])]
            ^ TABLES[2][usize::from(chunk[5])]
            ^ TABLES[1][usize::from(chunk[6])]
            ^ TABLES[0][usize::from(chunk[7])];
    }
    for byte in chunks.remainder() {
        crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

/// The frame check sequence of a frame's bytes, as the four bytes that follow them on the wire.
pub(crate) fn fcs(bytes: &[u8]) -> [u8; 4] {
    (!remainder(bytes)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        // The check value of CRC-32: "123456789" gives 0xCBF43926.
        assert_eq!(!remainder(b"123456789"), 0xCBF4_3926);
        // A frame followed by its FCS leaves the well-known residue.
        let mut bytes = b"any frame at all, longer than eight".to_vec();
        let check = fcs(&bytes);
        bytes.extend_from_slice(&check);
        assert_eq!(remainder(&bytes).reverse_bits(), 0xC704_DD7B);
    }
}

//! The register table of HW 2: offset, name, access class, reset value and the bits that hold what
//! is written.
//!
//! Side effects are elsewhere; which bits have none is in `effects.rs`.

/// How a register answers plain accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads as stored; writes are ignored.
    ReadOnly,
    /// Bits of the mask hold what is written, the others read 0 (or are kept, where the register
    /// has read-only bits).
    ReadWrite,
    /// A written 1 clears the bit.
    WriteOneClears,
    /// Reads 0.
    WriteOnly,
    /// Stored elsewhere: a table entry behind RQFAR, or the MII.
    Indirect,
}

/// One register, or several of one kind at equal distances.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Offset of the first.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// Distance in bytes.
    pub stride: u16,
    /// Name; `n` stands for the number where there are several.
    pub name: &'static str,
    /// Number of the first, where there are several.
    pub from: u16,
    /// Access class.
    pub access: Access,
    /// Value after power-on.
    pub reset: u32,
    /// Bits that can be written (or cleared).
    pub mask: u32,
}

const fn one(first: u16, name: &'static str, access: Access, reset: u32, mask: u32) -> Row {
    Row { first, count: 1, stride: 4, name, from: 0, access, reset, mask }
}

const fn rw(first: u16, name: &'static str, reset: u32, mask: u32) -> Row {
    one(first, name, Access::ReadWrite, reset, mask)
}

const fn ro(first: u16, name: &'static str, reset: u32) -> Row {
    one(first, name, Access::ReadOnly, reset, 0)
}

const fn w1c(first: u16, name: &'static str, mask: u32) -> Row {
    one(first, name, Access::WriteOneClears, 0, mask)
}

const fn indirect(first: u16, name: &'static str, reset: u32, mask: u32) -> Row {
    one(first, name, Access::Indirect, reset, mask)
}

const fn many(first: u16, count: u16, stride: u16, name: &'static str, mask: u32) -> Row {
    Row { first, count, stride, name, from: 0, access: Access::ReadWrite, reset: 0, mask }
}

const ALL: u32 = 0xFFFF_FFFF;
const POINTER: u32 = 0xFFFF_FFF8;
const EVENTS: u32 = 0xF7F7_8F9F;
const COALESCE: u32 = 0xDFE0_FFFF;

/// Every register. Not there: FIFOCFG and IFCTRL, which the modelled part lacks.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // HW 2.1; TSEC_ID and TSEC_ID2 come from the configuration, ECNTRL's interface bits from the
    // straps.
    ro(0x000, "TSEC_ID", 0x0124_0000),
    ro(0x004, "TSEC_ID2", 0x0030_00F0),
    w1c(0x010, "IEVENT", EVENTS),
    rw(0x014, "IMASK", 0, EVENTS),
    rw(0x018, "EDIS", 0, 0x3147_000F),
    rw(0x01C, "EMAPG", 0, ALL),
    rw(0x020, "ECNTRL", 0x0000_0050, 0x0000_3008),
    rw(0x024, "MINFLR", 0, 0x0000_007F),
    rw(0x028, "PTV", 0, ALL),
    rw(0x02C, "DMACTRL", 0, 0x0000_80DB),
    rw(0x030, "TBIPA", 0, 0x0000_001F),
    rw(0x04C, "FIFO_PAUSE_CTRL", 0, 0x0000_0002),
    rw(0x050, "FIFO_RX_PAUSE", 0, 0x0000_01FF),
    rw(0x054, "FIFO_RX_PAUSE_SHUTOFF", 0, 0x0000_01FF),
    rw(0x058, "FIFO_RX_ALARM", 0x40, 0x0000_01FF),
    rw(0x05C, "FIFO_RX_ALARM_SHUTOFF", 0x80, 0x0000_01FF),
    rw(0x08C, "FIFO_TX_THR", 0x80, 0x0000_01FF),
    rw(0x098, "FIFO_TX_STARVE", 0x40, 0x0000_01FF),
    rw(0x09C, "FIFO_TX_STARVE_SHUTOFF", 0x80, 0x0000_01FF),
    // HW 2.2
    rw(0x100, "TCTRL", 0, 0x0000_7806),
    w1c(0x104, "TSTAT", 0xFF00_FF00),
    rw(0x108, "DFVLAN", 0x8100_0000, ALL),
    rw(0x110, "TXIC", 0, COALESCE),
    rw(0x114, "TQUEUE", 0x0000_8000, 0x0000_FF00),
    rw(0x140, "TR03WT", 0, ALL),
    rw(0x144, "TR47WT", 0, ALL),
    rw(0x180, "TBDBPH", 0, 0xF),
    many(0x184, 8, 8, "TBPTRn", POINTER),
    rw(0x200, "TBASEH", 0, 0xF),
    many(0x204, 8, 8, "TBASEn", POINTER),
    ro(0x280, "TMR_TXTS1_ID", 0),
    ro(0x284, "TMR_TXTS2_ID", 0),
    ro(0x2C0, "TMR_TXTS1_H", 0),
    ro(0x2C4, "TMR_TXTS1_L", 0),
    ro(0x2C8, "TMR_TXTS2_H", 0),
    ro(0x2CC, "TMR_TXTS2_L", 0),
    // HW 2.3
    rw(0x300, "RCTRL", 0, 0xFF1F_7FFE),
    w1c(0x304, "RSTAT", 0x00FF_00FF),
    rw(0x310, "RXIC", 0, COALESCE),
    rw(0x314, "RQUEUE", 0x0080_0080, 0x00FF_00FF),
    many(0x318, 4, 4, "RIRn", 0xFFFF_FF00),
    rw(0x330, "RBIFX", 0, ALL),
    rw(0x334, "RQFAR", 0, 0xFF),
    indirect(0x338, "RQFCR", 0, 0x800F_FFEF),
    indirect(0x33C, "RQFPR", 0, ALL),
    rw(0x340, "MRBLR", 0, 0x0000_FFC0),
    rw(0x380, "RBDBPH", 0, 0xF),
    many(0x384, 8, 8, "RBPTRn", POINTER),
    rw(0x400, "RBASEH", 0, 0xF),
    many(0x404, 8, 8, "RBASEn", POINTER),
    ro(0x4C0, "TMR_RXTS_H", 0),
    ro(0x4C4, "TMR_RXTS_L", 0),
    // HW 2.4
    rw(0x500, "MACCFG1", 0, 0x800F_0135),
    rw(0x504, "MACCFG2", 0x7000, 0x0000_F3FF),
    rw(0x508, "IPGIFG", 0x4060_5060, 0x7F7F_FF7F),
    rw(0x50C, "HAFDUP", 0x00A1_F037, 0x00FF_F3FF),
    rw(0x510, "MAXFRM", 0x0600, 0x0000_FFFF),
    indirect(0x520, "MIIMCFG", 7, 0x8000_0017),
    indirect(0x524, "MIIMCOM", 0, 0x0000_0003),
    indirect(0x528, "MIIMADD", 0, 0x0000_1F1F),
    one(0x52C, "MIIMCON", Access::WriteOnly, 0, 0x0000_FFFF),
    ro(0x530, "MIIMSTAT", 0),
    ro(0x534, "MIIMIND", 0),
    ro(0x53C, "IFSTAT", 0),
    rw(0x540, "MACSTNADDR1", 0, ALL),
    rw(0x544, "MACSTNADDR2", 0, 0xFFFF_0000),
    Row { from: 1, ..many(0x548, 15, 8, "MACnADDR1", ALL) },
    Row { from: 1, ..many(0x54C, 15, 8, "MACnADDR2", 0xFFFF_0000) },
    // HW 2.5; RDRP is 16 bits wide (HW 18.12).
    rw(0x680, "TR64", 0, ALL), rw(0x684, "TR127", 0, ALL),
    rw(0x688, "TR255", 0, ALL), rw(0x68C, "TR511", 0, ALL),
    rw(0x690, "TR1K", 0, ALL), rw(0x694, "TRMAX", 0, ALL),
    rw(0x698, "TRMGV", 0, ALL), rw(0x69C, "RBYT", 0, ALL),
    rw(0x6A0, "RPKT", 0, ALL), rw(0x6A4, "RFCS", 0, ALL),
    rw(0x6A8, "RMCA", 0, ALL), rw(0x6AC, "RBCA", 0, ALL),
    rw(0x6B0, "RXCF", 0, ALL), rw(0x6B4, "RXPF", 0, ALL),
    rw(0x6B8, "RXUO", 0, ALL), rw(0x6BC, "RALN", 0, ALL),
    rw(0x6C0, "RFLR", 0, ALL), rw(0x6C4, "RCDE", 0, ALL),
    rw(0x6C8, "RCSE", 0, ALL), rw(0x6CC, "RUND", 0, ALL),
    rw(0x6D0, "ROVR", 0, ALL), rw(0x6D4, "RFRG", 0, ALL),
    rw(0x6D8, "RJBR", 0, ALL), rw(0x6DC, "RDRP", 0, 0xFFFF),
    rw(0x6E0, "TBYT", 0, ALL), rw(0x6E4, "TPKT", 0, ALL),
    rw(0x6E8, "TMCA", 0, ALL), rw(0x6EC, "TBCA", 0, ALL),
    rw(0x6F0, "TXPF", 0, ALL), rw(0x6F4, "TDFR", 0, ALL),
    rw(0x6F8, "TEDF", 0, ALL), rw(0x6FC, "TSCL", 0, ALL),
    rw(0x700, "TMCL", 0, ALL), rw(0x704, "TLCL", 0, ALL),
    rw(0x708, "TXCL", 0, ALL), rw(0x70C, "TNCL", 0, ALL),
    rw(0x714, "TDRP", 0, ALL), rw(0x718, "TJBR", 0, ALL),
    rw(0x71C, "TFCS", 0, ALL), rw(0x720, "TXCF", 0, ALL),
    rw(0x724, "TOVR", 0, ALL), rw(0x728, "TUND", 0, ALL),
    rw(0x72C, "TFRG", 0, ALL),
    w1c(0x730, "CAR1", 0xFE03_FFFF),
    w1c(0x734, "CAR2", 0x000F_FFFD),
    rw(0x738, "CAM1", 0xFE03_FFFF, 0xFE03_FFFF),
    rw(0x73C, "CAM2", 0x000F_FFFD, 0x000F_FFFD),
    rw(0x740, "RREJ", 0, ALL),
    // HW 2.6
    many(0x800, 8, 4, "IGADDRn", ALL),
    many(0x880, 8, 4, "GADDRn", ALL),
    rw(0xBF8, "ATTR", 0, 0x0000_6CC0),
    rw(0xBFC, "ATTRELI", 0, 0x3FF8_3FC0),
    many(0xC00, 8, 4, "RQPRMn", ALL),
    many(0xC44, 8, 8, "RFBPTRn", POINTER),
    ro(0xD1C, "RX_STATE", 0),
    rw(0xE00, "TMR_CTRL", 0x0001_0001, 0xDFFF_CFEF),
    w1c(0xE04, "TMR_TEVENT", 0x0303_00E0),
    rw(0xE08, "TMR_TEMASK", 0, 0x0303_00E0),
    w1c(0xE0C, "TMR_PEVENT", 0x0000_0301),
    rw(0xE10, "TMR_PEMASK", 0, 0x0000_0301),
    ro(0xE14, "TMR_STAT", 0),
    rw(0xE18, "TMR_CNT_H", 0, ALL),
    rw(0xE1C, "TMR_CNT_L", 0, ALL),
    rw(0xE20, "TMR_ADD", 0, ALL),
    rw(0xE24, "TMR_ACC", 0, ALL),
    rw(0xE28, "TMR_PRSC", 2, 0x0000_FFFF),
    rw(0xE30, "TMROFF_H", 0, ALL),
    rw(0xE34, "TMROFF_L", 0, ALL),
    rw(0xE40, "TMR_ALARM1_H", ALL, ALL),
    rw(0xE44, "TMR_ALARM1_L", ALL, ALL),
    rw(0xE48, "TMR_ALARM2_H", ALL, ALL),
    rw(0xE4C, "TMR_ALARM2_L", ALL, ALL),
    rw(0xE80, "TMR_FIPER1", ALL, ALL),
    rw(0xE84, "TMR_FIPER2", ALL, ALL),
    rw(0xE88, "TMR_FIPER3", ALL, ALL),
    ro(0xEA0, "TMR_ETTS1_H", 0),
    ro(0xEA4, "TMR_ETTS1_L", 0),
    ro(0xEA8, "TMR_ETTS2_H", 0),
    ro(0xEAC, "TMR_ETTS2_L", 0),
    many(0xEB0, 4, 4, "ISRGn", 0xFFFF_0000),
    many(0xED0, 8, 4, "RXICn", COALESCE),
    many(0xF10, 8, 4, "TXICn", COALESCE),
];

/// For each word of the page the row it belongs to, plus one; 0: reserved.
static INDEX: [u8; 1024] = index();

const fn index() -> [u8; 1024] {
    let mut map = [0; 1024];
    let mut row = 0;
    while row < ROWS.len() {
        let mut n = 0;
        while n < ROWS[row].count {
            let word = (ROWS[row].first + n * ROWS[row].stride) as usize / 4;
            assert!(map[word] == 0, "two registers at one offset");
            map[word] = row as u8 + 1;
            n += 1;
        }
        row += 1;
    }
    map
}

/// The row of the register at byte offset `at`, or `None` where the page is reserved.
#[inline]
pub fn row(at: u16) -> Option<&'static Row> {
    match INDEX[usize::from(at / 4) & 1023] {
        0 => None,
        n => Some(&ROWS[usize::from(n) - 1]),
    }
}

/// The register's name, with its number where there are several.
pub fn name(at: u16) -> Option<String> {
    let row = row(at)?;
    let number = row.from + (at - row.first) / row.stride;
    Some(if row.count == 1 { row.name.into() } else { row.name.replace('n', &number.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_their_number() {
        assert_eq!(name(0x19C).as_deref(), Some("TBPTR3"));
        assert_eq!(name(0x5BC).as_deref(), Some("MAC15ADDR2"));
        assert_eq!(name(0x710), None);
        assert_eq!(name(0x838), None);
    }
}

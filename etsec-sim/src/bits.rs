//! Register offsets and bit masks the model acts on, from HW 2 and 3.
//!
//! It lists only what the model gives a meaning; `table.rs` has every register. Nothing here is
//! shared with a driver.

/// Offsets within the register page.
pub(crate) mod at {
    pub const IEVENT: u16 = 0x010;
    pub const IMASK: u16 = 0x014;
    pub const ECNTRL: u16 = 0x020;
    pub const PTV: u16 = 0x028;
    pub const DMACTRL: u16 = 0x02C;
    pub const TBIPA: u16 = 0x030;
    pub const FIFO_TX_THR: u16 = 0x08C;
    pub const TCTRL: u16 = 0x100;
    pub const TSTAT: u16 = 0x104;
    pub const DFVLAN: u16 = 0x108;
    pub const TXIC: u16 = 0x110;
    pub const TQUEUE: u16 = 0x114;
    pub const TR03WT: u16 = 0x140;
    pub const TBDBPH: u16 = 0x180;
    pub const TBPTR0: u16 = 0x184;
    pub const TBASEH: u16 = 0x200;
    pub const TBASE0: u16 = 0x204;
    pub const TMR_TXTS1_ID: u16 = 0x280;
    pub const TMR_TXTS1_H: u16 = 0x2C0;
    pub const RCTRL: u16 = 0x300;
    pub const RSTAT: u16 = 0x304;
    pub const RXIC: u16 = 0x310;
    pub const RQUEUE: u16 = 0x314;
    pub const RIR0: u16 = 0x318;
    pub const RBIFX: u16 = 0x330;
    pub const RQFAR: u16 = 0x334;
    pub const RQFCR: u16 = 0x338;
    pub const RQFPR: u16 = 0x33C;
    pub const MRBLR: u16 = 0x340;
    pub const RBDBPH: u16 = 0x380;
    pub const RBPTR0: u16 = 0x384;
    pub const RBASEH: u16 = 0x400;
    pub const RBASE0: u16 = 0x404;
    pub const TMR_RXTS_H: u16 = 0x4C0;
    pub const MACCFG1: u16 = 0x500;
    pub const MACCFG2: u16 = 0x504;
    pub const MAXFRM: u16 = 0x510;
    pub const MIIMCFG: u16 = 0x520;
    pub const MIIMIND: u16 = 0x534;
    pub const MACSTNADDR1: u16 = 0x540;
    pub const MAC1ADDR1: u16 = 0x548;
    pub const MAC15ADDR2: u16 = 0x5BC;
    pub const COUNTERS: u16 = 0x680;
    pub const COUNTERS_END: u16 = 0x72C;
    pub const CAR1: u16 = 0x730;
    pub const CAR2: u16 = 0x734;
    pub const CAM1: u16 = 0x738;
    pub const CAM2: u16 = 0x73C;
    pub const RREJ: u16 = 0x740;
    pub const IGADDR0: u16 = 0x800;
    pub const GADDR0: u16 = 0x880;
    pub const RQPRM0: u16 = 0xC00;
    pub const RFBPTR0: u16 = 0xC44;
    pub const TMR_CTRL: u16 = 0xE00;
    pub const TMR_TEVENT: u16 = 0xE04;
    pub const TMR_TEMASK: u16 = 0xE08;
    pub const TMR_PEVENT: u16 = 0xE0C;
    pub const TMR_PEMASK: u16 = 0xE10;
    pub const TMR_STAT: u16 = 0xE14;
    pub const TMR_CNT_H: u16 = 0xE18;
    pub const TMR_CNT_L: u16 = 0xE1C;
    pub const TMR_ADD: u16 = 0xE20;
    pub const TMR_ACC: u16 = 0xE24;
    pub const TMROFF_H: u16 = 0xE30;
    pub const TMR_ALARM1_H: u16 = 0xE40;
    pub const TMR_ALARM2_H: u16 = 0xE48;
    pub const TMR_FIPER1: u16 = 0xE80;
    pub const TMR_FIPER3: u16 = 0xE88;
    pub const TMR_ETTS1_H: u16 = 0xEA0;
    pub const TMR_LAST: u16 = 0xEAC;
    pub const ISRG0: u16 = 0xEB0;
    pub const RX_STATE: u16 = 0xD1C;
    pub const RXIC0: u16 = 0xED0;
    pub const RXIC7: u16 = 0xEEC;
    pub const TXIC0: u16 = 0xF10;
    pub const TXIC7: u16 = 0xF2C;
}

/// IEVENT and IMASK (HW 3.2).
pub(crate) mod ievent {
    pub const BABR: u32 = 0x8000_0000;
    pub const RXC: u32 = 0x4000_0000;
    pub const BSY: u32 = 0x2000_0000;
    pub const EBERR: u32 = 0x1000_0000;
    pub const MSRO: u32 = 0x0400_0000;
    pub const GTSC: u32 = 0x0200_0000;
    pub const BABT: u32 = 0x0100_0000;
    pub const TXC: u32 = 0x0080_0000;
    pub const TXE: u32 = 0x0040_0000;
    pub const TXB: u32 = 0x0020_0000;
    pub const TXF: u32 = 0x0010_0000;
    pub const LC: u32 = 0x0004_0000;
    pub const CRL: u32 = 0x0002_0000;
    pub const XFUN: u32 = 0x0001_0000;
    pub const RXB: u32 = 0x0000_8000;
    pub const MAG: u32 = 0x0000_0800;
    pub const GRSC: u32 = 0x0000_0100;
    pub const RXF: u32 = 0x0000_0080;
    pub const FGPI: u32 = 0x0000_0010;
    pub const FIR: u32 = 0x0000_0008;
    pub const FIQ: u32 = 0x0000_0004;
    pub const DPE: u32 = 0x0000_0002;
    pub const PERR: u32 = 0x0000_0001;
}

/// ECNTRL (HW 3.3).
pub(crate) mod ecntrl {
    pub const CLRCNT: u32 = 0x4000;
    pub const AUTOZ: u32 = 0x2000;
    pub const STEN: u32 = 0x1000;
    pub const GMIIM: u32 = 0x40;
    pub const TBIM: u32 = 0x20;
    pub const RPM: u32 = 0x10;
    pub const R100M: u32 = 0x08;
    pub const RMM: u32 = 0x04;
    pub const SGMIIM: u32 = 0x02;
}

/// DMACTRL (HW 3.4).
pub(crate) mod dmactrl {
    pub const GRS: u32 = 0x10;
    pub const GTS: u32 = 0x08;
    pub const TOD: u32 = 0x04;
    pub const WWR: u32 = 0x02;
    pub const WOP: u32 = 0x01;
}

/// TCTRL (HW 3.6).
pub(crate) mod tctrl {
    pub const IPCSEN: u32 = 0x4000;
    pub const TUCSEN: u32 = 0x2000;
    pub const VLINS: u32 = 0x1000;
    pub const RFC_PAUSE: u32 = 0x10;
    pub const TFC_PAUSE: u32 = 0x08;
    pub const TXSCHED: u32 = 0x06;
    pub const TXSCHED_PRIORITY: u32 = 0x02;
    pub const TXSCHED_MWRR: u32 = 0x04;
}

/// RCTRL (HW 3.11).
pub(crate) mod rctrl {
    pub const TS: u32 = 0x0100_0000;
    pub const PAL: u32 = 0x001F_0000;
    pub const LFC: u32 = 0x4000;
    pub const VLEX: u32 = 0x2000;
    pub const FILREN: u32 = 0x1000;
    pub const FSQEN: u32 = 0x0800;
    pub const GHTX: u32 = 0x0400;
    pub const PRSDEP: u32 = 0x00C0;
    pub const BC_REJ: u32 = 0x10;
    pub const PROM: u32 = 0x08;
    pub const RSF: u32 = 0x04;
    pub const EMEN: u32 = 0x02;
}

/// MACCFG1 (HW 3.14).
pub(crate) mod maccfg1 {
    pub const SOFT_RESET: u32 = 0x8000_0000;
    pub const RESET_RX: u32 = 0x000A_0000;
    pub const RESET_TX: u32 = 0x0005_0000;
    pub const LOOP_BACK: u32 = 0x100;
    pub const RX_FLOW: u32 = 0x20;
    pub const TX_FLOW: u32 = 0x10;
    pub const SYNC_RX: u32 = 0x08;
    pub const RX_EN: u32 = 0x04;
    pub const SYNC_TX: u32 = 0x02;
    pub const TX_EN: u32 = 0x01;
}

/// MACCFG2 (HW 3.15).
pub(crate) mod maccfg2 {
    pub const IF_MODE: u32 = 0x300;
    pub const IF_NIBBLE: u32 = 0x100;
    pub const IF_BYTE: u32 = 0x200;
    pub const PREAM_RXEN: u32 = 0x80;
    pub const PREAM_TXEN: u32 = 0x40;
    pub const HUGE_FRAME: u32 = 0x20;
    pub const MPEN: u32 = 0x08;
    pub const PAD_CRC: u32 = 0x04;
    pub const CRC_EN: u32 = 0x02;
    pub const FULL_DUPLEX: u32 = 0x01;
}

/// TMR_CTRL (HW 3.23).
pub(crate) mod tmr_ctrl {
    pub const FIPERST: u32 = 0x1000_0000;
    pub const PP1L: u32 = 0x0800_0000;
    pub const TCLK_PERIOD: u32 = 0x03FF_0000;
    pub const RTPE: u32 = 0x8000;
    pub const ETEP1: u32 = 0x0100;
    pub const TMSR: u32 = 0x20;
    pub const BYP: u32 = 0x08;
    pub const TE: u32 = 0x04;
    pub const CKSEL: u32 = 0x03;
}

/// TMR_TEVENT; RXP and TXP1 are of TMR_PEVENT (HW 3.23).
pub(crate) mod tmr_event {
    pub const ETS1: u32 = 0x0100_0000;
    pub const ALM1: u32 = 0x0001_0000;
    pub const PP1: u32 = 0x80;
    pub const TXP1: u32 = 0x0100;
    pub const RXP: u32 = 0x01;
}

/// TxBD flags (HW 4.2).
pub(crate) mod txbd {
    pub const R: u16 = 0x8000;
    pub const PAD_CRC: u16 = 0x4000;
    pub const W: u16 = 0x2000;
    pub const I: u16 = 0x1000;
    pub const L: u16 = 0x0800;
    pub const TC: u16 = 0x0400;
    pub const PRE: u16 = 0x0200;
    pub const LC: u16 = 0x0080;
    pub const HFE: u16 = 0x0080;
    pub const RL: u16 = 0x0040;
    pub const CF: u16 = 0x0040;
    pub const RC_SHIFT: u16 = 2;
    pub const TOE: u16 = 0x0002;
    pub const UN: u16 = 0x0002;
    pub const TR: u16 = 0x0001;
}

/// RxBD flags (HW 4.3).
pub(crate) mod rxbd {
    pub const RO1: u16 = 0x4000;
    pub const W: u16 = 0x2000;
    pub const I: u16 = 0x1000;
    pub const L: u16 = 0x0800;
    pub const F: u16 = 0x0400;
    pub const M: u16 = 0x0100;
    pub const BC: u16 = 0x0080;
    pub const MC: u16 = 0x0040;
    pub const LG: u16 = 0x0020;
    pub const NO: u16 = 0x0010;
    pub const SH: u16 = 0x0008;
    pub const CR: u16 = 0x0004;
    pub const OV: u16 = 0x0002;
    pub const TR: u16 = 0x0001;
    pub const ERRORS: u16 = LG | NO | SH | CR | OV | TR;
}

/// THLTn of TSTAT.
pub(crate) const fn thlt(ring: usize) -> u32 {
    0x8000_0000 >> ring
}

/// TXFn of TSTAT; also TQUEUE[ENn].
pub(crate) const fn txf(ring: usize) -> u32 {
    0x8000 >> ring
}

/// QHLTn of RSTAT.
pub(crate) const fn qhlt(ring: usize) -> u32 {
    0x0080_0000 >> ring
}

/// RXFn of RSTAT; also RQUEUE[ENn].
pub(crate) const fn rxf(ring: usize) -> u32 {
    0x80 >> ring
}

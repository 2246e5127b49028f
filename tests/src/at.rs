//! Register offsets as the tests name them: from HW 2, and not from the driver.

/// Interrupt events.
pub const IEVENT: u16 = 0x010;
/// Interrupt mask.
pub const IMASK: u16 = 0x014;
/// Ethernet control.
pub const ECNTRL: u16 = 0x020;
/// DMA control.
pub const DMACTRL: u16 = 0x02C;
/// Address of the TBI.
pub const TBIPA: u16 = 0x030;
/// Transmit control.
pub const TCTRL: u16 = 0x100;
/// Transmit status.
pub const TSTAT: u16 = 0x104;
/// Transmit queue control.
pub const TQUEUE: u16 = 0x114;
/// Position of transmit ring 0.
pub const TBPTR0: u16 = 0x184;
/// Base of transmit ring 0.
pub const TBASE0: u16 = 0x204;
/// Receive control.
pub const RCTRL: u16 = 0x300;
/// Receive status.
pub const RSTAT: u16 = 0x304;
/// Receive queue control.
pub const RQUEUE: u16 = 0x314;
/// Filer table address.
pub const RQFAR: u16 = 0x334;
/// Control word of a filer entry.
pub const RQFCR: u16 = 0x338;
/// Property word of a filer entry.
pub const RQFPR: u16 = 0x33C;
/// Maximum receive buffer length.
pub const MRBLR: u16 = 0x340;
/// Position of receive ring 0.
pub const RBPTR0: u16 = 0x384;
/// Base of receive ring 0.
pub const RBASE0: u16 = 0x404;
/// MAC configuration 1.
pub const MACCFG1: u16 = 0x500;
/// MAC configuration 2.
pub const MACCFG2: u16 = 0x504;
/// Maximum frame length.
pub const MAXFRM: u16 = 0x510;
/// First half of the station address.
pub const MACSTNADDR1: u16 = 0x540;
/// Received packets.
pub const RPKT: u16 = 0x6A0;
/// Dropped frames.
pub const RDRP: u16 = 0x6DC;
/// Carries of the first half of the counters.
pub const CAR1: u16 = 0x730;
/// Hash of individual addresses.
pub const IGADDR0: u16 = 0x800;
/// Hash of group addresses.
pub const GADDR0: u16 = 0x880;

/// DMACTRL\[GRS\] (HW 3.4).
pub const GRS: u32 = 0x10;
/// DMACTRL\[GTS\] (HW 3.4).
pub const GTS: u32 = 0x08;
/// DMACTRL of a running controller (HW 3.4).
pub const DMACTRL_RUNNING: u32 = 0xC3;

/// R and E of a descriptor's first word: it is the device's (HW 4.2, 4.3).
pub const OWNED: u32 = 0x8000_0000;

//! How a model is built: what the board would strap or solder, and the switches for what silicon
//! leaves open.

use crate::bits::ecntrl;
use crate::timer::TimerConfig;

/// Everything a [`Sim`](crate::Sim) is told at power-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// Address at which the external PHY answers on the MII bus, 0–31.
    pub phy_address: u8,
    /// The MAC interface the board straps into ECNTRL (HW 3.3).
    pub interface: Interface,
    /// Whether frames take time on the wire.
    pub wire: WireSpeed,
    /// Whether DMA is judged (see [`Violation`](crate::Violation)). On by default.
    pub sanitizer: bool,
    /// TSEC_ID as read by the driver (HW 3.1).
    pub id: u32,
    /// TSEC_ID2 as read by the driver (HW 3.1).
    pub id2: u32,
    /// Clocks of the IEEE 1588 timer.
    pub timer: TimerConfig,
    /// Whether it is an eTSEC2: with RIRn, ISRGn, RXICn and TXICn (HW 1.3). Before version 2 these
    /// offsets are reserved.
    pub etsec2: bool,
    /// How soon driver and device see each other's stores to memory.
    pub memory: MemoryOrder,
    /// Choices where silicon is not known, and errata.
    pub switches: Switches,
}

impl Default for SimConfig {
    fn default() -> Self {
        SimConfig {
            phy_address: 1,
            interface: Interface::Rgmii,
            wire: WireSpeed::Instant,
            sanitizer: true,
            id: 0x0124_0000,
            id2: 0x0030_00F0,
            timer: TimerConfig::default(),
            etsec2: true,
            memory: MemoryOrder::Strong,
            switches: Switches::default(),
        }
    }
}

/// How soon driver and device see each other's stores to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrder {
    /// At once, as if every store were followed by a barrier.
    Strong,
    /// As late as barriers allow: the device sees memory as it was at the last `publish`, and by
    /// chance some of the words stored since; the CPU sees what the device has stored into buffers
    /// by chance before the next `observe`. A driver that leaves out a barrier then fails on any
    /// host. For one driver in one thread: regions of another model ([`Sim::reach`]) are not
    /// followed.
    ///
    /// [`Sim::reach`]: crate::Sim::reach
    Weak {
        /// Where all chances come from.
        seed: u64,
    },
}

/// How long a transmitted frame is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireSpeed {
    /// As long as MACCFG2\[I/F mode\] and ECNTRL\[R100M\] make it, preamble and gap included.
    Link,
    /// No time at all: a frame has left when the register write that started it returns.
    Instant,
}

/// The strapped MAC interface (HW 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// MII, 10/100 only.
    Mii,
    /// GMII.
    Gmii,
    /// Reduced GMII.
    Rgmii,
    /// Reduced MII.
    Rmii,
    /// Serial GMII.
    Sgmii,
    /// Ten-bit interface.
    Tbi,
    /// Reduced ten-bit interface.
    Rtbi,
}

impl Interface {
    /// The strap bits of ECNTRL.
    pub(crate) const fn strap(self) -> u32 {
        match self {
            Interface::Mii => 0,
            Interface::Gmii => ecntrl::GMIIM,
            Interface::Rgmii => ecntrl::GMIIM | ecntrl::RPM,
            Interface::Rmii => ecntrl::RPM | ecntrl::RMM,
            Interface::Sgmii => ecntrl::TBIM | ecntrl::SGMIIM,
            Interface::Tbi => ecntrl::TBIM,
            Interface::Rtbi => ecntrl::TBIM | ecntrl::RPM,
        }
    }
}

/// Choices of HW 18 where silicon may go either way. All off is the model's normal behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// An incomplete TX chain halts all rings, not only its own (HW 17 item 19, 18.5).
    pub halt_all: bool,
    /// BSY and QHLTn already when a frame took the last empty RxBD (HW 18.7).
    pub prefetch: bool,
    /// Erratum A002: GRSC never comes (HW 14, 18.10).
    pub a002: bool,
    /// A TxBD keeps TOE after a good frame; the bit then reads as UN (HW 4.2).
    pub toe_stays: bool,
    /// Erratum eTSEC12: wrong checksums where the TxFCB's address modulo 32 is above 24 (HW 14).
    pub etsec12: bool,
    /// A TxBD whose data met a bus error is left ready, so that the error recurs until it is mended
    /// (HW 3.7). Off: it is closed with UN (HW 8.6).
    pub bus_error_recurs: bool,
    /// FGPI raises the RX line, as Linux has it, instead of the error line (HW 9.1).
    pub fgpi_on_rx: bool,
    /// A soft reset of the MAC also spoils the filer's table, RBIFX and RIRn; which registers it
    /// clears is not known (HW 8.4, 17).
    pub reset_spoils_filer: bool,
    /// RX descriptors and restart as QEMU's model does them (HW 15.3, 18.8): no F in a frame of one
    /// BD, the last BD's own length, no pad bytes without the parser; on a full ring no BSY, the
    /// frame kept, RBPTRn one too far, and two RSTAT writes to get going again.
    pub qemu: bool,
    /// Erratum eTSEC76: the transmitter runs dry in frames above 2500 bytes that ask for a checksum
    /// (HW 14).
    pub etsec76: bool,
    /// RxFCB\[VLN\] is wrong in every other frame while tags are not extracted (HW 5.3, 14).
    pub vln_noise: bool,
    /// Erratum eTSEC74: frames of MAXFRM and MAXFRM − 1 bytes are marked truncated (HW 14).
    pub etsec74: bool,
    /// Erratum NMG_eTSEC129: after a reset of the MAC the receiver is deaf until Rx_EN was off for
    /// a millisecond (HW 14).
    pub nmg129: bool,
    /// Lossless flow control: when reception has gone past RFBPTRn, the difference of HW 11.2 is
    /// taken as it stands, and nearly all of the ring counts as free. Off: none of it, until
    /// software writes RFBPTRn.
    pub free_wraps: bool,
    /// No pause frame with time 0 ends a pause of lossless flow control (HW 11.2).
    pub no_xon: bool,
    /// Events that belong to no ring show in group 0 only. Off: in both groups (HW 9.4).
    pub errors_in_group0: bool,
}

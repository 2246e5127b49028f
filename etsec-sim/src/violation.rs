//! What the sanitizer reports: who did what, where. It judges nothing.

use core::fmt;

/// Transmit or receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Transmit.
    Tx,
    /// Receive.
    Rx,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Tx => "TX",
            Direction::Rx => "RX",
        })
    }
}

/// A descriptor: its direction, ring and position in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Transmit or receive.
    pub direction: Direction,
    /// Ring number, 0–7.
    pub ring: usize,
    /// Position in the ring, counted from xBASEn.
    pub index: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ring {} BD {}", self.direction, self.ring, self.index)
    }
}

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A descriptor.
    Bd(Place),
    /// A ring as a whole.
    Ring(Direction, usize),
    /// An access to the register page at this offset.
    Register(u16),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Bd(place) => place.fmt(f),
            Who::Ring(direction, ring) => write!(f, "{direction} ring {ring}"),
            Who::Register(at) => match crate::table::name(*at) {
                Some(name) => write!(f, "register {name} ({at:#05x})"),
                None => write!(f, "register offset {at:#05x}"),
            },
        }
    }
}

/// One thing a driver must not do, done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Who is to blame.
    pub who: Who,
    /// The bus address it is about; for registers 0.
    pub at: u64,
    /// What is wrong.
    pub what: Breach,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Register(_) => write!(f, "{}: {}", self.who, self.what),
            _ => write!(f, "{} at {:#011x}: {}", self.who, self.at, self.what),
        }
    }
}

/// The kinds of violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Breach {
    /// Two descriptors the device owns have buffers that overlap.
    Overlap {
        /// The other descriptor.
        with: Place,
    },
    /// DMA to an address in no region.
    OutsideRegion {
        /// Bytes the access would cover.
        len: usize,
    },
    /// DMA to a region its owner has dropped.
    RetiredRegion {
        /// Bytes the access would cover.
        len: usize,
    },
    /// The ring pointer left the ring: no W bit where the ring ended when it was built.
    BeyondRing {
        /// Descriptors in the ring.
        len: usize,
    },
    /// The ring has no W bit within its region or within 65536 descriptors.
    EndlessRing,
    /// A transmitted buffer holds a word no CPU has written.
    Unwritten {
        /// Bus address of the aligned 8-byte word.
        word: u64,
    },
    /// The descriptor changed between fetch and close.
    DescriptorChanged {
        /// Flags and length when fetched.
        fetched: u32,
        /// Flags and length when it was to be closed.
        found: u32,
    },
    /// A byte of a TX buffer changed while the device owned it.
    BufferChanged {
        /// Bus address of the first changed byte.
        byte: u64,
    },
    /// A descriptor or its pointer was stored after the last `publish`, and the device was told or
    /// looked.
    NotPublished,
    /// R or E was set in the same `publish` as its pointer: the device may see it with the old
    /// pointer.
    PublishedTogether,
    /// A descriptor the device owns was rewritten while the ring was running.
    Rewritten {
        /// Flags and length as handed over.
        was: u32,
        /// Flags and length now.
        now: u32,
    },
    /// An RX buffer is not 64-byte aligned.
    UnalignedBuffer,
    /// xBASEn or xBPTRn is not 8-byte aligned.
    UnalignedRing,
    /// xBASEn or xBPTRn written while the ring was running.
    PointerWhileRunning,
    /// A register that may only change with its direction stopped was changed while running.
    ChangedWhileRunning,
    /// MRBLR is 0 while receiving, or not a multiple of 64.
    BadMrblr {
        /// The value.
        value: u32,
    },
    /// Coalescing was enabled without a number of frames or a time (HW 9.3).
    BadCoalescing {
        /// What was written.
        value: u32,
    },
    /// A TxBD was made ready with length 0.
    EmptyBuffer,
    /// A frame of more bytes than any length field can hold; it was never going to end.
    EndlessFrame,
    /// MACCFG2\[I/F mode\] was reserved when the MAC was enabled.
    NoInterfaceMode,
    /// A MII command while MIIMIND showed Busy: it was ignored (HW 8.7).
    MiiWhileBusy,
    /// A filer rule compares bits its mask hides; whether silicon masks RQFPR too is unknown.
    UnmaskedRule {
        /// The entry.
        entry: u8,
    },
    /// A write to the second group's page of a register that is in the first only (HW 1.3).
    NotInGroup,
    /// RFBPTRn was made equal to RBPTRn in a ring that is not empty throughout: it counts as empty
    /// (HW 11.2).
    FreeAmbiguous,
    /// RFBPTRn is not in the 256 MiB of RBPTRn (HW 3.20).
    FreeFarAway,
    /// A register's bits were set whose function the model lacks (see [`effects`](crate::effects)).
    NotModelled {
        /// The bits.
        bits: u32,
    },
    /// A time stamp is asked for where its place is wrong or the timer is off (HW 3.11, 12.4).
    BadStamping,
    /// An access that is not a multiple of 4 below 0x1000.
    BadAccess,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Overlap { with } => write!(f, "its buffer overlaps the one of {with}"),
            Breach::OutsideRegion { len } => write!(f, "DMA of {len} bytes outside every region"),
            Breach::RetiredRegion { len } => write!(f, "DMA of {len} bytes into a dropped region"),
            Breach::BeyondRing { len } => write!(f, "beyond the ring of {len} descriptors"),
            Breach::EndlessRing => f.write_str("the ring has no W bit"),
            Breach::Unwritten { word } => {
                write!(f, "sends a word at {word:#011x} that no CPU has written")
            }
            Breach::DescriptorChanged { fetched, found } => {
                write!(f, "changed from {fetched:#010x} to {found:#010x} between fetch and close")
            }
            Breach::BufferChanged { byte } => {
                write!(f, "its buffer changed at {byte:#011x} between fetch and close")
            }
            Breach::NotPublished => {
                f.write_str("used by the device without publish after its last store")
            }
            Breach::PublishedTogether => {
                f.write_str("ownership published together with its pointer: no publish between")
            }
            Breach::Rewritten { was, now } => {
                write!(f, "rewritten from {was:#010x} to {now:#010x} while the device owned it")
            }
            Breach::UnalignedBuffer => f.write_str("RX buffer is not 64-byte aligned"),
            Breach::UnalignedRing => f.write_str("ring pointer is not 8-byte aligned"),
            Breach::PointerWhileRunning => f.write_str("ring pointer written while the ring runs"),
            Breach::ChangedWhileRunning => f.write_str("changed while its direction runs"),
            Breach::BadMrblr { value } => {
                write!(f, "MRBLR {value:#x} is 0 or not a multiple of 64")
            }
            Breach::BadCoalescing { value } => {
                write!(f, "coalescing enabled by {value:#010x}, which lacks frames or time")
            }
            Breach::EmptyBuffer => f.write_str("ready with length 0"),
            Breach::EndlessFrame => f.write_str("the frame has no end"),
            Breach::NoInterfaceMode => f.write_str("MAC enabled with a reserved I/F mode"),
            Breach::MiiWhileBusy => f.write_str("MII command while busy"),
            Breach::UnmaskedRule { entry } => {
                write!(f, "filer entry {entry} has RQFPR bits outside its mask")
            }
            Breach::NotInGroup => f.write_str("written through the page of group 1"),
            Breach::FreeAmbiguous => {
                f.write_str("points at the next descriptor, so the whole ring counts as empty")
            }
            Breach::FreeFarAway => f.write_str("not in the 256 MiB of the next descriptor"),
            Breach::NotModelled { bits } => {
                write!(f, "bits {bits:#010x} ask for what the model does not have")
            }
            Breach::BadStamping => f.write_str("time stamp asked for without timer or place"),
            Breach::BadAccess => f.write_str("access is unaligned or out of the page"),
        }
    }
}

//! What a port is told before it starts. It knows ranges, not registers.

use crate::addr::AddressFilter;
use crate::buf::MAX_CHAIN;
use crate::errata::Errata;
use crate::error::Error;
use crate::fcb::RxFcb;
use crate::link::{Duplex, Link, Speed};
use crate::schedule::Schedule;

/// Ethernet header, one VLAN tag and FCS: what a frame has beyond its payload.
const OVERHEAD: usize = 14 + 4 + 4;
/// MAXFRM stays this far above the longest frame: at or over it frames count as truncated (HW 4.2
/// TR); with erratum eTSEC74 one byte earlier, when they are received.
const MARGIN: usize = 1;

/// Configuration of a port.
#[derive(Debug, Clone)]
pub struct Config {
    /// Station address and everything else the address filter lets in.
    pub filter: AddressFilter,
    /// Largest payload of a frame in bytes, [`Config::MTU_MIN`] to [`Config::MTU_MAX`].
    pub mtu: usize,
    /// Bytes of a receive buffer the device may fill (MRBLR): a multiple of 64 from 64 to 32,768.
    /// Longer frames take several buffers, with the feature `scatter`; without it, no frame may be
    /// longer.
    pub buffer_size: usize,
    /// Speed, duplex and pause to start with.
    pub link: Link,
    /// Address of the internal TBI on this MAC's own MII bus, 0 to 31. It hides a PHY there (HW
    /// 1.2).
    pub tbi_address: u8,
    /// Sharing of the wire between transmit rings.
    pub schedule: Schedule,
    /// Whether received frames are parsed, to layer 4: each then comes with a frame control block
    /// (HW 5.3), and the filer can be used.
    pub parser: bool,
    /// Pause time of the pause frames this port sends, in units of 512 bit times.
    pub pause_time: u16,
    /// Whether the MAC's output is led back to its input.
    pub loopback: bool,
    /// Errata that are worked around; all of them unless the part is known:
    /// [`Part::errata`](crate::errata::Part::errata).
    pub errata: Errata,
    /// Milliseconds after which a frame that is not sent counts as a hang of the transmitter,
    /// [`Config::HANG_MS_MIN`] or more.
    pub hang_ms: u32,
}

impl Config {
    /// Smallest MTU: the payload of a minimum frame.
    pub const MTU_MIN: usize = 46;
    /// Largest MTU: a frame of 9600 bytes.
    pub const MTU_MAX: usize = 9600 - OVERHEAD;

    /// Shortest time that counts as a hang: two of the longest frames at 10 Mb/s, of 7.7 ms each.
    pub const HANG_MS_MIN: u32 = 16;

    /// A port at 1000 Mb/s with the usual MTU of 1500 and whole-frame buffers.
    #[must_use]
    pub fn new(filter: AddressFilter) -> Self {
        Config {
            filter,
            mtu: 1500,
            buffer_size: 1536,
            link: Link::new(Speed::Mbps1000, Duplex::Full),
            tbi_address: 0x1F,
            schedule: Schedule::Priority,
            parser: false,
            pause_time: 0xFFFF,
            loopback: false,
            errata: Errata::all(),
            hang_ms: 5000,
        }
    }

    /// Longest frame in bytes that may be sent, without FCS.
    #[must_use]
    pub const fn frame_max(&self) -> usize {
        self.mtu + OVERHEAD - 4
    }

    /// Value of MAXFRM (HW 3.16).
    pub(crate) const fn maxfrm(&self) -> u32 {
        let margin = MARGIN + self.errata.contains(Errata::ETSEC74) as usize;
        (self.mtu + OVERHEAD + margin) as u32
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(Self::MTU_MIN..Self::MTU_MAX + 1).contains(&self.mtu) {
            return Err(Error::Mtu(self.mtu));
        }
        if !crate::pool::size_is_valid(self.buffer_size) {
            return Err(Error::BufferSize(self.buffer_size));
        }
        self.check_room(if self.parser { RxFcb::LEN } else { 0 })?;
        if self.tbi_address > 31 {
            return Err(Error::TbiAddress(self.tbi_address));
        }
        if self.hang_ms < Self::HANG_MS_MIN {
            return Err(Error::HangTime(self.hang_ms));
        }
        self.link.check().map_err(Error::Link)
    }

    /// Whether the longest frame, with `front` bytes in front of it, fits into the buffers it may
    /// take.
    pub(crate) fn check_room(&self, front: usize) -> Result<(), Error> {
        let least = self.maxfrm() as usize + front;
        if MAX_CHAIN == 1 && self.buffer_size < least {
            return Err(Error::Scatter { buffer_size: self.buffer_size, least });
        }
        Ok(())
    }
}

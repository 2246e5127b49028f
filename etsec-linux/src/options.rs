//! How a device is set up: what a user may choose, its ranges, and how much memory that takes.
//!
//! It knows numbers. Nothing is opened here.

use std::fmt;

use etsec_core::arena::{COUNTERS_BYTES, HEADER_BYTES, pool_bytes, ring_bytes};
use etsec_core::config::Config;
use etsec_core::frame_options::FrameOptions;
use etsec_core::link::{FlowControl, Link, Pause};
use etsec_core::offload::{RxOffload, TxOffload};

use crate::config::PortConfig;
use crate::error::Error;
use crate::roots::Roots;

/// Options of [`Device::open`](crate::Device::open). [`Options::default`] suits one application on
/// one port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Receive rings, 1 to 8.
    pub rx_rings: usize,
    /// Transmit rings, 1 to 8.
    pub tx_rings: usize,
    /// Descriptors in each ring, 4 to 65,536.
    pub ring: usize,
    /// Buffers in the pool, 2 to 65,535; `None`: two rings' worth for each receive ring and one for
    /// each transmit ring.
    pub buffers: Option<usize>,
    /// Bytes of a frame one buffer takes, a multiple of 64 from 64 to 32,768; `None`: a whole
    /// frame.
    pub buffer_size: Option<usize>,
    /// Payload bytes of the longest frame, 46 to 9578.
    pub mtu: usize,
    /// What is known better than by the device tree.
    pub port: PortConfig,
    /// The link the PHY is to be set to, or that there is if there is no PHY; `None`: what the PHY
    /// negotiates.
    pub link: Option<Link>,
    /// Where the link's flow control comes from.
    pub flow_control: FlowControl,
    /// Whether frames to others are received as well.
    pub promiscuous: bool,
    /// Whether all multicast frames are received.
    pub all_multicast: bool,
    /// Whether received frames are parsed (HW 5.3).
    pub parser: bool,
    /// What the MAC takes for a frame.
    pub frames: FrameOptions,
    /// Whether the MAC's output is led back to its input.
    pub loopback: bool,
    /// What the controller does to received frames; it needs `parser`.
    pub rx_offload: RxOffload,
    /// What the controller may do to frames that are sent.
    pub tx_offload: TxOffload,
    /// Bytes of the huge pages to use, where the device brings no memory of its own; `None`: what
    /// suits (see [`mounts::choose`](crate::mounts::choose)).
    pub page_size: Option<usize>,
    /// Where the kernel's files are.
    pub roots: Roots,
    /// Records what is done to the device and its descriptors.
    #[cfg(feature = "trace")]
    pub trace: Option<etsec_sim::trace::Recorder>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            rx_rings: 1,
            tx_rings: 1,
            ring: 256,
            buffers: None,
            buffer_size: None,
            mtu: 1500,
            port: PortConfig::default(),
            link: None,
            flow_control: FlowControl::Negotiated(Pause::BOTH),
            promiscuous: false,
            all_multicast: false,
            parser: false,
            frames: FrameOptions::default(),
            loopback: false,
            rx_offload: RxOffload::default(),
            tx_offload: TxOffload::Off,
            page_size: None,
            roots: Roots::default(),
            #[cfg(feature = "trace")]
            trace: None,
        }
    }
}

/// Most rings of a direction (HW 2.2, 2.3).
const RINGS_MAX: usize = 8;
/// Fewest and most descriptors of a ring (HW 4.4).
const RING: (usize, usize) = (4, 65_536);
/// Fewest buffers: one in a receive ring and one to send.
const BUFFERS: (usize, usize) = (2, 65_535);
/// Header, VLAN tag and FCS: what a frame has beyond its payload.
const OVERHEAD: usize = 14 + 4 + 4;
/// Buffers are multiples of this, up to the largest (HW 3.13).
const BUFFER_STEP: usize = 64;
const BUFFER_MAX: usize = 32_768;

/// Sizes that are in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Receive rings.
    pub rx_rings: usize,
    /// Transmit rings.
    pub tx_rings: usize,
    /// Descriptors in each ring.
    pub ring: usize,
    /// Buffers in the pool.
    pub buffers: usize,
    /// Bytes of a frame one buffer takes.
    pub buffer_size: usize,
}

impl Sizes {
    /// Bytes of a region that hold all of it.
    #[must_use]
    pub fn region_bytes(&self) -> usize {
        let rings = (self.rx_rings + self.tx_rings) * ring_bytes(self.ring);
        HEADER_BYTES + COUNTERS_BYTES + rings + pool_bytes(self.buffers, self.buffer_size)
    }

    /// Buffers that a receive ring is filled with.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.ring.min(self.buffers.saturating_sub(self.reserve()) / self.rx_rings)
    }

    /// Buffers kept out of the receive rings, so that there are some to send with: a quarter of
    /// them, and never none.
    #[must_use]
    pub fn reserve(&self) -> usize {
        let received = self.rx_rings * self.ring;
        self.buffers.saturating_sub(received).max(self.buffers.div_ceil(4))
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sizes { rx_rings, tx_rings, ring, buffers, buffer_size } = self;
        write!(
            f,
            "{rx_rings} receive and {tx_rings} transmit rings of {ring}, and {buffers} buffers of \
             {buffer_size} bytes"
        )
    }
}

impl Options {
    /// The sizes asked for, or as they follow from others.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] naming the number and its range.
    pub fn sizes(&self) -> Result<Sizes, Error> {
        range("number of receive rings", self.rx_rings, (1, RINGS_MAX))?;
        range("number of transmit rings", self.tx_rings, (1, RINGS_MAX))?;
        range("number of descriptors in a ring", self.ring, RING)?;
        range("MTU in bytes", self.mtu, (Config::MTU_MIN, Config::MTU_MAX))?;
        // A receive ring keeps one set of buffers while the application holds another.
        let wanted = (2 * self.rx_rings + self.tx_rings) * self.ring;
        let buffers = self.buffers.unwrap_or(wanted.min(BUFFERS.1));
        range("number of buffers", buffers, BUFFERS)?;
        // A parsed frame comes behind a control block of 8 bytes, and padding; its preamble takes 8
        // (HW 5.3, 5.4).
        let before = if self.parser { 8 + usize::from(self.rx_offload.padding) } else { 0 };
        let preamble = if self.frames.receive_preamble { 8 } else { 0 };
        let frame = self.mtu + OVERHEAD + before + preamble;
        let buffer_size = self.buffer_size.unwrap_or(frame.next_multiple_of(BUFFER_STEP));
        let in_range = (BUFFER_STEP..=BUFFER_MAX).contains(&buffer_size);
        if !in_range || !buffer_size.is_multiple_of(BUFFER_STEP) {
            return Err(Error::OutOfRange {
                what: "buffer size in bytes",
                value: buffer_size.to_string(),
                range: format!("a multiple of {BUFFER_STEP} up to {BUFFER_MAX}"),
            });
        }
        let (rx_rings, tx_rings, ring) = (self.rx_rings, self.tx_rings, self.ring);
        Ok(Sizes { rx_rings, tx_rings, ring, buffers, buffer_size })
    }
}

fn range(what: &'static str, value: usize, (low, high): (usize, usize)) -> Result<(), Error> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value: value.to_string(),
        range: format!("from {low} to {high}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_take_whole_frames_and_fit_one_small_huge_page() {
        let sizes = Options::default().sizes().unwrap();
        assert_eq!((sizes.buffers, sizes.buffer_size), (768, 1536));
        assert!(sizes.region_bytes() <= 2 << 20, "{}", sizes.region_bytes());
        assert_eq!(sizes.reserve(), 512);
    }

    #[test]
    fn a_jumbo_frame_and_its_control_block_fit_one_buffer() {
        let options = Options { mtu: 9578, parser: true, ..Options::default() };
        assert_eq!(options.sizes().unwrap().buffer_size, 9664);
        let frames = FrameOptions { receive_preamble: true, ..FrameOptions::default() };
        let options = Options { mtu: 1514, frames, ..Options::default() };
        assert_eq!(options.sizes().unwrap().buffer_size, 1600);
    }

    #[test]
    fn a_small_pool_keeps_a_quarter_for_sending() {
        let options = Options { buffers: Some(100), ..Options::default() };
        assert_eq!(options.sizes().unwrap().reserve(), 25);
        for (buffers, reserve) in [(2, 1), (3, 1), (4, 1), (5, 2)] {
            let options = Options { ring: 4, buffers: Some(buffers), ..Options::default() };
            assert_eq!(options.sizes().unwrap().reserve(), reserve, "{buffers}");
        }
        let options = Options { rx_rings: 8, tx_rings: 8, ring: 65_536, ..Options::default() };
        assert_eq!(options.sizes().unwrap().buffers, 65_535);
    }

    #[test]
    fn numbers_out_of_range_are_named_with_their_range() {
        let check = |change: fn(&mut Options), text: &str| {
            let mut options = Options::default();
            change(&mut options);
            assert_eq!(options.sizes().unwrap_err().to_string(), text);
        };
        check(|o| o.mtu = 45, "MTU in bytes is 45, but must be from 46 to 9578");
        check(|o| o.mtu = 9579, "MTU in bytes is 9579, but must be from 46 to 9578");
        check(|o| o.ring = 3, "number of descriptors in a ring is 3, but must be from 4 to 65536");
        check(
            |o| o.ring = 65_537,
            "number of descriptors in a ring is 65537, but must be from 4 to 65536",
        );
        check(|o| o.rx_rings = 0, "number of receive rings is 0, but must be from 1 to 8");
        check(|o| o.tx_rings = 9, "number of transmit rings is 9, but must be from 1 to 8");
        check(|o| o.buffers = Some(1), "number of buffers is 1, but must be from 2 to 65535");
        let sizes = "but must be a multiple of 64 up to 32768";
        for size in [0, 100, 32_832, usize::MAX] {
            let options = Options { buffer_size: Some(size), ..Options::default() };
            let text = options.sizes().unwrap_err().to_string();
            assert_eq!(text, format!("buffer size in bytes is {size}, {sizes}"));
        }
    }
}

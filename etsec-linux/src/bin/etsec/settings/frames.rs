//! What the MAC takes for a frame, and what it stores of frames where.

use anyhow::Result;
use etsec_core::frame_options::FrameOptions;
use etsec_core::stash;
use etsec_linux::device::Device;
use serde::{Deserialize, Serialize};

use super::{Section, Settings, Wrong, fit};

/// The MAC's options for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Frames {
    /// Octets of preamble of a frame that is sent.
    pub preamble: i64,
    /// Frames below the Ethernet minimum are received.
    pub short: bool,
    /// Frames longer than the MTU allows are received, as far as buffers hold them.
    pub huge: bool,
    /// The length field of 802.3 frames is compared with the data.
    pub check_length: bool,
    /// What is sent is received, and nothing is on the wire.
    pub loopback: bool,
}

impl Default for Frames {
    fn default() -> Self {
        let FrameOptions { preamble, .. } = FrameOptions::default();
        Frames {
            preamble: preamble.into(),
            short: false,
            huge: false,
            check_length: false,
            loopback: false,
        }
    }
}

impl Frames {
    /// As the core has them.
    pub fn options(self) -> FrameOptions {
        FrameOptions {
            preamble: fit(self.preamble),
            short_frames: self.short,
            huge_frames: self.huge,
            check_length: self.check_length,
            ..FrameOptions::default()
        }
    }
}

impl Section for Frames {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("frames.preamble", self.preamble, (1, 15))
    }

    // Queues are made for it: a device is opened with it.
}

/// What is put into the second-level cache as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Stash {
    /// Receive descriptors.
    pub descriptors: bool,
    /// Bytes of each received frame.
    pub length: i64,
    /// The first of them.
    pub index: i64,
}

impl Section for Stash {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        for (key, value, step, most) in [
            ("stash.length", self.length, 8, stash::Stash::LENGTH_MAX),
            ("stash.index", self.index, 64, stash::Stash::INDEX_MAX),
        ] {
            let most = i64::from(most);
            if value % step != 0 || !(0..=most).contains(&value) {
                let why = format!("is {value}, but must be a multiple of {step} up to {most}");
                return Err(Wrong::new(key, why));
            }
        }
        Ok(())
    }

    fn begin(&self, device: &mut Device) -> Result<()> {
        // What nobody asks for costs no register write.
        if *self == Stash::default() {
            return Ok(());
        }
        let Stash { descriptors, length, index } = *self;
        Ok(device.port.set_stash(stash::Stash {
            descriptors,
            length: fit(length),
            index: fit(index),
        })?)
    }
}

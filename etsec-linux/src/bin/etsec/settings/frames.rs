//! What the MAC takes for a frame, and what it stores of frames where.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use etsec_core::frame_options::{self, FrameOptions};
use etsec_core::stash;
use serde::{Deserialize, Serialize};

use super::{Ready, Section, Settings, Wrong, fit, text};

/// The MAC's options for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Frames {
    /// Octets of preamble of a frame that is sent.
    pub preamble: i64,
    /// The preamble of a frame that is received is kept, in front of it.
    pub receive_preamble: bool,
    /// What `send` sends before each frame instead of the usual preamble and start delimiter.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub own_preamble: Option<Preamble>,
    /// Frames below the Ethernet minimum are received.
    pub short: bool,
    /// Frames longer than the MTU allows are received, as far as buffers hold them.
    pub huge: bool,
    /// The length field of 802.3 frames is compared with the data.
    pub check_length: bool,
    /// What the MAC puts behind a frame that is sent.
    pub ending: Ending,
    /// What is sent is received, and nothing is on the wire.
    pub loopback: bool,
}

/// What the MAC puts behind a frame that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Padding to 64 bytes, and the check sequence.
    #[default]
    Padded,
    /// The check sequence: short frames leave short.
    Summed,
    /// Nothing: frames end with their own check sequence.
    Own,
}

/// Preamble and start delimiter: what eight bytes on the wire are before a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble(pub [u8; 8]);

impl fmt::Display for Preamble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

impl FromStr for Preamble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let byte = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2);
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Preamble).ok_or_else(|| {
            format!("'{text}' is not 8 bytes such as 55:55:55:55:55:55:55:d5, the usual ones")
        })
    }
}

impl Default for Frames {
    fn default() -> Self {
        let FrameOptions { preamble, .. } = FrameOptions::default();
        Frames {
            preamble: preamble.into(),
            receive_preamble: false,
            own_preamble: None,
            short: false,
            huge: false,
            check_length: false,
            ending: Ending::default(),
            loopback: false,
        }
    }
}

impl Frames {
    /// As the core has them.
    pub fn options(self) -> FrameOptions {
        FrameOptions {
            preamble: fit(self.preamble),
            receive_preamble: self.receive_preamble,
            own_preambles: self.own_preamble.is_some(),
            short_frames: self.short,
            huge_frames: self.huge,
            check_length: self.check_length,
            ending: match self.ending {
                Ending::Padded => frame_options::Ending::Padded,
                Ending::Summed => frame_options::Ending::Summed,
                Ending::Own => frame_options::Ending::Own,
            },
        }
    }
}

impl Section for Frames {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("frames.preamble", self.preamble, (1, 15))?;
        let others =
            [(all.vlan.id.is_some(), "vlan.id"), (all.ptp.tx_stamps, "ptp.tx-stamps is true")];
        match others.into_iter().find(|(on, _)| *on && self.own_preamble.is_some()) {
            Some((_, other)) => Err(Wrong::new(
                "frames.own-preamble",
                format!("cannot be beside {other}: a frame has one of them"),
            )),
            None => Ok(()),
        }
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

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preamble_is_eight_bytes() {
        let usual = "55:55:55:55:55:55:55:d5";
        let preamble: Preamble = usual.parse().unwrap();
        assert_eq!((preamble.0[7], preamble.to_string().as_str()), (0xD5, usual));
        for bad in ["", "55:55:55:55:55:55:d5", "55:55:55:55:55:55:55:55:d5", "+5:5:5:5:5:5:5:d5"] {
            assert!(bad.parse::<Preamble>().unwrap_err().contains("is not 8 bytes"), "{bad}");
        }
    }
}

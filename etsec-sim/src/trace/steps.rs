//! What a driver did, with everything left out that differs from run to run though it did the same:
//! time, the device's answers, how often it asked while it waited, and where its memory is.

use std::collections::HashMap;

use super::line::{Change, Line, Page, Ring, What};
use crate::bits::at;
use crate::violation::Direction;

/// Makes steps of a trace's lines, one after the other.
#[derive(Debug, Default)]
pub struct Steps {
    /// Bus address of each ring, and how many descriptors it has.
    rings: HashMap<Ring, (u64, u32)>,
    /// The register that was read in the line before.
    last_read: Option<(Page, u16)>,
}

impl Steps {
    /// The step that `line` is, in words; `None` if it is nothing the driver did, or nothing new.
    /// `name` names a register.
    pub fn step(&mut self, line: &Line, name: impl Fn(Page, u16) -> String) -> Option<String> {
        let last_read = self.last_read.take();
        match &line.what {
            What::Read(access) => {
                let read = (access.page, access.at);
                self.last_read = Some(read);
                (last_read != Some(read)).then(|| format!("read {}", name(access.page, access.at)))
            }
            What::Write(access) => {
                let value = self.value(access.page, access.at, access.value);
                Some(format!("write {} {value}", name(access.page, access.at)))
            }
            What::Publish => Some("publish".into()),
            What::Ring { ring, bus, len } => {
                self.rings.insert(*ring, (*bus, *len));
                Some(format!("ring {ring} of {len}"))
            }
            What::Descriptor { ring, index, change: Change::Given { bd, .. } } => {
                Some(format!("{ring} [{index}] give {:#010x}", bd.word))
            }
            What::Descriptor { ring, index, change: Change::Back { .. } } => {
                Some(format!("{ring} [{index}] back"))
            }
            What::Descriptor { .. } | What::Memory { .. } | What::Forget { .. } => {
                // Nothing of it is asked again and again.
                self.last_read = last_read;
                None
            }
            What::Note(_) | What::End => None,
        }
    }

    /// A value that is written; a pointer by what it points to.
    fn value(&self, page: Page, at: u16, value: u32) -> String {
        let pointer = |first: u16| {
            let offset = at.wrapping_sub(first);
            let its = page == Page::Group0 && offset < 64 && offset.is_multiple_of(8);
            its.then_some((offset / 8) as u8)
        };
        // A base is written before it is known what is there; the line behind it says that.
        if pointer(at::TBASE0).or(pointer(at::RBASE0)).is_some() && value != 0 {
            return "its ring".into();
        }
        let places = [
            (pointer(at::TBPTR0), Direction::Tx),
            (pointer(at::RBPTR0), Direction::Rx),
            (pointer(at::RFBPTR0), Direction::Rx),
        ];
        for (number, direction) in places {
            let ring = number.map(|number| Ring { direction, number });
            let Some((bus, len)) = ring.and_then(|ring| self.rings.get(&ring)) else { continue };
            let offset = value.wrapping_sub(*bus as u32);
            if offset.is_multiple_of(8) && offset / 8 < *len {
                return format!("[{}]", offset / 8);
            }
        }
        let high = [at::TBASEH, at::TBDBPH, at::RBASEH, at::RBDBPH];
        if page == Page::Group0 && high.contains(&at) {
            return "its window".into();
        }
        format!("{value:#010x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(lines: &[&str]) -> Vec<String> {
        let mut steps = Steps::default();
        let lines = lines.iter().map(|text| Line::parse(&format!("0.000000000 {text}")).unwrap());
        lines.filter_map(|line| steps.step(&line, |_, at| format!("{at:#05x}"))).collect()
    }

    #[test]
    fn what_differs_by_chance_is_left_out() {
        let one = steps(&[
            "memory 0x010000000 0x1000",
            "read group0 0x534 0x00000001",
            "read group0 0x534 0x00000000",
            "write group0 0x204 0x10000140",
            "ring tx 0 0x010000140 4",
            "tx 0 0 give 0x98000064 0x10001d00 0200",
            "write group0 0x184 0x10000148",
            "tx 0 0 done 0x18000064 0x10001d00",
            "end",
        ]);
        let other = steps(&[
            "memory 0x020000000 0x1000",
            "read group0 0x534 0x00000000",
            "write group0 0x204 0x20000040",
            "ring tx 0 0x020000040 4",
            "tx 0 0 give 0x98000064 0x20000900 0300",
            "write group0 0x184 0x20000048",
            "end",
        ]);
        assert_eq!(one, other);
        let words = ["read 0x534", "write 0x204 its ring", "ring tx 0 of 4"];
        assert_eq!(one[..3], words);
        assert_eq!(one[3..], ["tx 0 [0] give 0x98000064", "write 0x184 [1]"]);
    }

    #[test]
    fn what_the_driver_does_otherwise_is_a_step() {
        let asked = steps(&["read group0 0x010 0x0", "publish", "read group0 0x010 0x0"]);
        assert_eq!(asked, ["read 0x010", "publish", "read 0x010"]);
        assert_ne!(steps(&["write group0 0x010 0x1"]), steps(&["write group1 0x014 0x1"]));
        assert_eq!(steps(&["rx 0 3 back 0x0 0x0", "rx 0 3 lost"]), ["rx 0 [3] back"]);
    }
}

//! The filer's search, written once more from HW 6.1 alone: a third opinion beside the model's and
//! the driver's, and one that can take either side where the manual is not clear.
//!
//! It reads entries through a function, so that a table may change while it is searched.

/// What a search comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// File to a virtual queue, perhaps with FGPI.
    File {
        /// 0 to 63.
        queue: u8,
        /// IEVENT\[FGPI\].
        interrupt: bool,
    },
    /// Reject.
    Reject,
    /// File through RIRn, counted from 0.
    Hashed(u8),
    /// No rule matched.
    Nothing,
    /// The table does what the manual rules out: a cluster inside a cluster.
    Undefined,
}

/// How what the manual leaves open is read (HW 6.1, 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// mask_register at the start of a search.
    pub mask: u32,
    /// Whether RQFPR is masked before it is compared.
    pub masks_value: bool,
    /// Whether the rest of a chain that has failed still loads masks.
    pub failed_chain_loads_masks: bool,
}

impl Reading {
    /// The model's choice (HW 18.9).
    pub const MODEL: Reading =
        Reading { mask: u32::MAX, masks_value: true, failed_chain_loads_masks: false };

    /// Every combination.
    pub fn all() -> impl Iterator<Item = Reading> {
        let masks = [u32::MAX, 0, 0x0F0F_0F0F].into_iter();
        masks.flat_map(|mask| {
            [(false, false), (false, true), (true, false), (true, true)].map(
                |(masks_value, failed_chain_loads_masks)| Reading {
                    mask,
                    masks_value,
                    failed_chain_loads_masks,
                },
            )
        })
    }
}

/// One control word, taken apart (HW 3.12).
struct Control {
    chained: bool,
    cluster: bool,
    compare: u32,
    property: u32,
}

impl Control {
    fn of(word: u32) -> Control {
        let bit = |n: u32| word >> n & 1 == 1;
        Control { chained: bit(7), cluster: bit(9), compare: word >> 5 & 3, property: word & 15 }
    }
}

/// Searches the table that `entry` reads for what becomes of a frame with these properties.
pub fn search(
    mut entry: impl FnMut(usize) -> (u32, u32),
    property: impl Fn(u32) -> u32,
    reading: Reading,
) -> Outcome {
    let (mut at, mut inside, mut mask) = (0, false, reading.mask);
    while at < 256 {
        // One rule, or one guard: entries up to the first that is not chained, or opens a cluster.
        let mut holds = true;
        let last = loop {
            let (word, value) = entry(at);
            let control = Control::of(word);
            if holds || reading.failed_chain_loads_masks {
                let left = if control.property == 0 {
                    mask = value;
                    value
                } else {
                    property(control.property) & mask
                };
                let masked = control.property != 0 && reading.masks_value;
                let right = if masked { value & mask } else { value };
                holds &= match control.compare {
                    0 => left == right,
                    1 => left >= right,
                    2 => left != right,
                    _ => left < right,
                };
            }
            at += 1;
            if !control.chained || control.cluster {
                break word;
            }
            if at == 256 {
                return Outcome::Nothing;
            }
        };
        let guard = Control::of(last).chained;
        match (guard, holds) {
            (true, _) if inside => return Outcome::Undefined,
            (true, true) => inside = true,
            (true, false) => {
                while at < 256 {
                    let control = Control::of(entry(at).0);
                    at += 1;
                    if control.cluster && !control.chained {
                        break;
                    }
                }
            }
            (false, true) => return outcome(last),
            (false, false) => inside &= !Control::of(last).cluster,
        }
    }
    Outcome::Nothing
}

/// What the closing entry of a rule that holds says.
fn outcome(word: u32) -> Outcome {
    if word & 0x100 != 0 {
        return Outcome::Reject;
    }
    match word >> 17 & 7 {
        0 => Outcome::File { queue: (word >> 10 & 63) as u8, interrupt: word >> 31 == 1 },
        map => Outcome::Hashed(map as u8 - 1),
    }
}

//! The receive filer: rules that say which ring a frame goes to, and the table of 256 entries that
//! the hardware searches for each frame (HW 6).
//!
//! A [`Rule`] is a value: what a frame must be, and what becomes of it. Rules are tried in order,
//! the first that matches decides, and a default [`Action`] decides on what is left. They become a
//! [`FilerTable`] by [`FilerTable::compile`] and come back from it by [`FilerTable::rules`]; a rule
//! has a text as well, such as `tcp dst-port 80-443 src-ip 10.0.0.0/8 queue 3`
//! (`docs/guide/filter.md`).
//!
//! A condition on a header's field holds only for frames that have the header, though the hardware
//! gives a field of an absent header a value too (HW 6.3): a rule for ports wants TCP or UDP, a
//! rule for a VLAN wants a tag. Where readings of the manual differ, a table means the same under
//! each.
//!
//! ```
//! use etsec_core::filer::{Action, FilerTable, Rule};
//!
//! let rules: [Rule; 2] = ["tcp dst-port 80-443 queue 3".parse()?, "vlan 5 drop".parse()?];
//! let table = FilerTable::compile(&rules, Action::to(0))?;
//! let read: Vec<String> = table.rules().map(|rule| rule.unwrap().to_string()).collect();
//! assert_eq!(read, ["tcp dst-port 80-443 queue 3", "vlan 5 drop", "queue 0"]);
//!
//! let error = "vlan 4096 drop".parse::<Rule>().unwrap_err();
//! assert_eq!(error.to_string(), "column 6: vlan 4096: 0 to 4095 are possible");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "adopt")]
mod adopt;
mod chain;
mod compile;
mod decompile;
mod error;
mod fields;
mod layout;
mod live;
mod normal;
mod parse;
mod rule;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use decompile::{Rules, Unreadable};
pub use error::{FilerError, RuleError};
pub use fields::Field;
pub use layout::Change;
pub(crate) use live::Filer;
pub use parse::{ParseRuleError, Wrong};
pub use rule::{
    Action, ByteFrom, ByteMatch, FlagMatch, HashBy, IpMatch, MacMatch, Match, Number, Rule, Spread,
};
pub use table::{ENTRIES, FilerEntry, FilerFull, FilerTable};

//! The same scenarios on two models: our own, and QEMU's eTSEC, which others wrote.
//!
//! A scenario is a function over a [`Device`]; it returns what it has seen, as values with names.
//! Where the two saw the same, they agree; where not, `docs/differences.md` has to say why, and
//! which section of the hardware reference decides. A difference that is listed and does not occur
//! is as wrong as one that is not listed.
//!
//! Scenarios know neither of the models; nor does the driver in them know on which it works.

pub mod bare;
pub mod device;
pub mod differences;
pub mod judge;
pub mod page;
pub mod remote;
mod scenarios;
pub mod seen;
pub mod speed;
pub mod station;

pub use device::{Device, Emulated, Simulated};
pub use differences::{Difference, Differences};
pub use judge::{Judgement, Verdict};
pub use remote::Remote;
pub use scenarios::{SCENARIOS, Scenario};
pub use seen::Seen;

//! A software model of the eTSEC.

pub mod miim;
pub mod partner;
pub mod phy;
pub mod tbi;

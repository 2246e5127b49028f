//! A software model of the eTSEC.

pub mod cable;
#[cfg(feature = "pcap")]
pub mod capture;
pub mod ends;
pub mod filer;
pub mod miim;
pub mod parser;
pub mod partner;
pub mod phy;
pub mod random;
#[cfg(feature = "tap")]
pub mod tap;
pub mod tbi;

//! A software model of the eTSEC.

pub mod cable;
pub mod filer;
pub mod miim;
pub mod parser;
pub mod partner;
pub mod phy;
pub mod random;
pub mod tbi;

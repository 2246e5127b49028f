//! Shared scaffolding of the tests.
pub mod adopting;
pub mod all_rings;
pub mod at;
pub mod conformance;
#[cfg(etsec_stores)]
pub mod crash;
pub mod filing;
pub mod fuzz;
pub mod golden;
pub mod packet;
pub mod pair;
pub mod ptp;
pub mod readings;
pub mod recording;
pub mod reference;
pub mod rig;
pub mod rules;
pub mod search;
pub mod shapes;
pub mod slow;
pub mod stamping;
pub mod still;
pub mod trace;
pub mod world;

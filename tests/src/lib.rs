//! Shared scaffolding of the tests.
pub mod adopting;
pub mod all_rings;
pub mod at;
pub mod conformance;
pub mod filing;
pub mod golden;
pub mod packet;
pub mod ptp;
pub mod recording;
pub mod reference;
pub mod rig;
pub mod rules;
pub mod search;
pub mod shapes;
pub mod stamping;
pub mod still;
pub mod trace;

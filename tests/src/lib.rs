//! Shared scaffolding of the tests.
pub mod all_rings;
pub mod at;
pub mod rig;
pub mod still;
pub mod trace;

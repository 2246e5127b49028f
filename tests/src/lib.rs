//! Shared scaffolding of the tests.
pub mod all_rings;
pub mod at;
pub mod rig;
pub mod trace;
pub mod still;

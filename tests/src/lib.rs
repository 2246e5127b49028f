//! Shared scaffolding of the tests.
pub mod rig;
pub mod still;

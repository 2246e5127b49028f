//! Shared scaffolding of the tests.

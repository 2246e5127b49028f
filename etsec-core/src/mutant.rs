//! Deliberate bugs: the proof that the tests' deterministic worlds find such
//! (`cargo xtask sim --mutants`).
//!
//! Each is built in by a `--cfg etsec_mutant="NAME"` of its own. No release build can contain one:
//! without debug assertions that does not compile. Otherwise the macro is `false`, and what it
//! guards is not there. It knows none of them.

/// Whether the deliberate bug of that name is built in.
macro_rules! mutant {
    ($name:literal) => {{
        #[cfg(all(etsec_mutant = $name, not(debug_assertions)))]
        compile_error!("a deliberate bug in a build without debug assertions");
        cfg!(etsec_mutant = $name)
    }};
}

//! Printing that outlives its reader: `cargo xtask test | head` goes on checking, and ends with the
//! right exit code, when nobody reads any more.

/// As `println!`, but a closed or full standard output is not minded.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

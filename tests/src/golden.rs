//! Texts that are kept to be compared with: what came out of a run that somebody has looked at and
//! found right.

use std::fs;
use std::path::Path;

use similar::TextDiff;

/// Set to write what comes out instead of comparing it: what `cargo xtask bless` does.
const BLESS: &str = "ETSEC_BLESS";

/// Compares `text` with `tests/golden/NAME`, both as `view` shows them.
///
/// # Panics
/// If they differ, with the difference and what to do about it.
pub fn compare(name: &str, text: &str, view: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let (kept, now) = (view(&kept), view(text));
    if kept == now {
        return;
    }
    let diff = TextDiff::from_lines(&kept, &now);
    let shown = diff.unified_diff().context_radius(3).header("kept", "now").to_string();
    let lines = shown.lines().count();
    let first: Vec<&str> = shown.lines().take(80).collect();
    panic!(
        "tests/golden/{name} is not what comes out now ({lines} lines of difference, the first of \
         which follow). If it is meant to differ, `cargo xtask bless` keeps what comes out.\n{}",
        first.join("\n")
    );
}

//! Our own style rules, those that rustfmt and clippy cannot check. This file finds the files and
//! judges whole-file rules; `code` reads Rust; `rules` is the table of who may name what; `licence`
//! knows what is under which; `links` sees that what is referred to is there.

mod code;
mod licence;
mod links;
mod rules;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;

/// A file longer than this wants to be two.
const FILE_LINES: usize = 500;
/// A function longer than this does not fit on a screen.
const FUNCTION_LINES: usize = 70;
/// As in `rustfmt.toml`; strings and comments are not rustfmt's business.
const COLUMNS: usize = 100;

/// Folders that hold what we wrote. Files in the root are looked at as well.
const FOLDERS: [&str; 8] =
    ["etsec-core", "etsec-sim", "etsec-linux", "tests", "xtask", "docs", ".ci", ".cargo"];

/// Kinds of files that are text of ours.
const KINDS: [&str; 11] = ["rs", "toml", "md", "sh", "json", "dts", "dtsi", "dtso", "h", "c", "ld"];

/// Words that stand for work not done. Put together here so that this file passes.
const UNDONE: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// A file: its path from the root, and its text.
#[derive(Debug)]
struct Source {
    path: String,
    text: String,
}

/// Checks all files.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let sources = collect(&session.root)?;
    let mut problems: Vec<String> = sources.iter().flat_map(check).collect();
    problems.extend(rules::unused(&sources));
    problems.extend(sources.iter().filter_map(licence::wrong));
    problems.extend(sources.iter().filter_map(licence::silent));
    problems.extend(links::broken(&sources, |path| session.root.join(path).exists()));
    for problem in &problems {
        log.line(problem)?;
    }
    if problems.is_empty() {
        return Ok(Verdict::PASSED);
    }
    Ok(Verdict::failed(format!("{} problems", problems.len())))
}

/// The problems of one file, each as `path:line: what`.
fn check(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut tell =
        |line: usize, what: &str| problems.push(format!("{}:{line}: {what}", source.path));
    for (line, text) in (1..).zip(source.text.lines()) {
        for word in UNDONE.iter().filter(|w| code::has_word(text, w)) {
            tell(line, &format!("{word}: do it, or open an issue"));
        }
        for path in MACHINE_PATHS.iter().filter(|p| text.contains(**p)) {
            tell(line, &format!("{path} is a path of one machine"));
        }
    }
    if source.path.ends_with(".rs") {
        check_rust(source, &mut tell);
    }
    problems
}

fn check_rust(source: &Source, tell: &mut impl FnMut(usize, &str)) {
    if !source.text.starts_with("//!") {
        tell(1, "begin with `//!`: what it is, what it refuses to know");
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES {
        tell(lines, &format!("{lines} lines; {FILE_LINES} is the end"));
    }
    for (line, text) in (1..).zip(source.text.lines()) {
        let columns = text.chars().count();
        if columns > COLUMNS {
            tell(line, &format!("{columns} columns; {COLUMNS} is the end"));
        }
    }
    let code = code::strip(&source.text);
    for (line, name, length) in code::functions(&code) {
        if length > FUNCTION_LINES {
            tell(line, &format!("fn {name} has {length} lines; {FUNCTION_LINES} is the end"));
        }
    }
    for (line, what) in rules::broken(&source.path, &code) {
        tell(line, &what);
    }
}

/// All files of ours, sorted by path.
fn collect(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    for folder in FOLDERS {
        walk(&root.join(folder), &mut paths)?;
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths.iter().filter(|p| is_ours(p)) {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        sources.push(Source { path, text });
    }
    Ok(sources)
}

fn is_ours(path: &Path) -> bool {
    let kind = path.extension().unwrap_or_default().to_string_lossy();
    KINDS.contains(&kind.as_ref()) || path.ends_with(".ci/run")
}

/// The files below `dir`, but for what cargo builds there; nothing where there is no such folder.
fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.into() })
    }

    #[test]
    fn a_tidy_file_has_no_problem() {
        let text = "//! A thing.\n\nfn f() {\n    // \u{2026}\n}\n";
        assert_eq!(problems("xtask/src/x.rs", text), Vec::<String>::new());
    }

    #[test]
    fn each_rule_is_told_with_its_line() {
        let undone = UNDONE[0];
        let long = "x".repeat(COLUMNS - 2);
        let path = MACHINE_PATHS[0];
        let found = problems("xtask/src/x.rs", &format!("// {undone}\n// {long}\n// {path}\n"));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with(&format!("xtask/src/x.rs:1: {undone}")), "{found:?}");
        assert!(found[1].starts_with("xtask/src/x.rs:3: /"), "{found:?}");
        assert!(found[2].starts_with("xtask/src/x.rs:1: begin with"), "{found:?}");
        assert!(found[3].starts_with("xtask/src/x.rs:2: 101 columns"), "{found:?}");
    }

    #[test]
    fn long_files_and_functions_are_told() {
        let body = "    f();\n".repeat(FUNCTION_LINES);
        let found = problems("a.rs", &format!("//! A.\nfn f() {{\n{body}}}\n"));
        assert_eq!(found, ["a.rs:2: fn f has 72 lines; 70 is the end"]);
        let found = problems("a.rs", &format!("//! A.\n{}", "\n".repeat(FILE_LINES)));
        assert_eq!(found, ["a.rs:501: 501 lines; 500 is the end"]);
    }

    #[test]
    fn text_that_is_not_rust_has_fewer_rules() {
        assert_eq!(problems("docs/a.md", &"long ".repeat(100)), Vec::<String>::new());
    }
}

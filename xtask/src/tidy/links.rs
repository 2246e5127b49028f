//! References from one file of ours to another: what an error message or a page sends its reader to
//! has to be there. Addresses on the network are nobody's business here.

use std::path::{Component, Path, PathBuf};

use super::Source;

/// A reference: the line it is in, the file as a path from the root, and the heading.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    file: String,
    anchor: Option<String>,
}

/// References that lead nowhere, each as `path:line: what`. Whether a file is there is asked of
/// `exists`, by its path from the root.
pub fn broken(sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    // Our own tests hold references that are made up.
    for source in sources.iter().filter(|source| !source.path.starts_with("xtask/src/tidy/")) {
        for Link { line, file, anchor } in links(source) {
            let at = format!("{}:{line}", source.path);
            if !exists(&file) {
                problems.push(format!("{at}: there is no {file}"));
            } else if let Some(anchor) = anchor
                && let Some(target) = sources.iter().find(|source| source.path == file)
                && !anchors(&target.text).contains(&anchor)
            {
                problems.push(format!("{at}: {file} has no heading #{anchor}"));
            }
        }
    }
    problems
}

fn links(source: &Source) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        found.extend(pages(text).map(|page| link(line, "", page)));
        if source.path.ends_with(".md") {
            let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            found.extend(targets(text).map(|target| match target.strip_prefix('#') {
                Some(anchor) => {
                    Link { line, file: source.path.clone(), anchor: Some(anchor.to_owned()) }
                }
                None => link(line, folder, target),
            }));
        }
    }
    found
}

fn link(line: usize, folder: &str, target: &str) -> Link {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (target, None),
    };
    Link { line, file: plain(&Path::new(folder).join(file)), anchor }
}

/// Pages of the documentation that a text names by their path from the root, as messages do.
fn pages(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("docs/").filter_map(|(at, _)| {
        // `../docs/` is ours as well; `example.org/docs/` is not.
        let before = text[..at].strip_suffix("../").unwrap_or(&text[..at]);
        if before.ends_with(|c: char| c.is_alphanumeric() || "/.-_".contains(c)) {
            return None;
        }
        let part = |text: &str, more: &str| {
            let ends = |c: char| !c.is_ascii_alphanumeric() && !more.contains(c);
            text.find(ends).unwrap_or(text.len())
        };
        let file = part(&text[at..], "/.-_");
        let path = text[at..at + file].trim_end_matches('.');
        if !path.ends_with(".md") {
            return None;
        }
        let rest = &text[at + path.len()..];
        let anchor = rest.strip_prefix('#').map_or(0, |rest| 1 + part(rest, "-_"));
        Some(&text[at..at + path.len() + anchor])
    })
}

/// Where the links of a line of Markdown lead, as far as that is a file.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(at, _)| {
        let target = text[at + 2..].split([')', ' ']).next()?;
        (!target.is_empty() && !target.contains(':')).then_some(target)
    })
}

/// The anchors of a page's headings, as the usual viewers make them.
fn anchors(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !fenced) else { continue };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let twins = found.iter().filter(|known| **known == anchor).count();
        found.push(if twins == 0 { anchor } else { format!("{anchor}-{twins}") });
    }
    found
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn pages_are_found_in_messages() {
        let found = |text| pages(text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found("\"x; see docs/guide/a.md#b-c\""), ["docs/guide/a.md#b-c"]);
        assert_eq!(found("(docs/a.md), [x](../docs/b.md#c_d)."), ["docs/a.md", "docs/b.md#c_d"]);
        assert_eq!(found("see docs/a.md."), ["docs/a.md"]);
        assert!(found("example.org/docs/a.md, mydocs/a.md, docs/a.rs, docs/").is_empty());
    }

    #[test]
    fn headings_have_anchors() {
        let text = "# Run it!\n## `etsec bind`, *now*\n```\n# no\n```\n##  A_b-c\n## Run it\n";
        assert_eq!(anchors(text), ["run-it", "etsec-bind-now", "a_b-c", "run-it-1"]);
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        let sources = [
            source("docs/a.md", "# One\n[x](b/c.md#two) [y](#one) [z](#three) [w](https://x.y/z)"),
            source("docs/b/c.md", "# Two\n[up](../a.md#one) [gone](../d.md)\n[p](../../README.md)"),
            source("x.rs", "//! docs/a.md#one\n//! docs/b/c.md#four\n//! docs/e.md"),
        ];
        let there = ["docs/a.md", "docs/b/c.md", "README.md"];
        let expected = [
            "docs/a.md:2: docs/a.md has no heading #three",
            "docs/b/c.md:2: there is no docs/d.md",
            "x.rs:2: docs/b/c.md has no heading #four",
            "x.rs:3: there is no docs/e.md",
        ];
        assert_eq!(broken(&sources, |file| there.contains(&file)), expected);
    }
}

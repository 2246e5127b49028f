//! What LLVM's tools say of coverage, as a table, an object, and a list of what is not reached.
//! Text in, text out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    reached: u64,
    all: u64,
}

impl Part {
    fn of(summary: &Value, what: &str) -> Part {
        let count = |which| summary[what][which].as_u64().unwrap_or(0);
        Part { reached: count("covered"), all: count("count") }
    }

    fn and(self, other: Part) -> Part {
        Part { reached: self.reached + other.reached, all: self.all + other.all }
    }

    fn percent(self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * self.reached as f64 / self.all as f64 }
    }

    fn text(self) -> String {
        match self.all {
            0 => "–".into(),
            all => format!("{}/{all} {:5.1} %", self.reached, self.percent()),
        }
    }

    fn object(self) -> Value {
        let percent = (self.percent() * 10.0).round() / 10.0;
        json!({ "reached": self.reached, "all": self.all, "percent": percent })
    }
}

/// Lines and branches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    lines: Part,
    branches: Part,
}

impl Row {
    fn and(self, other: Row) -> Row {
        Row { lines: self.lines.and(other.lines), branches: self.branches.and(other.branches) }
    }

    fn object(self) -> Value {
        json!({ "lines": self.lines.object(), "branches": self.branches.object() })
    }
}

/// A row a file, by its path in the workspace.
#[derive(Debug, PartialEq, Eq)]
pub struct Table(BTreeMap<String, Row>);

impl Table {
    /// From what `llvm-cov export -summary-only` prints, of these folders of the workspace.
    ///
    /// # Errors
    /// If it is something else.
    pub fn read(export: &[u8], root: &Path, folders: &[&str]) -> Result<Table> {
        let export: Value = serde_json::from_slice(export).context("llvm-cov printed no JSON")?;
        let files = export["data"][0]["files"].as_array().context("llvm-cov names no file")?;
        let row = |file: &Value| {
            let path = Path::new(file["filename"].as_str()?).strip_prefix(root).ok()?;
            folders.iter().find(|folder| path.starts_with(folder))?;
            let summary = &file["summary"];
            let (lines, branches) = (Part::of(summary, "lines"), Part::of(summary, "branches"));
            Some((path.display().to_string(), Row { lines, branches }))
        };
        Ok(Table(files.iter().filter_map(row).filter(|(_, row)| row.lines.all > 0).collect()))
    }

    /// The packages, and what they sum up to.
    fn packages(&self) -> BTreeMap<&str, Row> {
        let mut packages: BTreeMap<&str, Row> = BTreeMap::new();
        for (path, row) in &self.0 {
            let package = path.split('/').next().unwrap_or_default();
            let sum = packages.entry(package).or_default();
            *sum = sum.and(*row);
        }
        packages
    }

    fn total(&self) -> Row {
        self.0.values().fold(Row::default(), |sum, row| sum.and(*row))
    }

    /// For people.
    pub fn render(&self) -> String {
        let mut text = format!("{:<40} {:>20} {:>20}\n", "file", "lines", "branches");
        let mut line = |name: &str, row: &Row| {
            let (lines, branches) = (row.lines.text(), row.branches.text());
            let _ = writeln!(text, "{name:<40} {lines:>20} {branches:>20}");
        };
        self.0.iter().for_each(|(path, row)| line(path, row));
        self.packages().iter().for_each(|(package, row)| line(package, row));
        line("total", &self.total());
        text.trim_end().to_owned()
    }

    /// For programs.
    pub fn object(&self) -> Value {
        let all = |rows: &mut dyn Iterator<Item = (&str, Row)>| {
            rows.map(|(name, row)| (name.to_owned(), row.object())).collect::<BTreeMap<_, _>>()
        };
        json!({ "coverage": {
            "files": all(&mut self.0.iter().map(|(path, row)| (path.as_str(), *row))),
            "packages": all(&mut self.packages().into_iter()),
            "total": self.total().object(),
        } })
    }
}

/// Of what `llvm-cov show` prints, file by file: lines with a count of 0 and branches that never
/// went one way. A branch is shown for each instance of its function, and what any of them has
/// reached is reached. Left out are tests inside a file: an assertion never goes the other way.
pub fn unreached(show: &str) -> BTreeMap<String, Vec<String>> {
    let mut files = BTreeMap::new();
    let (mut file, mut branches, mut lines) = (String::new(), BTreeMap::new(), Vec::new());
    let mut is_test = false;
    for line in show.lines() {
        if line.starts_with('/') && line.ends_with(".rs:") {
            files.insert(file, sorted(&branches, &lines));
            (file, branches, lines) = (line.trim_end_matches(':').into(), BTreeMap::new(), vec![]);
            is_test = false;
        } else if is_test {
        } else if let Some((place, went)) = branch(line) {
            let ways = branches.entry(place).or_insert([false; 2]);
            *ways = [ways[0] | went[0], ways[1] | went[1]];
        } else if let Some((number, count, code)) = counted(line) {
            is_test = code == "mod tests {";
            if count == "0" {
                lines.push((number, code.to_owned()));
            }
        }
    }
    files.insert(file, sorted(&branches, &lines));
    files.retain(|_, found| !found.is_empty());
    files
}

/// Lines and branches of a file that were not reached, in its order.
fn sorted(branches: &BTreeMap<(u64, u64), [bool; 2]>, lines: &[(u64, String)]) -> Vec<String> {
    let mut found: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for (number, code) in lines {
        found.insert((*number, 0), format!("{number:>5}      {code}"));
    }
    for (place, ways) in branches {
        let what = match ways {
            [true, true] => continue,
            [true, false] => "never false",
            [false, true] => "never true",
            [false, false] => "never asked",
        };
        found.insert(*place, format!("{:>5}:{:<4} {what}", place.0, place.1));
    }
    found.into_values().collect()
}

/// `12|  3|code` as number, count and code.
fn counted(line: &str) -> Option<(u64, &str, &str)> {
    let mut columns = line.splitn(3, '|').map(str::trim_end);
    let number = columns.next()?.trim().parse().ok()?;
    Some((number, columns.next()?.trim(), columns.next()?))
}

/// `|  Branch (12:8): [True: 3, False: 0]` as the place and the ways it went. One that the compiler
/// has decided is none.
fn branch(line: &str) -> Option<((u64, u64), [bool; 2])> {
    let rest = line.trim_start_matches([' ', '|']).strip_prefix("Branch (")?;
    let (place, counts) = rest.split_once("): [True: ")?;
    let (line, column) = place.split_once(':')?;
    let (yes, no) = counts.trim_end_matches(']').split_once(", False: ")?;
    Some(((line.parse().ok()?, column.parse().ok()?), [yes != "0", no != "0"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_packages_and_all_are_summed_up() {
        let file = |name: &str, lines: (u64, u64), branches: (u64, u64)| {
            let part = |(covered, count): (u64, u64)| json!({ "covered": covered, "count": count });
            let summary = json!({ "lines": part(lines), "branches": part(branches) });
            json!({ "filename": name, "summary": summary })
        };
        let files = [
            file("/w/etsec-core/src/a.rs", (3, 4), (1, 2)),
            file("/w/etsec-core/src/b.rs", (1, 1), (0, 0)),
            file("/w/etsec-sim/src/a.rs", (5, 5), (2, 2)),
            file("/elsewhere/x.rs", (0, 9), (0, 0)),
        ];
        let export = json!({ "data": [{ "files": files }] }).to_string();
        let table =
            Table::read(export.as_bytes(), Path::new("/w"), &["etsec-core/src", "etsec-sim"])
                .expect("good");
        let text = table.render();
        assert!(text.contains("4/5  80.0 %") && !text.contains("elsewhere"), "{text}");
        assert!(text.lines().last().is_some_and(|l| l.contains("9/10") && l.contains("3/4")));
        let object = table.object();
        assert_eq!(object["coverage"]["packages"]["etsec-core"]["lines"]["percent"], 80.0);
        assert_eq!(object["coverage"]["total"]["branches"]["reached"], 3);
    }

    #[test]
    fn what_no_instance_has_reached_is_listed_once() {
        let show = "\
/w/a.rs:
    1|      2|fn f<T>(x: T) -> u8 {
    2|      2|    if x.is() && LATE {
  ------------------
  |  Branch (2:8): [True: 0, False: 2]
  |  Branch (2:16): [Folded - Ignored]
  ------------------
  |  Branch (2:8): [True: 0, False: 1.2k]
  ------------------
    3|      0|        return 1;
    4|       |    }
    5|      2|    if x.was() {
  ------------------
  |  Branch (5:8): [True: 0, False: 2]
  ------------------
  |  Branch (5:8): [True: 3, False: 0]
  ------------------
/w/b.rs:
    1|      1|fn g() {}
   10|       |mod tests {
   11|      0|    fn never() {}
";
        let found = unreached(show);
        assert_eq!(found.len(), 1);
        assert_eq!(found["/w/a.rs"], ["    2:8    never true", "    3              return 1;"]);
    }
}

//! The driver's counters as `etsec` says them in JSON, kept in a file between the two halves of the
//! demo, and shown as a table. What they mean is the driver's business.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

const FILE: &str = "counters.json";

/// Names and values, nested names joined by dots.
#[derive(Debug, PartialEq, Eq)]
pub struct Counters(Vec<(String, u64)>);

impl Counters {
    /// Keeps what `etsec` said, in `folder`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn store(folder: &Path, said: &Value) -> Result<()> {
        std::fs::write(folder.join(FILE), said.to_string()).context("cannot keep the counters")
    }

    /// What was kept in `folder`, if anything.
    ///
    /// # Errors
    /// Where the file is broken.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let Ok(text) = std::fs::read_to_string(folder.join(FILE)) else { return Ok(None) };
        let said = serde_json::from_str(&text).context("the counters are not JSON")?;
        Ok(Some(Self::of(&said)))
    }

    /// All numbers in an object, but for zeros.
    pub fn of(said: &Value) -> Self {
        let mut found = Vec::new();
        flatten("", said, &mut found);
        Self(found)
    }
}

fn flatten(name: &str, value: &Value, found: &mut Vec<(String, u64)>) {
    match value {
        Value::Number(number) => {
            if let Some(number) = number.as_u64().filter(|n| *n > 0) {
                found.push((name.to_owned(), number));
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{field}"), value, found);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                flatten(&format!("{name}[{n}]"), value, found);
            }
        }
        _ => {}
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (n, (name, value)) in self.0.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}  {name:width$}  {value:>12}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_counters_get_dotted_names_and_zeros_go() {
        let said = json!({ "event": "counters", "rx": [{ "frames": 7, "broken": 0 }], "t": 1 });
        let counters = Counters::of(&said);
        assert_eq!(counters, Counters(vec![("rx[0].frames".into(), 7), ("t".into(), 1)]));
        assert_eq!(
            counters.to_string(),
            "  rx[0].frames             7\n  t                        1"
        );
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Counters::load(folder.path()).expect("read"), None);
        Counters::store(folder.path(), &json!({ "n": 3 })).expect("kept");
        let loaded = Counters::load(folder.path()).expect("read");
        assert_eq!(loaded, Some(Counters(vec![("n".into(), 3)])));
    }
}

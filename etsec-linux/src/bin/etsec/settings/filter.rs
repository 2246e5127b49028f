//! The receive filer's rules: which ring a frame goes to, or that it is dropped. What a rule may
//! say is in docs/guide/filter.md.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use etsec_core::filer::{Action, Change, FilerTable, Rule};
use etsec_linux::device::Device;
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Text;
use super::{Live, Section, Wrong};

/// Rules, tried in order, and what becomes of frames that none of them matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Filter {
    /// Whether the receiver parses frames, as rules need it: they can only be set then.
    pub enabled: bool,
    /// All frames go to ring 0, and only tell the queue that was chosen for them.
    pub single_queue: bool,
    /// For frames that no rule matches.
    pub default: Text<Action>,
    /// The rules.
    pub rules: Vec<Text<Rule>>,
}

impl Default for Filter {
    fn default() -> Self {
        let default = Text(Action::to(0));
        Filter { enabled: false, single_queue: false, default, rules: Vec::new() }
    }
}

impl Filter {
    /// Reads a file of rules: one a line, `default ACTION` on a line of its own, and comments
    /// behind `#`.
    ///
    /// # Errors
    /// With file, line and column, what is wrong there.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the rules in {}", path.display()))?;
        let mut filter = Filter { enabled: true, ..Filter::default() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            filter.take(line).with_context(|| format!("{}:{number}", path.display()))?;
        }
        filter.check().with_context(|| format!("{}", path.display()))?;
        Ok(filter)
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let rule = line.trim_start();
        let behind = line.len() - rule.len();
        if let Some(action) = rule.strip_prefix("default ") {
            self.default = Text(parse(action, behind + "default ".len())?);
        } else if !rule.trim_end().is_empty() {
            self.rules.push(Text(parse(rule, behind)?));
        }
        Ok(())
    }

    fn rules(&self) -> Vec<Rule> {
        self.rules.iter().map(|rule| rule.0).collect()
    }

    /// `list`, `add RULE [PLACE]`, `del PLACE`, `flush`: shows the rules, or makes others of them.
    ///
    /// # Errors
    /// A place that there is not, other words, or what the driver says; nothing has changed then.
    pub fn act(&mut self, words: &[String], live: &mut Live<'_>) -> Result<Value> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut new = self.clone();
        match words[..] {
            ["list"] => return self.list(live),
            ["flush"] => new.rules.clear(),
            ["add", rule] => new.rules.push(Text(parse(rule, 0)?)),
            ["add", rule, place] => {
                let place = place_in(place, new.rules.len())?;
                new.rules.insert(place, Text(parse(rule, 0)?));
            }
            ["del", place] => {
                let last = new.rules.len().checked_sub(1).context("there is no rule")?;
                new.rules.remove(place_in(place, last)?);
            }
            _ => bail!("'{}' is none of list, add, del, flush", words.join(" ")),
        }
        let change = new.tell(live)?;
        *self = new;
        let mut shown = self.list(live)?;
        shown["seamless"] = (change == Change::Seamless).into();
        Ok(shown)
    }

    fn tell(&self, live: &mut Live<'_>) -> Result<Change> {
        if !live.port.config().parser {
            bail!(
                "the receiver does not parse frames, and that cannot be changed under way: start \
                 with --filter FILE, or `enabled = true` in [port.NAME.filter] of the --config file"
            );
        }
        Ok(live.port.set_rules(&self.rules(), self.default.0, &mut Delay)?)
    }

    /// The rules as the hardware has them.
    fn list(&self, live: &mut Live<'_>) -> Result<Value> {
        if !live.port.config().parser {
            return Ok(json!({ "rules": [], "default": self.default }));
        }
        let (rules, default) = readable(&live.port.filer())?;
        Ok(json!({ "rules": rules, "default": default }))
    }
}

/// A table in words: its rules and its default.
fn readable(table: &FilerTable) -> Result<(Vec<String>, String)> {
    let rules = table.rules().collect::<Result<Vec<_>, _>>()?;
    let mut words: Vec<String> = rules.iter().map(ToString::to_string).collect();
    let default = words.pop().unwrap_or_default();
    Ok((words, default))
}

/// A rule or an action that begins at column `behind` of what the user has written.
fn parse<T: FromStr<Err = etsec_core::filer::ParseRuleError>>(
    text: &str,
    behind: usize,
) -> Result<T> {
    text.trim_end().parse().map_err(|mut error: T::Err| {
        error.at += behind;
        anyhow::Error::new(error)
    })
}

fn place_in(word: &str, last: usize) -> Result<usize> {
    let place = word.parse().ok().filter(|place| *place <= last);
    place.with_context(|| format!("there is no place {word}: 0 to {last} are possible"))
}

impl Section for Filter {
    fn check(&self) -> Result<(), Wrong> {
        if !self.enabled && (!self.rules.is_empty() || self.single_queue) {
            return Err(Wrong::new("filter.enabled", "must be true if there are rules"));
        }
        let compiled = FilerTable::compile(&self.rules(), self.default.0);
        compiled
            .map(drop)
            .map_err(|error| Wrong::new("filter.rules", format!("cannot be: {error}")))
    }

    fn begin(&self, device: &mut Device) -> Result<()> {
        if self.enabled {
            device.port.set_single_queue(self.single_queue);
            device.port.set_rules(&self.rules(), self.default.0)?;
        }
        Ok(())
    }

    fn change(&self, live: &mut Live<'_>) -> Result<()> {
        if !self.enabled && !live.port.config().parser {
            return Ok(());
        }
        live.port.set_single_queue(self.single_queue, &mut Delay)?;
        self.tell(live).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules");
        std::fs::write(&path, text).unwrap();
        Filter::read(&path)
    }

    #[test]
    fn a_file_has_a_rule_a_line() {
        let text =
            "# the web\n  tcp dst-port 80-443 queue 3\n\ndefault queue 1 # the rest\nvlan 5 drop\n";
        let filter = read(text).unwrap();
        let rules: Vec<_> = filter.rules.iter().map(|rule| rule.0.to_string()).collect();
        assert_eq!(rules, ["tcp dst-port 80-443 queue 3", "vlan 5 drop"]);
        assert_eq!(filter.default, Text(Action::to(1)));
        let table = FilerTable::compile(&filter.rules(), filter.default.0).unwrap();
        let (again, default) = readable(&table).unwrap();
        assert_eq!((again, default.as_str()), (rules, "queue 1"));
    }

    #[test]
    fn a_mistake_in_it_has_line_and_column() {
        for (text, wanted) in [
            ("tcp drop\n  vlan 4096 queue 1\n", ":2: column 8: vlan 4096: 0 to 4095 are possible"),
            ("default tcp\n", ":1: column 12: "),
            ("tcp\n", "the rule does not say what to do"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(wanted), "{error}");
        }
    }
}

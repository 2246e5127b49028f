//! The receive filer's rules: which ring a frame goes to, or that it is dropped. What a rule may
//! say is in docs/guide/filter.md.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use etsec_core::Error::NoFiler;
use etsec_core::filer::{Action, FilerError, FilerTable, Match, ParseRuleError, Rule};
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Live, Ready, Section, Settings, Wrong, text};

/// Rules, tried in order, and what becomes of frames that none of them matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Filter {
    /// Whether the receiver parses frames, as rules need it: they can only be set then.
    pub enabled: bool,
    /// All frames go to ring 0, and only tell the queue that was chosen for them.
    pub single_queue: bool,
    /// For frames that no rule matches.
    pub default: String,
    /// The rules.
    pub rules: Vec<String>,
}

impl Default for Filter {
    fn default() -> Self {
        let default = Action::to(0).to_string();
        Filter { enabled: false, single_queue: false, default, rules: Vec::new() }
    }
}

/// A file of rules: one a line, `default ACTION` on a line of its own, and comments behind `#`.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The rules.
    pub rules: Vec<String>,
    /// For frames that none matches.
    pub default: String,
}

impl RuleFile {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// With file, line and column, what is wrong there.
    pub fn read(path: &Path) -> Result<Self> {
        let mut file = RuleFile { rules: Vec::new(), default: Filter::default().default };
        let (mut compiled, mut lines, mut last) = (Vec::new(), Vec::new(), 0);
        let contents = text::read(path)?;
        let at = |line: usize| format!("{}:{line}", path.display());
        for (number, line) in (1..).zip(contents.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let rule = line.trim_start();
            let behind = line.len() - rule.len();
            if let Some(action) =
                rule.strip_prefix("default").filter(|rest| rest.starts_with([' ', '\t']))
            {
                if last != 0 {
                    bail!("{}: the default is in line {last} already", at(number));
                }
                let blanks = action.len() - action.trim_start().len();
                let behind = behind + "default".len() + blanks;
                let action: Action =
                    parse(action.trim_start(), behind).with_context(|| at(number))?;
                (file.default, last) = (action.to_string(), number);
            } else if !rule.trim_end().is_empty() {
                let rule: Rule = parse(rule, behind).with_context(|| at(number))?;
                compiled.push(rule);
                lines.push(number);
                file.rules.push(rule.to_string());
            }
        }
        let default = parse(&file.default, 0)?;
        match FilerTable::compile(&compiled, default) {
            Ok(_) => Ok(file),
            Err(FilerError::Rule(index, error)) => Err(error).with_context(|| at(lines[index])),
            Err(error) => Err(error).with_context(|| at(last)),
        }
    }
}

impl Filter {
    /// The rules and the default as values.
    fn values(&self) -> Result<(Vec<Rule>, Action), Wrong> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (n, rule) in self.rules.iter().enumerate() {
            let wrong = |error: ParseRuleError| {
                Wrong::new(&format!("filter.rules.{n}"), format!("cannot be: {error}"))
            };
            rules.push(rule.trim().parse().map_err(wrong)?);
        }
        let default = self.default.trim().parse();
        let default = default.map_err(|error: ParseRuleError| {
            Wrong::new("filter.default", format!("cannot be: {error}"))
        })?;
        Ok((rules, default))
    }

    /// What `add RULE [PLACE]`, `del PLACE` and `flush` make of it; `None` for `list`.
    ///
    /// # Errors
    /// A place that there is not, other words.
    pub fn edited(&self, words: &[String]) -> Result<Option<Filter>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut rules = self.rules.clone();
        match words[..] {
            ["list"] => return Ok(None),
            ["flush"] => rules.clear(),
            ["add", rule] => rules.push(rule.to_owned()),
            ["add", rule, place] => rules.insert(place_in(place, rules.len())?, rule.to_owned()),
            ["del", place] => {
                let last = rules.len().checked_sub(1).context("there is no rule")?;
                rules.remove(place_in(place, last)?);
            }
            _ => bail!("'{}' is none of list, add, del, flush", words.join(" ")),
        }
        // Whatever it was that the parser is on for: if it is not, the port refuses.
        Ok(Some(Filter { enabled: true, rules, ..self.clone() }))
    }

    /// The rules as the hardware has them.
    ///
    /// # Errors
    /// A table that no rules compile to.
    pub fn list(&self, live: &mut Live<'_>) -> Result<Value> {
        // Before rules were set the table holds anything.
        if !self.enabled {
            let (default, single) = (&self.default, self.single_queue);
            return Ok(json!({ "rules": [], "default": default, "single-queue": single }));
        }
        let (rules, default) = readable(&live.port.filer())?;
        Ok(json!({ "rules": rules, "default": default, "single-queue": self.single_queue }))
    }

    /// Whether there is a ring for each queue that a rule names.
    fn check_rings(rings: usize, rules: &[Rule], default: Action) -> Result<(), Wrong> {
        let queues = |action: Action| match action {
            Action::File { queue, .. } => vec![queue & 7],
            Action::Reject => Vec::new(),
            Action::Spread(spread) => spread.rings.to_vec(),
        };
        let actions = rules.iter().map(|rule| rule.action).chain([default]);
        for (n, action) in actions.enumerate() {
            if let Some(ring) = queues(action).into_iter().find(|ring| usize::from(*ring) >= rings)
            {
                let key =
                    if n < rules.len() { format!("filter.rules.{n}") } else { DEFAULT.into() };
                let why = format!(
                    "goes to ring {ring}, which this port has not got: rings.rx is {rings}"
                );
                return Err(Wrong::new(&key, why));
            }
        }
        Ok(())
    }
}

const DEFAULT: &str = "filter.default";

/// A table in words: its rules and its default.
fn readable(table: &FilerTable) -> Result<(Vec<String>, String)> {
    let rules = table.rules().collect::<Result<Vec<_>, _>>()?;
    let mut words: Vec<String> = rules.iter().map(ToString::to_string).collect();
    let default = words.pop().unwrap_or_default();
    Ok((words, default))
}

/// Why the port did not take rules.
fn refused(error: FilerError) -> anyhow::Error {
    let port = anyhow::Error::new(error);
    match error {
        FilerError::Port(NoFiler) => port.context(
            "there can be no rules; do without --filter and filter.enabled (every eTSEC has a \
             filer but QEMU's)",
        ),
        _ => port,
    }
}

/// A rule or an action that begins at column `behind` of what the user has written.
fn parse<T: FromStr<Err = ParseRuleError>>(text: &str, behind: usize) -> Result<T> {
    text.trim_end().parse().map_err(|mut error: ParseRuleError| {
        error.at += behind;
        anyhow::Error::new(error)
    })
}

fn place_in(word: &str, last: usize) -> Result<usize> {
    let place = word.parse().ok().filter(|place| *place <= last);
    place.with_context(|| format!("there is no place {word}: 0 to {last} are possible"))
}

/// Whether a table has these rules in force.
fn are_in(table: &FilerTable, rules: &[Rule], default: Action) -> bool {
    let default = Rule { when: Match::default(), action: default };
    let wanted = rules.iter().chain([&default]).map(Rule::normal);
    table.rules().map(Result::ok).eq(wanted.map(Result::ok))
}

impl Section for Filter {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        let (rules, default) = self.values()?;
        let usual = Filter { enabled: false, ..self.clone() } == Filter::default();
        if !self.enabled && !usual {
            return Err(Wrong::new("filter.enabled", "must be true for rules to be in force"));
        }
        if !self.single_queue {
            Self::check_rings(super::fit(all.rings.rx), &rules, default)?;
        }
        match FilerTable::compile(&rules, default) {
            Ok(_) => Ok(()),
            Err(FilerError::Rule(n, error)) => {
                Err(Wrong::new(&format!("filter.rules.{n}"), format!("cannot be: {error}")))
            }
            Err(error) => Err(Wrong::new(DEFAULT, format!("cannot be: {error}"))),
        }
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        if self.enabled {
            let (rules, default) = self.values()?;
            if device.is_taken_over() {
                // Whichever rules are in force: they can change under way.
                ensure!(device.port.keep_filer()?, "the filter is off");
                device.port.set_single_queue(self.single_queue);
                return Ok(());
            }
            device.port.set_single_queue(self.single_queue);
            device.port.set_rules(&rules, default).map_err(refused)?;
        }
        Ok(())
    }

    fn settle(&self, live: &mut Live<'_>) -> Result<()> {
        if self.enabled {
            let (rules, default) = self.values()?;
            if !are_in(&live.port.filer(), &rules, default) {
                live.port.set_rules(&rules, default, &mut Delay).map_err(refused)?;
            }
        }
        Ok(())
    }

    fn change(&self, old: &Settings, live: &mut Live<'_>) -> Result<()> {
        if *self == old.filter {
            return Ok(());
        }
        if !live.port.config().parser {
            bail!(
                "the receiver does not parse frames, and that cannot be changed under way: start \
                 with --filter FILE, or `enabled = true` in [port.NAME.filter] of the --config file"
            );
        }
        let (rules, default) = self.values()?;
        let switched = self.single_queue != old.filter.single_queue;
        if switched && self.single_queue {
            // First, for the rules may name queues whose rings are not there.
            live.port.set_single_queue(true, &mut Delay)?;
        }
        if let Err(error) = live.port.set_rules(&rules, default, &mut Delay) {
            if switched && self.single_queue {
                live.port.set_single_queue(false, &mut Delay)?;
            }
            return Err(refused(error));
        }
        if switched && !self.single_queue {
            live.port.set_single_queue(false, &mut Delay)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_without_a_filer_is_told_of_with_a_cure() {
        let error = format!("{:#}", refused(NoFiler.into()));
        assert!(error.starts_with("there can be no rules; do without --filter"), "{error}");
        assert!(error.contains(": this controller has no filer"), "{error}");
        assert!(!format!("{:#}", refused(etsec_core::Error::ParserOff.into())).contains("QEMU"));
    }

    fn read(text: &str) -> Result<RuleFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules");
        std::fs::write(&path, text).unwrap();
        RuleFile::read(&path)
    }

    #[test]
    fn a_file_has_a_rule_a_line() {
        let text = "# the web\n  tcp dst-port 80-443 queue 3\n\n\
                    default queue 1 # the rest\nvlan 5 drop\n";
        let file = read(text).unwrap();
        assert_eq!(file.rules, ["tcp dst-port 80-443 queue 3", "vlan 5 drop"]);
        assert_eq!(file.default, "queue 1");
        let filter =
            Filter { rules: file.rules.clone(), default: file.default, ..Filter::default() };
        let (rules, default) = filter.values().unwrap();
        let table = FilerTable::compile(&rules, default).unwrap();
        assert_eq!(readable(&table).unwrap(), (file.rules, "queue 1".to_owned()));
    }

    #[test]
    fn a_mistake_in_it_has_line_and_column() {
        let many: String =
            (0..100).map(|n| format!("tcp dst-port {n}-{} drop\n", n + 200)).collect();
        for (text, wanted) in [
            ("tcp drop\n  vlan 4096 queue 1\n", ":2: column 8: vlan 4096: 0 to 4095 are possible"),
            ("default tcp\n", ":1: column 12: "),
            ("tcp\n", "the rule does not say what to do"),
            (&format!("# many\n{many}"), ": the filer's table is full: "),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(wanted), "{error}");
        }
    }
}

//! `etsec filter`: the rules by which frames go to receive rings, of a running port.

use anyhow::Result;
use etsec_core::filer::Rule;
use serde_json::{Map, Value};

use crate::args::{Filter, FilterAction, Observe};
use crate::control::Request;
use crate::output::table;
use crate::run::{Context, Usage};
use crate::settings::RuleFile;

/// Runs the command.
pub fn run(args: &Filter, context: &Context) -> Result<()> {
    let tell = |target: &Observe, request: &Request| context.ask(&target.device, request);
    let (target, words) = match &args.action {
        FilterAction::List { target } => (target, vec!["list".to_owned()]),
        FilterAction::Add { target, at, rule } => {
            let rule = rule.join(" ");
            // Here, for this is where the user has written it.
            let parsed: Rule = rule.parse().map_err(|error| Usage(format!("{rule}: {error}")))?;
            let at = at.map(|place| place.to_string());
            (target, ["add".to_owned(), parsed.to_string()].into_iter().chain(at).collect())
        }
        FilterAction::Del { target, place } => (target, vec!["del".to_owned(), place.to_string()]),
        FilterAction::Flush { target } => (target, vec!["flush".to_owned()]),
        FilterAction::Load { target, file } => {
            let RuleFile { rules, default } = RuleFile::read(file)?;
            let values =
                [("enabled", true.into()), ("rules", rules.into()), ("default", default.into())];
            let values = values.map(|(key, value): (&str, Value)| (key.to_owned(), value));
            let values = values.into_iter().collect();
            tell(target, &Request::Set { section: "filter".to_owned(), values })?;
            (target, vec!["list".to_owned()])
        }
        FilterAction::Set { target, words } => {
            let values = wanted(words).map_err(Usage)?;
            tell(target, &Request::Set { section: "filter".to_owned(), values })?;
            (target, vec!["list".to_owned()])
        }
    };
    let shown = tell(target, &Request::Act { section: "filter".to_owned(), words })?;
    context.out.show(&shown, text)
}

/// The words behind `set`: `default` with all words of its action, `single-queue` with one.
fn wanted(words: &[String]) -> Result<Map<String, Value>, String> {
    const KEYS: [&str; 2] = ["default", "single-queue"];
    let mut values = Map::from_iter([("enabled".to_owned(), Value::from(true))]);
    let mut rest = words;
    while let [key, behind @ ..] = rest {
        if !KEYS.contains(&key.as_str()) {
            return Err(format!(
                "'{key}' is not set here: write default ACTION or single-queue on|off; rules are \
                 changed by add, del, flush and load"
            ));
        }
        let end = behind.iter().position(|word| KEYS.contains(&word.as_str()));
        let (words, after) = behind.split_at(end.unwrap_or(behind.len()));
        rest = after;
        let value: Value = match (key.as_str(), words.join(" ").as_str()) {
            (_, "") => return Err(format!("'{key}' has no value")),
            ("single-queue", "on") => true.into(),
            ("single-queue", "off") => false.into(),
            ("single-queue", other) => {
                return Err(format!("single-queue is on or off, not {other}"));
            }
            (_, action) => action.into(),
        };
        if values.insert(key.clone(), value).is_some() {
            return Err(format!("'{key}' is there twice"));
        }
    }
    Ok(values)
}

fn text(shown: &Value) -> String {
    let rules = shown["rules"].as_array().into_iter().flatten().enumerate();
    let row = |place: String, rule: &Value| vec![place, rule.as_str().unwrap_or("").to_owned()];
    let mut rows: Vec<_> = rules.map(|(place, rule)| row(place.to_string(), rule)).collect();
    rows.push(row("default".to_owned(), &shown["default"]));
    if shown["single-queue"] == true {
        rows.push(row("single-queue".to_owned(), &"on".into()));
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_listed_with_their_places() {
        let shown = json!({ "rules": ["tcp queue 1", "drop"], "default": "queue 0" });
        assert_eq!(text(&shown), "0        tcp queue 1\n1        drop\ndefault  queue 0\n");
    }
}

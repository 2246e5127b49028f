//! `etsec rings`, `address` and the other verbs that show a section of a running port's settings,
//! or change it.

use anyhow::{Context, Result};
use etsec_linux::Roots;
use serde_json::{Map, Value};

use crate::args::{DeviceName, Observe, Ptp, PtpAction, Tune};
use crate::control::{Request, ask};
use crate::output::{Output, table};
use crate::run::Usage;
use crate::settings::text::pairs;

/// Shows `section`, or changes what the words name in it and shows it then.
pub fn run(section: &str, args: &Tune, out: Output) -> Result<()> {
    if args.words.is_empty() {
        return show(section, &args.device, &Request::Show, out);
    }
    set(section, &args.device, pairs(&args.words).map_err(Usage)?, out)
}

fn set(section: &str, device: &DeviceName, values: Map<String, Value>, out: Output) -> Result<()> {
    show(section, device, &Request::Set { section: section.to_owned(), values }, out)
}

fn show(section: &str, device: &DeviceName, request: &Request, out: Output) -> Result<()> {
    let settings = ask(&Roots::default(), &device.to_string(), request)?;
    let shown = settings.get(section).with_context(|| format!("it has no section '{section}'"))?;
    out.show(shown, text)
}

/// Does something with `section` that is no change of its values, and shows what came of it.
fn act(section: &str, device: &DeviceName, words: &[&str], out: Output) -> Result<()> {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    let request = Request::Act { section: section.to_owned(), words };
    out.show(&ask(&Roots::default(), &device.to_string(), &request)?, text)
}

/// `etsec ptp`.
pub fn ptp(args: &Ptp, out: Output) -> Result<()> {
    let change = |target: &Observe, values: Vec<(&str, Value)>| {
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        set("ptp", &target.device, values, out)
    };
    let act = |target: &Observe, words: &[&str]| act("ptp", &target.device, words, out);
    match &args.action {
        PtpAction::Start { target, input, hz } => {
            change(target, vec![("clock", input.as_str().into()), ("hz", (*hz).into())])
        }
        PtpAction::Stop { target } => change(target, vec![("clock", "none".into())]),
        PtpAction::Show { target } => act(target, &["show"]),
        PtpAction::Set { target, time } => act(target, &["set", time]),
        PtpAction::Step { target, ns } => act(target, &["step", &ns.to_string()]),
        PtpAction::Adjust { target, ppb } => act(target, &["adjust", &ppb.to_string()]),
    }
}

/// A value as a word of the command line.
fn word(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn text(section: &Value) -> String {
    let rows = section.as_object().into_iter().flatten();
    table(&rows.map(|(key, value)| vec![key.clone(), word(value)]).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_section_is_shown_in_the_words_that_change_it() {
        let section = json!({ "all-multicast": true, "frames": 3, "promiscuous": false });
        assert_eq!(text(&section), "all-multicast  on\nframes         3\npromiscuous    off\n");
    }
}

//! `etsec rings`, `address` and the other verbs that show a section of a running port's settings,
//! or change it.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::args::{DeviceName, Observe, Ptp, PtpAction, Tune};
use crate::control::{Request, State};
use crate::output::table;
use crate::run::{Context, Usage};
use crate::settings::text::pairs;

/// Shows `section`, or changes what the words name in it and shows it then.
pub fn run(section: &str, args: &Tune, context: &Context) -> Result<()> {
    let request = match &args.words[..] {
        [] => Request::Show,
        words => set(section, pairs(words).map_err(Usage)?),
    };
    context.out.show(&section_of(section, &args.device, &request, context)?, text)
}

/// `etsec pause`: what is wished for, and what came of it on the link there is.
pub fn pause(args: &Tune, context: &Context) -> Result<()> {
    let request = match &args.words[..] {
        [] => Request::Show,
        words => set("pause", pairs(words).map_err(Usage)?),
    };
    let mut shown = section_of("pause", &args.device, &request, context)?;
    let now: State = serde_json::from_value(context.ask(&args.device, &Request::Look)?)?;
    for (key, n) in [("rx-now", 0), ("tx-now", 1)] {
        shown[key] = now.pause.map_or("link is down".into(), |ways| json!(ways[n]));
    }
    context.out.show(&shown, text)
}

/// `etsec wait`: how the owner waits, and how that went so far.
pub fn wait(args: &Tune, context: &Context) -> Result<()> {
    let request = match &args.words[..] {
        [] => Request::Show,
        words => set("wait", pairs(words).map_err(Usage)?),
    };
    let mut shown = section_of("wait", &args.device, &request, context)?;
    let now: State = serde_json::from_value(context.ask(&args.device, &Request::Look)?)?;
    shown["so-far"] = now.waits;
    context.out.show(&shown, |shown| {
        let mut settings = shown.clone();
        let so_far = settings.as_object_mut().and_then(|all| all.remove("so-far"));
        let mut so_far = so_far.unwrap_or_default();
        let late = so_far.as_object_mut().and_then(|all| all.remove("late_usecs"));
        let below = |late: Value| [text(&so_far), text_of_late(&late)].concat();
        text(&settings) + &late.map_or_else(String::new, below)
    })
}

/// How late sleepers were: the bound in microseconds, and how often.
fn text_of_late(late: &Value) -> String {
    let mut rows: Vec<_> = late.as_object().into_iter().flatten().collect();
    rows.sort_by_key(|(bound, _)| bound.parse::<u64>().unwrap_or(u64::MAX));
    let row = |(bound, count): (&String, &Value)| vec![format!("late < {bound} us"), word(count)];
    table(&rows.into_iter().map(row).collect::<Vec<_>>())
}

fn set(section: &str, values: Map<String, Value>) -> Request {
    Request::Set { section: section.to_owned(), values }
}

/// The section as the owner has it when it has done what was asked for.
fn section_of(
    section: &str,
    device: &DeviceName,
    request: &Request,
    context: &Context,
) -> Result<Value> {
    let mut settings = context.ask(device, request)?;
    let section = settings.get_mut(section).with_context(|| format!("no section '{section}'"))?;
    Ok(section.take())
}

/// `etsec ptp`.
pub fn ptp(args: &Ptp, context: &Context) -> Result<()> {
    let change = |target: &Observe, values: Vec<(&str, Value)>| {
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        context.out.show(&section_of("ptp", &target.device, &set("ptp", values), context)?, text)
    };
    let act = |target: &Observe, words: &[&str]| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let request = Request::Act { section: "ptp".to_owned(), words };
        context.out.show(&context.ask(&target.device, &request)?, text)
    };
    match &args.action {
        PtpAction::Start { target, input, hz } => {
            change(target, vec![("clock", input.as_str().into()), ("hz", (*hz).into())])
        }
        // What needs a clock ends with it.
        PtpAction::Stop { target } => change(
            target,
            vec![
                ("clock", "none".into()),
                ("rx-stamps", false.into()),
                ("pulse-1", 0.into()),
                ("pulse-2", 0.into()),
                ("pulse-3", 0.into()),
                ("alarm-1", 0.into()),
                ("alarm-2", 0.into()),
                ("edge-1", "rising".into()),
                ("edge-2", "rising".into()),
            ],
        ),
        PtpAction::Events { target } => act(target, &["events"]),
        PtpAction::Pulse { target, pin, period } => {
            change(target, vec![(&format!("pulse-{pin}"), period.0.into())])
        }
        PtpAction::Alarm { target, alarm, time } => {
            change(target, vec![(&format!("alarm-{alarm}"), time.0.into())])
        }
        PtpAction::Edge { target, trigger, edge } => {
            change(target, vec![(&format!("edge-{trigger}"), edge.as_str().into())])
        }
        PtpAction::Stamps { target, on } => change(target, vec![("rx-stamps", (*on).into())]),
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
        Value::Array(values) if values.is_empty() => "none".to_owned(),
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

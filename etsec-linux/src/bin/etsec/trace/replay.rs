//! `etsec trace replay`: a trace played to a simulated controller.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use etsec_sim::trace::{Difference, Differs, Page, Replay, Setup};
use serde::Serialize;

use super::names::{Names, flags};
use crate::output::Output;
use crate::run::Usage;

/// A difference, or what the model says of the driver.
#[derive(Debug, Serialize)]
struct Found {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ns: Option<u64>,
    what: String,
}

/// What was compared, and how much of it differs.
#[derive(Debug, Serialize)]
struct Outcome {
    event: &'static str,
    reads: u64,
    descriptors: u64,
    ignored: u64,
    differences: usize,
    violations: usize,
}

/// Runs the command.
pub fn run(path: &Path, ignore: &[String], all: bool, out: Output) -> Result<()> {
    let names = Names::new();
    let ignored = ignored(&names, ignore)?;
    let mut setup = Setup::default();
    // Twice through the file, so that it need not be in memory.
    each(path, |_, line| {
        setup.look(line);
        Ok(true)
    })?;
    let mut replay = Replay::new(&setup, ignored);
    let mut differences = 0;
    let mut found = |difference: Difference| {
        differences += 1;
        let Difference { line, at_ns, what } = difference;
        let what = in_words(&names, &what);
        let found = Found { event: "difference", line: Some(line), ns: Some(at_ns), what };
        let seconds = format!("{}.{:06}", at_ns / 1_000_000_000, at_ns / 1000 % 1_000_000);
        out.show(&found, |found| format!("line {line}, {seconds} s: {}", found.what))
    };
    let mut stopped = false;
    each(path, |number, line| {
        let difference = replay.play(number, line).with_context(|| path.display().to_string())?;
        stopped = difference.is_some() && !all;
        difference.map_or(Ok(()), &mut found)?;
        Ok(!stopped)
    })?;
    if !stopped {
        replay.end().map_or(Ok(()), &mut found)?;
    }
    let violations = replay.violations();
    for violation in &violations {
        let what = violation.to_string();
        let found = Found { event: "violation", line: None, ns: None, what };
        out.show(&found, |found| format!("the driver: {}", found.what))?;
    }
    let compared = replay.compared();
    let outcome = Outcome {
        event: "replay",
        reads: compared.reads,
        descriptors: compared.descriptors,
        ignored: compared.ignored,
        differences,
        violations: violations.len(),
    };
    out.show(&outcome, text)?;
    if outcome.differences + outcome.violations > 0 {
        bail!("{}: the model and the recorded device are not of one mind", path.display());
    }
    Ok(())
}

fn text(outcome: &Outcome) -> String {
    let Outcome { reads, descriptors, ignored, differences, violations, .. } = outcome;
    format!(
        "{reads} reads and {descriptors} descriptors compared, {ignored} reads not: \
         {differences} differences, {violations} violations"
    )
}

/// Calls `what` for each line of a trace until it says that that is enough.
fn each(
    path: &Path,
    mut what: impl FnMut(u64, &etsec_sim::trace::Line) -> Result<bool>,
) -> Result<()> {
    for line in super::open(path)? {
        match line {
            Ok((number, line)) if what(number, &line)? => {}
            Ok(_) => return Ok(()),
            Err(error) => super::give_up_unless_cut(error, path)?,
        }
    }
    Ok(())
}

/// The counters, and what says that they have wrapped (HW 13.1).
const MIB: std::ops::RangeInclusive<u16> = 0x680..=0x740;

/// Whether a register's name begins with one of these.
fn ignored(names: &Names, ignore: &[String]) -> Result<impl Fn(Page, u16) -> bool + use<>> {
    let ignore: Vec<String> = ignore.iter().map(|name| name.to_ascii_uppercase()).collect();
    let all = || {
        [Page::Group0, Page::Mdio]
            .into_iter()
            .flat_map(|page| (0..0x1000u16).step_by(4).map(move |at| (page, at)))
    };
    let begins = |page, at, name: &String| {
        names.name(page, at).to_ascii_uppercase().starts_with(name)
            || name == "MIB" && MIB.contains(&at)
    };
    for name in &ignore {
        let known = all().any(|(page, at)| begins(page, at, name));
        ensure!(known, Usage(format!("--ignore: no register's name begins with {name}")));
    }
    let picked = |page| {
        let picked = all().filter(move |(of, _)| *of == page);
        picked
            .filter(|(page, at)| ignore.iter().any(|name| begins(*page, *at, name)))
            .map(|(_, at)| at)
            .collect::<std::collections::HashSet<u16>>()
    };
    let (group, mdio) = (picked(Page::Group0), picked(Page::Mdio));
    Ok(move |page, at| match page {
        Page::Group0 | Page::Group1 => group.contains(&at),
        // The same registers have the same names in the controller's page.
        Page::Mdio | Page::Tbi => mdio.contains(&at) || group.contains(&at),
    })
}

fn in_words(names: &Names, differs: &Differs) -> String {
    match differs {
        Differs::Register { recorded, model } => {
            let (name, _, then) = names.decode(recorded);
            let (_, _, now) =
                names.decode(&etsec_sim::trace::Access { value: *model, ..*recorded });
            let shown = |value: u32, text: &str| {
                if text.is_empty() {
                    format!("{value:#010x}")
                } else {
                    format!("{value:#010x} ({text})")
                }
            };
            format!(
                "read of {name}: recorded {}, the model says {}",
                shown(recorded.value, &then),
                shown(*model, &now)
            )
        }
        Differs::Descriptor { ring, index, recorded, model } => {
            let shown = |word: u32| {
                let flags = flags(ring.direction, false, word);
                format!("{word:#010x} ({flags}, {} bytes)", word & 0xFFFF)
            };
            let recorded = recorded.map_or("handed back".to_owned(), |bd| shown(bd.word));
            format!("{ring} [{index}]: recorded {recorded}, the model has {}", shown(model.word))
        }
    }
}

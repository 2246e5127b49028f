//! `etsec trace diff`: two traces compared by what the driver did.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use etsec_sim::trace::Steps;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::names::Names;
use crate::output::Output;

/// How long to look for the shortest difference; a longer one does as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// What differs, in numbers.
#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    steps: [usize; 2],
    removed: usize,
    added: usize,
    diff: String,
}

/// Runs the command.
pub fn run(old: &Path, new: &Path, context: usize, out: Output) -> Result<()> {
    let (one, other) = (steps(old)?, steps(new)?);
    let (one_lines, other_lines): (Vec<&str>, Vec<&str>) =
        (one.iter().map(|step| &**step).collect(), other.iter().map(|step| &**step).collect());
    let diff = TextDiff::configure().timeout(PATIENCE).diff_slices(&one_lines, &other_lines);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let (removed, added) = (count(ChangeTag::Delete), count(ChangeTag::Insert));
    let names = [old, new].map(|path| path.display().to_string());
    let mut unified = diff.unified_diff();
    unified.context_radius(context).header(&names[0], &names[1]);
    let text = unified.to_string();
    let steps = [one.len(), other.len()];
    let shown = Shown { event: "diff", steps, removed, added, diff: text };
    out.show(&shown, |shown| match (removed, added) {
        (0, 0) => format!("the same {} steps", shown.steps[0]),
        _ => shown.diff.clone(),
    })?;
    if removed + added > 0 {
        bail!("{} and {} differ: {removed} steps less, {added} more", names[0], names[1]);
    }
    Ok(())
}

/// What the driver did, a line each.
fn steps(path: &Path) -> Result<Vec<String>> {
    let names = Names::new();
    let (mut steps, mut all) = (Steps::default(), Vec::new());
    for line in super::open(path)? {
        match line {
            Ok((_, line)) => {
                let step = steps.step(&line, |page, at| names.name(page, at));
                all.extend(step.map(|step| step + "\n"));
            }
            Err(error) => super::give_up_unless_cut(error, path)?,
        }
    }
    Ok(all)
}

//! `etsec trace`: what `--trace` has recorded, for people. How it was recorded is etsec-sim's
//! business.

mod diff;
mod names;
mod replay;
mod show;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use etsec_sim::trace::{Reader, TraceError};

use crate::args::TraceAction;
use crate::output::Output;

/// A trace file that is being read.
type FileReader = Reader<BufReader<File>>;

/// Runs the command.
pub fn run(action: &TraceAction, out: Output) -> Result<()> {
    match action {
        TraceAction::Show { file, names } => show::run(file, names, out),
        TraceAction::Replay { file, ignore, all } => replay::run(file, ignore, *all, out),
        TraceAction::Diff { old, new, context } => diff::run(old, new, *context, out),
    }
}

/// Opens a trace and reads its header.
fn open(path: &Path) -> Result<FileReader> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Reader::new(BufReader::new(file)).with_context(|| path.display().to_string())
}

/// What becomes of an error while reading: that a recording was cut off is said, and no more.
fn give_up_unless_cut(error: TraceError, path: &Path) -> Result<()> {
    if error.is_cut_off() {
        log::warn!("{}: {error}", path.display());
        return Ok(());
    }
    Err(error).with_context(|| path.display().to_string())
}

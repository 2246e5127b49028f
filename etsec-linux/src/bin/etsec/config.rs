//! `etsec config`: checking a configuration file, and showing what is in one or in force.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::args::Config;
use crate::control::Request;
use crate::output::Output;
use crate::run::Context;
use crate::settings::{File, Settings};

/// Runs the command.
pub fn run(action: &Config, context: &Context) -> Result<()> {
    let out = context.out;
    match action {
        Config::Check { file } => check(file, out),
        Config::Show { device: Some(device), .. } => {
            let settings = context.ask(device, &Request::Show)?;
            let settings: Settings =
                serde_json::from_value(settings).context("the owner is of another version")?;
            show([(device.to_string(), settings)].into_iter().collect(), out)
        }
        Config::Show { file: Some(file), .. } => show(File::read(file)?, out),
        Config::Show { .. } => {
            show([("eth0".to_owned(), Settings::default())].into_iter().collect(), out)
        }
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    event: &'static str,
    ports: Vec<String>,
}

fn check(path: &Path, out: Output) -> Result<()> {
    let file = File::read(path)?;
    let checked = Checked { event: "checked", ports: file.ports.into_keys().collect() };
    out.show(&checked, |checked| format!("{}: ok ({})", path.display(), checked.ports.join(", ")))
}

fn show(file: File, out: Output) -> Result<()> {
    let text = file.render()?;
    out.show(&file.ports, |_| text)
}

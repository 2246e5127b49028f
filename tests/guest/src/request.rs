//! What the host may ask for, one JSON object a line, and doing it.

use std::ffi::CString;
use std::fs::{self, File};
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::OFlags;
use serde::Deserialize;

use crate::address;
use crate::answer::Outcome;
use crate::mounts;
use crate::programs::Programs;

/// One line of the host's.
#[derive(Debug, Deserialize)]
struct Request {
    /// Comes back with every answer.
    id: u64,
    #[serde(flatten)]
    action: Action,
}

/// What is to be done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Start a program; the answer comes at once, its lines and its end follow.
    Run { argv: Vec<String> },
    /// Send a signal to the program that request `to` started.
    Signal { to: u64, signal: i32 },
    /// Read a file, whole.
    Read { path: String },
    /// The length of a file, in bytes.
    Size { path: String },
    /// The names in a folder, a line each.
    List { path: String },
    /// Write to a file, as one piece.
    Write { path: String, text: String },
    /// Load a kernel module.
    Load { path: String, options: String },
    /// Unload one that nobody uses.
    Unload { module: String },
    /// Mount a file system.
    Mount { kind: String, at: String, options: String },
    /// Give a network interface an address.
    Address { interface: String, address: Ipv4Addr, prefix: u8 },
    /// Power off.
    PowerOff,
}

/// Understands a line.
///
/// # Errors
/// When it is none of the above.
pub fn parse(line: &str) -> Result<(u64, Action)> {
    let request: Request = serde_json::from_str(line).with_context(|| format!("{line:?}"))?;
    Ok((request.id, request.action))
}

/// Does it.
///
/// # Errors
/// What the kernel says, with the thing it was about.
pub fn act(id: u64, action: Action, programs: &mut Programs) -> Result<Outcome> {
    match action {
        Action::Run { argv } => {
            let pid = programs.start(id, &argv)?;
            return Ok(Outcome { pid: Some(pid), ..Outcome::default() });
        }
        Action::Signal { to, signal } => programs.signal(to, signal)?,
        Action::Read { path } => {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
            return Ok(data(&bytes));
        }
        Action::Size { path } => {
            let about = fs::metadata(&path).with_context(|| format!("cannot examine {path}"))?;
            return Ok(data(about.len().to_string().as_bytes()));
        }
        Action::List { path } => return Ok(data(list(&path)?.as_bytes())),
        Action::Write { path, text } => {
            fs::write(&path, text).with_context(|| format!("cannot write {path}"))?;
        }
        Action::Load { path, options } => load(&path, &options)?,
        Action::Unload { module } => unload(&module)?,
        Action::Mount { kind, at, options } => mounts::mount(&kind, &at, &options)?,
        Action::Address { interface, address, prefix } => {
            address::set(&interface, address, prefix)?;
        }
        // The caller does that.
        Action::PowerOff => {}
    }
    Ok(Outcome::default())
}

fn data(bytes: &[u8]) -> Outcome {
    Outcome { data: Some(STANDARD.encode(bytes)), ..Outcome::default() }
}

fn list(path: &str) -> Result<String> {
    let named = || format!("cannot list {path}");
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(named)? {
        names.push(entry.with_context(named)?.file_name().to_string_lossy().into_owned() + "\n");
    }
    names.sort();
    Ok(names.concat())
}

fn load(path: &str, options: &str) -> Result<()> {
    let module = File::open(path).with_context(|| format!("cannot open {path}"))?;
    let options = CString::new(options)?;
    rustix::system::finit_module(module, &options, 0).with_context(|| format!("cannot load {path}"))
}

fn unload(module: &str) -> Result<()> {
    let name = CString::new(module)?;
    // Older kernels waited for its users otherwise.
    const NOT_WAITING: i32 = OFlags::NONBLOCK.bits() as i32;
    let unloaded = rustix::system::delete_module(&name, NOT_WAITING);
    unloaded.with_context(|| format!("cannot unload {module}"))
}

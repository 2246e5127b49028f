//! `cargo xtask demo`: the main job, end to end. The kernel pings a simulated eTSEC and downloads
//! through it in a network namespace of its own; a capture is forwarded between two more. Where the
//! namespace cannot be had, a TCP/IP stack in the same process takes the kernel's place.

mod counters;
mod etsec;
pub mod inside;
mod namespace;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::Common;
use crate::capture;
use crate::run::{self, Ended, Group};
use crate::session::Session;
use crate::tools::{IP, PING, SETPRIV, UNSHARE};
use counters::Counters;
use etsec::Etsec;

/// How many bytes are downloaded.
const DOWNLOAD_BYTES: usize = 16 << 20;
/// How many pings are sent.
const PINGS: u32 = 20;
/// The longest a step may take; the whole demo aims at a minute.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// Options of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
As root the namespace is made directly, else inside an unprivileged user namespace. Nothing outside
of it is touched, and nothing is left behind. Files of the run live in target/xtask while it lasts.
Where namespaces or /dev/net/tun are forbidden, a TCP/IP stack in the same process takes the
kernel's place, and with --strict that is a failure.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
}

/// Runs the demo; true when all went well.
///
/// # Errors
/// Ctrl-C, a build that fails, or a target directory that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let blocked = obstacle(&mut session)?;
    let etsec = build(&mut session)?;
    let scratch = session.target.join("xtask");
    let scratch = tempfile::Builder::new().prefix("demo-").tempdir_in(&scratch)?;
    let mut good = match &blocked {
        None => with_the_kernel(&etsec, scratch.path())?,
        Some(reason) => {
            say!("the kernel cannot take part: {reason}");
            say!("a TCP/IP stack in the same process takes its place");
            in_process(&mut session, &etsec, scratch.path())?
        }
    };
    let (forwarded, forward) = forward(&mut session, &etsec, scratch.path())?;
    good &= forwarded;
    for (name, counters) in [("serve", Counters::load(scratch.path())?), ("forward", forward)] {
        if let Some(counters) = counters {
            say!("counters of {name}:\n{counters}");
        }
    }
    if blocked.is_some() && session.strict {
        say!("demo: FAILED, --strict wants the kernel to take part");
        return Ok(false);
    }
    say!("demo: {}", if good { "passed" } else { "FAILED" });
    Ok(good)
}

/// Why the kernel cannot take part, if it cannot.
fn obstacle(session: &mut Session) -> Result<Option<String>> {
    for tool in [UNSHARE, SETPRIV, IP, PING] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Some(missing));
        }
    }
    Ok(namespace::forbidden())
}

/// Builds the `etsec` command and returns its path.
fn build(session: &mut Session) -> Result<Etsec> {
    session.progress.start("build");
    let mut log = session.log("demo-build")?;
    let cargo = session.cargo("build --release --package etsec-linux --features cli");
    let ended = run::logged(cargo, &mut log, &mut session.progress)?;
    session.progress.finish();
    if !ended.success() {
        say!("{}", log.tail());
        bail!("etsec does not build");
    }
    Ok(Etsec::new(session.target.join("release/etsec")))
}

/// Ping and download by the kernel, in a namespace: the steps are in [`inside`].
fn with_the_kernel(etsec: &Etsec, scratch: &Path) -> Result<bool> {
    let me = std::env::current_exe().context("cannot find the xtask program itself")?;
    let mut unshare: Command = namespace::enter();
    unshare.arg(me).arg("demo-inside").arg(etsec.path()).arg(scratch);
    let ended = Group::start(&mut unshare)?.wait(None, || ())?;
    Ok(ended.success())
}

/// Ping and download by a second stack on the other end of an in-process cable.
fn in_process(session: &mut Session, etsec: &Etsec, scratch: &Path) -> Result<bool> {
    let mut log = session.log("demo-self-test")?;
    let command = etsec.self_test(DOWNLOAD_BYTES, PINGS);
    let ended = run::limited(command, &mut log, &mut session.progress, Some(STEP_LIMIT))?;
    let said = log.text()?;
    let events = etsec::events(&said);
    let ping = etsec::event(&events, "ping");
    let http = etsec::event(&events, "http");
    let replies = ping.and_then(|e| e["received"].as_u64()).unwrap_or(0);
    say!("ping: {replies}/{PINGS}");
    let bytes = http.and_then(|e| e["bytes"].as_u64()).unwrap_or(0);
    let sha256_ok = http.and_then(|e| e["sha256_ok"].as_bool()).unwrap_or(false);
    say!("http: {bytes} bytes, sha256 {}", if sha256_ok { "ok" } else { "WRONG" });
    if let Some(counters) = etsec::event(&events, "counters") {
        Counters::store(scratch, counters)?;
    }
    let good = ended.success()
        && replies == u64::from(PINGS)
        && bytes == DOWNLOAD_BYTES as u64
        && sha256_ok;
    if !good {
        say!("{}", log.tail());
    }
    Ok(good)
}

/// A capture goes into one simulated device and comes out of another. Whether it did so unchanged,
/// and what the devices counted.
fn forward(
    session: &mut Session,
    etsec: &Etsec,
    scratch: &Path,
) -> Result<(bool, Option<Counters>)> {
    let (input, output) = (scratch.join("in.pcap"), scratch.join("out.pcap"));
    let sent = capture::frames();
    capture::write(&input, &sent)?;
    let mut log = session.log("demo-forward")?;
    let command = etsec.forward(&input, &output);
    let ended = run::limited(command, &mut log, &mut session.progress, Some(STEP_LIMIT))?;
    let received = capture::read(&output).unwrap_or_default();
    let same = capture::identical(&sent, &received);
    say!("forward: {same}/{} frames identical", sent.len());
    let good = ended.success() && same == sent.len() && received.len() == sent.len();
    if !good {
        let why = match ended {
            Ended::TimedOut => "it did not end by itself".to_owned(),
            Ended::Exit(status) => format!("{status}, {} frames came out", received.len()),
        };
        say!("{}\n    {why}", log.tail());
    }
    let said = etsec::events(&log.text()?);
    Ok((good, etsec::event(&said, "counters").map(Counters::of)))
}

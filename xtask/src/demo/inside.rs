//! The part of the demo that runs in the network namespace: a TAP device, `etsec serve` on its
//! other side, then the kernel's ping and a download over the kernel's TCP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::counters::Counters;
use super::etsec::Etsec;
use super::{DOWNLOAD_BYTES, PINGS, STEP_LIMIT, namespace};
use crate::fetch;
use crate::interrupt::Interrupted;
use crate::log::Log;
use crate::progress::Progress;
use crate::run;

/// The TAP device; the namespace is ours alone, so the name is free.
const TAP: &str = "etsec0";
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 83, 1);
const DRIVER: Ipv4Addr = Ipv4Addr::new(10, 0, 83, 2);
const PREFIX: u8 = 24;
const FILE: &str = "download.bin";

/// What the outer part hands over.
#[derive(Debug, Args)]
pub struct Options {
    /// The `etsec` program.
    etsec: PathBuf,
    /// A folder for files; logs go beside it.
    scratch: PathBuf,
}

/// Runs the steps; true when all went well.
///
/// # Errors
/// Where the device cannot be made or `etsec` does not serve; Ctrl-C.
pub fn run(options: &Options) -> Result<bool> {
    let mut log = Log::create(options.scratch.with_file_name("demo-kernel.log"))?;
    let folder = options.scratch.join("www");
    std::fs::create_dir_all(&folder)?;
    let content = fetch::content(DOWNLOAD_BYTES);
    std::fs::write(folder.join(FILE), &content).context("cannot write the file to serve")?;
    make_tap(&mut log)?;
    let etsec = Etsec::new(options.etsec.clone());
    let said = options.scratch.with_file_name("demo-serve.log");
    let served = serve_and_check(&etsec, &folder, &said, &mut log, &content);
    match served {
        Ok((good, counters)) => {
            Counters::store(&options.scratch, &counters)?;
            if !good {
                show(&said, &log);
            }
            Ok(good)
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            show(&said, &log);
            Err(error)
        }
    }
}

/// The steps with `etsec` running. A step that goes wrong does not keep the next from being tried.
fn serve_and_check(
    etsec: &Etsec,
    folder: &Path,
    said: &Path,
    log: &mut Log,
    content: &[u8],
) -> Result<(bool, serde_json::Value)> {
    let mut serving = etsec.serve(TAP, &format!("{DRIVER}/{PREFIX}"), folder, said)?;
    serving.ready()?;
    let replies = ping(log)?;
    say!("ping: {replies}/{PINGS}");
    let download = download(content)?;
    let counters = serving.stop()?;
    Ok((replies == PINGS && download, counters))
}

/// Makes the TAP device with the kernel's address on it. It goes with the namespace.
fn make_tap(log: &mut Log) -> Result<()> {
    let address = format!("address add {KERNEL}/{PREFIX} dev {TAP}");
    let steps = [
        "link set lo up".to_owned(),
        format!("tuntap add dev {TAP} mode tap"),
        address,
        format!("link set {TAP} up"),
    ];
    for step in steps {
        let mut ip = Command::new(namespace::ip());
        ip.args(step.split(' '));
        if !run::logged(ip, log, &mut Progress::new())?.success() {
            bail!("`ip {step}` failed:\n{}", log.tail());
        }
    }
    Ok(())
}

/// The kernel's ping; how many replies came.
fn ping(log: &mut Log) -> Result<u32> {
    let mut ping = run::tied("ping");
    ping.env("LC_ALL", "C").args(["-n", "-i", "0.05", "-c"]).arg(PINGS.to_string());
    // It ends with the last reply, and on a busy machine that may take a while.
    ping.args(["-w", "60"]);
    ping.arg(DRIVER.to_string());
    run::limited(ping, log, &mut Progress::new(), Some(STEP_LIMIT))?;
    Ok(replies(&log.text()?))
}

/// The number in `20 packets transmitted, 19 received, …`.
fn replies(said: &str) -> u32 {
    let line = said.lines().find(|line| line.contains(" packets transmitted, "));
    let count = line.and_then(|l| l.split(", ").nth(1)).and_then(|part| part.split(' ').next());
    count.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The download; whether what came is what is served.
fn download(content: &[u8]) -> Result<bool> {
    let server = SocketAddr::from((DRIVER, 80));
    match fetch::get(server, &format!("/{FILE}"), STEP_LIMIT) {
        Ok(got) => {
            let good = got == fetch::digest(content);
            say!("http: {} bytes, sha256 {}", got.len, if good { "ok" } else { "WRONG" });
            Ok(good)
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            say!("http: FAILED, {error:#}");
            Ok(false)
        }
    }
}

/// What the programs said, after a failure.
fn show(etsec_said: &Path, log: &Log) {
    say!("{}", log.tail());
    let said = std::fs::read_to_string(etsec_said).unwrap_or_default();
    say!("    etsec said: {}", if said.is_empty() { "nothing" } else { said.trim() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_from_pings_last_words() {
        let said = "--- 10.0.83.2 ping statistics ---\n\
                    20 packets transmitted, 19 received, 5% packet loss, time 961ms\n";
        assert_eq!(replies(said), 19);
        assert_eq!(replies("ping: connect: Network is unreachable\n"), 0);
    }
}

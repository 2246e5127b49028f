//! `etsec reclaim`: what killed processes have left, and freeing it. A port in use is left alone.

use anyhow::{Context as _, Result, bail};
use etsec_core::adopt::runs;
use etsec_linux::leftover::{self, Leftover};
use etsec_linux::lock::Owner;
use etsec_linux::{Roots, Spec, reclaim};
use etsec_sim::remote::{Client, Connection, Left, Role};
use serde::Serialize;

use crate::args::{DeviceName, Reclaim};
use crate::observe::Observer;
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Reclaim, out: Output) -> Result<()> {
    let roots = Roots::default();
    let mut found = find(&roots, &args.devices)?;
    if found.is_empty() && !out.is_json() {
        return out.show(&(), |()| "nothing is left".into());
    }
    let mut failed = Vec::new();
    if args.free {
        free(&roots, &mut found, &mut failed);
    }
    for one in &found {
        out.show(one, Shown::text)?;
    }
    match failed.as_slice() {
        [] => Ok(()),
        _ => bail!("not freed: {}", failed.join("; ")),
    }
}

/// Stops all that nobody uses, and frees its memory then: before, one may hold buffers of another.
fn free(roots: &Roots, found: &mut [Shown], failed: &mut Vec<String>) {
    let (mut ports, mut idle) = (Vec::new(), Vec::new());
    for one in found.iter_mut().filter(|one| one.in_use_by.is_none()) {
        match reclaim::take(roots, &one.device) {
            Ok(port) => {
                ports.push(port);
                idle.push(one);
            }
            Err(error) => failed.push(format!("{}: {error}", one.device)),
        }
    }
    let checked = reclaim::check(roots, &ports).into_iter().filter_map(Result::err);
    let mut refused: Vec<String> = checked.map(|error| error.to_string()).collect();
    if failed.is_empty() && refused.is_empty() {
        let stopped = ports.iter().filter_map(|port| port.stop().err());
        refused.extend(stopped.map(|error| error.to_string()));
    }
    let others = refused.len() < idle.len();
    failed.append(&mut refused);
    if !failed.is_empty() {
        if others {
            failed.push(
                "nothing of the others either, which it may be using; name them to free it".into(),
            );
        }
        return;
    }
    for (freed, one) in reclaim::free(roots, ports).into_iter().zip(idle) {
        match freed {
            Ok(()) => one.freed = true,
            Err(error) => failed.push(format!("{}: {error}", one.device)),
        }
    }
}

/// Memory that was left, or is in use.
#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    device: String,
    /// The file; null where a simulator keeps the memory.
    file: Option<String>,
    bytes: u64,
    /// The process that made it.
    pid: u32,
    /// Whether the controller sends and receives; null if it cannot be looked at.
    running: Option<bool>,
    /// Who has the memory or the port.
    in_use_by: Option<String>,
    /// Devices that may reach it as well, as far as the memory can be looked at.
    beside: Vec<String>,
    freed: bool,
}

impl Shown {
    fn text(&self) -> String {
        let place = self.file.as_deref().unwrap_or("in the simulator");
        let owner = match &self.in_use_by {
            Some(owner) => format!("in use by {owner}"),
            None => format!("left by process {}", self.pid),
        };
        let runs = match self.running {
            Some(true) => "its controller runs",
            Some(false) => "its controller is stopped",
            None => "its controller cannot be seen",
        };
        let beside = match self.beside.as_slice() {
            [] => String::new(),
            others => format!("; with buffers of {}", others.join(", ")),
        };
        let freed = if self.freed { "; freed" } else { "" };
        format!("{}: {} bytes, {place}, {owner}; {runs}{beside}{freed}", self.device, self.bytes)
    }
}

/// What there is of these devices; of none: all that is in files.
fn find(roots: &Roots, devices: &[DeviceName]) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    let wanted = |name: &str| {
        let is = |device: &DeviceName| matches!(&device.spec, Spec::Uio(own) if own == name);
        devices.is_empty() || devices.iter().any(is)
    };
    for left in leftover::list(roots)?.into_iter().filter(|left| wanted(&left.name)) {
        found.push(in_file(roots, left));
    }
    for device in devices {
        if let Spec::Remote(socket) = &device.spec {
            let connected = Client::connect(socket, Role::Observer);
            let Connection { client, owner, .. } = connected.with_context(|| device.to_string())?;
            let Some(Left { pid, len, .. }) = client.left()? else { continue };
            found.push(Shown {
                event: "leftover",
                device: device.to_string(),
                file: None,
                bytes: len,
                pid,
                running: Some(runs(&client.bus())),
                in_use_by: owner.map(|pid| format!("process {pid}")),
                beside: Vec::new(),
                freed: false,
            });
        }
    }
    Ok(found)
}

fn in_file(roots: &Roots, left: Leftover) -> Shown {
    let Leftover { name, pid, path, bytes, holder } = left;
    // A port that is not there, or not ours to look at, has memory all the same.
    let port = Observer::uio(roots, &name).ok();
    let running = port.as_ref().map(|port| runs(&port.page));
    let holder = holder.map(|owner: Owner| owner.to_string());
    let in_use_by = holder.or_else(|| port.and_then(|port| port.owner));
    let beside = leftover::partners(roots, &name).unwrap_or_default();
    let (device, file) = (format!("uio:{name}"), Some(path.display().to_string()));
    Shown { event: "leftover", device, file, bytes, pid, running, in_use_by, beside, freed: false }
}

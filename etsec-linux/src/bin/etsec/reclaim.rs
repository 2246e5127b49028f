//! `etsec reclaim`: what killed processes have left, and freeing it. A port in use is left alone.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use etsec_core::adopt::runs;
use etsec_linux::leftover::{self, Leftover};
use etsec_linux::lock::Owner;
use etsec_linux::{Roots, Spec, port, reclaim, uio_memory};
use etsec_sim::remote::{Client, Connection, Left, Role};
use serde::Serialize;

use crate::args::{DeviceName, Reclaim};
use crate::observe::Observer;
use crate::output::Output;
use crate::sockets::{self, Kind};

/// Runs the command.
pub fn run(args: &Reclaim, out: Output) -> Result<()> {
    let roots = Roots::default();
    if args.free {
        sockets::sweep(&roots, Kind::Control);
        sockets::sweep(&roots, Kind::Supervisor);
    }
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
    for device in nobodys(found) {
        match reclaim::take(roots, &device) {
            Ok(port) => {
                ports.push(port);
                idle.push(device);
            }
            Err(error) => failed.push(format!("{device}: {error}")),
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
    for (freed, device) in reclaim::free(roots, ports).into_iter().zip(idle) {
        match freed {
            Ok(()) => {
                let its = |one: &&mut Shown| one.device == device && one.in_use_by.is_none();
                found.iter_mut().filter(its).for_each(|one| one.freed = true);
            }
            Err(error) => failed.push(format!("{device}: {error}")),
        }
    }
}

/// The devices of what nobody uses, each once: one may have left memory in several places.
fn nobodys(found: &[Shown]) -> BTreeSet<String> {
    let idle = found.iter().filter(|one| one.in_use_by.is_none());
    idle.map(|one| one.device.clone()).collect()
}

/// Memory that was left, or is in use.
#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    device: String,
    /// The file; null where the device itself keeps the memory, as a simulator does.
    file: Option<String>,
    bytes: u64,
    /// The process that made it; null where that is not known.
    pid: Option<u32>,
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
        let kept =
            if self.device.starts_with("sim:") { "in the simulator" } else { "with the device" };
        let place = self.file.as_deref().unwrap_or(kept);
        let owner = match (&self.in_use_by, self.pid) {
            (Some(owner), _) => format!("in use by {owner}"),
            (None, Some(pid)) => format!("left by process {pid}"),
            (None, None) => "left by a process that is no more".into(),
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

/// What there is of these devices; of none: all but what simulators have.
fn find(roots: &Roots, devices: &[DeviceName]) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    let wanted = |name: &str| {
        let is = |device: &DeviceName| matches!(&device.spec, Spec::Uio(own) if own == name);
        devices.is_empty() || devices.iter().any(is)
    };
    for left in leftover::list(roots)?.into_iter().filter(|left| wanted(&left.name)) {
        found.push(in_file(roots, left));
    }
    for name in port::list(roots)?.into_iter().filter(|name| wanted(name)) {
        found.extend(in_device(roots, &name));
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
                pid: Some(pid),
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
    let pid = Some(pid);
    Shown { event: "leftover", device, file, bytes, pid, running, in_use_by, beside, freed: false }
}

/// What is in the memory that came with the port called `name`, if it came with any and is used.
fn in_device(roots: &Roots, name: &str) -> Option<Shown> {
    let devices = port::devices(roots, name).ok()?;
    let bytes = devices.iter().find_map(uio_memory::map_of)?.size;
    let port = Observer::uio(roots, name).ok()?;
    let running = runs(&port.page);
    if !running && port.owner.is_none() {
        return None;
    }
    Some(Shown {
        event: "leftover",
        device: format!("uio:{name}"),
        file: None,
        bytes,
        pid: None,
        running: Some(running),
        in_use_by: port.owner,
        beside: Vec::new(),
        freed: false,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A port of the kernel module, with an eTSEC behind its registers (HW 3.1, 3.14) that runs or
    /// not, and a file from when it had none.
    fn tree(root: &Path, running: u8) -> Roots {
        let roots = Roots::below(root);
        let sys = roots.uio_class().join("uio0");
        for (n, (name, size)) in [("regs", 0x1000), ("dma", 0x4000)].iter().enumerate() {
            let map = sys.join(format!("maps/map{n}"));
            fs::create_dir_all(&map).unwrap();
            fs::write(map.join("name"), name).unwrap();
            for (file, value) in [("addr", 0x2_5000), ("size", *size), ("offset", 0)] {
                fs::write(map.join(file), format!("{value:#x}\n")).unwrap();
            }
        }
        fs::write(sys.join("name"), "eth1\n").unwrap();
        let mut page = vec![0; 0x1000];
        page[..4].copy_from_slice(&[0x01, 0x24, 0, 0]);
        page[0x503] = running;
        fs::create_dir_all(&roots.dev).unwrap();
        fs::write(roots.dev.join("uio0"), page).unwrap();
        let huge = root.join("huge");
        fs::create_dir_all(&huge).unwrap();
        fs::write(huge.join("etsec-eth1-77"), "").unwrap();
        fs::create_dir_all(&roots.proc).unwrap();
        let mount = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", huge.display());
        fs::write(roots.proc.join("mounts"), mount).unwrap();
        roots
    }

    #[test]
    fn a_port_that_was_kept_running_is_shown_and_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let found = find(&tree(dir.path(), 5), &[]).unwrap();
        let [file, kept] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((file.pid, kept.pid, kept.bytes), (Some(77), None, 0x4000));
        let text = "uio:eth1: 16384 bytes, with the device, left by a process that is no more; \
                    its controller runs";
        assert_eq!(kept.text(), text);
        assert_eq!(nobodys(&found), BTreeSet::from(["uio:eth1".to_owned()]));
        // Of one that stands still there is nothing to tell.
        fs::remove_file(dir.path().join("huge/etsec-eth1-77")).unwrap();
        let roots = tree(dir.path(), 0);
        fs::remove_file(dir.path().join("huge/etsec-eth1-77")).unwrap();
        assert!(find(&roots, &[]).unwrap().is_empty());
    }
}

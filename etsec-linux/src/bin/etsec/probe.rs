//! `etsec probe`: what ports there are, and what keeps each from being used. It opens and maps, and
//! changes nothing.

use std::path::Path;

use anyhow::Result;
use etsec_linux::pagemap::Pagemap;
use etsec_linux::uio::{self, UioDevice};
use etsec_linux::{Error, Options, Roots, mounts, port, uio_memory};
use rustix::fs::{Access, access};
use serde::Serialize;

use crate::observe::Observer;
use crate::output::{Output, table};

/// Runs the command.
pub fn run(out: Output) -> Result<()> {
    let found = probe(&Roots::default())?;
    out.show(&found, text)
}

#[derive(Debug, Serialize)]
struct Found {
    event: &'static str,
    uio: Vec<UioFound>,
    ports: Vec<PortFound>,
    /// What is wrong with the machine, whatever the port.
    machine: Vec<String>,
}

#[derive(Debug, Serialize)]
struct UioFound {
    id: String,
    name: String,
    maps: Vec<String>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PortFound {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    problems: Vec<String>,
    /// Memory for DMA that came with it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
}

fn probe(roots: &Roots) -> Result<Found> {
    let devices = uio::list(roots)?;
    let mut names = port::list(roots)?;
    names.extend(port::offered(roots)?);
    let ports: Vec<_> =
        names.into_iter().map(|name| look_at_port(roots, &devices, &name)).collect();
    let uio = devices.iter().map(|device| look_at_uio(device, &devices)).collect();
    let machine = look_at_machine(roots, devices.is_empty(), &ports);
    Ok(Found { event: "probe", uio, ports, machine })
}

fn look_at_uio(device: &UioDevice, all: &[UioDevice]) -> UioFound {
    let mut problems = Vec::new();
    // Asked, not tried: to open a device is more than to look at it.
    if let Err(error) = access(&device.dev, Access::READ_OK | Access::WRITE_OK) {
        problems
            .push(format!("cannot open {} for reading and writing: {error}", device.dev.display()));
    }
    if all.iter().filter(|other| other.name == device.name).count() > 1 {
        problems.push("has the same name as another: give each a linux,uio-name".to_owned());
    }
    let maps = device.maps.iter().map(|map| {
        let name = if map.name.is_empty() { format!("map{}", map.index) } else { map.name.clone() };
        format!("{name} {:#x}+{:#x}", map.addr, map.size)
    });
    UioFound { id: device.id.clone(), name: device.name.clone(), maps: maps.collect(), problems }
}

fn look_at_port(roots: &Roots, devices: &[UioDevice], name: &str) -> PortFound {
    // Only a device that is a whole port brings memory along.
    let uio = uio::find(devices, name).ok().flatten();
    let memory = uio.and_then(uio_memory::map_of).map(|map| map.size);
    let device = format!("uio:{name}");
    let mut port = PortFound { device, owner: None, problems: Vec::new(), memory };
    match Observer::uio(roots, name) {
        Err(error) => port.problems.push(error.to_string()),
        Ok(observer) => {
            port.problems.extend(observer.check().err().map(|error| error.to_string()));
            if observer.config.station.is_none() {
                port.problems.push(
                    "no MAC address in its device tree node: a random one will be used".into(),
                );
            }
            port.problems.extend(port::check(roots, name).err().map(|error| error.to_string()));
            port.owner = observer.owner;
        }
    }
    port
}

fn look_at_machine(roots: &Roots, no_uio: bool, ports: &[PortFound]) -> Vec<String> {
    let mut problems = Vec::new();
    if no_uio {
        problems.push(format!(
            "no UIO devices in {}: `modprobe uio_pdrv_genirq`, and see \
             docs/guide/board.md#device-tree",
            roots.uio_class().display()
        ));
    }
    if !ports.is_empty() && ports.iter().all(|port| port.memory.is_some()) {
        // What follows is needed for memory of our own.
        return problems;
    }
    // What a port with the default options takes; the numbers are in range.
    if let Ok(sizes) = Options::default().sizes() {
        problems
            .extend(mounts::choose(roots, sizes.region_bytes(), None).err().map(|e| e.to_string()));
    }
    problems.extend(look_at_pagemap(&roots.pagemap).err().map(|error| error.to_string()));
    problems
}

/// Whether the kernel tells us physical addresses: it does so for a page that is there for certain.
fn look_at_pagemap(path: &Path) -> Result<(), Error> {
    let touched = Box::new(1u8);
    let at = std::ptr::from_ref(&*touched).addr();
    match Pagemap::open(path)?.translate(at) {
        // An ordinary page may lie where the device cannot reach; huge pages are checked when they
        // are taken.
        Ok(_) | Err(Error::BeyondBus { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn text(found: &Found) -> String {
    let mut text = String::new();
    if !found.uio.is_empty() {
        let mut rows = vec![vec!["UIO".to_owned(), "name".into(), "maps".into()]];
        rows.extend(
            found.uio.iter().map(|uio| vec![uio.id.clone(), uio.name.clone(), uio.maps.join(", ")]),
        );
        text.push_str(&table(&rows));
        for uio in found.uio.iter().filter(|uio| !uio.problems.is_empty()) {
            text.push_str(&format!("{}: {}\n", uio.id, uio.problems.join("; ")));
        }
        text.push('\n');
    }
    for port in &found.ports {
        let state = match (&port.owner, port.problems.is_empty()) {
            (Some(owner), _) => format!("in use by {owner}"),
            (None, true) => "ready".to_owned(),
            (None, false) => "not ready".to_owned(),
        };
        let memory = port.memory.map(|bytes| format!(", {} KiB of its own memory", bytes / 1024));
        text.push_str(&format!("{}: {state}{}\n", port.device, memory.unwrap_or_default()));
        port.problems.iter().for_each(|problem| text.push_str(&format!("  {problem}\n")));
    }
    if found.ports.is_empty() {
        text.push_str("no ports\n");
    }
    if !found.machine.is_empty() {
        text.push_str("this machine:\n");
        found.machine.iter().for_each(|problem| text.push_str(&format!("  {problem}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    /// A machine with UIO devices of these names, each with a page of registers that holds `id`.
    fn machine(names: &[&str], id: u32) -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        fs::create_dir_all(roots.proc.join("self")).unwrap();
        fs::write(roots.proc.join("mounts"), "").unwrap();
        fs::create_dir_all(&roots.dev).unwrap();
        for (number, name) in names.iter().enumerate() {
            let sys = roots.uio_class().join(format!("uio{number}"));
            fs::create_dir_all(sys.join("maps/map0")).unwrap();
            fs::write(sys.join("name"), name).unwrap();
            for (file, value) in
                [("addr", "0xfe24000\n"), ("size", "0x1000\n"), ("offset", "0x0\n")]
            {
                fs::write(sys.join("maps/map0").join(file), value).unwrap();
            }
            let mut page = id.to_be_bytes().to_vec();
            page.resize(rustix::param::page_size(), 0);
            fs::write(roots.dev.join(format!("uio{number}")), page).unwrap();
        }
        (dir, roots)
    }

    #[test]
    fn a_machine_without_uio_is_told_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        fs::create_dir_all(&roots.proc).unwrap();
        fs::write(roots.proc.join("mounts"), "").unwrap();
        let text = text(&probe(&roots).unwrap());
        assert!(text.starts_with("no ports\n"), "{text}");
        for part in ["no UIO devices", "hugetlbfs", "pagemap"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn an_etsec_is_ready_and_another_device_is_not() {
        let (_dir, roots) = machine(&["eth1"], 0x0124_0000);
        let found = probe(&roots).unwrap();
        assert_eq!(found.ports[0].device, "uio:eth1");
        assert_eq!(found.ports[0].problems.len(), 1, "{found:?}");
        assert!(found.ports[0].problems[0].contains("MAC address"));

        let (_dir, roots) = machine(&["gpio"], 0x1234_5678);
        let found = probe(&roots).unwrap();
        assert!(found.ports[0].problems[0].contains("0x12345678"), "{found:?}");
        assert!(text(&found).contains("uio:gpio: not ready\n"));
    }

    #[test]
    fn a_port_with_memory_of_its_own_needs_no_huge_pages() {
        let (_dir, roots) = machine(&["eth1"], 0x0124_0000);
        let map = roots.uio_class().join("uio0/maps/map1");
        fs::create_dir_all(&map).unwrap();
        for (file, value) in
            [("name", "dma\n"), ("addr", "0x2000000\n"), ("size", "0x400000\n"), ("offset", "0\n")]
        {
            fs::write(map.join(file), value).unwrap();
        }
        let found = probe(&roots).unwrap();
        assert_eq!((found.ports[0].memory, &found.machine[..]), (Some(4 << 20), &[][..]));
        assert!(found.uio[0].maps.contains(&"dma 0x2000000+0x400000".to_owned()), "{found:?}");
        let text = text(&found);
        assert!(text.contains("uio:eth1: not ready, 4096 KiB of its own memory\n"), "{text}");
        // One that has none wants them.
        let (_dir, roots) = machine(&["eth1"], 0x0124_0000);
        assert_ne!(probe(&roots).unwrap().machine, [""; 0]);
    }

    #[test]
    fn a_port_that_waits_to_be_taken_says_how() {
        let (_dir, roots) = machine(&[], 0);
        for part in ["eth1-tx", "eth1-rx", "eth1-err"] {
            let node = roots.device_tree().join(part);
            fs::create_dir_all(&node).unwrap();
            fs::write(node.join("compatible"), "generic-uio\0").unwrap();
            let device = roots.platform().join("devices").join(part);
            fs::create_dir_all(&device).unwrap();
            std::os::unix::fs::symlink(&node, device.join("of_node")).unwrap();
        }
        let text = text(&probe(&roots).unwrap());
        assert!(text.starts_with("uio:eth1: not ready\n"), "{text}");
        assert!(text.contains("`etsec bind eth1`"), "{text}");
    }

    #[test]
    fn a_port_of_the_kernels_is_left_to_it() {
        use std::os::unix::fs::symlink;
        let (_dir, roots) = machine(&["eth1"], 0x0124_0000);
        let (soc, platform) = (roots.device_tree().join("soc"), roots.platform());
        for node in ["eth1@24000", "ethernet@24000"] {
            fs::create_dir_all(soc.join(node)).unwrap();
            fs::write(soc.join(node).join("reg"), [0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0, 0x10, 0])
                .unwrap();
        }
        let (device, driver) =
            (platform.join("devices/ffe24000.ethernet"), platform.join("drivers/fsl-gianfar"));
        let uio = roots.uio_class().join("uio0/device");
        for dir in [&device, &driver, &uio] {
            fs::create_dir_all(dir).unwrap();
        }
        symlink(soc.join("ethernet@24000"), device.join("of_node")).unwrap();
        symlink(driver, device.join("driver")).unwrap();
        symlink(soc.join("eth1@24000"), uio.join("of_node")).unwrap();
        let text = text(&probe(&roots).unwrap());
        assert!(text.contains("uio:eth1: in use by the kernel's fsl-gianfar\n"), "{text}");
        assert!(text.contains("`etsec bind eth1` takes it from there"), "{text}");
    }

    #[test]
    fn an_owner_is_named_and_twins_are_told_apart() {
        let (_dir, roots) = machine(&["eth1", "twin", "twin"], 0x0124_0000);
        let file = fs::File::open(roots.dev.join("uio0")).unwrap();
        file.lock().unwrap();
        let meta = file.metadata().unwrap();
        let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
        let line =
            format!("1: FLOCK  ADVISORY  WRITE 77 {major:02x}:{minor:02x}:{} 0 EOF\n", meta.ino());
        fs::write(roots.proc.join("locks"), line).unwrap();
        let found = probe(&roots).unwrap();
        assert!(found.ports[0].owner.is_some(), "{found:?}");
        assert!(text(&found).contains("uio:eth1: in use by process 77\n"));
        assert!(found.uio[1].problems[0].contains("linux,uio-name"));
        assert!(found.ports[1].problems[0].contains("uio2"), "{found:?}");
    }
}

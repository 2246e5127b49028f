//! Looking: what `etsec probe` finds, where a port's memory is, and whether the kernel has
//! complained of anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::rig::{HUGETLBFS, PAGE_BYTES, PAGES, Rig};

/// What is looked for in the guest's memory; in a frame that nobody else sends.
const MARK: &[u8] = b"a frame that is looked for in the guest's memory, from outside of it";

/// Both ports are found and nothing keeps them from being used.
pub fn probe(rig: &mut Rig) -> Result<String> {
    let said = rig.etsec("probe --json")?;
    let values = said.values();
    let [found] = &values[..] else {
        anyhow::bail!("{} values instead of one: {}", values.len(), said.err())
    };
    let mut ports: Vec<&Value> = found["ports"].as_array().into_iter().flatten().collect();
    ports.sort_by_key(|port| port["device"].to_string());
    let ready = |name: &str| json!({ "device": name, "problems": [] });
    ensure!(ports == [&ready("uio:eth0"), &ready("uio:eth1")], "ports: {ports:?}");
    ensure!(found["machine"] == json!([]), "the machine: {}", found["machine"]);

    let uio: Vec<&Value> = found["uio"].as_array().into_iter().flatten().collect();
    for (name, maps) in [
        ("eth0-tx", json!(["regs 0xf00000000+0x1000"])),
        ("eth0-rx", json!([])),
        ("eth0-err", json!([])),
        ("eth1-tx", json!(["regs 0xf00001000+0x1000"])),
        ("eth1-rx", json!([])),
        ("eth1-err", json!([])),
    ] {
        let device = uio.iter().find(|device| device["name"] == name);
        ensure!(device.is_some_and(|d| d["maps"] == maps), "{name}: {device:?}");
    }
    Ok("eth0 and eth1 are ready, registers at 0xf00000000 and 0xf00001000".to_owned())
}

/// A port's memory is one huge page, and the address from the page map is where the device writes:
/// a frame that arrives is found there, looking at the machine's memory from outside.
pub fn memory(rig: &mut Rig) -> Result<String> {
    let arguments = "capture --quiet --device uio:eth1 --write /tmp/mark.pcapng --count 1";
    let (capture, address) = rig.start_port(arguments)?;
    let used = PAGES - rig.free_pages()?;
    ensure!(used == 1, "{used} huge pages are used");
    let file = format!("{HUGETLBFS}/etsec-eth1-{}", capture.pid);
    let smaps = rig.guest.text(&format!("/proc/{}/smaps", capture.pid))?;
    let mapping: String = smaps.split_inclusive("VmFlags").filter(|m| m.contains(&file)).collect();
    ensure!(
        mapping.contains("KernelPageSize:     4096 kB") && mapping.contains(" rw-s "),
        "{file} is not mapped in pages of 4 MiB: {mapping:?}"
    );

    let mut frame = [0xff; 14].to_vec();
    frame[12..].copy_from_slice(&[0x88, 0xb5]);
    frame.extend_from_slice(MARK);
    ensure!(rig.guest.memory(address, PAGE_BYTES)?.windows(MARK.len()).all(|w| w != MARK));
    rig.wires[1].send(&frame)?;
    let ended = rig.guest.finish(capture, super::rig::LIMIT)?;
    ensure!(ended.status == Some(0), "capture: {}", ended.err());
    let memory = rig.guest.memory(address, PAGE_BYTES)?;
    let found = memory.windows(MARK.len()).position(|window| window == MARK);
    let Some(found) = found else { anyhow::bail!("the frame is not in the page at {address:#x}") };

    let (free, files) = (rig.free_pages()?, rig.guest.list(HUGETLBFS)?);
    ensure!(free == PAGES && files.is_empty(), "{free} pages are free, and there is {files:?}");
    Ok(format!("4 MiB at {address:#x}; a frame arrived at {:#x}", address + found as u64))
}

/// Nothing that was done has made the kernel complain.
pub fn kernel_log(rig: &mut Rig) -> Result<String> {
    // What it has said a moment ago is on its way.
    std::thread::sleep(Duration::from_millis(50));
    let text = std::fs::read(&rig.kernel_log)?;
    let text = String::from_utf8_lossy(&text);
    let bad = ["BUG", "WARNING", "Oops", "nobody cared", "Call Trace", "page allocation failure"];
    let line = text.lines().find(|line| bad.iter().any(|word| line.contains(word)));
    ensure!(line.is_none(), "{}, see {}", line.unwrap_or_default(), rig.kernel_log.display());
    Ok(format!("{} lines of the kernel's, no complaint", text.lines().count()))
}

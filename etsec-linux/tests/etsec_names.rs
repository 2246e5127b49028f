//! That the owner of a device is found by every name of that device, and by none of another's.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;

use program::owner::{Owner, etsec, run, text};
use program::simd::Simd;
use program::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `etsec echo` on `device`, as named from within `folder`.
fn echo(folder: &Path, device: &str, mtu: &str) -> Owner {
    let mut command = etsec(&["-v", "echo", "--device", device, "--mtu", mtu]);
    let mut child = command.current_dir(folder).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains(": started")), "it runs");
    std::thread::spawn(move || said.for_each(drop));
    Owner { child, device: device.into() }
}

fn end(owner: Owner) {
    kill_process(Pid::from_child(&owner.child), Signal::INT).unwrap();
    owner.end();
}

/// The MTU of the port that `device` is from within `folder`, as its owner says.
fn mtu(folder: &Path, device: &str) -> u64 {
    let mut command = etsec(&["--json", "config", "show", "--device", device]);
    let output = command.current_dir(folder).output().unwrap();
    assert_eq!(code(&output), Some(0), "{device}: {}", said(&output));
    let shown = serde_json::from_str::<Value>(&text(&output)).unwrap();
    shown[device]["mtu"].as_u64().unwrap()
}

#[test]
fn each_owner_is_asked_by_every_name_of_its_own_device() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("x"), folder.path().join("two"));
    [&one, &two].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let simds = [Simd::start(&one, "y", "null"), Simd::start(&two, "y", "null")];
    let third = Simd::start(folder.path(), "x_y", "null");
    symlink(&simds[0].socket, folder.path().join("link")).unwrap();
    // Names that are alike.
    let owners = [
        echo(&one, "sim:y", "1001"),
        echo(&two, "sim:y", "1002"),
        echo(folder.path(), "sim:x_y", "1003"),
    ];
    for (folder, device, expected) in [
        (&one, "sim:y", 1001),
        (&one, "sim:./y", 1001),
        (&two, "sim:../x/y", 1001),
        (&two, "sim:../link", 1001),
        (&two, &simds[0].device(), 1001),
        (&two, "sim:y", 1002),
        (&one, &simds[1].device(), 1002),
        (&one, "sim:../x_y", 1003),
        (&one, &third.device(), 1003),
    ] {
        assert_eq!(mtu(folder, device), expected, "{device}");
    }
    owners.into_iter().for_each(end);
    let nobody = run(&["rings", "--device", &third.device()]);
    assert!(said(&nobody).contains("nobody runs it"), "{}", said(&nobody));
    simds.into_iter().chain([third]).for_each(Simd::stop);
}

//! Tests of opening a port: what is refused, and by what name.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::roots::Roots;
use crate::testing::itself;
use crate::uio::tests::{Tree, memory_bus};

fn error(spec: &str, options: &Options) -> Error {
    Device::open(spec, options).unwrap_err()
}

fn options(roots: &Roots) -> Options {
    Options { roots: roots.clone(), ..Options::default() }
}

/// A port whose registers are plain memory, all words of it `word`.
fn found(word: u32) -> Found {
    let page = AnyBus::Mmio(memory_bus(Box::leak(Box::new([word.to_be(); 1024]))));
    Found {
        name: "eth0".into(),
        pages: Pages::single(page.clone()),
        tbi: (page, None),
        mdio_address: None,
        waiter: Waiter::bells(Vec::new()).unwrap(),
        second: None,
        config: PortConfig::default(),
        supply: Supply::Huge,
    }
}

#[test]
fn names_that_are_no_device_are_explained() {
    let tree = Tree::new();
    let check = |spec, text: &str| {
        let message = error(spec, &options(&tree.roots)).to_string();
        assert!(message.contains(text), "{message}");
    };
    check("eth0", "names no device");
    check("uio:eth0", "no UIO device is called 'eth0' or 'eth0-tx' (there is: none)");
    #[cfg(not(feature = "sim"))]
    check("sim", "built without the simulator");
}

#[test]
fn sizes_out_of_range_are_refused_before_anything_is_looked_for() {
    let options = Options { mtu: 9579, ..Options::default() };
    assert!(matches!(error("uio:no-such-device", &options), Error::OutOfRange { .. }));
}

#[test]
fn a_page_of_zeros_or_ones_is_no_controller() {
    let tree = Tree::new();
    let check = |word| {
        let options = options(&tree.roots);
        let sizes = options.sizes().unwrap();
        match Device::assemble(found(word), &options, &sizes).unwrap_err() {
            Error::Device { name, source } => (name, source),
            other => panic!("{other}"),
        }
    };
    let eth0 = || "eth0".to_owned();
    assert_eq!(check(0), (eth0(), etsec_core::Error::NotAnEtsec(0)));
    assert_eq!(check(u32::MAX), (eth0(), etsec_core::Error::Gone));
}

/// What the second process does.
fn own_a_device(root: &Path) {
    let roots = Roots::below(root);
    let devices = crate::uio::list(&roots).unwrap();
    let _uio = crate::uio::Uio::open(&roots, &devices[0]).unwrap();
    println!("\nopened");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_device_of_another_process_is_refused() {
    // The second process is this test once more, told by its environment what it is.
    if let Some(root) = std::env::var_os("ETSEC_TEST_ROOT") {
        return own_a_device(root.as_ref());
    }
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "regs", [0xB_0000, 0x1000, 0]);
    let this = "device::tests::a_device_of_another_process_is_refused";
    let again = itself();
    let mut owner = Command::new(&again[0])
        .args(&again[1..])
        .args(["--exact", "--nocapture", this])
        .env("ETSEC_TEST_ROOT", tree.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "opened"), "the helper never got the device");

    let roots = Roots { proc: "/proc".into(), ..tree.roots.clone() };
    let busy = error("uio:eth0", &options(&roots));
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    assert!(busy.to_string().starts_with("uio0 'eth0'"), "{busy}");
    // However the owner ends, the device is free again: the next obstacle is another one.
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(!matches!(error("uio:eth0", &options(&roots)), Error::Busy { .. }));
}

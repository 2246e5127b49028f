//! Real TAP devices, in a network namespace of their own.
//!
//! A test that needs one starts itself again under `unshare`; where that is forbidden it prints
//! `SKIP:` and the reason, and with `ETSEC_STRICT` in the environment it fails.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

/// Set in the process that has a network namespace of its own.
const INSIDE: &str = "ETSEC_TEST_NAMESPACE";
/// Set by whoever takes a skipped test for a failure.
const STRICT: &str = "ETSEC_STRICT";

/// Whether this process may play with interfaces; if not, runs `test` in one that may.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = ["--user", "--map-root-user", "--net", "--"];
    let reason = if !Path::new(TUN).exists() {
        format!("there is no {TUN}")
    } else if !Command::new("unshare").args(unshare).arg("true").output().is_ok_and(ok) {
        "no network namespace can be made (unshare --user --net)".into()
    } else {
        let output = Command::new("unshare")
            .args(unshare)
            .args(itself())
            .args(["--exact", "--nocapture", test])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
        return false;
    };
    assert!(std::env::var_os(STRICT).is_none(), "{test}: {reason}");
    // Not println!, which the test harness would swallow.
    let _ = writeln!(io::stderr(), "SKIP: {test}: {reason}");
    false
}

/// The words that start this test program again. Where it is not for this machine's processor,
/// `ETSEC_RUNNER` has the emulator and its options.
fn itself() -> Vec<std::ffi::OsString> {
    let runner = std::env::var("ETSEC_RUNNER").unwrap_or_default();
    let this = std::env::current_exe().unwrap().into_os_string();
    runner.split_whitespace().map(Into::into).chain([this]).collect()
}

fn ok(output: std::process::Output) -> bool {
    output.status.success()
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip of iproute2");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

/// Sends `request` again and again, as a station would, until a frame arrives that `wanted` takes.
fn ask(tap: &mut Tap, request: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    for _ in 0..100 {
        Wire::send(tap, request).unwrap();
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end {
            if !tap.receive(&mut frame).unwrap() {
                std::thread::sleep(Duration::from_millis(1));
            } else if wanted(&frame) {
                return Some(frame);
            }
        }
    }
    None
}

#[test]
fn the_kernel_answers_over_a_persistent_tap() {
    if !in_namespace("tap::tests::the_kernel_answers_over_a_persistent_tap") {
        return;
    }
    ip("tuntap add dev etap0 mode tap");
    ip("addr add 192.0.2.1/24 dev etap0");
    ip("link set etap0 up");
    let mut tap = Tap::open("etap0").unwrap();
    assert!(matches!(Tap::open("etap0"), Err(TapError::Busy(name)) if name == "etap0"));
    let mut buffer = [0; 2048];
    while tap.recv(&mut buffer).unwrap().is_some() {}

    let mut request = vec![0xFF; 6];
    request.extend([2, 0, 0, 0, 0, 9, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    request.extend([2, 0, 0, 0, 0, 9, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    let reply = ask(&mut tap, &request, |frame| frame[12..14] == [0x08, 0x06]);
    let reply = reply.expect("an ARP reply");
    assert_eq!(reply[..6], [2, 0, 0, 0, 0, 9]);
    assert_eq!(reply[20..22], [0, 2]);

    // Down: what is sent is lost, as on a cable that is not plugged in.
    ip("link set etap0 down");
    assert!(!Tap::send(&mut tap, &request).unwrap());
    ip("link set etap0 up");
    assert!(Tap::send(&mut tap, &request).unwrap());
    drop(tap);
    ip("link show etap0");
}

#[test]
fn a_tap_that_is_not_there_is_created_and_goes_with_us() {
    if !in_namespace("tap::tests::a_tap_that_is_not_there_is_created_and_goes_with_us") {
        return;
    }
    let tap = Tap::open("etap1").unwrap();
    assert_eq!(tap.name(), "etap1");
    ip("link set etap1 up");
    drop(tap);
    assert!(!Command::new("ip").args(["link", "show", "etap1"]).output().is_ok_and(ok));
    // The loopback interface is no TAP.
    assert!(matches!(Tap::open("lo"), Err(TapError::NotATap(_))));
}

#[test]
fn a_deleted_tap_is_reported_once() {
    if !in_namespace("tap::tests::a_deleted_tap_is_reported_once") {
        return;
    }
    let mut tap = Tap::open("etap2").unwrap();
    ip("link set etap2 up");
    ip("link del etap2");
    let mut frame = Vec::new();
    let error = tap.receive(&mut frame).unwrap_err();
    assert!(matches!(error, WireError::Tap(TapError::Gone(_))), "{error:?}");
    assert!(error.to_string().contains("etap2"), "{error}");
    assert!(!tap.receive(&mut frame).unwrap());
    Wire::send(&mut tap, &[0; 60]).unwrap();
    assert!(tap.fd().is_none() && tap.ended());

    let mut tap = Tap::open("etap3").unwrap();
    ip("link del etap3");
    let error = Wire::send(&mut tap, &[0; 60]).unwrap_err();
    assert!(matches!(error, WireError::Tap(TapError::Gone(_))), "{error:?}");
}

#[test]
fn names_no_interface_can_have() {
    for name in ["", "a name", "tap%d", "a/b", "sixteen-letters-", ".."] {
        assert!(matches!(Tap::open(name), Err(TapError::Name(_))), "{name:?}");
    }
    let error = Tap::open("tap%d").unwrap_err().to_string();
    assert!(error.starts_with("\"tap%d\" is no interface name"), "{error}");
}

#[test]
fn errors_name_the_interface_and_the_cure() {
    let of = |number: Errno| open_error("tap9", number.into()).to_string();
    assert!(of(Errno::PERM).contains("ip tuntap add dev tap9 mode tap"));
    assert!(of(Errno::ACCESS).contains("ip tuntap add dev tap9 mode tap"));
    assert!(of(Errno::NODEV).contains("modprobe tun"));
    assert!(of(Errno::BUSY).contains("another process"));
}

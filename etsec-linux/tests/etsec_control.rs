//! A port that runs elsewhere, as those see it who ask its owner.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;

use etsec_linux::Roots;
use program::owner::{Owner, etsec, run, text};
use program::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const T: Value = Value::Bool(true);
const F: Value = Value::Bool(false);

/// What `verb` tells of the device as JSON, and what it says beside it.
fn look(verb: &[&str], device: &str) -> (Value, String) {
    let output = run(&[&["--json"], verb, &["--device", device]].concat());
    assert_eq!(code(&output), Some(0), "{verb:?}: {}", said(&output));
    (serde_json::from_slice(&output.stdout).unwrap(), said(&output))
}

#[test]
fn what_is_seen_of_a_simulated_port_is_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &["--mac", "02:00:00:00:00:77", "--mtu", "9000"]);
    let process = format!("process {}", owner.child.id());
    let (link, beside) = look(&["link"], &owner.device);
    assert_eq!((link["mac"].as_str(), beside.as_str()), (Some("02:00:00:00:00:77"), ""));
    assert_eq!((&link["receiving"], &link["transmitting"]), (&T, &T));
    let phy = &link["phy"];
    assert_eq!((phy["state"].as_str(), phy["owner"].as_str()), (Some("unasked"), Some(&*process)));
    assert_eq!(phy["link"], "1000/full");
    // 9000 bytes of payload, header, tag and check sequence; it was 1536 (HW 2.4).
    let (register, _) = look(&["regs", "maxfrm"], &owner.device);
    assert!(register["value"].as_u64() >= Some(9022), "{register}");
    let (stats, beside) = look(&["stats"], &owner.device);
    assert_eq!((stats["counters"]["RPKT"].as_u64(), beside.as_str()), (Some(0), ""));
    let text = text(&run(&["link", "--device", &owner.device]));
    assert!(text.contains("link       up, 1000/full, says its owner"), "{text}");
    owner.stop();
}

#[test]
fn a_simulated_port_that_nobody_runs_is_said_to_be_new() {
    let device = "sim,wire=cable:nobody";
    for verb in [&["link"][..], &["stats"], &["regs", "tsec_id2"]] {
        let (_, beside) = look(verb, device);
        assert!(beside.contains(": nobody runs it; this is a simulated controller"), "{beside}");
        assert_eq!(beside.lines().count(), 1, "{beside}");
    }
}

/// What `pause` shows once the link is up.
fn outcome(owner: &Owner) -> Value {
    let shown = (0..600).map(|_| owner.show("pause"));
    shown.into_iter().find(|pause| pause["rx-now"].is_boolean()).expect("the link comes up")
}

#[test]
fn pause_tells_what_came_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    // The partner that the model has wants no pause frames.
    let pause = owner.show("pause");
    assert_eq!((&pause["rx"], &pause["rx-now"], &pause["tx-now"]), (&T, &F, &F));
    let set = owner.set("pause", &["autoneg", "off", "tx", "off"]);
    assert!(text(&set).starts_with("autoneg  off\nrx       on\nrx-now   "), "{}", said(&set));
    // What is offered is another, so the link is negotiated anew.
    let pause = outcome(&owner);
    assert_eq!((&pause["tx"], &pause["rx-now"], &pause["tx-now"]), (&F, &T, &F));
    // What is told is no setting.
    let set = owner.set("pause", &["rx-now", "on"]);
    assert!(said(&set).contains("unknown field `rx-now`"), "{}", said(&set));
    owner.stop();
    let owner = Owner::start(dir.path(), &["--link", "100/full/rx+tx"]);
    assert_eq!(outcome(&owner)["rx-now"], true);
    owner.stop();
}

#[test]
fn sections_that_are_set_at_the_start_are_shown_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    assert_eq!(owner.show("frames")["preamble"], 7);
    assert_eq!(owner.show("stash")["length"], 0);
    for (verb, words, named) in [
        ("frames", &["short", "on"][..], "frames: cannot be changed while the port runs"),
        ("frames", &["preamble", "16"], "frames.preamble is 16, but must be from 1 to 15"),
        ("frames", &["shrt", "on"], "unknown field `shrt`"),
        ("stash", &["length", "64"], "stash: cannot be changed while the port runs"),
        ("stash", &["length", "65"], "must be a multiple of 8 up to 16376"),
    ] {
        let output = owner.set(verb, words);
        assert_eq!(code(&output), Some(1), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    }
    // What is so already takes no change.
    assert_eq!(code(&owner.set("frames", &["short", "off", "preamble", "7"])), Some(0));
    owner.stop();
}

#[test]
fn an_owner_that_does_not_answer_is_waited_for_until_ctrl_c() {
    // An owner that listens and says nothing.
    let path = Roots::default().locks.join("etsec-sim_wire_cable_silent.control");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let child = etsec(&["rings", "--device", "sim,wire=cable:silent"]).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    BufReader::new(&stream).read_line(&mut request).unwrap();
    assert_eq!(request, "\"show\"\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code(&output), Some(1), "{}", said(&output));
    assert!(said(&output).contains("ended before its owner answered"), "{}", said(&output));
}

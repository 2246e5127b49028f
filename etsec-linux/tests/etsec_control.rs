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
        ("vlan", &["id", "5"], "vlan: cannot be changed while the port runs"),
        ("vlan", &["priority", "5"], "vlan.priority needs a tag to be in"),
        ("groups", &["rx", "1"], "groups.rx invalid type: integer `1`, expected a sequence"),
        ("groups", &["rx", "0,1"], "groups.rx.1 is 1, but must be from 0 to 0"),
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
fn the_clock_s_pins_and_stamps_are_switched_while_the_port_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("etsec.toml");
    let device = format!("sim,wire=pcap:,{}/sent.pcap", dir.path().display());
    let table = format!("[port.\"{device}\"]\noffload.rx-padding = 10\n");
    std::fs::write(&file, table).unwrap();
    let owner = Owner::start(dir.path(), &["--config", file.to_str().unwrap()]);
    let ptp = |words: &[&str]| {
        run(&[&["--json", "ptp", words[0], "--device", &owner.device], &words[1..]].concat())
    };
    let shown = |words: &[&str]| -> Value {
        let output = ptp(words);
        assert_eq!(code(&output), Some(0), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let refused = |words: &[&str], status, named: &str| {
        let output = ptp(words);
        assert_eq!(code(&output), Some(status), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    };
    refused(&["pulse", "1", "1000000000"], 1, "ptp.clock must not be none");
    refused(&["stamps", "on"], 1, "ptp.clock must not be none");
    shown(&["start", "system", "200000000"]);
    assert_eq!(shown(&["pulse", "2", "1000000000"])["pulse-2"], 1_000_000_000);
    refused(&["pulse", "2", "1000000001"], 1, "ptp.pulse-2 is 1000000001, but must be a multiple");
    refused(&["pulse", "4", "1000"], 2, "4 is not in 1..=3");
    refused(&["pulse", "1", "often"], 2, "'often' is neither nanoseconds nor `off`");
    refused(&["alarm", "1", "5"], 1, "ptp.alarm-1 starts the pulses: use alarm-2");
    assert_eq!(shown(&["edge", "1", "falling"])["edge-1"], "falling");
    refused(&["edge", "1", "steep"], 1, "expected `rising` or `falling`");
    // One that has passed expires at once.
    let _ = shown(&["events"]);
    shown(&["alarm", "2", "5"]);
    assert_eq!(shown(&["events"])["events"], serde_json::json!(["ALM2"]));
    assert_eq!(shown(&["events"])["events"], serde_json::json!([]));
    assert_eq!(shown(&["stamps", "on"])["rx-stamps"], true);
    // HW 3.11: RCTRL[TS].
    let stamping = || look(&["regs", "rctrl"], &owner.device).0["fields"]["TS"].clone();
    assert_eq!(stamping(), 1);
    let show = shown(&["show"]);
    let pins = ["pulse-2", "alarm-2", "edge-1"].map(|key| show[key].clone());
    assert_eq!(pins, [1_000_000_000.into(), 5.into(), Value::from("falling")]);
    // Another input keeps all of it; one that does not count changes nothing.
    refused(&["start", "external", "200000000"], 1, "does not count");
    assert_eq!((stamping(), &shown(&["show"])["pulse-2"]), (1.into(), &1_000_000_000.into()));
    shown(&["pulse", "2", "off"]);
    shown(&["alarm", "1", "off"]);
    assert_eq!(shown(&["stop"])["clock"], "none");
    assert_eq!(stamping(), 0);
    owner.stop();
}

#[test]
fn an_owner_that_does_not_answer_is_waited_for_until_ctrl_c() {
    // An owner that listens and says nothing.
    let path = Roots::default().locks.join("etsec-sim%2Cwire%3Dcable%3Asilent.control");
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

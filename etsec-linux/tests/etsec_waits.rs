//! How the command waits for frames: settings, what it tells of it, and that it can be asked while
//! it sleeps.
#![cfg(feature = "cli")]

mod program;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use etsec_linux::Roots;
use program::owner::{Owner, run};
use program::*;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

#[test]
fn how_an_owner_waits_is_shown_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    let shown = owner.show("wait");
    assert_eq!((&shown["mode"], &shown["usecs"]), (&"off".into(), &50.into()));
    // It sleeps, and wakes up for our questions.
    let after = (0..50).map(|_| owner.show("wait")).find(|after| slept(after) > slept(&shown));
    assert!(after.is_some_and(|after| after["so-far"]["woken"] == 0), "no frame has come");
    let set = owner.set("wait", &["mode", "adaptive", "usecs", "200"]);
    assert_eq!(code(&set), Some(0), "{}", said(&set));
    assert_eq!(owner.show("wait")["mode"], "adaptive");
    for (words, why) in [
        (&["usecs", "10001"][..], "wait.usecs is 10001, but must be from 0 to 10000"),
        (&["mode", "sometimes"], "wait.mode"),
        (&["nap-msecs", "100"], "cannot be changed while the port runs"),
    ] {
        let refused = owner.set("wait", words);
        assert_eq!(code(&refused), Some(1), "{words:?}");
        assert!(said(&refused).contains(why), "{words:?}: {}", said(&refused));
    }
    assert_eq!(owner.show("wait")["usecs"], 200);
    owner.stop();
}

/// An owner with the longest nap there is; `cable` is no other test's.
fn sleeper(cable: &str) -> Owner {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("naps.toml");
    let device = format!("sim,wire=cable:{cable}");
    std::fs::write(&config, format!("[port.\"{device}\".wait]\nnap-msecs = 1000\n")).unwrap();
    let owner = Owner::start_on(device, &["--config", config.to_str().unwrap()]);
    assert_eq!(owner.show("wait")["nap-msecs"], 1000);
    owner
}

/// A connection to the socket at which it is asked.
fn connect(owner: &Owner) -> UnixStream {
    let name = owner.device.replace(',', "%2C").replace('=', "%3D").replace(':', "%3A");
    let path = Roots::default().locks.join(format!("etsec-{name}.control"));
    UnixStream::connect(path).unwrap()
}

/// How often it has slept.
fn slept(shown: &Value) -> u64 {
    shown["so-far"]["slept"].as_u64().unwrap()
}

#[test]
fn an_owner_that_sleeps_for_long_is_woken_by_questions() {
    let owner = sleeper("asked");
    // How many naps have ended by themselves: each has told how late.
    let naps = |shown: &Value| -> u64 {
        let late = shown["so-far"]["late_usecs"].as_object().unwrap();
        late.values().map(|count| count.as_u64().unwrap()).sum()
    };
    let before = naps(&owner.show("wait"));
    (1..40).for_each(|_| drop(owner.show("wait")));
    let after = naps(&owner.show("wait"));
    assert!(after - before < 40, "each of 40 questions has waited for the end of a nap");
    owner.stop();
}

#[test]
fn naps_that_are_too_long_for_the_controller_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("naps.toml");
    std::fs::write(&config, "[port.sim.wait]\nnap-msecs = 1001\n").unwrap();
    let refused = run(&["config", "check", config.to_str().unwrap()]);
    assert_eq!(code(&refused), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("must be from 10 to 1000"), "{}", said(&refused));
}

/// Awake all the while, it would have slept for no time thousands of times.
const RESTLESS: u64 = 500;

#[test]
fn those_who_come_and_say_nothing_do_not_keep_an_owner_awake() {
    let owner = sleeper("silent");
    let before = slept(&owner.show("wait"));
    for _ in 0..5 {
        let silent: Vec<_> = (0..80).map(|_| connect(&owner)).collect();
        thread::sleep(Duration::from_millis(100));
        // Who asks is answered meanwhile.
        let after = slept(&owner.show("wait"));
        assert!(after - before < RESTLESS, "it has slept {} times", after - before);
        drop(silent);
    }
    owner.stop();
}

#[test]
fn an_owner_that_can_let_nobody_in_sleeps_and_does_so_later() {
    let owner = sleeper("crowded");
    let before = slept(&owner.show("wait"));
    let pid = Pid::from_child(&owner.child);
    let few = Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) };
    let many = prlimit(Some(pid), Resource::Nofile, few).unwrap();
    let mut waits = connect(&owner);
    waits.write_all(b"\"look\"\n").unwrap();
    thread::sleep(Duration::from_millis(500));
    prlimit(Some(pid), Resource::Nofile, many).unwrap();
    // Nobody has come since; it is let in when the port is looked after the next time.
    let mut answer = String::new();
    waits.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("{\"done\":"), "{answer}");
    let after = slept(&owner.show("wait"));
    assert!(after - before < RESTLESS, "it has slept {} times", after - before);
    owner.stop();
}

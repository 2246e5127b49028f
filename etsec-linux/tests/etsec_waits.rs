//! How the command waits for frames: settings, what it tells of it, and that it can be asked while
//! it sleeps.
#![cfg(feature = "cli")]

mod program;

use program::owner::Owner;
use program::*;

#[test]
fn how_an_owner_waits_is_shown_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    let shown = owner.show("wait");
    assert_eq!((&shown["mode"], &shown["usecs"]), (&"off".into(), &50.into()));
    // It sleeps, and wakes up for our questions.
    let slept = |shown: &serde_json::Value| shown["so-far"]["slept"].as_u64().unwrap();
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

/// With as long a nap, a question that had to wait for its end would be given up.
#[test]
fn an_owner_that_sleeps_for_long_is_woken_by_questions() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("naps.toml");
    let device = format!("sim,wire=pcap:,{}/sent.pcap", dir.path().display());
    std::fs::write(&config, format!("[port.\"{device}\".wait]\nnap-msecs = 10000\n")).unwrap();
    let owner = Owner::start(dir.path(), &["--config", config.to_str().unwrap()]);
    assert_eq!(owner.device, device);
    for _ in 0..5 {
        assert_eq!(owner.show("wait")["nap-msecs"], 10_000);
    }
    owner.stop();
}

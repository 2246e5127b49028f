//! Is a port whose rings may hold another one's buffers left alone, by whoever does not have that
//! other one as well?
#![cfg(feature = "cli")]

mod program;

use std::os::unix::fs::symlink;
use std::process::Output;

use etsec_core::Bus;
use etsec_core::adopt::runs;
use etsec_sim::remote::{Client, Role};
use program::owner::{run, text};
use program::running::Running;
use program::simd::Simd;
use program::*;

/// Two simulators, between which a process has forwarded that is dead.
fn dead_pair(folder: &std::path::Path) -> [Simd; 2] {
    let both = ["a", "b"].map(|name| Simd::start(folder, name, "null"));
    Running::start(&["forward", &both[0].device(), &both[1].device()]).kill();
    both
}

fn client(simd: &Simd) -> Client {
    Client::connect(&simd.socket, Role::Observer).unwrap().client
}

/// That it was refused for the other's sake, and names both and the cure.
fn refused(output: &Output, port: &Simd, other: &Simd) {
    assert_ne!(code(output), Some(0), "{}", text(output));
    let (port, other) = (port.device(), other.device());
    let is = format!("{port}: a process has left it with buffers of {other}, which is still there");
    let cure = format!("`etsec reclaim --free {port} {other}`");
    assert!(said(output).contains(&is) && said(output).contains(&cure), "{}", said(output));
}

#[test]
fn one_of_two_is_neither_opened_nor_taken_over_nor_freed_without_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = dead_pair(folder.path());
    for (one, other) in [(&a, &b), (&b, &a)] {
        let device = one.device();
        let pages = [one, other].map(|simd| client(simd).bus());
        let memory = || [one, other].map(|simd| client(simd).left().unwrap());
        let before = memory();
        refused(&run(&["receive", "--device", &device, "--count", "1"]), one, other);
        refused(&run(&["receive", "--adopt", "--device", &device, "--count", "1"]), one, other);
        assert!(pages.iter().all(runs), "nothing was touched");
        refused(&run(&["reclaim", "--free", &device]), one, other);
        assert!(pages.iter().all(runs), "nothing was touched");
        assert_eq!(memory(), before);
    }
    // As long as memory is there it is the same, whatever has been stopped.
    for simd in [&a, &b] {
        let owner = Client::connect(&simd.socket, Role::Owner).unwrap().client;
        // MACCFG1: it neither sends nor receives.
        owner.bus().write(0x500, 0);
    }
    refused(&run(&["receive", "--device", &b.device(), "--count", "1"]), &b, &a);
    let both = run(&["reclaim", "--free", &a.device(), &b.device()]);
    assert_eq!(code(&both), Some(0), "{}", said(&both));
    assert_eq!(text(&both).matches("; freed").count(), 2, "{}", text(&both));
    let alone = Running::start(&["receive", "--device", &b.device()]);
    alone.end();
    a.stop();
    b.stop();
}

#[test]
fn a_port_is_the_same_by_whatever_path() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = dead_pair(folder.path());
    symlink(folder.path(), folder.path().join("link")).unwrap();
    std::fs::create_dir(folder.path().join("x")).unwrap();
    let by = |path: &str| format!("sim:{}/{path}", folder.path().display());
    let both = run(&["reclaim", "--free", &by("link/a"), &by("x/../b")]);
    assert_eq!(code(&both), Some(0), "{}", said(&both));
    assert_eq!(text(&both).matches("; freed").count(), 2, "{}", text(&both));
    a.stop();
    b.stop();
}

#[test]
fn ports_that_could_not_be_named_to_who_comes_next_are_not_opened_together() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long".repeat(30));
    std::fs::create_dir(&long).unwrap();
    // A socket has a path of 107 bytes at most: it is there by a shorter one.
    symlink(&long, folder.path().join("short")).unwrap();
    let both = ["a", "b"].map(|name| Simd::start(&folder.path().join("short"), name, "null"));
    let devices = [both[0].device(), both[1].device()];
    for words in [&["forward"][..], &["forward", "--adopt"]] {
        let refused = run(&[words, &[&devices[0], &devices[1]]].concat());
        assert_eq!(code(&refused), Some(1), "{}", said(&refused));
        let why = "cannot exchange buffers with another port";
        assert!(said(&refused).contains(why), "{}", said(&refused));
        assert!(said(&refused).contains("use a shorter name or path"), "{}", said(&refused));
        assert!(both.iter().all(|simd| client(simd).left().unwrap().is_none()));
    }
    // Alone each is a port like others.
    Running::start(&["receive", "--device", &devices[0]]).kill();
    Running::start(&["receive", "--adopt", "--device", &devices[0]]).end();
    both.into_iter().for_each(Simd::stop);
}

#[test]
fn both_are_opened_together_and_nothing_is_left_of_it_after_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = dead_pair(folder.path());
    for (words, kill) in [(&["forward"][..], true), (&["forward", "--adopt"], false)] {
        let both = Running::start(&[words, &[&a.device(), &b.device()]].concat());
        let taken = both.said.iter().filter(|line| line.contains(": taken over from")).count();
        assert_eq!(taken, if kill { 0 } else { 2 }, "{:?}", both.said);
        if kill {
            both.kill();
        } else {
            both.end();
        }
    }
    for simd in [&a, &b] {
        Running::start(&["receive", "--adopt", "--device", &simd.device()]).end();
    }
    a.stop();
    b.stop();
}

#[test]
fn one_whose_partner_is_gone_is_a_port_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = dead_pair(folder.path());
    a.stop();
    let alone = Running::start(&["receive", "--device", &b.device()]);
    alone.end();
    b.stop();
}

#[test]
fn a_supervisor_of_one_leaves_memory_that_the_other_may_reach() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = dead_pair(folder.path());
    let words = ["supervise", "--device", &a.device(), "--restarts", "0", "--", "false"];
    refused(&run(&words), &a, &b);
    assert!(client(&a).left().unwrap().is_some());
    let (one, other) = (a.device(), b.device());
    let both =
        ["supervise", "--device", &one, "--device", &other, "--restarts", "0", "--", "false"];
    let ended = run(&both);
    assert!(!said(&ended).contains("still there"), "{}", said(&ended));
    assert!([&a, &b].iter().all(|simd| client(simd).left().unwrap().is_none()));
    a.stop();
    b.stop();
}

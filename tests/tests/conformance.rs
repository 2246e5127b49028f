//! Are the scenarios of conformance in order by themselves, without QEMU: does our model show in
//! each what has to hold, and what docs/differences.md says of it?
//!
//! `cargo xtask conformance` runs them on both models.

use std::collections::BTreeSet;

use etsec_tests::conformance::judge::judge;
use etsec_tests::conformance::{Difference, Differences, SCENARIOS, Seen, Verdict};
use etsec_tests::reference;

/// What a model would show that does what the page says of QEMU.
fn second(sim: &Seen, lines: &[&Difference]) -> Seen {
    let mut seen = Seen::new();
    let of = |what: &str| lines.iter().find(|line| line.what == what);
    for (name, value) in sim.values() {
        let value = of(name).map_or(value, |line| &line.qemu);
        if value != "-" {
            seen.note(name.clone(), value);
        }
    }
    for line in lines.iter().filter(|line| sim.get(&line.what).is_none()) {
        seen.note(line.what.clone(), &line.qemu);
    }
    seen
}

#[test]
fn our_model_shows_what_the_page_says() {
    let known = Differences::known().expect("a page in order");
    for scenario in SCENARIOS {
        let sim = scenario.run_on_sim();
        let seen = sim.clone().unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
        let lines: Vec<_> = known.of(scenario.name).collect();
        let qemu = Ok(second(&seen, &lines));
        let judged = judge(&sim, &qemu, lines.iter().copied());
        assert_ne!(judged.verdict, Verdict::Different, "{}: {:?}", scenario.name, judged.why);
    }
}

#[test]
fn a_scenario_shows_the_same_each_time() {
    for scenario in SCENARIOS {
        assert_eq!(scenario.run_on_sim(), scenario.run_on_sim(), "{}", scenario.name);
    }
}

#[test]
fn names_are_there_once() {
    let names: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), SCENARIOS.len());
}

#[test]
fn the_page_is_about_scenarios_and_sections_that_exist() {
    let page = reference::page();
    let mut seen = BTreeSet::new();
    for line in Differences::known().expect("a page in order").0 {
        let named = SCENARIOS.iter().any(|scenario| scenario.name == line.scenario);
        assert!(named, "there is no scenario {}", line.scenario);
        assert!(seen.insert((line.scenario.clone(), line.what.clone())), "{line:?} twice");
        let sections = line.why.split("HW ").skip(1);
        for section in sections {
            let end = section.find(|c: char| !c.is_ascii_digit() && c != '.');
            let number = section[..end.unwrap_or(section.len())].trim_end_matches('.');
            // Sections 17 and 18 are lists: their items have numbers.
            let (chapter, item) = number.split_once('.').unwrap_or((number, ""));
            let there = match chapter {
                "17" | "18" => reference::chapter(&page, chapter).contains(&format!("\n{item}. ")),
                _ if item.is_empty() => page.contains(&format!("\n## {chapter}. ")),
                _ => page.contains(&format!("\n### {number} ")),
            };
            assert!(there, "HW {number} is not in docs/hardware.md");
        }
    }
}

/// A driver sees no difference between a model in its process and one behind a socket.
#[test]
fn a_model_behind_a_socket_shows_the_same() {
    for scenario in SCENARIOS {
        assert_eq!(scenario.run_on_remote(), scenario.run_on_sim(), "{}", scenario.name);
    }
}

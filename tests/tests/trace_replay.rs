//! Does a model answer a recorded driver as the recorded device did, and is it told where it does
//! not?

use etsec_core::MacAddr;
use etsec_core::offload::RxOffload;
use etsec_sim::trace::{Compared, Difference, Differs, Limits, Reader, Replay, Setup};
use etsec_sim::{Fault, Fcs, SimConfig, Violation, WireFrame, WireSpeed};
use etsec_tests::rig::{PEER, Plan, STATION, frame};
use etsec_tests::{all_rings, at, recording};

/// What came of a replay.
#[derive(Debug)]
struct Outcome {
    differences: Vec<Difference>,
    violations: Vec<Violation>,
    compared: Compared,
}

fn replay(text: &str) -> Outcome {
    let lines = || Reader::of_bytes(text.as_bytes()).expect("a header").map(|line| line.unwrap());
    let mut setup = Setup::default();
    lines().for_each(|(_, line)| setup.look(&line));
    let mut replay = Replay::new(&setup, |_, _| false);
    let mut differences = Vec::new();
    for (number, line) in lines() {
        differences.extend(replay.play(number, &line).expect("it can be"));
    }
    differences.extend(replay.end());
    let (violations, compared) = (replay.violations(), replay.compared());
    Outcome { differences, violations, compared }
}

/// The model answers a recording of itself as it did.
fn same(text: &str) -> Compared {
    let Outcome { differences, violations, compared } = replay(text);
    if let Some(first) = differences.first() {
        let line = first.line as usize;
        let around: Vec<&str> = text.lines().take(line).skip(line.saturating_sub(12)).collect();
        let around = around.join("\n");
        panic!("{} differences, the first: {first:x?}\n{around}", differences.len());
    }
    let first: Vec<String> = violations.iter().take(3).map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} violations: {first:?}", violations.len());
    compared
}

fn plan(wire: WireSpeed) -> Plan {
    Plan { sim: SimConfig { wire, ..SimConfig::default() }, ..Plan::default() }
}

/// A port that is started, passes traffic of many sizes both ways, and is stopped, again and again.
fn traffic(wire: WireSpeed, limits: Limits) -> String {
    let (mut rig, file) = recording::record(&plan(wire), limits);
    for round in 0..3 {
        let sim = rig.sim.clone();
        let mut live = rig.start();
        for n in 0..40 {
            live.send(0, &frame(PEER, STATION, 14 + 37 * n, n as u8));
            sim.receive(&frame(STATION, PEER, 60 + 36 * n, n as u8));
            if n % 3 == round {
                sim.advance(50_000);
                assert!(live.reap() > 0);
            }
            assert!(live.receive(0).is_some());
        }
        live.port.tick(100 * round as u32, &mut sim.delay()).expect("it answers");
        sim.advance(100_000);
        rig = live.stop();
    }
    rig.finish();
    file.text()
}

#[test]
fn a_model_answers_as_it_did() {
    for wire in [WireSpeed::Instant, WireSpeed::Link] {
        let compared = same(&traffic(wire, Limits::default()));
        assert!(compared.reads > 100 && compared.descriptors >= 240, "{compared:?}");
    }
    // Frames whose bytes are not there are as long as they were.
    same(&traffic(WireSpeed::Link, Limits { buffer_bytes: 0, ..Limits::default() }));
}

#[test]
fn the_kept_bring_up_is_answered_as_it_was() {
    same(include_str!("../golden/bring_up.trace"));
}

#[test]
fn all_rings_are_played() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let (mut rig, file) = recording::record(&all_rings::plan(sim), Limits::default());
    all_rings::steer(&mut rig);
    let mut live = rig.start();
    for seed in 0..3 {
        live.exchange(seed);
    }
    live.finish();
    let compared = same(&file.text());
    assert!(compared.descriptors >= 48, "{compared:?}");
}

#[test]
fn parsed_and_scattered_frames_are_played() {
    let mut plan = Plan { buffers: 128, rx: vec![64], ..plan(WireSpeed::Link) };
    plan.config.parser = true;
    plan.config.buffer_size = 256;
    plan.rx_offload = RxOffload { vlan_extract: true, padding: 2, ..RxOffload::default() };
    let (rig, file) = recording::record(&plan, Limits::default());
    let sim = rig.sim.clone();
    let mut live = rig.start();
    for n in 0..40 {
        let mut frame = frame(STATION, PEER, 60 + 33 * n, n as u8);
        if n % 2 == 0 {
            frame.splice(12..12, [0x81, 0x00, 0x20, n as u8]);
        }
        sim.receive(&frame);
        let (buf, _) = live.rx[0].next().expect("it was received");
        drop(buf);
        live.rx[0].fill(&live.pool);
        live.rx[0].commit();
    }
    live.finish();
    assert!(same(&file.text()).descriptors > 100);
}

#[test]
fn frames_with_errors_are_played() {
    let mut plan = plan(WireSpeed::Link);
    plan.frame_options.short_frames = true;
    let (rig, file) = recording::record(&plan, Limits::default());
    let sim = rig.sim.clone();
    let mut live = rig.start();
    let good = frame(STATION, PEER, 200, 1);
    for fault in [Fault::CrcError, Fault::Alignment, Fault::Overrun] {
        sim.inject(fault);
        sim.receive(&good);
        sim.receive(&good);
        assert!(live.receive(0).is_some(), "{fault:?}");
        assert!(live.receive(0).is_none(), "{fault:?}");
    }
    sim.receive_raw(WireFrame::exact(frame(STATION, PEER, 40, 1), Fcs::Right));
    sim.receive(&frame(MacAddr([0xFF; 6]), PEER, 100, 2));
    while live.receive(0).is_some() {}
    live.port.tick(0, &mut sim.delay()).expect("it answers");
    live.finish();
    same(&file.text());
}

#[test]
fn the_first_answer_that_differs_is_told_with_its_line() {
    let text = traffic(WireSpeed::Link, Limits::default());
    // A device that had shown another event when it was stopped.
    let stop = text.rfind("read group0 0x010 ").expect("IEVENT is read at the end");
    let (head, tail) = text.split_at(stop);
    let (old, tail) = tail.split_once('\n').unwrap();
    let value = u32::from_str_radix(&old["read group0 0x010 0x".len()..], 16).unwrap();
    let changed = format!("{head}read group0 0x010 {:#010x}\n{tail}", value ^ 0x1000_0000);
    let found = replay(&changed).differences;
    let line = head.lines().count() as u64;
    let Some(Difference { line: told, what: Differs::Register { recorded, model }, .. }) =
        found.first()
    else {
        panic!("{found:?}")
    };
    assert_eq!((*told, recorded.at, *model), (line, at::IEVENT, value));
}

#[test]
fn a_descriptor_that_differs_is_told() {
    let text = traffic(WireSpeed::Link, Limits::default());
    // A device that had met a late collision (HW 4.2).
    let at = text.find("tx 0 5 done 0x18").unwrap();
    let changed =
        format!("{}tx 0 5 done 0x1880{}", &text[..at], &text[at + "tx 0 5 done 0x1800".len()..]);
    let found = replay(&changed).differences;
    assert!(
        matches!(found[..], [Difference { what: Differs::Descriptor { index: 5, .. }, .. }]),
        "{found:?}"
    );
}

#[test]
fn a_driver_that_forgets_to_publish_is_told_by_the_model() {
    let text = traffic(WireSpeed::Link, Limits::default());
    let silent: String = text
        .lines()
        .filter(|line| !line.ends_with(" publish"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(!replay(&silent).violations.is_empty());
}

#[test]
fn what_cannot_be_is_an_error_with_its_line() {
    let check = |lines: &str, why: &str| {
        let text = format!("etsec-trace 1\n\n{lines}\n");
        let (number, line) = Reader::of_bytes(text.as_bytes()).unwrap().next().unwrap().unwrap();
        let error = Replay::new(&Setup::default(), |_, _| false).play(number, &line).unwrap_err();
        assert!(error.to_string().starts_with(why), "{error}");
    };
    check("0.000000000 tx 0 1 lost", "line 3: tx 0: no line before this one has told where");
    check("0.000000000 memory 0x000000020 0x100", "line 3: memory at 0x000000020: not a multiple");
    check(
        "0.000000000 memory 0x000000040 0x80000000",
        "line 3: 2147483648 bytes of memory are too",
    );
}

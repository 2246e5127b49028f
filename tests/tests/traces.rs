//! Is all that a driver does to a controller in its recording, and in the order in which it was
//! done?

use etsec_core::{BusAddr, Pages};
use etsec_sim::trace::{Access, Change, Limits, Line, Page, Reader, Steps, What};
use etsec_sim::{Direction, Sim, SimConfig, WireSpeed};
use etsec_tests::rig::{PEER, Plan, Rig, STATION, frame};
use etsec_tests::{at, golden, recording};

/// A port that is as small as can be, so that its trace can be read.
fn small() -> Plan {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    Plan { sim, rx: vec![4], tx: vec![4], buffers: 8, ..Plan::default() }
}

/// A port that is made, started, sends a frame and receives one, and is stopped.
fn bring_up(limits: Limits) -> String {
    let (rig, file) = recording::record(&small(), limits);
    let sim = rig.sim.clone();
    let mut live = rig.start();
    live.send(0, &frame(PEER, STATION, 100, 1));
    sim.advance(10_000);
    assert_eq!(live.reap(), 1);
    sim.receive(&frame(STATION, PEER, 70, 2));
    assert!(live.receive(0).is_some());
    live.finish();
    file.text()
}

fn lines(text: &str) -> Vec<Line> {
    let reader = Reader::of_bytes(text.as_bytes()).expect("a header");
    reader.map(|line| line.expect("a complete trace").1).collect()
}

#[test]
fn the_bring_up_is_the_one_that_was_looked_at() {
    let view = |text: &str| {
        // On a machine with short pointers a ring takes less memory, so buffers are elsewhere.
        if cfg!(target_pointer_width = "64") { text.to_owned() } else { steps(text) }
    };
    golden::compare("bring_up.trace", &bring_up(Limits::default()), view);
}

/// What the driver did in a trace, a step a line.
fn steps(text: &str) -> String {
    let mut steps = Steps::default();
    let name = |page: Page, at: u16| format!("{page} {at:#05x}");
    let steps = lines(text).into_iter().filter_map(|line| steps.step(&line, name));
    steps.map(|step| step + "\n").collect()
}

#[test]
fn where_the_memory_is_makes_no_difference_to_the_steps() {
    let plan = small();
    let record = |address: u64| {
        let (sim, file) = (Sim::new(plan.sim.clone()), recording::File::default());
        let recorder = recording::recorder(&sim, &file, Limits::default());
        let pages = Pages::single(recorder.page(Page::Group0, sim.bus()));
        let bus = BusAddr::new(address).expect("36 bits");
        let region = recorder.region(sim.region_at(bus, plan.bytes()));
        Rig::build(&sim, &plan, pages, region).start().finish();
        drop(recorder);
        file.text()
    };
    let (low, high) = (record(0x100_0000), record(0x4_1000_0000));
    assert_ne!(low, high);
    assert_eq!(steps(&low), steps(&high));
}

#[test]
fn one_run_gives_one_trace_that_reads_as_it_was_written() {
    let text = bring_up(Limits::default());
    assert_eq!(text, bring_up(Limits::default()));
    let (head, body) = text.split_once("\n\n").unwrap();
    assert_eq!(head, "etsec-trace 1\ndevice sim\nby etsec-tests");
    let again: String = lines(&text).iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(again, body);
}

/// Where in `lines` the first one is that `wanted` picks.
fn first(lines: &[Line], what: &str, wanted: impl Fn(&What) -> bool) -> usize {
    lines
        .iter()
        .position(|line| wanted(&line.what))
        .unwrap_or_else(|| panic!("no {what} in the trace"))
}

#[test]
fn descriptors_change_hands_around_the_doorbell() {
    let lines = lines(&bring_up(Limits::default()));
    let change = |direction: Direction, what: &What| match what {
        What::Descriptor { ring, index: 0, change } if ring.direction == direction => {
            Some(change.clone())
        }
        _ => None,
    };
    let given = first(&lines, "frame handed over", |what| {
        matches!(change(Direction::Tx, what), Some(Change::Given { bd, bytes })
            // HW 4.2: R, I, L; 100 bytes, of which the first 64 are here.
            if bd.word & 0x9800_FFFF == 0x9800_0064 && bytes == frame(PEER, STATION, 64, 1))
    });
    let bell = first(&lines[given..], "doorbell", |what| {
        let at = at::TSTAT;
        *what == What::Write(Access { page: Page::Group0, at, value: 0x8000_0000 })
    });
    assert!(matches!(lines[given + bell - 1].what, What::Publish), "published before the bell");
    let sent = first(&lines, "frame sent", |what| {
        matches!(change(Direction::Tx, what), Some(Change::Done { bd, .. })
            if bd.word & 0x8000_FFFF == 0x64)
    });
    assert!(sent > given + bell);
    let received = first(&lines, "frame received", |what| {
        matches!(change(Direction::Rx, what), Some(Change::Done { bd, bytes })
            // HW 4.3: F and L; with its FCS.
            if bd.word & 0x8FFF_FFFF == 0x0C00_004A && bytes == frame(STATION, PEER, 64, 2))
    });
    let refilled = first(&lines[received..], "buffer given again", |what| {
        matches!(change(Direction::Rx, what), Some(Change::Given { .. }))
    });
    assert!(refilled > 0);
}

#[test]
fn bytes_and_file_have_their_limits() {
    let none = bring_up(Limits { buffer_bytes: 0, ..Limits::default() });
    for line in lines(&none) {
        if let What::Descriptor { change, .. } = line.what {
            let (Change::Given { bytes, .. } | Change::Done { bytes, .. }) = change else {
                continue;
            };
            assert_eq!(bytes, []);
        }
    }
    let short = bring_up(Limits { file_bytes: 2000, ..Limits::default() });
    assert!((2000..2400).contains(&short.len()), "{}", short.len());
    let lines = lines(&short);
    let [.., note, end] = &lines[..] else { panic!("{short}") };
    assert!(matches!(&note.what, What::Note(text) if text.starts_with("2000 bytes are enough")));
    assert_eq!(end.what, What::End);
}

#[test]
fn a_recording_ends_with_the_last_that_was_recorded() {
    let (rig, file) = recording::record(&small(), Limits::default());
    let mut reader_of = file.text();
    let cut = Reader::of_bytes(reader_of.as_bytes()).unwrap().last().unwrap();
    assert!(cut.unwrap_err().is_cut_off(), "what has happened is in the file at once");
    rig.finish();
    reader_of = file.text();
    let end = Reader::of_bytes(reader_of.as_bytes()).unwrap().last().unwrap();
    assert_eq!(end.unwrap().1.what, What::End);
}

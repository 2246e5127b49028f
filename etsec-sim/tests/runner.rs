//! A model that runs by itself against the real clock, with both ends of its wire.
#![cfg(all(feature = "runner", feature = "pcap"))]

mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use etsec_core::Bus;
use etsec_sim::Line;
use etsec_sim::capture::{CaptureReader, CaptureWriter};
use etsec_sim::ends::{Null, PcapWire, Wire, WireError, cable};
use etsec_sim::runner::Runner;
use rig::*;

/// HW 3.22.
const ISRG0: u16 = 0xEB0;

/// Waits up to a minute of real time.
fn soon<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(Instant::now() < end, "it does not happen");
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn on_wire(wire: impl Wire + Send + 'static) -> (Rig, Runner) {
    let rig = Rig::running();
    let runner = Runner::spawn(rig.sim.clone(), Box::new(wire)).unwrap();
    (rig, runner)
}

#[test]
fn two_models_exchange_frames_over_a_cable() {
    let (a, b) = cable().unwrap();
    let (mut a, runner_a) = on_wire(a);
    let (mut b, runner_b) = on_wire(b);
    for round in 0..200 {
        let (there, back) = (frame(60 + round), frame(61 + round));
        a.stage(0, &there, 0, &[0]);
        runner_a.bus().write(TSTAT, 0x8000_0000);
        let (_, bytes) = soon(|| b.take(0));
        assert_eq!(bytes[..bytes.len() - 4], there);
        b.stage(0, &back, 0, &[0]);
        runner_b.bus().write(TSTAT, 0x8000_0000);
        let (_, bytes) = soon(|| a.take(0));
        assert_eq!(bytes[..bytes.len() - 4], back);
    }
    drop(runner_a);
    assert!(matches!(soon(|| runner_b.error()), WireError::Unplugged));
    assert!(runner_b.input_ended(), "told before the error");
    assert!(runner_b.error().is_none(), "told once");
}

#[test]
fn lines_notify_once_until_they_are_enabled() {
    let (mut end, other) = cable().unwrap();
    let (mut rig, runner) = on_wire(other);
    let counts: Arc<[AtomicUsize; 3]> = Arc::default();
    let seen = Arc::clone(&counts);
    runner.on_interrupt(move |line| {
        seen[line as usize].fetch_add(1, Ordering::SeqCst);
    });
    let count = |line: Line| counts[line as usize].load(Ordering::SeqCst);
    rig.write(IMASK, 0x80);
    end.send(&frame(60)).unwrap();
    soon(|| (count(Line::Rx) == 1).then_some(()));
    // The next frame finds the line disarmed.
    end.send(&frame(61)).unwrap();
    soon(|| rig.take(0));
    soon(|| rig.take(0));
    assert_eq!(count(Line::Rx), 1);
    // Still high: enabling notifies at once.
    runner.enable(Line::Rx);
    assert_eq!(count(Line::Rx), 2);
    rig.clear_events();
    runner.enable(Line::Rx);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(count(Line::Rx), 2);
    end.send(&frame(62)).unwrap();
    soon(|| (count(Line::Rx) == 3).then_some(()));
    assert_eq!((count(Line::Tx), count(Line::Err)), (0, 0));
}

#[test]
fn the_second_group_has_notifications_of_its_own() {
    let (mut end, other) = cable().unwrap();
    let (mut rig, runner) = on_wire(other);
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let (first, second) = (Arc::clone(&counts), Arc::clone(&counts));
    runner.on_interrupt(move |_| {
        first[0].fetch_add(1, Ordering::SeqCst);
    });
    runner.on_second_interrupt(move |line| {
        assert_eq!(line, Line::Rx);
        second[1].fetch_add(1, Ordering::SeqCst);
    });
    let count = || [0, 1].map(|group| counts[group].load(Ordering::SeqCst));
    // HW 9.4: receive ring 0 is steered to the second group, all others to the first.
    rig.write(ISRG0, 0x7FFF_0000);
    rig.write(ISRG0 + 4, 0x8000_0000);
    rig.write(IMASK, 0x80);
    runner.second_bus().write(IMASK, 0x80);
    end.send(&frame(60)).unwrap();
    soon(|| (count() == [0, 1]).then_some(()));
    soon(|| rig.take(0));
    // Still high: enabling notifies at once, and only there.
    runner.enable(Line::Rx);
    runner.enable_second(Line::Rx);
    assert_eq!(count(), [0, 2]);
    runner.second_bus().write(IEVENT, u32::MAX);
    runner.enable_second(Line::Rx);
    assert_eq!(count(), [0, 2]);
}

#[test]
fn an_arming_is_not_used_up_by_an_event_cleared_before() {
    let (mut end, other) = cable().unwrap();
    let (mut rig, runner) = on_wire(other);
    let notified = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&notified);
    runner.on_interrupt(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    rig.write(IMASK, 0x80);
    for round in 0..3000 {
        end.send(&frame(60 + round % 100)).unwrap();
        // The line has used up its arming, and the runner may be looking at it again.
        let end_of_wait = Instant::now() + Duration::from_secs(20);
        while notified.load(Ordering::SeqCst) == round {
            assert!(Instant::now() < end_of_wait, "a notification is lost in round {round}");
            std::hint::spin_loop();
        }
        soon(|| rig.take(0));
        rig.clear_events();
        runner.enable(Line::Rx);
        for _ in 0..round % 5 {
            std::thread::yield_now();
        }
        assert_eq!(notified.load(Ordering::SeqCst), round + 1, "one frame, one notification");
    }
}

#[test]
fn a_capture_waits_for_the_receiver_and_for_room() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcapng"));
    let frames: Vec<_> = (0..300).map(|n| frame(60 + n)).collect();
    let mut writer = CaptureWriter::create(&input).unwrap();
    for frame in &frames {
        writer.write_frame(Duration::ZERO, frame).unwrap();
    }
    let mut rig = Rig::stopped(Default::default());
    let wire = PcapWire::open(Some(&input), Some(&output)).unwrap();
    let runner = Runner::spawn(rig.sim.clone(), Box::new(wire)).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    rig.start();
    for (number, expected) in frames.iter().enumerate() {
        if number % 50 == 0 {
            // The ring is full by now.
            std::thread::sleep(Duration::from_millis(20));
        }
        let (_, bytes) = soon(|| rig.take(0));
        assert_eq!(bytes[..bytes.len() - 4], *expected);
        rig.stage(0, expected, 0, &[0]);
        runner.bus().write(TSTAT, 0x8000_0000);
    }
    assert_eq!(rig.events() & 0x0100_0000, 0, "no BSY");
    assert!(soon(|| runner.input_ended().then_some(true)));
    let end = Instant::now() + Duration::from_secs(60);
    let mut sent = Vec::new();
    while sent.len() < frames.len() && Instant::now() < end {
        sent.clear();
        let mut reader = CaptureReader::open(&output).unwrap();
        sent.extend(std::iter::from_fn(|| reader.next_frame().unwrap()));
    }
    assert!(sent.iter().map(|frame| &frame.data).eq(&frames));
    assert!(runner.error().is_none());
}

#[test]
fn what_was_sent_is_in_the_file_when_the_runner_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.pcap");
    let (mut rig, runner) = on_wire(PcapWire::open(None, Some(&output)).unwrap());
    // Far more than is moved in a turn, and no time for the thread to move it in.
    let frames: Vec<_> = (0..2000).map(|n| frame(60 + n % 1000)).collect();
    for frame in &frames {
        rig.stage(0, frame, 0, &[0]);
        rig.write(TSTAT, 0x8000_0000);
    }
    drop(runner);
    let mut reader = CaptureReader::open(&output).unwrap();
    let written: Vec<_> = std::iter::from_fn(|| reader.next_frame().unwrap()).collect();
    assert_eq!(written.len(), frames.len());
    assert!(written.iter().map(|frame| &frame.data).eq(&frames));
}

#[test]
fn a_cut_capture_is_reported_after_its_frames() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.pcap");
    let mut writer = CaptureWriter::create(&input).unwrap();
    for n in 0..20 {
        writer.write_frame(Duration::ZERO, &frame(60 + n)).unwrap();
    }
    let whole = std::fs::read(&input).unwrap();
    std::fs::write(&input, &whole[..whole.len() - 1]).unwrap();
    let (mut rig, runner) = on_wire(PcapWire::open(Some(&input), None).unwrap());
    // 19 good frames and a ring of 8: the error is known long before there is room for them all.
    std::thread::sleep(Duration::from_millis(30));
    for n in 0..19 {
        if n < 8 {
            assert!(runner.error().is_none() && !runner.input_ended());
        }
        assert_eq!(soon(|| rig.take(0)).1.len(), 64 + n);
    }
    let error = soon(|| runner.error());
    assert!(error.to_string().contains("ends in the middle"), "{error}");
    assert!(runner.input_ended(), "told before the error");
}

#[test]
fn the_model_keeps_the_real_time_and_stops_when_dropped() {
    let (rig, runner) = on_wire(Null);
    // Every access to a register tells the model how late it is.
    let before = Instant::now();
    runner.bus().read(IEVENT);
    let then = rig.sim.now_ns();
    std::thread::sleep(Duration::from_millis(100));
    runner.bus().read(IEVENT);
    let model = Duration::from_nanos(rig.sim.now_ns() - then);
    assert!(model >= Duration::from_millis(100), "{model:?}");
    assert!(model <= before.elapsed(), "{model:?}");
    drop(runner);
    let stopped = rig.sim.now_ns();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(rig.sim.now_ns(), stopped);
}

//! Tests of `wait`: interrupts through descriptors that stand for UIO's, bells, and the beat.

use super::*;
use crate::uio::tests::interrupt;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SHORT: Option<Duration> = Some(Duration::from_millis(1));
const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn readable(waiter: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(waiter, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn the_line_that_fired_is_told_once_for_each_interrupt() {
    let (tx, _tx_kernel) = interrupt(0);
    let (rx, mut rx_kernel) = interrupt(0);
    let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
    assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
    assert!(!readable(&waiter));
    for count in 1u32..4 {
        rx_kernel.write_all(&count.to_ne_bytes()).unwrap();
        assert!(readable(&waiter));
        let woken = Woken { lines: Lines::RX, ..Woken::default() };
        assert_eq!(waiter.wait(LONG).unwrap(), woken);
        // Though nobody has read the count.
        assert!(!readable(&waiter));
        assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
    }
}

#[test]
fn only_lines_that_are_wanted_and_have_fired_are_enabled_again() {
    let (tx, mut tx_kernel) = interrupt(0);
    let (rx, mut rx_kernel) = interrupt(0);
    let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
    let mut written = [0; 4];
    waiter.enable(Lines::RX).unwrap();
    waiter.enable(Lines { tx: false, ..Lines::ALL }).unwrap();
    waiter.enable(Lines::ALL).unwrap();
    for kernel in [&mut tx_kernel, &mut rx_kernel] {
        kernel.read_exact(&mut written).unwrap();
        assert_eq!(u32::from_ne_bytes(written), 1);
    }
    tx_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
    assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::TX);
    waiter.enable(Lines::RX).unwrap();
    waiter.enable(Lines::ALL).unwrap();
    waiter.enable(Lines::ALL).unwrap();
    tx_kernel.read_exact(&mut written).unwrap();
    // Nothing more was written to either.
    for kernel in [&mut tx_kernel, &mut rx_kernel] {
        kernel.set_nonblocking(true).unwrap();
        let more = kernel.read(&mut written).unwrap_err();
        assert_eq!(more.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// A bell for the receive line, what rings it, and how often it was enabled.
fn bell() -> (Waiter, OwnedFd, Arc<AtomicU32>) {
    let enabled = Arc::new(AtomicU32::new(0));
    let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
    let ringer = event.try_clone().unwrap();
    let count = Arc::clone(&enabled);
    let enable = Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let waiter = Waiter::bells(vec![Bell { event, lines: Lines::RX, enable }]).unwrap();
    (waiter, ringer, enabled)
}

#[test]
fn bells_are_taken_and_enabled_like_interrupts() {
    let (mut waiter, ringer, enabled) = bell();
    waiter.enable(Lines::ALL).unwrap();
    waiter.enable(Lines::ALL).unwrap();
    assert_eq!(enabled.load(Ordering::Relaxed), 1);
    assert!(!waiter.wait(SHORT).unwrap().lines.any());
    for times in 2..5 {
        rustix::io::write(&ringer, &2u64.to_ne_bytes()).unwrap();
        assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::RX);
        assert!(!waiter.wait(SHORT).unwrap().lines.any());
        waiter.enable(Lines::RX).unwrap();
        assert_eq!(enabled.load(Ordering::Relaxed), times);
    }
}

#[test]
fn a_beat_ends_waits_and_comes_again() {
    let (mut waiter, ringer, _) = bell();
    waiter.beat(Duration::from_millis(2)).unwrap();
    for _ in 0..3 {
        assert_eq!(waiter.wait(LONG).unwrap(), Woken { beat: true, ..Woken::default() });
    }
    rustix::io::write(&ringer, &1u64.to_ne_bytes()).unwrap();
    assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::RX);
}

#[test]
fn the_count_of_interrupts_is_read_with_the_beat_and_what_it_may_hide_is_told() {
    let (rx, mut kernel) = interrupt(0);
    let mut waiter = Waiter::uio(vec![(rx, Lines::RX)]).unwrap();
    for count in 1u32..4 {
        waiter.enable(Lines::RX).unwrap();
        let mut order = [0; 4];
        kernel.read_exact(&mut order).unwrap();
        kernel.write_all(&count.to_ne_bytes()).unwrap();
        assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::RX);
        waiter.enable(Lines::RX).unwrap();
        kernel.read_exact(&mut order).unwrap();
        assert!(readable(&waiter.sources[0]), "the count is not read for each");
        // The beat; an interrupt that came just before it would be read with the others.
        waiter.beat(Duration::from_millis(2)).unwrap();
        let woken = waiter.wait(LONG).unwrap();
        assert_eq!(woken, Woken { lines: Lines::RX, beat: true, ..Woken::default() });
        assert!(!readable(&waiter.sources[0]), "as if nothing had ever happened");
        // From then on there is nothing to read.
        let woken = waiter.wait(LONG).unwrap();
        assert_eq!(woken, Woken { beat: true, ..Woken::default() });
        waiter.beat = None;
    }
}

#[test]
fn an_included_waiter_is_waited_for_by_the_other_and_enables_for_itself() {
    let (mut one, ringer, _) = bell();
    let (mut other, others_ringer, others_enabled) = bell();
    other.enable(Lines::ALL).unwrap();
    one.include(&other).unwrap();
    rustix::io::write(&others_ringer, &1u64.to_ne_bytes()).unwrap();
    assert!(!other.wait(SHORT).unwrap().lines.any());
    let woken = one.wait(LONG).unwrap();
    assert_eq!(woken, Woken { included: Lines::RX, ..Woken::default() });
    other.follow(&woken).unwrap();
    other.enable(Lines::ALL).unwrap();
    assert_eq!(others_enabled.load(Ordering::Relaxed), 2);
    rustix::io::write(&ringer, &1u64.to_ne_bytes()).unwrap();
    assert_eq!(one.wait(LONG).unwrap(), Woken { lines: Lines::RX, ..Woken::default() });
}

#[test]
fn another_descriptor_ends_waits_while_it_is_readable() {
    let (mut waiter, ringer, _) = bell();
    let (reader, mut writer) = std::io::pipe().unwrap();
    waiter.also(&reader, 3).unwrap();
    let refused = waiter.also(&reader, 32).unwrap_err().to_string();
    assert!(refused.contains("from 0 to 31"), "{refused}");
    assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
    writer.write_all(&[1]).unwrap();
    assert!(readable(&waiter));
    for _ in 0..2 {
        assert_eq!(waiter.wait(LONG).unwrap(), Woken { also: 1 << 3, ..Woken::default() });
    }
    rustix::io::write(&ringer, &1u64.to_ne_bytes()).unwrap();
    let woken = Woken { also: 1 << 3, lines: Lines::RX, ..Woken::default() };
    assert_eq!(waiter.wait(LONG).unwrap(), woken);
    drop(reader);
    assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
}

#[test]
fn another_descriptor_ends_one_wait_for_each_news_of_it() {
    let (mut waiter, ..) = bell();
    let (reader, mut writer) = std::io::pipe().unwrap();
    waiter.also_news(&reader, 3).unwrap();
    for _ in 0..3 {
        // Nobody takes it, and it comes before the wait.
        writer.write_all(&[1]).unwrap();
        assert_eq!(waiter.wait(LONG).unwrap(), Woken { also: 1 << 3, ..Woken::default() });
        assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
    }
}

#[test]
fn beside_a_line_are_those_that_share_its_interrupt() {
    let (all, _kernel) = interrupt(0);
    let one = Waiter::uio(vec![(all, Lines::ALL)]).unwrap();
    assert_eq!(one.beside(Lines::RX), Lines::ALL);
    assert_eq!(one.beside(Lines::NONE), Lines::NONE);
    let (tx, _tx_kernel) = interrupt(0);
    let (rx, _rx_kernel) = interrupt(0);
    let two = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
    assert_eq!(two.beside(Lines::RX), Lines::RX);
    assert_eq!(two.beside(Lines::ALL), Lines { err: false, ..Lines::ALL });
}

#[test]
fn a_part_is_waited_for_and_enabled_by_itself() {
    let (tx, mut tx_kernel) = interrupt(0);
    let (rx, mut rx_kernel) = interrupt(0);
    let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
    let mut part = waiter.part(Lines::TX).unwrap();
    let mut order = [0; 4];
    for kernel in [&mut tx_kernel, &mut rx_kernel] {
        kernel.set_nonblocking(true).unwrap();
    }
    part.enable(Lines::ALL).unwrap();
    tx_kernel.read_exact(&mut order).unwrap();
    assert!(rx_kernel.read(&mut order).is_err(), "it has enabled the other's line");
    waiter.enable(Lines::ALL).unwrap();
    rx_kernel.read_exact(&mut order).unwrap();
    assert!(tx_kernel.read(&mut order).is_err(), "it has enabled the part's line");
    tx_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
    assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
    assert_eq!(part.wait(LONG).unwrap().lines, Lines::TX);
    rx_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
    assert_eq!(part.wait(SHORT).unwrap(), Woken::default());
    assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::RX);
}

#[test]
fn it_is_known_when_the_last_beat_was_due() {
    let (mut waiter, _, _) = bell();
    assert_eq!(waiter.last_beat(), None);
    let every = Duration::from_millis(2);
    let before = Instant::now();
    waiter.beat(every).unwrap();
    let after = Instant::now();
    std::thread::sleep(every * 3);
    for _ in 0..3 {
        assert!(waiter.wait(LONG).unwrap().beat);
        let (due, now) = (waiter.last_beat().unwrap(), Instant::now());
        // Beats that nobody took note of are passed over.
        assert!(due <= now && due >= before + every * 3);
        let into = (due - before).as_nanos() % every.as_nanos();
        assert!(into <= (after - before).as_nanos(), "beside the beat by {into} ns");
    }
}

#[test]
fn times_are_rounded_up_to_milliseconds() {
    let time = |limit| {
        let time = whole_milliseconds(limit);
        (time.tv_sec, time.tv_nsec)
    };
    assert_eq!(time(Duration::from_nanos(1)), (0, 1_000_000));
    assert_eq!(time(Duration::from_millis(2500)), (2, 500_000_000));
    assert_eq!(time(Duration::ZERO), (0, 0));
    assert_eq!(time(Duration::MAX).0, i64::from(i32::MAX) / 1000);
}

#[test]
fn a_device_that_is_taken_away_ends_the_wait_with_an_error() {
    let (tx, tx_kernel) = interrupt(0);
    let (rx, _rx_kernel) = interrupt(0);
    let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
    // Nobody waits for that line, let alone enables it again.
    drop(tx_kernel);
    let error = waiter.wait(LONG).unwrap_err().to_string();
    assert!(error.contains("/dev/uio7"), "{error}");
    assert!(waiter.check(Lines::TX).is_err());
    assert!(waiter.check(Lines::RX).is_ok());
}

#[test]
fn a_device_that_is_taken_away_from_another_waiter_is_told() {
    let (tx, tx_kernel) = interrupt(0);
    let mut other = Waiter::uio(vec![(tx, Lines::TX)]).unwrap();
    let mut waiter = Waiter::uio(Vec::new()).unwrap();
    waiter.include(&other).unwrap();
    drop(tx_kernel);
    let woken = waiter.wait(LONG).unwrap();
    assert_eq!((woken.included, woken.suspect), (Lines::TX, Lines::TX));
    assert!(other.follow(&woken).is_err());
}

/// Waits some beats long while one of two sources for the same line fires.
fn beats_with_a_quiet_one(quiet: Lines, wait: impl Fn(Waiter, Waiter) + Send + 'static) {
    let (one, mut one_kernel) = interrupt(0);
    let (two, _two_kernel) = interrupt(0);
    let mut first = Waiter::uio(vec![(one, Lines::RX)]).unwrap();
    let mut second = Waiter::uio(vec![(two, quiet)]).unwrap();
    first.enable(Lines::ALL).unwrap();
    second.enable(Lines::ALL).unwrap();
    one_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        wait(first, second);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("it waits for one that is quiet");
}

#[test]
fn a_quiet_group_is_not_waited_for() {
    for quiet in [Lines::RX, Lines::ALL] {
        beats_with_a_quiet_one(quiet, |mut first, second| {
            first.join(second).unwrap();
            first.beat(Duration::from_millis(2)).unwrap();
            let woken = first.wait(LONG).unwrap();
            assert!(woken.lines.rx || woken.beat);
            for _ in 0..5 {
                first.wait(LONG).unwrap();
            }
        });
        // The same for one that is included, and itself two that were joined.
        beats_with_a_quiet_one(quiet, |mut first, second| {
            first.join(second).unwrap();
            let mut looks = Waiter::uio(Vec::new()).unwrap();
            looks.include(&first).unwrap();
            looks.beat(Duration::from_millis(2)).unwrap();
            for _ in 0..6 {
                let woken = looks.wait(LONG).unwrap();
                first.follow(&woken).unwrap();
            }
        });
    }
}

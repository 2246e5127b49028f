//! Starting and stopping a port while another thread empties its ring: the device never stores into
//! a buffer that was taken out, and goes on where the queue does.

use loom::thread;
use std::vec::Vec;

use super::device::Engine;
use super::registers::{Page, Wait};
use super::{Bell, Ground, Without, check, config};
use crate::buf::Buf;
use crate::bus::Pages;
use crate::controller::Controller;
use crate::error::Side;
use crate::halt::Lost;
use crate::port::Port;
use crate::word::witness::Weakness;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 3;

/// A frame arrives, if the receiver is let.
fn arrive(engine: &mut Engine, page: &Page) -> bool {
    if !page.begin() {
        return false;
    }
    engine.go_on_at(page.next());
    let stored = engine.store();
    page.end(engine.at());
    stored
}

/// A buffer of the application's own, with its contents.
fn keep(mut buf: Buf) -> (Buf, u32) {
    buf.set_len(1);
    buf[0] = 1;
    let number = buf.number();
    (buf, number)
}

fn start_and_stop(without: Without) {
    let mut ground = Ground::new(without, 1);
    let page = Page::new(without);
    let (bell, _) = Bell::new(Without::NOTHING);
    let (mut rx, view, mut engine) = ground.rx(bell, 0);
    drop(view);
    let mut port = Port::new(Controller::new(Pages::single(page.clone()), config()));
    port.add(Side::Rx, 0, rx.ring()).unwrap();
    rx.refill(ground.pool.alloc().unwrap()).unwrap();
    rx.commit();
    let wire = page.clone();
    let device = thread::spawn(move || {
        arrive(&mut engine, &wire);
        engine
    });
    let owner = thread::spawn(move || {
        if port.claim_rings() {
            port.start();
            assert_eq!(port.halt(&mut Wait), Lost::default());
            port.set_live(false);
        }
        port
    });
    // To the end, or until the device has the ring.
    let kept: Vec<_> = core::iter::from_fn(|| rx.drain()).map(keep).collect();
    let mut engine = device.join().unwrap();
    let port = owner.join().unwrap();
    for (buf, number) in &kept {
        assert_eq!(buf.number(), *number, "the device has written to a buffer of ours");
    }
    // What it was kept from is emptied now, and the next buffer goes where the device looks for it.
    let rest: Vec<_> = core::iter::from_fn(|| rx.drain()).map(keep).collect();
    assert_eq!(kept.len() + rest.len(), 1, "a buffer is lost, or came twice");
    drop((kept, rest));
    rx.refill(ground.pool.alloc().unwrap()).unwrap();
    rx.commit();
    assert!(port.claim_rings());
    port.start();
    assert!(arrive(&mut engine, &page), "queue and device are at different descriptors");
    assert!(rx.next().is_some());
    port.halt(&mut Wait);
    port.set_live(false);
}

#[test]
fn a_ring_is_emptied_or_started_and_never_both() {
    check(PREEMPTIONS, || start_and_stop(Without::NOTHING));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_looking_whose_the_ring_is_the_device_writes_to_a_buffer_taken_out() {
    check(PREEMPTIONS, || start_and_stop(Without::words(Weakness::NoLook)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_acquiring_the_ring_its_next_owner_sees_old_bytes() {
    check(PREEMPTIONS, || start_and_stop(Without::words(Weakness::NoAcquire)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_releasing_the_ring_its_next_owner_sees_old_bytes() {
    check(PREEMPTIONS, || start_and_stop(Without::words(Weakness::NoRelease)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_the_barrier_before_dma_begins_the_device_sees_old_descriptors() {
    check(PREEMPTIONS, || start_and_stop(Without::publish(0)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_the_barrier_behind_the_stop_old_bytes_are_seen() {
    check(PREEMPTIONS, || start_and_stop(Without::OBSERVE));
}

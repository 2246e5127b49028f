//! Where to go on: a receive queue asks, the port's periodic look answers, and the device does not
//! wait for either. No frame is left out, and a queue that asks is answered in the end.

use loom::thread;
use std::vec::Vec;

use super::device::Engine;
use super::registers::{Page, Wait};
use super::{Bell, Ground, Without, check, config};
use crate::bus::Pages;
use crate::controller::Controller;
use crate::error::Side;
use crate::event::Event;
use crate::port::Port;
use crate::rx::RxQueue;
use crate::watch::Watch;
use crate::word::witness::Weakness;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 2;

fn arrive(engine: &mut Engine, page: &Page) {
    assert!(engine.store(), "there are empty descriptors");
    page.end(engine.at());
}

/// Takes what is there and keeps the ring full.
fn take(rx: &mut RxQueue<Bell>, taken: &mut Vec<u32>) {
    let Some((buf, _)) = rx.next() else { return };
    taken.push(buf.number());
    rx.refill(buf).unwrap();
    rx.commit();
}

/// The device has left out `skipped` descriptors, and stores `frames` while all are at work.
fn ask_and_answer(without: Without, skipped: u32, frames: usize) {
    let mut ground = Ground::new(without, 4);
    let page = Page::new(without);
    let (bell, _) = Bell::new(Without::NOTHING);
    let (mut rx, view, mut engine) = ground.rx(bell, 0);
    let mut port = Port::new(Controller::new(Pages::single(page.clone()), config()));
    port.add(Side::Rx, 0, rx.ring()).unwrap();
    view.set_live(true);
    rx.fill(&ground.pool);
    rx.commit();
    engine.go_on_at(view.bd_low(skipped));
    page.end(engine.at());
    // A question that is not answered yet.
    view.suspect();
    let mut taken = Vec::new();
    take(&mut rx, &mut taken);
    let wire = page.clone();
    let device = thread::spawn(move || {
        for _ in 0..frames {
            arrive(&mut engine, &wire);
        }
        engine
    });
    let mut watch = Watch::default();
    let tick = thread::spawn(move || {
        watch.check_receive(&port, Event::BSY, &mut Wait);
        (watch, port)
    });
    take(&mut rx, &mut taken);
    take(&mut rx, &mut taken);
    let mut engine = device.join().unwrap();
    let (mut watch, port) = tick.join().unwrap();
    // The device leaves descriptors out, as QEMU's does after a halt (HW 15.3), and goes on.
    let ahead = view.bd_low((view.index_of(engine.at()).unwrap() + 2) % view.len());
    for _ in 0..4 * frames {
        if skipped != 0 {
            watch.check_receive(&port, Event::BSY, &mut Wait);
        }
        take(&mut rx, &mut taken);
    }
    assert_eq!(engine.log, taken, "a frame was left out");
    engine.go_on_at(ahead);
    arrive(&mut engine, &page);
    for _ in 0..4 {
        watch.check_receive(&port, Event::BSY, &mut Wait);
        take(&mut rx, &mut taken);
        take(&mut rx, &mut taken);
    }
    assert_eq!(engine.log, taken, "a queue that asks is not answered");
    view.set_live(false);
}

#[test]
fn no_frame_is_left_out_and_every_question_is_answered() {
    check(PREEMPTIONS, || ask_and_answer(Without::NOTHING, 0, 1));
}

#[test]
fn a_queue_is_led_to_the_oldest_frame() {
    check(PREEMPTIONS, || ask_and_answer(Without::NOTHING, 2, 2));
}

#[test]
#[should_panic(expected = "a frame was left out")]
fn without_the_barrier_behind_the_position_a_frame_is_left_out() {
    check(PREEMPTIONS, || ask_and_answer(Without::OBSERVE, 0, 1));
}

#[test]
#[should_panic(expected = "is not answered")]
fn without_looking_which_question_it_was_the_next_one_is_lost() {
    check(PREEMPTIONS, || ask_and_answer(Without::words(Weakness::NoLook), 0, 1));
}

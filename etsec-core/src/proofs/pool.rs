//! The free list: a buffer has one owner, and whoever gets it sees what its last owner wrote.

use loom::thread;
use std::vec::Vec;

use super::{Ground, Without, check};
use crate::buf::Buf;
use crate::pool::Pool;
use crate::word::witness::Weakness;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 4;

/// Takes a buffer and uses it as its owner may.
fn own(pool: &Pool) -> Option<Buf> {
    let mut buf = pool.alloc()?;
    // Whatever it held: nobody else is at it.
    let before = buf.number();
    buf.set_len(1);
    buf[0] = 1;
    assert_ne!(buf.number(), before);
    Some(buf)
}

/// Two threads take and give back, the one so that the list is as before when the other goes on.
fn share(without: Without) {
    let ground = Ground::new(without, 3);
    let pool = ground.pool.clone();
    let other = thread::spawn(move || {
        let first = own(&pool);
        let second = own(&pool);
        drop(first);
        drop(pool);
        second
    });
    let mine = own(&ground.pool);
    let more = own(&ground.pool);
    let theirs = other.join().unwrap();
    let all: Vec<Buf> = [mine, more, theirs].into_iter().flatten().collect();
    let mut places: Vec<u32> = all.iter().map(Buf::bus_low).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), all.len(), "a buffer is lent twice");
    assert_eq!(ground.pool.free(), 3 - all.len(), "a buffer is lost");
    drop(all);
    assert_eq!(ground.pool.free(), 3);
}

#[test]
fn a_buffer_has_one_owner_who_sees_it_as_it_was_left() {
    check(PREEMPTIONS, || share(Without::NOTHING));
}

#[test]
#[should_panic(expected = "a buffer is lost")]
fn without_the_tag_a_buffer_is_lost_and_another_lent_twice() {
    check(PREEMPTIONS, || share(Without::words(Weakness::NoTag)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_acquiring_the_head_old_bytes_are_seen() {
    check(PREEMPTIONS, || share(Without::words(Weakness::NoAcquire)));
}

#[test]
#[should_panic(expected = "stale bytes")]
fn without_releasing_the_head_old_bytes_are_seen() {
    check(PREEMPTIONS, || share(Without::words(Weakness::NoRelease)));
}

//! Giving memory back while others let go of it: it goes when nobody uses it any more, and not
//! before.

use loom::thread;

use super::{Bell, Ground, Without, check};
use crate::word::witness::Weakness;

/// Switches of threads in one run.
const PREEMPTIONS: usize = 4;

fn retire(without: Without) {
    let mut ground = Ground::new(without, 1);
    let (bell, _) = Bell::new(Without::NOTHING);
    let (tx, view, _) = ground.tx(bell, 0);
    let Ground { arena, pool, .. } = ground;
    let queue = thread::spawn(move || drop((view, tx)));
    let user = thread::spawn(move || {
        let buf = pool.alloc();
        // A buffer is no handle: it counts by not being home.
        drop(pool);
        drop(buf);
    });
    // The heap tells the witness when it goes, who then looks for uses that are not over.
    let arena = arena.retire().map(drop);
    queue.join().unwrap();
    user.join().unwrap();
    if let Err(arena) = arena {
        assert!(arena.retire().is_ok(), "nobody uses it, and it does not go");
    }
}

#[test]
fn memory_goes_when_nobody_uses_it() {
    check(PREEMPTIONS, || retire(Without::NOTHING));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_acquiring_the_count_memory_goes_under_a_user() {
    check(PREEMPTIONS, || retire(Without::words(Weakness::NoAcquire)));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_releasing_the_count_memory_goes_under_a_user() {
    check(PREEMPTIONS, || retire(Without::words(Weakness::NoRelease)));
}

//! What a region can say of itself that cannot be.

use super::*;
use crate::arena::{ArenaHeader, HEADER_BYTES};
use crate::pool::PoolHeader;
use crate::testing::{Heap, after_death};

/// What is found after somebody who has carved two rings, one of them of a controller, and a pool,
/// and then `did` that.
fn left(did: impl FnOnce(&Arena<Heap>, &RingMemory)) -> Result<Adopted<Heap>, LeftError> {
    after_death(1 << 14, |mut arena| {
        let first = arena.ring(4).unwrap();
        let second = arena.ring(8).unwrap();
        second.set_role(3);
        let pool = arena.pool(4, 64).unwrap();
        did(&arena, &second);
        (arena, first, second, pool)
    })
}

#[test]
fn a_ring_of_no_controller_is_not_among_those_that_are_left() {
    let found = left(|_, _| ()).expect("a region that was left");
    let roles: std::vec::Vec<_> = found.rings.iter().map(|ring| (ring.rx(), ring.tx())).collect();
    assert_eq!(roles, [(Some(3), None)]);
    assert_eq!((found.pool.buffers(), found.pool.buffer_size()), (4, 64));
    assert_eq!(found.pool.reclaim(), 4);
}

#[test]
fn a_pool_that_goes_on_behind_what_was_carved_is_none() {
    let refused = left(|arena, _| {
        let contents = arena.contents();
        contents.used.store(contents.pool.load() + size_of::<PoolHeader>() as u32);
    });
    assert_eq!(refused.map(drop), Err(LeftError::Pool));
}

#[test]
fn each_word_of_a_pool_has_to_be_right() {
    // All seven but the free list, which is made anew.
    for word in 0..7 {
        for wrong in [0, 0x5555_5555, u32::MAX] {
            let refused = left(|arena, _| {
                let at = arena.contents().pool.load() as usize;
                // SAFETY: inside the region, which nobody else looks at in this moment.
                unsafe { arena.region.cpu().add(at).cast::<u32>().add(word).write(wrong) };
            });
            assert_eq!(refused.map(drop), Err(LeftError::Pool), "word {word}: {wrong:#x}");
        }
    }
}

#[test]
fn rings_that_reach_too_far_or_name_each_other_are_none() {
    let long = left(|arena, _| {
        let contents = arena.contents();
        // Room for the shortest ring there can be, and this one is longer. The pool is in front.
        contents.pool.store(contents.last_ring.load());
        contents.used.store(contents.last_ring.load() + ring::bytes(ring::MIN_LEN) as u32);
    });
    assert_eq!(long.map(drop), Err(LeftError::Pool), "a ring is no pool");
    let at = (HEADER_BYTES + ring::bytes(4)) as u32;
    let itself = left(|_, second| second.set_previous(at));
    assert_eq!(itself.map(drop), Err(LeftError::Ring(at)));
    let later = left(|_, second| second.set_previous(at + 64));
    assert_eq!(later.map(drop), Err(LeftError::Ring(at)));
}

#[test]
fn what_lies_where_something_else_does_is_none() {
    // The pool is behind both rings here, and counters behind it.
    let with = |did: &dyn Fn(&Contents)| {
        after_death(1 << 15, |mut arena| {
            let rings = [4, 8].map(|len| arena.ring(len).unwrap());
            let pool = arena.pool(4, 64).unwrap();
            let counters = arena.counters().unwrap();
            did(arena.contents());
            (arena, rings, pool, counters)
        })
        .map(drop)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    let counters_at =
        |place: fn(&Contents) -> u32| with(&|contents| contents.counters.store(place(contents)));
    // In the pool, and in a ring.
    assert_eq!(counters_at(|contents| contents.pool.load()), Err(LeftError::Counters));
    assert_eq!(counters_at(|contents| contents.pool.load() + 64), Err(LeftError::Counters));
    let last = (HEADER_BYTES + ring::bytes(4)) as u32;
    assert_eq!(counters_at(|contents| contents.last_ring.load()), Err(LeftError::Counters));
    assert_eq!(with(&|contents| contents.rings.store(1)), Ok(()), "it was not counted yet");
    assert_eq!(with(&|contents| contents.rings.store(0)), Err(LeftError::Rings(0)));
    assert_eq!(with(&|contents| contents.last_ring.store(0)), Err(LeftError::Rings(2)));
    // A ring that says to be longer than it is reaches into the pool.
    let long = left(|arena, second| {
        let at = arena.contents().last_ring.load() as usize;
        assert_eq!((at, second.len()), (last as usize, 8));
        // Behind the bus address.
        // SAFETY: inside the region, which nobody else looks at in this moment.
        unsafe { arena.region.cpu().add(at + 8).cast::<u32>().write(16) };
    });
    assert_eq!(long.map(drop), Err(LeftError::Ring(last)));
}

#[test]
fn a_ring_behind_the_pool_that_reaches_too_far_is_none() {
    let at = core::cell::Cell::new(0);
    let refused = after_death(1 << 14, |mut arena| {
        let pool = arena.pool(4, 64).unwrap();
        let ring = arena.ring(8).unwrap();
        let contents = arena.contents();
        at.set(contents.last_ring.load());
        contents.used.store(at.get() + ring::bytes(ring::MIN_LEN) as u32);
        (arena, ring, pool)
    });
    assert_eq!(refused.map(drop), Err(LeftError::Ring(at.get())));
}

#[test]
fn more_rings_than_two_controllers_have_are_too_many() {
    let carve = |count: usize| {
        after_death(1 << 14, |mut arena| {
            let pool = arena.pool(1, 64).unwrap();
            let rings: std::vec::Vec<_> = (0..count).map(|_| arena.ring(4).unwrap()).collect();
            (arena, pool, rings)
        })
    };
    assert!(carve(MOST_RINGS).is_ok());
    let first = (size_of::<ArenaHeader>() + pool::bytes(1, 64)) as u32;
    assert_eq!(carve(MOST_RINGS + 1).map(drop), Err(LeftError::Ring(first)));
}

/// The bus addresses of all buffers of that pool, of which nobody has any afterwards.
fn places() -> std::vec::Vec<u32> {
    let found = left(|_, _| ()).expect("a region that was left");
    found.pool.reclaim();
    let bufs: std::vec::Vec<_> = std::iter::from_fn(|| found.pool.alloc()).collect();
    let mut places: std::vec::Vec<_> = bufs.iter().map(crate::Buf::bus_low).collect();
    places.sort_unstable();
    places
}

#[test]
fn a_buffer_is_given_once_and_only_to_who_names_a_byte_of_it() {
    let places = places();
    let (first, last, stride) = (places[0], places[3], places[1] - places[0]);
    let found = left(|_, _| ()).expect("a region that was left");
    let window = found.pool.window();
    // Before the headroom of the first, behind the last, and between two.
    for outside in [first - 64 - 1, last - 64 + stride, u32::MAX, first + 64 + 1] {
        assert!(found.pool.claim(window, outside).is_none(), "{outside:#x}");
    }
    assert!(found.pool.claim(window + 1, first + 5).is_none(), "elsewhere");
    let buf = found.pool.claim(window, first + 5).expect("a byte of the first");
    assert_eq!(buf.bus_low(), first + 5);
    assert!(found.pool.claim(window, first).is_none(), "it is given");
    drop(buf);
    assert_eq!((found.pool.free(), found.pool.reclaim(), found.pool.free()), (1, 3, 4));
}

//! Processes that die at any store they make: to a word of memory that they share, or to a
//! register (`--cfg etsec_stores`).
//!
//! A CPU's stores are not lost with the process that made them. They have been executed in program
//! order or not at all, and what is executed reaches memory, killed or not. So what a dead process
//! leaves is what it had stored up to some point of its program, and a test that ends it in front
//! of each store has seen all there can be. Stores that are no words of the core's are of no
//! concern: to slots, to links and to frames' bytes. Who takes over reads none of them, and
//! the device those bytes alone that a descriptor, a word, has given it.
//!
//! When a process has died no destructor of it does anything: its stores go nowhere from then on,
//! and its registers neither. It knows nothing of what a process does.

mod ledger;
mod script;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use etsec_core::Bus;
use etsec_core::word::stores;

pub use self::ledger::{Ledger, arrive};
pub use self::script::{Op, Script, Worker};

/// What is about to be stored to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A word at this address.
    Word(usize),
    /// A register, or all at once: a barrier.
    Register,
}

/// What unwinds when a process dies.
struct Died;

/// The life of this thread's process.
struct Life {
    /// Stores that are left to it.
    left: u64,
    made: u64,
    dead: bool,
    world: Box<dyn FnMut(Store) -> bool>,
}

thread_local! {
    static LIFE: RefCell<Option<Life>> = const { RefCell::new(None) };
}

/// Comes to a store. Whether it is made; if the process dies in front of it, this does not return.
fn step(store: Store) -> bool {
    let made = LIFE.with(|life| {
        // What the world stores is no store of the process.
        let Ok(mut life) = life.try_borrow_mut() else { return Some(true) };
        let Some(life) = &mut *life else { return Some(true) };
        if life.dead {
            return Some(false);
        }
        if life.left == 0 {
            life.dead = true;
            return None;
        }
        life.left -= 1;
        life.made += 1;
        Some((life.world)(store))
    });
    made.unwrap_or_else(|| resume_unwind(Box::new(Died)))
}

/// How a process has ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// By itself, with this result, after so many stores.
    Lived(T, u64),
    /// In front of a store.
    Died,
}

/// Lets a process live for `stores` stores. In front of each the world does something of its own,
/// and may keep it from being made.
///
/// # Panics
/// As `work` does.
pub fn live<T>(
    stores: u64,
    world: impl FnMut(Store) -> bool + 'static,
    work: impl FnOnce() -> T,
) -> Ended<T> {
    let life = Life { left: stores, made: 0, dead: false, world: Box::new(world) };
    LIFE.with(|place| *place.borrow_mut() = Some(life));
    stores::watch(Some(Box::new(|at| step(Store::Word(at)))));
    let ended = catch_unwind(AssertUnwindSafe(work));
    stores::watch(None);
    let life = LIFE.with(|place| place.borrow_mut().take());
    match ended {
        Ok(result) => Ended::Lived(result, life.map_or(0, |life| life.made)),
        Err(why) if why.is::<Died>() => Ended::Died,
        Err(why) => resume_unwind(why),
    }
}

/// A bus of such a process.
#[derive(Debug, Clone)]
pub struct Mortal<B>(pub B);

impl<B: Bus> Bus for Mortal<B> {
    fn read(&self, at: u16) -> u32 {
        self.0.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        if step(Store::Register) {
            self.0.write(at, value);
        }
    }
    fn publish(&self) {
        // No store. But the device may look in between.
        if step(Store::Register) {
            self.0.publish();
        }
    }
    fn observe(&self) {
        self.0.observe();
    }
}

//! Each store to a shared word, told to whoever watches it in this thread, before it is made: so
//! that a test can end a process in front of each of them (`--cfg etsec_stores`).
//!
//! No release build can contain it: without debug assertions it does not compile. It knows words,
//! and nothing of what they are for.

use core::cell::RefCell;
use std::boxed::Box;

use super::Word;

#[cfg(not(debug_assertions))]
compile_error!("a watch on stores in a build without debug assertions");

/// Is told the address of a word that is about to be stored. Whether it is; it may unwind as well.
pub type Watch = Box<dyn FnMut(usize) -> bool>;

std::thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Watches the stores of this thread from here on, or none of them any more.
pub fn watch(watch: Option<Watch>) {
    WATCH.with(|place| *place.borrow_mut() = watch);
}

/// Tells the watch, if there is one. A store that it makes itself is not told.
pub(super) fn is_made(word: &Word) -> bool {
    WATCH.with(|place| match place.try_borrow_mut().as_deref_mut() {
        Ok(Some(watch)) => watch(core::ptr::from_ref(word).addr()),
        _ => true,
    })
}

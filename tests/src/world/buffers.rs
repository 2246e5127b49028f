//! Who owns which buffer of a pool, kept beside the driver. It learns of every buffer that passes
//! between application and queues, and knows no bytes.

use etsec_core::{Buf, Pool};

use super::rules::{Broken, Check, Rule};

/// The owner of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The pool.
    Pool,
    /// A receive ring.
    Rx(usize),
    /// A transmit ring.
    Tx(usize),
    /// Whoever uses the driver.
    Application,
}

/// All buffers of a pool and their owners.
#[derive(Debug)]
pub struct Buffers {
    /// Where the first one begins, and how far it is to the next.
    first: usize,
    stride: usize,
    owners: Vec<Owner>,
}

impl Buffers {
    /// Of a pool whose first buffers are lent to receive rings, so many to each; at least two are
    /// not.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn new(pool: &Pool, lent: impl Iterator<Item = usize>) -> Self {
        let mut owners: Vec<Owner> =
            lent.enumerate().flat_map(|(ring, count)| vec![Owner::Rx(ring); count]).collect();
        let rest: Vec<Buf> = std::iter::from_fn(|| pool.alloc()).collect();
        let start = |buf: &Buf| buf.as_ptr() as usize - buf.headroom();
        let mut starts: Vec<usize> = rest.iter().map(start).collect();
        starts.sort_unstable();
        let stride = starts[1] - starts[0];
        let first = starts[0] - owners.len() * stride;
        owners.resize(pool.buffers(), Owner::Pool);
        Buffers { first, stride, owners }
    }

    /// The numbers of a frame's buffers.
    #[must_use]
    pub fn of(&self, frame: &Buf) -> Vec<usize> {
        let number = |part: &[u8]| (part.as_ptr() as usize - self.first) / self.stride;
        frame.segments().map(number).collect()
    }

    /// How many belong to these.
    #[must_use]
    pub fn count(&self, of: impl Fn(Owner) -> bool) -> usize {
        self.owners.iter().filter(|owner| of(**owner)).count()
    }

    /// A frame's buffers pass from one owner to the next.
    ///
    /// # Errors
    /// If one of them belongs to somebody else.
    pub fn pass(&mut self, frame: &Buf, from: impl Fn(Owner) -> bool, to: Owner) -> Check {
        for number in self.of(frame) {
            let owner = self.owners.get(number).copied();
            if !owner.is_some_and(&from) {
                let what = format!("buffer {number} is given to {to:?}, but is {owner:?}'s");
                return Err(Broken::new(Rule::Owned, what));
            }
            self.owners[number] = to;
        }
        Ok(())
    }

    /// Everything that rings held has gone home.
    pub fn drained(&mut self) {
        for owner in &mut self.owners {
            if matches!(owner, Owner::Rx(_) | Owner::Tx(_)) {
                *owner = Owner::Pool;
            }
        }
    }
}

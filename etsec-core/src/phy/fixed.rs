//! A link that is what it is: two MACs back to back, a switch port, a model without a PHY (HW
//! 15.3).
//!
//! It touches no bus.

use super::LinkChange;
use crate::link::{Interface, Link, LinkError};

/// A link without a PHY to ask, always up. It is polled like a [`Phy`](super::Phy).
#[derive(Debug)]
pub struct FixedLink {
    link: Link,
    told: bool,
}

impl FixedLink {
    /// The link `link` over `interface`.
    ///
    /// # Errors
    /// As [`Interface::check`]: the MAC cannot run it.
    pub const fn new(link: Link, interface: Interface) -> Result<Self, LinkError> {
        match interface.check(link) {
            Ok(()) => Ok(FixedLink { link, told: false }),
            Err(error) => Err(error),
        }
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// Reports the link up on the first call and nothing ever after.
    pub fn poll(&mut self) -> Option<LinkChange> {
        let first = !core::mem::replace(&mut self.told, true);
        first.then_some(LinkChange::Up(self.link))
    }
}

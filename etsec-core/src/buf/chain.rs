//! Walking along a frame in several buffers. It knows no links: a buffer tells what is next.

use super::Buf;

/// The buffers of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Chain<'a> {
    next: Option<&'a Buf>,
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a Buf;
    fn next(&mut self) -> Option<&'a Buf> {
        let buf = self.next?;
        self.next = buf.next();
        Some(buf)
    }
}

impl<'a> From<&'a Buf> for Chain<'a> {
    fn from(first: &'a Buf) -> Self {
        Chain { next: Some(first) }
    }
}

/// The bytes of a frame, buffer by buffer.
#[derive(Debug, Clone)]
pub struct Segments<'a>(Chain<'a>);

impl<'a> Segments<'a> {
    pub(super) fn of(chain: Chain<'a>) -> Self {
        Segments(chain)
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.next().map(|buf| &**buf)
    }
}

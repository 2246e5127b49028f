//! Bytes as the numbers a target is steered by: zeros where there are no more.

/// What is left of an input.
#[derive(Debug)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `n` bytes, or all that are left.
    pub(super) fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n.min(self.0.len()));
        self.0 = tail;
        head
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = self.take(N);
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn half(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(super) fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }
}

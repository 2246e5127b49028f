//! Who owns which 64-byte line of bus memory, for finding buffers that overlap without searching.
//!
//! It knows numbers, not descriptors. A line may have several owners: buffers that share a line
//! need not share a byte.

const LINE: u32 = 6;
/// Lines in a chunk: 1 MiB of memory.
const CHUNK: u64 = 1 << 14;

/// Owners by line. An owner is a number that is not 0.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    chunks: Vec<Option<Box<[u32]>>>,
    /// Further owners of lines that have one.
    shared: Vec<(u64, u32)>,
}

impl Lines {
    /// Enters an owner of `len > 0` bytes from `start`, below 2^36. False if it meets another in
    /// some line.
    pub(crate) fn insert(&mut self, start: u64, len: usize, owner: u32) -> bool {
        let mut alone = true;
        let (mut line, last) = range(start, len);
        while line <= last {
            let end = last.min(line | (CHUNK - 1));
            let slots = chunk(&mut self.chunks, line);
            let slots = &mut slots[(line % CHUNK) as usize..=(end % CHUNK) as usize];
            if slots.iter().all(|slot| *slot == 0) {
                slots.fill(owner);
            } else {
                alone = false;
                for (i, slot) in slots.iter_mut().enumerate() {
                    if *slot == 0 {
                        *slot = owner;
                    } else {
                        self.shared.push((line + i as u64, owner));
                    }
                }
            }
            line = end + 1;
        }
        alone
    }

    /// The other owners in those lines, each once.
    pub(crate) fn others(&mut self, start: u64, len: usize, owner: u32) -> Vec<u32> {
        let (first, last) = range(start, len);
        let mut found: Vec<u32> = (first..=last)
            .map(|line| chunk(&mut self.chunks, line)[(line % CHUNK) as usize])
            .collect();
        found.extend(self.shared.iter().filter(|s| (first..=last).contains(&s.0)).map(|s| s.1));
        found.retain(|other| *other != owner && *other != 0);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Takes an owner out again.
    pub(crate) fn remove(&mut self, start: u64, len: usize, owner: u32) {
        let (mut line, last) = range(start, len);
        self.shared.retain(|(at, who)| *who != owner || *at < line || *at > last);
        while line <= last {
            let end = last.min(line | (CHUNK - 1));
            let slots = chunk(&mut self.chunks, line);
            for slot in &mut slots[(line % CHUNK) as usize..=(end % CHUNK) as usize] {
                if *slot == owner {
                    *slot = 0;
                }
            }
            line = end + 1;
        }
        if !self.shared.is_empty() {
            self.promote();
        }
    }

    /// Gives lines that have become free to those who share them.
    fn promote(&mut self) {
        let mut shared = core::mem::take(&mut self.shared);
        shared.retain(|(line, owner)| {
            let slot = &mut chunk(&mut self.chunks, *line)[(*line % CHUNK) as usize];
            if *slot == 0 {
                *slot = *owner;
                return false;
            }
            true
        });
        self.shared = shared;
    }
}

fn chunk(chunks: &mut Vec<Option<Box<[u32]>>>, line: u64) -> &mut [u32] {
    let index = (line / CHUNK) as usize;
    if index >= chunks.len() {
        chunks.resize_with(index + 1, || None);
    }
    chunks[index].get_or_insert_with(|| vec![0; CHUNK as usize].into_boxed_slice())
}

fn range(start: u64, len: usize) -> (u64, u64) {
    (start >> LINE, (start + len as u64 - 1) >> LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_one_line_are_told_apart() {
        let mut lines = Lines::default();
        assert!(lines.insert(0x1000, 2048, 1));
        assert!(lines.insert(0x1800, 8, 2));
        assert!(!lines.insert(0x1808, 100, 3));
        assert_eq!(lines.others(0x1808, 100, 3), [2]);
        lines.remove(0x1800, 8, 2);
        assert_eq!(lines.others(0x1800, 8, 9), [3]);
        lines.remove(0x1808, 100, 3);
        assert!(lines.insert(0x1800, 64, 4));
        assert!(!lines.insert(0x17FF, 1, 5));
        assert_eq!(lines.others(0x17FF, 1, 5), [1]);
    }

    #[test]
    fn a_buffer_may_cross_chunks() {
        let mut lines = Lines::default();
        assert!(lines.insert(0xF_FFC0, 256, 1));
        assert!(!lines.insert(0x10_0000, 64, 2));
        lines.remove(0xF_FFC0, 256, 1);
        assert_eq!(lines.others(0xF_FFC0, 256, 9), [2]);
    }
}

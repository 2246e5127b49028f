//! What a station does with frames that go out, and what must be true of them.

use etsec_core::{Buf, Doorbell, Reason, Refused, TxQueue};

use super::book::Book;
use super::buffers::Owner;
use super::frames::SHORTEST;
use super::rules::{Broken, Check, Rule, check};
use super::station::{Flying, MTU, Station};

/// Stages frames, one by one or by the burst; what was not taken comes back in its place.
fn stage_all<D: Doorbell>(
    queue: &mut TxQueue<D>,
    frames: Vec<Buf>,
    burst: bool,
) -> Vec<Result<(), Refused>> {
    if !burst {
        return frames.into_iter().map(|frame| queue.stage(frame)).collect();
    }
    let mut stager = queue.stager();
    frames.into_iter().map(|frame| stager.stage(frame)).collect()
}

impl Station {
    /// Stages so many new frames of about that length.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn send(
        &mut self,
        book: &mut Book,
        ring: usize,
        frames: usize,
        len: usize,
        burst: bool,
    ) -> Check<usize> {
        let mut ready = Vec::new();
        for n in 0..frames {
            let len = SHORTEST + (len + 37 * n) % (MTU - SHORTEST);
            let to_ring = book.next_ring();
            let number = book.frames.add(self.side, ring, to_ring, len);
            let Some(buf) = self.pool.frame(&book.frames.bytes(number)) else { break };
            self.took(&buf)?;
            ready.push((number, buf));
        }
        self.stage(book, ring, ready, burst)
    }

    /// Stages frames that are ready; returns how many the ring took.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn stage(
        &mut self,
        book: &mut Book,
        ring: usize,
        frames: Vec<(u32, Buf)>,
        burst: bool,
    ) -> Check<usize> {
        let mut room = self.tx[ring].queue.space();
        let (mut known, mut ready) = (Vec::new(), Vec::new());
        for (number, buf) in frames {
            self.buffers.pass(&buf, |o| o == Owner::Application, Owner::Tx(ring))?;
            known.push((number, self.buffers.of(&buf)));
            ready.push(buf);
        }
        let staged = stage_all(&mut self.tx[ring].queue, ready, burst);
        let mut count = 0;
        for ((number, buffers), staged) in known.into_iter().zip(staged) {
            match staged {
                Ok(()) => {
                    check(buffers.len() <= room, Rule::Owned, || {
                        format!("a frame of {} buffers was taken, room for {room}", buffers.len())
                    })?;
                    (room, count) = (room - buffers.len(), count + 1);
                    let (committed, unplugged) = (false, !self.plugged);
                    let flying = Flying { number, buffers, committed, unplugged };
                    self.tx[ring].flying.push_back(flying);
                }
                Err(Refused { buf, why }) => {
                    let full = why == Reason::Full && buffers.len() > room;
                    check(full, Rule::Reason, || format!("refused with room for {room}: {why}"))?;
                    self.buffers.pass(&buf, |o| o == Owner::Tx(ring), Owner::Application)?;
                    self.discard(buf)?;
                }
            }
        }
        book.sums.accepted += count as u64;
        Ok(count)
    }

    /// Hands what is staged to the device.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn commit(&mut self, ring: usize) -> Check<usize> {
        let _ = self.has_failed();
        let count = self.tx[ring].queue.commit();
        let staged = self.tx[ring].flying.iter().filter(|frame| !frame.committed).count();
        check(count == staged, Rule::Counters, || {
            format!("{count} frames committed on ring {ring}, {staged} were staged")
        })?;
        self.tx[ring].flying.iter_mut().for_each(|frame| frame.committed = true);
        if self.has_failed() {
            self.excuses.unkicked_tx = 2;
        }
        Ok(count)
    }

    /// Frame `number` has left the model.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn left(&mut self, book: &mut Book, number: u32) -> Check {
        let record = book.frames.get_mut(number);
        record.left += 1;
        let (ring, times) = (record.ring, record.left);
        let sender = &mut self.tx[ring];
        if sender.hit {
            // A frame whose status is lost is sent again when its ring has gone around.
            record.copies += u32::from(times > 1);
            return Ok(());
        }
        check(times == 1, Rule::Twice, || format!("frame {number} has left {times} times"))?;
        let known = sender.flying.iter().any(|frame| frame.number == number && frame.committed);
        check(known, Rule::Arrives, || format!("frame {number} has left, and was not committed"))?;
        let last = sender.last_left.replace(number);
        check(last < Some(number), Rule::Order, || {
            format!("frame {number} has left ring {ring} after frame {last:?}")
        })
    }

    /// Takes back what was sent, up to `most` frames.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn reap(&mut self, book: &mut Book, ring: usize, most: usize, burst: bool) -> Check<usize> {
        let queue = &mut self.tx[ring].queue;
        let before = *queue.counters();
        let reaped: Vec<Buf> = match burst {
            true => queue.sent().take(most).collect(),
            false => std::iter::from_fn(|| queue.reap()).take(most).collect(),
        };
        let after = *queue.counters();
        let count = reaped.len();
        let failed = after.errors() - before.errors();
        let (mut silent, mut unplugged) = (0, 0);
        for buf in reaped {
            let Flying { number, unplugged: out, .. } = self.reaped(book, ring, buf)?;
            if book.frames.get(number).left == 0 {
                silent += 1;
                unplugged += u64::from(out);
            }
        }
        let sender = &mut self.tx[ring];
        let sent = count as u64 - failed.min(count as u64);
        (sender.sent, sender.failed) = (sender.sent + sent, sender.failed + failed);
        let told = silent - unplugged <= failed && failed <= silent;
        check(told || sender.hit, Rule::Told, || {
            format!("of {count} frames of ring {ring} {silent} have not left, {failed} are told so")
        })?;
        let sums = (sender.sent, sender.failed);
        check((after.frames, after.errors()) == sums, Rule::Counters, || {
            format!("ring {ring} counts {after:?}; it was {sums:?}")
        })?;
        Ok(count)
    }

    /// One frame comes back.
    fn reaped(&mut self, book: &Book, ring: usize, buf: Buf) -> Check<Flying> {
        let frame = self.tx[ring].flying.pop_front().filter(|frame| frame.committed);
        let Some(frame) = frame else {
            let what = format!("ring {ring} gives back a frame it was not told to send");
            return Err(Broken::new(Rule::Owned, what));
        };
        let buffers = self.buffers.of(&buf);
        check(buffers == frame.buffers, Rule::Order, || {
            format!(
                "ring {ring} gives back {buffers:?}, not frame {} in {:?}",
                frame.number, frame.buffers
            )
        })?;
        let same = buf.segments().flatten().copied().eq(book.frames.bytes(frame.number));
        check(same, Rule::Bytes, || format!("frame {} has changed in its ring", frame.number))?;
        self.buffers.pass(&buf, |o| o == Owner::Tx(ring), Owner::Application)?;
        self.discard(buf)?;
        Ok(frame)
    }
}

//! What a station does with frames that come in, and what must be true of them.

use etsec_core::{Buf, Doorbell, Refused, RxQueue};
use etsec_sim::WireFrame;

use super::book::Book;
use super::buffers::Owner;
use super::frames::SHORTEST;
use super::rules::{Broken, Check, Rule, check};
use super::script::Then;
use super::station::Station;

/// Puts buffers into a ring, one by one or by the burst; what was not taken comes back.
fn refill_all<D: Doorbell>(queue: &mut RxQueue<D>, buffers: Vec<Buf>, burst: bool) -> Vec<Refused> {
    if !burst {
        return buffers.into_iter().filter_map(|buf| queue.refill(buf).err()).collect();
    }
    let mut refiller = queue.refiller();
    buffers.into_iter().filter_map(|buf| refiller.refill(buf).err()).collect()
}

impl Station {
    /// A frame arrives from the wire: `number`, or something that is not to be handed over.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn arrive(&mut self, frame: WireFrame, number: Option<u32>) -> Check<bool> {
        let stored = |sim: &etsec_sim::Sim, rings: usize| -> Vec<u64> {
            sim.with(|model| (0..rings).map(|ring| model.stored(ring).good).collect())
        };
        let before = stored(&self.sim, self.rx.len());
        self.sim.receive_raw(frame);
        let after = stored(&self.sim, self.rx.len());
        let Some(ring) = (0..self.rx.len()).find(|&ring| after[ring] != before[ring]) else {
            return Ok(false);
        };
        let Some(number) = number else {
            let what = format!("ring {ring} has taken a frame that was not for it");
            return Err(Broken::new(Rule::Bytes, what));
        };
        self.rx[ring].expected.push_back(number);
        Ok(true)
    }

    /// Takes up to `most` frames that were received, and commits what goes back into the ring.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn receive(
        &mut self,
        book: &mut Book,
        ring: usize,
        most: usize,
        burst: bool,
        then: Then,
    ) -> Check<usize> {
        let queue = &mut self.rx[ring].queue;
        let frames: Vec<Buf> = match burst {
            true => queue.arrived().take(most).map(|(buf, _)| buf).collect(),
            false => std::iter::from_fn(|| queue.next()).take(most).map(|(buf, _)| buf).collect(),
        };
        let count = frames.len();
        let mut back = Vec::new();
        for frame in frames {
            self.take(book, ring, &frame)?;
            match then {
                Then::Refill if !frame.is_chain() => back.push(frame),
                Then::Forward if !frame.is_chain() => self.forward(book, frame)?,
                Then::Keep => self.kept.push(frame),
                _ => self.discard(frame)?,
            }
        }
        let (taken, bytes) = (self.rx[ring].taken, self.rx[ring].bytes);
        let counters = *self.rx[ring].queue.counters();
        check((counters.frames, counters.bytes) == (taken, bytes), Rule::Counters, || {
            format!("ring {ring} counts {counters:?}; it was {taken} frames of {bytes} bytes")
        })?;
        self.refill(ring, back, burst)?;
        Ok(count)
    }

    /// A frame was handed over.
    fn take(&mut self, book: &mut Book, ring: usize, frame: &Buf) -> Check {
        self.buffers.pass(frame, |o| o == Owner::Rx(ring), Owner::Application)?;
        let bytes: Vec<u8> = frame.segments().flatten().copied().collect();
        let receiver = &mut self.rx[ring];
        (receiver.taken, receiver.bytes) =
            (receiver.taken + 1, receiver.bytes + bytes.len() as u64);
        let Some(number) = book.frames.identify(&bytes) else {
            return check(receiver.hit, Rule::Bytes, || {
                format!("ring {ring} hands over {} bytes that nobody sent so", bytes.len())
            });
        };
        let place = receiver.expected.iter().position(|expected| *expected == number);
        match place {
            Some(0) => {}
            Some(place) if receiver.hit => drop(receiver.expected.drain(..place)),
            _ if receiver.hit => return Ok(()),
            _ => {
                let next = receiver.expected.front();
                let what = format!("ring {ring} hands over frame {number}, next is {next:?}");
                return Err(Broken::new(Rule::Order, what));
            }
        }
        receiver.expected.pop_front();
        book.sums.delivered += 1;
        book.frames.deliver(number)
    }

    /// A received buffer goes out with a frame of its own.
    fn forward(&mut self, book: &mut Book, mut frame: Buf) -> Check {
        let len = frame.len().max(SHORTEST).min(frame.capacity());
        let ring = self.tx_ring(len);
        let to_ring = book.next_ring();
        let number = book.frames.add(self.side, ring, to_ring, len);
        frame.set_len(len);
        frame.copy_from_slice(&book.frames.bytes(number));
        self.stage(book, ring, vec![(number, frame)], false)?;
        self.commit(ring).map(drop)
    }

    /// Puts buffers into a ring and commits them; what it does not take goes home.
    fn refill(&mut self, ring: usize, buffers: Vec<Buf>, burst: bool) -> Check {
        for buf in &buffers {
            self.buffers.pass(buf, |o| o == Owner::Application, Owner::Rx(ring))?;
        }
        let space = self.rx[ring].queue.space();
        let expected = buffers.len().saturating_sub(space);
        let refused = refill_all(&mut self.rx[ring].queue, buffers, burst);
        check(refused.len() == expected, Rule::Reason, || {
            format!("ring {ring} refused {} buffers, {expected} too many", refused.len())
        })?;
        for Refused { buf, .. } in refused {
            self.buffers.pass(&buf, |o| o == Owner::Rx(ring), Owner::Application)?;
            self.discard(buf)?;
        }
        let _ = self.has_failed();
        self.rx[ring].queue.commit();
        if self.has_failed() {
            self.excuses.unkicked_rx = 2;
        }
        Ok(())
    }

    /// Fills a receive ring from the pool.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn fill(&mut self, ring: usize, burst: bool) -> Check {
        let mut buffers = Vec::new();
        while buffers.len() < self.rx[ring].queue.space()
            && let Some(buf) = self.alloc()?
        {
            buffers.push(buf);
        }
        self.refill(ring, buffers, burst)
    }
}

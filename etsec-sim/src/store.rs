//! Writing a received frame into a ring: descriptors, buffers, events (HW 4.3, 4.4, 5.4, 18.7,
//! 18.8).

use crate::bits::{at, ievent, qhlt, rxbd};
use crate::control::pointer_at;
use crate::fault::Fault;
use crate::filing::Filed;
use crate::memory::{Bd, DmaFault};
use crate::mib::counter;
use crate::model::Model;
use crate::receive::Accepted;
use crate::sanitizer::RingState;
use crate::violation::{Breach, Direction, Place, Violation, Who};
use crate::wire::{Fcs, WireFrame};

/// Why a frame could not be stored, or not to its end.
enum Stop {
    /// The next descriptor is not empty.
    NoDescriptor,
    /// Bus error.
    Bus,
}

/// What is still to be written: up to five pieces, in order.
struct Pieces<'a> {
    parts: [&'a [u8]; 5],
}

impl Pieces<'_> {
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Passes over the first `count` bytes.
    fn skip(&mut self, mut count: usize) {
        for part in &mut self.parts {
            let here = count.min(part.len());
            *part = &part[here..];
            count -= here;
        }
    }
}

impl Model {
    /// Stores a frame in a ring. False if it was lost, in whole or in part.
    pub(crate) fn store_frame(&mut self, filed: &Filed, frame: &Accepted<'_>) -> bool {
        let ring = filed.ring;
        if self.reg(at::RSTAT) & qhlt(ring) != 0 {
            return self.lose(ring, frame, Stop::NoDescriptor);
        }
        let state = self.ring_state(Direction::Rx, ring);
        let room = state.span as usize;
        if room == 0 {
            let (who, at) = (Who::Register(at::MRBLR), 0);
            self.report(Violation { who, at, what: Breach::BadMrblr { value: 0 } });
            self.fail_rx(ring);
            return false;
        }
        let preamble = frame.preamble.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        let tail = &frame.tail[..frame.tail_len];
        // With VLEX the four bytes of the tag are not stored (HW 4.4).
        let (front, back) = match filed.cut {
            Some(tag) if tag + 4 <= frame.data.len() => {
                (&frame.data[..tag], &frame.data[tag + 4..])
            }
            _ => (frame.data, &[][..]),
        };
        let mut rest = Pieces { parts: [filed.head.bytes(), preamble, front, back, tail] };
        let (total, mut first, mut whole) = (rest.len(), true, true);
        // Of a frame kept half stored the rest comes, after four bytes once more (HW 15.3).
        let stored = core::mem::take(&mut self.rx.kept_stored);
        if stored > 0 {
            rest.skip(stored.saturating_sub(tail.len()));
            first = false;
        }
        loop {
            let (at, place, bd) = match self.take_descriptor(ring, state) {
                Ok(taken) => taken,
                Err(stop) => {
                    if self.config.switches.qemu && matches!(stop, Stop::NoDescriptor) {
                        self.rx.kept_stored = total - rest.len();
                    }
                    return self.lose(ring, frame, stop);
                }
            };
            let left = rest.len();
            let here = left.min(room);
            let buffer = state.window | u64::from(bd.pointer);
            if let Err(stop) = self.fill(place, buffer, room, &mut rest) {
                return self.lose(ring, frame, stop);
            }
            let last = here == left;
            let mut flags = bd.flags() & (rxbd::W | rxbd::I | rxbd::RO1);
            if first && !(self.config.switches.qemu && last) {
                flags |= rxbd::F;
            }
            // The L descriptor tells the whole length, the others what they hold (HW 4.4).
            let len = if last && !self.config.switches.qemu { total.min(0xFFFF) } else { here };
            if last {
                flags |= rxbd::L | frame.status;
            }
            whole &= self.close_rx(place, at, bd, u32::from(flags) << 16 | len as u32);
            if last {
                break;
            }
            first = false;
        }
        if whole {
            self.status.count(ring, frame.status);
        }
        if self.config.switches.prefetch {
            self.prefetch(ring);
        }
        true
    }

    /// Fetches the descriptor at RBPTRn, which must be empty.
    fn take_descriptor(&mut self, ring: usize, state: RingState) -> Result<(u64, Place, Bd), Stop> {
        let at = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
        let index = (at.wrapping_sub(state.base) / 8) as usize;
        let place = Place { direction: Direction::Rx, ring, index };
        self.settle_status(at);
        let read = match self.faults.take(Fault::RxDescriptorBusError) {
            true => Err(DmaFault::Injected),
            false => self.memory.descriptor(at),
        };
        match read {
            Err(fault) => {
                self.sanitizer.blame_dma(place, at, 8, fault);
                Err(Stop::Bus)
            }
            Ok(bd) if !bd.live() => Err(Stop::NoDescriptor),
            Ok(bd) => {
                self.sanitizer.fetch(&self.memory, place, at, bd, state);
                Ok((at, place, bd))
            }
        }
    }

    /// Writes as much as one buffer holds.
    fn fill(
        &mut self,
        place: Place,
        buffer: u64,
        room: usize,
        rest: &mut Pieces<'_>,
    ) -> Result<(), Stop> {
        let who = Who::Bd(place);
        if !buffer.is_multiple_of(64) {
            self.report(Violation { who, at: buffer, what: Breach::UnalignedBuffer });
        }
        let injected = self.faults.take(Fault::RxDataBusError);
        let reach =
            if injected { Err(DmaFault::Injected) } else { self.memory.check(buffer, room) };
        if let Err(fault) = reach {
            self.sanitizer.blame_dma(place, buffer, room, fault);
            // A frame that is shorter than the buffer may still fit; the device does not look
            // ahead.
            if injected || self.memory.check(buffer, rest.len().min(room)).is_err() {
                return Err(Stop::Bus);
            }
        }
        let mut done = 0;
        for part in &mut rest.parts {
            let here = part.len().min(room - done);
            let (now, later) = part.split_at(here);
            if !now.is_empty() && self.memory.write(buffer + done as u64, now).is_err() {
                return Err(Stop::Bus);
            }
            *part = later;
            done += here;
        }
        if self.sanitizer.is_on() {
            // What the frame did not overwrite is nobody's word any more.
            self.memory.poison(buffer + done as u64, room - done);
        }
        Ok(())
    }

    /// False: nobody will know that it is closed.
    fn close_rx(&mut self, place: Place, at: u64, bd: Bd, word: u32) -> bool {
        let tells = self.write_status(place, at, word);
        self.step_rx_pointer(place.ring, at, bd.wraps());
        if tells == Some(true) {
            self.tell_closed(place, word);
        }
        tells.is_some()
    }

    fn step_rx_pointer(&mut self, ring: usize, at: u64, wraps: bool) {
        let next = self.next_pointer(Direction::Rx, ring, at, wraps);
        self.set_reg(pointer_at(Direction::Rx, ring), next as u32);
        self.moved_on(ring, next as u32);
    }

    /// A frame is lost (HW 8.6 BSY, EBERR; 18.7).
    fn lose(&mut self, ring: usize, frame: &Accepted<'_>, stop: Stop) -> bool {
        match stop {
            Stop::NoDescriptor if self.config.switches.qemu => self.keep(ring, frame),
            Stop::NoDescriptor => {
                self.count(counter::RDRP, 1);
                // A ring that is halted by an error but has descriptors is not busy.
                let at = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
                if self.memory.descriptor(at).is_ok_and(|bd| !bd.live()) {
                    self.raise_ring(Direction::Rx, ring, ievent::BSY);
                }
            }
            Stop::Bus => {
                self.count(counter::RDRP, 1);
                self.raise(ievent::EBERR);
            }
        }
        self.fail_rx(ring);
        false
    }

    /// As QEMU does on a full ring: no BSY, the frame kept, the pointer one too far (HW 15.3).
    fn keep(&mut self, ring: usize, frame: &Accepted<'_>) {
        let tail = frame.tail;
        self.rx.kept.push_back(WireFrame::exact(frame.data.to_vec(), Fcs::Given(tail)));
        if self.reg(at::RSTAT) & qhlt(ring) == 0 {
            let at = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
            let wraps = self.memory.descriptor(at).is_ok_and(Bd::wraps);
            self.step_rx_pointer(ring, at, wraps);
        }
    }

    /// The next descriptor is looked for before it is needed (HW 3.2 BSY, 18.7).
    fn prefetch(&mut self, ring: usize) {
        let at = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
        if self.memory.descriptor(at).is_ok_and(|bd| !bd.live()) {
            self.raise_ring(Direction::Rx, ring, ievent::BSY);
            self.fail_rx(ring);
        }
    }
}

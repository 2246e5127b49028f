//! `etsec forward`: frames move between two devices in the buffers they came in; only their owners
//! change.

use std::time::{Duration, Instant};

use anyhow::Result;
use etsec_core::{Buf, Reason};

use crate::args::Forward;
use crate::files::Files;
use crate::run::{Context, Run};
use crate::station::{DRAIN_TIME, Setup, Station, check_pair, finish_all};

/// How long nothing may move after the end of the input before all is taken to have passed.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// Longest sleep while nothing moves.
const POLL_TIME: Duration = Duration::from_millis(10);

/// Runs the command.
pub fn run(args: &Forward, context: &Context) -> Result<()> {
    Files::of([&args.a, &args.b]).check()?;
    let setup = |device| Setup { promiscuous: true, ..Setup::of_device(device, &args.tuning) };
    let mut a = Station::open(&setup(&args.a), context)?;
    let mut b = Station::open(&setup(&args.b), context)?;
    check_pair(&a, &b)?;
    let mut run = Run::new(context, args.until);
    let mut flow = Flow { one_way: args.one_way, ..Flow::default() };
    let ended = flow.forward(args, &mut a, &mut b, &mut run);
    // What came before a break still goes on its way; else only what is in the rings does.
    let most = if ended.is_err() { run.left(flow.frames()) } else { 0 };
    let settled = flow.settle(&mut a, &mut b, most);
    let finished = finish_all(vec![a, b], context.out, run.elapsed());
    ended.and(settled).and(finished)
}

/// Both directions of forwarding.
#[derive(Debug, Default)]
struct Flow {
    there: Direction,
    back: Direction,
    one_way: bool,
}

impl Flow {
    fn forward(
        &mut self,
        args: &Forward,
        a: &mut Station,
        b: &mut Station,
        run: &mut Run,
    ) -> Result<()> {
        let mut moved_at = Instant::now();
        while !run.is_over(self.frames()) {
            let moved = self.step(a, b, run.left(self.frames()));
            run.meter.update(|| a.totals().plus(&b.totals()));
            if moved {
                moved_at = Instant::now();
                a.look_after()?;
                b.look_after()?;
                continue;
            }
            let still = moved_at.elapsed();
            let idle = args.until_idle.is_some_and(|limit| still >= limit);
            let done = still >= SETTLE_TIME && a.has_ended() && (self.one_way || b.has_ended());
            if (idle || done) && self.is_done(a, b) {
                return Ok(());
            }
            // Each has a descriptor of its own to wait on; the shorter of two naps is soon enough
            // for both.
            Station::wait_for_either(a, b, run.nap().min(POLL_TIME))?;
        }
        Ok(())
    }

    /// Moves up to `most` frames that have arrived, and waits until nothing moves and the transmit
    /// rings are empty, or for [`DRAIN_TIME`].
    fn settle(&mut self, a: &mut Station, b: &mut Station, most: u64) -> Result<()> {
        let (start, before) = (Instant::now(), self.frames());
        let mut moved_at = start;
        while start.elapsed() < DRAIN_TIME {
            let left = most.saturating_sub(self.frames() - before);
            if self.step(a, b, left) {
                moved_at = Instant::now();
                continue;
            }
            let sent = a.tx.pending() == 0 && b.tx.pending() == 0;
            if sent && (left == 0 || moved_at.elapsed() >= SETTLE_TIME) {
                break;
            }
            Station::wait_for_either(a, b, POLL_TIME)?;
        }
        Ok(())
    }

    /// Moves up to `most` frames. Returns whether any frame or buffer moved.
    fn step(&mut self, a: &mut Station, b: &mut Station, most: u64) -> bool {
        let before = self.there.frames;
        let moved = self.there.step(a, b, most);
        if self.one_way {
            b.discard_received();
            return moved;
        }
        self.back.step(b, a, most - (self.there.frames - before)) || moved
    }

    fn frames(&self) -> u64 {
        self.there.frames + self.back.frames
    }

    fn is_done(&self, a: &Station, b: &Station) -> bool {
        self.there.is_done(b) && self.back.is_done(a)
    }
}

/// One direction of forwarding.
#[derive(Debug, Default)]
struct Direction {
    frames: u64,
    /// A frame that the other device had no room for: nothing is dropped while there is a place to
    /// keep it.
    held: Option<Buf>,
}

impl Direction {
    /// Moves up to `most` frames. Returns whether any frame or buffer moved.
    fn step(&mut self, from: &mut Station, to: &mut Station, most: u64) -> bool {
        let before = self.frames;
        while self.frames - before < most {
            let Some(buf) = self.held.take().or_else(|| from.rx.next().map(|(buf, _)| buf)) else {
                break;
            };
            match to.tx.stage(buf) {
                Ok(()) => self.frames += 1,
                Err(refused) if refused.why == Reason::Full => {
                    self.held = Some(refused.buf);
                    break;
                }
                // The queue has counted it; its buffer goes home.
                Err(refused) => log::debug!("not forwarded: {}", refused.why),
            }
        }
        to.tx.commit();
        let mut reaped = false;
        while let Some(buf) = to.tx.reap() {
            // Back to the ring it came from, without the detour through the pool; the ring being
            // full, to the pool.
            drop(from.rx.refill(buf));
            reaped = true;
        }
        from.top_up();
        reaped || self.frames > before
    }

    fn is_done(&self, to: &Station) -> bool {
        self.held.is_none() && to.tx.pending() == 0
    }
}

//! `etsec forward`: frames move between two devices in the buffers they came in; only their owners
//! change.

use std::time::{Duration, Instant};

use anyhow::Result;
use etsec_core::{Buf, Reason};

use crate::args::Forward;
use crate::run::{Context, Run};
use crate::station::{Setup, Station, check_pair, finish_all};

/// How long nothing may move after the end of the input before all is taken to have passed.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// Runs the command.
pub fn run(args: &Forward, context: &Context) -> Result<()> {
    let setup = |device| Setup { promiscuous: true, ..Setup::of_device(device, &args.tuning) };
    let mut a = Station::open(&setup(&args.a), context)?;
    let mut b = Station::open(&setup(&args.b), context)?;
    check_pair(&a, &b)?;
    let mut run = Run::new(context, args.until);
    let ended = forward(args, &mut a, &mut b, &mut run);
    let finished = finish_all(vec![a, b], context.out, run.elapsed());
    ended.and(finished)
}

fn forward(args: &Forward, a: &mut Station, b: &mut Station, run: &mut Run) -> Result<()> {
    let (mut there, mut back) = (Direction::default(), Direction::default());
    let mut moved_at = Instant::now();
    while !run.is_over(there.frames + back.frames) {
        let most = run.left(there.frames + back.frames);
        let mut moved = there.step(a, b, most);
        if args.one_way {
            b.discard_received();
        } else {
            moved |= back.step(b, a, run.left(there.frames + back.frames));
        }
        run.meter.update(|| a.totals().plus(&b.totals()));
        if moved {
            moved_at = Instant::now();
            a.look_after()?;
            b.look_after()?;
            continue;
        }
        let still = moved_at.elapsed();
        let idle = args.until_idle.is_some_and(|limit| still >= limit);
        let done = still >= SETTLE_TIME && a.has_ended() && (args.one_way || b.has_ended());
        if (idle || done) && there.is_done(b) && back.is_done(a) {
            return Ok(());
        }
        // Each has a descriptor of its own to wait on; the shorter of two naps is soon enough for
        // both.
        Station::wait_for_either(a, b, run.nap().min(Duration::from_millis(10)))?;
    }
    Ok(())
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

//! `etsec forward`: frames move between two devices in the buffers they came in; only their owners
//! change.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use etsec_core::rx::RxMeta;
use etsec_core::tx::Stager;
use etsec_core::{Buf, Reason, Refused};

use crate::args::Forward;
use crate::files::Files;
use crate::outgoing::pass_on;
use crate::run::{Context, Run, Usage};
use crate::setup::Setup;
use crate::station::{Bell, DRAIN_TIME, Station, TURN, finish_all};

/// How long nothing may move after the end of the input before all is taken to have passed.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// Longest sleep while nothing moves.
const POLL_TIME: Duration = Duration::from_millis(10);

/// Runs the command.
pub fn run(args: &Forward, context: &Context) -> Result<()> {
    Files::of([&args.a, &args.b]).check()?;
    let setup =
        |device| Setup::of_device(device, &args.tuning).map(|setup| setup.receiving_all(true));
    let (a, b) = (setup(&args.a)?, setup(&args.b)?);
    check_tags([&a, &b], args.one_way)?;
    let [mut a, mut b] = Station::open_both(&a, &b, context)?;
    Station::pair(&mut a, &mut b)?;
    let mut run = Run::new(context, args.until);
    let mut flow = Flow { one_way: args.one_way, ..Flow::default() };
    let ended = flow.forward(args, &mut a, &mut b, &mut run);
    // What came before a break still goes on its way; else only what is in the rings does.
    let most = if ended.is_err() { run.left(flow.frames()) } else { 0 };
    let settled = flow.settle(&mut a, &mut b, most);
    let finished = finish_all(vec![a, b], context.out, run.elapsed());
    ended.and(settled).and(finished)
}

/// Sees that whoever gets frames whose tags were taken out can put them in again.
fn check_tags([a, b]: [&Setup; 2], one_way: bool) -> Result<()> {
    let [(a, one), (b, two)] = [a, b].map(|setup| (&setup.device, setup.settings.vlan));
    let ways = [(a, one.extract, b, two.inserts()), (b, two.extract && !one_way, a, one.inserts())];
    match ways.into_iter().find(|(_, takes, _, puts)| *takes && !puts) {
        Some((from, _, to, _)) => bail!(Usage(format!(
            "{from} takes tags out of frames, and {to} puts none in: set vlan.extract there, too"
        ))),
        None => Ok(()),
    }
}

/// What came of a turn.
struct Turn {
    /// Whether any frame or buffer moved.
    moved: bool,
    /// Whether nothing can be done before something arrives, or has been sent.
    idle: bool,
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
        let ends = args.until_idle.is_some() || a.can_end() || b.can_end();
        // When the first of the latest turns was over that had nothing to do.
        let mut still_since = None;
        while !run.is_over(self.frames()) {
            let turn = self.turn(a, b, run.left(self.frames()));
            if turn.moved {
                still_since = None;
            } else if ends {
                let still = still_since.get_or_insert_with(Instant::now).elapsed();
                let idle = args.until_idle.is_some_and(|limit| still >= limit);
                let done = still >= SETTLE_TIME && a.has_ended() && (self.one_way || b.has_ended());
                if (idle || done) && self.is_done(a, b) {
                    return Ok(());
                }
            }
            let look = if turn.idle {
                let nap = run.nap();
                let most = if ends { Some(nap.unwrap_or(POLL_TIME).min(POLL_TIME)) } else { nap };
                Station::wait_for_either(a, b, self.is_stuck(), most)?
            } else {
                run.is_look_due()
            };
            if look {
                run.look(|| a.totals().plus(&b.totals()));
                a.look_after(run.looked())?;
                b.look_after(run.looked())?;
            }
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
            if self.turn(a, b, left).moved {
                moved_at = Instant::now();
                continue;
            }
            let sent = a.tx.pending() == 0 && b.tx.pending() == 0;
            if sent && (left == 0 || moved_at.elapsed() >= SETTLE_TIME) {
                break;
            }
            Station::wait_for_either(a, b, true, Some(POLL_TIME))?;
            a.look_after(Instant::now())?;
            b.look_after(Instant::now())?;
        }
        Ok(())
    }

    /// Moves up to `most` frames.
    fn turn(&mut self, a: &mut Station, b: &mut Station, most: u64) -> Turn {
        let before = self.there.frames;
        let there = self.there.turn(a, b, most);
        if self.one_way {
            // More than that may be there: then there will be no interrupt for it.
            let all = b.discard_received(TURN) < TURN;
            let all = b.end_turn(all);
            return Turn { idle: there.idle && all, ..there };
        }
        let back = self.back.turn(b, a, most - (self.there.frames - before));
        Turn { moved: there.moved || back.moved, idle: there.idle && back.idle }
    }

    /// Whether a frame waits for a place.
    fn is_stuck(&self) -> bool {
        self.there.held.is_some() || self.back.held.is_some()
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
    /// keep it. And the tag it came with.
    held: Option<(Buf, Option<u16>)>,
}

impl Direction {
    /// Moves up to `most` frames.
    fn turn(&mut self, from: &mut Station, to: &mut Station, most: u64) -> Turn {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut stager = to.tx.stager();
        let (mut taken, mut kept) = (0, 0);
        if most > 0
            && let Some((frame, tag)) = self.held.take()
        {
            taken += 1;
            let staged = pass_on(&mut stager, frame, tag);
            kept += staged.map_or_else(|refused| self.keep(refused, tag), |()| 0);
        }
        // Frames that there is no place for stay where they are.
        let room = if self.held.is_some() { taken } else { most.min(stager.space() + taken) };
        let moved = match from.takes_tags() {
            true => self.move_tagged(from, &mut stager, room - taken),
            false => self.move_frames(from, &mut stager, room - taken, |_| None),
        };
        (taken, kept) = (taken + moved.0, kept + moved.1);
        stager.commit();
        let frames = (taken - kept) as u64;
        self.frames += frames;
        let reaped = from.refill_from_sent(Some(to));
        let idle = match self.held {
            // It may have got its place by now.
            Some(_) => !reaped,
            None => taken < room || to.tx.space() == 0,
        };
        Turn { moved: reaped || frames > 0, idle: from.end_turn(idle) }
    }

    /// Moves up to `room` frames, each with its tag if it has one. Returns how many were taken, and
    /// how many of those did not go on.
    #[inline(always)]
    fn move_frames(
        &mut self,
        from: &mut Station,
        stager: &mut Stager<'_, Bell>,
        room: usize,
        tag: impl Fn(&RxMeta) -> Option<u16>,
    ) -> (usize, usize) {
        let (mut taken, mut kept) = (0, 0);
        for (frame, meta) in from.rx.arrived().take(room) {
            taken += 1;
            let tag = tag(&meta);
            if let Err(refused) = pass_on(stager, frame, tag) {
                kept += self.keep(refused, tag);
                if self.held.is_some() {
                    break;
                }
            }
        }
        (taken, kept)
    }

    /// The same for frames whose tags the controller has taken out: they are put in again.
    #[cold]
    #[inline(never)]
    fn move_tagged(
        &mut self,
        from: &mut Station,
        stager: &mut Stager<'_, Bell>,
        room: usize,
    ) -> (usize, usize) {
        self.move_frames(from, stager, room, RxMeta::tag)
    }

    /// Keeps a frame that there was no place for. Returns how many frames did not go on: one.
    #[cold]
    fn keep(&mut self, refused: Refused, tag: Option<u16>) -> usize {
        match refused.why {
            Reason::Full => self.held = Some((refused.buf, tag)),
            // The queue has counted it; its buffer goes home.
            why => log::debug!("not forwarded: {why}"),
        }
        1
    }

    fn is_done(&self, to: &Station) -> bool {
        self.held.is_none() && to.tx.pending() == 0
    }
}

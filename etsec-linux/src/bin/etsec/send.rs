//! `etsec send`: frames of a pattern or a file, at a rate, on one transmit queue.

use std::time::Duration;

use anyhow::{Result, bail};
use etsec_core::Reason;

use crate::args::Send;
use crate::files::Files;
use crate::frames::{Frames, PatternFrames, RecordedFrames};
use crate::pace::Pace;
use crate::run::{Context, Run};
use crate::station::{Setup, Station};

/// How long to wait at the start for the link: negotiation takes two to four seconds.
const LINK_TIME: Duration = Duration::from_secs(6);

/// Runs the command.
pub fn run(args: &Send, context: &Context) -> Result<()> {
    let files = Files::of([&args.port.device]);
    args.pcap.iter().fold(files, |files, path| files.and_read("--pcap", path)).check()?;
    // The file first: a port is not taken over for frames that cannot be read.
    let recorded = args.pcap.as_deref().map(RecordedFrames::open).transpose()?;
    let setup = Setup { tx_queue: args.queue.into(), ..Setup::of_port(&args.port) };
    let mut station = Station::open(&setup, context)?;
    let frames = match recorded {
        Some(file) => Ok(Frames::Recorded(file)),
        None => PatternFrames::new(
            args.pattern,
            args.size,
            args.destination,
            station.mac(),
            args.ethertype,
        )
        .map(Frames::Pattern),
    };
    // What a MAC sends while there is no link is lost.
    let linked = station.await_link(LINK_TIME, &context.stop);
    if let Ok(false) = linked {
        log::warn!("{}: no link; sending all the same", args.port.device);
    }
    let mut run = Run::new(context, args.until);
    let frames = linked.and(frames);
    let sent = frames.and_then(|mut frames| send_all(args, &mut frames, &mut station, &mut run));
    let drained = station.drain();
    // A port must be stopped whatever became of the frames.
    let stopped = station.finish(context.out, run.elapsed());
    let skipped = sent?;
    if skipped > 0 {
        log::warn!(
            "{skipped} frames of the file were not sent: cut short, or longer than the MTU allows"
        );
    }
    drained.and(stopped)
}

/// Sends until the end; returns how many frames could not be sent at all.
fn send_all(args: &Send, frames: &mut Frames, station: &mut Station, run: &mut Run) -> Result<u64> {
    let mut pace = args.rate.map(|rate| Pace::new(rate, run.elapsed()));
    let repeat = args.until.count.is_some() || args.until.duration.is_some();
    let mut burst = Burst { used: true, ..Burst::default() };
    while !run.is_over(burst.sent) && !burst.ended {
        let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(run.elapsed()));
        let before = burst.sent;
        let most = due.min(args.burst.into()).min(run.left(before));
        let staged = burst.stage(most, frames, station, repeat);
        // Before anything else: the frames ahead of a break in the file are good.
        station.tx.commit();
        staged?;
        if let Some(pace) = &mut pace {
            pace.sent(burst.sent - before);
        }
        station.discard_received();
        station.recycle();
        run.meter.update(|| station.totals());
        if burst.sent == before && !burst.ended {
            let due = pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(run.elapsed()));
            // Waiting for a place in the ring ends with an interrupt, waiting for the time does
            // not.
            let limit = if burst.waiting { run.nap() } else { due.min(run.nap()) };
            station.wait(limit)?;
        } else {
            station.look_after()?;
        }
    }
    let cut = if let Frames::Recorded(file) = frames { file.cut() } else { 0 };
    Ok(burst.skipped + cut)
}

/// Progress of sending.
#[derive(Debug, Default)]
struct Burst {
    sent: u64,
    skipped: u64,
    /// What had been sent when the current pass over the file began.
    sent_before: u64,
    ended: bool,
    /// The current frame has been sent or skipped.
    used: bool,
    /// There was no place for the current frame.
    waiting: bool,
}

impl Burst {
    /// Makes the next frame the current one, beginning again at the end of a file if it is to
    /// `repeat`; false at the end.
    ///
    /// # Errors
    /// If the file is broken, or no frame of it could be sent: repeating it would never end.
    fn advance(&mut self, frames: &mut Frames, repeat: bool) -> Result<bool> {
        if frames.advance()? {
            return Ok(true);
        }
        if self.sent == self.sent_before
            && let Frames::Recorded(file) = &*frames
            && (repeat || file.count() > 0)
        {
            bail!(
                "{}: none of its {} frames can be sent: cut short, or longer than the MTU allows",
                file.path().display(),
                file.count()
            );
        }
        self.sent_before = self.sent;
        Ok(repeat && frames.rewind()? && frames.advance()?)
    }

    /// Stages up to `most` frames.
    fn stage(
        &mut self,
        most: u64,
        frames: &mut Frames,
        station: &mut Station,
        repeat: bool,
    ) -> Result<()> {
        self.waiting = false;
        for _ in 0..most {
            if self.used && !self.advance(frames, repeat)? {
                self.ended = true;
                return Ok(());
            }
            self.used = false;
            let frame = frames.current();
            let staged = match station.pool.frame(frame) {
                Some(buf) => station.tx.stage(buf).map_err(|refused| refused.why),
                None => Err(Reason::Full),
            };
            match staged {
                Ok(()) => self.sent += 1,
                // What is on its way will make room.
                Err(Reason::Full) if station.tx.pending() > 0 => {
                    self.waiting = true;
                    return Ok(());
                }
                Err(Reason::Full) => {
                    bail!(
                        "a frame of {} bytes needs more of --ring or --buffers than there is",
                        frame.len()
                    );
                }
                Err(_) if matches!(frames, Frames::Recorded(_)) => self.skipped += 1,
                Err(why) => bail!("a frame of {} bytes cannot be sent: {why}", frame.len()),
            }
            self.used = true;
        }
        Ok(())
    }
}

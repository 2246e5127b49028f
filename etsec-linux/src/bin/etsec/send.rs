//! `etsec send`: frames of a pattern or a file, at a rate, on one transmit queue.

use std::time::Duration;

use anyhow::{Result, bail};
use etsec_core::{Buf, Reason};
use serde::Serialize;

use crate::args::Send;
use crate::files::Files;
use crate::frames::{Frames, PatternFrames, RecordedFrames};
use crate::outgoing::{Outgoing, SentStamps};
use crate::output::{Output, table};
use crate::pace::Pace;
use crate::run::{Context, Run};
use crate::setup::Setup;
use crate::station::{Station, TURN};

/// How long to wait at the start for the link: negotiation takes two to four seconds.
const LINK_TIME: Duration = Duration::from_secs(6);

/// Runs the command.
pub fn run(args: &Send, context: &Context) -> Result<()> {
    let files = Files::of([&args.port.device]);
    args.pcap.iter().fold(files, |files, path| files.and_read("--pcap", path)).check()?;
    // The file first: a port is not taken over for frames that cannot be read.
    let recorded = args.pcap.as_deref().map(RecordedFrames::open).transpose()?;
    let mut setup = Setup::of_port(&args.port)?.sending_on(args.queue);
    setup.own_endings = recorded.is_some();
    let outgoing = Outgoing::of(&setup.settings);
    let mut station = Station::open(&setup, context)?;
    if outgoing == Outgoing::Stamped {
        station.keep_stamps();
    }
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
    let sent =
        frames.and_then(|mut frames| send_all(args, outgoing, &mut frames, &mut station, &mut run));
    let drained = station.drain();
    let shown = station.stamps().map_or(Ok(()), |stamps| tell(stamps, context.out));
    // A port must be stopped whatever became of the frames.
    let stopped = station.finish(context.out, run.elapsed());
    let skipped = sent?;
    if skipped > 0 {
        log::warn!(
            "{skipped} frames of the file were not sent: cut short, or longer than the MTU allows"
        );
    }
    drained.and(stopped).and(shown)
}

/// What the stamps of sent frames have told.
fn tell(stamps: &SentStamps, out: Output) -> Result<()> {
    #[derive(Serialize)]
    struct Shown<'a> {
        event: &'static str,
        #[serde(flatten)]
        stamps: &'a SentStamps,
    }
    out.show(&Shown { event: "stamps", stamps }, |shown| table(&shown.stamps.rows()))
}

/// Sends until the end; returns how many frames could not be sent at all.
fn send_all(
    args: &Send,
    outgoing: Outgoing,
    frames: &mut Frames,
    station: &mut Station,
    run: &mut Run,
) -> Result<u64> {
    let mut pace = args.rate.map(|rate| Pace::new(rate, run.elapsed()));
    let repeat = args.until.count.is_some() || args.until.duration.is_some();
    let mut sender = Sender::new(repeat, outgoing);
    while !run.is_over(sender.sent) && !sender.ended {
        let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(run.elapsed()));
        let before = sender.sent;
        let most = due.min(args.burst.into()).min(run.left(before));
        let staged = match frames {
            Frames::Pattern(pattern) if outgoing != Outgoing::Plain => {
                sender.stage_one_by_one(most, pattern, station)
            }
            Frames::Pattern(pattern) => sender.stage_pattern(most, pattern, station),
            Frames::Recorded(file) => sender.stage_recorded(most, file, station),
        };
        // Before anything else: the frames ahead of a break in the file are good.
        station.tx.commit();
        staged?;
        if let Some(pace) = &mut pace {
            pace.sent(sender.sent - before);
        }
        station.discard_received(TURN);
        let look = if sender.sent == before && !sender.ended {
            // Waiting for a place in the ring ends with an interrupt, waiting for the time does
            // not.
            let due = pace.as_ref().filter(|_| !sender.waiting);
            let due = due.map(|pace| pace.wait(run.elapsed()));
            let limit = [run.nap(), due].into_iter().flatten().min();
            station.wait_for_room(sender.waiting, limit)?
        } else {
            run.is_look_due()
        };
        if look {
            run.look(|| station.totals());
            station.look_after(run.looked())?;
        }
    }
    let cut = if let Frames::Recorded(file) = frames { file.cut() } else { 0 };
    Ok(sender.skipped + cut)
}

/// Progress of sending.
#[derive(Debug)]
struct Sender {
    /// How frames leave.
    outgoing: Outgoing,
    sent: u64,
    skipped: u64,
    /// What had been sent when the current pass over the file began.
    sent_before: u64,
    /// Whether a file is begun again at its end.
    repeat: bool,
    ended: bool,
    /// The current frame of the file has been sent or skipped.
    used: bool,
    /// There was no place for the current frame.
    waiting: bool,
    /// Frames of the pattern that were sent: their buffers hold them still.
    spare: Vec<Buf>,
}

impl Sender {
    fn new(repeat: bool, outgoing: Outgoing) -> Self {
        Sender {
            outgoing,
            sent: 0,
            skipped: 0,
            sent_before: 0,
            repeat,
            ended: false,
            used: true,
            waiting: false,
            spare: Vec::new(),
        }
    }

    /// Stages up to `most` frames of a pattern that leave unlike others.
    fn stage_one_by_one(
        &mut self,
        most: u64,
        pattern: &mut PatternFrames,
        station: &mut Station,
    ) -> Result<()> {
        station.recycle();
        self.waiting = false;
        for _ in 0..most {
            let Station { tx, pool, .. } = &mut *station;
            let outgoing = self.outgoing;
            // One that there is no place for stays the next one.
            let staged = pattern.next_in(|frame| match outgoing.stage(tx, pool, frame) {
                Err(Reason::Full) => None,
                staged => Some(staged),
            });
            match staged {
                Some(Ok(())) => self.sent += 1,
                Some(Err(why)) => return check_room(why, pattern.size(), station),
                None => {
                    self.waiting = true;
                    return check_room(Reason::Full, pattern.size(), station);
                }
            }
        }
        Ok(())
    }

    /// Stages up to `most` frames of a pattern: those that were sent, with new numbers, as far as
    /// they go.
    fn stage_pattern(
        &mut self,
        most: u64,
        pattern: &mut PatternFrames,
        station: &mut Station,
    ) -> Result<()> {
        self.spare.extend(station.tx.sent());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut stager = station.tx.stager();
        let room = most.min(stager.space());
        let mut staged = 0;
        let refused = loop {
            if staged == room {
                break (room < most).then_some(Reason::Full);
            }
            let frame = match self.spare.pop() {
                Some(mut frame) => {
                    pattern.renumber(&mut frame);
                    frame
                }
                None => match pattern.next_in(|frame| station.pool.frame(frame)) {
                    Some(frame) => frame,
                    None => break Some(Reason::Full),
                },
            };
            if let Err(refused) = stager.stage(frame) {
                break Some(refused.why);
            }
            staged += 1;
        };
        drop(stager);
        self.sent += staged as u64;
        self.waiting = refused == Some(Reason::Full);
        refused.map_or(Ok(()), |why| check_room(why, pattern.size(), station))
    }

    /// Makes the next frame of a file the current one, beginning again at the end if it is to be
    /// repeated; false at the end.
    ///
    /// # Errors
    /// If the file is broken, or no frame of it could be sent: repeating it would never end.
    fn advance(&mut self, file: &mut RecordedFrames) -> Result<bool> {
        if file.advance()? {
            return Ok(true);
        }
        if self.sent == self.sent_before && (self.repeat || file.count() > 0) {
            bail!(
                "{}: none of its {} frames can be sent: cut short, or longer than the MTU allows",
                file.path().display(),
                file.count()
            );
        }
        self.sent_before = self.sent;
        Ok(self.repeat && file.rewind()? && file.advance()?)
    }

    /// Stages up to `most` frames of a file.
    fn stage_recorded(
        &mut self,
        most: u64,
        file: &mut RecordedFrames,
        station: &mut Station,
    ) -> Result<()> {
        station.recycle();
        self.waiting = false;
        for _ in 0..most {
            if self.used && !self.advance(file)? {
                self.ended = true;
                return Ok(());
            }
            self.used = false;
            let frame = file.current();
            match self.outgoing.stage(&mut station.tx, &station.pool, frame) {
                Ok(()) => self.sent += 1,
                Err(Reason::Full) => {
                    self.waiting = true;
                    return check_room(Reason::Full, frame.len(), station);
                }
                Err(_) => self.skipped += 1,
            }
            self.used = true;
        }
        Ok(())
    }
}

/// Whether a frame of `length` bytes that was refused will be taken once those on their way have
/// made room.
fn check_room(why: Reason, length: usize, station: &Station) -> Result<()> {
    match why {
        Reason::Full if station.tx.pending() > 0 => Ok(()),
        Reason::Full => {
            bail!("a frame of {length} bytes needs more of --ring or --buffers than there is")
        }
        why => bail!("a frame of {length} bytes cannot be sent: {why}"),
    }
}

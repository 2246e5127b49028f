//! `etsec echo`: every frame goes back to where it came from, in the buffer it came in.

use anyhow::Result;
use etsec_core::rx::RxMeta;

use crate::args::Echo;
use crate::files::Files;
use crate::outgoing::pass_on;
use crate::run::{Context, Run};
use crate::setup::Setup;
use crate::station::Station;

/// Turns of each ring after a break: enough for all that it can hold, usually.
const LAST_TURNS: usize = 64;

/// Runs the command.
pub fn run(args: &Echo, context: &Context) -> Result<()> {
    Files::of([&args.port.device]).check()?;
    let setup = Setup::of_port(&args.port)?.receiving_all(args.promiscuous);
    let mut station = Station::open(&setup, context)?;
    let mut run = Run::new(context, args.until);
    let mut echoed = 0;
    let ended = echo(&mut station, &mut run, &mut echoed);
    if ended.is_err() {
        // What came before a break is still answered.
        for _ in 0..station.rx_rings() * LAST_TURNS {
            let turn = turn(&mut station, run.left(echoed));
            echoed += turn.frames;
            if station.end_turn(turn.idle) {
                break;
            }
        }
    }
    if let Err(error) = station.drain() {
        log::warn!("{error}");
    }
    // A port must be stopped, and what it did told, whatever happened.
    let finished = station.finish(context.out, run.elapsed());
    ended.and(finished)
}

fn echo(station: &mut Station, run: &mut Run, echoed: &mut u64) -> Result<()> {
    while !run.is_over(*echoed) {
        let turn = turn(station, run.left(*echoed));
        *echoed += turn.frames;
        run.end_turn(station, turn.idle)?;
    }
    Ok(())
}

/// What came of a turn.
struct Turn {
    /// Frames that were sent back.
    frames: u64,
    /// Whether nothing can be done before something arrives, or has been sent.
    idle: bool,
}

/// Echoes up to `most` frames that have arrived.
fn turn(station: &mut Station, most: u64) -> Turn {
    if station.takes_tags() {
        return tagged_turn(station, most);
    }
    turn_with(station, most, |_| None)
}

/// The same where the controller takes tags out of frames: they are put in again.
#[cold]
#[inline(never)]
fn tagged_turn(station: &mut Station, most: u64) -> Turn {
    turn_with(station, most, RxMeta::tag)
}

#[inline(always)]
fn turn_with(station: &mut Station, most: u64, tag: impl Fn(&RxMeta) -> Option<u16>) -> Turn {
    let own = station.mac().0;
    let Station { rx, tx, .. } = &mut *station;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // Frames that there is no place for stay where they are. What one look finds is handed on
    // before the next, so that no more can be lost with this process.
    let (found, place) = (rx.look(), most.min(tx.space()));
    let room = found.min(place);
    let (mut taken, mut refused) = (0, 0);
    let mut stager = tx.stager();
    for (mut frame, meta) in rx.arrived().take(room) {
        taken += 1;
        turn_round(&mut frame, own);
        // A frame that is refused goes back to the pool; the queue counts it.
        refused += usize::from(pass_on(&mut stager, frame, tag(&meta)).is_err());
    }
    stager.commit();
    station.recycle();
    let idle = !station.rx.has_arrived() || station.tx.space() == 0;
    Turn { frames: (taken - refused) as u64, idle }
}

/// Makes the sender the destination, and us the sender. What is too short to have them stays as it
/// is.
fn turn_round(frame: &mut [u8], own: [u8; 6]) {
    if frame.len() >= 12 {
        frame.copy_within(6..12, 0);
        frame[6..12].copy_from_slice(&own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_exchanged_and_nothing_else() {
        let mut frame: Vec<u8> = (0..14).collect();
        turn_round(&mut frame, [9; 6]);
        assert_eq!(frame, [6, 7, 8, 9, 10, 11, 9, 9, 9, 9, 9, 9, 12, 13]);
        turn_round(&mut [0; 11], [9; 6]);
    }
}

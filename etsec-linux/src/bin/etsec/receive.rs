//! `etsec receive`: received frames are counted and thrown away, their buffers go back into the
//! ring: for seeing what arrives, and how fast it can.

use anyhow::Result;

use crate::args::Receive;
use crate::files::Files;
use crate::run::{Context, Run};
use crate::setup::Setup;
use crate::station::{Station, TURN};

/// Runs the command.
pub fn run(args: &Receive, context: &Context) -> Result<()> {
    Files::of([&args.port.device]).check()?;
    let setup = Setup::of_port(&args.port)?.receiving_all(args.promiscuous);
    let mut station = Station::open(&setup, context)?;
    let mut run = Run::new(context, args.until);
    let ended = receive(&mut station, &mut run);
    // A port must be stopped, and what it did told, whatever happened.
    let finished = station.finish(context.out, run.elapsed());
    ended.and(finished)
}

fn receive(station: &mut Station, run: &mut Run) -> Result<()> {
    let mut received = 0;
    while !run.is_over(received) {
        let most = run.left(received).min(TURN as u64) as usize;
        let now = station.discard_received(most);
        received += now as u64;
        run.end_turn(station, now < most)?;
    }
    Ok(())
}

//! `etsec capture`: received frames go to a pcapng file, which is complete whenever nothing arrives
//! and at the end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::args::Capture;
use crate::files::Files;
use crate::output::is_reader_gone;
use crate::pcapng::{self, CaptureFile};
use crate::run::{Context, Run, wall_clock};
use crate::setup::Setup;
use crate::station::Station;

/// Under steady traffic the file is completed this often.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: &Capture, context: &Context) -> Result<()> {
    let setup = Setup::of_port(&args.port)?.receiving_all(!args.no_promiscuous);
    Files::of([&args.port.device]).and_written("--write", &args.write).check()?;
    // The file first: a port is not taken over for a capture that cannot be written.
    let out = pcapng::create(&args.write)?;
    let mut file = CaptureFile::new(out, &args.port.device.to_string(), args.snaplen)?;
    let mut station = Station::open(&setup, context)?;
    let mut run = Run::new(context, args.until);
    let ended = copy_frames(&mut station, &mut file, &args.write, &mut run);
    let lost = station.totals().lost;
    // What has been captured is good, whatever became of the port, and the other way round.
    let finished = file.finish(wall_clock(), lost).with_context(|| writing(&args.write));
    let to_file = args.write.as_os_str() != "-";
    let stopped =
        if to_file { station.finish(context.out, run.elapsed()) } else { station.stop().map(drop) };
    match ended.and(finished) {
        Err(error) if !is_reader_gone(&error) => Err(error),
        _ => stopped,
    }
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

fn copy_frames<W: std::io::Write>(
    station: &mut Station,
    file: &mut CaptureFile<W>,
    path: &Path,
    run: &mut Run,
) -> Result<()> {
    let named = || writing(path);
    // As long as any frame can be; only frames in several buffers are gathered in it.
    let mut gathered = vec![0; 10_000];
    let mut flushed = Duration::ZERO;
    while !run.is_over(file.frames()) {
        let before = file.frames();
        while run.left(file.frames()) > 0
            && let Some((frame, _)) = station.rx.next()
        {
            if frame.is_chain() {
                let length = frame.copy_to(&mut gathered);
                file.add(wall_clock(), &gathered[..length]).with_context(named)?;
                drop(frame);
            } else {
                file.add(wall_clock(), &frame).with_context(named)?;
                // What is refused goes back to the pool, and the ring is filled up from there.
                drop(station.rx.refill(frame));
            }
        }
        station.rx.commit();
        station.recycle();
        let idle = file.frames() == before;
        if idle || run.elapsed() - flushed >= FLUSH_EVERY {
            file.flush().with_context(named)?;
            flushed = run.elapsed();
        }
        run.end_turn(station, idle)?;
    }
    Ok(())
}

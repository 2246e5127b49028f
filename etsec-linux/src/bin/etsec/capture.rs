//! `etsec capture`: received frames go to a pcapng file, which is complete whenever nothing arrives
//! and at the end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use etsec_core::Buf;

use crate::args::Capture;
use crate::files::Files;
use crate::output::is_reader_gone;
use crate::pcapng::{self, CaptureFile};
use crate::run::{Context, Run, wall_clock};
use crate::settings::Settings;
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
    let kept = Kept::of(&setup.settings);
    let mut run = Run::new(context, args.until);
    let ended = copy_frames(&mut station, kept, &mut file, &args.write, &mut run);
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

/// What there is of a frame beside its bytes.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// The controller has taken its tag out.
    tags: bool,
    /// Its preamble is in front of it.
    preambles: bool,
    /// It is stamped with the time at which it began.
    stamps: bool,
}

impl Kept {
    fn of(settings: &Settings) -> Self {
        let Settings { vlan, frames, ptp, .. } = settings;
        Kept { tags: vlan.extract, preambles: frames.receive_preamble, stamps: ptp.rx_stamps }
    }

    /// When a frame arrived, since 1970: by its stamp, if the clock goes by that.
    fn time(self, frame: &Buf) -> Duration {
        let stamp = if self.stamps { frame.received_stamp() } else { None };
        stamp.map_or_else(wall_clock, Duration::from_nanos)
    }

    /// Seven octets, and a byte of the controller's.
    fn preamble(self, frame: &mut Buf) -> Option<[u8; 8]> {
        if !self.preambles {
            return None;
        }
        let bytes = frame.prepend(8).and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok());
        if bytes.is_some() {
            frame.trim_front(8);
        }
        bytes
    }
}

/// Gathers a frame with the tag that was taken out of it behind its addresses; returns its length.
fn with_tag(frame: &Buf, tag: u16, gathered: &mut [u8]) -> usize {
    const ADDRESSES: usize = 12;
    let length = frame.copy_to(&mut gathered[4..]) + 4;
    gathered.copy_within(4..4 + ADDRESSES, 0);
    gathered[ADDRESSES..ADDRESSES + 2].copy_from_slice(&[0x81, 0x00]);
    gathered[ADDRESSES + 2..ADDRESSES + 4].copy_from_slice(&tag.to_be_bytes());
    length
}

fn copy_frames<W: std::io::Write>(
    station: &mut Station,
    kept: Kept,
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
            && let Some((mut frame, meta)) = station.rx.next()
        {
            let time = kept.time(&frame);
            let preamble = kept.preamble(&mut frame);
            let preamble = preamble.as_ref();
            if let Some(tag) = meta.tag().filter(|_| kept.tags) {
                let length = with_tag(&frame, tag, &mut gathered);
                file.add(time, &gathered[..length], preamble).with_context(named)?;
            } else if frame.is_chain() {
                let length = frame.copy_to(&mut gathered);
                file.add(time, &gathered[..length], preamble).with_context(named)?;
            } else {
                file.add(time, &frame, preamble).with_context(named)?;
            }
            // What is refused, being a chain for example, goes back to the pool, and the ring is
            // filled up from there.
            drop(station.rx.refill(frame));
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

//! How many frames a second go through the driver and a device: sent, received, and sent back as
//! they came. It measures the device, for the driver is the same.

use std::time::{Duration, Instant};

use etsec_core::Buf;

use super::Device;
use super::station::Station;
use crate::rig::{PEER, Plan, STATION, frame};

/// A frame's bytes without FCS: what the wire carries at the highest rate.
const FRAME_BYTES: usize = 60;
const RING: usize = 64;
/// How long frames are counted at a time. The best of many such counts is what is told: the others
/// were interrupted by what else the machine does.
const SLICE: Duration = Duration::from_millis(2);
/// Rounds between two looks at the clock.
const ROUNDS: usize = 4;
/// How long a device may take for one round.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is done with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The driver sends.
    Transmit,
    /// The driver receives.
    Receive,
    /// The driver sends back what it has received.
    Echo,
}

impl Path {
    /// All of them.
    pub const ALL: [Path; 3] = [Path::Transmit, Path::Receive, Path::Echo];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Path::Transmit => "transmit",
            Path::Receive => "receive",
            Path::Echo => "echo",
        }
    }
}

/// Frames a second, in bursts of `burst`: one doorbell for each burst and direction. `time` is how
/// long to try.
///
/// # Errors
/// Frames that do not get through, or what the device has to complain of, in words.
pub fn measure<D: Device>(
    mut device: D,
    path: Path,
    burst: usize,
    time: Duration,
) -> Result<f64, String> {
    let plan = Plan { rx: vec![RING], tx: vec![RING], buffers: 2 * RING, ..Plan::default() };
    let mut station = Station::new(&mut device, &plan);
    let come = frame(STATION, PEER, FRAME_BYTES, 1);
    let mut round = || match path {
        Path::Transmit => transmit(&mut device, &mut station, burst),
        Path::Receive => receive(&mut device, &mut station, &come, burst),
        Path::Echo => echo(&mut device, &mut station, &come, burst),
    };
    // Warm, and known to work.
    round()?;
    let (started, mut best) = (Instant::now(), 0.0);
    while started.elapsed() < time {
        let (slice, mut frames) = (Instant::now(), 0);
        let seconds = loop {
            for _ in 0..ROUNDS {
                round()?;
            }
            frames += ROUNDS * burst;
            let passed = slice.elapsed();
            if passed >= SLICE {
                break passed.as_secs_f64();
            }
        };
        best = f64::max(best, frames as f64 / seconds);
    }
    device.complaint().map_or(Ok(best), Err)
}

/// Frames that have left are taken off the wire; `burst` of them, or an error.
fn leave<D: Device>(device: &mut D, burst: usize) -> Result<(), String> {
    for n in 0..burst {
        let waited = Instant::now();
        let frame = loop {
            match device.left() {
                Some(frame) => break frame,
                None if waited.elapsed() > PATIENCE => {
                    return Err(format!("{n} of {burst} frames have left"));
                }
                None => std::thread::yield_now(),
            }
        };
        device.done_with(frame);
    }
    Ok(())
}

fn transmit<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    burst: usize,
) -> Result<(), String> {
    let (tx, pool) = (&mut station.parts.tx[0], &station.parts.pool);
    for _ in 0..burst {
        // The bytes of the last use are still in there: what they are does not matter.
        let mut buf = pool.alloc().ok_or("no buffer")?;
        buf.set_len(FRAME_BYTES);
        buf.fill(0x5A);
        tx.stage(buf).map_err(|refused| refused.why.to_string())?;
    }
    send(device, station, burst, |_, buf| {
        drop(buf);
        Ok(())
    })
}

/// Sends what is staged; each buffer is given to `back` when its frame has left.
fn send<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    burst: usize,
    back: impl Fn(&mut Station<D>, Buf) -> Result<(), String>,
) -> Result<(), String> {
    station.parts.tx[0].commit();
    leave(device, burst)?;
    for n in 0..burst {
        let buf = station.parts.tx[0].reap();
        back(station, buf.ok_or_else(|| format!("{n} of {burst} buffers are back"))?)?;
    }
    Ok(())
}

/// Puts a buffer into the receive ring.
fn refill<D: Device>(station: &mut Station<D>, buf: Buf) -> Result<(), String> {
    station.parts.rx[0].refill(buf).map_err(|refused| refused.why.to_string())
}

/// Waits for `burst` frames; each is given to `take`.
fn arrive<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    come: &[u8],
    burst: usize,
    mut take: impl FnMut(&mut Station<D>, Buf) -> Result<(), String>,
) -> Result<(), String> {
    for _ in 0..burst {
        device.arrive(come);
    }
    let waited = Instant::now();
    let mut got = 0;
    while got < burst {
        match station.parts.rx[0].next() {
            Some((buf, _)) => {
                take(station, buf)?;
                got += 1;
            }
            None if waited.elapsed() > PATIENCE => {
                return Err(format!("{got} of {burst} frames have come"));
            }
            None => std::thread::yield_now(),
        }
    }
    Ok(())
}

fn receive<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    come: &[u8],
    burst: usize,
) -> Result<(), String> {
    arrive(device, station, come, burst, refill)?;
    station.parts.rx[0].commit();
    Ok(())
}

fn echo<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    come: &[u8],
    burst: usize,
) -> Result<(), String> {
    arrive(device, station, come, burst, |station, buf| {
        station.parts.tx[0].stage(buf).map_err(|refused| refused.why.to_string())
    })?;
    send(device, station, burst, refill)?;
    station.parts.rx[0].commit();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Simulated;

    #[test]
    fn frames_go_every_path_in_bursts_of_any_length() {
        for path in Path::ALL {
            for burst in [1, 32] {
                let measured = measure(Simulated::new(), path, burst, Duration::ZERO);
                assert!(measured.is_ok(), "{path:?}: {measured:?}");
            }
        }
    }
}

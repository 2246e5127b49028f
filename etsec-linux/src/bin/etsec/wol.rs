//! `etsec wol`: a port that sleeps until a frame wakes it. Putting the computer to sleep meanwhile
//! is somebody else's business.

use anyhow::{Result, bail};
use etsec_core::device::{Wake, WakeFrames};
use etsec_linux::Lines;
use etsec_linux::device::Device;
use etsec_linux::time::Delay;
use serde::Serialize;

use crate::args::{WakeKind, Wol};
use crate::files::Files;
use crate::run::{Context, NAP, Usage};
use crate::station::Setup;

#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    device: String,
}

/// Runs the command.
pub fn run(args: &Wol, context: &Context) -> Result<()> {
    Files::of([&args.port.device]).check()?;
    let mut setup = Setup::of_port(&args.port)?;
    let wake = wake(&args.on)?;
    setup.parser = matches!(wake, Wake::Frames(_));
    let name = setup.device.to_string();
    let device = setup.open()?;
    let mut device = device.start().map_err(|(_, error)| error)?;
    // The link as it is, before the port stops following it.
    device.service(0)?;
    let Device { port, rx, tx, pool, mut waiter, link, config, memory, .. } = device;
    let mut port = match port.sleep(wake, &mut Delay) {
        Ok(port) => port,
        Err((port, error)) => {
            drop(port.stop(&mut Delay));
            return Err(error.into());
        }
    };
    context.out.show(&Shown { event: "asleep", device: name.clone() }, |shown| {
        format!("{}: asleep", shown.device)
    })?;
    let started = std::time::Instant::now();
    let mut woken = false;
    let mut waited = Ok(());
    while !woken && waited.is_ok() && !context.stop.asked() {
        if args.duration.is_some_and(|limit| started.elapsed() >= limit) {
            break;
        }
        waited = waiter.enable(Lines::ALL).and_then(|()| waiter.wait(Some(NAP))).map(drop);
        woken = port.woken();
    }
    let port = port.wake(&mut Delay).map_err(|(_, error)| error)?;
    let device = Device { name: name.clone(), port, rx, tx, pool, waiter, link, config, memory };
    device.stop().map_err(|(_, error)| error)?.close()?;
    waited?;
    if woken {
        return context.out.show(&Shown { event: "woken", device: name }, |shown| {
            format!("{}: woken", shown.device)
        });
    }
    if context.stop.asked() {
        return Ok(());
    }
    bail!("{name}: nothing has woken it in time")
}

/// What is to wake the port.
fn wake(kinds: &[WakeKind]) -> Result<Wake> {
    let mut frames = WakeFrames::empty();
    for kind in kinds {
        frames |= match kind {
            WakeKind::Magic if kinds.len() == 1 => return Ok(Wake::Magic),
            // The receiver looks either for the one or for the others (HW 13.3).
            WakeKind::Magic => bail!(Usage("magic is looked for alone, or not at all".into())),
            WakeKind::Unicast => WakeFrames::UNICAST,
            WakeKind::Multicast => WakeFrames::MULTICAST,
            WakeKind::Broadcast => WakeFrames::BROADCAST,
            WakeKind::Arp => WakeFrames::ARP,
        };
    }
    Ok(Wake::Frames(frames))
}

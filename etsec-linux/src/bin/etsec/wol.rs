//! `etsec wol`: a port that sleeps until a frame wakes it. Putting the computer to sleep meanwhile
//! is somebody else's business.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use etsec_core::Running;
use etsec_core::device::{Sleeping, Sleepless, Wake, WakeFrames};
use etsec_linux::device::Device;
use etsec_linux::time::Delay;
use etsec_linux::wait::Waiter;
use etsec_linux::{AnyBus, Error, Lines};
use serde::Serialize;

use crate::args::{WakeKind, Wol};
use crate::files::Files;
use crate::notify::Notify;
use crate::output::is_reader_gone;
use crate::run::{Context, NAP, Usage};
use crate::setup::Setup;

/// Autonegotiation takes a few seconds.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    let opened = setup.open(&context.tracer)?;
    let mut device = opened.start()?;
    let proved = device.prove_reception();
    if let Err(error) = proved.and_then(|()| await_link(&mut device, context)) {
        device.stop().map_err(|(_, error)| error)?;
        return Err(error.into());
    }
    let Device { port, rx, tx, pool, mut waiter, second, link, config, reception, memory, .. } =
        device;
    let mut port = match port.sleep(wake, &mut Delay) {
        Ok(port) => port,
        Err(sleepless) => {
            let error = sleepless.error();
            // One that went away halfway does not answer, so it cannot be stopped.
            if let Sleepless::Awake(port, _) = sleepless {
                drop(port.stop(&mut Delay));
            }
            return Err(error.into());
        }
    };
    let said = context.out.show(&Shown { event: "asleep", device: name.clone() }, |shown| {
        format!("{}: asleep", shown.device)
    });
    // Whatever happens from here on, the port is woken and stopped before anything is told of it.
    let woken = match said {
        Err(error) if !is_reader_gone(&error) => Err(error),
        _ => watch(args, context, &mut port, &mut waiter),
    };
    // What does not answer cannot be stopped either; its memory stays lent.
    let port = port.wake(&mut Delay).map_err(|(_, error)| error)?;
    let device = Device {
        name: name.clone(),
        port,
        rx,
        tx,
        pool,
        waiter,
        second,
        link,
        config,
        reception,
        memory,
    };
    device.stop().map_err(|(_, error)| error)?.close()?;
    match woken? {
        true => context.out.show(&Shown { event: "woken", device: name }, |shown| {
            format!("{}: woken", shown.device)
        }),
        false if context.stop.asked() => Ok(()),
        false => bail!("{name}: nothing has woken it in time"),
    }
}

/// Lets the port follow its link until there is one: asleep, it does not.
fn await_link(device: &mut Device<Running<AnyBus>>, context: &Context) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let passed = started.elapsed();
        device.service(u32::try_from(passed.as_millis()).unwrap_or(u32::MAX))?;
        if device.link.link().is_some() || context.stop.asked() {
            return Ok(());
        }
        if passed > LINK_WAIT {
            log::warn!("{}: the link is down, and will not be followed from here on", device.name);
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until a frame wakes the port; false if none does in time, or the user wants to end.
fn watch(
    args: &Wol,
    context: &Context,
    port: &mut Sleeping<AnyBus>,
    waiter: &mut Waiter,
) -> Result<bool> {
    let started = Instant::now();
    let mut notify = Notify::ready();
    context.stop.wake(waiter, 0)?;
    while !context.stop.asked() && args.duration.is_none_or(|limit| started.elapsed() < limit) {
        waiter.enable(Lines::ALL)?;
        waiter.wait(Some(NAP))?;
        notify.alive(Instant::now());
        if port.woken() {
            return Ok(true);
        }
    }
    Ok(false)
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

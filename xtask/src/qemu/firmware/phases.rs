//! What the images are put through, phase by phase. Each notes its figures in the summary; an error
//! ends the boot.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::frames::{self, LONGEST, OUR_MAC, SECOND_MAC, SHORTEST};
use super::guest::{Guest, MOMENT, number};
use super::summary::{Echoes, Summary};
use crate::qemu::wire::Wire;

/// Datagrams of each of the big phases; all frame lengths come up at least six times.
const ECHOES: u32 = 10_000;
/// And of those that see whether all is well again.
const AFTERWARDS: u32 = 1000;
const PINGS: u16 = 20;
/// How long an answer is waited for before the question is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// Numbers from here on are of frames that only ask whether all before them is done.
const MARKERS: u32 = u32::MAX / 2;
const TX_RINGS: usize = 8;
/// Frames that overrun the second port's ring: five fit, a sixth in part, three must wait.
const OVERRUN: u32 = 9;
const OVERRUN_BYTES: usize = 1400;
/// Bytes of a receive buffer of the second port.
const SECOND_BUFFER: usize = 512;

/// The whole image.
pub fn firmware(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    let ready = guest.event("ready").context("booting")?;
    ensure!(ready["device_tree"] == true, "it did not understand the device tree: {ready}");
    answers(guest, summary)?;
    let wire = &mut guest.wires[0];
    summary.paced = paced(wire, 0, ECHOES)?;
    summary.unpaced = unpaced(wire, ECHOES, ECHOES)?;
    summary.afterwards = paced(wire, 2 * ECHOES, AFTERWARDS)?;
    bursts(guest, summary)?;
    interrupts(guest, summary)?;
    overrun(guest, summary)?;
    guest.ask("off", "end")?;
    guest.powered_off()?;
    summary.powered_off = true;
    Ok(())
}

/// An access to nowhere, which must be reported and end the image.
pub fn fault(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    guest.event("ready").context("booting")?;
    let exception = guest.ask("fault", "exception")?;
    ensure!(exception["ivor"] == "0x0000000d", "a data TLB miss was awaited: {exception}");
    guest.powered_off()?;
    summary.exception = true;
    Ok(())
}

/// The image that is measured: it echoes every frame, and says nothing.
pub fn minimal(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    let wire = &mut guest.wires[0];
    // It does not say when it is ready.
    catch_up(
        wire,
        |number| {
            let frame = frames::own(frames::MAC, number, SHORTEST);
            Ok([frame.clone(), reversed(&frame)])
        },
        |_| Ok(()),
    )?;
    for (number, len) in (1..).zip(SHORTEST..=LONGEST) {
        let frame = frames::own(frames::MAC, number, len);
        let answer = exchange(wire, &frame, &reversed(&frame), MOMENT)?;
        summary.minimal.count(answer);
    }
    Ok(())
}

/// ARP and ping.
fn answers(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    let wire = &mut guest.wires[0];
    let [ask, answer] = frames::arp()?;
    summary.arp = exchange(wire, &ask, &answer, MOMENT)? == Answer::Same;
    for n in 0..PINGS {
        let len = SHORTEST + usize::from(n) * (LONGEST - SHORTEST) / usize::from(PINGS - 1);
        let [ask, answer] = frames::ping(n, len)?;
        summary.ping.count(exchange(wire, &ask, &answer, MOMENT)?);
    }
    Ok(())
}

/// A burst on each transmit ring: what the image says it has sent, and what is on the wire.
fn bursts(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    for ring in 0..TX_RINGS {
        let said = guest.ask(&format!("burst {ring}"), "burst")?;
        let (staged, sent) = (number(&said, "staged")?, number(&said, "sent")?);
        ensure!(sent == staged && sent > 0, "ring {ring} did not finish: {said}");
        for n in 0..sent {
            let frame = guest.wires[0].receive(MOMENT)?;
            let frame = frame.with_context(|| format!("ring {ring}: {n} on the wire of {sent}"))?;
            let seen = frames::of_burst(frame).context("a damaged frame in a burst")?;
            ensure!(seen == (ring, n as usize), "ring {ring} was to send {n}, and sent {seen:?}");
        }
        summary.bursts.push(sent);
    }
    Ok(())
}

/// Traffic by interrupt, one datagram at a time and then as fast as they go. A lost wake-up would
/// show as a missing echo, or as a frame that only the tick has found.
fn interrupts(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    let before = guest.ask("counters", "counters")?;
    let mode = guest.ask("interrupt", "mode")?;
    ensure!(mode["mode"] == "interrupt", "the image is in another mode: {mode}");
    let wire = &mut guest.wires[0];
    let first = 2 * ECHOES + AFTERWARDS;
    summary.by_interrupt = paced(wire, first, AFTERWARDS)?;
    unpaced(wire, first + AFTERWARDS, AFTERWARDS)?.add_to(&mut summary.unpaced);
    paced(wire, first + 2 * AFTERWARDS, AFTERWARDS)?.add_to(&mut summary.by_interrupt);
    let after = guest.ask("counters", "counters")?;
    let grown = |name: &str| Ok::<_, anyhow::Error>(number(&after, name)? - number(&before, name)?);
    summary.interrupts = grown("rx_interrupts")? + grown("tx_interrupts")?;
    summary.sleeps = grown("sleeps")?;
    let (woken, late) = (grown("by_interrupt")?, grown("by_tick")?);
    (summary.frames_by_interrupt, summary.frames_by_tick) = (woken, late);
    ensure!(grown("rx_interrupts")? > 0, "no receive interrupt was taken: {after}");
    ensure!(grown("tx_interrupts")? > 0, "no transmit interrupt was taken: {after}");
    ensure!(summary.sleeps > 0, "it never slept: {after}");
    ensure!(late == 0, "{late} frames never interrupted, a tick found them: {after}");
    let mode = guest.ask("poll", "mode")?;
    ensure!(mode["mode"] == "poll", "the image is in another mode: {mode}");
    Ok(())
}

/// The second port's ring overruns while nobody looks at it. QEMU keeps the frame it could not
/// store, stalls, and goes on one descriptor further than a driver expects (HW 15.3); it damages
/// that one frame, which the image then drops. All else must come back, also afterwards.
fn overrun(guest: &mut Guest, summary: &mut Summary) -> Result<()> {
    guest.ask("deaf", "deaf")?;
    let wire = &mut guest.wires[1];
    let sent: Vec<_> = (0..OVERRUN).map(|n| frames::own(SECOND_MAC, n, OVERRUN_BYTES)).collect();
    for frame in &sent {
        ensure!(wire.send(frame)?, "a frame of the overrun was lost on the way");
    }
    guest.event("listening")?;
    let (mut came, mut damaged, started) = (0, 0, Instant::now());
    while came + damaged < u64::from(OVERRUN) && started.elapsed() < MOMENT {
        while let Some(frame) = guest.wires[1].receive(AGAIN)? {
            ensure!(sent.iter().any(|sent| sent == frame), "a damaged frame after the overrun");
            came += 1;
        }
        guest.command("counters")?;
        damaged = number(&guest.event("scatter")?, "damaged")?;
    }
    summary.overrun.sent = OVERRUN.into();
    summary.overrun.came = came;
    let wire = &mut guest.wires[1];
    let lens = (SHORTEST..=LONGEST).step_by(10).filter(|len| !spills_fcs(*len));
    for (n, len) in (OVERRUN..).zip(lens) {
        let frame = frames::own(SECOND_MAC, n, len);
        summary.after_overrun.count(exchange(wire, &frame, &frame, MOMENT)?);
    }
    guest.command("counters")?;
    let counters = guest.event("scatter")?;
    summary.resyncs = number(&counters, "resyncs")?;
    ensure!(summary.resyncs > 0, "the ring was not overrun: {counters}");
    ensure!(
        came + damaged == u64::from(OVERRUN),
        "of {OVERRUN} frames {came} came back and {damaged} were damaged by the model: {counters}"
    );
    Ok(())
}

/// Whether the last buffer of such a frame would hold bytes of the FCS only: the model never
/// finishes those (HW 15.3).
fn spills_fcs(len: usize) -> bool {
    (1..=4).contains(&((len + 4) % SECOND_BUFFER))
}

/// Datagrams one at a time: the next is sent when the last has come back. One that does not ends
/// it, for what came late would be taken for the next one's.
fn paced(wire: &mut Wire, first: u32, count: u32) -> Result<Echoes> {
    let mut echoes = Echoes::default();
    for n in first..first + count {
        let [ask, answer] = frames::echo(n)?;
        let came = exchange(wire, &ask, &answer, MOMENT)?;
        echoes.count(came);
        if came == Answer::None {
            break;
        }
    }
    Ok(echoes)
}

/// Datagrams as fast as the wire takes them. Each echo that comes must be what its number says.
fn unpaced(wire: &mut Wire, first: u32, count: u32) -> Result<Echoes> {
    let mut echoes = Echoes { sent: count.into(), ..Echoes::default() };
    let mut seen = vec![false; count as usize];
    let mut judge = |frame: &[u8]| -> Result<()> {
        let number = frames::echo_number(frame);
        if number.is_some_and(|number| number >= MARKERS) {
            return Ok(());
        }
        let place = number.and_then(|n| n.checked_sub(first));
        let Some(seen) = place.and_then(|at| seen.get_mut(at as usize)) else {
            echoes.different += 1;
            return Ok(());
        };
        let [_, answer] = frames::echo(first + place.unwrap_or(0))?;
        if *seen || answer != frame {
            echoes.different += 1;
        } else {
            *seen = true;
            echoes.came += 1;
        }
        Ok(())
    };
    for n in first..first + count {
        wire.send(&frames::echo(n)?[0])?;
        while let Some(frame) = wire.receive(Duration::ZERO)? {
            judge(frame)?;
        }
    }
    catch_up(wire, frames::echo, judge)?;
    Ok(echoes)
}

/// Asks, with a number that grows, until the last question is answered: all that was sent before is
/// done with then. `judge` is given all else that comes.
fn catch_up(
    wire: &mut Wire,
    make: impl Fn(u32) -> Result<[Vec<u8>; 2]>,
    mut judge: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    for number in MARKERS.. {
        let [ask, answer] = make(number)?;
        wire.send(&ask)?;
        while let Some(frame) = wire.receive(AGAIN)? {
            if frame == answer {
                return Ok(());
            }
            judge(frame)?;
        }
        ensure!(started.elapsed() < MOMENT, "nothing comes back any more");
    }
    Ok(())
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What was awaited.
    Same,
    /// Something else.
    Different,
    /// Nothing.
    None,
}

/// Sends a frame and compares what comes.
fn exchange(wire: &mut Wire, ask: &[u8], answer: &[u8], limit: Duration) -> Result<Answer> {
    wire.send(ask)?;
    Ok(match wire.receive(limit)? {
        None => Answer::None,
        Some(frame) if frame == answer => Answer::Same,
        Some(_) => Answer::Different,
    })
}

/// As the minimal image sends it back.
fn reversed(frame: &[u8]) -> Vec<u8> {
    [&OUR_MAC[..], &frames::MAC, &frame[12..]].concat()
}

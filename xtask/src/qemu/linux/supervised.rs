//! `etsec supervise`: a command that is killed under traffic is started again and goes on with the
//! port; one that dies too often is given up, and the port with it.

use anyhow::{Context, Result, ensure};

use super::numbered::Numbered;
use super::rig::{ETSEC, LIMIT, Rig};
use super::way::Way;
use crate::guest::Program;

/// New starts that the supervisor grants.
const RESTARTS: u64 = 3;
/// Frames that each process sends back before it is killed.
const LIFE_FRAMES: u64 = 200;

/// Over huge pages, whose file stays.
pub fn huge_pages(rig: &mut Rig) -> Result<String> {
    supervised(rig, Way::HugePages)
}

/// Over the module, which would stop the port if the supervisor did not hold its device file.
pub fn module(rig: &mut Rig) -> Result<String> {
    supervised(rig, Way::Module)
}

fn supervised(rig: &mut Rig, way: Way) -> Result<String> {
    way.keep(rig, false)?;
    let device = way.device();
    let program = rig.start(&format!(
        "-v supervise --pause 0.05 --restarts {RESTARTS} --device {device} -- \
         {ETSEC} -v echo --quiet --promiscuous --adopt --device {device}"
    ))?;
    let (mut pid, said) = running(rig, &program)?;
    ensure!(said.contains(": not taken over: no process has left it"), "the first says {said:?}");
    let traffic = Numbered::start(rig)?;
    for _ in 0..RESTARTS {
        traffic.await_more(LIFE_FRAMES)?;
        let from = traffic.next();
        rig.kill_from_beside(pid)?;
        traffic.died(from);
        let (heir, said) = running(rig, &program)?;
        let wanted = way.heir_of(pid);
        ensure!(said.contains(&wanted), "instead of {wanted:?} it said {said:?}");
        way.has_left(rig, heir)?;
        pid = heir;
    }
    let sums = traffic.finish()?;
    ensure!(sums.ok(), "{}", sums.render());
    // Once too often.
    rig.kill_from_beside(pid)?;
    let ended = rig.guest.finish(program, LIMIT)?;
    let words = format!("was started again {RESTARTS} times for nothing");
    ensure!(ended.status == Some(1), "status {:?}: {}", ended.status, ended.err());
    ensure!(ended.err().contains(&words), "it did not say {words:?}: {}", ended.err());
    way.has_ended(rig)?;
    Ok(format!("{}; then given up, and the port stopped", sums.render()))
}

/// Waits until the command runs; its process, and what it says of having taken over.
fn running(rig: &mut Rig, program: &Program) -> Result<(u32, String)> {
    let (mut pid, mut adoption, mut started) = (None, None, false);
    rig.guest.line(program, "a running command", LIMIT, |line| {
        if let Some((_, rest)) = line.text.split_once("the command runs as process ") {
            pid = rest.split(' ').next().and_then(|number| number.parse().ok());
        }
        if line.text.contains("taken over") {
            adoption = Some(line.text.clone());
        }
        started |= line.text.contains(": started, station address ");
        (pid.is_some() && adoption.is_some() && started).then_some(())
    })?;
    Ok((pid.context("no process")?, adoption.unwrap_or_default()))
}

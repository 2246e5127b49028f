//! Processes that die and processes that take over what they had, all of them in this one.

use etsec_core::adopt::{AdoptError, Adoption};
use etsec_core::{Arena, Bus, Pages, Stopped};
use etsec_sim::{Sim, SimConfig, WireSpeed};

use crate::rig::{Live, PEER, Plan, Rx, STATION, frame};

/// The process dies: no destructor runs, and the device goes on.
pub fn die<B: Bus>(live: Live<B>) -> Sim {
    let sim = live.sim.clone();
    std::mem::forget(live);
    sim
}

/// Another one takes over what it had. Returns how many buffers came home as well.
///
/// # Errors
/// Why it could not; the controller was reset then, and nothing of the memory is in use.
///
/// # Panics
/// If the region is not one.
pub fn adopt(sim: &Sim, plan: &Plan) -> Result<(Live, Adoption, usize), AdoptError> {
    adopt_through(sim, plan, sim.bus())
}

/// The same with `bus` in front of the registers.
///
/// # Errors
/// As [`adopt`].
///
/// # Panics
/// As [`adopt`].
pub fn adopt_through<B: Bus + Clone>(
    sim: &Sim,
    plan: &Plan,
    bus: B,
) -> Result<(Live<B>, Adoption, usize), AdoptError> {
    adopt_with(sim, plan, bus, |_, _| ())
}

/// The same with what else is to be set before the port is taken over.
///
/// # Errors
/// As [`adopt`].
///
/// # Panics
/// As [`adopt`].
pub fn adopt_with<B: Bus + Clone>(
    sim: &Sim,
    plan: &Plan,
    bus: B,
    set: impl FnOnce(&mut Stopped<B>, &mut [Rx<B>]),
) -> Result<(Live<B>, Adoption, usize), AdoptError> {
    adopt_on(sim, plan, Pages::single(bus), set)
}

/// The same with all register pages.
///
/// # Errors
/// As [`adopt`].
///
/// # Panics
/// As [`adopt`].
pub fn adopt_on<B: Bus + Clone>(
    sim: &Sim,
    plan: &Plan,
    pages: Pages<B>,
    set: impl FnOnce(&mut Stopped<B>, &mut [Rx<B>]),
) -> Result<(Live<B>, Adoption, usize), AdoptError> {
    let region = sim.region_again().expect("it is still there");
    // SAFETY: who had it is forgotten.
    let left = unsafe { Arena::adopt(region) }.map_err(|(_, error)| error).expect("a region");
    let (arena, pool) = (left.arena, left.pool);
    let mut delay = sim.delay();
    let mut port = Stopped::over(pages, plan.config.clone()).expect("an eTSEC");
    port.set_rx_offload(plan.rx_offload).expect("as before");
    port.set_tx_offload(plan.tx_offload).expect("as before");
    port.set_frame_options(plan.frame_options).expect("as before");
    if let Some(counters) = left.counters {
        port.keep_counters(counters);
    }
    let (mut rx, mut tx) = (Vec::new(), Vec::new());
    for ring in left.rings {
        match (ring.rx(), ring.tx()) {
            (Some(n), _) => rx.push(port.add_rx(n, ring.memory).expect("free")),
            (_, Some(n)) => tx.push(port.add_tx(n, ring.memory).expect("free")),
            _ => {}
        }
    }
    rx.sort_by_key(|queue| queue.number());
    tx.sort_by_key(|queue| queue.number());
    set(&mut port, &mut rx);
    match port.adopt(&mut rx, &mut tx, &[&pool], &mut delay) {
        Ok((port, found)) => {
            let reclaimed = pool.reclaim();
            let sim = sim.clone();
            Ok((Live { port, rx, tx, pool, arena, delay, sim }, found, reclaimed))
        }
        Err((mut port, error)) => {
            port.bring_up(&mut delay).expect("a reset");
            drop((port, rx, tx));
            pool.reclaim();
            drop(pool);
            assert!(arena.retire().is_ok(), "nothing of it is left");
            Err(error)
        }
    }
}

/// What is taken over: a ring each way, at the speed of the link.
#[must_use]
pub fn plan(rx: usize, tx: usize) -> Plan {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    Plan { sim, rx: vec![rx], tx: vec![tx], buffers: 2 * (rx + tx), ..Plan::default() }
}

/// A frame with a number.
#[must_use]
pub fn numbered(n: u32) -> Vec<u8> {
    let mut bytes = frame(STATION, PEER, 60 + (n % 200) as usize, 0);
    bytes[20..24].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Its number.
///
/// # Panics
/// If it is too short.
#[must_use]
pub fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[20..24].try_into().expect("four bytes"))
}

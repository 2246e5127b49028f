//! Are registers touched in the order of HW 8.1–8.4 where the order matters?

use etsec_core::{Bus, Event, Line};
use etsec_sim::{Fault, Sim, SimBus, SimConfig};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};
use etsec_tests::trace::{Access, Traced, first, last};

fn writes(at: u16, value: impl Fn(u32) -> bool) -> impl Fn(Access) -> bool {
    move |access| matches!(access, Access::Write(a, v) if a == at && value(v))
}

fn rig() -> (Rig<Traced<SimBus>>, Traced<SimBus>) {
    let sim = Sim::new(SimConfig::default());
    let bus = Traced::new(sim.bus());
    (Rig::through(&sim, &Plan::default(), bus.clone()), bus)
}

const ENABLES: u32 = 0x5;
const RESET: u32 = 0x8000_0000;

#[test]
fn attach_stops_then_resets_then_programs() {
    let (rig, bus) = rig();
    let log = bus.take();
    let rings_off = first(&log, "RQUEUE = 0", writes(at::RQUEUE, |v| v == 0));
    let asked =
        first(&log, "GRS and GTS", writes(at::DMACTRL, |v| v & (at::GRS | at::GTS) == 0x18));
    let disabled = first(&log, "Rx_EN and Tx_EN off", writes(at::MACCFG1, |v| v & ENABLES == 0));
    let reset = first(&log, "Soft_Reset", writes(at::MACCFG1, |v| v == RESET));
    let released = reset + first(&log[reset..], "its end", writes(at::MACCFG1, |v| v == 0));
    let masked = last(&log, "IMASK = 0", writes(at::IMASK, |v| v == 0));
    let cleared = last(&log, "IEVENT = ones", writes(at::IEVENT, |v| v == u32::MAX));
    let mac = first(&log, "MACCFG2", writes(at::MACCFG2, |_| true));
    let order = [rings_off, asked, disabled, reset, released, masked, cleared, mac];
    assert!(order.is_sorted(), "{order:?}");
    // HW 8.3: the request is an edge, and its completion is waited for before the enables go.
    let edge = writes(at::DMACTRL, |v| v & (at::GRS | at::GTS) == 0);
    assert!(log[..asked].iter().any(|access| edge(*access)));
    assert!(log[asked..disabled].contains(&Access::Read(at::IEVENT)));
    // Nothing of the MAC runs, and no ring is told before the start.
    assert!(!log.iter().any(|access| writes(at::MACCFG1, |v| v & ENABLES != 0)(*access)));
    assert!(!log[..disabled].iter().any(|access| writes(at::RBASE0, |_| true)(*access)));
    rig.finish();
}

#[test]
fn start_gives_rings_before_it_lets_anything_run() {
    let (rig, bus) = rig();
    let _ = bus.take();
    let live = rig.start();
    let log = bus.take();
    let base = last(&log, "RBASE0", writes(at::RBASE0, |v| v != 0));
    let high = last(&log, "RBASEH", writes(0x400, |_| true));
    let published = base + first(&log[base..], "a barrier", |access| access == Access::Publish);
    let rings = first(&log, "RQUEUE", writes(at::RQUEUE, |v| v & 0x80 != 0));
    let dma = last(&log, "DMACTRL", writes(at::DMACTRL, |v| v == at::DMACTRL_RUNNING));
    let halts = first(&log, "RSTAT", writes(at::RSTAT, |v| v == 0x0080_0000));
    let enabled = first(&log, "the enables", writes(at::MACCFG1, |v| v & ENABLES == ENABLES));
    let mask = last(&log, "IMASK", writes(at::IMASK, |v| v == Event::DEFAULT_MASK.bits()));
    let order = [high, base, published, rings, dma, halts, enabled, mask];
    assert!(order.is_sorted(), "{order:?}");
    live.finish();
}

#[test]
fn a_stop_masks_asks_waits_and_disables() {
    let (rig, bus) = rig();
    let live = rig.start();
    let _ = bus.take();
    let rig = live.stop();
    let log = bus.take();
    let masked = first(&log, "IMASK = 0", writes(at::IMASK, |v| v == 0));
    let cleared = first(&log, "IEVENT", writes(at::IEVENT, |v| v == 0x0200_0100));
    let asked = first(&log, "GRS and GTS", writes(at::DMACTRL, |v| v & 0x18 == 0x18));
    let disabled = first(&log, "Rx_EN and Tx_EN off", writes(at::MACCFG1, |v| v & ENABLES == 0));
    let position = first(&log, "the position", |access| access == Access::Read(at::TBPTR0));
    let order = [masked, cleared, asked, disabled, position];
    assert!(order.is_sorted(), "{order:?}");
    let resets = writes(at::MACCFG1, |v| v & RESET != 0);
    assert!(!log.iter().any(|access| resets(*access)), "it stopped by itself");
    rig.finish();
}

#[test]
fn imask_is_written_at_start_and_stop_only() {
    let (rig, bus) = rig();
    let mut live = rig.start();
    let _ = bus.take();
    live.exchange(1);
    live.sim.inject(Fault::LateCollision);
    live.send(0, &frame(PEER, STATION, 60, 0));
    live.settle(2);
    live.port.set_link("100/half".parse().unwrap(), &mut live.delay).unwrap();
    let filter = live.port.config().filter;
    live.port.set_filter(&filter, &mut live.delay).unwrap();
    let mut handler = live.port.events();
    for line in Line::ALL {
        handler.take(line);
    }
    handler.recover();
    let any = writes(at::IMASK, |_| true);
    assert!(!bus.take().into_iter().any(&any));
    assert_eq!(live.sim.bus().read(at::IMASK), 0xF171_0083);
    let rig = live.stop();
    assert_eq!(bus.take().into_iter().filter(|access| any(*access)).count(), 1);
    assert_eq!(rig.sim.bus().read(at::IMASK), 0);
    rig.finish();
}

#[test]
fn a_change_of_the_filter_happens_with_the_receiver_stopped() {
    let (rig, bus) = rig();
    let mut live = rig.start();
    let _ = bus.take();
    let filter = live.port.config().filter;
    live.port.set_filter(&filter, &mut live.delay).unwrap();
    let log = bus.take();
    let asked = first(&log, "GRS", writes(at::DMACTRL, |v| v & 0x18 == at::GRS));
    let waited = asked + first(&log[asked..], "a look", |a| a == Access::Read(at::IEVENT));
    let changed = first(&log, "RCTRL", writes(at::RCTRL, |_| true));
    let resumed = last(&log, "its end", writes(at::DMACTRL, |v| v & 0x18 == 0));
    let order = [asked, waited, changed, resumed];
    assert!(order.is_sorted(), "{order:?}");
    live.finish();
}

#[test]
fn the_stop_in_a_reset_is_followed_by_new_bases_and_positions() {
    let (rig, bus) = rig();
    let mut live: Live<_> = rig.start();
    (0..5).for_each(|seed| live.exchange(seed));
    let _ = bus.take();
    live.port.reset(&mut live.delay).unwrap();
    let log = bus.take();
    let reset = first(&log, "Soft_Reset", writes(at::MACCFG1, |v| v == RESET));
    let base = first(&log, "TBASE0", writes(at::TBASE0, |_| true));
    let position = first(&log, "TBPTR0", writes(at::TBPTR0, |_| true));
    let enabled = last(&log, "the enables", writes(at::MACCFG1, |v| v & ENABLES == ENABLES));
    // HW 8.4: soft reset does not reset the rings; writing the base does.
    let order = [reset, base, position, enabled];
    assert!(order.is_sorted(), "{order:?}");
    live.exchange(9);
    live.finish();
}

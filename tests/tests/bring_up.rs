//! Does the driver get the controller from any state to a working one, and back to rest? (HW
//! 8.1–8.4)

use etsec_core::{Arena, Bus, Error, Pages, Region, Stopped, arena};
use etsec_sim::random::Random;
use etsec_sim::{Fault, Sim, SimConfig, SimRegion, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};
use etsec_tests::trace::{Access, Traced};
use etsec_tests::{all_rings, at};

/// Registers whose every bit pattern a boot loader could have left, and that do not start anything
/// by themselves.
fn scramble(sim: &Sim, rng: &mut Random) {
    let bus = sim.bus();
    let plain = [0x014, 0x018, 0x028, 0x030, 0x08C, 0x098, 0x09C, 0x108, 0x110, 0x140, 0x144];
    let more = [0x310, 0x330, 0x340, 0x508, 0x50C, 0x510, 0x738, 0x73C, 0xBF8, 0xBFC];
    for at in plain.into_iter().chain(more) {
        bus.write(at, rng.next() as u32);
    }
    let counters = (0x680..=0x72C).step_by(4);
    let addresses = (0x540..0x5C0).step_by(4);
    let hashes = (0x800..0x820).chain(0x880..0x8A0).step_by(4);
    for at in counters.chain(addresses).chain(hashes) {
        bus.write(at, rng.next() as u32);
    }
    for at in [at::TQUEUE, at::RQUEUE, at::TCTRL, at::RCTRL, at::ECNTRL, at::MACCFG2] {
        bus.write(at, rng.next() as u32);
    }
    bus.write(at::DMACTRL, rng.next() as u32 & 0x0000_00DB);
    bus.write(at::MACCFG1, rng.next() as u32 & 0x800F_0135);
}

#[test]
fn from_whatever_state_the_registers_are_in() {
    for seed in 0..200 {
        let sim = Sim::new(SimConfig::default());
        scramble(&sim, &mut Random::new(seed));
        let plan = Plan::default();
        let mut live = Rig::on(&sim, &plan).start();
        // What the scrambling did wrong is not the driver's.
        sim.violations();
        assert_eq!(live.port.mib().iter().map(|(_, total)| total).sum::<u64>(), 0, "seed {seed}");
        live.exchange(seed as u8);
        assert_eq!(sim.violations(), [], "seed {seed}");
        live.finish();
    }
}

/// Registers a driver may leave as it finds them: weights and filer, which this port does not use,
/// and halts of rings it does not have.
fn left_alone(at: u16) -> bool {
    let (weights, filer, halts) = ([0x140, 0x144], 0x330..=0x33C, [at::TSTAT, at::RSTAT]);
    weights.contains(&at) || filer.contains(&at) || halts.contains(&at)
}

/// Everything that decides what goes where; the same whatever was there before.
#[test]
fn registers_after_a_start_do_not_depend_on_those_before() {
    let dump = |sim: &Sim| {
        let live = Rig::on(sim, &Plan::default()).start();
        let offsets = (0x000..0xC00).step_by(4).filter(|at| !left_alone(*at));
        let values: Vec<(u16, u32)> = offsets.map(|at| (at, sim.bus().read(at))).collect();
        live.finish();
        values
    };
    let clean = Sim::new(SimConfig::default());
    let expected = dump(&clean);
    for seed in 0..50 {
        let sim = Sim::new(SimConfig::default());
        scramble(&sim, &mut Random::new(seed));
        let found = dump(&sim);
        sim.violations();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "seed {seed}, offset {:#x}", found.0);
        }
    }
}

#[test]
fn a_previous_owner_with_everything_running_is_stopped_before_its_memory_is_gone() {
    let sim = Sim::new(SimConfig::default());
    let mut before = all_rings::start_on(&sim);
    before.exchange(1);
    // Left with frames ready, events set, GRS and GTS asked for and nobody to look after it.
    before.tx[0].stage(before.pool.frame(&frame(PEER, STATION, 100, 2)).unwrap()).unwrap();
    sim.bus().write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS | at::GTS);
    before.tx[0].commit();
    sim.inject(Fault::Parity);
    let Live { port, rx, tx, pool, arena, .. } = before;
    drop((port, rx, tx, pool));
    let kept = arena.retire().map(drop).expect_err("the device may still write there");

    let mut after = Rig::on(&sim, &Plan::default()).start();
    assert_eq!(sim.bus().read(at::IEVENT), 0);
    after.exchange(3);
    // Only the new owner's memory is in use.
    let rings = [0x204, 0x404].map(|at| u64::from(sim.bus().read(at)));
    let region = after.tx[0].number();
    assert_eq!((region, rings[0] != 0 && rings[1] != 0), (0, true));
    assert_eq!(sim.bus().read(at::RQUEUE) & 0xFF, 0x80, "rings of the previous owner are off");
    assert_eq!(sim.bus().read(at::TQUEUE), 0x8000);
    assert_eq!(sim.transmitted(), None, "its last frame never leaves");
    after.finish();
    drop(kept);
}

/// Rings and buffers of an owner that used no driver of ours: four RxBDs at 0, a TxBD at 0x100,
/// buffers from 0x1000.
fn foreign_owner(sim: &Sim) -> SimRegion {
    let mut region = sim.region(0x4000);
    let base = region.bus().low();
    for n in 0..4u32 {
        let flags: u32 = if n == 3 { 0xB000 } else { 0x9000 };
        let bd = [flags << 16, base + 0x1000 + 0x600 * n].map(u32::to_be_bytes).concat();
        sim.store(&mut region, 8 * n as usize, &bd);
    }
    let bd = [0xBC00 << 16 | 200, base + 0x3000].map(u32::to_be_bytes).concat();
    sim.store(&mut region, 0x3000, &[0x77; 200]);
    sim.store(&mut region, 0x100, &bd);
    let bus = sim.bus();
    bus.publish();
    let registers = [(at::MRBLR, 0x600), (at::RBASE0, base), (at::TBASE0, base + 0x100)];
    let enables = [(at::RQUEUE, 0x80), (at::TQUEUE, 0x8000), (at::MACCFG2, 0x7205)];
    let start = [(at::RCTRL, 8), (at::DMACTRL, at::DMACTRL_RUNNING), (at::MACCFG1, 5)];
    registers.into_iter().chain(enables).chain(start).for_each(|(at, value)| bus.write(at, value));
    region
}

#[test]
fn memory_of_a_foreign_owner_is_not_touched_once_the_driver_is_attached() {
    let sim = Sim::new(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    let region = foreign_owner(&sim);
    let come = frame(STATION, PEER, 64, 9);
    sim.receive(&come);
    let mut found = [0; 64];
    sim.load(&region, 0x1000, &mut found);
    assert_eq!(found[..], come, "it was running");
    // Its frame is on the wire at this moment.
    let after = Rig::on(&sim, &Plan::default());
    drop(region);
    (0..8).for_each(|_| sim.receive(&come));
    sim.advance(1_000_000);
    assert_eq!(sim.violations(), []);
    while sim.transmitted().is_some() {}
    let mut after = after.start();
    after.exchange(4);
    after.finish();
}

fn on_a_wire() -> SimConfig {
    SimConfig { wire: WireSpeed::Link, ..SimConfig::default() }
}

#[test]
fn frames_in_descriptors_survive_a_stop_and_start_both_ways() {
    let mut live = all_rings::start(on_a_wire());
    let come: Vec<_> =
        (0..8).map(|n| frame(STATION, all_rings::talker(n), 70 + n, n as u8)).collect();
    come.iter().for_each(|frame| live.sim.receive(frame));
    let out = live.load(1);
    live.delay_us(7);
    let rig = live.stop();
    let mut left: Vec<_> = std::iter::from_fn(|| rig.sim.transmitted()).collect();
    assert!((2..6).contains(&left.len()), "{} before the stop", left.len());
    rig.sim.advance(1_000_000);
    assert_eq!(rig.sim.transmitted(), None);
    let mut live = rig.start();
    live.delay_us(1000);
    left.extend(live.sent());
    assert_eq!(left, out);
    assert_eq!(live.reap(), out.len());
    for (ring, bytes) in come.iter().enumerate() {
        assert_eq!(live.receive(ring).as_ref(), Some(bytes));
    }
    live.exchange(5);
    live.finish();
}

#[test]
fn staged_frames_wait_through_a_stop_and_a_commit_while_stopped_is_sent_at_the_start() {
    let mut live = Live::new();
    let (first, second) = (frame(PEER, STATION, 64, 1), frame(PEER, STATION, 65, 2));
    live.tx[0].stage(live.pool.frame(&first).unwrap()).unwrap();
    let mut rig = live.stop();
    rig.tx[0].stage(rig.pool.frame(&second).unwrap()).unwrap();
    assert_eq!(rig.tx[0].commit(), 2);
    assert_eq!(rig.sim.transmitted(), None);
    assert!(rig.tx[0].reap().is_none());
    let mut live = rig.start();
    assert_eq!(live.sim.transmitted(), Some(first));
    assert_eq!(live.sim.transmitted(), Some(second));
    assert_eq!(live.reap(), 2);
    live.exchange(3);
    live.finish();
}

#[test]
fn many_stops_and_starts_at_every_position_of_the_rings() {
    let mut live = all_rings::start(SimConfig::default());
    for round in 0..3 * all_rings::LEN as u8 {
        live.exchange(round);
        live = live.stop().start();
    }
    assert_eq!(live.port.faults().lost_in_receive, 0);
    assert_eq!(live.port.faults().lost_in_transmit, 0);
    live.finish();
}

#[test]
fn drained_rings_are_empty_for_the_device_until_they_are_filled_again() {
    let mut rig = Live::new().stop();
    let taken: Vec<_> = std::iter::from_fn(|| rig.rx[0].drain()).collect();
    assert_eq!(taken.len(), 16);
    // The buffers are somebody else's now.
    let mut kept: Vec<_> = taken;
    for buf in &mut kept {
        buf.set_len(1536);
        buf.fill(0x5A);
    }
    let mut live = rig.start();
    live.sim.receive(&frame(STATION, PEER, 200, 7));
    assert_eq!(live.receive(0), None);
    assert!(kept.iter().all(|buf| buf.iter().all(|&byte| byte == 0x5A)), "DMA into a freed buffer");
    drop(kept);
    assert_eq!(live.rx[0].fill(&live.pool), 16);
    live.rx[0].commit();
    live.exchange(8);
    live.finish();
}

#[test]
fn a_stop_that_never_completes_is_bounded_and_ends_in_a_reset() {
    for fault in [Fault::GrsNeverCompletes, Fault::GtsNeverCompletes] {
        let mut live = all_rings::start(SimConfig::default());
        live.exchange(1);
        live.sim.inject(fault);
        let before = live.sim.now_ns();
        let rig = live.stop();
        let took = rig.sim.now_ns() - before;
        assert!((10_000_000..12_000_000).contains(&took), "{fault:?}: {took} ns");
        // MACCFG2 has lost its contents in the reset, and the start brings them back (HW 8.4).
        let mut live = rig.start();
        live.exchange(2);
        live.port.reset(&mut live.delay).unwrap();
        live.exchange(3);
        assert_eq!(live.port.faults().resets, 1);
        live.sim.mend(fault);
        live.finish();
    }
}

#[test]
fn a_reset_keeps_frames_in_descriptors_and_delivers_every_one_once() {
    // With a stalled transmitter a frame is inside the MAC when it is reset; its descriptor is
    // still ready (HW 3.21).
    for stalled in [false, true] {
        let mut live = all_rings::start(on_a_wire());
        for round in 0..10 {
            let out = live.load(round);
            live.delay_us(u32::from(round));
            if stalled {
                live.sim.inject(Fault::TxHang);
            }
            let come = frame(STATION, all_rings::talker(3), 99, round);
            live.sim.receive(&come);
            live.port.reset(&mut live.delay).unwrap();
            live.delay_us(1000);
            live.assert_sent(&out);
            assert_eq!(live.reap(), out.len());
            assert_eq!(live.receive(3), Some(come));
            live.exchange(round);
        }
        let faults = *live.port.faults();
        assert_eq!((faults.resets, faults.lost_in_transmit, faults.lost_in_receive), (10, 0, 0));
        live.finish();
    }
}

#[test]
fn what_was_counted_survives_stops() {
    let mut live = Live::new();
    live.sim.inject(Fault::LateCollision);
    live.send(0, &frame(PEER, STATION, 60, 0));
    live.port.tick(0, &mut live.delay).unwrap();
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(live.reap(), 1);
    let mut rig = live.stop();
    assert_eq!((rig.port.faults().late_collisions, rig.port.faults().resets), (1, 1));
    assert_eq!(rig.port.mib().total(etsec_core::mib::Counter::TLCL), 1);
    let mut live = rig.start();
    assert_eq!(live.port.faults().late_collisions, 1);
    assert_eq!(live.port.mib().total(etsec_core::mib::Counter::TLCL), 1);
    live.finish();
}

#[test]
fn pages_that_are_no_etsec_are_refused_by_name_and_left_untouched() {
    let config_of = |id| SimConfig { id, ..SimConfig::default() };
    for (id, expected) in [
        (0, Error::NotAnEtsec(0)),
        (0xFFFF_FFFF, Error::Gone),
        (0x0125_0000, Error::NotAnEtsec(0x0125_0000)),
    ] {
        let sim = Sim::new(config_of(id));
        sim.bus().write(at::MAXFRM, 0x1234);
        let bus = Traced::new(sim.bus());
        let pages = Pages::single(bus.clone());
        let error = Stopped::attach(pages, config(), &mut sim.delay()).map(drop).unwrap_err();
        assert_eq!(error, expected);
        assert!(bus.take().iter().all(|a| matches!(a, Access::Read(_))));
        assert_eq!(sim.bus().read(at::MAXFRM), 0x1234);
    }
    let text = Error::NotAnEtsec(0).to_string();
    assert!(text.contains("0x00000000") && text.contains("eTSEC"), "{text}");
}

#[test]
fn attaching_twice_gives_the_controller_to_the_second() {
    let sim = Sim::new(SimConfig::default());
    let first = Rig::on(&sim, &Plan::default()).start();
    let mut second = Rig::on(&sim, &Plan::default()).start();
    second.exchange(1);
    second.finish();
    // The first one's stop finds a controller at rest, and its frames where they were.
    first.finish();
}

#[test]
fn a_ring_added_after_a_stop_works_with_the_others() {
    let mut rig = Live::new().stop();
    let region = rig.sim.region(arena::HEADER_BYTES + arena::ring_bytes(4));
    let mut more = Arena::new(region).map_err(|(_, e)| e).unwrap();
    let tx = rig.port.add_tx(5, more.ring(4).unwrap()).unwrap();
    rig.tx.push(tx);
    let mut live = rig.start();
    live.exchange(1);
    live.finish();
    assert!(more.retire().is_ok());
}

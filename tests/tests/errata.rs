//! Is each erratum worked around where the part has it, and does the work-around matter? (HW 14)
//!
//! Each test shows what goes wrong on a model with the erratum when the work-around is off, that
//! nothing does when it is on, and that it does no harm on a model without the erratum.

use embedded_hal::delay::DelayNs;
use etsec_core::errata::{Errata, Part};
use etsec_core::fcb::{RxFcbFlags, TxFcb};
use etsec_core::frame_options::Ending;
use etsec_core::groups::Group;
use etsec_core::mib::Counter;
use etsec_core::reception::{RING, ReceptionError, ReceptionTest};
use etsec_core::{
    AddressFilter, Arena, Bus, Config, Error, FrameOptions, Reason, Schedule, TxOffload, arena,
};
use etsec_sim::{Fault, Sim, SimBus, SimConfig, Switches, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

fn live(errata: Errata, switches: Switches) -> Live {
    let config = Config { errata, ..config() };
    let sim = SimConfig { switches, wire: WireSpeed::Link, ..SimConfig::default() };
    Rig::new(&Plan { sim, config, ..Plan::default() }).start()
}

fn none() -> Switches {
    Switches::default()
}

#[test]
fn a_part_says_which_work_arounds_there_are() {
    let p1020 = Part::from_svr(0x80EC_0011).errata();
    let live = live(p1020, none());
    assert_eq!(live.port.config().errata, Errata::A002 | Errata::VLN);
    live.finish();
    assert_eq!(config().errata, Errata::all(), "of a part that is not known");
}

#[test]
fn etsec74_a_frame_of_the_largest_size_is_received() {
    let etsec74 = Switches { etsec74: true, ..none() };
    for (errata, switches, whole) in [
        (Errata::ETSEC74, etsec74, true),
        (Errata::all(), etsec74, true),
        (Errata::empty(), etsec74, false),
        (Errata::all() - Errata::ETSEC74, etsec74, false),
        (Errata::ETSEC74, none(), true),
        (Errata::empty(), none(), true),
    ] {
        let mut live = live(errata, switches);
        let most = live.port.config().frame_max();
        for len in [most, most - 1] {
            let largest = frame(STATION, PEER, len, 1);
            live.sim.receive(&largest);
            let expected = (whole || len != most).then_some(largest);
            assert_eq!(live.receive(0), expected, "{errata:?} {len}");
            let out = frame(PEER, STATION, len, 2);
            live.send(0, &out);
            live.delay_us(20);
            assert_eq!(live.sim.transmitted(), Some(out), "{errata:?} {len}");
            live.reap();
        }
        live.rx[0].commit();
        assert_eq!(live.rx[0].counters().too_long, u64::from(!whole), "{errata:?}");
        live.finish();
    }
}

/// A UDP frame of `len` bytes without its checksums.
fn datagram(len: usize) -> Vec<u8> {
    let mut bytes = frame(PEER, STATION, len, 5);
    bytes[12..34].fill(0);
    bytes[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0x00]);
    bytes[16..18].copy_from_slice(&(len as u16 - 14).to_be_bytes());
    (bytes[22], bytes[23]) = (64, 17);
    bytes[38..40].copy_from_slice(&(len as u16 - 34).to_be_bytes());
    bytes[40..42].fill(0);
    bytes
}

#[test]
fn etsec76_long_frames_are_not_summed_by_the_controller() {
    let etsec76 = Switches { etsec76: true, ..none() };
    for (errata, switches, taken, sent) in [
        (Errata::ETSEC76, etsec76, false, true),
        (Errata::empty(), etsec76, true, false),
        (Errata::ETSEC76, none(), false, true),
        (Errata::empty(), none(), true, true),
    ] {
        let config = Config { errata, mtu: 4000, buffer_size: 4096, ..config() };
        let sim = SimConfig { switches, ..SimConfig::default() };
        let tx_offload = TxOffload::All;
        let mut live = Rig::new(&Plan { sim, config, tx_offload, ..Plan::default() }).start();
        for (len, whole) in [(2500, true), (2501, sent)] {
            let bytes = datagram(len);
            let fcb = TxFcb::of(&bytes).expect("a block");
            let staged = live.tx[0].stage_with(live.pool.frame(&bytes).expect("room"), fcb);
            assert_eq!(staged.is_ok(), taken || len == 2500, "{errata:?} {len}");
            if let Err(refused) = staged {
                // Then software sums it.
                assert_eq!(refused.why, Reason::TooLongToSum);
                live.tx[0].stage(refused.buf).expect("room");
            }
            live.tx[0].commit();
            assert_eq!(live.sim.transmitted().is_some(), whole, "{errata:?} {len}");
            live.settle(1);
            assert_eq!(live.reap(), 1);
        }
        live.finish();
    }
}

#[test]
fn vln_is_believed_only_where_tags_are_extracted() {
    for vln_noise in [false, true] {
        let switches = Switches { vln_noise, ..none() };
        let config = Config { parser: true, ..config() };
        let sim = SimConfig { switches, ..SimConfig::default() };
        let mut live = Rig::new(&Plan { sim, config, ..Plan::default() }).start();
        for len in 60..70 {
            live.sim.receive(&frame(STATION, PEER, len, 1));
            let (buf, meta) = live.rx[0].next().expect("a frame");
            let fcb = meta.fcb;
            assert!(!fcb.flags().contains(RxFcbFlags::VLN), "{len}, {vln_noise}");
            live.rx[0].refill(buf).expect("room");
            live.rx[0].commit();
        }
        live.finish();
    }
}

/// Time in which a frame arrives every 100 µs.
struct Busy {
    sim: Sim,
    next_ns: u64,
}

impl DelayNs for Busy {
    fn delay_ns(&mut self, ns: u32) {
        self.sim.advance(ns.into());
        while self.next_ns <= self.sim.now_ns() {
            self.sim.receive(&frame(STATION, PEER, 60, 0));
            self.next_ns += 100_000;
        }
    }
}

/// How long a change of the address filter takes under traffic in µs, and how many frames it
/// costs.
fn filter_change(live: &mut Live) -> (u64, u64) {
    let filter = AddressFilter::new(STATION).unwrap();
    let (lost, now) = (live.port.mib().total(Counter::RDRP), live.sim.now_ns());
    let mut busy = Busy { sim: live.sim.clone(), next_ns: now };
    live.port.set_filter(&filter, &mut busy).unwrap();
    let took = live.sim.now_ns() - now;
    while live.receive(0).is_some() {}
    (took / 1000, live.port.mib().total(Counter::RDRP) - lost)
}

#[test]
fn a002_a_receiver_that_is_idle_is_not_waited_for() {
    let a002 = Switches { a002: true, ..none() };
    for (errata, switches, quick, resets) in [
        (Errata::A002, a002, true, 1),
        (Errata::empty(), a002, false, 1),
        (Errata::A002, none(), true, 0),
        (Errata::empty(), none(), true, 0),
    ] {
        let mut live = live(errata, switches);
        let (us, lost) = filter_change(&mut live);
        assert_eq!(us < 300, quick, "{errata:?} {us} µs");
        assert_eq!(us >= 10_000, !quick, "{errata:?} {us} µs");
        assert_eq!(lost < 5, quick, "{errata:?} {lost} lost");
        assert_eq!(live.port.faults().resets, resets, "{errata:?}");
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn a002_a_receiver_that_is_not_idle_gets_its_time() {
    let mut live = live(Errata::A002, none());
    live.sim.inject(Fault::GrsNeverCompletes);
    let (us, _) = filter_change(&mut live);
    assert!(us >= 10_000, "{us} µs");
    live.sim.mend(Fault::GrsNeverCompletes);
    live.exchange(1);
    live.finish();
}

/// A port with [`Errata::NMG129`] or without on a model with it or without, ready to be tested.
fn with_test(errata: Errata, switches: Switches) -> (Live, ReceptionTest<SimBus>) {
    let config = Config { errata, ..config() };
    let sim = SimConfig { switches, wire: WireSpeed::Link, ..SimConfig::default() };
    let plan = Plan { sim, config, ..Plan::default() };
    let sim = Sim::new(plan.sim.clone());
    let region = sim.region(plan.bytes() + 2 * arena::ring_bytes(RING));
    let mut rig = Rig::in_region(&sim, &plan, region);
    let [rx, tx] = [(); 2].map(|()| rig.arena.ring(RING).expect("memory"));
    let test = rig.port.reception_test(rx, tx, &rig.pool).expect("one window");
    (rig.start(), test)
}

fn prove(live: &mut Live, test: &mut ReceptionTest<SimBus>) -> Result<u32, ReceptionError> {
    live.port.prove_reception(test, &mut live.delay)
}

#[test]
fn nmg129_a_receiver_that_was_not_initialised_is_enabled_again() {
    let nmg129 = Switches { nmg129: true, ..none() };
    for (errata, switches, proved, hears) in [
        (Errata::NMG129, nmg129, 1, true),
        (Errata::empty(), nmg129, 0, false),
        (Errata::NMG129, none(), 0, true),
        (Errata::empty(), none(), 0, true),
    ] {
        let (mut live, mut test) = with_test(errata, switches);
        // Each reset is another occasion.
        for _ in 0..2 {
            assert_eq!(prove(&mut live, &mut test), Ok(proved), "{errata:?}");
            assert!(live.sim.transmitted().is_none(), "a test frame on the wire");
            let come = frame(STATION, PEER, 60, 1);
            live.sim.receive(&come);
            assert_eq!(live.receive(0), hears.then_some(come), "{errata:?}");
            // What the test had changed is as before.
            live.sim.receive(&frame(PEER, PEER, 60, 2));
            assert_eq!(live.receive(0), None);
            live.port.reset(&mut live.delay).unwrap();
        }
        drop(test);
        live.finish();
    }
}

#[test]
fn nmg129_what_is_in_the_rings_outlives_a_test() {
    let nmg129 = Switches { nmg129: true, ..none() };
    let (mut live, mut test) = with_test(Errata::NMG129, nmg129);
    assert_eq!(prove(&mut live, &mut test), Ok(1));
    for n in 0..200 {
        let resets = live.port.faults().resets;
        // Some frames are received and not taken, some staged and not sent.
        let come: Vec<_> = (0..n % 4).map(|k| frame(STATION, PEER, 60, k)).collect();
        come.iter().for_each(|frame| live.sim.receive(frame));
        live.delay_us(20);
        live.sim.inject(Fault::TxHang);
        let out: Vec<_> =
            (0..n % 3).map(|k| frame(PEER, STATION, 60 + usize::from(n), k)).collect();
        out.iter().for_each(|frame| live.send(0, frame));
        live.delay_us(20);
        live.sim.mend(Fault::TxHang);
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(prove(&mut live, &mut test), Ok(1), "{n}");
        assert_eq!(live.port.faults().resets, resets + 1, "a test that holds resets nothing");
        live.delay_us(200);
        let sent: Vec<_> = core::iter::from_fn(|| live.sim.transmitted()).collect();
        assert_eq!(sent, out, "{n}");
        let got: Vec<_> = core::iter::from_fn(|| live.receive(0)).collect();
        assert_eq!(got, come, "{n}");
        live.reap();
        live.exchange(1);
    }
    drop(test);
    live.finish();
}

#[test]
fn nmg129_a_port_s_settings_do_not_keep_its_test_from_passing() {
    let nmg129 = Switches { nmg129: true, ..none() };
    // Ring 0 has no turn; frames bring their own endings; transmit ring 0 is in the other group.
    for which in 0..3 {
        let mut config = Config { errata: Errata::NMG129, ..config() };
        if which == 0 {
            config.schedule = Schedule::RoundRobin([0, 1, 0, 0, 0, 0, 0, 0]);
        }
        let sim = SimConfig { switches: nmg129, wire: WireSpeed::Link, ..SimConfig::default() };
        let ending = if which == 1 { Ending::Own } else { Ending::default() };
        let frame_options = FrameOptions { ending, ..FrameOptions::default() };
        let tx = vec![16, 16];
        let plan = Plan { sim, config, tx, frame_options, ..Plan::default() };
        let sim = Sim::new(plan.sim.clone());
        let mut rig = Rig::grouped(&sim, &plan);
        if which == 2 {
            rig.port.set_tx_group(&mut rig.tx[0], Group::One).expect("a second page");
        }
        let more = sim.region(4096);
        let mut more = Arena::new(more).map_err(|(_, error)| error).expect("a region");
        let [rx, tx] = [(); 2].map(|()| more.ring(RING).expect("memory"));
        let mut test = rig.port.reception_test(rx, tx, &rig.pool).expect("one window");
        let mut live = rig.start();
        let bus = live.sim.bus();
        let registers = || [0x100, 0x140, 0x300, 0x504, 0xEB0, 0xEB4].map(|at| bus.read(at));
        let before = registers();
        assert_eq!(live.port.prove_reception(&mut test, &mut live.delay), Ok(1), "{which}");
        assert_eq!(registers(), before, "{which}");
        drop(test);
        live.finish();
    }
}

#[test]
fn nmg129_a_port_without_ring_0_has_none_afterwards() {
    let (mut rig, mut test) = {
        let config = Config { errata: Errata::NMG129, ..config() };
        let sim = Sim::default();
        let plan = Plan { config, rx: vec![], ..Plan::default() };
        let memory = sim.region(plan.bytes() + 3 * arena::ring_bytes(16));
        let mut rig = Rig::in_region(&sim, &plan, memory);
        let ring = rig.arena.ring(16).expect("memory");
        rig.rx.push(rig.port.add_rx(1, ring).expect("free"));
        let [rx, tx] = [(); 2].map(|()| rig.arena.ring(RING).expect("memory"));
        let test = rig.port.reception_test(rx, tx, &rig.pool).expect("one window");
        (rig, test)
    };
    rig.rx[0].fill(&rig.pool);
    rig.rx[0].commit();
    let mut live = rig.start();
    let rqueue = live.sim.bus().read(0x314);
    assert_eq!(live.port.prove_reception(&mut test, &mut live.delay), Ok(0));
    assert_eq!(live.sim.bus().read(0x314), rqueue);
    drop(test);
    live.finish();
}

#[test]
fn nmg129_a_receiver_that_stays_deaf_is_an_error_that_ends() {
    let (mut live, mut test) = with_test(Errata::NMG129, none());
    live.sim.inject_times(Fault::CrcError, 100);
    let before = live.sim.now_ns();
    assert_eq!(prove(&mut live, &mut test), Err(ReceptionError::Deaf));
    assert!(live.sim.now_ns() - before < 50_000_000);
    live.sim.mend(Fault::CrcError);
    assert_eq!(prove(&mut live, &mut test), Ok(0));
    live.exchange(1);
    drop(test);
    live.finish();
}

#[test]
fn nmg129_without_a_buffer_nothing_is_touched() {
    let (mut live, mut test) = with_test(Errata::NMG129, none());
    let held: Vec<_> = core::iter::from_fn(|| live.pool.alloc()).collect();
    let now = live.sim.now_ns();
    assert_eq!(prove(&mut live, &mut test), Err(ReceptionError::NoBuffer));
    assert_eq!(live.sim.now_ns(), now);
    drop(held);
    assert_eq!(prove(&mut live, &mut test), Ok(0));
    drop(test);
    live.finish();
}

#[test]
fn nmg129_a_device_that_goes_away_in_a_test_is_an_error() {
    let (mut live, mut test) = with_test(Errata::NMG129, none());
    live.sim.inject(Fault::BusDead);
    assert_eq!(prove(&mut live, &mut test), Err(ReceptionError::Port(Error::Gone)));
    live.sim.mend(Fault::BusDead);
    live.port.tick(0, &mut live.delay).unwrap();
    assert_eq!(prove(&mut live, &mut test), Ok(0));
    live.exchange(1);
    drop(test);
    live.finish();
}

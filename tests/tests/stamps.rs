//! Do frames carry the time at which they came and left? (HW 12.3, 12.4)

use etsec_core::offload::RxOffload;
use etsec_core::tx::Reason;
use etsec_core::{Error, Pages, PtpClock, Stopped};
use etsec_sim::{Fault, Sim, SimConfig, WireSpeed};
use etsec_tests::all_rings;
use etsec_tests::rig::{Live, PEER, STATION, config, frame};
use etsec_tests::stamping::{clock_config, stamped_by, stamping};

#[track_caller]
fn near(found: Option<u64>, wanted: u64, within: u64) {
    assert!(found.is_some_and(|at| at.abs_diff(wanted) <= within), "{found:?}, not {wanted}");
}

#[test]
fn a_received_frame_s_stamp_is_in_front_of_it() {
    let sim = Sim::default();
    let (mut live, mut clock) = stamping(&sim, 5_000_000_000);
    for (n, len) in [60, 61, 300, 1514].into_iter().enumerate() {
        let come = frame(STATION, PEER, len, n as u8);
        sim.advance(1_234_567);
        let now = clock.now();
        sim.receive(&come);
        sim.advance(999_999);
        let (bytes, stamp) = live.receive_stamped().unwrap();
        assert_eq!(bytes, come);
        near(stamp, now, 8);
    }
    live.finish();
}

#[test]
fn a_stamp_goes_with_its_buffer_until_the_headroom_is_used() {
    let sim = Sim::default();
    let (mut live, _clock) = stamping(&sim, 1);
    sim.receive(&frame(STATION, PEER, 60, 1));
    let (mut buf, _) = live.rx[0].next().unwrap();
    assert!(buf.received_stamp().is_some());
    buf.prepend(4).unwrap();
    assert_eq!(buf.received_stamp(), None);
    drop(buf);
    live.finish();
}

#[test]
fn a_sent_frame_s_stamp_comes_back_with_it() {
    for switches in all_rings::readings().into_iter().filter(|switches| !switches.qemu) {
        let wire = WireSpeed::Link;
        let sim = Sim::new(SimConfig { switches, wire, ..SimConfig::default() });
        let (mut live, mut clock) = stamping(&sim, 7_000_000_000);
        // More frames than descriptors, in between some without a stamp.
        for n in 0..40 {
            let out = frame(PEER, STATION, 60 + n, n as u8);
            sim.advance(3333);
            let now = clock.now();
            live.send_stamped(&out);
            assert_eq!(live.sent_stamp(), None, "it has not left");
            sim.advance(100_000);
            assert_eq!(sim.transmitted(), Some(out.clone()));
            near(live.sent_stamp().unwrap(), now, 8);
            live.send(0, &out);
            sim.advance(100_000);
            assert_eq!(sim.transmitted(), Some(out));
            assert_eq!(live.sent_stamp(), Some(None), "none was asked for");
        }
        assert_eq!(live.tx[0].counters().frames, 80);
        assert_eq!(live.tx[0].counters().errors(), 0);
        live.finish();
    }
}

#[test]
fn the_first_controller_s_timer_stamps_the_frames_of_all() {
    let [first, second] = [(); 2].map(|()| Sim::default());
    assert!(second.stamp_by(&first));
    let (one, mut clock) = stamping(&first, 3_000_000_000);
    // Bringing up the first port took time, on the first model's own account.
    second.advance(first.now_ns() - second.now_ns());
    let mut two = stamped_by(&second, &clock);
    first.advance(second.now_ns() - first.now_ns());
    for n in 0..10 {
        [&first, &second].into_iter().for_each(|sim| sim.advance(77_777));
        let now = clock.now();
        let come = frame(STATION, PEER, 100, n);
        second.receive(&come);
        let (bytes, stamp) = two.receive_stamped().unwrap();
        assert_eq!(bytes, come);
        near(stamp, now, 8);
        two.send_stamped(&frame(PEER, STATION, 100, n));
        near(two.sent_stamp().unwrap(), now, 8);
    }
    two.finish();
    one.finish();
}

#[test]
fn a_timer_of_another_is_nobody_else_s() {
    let [a, b, c] = [(); 3].map(|()| Sim::default());
    assert!(!a.stamp_by(&a));
    assert!(b.stamp_by(&a));
    assert!(!a.stamp_by(&b), "each would wait for the other");
    assert!(!c.stamp_by(&b));
    assert!(c.stamp_by(&a));
}

#[test]
fn a_stamp_can_be_taken_once() {
    let sim = Sim::default();
    let (mut live, _clock) = stamping(&sim, 1);
    live.send_stamped(&frame(PEER, STATION, 60, 1));
    let mut buf = live.tx[0].reap().unwrap();
    assert!(buf.take_sent_stamp().is_some());
    assert_eq!(buf.take_sent_stamp(), None);
    // Sent again from the same buffer without asking, it has none.
    live.tx[0].stage(buf).unwrap();
    live.tx[0].commit();
    assert_eq!(live.sent_stamp(), Some(None));
    live.finish();
}

#[test]
fn a_frame_that_fails_has_none() {
    let sim = Sim::default();
    let (mut live, _clock) = stamping(&sim, 1);
    sim.inject(Fault::LateCollision);
    live.send_stamped(&frame(PEER, STATION, 60, 1));
    assert_eq!(live.sent_stamp(), Some(None));
    assert_eq!(live.tx[0].counters().late_collisions, 1);
    live.settle(1);
    live.send_stamped(&frame(PEER, STATION, 60, 2));
    assert!(live.sent_stamp().unwrap().is_some());
    live.finish();
}

#[test]
fn a_frame_that_was_not_sent_does_not_have_the_stamp_of_the_one_before_it() {
    // HW 12.4: frames that are flushed get none. Their buffers may have been stamped before.
    let sim = Sim::new(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    let (mut live, _clock) = stamping(&sim, 1);
    live.send_stamped(&frame(PEER, STATION, 60, 1));
    live.delay_us(10);
    let buf = live.tx[0].reap().unwrap();
    sim.inject(Fault::TxHang);
    live.tx[0].stage_stamped(buf).unwrap();
    live.tx[0].commit();
    let mut rig = live.stop();
    let mut buf = rig.tx[0].drain().expect("it has not left");
    assert_eq!(buf.take_sent_stamp(), None);
    drop(buf);
    rig.finish();
}

#[test]
fn stamps_outlive_a_reset_and_can_be_switched_live() {
    let sim = Sim::default();
    let (mut live, mut clock) = stamping(&sim, 9_000_000_000);
    live.port.reset(&mut live.delay).unwrap();
    sim.receive(&frame(STATION, PEER, 60, 1));
    near(live.receive_stamped().unwrap().1, clock.now(), 8);
    live.port.set_rx_stamps(None, &mut live.delay).unwrap();
    sim.receive(&frame(STATION, PEER, 60, 2));
    assert_eq!(live.receive_stamped().unwrap().1, None);
    // Now the clock may stop; it is the sanitizer that says so.
    live.tx[0].permit_stamps::<etsec_sim::SimBus>(None);
    clock.stop();
    sim.receive(&frame(STATION, PEER, 60, 3));
    assert_eq!(live.receive_stamped().unwrap().1, None);
    let mut clock = PtpClock::start(sim.bus(), clock_config(), None, &mut live.delay).unwrap();
    live.port.set_rx_stamps(Some(&clock), &mut live.delay).unwrap();
    sim.receive(&frame(STATION, PEER, 60, 4));
    near(live.receive_stamped().unwrap().1, clock.now(), 8);
    live.finish();
}

#[test]
fn what_cannot_be_stamped_is_refused_with_its_buffer() {
    let sim = Sim::default();
    let (mut live, clock) = stamping(&sim, 1);
    let refuse = |live: &mut Live, bytes: &[u8], headroom: usize| {
        let mut buf = live.pool.frame(bytes).unwrap();
        let more = buf.headroom() - headroom;
        let _ = buf.prepend(more);
        live.tx[0].stage_stamped(buf).map_err(|refused| refused.why)
    };
    let out = frame(PEER, STATION, 100, 1);
    assert_eq!(refuse(&mut live, &out, 23), Err(Reason::Headroom));
    assert_eq!(refuse(&mut live, &[], 64), Err(Reason::Empty));
    let mut chain = live.pool.frame(&out).unwrap();
    chain.append(live.pool.frame(&out).unwrap()).unwrap();
    let refused = live.tx[0].stage_stamped(chain).unwrap_err();
    assert_eq!((refused.why, refused.buf.total_len()), (Reason::Chain, 200));
    drop(refused);
    live.tx[0].permit_stamps::<etsec_sim::SimBus>(None);
    assert_eq!(refuse(&mut live, &out, 64), Err(Reason::NotPermitted));
    live.tx[0].permit_stamps(Some(&clock));
    // Each takes two of the ring's 16 descriptors.
    sim.inject(Fault::TxHang);
    for _ in 0..8 {
        assert_eq!(refuse(&mut live, &out, 24), Ok(()));
    }
    assert_eq!(refuse(&mut live, &out, 24), Err(Reason::Full));
    assert_eq!(live.tx[0].commit(), 8);
    live.finish();
}

#[test]
fn a_port_without_padding_or_parser_stamps_nothing() {
    let sim = Sim::default();
    let delay = &mut sim.delay();
    let clock = PtpClock::start(sim.bus(), clock_config(), Some(1), delay).unwrap();
    let mut port = Stopped::attach(Pages::single(sim.bus()), config(), delay).unwrap();
    assert_eq!(port.set_rx_stamps(Some(&clock)), Err(Error::ParserOff));
    let mut config = config();
    config.parser = true;
    let mut port = Stopped::attach(Pages::single(sim.bus()), config, delay).unwrap();
    let padding = |padding| RxOffload { padding, ..RxOffload::default() };
    port.set_rx_offload(padding(7)).unwrap();
    let error = port.set_rx_stamps(Some(&clock)).unwrap_err();
    assert_eq!(error, Error::StampPadding(7));
    assert!(error.to_string().contains("8 bytes or more, not 7"), "{error}");
    // Nor is the padding taken away from under it.
    port.set_rx_offload(padding(8)).unwrap();
    port.set_rx_stamps(Some(&clock)).unwrap();
    assert_eq!(port.set_rx_offload(padding(2)), Err(Error::StampPadding(2)));
    port.set_rx_stamps(None).unwrap();
    port.set_rx_offload(padding(2)).unwrap();
}

//! Do the MAC's options for frames do what they say: preambles, short and huge frames, endings,
//! loopback? (HW 3.11, 3.14, 3.15, 4.2)

use etsec_core::bd::{RxFlags, TxFlags};
use etsec_core::{Config, Ending, Error, FrameOptions, Reason, RxOffload};
use etsec_sim::{Fcs, SimConfig, WireFrame, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, bytes_of, config, frame};

fn plan(frame_options: FrameOptions) -> Plan {
    Plan { frame_options, ..Plan::default() }
}

fn live(options: FrameOptions) -> Live {
    Rig::new(&plan(options)).start()
}

fn usual() -> FrameOptions {
    FrameOptions::default()
}

#[test]
fn a_received_preamble_lies_right_in_front_of_its_frame() {
    let options = FrameOptions { receive_preamble: true, ..usual() };
    for (parser, padding) in [(false, 0), (true, 0), (true, 2), (true, 31)] {
        for buffer_size in [64, 1536] {
            let config = Config { parser, buffer_size, ..config() };
            let rx_offload = RxOffload { padding, ..RxOffload::default() };
            let plan = Plan { config, rx_offload, rx: vec![40], ..plan(options) };
            let mut live = Rig::new(&plan).start();
            let come = frame(STATION, PEER, 300, 3);
            let preamble = [0x55, 1, 2, 3, 4, 5, 6, 0xD5];
            let raw = WireFrame { preamble: Some(preamble), ..WireFrame::good(&come) };
            live.sim.receive_raw(raw);
            let (mut buf, _) = live.rx[0].next().expect("a frame");
            assert_eq!(bytes_of(&buf), come);
            assert_eq!(buf.prepend(8).expect("headroom"), preamble);
            drop(buf);
            live.finish();
        }
    }
}

#[test]
fn a_frame_may_bring_its_own_preamble() {
    let mut live = live(FrameOptions { own_preambles: true, ..usual() });
    let (preamble, bytes) = ([0xAA, 2, 3, 4, 5, 6, 7, 0xD5], frame(PEER, STATION, 100, 1));
    let buf = live.pool.frame(&[&preamble[..], &bytes].concat()).expect("a buffer");
    live.tx[0].stage_as(buf, TxFlags::PRE).expect("room");
    live.tx[0].commit();
    let sent = live.sim.transmitted_raw().expect("a frame");
    assert_eq!((sent.preamble, sent.data), (Some(preamble), bytes.clone()));
    // Others keep the usual one.
    live.send(0, &bytes);
    assert_eq!(live.sim.transmitted_raw().expect("a frame").preamble, None);
    assert_eq!(live.reap(), 2);
    live.finish();
    // Where it is not permitted the eight bytes would be sent as part of the frame.
    let mut live = Live::new();
    let buf = live.pool.frame(&bytes).expect("a buffer");
    let refused = live.tx[0].stage_as(buf, TxFlags::PRE).expect_err("no permit");
    assert_eq!(refused.why, Reason::NotPermitted);
    let refused = live.tx[0].stage_as(refused.buf, TxFlags::W).expect_err("the ring's flag");
    assert_eq!(refused.why, Reason::NotPermitted);
    drop(refused);
    live.finish();
}

#[test]
fn a_frame_unlike_others_is_refused_as_any_other() {
    let mut live = live(FrameOptions { own_preambles: true, ..usual() });
    let why = |live: &mut Live, len: usize, flags: TxFlags| {
        let buf = live.pool.frame(&frame(PEER, STATION, len, 1)).expect("a buffer");
        let refused = live.tx[0].stage_as(buf, flags).err()?;
        assert_eq!(refused.buf.len(), len, "it comes back whole");
        Some(refused.why)
    };
    let longest = live.port.config().frame_max();
    for (len, flags, refused) in [
        // Eight bytes are the preamble: there is no frame behind it.
        (8, TxFlags::PRE, Some(Reason::Empty)),
        (9, TxFlags::PRE, None),
        (8, TxFlags::CF, None),
        (0, TxFlags::CF, Some(Reason::Empty)),
        (longest, TxFlags::PRE, None),
        (longest + 1, TxFlags::PRE, Some(Reason::TooLong)),
        (longest + 1, TxFlags::TC, Some(Reason::TooLong)),
    ] {
        assert_eq!(why(&mut live, len, flags), refused, "{len} bytes, {flags:?}");
    }
    assert_eq!((live.tx[0].counters().refused, live.tx[0].pending()), (4, 3));
    while live.tx[0].space() > 0 {
        live.tx[0].stage(live.pool.frame(&[0; 60]).unwrap()).unwrap();
    }
    assert_eq!(why(&mut live, 60, TxFlags::CF), Some(Reason::Full));
    // None of them was to be sent.
    let mut rig = live.stop();
    assert_eq!(std::iter::from_fn(|| rig.tx[0].drain()).count(), 16);
    rig.finish();
}

#[test]
fn short_frames_come_only_where_they_are_wanted() {
    for short_frames in [false, true] {
        let mut live = live(FrameOptions { short_frames, ..usual() });
        let runt = frame(STATION, PEER, 30, 1);
        live.sim.receive_raw(WireFrame::exact(runt.clone(), Fcs::Right));
        let found = live.rx[0].next().map(|(buf, meta)| (bytes_of(&buf), meta.flags & RxFlags::SH));
        assert_eq!(found, short_frames.then_some((runt.clone(), RxFlags::SH)));
        // A short frame with a wrong check sequence stays a broken one.
        live.sim.receive_raw(WireFrame::exact(runt.clone(), Fcs::wrong(&runt)));
        assert!(live.rx[0].next().is_none());
        assert_eq!(live.rx[0].counters().crc_errors, u64::from(short_frames));
        live.finish();
    }
}

#[test]
fn huge_frames_come_whole_only_where_they_are_wanted() {
    for huge_frames in [false, true] {
        for buffer_size in [512, 4096] {
            let config = Config { buffer_size, ..config() };
            let plan = Plan { config, ..plan(FrameOptions { huge_frames, ..usual() }) };
            let mut live = Rig::new(&plan).start();
            let huge = frame(STATION, PEER, 3000, 1);
            live.sim.receive(&huge);
            let found =
                live.rx[0].next().map(|(buf, meta)| (bytes_of(&buf), meta.flags & RxFlags::LG));
            assert_eq!(found, huge_frames.then_some((huge, RxFlags::LG)));
            assert_eq!(live.rx[0].counters().too_long, u64::from(!huge_frames));
            live.finish();
        }
    }
}

#[test]
fn the_mac_or_the_frame_ends_a_frame() {
    let bytes = frame(PEER, STATION, 40, 9);
    let padded = WireFrame::good(&bytes);
    let short = WireFrame::exact(bytes.clone(), Fcs::Right);
    let own = WireFrame::exact(bytes[..36].to_vec(), Fcs::Given(bytes[36..].try_into().unwrap()));
    let nothing = TxFlags::empty();
    for (ending, flags, expected) in [
        (Ending::Padded, nothing, &padded),
        (Ending::Summed, nothing, &short),
        (Ending::Own, nothing, &own),
        (Ending::Own, TxFlags::PAD_CRC, &padded),
        (Ending::Own, TxFlags::TC, &short),
    ] {
        let mut live = live(FrameOptions { ending, ..usual() });
        let buf = live.pool.frame(&bytes).expect("a buffer");
        live.tx[0].stage_as(buf, flags).expect("room");
        live.tx[0].commit();
        let sent = live.sim.transmitted_raw().expect("a frame");
        assert_eq!(sent.into_bytes(), expected.clone().into_bytes(), "{ending:?} {flags:?}");
        live.reap();
        live.finish();
    }
}

#[test]
fn the_preamble_s_length_is_time_on_the_wire() {
    let time = |preamble| {
        let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
        let plan = Plan { sim, ..plan(FrameOptions { preamble, ..usual() }) };
        let mut live = Rig::new(&plan).start();
        live.send(0, &frame(PEER, STATION, 60, 1));
        let begun = live.sim.now_ns();
        while live.sim.transmitted().is_none() {
            live.sim.advance(1);
        }
        let took = live.sim.now_ns() - begun;
        live.reap();
        live.finish();
        took
    };
    // 64 bytes, the start delimiter and the gap, at 8 ns a byte.
    for preamble in [1, 7, 15] {
        assert_eq!(time(preamble), (64 + 1 + 12 + u64::from(preamble)) * 8);
    }
}

#[test]
fn options_outlive_a_reset_and_change_nothing_if_they_cannot_be() {
    let mut live = live(FrameOptions { short_frames: true, ..usual() });
    live.port.reset(&mut live.delay).expect("a device");
    live.sim.receive_raw(WireFrame::exact(frame(STATION, PEER, 30, 1), Fcs::Right));
    assert!(live.receive(0).is_some());
    let mut rig = live.stop();
    assert!(matches!(rig.port.set_frame_options(usual()), Err(Error::HasQueues(_))));
    rig.finish();
    let mut rig = Rig::new(&Plan { rx: vec![], tx: vec![], ..Plan::default() });
    for preamble in [0, 16] {
        let refused = rig.port.set_frame_options(FrameOptions { preamble, ..usual() }).unwrap_err();
        assert_eq!(refused, Error::Preamble(preamble));
    }
    rig.finish();
}

#[test]
fn looped_back_frames_arrive_and_none_is_on_the_wire() {
    let config = Config { loopback: true, ..config() };
    let mut live = Rig::new(&Plan { config, ..Plan::default() }).start();
    let bytes = frame(STATION, STATION, 100, 4);
    live.send(0, &bytes);
    assert_eq!((live.receive(0), live.sim.transmitted()), (Some(bytes), None));
    live.reap();
    live.finish();
}

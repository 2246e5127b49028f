//! Do frames of every size get through, both ways, unchanged, however often the rings turn?

use etsec_core::Config;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

/// Longest frame without FCS (HW 3.16).
const JUMBO: usize = 9600 - 4;

/// Sends and receives one frame of `len` bytes.
fn both_ways(live: &mut Live, len: usize) {
    let out = frame(PEER, STATION, len, len as u8);
    live.send(0, &out);
    assert_eq!(live.sim.transmitted(), Some(out), "sent, {len} bytes");
    assert_eq!(live.reap(), 1);
    let come = frame(STATION, PEER, len, !len as u8);
    live.sim.receive(&come);
    assert_eq!(live.receive(0), Some(come), "received, {len} bytes");
    assert_eq!(live.receive(0), None);
}

fn jumbo(buffer_size: usize) -> Config {
    Config { mtu: Config::MTU_MAX, buffer_size, ..config() }
}

#[test]
fn a_frame_goes_out_and_one_comes_in() {
    let mut live = Live::new();
    both_ways(&mut live, 60);
    both_ways(&mut live, 61);
    live.finish();
}

#[test]
fn every_size_up_to_a_tagged_frame_of_the_usual_mtu() {
    let mut live = Live::new();
    for len in 60..=1518 {
        both_ways(&mut live, len);
    }
    let (sent, received) = (*live.tx[0].counters(), *live.rx[0].counters());
    assert_eq!((sent.frames, received.frames), (1459, 1459));
    assert_eq!((sent.bytes, received.bytes), ((60..=1518).sum(), (60..=1518).sum()));
    assert_eq!((sent.errors(), received.errors()), (0, 0));
    live.finish();
}

#[test]
fn jumbo_frames_in_several_buffers_and_in_one() {
    for buffer_size in [1536, 9664] {
        let plan = Plan { config: jumbo(buffer_size), ..Plan::default() };
        let mut live = Rig::new(&plan).start();
        // A prime step meets every remainder of a buffer's lines; the ends are met exactly.
        for len in (1519..JUMBO).step_by(61).chain(JUMBO - 3..=JUMBO) {
            both_ways(&mut live, len);
        }
        live.finish();
    }
}

#[test]
fn short_frames_are_padded_with_zeros_and_nothing_else() {
    let mut live = Live::new();
    // What lies in the buffers from before must not leak into the padding.
    for _ in 0..live.pool.free() {
        live.send(0, &[0xEE; 600]);
        live.reap();
    }
    while live.sim.transmitted().is_some() {}
    for len in 1..60 {
        let out = frame(PEER, STATION, len, 7);
        live.send(0, &out);
        let on_wire = live.sim.transmitted().expect("a frame");
        assert_eq!(on_wire.len(), 60);
        assert_eq!(on_wire[..len], out[..]);
        assert!(on_wire[len..].iter().all(|byte| *byte == 0), "padding of {len} bytes");
        // The peer's side pads as well, and nobody can tell padding from payload.
        live.sim.receive(&frame(STATION, PEER, len.max(14), 9));
        assert_eq!(live.receive(0).map(|come| come.len()), Some(60));
        live.reap();
    }
    live.finish();
}

#[test]
fn rings_of_every_length_turn_many_times() {
    for len in [4, 5, 7, 64, 300] {
        let plan = Plan { rx: vec![len], tx: vec![len], buffers: 2 * len + 8, ..Plan::default() };
        let mut live = Rig::new(&plan).start();
        let mut number = 0;
        // Bursts that are no divisor of the ring's length end at each of its descriptors.
        for burst in (1..=len.min(9)).cycle().take(4 * len.min(80)) {
            turn(&mut live, burst, &mut number);
        }
        assert!(number > 4 * len, "{number} frames in a ring of {len}");
        live.finish();
    }
}

/// One burst each way, with sizes of all kinds.
fn turn(live: &mut Live, burst: usize, number: &mut usize) {
    let frames: Vec<_> = (0..burst)
        .map(|n| (60 + (*number + n) * 97 % 1400, (*number + n) as u8))
        .map(|(len, seed)| (frame(PEER, STATION, len, seed), frame(STATION, PEER, len, seed)))
        .collect();
    *number += burst;
    for (out, come) in &frames {
        live.tx[0].stage(live.pool.frame(out).expect("a free buffer")).expect("room");
        live.sim.receive(come);
    }
    assert_eq!(live.tx[0].commit(), burst);
    for (out, come) in &frames {
        assert_eq!(live.sim.transmitted().as_ref(), Some(out));
        assert_eq!(live.receive(0).as_ref(), Some(come));
    }
    assert_eq!(live.reap(), burst);
}

#[test]
fn a_full_ring_goes_out_with_one_doorbell() {
    let mut live = Live::new();
    for n in 0..16 {
        let buf = live.pool.frame(&frame(PEER, STATION, 100, n)).expect("a free buffer");
        live.tx[0].stage(buf).expect("room in the ring");
    }
    assert_eq!((live.tx[0].space(), live.tx[0].pending()), (0, 16));
    assert_eq!(live.sim.transmitted(), None, "nothing leaves before the commit");
    assert!(live.tx[0].reap().is_none(), "what is staged is not reaped");
    assert_eq!(live.tx[0].commit(), 16);
    for n in 0..16 {
        assert_eq!(live.sim.transmitted(), Some(frame(PEER, STATION, 100, n)));
    }
    assert_eq!((live.reap(), live.tx[0].space()), (16, 16));
    live.finish();
}

#[test]
fn a_drained_ring_gives_the_device_nothing_to_write_to() {
    let mut live = Live::new();
    for turn in 0..3 {
        let port = live.port.stop(&mut live.delay).map_err(|(_, e)| e).expect("a stop");
        while live.rx[0].drain().is_some() {}
        // Fewer buffers than there were: what lies behind them is not the device's any more.
        for _ in 0..4 {
            live.rx[0].refill(live.pool.alloc().expect("a free buffer")).expect("room");
        }
        live.rx[0].commit();
        live.port = port.start(&mut live.delay).map_err(|(_, e)| e).expect("a start");
        for n in 0..9 {
            live.sim.receive(&frame(STATION, PEER, 60, n));
        }
        let came = std::iter::from_fn(|| live.rx[0].next()).map(|(buf, _)| buf[14]);
        let first = frame(STATION, PEER, 60, 0)[14];
        assert_eq!(came.collect::<Vec<_>>(), [0, 1, 2, 3].map(|n| first + n), "turn {turn}");
        live.rx[0].fill(&live.pool);
        live.rx[0].commit();
        both_ways(&mut live, 100);
    }
    live.finish();
}

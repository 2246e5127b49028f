//! Are received frames put together right from buffers of any size, wherever the FCS is cut apart?

use etsec_core::fcb::RxFcb;
use etsec_core::{Config, Reason};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, bytes_of, config, frame};

const FCS: usize = 4;
const JUMBO: usize = 9600 - FCS;

fn live(buffer_size: usize, parser: bool) -> Live {
    let config = Config { mtu: Config::MTU_MAX, buffer_size, parser, ..config() };
    // A jumbo in the smallest buffers takes 151, with its control block.
    Rig::new(&Plan { config, rx: vec![300], buffers: 480, ..Plan::default() }).start()
}

/// Receives one frame of `len` bytes and checks what it came in.
fn receive(live: &mut Live, len: usize) {
    let come = frame(STATION, PEER, len, len as u8);
    live.sim.receive(&come);
    let config = live.port.config();
    let skip = if config.parser { RxFcb::LEN } else { 0 };
    // Buffers that hold nothing but the FCS or a part of it are not the frame's.
    let buffers = (skip + len).div_ceil(config.buffer_size);
    let (buf, _) = live.rx[0].next().unwrap_or_else(|| panic!("no frame of {len} bytes"));
    assert_eq!(bytes_of(&buf), come, "{len} bytes");
    assert_eq!((buf.buffers(), buf.total_len()), (buffers, len), "{len} bytes");
    drop(buf);
    assert!(live.rx[0].next().is_none());
    live.rx[0].fill(&live.pool);
    live.rx[0].commit();
    assert_eq!(live.rx[0].space(), 0);
}

#[test]
fn every_straddle_of_the_fcs_in_buffers_of_every_size() {
    for buffer_size in [64, 128, 256, 1536] {
        for parser in [false, true] {
            let mut live = live(buffer_size, parser);
            // The FCS ends around the end of the first, second, … buffer.
            for end in (buffer_size..=JUMBO).step_by(buffer_size).take(12) {
                for len in end.saturating_sub(14).max(60)..=end + 2 {
                    receive(&mut live, len);
                }
            }
            for len in JUMBO - 70..=JUMBO {
                receive(&mut live, len);
            }
            assert_eq!(live.rx[0].counters().errors(), 0);
            live.finish();
        }
    }
}

#[test]
fn small_buffers_take_every_size_of_the_usual_mtu() {
    let mut live = live(64, false);
    for len in 60..=1518 {
        receive(&mut live, len);
    }
    live.finish();
}

#[test]
fn a_burst_of_long_and_short_frames_stays_in_order() {
    let mut live = live(128, true);
    for round in 0..40 {
        let lens = [1514, 60, 120, 3000, 61, 124, 248];
        let frames: Vec<_> = lens.iter().map(|&len| frame(STATION, PEER, len, round)).collect();
        frames.iter().for_each(|come| live.sim.receive(come));
        for come in &frames {
            let (buf, _) = live.rx[0].next().expect("a frame");
            assert_eq!(bytes_of(&buf), *come);
        }
        assert!(live.rx[0].next().is_none());
        live.rx[0].fill(&live.pool);
        live.rx[0].commit();
    }
    live.finish();
}

#[test]
fn a_received_chain_can_be_sent_as_it_is_and_refilled_only_in_parts() {
    let config = Config { buffer_size: 128, ..config() };
    let mut live =
        Rig::new(&Plan { config, tx: vec![32], rx: vec![32], ..Plan::default() }).start();
    let come = frame(STATION, PEER, 1000, 4);
    live.sim.receive(&come);
    let (chain, _) = live.rx[0].next().expect("a frame");
    let refused = live.rx[0].refill(chain).expect_err("a chain");
    assert_eq!(refused.why, Reason::Chain);
    live.tx[0].stage(refused.buf).expect("room in the ring");
    live.tx[0].commit();
    assert_eq!(live.sim.transmitted(), Some(come));
    assert_eq!(live.reap(), 1);
    live.finish();
}

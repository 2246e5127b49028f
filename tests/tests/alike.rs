//! Frames that begin alike, staged one by one and by the burst, with control blocks and without: do
//! all get what they ask for, and is what does not fit refused in the middle of a burst as by
//! itself?

use etsec_core::fcb::TxFcb;
use etsec_core::{Arena, Buf, BusAddr, Config, Pool, Reason, Refused, TxOffload, arena};
use etsec_sim::{Sim, SimRegion};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, Tx, bytes_of, config, frame};

fn live() -> Live {
    let plan = Plan { tx: vec![8], buffers: 64, tx_offload: TxOffload::All, ..Plan::default() };
    Rig::new(&plan).start()
}

/// A tag that is not the same for two frames, as a block and as the bytes that come of it.
fn tagged(bytes: &[u8], tag: u16) -> (TxFcb, Vec<u8>) {
    let mut sent = bytes.to_vec();
    let [high, low] = tag.to_be_bytes();
    sent.splice(12..12, [0x81, 0x00, high, low]);
    (TxFcb::NONE.tag(tag), sent)
}

#[test]
fn a_burst_of_frames_with_blocks_leaves_as_it_is_staged() {
    let mut live = live();
    let mut tag = 0;
    // More than the ring has, so that bursts go across its end.
    for burst in [3, 8, 5, 7, 1, 8, 6] {
        let mut expected = Vec::new();
        let mut stager = live.tx[0].stager();
        for n in 0..burst {
            tag += 1;
            let bytes = frame(PEER, STATION, 60 + n, tag as u8);
            let (fcb, sent) = tagged(&bytes, tag);
            stager.stage_with(live.pool.frame(&bytes).unwrap(), fcb).expect("room");
            expected.push(sent);
            assert_eq!(stager.space(), 8 - expected.len());
        }
        assert_eq!(stager.commit(), burst);
        assert_eq!(live.sent(), expected);
        let back: Vec<_> = live.tx[0].sent().map(|buf| bytes_of(&buf)).collect();
        let asked = back.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(asked, (0..burst).map(|n| 60 + n).collect::<Vec<_>>(), "and comes back whole");
    }
    assert_eq!(live.tx[0].counters().frames, u64::from(tag));
    assert_eq!(live.tx[0].counters().errors(), 0);
    live.finish();
}

/// A way to stage a frame, behind one that was taken.
type Way = fn(&mut Tx, Buf, Buf) -> Result<(), Refused>;

const WAYS: [(&str, Way); 4] = [
    ("stage", |tx, first, buf| {
        tx.stage(first)?;
        tx.stage(buf)
    }),
    ("stage_with", |tx, first, buf| {
        tx.stage_with(first, TxFcb::NONE.tag(1))?;
        tx.stage_with(buf, TxFcb::NONE.tag(2))
    }),
    ("stager.stage", |tx, first, buf| {
        let mut stager = tx.stager();
        stager.stage(first)?;
        stager.stage(buf)
    }),
    ("stager.stage_with", |tx, first, buf| {
        let mut stager = tx.stager();
        stager.stage_with(first, TxFcb::NONE.tag(1))?;
        stager.stage_with(buf, TxFcb::NONE.tag(2))
    }),
];

/// A pool in another window of 4 GiB (HW 4.5).
fn elsewhere(sim: &Sim) -> (Arena<SimRegion>, Pool) {
    let bytes = arena::HEADER_BYTES + arena::pool_bytes(2, 1536);
    let region = sim.region_at(BusAddr::new(0x5_0000_0000).unwrap(), bytes);
    let mut arena = Arena::new(region).map_err(|(_, error)| error).unwrap();
    let pool = arena.pool(2, 1536).unwrap();
    (arena, pool)
}

#[test]
fn what_does_not_fit_comes_back_whole_behind_one_that_does() {
    for (name, way) in WAYS {
        let mut live = live();
        let (far_arena, far) = elsewhere(&live.sim);
        let good = frame(PEER, STATION, 60, 1);
        // The first frame with a block is looked at closely; from then on what is alike is not.
        way(&mut live.tx[0], live.pool.frame(&good).unwrap(), live.pool.frame(&good).unwrap())
            .unwrap_or_else(|refused| panic!("{name}: {:?}", refused.why));
        live.tx[0].commit();
        assert_eq!((live.sent().len(), live.reap()), (2, 2));
        let cases = [
            (far.frame(&good).unwrap(), Reason::Window),
            (live.pool.alloc().unwrap(), Reason::Empty),
            (live.pool.frame(&frame(PEER, STATION, 1519, 2)).unwrap(), Reason::TooLong),
        ];
        for (buf, why) in cases {
            let before = bytes_of(&buf);
            let refused = way(&mut live.tx[0], live.pool.frame(&good).unwrap(), buf);
            let refused = refused.expect_err("it does not fit");
            assert_eq!((refused.why, bytes_of(&refused.buf)), (why, before), "{name}");
            assert_eq!(live.tx[0].commit(), 1, "{name}: what was taken goes out");
            assert_eq!((live.sent().len(), live.reap()), (1, 1), "{name}");
        }
        assert_eq!(live.tx[0].counters().refused, 3, "{name}");
        live.finish();
        drop(far);
        assert!(far_arena.retire().is_ok());
    }
}

#[test]
fn a_chain_and_a_full_ring_end_no_burst() {
    for (name, way) in WAYS {
        let mut live = live();
        let bytes = frame(PEER, STATION, 200, 1);
        let buf = |live: &Live| live.pool.frame(&bytes).unwrap();
        let mut chain = live.pool.frame(&bytes[..100]).unwrap();
        chain.append(live.pool.frame(&bytes[100..]).unwrap()).unwrap();
        let first = buf(&live);
        way(&mut live.tx[0], first, chain).unwrap_or_else(|r| panic!("{name}: {:?}", r.why));
        let (first, second) = (buf(&live), buf(&live));
        way(&mut live.tx[0], first, second).unwrap_or_else(|r| panic!("{name}: {:?}", r.why));
        // Five of eight are taken, so the fourth of these is one too many.
        let (first, second) = (buf(&live), buf(&live));
        way(&mut live.tx[0], first, second).unwrap_or_else(|r| panic!("{name}: {:?}", r.why));
        let (first, second) = (buf(&live), buf(&live));
        let refused = way(&mut live.tx[0], first, second).expect_err("full");
        assert_eq!((refused.why, bytes_of(&refused.buf)), (Reason::Full, bytes.clone()), "{name}");
        drop(refused);
        assert_eq!(live.tx[0].commit(), 7, "{name}");
        assert_eq!((live.sent().len(), live.reap()), (7, 7), "{name}");
        assert_eq!((live.tx[0].counters().full, live.tx[0].counters().refused), (1, 0));
        live.finish();
    }
}

#[test]
fn a_port_that_sums_less_than_it_sends_refuses_only_sums() {
    let config = Config { mtu: 3000, buffer_size: 3072, ..config() };
    let plan = Plan { config, tx_offload: TxOffload::UpTo(1000), ..Plan::default() };
    let mut live = Rig::new(&plan).start();
    let sums = TxFcb::ipv4(14, 20).udp_checksum();
    let mut stager = live.tx[0].stager();
    for (len, fcb, why) in [
        (1000, sums, None),
        (1001, sums, Some(Reason::TooLongToSum)),
        (1001, TxFcb::NONE.tag(9), None),
        (3014, TxFcb::NONE.tag(9), None),
        (3015, TxFcb::NONE.tag(9), Some(Reason::TooLong)),
    ] {
        let buf = live.pool.frame(&frame(PEER, STATION, len, 0)).unwrap();
        let staged = stager.stage_with(buf, fcb).map_err(|refused| refused.why);
        assert_eq!(staged.err(), why, "{len}");
    }
    assert_eq!(stager.commit(), 3);
    assert_eq!((live.sent().len(), live.reap()), (3, 3));
    live.finish();
}

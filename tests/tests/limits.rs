//! Is what a port cannot carry refused by name, and what comes in that way dropped and counted?

use etsec_core::bd::RxFlags;
use etsec_core::mib::Counter;
use etsec_core::{AddressFilter, Buf, Config, Error, MacAddr, Pages, Reason, RxFcb, Stopped};
use etsec_sim::Sim;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, bytes_of, config, frame};

fn with_mtu(mtu: usize) -> Live {
    Rig::new(&Plan { config: Config { mtu, ..config() }, ..Plan::default() }).start()
}

/// Why a frame is not taken; `None` if it is, and leaves unchanged.
fn refusal(live: &mut Live, buf: Buf) -> Option<Reason> {
    let bytes = bytes_of(&buf);
    if let Err(refused) = live.tx[0].stage(buf) {
        assert_eq!(bytes_of(&refused.buf), bytes, "it comes back as it was");
        return Some(refused.why);
    }
    live.tx[0].commit();
    assert_eq!(live.sim.transmitted(), Some(bytes));
    live.reap();
    None
}

#[test]
fn frames_too_long_or_empty_are_named() {
    let mut live = with_mtu(1500);
    let pool = live.pool.clone();
    let bytes = frame(PEER, STATION, 1519, 0);
    assert_eq!(refusal(&mut live, pool.frame(&bytes[..1518]).unwrap()), None);
    assert_eq!(refusal(&mut live, pool.frame(&bytes).unwrap()), Some(Reason::TooLong));
    assert_eq!(refusal(&mut live, pool.alloc().unwrap()), Some(Reason::Empty));
    // The same in chains: the sum is too long, or one of the parts is empty.
    for (first, second, why) in [
        (1500, 18, None),
        (1500, 19, Some(Reason::TooLong)),
        (60, 0, Some(Reason::Empty)),
        (0, 60, Some(Reason::Empty)),
    ] {
        let mut chain = pool.frame(&bytes[..first]).unwrap();
        chain.append(pool.frame(&bytes[first..first + second]).unwrap()).unwrap();
        assert_eq!(refusal(&mut live, chain), why, "{first} and {second} bytes");
    }
    let counters = *live.tx[0].counters();
    assert_eq!((counters.refused, counters.full, counters.frames), (5, 0, 2));
    assert_eq!(Reason::TooLong.to_string(), "the frame is longer than the MTU allows");
    drop(pool);
    live.finish();
}

#[test]
fn both_ends_of_the_mtu_work_and_nothing_beyond() {
    for mtu in [Config::MTU_MIN, 1000, Config::MTU_MAX] {
        let mut live = with_mtu(mtu);
        let pool = live.pool.clone();
        // Header and one tag beside the payload.
        let longest = frame(PEER, STATION, mtu + 18, 1);
        assert_eq!(refusal(&mut live, pool.frame(&longest).unwrap()), None);
        let longer = frame(PEER, STATION, mtu + 19, 1);
        assert_eq!(refusal(&mut live, pool.frame(&longer).unwrap()), Some(Reason::TooLong));
        let come = frame(STATION, PEER, mtu + 18, 2);
        live.sim.receive(&come);
        assert_eq!(live.receive(0), Some(come));
        drop(pool);
        live.finish();
    }
    let attach = |config| {
        let sim = Sim::default();
        Stopped::attach(Pages::single(sim.bus()), config, &mut sim.delay()).map(drop)
    };
    for mtu in [0, Config::MTU_MIN - 1, Config::MTU_MAX + 1, usize::MAX] {
        assert_eq!(attach(Config { mtu, ..config() }), Err(Error::Mtu(mtu)));
    }
    for buffer_size in [0, 63, 100, 32_832, usize::MAX] {
        let config = Config { buffer_size, ..config() };
        assert_eq!(attach(config), Err(Error::BufferSize(buffer_size)));
    }
}

#[test]
fn received_frames_that_are_too_long_are_dropped_and_counted() {
    // In one buffer, and in several.
    for buffer_size in [1536, 128] {
        let config = Config { mtu: 1000, buffer_size, ..config() };
        let mut live =
            Rig::new(&Plan { config, rx: vec![40], buffers: 100, ..Plan::default() }).start();
        for len in [1030, 1100, 1500, 3000] {
            live.sim.receive(&frame(STATION, PEER, len, 3));
            let good = frame(STATION, PEER, 500, len as u8);
            live.sim.receive(&good);
            assert_eq!(live.receive(0), Some(good), "behind a frame of {len} bytes");
            assert_eq!(live.receive(0), None);
            live.rx[0].commit();
        }
        assert_eq!((live.rx[0].counters().too_long, live.rx[0].counters().frames), (4, 4));
        live.finish();
    }
}

#[test]
fn runts_never_reach_a_ring() {
    let mut live = Live::new();
    let runt = etsec_sim::WireFrame::exact(frame(STATION, PEER, 59, 1), etsec_sim::Fcs::Right);
    live.sim.receive_raw(runt);
    assert_eq!(live.receive(0), None);
    assert_eq!(live.port.mib().total(Counter::RUND), 1);
    live.finish();
}

#[test]
fn a_frames_flags_tell_how_it_was_addressed() {
    let group = MacAddr([0x01, 0x00, 0x5E, 0x00, 0x00, 0x05]);
    let mut filter = AddressFilter::new(STATION).unwrap();
    filter.promiscuous = true;
    filter.all_multicast = true;
    let plan = Plan { config: Config::new(filter), ..Plan::default() };
    let mut live = Rig::new(&plan).start();
    let seen = RxFlags::BC | RxFlags::MC | RxFlags::M;
    for (to, flags) in [
        (STATION, RxFlags::empty()),
        (MacAddr::BROADCAST, RxFlags::BC),
        (group, RxFlags::MC),
        (MacAddr([0x02, 0, 0, 0, 0, 0x77]), RxFlags::M),
    ] {
        live.sim.receive(&frame(to, PEER, 60, 0));
        let (_, meta) = live.rx[0].next().unwrap_or_else(|| panic!("no frame to {to:?}"));
        assert_eq!(meta.flags & seen, flags, "to {to:?}");
        assert!(meta.flags.contains(RxFlags::F | RxFlags::L) && meta.fcb == RxFcb::NONE);
    }
    live.finish();
}

//! Do frames leave with right checksums and tags, whatever headers they have and wherever in memory
//! they lie? (HW 5.1, 5.2)

use etsec_core::errata::{Errata, Part};
use etsec_core::error::Side;
use etsec_core::fcb::TxFcb;
use etsec_core::{Buf, Config, Error, Pool, Reason, TxOffload, checksum};
use etsec_sim::{Fault, SimConfig, Switches};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};
use etsec_tests::shapes::{self, Shape};

fn plan(tx_offload: TxOffload) -> Plan {
    Plan { tx: vec![64], buffers: 200, tx_offload, ..Plan::default() }
}

fn live() -> Live {
    Rig::new(&plan(TxOffload::All)).start()
}

/// A buffer with `bytes` that begin `offset` bytes behind the buffer's start.
fn place(pool: &Pool, bytes: &[u8], offset: usize) -> Buf {
    let mut buf = pool.alloc().expect("a free buffer");
    let front = buf.headroom();
    if offset <= front {
        buf.prepend(front - offset).expect("that much headroom");
    } else {
        buf.set_len(offset - front);
        buf.trim_front(offset - front);
    }
    buf.set_len(bytes.len());
    buf.copy_from_slice(bytes);
    buf
}

/// Sends a frame, and returns it as it left; it comes back unchanged.
fn send(live: &mut Live, buf: Buf, fcb: TxFcb) -> Vec<u8> {
    let before: Vec<Vec<u8>> = buf.segments().map(<[u8]>::to_vec).collect();
    live.tx[0].stage_with(buf, fcb).expect("room in the ring");
    assert_eq!(live.tx[0].commit(), 1);
    let sent = live.sim.transmitted().expect("a frame");
    let back = live.tx[0].reap().expect("the frame");
    assert!(back.segments().eq(before.iter().map(Vec::as_slice)), "came back changed");
    assert_eq!(live.tx[0].pending(), 0);
    sent
}

/// A frame whose checksums are still to be made: its fields hold something else.
fn unsummed(shape: &Shape) -> Vec<u8> {
    let mut bytes = shape.bytes.clone();
    for field in [shape.ip, shape.l4].into_iter().flatten() {
        bytes[field..field + 2].copy_from_slice(&[0xDE, 0xAD]);
    }
    bytes
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

/// Shapes for whose checksums a block can ask. Every UDP datagram gets one, so those without are
/// not among them.
fn askable() -> impl Iterator<Item = Shape> {
    shapes::all().into_iter().filter(|shape| {
        (shape.ip.is_some() || shape.l4.is_some()) && !shape.name.contains("BareUdp")
    })
}

#[test]
fn every_shape_gets_its_checksums() {
    let mut live = live();
    for (n, shape) in askable().enumerate() {
        let bytes = unsummed(&shape);
        let fcb = TxFcb::of(&bytes).unwrap_or_else(|| panic!("no block for {}", shape.name));
        let buf = place(&live.pool, &bytes, 8 + n % 57);
        assert_eq!(send(&mut live, buf, fcb), padded(shape.bytes.clone()), "{}", shape.name);
        // And the same in software.
        let mut bytes = bytes;
        checksum::fill(&mut bytes);
        assert_eq!(bytes, shape.bytes, "{}", shape.name);
    }
    live.finish();
}

#[test]
fn a_datagram_without_a_checksum_keeps_none_or_gets_one() {
    let mut live = live();
    for shape in shapes::all().iter().filter(|shape| shape.name.contains("BareUdp")) {
        // Only the header is asked for.
        let mut bytes = shape.bytes.clone();
        let Some(field) = shape.ip else { continue };
        bytes[field] ^= 0xFF;
        let len = (shape.carried - shape.l3) as u8;
        let fcb = TxFcb::ipv4(shape.l3 as u8, len).header_checksum();
        let buf = place(&live.pool, &bytes, 64);
        assert_eq!(send(&mut live, buf, fcb), padded(shape.bytes.clone()), "{}", shape.name);
    }
    live.finish();
}

#[test]
fn a_stack_may_leave_the_pseudo_header_s_sum() {
    let mut live = live();
    for shape in askable() {
        let (Some(field), bytes) = (shape.l4, unsummed(&shape)) else { continue };
        // What a stack leaves there is worked out from the right checksum and the bytes it covers.
        let sum = checksum_of(&shape.bytes[shape.carried..]);
        let pseudo = !sum;
        let at = (shape.l3 as u8, (shape.carried - shape.l3) as u8);
        let fcb = match shape.ip {
            Some(_) => TxFcb::ipv4(at.0, at.1).header_checksum(),
            None => TxFcb::ipv6(at.0, at.1),
        };
        let udp = field - shape.carried == 6;
        let fcb = if udp { fcb.udp_checksum() } else { fcb.tcp_checksum() };
        let buf = place(&live.pool, &bytes, 64);
        let sent = send(&mut live, buf, fcb.pseudo_sum(pseudo));
        assert_eq!(sent, padded(shape.bytes.clone()), "{}", shape.name);
    }
    live.finish();
}

/// The ones' complement sum of what a right checksum covers, without the pseudo header: with it, it
/// would be all ones.
fn checksum_of(bytes: &[u8]) -> u16 {
    etherparse::checksum::Sum16BitWords::new().add_slice(bytes).ones_complement().to_be() ^ 0xFFFF
}

#[test]
fn tags_are_put_in_beside_checksums_and_in_front_of_tags() {
    let mut live = live();
    for shape in askable().step_by(3) {
        let bytes = unsummed(&shape);
        let fcb = TxFcb::of(&bytes).expect("a block").tag(0xE123);
        let mut expected = shape.bytes.clone();
        expected.splice(12..12, [0x81, 0x00, 0xE1, 0x23]);
        let buf = place(&live.pool, &bytes, 40);
        assert_eq!(send(&mut live, buf, fcb), padded(expected), "{}", shape.name);
    }
    // A frame that is no IP, too.
    let bytes = frame(PEER, STATION, 64, 3);
    let buf = place(&live.pool, &bytes, 64);
    let sent = send(&mut live, buf, TxFcb::NONE.tag(7));
    assert_eq!((&sent[12..16], &sent[16..]), (&[0x81, 0, 0, 7][..], &bytes[12..]));
    live.finish();
}

#[test]
fn a_block_finds_its_place_before_a_frame_that_begins_anywhere() {
    // With the erratum a block at a bad place spoils the checksum (HW 14), unless it is worked
    // around.
    for (etsec12, errata) in
        [(false, Errata::empty()), (false, Errata::ETSEC12), (true, Errata::ETSEC12)]
    {
        let mut live = with_etsec12(etsec12, errata);
        let shape = askable().find(|shape| shape.l4.is_some()).expect("a frame");
        let bytes = unsummed(&shape);
        let fcb = TxFcb::of(&bytes).expect("a block");
        for offset in 8..200 {
            let buf = place(&live.pool, &bytes, offset);
            assert_eq!(send(&mut live, buf, fcb), padded(shape.bytes.clone()), "at {offset}");
        }
        for offset in 0..8 {
            let refused = live.tx[0].stage_with(place(&live.pool, &bytes, offset), fcb);
            assert_eq!(refused.expect_err("no room").why, Reason::Headroom);
        }
        live.finish();
    }
}

#[test]
fn without_the_work_around_a_block_at_a_bad_place_spoils_the_checksum() {
    let mut live = with_etsec12(true, Errata::empty());
    let shape = askable().find(|shape| shape.l4.is_some()).expect("a frame");
    let bytes = unsummed(&shape);
    let fcb = TxFcb::of(&bytes).expect("a block");
    for offset in 8..200 {
        let buf = place(&live.pool, &bytes, offset);
        let sent = send(&mut live, buf, fcb);
        let bad = (offset - 8) % 32 > 24;
        assert_eq!(sent != padded(shape.bytes.clone()), bad, "at {offset}");
    }
    live.finish();
}

/// A port on a part that may have erratum eTSEC12, whose driver works around `errata`.
fn with_etsec12(etsec12: bool, errata: Errata) -> Live {
    let switches = Switches { etsec12, ..Switches::default() };
    let sim = SimConfig { switches, ..SimConfig::default() };
    let plan = plan(TxOffload::All);
    let config = Config { errata, ..plan.config.clone() };
    Rig::new(&Plan { sim, config, ..plan }).start()
}

#[test]
fn chains_are_summed_whole_across_the_rings_end() {
    let plan = Plan { tx: vec![7], buffers: 60, ..plan(TxOffload::All) };
    let mut live = Rig::new(&plan).start();
    for (turn, shape) in askable().filter(|shape| shape.bytes.len() > 80).enumerate() {
        let bytes = unsummed(&shape);
        let fcb = TxFcb::of(&bytes).expect("a block");
        let (first, rest) = bytes.split_at(14 + turn % 60);
        let mut buf = place(&live.pool, first, 64 + turn % 32);
        for part in rest.chunks(rest.len().div_ceil(1 + turn % 4)) {
            buf.append(place(&live.pool, part, 3 + turn % 100)).expect("a short chain");
        }
        assert_eq!(send(&mut live, buf, fcb), padded(shape.bytes.clone()), "{}", shape.name);
    }
    live.finish();
}

#[test]
fn bursts_mix_frames_with_and_without_blocks() {
    let mut live = live();
    let shapes: Vec<Shape> = askable().filter(|shape| shape.bytes.len() < 200).collect();
    for burst in shapes.chunks(16) {
        let mut stager = live.tx[0].stager();
        for (n, shape) in burst.iter().enumerate() {
            let bytes = if n % 3 == 0 { shape.bytes.clone() } else { unsummed(shape) };
            let buf = place(&live.pool, &bytes, [64, 74, 60, 33][n % 4]);
            if n % 3 == 0 {
                stager.stage(buf).expect("room");
            } else {
                stager.stage_with(buf, TxFcb::of(&bytes).expect("a block")).expect("room");
            }
        }
        assert_eq!(stager.commit(), burst.len());
        for shape in burst {
            let sent = live.sim.transmitted().expect("a frame");
            assert_eq!(sent, padded(shape.bytes.clone()), "{}", shape.name);
        }
        assert_eq!(live.tx[0].sent().count(), burst.len());
    }
    live.finish();
}

#[test]
fn what_the_port_does_not_permit_is_refused_by_name() {
    let bytes = frame(PEER, STATION, 1500, 1);
    let fcb = TxFcb::ipv4(14, 20).udp_checksum();
    let why = |live: &mut Live, len: usize, fcb: TxFcb| {
        let buf = place(&live.pool, &bytes[..len], 64);
        live.tx[0].stage_with(buf, fcb).err().map(|refused| refused.why)
    };
    let mut off = Rig::new(&plan(TxOffload::Off)).start();
    assert_eq!(why(&mut off, 100, fcb), Some(Reason::NotPermitted));
    assert_eq!((off.tx[0].sums_up_to(), off.tx[0].counters().refused), (0, 1));
    off.finish();
    let mut some = Rig::new(&plan(TxOffload::UpTo(1000))).start();
    assert_eq!(why(&mut some, 1000, fcb), None);
    assert_eq!(why(&mut some, 1001, fcb), Some(Reason::TooLongToSum));
    // A tag alone is no checksum.
    assert_eq!(why(&mut some, 1500, TxFcb::NONE.tag(1)), None);
    assert_eq!(why(&mut some, 0, fcb), Some(Reason::Empty));
    some.tx[0].commit();
    some.reap();
    some.finish();
}

#[test]
fn what_a_queue_knows_does_not_change_behind_its_back() {
    let mut rig = Rig::new(&plan(TxOffload::UpTo(1000)));
    for other in [TxOffload::Off, TxOffload::All, TxOffload::UpTo(999)] {
        assert_eq!(rig.port.set_tx_offload(other), Err(Error::HasQueues(Side::Tx)), "{other:?}");
        assert_eq!(rig.port.tx_offload(), TxOffload::UpTo(1000));
    }
    // What it knows already can be said again.
    assert_eq!(rig.port.set_tx_offload(TxOffload::UpTo(1000)), Ok(()));
    rig.finish();
    // Receive queues know nothing of it.
    let mut rig = Rig::new(&Plan { tx: vec![], ..plan(TxOffload::UpTo(1000)) });
    assert_eq!(rig.port.set_tx_offload(TxOffload::Off), Ok(()));
    assert_eq!(rig.port.tx_offload(), TxOffload::Off);
    rig.finish();
}

#[test]
fn with_its_tag_a_frame_is_no_longer_than_the_mtu_allows() {
    let mut live = live();
    let most = live.port.config().frame_max();
    let bytes = frame(PEER, STATION, most, 1);
    for (len, tag, taken) in [(most, false, true), (most, true, false), (most - 4, true, true)] {
        let fcb = if tag { TxFcb::NONE.tag(1) } else { TxFcb::NONE };
        let staged = live.tx[0].stage_with(place(&live.pool, &bytes[..len], 64), fcb);
        assert_eq!(staged.is_ok(), taken, "{len}, tag {tag}");
        if let Err(refused) = staged {
            assert_eq!(refused.why, Reason::TooLong);
        } else {
            live.tx[0].commit();
            assert!(live.sim.transmitted().is_some(), "truncated");
            live.reap();
        }
    }
    assert_eq!(live.tx[0].counters().errors(), 0);
    live.finish();
}

/// The bit of a requested block is that of an underrun when it is still there (HW 4.2).
#[test]
fn underruns_are_told_from_blocks_whatever_the_device_leaves_in_the_descriptor() {
    for toe_stays in [false, true] {
        let switches = Switches { toe_stays, ..Switches::default() };
        let sim = SimConfig { switches, ..SimConfig::default() };
        let mut live = Rig::new(&Plan { sim, ..plan(TxOffload::All) }).start();
        let bytes = &shapes::all()[0].bytes;
        let fcb = TxFcb::of(bytes).expect("a block");
        for n in 1..=70 {
            let buf = place(&live.pool, bytes, 64);
            live.tx[0].stage_with(buf, fcb).expect("room");
            live.tx[0].commit();
            assert_eq!((live.reap(), live.tx[0].counters().frames), (1, n), "stays: {toe_stays}");
        }
        live.sim.inject(Fault::Underrun);
        live.tx[0].stage_with(place(&live.pool, bytes, 64), fcb).expect("room");
        live.tx[0].commit();
        assert_eq!(live.reap(), 1);
        // Where the bit says nothing, the event does.
        let told = u64::from(!toe_stays);
        assert_eq!(
            (live.tx[0].counters().underruns, live.tx[0].counters().frames),
            (told, 71 - told)
        );
        live.port.tick(1, &mut live.delay).expect("a device");
        assert_eq!(live.port.faults().underruns, 1);
        live.finish();
    }
}

#[test]
fn frames_with_blocks_survive_a_stop_and_a_reset() {
    let mut live = live();
    let shapes: Vec<Shape> = askable().take(8).collect();
    live.sim.inject(Fault::TxHang);
    for (n, shape) in shapes.iter().enumerate() {
        let bytes = unsummed(shape);
        let buf = place(&live.pool, &bytes, if n % 2 == 0 { 64 } else { 35 });
        live.tx[0].stage_with(buf, TxFcb::of(&bytes).expect("a block")).expect("room");
    }
    live.tx[0].commit();
    live.port.reset(&mut live.delay).expect("a device");
    for shape in &shapes {
        assert_eq!(live.sim.transmitted(), Some(padded(shape.bytes.clone())), "{}", shape.name);
    }
    assert_eq!(live.reap(), 8);
    // Drained unsent, all buffers come home.
    let bytes = unsummed(&shapes[0]);
    live.sim.inject(Fault::TxHang);
    for offset in [64, 35] {
        live.tx[0].stage_with(place(&live.pool, &bytes, offset), TxFcb::NONE).expect("room");
    }
    live.tx[0].commit();
    let mut rig = live.stop();
    assert_eq!(std::iter::from_fn(|| rig.tx[0].drain()).count(), 2);
    rig.finish();
}

#[test]
fn long_frames_take_offloads_too_where_no_erratum_forbids_it() {
    let errata = Part::P10xx.errata();
    let long = Config { mtu: Config::MTU_MAX, buffer_size: 9728, errata, ..config() };
    let mut live = Rig::new(&Plan { config: long, ..plan(TxOffload::All) }).start();
    let mut bytes = shapes::all()[0].bytes[..42].to_vec();
    bytes.resize(9590, 0x5A);
    bytes[16..18].copy_from_slice(&(9590u16 - 14).to_be_bytes());
    bytes[38..40].copy_from_slice(&(9590u16 - 34).to_be_bytes());
    let mut expected = bytes.clone();
    checksum::fill(&mut expected);
    assert_ne!(bytes, expected);
    let fcb = TxFcb::of(&bytes).expect("a block");
    let buf = place(&live.pool, &bytes, 64);
    assert_eq!(send(&mut live, buf, fcb), expected);
    live.finish();
    // eTSEC76: of a part that is not known.
    let config = Config { mtu: Config::MTU_MAX, buffer_size: 9728, ..config() };
    let mut live = Rig::new(&Plan { config, ..plan(TxOffload::All) }).start();
    assert_eq!((live.port.tx_offload(), live.tx[0].sums_up_to()), (TxOffload::UpTo(2500), 2500));
    let refused = live.tx[0].stage_with(place(&live.pool, &bytes[..2501], 64), fcb);
    assert_eq!(refused.expect_err("too long").why, Reason::TooLongToSum);
    live.finish();
}

//! Do frames in several buffers leave as one, whatever the lengths and offsets of the parts?

use etsec_core::buf::MAX_CHAIN;
use etsec_core::{Buf, Config, Pool, Reason};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

fn live(ring: usize, buffers: usize) -> Live {
    let config = Config { mtu: Config::MTU_MAX, ..config() };
    Rig::new(&Plan { config, tx: vec![ring], buffers, ..Plan::default() }).start()
}

/// A buffer with `bytes` at `offset` bytes behind the headroom.
fn part(pool: &Pool, bytes: &[u8], offset: usize) -> Buf {
    let mut buf = pool.alloc().expect("a free buffer");
    buf.set_len(offset + bytes.len());
    buf[offset..].copy_from_slice(bytes);
    buf.trim_front(offset);
    buf
}

/// `bytes` cut into parts of the given lengths, each at the next odd offset; the rest is the last
/// part.
fn chain(pool: &Pool, mut bytes: &[u8], lens: &[usize]) -> Buf {
    let mut parts = Vec::new();
    for (n, len) in lens.iter().enumerate() {
        let (head, rest) = bytes.split_at(*len);
        parts.push(part(pool, head, (2 * n + 1) % 63));
        bytes = rest;
    }
    if !bytes.is_empty() {
        parts.push(part(pool, bytes, 3));
    }
    let mut parts = parts.into_iter();
    let mut frame = parts.next().expect("a frame has bytes");
    for part in parts {
        frame.append(part).expect("a chain within its limit");
    }
    frame
}

fn send(live: &mut Live, bytes: &[u8], lens: &[usize]) {
    let frame = chain(&live.pool, bytes, lens);
    assert_eq!(frame.total_len(), bytes.len());
    live.tx[0].stage(frame).expect("room in the ring");
    assert_eq!(live.tx[0].commit(), 1);
    assert_eq!(live.sim.transmitted().as_deref(), Some(bytes), "cut at {lens:?}");
    let back = live.tx[0].reap().expect("a sent frame");
    assert_eq!(back.total_len(), bytes.len());
}

#[test]
fn two_parts_cut_at_every_byte() {
    let mut live = live(16, 40);
    let bytes = frame(PEER, STATION, 130, 1);
    for cut in 1..130 {
        send(&mut live, &bytes, &[cut]);
    }
    assert_eq!(live.tx[0].counters().frames, 129);
    live.finish();
}

#[test]
fn single_bytes_odd_parts_and_a_jumbo() {
    let mut live = live(300, 400);
    let bytes = frame(PEER, STATION, 64, 2);
    send(&mut live, &bytes, &[1; 64]);
    send(&mut live, &bytes, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    send(&mut live, &bytes, &[63, 1]);
    let long = frame(PEER, STATION, 1000, 3);
    send(&mut live, &long, &[1; MAX_CHAIN - 1]);
    send(&mut live, &long, &[13; 70]);
    send(
        &mut live,
        &frame(PEER, STATION, 9596, 4),
        &[1473, 1, 1500, 777, 1400, 1, 1399, 1401, 1000],
    );
    live.finish();
}

#[test]
fn chains_lie_across_the_rings_end_at_every_place() {
    for ring in [4, 5, 7] {
        let mut live = live(ring, 40);
        for turn in 0..6 * ring {
            let bytes = frame(PEER, STATION, 60 + 11 * turn, turn as u8);
            let parts = turn % ring;
            send(&mut live, &bytes, &vec![7; parts]);
        }
        live.finish();
    }
}

#[test]
fn a_chain_is_taken_whole_or_not_at_all() {
    let mut live = live(8, 40);
    let bytes = frame(PEER, STATION, 100, 5);
    live.tx[0].stage(chain(&live.pool, &bytes, &[10, 10, 10, 10])).expect("room for five");
    let free = live.pool.free();
    let refused = live.tx[0].stage(chain(&live.pool, &bytes, &[20, 20, 20])).expect_err("no room");
    assert_eq!((refused.why, refused.buf.buffers()), (Reason::Full, 4));
    assert_eq!((live.tx[0].space(), live.tx[0].counters().full), (3, 1));
    drop(refused);
    assert_eq!(live.pool.free(), free);
    live.tx[0].stage(chain(&live.pool, &bytes, &[30, 30])).expect("room for three");
    assert_eq!(live.tx[0].commit(), 2);
    assert_eq!(live.sim.transmitted().as_deref(), Some(&bytes[..]));
    assert_eq!(live.sim.transmitted().as_deref(), Some(&bytes[..]));
    assert_eq!(live.reap(), 2);
    live.finish();
}

#[test]
fn a_header_put_in_front_uses_the_headroom() {
    let mut live = live(8, 40);
    let bytes = frame(PEER, STATION, 200, 6);
    let mut buf = part(&live.pool, &bytes[14..], 0);
    buf.prepend(14).expect("headroom").copy_from_slice(&bytes[..14]);
    live.tx[0].stage(buf).expect("room in the ring");
    live.tx[0].commit();
    assert_eq!(live.sim.transmitted().as_deref(), Some(&bytes[..]));
    live.finish();
}

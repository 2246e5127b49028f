//! Can eight threads each own a transmit and a receive ring while a ninth looks after the
//! controller?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etsec_core::filer::{FilerEntry, FilerTable};
use etsec_core::regs::filer::Rqfcr;
use etsec_core::{Config, MacAddr, Pool};
use etsec_tests::rig::{Live, Plan, Rig, Rx, STATION, Tx, bytes_of, config, frame};

const RINGS: usize = 8;
const RING: usize = 16;
const FRAMES: u32 = 2_000;
/// Long enough for a thread that has rung no doorbell yet to be scheduled again, before it is taken
/// for forgotten.
const TICK: Duration = Duration::from_millis(50);
/// Virtual or not, somebody else's machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a thread sends on ring `n`, and gets back through the loop.
fn numbered(n: u8, number: u32) -> Vec<u8> {
    let from = MacAddr([0x02, 0, 0, 0, 0xA0, n]);
    let mut bytes = frame(STATION, from, 60 + (number as usize * 37) % 700, n ^ number as u8);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Sends all frames and takes them back, in order, keeping no more under way than the ring holds.
fn work(n: u8, mut rx: Rx, mut tx: Tx, pool: Pool) -> (Rx, Tx) {
    let started = Instant::now();
    let (mut sent, mut received) = (0, 0);
    while received < FRAMES {
        assert!(started.elapsed() < PATIENCE, "ring {n}: {sent} sent, {received} received");
        while sent < FRAMES && sent - received < RING as u32 && tx.space() > 0 {
            // Others may have all buffers for the moment.
            let Some(buf) = pool.frame(&numbered(n, sent)) else { break };
            tx.stage(buf).expect("room in the ring");
            sent += 1;
        }
        tx.commit();
        while let Some((buf, meta)) = rx.next() {
            assert_eq!(bytes_of(&buf), numbered(n, received), "ring {n}");
            assert_eq!(meta.fcb.queue(), n);
            received += 1;
            rx.refill(buf).expect("room where it came from");
        }
        rx.commit();
        while tx.reap().is_some() {}
        thread::yield_now();
    }
    while tx.pending() > 0 {
        assert!(started.elapsed() < PATIENCE, "ring {n}: {} not reaped", tx.pending());
        tx.reap();
    }
    assert!(rx.next().is_none());
    (rx, tx)
}

#[test]
fn eight_threads_and_a_ninth() {
    let config = Config { parser: true, loopback: true, ..config() };
    let rings = vec![RING; RINGS];
    let buffers = RINGS * (RING + 4);
    let mut rig =
        Rig::new(&Plan { config, rx: rings.clone(), tx: rings, buffers, ..Plan::default() });
    let mut table = FilerTable::new(0);
    for n in 0..RINGS as u32 {
        let rule = Rqfcr::Q.val(n) + Rqfcr::CMP::Equal + Rqfcr::PID::Sal;
        table.push(FilerEntry { control: rule.into(), property: 0xA0 << 8 | n }).unwrap();
    }
    rig.port.set_filer(&table).expect("the parser is on");
    let Live { mut port, rx, tx, pool, arena, delay, sim } = rig.start();

    let done = Arc::new(AtomicBool::new(false));
    let keeper = thread::spawn({
        let (done, mut delay) = (Arc::clone(&done), delay.clone());
        move || {
            let started = Instant::now();
            while !done.load(Ordering::Acquire) {
                let now_ms = started.elapsed().as_millis() as u32;
                port.tick(now_ms, &mut delay).expect("a device that is there");
                thread::sleep(TICK);
            }
            port
        }
    });
    let workers = (0..).zip(rx.into_iter().zip(tx)).map(|(n, (rx, tx))| {
        let pool = pool.clone();
        thread::spawn(move || work(n, rx, tx, pool))
    });
    let workers: Vec<_> = workers.collect();
    let queues: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    done.store(true, Ordering::Release);
    let port = keeper.join().unwrap();

    for (rx, tx) in &queues {
        assert_eq!((tx.counters().frames, tx.counters().errors()), (FRAMES.into(), 0));
        assert_eq!((rx.counters().frames, rx.counters().errors()), (FRAMES.into(), 0));
        assert_eq!((tx.counters().bytes, rx.counters().resyncs), (rx.counters().bytes, 0));
    }
    let (rx, tx) = queues.into_iter().unzip();
    Live { port, rx, tx, pool, arena, delay, sim }.finish();
}

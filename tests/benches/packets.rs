//! Instructions of driver code per packet: receive, transmit and echo with one call for each frame,
//! and echo by the burst; echo again with the checksums of what comes looked at and of what goes
//! asked for; in bursts of 1, 8, 32 and 128. Each benchmark is one burst in steady
//! state; `cargo xtask bench` divides by its length.
//!
//! Only the driver is counted: registers are plain memory behind the same `Mmio` that silicon has,
//! and the descriptors were closed beforehand by the harness in `still`.

#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use gungraun::Callgrind;
use gungraun::prelude::*;

use etsec_core::Buf;
use etsec_tests::still::Still;

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::received, teardown = Still::check)]
fn rx(mut port: Box<Still>) -> Box<Still> {
    let Still { rx, done, .. } = &mut *port;
    while let Some((buf, meta)) = rx.next() {
        black_box((&buf[..], meta.flags));
        // What is refused is missing from the count below.
        let _ = rx.refill(buf);
    }
    *done = rx.commit();
    port
}

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::transmitted, teardown = Still::check)]
fn tx(mut port: Box<Still>) -> Box<Still> {
    let Still { tx, done, .. } = &mut *port;
    while let Some(buf) = tx.reap() {
        black_box(&buf[..]);
        let _ = tx.stage(buf);
    }
    *done = tx.commit();
    port
}

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::echoing, teardown = Still::check)]
fn echo(mut port: Box<Still>) -> Box<Still> {
    let Still { rx, tx, done, .. } = &mut *port;
    while let Some((buf, _)) = rx.next() {
        let _ = tx.stage(buf);
    }
    *done = tx.commit();
    while let Some(buf) = tx.reap() {
        let _ = rx.refill(buf);
    }
    *done = (*done).min(rx.commit());
    port
}

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::echoing, teardown = Still::check)]
fn echo_by_burst(mut port: Box<Still>) -> Box<Still> {
    let Still { rx, tx, done, .. } = &mut *port;
    let mut stager = tx.stager();
    for (buf, _) in rx.arrived() {
        let _ = stager.stage(buf);
    }
    *done = stager.commit();
    let mut refiller = rx.refiller();
    for buf in tx.sent() {
        let _ = refiller.refill(buf);
    }
    *done = (*done).min(refiller.commit());
    port
}

/// A frame that is not verified: it will be missing from the count.
#[cold]
#[inline(never)]
fn reject(buf: Buf) {
    drop(buf);
}

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::offloading, teardown = Still::check)]
fn echo_offloaded(mut port: Box<Still>) -> Box<Still> {
    let Still { rx, tx, fcb, done, .. } = &mut *port;
    let fcb = *fcb;
    while let Some((buf, meta)) = rx.next() {
        if !meta.is_verified() {
            reject(buf);
            continue;
        }
        let _ = tx.stage_with(buf, fcb);
    }
    *done = tx.commit();
    while let Some(buf) = tx.reap() {
        let _ = rx.refill(buf);
    }
    *done = (*done).min(rx.commit());
    port
}

#[library_benchmark]
#[benches::burst(args = [1, 8, 32, 128], setup = Still::offloading, teardown = Still::check)]
fn echo_offloaded_by_burst(mut port: Box<Still>) -> Box<Still> {
    let Still { rx, tx, fcb, done, .. } = &mut *port;
    let fcb = *fcb;
    let mut stager = tx.stager();
    for (buf, meta) in rx.arrived() {
        if !meta.is_verified() {
            reject(buf);
            continue;
        }
        let _ = stager.stage_with(buf, fcb);
    }
    *done = stager.commit();
    let mut refiller = rx.refiller();
    for buf in tx.sent() {
        let _ = refiller.refill(buf);
    }
    *done = (*done).min(refiller.commit());
    port
}

library_benchmark_group!(
    name = packets,
    benchmarks = [rx, tx, echo, echo_by_burst, echo_offloaded, echo_offloaded_by_burst]
);

// Only instructions are wanted; simulating caches would take longer and say nothing of an e500.
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = packets
);

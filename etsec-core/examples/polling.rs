//! The main loop of a firmware that sends every frame back to where it came from, by polling.
//!
//! A board hands `serve` its register page (`Mmio`), memory, a delay and a clock. On a PC, `main`
//! shows what the driver says where there is no controller.

use embedded_hal::delay::DelayNs;
use etsec_core::{AddressFilter, Arena, Bus, Config, Error, MacAddr, Pages, Region, Stopped};

const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// Runs until the controller is gone. Too little `memory` is a mistake in the board's layout, so it
/// panics.
#[allow(dead_code, reason = "a board calls it, and so does a test of this project")]
pub fn serve<B: Bus + Clone>(
    pages: Pages<B>,
    memory: impl Region,
    delay: &mut dyn DelayNs,
    now_ms: impl Fn() -> u32,
) -> Result<(), Error> {
    let mut stopped = Stopped::attach(pages, config(), delay)?;
    let mut arena = Arena::new(memory).map_err(|(_, error)| error).expect("usable memory");
    let mut rx = stopped.add_rx(0, arena.ring(64).expect("room for a ring"))?;
    let mut tx = stopped.add_tx(0, arena.ring(64).expect("room for a ring"))?;
    let pool = arena.pool(96, 1536).expect("room for the buffers");
    rx.fill(&pool);
    rx.commit();
    let mut running = stopped.start(delay).map_err(|(_, error)| error)?;
    let mut ticked_ms = now_ms();
    loop {
        while let Some((mut frame, _)) = rx.next() {
            frame.copy_within(6..12, 0);
            frame[6..12].copy_from_slice(&STATION.0);
            drop(tx.stage(frame)); // refused, it goes back to the pool
        }
        tx.commit(); // one register write for the whole burst
        while let Some(sent) = tx.reap() {
            drop(rx.refill(sent)); // never through the pool, while all is well
        }
        rx.fill(&pool);
        rx.commit();
        if now_ms().wrapping_sub(ticked_ms) >= 100 {
            ticked_ms = now_ms();
            running.tick(ticked_ms, delay)?; // errors, hangs, counters
        }
    }
}

fn config() -> Config {
    Config::new(AddressFilter::new(STATION).expect("a station's own address"))
}

/// A bus with nobody on it: every register reads as all ones.
#[derive(Clone)]
struct Absent;

impl Bus for Absent {
    fn read(&self, _: u16) -> u32 {
        u32::MAX
    }
    fn write(&self, _: u16, _: u32) {}
    fn publish(&self) {}
    fn observe(&self) {}
}

struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

fn main() {
    match Stopped::attach(Pages::single(Absent), config(), &mut NoDelay) {
        Ok(port) => println!("there should be no controller here: {port:?}"),
        Err(error) => println!("{error}"),
    }
}

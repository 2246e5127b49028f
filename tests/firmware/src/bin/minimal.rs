//! The smallest use of the driver that does all a poller must: one receive ring, one transmit ring,
//! every frame sent back to where it came from, a tick ten times a second. `cargo xtask size`
//! measures what the driver takes in it.
#![no_std]
#![no_main]

use etsec_core::{AddressFilter, Arena, Config, Error, MacAddr, Mmio, Pages, Stopped};
use etsec_firmware::clock::{Clock, Delay, QEMU_TICKS_PER_US};
use etsec_firmware::dma::Block;
use etsec_firmware::{Handoff, map, power};

etsec_firmware::main!(main);

/// The address of the port; a product would find it in the device tree.
const STATION: MacAddr = MacAddr([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
/// Where QEMU's first eTSEC is.
const PORT: u64 = 0xF_0000_0000;
const RING: usize = 16;
const BUFFERS: usize = 2 * RING;
const BUFFER_SIZE: usize = 1536;
const MEMORY: usize = etsec_core::arena::HEADER_BYTES
    + 2 * etsec_core::arena::ring_bytes(RING)
    + etsec_core::arena::pool_bytes(BUFFERS, BUFFER_SIZE);

static BLOCK: Block<MEMORY> = Block::new();

fn main(_: Handoff) -> ! {
    // SAFETY: the port's registers, mapped uncached for good, and nobody else drives it.
    let page = unsafe { Mmio::new(map::port(0, PORT)) };
    let _ = echo(Pages::single(page));
    power::off()
}

/// Runs until the controller is gone.
fn echo(pages: Pages<Mmio>) -> Result<(), Error> {
    let delay = &mut Delay::new(QEMU_TICKS_PER_US);
    let mut clock = Clock::new(QEMU_TICKS_PER_US);
    let Ok(filter) = AddressFilter::new(STATION) else { power::off() };
    let mut stopped = Stopped::attach(pages, Config::new(filter), delay)?;
    let Some(memory) = BLOCK.take() else { power::off() };
    let Ok(mut arena) = Arena::new(memory) else { power::off() };
    let (Ok(rx), Ok(tx)) = (arena.ring(RING), arena.ring(RING)) else { power::off() };
    let Ok(pool) = arena.pool(BUFFERS, BUFFER_SIZE) else { power::off() };
    let mut rx = stopped.add_rx(0, rx)?;
    let mut tx = stopped.add_tx(0, tx)?;
    rx.fill(&pool);
    rx.commit();
    let mut running = stopped.start(delay).map_err(|(_, error)| error)?;
    let mut ticked_ms = clock.ms();
    loop {
        while let Some((mut frame, _)) = rx.next() {
            if let Some(addresses) = frame.first_chunk_mut::<12>() {
                addresses.copy_within(6.., 0);
                addresses[6..].copy_from_slice(&STATION.0);
            }
            drop(tx.stage(frame));
        }
        tx.commit();
        while let Some(sent) = tx.reap() {
            drop(rx.refill(sent));
        }
        rx.fill(&pool);
        rx.commit();
        let now_ms = clock.ms();
        if now_ms.wrapping_sub(ticked_ms) >= 100 {
            ticked_ms = now_ms;
            running.tick(now_ms, delay)?;
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    power::off()
}

//! The smallest use of the driver: one receive ring, one transmit ring, every frame sent back to
//! where it came from, errors mended ten times a second. `cargo xtask size` measures what the
//! driver takes in it.
#![no_std]
#![no_main]

use etsec_core::{AddressFilter, Arena, Config, MacAddr, Mmio, Pages, Stopped};
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
    let delay = &mut Delay::new(QEMU_TICKS_PER_US);
    let clock = &mut Clock::new(QEMU_TICKS_PER_US);
    let filter = AddressFilter::new(STATION).unwrap_or_else(|_| power::off());
    let attached = Stopped::attach(Pages::single(page), Config::new(filter), delay);
    let mut stopped = attached.unwrap_or_else(|_| power::off());
    let memory = BLOCK.take().unwrap_or_else(|| power::off());
    let mut arena = Arena::new(memory).unwrap_or_else(|_| power::off());
    let mut ring = || arena.ring(RING).unwrap_or_else(|_| power::off());
    let mut rx = stopped.add_rx(0, ring()).unwrap_or_else(|_| power::off());
    let mut tx = stopped.add_tx(0, ring()).unwrap_or_else(|_| power::off());
    let pool = arena.pool(BUFFERS, BUFFER_SIZE).unwrap_or_else(|_| power::off());
    rx.fill(&pool);
    rx.commit();
    let mut running = stopped.start(delay).unwrap_or_else(|_| power::off());
    let mut looked_ms = clock.ms();
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
        if now_ms.wrapping_sub(looked_ms) >= 100 {
            looked_ms = now_ms;
            if cfg!(feature = "tick") {
                // Fails when the controller is gone.
                running.tick(now_ms, delay).unwrap_or_else(|_| power::off());
            } else {
                running.mend();
            }
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    power::off()
}

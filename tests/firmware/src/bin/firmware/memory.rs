//! All memory of the image, set aside when it is linked.

use etsec_core::arena::{HEADER_BYTES, pool_bytes, ring_bytes};
use etsec_firmware::dma::Block;

/// Longer than anything that is sent to it at once: QEMU does not survive a full ring of
/// whole-frame buffers (HW 15.3, kept frame).
pub const RX_RING: usize = 12_288;
/// Of each of the eight transmit rings.
pub const TX_RING: usize = 64;
/// A quarter of them is kept for sending.
pub const BUFFERS: usize = RX_RING / 3 * 4;
pub const BUFFER_SIZE: usize = 1536;

/// Of the second port: a frame of 1000 bytes and more takes three buffers here, which does not
/// divide the ring, so an overrun always comes in the middle of a frame.
pub const SCATTER_RING: usize = 16;
pub const SCATTER_BUFFERS: usize = 64;
pub const SCATTER_SIZE: usize = 512;

/// The largest UDP payload, and how many a socket takes.
pub const DATAGRAM: usize = 1472;
pub const DATAGRAMS: usize = 64;

/// For the first port.
pub static PORT: Block<
    {
        HEADER_BYTES
            + ring_bytes(RX_RING)
            + 8 * ring_bytes(TX_RING)
            + pool_bytes(BUFFERS, BUFFER_SIZE)
    },
> = Block::new();

/// For the second.
pub static SCATTER: Block<
    { HEADER_BYTES + 2 * ring_bytes(SCATTER_RING) + pool_bytes(SCATTER_BUFFERS, SCATTER_SIZE) },
> = Block::new();

/// What the echo socket has received, and what it is to send.
pub static ECHO_RX: Block<{ DATAGRAM * DATAGRAMS }> = Block::new();
pub static ECHO_TX: Block<{ DATAGRAM * DATAGRAMS }> = Block::new();
/// What the command socket has received; it sends nothing.
pub static COMMANDS: Block<DATAGRAM> = Block::new();

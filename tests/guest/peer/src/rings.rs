//! The rings of a packet socket, version 3: received frames come in blocks of as many as fit,
//! frames to be sent go into slots. It knows the layout and calls nobody but the socket.

use std::mem::{offset_of, size_of};
use std::sync::atomic::Ordering;

use anyhow::Result;
use libc::{sockaddr_ll, tpacket_hdr_v1, tpacket_req3, tpacket3_hdr};

use crate::area::Area;
use crate::socket::{Ring, Socket};

/// Bytes of a block, and how many blocks each ring has.
const BLOCK: u32 = 65_536;
const RECEIVE_BLOCKS: u32 = 16;
const TRANSMIT_BLOCKS: u32 = 4;
/// Bytes of a slot: a frame and its header.
const SLOT: u32 = 2048;
/// A block that is not full is handed over after so many milliseconds; somebody may wait for an
/// answer.
const RETIRE_MS: u32 = 4;
/// Where nobody does, fewer and fuller blocks cost less.
const RETIRE_LATE_MS: u32 = 20;

/// The ring of received frames.
pub const RECEIVE: Ring = Ring { option: libc::PACKET_RX_RING, shape: shape(RECEIVE_BLOCKS) };
/// The same for who is in no hurry.
pub const RECEIVE_LATE: Ring =
    Ring { shape: tpacket_req3 { tp_retire_blk_tov: RETIRE_LATE_MS, ..RECEIVE.shape }, ..RECEIVE };
/// The ring of frames to be sent.
pub const TRANSMIT: Ring = Ring {
    option: libc::PACKET_TX_RING,
    // It knows no such time.
    shape: tpacket_req3 { tp_retire_blk_tov: 0, ..shape(TRANSMIT_BLOCKS) },
};

const fn shape(blocks: u32) -> tpacket_req3 {
    tpacket_req3 {
        tp_block_size: BLOCK,
        tp_block_nr: blocks,
        tp_frame_size: SLOT,
        tp_frame_nr: BLOCK / SLOT * blocks,
        tp_retire_blk_tov: RETIRE_MS,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    }
}

/// Where the header of a block begins: behind its version and an offset.
const BLOCK_HEADER: usize = 8;
const BLOCK_STATUS: usize = BLOCK_HEADER + offset_of!(tpacket_hdr_v1, block_status);
const BLOCK_COUNT: usize = BLOCK_HEADER + offset_of!(tpacket_hdr_v1, num_pkts);
const BLOCK_FIRST: usize = BLOCK_HEADER + offset_of!(tpacket_hdr_v1, offset_to_first_pkt);

/// Takes received frames.
#[derive(Debug)]
pub struct Receiver {
    area: Area,
    /// Where the next block begins.
    block: usize,
}

impl Receiver {
    /// The receiver on a ring of [`RECEIVE`]'s shape.
    pub fn new(area: Area) -> Self {
        Self { area, block: 0 }
    }

    /// Waits for a block and gives its frames to `take`; returns how many there were.
    pub fn block(&mut self, socket: &Socket, mut take: impl FnMut(&[u8])) -> Result<u32> {
        let (area, block) = (&self.area, self.block);
        let status = area.word(block + BLOCK_STATUS);
        while status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            socket.wait()?;
        }
        let plain = |at: usize| area.word(at).load(Ordering::Relaxed) as usize;
        let count = plain(block + BLOCK_COUNT);
        let mut frame = block + plain(block + BLOCK_FIRST);
        for _ in 0..count {
            let len = plain(frame + offset_of!(tpacket3_hdr, tp_snaplen));
            // The first half of a word: where the link header is. The other: where the network's.
            let starts = area.word(frame + offset_of!(tpacket3_hdr, tp_mac));
            let [high, low, ..] = starts.load(Ordering::Relaxed).to_ne_bytes();
            take(area.bytes(frame + usize::from(u16::from_ne_bytes([high, low])), len));
            frame += plain(frame + offset_of!(tpacket3_hdr, tp_next_offset));
        }
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.block += BLOCK as usize;
        if self.block == (BLOCK * RECEIVE_BLOCKS) as usize {
            self.block = 0;
        }
        Ok(count as u32)
    }
}

/// Where a frame begins in its slot: behind the header, where the kernel looks for it.
const FRAME: usize = libc::TPACKET3_HDRLEN - size_of::<sockaddr_ll>();

/// Puts frames into slots.
#[derive(Debug)]
pub struct Transmitter {
    area: Area,
    /// Where the next slot begins.
    slot: usize,
}

impl Transmitter {
    /// The transmitter on a ring of [`TRANSMIT`]'s shape.
    pub fn new(area: Area) -> Self {
        Self { area, slot: 0 }
    }

    /// Puts a frame into the next slot, to be sent with the next kick.
    pub fn put(&mut self, frame: &[u8]) {
        let slot = self.slot;
        let status = slot + offset_of!(tpacket3_hdr, tp_status);
        // There are more slots than the kernel ever holds; should it hold this one, it is about to
        // give it back.
        while self.area.word(status).load(Ordering::Acquire) != libc::TP_STATUS_AVAILABLE {}
        self.area.bytes_mut(slot + FRAME, frame.len()).copy_from_slice(frame);
        let plain =
            |at: usize, value: u32| self.area.word(slot + at).store(value, Ordering::Relaxed);
        plain(offset_of!(tpacket3_hdr, tp_len), frame.len() as u32);
        plain(offset_of!(tpacket3_hdr, tp_snaplen), frame.len() as u32);
        plain(offset_of!(tpacket3_hdr, tp_next_offset), 0);
        self.area.word(status).store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
        self.slot += SLOT as usize;
        if self.slot == (BLOCK * TRANSMIT_BLOCKS) as usize {
            self.slot = 0;
        }
    }
}

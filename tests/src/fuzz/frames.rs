//! Frames of noise to all that looks into frames: the driver's headers, checksums and control
//! blocks, and the model's parser. Checksums that the one has made are right to the other.

use etsec_core::fcb::RxFcb;
use etsec_core::{Checksum, TxFcb, checksum};
use etsec_sim::parser;

use super::input::Input;

/// RCTRL with a whole parser that verifies checksums (HW 3.11).
const RCTRL: u32 = 0xC0 | 0x300;

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let mut input = Input(data);
    let control = input.word();
    let rbifx = input.word();
    let frame = input.0;
    // Under any setting of the parser.
    let parsed = parser::parse(frame, control);
    for number in 1..16 {
        std::hint::black_box(parsed.property(number, rbifx));
    }
    let block = RxFcb::new(parsed.fcb(control as u8));
    std::hint::black_box((block.protocol(), block.tag(), block.ip_checksum(), block.queue()));
    std::hint::black_box(format!("{block:?} {:?}", parsed.vlan_at()));

    let mut filled = frame.to_vec();
    checksum::fill(&mut filled);
    assert_eq!(filled.len(), frame.len());
    let sums = checksum::verify(&filled);
    assert_ne!(sums.ip, Checksum::Wrong, "made by ourselves");
    assert_ne!(sums.l4, Checksum::Wrong, "made by ourselves");
    if let Some(block) = TxFcb::of(&filled) {
        std::hint::black_box(format!("{block:?}"));
    }
    // The model's opinion, where it has one.
    let block = RxFcb::new(parser::parse(&filled, RCTRL).fcb(0));
    if sums.ip == Checksum::Right && !block_is_deep(&filled) {
        assert_ne!(block.ip_checksum(), Checksum::Wrong, "by the model");
    }
    if sums.l4 == Checksum::Right && !block_is_deep(&filled) {
        assert_ne!(block.l4_checksum(), Checksum::Wrong, "by the model");
    }
}

/// Whether there is a packet in a packet: the control block speaks of all of them, we of the first.
fn block_is_deep(frame: &[u8]) -> bool {
    let tunnelled = |protocol: u8| matches!(protocol, 4 | 41);
    frame.windows(2).any(|two| two.iter().any(|byte| tunnelled(*byte)))
}

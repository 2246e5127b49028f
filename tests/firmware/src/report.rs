//! What an image has to say: one JSON object a line on the console. What is said is the image's
//! business; each object has an `event`.

use core::fmt;

use serde::{Serialize, Serializer};

use crate::console::Console;

/// Longer than any line.
const LINE_BYTES: usize = 512;

/// Says it. What does not fit into a line is replaced by a complaint.
pub fn say(event: &impl Serialize) {
    let mut line = [0; LINE_BYTES];
    let text = match serde_json_core::to_slice(event, &mut line) {
        Ok(len) => &line[..len],
        Err(_) => &b"{\"event\":\"line_too_long\"}"[..],
    };
    text.iter().chain(b"\n").for_each(|&byte| Console.put(byte));
}

/// Serialises a value as the text it displays as.
///
/// # Errors
/// The serializer's.
pub fn as_text<S: Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

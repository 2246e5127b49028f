//! What the image can be told, in a UDP datagram to [`PORT`].

/// Where commands go.
pub const PORT: u16 = 7000;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Look at the rings again and again; so it begins.
    Poll,
    /// Sleep until a line interrupts.
    Interrupt,
    /// Send a burst on that transmit ring.
    Burst(usize),
    /// Leave the second port alone for a while, so that its ring runs full.
    Deaf,
    /// Say what was counted.
    Counters,
    /// Touch memory that is not there.
    Fault,
    /// Power off.
    Off,
}

impl Command {
    /// The command of that name.
    pub fn parse(word: &[u8]) -> Option<Self> {
        Some(match word.trim_ascii() {
            b"poll" => Self::Poll,
            b"interrupt" => Self::Interrupt,
            b"deaf" => Self::Deaf,
            b"counters" => Self::Counters,
            b"fault" => Self::Fault,
            b"off" => Self::Off,
            [b'b', b'u', b'r', b's', b't', b' ', ring @ b'0'..=b'7'] => {
                Self::Burst(usize::from(ring - b'0'))
            }
            _ => return None,
        })
    }
}

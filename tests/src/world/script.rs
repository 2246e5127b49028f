//! What happens in a world, as a list: how it is built, and one step after the other. A seed makes
//! a script, and a script makes a run: steps can be left out, and what is left still is a run.
//!
//! It knows no driver and no model but the names of faults.

use etsec_sim::cable::Side;
use etsec_sim::{Fault, Line, Switches, WireSpeed};

/// How a world is built. Both stations are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Where all chances of the run come from that are not steps.
    pub seed: u64,
    /// How silicon is read where nobody knows.
    pub switches: Switches,
    /// Whether frames take time to send.
    pub wire: WireSpeed,
    /// Whether stores are seen as late as barriers allow.
    pub weak: bool,
    /// Lengths of receive rings, from ring 0.
    pub rx: Vec<usize>,
    /// Lengths of transmit rings, from ring 0.
    pub tx: Vec<usize>,
    /// Bytes of a receive buffer.
    pub buffer_size: usize,
    /// Buffers beside those that fill all receive rings.
    pub spare: usize,
    /// Nanoseconds from one station to the other.
    pub delay_ns: u64,
    /// Station B is no driver, but somebody else's.
    pub stranger: bool,
    /// After how many frames their event comes, and in any case after [`COALESCED_US`]; 0: with
    /// each.
    pub coalesced: u32,
}

/// Microseconds that an event waits for more frames.
pub const COALESCED_US: u32 = 100;

/// What to do with a frame that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Its buffer goes home.
    Drop,
    /// It is kept until [`What::Release`].
    Keep,
    /// Its buffer goes back into the ring.
    Refill,
    /// Its buffer is sent with a frame of its own.
    Forward,
}

/// What a cable does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It vanishes.
    Lose,
    /// One bit of it is flipped.
    Corrupt,
    /// It arrives twice.
    Double,
    /// It is held back, so that others overtake it.
    Hold,
}

/// What is wrong with a frame that a stranger sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// Less than 64 bytes.
    Runt,
    /// More than MAXFRM.
    Giant,
    /// Of the longest length that is good, and a byte of it is wrong.
    BadFcs,
    /// For somebody else.
    Foreign,
    /// No whole number of octets.
    Dribble,
}

/// What is written over a descriptor by nobody who should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scribble {
    /// Everything but W of a descriptor that the driver has not taken back yet.
    Closed(u32),
    /// R or E is taken away from one that the device has not come to.
    Taken,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what their names say, and each variant says more")]
pub enum What {
    /// Stages frames of that length, and commits them.
    Send { ring: usize, frames: usize, len: usize, burst: bool, commit: bool },
    /// Commits what is staged.
    Commit { ring: usize },
    /// Takes back what was sent.
    Reap { ring: usize, most: usize, burst: bool },
    /// Takes what was received, and commits the ring.
    Receive { ring: usize, most: usize, burst: bool, then: Then },
    /// Fills a receive ring from the pool, and commits it.
    Fill { ring: usize, burst: bool },
    /// Takes buffers and keeps them: the pool runs dry.
    Hoard { buffers: usize },
    /// Lets go of everything kept.
    Release,
    /// Serves an interrupt line if it is up.
    Wake(Line),
    /// Serves it whether it is up or not.
    Spurious(Line),
    /// Acknowledges it and does nothing.
    Overslept(Line),
    /// The port's periodic look.
    Tick,
    /// The port's reset, asked for.
    Reset,
    /// The address filter is written anew.
    Filter,
    /// Events come after so many frames from here on; 0: with each.
    Coalesce(u32),
    /// The link changes its speed: 10, 100 or 1000.
    Link(u32),
    /// Stop, and start again; the queues are emptied in between or not.
    Restart { drain: bool },
    /// The device goes wrong.
    Inject(Fault, u32),
    /// A lasting fault ends.
    Mend(Fault),
    /// The register bus dies after so many accesses.
    Die(u32),
    /// The register bus is back.
    Revive,
    /// The cable is pulled at this end.
    Unplug,
    /// It is put back.
    Plug,
    /// The cable harms the next frames that this end sends.
    Cable(Harm, u32),
    /// A stranger's frame that is not as it should be.
    Stray(Odd),
    /// A descriptor is written over.
    Scribble { receive: bool, ring: usize, bd: usize, what: Scribble },
    /// All faults end, at both ends; then everything has to work.
    Calm,
}

/// A step: who does what, and how long after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Nanoseconds since the step before.
    pub gap_ns: u64,
    /// At which end.
    pub at: Side,
    /// What.
    pub what: What,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// How the world is built.
    pub setup: Setup,
    /// What happens, in order. A [`What::Calm`] follows the last one in any case.
    pub steps: Vec<Step>,
}

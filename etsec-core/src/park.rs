//! Going to sleep until a port has something to say, in the order that loses no wake-up.
//!
//! Interrupts are levels: a line is up while an event of its is set, and an event that was set
//! before the interrupt is let through counts. What can go wrong is that events are acknowledged
//! together with those of a frame that nobody has seen. So the rings are looked at after the events
//! are acknowledged, never only before (HW 9.2), and [`EventPort::take`](crate::EventPort::take)
//! sees to it that a CPU cannot do the one ahead of the other.
//!
//! It knows the order alone. What a line is, which rings matter and how a thread sleeps is its
//! caller's business: an operating system's, or a processor's that waits for an interrupt.

/// What going to sleep is made of.
pub trait Park {
    /// What ends a sleep.
    type Woken;
    /// Why there is none.
    type Error;

    /// Acknowledges the events of the lines that are waited for, and of no other, with
    /// [`EventPort::take`](crate::EventPort::take).
    fn acknowledge(&mut self);

    /// Lets the next interrupt of those lines through, at once if one is up: UIO's enable, a bit
    /// of an interrupt controller.
    ///
    /// # Errors
    /// What the system says. Nobody sleeps then.
    fn arm(&mut self) -> Result<(), Self::Error>;

    /// Whether there is something to do: a look at rings, as
    /// [`RxQueue::has_arrived`](crate::RxQueue::has_arrived) and
    /// [`TxQueue::has_sent`](crate::TxQueue::has_sent) are, without any register.
    fn look(&mut self) -> bool;

    /// Sleeps until one of the lines has fired, also if that was before the call, and acknowledges
    /// the events of those that have.
    ///
    /// # Errors
    /// What the system says.
    fn block(&mut self) -> Result<Self::Woken, Self::Error>;
}

/// Sleeps, unless there is something to do by now: `None` then.
///
/// Whatever has arrived before the acknowledgement is found by the look behind it; whatever arrives
/// later raises its line. So the caller may have looked at its rings in any way before, for as long
/// as it liked.
///
/// # Errors
/// What arming or sleeping says.
pub fn park<P: Park>(parker: &mut P) -> Result<Option<P::Woken>, P::Error> {
    parker.acknowledge();
    parker.arm()?;
    if parker.look() {
        return Ok(None);
    }
    parker.block().map(Some)
}

/// The same, for who was asleep, and has looked at its rings since: what was acknowledged then is
/// seen, and what came since is pending.
///
/// # Errors
/// What arming or sleeping says.
pub fn park_acknowledged<P: Park>(parker: &mut P) -> Result<Option<P::Woken>, P::Error> {
    parker.arm()?;
    if parker.look() {
        return Ok(None);
    }
    parker.block().map(Some)
}

/// Sleeps, for who has found [`park`] return at once and has then looked through all rings: what
/// came since is still pending, and ends the sleep at its beginning.
///
/// It is for those whose look finds more than they can take, such as frames that there is no room
/// to send: [`park`] alone would send them round for ever.
///
/// # Errors
/// What arming or sleeping says.
pub fn park_after_look<P: Park>(parker: &mut P) -> Result<P::Woken, P::Error> {
    parker.arm()?;
    parker.block()
}

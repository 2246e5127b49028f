//! Interrupt coalescing: frame events after so many frames, or so long after the first of them (HW
//! 9.3). It knows thresholds and their registers, and neither queues nor events.

use core::fmt;

use crate::bus::Bus;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::error::{Error, Side};
use crate::link::Speed;
use crate::port::RINGS;
use crate::regs::group::{RXIC_RING, TXIC_RING};
use crate::regs::receive::RXIC;
use crate::regs::transmit::{self, TXIC};
use crate::regs::{Readable, Reg, Rw, Writeable};

type Register = Reg<transmit::Coalescing::Register, Rw>;

/// A tick of the timer in nanoseconds: 64 clocks of the interface (HW 9.3).
const fn tick_ns(speed: Speed) -> u32 {
    match speed {
        Speed::Mbps10 => 25_600,
        Speed::Mbps100 => 2560,
        Speed::Mbps1000 => 512,
    }
}

/// When frame events are raised: when `frames` frames have come, or `time_us` after the first of
/// them, whichever is first.
///
/// Of sent frames only those count that ask for an event: the last one of each
/// [`TxQueue::commit`](crate::TxQueue::commit). Errors are not held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Coalescing {
    /// 0 where there is no coalescing.
    frames: u8,
    time_us: u16,
}

impl Coalescing {
    /// Most frames.
    pub const FRAMES_MAX: u32 = 255;
    /// Longest time in microseconds: what the timer can count at 1000 Mb/s, so that it is in range
    /// whatever the link becomes.
    pub const TIME_MAX_US: u32 = 33_553;

    const NONE: Coalescing = Coalescing { frames: 0, time_us: 0 };

    /// After `frames` frames, 1 to 255, or `time_us` microseconds, 1 to 33,553.
    ///
    /// # Errors
    /// [`CoalescingError::Frames`], [`CoalescingError::Time`].
    pub const fn new(frames: u32, time_us: u32) -> Result<Self, CoalescingError> {
        if frames == 0 || frames > Self::FRAMES_MAX {
            return Err(CoalescingError::Frames(frames));
        }
        if time_us == 0 || time_us > Self::TIME_MAX_US {
            return Err(CoalescingError::Time(time_us));
        }
        Ok(Coalescing { frames: frames as u8, time_us: time_us as u16 })
    }

    /// After how many frames.
    #[must_use]
    pub const fn frames(self) -> u32 {
        self.frames as u32
    }

    /// After how many microseconds, as asked for.
    #[must_use]
    pub const fn time_us(self) -> u32 {
        self.time_us as u32
    }

    /// After how many nanoseconds in fact, at `speed`: the timer counts 512, 2560 or 25,600 ns, and
    /// the time asked for is rounded up to that.
    #[must_use]
    pub const fn time_ns(self, speed: Speed) -> u32 {
        self.ticks(speed) * tick_ns(speed)
    }

    /// At most 65,534.
    const fn ticks(self, speed: Speed) -> u32 {
        (1000 * self.time_us()).div_ceil(tick_ns(speed))
    }

    /// What TXIC, RXIC and their like hold (HW 3.9); 0 for none.
    fn register(self, speed: Speed) -> u32 {
        use transmit::Coalescing as Fields;
        if self == Self::NONE {
            return 0;
        }
        let thresholds = Fields::ICFT.val(self.frames()) + Fields::ICTT.val(self.ticks(speed));
        (Fields::ICEN::SET + Fields::ICCS::Interface + thresholds).into()
    }
}

/// Why coalescing was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CoalescingError {
    /// Number of frames out of range.
    Frames(u32),
    /// Time out of range, in microseconds.
    Time(u32),
    /// The controller has no registers for single rings: an eTSEC before version 2.
    NoRings,
    /// The port.
    Port(Error),
}

impl From<Error> for CoalescingError {
    fn from(error: Error) -> Self {
        CoalescingError::Port(error)
    }
}

impl fmt::Display for CoalescingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(frames) => {
                let most = Coalescing::FRAMES_MAX;
                write!(f, "coalescing of {frames} frames: 1 to {most} are possible")
            }
            Self::Time(us) => {
                let most = Coalescing::TIME_MAX_US;
                write!(f, "coalescing for {us} microseconds: 1 to {most} are possible")
            }
            Self::NoRings => {
                f.write_str("this eTSEC coalesces all rings alike: set it without a ring's number")
            }
            Self::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CoalescingError {}

/// What is set, of each direction: of all rings alike, and of each.
#[derive(Debug)]
pub(crate) struct Wanted([[Coalescing; 1 + RINGS]; 2]);

impl Wanted {
    pub(crate) const NONE: Wanted = Wanted([[Coalescing::NONE; 1 + RINGS]; 2]);
    /// The place of what is for all rings alike.
    const ALIKE: usize = 0;
}

/// The registers in the order of `Wanted`.
fn register(side: Side, place: usize) -> Register {
    match (side, place.checked_sub(1)) {
        (Side::Tx, None) => TXIC,
        (Side::Rx, None) => RXIC,
        (Side::Tx, Some(n)) => TXIC_RING.nth(n),
        (Side::Rx, Some(n)) => RXIC_RING.nth(n),
    }
}

impl<B: Bus> Controller<B> {
    /// Sets what all rings of a direction, or one of them, are to wait for, now and after each
    /// reset.
    fn coalesce(
        &mut self,
        side: Side,
        ring: Option<usize>,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        self.check_alive()?;
        if let Some(n) = ring
            && n >= RINGS
        {
            return Err(CoalescingError::Port(Error::RingNumber(side, n)));
        }
        if let Some(n) = ring
            && !self.has_ring_registers(side, n)
        {
            // One that is gone keeps nothing either.
            self.check_alive()?;
            return Err(CoalescingError::NoRings);
        }
        let wanted = wanted.unwrap_or(Coalescing::NONE);
        let places = &mut self.coalescing.0[side as usize];
        // What holds where both kinds are on is not known, so only one is.
        match ring {
            Some(n) => (places[Wanted::ALIKE], places[1 + n]) = (Coalescing::NONE, wanted),
            // With groups, each ring has its own in any case (HW 9.3).
            None if self.pages.group1.is_some() => {
                *places = [wanted; 1 + RINGS];
                places[Wanted::ALIKE] = Coalescing::NONE;
            }
            None => {
                *places = [Coalescing::NONE; 1 + RINGS];
                places[Wanted::ALIKE] = wanted;
            }
        }
        self.relinked = Some(follow);
        follow(self);
        Ok(())
    }

    fn coalescing(&self, side: Side, ring: usize) -> Option<Coalescing> {
        let places = &self.coalescing.0[side as usize];
        let set = [places.get(1 + ring).copied(), Some(places[Wanted::ALIKE])];
        set.into_iter().flatten().find(|wanted| *wanted != Coalescing::NONE)
    }

    /// Whether ring `n` has a register of its own: where it has none, nothing is kept (HW 2).
    fn has_ring_registers(&self, side: Side, n: usize) -> bool {
        let register = register(side, 1 + n).on(self.bus());
        // Without ICEN, this sets nothing. What is to be there is written by `follow`.
        let probe = transmit::Coalescing::ICFT.val(1).into();
        register.set(probe);
        register.get() == probe
    }
}

/// Writes what is set, for the link of this moment: ticks depend on its speed.
fn follow<B: Bus>(controller: &mut Controller<B>) {
    let speed = controller.config.link.speed;
    for side in [Side::Tx, Side::Rx] {
        for place in 0..1 + RINGS {
            let value = controller.coalescing.0[side as usize][place].register(speed);
            let register = register(side, place);
            if controller.settings.over(register, 0) != value {
                controller.settings.put_all(register, value);
            }
            let register = register.on(controller.bus());
            if register.get() != value {
                // HW 9.3: new thresholds count from ICEN 0 to 1 on.
                register.set(0);
                register.set(value);
            }
        }
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Raises frame events of a direction by frames and time, `None`: each at once; all rings
    /// alike, or each by itself on a controller with two groups. It follows the speed of the link.
    ///
    /// # Errors
    /// [`CoalescingError::Port`] if the device does not answer.
    pub fn set_coalescing(
        &mut self,
        side: Side,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        self.owner_mut().port.controller.coalesce(side, None, wanted)
    }

    /// The same for one ring alone, 0 to 7 (eTSEC2). What was set for all rings alike is undone.
    ///
    /// # Errors
    /// [`CoalescingError::NoRings`] on an eTSEC before version 2; [`CoalescingError::Port`] for a
    /// ring that does not exist, or if the device does not answer.
    pub fn set_ring_coalescing(
        &mut self,
        side: Side,
        ring: usize,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        self.owner_mut().port.controller.coalesce(side, Some(ring), wanted)
    }
}

impl<B: Bus + Clone> Running<B> {
    /// As [`Stopped::set_coalescing`]; nothing is stopped for it.
    ///
    /// # Errors
    /// As [`Stopped::set_coalescing`].
    pub fn set_coalescing(
        &mut self,
        side: Side,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        self.coalesce(side, None, wanted)
    }

    /// As [`Stopped::set_ring_coalescing`]; nothing is stopped for it.
    ///
    /// # Errors
    /// As [`Stopped::set_ring_coalescing`].
    pub fn set_ring_coalescing(
        &mut self,
        side: Side,
        ring: usize,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        self.coalesce(side, Some(ring), wanted)
    }

    fn coalesce(
        &mut self,
        side: Side,
        ring: Option<usize>,
        wanted: Option<Coalescing>,
    ) -> Result<(), CoalescingError> {
        let changed = self.owner_mut().port.controller.coalesce(side, ring, wanted);
        self.ended()?;
        changed
    }

    /// What is set for a ring, by itself or with all others.
    #[must_use]
    pub fn coalescing(&self, side: Side, ring: usize) -> Option<Coalescing> {
        self.owner().port.controller.coalescing(side, ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_ticks_and_never_out_of_range() {
        for us in (1..=Coalescing::TIME_MAX_US).step_by(7).chain([Coalescing::TIME_MAX_US]) {
            let coalescing = Coalescing::new(1, us).unwrap();
            for (speed, tick_ns) in
                [(Speed::Mbps10, 25_600), (Speed::Mbps100, 2560), (Speed::Mbps1000, 512)]
            {
                let (ticks, ns) = (coalescing.ticks(speed), coalescing.time_ns(speed));
                assert!((1..=0xFFFF).contains(&ticks), "{us} µs: {ticks}");
                assert_eq!(ns, ticks * tick_ns);
                assert!((us * 1000..us * 1000 + tick_ns).contains(&ns), "{us} µs: {ns} ns");
            }
        }
    }

    #[test]
    fn registers_are_the_documented_numbers() {
        // HW 9.3: 16 frames or 21 ticks is 0x82000015; no whole microsecond is 21 ticks.
        for (us, register) in [(10, 0x8200_0014), (11, 0x8200_0016)] {
            assert_eq!(Coalescing::new(16, us).unwrap().register(Speed::Mbps1000), register);
        }
        assert_eq!(Coalescing::NONE.register(Speed::Mbps10), 0);
        let most = Coalescing::new(255, 33_553).unwrap().register(Speed::Mbps1000);
        assert_eq!(most, 0x8000_0000 | 255 << 21 | 65_534);
    }

    #[test]
    fn what_is_out_of_range_is_named_with_its_range() {
        for (frames, us) in [(0, 1), (256, 1), (1, 0), (1, 33_554), (u32::MAX, u32::MAX)] {
            let refused = Coalescing::new(frames, us).unwrap_err();
            let text = std::format!("{refused}");
            let (value, most) = match refused {
                CoalescingError::Frames(_) => (frames, "1 to 255"),
                _ => (us, "1 to 33553"),
            };
            assert!(text.contains(&std::format!("{value} ")) && text.contains(most), "{text}");
        }
    }
}

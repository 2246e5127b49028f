//! Interrupt groups of an eTSEC2: steering and per-ring coalescing: 0xEB0–0xF2F (HW 2.6, 3.9, 3.22,
//! 9.4).

use super::Rw;
use super::catalog::registers;
use super::rings::ring_flags;
use super::transmit::Coalescing;

ring_flags! {
    /// ISRGn: the rings that interrupt through group n (HW 3.22).
    Isrg;
    /// RRk: the RX ring interrupts through this group.
    rr = 0x8000_0000: RR0 RR1 RR2 RR3 RR4 RR5 RR6 RR7;
    /// TRk: the TX ring interrupts through this group.
    tr = 0x0080_0000: TR0 TR1 TR2 TR3 TR4 TR5 TR6 TR7;
}

registers! { Group;
    /// Interrupt steering; in the group 0 page for all groups.
    ISRG: Isrg, Rw, 0xEB0, array "ISRGn" 0..4 by 4;
    /// RX interrupt coalescing of a ring.
    RXIC_RING: Coalescing::Register, Rw, 0xED0, array "RXICn" 0..8 by 4, reset 0;
    /// TX interrupt coalescing of a ring.
    TXIC_RING: Coalescing::Register, Rw, 0xF10, array "TXICn" 0..8 by 4, reset 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_of_two_groups_is_the_documented_numbers() {
        // HW 3.22 and 9.4.
        assert_eq!((Isrg::rr(0) | Isrg::tr(0)).bits(), 0x8080_0000);
        assert_eq!((Isrg::rr(1) | Isrg::tr(1)).bits(), 0x4040_0000);
        assert_eq!(Isrg::all().bits(), 0xFFFF_0000);
        assert!(Isrg::rr(8).is_empty());
    }
}

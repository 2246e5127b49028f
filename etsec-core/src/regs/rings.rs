//! Registers with one flag per ring: a `bitflags` type and, for a ring number only known at run
//! time, a function.

/// Makes a `bitflags` type of one or two groups of eight flags. Ring 0 is the most significant bit
/// of its group (HW Conventions), so each group is stated by its mask of ring 0, its eight names
/// and the name of its function.
macro_rules! ring_flags {
    (
        $(#[$doc:meta])* $flags:ident;
        $( $(#[$meaning:meta])* $function:ident = $mask0:literal:
           $n0:ident $n1:ident $n2:ident $n3:ident $n4:ident $n5:ident $n6:ident $n7:ident; )+
    ) => {
        bitflags::bitflags! {
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
            pub struct $flags: u32 { $(
                /// The flag of ring 0.
                const $n0 = $mask0;
                /// The flag of ring 1.
                const $n1 = $mask0 >> 1;
                /// The flag of ring 2.
                const $n2 = $mask0 >> 2;
                /// The flag of ring 3.
                const $n3 = $mask0 >> 3;
                /// The flag of ring 4.
                const $n4 = $mask0 >> 4;
                /// The flag of ring 5.
                const $n5 = $mask0 >> 5;
                /// The flag of ring 6.
                const $n6 = $mask0 >> 6;
                /// The flag of ring 7.
                const $n7 = $mask0 >> 7;
            )+ }
        }

        impl $flags { $(
            $(#[$meaning])*
            ///
            /// This is the flag of ring `n`, 0 to 7; there are no other rings, so it is empty for
            /// another number.
            #[must_use]
            pub const fn $function(n: usize) -> Self {
                Self::from_bits_retain(if n < 8 { $mask0 >> n } else { 0 })
            }
        )+ }

        $crate::regs::catalog::flag_layouts!($flags);
    };
}
pub(crate) use ring_flags;

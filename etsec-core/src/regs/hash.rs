//! The hash tables of address recognition: 0x800–0x89F (HW 2.6, 7). Which bit an address has is in
//! [`crate::addr`].

use super::catalog::registers;
use super::{Plain, Rw};

registers! { Group;
    /// Individual hash; with RCTRL\[GHTX\] the first half of the group hash.
    IGADDR: Plain, Rw, 0x800, array "IGADDRn" 0..8 by 4, reset 0;
    /// Group hash; with RCTRL\[GHTX\] its second half.
    GADDR: Plain, Rw, 0x880, array "GADDRn" 0..8 by 4, reset 0;
}

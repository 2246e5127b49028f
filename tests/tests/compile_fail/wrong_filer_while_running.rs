//! The filer's table is written with the receiver stopped (HW 6).

use etsec_core::filer::FilerTable;
use etsec_core::{Bus, Running};

pub fn file<B: Bus + Clone>(port: &mut Running<B>, table: &FilerTable) {
    let _ = port.set_filer(table);
}

fn main() {}

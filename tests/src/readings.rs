//! What a model can be built to do and what can be made to go wrong with it, as lists: for tests
//! that try all of it, or some by chance. It runs nothing.

use etsec_sim::{Fault, Switches};

/// A switch of the model.
pub type Switch = fn(&mut Switches) -> &mut bool;

/// Every switch there is. Inputs of the fuzzer's target `registers` name them by their place.
pub const SWITCHES: [Switch; 16] = [
    |switches| &mut switches.halt_all,
    |switches| &mut switches.prefetch,
    |switches| &mut switches.a002,
    |switches| &mut switches.toe_stays,
    |switches| &mut switches.etsec12,
    |switches| &mut switches.bus_error_recurs,
    |switches| &mut switches.reset_spoils_filer,
    |switches| &mut switches.qemu,
    |switches| &mut switches.etsec74,
    |switches| &mut switches.nmg129,
    |switches| &mut switches.free_wraps,
    |switches| &mut switches.errors_in_group0,
    |switches| &mut switches.fgpi_on_rx,
    |switches| &mut switches.etsec76,
    |switches| &mut switches.vln_noise,
    |switches| &mut switches.no_xon,
];

/// The model with one of them set.
#[must_use]
pub fn alone(switch: Switch) -> Switches {
    let mut switches = Switches::default();
    *switch(&mut switches) = true;
    switches
}

/// All that go together and ask nothing of a driver but to work: what QEMU's model does is another
/// device, and a receiver that may be deaf has to be tested (HW 14).
#[must_use]
pub fn together() -> Switches {
    let mut all = Switches::default();
    SWITCHES.iter().for_each(|switch| *switch(&mut all) = true);
    Switches { qemu: false, nmg129: false, ..all }
}

/// Faults that hit one frame.
pub const OF_A_FRAME: [Fault; 10] = [
    Fault::LateCollision,
    Fault::RetryLimit,
    Fault::Underrun,
    Fault::TxDescriptorBusError,
    Fault::TxDataBusError,
    Fault::RxDescriptorBusError,
    Fault::RxDataBusError,
    Fault::Overrun,
    Fault::CrcError,
    Fault::Alignment,
];

/// Faults that hit one descriptor's way to memory.
pub const OF_A_STATUS: [Fault; 4] =
    [Fault::TxStatusLate, Fault::TxStatusLost, Fault::RxStatusLate, Fault::RxStatusLost];

/// Faults of a port that last.
pub const LASTING: [Fault; 4] =
    [Fault::TxHang, Fault::GrsNeverCompletes, Fault::GtsNeverCompletes, Fault::BusDead];

//! Faults a test can inject: the errors of HW 8.6 that a peer, a memory bus or a broken chip would
//! cause.
//!
//! It only counts what is armed; each fault acts where the model would meet its cause.

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The next frame sent meets a late collision: TXE and LC, TxBD\[LC\], all TX rings halted.
    LateCollision,
    /// The next frame sent runs out of retries: TXE and CRL, TxBD\[RL\], all TX rings halted.
    RetryLimit,
    /// The next frame sent starves in the FIFO: TXE and XFUN, TxBD\[UN\], all TX rings halted.
    Underrun,
    /// The next TxBD fetch meets a bus error: EBERR, all TX rings halted.
    TxDescriptorBusError,
    /// The next read of TX data meets a bus error: EBERR, TxBD\[UN\], all TX rings halted.
    TxDataBusError,
    /// The next RxBD fetch meets a bus error: EBERR, the ring halted, the frame lost.
    RxDescriptorBusError,
    /// The next write of RX data meets a bus error: EBERR, the ring halted, the frame lost.
    RxDataBusError,
    /// The next frame received overruns the FIFO: RxBD\[OV\].
    Overrun,
    /// The next frame received has a wrong FCS: RxBD\[CR\].
    CrcError,
    /// The next frame received is no whole number of octets and has a wrong FCS: RxBD\[NO\].
    Alignment,
    /// The next TxBD that is closed is written some microseconds later, and its event comes with it
    /// (without DMACTRL\[WWR\] the event comes at once, HW 3.4).
    TxStatusLate,
    /// The next TxBD that is closed is never written, and its event does not come.
    TxStatusLost,
    /// The next RxBD that is closed is written some microseconds later, likewise.
    RxStatusLate,
    /// The next RxBD that is closed is never written, and its event does not come.
    RxStatusLost,
    /// A parity error inside the FIFO: DPE, at once.
    Parity,
    /// The transmitter stalls, whatever it is doing, until a soft reset of the MAC.
    TxHang,
    /// Graceful receive stop never completes.
    GrsNeverCompletes,
    /// Graceful transmit stop never completes.
    GtsNeverCompletes,
    /// The device has left the bus: reads give all ones, writes are ignored, DMA has stopped.
    BusDead,
    /// MIIMIND shows Busy for ever.
    MiiBusy,
}

const KINDS: usize = Fault::MiiBusy as usize + 1;

impl Fault {
    /// Whether it lasts until [`Sim::mend`](crate::Sim::mend) instead of being used up.
    pub const fn lasts(self) -> bool {
        matches!(
            self,
            Fault::TxHang
                | Fault::GrsNeverCompletes
                | Fault::GtsNeverCompletes
                | Fault::BusDead
                | Fault::MiiBusy
        )
    }
}

/// What is armed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    left: [u32; KINDS],
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault, times: u32) {
        let left = &mut self.left[fault as usize];
        *left = left.saturating_add(times);
    }

    pub(crate) fn disarm(&mut self, fault: Fault) {
        self.left[fault as usize] = 0;
    }

    /// Whether a lasting fault is armed.
    #[inline]
    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.left[fault as usize] != 0
    }

    /// How often it will still strike.
    pub(crate) fn left(&self, fault: Fault) -> u32 {
        self.left[fault as usize]
    }

    /// Uses one up, if armed.
    #[inline]
    pub(crate) fn take(&mut self, fault: Fault) -> bool {
        let left = &mut self.left[fault as usize];
        if *left == 0 {
            return false;
        }
        *left -= 1;
        true
    }
}

//! What a transmit queue counts. It knows no descriptor.

/// What a transmit queue has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TxCounters {
    /// Frames sent without error.
    pub frames: u64,
    /// Frames lost to a late collision (TxBD LC).
    pub late_collisions: u64,
    /// Frames given up after too many retries or too long a deferral (TxBD RL).
    pub retry_limits: u64,
    /// Frames lost to an underrun or a bus error (TxBD UN).
    pub underruns: u64,
    /// Frames cut at MAXFRM (TxBD TR).
    pub truncated: u64,
    /// Frames refused because the ring was full.
    pub full: u64,
    /// Frames refused for another [`Reason`](crate::tx::Reason).
    pub refused: u64,
    /// Bytes of the frames sent, without FCS and padding.
    pub bytes: u64,
}

impl TxCounters {
    /// Frames that were accepted and not sent.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.late_collisions + self.retry_limits + self.underruns + self.truncated
    }
}

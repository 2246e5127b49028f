//! Why a port is not taken over as it runs. It knows words.

use etsec_core::BusAddr;
use etsec_core::adopt::AdoptError;
use etsec_core::arena::LeftError;

use crate::error::Error;
use crate::options::Sizes;

/// Why a port was not taken over from a process that has died, but reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdopted {
    /// No memory is there that a process has left: the usual case at the first start.
    #[error("no process has left it")]
    Nothing,
    /// There is memory, but the controller does not run.
    #[error("the controller does not run")]
    Still,
    /// The controller's rings are not in the memory that was left.
    #[error("its rings are in other memory than what was left")]
    Elsewhere,
    /// The memory was left by somebody else, or by another version of this driver, or is damaged.
    #[error(transparent)]
    Memory(LeftError),
    /// The memory cannot be had: its owner lives, for example.
    #[error("{0}")]
    Unusable(Box<Error>),
    /// Another device of this process has the bus addresses of that memory.
    #[error("its memory is at {0}, where another device of this process has its own")]
    PlaceTaken(BusAddr),
    /// Rings or buffers are others than the options ask for.
    #[error("it has {found}, not {wanted}")]
    Sizes {
        /// What there is.
        found: Sizes,
        /// What was asked for.
        wanted: Sizes,
    },
    /// The controller or a ring holds something else than this process would have put there.
    #[error(transparent)]
    Controller(AdoptError),
    /// The PHY negotiates where a link is given, or does not where none is.
    #[error("its PHY is set to another link")]
    Phy,
    /// An option cannot be taken over.
    #[error("{0}")]
    SetUp(String),
    /// Another port, which has to be taken over together with this one, is not.
    #[error("'{0}' could not be taken over, and they may hold each other's buffers")]
    Beside(String),
}

impl NotAdopted {
    pub(crate) fn unusable(error: Error) -> Self {
        NotAdopted::Unusable(Box::new(error))
    }
}

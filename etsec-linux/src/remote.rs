//! Simulated devices whose model is in another process (`etsec-simd`): they go on when this one
//! dies.
//!
//! It knows how to reach them. What is said there is etsec-sim's business.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use etsec_core::adopt::{receives_in, runs};
use etsec_core::{BusAddr, Pages, Region};
use etsec_sim::Line;
use etsec_sim::remote::{Client, Connection, Left, RemoteError, RemoteRegion, Role, Shared};

use crate::adopt::NotAdopted;
use crate::adopt::left::LeftMemory;
use crate::bus::AnyBus;
use crate::config::PortConfig;
use crate::device::Found;
use crate::error::Error;
use crate::memory::{Supply, named_in};
use crate::region::AnyRegion;
use crate::space::{Space, Window};
use crate::wait::{Bell, Lines, Waiter};

/// A model in another process, and what this one has of it.
pub(crate) struct Remote {
    name: String,
    label: String,
    client: Client,
}

/// What a device is found by from any folder, however it was asked for: one socket, one label.
fn label_of(socket: &Path) -> String {
    let path = socket.canonicalize().or_else(|_| std::path::absolute(socket));
    format!("sim:{}", path.as_deref().unwrap_or(socket).display())
}

/// Takes the device of the simulator that listens at `path`; `name` is what it was asked for by.
pub(crate) fn find(name: &str, path: &Path) -> Result<Found, Error> {
    let error = |source| Error::Remote { name: name.into(), source };
    let Connection { client, events, .. } = Client::connect(path, Role::Owner).map_err(error)?;
    let mut bells = Vec::new();
    for (n, event) in events.into_iter().enumerate() {
        let (line, lines) =
            [(Line::Tx, Lines::TX), (Line::Rx, Lines::RX), (Line::Err, Lines::ERR)][n % 3];
        let (client, name) = (client.clone(), name.to_owned());
        let enable = move || {
            let enabled = client.enable(n >= 3, line);
            enabled.map_err(|source| Error::Remote { name: name.clone(), source })
        };
        bells.push(Bell { event, lines, enable: Box::new(enable) });
    }
    let second = bells.split_off(3);
    let page = AnyBus::Remote(client.bus());
    Ok(Found {
        name: name.into(),
        pages: Pages {
            group0: page.clone(),
            group1: Some(AnyBus::Remote(client.second_bus())),
            mdio: None,
        },
        tbi: (page, None),
        mdio_address: None,
        waiter: Waiter::bells(bells)?,
        second: Some(Waiter::bells(second)?),
        config: PortConfig::default(),
        supply: Supply::Remote(Remote { name: name.into(), label: label_of(path), client }),
    })
}

impl Remote {
    /// Memory that the model reaches, in the place of what an owner before has left. The device has
    /// been stopped.
    pub(crate) fn region(&self, bytes: usize) -> Result<PlacedRemote, Error> {
        let error = |source| Error::Remote { name: self.name.clone(), source };
        let space = Space::take(Window::Elsewhere, bytes)?;
        // What a device gets is a whole number of cache lines.
        let bytes = bytes.next_multiple_of(64);
        let region = self.client.map(bytes, Some(space.start())).map_err(error)?;
        self.share(&region).map_err(error)?;
        Ok(PlacedRemote { region, _space: space })
    }

    /// What the device is found by.
    pub(crate) fn label(&self) -> String {
        self.label.clone()
    }

    /// The labels of devices whose buffers may be in what the owner before has left.
    pub(crate) fn partners(&self) -> Result<Vec<String>, Error> {
        let error = |source| Error::Remote { name: self.name.clone(), source };
        Ok(self.client.look().map_err(error)?.as_ref().map(named_in).unwrap_or_default())
    }

    /// Frees what the owner before has left; the device has been stopped.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        let error = |source| Error::Remote { name: self.name.clone(), source };
        // Giving it back is what dropping it does.
        self.client.adopt().map_err(error).map(drop)
    }

    /// The memory in which the owner before has left the device of `page`.
    pub(crate) fn left(&self, page: &AnyBus) -> Result<LeftMemory, NotAdopted> {
        let error =
            |source| NotAdopted::unusable(Error::Remote { name: self.name.clone(), source });
        let Some(Left { pid, bus, len }) = self.client.left().map_err(error)? else {
            return Err(NotAdopted::Nothing);
        };
        if !runs(page) {
            return Err(NotAdopted::Still);
        }
        if !receives_in(page, bus, usize::try_from(len).unwrap_or(usize::MAX)) {
            return Err(NotAdopted::Elsewhere);
        }
        let space = Space::at(bus.raw(), len).ok_or(NotAdopted::PlaceTaken(bus))?;
        let region = self.client.adopt().map_err(error)?.ok_or(NotAdopted::Nothing)?;
        let placed = PlacedRemote { region, _space: space };
        if let Err(source) = self.share(&placed.region) {
            // Nothing is told to the model of memory that its device may be using.
            std::mem::forget(placed);
            return Err(error(source));
        }
        Ok(LeftMemory { region: AnyRegion::Remote(placed), pid })
    }

    /// Lets this device and the others of its kind of this process reach each other's memory.
    fn share(&self, region: &RemoteRegion) -> Result<(), RemoteError> {
        let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = region.shared();
        for (other, theirs, _) in &*owned {
            self.client.reach(theirs)?;
            other.reach(&ours)?;
        }
        owned.push((self.client.clone(), ours, region.bus()));
        Ok(())
    }
}

/// The devices of this kind that this process owns, with their memory.
static OWNED: Mutex<Vec<(Client, Shared, BusAddr)>> = Mutex::new(Vec::new());

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Memory of such a device at a place of its own.
#[derive(Debug)]
pub struct PlacedRemote {
    // Fields are dropped in this order: nobody else comes to the place while the memory is there.
    pub(crate) region: RemoteRegion,
    _space: Space,
}

impl Drop for PlacedRemote {
    fn drop(&mut self) {
        let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
        owned.retain(|(.., bus)| *bus != self.region.bus());
    }
}

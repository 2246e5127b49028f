//! Which destination addresses are received (HW 7): a plain value, and the registers that make it
//! so.

use core::fmt;

use super::MacAddr;
use crate::regs::receive::Rctrl;

/// How the 512 bits of the hash tables are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HashMode {
    /// 256 bits for individual addresses and 256 for groups.
    #[default]
    Split,
    /// All 512 bits for groups; individual addresses have no hash (RCTRL\[GHTX\]).
    Group,
}

/// Why an address cannot be put into an [`AddressFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FilterError {
    /// The station address names a group.
    StationIsGroup(MacAddr),
    /// The all-zero address is nobody's.
    ZeroAddress,
    /// Broadcast frames are accepted or rejected as such, not by an address in a table.
    Broadcast,
    /// All 15 exact-match addresses are in use.
    ExactFull(MacAddr),
    /// There is no hash for individual addresses in [`HashMode::Group`].
    NoIndividualHash(MacAddr),
    /// An individual address in a list of multicast addresses.
    NotGroup(MacAddr),
    /// The hash mode changes while there are addresses in the hash.
    HashInUse,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterError::StationIsGroup(addr) => {
                write!(f, "{addr} is a group address; a station address has an even first octet")
            }
            FilterError::ZeroAddress => f.write_str("00:00:00:00:00:00 is no address to receive"),
            FilterError::Broadcast => {
                f.write_str("broadcast is no filter entry; use the broadcast switch of the filter")
            }
            FilterError::ExactFull(addr) => write!(
                f,
                "no exact-match address left for {addr} (there are 15); put it into the hash"
            ),
            FilterError::NoIndividualHash(addr) => write!(
                f,
                "no hash for individual addresses such as {addr} in 512-entry group mode; use the \
                 split mode or an exact-match address"
            ),
            FilterError::NotGroup(addr) => {
                write!(f, "{addr} is not a multicast address; add it as an exact-match address")
            }
            FilterError::HashInUse => {
                f.write_str("the hash mode cannot change under its entries; clear the hash first")
            }
        }
    }
}

impl core::error::Error for FilterError {}

/// Which destination addresses the controller accepts (HW 7).
///
/// A value to build at leisure and hand over whole; it touches no register. A hash lets through
/// more than was asked for: every address that shares a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFilter {
    station: MacAddr,
    /// Zeros where there is none: those match nothing (HW 3.18).
    exact: [MacAddr; AddressFilter::EXACT],
    mode: HashMode,
    individual: [u32; 8],
    group: [u32; 8],
    /// Accept every frame.
    pub promiscuous: bool,
    /// Accept every multicast frame.
    pub all_multicast: bool,
    /// Accept no broadcast frame.
    pub broadcast_reject: bool,
}

/// The register values of an [`AddressFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterRegisters {
    /// MACSTNADDR1 and MACSTNADDR2.
    pub station: [u32; 2],
    /// MACnADDR1 and MACnADDR2 of MAC01 to MAC15; zeros where there is no address.
    pub exact: [[u32; 2]; AddressFilter::EXACT],
    /// IGADDR0 to IGADDR7.
    pub igaddr: [u32; 8],
    /// GADDR0 to GADDR7.
    pub gaddr: [u32; 8],
    /// The filter's bits of RCTRL; zeros outside [`FilterRegisters::RCTRL_MASK`].
    pub rctrl: u32,
}

impl FilterRegisters {
    /// The bits of RCTRL that belong to the address filter: GHTX, BC_REJ, PROM, EMEN.
    pub const RCTRL_MASK: u32 = Rctrl::GHTX.mask << Rctrl::GHTX.shift
        | Rctrl::BC_REJ.mask << Rctrl::BC_REJ.shift
        | Rctrl::PROM.mask << Rctrl::PROM.shift
        | Rctrl::EMEN.mask << Rctrl::EMEN.shift;

    /// RCTRL as it is to be, from what it is.
    #[must_use]
    pub const fn rctrl_from(&self, old: u32) -> u32 {
        old & !Self::RCTRL_MASK | self.rctrl
    }
}

/// The word and mask of an address in a table of 256 bits.
const fn place_256(addr: MacAddr) -> (usize, u32) {
    let hash = addr.hash();
    ((hash >> 29) as usize, 0x8000_0000 >> ((hash >> 24) & 31))
}

/// The word (0 to 7 are IGADDR, 8 to 15 GADDR) and mask of an address in the table of 512 bits.
const fn place_512(addr: MacAddr) -> (usize, u32) {
    let hash = addr.hash();
    ((hash >> 28) as usize, 0x8000_0000 >> ((hash >> 23) & 31))
}

impl AddressFilter {
    /// How many exact-match addresses there are besides the station address.
    pub const EXACT: usize = 15;

    /// A filter that accepts frames to `station` and broadcast frames, with a split hash.
    ///
    /// # Errors
    /// [`FilterError::StationIsGroup`], [`FilterError::ZeroAddress`].
    pub const fn new(station: MacAddr) -> Result<Self, FilterError> {
        if station.is_group() {
            return Err(FilterError::StationIsGroup(station));
        }
        if station.is_zero() {
            return Err(FilterError::ZeroAddress);
        }
        Ok(AddressFilter {
            station,
            exact: [MacAddr::ZERO; Self::EXACT],
            mode: HashMode::Split,
            individual: [0; 8],
            group: [0; 8],
            promiscuous: false,
            all_multicast: false,
            broadcast_reject: false,
        })
    }

    /// The station address.
    #[must_use]
    pub const fn station(&self) -> MacAddr {
        self.station
    }

    /// The exact-match addresses.
    pub fn exact(&self) -> impl Iterator<Item = MacAddr> + '_ {
        self.exact.iter().copied().filter(|addr| !addr.is_zero())
    }

    /// How the hash is used.
    #[must_use]
    pub const fn hash_mode(&self) -> HashMode {
        self.mode
    }

    /// Changes the station address and leaves the rest.
    ///
    /// # Errors
    /// As [`AddressFilter::new`]; the filter is as before.
    pub fn set_station(&mut self, station: MacAddr) -> Result<(), FilterError> {
        self.station = Self::new(station)?.station;
        Ok(())
    }

    /// Changes how the hash is used.
    ///
    /// # Errors
    /// [`FilterError::HashInUse`] if there is anything in the hash.
    pub fn set_hash_mode(&mut self, mode: HashMode) -> Result<(), FilterError> {
        if mode != self.mode && (self.individual != [0; 8] || self.group != [0; 8]) {
            return Err(FilterError::HashInUse);
        }
        self.mode = mode;
        Ok(())
    }

    /// Accepts `addr`, individual or group, through an exact-match address. Adding it again changes
    /// nothing.
    ///
    /// # Errors
    /// [`FilterError::ExactFull`], [`FilterError::ZeroAddress`], [`FilterError::Broadcast`].
    pub fn add_exact(&mut self, addr: MacAddr) -> Result<(), FilterError> {
        Self::check_entry(addr)?;
        if self.exact.contains(&addr) {
            return Ok(());
        }
        let slot = self.exact.iter_mut().find(|slot| slot.is_zero());
        *slot.ok_or(FilterError::ExactFull(addr))? = addr;
        Ok(())
    }

    /// Takes an exact-match address out again; says whether it was there.
    pub fn remove_exact(&mut self, addr: MacAddr) -> bool {
        let slot = self.exact.iter_mut().find(|slot| **slot == addr && !addr.is_zero());
        slot.map(|slot| *slot = MacAddr::ZERO).is_some()
    }

    /// Accepts `addr`, and whatever shares its bit, through the hash.
    ///
    /// # Errors
    /// [`FilterError::NoIndividualHash`] for an individual address in [`HashMode::Group`];
    /// [`FilterError::ZeroAddress`], [`FilterError::Broadcast`].
    pub fn add_hash(&mut self, addr: MacAddr) -> Result<(), FilterError> {
        Self::check_entry(addr)?;
        match (self.mode, addr.is_group()) {
            (HashMode::Split, group) => {
                let (word, mask) = place_256(addr);
                let table = if group { &mut self.group } else { &mut self.individual };
                table[word] |= mask;
            }
            (HashMode::Group, true) => {
                let (word, mask) = place_512(addr);
                let table = if word < 8 { &mut self.individual } else { &mut self.group };
                table[word % 8] |= mask;
            }
            (HashMode::Group, false) => return Err(FilterError::NoIndividualHash(addr)),
        }
        Ok(())
    }

    /// Empties the hash. (A single address cannot leave it: others may share its bit.)
    pub fn clear_hash(&mut self) {
        self.individual = [0; 8];
        self.group = [0; 8];
    }

    /// Accepts exactly these multicast addresses, in place of those before: through exact-match
    /// addresses while there are any (individual ones stay), then through the hash.
    ///
    /// # Errors
    /// [`FilterError::NotGroup`], [`FilterError::Broadcast`]; the filter is as before.
    pub fn set_multicast(
        &mut self,
        addrs: impl IntoIterator<Item = MacAddr>,
    ) -> Result<(), FilterError> {
        let mut next = *self;
        for slot in &mut next.exact {
            if slot.is_group() {
                *slot = MacAddr::ZERO;
            }
        }
        next.group = [0; 8];
        if next.mode == HashMode::Group {
            next.individual = [0; 8];
        }
        for addr in addrs {
            if !addr.is_group() {
                return Err(FilterError::NotGroup(addr));
            }
            match next.add_exact(addr) {
                Err(FilterError::ExactFull(_)) => next.add_hash(addr)?,
                other => other?,
            }
        }
        *self = next;
        Ok(())
    }

    /// What to write to the device.
    #[must_use]
    pub fn registers(&self) -> FilterRegisters {
        FilterRegisters {
            station: self.station.to_registers(),
            exact: self.exact.map(MacAddr::to_registers),
            igaddr: core::array::from_fn(|n| self.hash_words(n)[0]),
            gaddr: core::array::from_fn(|n| self.hash_words(n)[1]),
            rctrl: self.rctrl(),
        }
    }

    /// As [`FilterRegisters::exact`], for address `n`, 0 to 14.
    pub(crate) fn exact_registers(&self, n: usize) -> [u32; 2] {
        self.exact.get(n).map_or([0; 2], |addr| addr.to_registers())
    }

    /// IGADDRn and GADDRn.
    pub(crate) fn hash_words(&self, n: usize) -> [u32; 2] {
        let word = |table: &[u32; 8], full| table[n % 8] | u32::from(full).wrapping_neg();
        // In split mode IGADDR is the hash of individual addresses: all ones would be promiscuous.
        let all = self.all_multicast;
        [word(&self.individual, all & (self.mode == HashMode::Group)), word(&self.group, all)]
    }

    /// As [`FilterRegisters::rctrl`].
    pub(crate) fn rctrl(&self) -> u32 {
        let exact = self.exact.iter().any(|addr| !addr.is_zero());
        let bits = Rctrl::GHTX.val((self.mode == HashMode::Group).into())
            + Rctrl::BC_REJ.val(self.broadcast_reject.into())
            + Rctrl::PROM.val(self.promiscuous.into())
            + Rctrl::EMEN.val(exact.into());
        bits.into()
    }

    /// Whether the device will accept a frame to `addr` (HW 7): for peers in software that share
    /// one device.
    ///
    /// This is the device's answer, so it says yes to strangers that share a bit of the hash. Pause
    /// frames are taken by the MAC before this question comes up while it obeys them.
    #[must_use]
    pub fn accepts(&self, addr: MacAddr) -> bool {
        if self.promiscuous {
            return true;
        }
        if addr.is_broadcast() {
            return !self.broadcast_reject;
        }
        if addr == self.station || !addr.is_zero() && self.exact.contains(&addr) {
            return true;
        }
        let FilterRegisters { igaddr, gaddr, .. } = self.registers();
        match (self.mode, addr.is_group()) {
            (HashMode::Split, group) => {
                let (word, mask) = place_256(addr);
                (if group { gaddr } else { igaddr })[word] & mask != 0
            }
            (HashMode::Group, true) => {
                let (word, mask) = place_512(addr);
                (if word < 8 { igaddr } else { gaddr })[word % 8] & mask != 0
            }
            (HashMode::Group, false) => false,
        }
    }

    const fn check_entry(addr: MacAddr) -> Result<(), FilterError> {
        if addr.is_zero() {
            Err(FilterError::ZeroAddress)
        } else if addr.is_broadcast() {
            Err(FilterError::Broadcast)
        } else {
            Ok(())
        }
    }
}

mod read;
#[cfg(test)]
mod tests;

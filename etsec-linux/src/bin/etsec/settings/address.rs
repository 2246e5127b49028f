//! Which frames a port receives, by their destination.

use anyhow::Result;
use etsec_core::adopt::running_filter;
use etsec_core::{AddressFilter, MacAddr};
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};

use super::{Live, Ready, Section, Settings, Wrong, text};

/// What is received besides frames to the station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Address {
    /// Frames to everybody.
    pub promiscuous: bool,
    /// Frames to any group.
    pub all_multicast: bool,
    /// Frames to all stations.
    pub broadcast: bool,
    /// Frames to these addresses: stations, and groups, which let others in that share their hash.
    #[serde(with = "text::list")]
    pub also: Vec<MacAddr>,
}

impl Default for Address {
    fn default() -> Self {
        Address { promiscuous: false, all_multicast: false, broadcast: true, also: Vec::new() }
    }
}

impl Address {
    /// The filter for a station.
    fn filter(&self, mut filter: AddressFilter) -> Result<AddressFilter, Wrong> {
        filter.promiscuous = self.promiscuous;
        filter.all_multicast = self.all_multicast;
        filter.broadcast_reject = !self.broadcast;
        for (n, addr) in self.also.iter().enumerate() {
            let added =
                if addr.is_group() { filter.add_hash(*addr) } else { filter.add_exact(*addr) };
            added.map_err(|error| {
                Wrong::new(&format!("address.also.{n}"), format!("cannot be: {error}"))
            })?;
        }
        Ok(filter)
    }
}

/// A filter that lets nothing in but frames to its station.
fn bare(station: MacAddr) -> Result<AddressFilter, Wrong> {
    AddressFilter::new(station).map_err(|error| Wrong::new("mac", format!("cannot be: {error}")))
}

impl Section for Address {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        // Any station will do where it is not known yet.
        let station = all.mac.unwrap_or(MacAddr([2, 0, 0, 0, 0, 1]));
        bare(station).and_then(|filter| self.filter(filter)).map(drop)
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let taken_over = ready.device.is_taken_over();
        let port = &mut ready.device.port;
        let station = port.config().filter.station();
        let filter = self.filter(bare(station)?)?;
        // Which frames it receives can change under way, and which station it is cannot.
        let running = taken_over.then(|| running_filter(&port.pages().group0).ok()).flatten();
        let running = running.filter(|running| running.station() == station);
        port.set_filter(&running.unwrap_or(filter));
        Ok(())
    }

    fn settle(&self, live: &mut Live<'_>) -> Result<()> {
        let running = live.port.config().filter;
        let wanted = self.filter(bare(running.station())?)?;
        if wanted.registers() != running.registers() {
            live.port.set_filter(&wanted, &mut Delay)?;
        }
        Ok(())
    }

    fn change(&self, _: &Settings, live: &mut Live<'_>) -> Result<()> {
        let filter = self.filter(bare(live.port.config().filter.station())?)?;
        Ok(live.port.set_filter(&filter, &mut Delay)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_are_matched_exactly_and_groups_by_their_hash() {
        let station = MacAddr([2, 0, 0, 0, 0, 1]);
        let also = (2..17).map(|n| MacAddr([2, 0, 0, 0, 0, n]));
        let group = MacAddr([1, 0, 0x5E, 0, 0, 1]);
        let address =
            Address { also: also.chain([group]).collect(), broadcast: false, ..Address::default() };
        let filter = address.filter(bare(station).unwrap()).unwrap();
        assert_eq!((filter.exact().count(), filter.broadcast_reject), (15, true));
        let mut expected = bare(station).unwrap();
        expected.add_hash(group).unwrap();
        assert_eq!(filter.registers().gaddr, expected.registers().gaddr);
        let many =
            Address { also: (2..18).map(|n| MacAddr([2, 0, 0, 0, 0, n])).collect(), ..address };
        let text = many.check(&Settings::default()).unwrap_err().to_string();
        assert!(
            text.starts_with("address.also.15 cannot be: no exact-match address left"),
            "{text}"
        );
    }
}

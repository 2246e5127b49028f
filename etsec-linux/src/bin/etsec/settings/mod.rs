//! What a port can be set to, in its users' words: one section for each kind of thing, as the
//! configuration file has it and as the verbs change it while the port runs.
//!
//! What a section means is in its own file. Here is the list of them, and how one is changed.

mod address;
mod coalesce;
mod file;
mod filter;
mod frames;
mod groups;
#[cfg(test)]
mod hostile;
mod offload;
mod pause;
mod ptp;
mod rings;
mod sched;
pub mod text;
mod vlan;
mod wait;

use anyhow::{Result, bail};
use etsec_core::errata::Part;
use etsec_core::offload::{RxOffload, TxOffload};
use etsec_core::ptp::PtpClock;
use etsec_core::{MacAddr, Running};
use etsec_linux::device::Device;
use etsec_linux::link::LinkMonitor;
use etsec_linux::{AnyBus, PortConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::address::Address;
pub use self::coalesce::Coalesce;
pub use self::file::{File, of};
pub use self::filter::{Filter, RuleFile};
pub use self::frames::{Ending, Frames, Preamble, Stash};
pub use self::groups::Groups;
pub use self::offload::Offload;
pub use self::pause::Pause;
pub use self::ptp::Ptp;
pub use self::rings::Rings;
pub use self::sched::Sched;
pub use self::vlan::Vlan;
pub use self::wait::Wait;
use crate::args::LinkArg;

/// Payload bytes of the longest frame, from and to.
const MTU: (i64, i64) = (46, 9578);

/// Everything that a port can be set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Station address; the device tree's, else a random one.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// Payload bytes of the longest frame.
    pub mtu: i64,
    /// What the PHY negotiates, or a fixed link.
    #[serde(with = "text")]
    pub link: LinkArg,
    /// MDIO address of the PHY; the device tree's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phy: Option<i64>,
    /// The part that the controller is in, for its errata; what the kernel or the device tree says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// A port that a process has left running is taken over, not reset.
    pub adopt: bool,
    /// Rings and buffers.
    pub rings: Rings,
    /// Which frames are received.
    pub address: Address,
    /// What the MAC takes for a frame.
    pub frames: Frames,
    /// What is put into the cache.
    pub stash: Stash,
    /// What the controller does to frames.
    pub offload: Offload,
    /// VLAN tags.
    pub vlan: Vlan,
    /// Flow control.
    pub pause: Pause,
    /// When frames interrupt.
    pub coalesce: Coalesce,
    /// Through which interrupt group.
    pub groups: Groups,
    /// How the transmit rings share the wire.
    pub sched: Sched,
    /// How frames are waited for.
    pub wait: Wait,
    /// The IEEE 1588 clock.
    pub ptp: Ptp,
    /// Which ring a frame goes to.
    pub filter: Filter,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mac: None,
            mtu: 1500,
            link: LinkArg::Auto,
            phy: None,
            part: None,
            adopt: false,
            rings: Rings::default(),
            address: Address::default(),
            frames: Frames::default(),
            stash: Stash::default(),
            offload: Offload::default(),
            vlan: Vlan::default(),
            pause: Pause::default(),
            coalesce: Coalesce::default(),
            groups: Groups::default(),
            sched: Sched::default(),
            wait: Wait::default(),
            ptp: Ptp::default(),
            filter: Filter::default(),
        }
    }
}

/// A value that cannot be, and its place.
#[derive(Debug, thiserror::Error)]
#[error("{key} {why}")]
pub struct Wrong {
    /// The key, with the sections it is in: `rings.rx`.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl Wrong {
    /// `key` is wrong because of `why`.
    pub fn new(key: &str, why: impl Into<String>) -> Self {
        Wrong { key: key.to_owned(), why: why.into() }
    }

    /// Sees that the number at `key` is within its range.
    pub fn unless_in(key: &str, value: i64, (low, high): (i64, i64)) -> Result<(), Self> {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(Wrong::new(key, format!("is {value}, but must be from {low} to {high}")))
    }
}

/// A port that is not running yet, and what goes with it.
pub struct Ready<'a> {
    /// The port.
    pub device: &'a mut Device,
    /// A place for its IEEE 1588 clock.
    pub clock: &'a mut Option<PtpClock<AnyBus>>,
}

/// A running port, and what goes with it.
pub struct Live<'a> {
    /// The port.
    pub port: &'a mut Running<AnyBus>,
    /// Its link.
    pub link: &'a mut LinkMonitor,
    /// Its IEEE 1588 clock, if it has one that runs.
    pub clock: &'a mut Option<PtpClock<AnyBus>>,
    /// What the port turned out to be.
    pub config: &'a PortConfig,
}

/// A number that has been checked, as those who take it want it. Numbers are read as wide as a file
/// has them, so that one that is out of range is named with its key and the range.
pub fn fit<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// One kind of thing that a port can be set to.
pub trait Section {
    /// Whether all values can be, beside those of the other sections.
    ///
    /// # Errors
    /// The first one that cannot.
    fn check(&self, all: &Settings) -> Result<(), Wrong>;

    /// Tells a port that is not running yet.
    ///
    /// # Errors
    /// What the driver says.
    fn begin(&self, _ready: &mut Ready<'_>) -> Result<()> {
        Ok(())
    }

    /// Tells a port that was taken over what can only be told now: what it was left to do
    /// otherwise, and can change under way.
    ///
    /// # Errors
    /// What the driver says.
    fn settle(&self, _live: &mut Live<'_>) -> Result<()> {
        Ok(())
    }

    /// Tells a running port what has changed from `old`. On an error everything is as before.
    ///
    /// # Errors
    /// What the driver says; that it is too late.
    fn change(&self, _old: &Settings, _live: &mut Live<'_>) -> Result<()> {
        bail!("cannot be changed while the port runs; set it at the start, in the --config file")
    }
}

impl Settings {
    /// The sections that are tables of their own, in the order in which a port is told.
    fn sections(&self) -> [(&'static str, &dyn Section); 13] {
        let Settings { frames, stash, vlan, groups, wait, .. } = self;
        let Settings { rings, address, offload, pause, coalesce, sched, ptp, filter, .. } = self;
        [
            ("rings", rings),
            ("address", address),
            ("frames", frames),
            ("stash", stash),
            ("offload", offload),
            ("vlan", vlan),
            ("pause", pause),
            ("coalesce", coalesce),
            ("groups", groups),
            ("sched", sched),
            ("wait", wait),
            ("ptp", ptp),
            ("filter", filter),
        ]
    }

    /// What the controller does to received frames; it needs its parser for that.
    pub fn rx_offload(&self) -> RxOffload {
        RxOffload { vlan_extract: self.vlan.extract, ..self.offload.rx() }
    }

    /// What the controller may do to frames that are sent.
    pub fn tx_offload(&self) -> TxOffload {
        match self.offload.tx() {
            // Tags, and no checksums.
            TxOffload::Off if self.vlan.inserts() => TxOffload::UpTo(1),
            offload => offload,
        }
    }

    /// Whether the receiver has to parse frames for it.
    pub fn needs_parser(&self) -> bool {
        self.filter.enabled || self.rx_offload() != RxOffload::default()
    }

    /// Whether all values can be.
    ///
    /// # Errors
    /// The first one that cannot.
    pub fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_in("mtu", self.mtu, MTU)?;
        if let Some(phy) = self.phy {
            Wrong::unless_in("phy", phy, (0, 31))?;
        }
        if let Some(part) = &self.part
            && let Err(error) = part.parse::<Part>()
        {
            return Err(Wrong::new("part", format!("is '{part}', but {error}")));
        }
        self.sections().iter().try_for_each(|(_, section)| section.check(self))
    }

    /// Tells a port that is not running yet.
    ///
    /// # Errors
    /// What the driver says, with the section.
    pub fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        for (name, section) in self.sections() {
            section.begin(ready).map_err(|error| error.context(name))?;
        }
        Ok(())
    }

    /// Tells a port that was taken over what could not be told before.
    ///
    /// # Errors
    /// What the driver says, with the section.
    pub fn settle(&self, live: &mut Live<'_>) -> Result<()> {
        for (name, section) in self.sections() {
            section.settle(live).map_err(|error| error.context(name))?;
        }
        Ok(())
    }

    /// Does what a verb names with a section; returns what there is to show.
    ///
    /// # Errors
    /// No such section or action, or what the driver says; everything is as before then.
    pub fn act(&mut self, section: &str, words: &[String], live: &mut Live<'_>) -> Result<Value> {
        match section {
            "ptp" => self.ptp.act(words, live),
            "filter" => {
                if let Some(filter) = self.filter.edited(words)? {
                    self.put(section, Settings { filter, ..self.clone() }, live)?;
                }
                self.filter.list(live)
            }
            _ => bail!("nothing can be done with '{section}'"),
        }
    }

    /// Changes values of a section, and tells the running port.
    ///
    /// # Errors
    /// No such section or key, a value that cannot be, or what the driver says; everything is as
    /// before then.
    pub fn change(
        &mut self,
        section: &str,
        values: Map<String, Value>,
        live: &mut Live<'_>,
    ) -> Result<()> {
        self.put(section, self.with(section, values)?, live)
    }

    /// Puts `new` in the place of these settings, and tells the running port of that section.
    fn put(&mut self, section: &str, new: Settings, live: &mut Live<'_>) -> Result<()> {
        new.check()?;
        if new == *self {
            return Ok(());
        }
        let found = new.sections().into_iter().find(|(name, _)| *name == section);
        let Some((_, told)) = found else { bail!("no section is called '{section}'") };
        told.change(self, live).map_err(|error| error.context(section.to_owned()))?;
        *self = new;
        Ok(())
    }

    /// These settings with other values in a section.
    fn with(&self, section: &str, values: Map<String, Value>) -> Result<Settings> {
        let mut all = serde_json::to_value(self)?;
        let Some(Value::Object(place)) = all.get_mut(section) else {
            bail!("no section is called '{section}'");
        };
        for (key, value) in &values {
            // One by one, so that it can be told which of them is none.
            let one = json!({ section: { key: value } });
            serde_json::from_value::<Settings>(one).map_err(|error| {
                let key = format!("{section}.{key}");
                anyhow::Error::new(Wrong::new(&key, text::plain(&error.to_string())))
            })?;
        }
        place.extend(values);
        let new: Settings = serde_json::from_value(all)?;
        new.check()?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(key: &str, value: Value) -> Map<String, Value> {
        [(key.to_owned(), value)].into_iter().collect()
    }

    #[test]
    fn a_section_is_changed_whole_or_not_at_all() {
        let settings = Settings::default();
        let new = settings.with("address", words("promiscuous", true.into())).unwrap();
        assert!(new.address.promiscuous);
        assert_eq!(Settings { address: settings.address.clone(), ..new }, settings);
        let text = |section, key, value: Value| {
            settings.with(section, words(key, value)).unwrap_err().to_string()
        };
        assert!(text("adress", "promiscuous", true.into()).contains("no section is called"));
        assert!(text("address", "promiscous", true.into()).contains("unknown field"));
        assert!(text("address", "promiscuous", 3.into()).contains("a boolean"));
        assert_eq!(text("rings", "rx", 9.into()), "rings.rx is 9, but must be from 1 to 8");
    }

    #[test]
    fn sections_have_the_names_that_the_file_has() {
        let all = serde_json::to_value(Settings::default()).unwrap();
        for (name, _) in Settings::default().sections() {
            assert!(all[name].is_object(), "{name}");
        }
        let tables = all.as_object().unwrap().values().filter(|value| value.is_object());
        assert_eq!(tables.count(), Settings::default().sections().len());
    }
}

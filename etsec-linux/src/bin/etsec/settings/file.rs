//! The configuration file: TOML, with a table for each port. Mistakes are named with their place.
//!
//! It knows tables and places, and no section.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::{Settings, text};
use crate::args::DeviceName;

/// A configuration file that has been read and checked.
#[derive(Debug, Default)]
pub struct File {
    /// The settings of each port, by its name in the file.
    pub ports: BTreeMap<String, Settings>,
}

/// What the file looks like.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    port: BTreeMap<String, Settings>,
}

impl FromIterator<(String, Settings)> for File {
    fn from_iter<I: IntoIterator<Item = (String, Settings)>>(ports: I) -> Self {
        File { ports: ports.into_iter().collect() }
    }
}

impl File {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// With the file, line and column, what is wrong there.
    pub fn read(path: &Path) -> Result<Self> {
        let text = text::read(path)?;
        Self::parse(&text).map_err(|wrong| {
            let (line, column) = place(&text, wrong.at);
            anyhow::anyhow!("{}:{line}:{column}: {}", path.display(), wrong.why)
        })
    }

    fn parse(text: &str) -> Result<Self, Misplaced> {
        let contents: Contents = toml::from_str(text).map_err(|error| Misplaced {
            at: error.span().unwrap_or_default().start,
            why: text::plain(error.message()),
        })?;
        for (name, settings) in &contents.port {
            let misplaced = |key: &str, why: String| {
                let keys: Vec<_> = ["port", name].into_iter().chain(key.split('.')).collect();
                Misplaced { at: find(text, &keys).unwrap_or_default().start, why }
            };
            let this = device(name).map_err(|why| misplaced("", why))?;
            let same = |other: &&String| *other != name && device(other).as_ref() == Ok(&this);
            if let Some(other) = contents.port.keys().find(same) {
                return Err(misplaced("", format!("{other} is the same port")));
            }
            settings.check().map_err(|wrong| misplaced(&wrong.key, wrong.to_string()))?;
        }
        Ok(File { ports: contents.port })
    }

    /// The settings of `device`: what the file says, or the usual ones if it does not say a word of
    /// it.
    pub fn settings(&self, wanted: &DeviceName) -> Settings {
        let found = self.ports.iter().find(|(name, _)| device(name).as_ref() == Ok(wanted));
        found.map(|(_, settings)| settings.clone()).unwrap_or_default()
    }

    /// The file's text, with everything that was left out filled in.
    ///
    /// # Errors
    /// None that is known of.
    pub fn render(&self) -> Result<String> {
        Ok(toml::to_string(&Contents { port: self.ports.clone() })?)
    }
}

/// The settings of `device` from the file at `path`, if one is named; the usual ones else.
///
/// # Errors
/// As [`File::read`]; a file that does not know the device.
pub fn of(path: Option<&PathBuf>, wanted: &DeviceName) -> Result<Settings> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let file = File::read(path)?;
    if !file.ports.keys().any(|name| device(name).as_ref() == Ok(wanted)) {
        let known: Vec<_> = file.ports.keys().map(|name| format!("[port.{name}]")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("{}: no table for {wanted} (there is: {known})", path.display());
    }
    Ok(file.settings(wanted))
}

/// The device that a table is for: `eth0` is short for `uio:eth0`.
fn device(name: &str) -> Result<DeviceName, String> {
    let full = if name == "sim" || name.contains([':', ',']) {
        name.to_owned()
    } else {
        format!("uio:{name}")
    };
    full.parse().map_err(|error: etsec_linux::Error| error.to_string())
}

/// What is wrong, and at which byte of the text.
#[derive(Debug)]
struct Misplaced {
    at: usize,
    why: String,
}

/// Where the value with this path of keys is in a text, or the innermost table around it that is
/// there.
fn find(text: &str, keys: &[&str]) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut inside = &DeValue::Table(table.into_inner());
    for key in keys {
        let (span, value) = match inside {
            DeValue::Table(table) => {
                let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == key)
                else {
                    break;
                };
                let is_table = matches!(value.get_ref(), DeValue::Table(_));
                (if is_table { name.span() } else { value.span() }, value)
            }
            DeValue::Array(values) => {
                let Some(value) = key.parse().ok().and_then(|n: usize| values.get(n)) else {
                    break;
                };
                (value.span(), value)
            }
            _ => break,
        };
        found = Some(span);
        inside = value.get_ref();
    }
    found
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        let error = format!("{:#}", File::read(&path).unwrap_err());
        error.replace(&format!("{}:", path.display()), "")
    }

    #[test]
    fn ports_have_tables_and_what_they_do_not_say_is_as_usual() {
        let text = "[port.eth0]\nmtu = 9000\nlink = \"100/half\"\n[port.eth0.rings]\nrx = 4\n\
                    [port.\"sim,wire=null\"]\nmac = \"02:00:00:00:00:09\"\n";
        let file = File::parse(text).unwrap();
        let eth0 = file.settings(&"uio:eth0".parse().unwrap());
        assert_eq!((eth0.mtu, eth0.rings.rx, eth0.rings.tx), (9000, 4, 1));
        let sim = file.settings(&"sim,wire=null".parse().unwrap());
        assert_eq!((sim.mtu, sim.mac.unwrap().to_string().as_str()), (1500, "02:00:00:00:00:09"));
        assert_eq!(file.settings(&"uio:eth1".parse().unwrap()), Settings::default());
        // What is rendered is read as the same.
        let again = File::parse(&file.render().unwrap()).unwrap();
        assert_eq!(again.ports, file.ports);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let at = |text: &str, place: &str, words: &str| {
            let error = wrong(text);
            assert!(error.starts_with(place) && error.contains(words), "{error}");
        };
        at("[port.eth0]\nmtu = 9579\n", "2:7: ", "mtu is 9579, but must be from 46 to 9578");
        at("[port.eth0]\n\n[port.eth0.rings]\n  rx = 9\n", "4:8: ", "rings.rx is 9");
        at("[port.eth0]\nmtuu = 1\n", "2:1: ", "unknown field `mtuu`");
        at("[port.eth0]\nmtu = \"x\"\n", "2:7: ", "invalid type");
        at("[port.eth0]\nmac = \"02:00\"\n", "2:7: ", "not a MAC address");
        at("[port.eth0]\nlink = \"1000/half\"\n", "2:8: ", "");
        at("[port.eth0\n", "1:11: ", "");
        at("[port.eth0]\nphy = -1\n", "2:7: ", "phy is -1, but must be from 0 to 31");
        at("[port.eth0]\n[port.\"uio:eth0\"]\n", "1:7: ", "uio:eth0 is the same port");
        at(
            "[port.eth0]\npart = \"p1023\"\n",
            "2:8: ",
            "part is 'p1023', but a part is one of mpc83",
        );
        let rules =
            "[port.eth0.filter]\nenabled = true\nrules = [\n  \"tcp drop\",\n  \"udp\",\n]\n";
        at(rules, "5:3: ", "filter.rules.1 cannot be: column 4: the rule does not say");
        let ring = rules.replace("udp", "udp queue 5");
        at(&ring, "5:3: ", "filter.rules.1 goes to ring 5, which this port has not got");
        at("[port.eth0.filter]\ndefault = \"drop\"\n", "1:12: ", "filter.enabled must be true");
        let lossless = "[port.eth0.rings]\nrx = 2\ndescriptors = 8\nlossless = [4, 8]\n";
        at(lossless, "4:16: ", "rings.lossless.1 is 8, but must be from 2 to 7");
        at("[ports.eth0]\n", "1:2: ", "unknown field `ports`");
        at("[port.\"a/b\"]\n", "1:7: ", "a name has no '/'");
        at("x = \"é\"\n[port.eth0]\n", "1:1: ", "unknown field `x`");
    }
}

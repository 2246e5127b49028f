//! A port with filter rules, and frames for them.

use etsec_core::filer::{Action, Rule};
use etsec_core::{Bus, Config};
use etsec_sim::{SimConfig, Switches};

use crate::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

/// A port with the parser on, and rings of 8 descriptors.
#[must_use]
pub fn plan(rings: usize, switches: Switches) -> Plan {
    let config = Config { parser: true, ..config() };
    let sim = SimConfig { switches, ..SimConfig::default() };
    Plan { sim, config, rx: vec![8; rings], buffers: 128, ..Plan::default() }
}

/// Rules from their texts.
///
/// # Panics
/// If one is none.
#[must_use]
pub fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))).collect()
}

/// A running port with eight receive rings and rules.
///
/// # Panics
/// If the rules are refused.
#[must_use]
pub fn start(texts: &[&str], default: Action, switches: Switches) -> Live {
    let mut rig = Rig::new(&plan(8, switches));
    rig.port.set_rules(&rules(texts), default).unwrap();
    rig.start()
}

/// A UDP datagram to a port, in a frame with a VLAN tag if one is given.
#[must_use]
pub fn udp(tag: Option<u16>, port: u16) -> Vec<u8> {
    let mut bytes = frame(STATION, PEER, 12, 0);
    if let Some(tag) = tag {
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.to_be_bytes());
    }
    bytes.extend([0x08, 0x00, 0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0x12, 0x34]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

/// The ring a frame arrives in.
///
/// # Panics
/// If it arrives more than once.
pub fn ring_of<B: Bus + Clone>(live: &mut Live<B>, bytes: &[u8]) -> Option<usize> {
    live.sim.receive(bytes);
    let found: Vec<_> = (0..live.rx.len()).filter(|n| live.receive(*n).is_some()).collect();
    assert!(found.len() <= 1, "one frame in rings {found:?}");
    found.first().copied()
}

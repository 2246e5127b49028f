//! `etsec link`: what the MAC is set to and, if nobody owns the port, what its PHY says.

use anyhow::Result;
use etsec_core::MacAddr;
use etsec_core::link::{Duplex, Interface, Link, Pause, Speed};
use etsec_core::phy::{self, Phy, PhyStatus};
use etsec_core::regs::Readable;
use etsec_core::regs::control::{ECNTRL, Ecntrl, TBIPA, Tbipa};
use etsec_core::regs::mac::{MACCFG1, MACCFG2, MACSTNADDR1, MACSTNADDR2, Maccfg1, Maccfg2};
use serde::Serialize;

use crate::args::{DeviceName, Observe};
use crate::observe::{Observer, ReadPage, ask, open_mdio};
use crate::output::table;
use crate::run::Context;

/// Runs the command.
pub fn run(args: &Observe, context: &Context) -> Result<()> {
    let observer = Observer::open(&args.device, context)?;
    let mut shown = mac(&observer.page);
    shown.phy = match &observer.owner {
        // Management frames of two programs would get mixed up, and a loss of link would be read
        // away.
        Some(owner) => unasked(owner, &args.device, &observer, context),
        None => ask_phy(&args.device, &observer)?,
    };
    context.out.show(&shown, text)
}

/// What the owner knows of the link, if it is one of ours and tells.
fn unasked(owner: &str, device: &DeviceName, observer: &Observer, context: &Context) -> PhyShown {
    let told = observer.state.clone().or_else(|| ask(device, context).ok());
    let told = told.map(|state| state.link.unwrap_or_else(|| "down".into()));
    PhyShown::Unasked { owner: owner.to_owned(), link: told }
}

#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    mac: String,
    interface: String,
    receiving: bool,
    transmitting: bool,
    /// What the MAC is set to; not whether there is a link.
    set_to: String,
    phy: PhyShown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
enum PhyShown {
    Unasked { owner: String, link: Option<String> },
    Absent,
    Present { address: u8, id: String, link: Option<String>, negotiating: bool, capable: String },
}

fn mac(page: &ReadPage) -> Shown {
    let (maccfg1, maccfg2, ecntrl) = (MACCFG1.on(page), MACCFG2.on(page), ECNTRL.on(page));
    let address = [MACSTNADDR1.on(page).get(), MACSTNADDR2.on(page).get()];
    let byte_mode = maccfg2.matches_all(Maccfg2::IF_MODE::Byte);
    // HW 8.8: speeds below gigabit differ in R100M, which interfaces without it leave as it is.
    let speed = match (byte_mode, ecntrl.is_set(Ecntrl::R100M)) {
        (true, _) => Speed::Mbps1000,
        (false, true) => Speed::Mbps100,
        (false, false) => Speed::Mbps10,
    };
    let full = maccfg2.is_set(Maccfg2::FULL_DUPLEX);
    let pause =
        Pause { rx: maccfg1.is_set(Maccfg1::RX_FLOW), tx: maccfg1.is_set(Maccfg1::TX_FLOW) };
    let set_to = Link::new(speed, if full { Duplex::Full } else { Duplex::Half }).with_pause(pause);
    Shown {
        event: "link",
        mac: MacAddr::from_registers(address).to_string(),
        interface: Interface::from_ecntrl(ecntrl.get(), true).to_string(),
        receiving: maccfg1.is_set(Maccfg1::RX_EN),
        transmitting: maccfg1.is_set(Maccfg1::TX_EN),
        set_to: set_to.to_string(),
        phy: PhyShown::Absent,
    }
}

fn ask_phy(device: &DeviceName, observer: &Observer) -> Result<PhyShown> {
    // The TBI answers on the MAC's own bus and is no PHY (HW 1.2).
    let tbi = TBIPA.on(&observer.page).read(Tbipa::TBIPA) as u8;
    let mut bus = open_mdio(device, observer.recorder.as_ref())?;
    let address = match observer.config.phy_address {
        Some(address) => Some(address),
        None => phy::find(&mut *bus, Some(tbi))?,
    };
    let Some(address) = address else { return Ok(PhyShown::Absent) };
    let status: PhyStatus = Phy::new(address).status(&mut *bus)?;
    Ok(PhyShown::Present {
        address,
        id: status.id.to_string(),
        link: status.link.map(|link| link.to_string()),
        negotiating: status.negotiating && !status.complete,
        capable: status.capable.to_string(),
    })
}

fn text(shown: &Shown) -> String {
    let running = match (shown.receiving, shown.transmitting) {
        (true, true) => "receiving and transmitting",
        (true, false) => "receiving only",
        (false, true) => "transmitting only",
        (false, false) => "stopped",
    };
    let mut rows = vec![
        vec!["address".to_owned(), shown.mac.clone()],
        vec!["interface".into(), shown.interface.clone()],
        vec!["MAC".into(), format!("{running}, set to {}", shown.set_to)],
    ];
    match &shown.phy {
        PhyShown::Unasked { owner, link } => {
            rows.push(vec!["PHY".into(), format!("not asked: the port is in use by {owner}")]);
            let told = link.iter().map(|link| match link.as_str() {
                "down" => "down, says its owner".to_owned(),
                link => format!("up, {link}, says its owner"),
            });
            rows.extend(told.map(|words| vec!["link".into(), words]));
        }
        PhyShown::Absent => rows.push(vec!["PHY".into(), "none answers".into()]),
        PhyShown::Present { address, id, link, negotiating, capable } => {
            let link = match (link, negotiating) {
                (Some(link), _) => format!("up, {link}"),
                (None, true) => "down, negotiating".into(),
                (None, false) => "down".into(),
            };
            rows.push(vec!["PHY".into(), format!("{id} at address {address}, can do {capable}")]);
            rows.push(vec!["link".into(), link]);
        }
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_mac_is_set_to_is_read_from_its_registers() {
        // HW 3.3, 3.14, 3.15, 3.19: RGMII at 100 Mb/s, half duplex, receiving only; station
        // 02:00:00:00:00:07.
        let page = ReadPage::new(|at| match at {
            0x020 => 0x1018,
            0x500 => 0x0000_0004,
            0x504 => 0x0000_7104,
            0x540 => 0x0700_0000,
            0x544 => 0x0002_0000,
            _ => 0,
        });
        let shown = mac(&page);
        assert_eq!((shown.interface.as_str(), shown.set_to.as_str()), ("rgmii", "100/half"));
        assert_eq!(shown.mac, "02:00:00:00:00:07");
        assert!(shown.receiving && !shown.transmitting);
        assert!(text(&shown).contains("receiving only, set to 100/half"));
    }
}

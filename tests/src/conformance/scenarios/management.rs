//! The management bus and what is on it (HW 8.7, 8.10): our model has a PHY at address 1, QEMU one
//! that answers at every address.

use embedded_hal::delay::DelayNs;
use etsec_core::mdio::{Mdio, MdioBus};
use etsec_core::{Bus, phy};

use crate::conformance::{Device, Seen};

/// Where the PHY is.
const PHY: u8 = 1;

const MIIMCFG: u16 = 0x520;
const MIIMCOM: u16 = 0x524;
const MIIMADD: u16 = 0x528;
const MIIMSTAT: u16 = 0x530;
const MIIMIND: u16 = 0x534;

fn mdio<D: Device>(device: &D) -> Mdio<D::Bus, D::Delay> {
    let mut mdio = Mdio::new(device.bus(), device.delay());
    mdio.reset().expect("the interface is idle after its reset");
    mdio
}

pub fn idle<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    drop(mdio(device));
    device.settle();
    let bus = device.bus();
    seen.word("MIIMIND", bus.read(MIIMIND));
    seen.word("MIIMCFG", bus.read(MIIMCFG));
    seen
}

pub fn basic_control<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut mdio = mdio(device);
    seen.note("at first", format_args!("{:#06x}", mdio.read(PHY, 0).expect("read")));
    // 100 Mb/s, no negotiation; then negotiation.
    for value in [0x2000, 0x1000] {
        mdio.write(PHY, 0, value).expect("written");
        let back = mdio.read(PHY, 0).expect("read");
        seen.note(format!("after {value:#06x}"), format_args!("{back:#06x}"));
    }
    mdio.write(PHY, 0, 0x9000).expect("written");
    device.settle();
    let mut delay = device.delay();
    delay.delay_ms(5);
    let ended = mdio.read(PHY, 0).expect("read") & 0x8000 == 0;
    seen.holds("a reset ends", ended);
    seen
}

pub fn identifiers<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut mdio = mdio(device);
    for reg in [2, 3] {
        let value = mdio.read(PHY, reg).expect("read");
        seen.note(format!("register {reg}"), format_args!("{value:#06x}"));
    }
    seen
}

pub fn status<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut mdio = mdio(device);
    let mut delay = device.delay();
    let mut value = 0;
    // HW 8.10: a cable is plugged in from the start, and negotiation takes up to 5 s.
    for _ in 0..60 {
        value = mdio.read(PHY, 1).expect("read");
        if value & 0x0004 != 0 {
            break;
        }
        delay.delay_ms(100);
    }
    seen.holds("link", value & 0x0004 != 0);
    seen.note("register 1", format_args!("{value:#06x}"));
    seen
}

pub fn absent<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut mdio = mdio(device);
    seen.note("register 1 of PHY 9", format_args!("{:#06x}", mdio.read(9, 1).expect("read")));
    mdio.write(9, 0, 0x1200).expect("written");
    seen.note("register 0 of PHY 9", format_args!("{:#06x}", mdio.read(9, 0).expect("read")));
    seen
}

pub fn other_registers<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut mdio = mdio(device);
    for (reg, value) in [(4, 0x01E1), (9, 0x0300)] {
        mdio.write(PHY, reg, value).expect("written");
        let back = mdio.read(PHY, reg).expect("read");
        seen.note(format!("register {reg}"), format_args!("{back:#06x}"));
    }
    seen
}

/// HW 3.17: Read_Cycle reads once when it goes from 0 to 1.
pub fn a_read_needs_an_edge<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    mdio(device).write(PHY, 0, 0x1000).expect("written");
    let bus = device.bus();
    bus.write(MIIMADD, u32::from(PHY) << 8 | 1);
    bus.write(MIIMCOM, 0);
    bus.write(MIIMCOM, 1);
    device.settle();
    let status = bus.read(MIIMSTAT);
    bus.write(MIIMADD, u32::from(PHY) << 8);
    bus.write(MIIMCOM, 1);
    device.settle();
    seen.holds("1 after 1 reads nothing", bus.read(MIIMSTAT) == status);
    bus.write(MIIMCOM, 0);
    bus.write(MIIMCOM, 1);
    device.settle();
    seen.word("1 after 0", bus.read(MIIMSTAT));
    bus.write(MIIMCOM, 0);
    seen
}

/// A driver that finds no PHY takes the link as fixed: that has to work on both.
pub fn search<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    device.bus().write(crate::at::TBIPA, 0x1F);
    let found = phy::find(&mut mdio(device), Some(0x1F)).expect("a search");
    seen.note("found at", found.map_or("no address".into(), |at| at.to_string()));
    seen
}

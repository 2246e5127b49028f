//! Parts of the controller of which QEMU has next to nothing (HW 15.3): counters, filer, timer,
//! flow control, loopback. What our model shows of them nobody else has judged.

use embedded_hal::delay::DelayNs;
use etsec_core::filer::{Action, FilerError, FilerTable};
use etsec_core::mib::Counter;
use etsec_core::{Bus, Config};

use crate::at;
use crate::conformance::bare::{Bare, LAST, Side};
use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, config, frame};

pub fn counters<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    for n in 0..3 {
        station.send(0, &frame(PEER, STATION, 100 + n, 1));
        device.arrive(&frame(STATION, PEER, 200 + n, 2));
        device.settle();
        station.reap();
        while device.left().is_some() || station.receive(0).is_some() {}
    }
    let mib = station.port.mib();
    for (name, counter) in [
        ("TPKT", Counter::TPKT),
        ("TBYT", Counter::TBYT),
        ("RPKT", Counter::RPKT),
        ("RBYT", Counter::RBYT),
        ("RDRP", Counter::RDRP),
    ] {
        seen.note(name, mib.total(counter));
    }
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 3.3, 13.1: CLRCNT clears all of them.
pub fn clearing<D: Device>(device: &mut D) -> Seen {
    const CLRCNT: u32 = 0x4000;
    let mut seen = Seen::new();
    let bus = device.bus();
    bus.write(at::RPKT, 5);
    seen.note("a counter that is written", bus.read(at::RPKT));
    bus.write(at::ECNTRL, bus.read(at::ECNTRL) | CLRCNT);
    device.settle();
    seen.note("after CLRCNT", bus.read(at::RPKT));
    seen.word("CLRCNT then", bus.read(at::ECNTRL) & CLRCNT);
    seen
}

/// HW 6.1: 256 entries behind one pair of registers; a driver is told where there are none.
pub fn filer<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    for (entry, property) in [(0, 0x1111), (200, 0x2222)] {
        bus.write(at::RQFAR, entry);
        bus.write(at::RQFCR, 0x60);
        bus.write(at::RQFPR, property);
    }
    bus.write(at::RQFAR, 0);
    seen.word("the first entry", bus.read(at::RQFPR));
    let plan = Plan { config: Config { parser: true, ..config() }, ..Plan::default() };
    let (mut port, parts) = Station::stopped(device, &plan);
    let loaded = port.set_filer(&FilerTable::new(0));
    seen.note("a driver's table", loaded.map_or_else(|why| why.to_string(), |()| "taken".into()));
    let mut station = Station::<D>::start(port, parts);
    device.arrive(&frame(STATION, PEER, 100, 1));
    device.settle();
    seen.holds("frames pass", station.receive(0).is_some());
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 12.1: the counter grows by TCLK_PERIOD with each clock.
pub fn timer<D: Device>(device: &mut D) -> Seen {
    const TMR_CTRL: u16 = 0xE00;
    const TMR_CNT_H: u16 = 0xE18;
    const TMR_CNT_L: u16 = 0xE1C;
    let mut seen = Seen::new();
    let bus = device.bus();
    bus.write(TMR_CNT_L, 0);
    bus.write(TMR_CNT_H, 0);
    bus.write(0xE20, 0x8000_0000);
    // A period of 8 ns, the system clock, on.
    bus.write(TMR_CTRL, 8 << 16 | 0x4 | 0x1);
    device.delay().delay_ms(2);
    seen.note("it runs", bus.read(TMR_CNT_L) != 0);
    seen
}

/// HW 11.1: TFC_PAUSE sends a pause frame, and TXC tells of it.
pub fn pause<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = Bare::new(device);
    bare.bus().write(0x028, 0x1234);
    // Tx_EN and Tx_Flow.
    bare.bus().write(at::MACCFG1, 0x11);
    bare.bus().write(at::TCTRL, 0x8);
    device.settle();
    let left = device.left();
    let is_pause = |left: &Vec<u8>| left[12..18] == [0x88, 0x08, 0x00, 0x01, 0x12, 0x34];
    seen.note("a pause frame leaves", left.as_ref().is_some_and(is_pause));
    seen.word("IEVENT", bare.bus().read(at::IEVENT));
    seen.word("TFC_PAUSE then", bare.bus().read(at::TCTRL) & 0x8);
    seen
}

/// HW 3.14: what the MAC sends, it receives, and nothing is on the wire.
pub fn loopback<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { config: Config { loopback: true, ..config() }, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let bytes = frame(STATION, PEER, 100, 1);
    station.send(0, &bytes);
    device.settle();
    station.reap();
    seen.note("on the wire", device.left().is_some());
    seen.note("received", station.receive(0) == Some(bytes));
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 8.4: a soft reset clears the MAC's registers, and leaves rings alone.
pub fn soft_reset<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bare = Bare::new(device);
    bare.bus().write(at::MAXFRM, 1000);
    bare.bus().write(at::MACCFG1, 0x8000_0000);
    device.settle();
    seen.word("MACCFG1 in reset", bare.bus().read(at::MACCFG1));
    bare.bus().write(at::MACCFG1, 0);
    device.settle();
    seen.note("MAXFRM", bare.bus().read(at::MAXFRM));
    let kept = bare.bus().read(at::TBASE0) == bare.address(Side::Tx, 0);
    seen.holds("TBASE0 is kept", kept);
    seen
}

/// HW 3.4: with WOP = 0 ring 0 is polled, and no doorbell is needed.
pub fn polling<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING & !1);
    for n in 0..2 {
        bare.ready(device, n, LAST, &frame(PEER, STATION, 100, n as u8));
        // QEMU looks a hundred times a second (HW 15.3).
        device.delay().delay_ms(60);
        seen.holds(format!("frame {n} leaves"), device.left().is_some());
    }
    seen
}

/// HW 3.4: TOD looks at ring 0 now.
pub fn on_demand<D: Device>(device: &mut D) -> Seen {
    const TOD: u32 = 0x4;
    let mut seen = Seen::new();
    let mut bare = Bare::new(device);
    bare.enable(device);
    bare.kick(device);
    bare.ready(device, 0, LAST, &frame(PEER, STATION, 100, 1));
    bare.bus().write(at::DMACTRL, at::DMACTRL_RUNNING | TOD);
    device.settle();
    seen.note("the frame leaves", device.left().is_some());
    seen.word("TOD then", bare.bus().read(at::DMACTRL) & TOD);
    seen
}

/// A driver that asks for rules where there is no filer gets an error, and works on.
pub fn rules<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { config: Config { parser: true, ..config() }, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let set = station.port.set_rules(&[], Action::to(0), &mut station.parts.delay);
    let said = match set {
        Ok(_) => "taken".into(),
        Err(FilerError::Port(why)) => why.to_string(),
        Err(why) => format!("{why}"),
    };
    seen.note("rules under traffic", said);
    device.arrive(&frame(STATION, PEER, 100, 1));
    device.settle();
    seen.holds("frames pass", station.receive(0).is_some());
    seen.holds("nothing is missing", station.finish());
    seen
}

//! Does every bit of the control registers that is said to act change what a driver can see?
//!
//! Each is flipped alone in each of four settings, the same things happen every time, and at least
//! once something else than before must come of it. Bits that the model does not act on are in
//! `effects`, and this would find one that is missing there.

mod rig;
use etsec_core::Bus;
use etsec_sim::effects::{self, Effect};
use etsec_sim::{Fcs, SimConfig, WireFrame, WireSpeed, table};
use rig::*;

const PTV: u16 = 0x028;
const DFVLAN: u16 = 0x108;
const TMR_CTRL: u16 = 0xE00;
const ISRG0: u16 = 0xEB0;
const ISRG1: u16 = 0xEB4;
/// Registers whose bits are flipped, all of which the settings below write.
const FLIPPED: [u16; 16] = [
    ECNTRL, PTV, DMACTRL, TCTRL, DFVLAN, TQUEUE, RCTRL, RQUEUE, MACCFG1, MACCFG2, 0x540, 0x544,
    0x548, TMR_CTRL, ISRG0, ISRG1,
];

const EXACT: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
const GROUP: [u8; 6] = [0x01, 0x00, 0x5E, 0, 0, 1];
const TOE: u16 = 0x0002;
const PRE: u16 = 0x0200;
const HFE: u16 = 0x0080;

/// Registers of a setting, in the order in which they are written.
type Setting = Vec<(u16, u32)>;

/// Everything on, at a gigabit.
fn all_on() -> Setting {
    vec![
        (0xE20, 0xC000_000D),
        // Period 8, system clock, stamps in memory; FIPERs wait for alarm 1.
        (TMR_CTRL, 0x1008_8005),
        (0xE80, 4000 - 8),
        (0xE84, 4800 - 8),
        (0xE44, 600),
        (0xE40, 0),
        (ECNTRL, 0x1000),
        (PTV, 0x0001_0005),
        (MAXFRM, 400),
        (0x540, 0x4200_0000),
        (0x544, 0x0002_0000),
        (0x548, 0x7700_0000),
        (0x54C, 0x0002_0000),
        // GADDR3 has the group (HW 7).
        (0x88C, 0x0000_0001),
        (MACCFG2, 0x7245),
        (TCTRL, 0x7002),
        (DFVLAN, 0x8100_0000),
        // FBTHR 0: no ring is ever short of descriptors.
        (0xC00, 8),
        // TS, PAL 10, VLEX, FILREN, IPCSEN, TUCSEN, PRSDEP, EMEN.
        (RCTRL, 0x010A_33C2),
        (ISRG0, 0),
        (ISRG1, 0),
        (RQUEUE, 0x0000_00FF),
        (TQUEUE, 0x0000_FF00),
        (DMACTRL, 0x0000_00C3),
        (MACCFG1, 0x0000_0035),
    ]
}

/// `setting` with other values in some registers.
fn with(mut setting: Setting, values: &[(u16, u32)]) -> Setting {
    for (at, value) in values {
        setting.iter_mut().filter(|(other, _)| other == at).for_each(|(_, old)| *old = *value);
    }
    setting
}

fn settings() -> [Setting; 4] {
    [
        all_on(),
        // Nibbles at 100 Mb/s; the driver pads, the MAC appends the FCS; ring 0 alone, polled.
        with(all_on(), &[(ECNTRL, 0x1008), (MACCFG2, 0x7103), (TCTRL, 0), (RCTRL, 0)]),
        // A threshold that no ring has (FBTHR), and everything let in.
        with(all_on(), &[(0xC00, 0xFF00_0008), (RCTRL, 0x0000_000C), (TCTRL, 0x7004)]),
        // Half of the rings in the second interrupt group.
        with(all_on(), &[(ISRG0, 0xF0F0_0000), (ISRG1, 0x0F0F_0000)]),
    ]
}

/// Frames whose sender is this go to ring `ring`.
fn talker(ring: u8, da: [u8; 6], len: usize) -> Vec<u8> {
    let mut bytes = frame_to(da, len);
    bytes[9..12].copy_from_slice(&[0, 1, ring]);
    bytes
}

/// UDP in IPv4 behind a VLAN tag, with wrong checksums.
fn datagram() -> Vec<u8> {
    let mut bytes = frame(80);
    bytes[12..18].copy_from_slice(&[0x81, 0, 0x20, 5, 8, 0]);
    bytes[18..38]
        .copy_from_slice(&[0x45, 0, 0, 48, 0, 0, 0, 0, 64, 17, 9, 9, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes[38..46].copy_from_slice(&[0, 7, 0, 9, 0, 28, 5, 5]);
    bytes
}

fn magic() -> Vec<u8> {
    let mut bytes = frame(200);
    bytes[30..36].fill(0xFF);
    bytes[36..132].chunks_exact_mut(6).for_each(|copy| copy.copy_from_slice(&STATION));
    bytes
}

fn pause() -> Vec<u8> {
    let mut bytes = frame_to([0x01, 0x80, 0xC2, 0, 0, 1], 60);
    bytes[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 9]);
    bytes
}

/// What comes from the wire.
fn arrivals() -> Vec<WireFrame> {
    let good = |bytes: Vec<u8>| WireFrame::exact(bytes, Fcs::Right);
    let mut all: Vec<_> = (0..8).map(|ring| good(talker(ring, STATION, 100))).collect();
    all.extend([EXACT, GROUP, [0xFF; 6], [0x02, 9, 9, 9, 9, 9]].map(|da| good(frame_to(da, 90))));
    all.extend([frame(40), frame(500), datagram(), magic()].map(good));
    all
}

/// Everything that is there to be seen since the last look.
fn look(rig: &mut Rig, seen: &mut Vec<String>) {
    rig.sim.advance(3000);
    let registers: Vec<u32> =
        [IEVENT, TSTAT, RSTAT, 0xE04, 0xE1C, 0xEA4, 0xEAC].map(|at| rig.read(at)).into();
    seen.push(format!("{registers:x?}"));
    let second = rig.sim.second_bus();
    seen.push(format!("{:x?}", [IEVENT, TSTAT, RSTAT].map(|at| second.read(at))));
    second.write(IEVENT, 0xFFFF_FFFF);
    rig.write(0xE04, 0xFFFF_FFFF);
    rig.clear_events();
    while let Some(frame) = rig.sim.transmitted_raw() {
        seen.push(format!("sent {frame:?}"));
    }
    for ring in 0..8 {
        while let Some(frame) = rig.take(ring) {
            seen.push(format!("ring {ring} {frame:?}"));
        }
    }
    // A counter twice: AUTOZ clears it in between.
    seen.push(format!("{:x?}", [rig.read(0x6A0), rig.read(0x6A0), rig.read(0x6E4)]));
    seen.push(format!("{:?}", rig.sim.with(|model| model.timer_output())));
    seen.extend(rig.sim.violations().iter().map(ToString::to_string));
}

/// Loads rules that file by the talker's number (HW 6.3 SAL), the rest to ring 0.
fn load_filer(rig: &Rig) {
    for entry in 0..256 {
        rig.write(0x334, entry);
        let (control, property) = match entry {
            1..=7 => (entry << 10 | 6, 0x0000_0100 | entry),
            255 => (0x20, 0),
            _ => (0x65, 0),
        };
        rig.write(0x338, control);
        rig.write(0x33C, property);
    }
}

/// What is seen of a setting with one bit flipped.
fn outcome(setting: &Setting, at: u16, bit: u32) -> Vec<String> {
    let mut rig = Rig::stopped(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    load_filer(&rig);
    for (register, value) in setting {
        rig.write(*register, value ^ if *register == at { bit } else { 0 });
    }
    let mut seen = Vec::new();
    rig.sim.with(|model| {
        model.set_trigger(1, true);
        model.set_trigger(2, true);
    });
    for frame in arrivals() {
        rig.sim.receive_raw(frame);
        look(&mut rig, &mut seen);
    }
    // To be sent: from each ring, padded or not, with a block, a preamble, a tag, and too long.
    for ring in 0..8 {
        rig.send(ring, &frame(40 + ring));
    }
    look(&mut rig, &mut seen);
    let block = [&[0xDC | 0x02, 0, 20, 14, 0, 0, 0x20, 0x05][..], &untagged()].concat();
    rig.stage(0, &block, TOE, &[0]);
    rig.stage(0, &[&[0, 1, 0, 0, 0, 0, 0, 9][..], &frame(120)].concat(), TOE, &[8, 0]);
    rig.stage(0, &[&[0x55; 8][..], &frame(70)].concat(), PRE, &[0]);
    rig.kick(0);
    look(&mut rig, &mut seen);
    for index in 0..LEN {
        seen.push(format!("{:x?}", rig.get(rig.tx_buffer(0, index) + 16, 8)));
    }
    rig.stage(0, &frame(450), HFE, &[0]);
    rig.kick(0);
    rig.sim.receive(&pause());
    rig.write(TCTRL, rig.read(TCTRL) | 0x08);
    look(&mut rig, &mut seen);
    rig.send(0, &frame(450));
    look(&mut rig, &mut seen);
    // The pause is over. Nobody kicks this one.
    rig.sim.advance(200_000);
    rig.stage(0, &frame(77), 0, &[0]);
    rig.sim.advance(10_000);
    look(&mut rig, &mut seen);
    seen
}

/// The datagram without its tag.
fn untagged() -> Vec<u8> {
    let mut bytes = datagram();
    bytes.drain(12..16);
    bytes
}

#[test]
fn every_control_bit_changes_something() {
    let settings = settings();
    let before = settings.each_ref().map(|setting| outcome(setting, 0, 0));
    let mut idle = Vec::new();
    let mut flipped = 0;
    for at in FLIPPED {
        assert!(settings[0].iter().any(|(register, _)| *register == at));
        for bit in (0..32).map(|n| 1u32 << n) {
            if effects::effect(at, bit) != Effect::Acts {
                continue;
            }
            flipped += 1;
            let same = |n: usize| outcome(&settings[n], at, bit) == before[n];
            if (0..settings.len()).all(same) {
                idle.push(format!("{} {bit:#010x}", table::name(at).unwrap()));
            }
        }
    }
    assert!(flipped > 200, "{flipped}");
    assert!(idle.is_empty(), "said to act, and changes nothing: {idle:#?}");
}

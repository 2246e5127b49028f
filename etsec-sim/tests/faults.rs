//! Every fault that can be injected, and what it does (HW 8.6, 18.5).

mod rig;
use etsec_sim::{Fault, SimConfig, Switches};
use rig::*;

const EBERR: u32 = 0x1000_0000;
const TXE: u32 = 0x0040_0000;
const LC: u32 = 0x0004_0000;
const CRL: u32 = 0x0002_0000;
const XFUN: u32 = 0x0001_0000;
const DPE: u32 = 2;
const TXF: u32 = 0x0010_0000;

#[test]
fn what_goes_wrong_on_the_wire_halts_all_rings() {
    for (fault, event, status, counters) in [
        (Fault::LateCollision, LC, 0x80, [(0x704, 1), (0x70C, 1)]),
        (Fault::RetryLimit, CRL, 0x40 | 15 << 2, [(0x708, 1), (0x70C, 16)]),
        (Fault::Underrun, XFUN, 0x02, [(0x704, 0), (0x708, 0)]),
    ] {
        let mut rig = Rig::running();
        rig.write(TQUEUE, 0xC000);
        rig.write(TSTAT, 0xFF00_0000);
        rig.sim.inject(fault);
        let index = rig.send(1, &frame(64));
        assert_eq!(rig.events(), TXE | event | TXF, "{fault:?}");
        assert_eq!(rig.status(rig.tx_bd(1, index)), (I | L | status, 64));
        // Enabled or not (HW 3.7).
        assert_eq!(rig.read(TSTAT) & 0xFF00_0000, 0xFF00_0000);
        assert_eq!(rig.sim.transmitted(), None);
        for (at, n) in counters {
            assert_eq!(rig.read(at), n, "{fault:?} {at:#x}");
        }
        // The failed frame is closed; the next one goes.
        rig.send(1, &frame(65));
        assert_eq!(rig.sim.transmitted(), Some(frame(65)));
    }
}

#[test]
fn a_fault_can_be_injected_many_times() {
    let mut rig = Rig::running();
    rig.sim.inject_times(Fault::LateCollision, 3);
    for _ in 0..3 {
        rig.send(0, &frame(64));
        assert_eq!(rig.sim.transmitted(), None);
    }
    rig.send(0, &frame(64));
    assert!(rig.sim.transmitted().is_some());
    rig.sim.inject_times(Fault::CrcError, 9);
    rig.sim.mend(Fault::CrcError);
    rig.sim.receive(&frame(64));
    assert_eq!(rig.take(0).unwrap().0 & 0x3F, 0);
}

#[test]
fn a_bus_error_on_tx_data_closes_the_frame_with_un() {
    let mut rig = Rig::running();
    rig.sim.inject(Fault::TxDataBusError);
    let used = rig.stage(0, &frame(200), 0, &[100, 0]);
    rig.kick(0);
    assert_eq!(rig.events() & (EBERR | XFUN | TXE), EBERR);
    assert_eq!(rig.status(rig.tx_bd(0, used[1])).0, I | L | 2);
    assert_eq!(rig.read(TSTAT) & 0xFF00_0000, 0xFF00_0000);
    assert_eq!(rig.read(0x714), 1);
    rig.send(0, &frame(64));
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn or_leaves_it_ready_by_a_switch() {
    let switches = Switches { bus_error_recurs: true, ..Switches::default() };
    let mut rig = Rig::stopped(SimConfig { switches, ..SimConfig::default() });
    rig.start();
    rig.sim.inject_times(Fault::TxDataBusError, 2);
    let index = rig.send(0, &frame(64));
    for _ in 0..2 {
        assert_eq!(rig.events(), EBERR);
        assert_eq!(rig.status(rig.tx_bd(0, index)).0, R | I | L);
        assert_eq!(rig.sim.transmitted(), None);
        rig.clear_events();
        rig.kick(0);
    }
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn a_bus_error_on_a_txbd_leaves_it() {
    let mut rig = Rig::running();
    rig.sim.inject(Fault::TxDescriptorBusError);
    let index = rig.send(0, &frame(64));
    assert_eq!(rig.events(), EBERR);
    assert_eq!(rig.read(TSTAT) & 0xFF00_0000, 0xFF00_0000);
    assert_eq!(rig.status(rig.tx_bd(0, index)).0, R | I | L);
    rig.kick(0);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn bus_errors_on_receive_halt_the_ring_and_lose_the_frame() {
    for fault in [Fault::RxDescriptorBusError, Fault::RxDataBusError] {
        let mut rig = Rig::running();
        rig.sim.inject(fault);
        rig.sim.receive(&frame(64));
        assert_eq!(rig.events(), EBERR, "{fault:?}");
        assert_eq!(rig.read(RSTAT) & 0x00FF_0000, 0x0080_0000);
        assert_eq!(rig.status(rig.rx_bd(0, 0)).0 & E, E);
        // Still halted: lost, but there is a descriptor, so it is not busy.
        rig.sim.receive(&frame(64));
        assert_eq!(rig.events(), EBERR);
        assert_eq!(rig.read(0x6DC), 2);
        rig.write(RSTAT, 0x0080_0000);
        rig.sim.receive(&frame(65));
        assert_eq!(rig.take(0).unwrap().1.len(), 69);
    }
}

#[test]
fn damaged_frames_are_delivered_with_their_flag() {
    for (fault, flag) in [(Fault::CrcError, 4), (Fault::Alignment, 0x10), (Fault::Overrun, 2)] {
        let mut rig = Rig::running();
        rig.sim.inject(fault);
        rig.sim.receive(&frame(64));
        assert_eq!(rig.take(0).unwrap().0 & 0x3F, flag, "{fault:?}");
        rig.sim.receive(&frame(64));
        assert_eq!(rig.take(0).unwrap().0 & 0x3F, 0);
    }
}

#[test]
fn a_parity_error_is_an_event() {
    let mut rig = Rig::running();
    rig.sim.inject(Fault::Parity);
    assert_eq!(rig.events(), DPE);
    rig.send(0, &frame(64));
    assert!(rig.sim.transmitted().is_some());
}

#[test]
fn a_hung_transmitter_wakes_by_soft_reset_only() {
    let mut rig = Rig::running();
    rig.sim.inject(Fault::TxHang);
    let index = rig.send(0, &frame(64));
    rig.sim.advance(10_000_000_000);
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, R);
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events() & 0x0200_0000, 0);
    rig.write(MACCFG1, 0x8000_0000);
    rig.write(MACCFG1, 0);
    rig.write(MACCFG2, 0x7205);
    rig.write(DMACTRL, 0xC3);
    rig.write(MACCFG1, 5);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
}

#[test]
fn a_hang_in_mid_frame_keeps_its_descriptor() {
    let mut rig = Rig::on_link();
    let index = rig.send(0, &frame(64));
    rig.sim.inject(Fault::TxHang);
    rig.sim.advance(1_000_000);
    assert_eq!(rig.sim.transmitted(), None);
    rig.sim.mend(Fault::TxHang);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, 0);
}

#[test]
fn stops_that_never_complete() {
    let rig = Rig::running();
    rig.sim.inject(Fault::GrsNeverCompletes);
    rig.write(DMACTRL, 0xDB);
    rig.sim.advance(1_000_000_000);
    assert_eq!(rig.events(), 0x0200_0000);
    rig.sim.mend(Fault::GrsNeverCompletes);
    assert_eq!(rig.events(), 0x0200_0100);
    rig.write(DMACTRL, 0xC3);
    rig.clear_events();
    rig.sim.inject(Fault::GtsNeverCompletes);
    rig.write(DMACTRL, 0xDB);
    assert_eq!(rig.events(), 0x100);
}

#[test]
fn a_dead_bus_reads_ones_and_does_nothing() {
    let mut rig = Rig::running();
    rig.write(IMASK, 0xFFFF_FFFF);
    rig.sim.inject(Fault::BusDead);
    assert_eq!((rig.read(0), rig.read(IEVENT)), (0xFFFF_FFFF, 0xFFFF_FFFF));
    let index = rig.send(0, &frame(64));
    rig.sim.receive(&frame(64));
    rig.sim.advance(1000);
    assert_eq!(rig.status(rig.tx_bd(0, index)).0 & R, R);
    assert!(rig.take(0).is_none());
    assert!(!rig.sim.line(etsec_sim::Line::Err));
    rig.write(MACCFG2, 0);
    rig.sim.mend(Fault::BusDead);
    assert_eq!(rig.read(MACCFG2), 0x7205);
}

#[test]
fn a_stuck_mii_stays_busy() {
    let rig = Rig::running();
    rig.sim.inject(Fault::MiiBusy);
    rig.write(0x528, 1 << 8 | 2);
    rig.write(0x524, 1);
    rig.sim.advance(1_000_000_000);
    assert_eq!(rig.read(0x534) & 1, 1);
    rig.sim.mend(Fault::MiiBusy);
    rig.sim.advance(1_000_000);
    assert_eq!(rig.read(0x534) & 1, 0);
}

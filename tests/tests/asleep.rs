//! What a sleeping port leaves on, and what it does not: MAC, interrupts, filer (HW 13.3).

use etsec_core::device::{Wake, WakeFrames};
use etsec_core::{AddressFilter, Arena, Bus as _, MacAddr, Pages, Stopped, arena};
use etsec_sim::{Line, Sim, SimConfig};
use etsec_tests::at;
use etsec_tests::rig::{PEER, STATION, bytes_of, config, frame};

/// The only receive ring of the port.
const RING: usize = 2;
const LEN: usize = 4;
/// RCTRL\[FSQEN\].
const SINGLE: u32 = 0x800;

#[test]
fn only_what_wakes_is_received_and_told_of() {
    let sim = Sim::new(SimConfig::default());
    let delay = &mut sim.delay();
    let mut config = config();
    config.parser = true;
    // Every frame gets past the address filter.
    config.filter = AddressFilter::new(STATION).unwrap();
    config.filter.promiscuous = true;
    let size = config.buffer_size;
    let bytes = arena::HEADER_BYTES + arena::ring_bytes(LEN) + arena::pool_bytes(2 * LEN, size);
    let mut memory = Arena::new(sim.region(bytes)).map_err(|(_, error)| error).unwrap();
    let mut port = Stopped::attach(Pages::single(sim.bus()), config, delay).unwrap();
    let mut rx = port.add_rx(RING, memory.ring(LEN).unwrap()).unwrap();
    let pool = memory.pool(2 * LEN, size).unwrap();
    rx.fill(&pool);
    rx.commit();
    port.set_single_queue(true);
    let port = port.start(delay).map_err(|(_, error)| error).unwrap();
    let wake = Wake::Frames(WakeFrames::UNICAST);
    let mut port = port.sleep(wake, delay).map_err(|awake| awake.error()).unwrap();

    // HW 13.3: the transmitter is off, the receiver on, and MAG and FGPI are all that interrupts.
    assert_eq!(sim.bus().read(at::MACCFG1) & 0x5, 0x4, "Rx_EN, not Tx_EN");
    assert_eq!(sim.bus().read(at::IMASK), 0x0000_0810);
    // In single-queue mode the frame would go to ring 0, whatever the rule says (HW 3.11).
    assert_eq!(sim.bus().read(at::RCTRL) & SINGLE, 0);
    // Other stations', in either half of the address.
    for other in [[2, 0, 0, 0, 0, 9], [2, 0, 0, 9, 0, 1], [2, 0, 9, 0, 0, 1], [4, 0, 0, 0, 0, 1]] {
        sim.receive(&frame(MacAddr(other), PEER, 60, 1));
        assert!(!port.woken(), "{other:x?}");
    }
    let ours = frame(STATION, PEER, 60, 2);
    sim.receive(&ours);
    // It has been received, and that is not what is told of.
    assert!(!sim.line(Line::Rx) && sim.line(Line::Err));
    assert!(port.woken());
    assert!(!sim.line(Line::Err) && !sim.line(Line::Tx));

    let port = port.wake(delay).map_err(|(_, error)| error).unwrap();
    assert_eq!(sim.bus().read(at::RCTRL) & SINGLE, SINGLE, "as it was before");
    let (buf, _) = rx.next().expect("the frame that woke");
    assert_eq!(bytes_of(&buf), ours);
    drop(buf);
    assert!(rx.next().is_none());
    drop(port.stop(delay).map_err(|(_, error)| error).unwrap());
    while rx.drain().is_some() {}
}

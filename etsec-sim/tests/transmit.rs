//! What the transmitter does with rings and frames (HW 3.7, 4.2, 4.4, 10, 18.5, 18.6).

mod rig;
use rig::*;

#[test]
fn each_ring_sends_and_closes_its_descriptor() {
    let mut rig = Rig::running();
    for ring in 0..8 {
        for round in 0..2 * LEN {
            let data = frame(60 + ring + round);
            let index = rig.send(ring, &data);
            assert_eq!(rig.sim.transmitted(), Some(data.clone()), "ring {ring}");
            let wrap = if index == LEN - 1 { W } else { 0 };
            // R is gone; W, I, L and the length stay.
            assert_eq!(rig.status(rig.tx_bd(ring, index)), (I | L | wrap, data.len() as u16));
            assert_eq!(rig.events() & 0x0010_0000, 0x0010_0000);
            assert_eq!(rig.read(TSTAT) >> 8 & 0xFF, 0x80 >> ring);
            rig.write(TSTAT, 0xFF00);
            rig.clear_events();
        }
    }
}

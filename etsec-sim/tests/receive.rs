//! What the receiver does with frames and rings (HW 4.3, 4.4, 5.4, 18.7, 18.8).

mod rig;
use rig::*;

#[test]
fn a_frame_is_stored_with_its_fcs_and_flags() {
    let mut rig = Rig::running();
    for round in 0..3 * LEN {
        let data = frame(60 + round);
        rig.sim.receive(&data);
        let (flags, bytes) = rig.take(0).expect("a frame");
        assert_eq!(flags & 0x0FFF, F | L);
        let mut expected = data.clone();
        expected.extend(fcs(&data));
        assert_eq!(bytes, expected);
    }
}

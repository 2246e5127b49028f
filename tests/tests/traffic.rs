//! Do frames get through, both ways, unchanged?

use etsec_tests::rig::{Live, PEER, STATION, frame};

#[test]
fn a_frame_goes_out_and_one_comes_in() {
    let mut live = Live::new();
    let out = frame(PEER, STATION, 60, 1);
    live.send(0, &out);
    assert_eq!(live.sim.transmitted(), Some(out));
    assert_eq!(live.reap(), 1);
    let come = frame(STATION, PEER, 61, 2);
    live.sim.receive(&come);
    assert_eq!(live.receive(0), Some(come));
    assert_eq!(live.receive(0), None);
    live.finish();
}

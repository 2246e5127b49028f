//! What if a descriptor's status reaches memory late, or never? (HW 3.4 WWR, 8.6)

use etsec_core::{Event, Line};
use etsec_sim::{Fault, Line as Wire};
use etsec_tests::rig::{Live, PEER, STATION, frame};

#[test]
fn a_late_status_is_waited_for_and_tells_when_it_comes() {
    let mut live = Live::new();
    let out = frame(PEER, STATION, 60, 1);
    live.sim.inject(Fault::TxStatusLate);
    live.send(0, &out);
    assert_eq!(live.sim.transmitted(), Some(out));
    assert!(live.reap() == 0 && !live.sim.line(Wire::Tx), "the write is on its way");
    live.sim.advance(3_000);
    assert_eq!((live.port.events().take(Line::Tx), live.reap()), (Event::TXF, 1));

    let come = [1, 2].map(|seed| frame(STATION, PEER, 60, seed));
    live.sim.inject(Fault::RxStatusLate);
    come.iter().for_each(|frame| live.sim.receive(frame));
    assert_eq!(live.receive(0), None, "the second does not overtake the first");
    live.sim.advance(3_000);
    assert_eq!(come.map(Some), [live.receive(0), live.receive(0)]);
    live.finish();
}

#[test]
fn a_ring_of_descriptors_that_are_all_late_sends_each_frame_once() {
    let mut live = Live::new();
    live.sim.inject_times(Fault::TxStatusLate, 100);
    for n in 0..100 {
        if live.tx[0].space() == 0 {
            live.sim.advance(3_000);
            live.reap();
        }
        live.send(0, &frame(PEER, STATION, 60, n));
        assert_eq!(live.sim.transmitted(), Some(frame(PEER, STATION, 60, n)));
        assert_eq!(live.sim.transmitted(), None);
    }
    live.finish();
}

#[test]
fn a_receive_status_that_is_lost_costs_its_frame_and_no_other() {
    let mut live = Live::new();
    let mut come = (0..).map(|seed| frame(STATION, PEER, 60, seed));
    live.sim.inject(Fault::RxStatusLost);
    live.sim.receive(&come.next().unwrap());
    let next = come.next().unwrap();
    live.sim.receive(&next);
    let mut looks = 0;
    // The queue is told that something is wrong, asks where to go on, and goes there.
    let got = loop {
        match live.receive(0) {
            Some(frame) => break frame,
            None => looks += 1,
        }
        assert!(looks <= 3, "no frame after {looks} looks");
        live.settle(1);
    };
    assert_eq!((got, live.rx[0].counters().resyncs), (next, 1));
    for frame in come.take(40) {
        live.sim.receive(&frame);
        assert_eq!(live.receive(0), Some(frame));
    }
    live.finish();
}

#[test]
fn a_status_that_is_only_late_is_not_taken_for_lost() {
    let mut live = Live::new();
    let come = [1, 2, 3].map(|seed| frame(STATION, PEER, 60, seed));
    live.sim.receive(&come[0]);
    let tick = |live: &mut Live| live.port.tick(0, &mut live.delay).map(drop);
    // The look finds a frame that nobody has taken, and the queue, which has, asks where to go on.
    assert_eq!(tick(&mut live), Ok(()));
    assert_eq!(live.receive(0).as_ref(), Some(&come[0]));
    assert_eq!(live.receive(0), None);
    // The hardware has gone on, the descriptor it has left is on its way: the look waits for it.
    live.sim.inject(Fault::RxStatusLate);
    live.sim.receive(&come[1]);
    assert_eq!(tick(&mut live), Ok(()));
    live.sim.receive(&come[2]);
    assert_eq!([live.receive(0), live.receive(0)], [Some(come[1].clone()), Some(come[2].clone())]);
    assert_eq!(live.rx[0].counters().resyncs, 0);
    live.finish();
}

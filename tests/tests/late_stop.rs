//! A graceful receive stop that takes its time is waited for, also on parts where it may never
//! complete. (HW 8.3, 14 A002)

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use etsec_core::Bus;
use etsec_sim::{Sim, SimBus};
use etsec_tests::at;
use etsec_tests::rig::{Live, Plan, Rig};

/// IEVENT\[GRSC\].
const GRSC: u32 = 0x100;

/// A bus that shows GRSC only when it has been asked for some times.
#[derive(Debug, Clone)]
struct Late {
    bus: SimBus,
    hidden: Arc<AtomicU32>,
}

impl Bus for Late {
    fn read(&self, at: u16) -> u32 {
        let value = self.bus.read(at);
        let hidden = self.hidden.load(Ordering::Relaxed);
        if at == at::IEVENT && value & GRSC != 0 && hidden != 0 {
            self.hidden.store(hidden - 1, Ordering::Relaxed);
            return value & !GRSC;
        }
        value
    }
    fn write(&self, at: u16, value: u32) {
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

/// Resets and microseconds that a change of the address filter takes.
fn change(looks: u32) -> (u64, u64) {
    let sim = Sim::default();
    let hidden = Arc::new(AtomicU32::new(0));
    let bus = Late { bus: sim.bus(), hidden: hidden.clone() };
    let mut live: Live<Late> = Rig::through(&sim, &Plan::default(), bus).start();
    hidden.store(looks, Ordering::Relaxed);
    let filter = live.port.config().filter;
    let before = sim.now_ns();
    live.port.set_filter(&filter, &mut live.delay).unwrap();
    let taken = ((sim.now_ns() - before) / 1000, live.port.faults().resets);
    hidden.store(0, Ordering::Relaxed);
    live.exchange(1);
    live.finish();
    (taken.1, taken.0)
}

#[test]
fn a_stop_is_given_the_time_before_an_idle_receiver_is_reset() {
    let (resets, us) = change(0);
    assert_eq!(resets, 0);
    assert!(us < 10, "{us} µs");
    for looks in [1, 5, 9] {
        assert_eq!(change(looks).0, 0, "GRSC came at look {looks}");
    }
    // It never comes; the receiver is idle all the while.
    let (resets, us) = change(u32::MAX);
    assert_eq!(resets, 1);
    assert!(us >= 100, "{us} µs");
}

//! Does the core's polling example work? It runs here as it stands, on the model instead of a
//! board.

use std::cell::Cell;
use std::rc::Rc;

use embedded_hal::delay::DelayNs;
use etsec_core::{Bus, Error, Pages};
use etsec_sim::{Sim, SimBus};

#[path = "../../etsec-core/examples/polling.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod polling;

/// The model's page, until somebody takes the device away.
#[derive(Clone)]
struct Removable {
    bus: SimBus,
    gone: Rc<Cell<bool>>,
}

impl Bus for Removable {
    fn read(&self, at: u16) -> u32 {
        if self.gone.get() { u32::MAX } else { self.bus.read(at) }
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

#[test]
fn it_sends_every_frame_back_and_ends_when_the_controller_is_gone() {
    const ROUNDS: u32 = 300;
    const EACH: u32 = 5;
    let sim = Sim::default();
    let gone = Rc::new(Cell::new(false));
    let bus = Removable { bus: sim.bus(), gone: Rc::clone(&gone) };
    let (calls, echoed) = (Cell::new(0u32), Cell::new(0u32));

    // The loop asks for the time once a turn (twice when it ticks): here the world goes on.
    let now_ms = || {
        let call = calls.get();
        calls.set(call + 1);
        while let Some(frame) = sim.transmitted() {
            assert_eq!(frame[..12], [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1]);
            assert_eq!(frame[14..18], echoed.get().to_be_bytes());
            echoed.set(echoed.get() + 1);
        }
        if call < ROUNDS {
            for n in 0..EACH {
                let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xB5];
                frame.extend((call * EACH + n).to_be_bytes());
                frame.resize(60, 0);
                sim.receive(&frame);
            }
        }
        gone.set(call > ROUNDS + 50);
        sim.delay().delay_ms(1);
        call
    };
    let error = polling::serve(Pages::single(bus), sim.region(1 << 19), &mut sim.delay(), now_ms);
    assert_eq!(error, Err(Error::Gone));
    assert_eq!(echoed.get(), ROUNDS * EACH);
    assert_eq!(sim.violations(), []);
}

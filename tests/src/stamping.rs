//! A port whose frames are stamped, with the clock that stamps them.

use etsec_core::offload::RxOffload;
use etsec_core::{Arena, Buf, ClockConfig, ClockSource, Pages, PtpClock, Stopped};
use etsec_sim::{Sim, SimBus};

use crate::rig::{Live, Plan, config};

/// What the clock's input is said to be; the model's oscillator may be off.
#[must_use]
pub fn clock_config() -> ClockConfig {
    ClockConfig::new(ClockSource::System, 166_666_666)
}

/// A running port on `sim`, a ring each way, with padding for stamps, that stamps both ways; and
/// its clock, that begins at `time_ns`.
///
/// # Panics
/// If the port or the clock is refused.
#[must_use]
pub fn stamping(sim: &Sim, time_ns: u64) -> (Live, PtpClock<SimBus>) {
    let mut delay = sim.delay();
    let clock = PtpClock::start(sim.bus(), clock_config(), Some(time_ns), &mut delay).unwrap();
    (stamped_by(sim, &clock), clock)
}

/// The same with a clock that runs already, in another page perhaps.
///
/// # Panics
/// If the port is refused.
#[must_use]
pub fn stamped_by(sim: &Sim, clock: &PtpClock<SimBus>) -> Live {
    let mut config = config();
    config.parser = true;
    let plan = Plan { config, ..Plan::default() };
    let mut delay = sim.delay();
    let mut arena = Arena::new(sim.region(plan.bytes())).map_err(|(_, error)| error).unwrap();
    let pages = Pages::single(sim.bus());
    let mut port = Stopped::attach(pages, plan.config.clone(), &mut delay).unwrap();
    let padding = RxOffload { padding: RxOffload::ALIGN_IP_AND_STAMP, ..RxOffload::default() };
    port.set_rx_offload(padding).unwrap();
    port.set_rx_stamps(Some(clock)).unwrap();
    let mut rx = port.add_rx(0, arena.ring(16).unwrap()).unwrap();
    let mut tx = port.add_tx(0, arena.ring(16).unwrap()).unwrap();
    tx.permit_stamps(Some(clock));
    let pool = arena.pool(plan.buffers, plan.config.buffer_size).unwrap();
    rx.fill(&pool);
    rx.commit();
    let port = port.start(&mut delay).map_err(|(_, error)| error).unwrap();
    Live { port, rx: vec![rx], tx: vec![tx], pool, arena, delay, sim: sim.clone() }
}

impl Live {
    /// Sends a frame with a stamp; it is reaped with [`Live::sent_stamp`].
    ///
    /// # Panics
    /// If it is refused.
    pub fn send_stamped(&mut self, bytes: &[u8]) {
        let buf = self.pool.frame(bytes).expect("a free buffer");
        self.tx[0].stage_stamped(buf).expect("room in the ring");
        assert_eq!(self.tx[0].commit(), 1);
    }

    /// Reaps a frame and takes its stamp; `None` if it has not left.
    pub fn sent_stamp(&mut self) -> Option<Option<u64>> {
        self.tx[0].reap().map(|mut buf: Buf| buf.take_sent_stamp())
    }

    /// Takes one frame with its stamp.
    pub fn receive_stamped(&mut self) -> Option<(Vec<u8>, Option<u64>)> {
        let (buf, _) = self.rx[0].next()?;
        let frame = (crate::rig::bytes_of(&buf), buf.received_stamp());
        drop(buf);
        self.rx[0].fill(&self.pool);
        self.rx[0].commit();
        Some(frame)
    }
}

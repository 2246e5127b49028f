//! A stopped port is another thing than a running one.

use embedded_hal::delay::DelayNs;
use etsec_core::{Bus, Error, Running, Stopped};

type Stop<B> = fn(Running<B>, &mut dyn DelayNs) -> Result<Stopped<B>, (Running<B>, Error)>;

pub fn stop<B: Bus + Clone>(port: Running<B>, delay: &mut dyn DelayNs) -> u32 {
    // By its type, so that the compiler's words do not depend on how it is written.
    let stop: Stop<B> = Running::stop;
    drop(stop(port, delay));
    port.id()
}

fn main() {}

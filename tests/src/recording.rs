//! Recordings of a driver on a model, in virtual time: one run, one text.
//!
//! It wraps pages and memory, and knows neither what is done on them nor what a line means.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use etsec_core::Pages;
use etsec_sim::trace::{Header, Limits, Page, Recorded, RecordedRegion, Recorder};
use etsec_sim::{Sim, SimBus, SimRegion};

use crate::rig::{Plan, Rig};

/// A file in memory; clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    /// What has been written so far.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("a trace is text")
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A rig that is recorded.
pub type RecordedRig = Rig<Recorded<SimBus>, RecordedRegion<SimRegion>>;

/// What `plan` says, on a new model, and the recording of all that is done there: both groups'
/// pages, and the memory. It is complete once the rig and all that came of it are dropped.
#[must_use]
pub fn record(plan: &Plan, limits: Limits) -> (RecordedRig, File) {
    let (sim, file) = (Sim::new(plan.sim.clone()), File::default());
    let recorder = recorder(&sim, &file, limits);
    let pages = Pages {
        group1: Some(recorder.page(Page::Group1, sim.second_bus())),
        ..Pages::single(recorder.page(Page::Group0, sim.bus()))
    };
    let region = recorder.region(sim.region(plan.bytes()));
    (Rig::build(&sim, plan, pages, region), file)
}

/// A recorder in the time of `sim`.
#[must_use]
pub fn recorder(sim: &Sim, file: &File, limits: Limits) -> Recorder {
    let header = Header { device: "sim".into(), part: String::new(), by: "etsec-tests".into() };
    let clock = sim.clone();
    Recorder::new(file.clone(), &header, limits, move || clock.now_ns()).expect("it is in memory")
}

//! A recorder in front of a device: its pages, and its memory. What is recorded, and how, is
//! etsec-sim's business.

use etsec_core::Pages;
use etsec_sim::trace::{Page, Recorder};

use crate::bus::AnyBus;
use crate::device::Found;
use crate::region::AnyRegion;

impl AnyBus {
    /// The same, recorded as that page if there is a recorder.
    #[must_use]
    pub fn recorded(self, recorder: Option<&Recorder>, page: Page) -> Self {
        match recorder {
            Some(recorder) => AnyBus::Recorded(Box::new(recorder.page(page, self))),
            None => self,
        }
    }
}

impl AnyRegion {
    /// The same, recorded if there is a recorder.
    pub(crate) fn recorded(self, recorder: Option<&Recorder>) -> Self {
        match recorder {
            Some(recorder) => AnyRegion::Recorded(Box::new(recorder.region(self))),
            None => self,
        }
    }
}

impl Found {
    /// The same, with all of its pages recorded if there is a recorder.
    pub(crate) fn recorded(mut self, recorder: Option<&Recorder>) -> Self {
        let Pages { group0, group1, mdio } = self.pages;
        self.pages = Pages {
            group0: group0.recorded(recorder, Page::Group0),
            group1: group1.map(|bus| bus.recorded(recorder, Page::Group1)),
            mdio: mdio.map(|bus| bus.recorded(recorder, Page::Mdio)),
        };
        self.tbi.0 = self.tbi.0.recorded(recorder, Page::Tbi);
        self
    }
}

//! Whether the counters of a station add up: those of its queues, of its port and of its controller
//! with what has happened to its frames.

use etsec_core::mib::Counter;
use etsec_core::{FaultCounters, RxCounters, TxCounters};
use etsec_sim::Fault;

use super::book::Book;
use super::rules::{Check, Rule, check};
use super::station::{Port, Station};

impl Station {
    /// After everything was taken out of the rings.
    ///
    /// # Errors
    /// If something does not add up.
    pub fn check_sums(&mut self, book: &mut Book) -> Check {
        if self.was_drained || self.was_hit {
            return Ok(());
        }
        let struck = |fault| self.dealt.struck(fault, &self.sim);
        let sent = self.tx.iter().map(|tx| *tx.queue.counters()).collect::<Vec<TxCounters>>();
        let of = |count: fn(&TxCounters) -> u64| sent.iter().map(count).sum::<u64>();
        let (late, retry) = (struck(Fault::LateCollision), struck(Fault::RetryLimit));
        let counted =
            (of(|tx| tx.late_collisions), of(|tx| tx.retry_limits), of(|tx| tx.truncated));
        check(counted == (late, retry, 0), Rule::Counters, || {
            format!(
                "late collisions, retry limits, truncated {counted:?}, struck {late} and {retry}"
            )
        })?;
        let faults = self.faults();
        let closed = if self.recurs { 0 } else { struck(Fault::TxDataBusError) };
        let starved = struck(Fault::Underrun) + closed + faults.given_up;
        let counted = of(|tx| tx.underruns);
        check(counted <= starved, Rule::Counters, || {
            format!("{counted} underruns counted, {starved} can have been")
        })?;
        let fits = faults.late_collisions <= late && faults.retry_limits <= retry;
        check(fits || self.was_dead, Rule::Counters, || format!("the port counts {faults:?}"))?;
        self.check_received()?;
        self.check_mib(book)
    }

    fn check_received(&self) -> Check {
        let counters = self.rx.iter().map(|rx| *rx.queue.counters());
        let sum = counters.fold(RxCounters::default(), |sum, one| sum.plus(&one));
        let named = sum.crc_errors + sum.alignment_errors + sum.too_long + sum.short + sum.overruns;
        let rings = 0..self.rx.len();
        let bad: u64 = self.sim.with(|model| rings.map(|ring| model.stored(ring).bad).sum());
        check(named == bad, Rule::Counters, || {
            format!("{bad} frames were stored with an error; the queues count {sum:?}")
        })
    }

    fn check_mib(&mut self, book: &mut Book) -> Check {
        let left = (0..book.frames.len() as u32)
            .map(|number| book.frames.get(number))
            .filter(|record| record.from == self.side)
            .map(|record| u64::from(record.left))
            .sum::<u64>();
        let Port::Running(port) = &mut self.port else { return Ok(()) };
        let sent = port.mib().total(Counter::TPKT);
        let adds = if self.was_unplugged { sent >= left } else { sent == left };
        check(adds, Rule::Counters, || format!("TPKT is {sent}, {left} frames have left"))
    }

    /// What the port and whoever serves its interrupts have acknowledged together.
    fn faults(&self) -> FaultCounters {
        let mut sum = match &self.port {
            Port::Running(port) => *port.faults(),
            Port::Stopped(port) => *port.faults(),
            Port::Between => FaultCounters::default(),
        };
        if let Some(handler) = &self.handler {
            sum.late_collisions += handler.faults().late_collisions;
            sum.retry_limits += handler.faults().retry_limits;
        }
        sum
    }

    /// Adds up which faults have struck.
    pub fn tally(&self, book: &mut Book) {
        for fault in self.dealt.kinds() {
            book.struck(&format!("{fault:?}"), self.dealt.struck(fault, &self.sim));
        }
    }
}

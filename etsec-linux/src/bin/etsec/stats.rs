//! `etsec stats`: the hardware's counters as they stand, read beside a running owner.
//!
//! They are shown as narrow as they are: the totals of 64 bits, and what wraps, belong to the
//! owner.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use etsec_core::mib::Counter;
use etsec_core::regs::Readable;
use etsec_core::regs::control::{ECNTRL, Ecntrl};
use serde::Serialize;

use crate::args::Stats;
use crate::observe::{Observer, ReadPage};
use crate::output::table;
use crate::run::Context;
use crate::signals::Stop;
use crate::units::grouped;

type Values = [u32; Counter::ALL.len()];

/// Runs the command.
pub fn run(args: &Stats, context: &Context) -> Result<()> {
    let (out, device) = (context.out, &args.target.device);
    let mut observer = Observer::open(device, context)?;
    let mut values = read(&observer.page)?;
    out.show(&Shown::of(&values), |_| totals(&values, args.all))?;
    let Some(every) = args.watch else { return Ok(()) };
    while sleep(every, &context.stop) {
        if let Err(error) = observer.look_again(device, context) {
            return if context.stop.asked() { Ok(()) } else { Err(error) };
        }
        let now = read(&observer.page)?;
        let added = std::array::from_fn(|n| grown(Counter::ALL[n], values[n], now[n]));
        let shown = Shown { added: Some(by_name(&added)), ..Shown::of(&now) };
        out.show(&shown, |_| growth(&now, &added, every, args.all))?;
        values = now;
    }
    Ok(())
}

/// Sleeps until `every` is over; false if the user asked to end.
fn sleep(every: Duration, stop: &Stop) -> bool {
    let until = Instant::now() + every;
    while !stop.asked() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        // A signal does not interrupt this sleep, so it is cut in pieces.
        thread::sleep(left.min(Duration::from_millis(50)));
    }
    false
}

#[derive(Debug, Serialize)]
struct Shown {
    event: &'static str,
    counters: BTreeMap<&'static str, u32>,
    /// The same by the names of RMON and its kin.
    rmon: BTreeMap<&'static str, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<BTreeMap<&'static str, u32>>,
}

impl Shown {
    fn of(values: &Values) -> Self {
        let rmon = Counter::ALL.iter().map(|counter| counter.rmon()).zip(values.iter().copied());
        Shown { event: "stats", counters: by_name(values), rmon: rmon.collect(), added: None }
    }
}

fn by_name(values: &Values) -> BTreeMap<&'static str, u32> {
    Counter::ALL.iter().map(|counter| counter.name()).zip(values.iter().copied()).collect()
}

fn read(page: &ReadPage) -> Result<Values> {
    if ECNTRL.on(page).is_set(Ecntrl::AUTOZ) {
        bail!("ECNTRL[AUTOZ] is set: reading the counters would clear them under their owner");
    }
    Ok(Counter::ALL.map(|counter| counter.register().on(page).get()))
}

/// How much a counter has grown, given that it wrapped once at most.
fn grown(counter: Counter, before: u32, now: u32) -> u32 {
    let wide = |bits: u32| u32::MAX >> (32 - bits.clamp(1, 32));
    let mask = wide(counter.width());
    // Some models count with 32 bits whatever the documents say (HW 13.2).
    let mask = if before > mask || now > mask { u32::MAX } else { mask };
    now.wrapping_sub(before) & mask
}

fn totals(values: &Values, all: bool) -> String {
    let shown = Counter::ALL.iter().zip(values).filter(|(_, value)| all || **value > 0);
    let rows: Vec<_> = shown
        .map(|(counter, value)| {
            let names = [counter.name().into(), counter.rmon().into()];
            [names, [right(*value, 13), counter.counts().into()]].concat()
        })
        .collect();
    if rows.is_empty() { "all counters are 0\n".into() } else { table(&rows) }
}

fn growth(values: &Values, added: &Values, every: Duration, all: bool) -> String {
    let shown = Counter::ALL.iter().zip(values.iter().zip(added));
    let rows: Vec<_> = shown
        .filter(|(_, (_, added))| all || **added > 0)
        .map(|(counter, (value, added))| {
            let rate = (f64::from(*added) / every.as_secs_f64()).round() as u32;
            let rate = format!("{}/s", right(rate, 13));
            let names = vec![counter.name().into(), counter.rmon().into()];
            [names, vec![right(*value, 13), rate, counter.counts().into()]].concat()
        })
        .collect();
    if rows.is_empty() { "no counter has changed\n".into() } else { format!("{}\n", table(&rows)) }
}

fn right(number: u32, width: usize) -> String {
    format!("{:>width$}", grouped(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_goes_through_the_wrap_of_the_counters_width() {
        // HW 13.2: RDRP has 16 bits, RPKT 22, RBYT 32.
        assert_eq!(grown(Counter::RDRP, 0xFFFF, 2), 3);
        assert_eq!(grown(Counter::RPKT, 0x3F_FFFF, 0), 1);
        assert_eq!(grown(Counter::RBYT, u32::MAX, 9), 10);
        // One that has been seen beyond its documented width has 32.
        assert_eq!(grown(Counter::RDRP, 0x1_0000, 0x1_0005), 5);
    }

    #[test]
    fn only_what_counted_is_shown_unless_all_is_asked_for() {
        let mut values = [0; Counter::ALL.len()];
        assert_eq!(totals(&values, false), "all counters are 0\n");
        values[Counter::RPKT as usize] = 1234;
        let text = totals(&values, false);
        let expected =
            "RPKT  rx-etherStatsPkts          1,234  frames received, bad ones included\n";
        assert_eq!(text, expected);
        assert_eq!(totals(&values, true).lines().count(), Counter::ALL.len());
    }

    #[test]
    fn programs_find_every_counter_by_either_name() {
        let mut values = [0; Counter::ALL.len()];
        values[Counter::RDRP as usize] = 7;
        let json = serde_json::to_value(Shown::of(&values)).unwrap();
        assert_eq!(json["counters"]["RDRP"], 7);
        assert_eq!(json["rmon"]["rx-etherStatsDropEvents"], 7);
        for names in [&json["counters"], &json["rmon"]] {
            assert_eq!(names.as_object().unwrap().len(), Counter::ALL.len());
        }
    }

    #[test]
    fn counters_that_clear_when_read_are_left_alone() {
        let page = ReadPage::new(|at| if at == 0x020 { 0x2000 } else { 0 });
        assert!(read(&page).unwrap_err().to_string().contains("AUTOZ"));
    }
}

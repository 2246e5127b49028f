//! Final counters of ports, as a table or as JSON. It knows what core counts, not when.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use etsec_core::adapters::smoltcp::SmoltcpCounters;
use etsec_core::{FaultCounters, Mib, RxCounters, TxCounters};
use etsec_linux::{Strategy, WaitCounters};
use serde::Serialize;

use crate::net::services::ServiceCounters;
use crate::output::{Output, table};
use crate::units::grouped;

type Named = BTreeMap<&'static str, u64>;

/// What was counted on one port.
#[derive(Debug, Serialize)]
pub struct PortCounters {
    /// The device, as the user named it.
    pub device: String,
    rx: Named,
    tx: Named,
    /// Error events, by cause.
    faults: Named,
    /// What had to be dropped or put off between the queues and the TCP/IP stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Named>,
    /// How the waits for its frames have ended; of two ports that are served together, the first
    /// one has those for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Waits>,
    /// The hardware's counters that are not 0, by the manual's names.
    mib: Named,
}

/// How waits have ended.
#[derive(Debug, Serialize)]
pub struct Waits {
    #[serde(flatten)]
    counts: Named,
    /// How late a sleeper was: by the microseconds that it stayed below, how often.
    late_usecs: BTreeMap<String, u64>,
}

impl Waits {
    /// What a strategy has counted, and how often the port was looked after.
    pub fn of(strategy: &Strategy, services: u64) -> Self {
        let WaitCounters { polled, in_time, slept, woken, spurious, unheard, latency, .. } =
            strategy.counters();
        let counts = [
            ("polled", *polled),
            ("in_time", *in_time),
            ("slept", *slept),
            ("woken", *woken),
            ("spurious", *spurious),
            ("unheard", *unheard),
            ("services", services),
        ];
        let bound = |end: Option<u64>| end.map_or("more".to_owned(), |end| end.to_string());
        let late_usecs = latency.rows().map(|(end, count)| (bound(end), count)).collect();
        Waits { counts: counts.into(), late_usecs }
    }

    /// Rows for people, the shortest times first.
    fn add_to(&self, rows: &mut Vec<Vec<String>>) {
        add(rows, "wait", &self.counts);
        let mut late: Vec<_> = self.late_usecs.iter().collect();
        late.sort_by_key(|(bound, _)| bound.parse::<u64>().unwrap_or(u64::MAX));
        rows.extend(late.into_iter().map(|(bound, count)| {
            vec!["  late".to_owned(), format!("< {bound} us"), format!("{:>15}", grouped(*count))]
        }));
    }
}

/// What a command ends with.
#[derive(Debug, Serialize)]
pub struct Counters {
    event: &'static str,
    seconds: f64,
    ports: Vec<PortCounters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<ServiceCounters>,
}

impl PortCounters {
    /// The counters of the port `device`.
    pub fn new(
        device: String,
        rx: &RxCounters,
        tx: &TxCounters,
        faults: &FaultCounters,
        mib: &Mib,
    ) -> Self {
        let mib = mib.iter().filter(|(_, total)| *total > 0);
        PortCounters {
            device,
            rx: rx_named(rx),
            tx: tx_named(tx),
            faults: faults_named(faults),
            stack: None,
            wait: None,
            mib: mib.map(|(counter, total)| (counter.name(), total)).collect(),
        }
    }

    /// The same with how its waits have ended, if there were any.
    pub fn with_waits(self, waits: Waits) -> Self {
        let any = waits.counts.iter().any(|(name, count)| *name != "services" && *count > 0);
        PortCounters { wait: any.then_some(waits), ..self }
    }

    /// The same with what a stack's adapter counted.
    pub fn with_stack(self, stack: &SmoltcpCounters) -> Self {
        let SmoltcpCounters { in_pieces, exhausted, refused, other_vlans, .. } = *stack;
        let stack = [
            ("in_pieces", in_pieces),
            ("exhausted", exhausted),
            ("refused", refused),
            ("other_vlans", other_vlans),
        ];
        PortCounters { stack: Some(stack.into()), ..self }
    }
}

fn rx_named(rx: &RxCounters) -> Named {
    let RxCounters { frames, bytes, crc_errors, alignment_errors, too_long, short, .. } = *rx;
    BTreeMap::from([
        ("frames", frames),
        ("bytes", bytes),
        ("crc_errors", crc_errors),
        ("alignment_errors", alignment_errors),
        ("too_long", too_long),
        ("short", short),
        ("overruns", rx.overruns),
        ("incomplete", rx.incomplete),
        ("bad_lengths", rx.bad_lengths),
        ("resyncs", rx.resyncs),
    ])
}

fn tx_named(tx: &TxCounters) -> Named {
    BTreeMap::from([
        ("frames", tx.frames),
        ("bytes", tx.bytes),
        ("late_collisions", tx.late_collisions),
        ("retry_limits", tx.retry_limits),
        ("underruns", tx.underruns),
        ("truncated", tx.truncated),
        ("full", tx.full),
        ("refused", tx.refused),
    ])
}

fn faults_named(faults: &FaultCounters) -> Named {
    BTreeMap::from([
        ("late_collisions", faults.late_collisions),
        ("retry_limits", faults.retry_limits),
        ("underruns", faults.underruns),
        ("bus_errors", faults.bus_errors),
        ("busy", faults.busy),
        ("babbling_receives", faults.babbling_receives),
        ("babbling_transmits", faults.babbling_transmits),
        ("parity_errors", faults.parity_errors),
        ("parse_errors", faults.parse_errors),
        ("filer_errors", faults.filer_errors),
        ("transmit_errors", faults.transmit_errors),
        ("transmit_hangs", faults.transmit_hangs),
        ("resets", faults.resets),
        ("lost_in_transmit", faults.lost_in_transmit),
        ("lost_in_receive", faults.lost_in_receive),
    ])
}

impl Counters {
    /// The counters of some ports after `elapsed`.
    pub fn new(elapsed: Duration, ports: Vec<PortCounters>) -> Self {
        let seconds = (elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
        Counters { event: "counters", seconds, ports, services: None }
    }

    /// The same with what was served.
    pub fn with_services(self, services: ServiceCounters) -> Self {
        Counters { services: Some(services), ..self }
    }

    /// Prints them.
    pub fn show(&self, out: Output) -> Result<()> {
        out.show(self, Counters::text)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for port in &self.ports {
            text.push_str(&format!("{}, after {:.1} s:\n", port.device, self.seconds));
            let mut rows = Vec::new();
            add(&mut rows, "rx", &port.rx);
            add(&mut rows, "tx", &port.tx);
            add(&mut rows, "fault", &port.faults);
            add(&mut rows, "stack", port.stack.as_ref().unwrap_or(&Named::new()));
            add(&mut rows, "mib", &port.mib);
            if let Some(wait) = &port.wait {
                wait.add_to(&mut rows);
            }
            text.push_str(&table(&rows));
        }
        if let Some(services) = &self.services {
            let http = &services.http;
            let served = [
                ("http_ok", http.ok),
                ("http_refused", http.refused),
                ("http_aborted", http.aborted),
                ("http_bytes", http.bytes),
                ("echo_bytes", services.echo_bytes),
            ];
            let mut rows = Vec::new();
            add(&mut rows, "served", &served.into());
            text.push_str(&table(&rows));
        }
        text
    }
}

/// Frames and bytes always, everything else if it is not 0.
fn add(rows: &mut Vec<Vec<String>>, group: &str, named: &Named) {
    let shown =
        named.iter().filter(|(name, value)| **value > 0 || ["frames", "bytes"].contains(*name));
    rows.extend(shown.map(|(name, value)| {
        vec![format!("  {group}"), (*name).to_owned(), format!("{:>15}", grouped(*value))]
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Counters {
        let rx = RxCounters { frames: 1234, bytes: 74_040, crc_errors: 2, ..RxCounters::default() };
        let faults = FaultCounters { busy: 3, ..FaultCounters::default() };
        let port =
            PortCounters::new("sim".into(), &rx, &TxCounters::default(), &faults, &Mib::new());
        Counters::new(Duration::from_millis(2500), vec![port])
    }

    #[test]
    fn people_see_what_is_not_zero() {
        let text = counters().text();
        let expected = "\
sim, after 2.5 s:
  rx     bytes                74,040
  rx     crc_errors                2
  rx     frames                1,234
  tx     bytes                     0
  tx     frames                    0
  fault  busy                      3
";
        assert_eq!(text, expected);
    }

    #[test]
    fn waits_are_shown_if_there_were_any() {
        use std::time::Instant;
        let mut strategy = Strategy::new(etsec_linux::Budget::Off);
        let none = counters().ports.remove(0).with_waits(Waits::of(&strategy, 0));
        assert!(none.wait.is_none());
        let due = Instant::now();
        for micros in [3, 700, 3] {
            strategy.note_late(due, due + Duration::from_micros(micros));
        }
        let mut waits = Waits::of(&strategy, 0);
        waits.counts.insert("slept", 3);
        let port = counters().ports.remove(0).with_waits(waits);
        let json = serde_json::to_value(&port).unwrap();
        assert_eq!(
            (&json["wait"]["slept"], &json["wait"]["late_usecs"]["4"]),
            (&3.into(), &2.into())
        );
        let text = Counters::new(Duration::ZERO, vec![port]).text();
        let rows: Vec<_> = text
            .lines()
            .skip(7)
            .map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows, ["wait slept 3", "late < 4 us 2", "late < 1024 us 1"]);
    }

    #[test]
    fn programs_see_everything() {
        let json = serde_json::to_value(counters()).unwrap();
        assert_eq!(json["event"], "counters");
        assert_eq!(json["ports"][0]["rx"]["crc_errors"], 2);
        assert_eq!(json["ports"][0]["tx"]["frames"], 0);
        assert_eq!(json["seconds"], 2.5);
        assert!(json.get("services").is_none());
    }
}

//! What came of the phases: figures, and whether they are good enough.

use serde_json::{Value, json};

use super::phases::Answer;
use crate::report::Verdict;

/// Frames sent to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Echoes {
    pub sent: u64,
    /// Came back as they should.
    pub came: u64,
    /// Came back otherwise, or twice.
    pub different: u64,
}

impl Echoes {
    /// Notes one that was sent, and what came.
    pub fn count(&mut self, answer: Answer) {
        self.sent += 1;
        self.came += u64::from(answer == Answer::Same);
        self.different += u64::from(answer == Answer::Different);
    }

    /// Adds these to others.
    pub fn add_to(self, all: &mut Self) {
        all.sent += self.sent;
        all.came += self.came;
        all.different += self.different;
    }

    fn lost(self) -> u64 {
        self.sent.saturating_sub(self.came + self.different)
    }

    /// Some were sent, and each came back.
    fn complete(self) -> bool {
        self.sent > 0 && self.came == self.sent && self.different == 0
    }

    /// Some came back, and none otherwise than it should.
    fn true_as_far_as_it_goes(self) -> bool {
        self.came > 0 && self.different == 0
    }

    fn text(self) -> String {
        let Self { sent, came, different } = self;
        match (self.lost(), different) {
            (0, 0) => format!("{came}/{sent} identical"),
            (lost, 0) => format!("{came}/{sent} identical, {lost} lost"),
            (lost, _) => format!("{came}/{sent} identical, {lost} lost, {different} DIFFERENT"),
        }
    }

    fn json(self) -> Value {
        json!({
            "sent": self.sent,
            "identical": self.came,
            "different": self.different,
            "lost": self.lost(),
        })
    }
}

/// All figures.
#[derive(Debug, Default)]
pub struct Summary {
    pub arp: bool,
    pub ping: Echoes,
    pub paced: Echoes,
    pub unpaced: Echoes,
    pub afterwards: Echoes,
    /// Frames seen of each transmit ring.
    pub bursts: Vec<u64>,
    pub by_interrupt: Echoes,
    pub interrupts: u64,
    pub sleeps: u64,
    pub frames_by_interrupt: u64,
    /// Frames that no interrupt has told of, only a tick.
    pub frames_by_tick: u64,
    pub overrun: Echoes,
    pub after_overrun: Echoes,
    pub resyncs: u64,
    pub powered_off: bool,
    pub exception: bool,
    pub minimal: Echoes,
    failures: Vec<String>,
}

impl Summary {
    /// Notes why a boot ended before its time.
    pub fn fail(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Each claim, and whether it holds.
    fn claims(&self) -> [(&'static str, bool); 12] {
        [
            ("ARP answered", self.arp),
            ("every ping answered", self.ping.complete()),
            ("every paced echo identical", self.paced.complete()),
            ("unpaced echoes identical", self.unpaced.true_as_far_as_it_goes()),
            ("every paced echo after the unpaced ones identical", self.afterwards.complete()),
            ("bursts of all transmit rings on the wire", self.bursts.len() == 8),
            ("every paced echo by interrupt identical", self.by_interrupt.complete()),
            ("interrupts taken", self.interrupts > 0),
            ("every frame after the overrun identical", self.after_overrun.complete()),
            ("powered off", self.powered_off),
            ("exception reported", self.exception),
            ("minimal image echoes every length", self.minimal.complete()),
        ]
    }

    /// Whether all is well.
    pub fn good(&self) -> bool {
        self.failures.is_empty() && self.claims().iter().all(|(_, holds)| *holds)
    }

    /// For a table of suites.
    pub fn verdict(&self) -> Verdict {
        let claims = self.claims();
        let passed = claims.iter().filter(|(_, holds)| *holds).count() as u64;
        let broken = claims.iter().find(|(_, holds)| !holds).map(|(claim, _)| (*claim).to_owned());
        match self.failures.first().cloned().or(broken.map(|claim| format!("not true: {claim}"))) {
            None => Verdict::Passed { passed, ignored: 0 },
            Some(why) => {
                Verdict::Failed { passed, failed: (claims.len() as u64 - passed).max(1), why }
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { interrupts, sleeps, frames_by_interrupt, frames_by_tick, resyncs, .. } = self;
        let bursts: Vec<_> = self.bursts.iter().map(u64::to_string).collect();
        let mut lines = vec![
            format!("arp: {}", if self.arp { "answered" } else { "NOT ANSWERED" }),
            format!("ping: {}", self.ping.text()),
            format!("echo, paced: {}", self.paced.text()),
            format!("echo, unpaced: {}", self.unpaced.text()),
            format!("echo, paced, afterwards: {}", self.afterwards.text()),
            format!("bursts of transmit rings 0 to 7 on the wire: {}", bursts.join(" ")),
            format!("echo by interrupt, paced: {}", self.by_interrupt.text()),
            format!(
                "  {interrupts} interrupts, {frames_by_interrupt} frames by them, \
                 {frames_by_tick} by a tick, \
                 {sleeps} times asleep"
            ),
            format!("overrun of a ring: {}, {resyncs} resynchronised", self.overrun.text()),
            format!("  afterwards: {}", self.after_overrun.text()),
            format!("power-off: {}", if self.powered_off { "ok" } else { "NO" }),
            format!("exception: {}", if self.exception { "reported" } else { "NOT REPORTED" }),
            format!("minimal image: {}", self.minimal.text()),
        ];
        lines.extend(self.failures.iter().map(|why| format!("FAILED: {why}")));
        lines.push(format!("firmware: {}", if self.good() { "passed" } else { "FAILED" }));
        lines.join("\n")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "firmware": {
            "passed": self.good(),
            "arp": self.arp,
            "ping": self.ping.json(),
            "paced": self.paced.json(),
            "unpaced": self.unpaced.json(),
            "afterwards": self.afterwards.json(),
            "bursts": self.bursts,
            "interrupt": {
                "echoes": self.by_interrupt.json(),
                "interrupts": self.interrupts,
                "frames": self.frames_by_interrupt,
                "frames_by_tick": self.frames_by_tick,
                "sleeps": self.sleeps,
            },
            "overrun": {
                "frames": self.overrun.json(),
                "afterwards": self.after_overrun.json(),
                "resyncs": self.resyncs,
            },
            "powered_off": self.powered_off,
            "exception": self.exception,
            "minimal": self.minimal.json(),
        } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoes(sent: u64, came: u64, different: u64) -> Echoes {
        Echoes { sent, came, different }
    }

    fn well() -> Summary {
        let all = echoes(10, 10, 0);
        Summary {
            arp: true,
            ping: all,
            paced: all,
            unpaced: echoes(10, 4, 0),
            afterwards: all,
            bursts: vec![32; 8],
            by_interrupt: all,
            interrupts: 5,
            after_overrun: all,
            powered_off: true,
            exception: true,
            minimal: all,
            ..Summary::default()
        }
    }

    #[test]
    fn losses_are_forgiven_only_where_nobody_paces() {
        assert!(well().good());
        let lost = Summary { paced: echoes(10, 9, 0), ..well() };
        assert!(!lost.good());
        assert!(lost.text().contains("echo, paced: 9/10 identical, 1 lost\n"), "{}", lost.text());
        assert!(matches!(
            lost.verdict(),
            Verdict::Failed { passed: 11, failed: 1, why } if why.contains("every paced echo")
        ));
        assert!(!Summary { unpaced: echoes(10, 9, 1), ..well() }.good());
        assert!(!Summary { unpaced: echoes(10, 0, 0), ..well() }.good());
    }

    #[test]
    fn nothing_done_is_not_success() {
        assert!(!Summary::default().good());
        let mut broken = well();
        broken.fail("firmware: it stopped".into());
        assert!(!broken.good());
        assert!(broken.text().ends_with("FAILED: firmware: it stopped\nfirmware: FAILED"));
        assert_eq!(broken.json()["firmware"]["passed"], false);
    }
}

//! What became of numbered frames that a port sends back, through the deaths of its processes. It
//! knows numbers only: neither frames nor processes.
//!
//! Frames go through rings in order, so the numbers that never come back lie where a process died:
//! what it had in its hands is a run that begins behind what had come back before, and ends before
//! what is sent later. Each death accounts for one such run of a burst at most; whatever else is
//! missing was lost from a ring.

use serde_json::{Value, json};

/// Most frames that one process has in its hands: as many as a look at a ring finds.
pub const BURST: u64 = 32;

/// Frames that have come back, and deaths.
#[derive(Debug, Default)]
pub struct Ledger {
    /// A bit for each number.
    came: Vec<u64>,
    /// Frames that have come back, repeated ones as well.
    out: u64,
    repeated: u64,
    /// One more than the highest number that has come back.
    next: u64,
    deaths: Vec<Death>,
}

/// When a process died.
#[derive(Debug, Clone, Copy)]
struct Death {
    /// Every number below this had come back, or was lost before.
    from: u64,
    /// No number from this on had been sent when it was dead.
    to: u64,
}

/// What became of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Processes that were killed.
    pub kills: u64,
    /// Frames that the hardware has accepted.
    pub frames_in: u64,
    /// Frames that have come back.
    pub frames_out: u64,
    /// Missing, and in no dead process's hands.
    pub lost: u64,
    /// Came back although they had before.
    pub repeated: u64,
    /// Missing, and in the hands of processes that were killed.
    pub in_hands: u64,
    /// Kills that met any.
    pub met: u64,
}

impl Ledger {
    /// Notes that a number has come back.
    pub fn came(&mut self, number: u64) {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if self.came.len() <= word {
            self.came.resize(word + 1, 0);
        }
        self.repeated += u64::from(self.came[word] & bit != 0);
        self.came[word] |= bit;
        self.out += 1;
        self.next = self.next.max(number + 1);
    }

    /// One more than the highest number that has come back.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many frames have come back.
    pub fn out(&self) -> u64 {
        self.out
    }

    /// Notes that a process has died, after numbers below `from` had come back, and before number
    /// `to` was sent.
    pub fn died(&mut self, from: u64, to: u64) {
        self.deaths.push(Death { from, to });
    }

    /// The sums, `sent` numbers from 0 on having been accepted.
    pub fn sums(&self, sent: u64) -> Sums {
        let (mut lost, mut in_hands, mut met) = (0, 0, 0);
        let mut deaths = self.deaths.iter().peekable();
        // What the present death may still account for, and up to where.
        let (mut left, mut end) = (0, 0);
        let mut before = None;
        for number in (0..sent).filter(|number| !self.has(*number)) {
            let goes_on = before.is_some_and(|before| before + 1 == number);
            before = Some(number);
            // One death, one run.
            if !goes_on || left == 0 || number >= end {
                left = 0;
                while deaths.next_if(|death| death.to <= number).is_some() {}
                if let Some(death) = deaths.next_if(|death| death.from <= number) {
                    (left, end) = (BURST, death.to);
                    met += 1;
                }
            }
            if left > 0 {
                left -= 1;
                in_hands += 1;
            } else {
                lost += 1;
            }
        }
        let kills = self.deaths.len() as u64;
        let (frames_out, repeated) = (self.out, self.repeated);
        Sums { kills, frames_in: sent, frames_out, lost, repeated, in_hands, met }
    }

    fn has(&self, number: u64) -> bool {
        let word = self.came.get((number / 64) as usize);
        word.is_some_and(|word| word & 1 << (number % 64) != 0)
    }
}

impl Sums {
    /// Nothing has happened.
    pub const NONE: Sums =
        Sums { kills: 0, frames_in: 0, frames_out: 0, lost: 0, repeated: 0, in_hands: 0, met: 0 };

    /// Those of two runs.
    pub fn plus(self, other: Sums) -> Sums {
        Sums {
            kills: self.kills + other.kills,
            frames_in: self.frames_in + other.frames_in,
            frames_out: self.frames_out + other.frames_out,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            in_hands: self.in_hands + other.in_hands,
            met: self.met + other.met,
        }
    }

    /// Whether nothing was lost from a ring or repeated, and the columns add up.
    pub fn ok(&self) -> bool {
        self.lost == 0 && self.repeated == 0 && self.add_up()
    }

    fn add_up(&self) -> bool {
        self.frames_in + self.repeated == self.frames_out + self.lost + self.in_hands
    }

    /// In one line.
    pub fn render(&self) -> String {
        let Sums { kills, frames_in, frames_out, lost, repeated, in_hands, .. } = self;
        format!(
            "{kills} kills: frames in {frames_in} = out {frames_out} + in dead hands {in_hands} + \
             lost {lost} - repeated {repeated}"
        )
    }

    /// How many kills have met a frame in a process's hands: without any, little is proven of
    /// those.
    pub fn met(&self) -> String {
        format!("{} of {} killed processes had frames in their hands", self.met, self.kills)
    }

    /// As an object.
    pub fn json(&self) -> Value {
        json!({
            "kills": self.kills,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "in_hands": self.in_hands,
            "met": self.met,
            "lost": self.lost,
            "repeated": self.repeated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(came: impl IntoIterator<Item = u64>) -> Ledger {
        let mut ledger = Ledger::default();
        came.into_iter().for_each(|number| ledger.came(number));
        ledger
    }

    #[test]
    fn what_is_missing_belongs_to_a_death_or_is_lost() {
        // 10 to 19 are missing.
        let mut ledger = ledger((0..10).chain(20..100));
        assert_eq!(ledger.sums(100).lost, 10, "nobody has died");
        ledger.died(5, 30);
        let sums = ledger.sums(100);
        assert_eq!((sums.lost, sums.in_hands, sums.frames_out, sums.kills), (0, 10, 90, 1));
        assert_eq!(sums.met, 1);
        assert!(sums.ok());
        assert_eq!(ledger.sums(101).lost, 1, "one that was sent and never came");
    }

    #[test]
    fn a_death_accounts_for_one_burst_in_one_place() {
        let mut long = ledger((0..10).chain(43..100));
        long.died(0, 60);
        assert_eq!((long.sums(100).lost, long.sums(100).in_hands), (1, 32));
        // Two deaths in a row leave one run.
        long.died(0, 60);
        assert_eq!((long.sums(100).lost, long.sums(100).in_hands), (0, 33));
        let mut two = ledger((0..10).chain(11..20).chain(21..100));
        two.died(0, 60);
        assert_eq!(two.sums(100).lost, 1, "one run for one death");
        two.died(0, 60);
        assert_eq!(two.sums(100).lost, 0);
        // Too early, too late.
        for (from, to) in [(11, 60), (0, 10)] {
            let mut one = ledger((0..10).chain(11..100));
            one.died(from, to);
            assert_eq!(one.sums(100).lost, 1, "{from} {to}");
        }
    }

    #[test]
    fn what_comes_twice_is_counted_and_the_columns_add_up() {
        let ledger = ledger((0..10).chain([3, 3]));
        let sums = ledger.sums(10);
        assert_eq!((sums.frames_out, sums.repeated), (12, 2));
        assert!(!sums.ok() && sums.add_up());
        assert!(Sums { repeated: 0, frames_out: 10, ..sums }.ok());
        assert!(!Sums { repeated: 0, frames_out: 9, ..sums }.ok());
        assert!(sums.render().contains("lost 0 - repeated 2"));
    }
}

//! Tests of `strategy`: what is done in which order, and what is learned from how it ended.

use super::*;

/// A parker that writes down what is done, and answers as told.
#[derive(Debug, Default)]
struct Written {
    done: Vec<&'static str>,
    /// What the looks find, the next one first; then nothing.
    finds: Vec<bool>,
    looks: usize,
    sleep: Duration,
    by_frame: bool,
}

#[derive(Debug, PartialEq)]
struct ByFrame(bool);

impl Wakes for ByFrame {
    fn by_frame(&self) -> bool {
        self.0
    }
}

impl Park for Written {
    type Woken = ByFrame;
    type Error = ();

    fn acknowledge(&mut self) {
        self.done.push("acknowledge");
    }

    fn arm(&mut self) -> Result<(), ()> {
        self.done.push("arm");
        Ok(())
    }

    fn look(&mut self) -> bool {
        self.looks += 1;
        if self.done.last() != Some(&"look") {
            self.done.push("look");
        }
        if self.finds.is_empty() { false } else { self.finds.remove(0) }
    }

    fn block(&mut self) -> Result<ByFrame, ()> {
        self.done.push("block");
        std::thread::sleep(self.sleep);
        Ok(ByFrame(self.by_frame))
    }
}

#[test]
fn without_a_budget_a_thread_looks_once_more_and_sleeps() {
    let mut strategy = Strategy::new(Budget::Off);
    let mut parker = Written::default();
    assert_eq!(strategy.wait(&mut parker, 0), Ok(Some(ByFrame(false))));
    assert_eq!(parker.done, ["arm", "look", "block"]);
    assert_eq!(parker.looks, 1);
    let WaitCounters { polled, in_time, slept, woken, .. } = strategy.counters;
    assert_eq!((polled, in_time, slept, woken), (0, 0, 1, 0));
}

#[test]
fn what_the_last_look_finds_spares_the_sleep() {
    let mut strategy = Strategy::new(Budget::Off);
    let mut parker = Written { finds: vec![true], ..Written::default() };
    assert_eq!(strategy.wait(&mut parker, 0), Ok(None));
    assert_eq!(parker.done, ["arm", "look"]);
    assert_eq!(strategy.counters.in_time, 1);
    // What was found so was not acknowledged, and is before the next sleep.
    parker.done.clear();
    parker.by_frame = true;
    assert!(strategy.wait(&mut parker, 1).unwrap().is_some());
    assert_eq!(parker.done, ["acknowledge", "arm", "look", "block"]);
    // What has ended the sleep is acknowledged already.
    parker.done.clear();
    assert!(strategy.wait(&mut parker, 2).unwrap().is_some());
    assert_eq!(parker.done, ["arm", "look", "block"]);
}

#[test]
fn what_is_found_and_cannot_be_taken_keeps_nobody_awake() {
    let mut strategy = Strategy::new(Budget::Fixed(Duration::from_micros(1)));
    let mut parker = Written { finds: vec![true; 100], ..Written::default() };
    assert_eq!(strategy.wait(&mut parker, 7), Ok(None));
    parker.done.clear();
    // Nothing was done since.
    assert_eq!(strategy.wait(&mut parker, 7), Ok(Some(ByFrame(false))));
    assert_eq!(parker.done, ["arm", "block"]);
    // And if something was, it is looked at again.
    assert_eq!(strategy.wait(&mut parker, 8), Ok(None));
    assert_eq!(strategy.wait(&mut parker, 9), Ok(None));
}

#[test]
fn polling_comes_before_any_register_and_any_call() {
    let mut strategy = Strategy::new(Budget::Fixed(Duration::from_millis(1)));
    // Before the first look at the clock.
    let finds = [vec![false; SPINS as usize - 1], vec![true]].concat();
    let mut parker = Written { finds, ..Written::default() };
    assert_eq!(strategy.wait(&mut parker, 0), Ok(None));
    assert_eq!((parker.done.as_slice(), parker.looks), (&["look"][..], SPINS as usize));
    assert_eq!(strategy.counters.polled, 1);
    parker.done.clear();
    assert!(strategy.wait(&mut parker, 1).unwrap().is_some());
    assert_eq!(parker.done, ["look", "acknowledge", "arm", "look", "block"]);
}

#[test]
fn an_adaptive_budget_grows_with_short_sleeps_and_goes_with_long_ones() {
    let most = Duration::from_micros(50);
    let budget = Budget::Adaptive(most);
    let micros = Duration::from_micros;
    let mut present = budget.first();
    let mut grown = Vec::new();
    for _ in 0..6 {
        present = budget.after(present, micros(30));
        grown.push(present.as_micros());
    }
    assert_eq!(grown, [4, 8, 16, 32, 50, 50]);
    for _ in 0..4 {
        present = budget.after(present, micros(51));
    }
    assert_eq!(present, Duration::ZERO);
    let fixed = Budget::Fixed(micros(20));
    assert_eq!(fixed.after(fixed.first(), micros(1)), micros(20));
    assert_eq!(Budget::Fixed(Duration::MAX).first(), Budget::MAX);
    // In a strategy as well.
    let mut strategy = Strategy::new(Budget::Adaptive(Budget::MAX));
    let mut parker = Written::default();
    // On a busy machine a sleep may last longer than it was meant to.
    for _ in 0..100 {
        strategy.wait(&mut parker, 0).unwrap();
        if !strategy.present().is_zero() {
            break;
        }
    }
    assert_eq!(strategy.present(), GROW_FROM);
    parker.sleep = Budget::MAX * 2;
    strategy.wait(&mut parker, 0).unwrap();
    assert_eq!(strategy.present(), Duration::ZERO);
}

#[test]
fn a_wake_up_after_which_nothing_is_done_is_spurious() {
    let mut strategy = Strategy::new(Budget::Off);
    let mut parker = Written { by_frame: true, ..Written::default() };
    for done in [0, 5, 5, 6, 6] {
        strategy.wait(&mut parker, done).unwrap();
    }
    let WaitCounters { slept, woken, spurious, .. } = strategy.counters;
    assert_eq!((slept, woken, spurious), (5, 5, 2));
    // Those that something else ended are not.
    parker.by_frame = false;
    strategy.wait(&mut parker, 7).unwrap();
    strategy.wait(&mut parker, 7).unwrap();
    assert_eq!(strategy.counters.spurious, 2);
}

#[test]
fn only_what_came_while_somebody_slept_is_late() {
    let mut strategy = Strategy::new(Budget::Fixed(Duration::from_micros(1)));
    let before = Instant::now();
    let mut parker = Written::default();
    strategy.wait(&mut parker, 0).unwrap();
    strategy.note_late(before, before + Duration::from_micros(100));
    assert_eq!(strategy.counters.latency.count(), 0);
    let after = Instant::now();
    strategy.note_late(after, after + Duration::from_micros(100));
    assert_eq!(strategy.counters.latency.rows().collect::<Vec<_>>(), [(Some(128), 1)]);
}

#[test]
fn what_the_end_of_a_nap_finds_was_not_heard_of() {
    let mut strategy = Strategy::new(Budget::Off);
    // The end of a nap, the end of another one with something to do, and a frame's interrupt.
    let sleeps = [(false, 0), (false, 0), (true, 1), (true, 2)];
    for (by_frame, done) in sleeps {
        let mut parker = Written { by_frame, ..Written::default() };
        strategy.wait(&mut parker, done).unwrap();
    }
    let WaitCounters { slept, woken, unheard, .. } = strategy.counters;
    assert_eq!((slept, woken, unheard), (4, 2, 1));
    // What was done before the first sleep was not waited for.
    let mut strategy = Strategy::new(Budget::Off);
    strategy.wait(&mut Written::default(), 7).unwrap();
    assert_eq!(strategy.counters.unheard, 0);
}

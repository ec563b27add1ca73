//! Noise: attempts fail more than they usually do. Beacons and nothing else know how many succeeded.
//!
//! Three sizes of fault are tested at once. The small one is near to what noise can do, so it pays the full price for
//! noise that lasts; the large one is beyond it.

use super::{Cusum, log_ratio};
use crate::baseline::{Noise, Rate};
use crate::counts::Ring;
use crate::model::Minute;

/// How many times the usual failures, and the power of the noise's duration that weakens each test.
const TESTS: [(f64, f64); 3] = [(2.0, 1.0), (3.5, 0.75), (6.0, 0.25)];

/// Minutes without any attempt after which what was suspected is not known any more.
const IDLE: u32 = 15;

/// Failures of attempts at one node.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    /// Attempts of the last hour.
    pub attempts: Ring,
    /// Failures of the last hour.
    pub failures: Ring,
    /// Failures that were usual in the last hour.
    pub usual: Ring,
    /// The usual rate.
    pub rate: Rate,
    tests: [Cusum; 3],
    tried: [f64; 3],
    /// Minutes without an attempt.
    idle: u32,
    noise: Noise,
}

impl Default for Failing {
    fn default() -> Self {
        Self {
            attempts: Ring::default(),
            failures: Ring::default(),
            usual: Ring::default(),
            rate: Rate::default(),
            tests: [Cusum::default(); 3],
            tried: [0.0; 3],
            idle: 0,
            noise: Noise::new(0.4),
        }
    }
}

impl Failing {
    /// One minute: `failures` of `attempts`, of which `usual` were to be expected. With `ready` unset there is too
    /// little history to test anything; nothing is learnt in a `frozen` minute.
    pub fn step(
        &mut self,
        minute: Minute,
        attempts: f64,
        failures: f64,
        usual: f64,
        ready: bool,
        frozen: bool,
    ) {
        self.attempts.push(minute, Some(attempts));
        self.failures.push(minute, Some(failures));
        self.usual.push(minute, Some(usual));
        self.idle = if attempts > 0.0 { 0 } else { self.idle.saturating_add(1) };
        if self.idle == IDLE {
            self.reset();
        }
        if ready && attempts > 0.0 {
            // A node with next to no failures must not take fire from two.
            let expected = usual + 0.02;
            for ((test, tried), (times, power)) in self.tests.iter_mut().zip(&mut self.tried).zip(TESTS) {
                if failures <= expected && test.score <= 0.0 {
                    continue;
                }
                let r = self.noise.dispersion() / self.noise.lasting().powf(power);
                // A fault cannot make more fail than there are.
                let instead = (times * expected).min(expected.max(0.95 * attempts));
                test.add(minute, log_ratio(failures, expected, instead, r), failures, expected);
                *tried = if test.score > 0.0 { *tried + attempts } else { 0.0 };
            }
        }
        if !frozen && self.score() < 10.0 && usual > 0.0 {
            self.noise.learn(failures, usual);
        }
    }

    /// The strongest test.
    pub fn best(&self) -> &Cusum {
        self.tests.iter().fold(&self.tests[0], |best, test| if test.score > best.score { test } else { best })
    }

    /// Evidence for more failures than usual, in nats.
    pub fn score(&self) -> f64 {
        self.best().score
    }

    /// Evidence for a fault that matters, in nats: at least five failures, and `least` of all attempts beyond the usual.
    pub fn alarm(&self, least: f64) -> f64 {
        let mut alarm = 0.0_f64;
        for (test, tried) in self.tests.iter().zip(self.tried) {
            if test.observed >= 5.0 && test.observed - test.expected >= least * tried {
                alarm = alarm.max(test.score);
            }
        }
        alarm
    }

    /// Dispersion of one minute.
    pub fn dispersion(&self) -> f64 {
        self.noise.dispersion() / self.noise.lasting().sqrt()
    }

    /// Forgets what was suspected, keeps what was learnt.
    pub fn reset(&mut self) {
        self.tests = [Cusum::default(); 3];
        self.tried = [0.0; 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(failing: &mut Failing, minutes: std::ops::Range<u32>, failures: impl Fn(u32) -> f64) {
        for minute in minutes {
            failing.step(Minute(minute), 500.0, failures(minute), 10.0, true, false);
        }
    }

    #[test]
    fn five_more_failures_of_a_hundred_are_seen_within_minutes() {
        let mut failing = Failing::default();
        run(&mut failing, 0..300, |minute| 8.0 + f64::from(minute % 5));
        assert!(failing.alarm(0.01) < 1.0);
        run(&mut failing, 300..303, |_| 35.0);
        assert!(failing.alarm(0.01) > 10.0, "{:?}", failing.tests);
    }

    #[test]
    fn one_wild_minute_is_bounded() {
        let mut failing = Failing::default();
        run(&mut failing, 0..300, |_| 10.0);
        run(&mut failing, 300..301, |_| 500.0);
        assert!(failing.alarm(0.01) <= super::super::STEP);
    }
}

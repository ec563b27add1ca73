//! People who say that it does not work, against how many say so at this hour of the week.

use super::{Cusum, log_ratio};
use crate::baseline::Season;
use crate::counts::Ring;
use crate::model::Minute;

/// Minutes over which reports stay off when they are off, as in `r = 1/(15 CV²)`.
const LASTING: f64 = 15.0;

/// Reports of one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    /// The last hour.
    pub ring: Ring,
    /// What is usual.
    pub season: Season,
    tests: [Cusum; 2],
    expected: Option<f64>,
}

impl Reported {
    /// One minute; `usual` if it is known, and `echo`, what other services' faults make people report here.
    pub fn step(&mut self, minute: Minute, reports: f64, usual: Option<f64>, echo: f64, frozen: bool) {
        self.ring.push(minute, Some(reports));
        self.expected = usual;
        if let Some(usual) = usual {
            let expected = usual + echo + 0.02;
            let r = self.dispersion();
            for (test, times) in self.tests.iter_mut().zip([2.0, 6.0]) {
                if reports > expected || test.score > 0.0 {
                    test.add(minute, log_ratio(reports, expected, times * expected, r), reports, expected);
                }
            }
        }
        if !frozen && self.score() < 5.0 {
            self.season.learn(minute, reports);
        }
    }

    /// The stronger test.
    pub fn best(&self) -> &Cusum {
        if self.tests[1].score > self.tests[0].score { &self.tests[1] } else { &self.tests[0] }
    }

    /// Evidence for more reports than usual, in nats.
    pub fn score(&self) -> f64 {
        self.best().score
    }

    /// Evidence from at least five reports.
    pub fn alarm(&self) -> f64 {
        if self.best().observed >= 5.0 { self.score() } else { 0.0 }
    }

    /// What was usual in the newest minute.
    pub fn expected(&self) -> Option<f64> {
        self.expected
    }

    /// Dispersion of one minute.
    pub fn dispersion(&self) -> f64 {
        1.0 / (LASTING * self.season.cv2())
    }

    /// Forgets what was suspected, keeps what was learnt.
    pub fn reset(&mut self) {
        self.tests = [Cusum::default(); 2];
    }
}

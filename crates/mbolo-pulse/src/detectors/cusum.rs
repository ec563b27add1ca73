//! A sum that cannot fall below zero: evidence since the moment where the fault would have begun.

use super::STEP;
use crate::model::Minute;

/// Page's cumulative sum, with what was counted since it left zero.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cusum {
    /// Evidence in nats.
    pub score: f64,
    /// The first minute of it.
    pub since: Minute,
    /// Seen since then.
    pub observed: f64,
    /// Usual since then.
    pub expected: f64,
    /// Minutes since then.
    pub minutes: u32,
}

/// More than any threshold; what is above says nothing new and would only delay the end.
const ENOUGH: f64 = 40.0;

impl Cusum {
    /// One minute's log-likelihood ratio.
    pub fn add(&mut self, minute: Minute, ratio: f64, observed: f64, expected: f64) {
        let score = self.score + ratio.min(STEP);
        if score <= 0.0 {
            *self = Self::default();
            return;
        }
        if self.score <= 0.0 {
            self.since = minute;
        }
        self.score = score.min(ENOUGH);
        self.observed += observed;
        self.expected += expected;
        self.minutes += 1;
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

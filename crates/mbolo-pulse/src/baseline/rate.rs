//! The usual share of attempts that fail. It needs hours, not weeks: failing has little to do with the hour of the day.

use crate::model::Minute;

/// Kept per hour: half is forgotten in three days.
const KEEP: f64 = 0.990_42;

/// Attempts and failures of normal life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    attempts: f64,
    failures: f64,
    hour: u32,
    hour_attempts: f64,
    hour_failures: f64,
}

impl Rate {
    /// One minute of normal life. `attempts` may be what was expected to fail, for a node that is the sum of others.
    pub fn learn(&mut self, minute: Minute, attempts: f64, failures: f64) {
        let hour = minute.0 / 60;
        if hour != self.hour {
            let keep = if self.hour == 0 {
                1.0
            } else {
                KEEP.powi((hour.saturating_sub(self.hour)).min(10_000) as i32)
            };
            self.attempts = (self.attempts + self.hour_attempts) * keep;
            self.failures = (self.failures + self.hour_failures) * keep;
            (self.hour_attempts, self.hour_failures, self.hour) = (0.0, 0.0, hour);
        }
        self.hour_attempts += attempts;
        self.hour_failures += failures;
    }

    /// All that is remembered.
    pub fn attempts(&self) -> f64 {
        self.attempts + self.hour_attempts
    }

    /// Failures for each attempt, near 1 until something is known; for a node whose attempts are what was expected to
    /// fail.
    pub fn ratio(&self) -> f64 {
        ((self.failures + self.hour_failures + 10.0) / (self.attempts() + 10.0)).clamp(0.3, 3.0)
    }

    /// The usual rate: what was seen and one failure at the rate of `parent`, never more.
    pub fn usual(&self, parent: f64) -> f64 {
        let parent = parent.clamp(0.0005, 0.5);
        (self.failures + self.hour_failures + 1.0) / (self.attempts() + 1.0 / parent)
    }
}

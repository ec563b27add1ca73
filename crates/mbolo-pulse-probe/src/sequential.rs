//! Wald's sequential probability ratio test, for an agent's own display: does a target work from here?
//!
//! After every measurement it is asked how much likelier the results so far are if the target is down than if it is
//! up. Only when that is certain enough does the verdict change; then counting begins anew, so going back takes new
//! evidence of its own. One lost packet changes nothing, three failures in a row do.

use serde::Serialize;

/// The two worlds that are told apart, and how often it may be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// The share of measurements that fail although the target is up, 0 to 1.
    pub failures_when_up: f64,
    /// The share that fails when it is down; more than the other.
    pub failures_when_down: f64,
    /// How often "down" may be said of a target that is up.
    pub false_down: f64,
    /// How often "up" may be said of a target that is down.
    pub false_up: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { failures_when_up: 0.05, failures_when_down: 0.6, false_down: 0.001, false_up: 0.01 }
    }
}

/// What is believed of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Verdict {
    #[default]
    Unknown,
    Up,
    Down,
}

/// The test of one target.
#[derive(Debug, Clone, Default)]
pub struct Test {
    rates: Rates,
    /// ln(likelihood if down / likelihood if up) since the last decision.
    ratio: f64,
    verdict: Verdict,
}

impl Test {
    /// Nothing is known yet.
    pub fn new(rates: Rates) -> Self {
        Self { rates, ..Self::default() }
    }

    /// What is believed now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Takes a measurement in. Returns the new verdict if it changed.
    pub fn push(&mut self, ok: bool) -> Option<Verdict> {
        let Rates { failures_when_up: up, failures_when_down: down, false_down, false_up } = self.rates;
        self.ratio += if ok { ((1.0 - down) / (1.0 - up)).ln() } else { (down / up).ln() };
        let says = if self.ratio >= ((1.0 - false_up) / false_down).ln() {
            Verdict::Down
        } else if self.ratio <= (false_up / (1.0 - false_down)).ln() {
            Verdict::Up
        } else {
            return None;
        };
        self.ratio = 0.0;
        (self.verdict != says).then(|| {
            self.verdict = says;
            says
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: &[bool]) -> Verdict {
        let mut test = Test::default();
        for ok in results {
            test.push(*ok);
        }
        test.verdict()
    }

    #[test]
    fn one_failure_among_successes_changes_nothing() {
        let mut test = Test::default();
        let changes: Vec<Verdict> = (0..100).filter_map(|i| test.push(i % 20 != 19)).collect();
        assert_eq!(changes, [Verdict::Up]);
    }

    #[test]
    fn three_failures_in_a_row_are_down_and_coming_back_takes_evidence_of_its_own() {
        let mut test = Test::default();
        for _ in 0..60 {
            test.push(true);
        }
        let mut failures = 0;
        while test.verdict() != Verdict::Down {
            test.push(false);
            failures += 1;
        }
        assert!((3..=5).contains(&failures), "{failures}");
        assert_eq!(test.push(true), None, "one success is not yet up");
        let successes = (0..20).take_while(|_| test.push(true).is_none()).count();
        assert!((3..=8).contains(&successes), "{successes}");
        assert_eq!(test.verdict(), Verdict::Up);
    }

    #[test]
    fn too_few_measurements_are_unknown() {
        assert_eq!(after(&[]), Verdict::Unknown);
        assert_eq!(after(&[true, false]), Verdict::Unknown);
    }

    /// Of 100,000 measurements, `failing` in 100 fail: decisions for up and for down.
    fn decisions(failing: u64) -> (u32, u32) {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let (mut up, mut down) = (0, 0);
        let mut test = Test::default();
        for _ in 0..100_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Each decision is looked at by itself, so the verdict is forgotten after it.
            match test.push(random % 100 >= failing) {
                Some(Verdict::Up) => up += 1,
                Some(_) => down += 1,
                None => continue,
            }
            test = Test::default();
        }
        (up, down)
    }

    #[test]
    fn it_is_wrong_no_more_often_than_it_was_told_to_be() {
        let (up, down) = decisions(5);
        assert!(up > 10_000 && f64::from(down) <= 0.0015 * f64::from(up), "up: {up} right, {down} wrong");
        let (up, down) = decisions(60);
        assert!(down > 10_000 && f64::from(up) <= 0.015 * f64::from(down), "down: {down} right, {up} wrong");
    }
}

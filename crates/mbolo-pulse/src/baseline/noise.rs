//! How much a count varies beyond chance, and for how long it stays off.
//!
//! Variance is taken as `mu + cv² mu²` (negative binomial). Noise that lasts for many minutes must not count as fresh
//! evidence in each of them: the lag-1 covariance says how much of it lasts.

/// Minutes that noise is taken to last when it lasts.
const LASTING: f64 = 15.0;
/// Keeps about two days.
const KEEP: f64 = 1.0 - 1.0 / 2880.0;

/// Learns from what was seen against what was expected.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    excess: f64,
    lasting: f64,
    weight: f64,
    before: f64,
}

impl Noise {
    /// Starts with a coefficient of variation that is believed until the data say otherwise.
    pub fn new(cv: f64) -> Self {
        // As much as half an hour of an average node.
        let weight = 30.0;
        Self { excess: cv * cv * weight, lasting: 0.5 * cv * cv * weight, weight, before: 0.0 }
    }

    /// One minute of normal life: `observed` against `expected`.
    pub fn learn(&mut self, observed: f64, expected: f64) {
        if expected < 0.5 {
            return;
        }
        let cv2 = self.cv2();
        let bound = 4.0 * (expected + cv2 * expected * expected).sqrt();
        let off = (observed - expected).clamp(-bound, bound);
        let relative = off / expected;
        // A minute of a small node says little about variation beyond chance.
        let weight = 1.0 / (1.0 + 1.0 / (expected * cv2.max(0.0025))).max(1.0);
        self.excess = self.excess * KEEP + weight * (relative * relative - 1.0 / expected);
        self.lasting = self.lasting * KEEP + weight * relative * self.before;
        self.weight = self.weight * KEEP + weight;
        self.before = relative;
    }

    /// The squared coefficient of variation beyond chance.
    pub fn cv2(&self) -> f64 {
        (self.excess / self.weight).clamp(0.0009, 1.0)
    }

    /// The dispersion `r` of a negative binomial for one minute, if minutes were independent.
    pub fn dispersion(&self) -> f64 {
        1.0 / self.cv2()
    }

    /// By how much evidence must shrink since minutes are not independent: 1 to 15.
    pub fn lasting(&self) -> f64 {
        let share = (self.lasting / self.weight / self.cv2()).clamp(0.0, 1.0);
        1.0 + (LASTING - 1.0) * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_that_lasts_is_told_from_noise_that_does_not() {
        let mut quick = Noise::new(0.2);
        let mut slow = Noise::new(0.2);
        for minute in 0..5000_u32 {
            quick.learn(if minute % 2 == 0 { 130.0 } else { 70.0 }, 100.0);
            slow.learn(if (minute / 30) % 2 == 0 { 130.0 } else { 70.0 }, 100.0);
        }
        assert!(quick.lasting() < 2.0, "{}", quick.lasting());
        assert!(slow.lasting() > 12.0, "{}", slow.lasting());
        assert!((slow.cv2().sqrt() - 0.28).abs() < 0.03, "{}", slow.cv2().sqrt());
    }
}

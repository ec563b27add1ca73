//! How traffic strays from what is usual: a factor with mean 1, minute after minute.

use serde::Serialize;

use crate::random::Random;

/// Where the noise comes from. The detector assumes the first; figures from it alone would flatter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseFamily {
    /// Gamma-distributed rates, fresh every minute: counts are negative binomial, as the detector assumes.
    NegativeBinomial,
    /// Log-normal rates that remember a quarter of an hour: what is high now stays high, which adds up in every sum.
    LogNormal,
    /// Calmer log-normal rates with rare bursts whose height has a heavy tail (Pareto, power 1.5): a match, a rumour, a
    /// crawler.
    Bursts,
}

impl NoiseFamily {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NegativeBinomial, Self::LogNormal, Self::Bursts];

    /// As in JSON and on the command line with `-` for `_`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NegativeBinomial => "negative_binomial",
            Self::LogNormal => "log_normal",
            Self::Bursts => "bursts",
        }
    }
}

/// Minutes after which the log-normal rates have forgotten all but a third.
const MEMORY_MINUTES: f64 = 15.0;
/// One burst in so many minutes: about three a day for each country.
const BURST_EVERY_MINUTES: f64 = 480.0;
const BURST_POWER: f64 = 1.5;
/// A burst is never higher than this many times the usual.
const HIGHEST_BURST: f64 = 8.0;
const BURST_MINUTES: (f64, f64) = (3.0, 15.0);

/// One source of noise.
pub(crate) struct Noise {
    family: NoiseFamily,
    shape: f64,
    sigma: f64,
    memory: f64,
    state: f64,
    burst_left: u32,
    burst: f64,
}

impl Noise {
    /// With this coefficient of variation over a quarter of an hour.
    pub(crate) fn new(family: NoiseFamily, cv: f64, random: &mut Random) -> Self {
        let cv_without_bursts = if family == NoiseFamily::Bursts { cv / 2.0 } else { cv };
        Self {
            family,
            // Fifteen independent minutes average to a fifteenth of the variance.
            shape: 1.0 / (MEMORY_MINUTES * cv * cv),
            sigma: (1.0 + cv_without_bursts * cv_without_bursts).ln().sqrt(),
            memory: (-1.0 / MEMORY_MINUTES).exp(),
            state: random.normal(),
            burst_left: 0,
            burst: 1.0,
        }
    }

    /// The factor of the next minute.
    pub(crate) fn next(&mut self, random: &mut Random) -> f64 {
        if self.family == NoiseFamily::NegativeBinomial {
            return random.gamma_of_mean_one(self.shape);
        }
        self.state = self.memory * self.state + (1.0 - self.memory * self.memory).sqrt() * random.normal();
        let calm = (self.sigma * self.state - self.sigma * self.sigma / 2.0).exp();
        if self.family == NoiseFamily::LogNormal {
            return calm;
        }
        if self.burst_left > 0 {
            self.burst_left -= 1;
        } else {
            self.burst = 1.0;
            if random.uniform() < 1.0 / BURST_EVERY_MINUTES {
                self.burst = random.pareto(BURST_POWER).min(HIGHEST_BURST);
                self.burst_left = random.between(BURST_MINUTES) as u32;
            }
        }
        calm * self.burst
    }
}

/// A slow drift of a logarithm, with memory of hours: a network's usual failures.
pub(crate) struct Drift {
    sigma: f64,
    state: f64,
}

const DRIFT_MEMORY_MINUTES: f64 = 180.0;

impl Drift {
    pub(crate) fn new(sigma: f64, random: &mut Random) -> Self {
        Self { sigma, state: random.normal() }
    }

    pub(crate) fn next(&mut self, random: &mut Random) -> f64 {
        let memory = 1.0 - 1.0 / DRIFT_MEMORY_MINUTES;
        self.state = memory * self.state + (1.0 - memory * memory).sqrt() * random.normal();
        (self.sigma * self.state).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coefficient of variation of means over a quarter of an hour.
    fn cv_over_quarter_hours(family: NoiseFamily, cv: f64) -> f64 {
        let mut random = Random::new(3, 9);
        let mut noise = Noise::new(family, cv, &mut random);
        let means: Vec<f64> =
            (0..20_000).map(|_| (0..15).map(|_| noise.next(&mut random)).sum::<f64>() / 15.0).collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        (means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / means.len() as f64).sqrt() / mean
    }

    #[test]
    fn noise_varies_as_much_as_it_was_asked_to() {
        for cv in [0.1, 0.3] {
            let independent = cv_over_quarter_hours(NoiseFamily::NegativeBinomial, cv);
            assert!((independent / cv - 1.0).abs() < 0.1, "{independent} for {cv}");
            // Averaging over as long as it remembers takes some of it away.
            let remembering = cv_over_quarter_hours(NoiseFamily::LogNormal, cv);
            assert!((0.75..1.0).contains(&(remembering / cv)), "{remembering} for {cv}");
        }
    }

    #[test]
    fn bursts_have_a_heavier_tail_than_anything_the_detector_assumes() {
        let mut random = Random::new(5, 9);
        let mut noise = Noise::new(NoiseFamily::Bursts, 0.2, &mut random);
        let high = (0..200_000).filter(|_| noise.next(&mut random) > 3.0).count();
        let mut noise = Noise::new(NoiseFamily::LogNormal, 0.2, &mut random);
        let high_without = (0..200_000).filter(|_| noise.next(&mut random) > 3.0).count();
        assert!(high > 200 && high_without == 0, "{high} {high_without}");
    }
}

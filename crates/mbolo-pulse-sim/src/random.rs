//! Chance from a seed: the few distributions the world needs, fast enough for a billion draws.
//!
//! Means above [`EXACT_BELOW`] are drawn from the normal distribution with the skewness corrected (Cornish-Fisher);
//! below it the distributions are exact.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const EXACT_BELOW: f64 = 24.0;

/// One stream of chance.
pub(crate) struct Random {
    source: ChaCha8Rng,
    spare: Option<f64>,
}

impl Random {
    /// The stream of this number. Streams of one seed are independent, so that adding faults does not change the noise.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Self { source, spare: None }
    }

    /// In [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.source.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    pub(crate) fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Evenly spread by its logarithm.
    pub(crate) fn log_between(&mut self, (low, high): (f64, f64)) -> f64 {
        self.between((low.ln(), high.ln())).exp()
    }

    /// In 0..n; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// With mean 0 and variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * scale);
                return x * scale;
            }
        }
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean >= EXACT_BELOW {
            let z = self.normal();
            let drawn = mean + mean.sqrt() * z + (z * z - 1.0) / 6.0;
            return (drawn + 0.5).max(0.0) as u32;
        }
        let mut left = self.uniform();
        let mut chance = (-mean).exp();
        let mut n = 0;
        // Beyond 200 the chance is below what a double can say.
        while left >= chance && n < 200 {
            left -= chance;
            n += 1;
            chance *= mean / f64::from(n);
        }
        n
    }

    pub(crate) fn binomial(&mut self, n: u32, chance: f64) -> u32 {
        if n == 0 || chance <= 0.0 {
            return 0;
        }
        if chance >= 1.0 {
            return n;
        }
        if chance > 0.5 {
            return n - self.binomial(n, 1.0 - chance);
        }
        let mean = f64::from(n) * chance;
        if mean >= EXACT_BELOW {
            let spread = (mean * (1.0 - chance)).sqrt();
            let z = self.normal();
            let drawn = mean + spread * z + (1.0 - 2.0 * chance) * (z * z - 1.0) / 6.0;
            return ((drawn + 0.5).max(0.0) as u32).min(n);
        }
        // Jumps from success to success: work as the mean, not as n.
        let per_try = (1.0 - chance).ln();
        let mut tries = 0.0;
        let mut hits = 0;
        loop {
            tries += ((1.0 - self.uniform()).ln() / per_try).floor() + 1.0;
            if tries > f64::from(n) {
                return hits;
            }
            hits += 1;
        }
    }

    /// With mean 1 and variance `1 / shape` (Marsaglia and Tsang, 2000).
    pub(crate) fn gamma_of_mean_one(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost / shape;
        }
        self.gamma(shape) / shape
    }

    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// At least 1, falling with this power.
    pub(crate) fn pareto(&mut self, power: f64) -> f64 {
        (1.0 - self.uniform()).powf(-1.0 / power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_variance(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..200_000).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        (mean, variance)
    }

    #[track_caller]
    fn is_near((mean, variance): (f64, f64), expected_mean: f64, expected_variance: f64) {
        assert!((mean / expected_mean - 1.0).abs() < 0.05, "mean {mean}, not {expected_mean}");
        assert!(
            (variance / expected_variance - 1.0).abs() < 0.08,
            "variance {variance}, not {expected_variance}"
        );
    }

    #[test]
    fn distributions_have_the_moments_they_should() {
        let mut random = Random::new(7, 0);
        for mean in [0.05, 3.0, 23.0, 25.0, 4000.0] {
            is_near(mean_and_variance(|| f64::from(random.poisson(mean))), mean, mean);
        }
        for (n, chance) in [(10, 0.3), (1000, 0.01), (1000, 0.4), (50, 0.9), (100_000, 0.5)] {
            let mean = f64::from(n) * chance;
            is_near(mean_and_variance(|| f64::from(random.binomial(n, chance))), mean, mean * (1.0 - chance));
        }
        for shape in [0.5, 1.0, 40.0] {
            is_near(mean_and_variance(|| random.gamma_of_mean_one(shape)), 1.0, 1.0 / shape);
        }
    }

    #[test]
    fn streams_repeat_and_differ() {
        let first = |seed, stream| Random::new(seed, stream).uniform();
        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 1), first(2, 1));
    }
}

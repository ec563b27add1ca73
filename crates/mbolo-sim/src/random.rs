//! All randomness of a run: independent streams from one seed, so that a change in one part of the simulator
//! does not move the dice of the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// One stream.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of this name and number in the run of `seed`.
    pub fn stream(seed: u64, name: &str, number: u64) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"mbolo/sim/v1");
        hasher.update(seed.to_be_bytes());
        hasher.update(number.to_be_bytes());
        hasher.update(name);
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// 32 random bytes.
    pub fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number of `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.next_u64() % bound }
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.max(low) - low + 1)
    }

    /// True in this share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A duration in milliseconds around `mean_ms`: usually less, sometimes several times as much.
    pub fn around(&mut self, mean_ms: u64) -> u64 {
        let uniform = self.unit().max(1e-6);
        // Rounded to whole milliseconds, so that the platform's logarithm cannot matter.
        ((-uniform.ln()).min(6.0) * mean_ms as f64).round() as u64
    }

    /// A number of `0.0..1.0`.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the list, if it is not empty.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        if list.is_empty() { None } else { list.get(self.below(list.len() as u64) as usize) }
    }
}

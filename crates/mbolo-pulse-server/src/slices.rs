//! What was said lately, by key: sums over a sliding period, in memory, bounded; the oldest slice goes first.

use std::collections::{HashMap, VecDeque};

/// Entries of all slices of one memory; about 32 bytes each.
const MOST_REMEMBERED: usize = 4_000_000;

/// Sums per key over a sliding period, in six slices.
#[derive(Debug)]
pub struct Slices<K> {
    period: i64,
    slices: VecDeque<(i64, HashMap<K, f32>)>,
    held: usize,
}

impl<K: std::hash::Hash + Eq> Slices<K> {
    /// Remembers for `period` seconds.
    pub fn new(period: i64) -> Self {
        Self { period: period.max(6), slices: VecDeque::new(), held: 0 }
    }

    fn forget_old(&mut self, now: i64) {
        while let Some((started, slice)) = self.slices.front() {
            // A slice goes when its youngest entry is old enough. What comes from later than now is from before a clock
            // was set back, and goes as well.
            let width = self.period / 6;
            if started + width + self.period > now && *started <= now && self.held <= MOST_REMEMBERED {
                break;
            }
            self.held -= slice.len();
            self.slices.pop_front();
        }
    }

    /// What was added under a key within the period before Unix seconds `now`.
    pub fn sum(&mut self, key: &K, now: i64) -> f64 {
        self.forget_old(now);
        self.slices.iter().filter_map(|(_, slice)| slice.get(key)).map(|n| f64::from(*n)).sum()
    }

    /// Every sum that is kept.
    pub fn each(&mut self, now: i64, mut take: impl FnMut(&K, f64)) {
        self.forget_old(now);
        for (_, slice) in &self.slices {
            // In no order: the sums of several slices are added up by whoever takes them.
            #[allow(clippy::iter_over_hash_type)]
            for (key, n) in slice {
                take(key, f64::from(*n));
            }
        }
    }

    /// Adds under a key.
    pub fn add(&mut self, key: K, n: f64, now: i64) {
        self.forget_old(now);
        let started = now - now.rem_euclid(self.period / 6);
        if self.slices.back().is_none_or(|(newest, _)| *newest != started) {
            self.slices.push_back((started, HashMap::new()));
        }
        let Some((_, slice)) = self.slices.back_mut() else { return };
        let before = slice.len();
        *slice.entry(key).or_default() += n as f32;
        self.held += slice.len() - before;
    }
}

//! How rare a value is among those before it.
//!
//! The share of earlier values that are at least as large is a p-value that assumes no distribution: a conformal one.
//! It cannot tell a value just above the record from one far beyond it, so beyond the record its distance counts too,
//! in units of what the record stood above the median.

use std::collections::VecDeque;

/// The last values of one statistic, by age and by size.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    capacity: usize,
    by_age: VecDeque<f64>,
    by_size: Vec<f64>,
}

impl Tail {
    /// Keeps at most `capacity` values.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, by_age: VecDeque::new(), by_size: Vec::new() }
    }

    /// How surprising so large a value is, then keeps it. Zero is usual or too early to say, one is a value of which
    /// one in ten is as large, two one in a hundred; `beyond_record` is what tenfold distance beyond the record adds.
    pub(super) fn surprise(&mut self, value: f64, beyond_record: f64) -> f64 {
        let surprise = if self.by_size.len() < FEWEST { 0.0 } else { self.rarity(value, beyond_record) };
        self.keep(value);
        surprise
    }

    fn rarity(&self, value: f64, beyond_record: f64) -> f64 {
        let count = self.by_size.len();
        let as_large = count - self.by_size.partition_point(|earlier| *earlier < value);
        let rarity = ((count + 1) as f64 / (as_large + 1) as f64).log10();
        if as_large > 0 {
            return rarity;
        }
        let (record, median) = (self.by_size[count - 1], self.by_size[count / 2]);
        // Where nothing ever moved, the smallest step is beyond all measure, and the limit holds.
        let spread = record - median + 1e-9 * (record.abs() + 1e-9);
        let orders_of_magnitude = (1.0 + (value - record) / spread).log10().min(FARTHEST);
        rarity + beyond_record * orders_of_magnitude
    }

    fn keep(&mut self, value: f64) {
        if self.by_age.len() == self.capacity {
            let oldest = self.by_age.pop_front();
            let place =
                self.by_size.partition_point(|earlier| oldest.is_some_and(|oldest| *earlier < oldest));
            self.by_size.remove(place);
        }
        self.by_age.push_back(value);
        let place = self.by_size.partition_point(|earlier| *earlier < value);
        self.by_size.insert(place, value);
    }
}

/// With fewer earlier values nothing is rare.
const FEWEST: usize = 20;
/// Orders of magnitude beyond the record, at most.
const FARTHEST: f64 = 3.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(values: impl IntoIterator<Item = f64>) -> Tail {
        let mut tail = Tail::new(100);
        values.into_iter().for_each(|value| tail.keep(value));
        tail
    }

    #[test]
    fn one_in_ten_is_one_and_a_record_more() {
        let tail = after((0..99).map(f64::from));
        assert!((tail.rarity(90.0, 0.0) - 1.0).abs() < 1e-9);
        assert!((tail.rarity(99.0, 0.0) - 2.0).abs() < 1e-9);
        assert!(tail.rarity(200.0, 1.0) > tail.rarity(100.0, 1.0));
        assert_eq!(tail.rarity(200.0, 0.0), tail.rarity(100.0, 0.0));
    }

    #[test]
    fn what_is_always_the_same_does_not_surprise_until_it_moves() {
        let tail = after([5.0; 50]);
        assert_eq!(tail.rarity(5.0, 1.0), 0.0);
        assert!(tail.rarity(5.1, 1.0) > 4.0);
    }

    #[test]
    fn a_record_is_forgotten_when_it_is_old() {
        let mut tail = after([1000.0]);
        (0..100).for_each(|value| tail.keep(f64::from(value)));
        assert!((tail.rarity(500.0, 0.0) - 101f64.log10()).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn a_larger_value_never_surprises_less(earlier in prop::collection::vec(-1e6..1e6f64, 20..150), one in -2e6..2e6f64, other in -2e6..2e6f64) {
            let tail = after(earlier);
            let (smaller, larger) = (one.min(other), one.max(other));
            prop_assert!(tail.rarity(smaller, 2.0) <= tail.rarity(larger, 2.0));
        }

        #[test]
        fn both_orders_hold_the_same_values(values in prop::collection::vec(-10i8..10, 0..300)) {
            let tail = after(values.into_iter().map(f64::from));
            let mut by_age = Vec::from(tail.by_age);
            by_age.sort_by(f64::total_cmp);
            prop_assert_eq!(by_age, tail.by_size);
        }
    }
}

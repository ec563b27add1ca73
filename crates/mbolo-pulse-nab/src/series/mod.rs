//! An online detector for one series of numbers with times: the generic core for scalar series.
//!
//! Each new value is judged once, by what came before it only. Several plain statistics (the value, its mean over the
//! last hour and half day's worth of rows, its distance from what is usual at this hour) are each asked the same
//! question: how rare is so large a value among the last thousands? The answers need no distribution and no units, so
//! they can be put together, and the same parameters fit every series. After a surprise the detector is dulled and
//! recovers slowly: one incident is one alarm, and a series that keeps jumping is not news each time.
//!
//! The invariant: the score of a row depends on that row and the rows before it, on nothing else.

mod season;
mod tail;

use std::collections::VecDeque;

use season::Season;
use tail::Tail;

/// How the detector judges. The default is the same for every series of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesConfig {
    /// Rows that a new one is compared with, at most.
    pub history_rows: usize,
    /// What tenfold distance beyond the record adds to a surprise, which is in powers of ten of rarity.
    pub beyond_record: f64,
    /// How strongly a surprise dulls what comes after it; at 1 only a larger one is noticed.
    pub dulling: f64,
    /// What is left of the dulling after each row.
    pub recovery: f64,
    /// How much more a surprise must be when the series is longer: the exponent of the logarithm of its rows. At 0 the
    /// rate of alarms per row stays the same, at 1 their number grows with the logarithm of the rows.
    pub patience: f64,
}

impl Default for SeriesConfig {
    fn default() -> Self {
        Self { history_rows: 5000, beyond_record: 2.0, dulling: 0.7, recovery: 0.999, patience: 0.75 }
    }
}

/// Judges the values of one series, in order.
///
/// Its memory is bounded by [`SeriesConfig::history_rows`]; a value costs a few binary searches.
#[derive(Debug, Clone)]
pub struct SeriesDetector {
    config: SeriesConfig,
    rows: u64,
    season: Season,
    values: Recent,
    residuals: Recent,
    tails: [Tail; STATISTICS],
    /// The largest surprise so far, as far as it is not yet forgotten.
    dulled_by: f64,
}

impl Default for SeriesDetector {
    fn default() -> Self {
        Self::new(SeriesConfig::default())
    }
}

impl SeriesDetector {
    /// Knows nothing yet.
    pub fn new(config: SeriesConfig) -> Self {
        Self {
            config,
            rows: 0,
            season: Season::new(),
            values: Recent::new(LONG_MEAN_ROWS),
            residuals: Recent::new(RESIDUAL_MEAN_ROWS),
            tails: std::array::from_fn(|_| Tail::new(config.history_rows.max(1))),
            dulled_by: 0.0,
        }
    }

    /// The score of the next value: 0 is usual, [`ALARM_SCORE`] is worth an alarm. Values that are no finite number are
    /// passed over with 0. Times are expected in order; a clock that steps back does no lasting harm.
    pub fn push(&mut self, unix_seconds: i64, value: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        let statistics = self.statistics(unix_seconds, value);
        let surprises = self.tails.iter_mut().zip(statistics).map(|(tail, statistic)| {
            statistic.map_or(0.0, |statistic| tail.surprise(statistic, self.config.beyond_record))
        });
        let together = surprises.map(|surprise| surprise * surprise).sum::<f64>().sqrt();
        self.rows += 1;
        // Rarity grows with history: the rarest of a hundred thousand rows is no greater event than that of a thousand.
        let surprise = together / ((self.rows + FIRST_ROWS) as f64).log10().powf(self.config.patience);
        self.dulled_by *= self.config.recovery;
        let score = (surprise - self.config.dulling * self.dulled_by).max(0.0);
        self.dulled_by = self.dulled_by.max(surprise);
        score
    }

    /// All are such that large is unusual; `None` as long as too little is known.
    fn statistics(&mut self, unix_seconds: i64, value: f64) -> [Option<f64>; STATISTICS] {
        let residual = self.season.residual(unix_seconds, value);
        self.values.push(value);
        self.residuals.push(residual.unwrap_or(0.0));
        let short = self.values.mean_of_last(SHORT_MEAN_ROWS);
        let long = self.values.mean_of_last(LONG_MEAN_ROWS);
        let drift = residual.and(self.residuals.mean_of_last(RESIDUAL_MEAN_ROWS));
        let low = |statistic: Option<f64>| statistic.map(|statistic| -statistic);
        [
            Some(value),
            Some(-value),
            short,
            low(short),
            long,
            low(long),
            residual.map(f64::abs),
            // Below what is usual counts once more: that is how an outage looks.
            low(residual),
            drift.map(f64::abs),
        ]
    }
}

/// The last values.
#[derive(Debug, Clone)]
struct Recent {
    capacity: usize,
    values: VecDeque<f64>,
}

impl Recent {
    fn new(capacity: usize) -> Self {
        Self { capacity, values: VecDeque::with_capacity(capacity) }
    }

    fn push(&mut self, value: f64) {
        if self.values.len() == self.capacity {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Summed anew each time: with a running sum the same values would have means that differ in the last digit, and
    /// among values that are all the same that would be a record.
    fn mean_of_last(&self, rows: usize) -> Option<f64> {
        let first = self.values.len().checked_sub(rows)?;
        Some(self.values.range(first..).sum::<f64>() / rows as f64)
    }
}

/// The score that was worth an alarm on the benchmark's standard profile.
pub const ALARM_SCORE: f64 = 0.83;

const STATISTICS: usize = 9;
/// An hour of rows every five minutes, the benchmark's most frequent interval.
const SHORT_MEAN_ROWS: usize = 12;
/// Half a day of them.
const LONG_MEAN_ROWS: usize = 144;
/// Four hours of them.
const RESIDUAL_MEAN_ROWS: usize = 48;
/// As if so many rows had been seen before the first.
const FIRST_ROWS: u64 = 19;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Five-minute values with a daily rhythm and a small disorder that repeats nowhere near.
    fn lively(row: i64) -> f64 {
        let of_day = (row % 288) as f64 / 288.0 * std::f64::consts::TAU;
        100.0 + 30.0 * of_day.sin() + (row * row * 31 % 997) as f64 / 250.0
    }

    fn scores(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut detector = SeriesDetector::default();
        values.into_iter().enumerate().map(|(row, value)| detector.push(row as i64 * 300, value)).collect()
    }

    #[test]
    fn a_flat_line_and_a_perfect_rhythm_never_alarm() {
        assert!(scores(vec![42.0; 3000]).iter().all(|score| *score == 0.0));
        let rhythm = scores((0..3000).map(|row| if row % 288 < 144 { 0.1 } else { 0.3 }));
        assert!(rhythm[3 * 288..].iter().all(|score| *score < ALARM_SCORE));
    }

    #[test]
    fn an_outage_alarms_at_its_first_row_and_not_at_each() {
        let outage = 2000..2100;
        let scores = scores((0..2300).map(|row| if outage.contains(&row) { 0.0 } else { lively(row) }));
        assert!(scores[2000] > ALARM_SCORE, "{}", scores[2000]);
        let alarms = scores[2000..].iter().filter(|score| **score > ALARM_SCORE).count();
        assert!(alarms < 10, "{alarms}");
    }

    #[test]
    fn a_value_that_is_usual_at_noon_alarms_at_night() {
        // Never outside the range of the day, only at the wrong hour.
        let wrong = |row: i64| if (2220..2260).contains(&row) { lively(row - 144) } else { lively(row) };
        let scores = scores((0..2300).map(wrong));
        assert!(scores[2220..2260].iter().any(|score| *score > ALARM_SCORE));
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut with = SeriesDetector::default();
        let mut without = SeriesDetector::default();
        for row in 0..1000 {
            if row % 7 == 0 {
                assert_eq!(with.push(row * 300, f64::NAN), 0.0);
                assert_eq!(with.push(row * 300, f64::INFINITY), 0.0);
            }
            assert_eq!(with.push(row * 300, lively(row)), without.push(row * 300, lively(row)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn units_do_not_matter(exponent in -20i32..20, zero in -3i32..3) {
            // A power of two and a shift by whole ones keep every digit, so that ranks stay exactly the same.
            let unit = 2f64.powi(exponent);
            let whole = |row: i64| lively(row).round() + f64::from(zero) * 64.0;
            let here = scores((0..900).map(whole));
            let there = scores((0..900).map(|row| whole(row) * unit));
            for (one, other) in here.iter().zip(there) {
                prop_assert!((one - other).abs() < 1e-3, "{one} {other}");
            }
        }

        #[test]
        fn any_finite_values_get_finite_scores(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..400), clock in any::<i32>()) {
            let mut detector = SeriesDetector::new(SeriesConfig { history_rows: 50, ..SeriesConfig::default() });
            for (row, value) in values.into_iter().enumerate() {
                let score = detector.push(i64::from(clock) + row as i64 * 300, value);
                prop_assert!(score >= 0.0 && score.is_finite());
            }
        }
    }
}

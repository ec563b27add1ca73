//! The benchmark's scoring rules, version 1.1.
//!
//! Every labelled anomaly is a window of rows. A detector gives each row a score, and rows at or above one threshold
//! are its alarms. In a window only the best-placed alarm counts: almost a full point at the window's start, nothing
//! at its end. An alarm outside costs, a little less when it comes just after a window; a window without an alarm costs
//! a point. The rows of the probation, a file's beginning, are never scored. The threshold is one for the whole corpus:
//! the one that serves the detector best, found by trying each score that occurs.
//!
//! Source: A. Lavin and S. Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark",
//! 2015, with the changes of the benchmark's version 1.1.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::corpus::Series;

/// What hits, misses and false alarms are worth in one profile.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Weights {
    /// An alarm at the very start of a window.
    #[serde(rename = "tpWeight")]
    pub true_positive: f64,
    /// What a window without an alarm costs.
    #[serde(rename = "fnWeight")]
    pub false_negative: f64,
    /// What an alarm far from every window costs.
    #[serde(rename = "fpWeight")]
    pub false_positive: f64,
}

/// One value for each of the benchmark's three profiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Profiles<T> {
    /// A hundred false alarms weigh about as much as eleven missed windows.
    pub standard: T,
    /// False alarms weigh twice as much.
    #[serde(rename = "reward_low_FP_rate")]
    pub low_false_positives: T,
    /// Missed windows weigh twice as much.
    #[serde(rename = "reward_low_FN_rate")]
    pub low_false_negatives: T,
}

impl<T> Profiles<T> {
    /// The same question asked for each profile.
    pub fn map<U>(&self, mut ask: impl FnMut(&T) -> U) -> Profiles<U> {
        Profiles {
            standard: ask(&self.standard),
            low_false_positives: ask(&self.low_false_positives),
            low_false_negatives: ask(&self.low_false_negatives),
        }
    }

    /// Pairs the profiles of two things.
    pub fn zip<'a, U>(&'a self, other: &'a Profiles<U>) -> Profiles<(&'a T, &'a U)> {
        Profiles {
            standard: (&self.standard, &other.standard),
            low_false_positives: (&self.low_false_positives, &other.low_false_positives),
            low_false_negatives: (&self.low_false_negatives, &other.low_false_negatives),
        }
    }

    /// The three values, standard first.
    pub fn each(&self) -> [&T; 3] {
        [&self.standard, &self.low_false_positives, &self.low_false_negatives]
    }
}

/// A file with what a detector made of its rows.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// The file.
    pub series: &'a Series,
    /// One score for each row; higher is more anomalous.
    pub scores: &'a [f64],
}

/// The best threshold and what it earns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Optimum {
    /// Rows at or above it are alarms. Infinite when no alarm at all is best.
    pub threshold: f64,
    /// The sum over the files, not normalised.
    pub raw: f64,
}

/// Tries every score that occurs in `files` as the threshold for all of them.
pub fn optimise(files: &[Scored], weights: Weights) -> Optimum {
    let mut tally = Tally::new(files, weights);
    let mut alarms = alarms(files, f64::NEG_INFINITY);
    alarms.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut best = Optimum { threshold: f64::INFINITY, raw: tally.total };
    for tied in alarms.chunk_by(|one, other| one.score == other.score) {
        tied.iter().for_each(|alarm| tally.add(alarm));
        if tally.total > best.raw {
            best = Optimum { threshold: tied[0].score, raw: tally.total };
        }
    }
    best
}

/// What `files` earn at a given threshold, not normalised.
pub fn raw_score(files: &[Scored], weights: Weights, threshold: f64) -> f64 {
    let mut tally = Tally::new(files, weights);
    alarms(files, threshold).iter().for_each(|alarm| tally.add(alarm));
    tally.total
}

/// Puts a raw score on the scale where silence has 0 and an early alarm in each of `windows`, and none elsewhere, 100.
pub fn normalise(raw: f64, windows: usize, weights: Weights) -> f64 {
    let silence = -weights.false_negative * windows as f64;
    let perfect = weights.true_positive * windows as f64;
    100.0 * (raw - silence) / (perfect - silence)
}

/// Rows at a file's beginning that are not scored: 15 %, at most 750.
pub fn probation(rows: usize) -> usize {
    (rows * PROBATION_PERCENT / 100).min(PROBATION_PERCENT * PROBATION_MOST_ROWS / 100)
}

/// One scored row at or above the threshold in question.
struct Alarm {
    score: f64,
    /// Between -1 and 1, before weights.
    worth: f64,
    /// Counted through all files; none outside windows.
    window: Option<usize>,
}

/// The total at a falling threshold.
struct Tally {
    weights: Weights,
    /// What each window's best alarm is worth so far.
    best: Vec<Option<f64>>,
    total: f64,
}

impl Tally {
    fn new(files: &[Scored], weights: Weights) -> Self {
        let windows = files.iter().map(|file| file.series.windows.len()).sum();
        // A window that ends in the probation can be neither hit nor missed.
        let can_be_missed = files.iter().flat_map(|file| {
            let probation = probation(file.series.values.len());
            file.series.windows.iter().filter(move |window| *window.end() >= probation)
        });
        let total = -weights.false_negative * can_be_missed.count() as f64;
        Self { weights, best: vec![None; windows], total }
    }

    fn add(&mut self, alarm: &Alarm) {
        let Some(window) = alarm.window else {
            self.total += alarm.worth * self.weights.false_positive;
            return;
        };
        let gain = alarm.worth * self.weights.true_positive;
        let before = self.best[window].unwrap_or(-self.weights.false_negative);
        if gain > before {
            self.total += gain - before;
            self.best[window] = Some(gain);
        }
    }
}

fn alarms(files: &[Scored], threshold: f64) -> Vec<Alarm> {
    let mut found = Vec::new();
    let mut windows_before = 0;
    for file in files {
        let places = places(&file.series.windows, file.series.values.len());
        let scored = file.scores.iter().zip(places).skip(probation(file.series.values.len()));
        found.extend(scored.filter(|(score, _)| **score >= threshold).map(|(score, (worth, window))| {
            Alarm { score: *score, worth, window: window.map(|window| windows_before + window) }
        }));
        windows_before += file.series.windows.len();
    }
    found
}

/// What an alarm in each row is worth, and in which window it is.
fn places(windows: &[RangeInclusive<usize>], rows: usize) -> Vec<(f64, Option<usize>)> {
    let mut places = Vec::with_capacity(rows);
    let mut next = windows.iter().enumerate().peekable();
    let mut passed: Option<&RangeInclusive<usize>> = None;
    for row in 0..rows {
        let place = match next.peek() {
            Some((index, window)) if window.contains(&row) => {
                let to_its_end = (window.end() - row + 1) as f64 / length(window);
                (scaled_sigmoid(-to_its_end) / scaled_sigmoid(-1.0), Some(*index))
            }
            _ => (passed.map_or(-1.0, |window| after(window, row)), None),
        };
        places.push(place);
        passed = next.next_if(|(_, window)| *window.end() == row).map(|(_, window)| window).or(passed);
    }
    places
}

/// What an alarm `row` after `window` is worth: forgiven at its end, a whole false alarm three lengths later.
fn after(window: &RangeInclusive<usize>, row: usize) -> f64 {
    scaled_sigmoid((row - window.end()) as f64 / (length(window) - 1.0))
}

fn length(window: &RangeInclusive<usize>) -> f64 {
    (window.end() - window.start() + 1) as f64
}

/// From nearly 1 at -1, through 0 at 0, to -1; `position` is in window lengths, counted from the window's end.
fn scaled_sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

const PROBATION_PERCENT: usize = 15;
const PROBATION_MOST_ROWS: usize = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: Weights = Weights { true_positive: 1.0, false_negative: 1.0, false_positive: 0.11 };

    fn series(rows: usize, windows: Vec<RangeInclusive<usize>>) -> Series {
        Series {
            name: "made/up.csv".into(),
            timestamps: vec![String::new(); rows],
            seconds: (0..rows as i64).collect(),
            values: vec![0.0; rows],
            windows,
        }
    }

    fn earned(series: &Series, alarms: &[usize]) -> f64 {
        let mut scores = vec![0.0; series.values.len()];
        alarms.iter().for_each(|row| scores[*row] = 1.0);
        raw_score(&[Scored { series, scores: &scores }], STANDARD, 0.5)
    }

    #[test]
    fn an_early_alarm_earns_more_than_a_late_one_and_silence_costs() {
        let series = series(1000, vec![500..=599]);
        assert_eq!(earned(&series, &[500]), 1.0);
        let late = earned(&series, &[590]);
        assert!(late > 0.0 && late < 0.3, "{late}");
        assert_eq!(earned(&series, &[]), -1.0);
    }

    #[test]
    fn only_the_best_alarm_of_a_window_counts() {
        let series = series(1000, vec![500..=599]);
        assert_eq!(earned(&series, &[520, 550, 599]), earned(&series, &[520]));
    }

    #[test]
    fn a_false_alarm_costs_less_just_after_a_window() {
        let series = series(2000, vec![500..=599]);
        let silence = earned(&series, &[]);
        assert_eq!(earned(&series, &[400]), silence - 0.11);
        assert_eq!(earned(&series, &[1000]), silence - 0.11);
        let forgiven = silence - earned(&series, &[600]);
        assert!(forgiven > 0.0 && forgiven < 0.01, "{forgiven}");
    }

    #[test]
    fn the_probation_is_not_scored_and_its_windows_cannot_be_missed() {
        let series = series(1000, vec![20..=50, 140..=160]);
        assert_eq!(probation(1000), 150);
        assert_eq!(probation(22_695), 750);
        assert_eq!(earned(&series, &[10, 30, 145]), -1.0);
        assert!(earned(&series, &[150]) > 0.0);
    }

    #[test]
    fn the_best_threshold_is_one_that_occurs_and_beats_all_others() {
        let series = series(400, vec![200..=240]);
        let scores: Vec<f64> = (0..400).map(|row| f64::from((row * 7919 + 13) % 101)).collect();
        let files = [Scored { series: &series, scores: &scores }];
        let best = optimise(&files, STANDARD);
        assert!(scores.contains(&best.threshold));
        assert!((raw_score(&files, STANDARD, best.threshold) - best.raw).abs() < 1e-9);
        for threshold in 0..=101 {
            assert!(raw_score(&files, STANDARD, f64::from(threshold)) <= best.raw + 1e-9);
        }
    }

    #[test]
    fn silence_is_zero_and_perfection_a_hundred() {
        assert_eq!(normalise(-116.0, 116, STANDARD), 0.0);
        assert_eq!(normalise(116.0, 116, STANDARD), 100.0);
    }
}

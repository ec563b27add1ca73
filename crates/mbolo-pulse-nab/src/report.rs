//! What a run found out: the reference detectors beside their published scores, ours, and how much of ours hangs on the
//! choice of the threshold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    corpus::{Corpus, Series},
    results::Scores,
    scorer::{Optimum, Profiles, Scored, normalise, optimise, raw_score},
};

/// Everything a run found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Files scored.
    pub files: usize,
    /// Rows in them.
    pub rows: usize,
    /// Labelled anomalies in them.
    pub windows: usize,
    /// Detectors whose result files came with the data; their scores must be the published ones.
    pub references: Vec<Reference>,
    /// What is being scored.
    pub detector: String,
    /// Its scores, with the threshold that is best for the corpus.
    pub scores: Profiles<Score>,
    /// Its scores when each folder is scored with the threshold that is best for the other folders. Only the threshold
    /// is left out: the detector's parameters were chosen with the whole corpus in view.
    pub folder_left_out: Profiles<f64>,
    /// Its scores when each half of the files (every other one) is scored with the threshold that is best for the other
    /// half.
    pub half_and_half: Profiles<f64>,
    /// Its scores in each folder, at the corpus' threshold. Folders without anomalies have none.
    pub folders: BTreeMap<String, Profiles<f64>>,
}

/// A detector with published scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reference {
    /// Its name in the benchmark.
    pub detector: String,
    /// What the benchmark's authors published.
    pub published: Profiles<f64>,
    /// What its result files earn here, with the thresholds that were published: this must be the published score.
    pub at_published_threshold: Profiles<f64>,
    /// With the best threshold. A published one may have been found by a search that stopped just short of it.
    pub best: Profiles<Score>,
}

/// A score and the threshold it was reached with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// 0 is silence, 100 perfection.
    pub score: f64,
    /// Rows at or above it were alarms; null when silence is best.
    pub threshold: Option<f64>,
}

/// Scores a detector with the threshold that is best for the corpus.
pub fn score(corpus: &Corpus, scores: &Scores) -> Profiles<Score> {
    let files = scored(corpus, scores, |_, _| true);
    corpus.weights.map(|weights| {
        let Optimum { threshold, raw } = optimise(&files, *weights);
        Score {
            score: normalise(raw, corpus.windows(), *weights),
            threshold: threshold.is_finite().then_some(threshold),
        }
    })
}

/// Scores a detector with given thresholds.
pub fn score_at(corpus: &Corpus, scores: &Scores, thresholds: &Profiles<f64>) -> Profiles<f64> {
    let files = scored(corpus, scores, |_, _| true);
    corpus.weights.zip(thresholds).map(|(weights, threshold)| {
        normalise(raw_score(&files, **weights, **threshold), corpus.windows(), **weights)
    })
}

/// Scores each group of files with the threshold that is best for all the others. `group` gets a file and its place.
pub fn score_left_out<G: Ord>(
    corpus: &Corpus,
    scores: &Scores,
    group: impl Fn(usize, &Series) -> G,
) -> Profiles<f64> {
    let groups: BTreeSet<G> =
        corpus.series.iter().enumerate().map(|(place, series)| group(place, series)).collect();
    corpus.weights.map(|weights| {
        let raw = groups.iter().map(|left_out| {
            let others = scored(corpus, scores, |place, series| group(place, series) != *left_out);
            let own = scored(corpus, scores, |place, series| group(place, series) == *left_out);
            raw_score(&own, *weights, optimise(&others, *weights).threshold)
        });
        normalise(raw.sum(), corpus.windows(), *weights)
    })
}

/// Scores each folder that has anomalies, at thresholds found before.
pub fn score_folders(
    corpus: &Corpus,
    scores: &Scores,
    at: &Profiles<Score>,
) -> BTreeMap<String, Profiles<f64>> {
    let folders: BTreeSet<&str> = corpus.series.iter().map(Series::folder).collect();
    let with_anomalies = folders.into_iter().filter_map(|folder| {
        let files = scored(corpus, scores, |_, series| series.folder() == folder);
        let windows: usize = files.iter().map(|file| file.series.windows.len()).sum();
        let of_folder = corpus.weights.zip(at).map(|(weights, at)| {
            let raw = raw_score(&files, **weights, at.threshold.unwrap_or(f64::INFINITY));
            normalise(raw, windows, **weights)
        });
        (windows > 0).then(|| (folder.to_owned(), of_folder))
    });
    with_anomalies.collect()
}

fn scored<'a>(
    corpus: &'a Corpus,
    scores: &'a Scores,
    wanted: impl Fn(usize, &Series) -> bool,
) -> Vec<Scored<'a>> {
    let files = corpus.series.iter().zip(scores).enumerate();
    files
        .filter(|(place, (series, _))| wanted(*place, series))
        .map(|(_, (series, scores))| Scored { series, scores })
        .collect()
}

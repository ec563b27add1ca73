//! Scores the observatory's detector for single series on the Numenta Anomaly Benchmark (NAB), with the benchmark's own
//! rules.
//!
//! The benchmark has 58 files of measurements and 116 labelled anomalies. [`run`] first scores two detectors whose
//! result files were published, so that the scorer can be believed, then ours, row by row and without looking ahead,
//! with the same parameters for every file. The data is built in; [`series`] is the detector, of use for any series of
//! numbers with times.

mod corpus;
mod report;
mod results;
mod scorer;
pub mod series;
mod source;

use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

pub use corpus::{Corpus, Series};
pub use report::{Reference, Report, Score, score, score_at, score_folders, score_left_out};
pub use results::Scores;
pub use scorer::{Optimum, Profiles, Scored, Weights, normalise, optimise, probation, raw_score};
pub use source::Source;

use crate::series::SeriesDetector;

/// The published detectors whose result files come with the built-in copy.
pub const REFERENCES: [&str; 2] = ["windowedGaussian", "numenta"];
/// What our result files are named after.
pub const DETECTOR: &str = "mbolo";

/// Why the benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum NabError {
    /// A file could not be read.
    #[error("{path} cannot be read ({error}): check the directory given as the benchmark's data")]
    Read {
        /// In the benchmark's layout.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not there.
    #[error(
        "{path} is missing: give a directory in the benchmark's layout, or none to use the built-in copy"
    )]
    Missing {
        /// In the benchmark's layout.
        path: String,
    },
    /// A file is not what the benchmark has.
    #[error("{path}: {problem}: replace it by the benchmark's own")]
    Malformed {
        /// In the benchmark's layout.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A result file could not be written.
    #[error("{} cannot be written ({error}): choose another directory for the results", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl NabError {
    fn malformed(path: &str, problem: impl Display) -> Self {
        Self::Malformed { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// Scores the published detectors and ours on the benchmark in `data` (the built-in copy if `None`) and writes our
/// result files below `out`.
pub fn run(data: Option<&Path>, out: &Path) -> Result<Report, NabError> {
    let source = match data {
        Some(directory) => Source::Directory(directory.to_owned()),
        None => {
            Source::built_in().map_err(|error| NabError::Read { path: "the built-in copy".into(), error })?
        }
    };
    let corpus = Corpus::read(&source)?;
    let references = references(&source, &corpus)?;
    let scores = detect(&corpus);
    results::write(out, &corpus, DETECTOR, &scores)?;
    let of_corpus = score(&corpus, &scores);
    Ok(Report {
        files: corpus.series.len(),
        rows: corpus.series.iter().map(|series| series.values.len()).sum(),
        windows: corpus.windows(),
        references,
        detector: DETECTOR.into(),
        scores: of_corpus,
        folder_left_out: score_left_out(&corpus, &scores, |_, series| series.folder().to_owned()),
        half_and_half: score_left_out(&corpus, &scores, |place, _| place % 2),
        folders: score_folders(&corpus, &scores, &of_corpus),
    })
}

/// Scores the published detectors from their result files, as far as these came with the data.
pub fn references(source: &Source, corpus: &Corpus) -> Result<Vec<Reference>, NabError> {
    let mut found = Vec::new();
    for detector in REFERENCES {
        let Some(scores) = results::read(source, corpus, detector)? else { continue };
        let published = of_detector::<Profiles<f64>>(source, PUBLISHED, detector)?;
        let thresholds = of_detector::<Profiles<PublishedThreshold>>(source, THRESHOLDS, detector)?;
        found.push(Reference {
            detector: detector.into(),
            published,
            at_published_threshold: score_at(
                corpus,
                &scores,
                &thresholds.map(|published| published.threshold),
            ),
            best: score(corpus, &scores),
        });
    }
    Ok(found)
}

/// Our detector's score for each row, each file on its own from its first row on.
pub fn detect(corpus: &Corpus) -> Scores {
    let scores = corpus.series.iter().map(|series| {
        let mut detector = SeriesDetector::default();
        let rows = series.seconds.iter().zip(&series.values);
        rows.map(|(second, value)| detector.push(*second, *value)).collect()
    });
    scores.collect()
}

#[derive(Deserialize)]
struct PublishedThreshold {
    threshold: f64,
}

fn of_detector<T: DeserializeOwned>(source: &Source, path: &str, detector: &str) -> Result<T, NabError> {
    let mut all: BTreeMap<String, serde_json::Value> = corpus::json(source, path)?;
    let own = all.remove(detector).ok_or_else(|| NabError::malformed(path, format!("has no {detector}")))?;
    serde_json::from_value(own).map_err(|error| NabError::malformed(path, error))
}

const PUBLISHED: &str = "results/final_results.json";
const THRESHOLDS: &str = "config/thresholds.json";

//! Result files in the benchmark's layout: those of the reference detectors are read, ours are written.
//!
//! `DIR/<detector>/<folder>/<detector>_<file>`, with the columns timestamp, value, anomaly_score and label; the
//! original scorer takes them as they are.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    NabError,
    corpus::{Corpus, Series, numbers},
    source::Source,
};

/// A detector's score of each row of each file, in the corpus' order.
pub type Scores = Vec<Vec<f64>>;

/// Reads a detector's result files; `None` when there are none of it.
pub fn read(source: &Source, corpus: &Corpus, detector: &str) -> Result<Option<Scores>, NabError> {
    let mut scores = Vec::with_capacity(corpus.series.len());
    for series in &corpus.series {
        let path = format!("results/{detector}/{}/{detector}_{}", series.folder(), series.file());
        let text = source.read(&path).map_err(|error| NabError::Read { path: path.clone(), error })?;
        let text = match text {
            Some(text) => text,
            None if scores.is_empty() => return Ok(None),
            None => return Err(NabError::Missing { path }),
        };
        let of_file = numbers(&path, &text, "anomaly_score")?;
        if of_file.len() != series.values.len() {
            let problem = format!("{} rows, but the data has {}", of_file.len(), series.values.len());
            return Err(NabError::malformed(&path, problem));
        }
        scores.push(of_file);
    }
    Ok(Some(scores))
}

/// Writes a detector's result files below `out`, which need not exist yet.
pub fn write(out: &Path, corpus: &Corpus, detector: &str, scores: &Scores) -> Result<(), NabError> {
    for (series, scores) in corpus.series.iter().zip(scores) {
        let folder = out.join(detector).join(series.folder());
        let path = folder.join(format!("{detector}_{}", series.file()));
        let written = fs::create_dir_all(&folder).and_then(|()| write_file(&path, series, scores));
        written.map_err(|error| NabError::Write { path, error })?;
    }
    Ok(())
}

fn write_file(path: &Path, series: &Series, scores: &[f64]) -> io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    writeln!(file, "timestamp,value,anomaly_score,label")?;
    for (row, score) in scores.iter().enumerate() {
        let label = u8::from(series.windows.iter().any(|window| window.contains(&row)));
        writeln!(file, "{},{},{score},{label}", series.timestamps[row], series.values[row])?;
    }
    file.flush()
}

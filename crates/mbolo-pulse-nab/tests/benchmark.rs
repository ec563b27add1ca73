//! The scorer against published results, then our detector.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use anyhow::{Context, Result};
use mbolo_pulse_nab::{
    Corpus, DETECTOR, Report, Scores, Source, probation, references, run, score, series::SeriesDetector,
};

/// Unpacking and reading take longer than most tests: they are done once.
fn built_in() -> &'static (BTreeMap<String, String>, Corpus) {
    static BUILT_IN: OnceLock<(BTreeMap<String, String>, Corpus)> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let source = Source::built_in().expect("it can be unpacked");
        let corpus = Corpus::read(&source).expect("it is whole");
        let Source::BuiltIn(files) = source else { unreachable!("it is built in") };
        (files, corpus)
    })
}

/// The built-in copy with labels for some files only.
fn only(wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, String>> {
    let mut files = built_in().0.clone();
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&files[LABELS])?;
    let some: serde_json::Map<_, _> = all.into_iter().filter(|(name, _)| wanted(name)).collect();
    files.insert(LABELS.into(), serde_json::to_string(&some)?);
    Ok(files)
}

const LABELS: &str = "labels/combined_windows.json";

#[test]
fn the_published_rows_come_out_of_the_published_result_files() -> Result<()> {
    let (files, corpus) = built_in();
    let references = references(&Source::BuiltIn(files.clone()), corpus)?;
    let names: Vec<&str> = references.iter().map(|reference| reference.detector.as_str()).collect();
    assert_eq!(names, ["windowedGaussian", "numenta"]);
    for reference in &references {
        for (ours, published) in reference.at_published_threshold.zip(&reference.published).each() {
            assert!(
                (**ours - **published).abs() < 0.001,
                "{}: {ours} instead of {published}",
                reference.detector
            );
        }
        // The sweep finds at least what the authors' search found, and not much more.
        for (best, published) in reference.best.zip(&reference.published).each() {
            let gain = best.score - **published;
            assert!((-0.001..0.1).contains(&gain), "{}: {best:?} instead of {published}", reference.detector);
        }
    }
    Ok(())
}

#[test]
fn our_detector_is_above_the_floor_and_its_result_files_can_be_scored_again() -> Result<()> {
    let out = tempfile::tempdir()?;
    let report = run(None, out.path())?;
    assert_eq!((report.files, report.windows), (58, 116));
    let Report { scores, folder_left_out, half_and_half, .. } = &report;
    let reached = scores.map(|score| score.score);
    for (reached, floor) in reached.each().into_iter().zip([70.0, 60.0, 74.0]) {
        assert!(*reached > floor, "{reached} is below {floor}");
    }
    // Thresholds that were found on other files must nearly do.
    for left_out in [folder_left_out, half_and_half] {
        for (left_out, floor) in left_out.each().into_iter().zip([64.0, 53.0, 69.0]) {
            assert!(*left_out > floor, "{left_out} is below {floor}");
        }
    }
    assert_eq!(score(&built_in().1, &read_result_files(out.path())?), *scores);
    Ok(())
}

/// The scores in the result files, after a look at everything else in them.
fn read_result_files(out: &Path) -> Result<Scores> {
    let mut scores = Scores::new();
    for series in &built_in().1.series {
        let path = out.join(DETECTOR).join(series.folder()).join(format!("{DETECTOR}_{}", series.file()));
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("timestamp,value,anomaly_score,label"));
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), series.values.len());
        let labelled = rows.iter().filter(|row| row[3] == "1").count();
        assert_eq!(
            labelled,
            series.windows.iter().map(|window| window.end() - window.start() + 1).sum::<usize>()
        );
        assert_eq!(rows[0][0], series.timestamps[0]);
        assert_eq!(rows[rows.len() - 1][1].parse::<f64>()?, series.values[series.values.len() - 1]);
        scores.push(rows.iter().map(|row| row[2].parse()).collect::<Result<_, _>>()?);
    }
    Ok(scores)
}

#[test]
fn the_detector_does_not_look_ahead() -> Result<()> {
    let corpus = Corpus::read(&Source::built_in()?)?;
    let series =
        corpus.series.iter().find(|series| series.file() == "nyc_taxi.csv").context("it is there")?;
    let scores = |end: usize, after: f64| -> Vec<f64> {
        let mut detector = SeriesDetector::default();
        let rows = series.seconds.iter().zip(&series.values).enumerate().take(4000);
        rows.map(|(row, (second, value))| detector.push(*second, if row < end { *value } else { after }))
            .collect()
    };
    let (one, other) = (scores(3000, 0.0), scores(3000, 1e6));
    assert_eq!(one[..3000], other[..3000]);
    assert_ne!(one[3000..], other[3000..]);
    assert!(one[probation(series.values.len())..3000].iter().any(|score| *score > 0.0));
    Ok(())
}

#[test]
fn a_directory_in_the_benchmarks_layout_is_read_like_the_built_in_copy() -> Result<()> {
    let mut files = only(|name| name.starts_with("realTraffic/"))?;
    files.retain(|path, _| !path.starts_with("results/"));
    let (data, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for (path, text) in files.iter().filter(|(path, _)| !path.contains('/') || !path.starts_with("results/"))
    {
        let path = data.path().join(path);
        fs::create_dir_all(path.parent().context("it is in the directory")?)?;
        fs::write(path, text)?;
    }
    let report = run(Some(data.path()), out.path())?;
    assert_eq!(report.files, 7);
    // Without their result files nothing is claimed about the published detectors.
    assert!(report.references.is_empty());
    let built_in = Corpus::read(&Source::BuiltIn(files))?;
    assert_eq!(Corpus::read(&Source::Directory(data.path().to_owned()))?, built_in);
    Ok(())
}

#[test]
fn a_damaged_directory_is_refused_with_the_file_that_is_wrong() -> Result<()> {
    let files = only(|name| name == "realKnownCause/nyc_taxi.csv")?;
    let with = |path: &str, text: &str| {
        let mut files = files.clone();
        files.insert(path.into(), text.into());
        Corpus::read(&Source::BuiltIn(files)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let taxi = "data/realKnownCause/nyc_taxi.csv";
    assert!(with(LABELS, r#"{"../../evil.csv": []}"#).contains("is not folder/file"));
    assert!(with(LABELS, r#"{"folder/../evil.csv": []}"#).contains("is not folder/file"));
    assert!(
        with(LABELS, r#"{"realKnownCause/none.csv": []}"#)
            .contains("data/realKnownCause/none.csv is missing")
    );
    assert!(with(taxi, "timestamp,value\n2014-07-01 00:00:00,NaN\n").contains("line 2"));
    assert!(with(taxi, "timestamp,value\n2014-07-01 00:00:00\n").contains("line 2"));
    assert!(with(taxi, "timestamp,value\n2014-07-01 00:00:00,1\n").contains("a window off its rows"));
    assert!(with(taxi, "time,value\n").contains("has no column timestamp"));
    Ok(())
}

#[test]
fn result_files_that_are_too_short_are_refused() -> Result<()> {
    let mut files = only(|name| name == "realKnownCause/nyc_taxi.csv")?;
    let path = "results/numenta/realKnownCause/numenta_nyc_taxi.csv";
    let shorter = files[path].lines().take(100).collect::<Vec<_>>().join("\n");
    files.insert(path.into(), shorter);
    let source = Source::BuiltIn(files);
    let error = references(&source, &Corpus::read(&source)?).err().context("it is refused")?;
    assert!(error.to_string().contains("99 rows, but the data has 10320"), "{error}");
    Ok(())
}

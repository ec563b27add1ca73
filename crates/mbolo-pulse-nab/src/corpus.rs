//! The benchmark's files, labels and profiles, checked while they are read.

use std::{collections::BTreeMap, ops::RangeInclusive};

use jiff::{civil::DateTime, tz::TimeZone};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    NabError,
    scorer::{Profiles, Weights},
    source::Source,
};

/// One file of the benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// `folder/file.csv`.
    pub name: String,
    /// As the file writes them.
    pub timestamps: Vec<String>,
    /// Unix time; the files say no zone, UTC is assumed. Not always rising: two files have a step back.
    pub seconds: Vec<i64>,
    /// What was measured.
    pub values: Vec<f64>,
    /// The labelled anomalies as rows, in order and apart from each other.
    pub windows: Vec<RangeInclusive<usize>>,
}

impl Series {
    /// The folder, which says what kind of data it is.
    pub fn folder(&self) -> &str {
        self.name.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The file without its folder.
    pub fn file(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(_, file)| file)
    }
}

/// All that is scored, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// By name.
    pub series: Vec<Series>,
    /// What hits and misses are worth.
    pub weights: Profiles<Weights>,
}

impl Corpus {
    /// Reads every file that has labels.
    pub fn read(source: &Source) -> Result<Self, NabError> {
        let labels: BTreeMap<String, Vec<(String, String)>> = json(source, LABELS)?;
        let profiles: Profiles<Profile> = json(source, PROFILES)?;
        let series =
            labels.iter().map(|(name, windows)| series(source, name, windows)).collect::<Result<_, _>>()?;
        Ok(Self { series, weights: profiles.map(|profile| profile.costs) })
    }

    /// The labelled anomalies of all files.
    pub fn windows(&self) -> usize {
        self.series.iter().map(|series| series.windows.len()).sum()
    }
}

#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "CostMatrix")]
    costs: Weights,
}

/// Reads a JSON file that must be there.
pub(crate) fn json<T: DeserializeOwned>(source: &Source, path: &str) -> Result<T, NabError> {
    serde_json::from_str(&required(source, path)?).map_err(|error| NabError::malformed(path, error))
}

/// A column of a CSV file with a header; neither is quoted anywhere in the benchmark.
pub(crate) fn column<'a>(path: &str, text: &'a str, header: &str) -> Result<Vec<&'a str>, NabError> {
    let mut lines = text.lines();
    let mut headers = lines.next().unwrap_or_default().split(',');
    let Some(place) = headers.position(|name| name == header) else {
        return Err(NabError::malformed(path, format!("has no column {header}")));
    };
    let cell = |(index, line): (usize, &'a str)| {
        let missing = || NabError::malformed(path, format!("line {} has no {header}", index + 2));
        line.split(',').nth(place).ok_or_else(missing)
    };
    lines.enumerate().map(cell).collect()
}

/// Finite numbers of a column.
pub(crate) fn numbers(path: &str, text: &str, header: &str) -> Result<Vec<f64>, NabError> {
    let number = |(index, cell): (usize, &str)| match cell.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(NabError::malformed(path, format!("line {}: {cell:?} is not a finite number", index + 2))),
    };
    column(path, text, header)?.into_iter().enumerate().map(number).collect()
}

fn required(source: &Source, path: &str) -> Result<String, NabError> {
    let text = source.read(path).map_err(|error| NabError::Read { path: path.into(), error })?;
    text.ok_or_else(|| NabError::Missing { path: path.into() })
}

fn series(source: &Source, name: &str, windows: &[(String, String)]) -> Result<Series, NabError> {
    // Result files get this name: it must not lead anywhere else.
    let plain = |part: &str| !part.starts_with('.') && !part.contains(['/', '\\', ':']) && !part.is_empty();
    if !name.split_once('/').is_some_and(|(folder, file)| plain(folder) && plain(file)) {
        return Err(NabError::malformed(LABELS, format!("{name:?} is not folder/file")));
    }
    let path = format!("data/{name}");
    let text = required(source, &path)?;
    let values = numbers(&path, &text, "value")?;
    let timestamps: Vec<String> = column(&path, &text, "timestamp")?.into_iter().map(String::from).collect();
    let seconds: Vec<i64> =
        timestamps.iter().map(|text| unix_seconds(&path, text)).collect::<Result<_, _>>()?;
    let windows = windows.iter().map(|(start, end)| {
        let (start, end) = (unix_seconds(LABELS, start)?, unix_seconds(LABELS, end)?);
        let row = |second| seconds.iter().position(|of_row| *of_row == second);
        let rows = row(start).zip(row(end)).filter(|(start, end)| start <= end);
        let (start, end) =
            rows.ok_or_else(|| NabError::malformed(LABELS, format!("{name} has a window off its rows")))?;
        Ok(start..=end)
    });
    let windows: Vec<RangeInclusive<usize>> = windows.collect::<Result<_, NabError>>()?;
    if !windows.is_sorted_by(|one, next| one.end() < next.start()) {
        return Err(NabError::malformed(
            LABELS,
            format!("{name} has windows that overlap or are out of order"),
        ));
    }
    Ok(Series { name: name.into(), timestamps, seconds, values, windows })
}

fn unix_seconds(path: &str, text: &str) -> Result<i64, NabError> {
    let zoned = text.parse::<DateTime>().and_then(|time| time.to_zoned(TimeZone::UTC));
    Ok(zoned.map_err(|error| NabError::malformed(path, error))?.timestamp().as_second())
}

const LABELS: &str = "labels/combined_windows.json";
const PROFILES: &str = "config/profiles.json";

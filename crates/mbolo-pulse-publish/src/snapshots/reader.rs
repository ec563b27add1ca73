//! Reads the newest snapshot from any of several mirrors. All are asked at the same time; what is forged, broken or slow
//! only costs its own answer.

use std::time::Duration;

use ureq::http::Request;

use super::envelope::{Envelope, MAX_ENVELOPE, Reading, TrustedKeys, verify};
use crate::http::Http;

/// What the mirrors have.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    /// The newest valid snapshot.
    pub reading: Reading,
    /// The mirror it is from.
    pub mirror: String,
    /// Mirrors that gave nothing to believe, and why.
    pub failures: Vec<(String, String)>,
}

/// No mirror gave anything to believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no mirror has a valid snapshot: {}", list(.0))]
pub struct NoSnapshot(pub Vec<(String, String)>);

/// Fetches from all mirrors (at most 16, at most 10 s) and picks the newest that verifies at Unix seconds `now`.
pub fn fetch_newest(mirrors: &[String], trusted: &TrustedKeys, now: i64) -> Result<Newest, NoSnapshot> {
    let http = Http::trusted(TIMEOUT)
        .map_err(|error| NoSnapshot(vec![("(every mirror)".to_owned(), error.to_string())]))?;
    fetch_newest_with(&http, mirrors, trusted, now)
}

pub(crate) fn fetch_newest_with(
    http: &Http,
    mirrors: &[String],
    trusted: &TrustedKeys,
    now: i64,
) -> Result<Newest, NoSnapshot> {
    let answers: Vec<(String, Result<Reading, String>)> = std::thread::scope(|scope| {
        let asked: Vec<_> = mirrors
            .iter()
            .take(MAX_MIRRORS)
            .map(|mirror| (mirror, scope.spawn(move || fetch(http, mirror, trusted, now))))
            .collect();
        asked
            .into_iter()
            .map(|(mirror, answer)| {
                let answer = answer.join().unwrap_or_else(|_| Err("its reader failed".to_owned()));
                (mirror.clone(), answer)
            })
            .collect()
    });
    let mut newest: Option<(Reading, String)> = None;
    let mut failures = Vec::new();
    for (mirror, answer) in answers {
        match answer {
            Ok(reading) => {
                if newest.as_ref().is_none_or(|(best, _)| best.board().seq < reading.board().seq) {
                    newest = Some((reading, mirror));
                }
            }
            Err(why) => failures.push((mirror, why)),
        }
    }
    match newest {
        Some((reading, mirror)) => Ok(Newest { reading, mirror, failures }),
        None => Err(NoSnapshot(failures)),
    }
}

pub(crate) fn http() -> Result<Http, crate::http::HttpError> {
    Http::trusted(TIMEOUT)
}

fn fetch(http: &Http, mirror: &str, trusted: &TrustedKeys, now: i64) -> Result<Reading, String> {
    let request = Request::get(mirror).header("Cache-Control", "no-cache").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = http.send(request, MAX_ENVELOPE as u64).map_err(|error| error.to_string())?;
    if !answer.is_success() {
        return Err(format!("status {}", answer.status));
    }
    let envelope = Envelope::read(&answer.body).map_err(|error| error.to_string())?;
    verify(&envelope, trusted, now).map_err(|error| error.to_string())
}

fn list(failures: &[(String, String)]) -> String {
    failures.iter().map(|(mirror, why)| format!("{mirror}: {why}")).collect::<Vec<_>>().join("; ")
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MIRRORS: usize = 16;

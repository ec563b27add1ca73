//! The services' own word: asks each configured status document every minute whether the service admits a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mbolo_pulse::{Asn, Count, Country, ServiceId, Signal};
use mbolo_pulse_publish::http::Http;
use serde::Deserialize;

use crate::shared::Shared;

/// Between two questions to one service.
const EVERY: Duration = Duration::from_secs(60);

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A status document is smaller than this, bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Asks in a thread of its own.
pub struct Official {
    shared: Arc<Shared>,
    http: Http,
}

#[derive(Debug, Deserialize)]
struct Document {
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    indicator: String,
}

impl Official {
    /// Begins to ask, if there is anything to ask.
    pub fn start(shared: &Arc<Shared>, ended: &Arc<AtomicBool>) -> std::io::Result<Option<JoinHandle<()>>> {
        if shared.config.services.iter().all(|service| service.official_feed.is_none()) {
            return Ok(None);
        }
        let http = Http::trusted(PATIENCE).map_err(std::io::Error::other)?;
        let (this, ended) = (Self { shared: shared.clone(), http }, ended.clone());
        std::thread::Builder::new()
            .name("pulse-official".to_owned())
            .spawn(move || this.run(&ended))
            .map(Some)
    }

    fn run(&self, ended: &AtomicBool) {
        let mut asked: Option<Instant> = None;
        while !ended.load(Ordering::Relaxed) {
            if asked.is_none_or(|at| at.elapsed() >= EVERY) {
                asked = Some(Instant::now());
                self.ask_all(ended);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn ask_all(&self, ended: &AtomicBool) {
        for service in &self.shared.config.services {
            let Some(url) = service.official_feed.as_deref().filter(|_| !ended.load(Ordering::Relaxed))
            else {
                continue;
            };
            match self.ask(url) {
                Ok(admits) => self.note(&service.id, admits),
                // Silence is no admission: nothing is counted.
                Err(error) => tracing::debug!(service = %service.id, error, "no official word"),
            }
        }
    }

    fn ask(&self, url: &str) -> Result<bool, String> {
        let request = ureq::http::Request::get(url).body(Vec::new()).map_err(|error| error.to_string())?;
        let answer = self.http.send(request, MOST_BYTES).map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        admits(&answer.body)
    }

    fn note(&self, service: &ServiceId, admits: bool) {
        let count = Count {
            minute: self.shared.clock.minute(),
            service: service.clone(),
            cc: Country::UNKNOWN,
            asn: Asn(0),
            signal: Signal::Official,
            problem: None,
            cell: None,
            n: u32::from(admits),
            weight: None,
            attempts: 0,
            failures: 0,
        };
        if let Err(error) = self.shared.store.add_and_wait(vec![count]) {
            tracing::warn!(%error, "an official word is not kept");
        }
    }
}

/// Whether a Statuspage document admits a fault.
fn admits(document: &[u8]) -> Result<bool, String> {
    let document: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    match document.status.indicator.as_str() {
        "none" | "maintenance" => Ok(false),
        "minor" | "major" | "critical" => Ok(true),
        other => Err(format!("the indicator `{other}` is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_document_says_yes_no_or_nothing() {
        assert_eq!(admits(br#"{"page":{},"status":{"indicator":"major","description":"x"}}"#), Ok(true));
        assert_eq!(admits(br#"{"status":{"indicator":"none"}}"#), Ok(false));
        assert!(admits(br#"{"status":{"indicator":"purple"}}"#).is_err());
        assert!(admits(b"<html>").is_err());
    }
}

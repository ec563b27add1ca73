//! What clients saw of their own attempts: our own small document, or a browser's network error logging (W3C NEL).
//!
//! A beacon has no name, no peer and no contact in it. What one client and one neighbourhood can add is bounded.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use mbolo_pulse::{Count, Country, Minute, ServiceId, Signal};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::signed::{check_batch_name, check_minute};
use super::{App, Peer, Refused, sender};
use crate::config::ServiceConfig;
use crate::edge::{Place, Sender};
use crate::shared::{Shared, lock};

/// Reports of a browser in one delivery.
const MOST_REPORTS: usize = 200;

/// A sampled success stands for at most this many.
const MOST_PER_SAMPLE: f64 = 100.0;

/// Our own document: one minute of one client.
#[derive(Debug, Deserialize)]
struct Beacon {
    service: ServiceId,
    /// Minutes since 1970; now if left out.
    #[serde(default)]
    minute: Option<u32>,
    /// The same one twice counts once.
    #[serde(default)]
    batch: Option<String>,
    attempts: u32,
    failures: u32,
    /// The SIM card's country, which is better than an address's.
    #[serde(default)]
    cc: Option<Country>,
    /// The cell that was tried.
    #[serde(default)]
    cell: Option<String>,
}

/// One entry of `application/reports+json`.
#[derive(Debug, Deserialize)]
struct Report {
    #[serde(rename = "type")]
    kind: String,
    /// Milliseconds ago.
    #[serde(default)]
    age: u64,
    url: String,
    body: NetworkError,
}

/// What network error logging says (W3C Network Error Logging, 6).
#[derive(Debug, Deserialize)]
struct NetworkError {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    sampling_fraction: Option<f64>,
}

/// Takes one beacon, or a delivery of a browser's reports.
pub async fn beacon(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let sender = sender(&shared, &peer, &headers);
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let counts = if media.starts_with("application/reports+json") {
        let reports: Vec<Value> =
            serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
        if reports.len() > MOST_REPORTS {
            return Err(Refused::malformed(format!("at most {MOST_REPORTS} reports at once")));
        }
        network_errors(&shared, &sender, reports)
    } else {
        own(&shared, &sender, &body)?.into_iter().collect()
    };
    let attempts: u32 = counts.iter().map(|count| count.attempts).sum();
    if !counts.is_empty() {
        shared.store.add(counts).await.inspect_err(|_| shared.metrics.not_stored.add(1))?;
        shared.metrics.beacons.add(1);
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "counted": attempts }))))
}

fn own(shared: &Shared, sender: &Sender, body: &[u8]) -> Result<Option<Count>, Refused> {
    let beacon: Beacon =
        serde_json::from_slice(body).map_err(|error| Refused::malformed(error.to_string()))?;
    let service = shared.config.service(beacon.service.as_str()).ok_or_else(Refused::unknown_service)?;
    let minute = beacon.minute.unwrap_or(shared.clock.minute().0);
    check_minute(shared, minute)?;
    if beacon.failures > beacon.attempts {
        return Err(Refused::malformed("failures: not more than attempts"));
    }
    if let Some(batch) = &beacon.batch {
        check_batch_name(batch)?;
        if !shared.is_new_beacon(shared.edge.beacon_hash(sender, batch)) {
            shared.metrics.batches_repeated.add(1);
            return Ok(None);
        }
    }
    let cell = beacon.cell.filter(|name| shared.config.cells.iter().any(|cell| cell.name == *name));
    let place = match beacon.cc {
        // Roaming: the network that the address tells belongs to another country.
        Some(cc) if cc != sender.place.cc => Place { cc, asn: mbolo_pulse::Asn(0) },
        _ => sender.place,
    };
    let (attempts, failures) = (beacon.attempts, beacon.failures);
    Ok(admitted(
        shared,
        &Sender { place, ..*sender },
        service,
        minute,
        attempts,
        failures,
        cell.map(Into::into),
    ))
}

/// Sums a delivery by service and minute. Entries of other kinds, or of hosts that nobody watches, are left out.
fn network_errors(shared: &Shared, sender: &Sender, reports: Vec<Value>) -> Vec<Count> {
    let mut sums: std::collections::BTreeMap<(ServiceId, u32), (f64, f64)> =
        std::collections::BTreeMap::new();
    let now = shared.clock.now();
    for report in reports.into_iter().filter_map(|report| serde_json::from_value::<Report>(report).ok()) {
        let service = crate::config::host_of(&report.url)
            .and_then(|host| shared.config.services.iter().find(|service| service.owns_host(host)));
        let Some(service) = service.filter(|_| report.kind == "network-error") else { continue };
        let age = i64::try_from(report.age / 1_000).unwrap_or(i64::MAX);
        let minute = Minute::of_unix(now.saturating_sub(age));
        if check_minute(shared, minute.0).is_err() || report.body.kind == "abandoned" {
            continue;
        }
        let stands_for = 1.0 / report.body.sampling_fraction.unwrap_or(1.0).clamp(1.0 / MOST_PER_SAMPLE, 1.0);
        let (attempts, failures) = sums.entry((service.id.clone(), minute.0)).or_default();
        *attempts += stands_for;
        *failures += if report.body.kind == "ok" { 0.0 } else { stands_for };
    }
    sums.into_iter()
        .filter_map(|((service, minute), (attempts, failures))| {
            let service = shared.config.service(service.as_str())?;
            admitted(shared, sender, service, minute, attempts.round() as u32, failures.round() as u32, None)
        })
        .collect()
}

fn admitted(
    shared: &Shared,
    sender: &Sender,
    service: &ServiceConfig,
    minute: u32,
    attempts: u32,
    failures: u32,
    cell: Option<Arc<str>>,
) -> Option<Count> {
    let now = shared.clock.now();
    let admitted = lock(&shared.admission).beacon(sender, &service.id, attempts, failures, now);
    (admitted.attempts > 0).then(|| Count {
        minute: Minute(minute),
        service: service.id.clone(),
        cc: sender.place.cc,
        asn: sender.place.asn,
        signal: Signal::Beacon,
        problem: None,
        cell,
        n: u32::from(admitted.new_sender),
        weight: None,
        attempts: admitted.attempts,
        failures: admitted.failures,
    })
}

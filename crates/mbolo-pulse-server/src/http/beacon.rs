//! What clients saw of their own attempts: our own small document, or a browser's network error logging (W3C NEL).
//!
//! A beacon has no name, no peer and no contact in it. What one client and one neighbourhood can add is bounded, and a
//! delivery that is sent again after a lost answer counts once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use mbolo_pulse::{Count, Country, Minute, ServiceId, Signal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::arrival::{ATTEMPTS, counted_in};
use super::signed::{check_batch_name, check_minute};
use super::{App, Peer, Refused, sender};
use crate::config::ServiceConfig;
use crate::edge::{Place, Sender};
use crate::repeats::Seen;
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
    if media.starts_with("application/reports+json") {
        let reports: Vec<Value> =
            serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
        if reports.len() > MOST_REPORTS {
            return Err(Refused::malformed(format!("at most {MOST_REPORTS} reports at once")));
        }
        let counts = network_errors(&shared, &sender, reports);
        return keep(&shared, counts, None).await;
    }
    let beacon: Beacon =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let Some(batch) = &beacon.batch else {
        let counts = own(&shared, &sender, beacon)?.into_iter().collect();
        return keep(&shared, counts, None).await;
    };
    check_batch_name(batch)?;
    match shared.beacons.claim(batch) {
        Seen::Before => {
            shared.metrics.batches_repeated.add(1);
            keep(&shared, Vec::new(), None).await
        }
        Seen::Now => Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "this batch is being taken; ask again in a moment whether it was",
        )),
        Seen::Never(claim) => {
            let counts = own(&shared, &sender, beacon)?.into_iter().collect();
            let kept = keep(&shared, counts, Some(claim.name())).await?;
            claim.taken();
            Ok(kept)
        }
    }
}

async fn keep(
    shared: &Shared,
    counts: Vec<Count>,
    batch: Option<i64>,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let attempts: u32 = counts.iter().map(|count| count.attempts).sum();
    if !counts.is_empty() {
        let added = shared.store.add_beacon(counts, batch).await;
        added.inspect_err(|_| shared.metrics.not_stored.add(1))?;
        shared.metrics.beacons.add(1);
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "counted": attempts }))))
}

fn own(shared: &Shared, sender: &Sender, beacon: Beacon) -> Result<Option<Count>, Refused> {
    let service = shared.config.service(beacon.service.as_str()).ok_or_else(Refused::unknown_service)?;
    let now = shared.clock.minute();
    let minute = beacon.minute.map_or(now, Minute);
    check_minute(shared, minute.0)?;
    if beacon.failures > beacon.attempts {
        return Err(Refused::malformed("failures: not more than attempts"));
    }
    let cell = beacon.cell.filter(|name| shared.config.cells.iter().any(|cell| cell.name == *name));
    let sender = Sender { place: believed_place(sender.place, beacon.cc), ..*sender };
    let minute = counted_in(minute, now, ATTEMPTS);
    let (attempts, failures) = (beacon.attempts, beacon.failures);
    Ok(admitted(shared, &sender, service, minute, attempts, failures, cell.map(Into::into)))
}

/// Where a client is that names its SIM card's country. One that roams has a network of another country, so its network
/// counts as unknown; a country that there is not is no country.
fn believed_place(of_address: Place, of_card: Option<Country>) -> Place {
    match of_card {
        Some(cc) if cc != of_address.cc && mbolo_pulse_page::places::all().any(|real| real == cc) => {
            Place { cc, asn: mbolo_pulse::Asn(0) }
        }
        _ => of_address,
    }
}

/// Sums a delivery by service and minute. Entries of other kinds, or of hosts that nobody watches, are left out.
fn network_errors(shared: &Shared, sender: &Sender, reports: Vec<Value>) -> Vec<Count> {
    let mut sums: BTreeMap<(ServiceId, Minute), (f64, f64)> = BTreeMap::new();
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
        let minute = counted_in(minute, Minute::of_unix(now), ATTEMPTS);
        let stands_for = 1.0 / report.body.sampling_fraction.unwrap_or(1.0).clamp(1.0 / MOST_PER_SAMPLE, 1.0);
        let (attempts, failures) = sums.entry((service.id.clone(), minute)).or_default();
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
    minute: Minute,
    attempts: u32,
    failures: u32,
    cell: Option<Arc<str>>,
) -> Option<Count> {
    let now = shared.clock.now();
    let admitted = lock(&shared.admission).beacon(sender, &service.id, attempts, failures, now);
    (admitted.attempts > 0).then(|| Count {
        minute,
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

#[cfg(test)]
mod tests {
    use super::super::tests::{answered, observed, shared};
    use super::*;

    async fn send(shared: &Arc<Shared>, media: &'static str, body: Value) -> Result<Value, Refused> {
        let (app, peer, mut headers) = answered(shared);
        headers.insert(header::CONTENT_TYPE, axum::http::HeaderValue::from_static(media));
        let taken = beacon(app, peer, headers, Bytes::from(body.to_string())).await;
        taken.map(|(_, Json(said))| said["counted"].clone())
    }

    #[tokio::test]
    async fn attempts_count_when_they_arrive_and_late_ones_in_their_own_minute() {
        let data = tempfile::tempdir().unwrap();
        let shared = shared(data.path());
        let now = shared.clock.minute();
        for ago in [0, 1, 5, 6, 60] {
            let own = json!({ "service": "mbolo", "minute": now.0 - ago, "attempts": 1, "failures": 0 });
            assert_eq!(send(&shared, "application/json", own).await.unwrap(), 1);
        }
        let entry = |minutes: u64| {
            json!({ "type": "network-error", "age": minutes * 60_000, "url": "https://web.whatsapp.com/",
                    "body": { "type": "tcp.timed_out" } })
        };
        let entries = json!([entry(1), entry(4), entry(30)]);
        assert_eq!(send(&shared, "application/reports+json", entries).await.unwrap(), 3);
        let minutes = |service: &str| -> Vec<(u32, u32)> {
            let counts = observed(&shared);
            let of = counts.iter().filter(|count| count.service.as_str() == service);
            of.map(|count| (now.0 - count.minute.0, count.attempts)).collect()
        };
        assert_eq!(minutes("mbolo"), [(60, 1), (6, 1), (0, 3)]);
        assert_eq!(minutes("whatsapp"), [(30, 1), (0, 2)]);
    }

    #[tokio::test]
    async fn a_batch_that_could_not_be_kept_is_taken_when_it_comes_again_and_then_once() {
        let data = tempfile::tempdir().unwrap();
        let shared = shared(data.path());
        let own = json!({ "service": "mbolo", "batch": "b1", "attempts": 3, "failures": 0 });
        let in_vain = json!({ "service": "nobody", "batch": "b1", "attempts": 3, "failures": 0 });
        assert!(send(&shared, "application/json", in_vain).await.is_err());
        assert_eq!(send(&shared, "application/json", own.clone()).await.unwrap(), 3);
        assert_eq!(send(&shared, "application/json", own).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_batch_that_was_taken_is_known_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let own = json!({ "service": "mbolo", "batch": "b1", "attempts": 3, "failures": 0 });
        let before = shared(data.path());
        assert_eq!(send(&before, "application/json", own.clone()).await.unwrap(), 3);
        drop(before);
        let after = shared(data.path());
        assert_eq!(send(&after, "application/json", own).await.unwrap(), 0);
        assert_eq!(observed(&after).iter().map(|count| count.attempts).sum::<u32>(), 3);
    }

    #[test]
    fn a_sim_cards_country_is_believed_if_there_is_such_a_country() {
        let country = |code| Country::new(code).unwrap();
        let here = Place { cc: country("FR"), asn: mbolo_pulse::Asn(3_215) };
        let roaming = Place { cc: country("GA"), asn: mbolo_pulse::Asn(0) };
        assert_eq!(believed_place(here, Some(country("GA"))), roaming);
        assert_eq!(believed_place(here, Some(country("FR"))), here);
        assert_eq!(believed_place(here, Some(country("QX"))), here);
        assert_eq!(believed_place(here, None), here);
    }
}

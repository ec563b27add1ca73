//! The board in parts, as JSON, from memory.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse::board::{Board, Health, PlaceBoard, ServiceBoard, TargetBoard};
use mbolo_pulse::{Country, IncidentId, IncidentState, Level, ServiceId};
use mbolo_pulse_page::is_it_me;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::query::Query;
use super::{App, Peer, Refused, sender, with_media};
use crate::published::{Published, Rendered};
use crate::shared::Shared;

/// Seconds that others may keep a part of the board.
const FRESH_SECONDS: u32 = 15;

/// An answer from memory, with its tag: 304 for who has it already.
pub(super) fn cached(
    published: &Published,
    headers: &HeaderMap,
    key: &str,
    render: impl FnOnce(&Board) -> Option<Rendered>,
) -> Option<Response> {
    let rendered = published.rendered(key, render)?;
    let tag = format!("\"{}-{:x}\"", published.tag, crc(key));
    let has_it = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        with_media(rendered.media, rendered.body.clone())
    };
    let headers = response.headers_mut();
    let fresh = format!("public, max-age={FRESH_SECONDS}");
    if let (Ok(tag), Ok(fresh)) = (HeaderValue::from_str(&tag), HeaderValue::from_str(&fresh)) {
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, fresh);
    }
    Some(response)
}

/// Tells renderings of one board apart: FNV-1a.
fn crc(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn json_of(value: &impl Serialize) -> Option<Rendered> {
    let body = serde_json::to_vec(value).ok()?;
    Some(Rendered { media: "application/json", body: Bytes::from(body) })
}

fn gone() -> Response {
    Refused::new(StatusCode::NOT_FOUND, "not_found", "there is nothing of this name on the board")
        .into_response()
}

/// The times of a board, which go with every part of it.
fn times(board: &Board) -> Value {
    json!({ "seq": board.seq, "generated_at": board.generated_at, "valid_until": board.valid_until, "limits": board.limits })
}

/// The newest board and whether it is too old. It turns old without a new one coming: that is another rendering.
fn shown(shared: &Shared) -> (Arc<Published>, bool) {
    let published = shared.published();
    let is_stale = published.board.is_stale(shared.clock.now());
    (published, is_stale)
}

/// A health as it may be said: what is too old to be believed is unknown, and never up.
fn believed(health: Health, is_stale: bool) -> Health {
    if is_stale { Health::Unknown } else { health }
}

fn believed_places(places: &[PlaceBoard], is_stale: bool) -> Vec<PlaceBoard> {
    let believed =
        |place: &PlaceBoard| PlaceBoard { health: believed(place.health, is_stale), ..place.clone() };
    places.iter().map(believed).collect()
}

fn believed_service(service: &ServiceBoard, is_stale: bool) -> ServiceBoard {
    let believed_target =
        |target: &TargetBoard| TargetBoard { health: believed(target.health, is_stale), ..target.clone() };
    ServiceBoard {
        health: believed(service.health, is_stale),
        countries: believed_places(&service.countries, is_stale),
        networks: believed_places(&service.networks, is_stale),
        targets: service.targets.iter().map(believed_target).collect(),
        ..service.clone()
    }
}

/// All services, without their charts.
pub async fn services(State(shared): App, headers: HeaderMap) -> Response {
    let (published, is_stale) = shown(&shared);
    let render = |board: &Board| {
        let services: Vec<Value> = board
            .services
            .iter()
            .map(|one| {
                json!({
                    "id": one.id, "name": one.name, "kind": one.kind, "url": one.url,
                    "health": believed(one.health, is_stale),
                    "learning": one.learning, "fresh_at": one.fresh_at, "reports_1h": one.reports_1h,
                    "problems": one.problems,
                })
            })
            .collect();
        json_of(&json!({ "board": times(board), "services": services }))
    };
    cached(&published, &headers, &format!("services {is_stale}"), render).unwrap_or_else(gone)
}

fn canonical(shared: &Shared, id: &str) -> Option<ServiceId> {
    shared.config.service(id).map(|service| service.id.clone())
}

/// One service with all that is said of it.
pub async fn service(State(shared): App, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = canonical(&shared, &id) else { return Refused::unknown_service().into_response() };
    let (published, is_stale) = shown(&shared);
    let render = |board: &Board| {
        let service = believed_service(board.service(id.as_str())?, is_stale);
        json_of(&json!({ "board": times(board), "service": service }))
    };
    cached(&published, &headers, &format!("service {id} {is_stale}"), render).unwrap_or_else(gone)
}

/// The last 24 hours of a service.
pub async fn series(State(shared): App, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = canonical(&shared, &id) else { return Refused::unknown_service().into_response() };
    let render = |board: &Board| {
        let series = &board.service(id.as_str())?.series_24h;
        json_of(&json!({ "board": times(board), "service": id, "bin_minutes": 5, "series": series }))
    };
    cached(&shared.published(), &headers, &format!("series {id}"), render).unwrap_or_else(gone)
}

#[derive(Debug, Deserialize)]
pub(super) struct IncidentFilter {
    service: Option<ServiceId>,
    country: Option<Country>,
    /// `open` leaves out what is over.
    state: Option<String>,
}

/// Incidents, open ones first; `?service=`, `?country=`, `?state=open` filter.
pub async fn incidents(
    State(shared): App,
    Query(filter): Query<IncidentFilter>,
    headers: HeaderMap,
) -> Response {
    let only_open = filter.state.as_deref() == Some("open");
    let service = filter.service.as_ref().and_then(|service| canonical(&shared, service.as_str()));
    if filter.service.is_some() && service.is_none() {
        return Refused::unknown_service().into_response();
    }
    let render = |board: &Board| {
        let shown: Vec<_> = board
            .incidents
            .iter()
            .filter(|one| !only_open || one.incident.state != IncidentState::Resolved)
            .filter(|one| service.as_ref().is_none_or(|service| one.incident.services.contains(service)))
            .filter(|one| {
                let country = one.incident.scope.country();
                filter.country.is_none_or(|cc| country.is_none_or(|of| of == cc))
            })
            .collect();
        json_of(&json!({ "board": times(board), "incidents": shown, "record": board.record }))
    };
    let key = format!("incidents {service:?} {:?} {only_open}", filter.country);
    cached(&shared.published(), &headers, &key, render).unwrap_or_else(gone)
}

/// One incident.
pub async fn incident(State(shared): App, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let id = IncidentId(id);
    let render = |board: &Board| json_of(board.incident(&id)?);
    cached(&shared.published(), &headers, &format!("incident {}", id.0), render).unwrap_or_else(gone)
}

#[derive(Debug, Deserialize)]
pub(super) struct MapFilter {
    service: Option<ServiceId>,
}

/// Countries and their health, of one service or of all.
pub async fn map(State(shared): App, Query(filter): Query<MapFilter>, headers: HeaderMap) -> Response {
    let only = filter.service.as_ref().and_then(|service| canonical(&shared, service.as_str()));
    if filter.service.is_some() && only.is_none() {
        return Refused::unknown_service().into_response();
    }
    let (published, is_stale) = shown(&shared);
    let render = |board: &Board| {
        let services: Vec<Value> = board
            .services
            .iter()
            .filter(|service| only.as_ref().is_none_or(|only| service.id == *only))
            .map(|service| {
                let mut countries = believed_places(&service.countries, is_stale);
                countries.retain(|place| place.scope.level() == Level::Country);
                let health = believed(service.health, is_stale);
                json!({ "service": service.id, "health": health, "countries": countries })
            })
            .collect();
        json_of(&json!({ "board": times(board), "map": services }))
    };
    cached(&published, &headers, &format!("map {only:?} {is_stale}"), render).unwrap_or_else(gone)
}

/// The whole board.
pub async fn board(State(shared): App, headers: HeaderMap) -> Response {
    cached(&shared.published(), &headers, "board", json_of).unwrap_or_else(gone)
}

#[derive(Debug, Deserialize)]
pub(super) struct Me {
    service: ServiceId,
}

/// What is known for the place where the asker is. The address is looked at and forgotten; nothing is kept.
pub async fn is_it_just_me(
    State(shared): App,
    Query(me): Query<Me>,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let place = sender(&shared, &peer, &headers).place;
    let published = shared.published();
    let board = &published.board;
    let id = canonical(&shared, me.service.as_str()).ok_or_else(Refused::unknown_service)?;
    let service = board.service(id.as_str()).ok_or_else(Refused::unknown_service)?;
    let now = if shared.clock.is_played() { board.generated_at } else { shared.clock.now() };
    let is_stale = board.is_stale(now);
    let own = place.scope();
    // The same function is behind the page's sentence.
    let verdict = is_it_me(board, service, own.as_ref(), now);
    let mut here = believed_places(&service.countries, is_stale);
    here.extend(believed_places(&service.networks, is_stale));
    here.retain(|one| own.as_ref().is_some_and(|own| one.scope.contains(own)));
    let body = json!({
        "board": times(board),
        "service": service.id,
        "verdict": verdict.as_str(),
        "place": own,
        "network": shared.edge.network_name(place.asn),
        "knows_places": shared.edge.has_geo(),
        "world": believed(service.health, is_stale),
        "here": here,
    });
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(body)).into_response())
}

/// For Prometheus.
pub async fn metrics(State(shared): App) -> Response {
    with_media("text/plain; version=0.0.4", crate::metrics::render(&shared))
}

/// 200 while counts are taken, minutes are judged and boards are made, else 503; the page is served either way.
pub async fn health(State(shared): App) -> Response {
    let published = shared.published();
    let is_stale = published.board.is_stale(shared.clock.now()) || !shared.is_judging();
    let trouble = shared.store.trouble() != crate::store::Trouble::None;
    let status = if is_stale || trouble { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({ "ok": status == StatusCode::OK, "stale": is_stale, "limits": shared.limits() });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{answered, shared};
    use super::*;

    async fn said(response: Response) -> Value {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn a_board_that_is_too_old_says_of_nothing_that_it_is_up() {
        let data = tempfile::tempdir().unwrap();
        let shared = shared(data.path());
        let mut board = shared.published().board.as_ref().clone();
        board.services[1].health = Health::Up;
        let scope = mbolo_pulse::Scope::Country { cc: Country::new("GA").unwrap() };
        board.services[1].countries = vec![PlaceBoard {
            scope,
            health: Health::Up,
            reports_1h: None,
            failure_rate: None,
            networks_measured: 1,
            networks_down: 0,
        }];
        board.valid_until = shared.clock.now() + 60;
        shared.publish(board);
        let healths = || async {
            let (app, _, headers) = answered(&shared);
            let all = said(services(app, headers).await).await["services"][1]["health"].clone();
            let (app, _, headers) = answered(&shared);
            let one = said(service(app, Path("whatsapp".to_owned()), headers).await).await;
            let (app, _, headers) = answered(&shared);
            let map = said(map(app, Query(MapFilter { service: None }), headers).await).await;
            let (on_map, country) = (&map["map"][1]["health"], &map["map"][1]["countries"][0]["health"]);
            [all, one["service"]["health"].clone(), on_map.clone(), country.clone()]
        };
        assert_eq!(healths().await, ["up", "up", "up", "up"]);
        shared.clock.set_ms((shared.clock.now() + 61) * 1_000);
        assert_eq!(healths().await, ["unknown", "unknown", "unknown", "unknown"]);
    }

    #[tokio::test]
    async fn an_observatory_that_judges_no_minute_is_not_well() {
        let data = tempfile::tempdir().unwrap();
        let shared = shared(data.path());
        let mut board = shared.published().board.as_ref().clone();
        board.valid_until = shared.clock.now() + 60;
        shared.publish(board);
        assert_eq!(health(State(shared.clone())).await.status(), StatusCode::OK);
        shared.judged_ago(Duration::from_secs(151));
        assert_eq!(health(State(shared.clone())).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

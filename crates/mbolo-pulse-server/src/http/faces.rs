//! The board in other people's formats: Statuspage documents, badges, feeds.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse::board::Board;
use mbolo_pulse::{Country, ServiceId};
use mbolo_pulse_page::Language;
use mbolo_pulse_page::feed::{Filter, Source, atom, json_feed, rss};
use mbolo_pulse_page::{badge as badges, statuspage as documents};
use serde::Deserialize;
use serde_json::Value;

use super::query::Query;
use super::read::cached;
use super::{App, Refused};
use crate::published::Rendered;
use crate::shared::Shared;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    lang: Option<String>,
    service: Option<ServiceId>,
    country: Option<Country>,
}

fn language(asked: &Asked, headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::negotiate(asked.lang.as_deref(), accepted)
}

/// Documents and feeds are read by programs: only `?lang=` chooses, so that caches need not look at headers.
fn chosen(asked: &Asked) -> Language {
    Language::negotiate(asked.lang.as_deref(), None)
}

fn nothing() -> Response {
    Refused::new(axum::http::StatusCode::NOT_FOUND, "not_found", "there is nothing here; see /openapi.json")
        .into_response()
}

/// `/api/v2/….json`
pub async fn statuspage(
    State(shared): App,
    Path(document): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let make: fn(&documents::View<'_>) -> Value = match document.as_str() {
        "summary.json" => documents::summary,
        "status.json" => documents::status,
        "components.json" => documents::components,
        "incidents.json" => documents::incidents,
        "scheduled-maintenances.json" => documents::scheduled_maintenances,
        _ => return nothing(),
    };
    of_board(&shared, &headers, &document, &asked, make)
}

/// `/api/v2/incidents/unresolved.json`
pub async fn unresolved(State(shared): App, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    of_board(&shared, &headers, "unresolved", &asked, documents::unresolved)
}

/// `/api/v2/scheduled-maintenances/active.json`
pub async fn active_maintenances(
    State(shared): App,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    of_board(&shared, &headers, "active", &asked, documents::active_maintenances)
}

/// `/api/v2/scheduled-maintenances/upcoming.json`
pub async fn upcoming_maintenances(
    State(shared): App,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    of_board(&shared, &headers, "upcoming", &asked, documents::upcoming_maintenances)
}

fn of_board(
    shared: &Shared,
    headers: &HeaderMap,
    name: &str,
    asked: &Asked,
    make: fn(&documents::View<'_>) -> Value,
) -> Response {
    let (base_url, language) = (shared.config.public_url(), chosen(asked));
    let now = shared.clock.now();
    let published = shared.published();
    // A board goes stale without a new one coming: that is another rendering.
    let key = format!("statuspage {name} {language:?} {}", published.board.is_stale(now));
    let render = |board: &Board| {
        let view = documents::View { board, base_url: &base_url, now, language };
        let body = serde_json::to_vec(&make(&view)).ok()?;
        Some(Rendered { media: "application/json; charset=utf-8", body: Bytes::from(body) })
    };
    cached(&published, headers, &key, render).unwrap_or_else(nothing)
}

/// `/badge/SERVICE.svg`
pub async fn badge(
    State(shared): App,
    Path(file): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let service = file.strip_suffix(".svg").and_then(|id| shared.config.service(id));
    let Some(service) = service else { return nothing() };
    let language = language(&asked, &headers);
    let published = shared.published();
    let is_stale = published.board.is_stale(shared.clock.now());
    let key = format!("badge {} {language:?} {is_stale}", service.id);
    let render = |board: &Board| {
        let svg = badges::badge(board, board.service(service.id.as_str())?, language, is_stale);
        Some(Rendered { media: "image/svg+xml", body: Bytes::from(svg) })
    };
    let mut response = cached(&published, &headers, &key, render).unwrap_or_else(nothing);
    response.headers_mut().insert(header::VARY, axum::http::HeaderValue::from_static("accept-language"));
    response
}

/// `/feeds/atom.xml`, `/feeds/rss.xml`, `/feeds/feed.json`
pub async fn feed(
    State(shared): App,
    Path(file): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let service = asked.service.as_ref().and_then(|service| shared.config.service(service.as_str()));
    if asked.service.is_some() && service.is_none() {
        return Refused::unknown_service().into_response();
    }
    let language = chosen(&asked);
    let filter = Filter { service: service.map(|service| service.id.clone()), country: asked.country };
    let base_url = shared.config.public_url();
    let key = format!("feed {file} {language:?} {filter:?}");
    let render = |board: &Board| {
        let source = Source { board, base_url: &base_url, language };
        let (media, body) = match file.as_str() {
            "atom.xml" => ("application/atom+xml; charset=utf-8", atom(&source, &filter)),
            "rss.xml" => ("application/rss+xml; charset=utf-8", rss(&source, &filter)),
            "feed.json" => ("application/feed+json", json_feed(&source, &filter).to_string()),
            _ => return None,
        };
        Some(Rendered { media, body: Bytes::from(body) })
    };
    cached(&shared.published(), &headers, &key, render).unwrap_or_else(nothing)
}

//! The observatory's address: what comes in (`report`, `beacon`, `agent`, `gauge`, `comments`, `operator`) and what goes
//! out (`read`, `pages`, `faces`). Every route is in `ROUTES`, which the OpenAPI document is tested against.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};

mod agent;
mod answer;
mod arrival;
mod beacon;
mod comments;
mod faces;
mod gauge;
mod listener;
mod openapi;
mod operator;
mod pages;
mod query;
mod read;
mod report;
mod signed;
mod subscribe;

pub use answer::Refused;
pub use listener::{Limited, Peer};

use mbolo_pulse_page::address;

use crate::edge::Sender;
use crate::shared::Shared;

/// A request that is not done by then has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What handlers get.
type App = State<Arc<Shared>>;

/// Every path that is part of the API, with its methods.
#[cfg(test)]
pub const ROUTES: [(&str, &[&str]); 42] = [
    ("/v1/challenge", &["get"]),
    ("/v1/report", &["post"]),
    ("/v1/beacon", &["post"]),
    ("/v1/agent/results", &["post"]),
    ("/v1/gauge", &["post"]),
    ("/v1/services", &["get"]),
    ("/v1/services/{id}", &["get"]),
    ("/v1/services/{id}/series", &["get"]),
    ("/v1/incidents", &["get"]),
    ("/v1/incidents/{id}", &["get"]),
    ("/v1/map", &["get"]),
    ("/v1/board", &["get"]),
    ("/v1/isitjustme", &["get"]),
    ("/v1/comments", &["get", "post"]),
    ("/v1/subscribe", &["post"]),
    ("/v1/webhooks", &["post"]),
    ("/v1/operator/comments", &["get"]),
    ("/v1/operator/comments/{id}", &["put", "delete"]),
    ("/v1/operator/incidents/{id}/cause", &["put", "delete"]),
    ("/v1/operator/incidents/{id}/updates", &["post"]),
    ("/v1/operator/incidents/{id}/false-alarm", &["put", "delete"]),
    ("/v1/operator/publishing", &["get"]),
    ("/v1/operator/dead-letters", &["get"]),
    ("/v1/operator/dead-letters/{id}", &["post", "delete"]),
    ("/v1/operator/subscriptions", &["get"]),
    ("/v1/operator/subscriptions/{id}", &["delete"]),
    ("/v1/openapi.json", &["get"]),
    ("/openapi.json", &["get"]),
    ("/api/v2/summary.json", &["get"]),
    ("/api/v2/status.json", &["get"]),
    ("/api/v2/components.json", &["get"]),
    ("/api/v2/incidents.json", &["get"]),
    ("/api/v2/incidents/unresolved.json", &["get"]),
    ("/api/v2/scheduled-maintenances.json", &["get"]),
    ("/api/v2/scheduled-maintenances/active.json", &["get"]),
    ("/api/v2/scheduled-maintenances/upcoming.json", &["get"]),
    ("/badge/{file}", &["get"]),
    ("/feeds/atom.xml", &["get"]),
    ("/feeds/rss.xml", &["get"]),
    ("/feeds/feed.json", &["get"]),
    ("/metrics", &["get"]),
    ("/healthz", &["get"]),
];

/// All routes.
pub fn router(shared: Arc<Shared>) -> Router {
    let body = shared.config.limits.body_bytes as usize;
    Router::new()
        .route("/v1/challenge", get(report::challenge))
        .route("/v1/report", post(report::report))
        .route("/v1/beacon", post(beacon::beacon))
        .route("/v1/agent/results", post(agent::results))
        .route("/v1/gauge", post(gauge::gauge))
        .route("/v1/services", get(read::services))
        .route("/v1/services/{id}", get(read::service))
        .route("/v1/services/{id}/series", get(read::series))
        .route("/v1/incidents", get(read::incidents))
        .route("/v1/incidents/{id}", get(read::incident))
        .route("/v1/map", get(read::map))
        .route("/v1/board", get(read::board))
        .route("/v1/isitjustme", get(read::is_it_just_me))
        .route("/v1/comments", get(comments::list).post(comments::write))
        .route("/v1/subscribe", post(subscribe::email))
        .route("/v1/webhooks", post(subscribe::webhook))
        .merge(operator_routes(&shared))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/openapi.json", get(openapi::document))
        .route("/api/v2/{document}", get(faces::statuspage))
        .route("/api/v2/incidents/unresolved.json", get(faces::unresolved))
        .route("/api/v2/scheduled-maintenances/active.json", get(faces::active_maintenances))
        .route("/api/v2/scheduled-maintenances/upcoming.json", get(faces::upcoming_maintenances))
        .route("/badge/{file}", get(faces::badge))
        .route("/feeds/{file}", get(faces::feed))
        .route("/metrics", get(read::metrics))
        .route("/healthz", get(read::health))
        .route("/", get(pages::home))
        .route("/service/{id}", get(pages::service))
        .route("/service/{id}/comment", get(pages::comment))
        .route("/incident/{id}", get(pages::incident))
        .route("/how-we-know", get(pages::how_we_know))
        .route("/subscribe", get(pages::subscribe))
        .route(address::CONFIRM_SUBSCRIPTION, get(pages::letter).post(subscribe::confirm))
        .route(address::END_SUBSCRIPTION, get(pages::letter).post(subscribe::end))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(body))
        .layer(middleware::from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

/// What only the operator may ask for and do.
fn operator_routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/operator/comments", get(operator::waiting))
        .route("/v1/operator/comments/{id}", put(operator::approve).delete(operator::reject))
        .route("/v1/operator/incidents/{id}/cause", put(operator::set_cause).delete(operator::unset_cause))
        .route("/v1/operator/incidents/{id}/updates", post(operator::add_update))
        .route(
            "/v1/operator/incidents/{id}/false-alarm",
            put(operator::set_false_alarm).delete(operator::unset_false_alarm),
        )
        .route("/v1/operator/publishing", get(operator::publishing))
        .route("/v1/operator/dead-letters", get(operator::dead_letters))
        .route("/v1/operator/dead-letters/{id}", post(operator::retry_letter).delete(operator::drop_letter))
        .route("/v1/operator/subscriptions", get(operator::subscriptions))
        .route("/v1/operator/subscriptions/{id}", delete(operator::remove_subscription))
        .route_layer(middleware::from_fn_with_state(shared.clone(), operator::only))
}

/// Paths that only the observatory's own pages and programs that are no browser use: any other page could let its visitors
/// report what they have never seen.
const OWN_PAGES_ONLY: [&str; 2] = [address::CHALLENGE, address::POST_REPORT];

/// Whether programs ask here: they get refusals as JSON.
fn is_api(path: &str) -> bool {
    ["/v1/", "/api/", "/feeds/", "/badge/", "/openapi"].iter().any(|prefix| path.starts_with(prefix))
}

/// What every request has around it: a time limit, cross-origin rules, and headers that keep strangers' pages out.
async fn around(State(shared): App, request: Request, next: Next) -> Response {
    shared.metrics.requests.add(1);
    let path = request.uri().path();
    let is_open = is_api(path) && !path.starts_with("/v1/operator") && !OWN_PAGES_ONLY.contains(&path);
    let is_question = request.method() == Method::OPTIONS && is_open;
    let for_programs = is_api(path);
    let mut response = if is_question {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) if for_programs => answer::refusal_as_json(response).await,
            Ok(response) => response,
            Err(_) => Refused::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the request took too long")
                .into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if is_open {
        // What is public may be read, and beacons may be sent, from every page; nothing rests on cookies.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    if is_question {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// The sender of a request; its address is forgotten here.
fn sender(shared: &Shared, peer: &ConnectInfo<Peer>, headers: &HeaderMap) -> Sender {
    shared.edge.sender(connection(peer), &forwarded(headers), shared.clock.now())
}

fn connection(peer: &ConnectInfo<Peer>) -> IpAddr {
    let address: SocketAddr = peer.0.0;
    address.ip()
}

fn forwarded(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect()
}

/// Whether a browser sends this for a page of somebody else's. Browsers say so by themselves, other programs say nothing.
fn is_from_another_site(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, None) => false,
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            let is_host = authority.is_some() && authority == text("host");
            let rest = public_url.strip_prefix(origin);
            !is_host && !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

/// Whether the body is what a form without scripts sends.
fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.starts_with("application/x-www-form-urlencoded")
}

/// An answer with this media type.
fn with_media(media: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, media)], body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mbolo_pulse::{Count, Minute};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::shared::for_tests;
    use crate::store::each_count;

    /// An observatory at a fixed time.
    pub(super) fn shared(data: &Path) -> Arc<Shared> {
        for_tests(Config { data: data.to_owned(), ..Config::default() }, &Clock::manual(1_700_000_000_000))
    }

    /// What a handler gets from somebody at an address.
    pub(super) fn answered(shared: &Arc<Shared>) -> (App, ConnectInfo<Peer>, HeaderMap) {
        let peer = Peer(SocketAddr::from(([192, 0, 2, 1], 1)));
        (State(shared.clone()), ConnectInfo(peer), HeaderMap::new())
    }

    /// What was counted, by minute.
    pub(super) fn observed(shared: &Shared) -> Vec<Count> {
        let mut counts = Vec::new();
        let all = |count| counts.push(count);
        shared.store.read(|reader| each_count(reader, Minute(0), Minute(u32::MAX), all)).unwrap();
        counts
    }

    #[test]
    fn a_page_of_somebody_else_is_told_from_our_own_and_from_programs() {
        let asked = |lines: &[(&'static str, &'static str)]| {
            let headers = lines.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            is_from_another_site(&headers.collect(), "https://pulse.example/here")
        };
        assert!(!asked(&[]), "a program");
        assert!(!asked(&[("origin", "https://pulse.example")]));
        assert!(!asked(&[("origin", "http://10.0.0.1:7979"), ("host", "10.0.0.1:7979")]));
        assert!(!asked(&[("origin", "https://behind.a.proxy"), ("sec-fetch-site", "same-origin")]));
        assert!(asked(&[("origin", "https://evil.example"), ("host", "pulse.example")]));
        assert!(asked(&[("origin", "https://pulse.exam"), ("host", "pulse.example")]));
        assert!(asked(&[("origin", "null")]));
        assert!(asked(&[("sec-fetch-site", "cross-site")]));
    }
}

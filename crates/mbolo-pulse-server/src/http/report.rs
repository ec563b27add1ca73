//! "It does not work": one person's report, with a proof of work, signed by a device, or from a form without scripts.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse::{Count, Problem, ServiceId, Signal};
use mbolo_pulse_page::{Notice, address};
use serde::Deserialize;
use serde_json::json;

use super::query::Query;
use super::{App, Peer, Refused, is_form, is_from_another_site, sender};
use crate::admission::{Admitted, Channel};
use crate::config::ServiceConfig;
use crate::device::SignedByDevice;
use crate::shared::{Shared, lock};
use crate::work::{Purpose, WorkError};

#[derive(Debug, Deserialize)]
pub(super) struct For {
    service: String,
    problem: Option<Problem>,
}

/// A challenge for one report (`?service=` and `?problem=`), one comment (`?service=`) or one webhook
/// (`?service=webhook`).
pub async fn challenge(State(shared): App, Query(of): Query<For>) -> Result<Response, Refused> {
    let purpose = match (shared.config.service(&of.service), of.problem) {
        (Some(service), Some(problem)) => {
            can_be_reported(service, problem)?;
            Purpose::Report(service.id.clone(), problem)
        }
        (Some(service), None) => Purpose::Comment(service.id.clone()),
        (None, _) if of.service == WEBHOOK => Purpose::Webhook,
        (None, _) => return Err(Refused::unknown_service()),
    };
    let challenge = shared.work.challenge(&purpose, shared.clock.now());
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(challenge)).into_response())
}

/// What a challenge for a webhook is asked for with, where others name a service.
const WEBHOOK: &str = "webhook";

/// As scripts and apps send it.
#[derive(Debug, Deserialize)]
struct Worked {
    service: ServiceId,
    problem: Problem,
    challenge: String,
    #[serde(default)]
    nonce: Option<Nonce>,
    /// Instead of the nonce.
    #[serde(default)]
    device: Option<SignedByDevice>,
}

/// A number, or its digits: JavaScript's numbers end at 2^53.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Nonce {
    Number(u64),
    Digits(String),
}

impl Nonce {
    /// The number.
    pub(super) fn number(&self) -> Result<u64, Refused> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Digits(digits) => digits.parse().map_err(|_| Refused::malformed("nonce: a decimal number")),
        }
    }
}

/// As a form sends it.
#[derive(Debug, Deserialize)]
struct Filled {
    service: ServiceId,
    /// The button that was pressed: a token that names the service and the problem.
    report: String,
    lang: Option<String>,
}

/// What became of a report.
enum Outcome {
    Counted,
    Already,
}

/// Takes a report.
pub async fn report(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    if is_from_another_site(&headers, &shared.config.public_url()) {
        shared.metrics.reports_refused.add(1);
        let message = "reports are sent by people from the observatory's own page, not from other pages";
        return Err(Refused::new(StatusCode::FORBIDDEN, "other_site", message));
    }
    if is_form(&headers) {
        return Ok(from_form(&shared, &peer, &headers, &body).await);
    }
    let report: Worked =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let service = shared.config.service(report.service.as_str()).ok_or_else(Refused::unknown_service)?;
    // What is refused for itself does not cost the sender the work.
    can_be_reported(service, report.problem)?;
    let of = Purpose::Report(service.id.clone(), report.problem);
    let channel = proven(&shared, &report, &of).inspect_err(|_| shared.metrics.reports_refused.add(1))?;
    match count(&shared, &peer, &headers, service, report.problem, channel).await? {
        Outcome::Counted => {
            let body = Json(json!({ "counted": true }));
            Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], body).into_response())
        }
        Outcome::Already => {
            let message = "you have reported this service already; it counts once in half an hour";
            Err(Refused::new(StatusCode::CONFLICT, "reported_before", message))
        }
    }
}

/// Takes the challenge, once, with the work or the signature that it asks for.
fn proven(shared: &Shared, report: &Worked, of: &Purpose) -> Result<Channel, Refused> {
    let now = shared.clock.now();
    match (&report.device, &report.nonce) {
        (Some(device), _) => {
            let account = device.account(&report.challenge).map_err(|error| {
                let message = format!("device: {error}; see docs/pulse.md for what is signed");
                Refused::new(StatusCode::FORBIDDEN, "bad_signature", message)
            })?;
            shared.work.spend_signed(&report.challenge, of, now)?;
            Ok(Channel::Signed(shared.edge.account(account.as_bytes(), now)))
        }
        (None, Some(nonce)) => {
            shared.work.spend(&report.challenge, of, nonce.number()?, now)?;
            Ok(Channel::Worked)
        }
        (None, None) => Err(Refused::malformed("a report has a nonce, or the signature of a device")),
    }
}

/// A form is answered with the page that it came from, with a notice on it.
async fn from_form(shared: &Shared, peer: &ConnectInfo<Peer>, headers: &HeaderMap, body: &[u8]) -> Response {
    let Ok(form) = serde_urlencoded::from_bytes::<Filled>(body) else {
        return Refused::malformed("service and report, the value of a button, are needed").into_response();
    };
    let Some(service) = shared.config.service(form.service.as_str()) else {
        return Refused::unknown_service().into_response();
    };
    let notice = match spend_button(shared, service, &form.report) {
        Err(error) => {
            shared.metrics.reports_refused.add(1);
            form_notice(error)
        }
        Ok(problem) => match count(shared, peer, headers, service, problem, Channel::Form).await {
            Ok(Outcome::Counted) => Notice::ReportThanks,
            Ok(Outcome::Already) => Notice::ReportedBefore,
            Err(refused) if refused.word() == "flood" => Notice::TooMany,
            Err(_) => Notice::NotStored,
        },
    };
    back_to_service(service.id.as_str(), notice, form.lang.as_deref())
}

/// Takes the token of a button, once, and gives the problem that the button is for.
fn spend_button(shared: &Shared, service: &ServiceConfig, token: &str) -> Result<Problem, WorkError> {
    let of = shared.work.purpose(token)?;
    match &of {
        Purpose::Report(named, problem) if *named == service.id => {
            shared.work.spend_form(token, &of, shared.clock.now())?;
            Ok(*problem)
        }
        _ => Err(WorkError::Forged),
    }
}

/// What a page says when its form's token was not taken.
pub(super) fn form_notice(error: WorkError) -> Notice {
    match error {
        WorkError::TooSoon => Notice::TooSoon,
        WorkError::Full => Notice::NotStored,
        _ => Notice::FormExpired,
    }
}

/// 303 to a service's page.
pub(super) fn back_to_service(service: &str, notice: Notice, language: Option<&str>) -> Response {
    back_to(&address::service(service), notice, language)
}

/// 303 to a page with a notice on it.
pub(super) fn back_to(path: &str, notice: Notice, language: Option<&str>) -> Response {
    let language = match language {
        Some(language @ ("en" | "fr")) => format!("&lang={language}"),
        _ => String::new(),
    };
    let to = format!("{path}?notice={}{language}", notice.code());
    (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store".to_owned())])
        .into_response()
}

fn can_be_reported(service: &ServiceConfig, problem: Problem) -> Result<(), Refused> {
    if service.problems.contains(&problem) {
        Ok(())
    } else {
        Err(Refused::malformed("this problem cannot be reported for this service; see /v1/services"))
    }
}

async fn count(
    shared: &Shared,
    peer: &ConnectInfo<Peer>,
    headers: &HeaderMap,
    service: &ServiceConfig,
    problem: Problem,
    channel: Channel,
) -> Result<Outcome, Refused> {
    let sender = sender(shared, peer, headers);
    let now = shared.clock.now();
    let admitted = lock(&shared.admission).report(&sender, &service.id, channel, now);
    let weight = match admitted {
        Admitted::Counted(weight) => weight,
        Admitted::Already => {
            shared.metrics.reports_repeated.add(1);
            return Ok(Outcome::Already);
        }
        Admitted::Flood => {
            shared.metrics.reports_refused.add(1);
            let message = "too many reports from your neighbourhood of the network; yours was not counted";
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "flood", message));
        }
    };
    let count = Count {
        minute: shared.clock.minute(),
        service: service.id.clone(),
        cc: sender.place.cc,
        asn: sender.place.asn,
        signal: Signal::Reports,
        problem: Some(problem),
        cell: None,
        n: 1,
        weight: Some(weight),
        attempts: 0,
        failures: 0,
    };
    if let Err(error) = shared.store.add(vec![count]).await {
        shared.metrics.not_stored.add(1);
        lock(&shared.admission).take_back(&sender, &service.id, channel, now);
        return Err(error.into());
    }
    shared.metrics.reports.add(1);
    Ok(Outcome::Counted)
}

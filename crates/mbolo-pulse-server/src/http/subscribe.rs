//! Asking to be told: mail with double opt-in, webhooks. Links in letters lead to a page with a button (`pages`), because
//! mail filters follow links and would otherwise confirm and end subscriptions for people.
//!
//! A letter goes to whoever a stranger names, so how many are asked for is bounded: from one neighbourhood, and in all.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse_page::Notice;
use mbolo_pulse_publish::{EmailRequest, Language, Publisher, SubscribeError, WebhookRequest};
use serde::Deserialize;

use super::query::Query;
use super::report::{Nonce, back_to, form_notice};
use super::{App, Peer, Refused, is_form, sender};
use crate::shared::{Shared, lock};
use crate::work::Purpose;

impl From<SubscribeError> for Refused {
    fn from(error: SubscribeError) -> Self {
        let (status, word) = match &error {
            SubscribeError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "malformed"),
            SubscribeError::NoEmail => (StatusCode::NOT_FOUND, "no_email"),
            SubscribeError::Full | SubscribeError::HostFull { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "flood")
            }
            SubscribeError::Exists => (StatusCode::CONFLICT, "exists"),
            SubscribeError::UnknownToken => (StatusCode::NOT_FOUND, "unknown_token"),
            SubscribeError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_failed"),
        };
        Self::new(status, word, error.to_string())
    }
}

#[derive(Debug, Deserialize)]
struct EmailForm {
    email: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    country: String,
    token: String,
    #[serde(default)]
    lang: Option<String>,
}

/// A webhook, with the nonce of a challenge for `webhook`.
#[derive(Debug, Deserialize)]
struct WebhookBody {
    url: String,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    countries: Vec<String>,
    challenge: String,
    nonce: Nonce,
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    lang: Option<String>,
}

/// Runs something of the publisher's that waits for its disk or its network.
pub(super) async fn with_publisher<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Publisher) -> Result<T, SubscribeError> + Send + 'static,
) -> Result<T, Refused> {
    let publisher = shared.publisher.clone().ok_or(SubscribeError::NoEmail)?;
    let done = tokio::task::spawn_blocking(move || work(&publisher)).await;
    let failed =
        |_| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the observatory is shutting down");
    Ok(done.map_err(failed)??)
}

/// Services by the names that they have now; of what is not watched nobody would ever be told.
fn watched(shared: &Shared, names: Vec<String>) -> Result<Vec<String>, Refused> {
    let known = |name: String| shared.config.service(&name).map(|service| service.id.to_string());
    names.into_iter().map(|name| known(name).ok_or_else(Refused::unknown_service)).collect()
}

/// Takes the form of the page `/subscribe`.
pub async fn email(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    if !is_form(&headers) {
        return Err(Refused::malformed("a form; programs subscribe to a feed or to /v1/webhooks"));
    }
    let Ok(form) = serde_urlencoded::from_bytes::<EmailForm>(&body) else {
        return Err(Refused::malformed("email and token are needed"));
    };
    let now = shared.clock.now();
    if let Err(error) = shared.work.spend_form(&form.token, &Purpose::Subscribe, now) {
        return Ok(back_to("/subscribe", form_notice(error), form.lang.as_deref()));
    }
    let all_if_empty = |text: String| if text.is_empty() { Vec::new() } else { vec![text] };
    let services = watched(&shared, all_if_empty(form.service))?;
    let request = EmailRequest {
        address: form.email.trim().to_owned(),
        services,
        countries: all_if_empty(form.country),
        language: form.lang.as_deref().and_then(Language::from_tag).unwrap_or(Language::En),
    };
    let may_ask = {
        let sender = sender(&shared, &peer, &headers);
        let mut admission = lock(&shared.admission);
        admission.subscription(&sender, now) && admission.letter(now)
    };
    if !may_ask {
        return Ok(back_to("/subscribe", Notice::TooMany, form.lang.as_deref()));
    }
    let asked = with_publisher(&shared, move |publisher| publisher.subscribe_email(&request, now)).await;
    let notice = match asked {
        Ok(()) => Notice::SubscribeCheckMail,
        Err(refused) if refused.word() == "malformed" => Notice::AddressRefused,
        Err(refused) if refused.word() == "flood" => Notice::TooMany,
        Err(_) => Notice::NotStored,
    };
    Ok(back_to("/subscribe", notice, form.lang.as_deref()))
}

/// Adds a webhook.
pub async fn webhook(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let body: WebhookBody =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let now = shared.clock.now();
    let services = watched(&shared, body.services)?;
    shared.work.spend(&body.challenge, &Purpose::Webhook, body.nonce.number()?, now)?;
    if !lock(&shared.admission).subscription(&sender(&shared, &peer, &headers), now) {
        let message = "too many subscriptions from your neighbourhood of the network; try again in an hour";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "flood", message));
    }
    let request = WebhookRequest { url: body.url, services, countries: body.countries };
    let new = with_publisher(&shared, move |publisher| publisher.subscribe_webhook(&request, now)).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(new)).into_response())
}

/// The button behind the link of a letter that asks.
pub async fn confirm(State(shared): App, Query(asked): Query<Token>) -> Result<Response, Refused> {
    let now = shared.clock.now();
    let done = with_publisher(&shared, move |publisher| publisher.confirm(&asked.token, now).map(drop)).await;
    answered(done, Notice::Subscribed, asked.lang.as_deref())
}

/// The button, and what mail programs post by themselves (RFC 8058).
pub async fn end(State(shared): App, Query(asked): Query<Token>) -> Result<Response, Refused> {
    let done = with_publisher(&shared, move |publisher| publisher.unsubscribe(&asked.token)).await;
    answered(done, Notice::Unsubscribed, asked.lang.as_deref())
}

/// A person followed a link: whatever came of it is said on a page.
fn answered(done: Result<(), Refused>, notice: Notice, language: Option<&str>) -> Result<Response, Refused> {
    match done {
        Ok(()) => Ok(back_to("/subscribe", notice, language)),
        Err(refused) if matches!(refused.word(), "unknown_token" | "no_email") => {
            Ok(back_to("/subscribe", Notice::LinkUnknown, language))
        }
        Err(refused) => Err(refused),
    }
}

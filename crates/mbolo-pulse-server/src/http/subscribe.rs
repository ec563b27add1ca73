//! Asking to be told: mail with double opt-in, webhooks. Links in letters lead to a page with a button, because mail
//! filters follow links and would otherwise confirm and end subscriptions for people.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse_publish::{EmailRequest, Language, Publisher, SubscribeError, WebhookRequest};
use serde::Deserialize;

use super::report::{Nonce, WEBHOOK, back_to};
use super::{App, Refused, is_form};
use crate::shared::Shared;

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
    token: String,
    #[serde(default)]
    lang: Option<String>,
}

/// Runs something of the publisher's that waits for its disk or its network.
async fn with_publisher<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Publisher) -> Result<T, SubscribeError> + Send + 'static,
) -> Result<T, Refused> {
    let publisher = shared.publisher.clone().ok_or(SubscribeError::NoEmail)?;
    let done = tokio::task::spawn_blocking(move || work(&publisher)).await;
    let failed =
        |_| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the observatory is shutting down");
    Ok(done.map_err(failed)??)
}

/// Takes the form of the page `/subscribe`.
pub async fn email(State(shared): App, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    if !is_form(&headers) {
        return Err(Refused::malformed("a form; programs subscribe to a feed or to /v1/webhooks"));
    }
    let Ok(form) = serde_urlencoded::from_bytes::<EmailForm>(&body) else {
        return Err(Refused::malformed("email and token are needed"));
    };
    let now = shared.clock.now();
    if shared.work.spend_form(&form.token, "subscribe", now).is_err() {
        return Ok(back_to("/subscribe", "form-expired", form.lang.as_deref()));
    }
    let all_if_empty = |text: String| if text.is_empty() { Vec::new() } else { vec![text] };
    let request = EmailRequest {
        address: form.email.trim().to_owned(),
        services: all_if_empty(form.service),
        countries: all_if_empty(form.country),
        language: form.lang.as_deref().and_then(Language::from_tag).unwrap_or(Language::En),
    };
    let asked = with_publisher(&shared, move |publisher| publisher.subscribe_email(&request, now)).await;
    let notice = match asked {
        Ok(()) => "subscribe-check-mail",
        Err(refused) if refused.word() == "malformed" => "address-refused",
        Err(refused) if refused.word() == "flood" => "too-many",
        Err(_) => "not-stored",
    };
    Ok(back_to("/subscribe", notice, form.lang.as_deref()))
}

/// Adds a webhook.
pub async fn webhook(State(shared): App, body: Bytes) -> Result<Response, Refused> {
    let body: WebhookBody =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let now = shared.clock.now();
    shared.work.spend(&body.challenge, WEBHOOK, body.nonce.number()?, now)?;
    let request = WebhookRequest { url: body.url, services: body.services, countries: body.countries };
    let new = with_publisher(&shared, move |publisher| publisher.subscribe_webhook(&request, now)).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(new)).into_response())
}

/// The link of a first letter.
pub async fn ask_to_confirm(headers: HeaderMap, Query(asked): Query<Token>) -> Response {
    let texts = ("Confirm the subscription", "Confirm", "Confirmer l’abonnement", "Confirmer");
    button(&headers, &asked, "/subscribe/confirm", texts)
}

/// The link at the end of every letter.
pub async fn ask_to_end(headers: HeaderMap, Query(asked): Query<Token>) -> Response {
    let texts = ("End the subscription", "Unsubscribe", "Mettre fin à l’abonnement", "Se désabonner");
    button(&headers, &asked, "/subscribe/end", texts)
}

/// The button of the first letter's page.
pub async fn confirm(State(shared): App, Query(asked): Query<Token>) -> Result<Response, Refused> {
    let now = shared.clock.now();
    with_publisher(&shared, move |publisher| publisher.confirm(&asked.token, now).map(drop)).await?;
    Ok(back_to("/subscribe", "subscribed", asked.lang.as_deref()))
}

/// The button, and what mail programs post by themselves (RFC 8058).
pub async fn end(State(shared): App, Query(asked): Query<Token>) -> Result<Response, Refused> {
    with_publisher(&shared, move |publisher| publisher.unsubscribe(&asked.token)).await?;
    Ok(back_to("/subscribe", "unsubscribed", asked.lang.as_deref()))
}

fn button(headers: &HeaderMap, asked: &Token, path: &str, texts: (&str, &str, &str, &str)) -> Response {
    // What a token can hold needs no escaping; anything else is no token.
    if !asked.token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte)) {
        return Refused::from(SubscribeError::UnknownToken).into_response();
    }
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::negotiate(asked.lang.as_deref(), accepted);
    let (title, label) = if language == Language::Fr { (texts.2, texts.3) } else { (texts.0, texts.1) };
    let (tag, token) = (language.tag(), &asked.token);
    let html = format!(
        "<!doctype html><html lang=\"{tag}\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <main><h1>{title}</h1><form method=\"post\" action=\"{path}?token={token}&amp;lang={tag}\">\
         <button>{label}</button></form></main></html>"
    );
    let mut response = super::with_media("text/html; charset=utf-8", html);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    );
    response
}

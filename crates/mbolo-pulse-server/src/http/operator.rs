//! What the operator does, with `Authorization: Bearer TOKEN`: moderate, say a cause with its source, own up to false alarms,
//! look after what could not be delivered and after who subscribed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use mbolo_pulse::IncidentId;
use mbolo_pulse::board::{Cause, IncidentBoard};
use mbolo_pulse_publish::{Publisher, StoreError as PublisherError, SubscriptionKind};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::Query;
use super::subscribe::with_publisher;
use super::{App, Refused};
use crate::live::{Operation, OperationError};
use crate::shared::Shared;
use crate::store::{CommentState, decide_comment, waiting_comments};

/// Characters of a cause, its source, or an update.
const TEXT: usize = 1_000;

impl From<OperationError> for Refused {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Store(error) => error.into(),
            OperationError::Unknown => {
                Self::new(StatusCode::NOT_FOUND, "unknown_incident", error.to_string())
            }
            OperationError::TooMany => Self::new(StatusCode::CONFLICT, "too_many", error.to_string()),
            OperationError::Gone => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()),
        }
    }
}

/// Lets only the operator through, before anything of a request is read.
pub async fn only(State(shared): App, request: Request, next: Next) -> Result<Response, Refused> {
    allowed(&shared, request.headers())?;
    Ok(next.run(request).await)
}

fn allowed(shared: &Shared, headers: &HeaderMap) -> Result<(), Refused> {
    let Some(token) = &shared.config.operator_token else {
        let message = "no operator_token is configured, so nobody is the operator";
        return Err(Refused::new(StatusCode::FORBIDDEN, "closed", message));
    };
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.strip_prefix("Bearer ").unwrap_or_default();
    // Hashes are compared, so that the time it takes says nothing about the token.
    if Sha256::digest(said) == Sha256::digest(token) {
        Ok(())
    } else {
        Err(Refused::new(StatusCode::UNAUTHORIZED, "not_operator", "say Authorization: Bearer TOKEN"))
    }
}

fn bounded(name: &str, text: String) -> Result<String, Refused> {
    let text = text.trim().to_owned();
    if (1..=TEXT).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(Refused::malformed(format!("{name}: 1 to {TEXT} characters")))
    }
}

/// Comments that wait, oldest first.
pub async fn waiting(State(shared): App) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "comments": shared.store.read(waiting_comments)? })))
}

/// Lets a comment through.
pub async fn approve(shared: App, id: Path<i64>) -> Result<StatusCode, Refused> {
    decide(shared, id, CommentState::Approved).await
}

/// Deletes a comment.
pub async fn reject(shared: App, id: Path<i64>) -> Result<StatusCode, Refused> {
    decide(shared, id, CommentState::Rejected).await
}

async fn decide(State(shared): App, Path(id): Path<i64>, state: CommentState) -> Result<StatusCode, Refused> {
    if !shared.store.change(move |transaction| decide_comment(transaction, id, state)).await? {
        return Err(Refused::new(
            StatusCode::NOT_FOUND,
            "unknown_comment",
            "there is no comment of this number",
        ));
    }
    shared.reload_comments()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct CauseBody {
    text: String,
    source: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct UpdateBody {
    text: String,
}

/// Says why it happened, and who says so.
pub async fn set_cause(
    shared: App,
    id: Path<String>,
    Json(body): Json<CauseBody>,
) -> Result<Json<IncidentBoard>, Refused> {
    let cause = Cause { text: bounded("text", body.text)?, source: bounded("source", body.source)? };
    operate(shared, id, Operation::SetCause(Some(cause))).await
}

/// Takes the cause back.
pub async fn unset_cause(shared: App, id: Path<String>) -> Result<Json<IncidentBoard>, Refused> {
    operate(shared, id, Operation::SetCause(None)).await
}

/// Adds a line to the timeline.
pub async fn add_update(
    shared: App,
    id: Path<String>,
    Json(body): Json<UpdateBody>,
) -> Result<Json<IncidentBoard>, Refused> {
    operate(shared, id, Operation::AddUpdate(bounded("text", body.text)?)).await
}

/// Says that nothing was wrong.
pub async fn set_false_alarm(shared: App, id: Path<String>) -> Result<Json<IncidentBoard>, Refused> {
    operate(shared, id, Operation::SetFalseAlarm(true)).await
}

/// Takes that back.
pub async fn unset_false_alarm(shared: App, id: Path<String>) -> Result<Json<IncidentBoard>, Refused> {
    operate(shared, id, Operation::SetFalseAlarm(false)).await
}

async fn operate(
    State(shared): App,
    Path(id): Path<String>,
    operation: Operation,
) -> Result<Json<IncidentBoard>, Refused> {
    Ok(Json(shared.commands.operate(IncidentId(id), operation).await?))
}

/// How announcements, snapshots and peers are.
pub async fn publishing(State(shared): App) -> Result<Json<Value>, Refused> {
    let Some(publisher) = &shared.publisher else { return Ok(Json(json!({ "configured": false }))) };
    let failed = |error: mbolo_pulse_publish::StoreError| {
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", error.to_string())
    };
    let health = publisher.health(shared.clock.now()).map_err(failed)?;
    Ok(Json(json!({ "configured": true, "health": health })))
}

#[derive(Debug, Deserialize)]
pub(super) struct OfKind {
    /// Both if left out.
    kind: Option<SubscriptionKind>,
}

/// Deliveries that were given up, newest first.
pub async fn dead_letters(State(shared): App) -> Result<Json<Value>, Refused> {
    let letters = with_publisher(&shared, |publisher| Ok(publisher.dead_letters(MOST_LISTED)?)).await?;
    Ok(Json(json!({ "dead_letters": letters })))
}

/// Tries one of them again.
pub async fn retry_letter(State(shared): App, Path(id): Path<i64>) -> Result<StatusCode, Refused> {
    let now = shared.clock.now();
    done(&shared, "unknown_letter", move |publisher| publisher.revive(id, now)).await
}

/// Drops one of them.
pub async fn drop_letter(State(shared): App, Path(id): Path<i64>) -> Result<StatusCode, Refused> {
    done(&shared, "unknown_letter", move |publisher| publisher.drop_dead_letter(id)).await
}

/// Who asked to be told, of one kind or of both.
pub async fn subscriptions(State(shared): App, Query(of): Query<OfKind>) -> Result<Json<Value>, Refused> {
    let kinds = of.kind.map_or(vec![SubscriptionKind::Email, SubscriptionKind::Webhook], |kind| vec![kind]);
    let found = with_publisher(&shared, move |publisher| {
        let lists = kinds.into_iter().map(|kind| publisher.subscriptions(kind, MOST_LISTED));
        Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
    });
    Ok(Json(json!({ "subscriptions": found.await? })))
}

/// Ends one, as its owner could.
pub async fn remove_subscription(State(shared): App, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    done(&shared, "unknown_subscription", move |publisher| publisher.remove(&id)).await
}

/// Changes something of the publisher's; 404 with a word if there is no such thing.
async fn done(
    shared: &Arc<Shared>,
    missing: &'static str,
    work: impl FnOnce(&Publisher) -> Result<bool, PublisherError> + Send + 'static,
) -> Result<StatusCode, Refused> {
    if with_publisher(shared, |publisher| Ok(work(publisher)?)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::new(StatusCode::NOT_FOUND, missing, "there is none of this id, or no longer"))
    }
}

/// Dead letters, or subscriptions of a kind, in one answer.
const MOST_LISTED: u32 = 1_000;

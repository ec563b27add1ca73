//! How a request is refused: a status, a word for programs, a sentence for people.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::store::StoreError;
use crate::work::WorkError;

/// The longest reason of the framework's that is passed on, bytes.
const LONGEST_REASON: usize = 4_096;

/// A refusal, as JSON `{"error": "word", "message": "sentence"}`.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    error: &'static str,
    message: String,
}

impl Refused {
    /// With a word for programs and a sentence for people.
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into() }
    }

    /// The body is not what it should be.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// The service is not watched here.
    pub fn unknown_service() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_service",
            "this service is not watched here; see /v1/services",
        )
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The word.
    pub fn word(&self) -> &'static str {
        self.error
    }
}

/// What the framework refuses by itself (a body that is too large, a method that is not there, a number in a path that is
/// none) in the same shape as what handlers refuse.
pub(super) async fn refusal_as_json(response: Response) -> Response {
    let status = response.status();
    let media = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_bare = media.is_none_or(|media| media.starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_bare {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, LONGEST_REASON).await.unwrap_or_default();
    let (word, message) = match (status, String::from_utf8_lossy(&said).into_owned()) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => {
            ("method_not_allowed", "this path has other methods".to_owned())
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => ("too_large", "the body is too large".to_owned()),
        (status, said) if said.is_empty() => ("refused", status.to_string()),
        (status, said) if status.is_client_error() => ("malformed", said),
        (_, said) => ("failed", said),
    };
    let mut refused = Refused::new(status, word, message).into_response();
    refused
        .headers_mut()
        .extend(parts.headers.get(header::ALLOW).map(|allow| (header::ALLOW, allow.clone())));
    refused
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let word = match &error {
            StoreError::Full => "disk_full",
            StoreError::Busy => "busy",
            StoreError::InUse { .. } | StoreError::Open { .. } | StoreError::Failed(_) => "store_failed",
        };
        if !matches!(error, StoreError::Full | StoreError::Busy) {
            tracing::error!(%error, "a request failed");
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, word, error.to_string())
    }
}

impl From<WorkError> for Refused {
    fn from(error: WorkError) -> Self {
        let (status, word) = match error {
            WorkError::Forged => (StatusCode::FORBIDDEN, "bad_challenge"),
            WorkError::Expired => (StatusCode::GONE, "expired"),
            WorkError::Spent => (StatusCode::GONE, "spent"),
            WorkError::Insufficient => (StatusCode::FORBIDDEN, "bad_work"),
            WorkError::TooSoon => (StatusCode::TOO_MANY_REQUESTS, "too_soon"),
            WorkError::Full => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        };
        Self::new(status, word, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "message": self.message }));
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

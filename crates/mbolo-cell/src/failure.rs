//! Why a request is not done: refused with a code that the device understands, or the store failed.

use std::borrow::Cow;

use mbolo_engine::EngineError;
use mbolo_proto::wire::{self, ErrorCode};

/// The answer to a request that is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
    pub retry_after_ms: u32,
    /// The connection closes after the answer.
    pub closes: bool,
}

impl Refusal {
    pub fn into_wire(self) -> wire::Error {
        wire::Error {
            code: self.code.into(),
            message: self.message.into_owned(),
            retry_after_ms: self.retry_after_ms,
            supported_versions: match self.code {
                ErrorCode::UnsupportedVersion => vec![mbolo_proto::PROTOCOL_VERSION],
                _ => Vec::new(),
            },
        }
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request's fault, or a limit.
    Refused(Refusal),
    /// The store's.
    Engine(EngineError),
    /// A record does not decode.
    Damaged(String),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// A refusal that leaves the connection open.
pub(crate) fn refused(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Failure {
    Failure::Refused(Refusal { code, message: message.into(), retry_after_ms: 0, closes: false })
}

/// A refusal after which the connection closes.
pub(crate) fn fatal(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Failure {
    Failure::Refused(Refusal { code, message: message.into(), retry_after_ms: 0, closes: true })
}

/// The frame breaks a rule of the protocol.
pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Failure {
    fatal(ErrorCode::Malformed, message)
}

/// Come back later.
pub(crate) fn busy(message: &'static str, retry_after_ms: u32) -> Failure {
    Failure::Refused(Refusal {
        code: ErrorCode::Busy,
        message: message.into(),
        retry_after_ms,
        closes: false,
    })
}

//! What one measurement of one target gave.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mbolo_pulse::model::ServiceId;
use serde::{Deserialize, Serialize};

use crate::failure::{Class, Failure};
use crate::target::Target;

/// What a measurement goes through, in this order; which ones depends on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Phase {
    Dns,
    Tcp,
    Tls,
    Http,
    #[serde(rename = "websocket")]
    WebSocket,
    Session,
}

impl Phase {
    /// As in JSON: `dns`, `tcp`, `tls`, `http`, `websocket`, `session`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Session => "session",
        }
    }
}

/// What one measurement of one target gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// What people would miss.
    pub service: ServiceId,
    /// What was measured, as written in the configuration.
    pub target: String,
    /// When it began, Unix milliseconds.
    pub at_ms: i64,
    /// Everything was as it should be.
    pub ok: bool,
    /// The phase that was not.
    pub failed_phase: Option<Phase>,
    /// Why.
    pub failure: Option<Failure>,
    /// From the beginning to the end or the failure, milliseconds.
    pub took_ms: u32,
    /// Milliseconds in each phase that was begun.
    pub phases: BTreeMap<Phase, u32>,
    /// Each phase with its beginning and its end.
    pub steps: Vec<Step>,
    /// What the name resolved to.
    pub addresses: Vec<IpAddr>,
    /// Addresses that were connected to, until one worked.
    pub connects: Vec<Connect>,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
}

/// One phase of one measurement; times are milliseconds after it began.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Step {
    pub phase: Phase,
    pub from_ms: u32,
    pub to_ms: u32,
    pub failure: Option<Class>,
}

/// One attempt to connect; times are milliseconds after the measurement began.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Connect {
    pub address: SocketAddr,
    pub from_ms: u32,
    pub to_ms: u32,
    pub failure: Option<Class>,
}

impl Outcome {
    /// Whether it says anything about the target: a fault of this machine does not.
    pub fn speaks(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| failure.class != Class::Local)
    }
}

/// A measurement on its way: a clock and what was written down so far.
#[derive(Debug)]
pub(crate) struct Trace {
    started: Instant,
    steps: Vec<Step>,
    pub addresses: Vec<IpAddr>,
    pub connects: Vec<Connect>,
    pub status: Option<u16>,
}

impl Trace {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            steps: Vec::new(),
            addresses: Vec::new(),
            connects: Vec::new(),
            status: None,
        }
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// Runs a phase with its limit and writes down what became of it.
    pub async fn phase<T>(
        &mut self,
        phase: Phase,
        limit: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let from_ms = since_ms(self.started);
        let result = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Failure::new(Class::Timeout, format_args!("nothing within {} ms", limit.as_millis())))
        });
        let failure = result.as_ref().err().map(|failure| failure.class);
        self.steps.push(Step { phase, from_ms, to_ms: since_ms(self.started), failure });
        result
    }

    /// The outcome. A failure belongs to the last phase that was begun.
    pub fn finish(self, target: &Target, at_ms: i64, result: Result<(), Failure>) -> Outcome {
        let took_ms = since_ms(self.started);
        let failure = result.err();
        let failed_phase = failure.as_ref().and(self.steps.last()).map(|step| step.phase);
        let phases = self.steps.iter().map(|step| (step.phase, step.to_ms - step.from_ms)).collect();
        Outcome {
            service: target.service.clone(),
            target: target.text.clone(),
            at_ms,
            ok: failure.is_none(),
            failed_phase,
            failure,
            took_ms,
            phases,
            steps: self.steps,
            addresses: self.addresses,
            connects: self.connects,
            status: self.status,
        }
    }
}

pub(crate) fn since_ms(started: Instant) -> u32 {
    u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX)
}

//! What agents measure, and how they say it.
//!
//! ```text
//! targets (TOML, recipes) ─► Prober: DNS → TCP → TLS → HTTP | WebSocket → session ─► Outcome
//!                                                                                      │
//!          collector ◄── signed batches ◄── queue ◄── Agent (own anchors first) ◄──────┘
//! ```
//!
//! A measurement goes through phases, each with its own time limit, and says which phase failed: a name that is not
//! found, a port that refuses and a certificate of somebody else are different facts, and tell a fault from a block.
//! An agent speaks of others only while it can reach its own neutral anchors; otherwise it says that it abstains.

pub mod agent;
mod dial;
mod dns;
mod error;
mod failure;
mod http;
pub mod ooni;
mod outcome;
mod prober;
pub mod sequential;
mod target;
mod tls;
mod websocket;
pub mod whatsapp;

use std::time::{SystemTime, UNIX_EPOCH};

pub use agent::{Agent, AgentConfig, run_agent};
pub use dns::Resolver;
pub use error::ProbeError;
pub use failure::{Class, Failure};
pub use outcome::{Connect, Outcome, Phase, Step};
pub use prober::{Prober, Timeouts};
pub use target::{Check, StatusRule, Target, canonical, targets_of};
pub use tls::Roots;

/// Targets measured at the same time unless the configuration says otherwise.
pub const DEFAULT_CONCURRENCY: usize = 16;

/// Measures each target once with the system's resolver and certificates; outcomes in the order of the targets.
///
/// # Errors
/// When the system has no certificates to check others with.
pub async fn probe_once(targets: &[Target]) -> Result<Vec<Outcome>, ProbeError> {
    let prober = Prober::new(Resolver::System, Roots::system()?, Timeouts::default());
    Ok(prober.measure_all(targets, DEFAULT_CONCURRENCY).await)
}

/// Unix milliseconds; 0 for a clock that stands before 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

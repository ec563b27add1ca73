//! Is this number unusual now? Sequential tests, one per node, family and direction.
//!
//! All of them accumulate log-likelihood ratios in nats, a bounded amount per minute, so that no single minute, however
//! wild, says that something is down.

mod agent;
mod cusum;
mod failing;
mod falling;
mod likelihood;
mod reported;

pub(crate) use agent::{Agent, Vote};
pub(crate) use cusum::Cusum;
pub(crate) use failing::Failing;
pub(crate) use falling::{Flow, FlowSum, Mood};
pub(crate) use likelihood::log_ratio;
pub(crate) use reported::Reported;

/// The most that one minute adds, in nats.
pub(crate) const STEP: f64 = 6.0;

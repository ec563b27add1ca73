//! Families of signals fail in different ways, so together they say more than each: their evidence is added, with caps.
//!
//! Words (reports, the service's own) are capped and never confirm alone. What people report of other services at the
//! same time is an echo and is taken off before it comes here.

mod node;
mod thresholds;

pub(crate) use node::{FLOWS, Node};
pub(crate) use thresholds::Thresholds;

/// The share of the largest excess of other services that people in the same country report here by mistake.
pub(crate) const ECHO: f64 = 0.03;

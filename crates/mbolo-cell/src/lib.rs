//! The cell core: one deterministic state machine that is fed events and answers with effects.
//!
//! One loop, **drain, apply, commit, emit** ([`Cell::handle`]): a batch of events is applied to an overlay over
//! the engine, the overlay is committed once and durably, and only then do effects leave. The core owns no
//! socket, no clock and no randomness: time and nonces are arguments, so the same batches give the same bytes.

mod cell;
mod config;
mod event;
pub mod invite;
mod stats;

pub use cell::{Cell, OpenError};
pub use config::{Config, Keys};
pub use event::{Effect, Event, SessionId};
pub use stats::Stats;

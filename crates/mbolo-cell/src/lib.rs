//! The cell core: one deterministic state machine that is fed events and answers with effects.
//!
//! One loop, **drain, apply, commit, emit** ([`Cell::handle`]): a batch of events is applied to an overlay over
//! the engine, the overlay is committed once and durably, and only then do effects leave. The core owns no
//! socket, no clock and no randomness: time and nonces are arguments, so the same batches give the same bytes.

mod accounts;
mod allowance;
mod bucket;
mod cell;
mod commits;
mod config;
mod crypto;
mod decision;
mod event;
mod failure;
mod fanout;
mod feed;
mod frames;
mod group;
mod group_store;
pub mod invite;
mod login;
mod marks;
mod publish;
mod records;
mod retention;
mod rooms;
mod session;
mod stats;
mod subscribe;

pub use cell::{Cell, OpenError};
pub use config::{Config, Keys};
pub use event::{Effect, Event, SessionId};
pub use stats::Stats;

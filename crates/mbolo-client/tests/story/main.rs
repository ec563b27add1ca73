//! Stories of people who talk over one cell: the real client engine against the real cell core.
//!
//! Everything is deterministic: seeds, the clock and the order of frames are the desk's.

#![allow(clippy::unwrap_used)]

mod account;
mod changes;
mod chaos;
mod conversation;
mod desk;
mod faults;
mod groups;
mod order;

//! Stories from a small world: what happens, and what the detector says of it.

#![allow(clippy::unwrap_used)]

mod agents;
mod days;
mod gaps;
mod replays;
mod world;

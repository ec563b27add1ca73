//! Probes and agents against real servers on loopback, each broken in one way.
#![allow(clippy::unwrap_used)]

mod agent;
mod phases;
mod recipe;
mod resolver;
mod servers;
mod targets;

//! The real binary, from outside: servers and people as processes of their own, as on anyone's machine.
//!
//! Tests wait for what is printed, never for time to pass; every wait has an end.

#![allow(clippy::unwrap_used)]

mod browser;
mod checks;
mod faults;
mod page;
mod people;
mod pulse;
mod pulse_page;
mod refusals;
mod serving;
mod support;
mod talking;
mod web_client;

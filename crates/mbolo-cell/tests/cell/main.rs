//! Stories about a cell: real devices with real MLS at one desk, no sockets, no clock.
#![allow(clippy::unwrap_used)]

mod accounts;
mod bad_input;
mod commits;
mod crypto;
mod desk;
mod device;
mod faults;
mod feeds;
mod floods;
mod marks;
mod retention;
mod sessions;

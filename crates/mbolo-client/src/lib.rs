//! The client engine: MLS, rooms, outbox and content, without sockets, clock or ambient randomness.
//!
//! [`Client::handle`] is the whole machine: one [`Input`] and the time go in, one storage transaction runs,
//! and the [`Effect`]s that come out may leave because what they promise is durable. User interfaces talk to
//! it in the types of `mbolo-client-api`; the runtime around it owns the WebSocket and the timer.
//! The invariant: whatever the moment of a crash, a client opened on the same store goes on from there.

mod account;
mod calls;
mod clock;
mod commits;
mod content;
mod engine;
mod entering;
mod feeds;
mod intents;
mod marks;
mod mls;
mod names;
mod outbox;
mod room;
mod session;
mod store;
mod view;

pub use engine::Client;

use bytes::Bytes;
use mbolo_client_api::{Call, Output};
use mbolo_proto::{Origin, RoomId};

/// What a client is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cell's name for people: a DNS name or an address.
    pub cell_name: String,
    /// Fresh randomness for this run; everything random the client does is derived from it.
    pub seed: [u8; 32],
    /// One-time KeyPackages kept on the cell, per cipher suite.
    pub key_packages: usize,
}

impl Options {
    /// The usual options for a cell with this name.
    pub fn new(cell_name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self { cell_name: cell_name.into(), seed, key_packages: 20 }
    }
}

/// What can happen to a client.
#[derive(Debug, Clone)]
pub enum Input {
    /// The user interface wants something.
    Call(Call),
    /// The transport asked for by [`Effect::Connect`] is open.
    Connected,
    /// A binary message from the cell.
    Frame(Bytes),
    /// The transport failed or closed; exactly one per [`Effect::Connect`].
    Disconnected(TransportFailure),
    /// Time has passed; see [`Client::next_tick_ms`].
    Tick,
}

/// Why there is no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportFailure {
    /// Nobody answers at the address, or there is no network.
    Unreachable,
    /// It was open and closed.
    Closed,
    /// Something answers, but it does not speak Mbolo.
    NotMbolo,
}

/// What the runtime has to do, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Open a transport to the cell.
    Connect,
    /// Send a binary message.
    Send(Bytes),
    /// Close the transport.
    Disconnect,
    /// Tell the user interface.
    Output(Output),
}

/// Counters for tests, the simulator and diagnosis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages waiting in the outboxes of all rooms.
    pub outbox: u64,
    /// Changes of rooms (adding, removing, …) that wait for the cell.
    pub intents: u64,
    /// Rooms that are being repaired.
    pub healing: u64,
    /// Entries that are kept and cannot be shown yet: they wait for their epoch, or to be encrypted anew.
    pub undecryptable: u64,
    /// Rooms known.
    pub rooms: u64,
}

/// Where a message stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its room.
    pub room: RoomId,
    /// The log it comes from and its place there, once it has one.
    pub entry: Option<(Origin, u64)>,
    /// Its place in the conversation.
    pub position: u64,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database refuses; the profile may be on a full or read-only disk.
    #[error("the profile's database cannot be used: {0}")]
    Storage(#[from] rusqlite::Error),
    /// Another process has the profile open.
    #[error("the profile is in use by another program; close that one first")]
    InUse,
    /// Written by a newer version of the program.
    #[error(
        "the profile was written by a newer version (schema {found}, this one knows {known}); update the program"
    )]
    TooNew {
        /// Version in the store.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// A stored value does not read back.
    #[error("the profile is damaged: {0}")]
    Damaged(String),
}

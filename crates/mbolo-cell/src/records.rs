//! What the cell stores, besides entries and what the wire already has a form for.
//!
//! Protobuf, so that fields may be added without touching old stores. Tags are never used twice.

use bytes::Bytes;
use mbolo_proto::{VersionVector, wire};
use prost::Message;

use crate::failure::Failure;

/// A room now.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoomRecord {
    /// The epoch that is open for a commit.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// The policy in force, an encoded `wire::RoomPolicy`.
    #[prost(message, optional, tag = "2")]
    pub policy: Option<wire::RoomPolicy>,
    /// Hash decided for the epoch before; empty in epoch 0.
    #[prost(bytes = "bytes", tag = "3")]
    pub parent: Bytes,
    /// Hash of the CreateRoom request, so that a repeated one is recognised.
    #[prost(bytes = "bytes", tag = "4")]
    pub creation: Bytes,
    /// Accounts with at least one leaf.
    #[prost(uint32, tag = "5")]
    pub accounts: u32,
}

/// An account's place in a room.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberRecord {
    /// Where its history begins.
    #[prost(message, optional, tag = "1")]
    pub start: Option<wire::VersionVector>,
    /// Where it ends: set when the account was removed.
    #[prost(message, optional, tag = "2")]
    pub end: Option<wire::VersionVector>,
}

/// A device's one-time KeyPackages of one cipher suite: numbers `first..next` are left.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyPackageQueue {
    #[prost(uint64, tag = "1")]
    pub first: u64,
    #[prost(uint64, tag = "2")]
    pub next: u64,
}

/// Where an entry is, by its id.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryPosition {
    /// Empty for the cell's own incarnation, which is nearly always.
    #[prost(bytes = "bytes", tag = "1")]
    pub origin: Bytes,
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    #[prost(uint64, tag = "3")]
    pub received_at_ms: u64,
}

/// What a joiner needs.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct JoinRecord {
    #[prost(uint64, tag = "1")]
    pub stored_at_ms: u64,
    #[prost(message, optional, tag = "2")]
    pub join: Option<wire::Join>,
}

/// Reads a record; one that does not decode means that the store is damaged.
pub(crate) fn read<T: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<T, Failure> {
    T::decode(bytes).map_err(|error| Failure::Damaged(format!("{what}: {error}")))
}

/// Reads a stored version vector.
pub(crate) fn vector(
    what: &'static str,
    stored: Option<&wire::VersionVector>,
) -> Result<VersionVector, Failure> {
    VersionVector::try_from(stored).map_err(|error| Failure::Damaged(format!("{what}: {error}")))
}

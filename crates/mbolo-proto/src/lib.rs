//! Mbolo's wire protocol: messages, ids, version vectors, signatures and codecs.
//!
//! Everything that two programs must agree on lives here, and nothing else. The messages themselves are
//! generated from `proto/*.proto`; `docs/protocol.md` explains the rules between them. All decoding is
//! total: bytes from the network become a value or an error, never a panic.

pub mod codec;
pub mod handle;
pub mod ids;
pub mod limits;
pub mod policy;
pub mod signing;
pub mod vector;

/// The session protocol, package `mbolo.v1`.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/mbolo.v1.rs"));
}

/// What members say to each other inside the encryption, package `mbolo.content.v1`.
#[allow(missing_docs, clippy::doc_markdown, clippy::module_inception)]
pub mod content {
    include!(concat!(env!("OUT_DIR"), "/mbolo.content.v1.rs"));
}

pub use codec::{DecodeError, decode_client_frame, decode_commit_bundle, decode_server_frame, encode_frame};
pub use handle::Handle;
pub use ids::{AccountId, CellId, DeviceKey, EntryId, FeedId, Origin, RoomId};
pub use vector::VersionVector;

/// The version of the session protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket path of a session.
pub const SESSION_PATH: &str = "/v1/session";

/// MLS GroupContext extension that holds an encoded [`wire::OrderingSet`] (private use range, RFC 9420 §17.3).
pub const EXTENSION_ORDERING_SET: u16 = 0xF0B0;

/// MLS GroupContext extension that holds an encoded [`wire::RoomPolicy`].
pub const EXTENSION_ROOM_POLICY: u16 = 0xF0B1;

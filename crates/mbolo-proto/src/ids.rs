//! Ids as types of their own, so that an account cannot be taken for a room.
//!
//! Every id is 32 bytes: a public key or a SHA-256. They print as lower-case base32 (52 characters),
//! which survives being read aloud, copied and put into a URL.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::wire;

/// The bytes do not have the length of an id, or the text is not the base32 form of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} must be 32 bytes (52 characters in base32)")]
pub struct InvalidId(pub &'static str);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The bytes as the wire carries them.
            pub fn to_bytes(self) -> Bytes {
                Bytes::copy_from_slice(&self.0)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;
            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(Self).map_err(|_| InvalidId($what))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes = BASE32_NOPAD
                    .decode(text.to_ascii_uppercase().as_bytes())
                    .map_err(|_| InvalidId($what))?;
                Self::try_from(bytes.as_slice())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), &self.to_string()[..8])
            }
        }
    };
}

id!(
    /// A person or a business: `SHA-256("mbolo/account/v1" || root public key)`.
    AccountId,
    "account id"
);
id!(
    /// A device's Ed25519 public key, which is also its MLS signature key.
    DeviceKey,
    "device key"
);
id!(
    /// A cell's Ed25519 public key.
    CellId,
    "cell id"
);
id!(
    /// A store incarnation's Ed25519 public key, under which a cell appends and votes; or [`Origin::COMMITS`].
    Origin,
    "origin"
);
id!(
    /// A room: the MLS group id.
    RoomId,
    "room id"
);
id!(
    /// An entry: SHA-256 of its payload.
    EntryId,
    "entry id"
);

impl AccountId {
    /// The id of the account with this root public key.
    pub fn of_root_key(root_key: &[u8]) -> Self {
        Self(hash(b"mbolo/account/v1", &[root_key]))
    }
}

impl RoomId {
    /// The one room that two accounts have for talking to each other; the order does not matter.
    pub fn direct(one: AccountId, other: AccountId) -> Self {
        let (small, large) = if one <= other { (one, other) } else { (other, one) };
        Self(hash(b"mbolo/direct-room/v1", &[&small.0, &large.0]))
    }
}

impl EntryId {
    /// The id of an entry with this payload.
    pub fn of_payload(payload: &[u8]) -> Self {
        Self(hash(b"", &[payload]))
    }
}

impl Origin {
    /// The reserved origin of a room's commits.
    pub const COMMITS: Origin = Origin([0; 32]);
}

/// SHA-256 of a domain string followed by `parts`.
pub(crate) fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(domain);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Names one append-only record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedId {
    /// What arrives for an account from outside its rooms.
    Inbox(AccountId),
    /// A conversation.
    Room(RoomId),
}

impl From<FeedId> for wire::FeedRef {
    fn from(feed: FeedId) -> Self {
        let (kind, id) = match feed {
            FeedId::Inbox(account) => (wire::FeedKind::Inbox, account.to_bytes()),
            FeedId::Room(room) => (wire::FeedKind::Room, room.to_bytes()),
        };
        wire::FeedRef { kind: kind.into(), id }
    }
}

impl TryFrom<&wire::FeedRef> for FeedId {
    type Error = InvalidId;
    fn try_from(feed: &wire::FeedRef) -> Result<Self, InvalidId> {
        match feed.kind() {
            wire::FeedKind::Inbox => Ok(Self::Inbox(AccountId::try_from(feed.id.as_ref())?)),
            wire::FeedKind::Room => Ok(Self::Room(RoomId::try_from(feed.id.as_ref())?)),
            wire::FeedKind::Unspecified => Err(InvalidId("feed kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = AccountId::of_root_key(b"root");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert!("abc".parse::<AccountId>().is_err());
    }

    #[test]
    fn a_direct_room_is_the_same_from_both_ends() {
        let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
        assert_eq!(RoomId::direct(a, b), RoomId::direct(b, a));
        assert_ne!(RoomId::direct(a, b), RoomId::direct(a, a));
    }
}

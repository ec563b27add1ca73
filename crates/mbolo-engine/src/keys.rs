//! The layout of a cell's store: every table, its key and its place, and nothing about values.
//!
//! A key is one byte that names the table, then the parts of the table's tuple one after another: ids as they
//! are (32 bytes), numbers big-endian, so that **encoded keys sort exactly as the tuples do**. A part without a
//! fixed length may only come last. The table's byte also says in which [`Region`] the engine keeps it, since
//! append-only logs, small mutable state and large values want to be stored differently; a region is a
//! contiguous range of keys.
//!
//! ```
//! use mbolo_engine::keys;
//! # use mbolo_proto::{FeedId, Origin, RoomId};
//! let (feed, origin) = (FeedId::Room(RoomId([7; 32])), Origin([1; 32]));
//! let key = keys::FEED_LOG.key(&(feed, origin, 42));
//! assert_eq!(keys::FEED_LOG.parse(&key), Some((feed, origin, 42)));
//! let log = keys::FEED_LOG.within(&(feed, origin)); // for `Engine::range` and `Engine::last`
//! assert!(log.start.as_ref() < key.as_ref() && key.as_ref() < log.end.as_ref());
//! ```

use std::marker::PhantomData;
use std::ops::Deref;

use bytes::Bytes;
use mbolo_proto::{AccountId, DeviceKey, FeedId, Handle, Origin, RoomId};
use smallvec::SmallVec;

/// The store's own data: what is under it is up to [`meta`].
pub const META: Table<(u8,)> = Table::new(0x10);
/// An account: its certificate data and handle.
pub const ACCOUNT: Table<(AccountId,)> = Table::new(0x11);
/// A device of an account.
pub const DEVICE: Table<(AccountId, DeviceKey)> = Table::new(0x12);
/// Whose handle it is.
pub const HANDLE: Table<(Handle,)> = Table::new(0x13);
/// An invite code that was used, by the code's id.
pub const USED_INVITE: Table<(Bytes,)> = Table::new(0x14);
/// The next free number of a device's one-time KeyPackages of a cipher suite, and how many are left.
pub const KEY_PACKAGE_COUNT: Table<(AccountId, DeviceKey, u16)> = Table::new(0x15);

/// What a room is now: its epoch, kind, heads.
pub const ROOM: Table<(RoomId,)> = Table::new(0x20);
/// The rooms of an account, with its membership in each.
pub const ROOM_OF_ACCOUNT: Table<(AccountId, RoomId)> = Table::new(0x21);
/// The accounts of a room.
pub const ACCOUNT_OF_ROOM: Table<(RoomId, AccountId)> = Table::new(0x22);
/// How far an account has got a room's feed: a version vector.
pub const DELIVERED_MARK: Table<(RoomId, AccountId)> = Table::new(0x23);
/// An account's newest encrypted read mark.
pub const READ_MARK: Table<(RoomId, AccountId)> = Table::new(0x24);
/// How far an account's inbox was taken: a version vector.
pub const INBOX_MARK: Table<(AccountId,)> = Table::new(0x25);

/// Where an entry is in its feed (origin and seq), by the first 16 bytes of its id.
pub const ENTRY_ID: Table<(FeedId, [u8; 16])> = Table::new(0x60);
/// What may be deleted at a time (Unix milliseconds): the log of an origin up to the seq in the value.
pub const EXPIRY: Table<(u64, FeedId, Origin)> = Table::new(0x61);

/// The entries of a feed by origin and seq, the commits of a room excepted.
pub const FEED_LOG: Table<(FeedId, Origin, u64)> = Table::new(0x80);

/// A room's decided commits by the epoch they ended.
pub const ROOM_COMMIT: Table<(RoomId, u64)> = Table::new(0xC0);
/// What a member needs who joins in this epoch: its Welcome and the ratchet tree.
pub const JOIN_INFO: Table<(RoomId, u64)> = Table::new(0xC1);
/// The public group of a room as the MLS library stores it, by its own keys.
pub const PUBLIC_GROUP: Table<(RoomId, Bytes)> = Table::new(0xC2);
/// One-time KeyPackages of a device by cipher suite and number.
pub const KEY_PACKAGE: Table<(AccountId, DeviceKey, u16, u64)> = Table::new(0xC3);
/// The last-resort KeyPackage of a device by cipher suite.
pub const LAST_RESORT_KEY_PACKAGE: Table<(AccountId, DeviceKey, u16)> = Table::new(0xC4);

/// Keys of [`META`].
pub mod meta {
    /// The version of the stored schema.
    pub const SCHEMA_VERSION: u8 = 1;
    /// The public key of the store's incarnation.
    pub const INCARNATION: u8 = 2;
    /// The engine's own: the number of the last commit and the checksum of the chain of all commits.
    pub const COMMIT_CHAIN: u8 = 0xFF;
}

/// Where the engine keeps a table, by what its values are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Region {
    /// Small values that change in place.
    State,
    /// Small values under keys that are spread at random or by time, written once and deleted later.
    Index,
    /// Entries, written once in the order of their keys.
    Log,
    /// Values of kilobytes.
    Large,
}

impl Region {
    /// All regions, in the order of their keys.
    pub const ALL: [Region; 4] = [Self::State, Self::Index, Self::Log, Self::Large];

    /// The region of a key. Total: what begins with a byte of no table belongs somewhere, too.
    pub fn of(key: &[u8]) -> Self {
        match key.first() {
            None | Some(..0x60) => Self::State,
            Some(0x60..0x80) => Self::Index,
            Some(0x80..0xC0) => Self::Log,
            Some(0xC0..) => Self::Large,
        }
    }
}

/// A table whose keys are tuples `T`.
#[derive(Debug, Clone, Copy)]
pub struct Table<T> {
    id: u8,
    parts: PhantomData<fn() -> T>,
}

impl<T: Parts> Table<T> {
    const fn new(id: u8) -> Self {
        Self { id, parts: PhantomData }
    }

    /// The byte that every key of this table begins with.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The key of `parts`.
    pub fn key(&self, parts: &T) -> Key {
        let mut key = Key::starting(self.id);
        parts.put(&mut key);
        key
    }

    /// The tuple that gives this key; `None` if the key is none of this table.
    pub fn parse(&self, key: &[u8]) -> Option<T> {
        let (id, mut rest) = key.split_first()?;
        let parts = T::take(&mut rest)?;
        (*id == self.id && rest.is_empty()).then_some(parts)
    }

    /// All keys that begin with `prefix`: the first part, the first two, …; `()` for the whole table.
    pub fn within<P: PrefixOf<T>>(&self, prefix: &P) -> KeyRange {
        let mut start = Key::starting(self.id);
        prefix.put(&mut start);
        KeyRange { end: start.after_prefix(), start }
    }
}

/// An encoded key. Held on the stack; becomes `Bytes` when it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(SmallVec<[u8; 80]>);

impl Key {
    fn starting(table: u8) -> Self {
        let mut bytes = SmallVec::new();
        bytes.push(table);
        Self(bytes)
    }

    /// The smallest key above all that begin with this one.
    fn after_prefix(&self) -> Self {
        let mut end = self.clone();
        while end.0.last() == Some(&0xFF) {
            end.0.pop();
        }
        if let Some(last) = end.0.last_mut() {
            *last += 1;
        }
        end
    }
}

impl Deref for Key {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Key> for Bytes {
    fn from(key: Key) -> Bytes {
        Bytes::copy_from_slice(&key.0)
    }
}

/// The keys of `[start, end)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Key,
    /// The first key that is not in it.
    pub end: Key,
}

/// One part of a key.
pub trait Part: Sized {
    /// Appends the part to a key.
    fn put(&self, key: &mut Key);
    /// Takes the part from the beginning of `bytes`.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

/// The parts of a key, in order.
pub trait Parts: Sized {
    /// Appends the parts to a key.
    fn put(&self, key: &mut Key);
    /// Takes the parts from the beginning of `bytes`.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

/// The first parts of `T`.
pub trait PrefixOf<T>: Parts {}

macro_rules! tuples {
    ($([$($part:ident)*])*) => { $(
        impl<$($part: Part),*> Parts for ($($part,)*) {
            #[allow(non_snake_case, unused_variables)]
            fn put(&self, key: &mut Key) {
                let ($($part,)*) = self;
                $($part.put(key);)*
            }
            #[allow(unused_variables, clippy::unused_unit)]
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::take(bytes)?,)*))
            }
        }
    )* };
}
tuples!([] [A] [A B] [A B C] [A B C D]);

impl<A: Part> PrefixOf<(A,)> for () {}
impl<A: Part, B: Part> PrefixOf<(A, B)> for () {}
impl<A: Part, B: Part> PrefixOf<(A, B)> for (A,) {}
impl<A: Part, B: Part, C: Part> PrefixOf<(A, B, C)> for () {}
impl<A: Part, B: Part, C: Part> PrefixOf<(A, B, C)> for (A,) {}
impl<A: Part, B: Part, C: Part> PrefixOf<(A, B, C)> for (A, B) {}
impl<A: Part, B: Part, C: Part, D: Part> PrefixOf<(A, B, C, D)> for () {}
impl<A: Part, B: Part, C: Part, D: Part> PrefixOf<(A, B, C, D)> for (A,) {}
impl<A: Part, B: Part, C: Part, D: Part> PrefixOf<(A, B, C, D)> for (A, B) {}
impl<A: Part, B: Part, C: Part, D: Part> PrefixOf<(A, B, C, D)> for (A, B, C) {}

impl<const N: usize> Part for [u8; N] {
    fn put(&self, key: &mut Key) {
        key.0.extend_from_slice(self);
    }
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (part, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*part)
    }
}

macro_rules! ids {
    ($($id:ident)*) => { $(
        impl Part for $id {
            fn put(&self, key: &mut Key) {
                self.0.put(key);
            }
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                <[u8; 32]>::take(bytes).map(Self)
            }
        }
    )* };
}
ids!(AccountId DeviceKey Origin RoomId);

macro_rules! numbers {
    ($($number:ident)*) => { $(
        impl Part for $number {
            fn put(&self, key: &mut Key) {
                self.to_be_bytes().put(key);
            }
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Part::take(bytes).map(Self::from_be_bytes)
            }
        }
    )* };
}
numbers!(u8 u16 u64);

impl Part for FeedId {
    fn put(&self, key: &mut Key) {
        match self {
            FeedId::Inbox(account) => {
                key.0.push(1);
                account.put(key);
            }
            FeedId::Room(room) => {
                key.0.push(2);
                room.put(key);
            }
        }
    }
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match u8::take(bytes)? {
            1 => AccountId::take(bytes).map(FeedId::Inbox),
            2 => RoomId::take(bytes).map(FeedId::Room),
            _ => None,
        }
    }
}

impl Part for Handle {
    fn put(&self, key: &mut Key) {
        key.0.extend_from_slice(self.as_str().as_bytes());
    }
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        std::str::from_utf8(std::mem::take(bytes)).ok()?.parse().ok()
    }
}

/// Bytes that only their owner understands; last in a key.
impl Part for Bytes {
    fn put(&self, key: &mut Key) {
        key.0.extend_from_slice(self);
    }
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Bytes::copy_from_slice(std::mem::take(bytes)))
    }
}

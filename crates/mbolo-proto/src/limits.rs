//! Limits that both sides know, each with its reason. A cell may be configured lower, never higher.

/// Largest protobuf frame in either direction, in bytes. A commit that adds a batch to a room of 1,024
/// with post-quantum keys fits with room to spare; anything larger is media and goes another way.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Largest frame of a device that has not logged in: a registration or login has less than 1 KiB.
pub const MAX_FRAME_BEFORE_LOGIN_BYTES: usize = 16 * 1024;

/// Largest frame of a device whose request carries no MLS objects: the largest of those names 1,000 feeds with a few
/// origins each. `CreateRoom`, `SubmitCommit` and `UploadKeyPackages` may be larger.
pub const MAX_PLAIN_FRAME_BYTES: usize = 256 * 1024;

/// Elements in the lists of one request, those of lists inside counted: 1,000 feeds with a few origins each. An
/// element of two bytes on the wire has dozens in memory.
pub const MAX_FRAME_ELEMENTS: usize = 8 * 1024;

/// Largest payload of one published entry, in bytes: a very long text, encrypted. Media is a chunk store's.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Largest read mark, in bytes: one is stored per member.
pub const MAX_READ_MARK_BYTES: usize = 1024;

/// Largest ephemeral frame, in bytes: it is multiplied by the number of members who are online.
pub const MAX_EPHEMERAL_BYTES: usize = 4 * 1024;

/// Accounts in one room: what one commit chain and one roster carry comfortably.
pub const MAX_ROOM_ACCOUNTS: usize = 1024;

/// Devices of one account: each is a leaf in every room of the account.
pub const MAX_DEVICES_PER_ACCOUNT: usize = 8;

/// Rooms of one account: bounds what a login has to name.
pub const MAX_ROOMS_PER_ACCOUNT: usize = 10_000;

/// One-time KeyPackages kept per device and cipher suite.
pub const MAX_KEY_PACKAGES: usize = 100;

/// Largest KeyPackage in bytes; a post-quantum one has about 4 KiB.
pub const MAX_KEY_PACKAGE_BYTES: usize = 16 * 1024;

/// Feeds named in one Subscribe, so that one frame cannot occupy the cell for long.
pub const MAX_FEEDS_PER_SUBSCRIBE: usize = 1_000;

/// Accounts added by one commit: keeps commit, Welcome and the time to check them bounded.
pub const MAX_ADDS_PER_COMMIT: usize = 64;

/// Rooms up to this size use the post-quantum suite; in larger ones its keys would make commits too big.
pub const MAX_POST_QUANTUM_MEMBERS: usize = 256;

/// Rooms with more accounts than this see only the mark that everyone has reached.
pub const MAX_ACCOUNTS_WITH_SINGLE_MARKS: usize = 64;

/// Smallest and largest receive window in bytes; the smallest holds any one entry.
pub const RECEIVE_WINDOW_BYTES: std::ops::RangeInclusive<u32> = 128 * 1024..=4 * 1024 * 1024;

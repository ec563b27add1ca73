//! Counters for metrics. They only grow, except where a field says that it is a level.

use std::collections::BTreeMap;

/// What the core has done since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections now (a level).
    pub sessions: u64,
    /// Authenticated connections now (a level).
    pub authenticated: u64,
    /// Sessions opened with a valid signature.
    pub logins_ok: u64,
    /// Logins and registrations refused for what they are.
    pub logins_refused: u64,
    /// Logins and registrations shed by admission control.
    pub logins_shed: u64,
    /// Accounts created.
    pub accounts_created: u64,
    /// Entries accepted from devices.
    pub publishes: u64,
    /// Publishes answered from an earlier one.
    pub publishes_repeated: u64,
    /// Payload bytes accepted from devices.
    pub published_bytes: u64,
    /// Entries pushed, counted per receiving session.
    pub deliveries: u64,
    /// FeedPush bytes pushed, counted per receiving session.
    pub delivered_bytes: u64,
    /// Commits decided.
    pub commits_accepted: u64,
    /// Commits that came too late.
    pub commits_stale: u64,
    /// Commits refused.
    pub commits_invalid: u64,
    /// Error answers by [`mbolo_proto::wire::ErrorCode`] number.
    pub errors: BTreeMap<i32, u64>,
    /// Batches committed to the engine.
    pub batches: u64,
    /// Events in them.
    pub batch_events: u64,
    /// Writes in them.
    pub batch_writes: u64,
    /// Bytes written to the engine, keys and values.
    pub batch_bytes: u64,
    /// Rooms held in memory now (a level).
    pub rooms_cached: u64,
    /// Public groups held in memory now (a level).
    pub groups_cached: u64,
    /// Entries removed by retention.
    pub entries_expired: u64,
    /// The disk is full: writes are refused, reads go on (a level).
    pub read_only: bool,
    /// The store failed in a way that only a restart can settle: the server must stop. Says what happened.
    pub fatal: Option<String>,
}

//! What an operator decides about a cell. Every number has its reason with it.

use ed25519_dalek::SigningKey;

/// The cell's two keys.
#[derive(Clone)]
pub struct Keys {
    /// The cell's identity: devices bind their sessions to it.
    pub cell: SigningKey,
    /// The store incarnation: entries are appended and commits voted under it. Made with the store, never backed up.
    pub incarnation: SigningKey,
}

/// Settings of the core.
#[derive(Debug, Clone)]
pub struct Config {
    /// A DNS name or address, for people.
    pub cell_name: String,
    /// Anyone may register with a proof of work.
    pub signup_open: bool,
    /// An invite code registers without work.
    pub signup_invite: bool,
    /// The secret under which invite codes are made; see [`crate::invite::mint`].
    pub invite_key: [u8; 32],
    /// Leading zero bits of the proof of work: 18 is about a quarter of a second in a browser.
    pub pow_bits: u32,
    /// Logins and registrations a second: what two cores verify while chat goes on.
    pub login_rate_per_s: u32,
    /// Logins admitted at once before the rate applies.
    pub login_burst: u32,
    /// Publishes a second of one session.
    pub publish_rate_per_s: u32,
    /// Publishes of one session at once before the rate applies.
    pub publish_burst: u32,
    /// Delivered marks (each room of a frame) and read marks a second of one session.
    pub mark_rate_per_s: u32,
    /// Marks at once: a device that comes back to the most rooms there are tells of each twice.
    pub mark_burst: u32,
    /// What the other requests of one account may cost a second, in units of about 10 µs: a fifth of the core's time.
    pub request_rate_per_s: u32,
    /// What they may cost at once: two devices in the most rooms there are come back, follow all and ask for marks.
    pub request_burst: u32,
    /// KeyPackage claims a second of one session: an addition of a batch of members needs one per account.
    pub claim_rate_per_s: u32,
    /// Claims at once: two full batches of additions.
    pub claim_burst: u32,
    /// Ephemeral frames a second of one session: nobody types faster.
    pub ephemeral_rate_per_s: u32,
    /// Ephemeral frames at once.
    pub ephemeral_burst: u32,
    /// KiB a second of large answers to one session: trees, Welcomes, lists of rooms.
    pub answer_kib_per_s: u32,
    /// KiB of large answers at once: a device that joins many rooms, or the largest one, does not notice.
    pub answer_burst_kib: u32,
    /// Days that entries are kept.
    pub retention_days: u32,
    /// Days that a Welcome waits for its reader.
    pub join_retention_days: u32,
    /// Feeds one session follows: an account's rooms and its inbox.
    pub max_subscriptions: usize,
    /// Rooms whose roster and tail are kept in memory though nobody follows them.
    pub cached_rooms: usize,
    /// Public groups kept in memory: a group of 1,024 has about 2 MiB.
    pub cached_groups: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cell_name: "localhost".into(),
            signup_open: true,
            signup_invite: true,
            invite_key: [0; 32],
            pow_bits: 18,
            login_rate_per_s: 3_000,
            login_burst: 2_000,
            publish_rate_per_s: 5_000,
            publish_burst: 2_000,
            mark_rate_per_s: 5_000,
            mark_burst: 20_000,
            request_rate_per_s: 20_000,
            request_burst: 100_000,
            claim_rate_per_s: 20,
            claim_burst: 128,
            ephemeral_rate_per_s: 50,
            ephemeral_burst: 200,
            answer_kib_per_s: 8 * 1024,
            answer_burst_kib: 64 * 1024,
            retention_days: 90,
            join_retention_days: 30,
            max_subscriptions: mbolo_proto::limits::MAX_ROOMS_PER_ACCOUNT + 1,
            cached_rooms: 20_000,
            cached_groups: 256,
        }
    }
}

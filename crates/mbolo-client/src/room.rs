//! A room's row: everything about it that is not MLS and not a message.

use mbolo_client_api::{ChatKind, Membership};
use mbolo_proto::{AccountId, Origin, RoomId, VersionVector, wire};
use prost::Message;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::outbox::position_of;

/// How well the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healing {
    /// The group follows the room.
    Well,
    /// It has to be entered again by an external commit.
    Needed,
    /// That commit waits for its receipt.
    Pending,
}

/// A room as stored.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// 1:1 or group.
    pub kind: ChatKind,
    /// MLS cipher suite.
    pub suite: u16,
    /// Where this account stands.
    pub membership: Membership,
    /// Whether the cell knows the room.
    pub created: bool,
    /// A group's name.
    pub name: String,
    /// Version of the name; the highest (version, sender) wins.
    pub name_version: u64,
    /// Who gave the name.
    pub name_sender: Vec<u8>,
    /// In a 1:1 room the other account.
    pub peer: Option<AccountId>,
    /// The cursor.
    pub vector: VersionVector,
    /// The group's epoch.
    pub epoch: u64,
    /// Hash decided for the epoch before.
    pub parent: [u8; 32],
    /// Epoch of a WelcomeNotice that was not followed yet.
    pub join_epoch: Option<u64>,
    /// How well it is.
    pub healing: Healing,
    /// External commits tried in a row.
    pub heal_attempts: u32,
    /// When to try the next.
    pub heal_at: u64,
    /// This account wants to leave.
    pub leaving: bool,
    /// When to renew the own keys; 0 never.
    pub renew_at: u64,
    /// The own name is to be told.
    pub profile_due: bool,
    /// The room's name is to be told to new members.
    pub state_due: bool,
    /// Time of the newest message or of the beginning.
    pub last_activity: u64,
    /// The last position that something of the cell's logs was given. What comes next stands after it.
    pub last_position: u64,
    /// Messages of others not seen.
    pub unread: u32,
    /// Own read mark.
    pub read: VersionVector,
    /// What all accounts have.
    pub everyone: VersionVector,
    /// The delivered mark moved since the cell is known to have it.
    pub marks_dirty: bool,
    /// The same for the read mark.
    pub read_dirty: bool,
    /// A name given here that is not accepted yet, and its version.
    pub wanted_name: Option<(String, u64)>,
}

impl Room {
    /// A room that begins here.
    pub fn new(id: RoomId, kind: ChatKind, suite: u16, membership: Membership, now_ms: u64) -> Self {
        Self {
            id,
            kind,
            suite,
            membership,
            created: true,
            name: String::new(),
            name_version: 0,
            name_sender: Vec::new(),
            peer: None,
            vector: VersionVector::new(),
            epoch: 0,
            parent: [0; 32],
            join_epoch: None,
            healing: Healing::Well,
            heal_attempts: 0,
            heal_at: 0,
            leaving: false,
            renew_at: 0,
            profile_due: false,
            state_due: false,
            last_activity: now_ms,
            last_position: 0,
            unread: 0,
            read: VersionVector::new(),
            everyone: VersionVector::new(),
            marks_dirty: false,
            read_dirty: false,
            wanted_name: None,
        }
    }

    /// The place after everything there is, by the cell's clock as far as that goes forward. Nobody else's clock counts:
    /// all devices of a room have to show the same order.
    pub fn next_position(&mut self, at_ms: u64, seq: u64) -> u64 {
        self.last_position = position_of(at_ms, seq).max(self.last_position + 1);
        self.last_position
    }

    /// The name to show: the one given here, until it is accepted or refused.
    pub fn shown_name(&self) -> &str {
        self.wanted_name.as_ref().map_or(&self.name, |(name, _)| name)
    }

    /// Reads a room.
    pub fn load(db: &Connection, id: RoomId) -> rusqlite::Result<Option<Self>> {
        db.prepare_cached("SELECT * FROM rooms WHERE id = ?1")?.query_row([id.0], Self::of_row).optional()
    }

    /// Reads all rooms, by id.
    pub fn all(db: &Connection) -> rusqlite::Result<Vec<Self>> {
        db.prepare_cached("SELECT * FROM rooms ORDER BY id")?.query_map([], Self::of_row)?.collect()
    }

    /// Writes the room.
    pub fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        let values: [Value; 29] = [
            self.id.0.to_vec().into(),
            kind_code(self.kind).into(),
            i64::from(self.suite).into(),
            membership_code(self.membership).into(),
            self.created.into(),
            self.name.clone().into(),
            (self.name_version as i64).into(),
            self.name_sender.clone().into(),
            self.peer.map(|peer| peer.0.to_vec()).into(),
            encode_vector(&self.vector).into(),
            (self.epoch as i64).into(),
            self.parent.to_vec().into(),
            self.join_epoch.map(|epoch| epoch as i64).into(),
            (self.healing as i64).into(),
            i64::from(self.heal_attempts).into(),
            (self.heal_at as i64).into(),
            self.leaving.into(),
            (self.renew_at as i64).into(),
            self.profile_due.into(),
            self.state_due.into(),
            (self.last_activity as i64).into(),
            (self.last_position as i64).into(),
            i64::from(self.unread).into(),
            encode_vector(&self.read).into(),
            encode_vector(&self.everyone).into(),
            self.marks_dirty.into(),
            self.read_dirty.into(),
            self.wanted_name.as_ref().map_or_else(String::new, |(name, _)| name.clone()).into(),
            self.wanted_name.as_ref().map_or(0, |(_, version)| *version as i64).into(),
        ];
        db.prepare_cached(
            "INSERT OR REPLACE INTO rooms VALUES
             (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        )?
        .execute(params_from_iter(values))?;
        Ok(())
    }

    /// Whether it is in the list of chats: an invitation that was not opened yet is not, because nothing is known
    /// about it, unless the user wants to talk to whoever it comes from.
    pub fn is_shown(&self) -> bool {
        self.membership != Membership::Joining || self.suite != 0 || self.peer.is_some()
    }

    /// Whether the group may be used: this device is a member and nothing is being repaired.
    pub fn is_usable(&self) -> bool {
        self.membership == Membership::Member && self.healing == Healing::Well
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RoomId(row.get("id")?),
            kind: if row.get::<_, i64>("kind")? == 1 { ChatKind::Direct } else { ChatKind::Group },
            suite: row.get("suite")?,
            membership: match row.get::<_, i64>("membership")? {
                0 => Membership::Joining,
                1 => Membership::Member,
                2 => Membership::Left,
                _ => Membership::Removed,
            },
            created: row.get("created")?,
            name: row.get("name")?,
            name_version: row.get::<_, i64>("name_version")? as u64,
            name_sender: row.get("name_sender")?,
            peer: row.get::<_, Option<[u8; 32]>>("peer")?.map(AccountId),
            vector: decode_vector(&row.get::<_, Vec<u8>>("vector")?),
            epoch: row.get::<_, i64>("epoch")? as u64,
            parent: row.get("parent")?,
            join_epoch: row.get::<_, Option<i64>>("join_epoch")?.map(|epoch| epoch as u64),
            healing: match row.get::<_, i64>("healing")? {
                0 => Healing::Well,
                1 => Healing::Needed,
                _ => Healing::Pending,
            },
            heal_attempts: row.get("heal_attempts")?,
            heal_at: row.get::<_, i64>("heal_at")? as u64,
            leaving: row.get("leaving")?,
            renew_at: row.get::<_, i64>("renew_at")? as u64,
            profile_due: row.get("profile_due")?,
            state_due: row.get("state_due")?,
            last_activity: row.get::<_, i64>("last_activity")? as u64,
            last_position: row.get::<_, i64>("last_position")? as u64,
            unread: row.get("unread")?,
            read: decode_vector(&row.get::<_, Vec<u8>>("read")?),
            everyone: decode_vector(&row.get::<_, Vec<u8>>("everyone")?),
            marks_dirty: row.get("marks_dirty")?,
            read_dirty: row.get("read_dirty")?,
            wanted_name: match row.get::<_, i64>("wanted_version")? {
                0 => None,
                version => Some((row.get("wanted_name")?, version as u64)),
            },
        })
    }
}

/// The stored form of a vector: its wire form.
pub fn encode_vector(vector: &VersionVector) -> Vec<u8> {
    wire::VersionVector::from(vector).encode_to_vec()
}

/// Reads a stored vector. One that does not read back stands at the beginning: the worst that follows is that
/// entries come again, which is harmless.
pub fn decode_vector(bytes: &[u8]) -> VersionVector {
    wire::VersionVector::decode(bytes)
        .ok()
        .and_then(|vector| VersionVector::try_from(&vector).ok())
        .unwrap_or_default()
}

/// A vector without the position in the commits: what delivered and read marks are about.
pub fn without_commits(vector: &VersionVector) -> VersionVector {
    vector.iter().filter(|(origin, _)| *origin != Origin::COMMITS).collect()
}

fn kind_code(kind: ChatKind) -> i64 {
    match kind {
        ChatKind::Direct => 1,
        ChatKind::Group => 2,
    }
}

fn membership_code(membership: Membership) -> i64 {
    match membership {
        Membership::Joining => 0,
        Membership::Member => 1,
        Membership::Left => 2,
        Membership::Removed => 3,
    }
}

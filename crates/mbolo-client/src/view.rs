//! What user interfaces see: chats, messages and members, put together from the rows.

use mbolo_client_api as api;
use mbolo_client_api::{Body, Chat, ChatKind, Member, Membership, Message, MessageState, Quote};
use mbolo_proto::{AccountId, RoomId};
use rusqlite::{OptionalExtension, Row};
use sha2::{Digest, Sha256};

use crate::engine::{Client, Fault};
use crate::room::{Healing, Room};

/// Names a message in its room: a hash of its sender and the id the sender gave it, so that nobody can take
/// the id of somebody else's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageKey(pub [u8; 16]);

impl MessageKey {
    pub fn new(sender: AccountId, message_id: &[u8]) -> Self {
        let hash: [u8; 32] = Sha256::new().chain_update(sender.0).chain_update(message_id).finalize().into();
        Self::first_of(&hash)
    }

    pub fn first_of(hash: &[u8; 32]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }

    pub fn parse(text: &str) -> Option<Self> {
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for MessageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Positions of messages that the cell has not accepted yet: after everything else.
pub(crate) const WAITING_POSITION: u64 = 1 << 52;

/// State of an own message, as stored.
pub(crate) fn state_code(state: MessageState) -> i64 {
    match state {
        MessageState::Failed => 0,
        MessageState::Waiting => 1,
        MessageState::Sent => 2,
        MessageState::Delivered => 3,
        MessageState::Read => 4,
    }
}

pub(crate) fn state_of(code: i64) -> MessageState {
    match code {
        0 => MessageState::Failed,
        1 => MessageState::Waiting,
        2 => MessageState::Sent,
        3 => MessageState::Delivered,
        _ => MessageState::Read,
    }
}

/// A row of `messages`, as far as it is shown.
struct Stored {
    key: MessageKey,
    sender: AccountId,
    position: u64,
    at_ms: u64,
    body: Body,
    edited: bool,
    reply: Option<MessageKey>,
    state: Option<MessageState>,
}

const COLUMNS: &str = "key, sender, position, at_ms, body, edited, reply, state";

impl Stored {
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let body: String = row.get(4)?;
        Ok(Self {
            key: MessageKey(row.get(0)?),
            sender: AccountId(row.get(1)?),
            position: row.get::<_, i64>(2)? as u64,
            at_ms: row.get::<_, i64>(3)? as u64,
            body: serde_json::from_str(&body)
                .unwrap_or_else(|_| Body::Unreadable { reason: "newer_version".into() }),
            edited: row.get::<_, i64>(5)? > 0,
            reply: row.get::<_, Option<[u8; 16]>>(6)?.map(MessageKey),
            state: row.get::<_, Option<i64>>(7)?.map(state_of),
        })
    }
}

impl Client {
    pub(crate) fn my_account(&self) -> Result<AccountId, Fault> {
        self.me.as_ref().map(|me| me.account).ok_or(Fault::Damaged("no account"))
    }

    pub(crate) fn message(&self, room: RoomId, key: MessageKey) -> Result<Option<Message>, Fault> {
        let stored = self
            .db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE room = ?1 AND key = ?2"))?
            .query_row((room.0, key.0), Stored::of_row)
            .optional()?;
        stored.map(|stored| self.show(room, stored)).transpose()
    }

    /// `limit` messages before `before`, oldest first, and whether there are more.
    pub(crate) fn messages(
        &self,
        room: RoomId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<Message>, bool), Fault> {
        let limit = limit.clamp(1, MAX_MESSAGES) as usize;
        let before = before.map_or(i64::MAX, |position| position as i64);
        let mut stored: Vec<Stored> = self
            .db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM messages WHERE room = ?1 AND position < ?2
                 ORDER BY position DESC, key LIMIT ?3"
            ))?
            .query_map((room.0, before, limit as i64 + 1), Stored::of_row)?
            .collect::<Result<_, _>>()?;
        let more = stored.len() > limit;
        stored.truncate(limit);
        stored.reverse();
        let messages = stored.into_iter().map(|stored| self.show(room, stored)).collect::<Result<_, _>>()?;
        Ok((messages, more))
    }

    fn show(&self, room: RoomId, stored: Stored) -> Result<Message, Fault> {
        let mut reactions = Vec::new();
        if matches!(stored.body, Body::Text { .. }) {
            let mut statement = self.db.prepare_cached(
                "SELECT account, emoji FROM reactions WHERE room = ?1 AND target = ?2 AND emoji <> '' ORDER BY account",
            )?;
            let rows = statement.query_map((room.0, stored.key.0), |row| {
                Ok((AccountId(row.get(0)?), row.get::<_, String>(1)?))
            })?;
            for row in rows {
                let (account, emoji) = row?;
                let name = self.member(room, account)?.name;
                reactions.push(api::Reaction { account: account.to_string(), name, emoji });
            }
        }
        Ok(Message {
            id: stored.key.to_string(),
            position: stored.position,
            sender: self.member(room, stored.sender)?,
            at_ms: stored.at_ms,
            body: stored.body,
            edited: stored.edited,
            reply_to: stored.reply.map(|key| self.quote(room, key)).transpose()?,
            reactions,
            state: stored.state,
        })
    }

    fn quote(&self, room: RoomId, key: MessageKey) -> Result<Quote, Fault> {
        let stored = self
            .db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE room = ?1 AND key = ?2"))?
            .query_row((room.0, key.0), Stored::of_row)
            .optional()?;
        let (sender_name, text) = match stored {
            Some(Stored { sender, body: Body::Text { text }, .. }) => {
                (self.member(room, sender)?.name, text.chars().take(QUOTE_CHARS).collect())
            }
            Some(Stored { sender, .. }) => (self.member(room, sender)?.name, String::new()),
            None => (String::new(), String::new()),
        };
        Ok(Quote { id: key.to_string(), sender_name, text })
    }

    /// Someone in a room, or who once was: the name told to this room, else the handle, else a piece of the id.
    pub(crate) fn member(&self, room: RoomId, account: AccountId) -> Result<Member, Fault> {
        let row: Option<(String, bool)> = self
            .db
            .prepare_cached("SELECT name, admin AND present FROM members WHERE room = ?1 AND account = ?2")?
            .query_row((room.0, account.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (told, admin) = row.unwrap_or_default();
        Ok(self.member_of(account, told, admin, self.handle_of(account)?))
    }

    fn member_of(&self, account: AccountId, told: String, admin: bool, handle: Option<String>) -> Member {
        let me = self.me.as_ref().filter(|me| me.account == account);
        let name = match (me, &handle) {
            _ if account == crate::entering::UNKNOWN_SENDER => String::new(),
            (Some(me), _) if !me.name.is_empty() => me.name.clone(),
            _ if !told.is_empty() => told,
            (_, Some(handle)) => handle.clone(),
            _ => account.to_string().chars().take(8).collect(),
        };
        Member { account: account.to_string(), name, handle, admin, me: me.is_some() }
    }

    pub(crate) fn handle_of(&self, account: AccountId) -> Result<Option<String>, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT handle FROM accounts WHERE id = ?1")?
            .query_row([account.0], |row| row.get(0))
            .optional()?)
    }

    /// The members of a room: admins first, then by name.
    pub(crate) fn members(&self, room: RoomId) -> Result<Vec<Member>, Fault> {
        let mut statement = self.db.prepare_cached(
            "SELECT m.account, m.name, m.admin, a.handle FROM members m LEFT JOIN accounts a ON a.id = m.account
             WHERE m.room = ?1 AND m.present = 1 ORDER BY m.account",
        )?;
        let rows = statement
            .query_map([room.0], |row| Ok((AccountId(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut members = Vec::new();
        for row in rows {
            let (account, name, admin, handle) = row?;
            members.push(self.member_of(account, name, admin, handle));
        }
        members.sort_by(|a, b| b.admin.cmp(&a.admin).then_with(|| a.name.cmp(&b.name)));
        Ok(members)
    }

    /// One chat, unless it is not to be seen.
    pub(crate) fn chat(&self, id: RoomId) -> Result<Option<Chat>, Fault> {
        let room = Room::load(&self.db, id)?.filter(Room::is_shown);
        room.map(|room| self.show_chat(&room)).transpose()
    }

    /// All chats, newest first.
    pub(crate) fn chats(&self) -> Result<Vec<Chat>, Fault> {
        let mut chats = Room::all(&self.db)?
            .iter()
            .filter(|room| room.is_shown())
            .map(|room| self.show_chat(room))
            .collect::<Result<Vec<_>, _>>()?;
        chats.sort_by(|a, b| b.last_activity_ms.cmp(&a.last_activity_ms).then_with(|| a.room.cmp(&b.room)));
        Ok(chats)
    }

    fn show_chat(&self, room: &Room) -> Result<Chat, Fault> {
        let last = self
            .db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM messages WHERE room = ?1 ORDER BY position DESC, key LIMIT 1"
            ))?
            .query_row([room.id.0], Stored::of_row)
            .optional()?;
        let peer = room.peer.map(|peer| self.member(room.id, peer)).transpose()?;
        let name = match &peer {
            Some(peer) => peer.name.clone(),
            None => room.shown_name().to_owned(),
        };
        let count = |sql: &str| -> Result<u32, Fault> {
            Ok(self.db.prepare_cached(sql)?.query_row([room.id.0], |row| row.get(0))?)
        };
        let waiting = room.healing != Healing::Well
            || !room.created
            || room.wanted_name.is_some()
            || count("SELECT count(*) FROM intents WHERE room = ?1")? > 0
            || count("SELECT count(*) FROM pending WHERE room = ?1 AND intent > 0")? > 0;
        let present = count("SELECT count(*) FROM members WHERE room = ?1 AND present = 1")?;
        let admin = match &self.me {
            Some(me) => self.member(room.id, me.account)?.admin,
            None => false,
        };
        Ok(Chat {
            room: room.id.to_string(),
            kind: room.kind,
            name,
            peer,
            member_count: if room.kind == ChatKind::Direct { 2 } else { present },
            unread: room.unread,
            last_message: last.map(|stored| self.show(room.id, stored)).transpose()?,
            last_activity_ms: room.last_activity,
            membership: if room.leaving && room.membership == Membership::Member {
                Membership::Left
            } else {
                room.membership
            },
            admin: admin && room.membership == Membership::Member && !room.leaving,
            waiting,
        })
    }
}

/// Messages in one answer.
const MAX_MESSAGES: u32 = 200;
/// The beginning of a text that is quoted.
const QUOTE_CHARS: usize = 120;

//! Kinds of content: one arm each in [`Client::apply`], one function each to send it.
//!
//! A new kind is a message in `content.proto`, an arm here, and a variant of `Body` if it is shown. Kinds this
//! version does not know are kept as they came and shown as "needs a newer version".

use mbolo_client_api::{Body, Change, ChatKind, MessageState, Reply, RoomEvent};
use mbolo_proto::content::{self, Content, content::Body as Kind};
use mbolo_proto::{AccountId, EntryId, Origin, RoomId};
use prost::Message as _;
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use crate::engine::{Client, Fault, failure};
use crate::intents::NOT_ADMIN;
use crate::names;
use crate::outbox::waiting_position;
use crate::room::Room;
use crate::view::{MessageKey, state_code};

/// The longest text, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 16_384;

/// Where an entry stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub origin: Origin,
    pub seq: u64,
    pub position: u64,
    pub at_ms: u64,
}

impl Client {
    /// Takes decrypted content into the room. Content that came before changes nothing.
    pub(crate) fn apply(
        &mut self,
        room: &mut Room,
        sender: AccountId,
        bytes: &[u8],
        place: Place,
    ) -> Result<(), Fault> {
        let Ok(content) = Content::decode(bytes) else { return Ok(()) };
        let (place, was_missed) = self.settle_broken(room, &content, place)?;
        // Encrypted anew for somebody else: either it has had its effect here, and newer content may have followed, or it is
        // from before this device came, and would stand in a place where nobody else sees it.
        if !content.resend_of.is_empty() && !was_missed {
            return Ok(());
        }
        match &content.body {
            Some(Kind::Text(text)) => self.take_text(room, sender, &content, &text.body, place),
            Some(Kind::Reaction(reaction)) => {
                let Some(target) = reaction.target.as_ref().and_then(key_of) else { return Ok(()) };
                self.on_target(room.id, target, sender, bytes, place, |client| {
                    client.set_reaction(room.id, target, sender, &reaction.emoji, place.position)
                })
            }
            Some(Kind::Edit(edit)) => {
                let target = MessageKey::new(sender, &edit.message_id);
                self.on_target(room.id, target, sender, bytes, place, |client| {
                    client.set_text(room.id, target, &edit.body, place.position)
                })
            }
            Some(Kind::Delete(delete)) => {
                let target = MessageKey::new(sender, &delete.message_id);
                self.on_target(room.id, target, sender, bytes, place, |client| {
                    client.take_back(room.id, target)
                })
            }
            Some(Kind::Profile(profile)) => self.take_profile(room.id, sender, &profile.name, place),
            Some(Kind::RoomState(state)) => self.take_room_state(room, sender, state, place),
            Some(Kind::Resend(resend)) => {
                self.others_ask(&resend.entry_ids)?;
                self.resend(room.id, sender, &resend.entry_ids)
            }
            None => {
                let body = Body::Unreadable { reason: "newer_version".into() };
                self.insert(room, sender, &content, &body, Some(bytes), place, None).map(|_| ())
            }
        }
    }

    fn take_text(
        &mut self,
        room: &mut Room,
        sender: AccountId,
        content: &Content,
        text: &str,
        place: Place,
    ) -> Result<(), Fault> {
        // Nobody's client sends more; what does is cut rather than lost.
        let text: String = if text.len() > MAX_TEXT_BYTES {
            text.chars().take(MAX_TEXT_BYTES / 4).collect()
        } else {
            text.to_owned()
        };
        let own = self.my_account()? == sender;
        let state = own.then_some(MessageState::Sent);
        if self.insert(room, sender, content, &Body::Text { text }, None, place, state)? && !own {
            room.unread += 1;
            self.stop_typing(room.id, sender)?;
        }
        Ok(())
    }

    /// Inserts a message unless it is there, then applies what came before it. Says whether it was new.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn insert(
        &mut self,
        room: &mut Room,
        sender: AccountId,
        content: &Content,
        body: &Body,
        raw: Option<&[u8]>,
        place: Place,
        state: Option<MessageState>,
    ) -> Result<bool, Fault> {
        if content.message_id.len() != 16 {
            return Ok(false);
        }
        let key = MessageKey::new(sender, &content.message_id);
        let reply = content.in_reply_to.as_ref().and_then(key_of);
        let body = serde_json::to_string(body).map_err(|_| Fault::Damaged("body"))?;
        let inserted = self
            .db
            .prepare_cached(
                "INSERT OR IGNORE INTO messages
                 (room, key, sender, message_id, position, origin, seq, at_ms, body, edited, reply, state, raw)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?12)",
            )?
            .execute((
                room.id.0,
                key.0,
                sender.0,
                content.message_id.as_ref(),
                place.position as i64,
                place.origin.0,
                place.seq as i64,
                place.at_ms as i64,
                body,
                reply.map(|key| key.0),
                state.map(state_code),
                raw,
            ))?;
        if inserted == 0 {
            return Ok(false);
        }
        room.last_activity = room.last_activity.max(place.at_ms);
        self.message_changed(room.id, key);
        self.adopt_orphans(room.id, key)?;
        Ok(true)
    }

    /// Shows an event. Its id follows from what caused it, so that it is shown once.
    pub(crate) fn insert_event(
        &mut self,
        room: &mut Room,
        sender: AccountId,
        event: RoomEvent,
        cause: &[u8],
        place: Place,
    ) -> Result<(), Fault> {
        if room.kind == ChatKind::Direct {
            return Ok(());
        }
        let id = EntryId::of_payload(cause).0;
        let content = Content { message_id: id[..16].to_vec().into(), ..Content::default() };
        self.insert(room, sender, &content, &Body::Event { event }, None, place, None)?;
        Ok(())
    }

    // ------------------------------------------------------------ content about other content

    /// Runs `apply` if the message is there, else keeps the content until it comes.
    fn on_target(
        &mut self,
        room: RoomId,
        target: MessageKey,
        sender: AccountId,
        content: &[u8],
        place: Place,
        apply: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.has_message(room, target)? {
            return apply(self);
        }
        let count: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM orphans WHERE room = ?1")?
            .query_row([room.0], |row| row.get(0))?;
        if count < MAX_ORPHANS {
            self.db
                .prepare_cached(
                    "INSERT INTO orphans (room, target, sender, content, position) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((room.0, target.0, sender.0, content, place.position as i64))?;
        }
        Ok(())
    }

    fn adopt_orphans(&mut self, room: RoomId, target: MessageKey) -> Result<(), Fault> {
        let orphans: Vec<(i64, [u8; 32], Vec<u8>, i64)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT id, sender, content, position FROM orphans WHERE room = ?1 AND target = ?2
                 ORDER BY position, id",
            )?;
            statement
                .query_map((room.0, target.0), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<Result<_, _>>()?
        };
        for (id, sender, content, position) in orphans {
            let position = position as u64;
            self.db.prepare_cached("DELETE FROM orphans WHERE id = ?1")?.execute([id])?;
            let Ok(content) = Content::decode(content.as_slice()) else { continue };
            match content.body {
                Some(Kind::Reaction(reaction)) => {
                    self.set_reaction(room, target, AccountId(sender), &reaction.emoji, position)?;
                }
                Some(Kind::Edit(edit)) => self.set_text(room, target, &edit.body, position)?,
                Some(Kind::Delete(_)) => self.take_back(room, target)?,
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn has_message(&self, room: RoomId, key: MessageKey) -> Result<bool, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM messages WHERE room = ?1 AND key = ?2")?
            .exists((room.0, key.0))?)
    }

    /// Sets an account's reaction, empty to withdraw it. One that stands before the newest changes nothing.
    fn set_reaction(
        &mut self,
        room: RoomId,
        target: MessageKey,
        account: AccountId,
        emoji: &str,
        position: u64,
    ) -> Result<(), Fault> {
        let emoji: String = emoji.chars().take(MAX_EMOJI_CHARS).collect();
        self.db
            .prepare_cached(
                "INSERT INTO reactions (room, target, account, emoji, position) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET emoji = excluded.emoji, position = excluded.position
                 WHERE excluded.position >= position",
            )?
            .execute((room.0, target.0, account.0, emoji, position as i64))?;
        self.message_changed(room, target);
        Ok(())
    }

    /// Changes a text. An edit that stands before the newest changes nothing.
    fn set_text(&mut self, room: RoomId, target: MessageKey, text: &str, position: u64) -> Result<(), Fault> {
        if text.is_empty() || text.len() > MAX_TEXT_BYTES || !self.is_text(room, target)? {
            return Ok(());
        }
        let body = serde_json::to_string(&Body::Text { text: text.to_owned() })
            .map_err(|_| Fault::Damaged("body"))?;
        self.db
            .prepare_cached(
                "UPDATE messages SET body = ?3, edited = ?4 WHERE room = ?1 AND key = ?2 AND edited <= ?4",
            )?
            .execute((room.0, target.0, body, position as i64))?;
        self.message_changed(room, target);
        Ok(())
    }

    fn take_back(&mut self, room: RoomId, target: MessageKey) -> Result<(), Fault> {
        let body = serde_json::to_string(&Body::Deleted).map_err(|_| Fault::Damaged("body"))?;
        self.db
            .prepare_cached(
                "UPDATE messages SET body = ?3, raw = NULL, edited = 0 WHERE room = ?1 AND key = ?2",
            )?
            .execute((room.0, target.0, body))?;
        self.db
            .prepare_cached("DELETE FROM reactions WHERE room = ?1 AND target = ?2")?
            .execute((room.0, target.0))?;
        self.message_changed(room, target);
        Ok(())
    }

    fn body_of(&self, room: RoomId, key: MessageKey) -> Result<Option<(AccountId, Vec<u8>, Body)>, Fault> {
        let row: Option<([u8; 32], Vec<u8>, String)> = self
            .db
            .prepare_cached("SELECT sender, message_id, body FROM messages WHERE room = ?1 AND key = ?2")?
            .query_row((room.0, key.0), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(row.and_then(|(sender, id, body)| {
            serde_json::from_str(&body).ok().map(|body| (AccountId(sender), id, body))
        }))
    }

    fn is_text(&self, room: RoomId, key: MessageKey) -> Result<bool, Fault> {
        Ok(matches!(self.body_of(room, key)?, Some((_, _, Body::Text { .. }))))
    }

    // ------------------------------------------------------------ names

    fn take_profile(
        &mut self,
        room: RoomId,
        sender: AccountId,
        name: &str,
        place: Place,
    ) -> Result<(), Fault> {
        let name = names::cleaned(name);
        let changed = self
            .db
            .prepare_cached(
                "UPDATE members SET name = ?3, named = ?4
                 WHERE room = ?1 AND account = ?2 AND name <> ?3 AND named <= ?4",
            )?
            .execute((room.0, sender.0, name, place.position as i64))?;
        if changed > 0 {
            self.members_changed(room);
        }
        Ok(())
    }

    fn take_room_state(
        &mut self,
        room: &mut Room,
        sender: AccountId,
        state: &content::RoomState,
        place: Place,
    ) -> Result<(), Fault> {
        let newer = (state.version, sender.0.as_slice()) > (room.name_version, room.name_sender.as_slice());
        // A version that far ahead is there to let no other follow. Whoever is new knows no version to compare with.
        let nearest = room.name_version.saturating_add(MAX_NAME_VERSIONS_AHEAD);
        let follows =
            state.version <= MAX_NAME_VERSION && (room.name_version == 0 || state.version <= nearest);
        if room.kind == ChatKind::Direct || !newer || !follows || !self.could_name(room.id, sender)? {
            return Ok(());
        }
        let name: String = names::cleaned(&state.name);
        let renamed = !room.name.is_empty() && room.name != name;
        room.name_version = state.version;
        room.name_sender = sender.0.to_vec();
        room.name.clone_from(&name);
        self.chat_changed(room.id);
        if renamed {
            let cause = [room.id.0.as_slice(), b"name", &state.version.to_be_bytes(), &sender.0].concat();
            self.insert_event(room, sender, RoomEvent::Renamed { name }, &cause, place)?;
        }
        Ok(())
    }

    /// Whether `account` is an admin, or was one when it went: what it said before is read by some only afterwards.
    fn could_name(&self, room: RoomId, account: AccountId) -> Result<bool, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM members WHERE room = ?1 AND account = ?2 AND admin = 1")?
            .exists((room.0, account.0))?)
    }

    pub(crate) fn tell_name_everywhere(&mut self) -> Result<(), Fault> {
        for mut room in Room::all(&self.db)? {
            if room.membership == mbolo_client_api::Membership::Member {
                room.profile_due = true;
                room.save(&self.db)?;
                self.members_changed(room.id);
                self.todo.insert(room.id);
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ sending

    pub(crate) fn send_text(
        &mut self,
        id: u64,
        room: &str,
        text: String,
        reply_to: Option<String>,
        client_id: Option<&str>,
    ) -> Result<(), Fault> {
        let me = self.my_account()?;
        let Some(known) = self.named_room(id, room)? else { return Ok(()) };
        let message_id = match client_id {
            Some(name) if name.len() > MAX_CLIENT_ID_BYTES => {
                self.reply(id, Err(failure("too_long", "the id of a text has at most 64 bytes")));
                return Ok(());
            }
            Some(name) => Some(self.message_id_of(known.id, name)?),
            None => None,
        };
        // Asked for before, by a user interface that did not hear the answer.
        if let Some(message_id) = &message_id
            && let Some(message) = self.message(known.id, MessageKey::new(me, message_id))?
        {
            self.reply(id, Ok(Reply::Sent { message }));
            return Ok(());
        }
        let Some(mut room) = self.room_of_member(id, room)? else { return Ok(()) };
        if !self.text_is_fit(id, &text) {
            return Ok(());
        }
        let in_reply_to = match reply_to {
            None => None,
            Some(target) => match self.named_message(id, room.id, &target)? {
                Some((_, sender, message_id, _)) => {
                    Some(content::MessageRef { sender: sender.to_bytes(), message_id: message_id.into() })
                }
                None => return Ok(()),
            },
        };
        let mut content = self.new_content(Kind::Text(content::Text { body: text.clone() }));
        content.in_reply_to = in_reply_to;
        if let Some(message_id) = message_id {
            content.message_id = message_id.to_vec().into();
        }
        let key = MessageKey::new(me, &content.message_id);
        let outbox = self.post(room.id, &content, Some(key))?;
        let position = waiting_position(outbox);
        let place = Place { origin: Origin::COMMITS, seq: 0, position, at_ms: self.now };
        self.insert(&mut room, me, &content, &Body::Text { text }, None, place, Some(MessageState::Waiting))?;
        room.save(&self.db)?;
        if let Some(message) = self.message(room.id, key)? {
            self.reply(id, Ok(Reply::Sent { message }));
        }
        Ok(())
    }

    pub(crate) fn react(&mut self, id: u64, room: &str, message: &str, emoji: String) -> Result<(), Fault> {
        let Some(room) = self.room_of_member(id, room)? else { return Ok(()) };
        let Some((target, sender, message_id, _)) = self.named_message(id, room.id, message)? else {
            return Ok(());
        };
        if emoji.chars().count() > MAX_EMOJI_CHARS {
            self.reply(id, Err(failure("too_long", "a reaction is one emoji")));
            return Ok(());
        }
        let reference = content::MessageRef { sender: sender.to_bytes(), message_id: message_id.into() };
        let content = self
            .new_content(Kind::Reaction(content::Reaction { target: Some(reference), emoji: emoji.clone() }));
        let outbox = self.post(room.id, &content, None)?;
        let me = self.my_account()?;
        self.set_reaction(room.id, target, me, &emoji, waiting_position(outbox))?;
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    pub(crate) fn edit(&mut self, id: u64, room: &str, message: &str, text: String) -> Result<(), Fault> {
        let Some(room) = self.room_of_member(id, room)? else { return Ok(()) };
        let Some((target, message_id, body)) = self.own_message(id, room.id, message)? else { return Ok(()) };
        if !self.text_is_fit(id, &text) {
            return Ok(());
        }
        if !matches!(body, Body::Text { .. }) {
            self.reply(id, Err(failure("unknown_message", "only a text can be changed")));
            return Ok(());
        }
        let content =
            self.new_content(Kind::Edit(content::Edit { message_id: message_id.into(), body: text.clone() }));
        let outbox = self.post(room.id, &content, None)?;
        self.set_text(room.id, target, &text, waiting_position(outbox))?;
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: u64, room: &str, message: &str) -> Result<(), Fault> {
        let Some(room) = self.room_of_member(id, room)? else { return Ok(()) };
        let Some((target, message_id, _)) = self.own_message(id, room.id, message)? else { return Ok(()) };
        if self.withdraw(room.id, target)? {
            self.reply(id, Ok(Reply::Done));
            return Ok(());
        }
        let content = self.new_content(Kind::Delete(content::Delete { message_id: message_id.into() }));
        self.post(room.id, &content, None)?;
        self.forget_words(target)?;
        self.take_back(room.id, target)?;
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// Wants another name for the group. It is shown at once and holds when the cell has it and this account is still an
    /// admin: only then do the others follow it.
    pub(crate) fn rename_group(&mut self, id: u64, mut room: Room, name: String) -> Result<(), Fault> {
        if room.shown_name() != name {
            let newest = room.wanted_name.as_ref().map_or(room.name_version, |(_, version)| *version);
            let version = newest.max(room.name_version) + 1;
            if version > MAX_NAME_VERSION {
                self.reply(id, Err(failure("change_refused", "this group cannot be renamed any more")));
                return Ok(());
            }
            let state = content::RoomState { version, name: name.clone() };
            room.wanted_name = Some((name, version));
            room.save(&self.db)?;
            let content = self.new_content(Kind::RoomState(state));
            self.post(room.id, &content, None)?;
            self.chat_changed(room.id);
        }
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// The own word about the room's name has its place among those of the others, and counts there or does not.
    pub(crate) fn settle_name(
        &mut self,
        room: &mut Room,
        state: &content::RoomState,
        place: Place,
    ) -> Result<(), Fault> {
        let me = self.my_account()?;
        self.take_room_state(room, me, state, place)?;
        if room.wanted_name.as_ref().is_some_and(|(_, version)| *version == state.version) {
            room.wanted_name = None;
            self.chat_changed(room.id);
            if !self.member(room.id, me)?.admin {
                self.change_failed(room.id, Change::Rename, &[], NOT_ADMIN)?;
            }
        }
        Ok(())
    }

    /// Tells the room's name.
    pub(crate) fn post_room_state(&mut self, room: &Room) -> Result<(), Fault> {
        let state = content::RoomState { version: room.name_version, name: room.name.clone() };
        let content = self.new_content(Kind::RoomState(state));
        self.post(room.id, &content, None)?;
        Ok(())
    }

    /// Tells the own name.
    pub(crate) fn post_profile(&mut self, room: RoomId) -> Result<(), Fault> {
        let name = self.me.as_ref().map(|me| me.name.clone()).unwrap_or_default();
        let content = self.new_content(Kind::Profile(content::Profile { name }));
        self.post(room, &content, None)?;
        Ok(())
    }

    pub(crate) fn new_content(&self, body: Kind) -> Content {
        Content {
            message_id: self.crypto.random::<16>().to_vec().into(),
            sent_at_ms: self.now,
            body: Some(body),
            ..Content::default()
        }
    }

    /// The message id of a text that the user interface has given a name. It follows from the name, so that the row of
    /// the message itself says that the text was taken.
    fn message_id_of(&self, room: RoomId, name: &str) -> Result<[u8; 16], Fault> {
        let me = self.me.as_ref().ok_or(Fault::Damaged("no account"))?;
        let hash: [u8; 32] = Sha256::new_with_prefix(b"mbolo/client-id/v1")
            .chain_update(me.device.public().to_bytes())
            .chain_update(room.0)
            .chain_update(name)
            .finalize()
            .into();
        Ok(MessageKey::first_of(&hash).0)
    }

    fn text_is_fit(&mut self, id: u64, text: &str) -> bool {
        if text.trim().is_empty() {
            self.reply(id, Err(failure("empty", "there is nothing to send")));
        } else if text.len() > MAX_TEXT_BYTES {
            self.reply(id, Err(failure("too_long", "a text has at most 16,384 bytes; send it in parts")));
        } else {
            return true;
        }
        false
    }

    /// A message by its id in the API, or a refusal.
    pub(crate) fn named_message(
        &mut self,
        id: u64,
        room: RoomId,
        message: &str,
    ) -> Result<Option<NamedMessage>, Fault> {
        let found = match MessageKey::parse(message) {
            Some(key) => {
                self.body_of(room, key)?.map(|(sender, message_id, body)| (key, sender, message_id, body))
            }
            None => None,
        };
        if found.is_none() {
            self.reply(id, Err(failure("unknown_message", "there is no such message in this chat")));
        }
        Ok(found)
    }

    fn own_message(
        &mut self,
        id: u64,
        room: RoomId,
        message: &str,
    ) -> Result<Option<(MessageKey, Vec<u8>, Body)>, Fault> {
        let Some((key, sender, message_id, body)) = self.named_message(id, room, message)? else {
            return Ok(None);
        };
        if sender != self.my_account()? || matches!(body, Body::Event { .. }) {
            self.reply(id, Err(failure("unknown_message", "this is not a message of yours")));
            return Ok(None);
        }
        Ok(Some((key, message_id, body)))
    }
}

/// A message's key, its sender, the id the sender gave it, and what it says.
pub(crate) type NamedMessage = (MessageKey, AccountId, Vec<u8>, Body);

/// The message that a reference names.
pub(crate) fn key_of(reference: &content::MessageRef) -> Option<MessageKey> {
    let sender = AccountId::try_from(reference.sender.as_ref()).ok()?;
    Some(MessageKey::new(sender, &reference.message_id))
}

/// A group whose name changes every minute comes to this in eight thousand years.
const MAX_NAME_VERSION: u64 = u32::MAX as u64;
/// Names that several admins give while they do not hear of each other.
const MAX_NAME_VERSIONS_AHEAD: u64 = 1_000;
/// Content kept until its message comes, per room.
const MAX_ORPHANS: i64 = 1_000;
/// The longest name of a text by a user interface.
const MAX_CLIENT_ID_BYTES: usize = 64;
/// An emoji can be a sequence; this is longer than any.
const MAX_EMOJI_CHARS: usize = 16;

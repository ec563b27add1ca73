//! Delivered and read marks, and who types.
//!
//! A delivered mark is the cursor itself: it is sent, a little later and in one frame for all rooms, after what
//! it covers is durable. A read mark says the same about what was seen, sealed so that the cell cannot read it.
//! The state of an own message follows from the marks of all others and only ever rises.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use mbolo_client_api::{Body, Member, MessageState, Reply, Update};
use mbolo_proto::content::{self, EphemeralContent, ReadMark, ReadPosition, Sealed, ephemeral_content};
use mbolo_proto::wire::{self, client_frame};
use mbolo_proto::{AccountId, Origin, RoomId, VersionVector};
use prost::Message as _;
use rusqlite::OptionalExtension;

use crate::engine::{Client, Fault};
use crate::room::{Room, decode_vector, encode_vector, without_commits};
use crate::session::Asked;
use crate::view::{MessageKey, state_code, state_of};

/// Somebody types.
pub(crate) struct Typing {
    /// Unless they say so again.
    pub until: u64,
}

impl Client {
    // ------------------------------------------------------------ own marks

    /// The cursor of a room moved: the cell hears of it soon.
    pub(crate) fn delivered(&mut self, room: &mut Room) {
        room.marks_dirty = true;
        self.marks_soon(room.id);
    }

    fn marks_soon(&mut self, room: RoomId) {
        self.session.marks_changed.insert(room);
        if self.is_open() {
            let due = self.now + COALESCE_MS;
            self.session.marks_due = Some(self.session.marks_due.map_or(due, |at| at.min(due)));
        }
    }

    /// What stands up to this position has been seen; everything, without one.
    pub(crate) fn mark_read(&mut self, mut room: Room, up_to: Option<u64>) -> Result<(), Fault> {
        let (seen, unread) = match up_to {
            Some(position) => self.seen_up_to(&room, position)?,
            None => (without_commits(&room.vector), 0),
        };
        if unread < room.unread || !room.read.covers(&seen) {
            room.unread = unread;
            if room.read.join(&seen) {
                room.read_dirty = true;
                self.marks_soon(room.id);
            }
            room.save(&self.db)?;
            self.chat_changed(room.id);
        }
        Ok(())
    }

    /// How far the logs have been seen by whoever has seen up to this position, and how many messages stand behind it.
    fn seen_up_to(&self, room: &Room, position: u64) -> Result<(VersionVector, u32), Fault> {
        let behind: Vec<(Origin, u64, u32)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT origin, min(seq), count(*) FROM messages
                 WHERE room = ?1 AND position > ?2 AND state IS NULL AND origin IS NOT NULL AND origin <> ?3
                 AND (body LIKE '{\"kind\":\"text\"%' OR body LIKE '{\"kind\":\"deleted\"%')
                 GROUP BY origin",
            )?;
            statement
                .query_map((room.id.0, position as i64, Origin::COMMITS.0), |row| {
                    Ok((Origin(row.get(0)?), row.get::<_, i64>(1)? as u64, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?
        };
        let first_unseen = |origin| behind.iter().find(|(of, ..)| *of == origin).map(|(_, first, _)| *first);
        let seen = without_commits(&room.vector)
            .iter()
            .map(|(origin, seq)| (origin, first_unseen(origin).map_or(seq, |first| seq.min(first - 1))))
            .collect();
        let count = behind.iter().map(|(.., count)| count).sum::<u32>();
        Ok((seen, count.min(room.unread)))
    }

    pub(crate) fn send_marks(&mut self) -> Result<(), Fault> {
        self.session.marks_due = None;
        let changed = std::mem::take(&mut self.session.marks_changed);
        let mut marks = Vec::new();
        for id in &changed {
            let Some(room) = Room::load(&self.db, *id)? else { continue };
            if !room.is_usable() || !room.created {
                continue; // told when the room is well again
            }
            self.session.marks_sent.insert(*id);
            if room.marks_dirty {
                let delivered = without_commits(&room.vector);
                marks.push(wire::RoomMark { room_id: id.to_bytes(), delivered: Some((&delivered).into()) });
            }
            if room.read_dirty {
                self.send_read_mark(&room)?;
            }
        }
        for chunk in marks.chunks(MARKS_PER_FRAME) {
            self.tell(client_frame::Body::PutMarks(wire::PutMarks { marks: chunk.to_vec() }));
        }
        // Marks are not answered; a ping behind them is, and after it they need not be sent again.
        if !self.session.marks_sent.is_empty() && self.session.may_confirm(self.now) {
            self.session.marks_confirming = std::mem::take(&mut self.session.marks_sent);
            self.ping();
        }
        Ok(())
    }

    fn send_read_mark(&mut self, room: &Room) -> Result<(), Fault> {
        let mark = ReadMark {
            account_id: self.my_account()?.to_bytes(),
            positions: room
                .read
                .iter()
                .map(|(origin, seq)| ReadPosition { origin: origin.to_bytes(), seq })
                .collect(),
        };
        if let Some(payload) = self.seal(room, &mark.encode_to_vec())? {
            let mark = wire::PutReadMark { room_id: room.id.to_bytes(), payload };
            self.tell(client_frame::Body::PutReadMark(mark));
        }
        Ok(())
    }

    /// The cell answered something that was sent after the marks, so it has them.
    pub(crate) fn marks_are_known(&mut self) -> Result<(), Fault> {
        for id in std::mem::take(&mut self.session.marks_confirming) {
            if self.session.marks_changed.contains(&id) || self.session.marks_sent.contains(&id) {
                continue;
            }
            self.db
                .prepare_cached("UPDATE rooms SET marks_dirty = 0, read_dirty = 0 WHERE id = ?1")?
                .execute([id.0])?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ others' marks

    /// Asks for the marks of a room in which own messages are not seen by all yet. One that waits counts: the cell may
    /// have it, and others' marks for it, and only the answer was lost.
    pub(crate) fn ask_marks(&mut self, room: RoomId) -> Result<(), Fault> {
        let unfinished = self
            .db
            .prepare_cached("SELECT 1 FROM messages WHERE room = ?1 AND state BETWEEN 1 AND 3")?
            .exists([room.0])?;
        if unfinished {
            let body = wire::GetMarks { room_id: room.to_bytes() };
            self.request(Asked::Marks, client_frame::Body::GetMarks(body));
        }
        Ok(())
    }

    pub(crate) fn on_marks(&mut self, marks: &wire::Marks) -> Result<(), Fault> {
        let Ok(id) = RoomId::try_from(marks.room_id.as_ref()) else { return Ok(()) };
        let Some(mut room) = Room::load(&self.db, id)? else { return Ok(()) };
        for mark in &marks.marks {
            let (Ok(account), Ok(delivered)) = (
                AccountId::try_from(mark.account_id.as_ref()),
                VersionVector::try_from(mark.delivered.as_ref()),
            ) else {
                continue;
            };
            self.raise_mark(id, account, "delivered", &delivered)?;
        }
        if let Ok(everyone) = VersionVector::try_from(marks.everyone.as_ref()) {
            room.everyone.join(&without_commits(&everyone));
        }
        for mark in &marks.read {
            self.take_read_mark(&mut room, mark)?;
        }
        self.raise_states(&room)?;
        room.save(&self.db)?;
        Ok(())
    }

    pub(crate) fn on_read_mark(&mut self, mark: &wire::ReadMarkPush) -> Result<(), Fault> {
        let Ok(id) = RoomId::try_from(mark.room_id.as_ref()) else { return Ok(()) };
        let Some(mut room) = Room::load(&self.db, id)? else { return Ok(()) };
        self.take_read_mark(&mut room, mark)?;
        self.raise_states(&room)?;
        room.save(&self.db)?;
        Ok(())
    }

    fn take_read_mark(&mut self, room: &mut Room, push: &wire::ReadMarkPush) -> Result<(), Fault> {
        let Some(bytes) = self.unseal(room.id, &push.payload)? else { return Ok(()) };
        let Ok(mark) = ReadMark::decode(bytes.as_slice()) else { return Ok(()) };
        let Ok(account) = AccountId::try_from(mark.account_id.as_ref()) else { return Ok(()) };
        if mark.account_id != push.account_id {
            return Ok(()); // a member's mark under another's name
        }
        let read: VersionVector = mark
            .positions
            .iter()
            .filter_map(|position| Some((Origin::try_from(position.origin.as_ref()).ok()?, position.seq)))
            .collect();
        if account == self.my_account()? {
            // Seen on another device of this account.
            if read.covers(&without_commits(&room.vector)) && room.unread > 0 {
                room.unread = 0;
                self.chat_changed(room.id);
            }
            room.read.join(&read);
            return Ok(());
        }
        self.raise_mark(room.id, account, "read", &read)
    }

    fn raise_mark(
        &mut self,
        room: RoomId,
        account: AccountId,
        column: &str,
        mark: &VersionVector,
    ) -> Result<(), Fault> {
        let known: Option<Vec<u8>> = self
            .db
            .prepare_cached(&format!("SELECT {column} FROM members WHERE room = ?1 AND account = ?2"))?
            .query_row((room.0, account.0), |row| row.get(0))
            .optional()?;
        let Some(known) = known else { return Ok(()) };
        let mut joined = decode_vector(&known);
        if joined.join(mark) {
            self.db
                .prepare_cached(&format!(
                    "UPDATE members SET {column} = ?3 WHERE room = ?1 AND account = ?2"
                ))?
                .execute((room.0, account.0, encode_vector(&joined)))?;
        }
        Ok(())
    }

    fn others(&self, room: RoomId) -> Result<Vec<(AccountId, VersionVector, VersionVector)>, Fault> {
        let me = self.my_account()?;
        let mut statement = self.db.prepare_cached(
            "SELECT account, delivered, read FROM members
             WHERE room = ?1 AND present = 1 AND account <> ?2 ORDER BY account",
        )?;
        let rows = statement.query_map((room.0, me.0), |row| {
            let vector = |bytes: Vec<u8>| decode_vector(&bytes);
            Ok((AccountId(row.get(0)?), vector(row.get(1)?), vector(row.get(2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Raises the states of own messages to what the marks say.
    pub(crate) fn raise_states(&mut self, room: &Room) -> Result<(), Fault> {
        let unfinished = self.unfinished(room.id, None)?;
        self.raise(room, unfinished)
    }

    /// The same for one message that was just accepted: the others' marks have not changed since, and with
    /// somebody away for weeks there can be thousands of others.
    pub(crate) fn raise_state(&mut self, room: &Room, key: MessageKey) -> Result<(), Fault> {
        let unfinished = self.unfinished(room.id, Some(key))?;
        self.raise(room, unfinished)
    }

    /// Own messages that not everybody has seen: all of a room, or one.
    fn unfinished(&self, room: RoomId, key: Option<MessageKey>) -> Result<Vec<Unfinished>, Fault> {
        let which = if key.is_some() { "AND key = ?2" } else { "AND ?2 IS NULL" };
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT key, origin, seq, state FROM messages WHERE room = ?1 {which} AND state BETWEEN 2 AND 3
             ORDER BY position, key"
        ))?;
        let rows = statement.query_map((room.0, key.map(|key| key.0)), |row| {
            Ok((MessageKey(row.get(0)?), Origin(row.get(1)?), row.get::<_, i64>(2)? as u64, row.get(3)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn raise(&mut self, room: &Room, unfinished: Vec<Unfinished>) -> Result<(), Fault> {
        if unfinished.is_empty() {
            return Ok(());
        }
        let others = self.others(room.id)?;
        if others.is_empty() {
            return Ok(());
        }
        for (key, origin, seq, state) in unfinished {
            let read = others.iter().all(|(_, _, read)| read.get(origin) >= seq);
            let delivered = read
                || room.everyone.get(origin) >= seq
                || others
                    .iter()
                    .all(|(_, delivered, read)| delivered.get(origin).max(read.get(origin)) >= seq);
            let reached = match (read, delivered) {
                (true, _) => MessageState::Read,
                (_, true) => MessageState::Delivered,
                _ => MessageState::Sent,
            };
            if reached > state_of(state) {
                self.db
                    .prepare_cached("UPDATE messages SET state = ?3 WHERE room = ?1 AND key = ?2")?
                    .execute((room.id.0, key.0, state_code(reached)))?;
                self.message_changed(room.id, key);
            }
        }
        Ok(())
    }

    pub(crate) fn message_info(&mut self, id: u64, room: &str, message: &str) -> Result<(), Fault> {
        let Some(room) = self.named_room(id, room)? else { return Ok(()) };
        let Some((key, sender, _, body)) = self.named_message(id, room.id, message)? else { return Ok(()) };
        let at: Option<(Option<[u8; 32]>, i64)> = self
            .db
            .prepare_cached("SELECT origin, seq FROM messages WHERE room = ?1 AND key = ?2")?
            .query_row((room.id.0, key.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (mut delivered_to, mut read_by, mut waiting_for): (Vec<Member>, Vec<Member>, Vec<Member>) =
            Default::default();
        if !matches!(body, Body::Event { .. })
            && let Some((Some(origin), seq)) = at
        {
            let (origin, seq) = (Origin(origin), seq as u64);
            for (account, delivered, read) in self.others(room.id)? {
                if account == sender {
                    continue;
                }
                let member = self.member(room.id, account)?;
                if seq > 0 && read.get(origin) >= seq {
                    read_by.push(member);
                } else if seq > 0 && (delivered.get(origin) >= seq || room.everyone.get(origin) >= seq) {
                    delivered_to.push(member);
                } else {
                    waiting_for.push(member);
                }
            }
        }
        self.reply(id, Ok(Reply::MessageInfo { delivered_to, read_by, waiting_for }));
        Ok(())
    }

    // ------------------------------------------------------------ typing

    pub(crate) fn set_typing(&mut self, room: &Room, active: bool) -> Result<(), Fault> {
        if !self.is_open() || !room.is_usable() || !room.created || room.leaving {
            return Ok(());
        }
        let content = EphemeralContent {
            account_id: self.my_account()?.to_bytes(),
            body: Some(ephemeral_content::Body::Typing(content::Typing { active })),
        };
        if let Some(payload) = self.seal(room, &content.encode_to_vec())? {
            let frame = wire::Ephemeral { room_id: room.id.to_bytes(), payload };
            self.tell(client_frame::Body::Ephemeral(frame));
        }
        Ok(())
    }

    pub(crate) fn on_ephemeral(&mut self, push: &wire::EphemeralPush) -> Result<(), Fault> {
        let Ok(room) = RoomId::try_from(push.room_id.as_ref()) else { return Ok(()) };
        let Some(bytes) = self.unseal(room, &push.payload)? else { return Ok(()) };
        let Ok(content) = EphemeralContent::decode(bytes.as_slice()) else { return Ok(()) };
        let Ok(account) = AccountId::try_from(content.account_id.as_ref()) else { return Ok(()) };
        if content.account_id != push.account_id || account == self.my_account()? {
            return Ok(());
        }
        match content.body {
            Some(ephemeral_content::Body::Typing(content::Typing { active: true })) => {
                let until = self.now + TYPING_MS;
                if self.typing.insert((room, account), Typing { until }).is_none() {
                    self.show_typing(room, account, true)?;
                }
                Ok(())
            }
            Some(ephemeral_content::Body::Typing(_)) => self.stop_typing(room, account),
            None => Ok(()),
        }
    }

    pub(crate) fn stop_typing(&mut self, room: RoomId, account: AccountId) -> Result<(), Fault> {
        if self.typing.remove(&(room, account)).is_some() {
            self.show_typing(room, account, false)?;
        }
        Ok(())
    }

    pub(crate) fn expire_typing(&mut self) -> Result<(), Fault> {
        let over: Vec<(RoomId, AccountId)> =
            self.typing.iter().filter(|(_, typing)| typing.until <= self.now).map(|(key, _)| *key).collect();
        for (room, account) in over {
            self.stop_typing(room, account)?;
        }
        Ok(())
    }

    fn show_typing(&mut self, room: RoomId, account: AccountId, active: bool) -> Result<(), Fault> {
        let name = self.member(room, account)?.name;
        self.update(Update::Typing { room: room.to_string(), account: account.to_string(), name, active });
        Ok(())
    }

    // ------------------------------------------------------------ sealing

    /// Seals for the members of the present epoch.
    fn seal(&self, room: &Room, plaintext: &[u8]) -> Result<Option<bytes::Bytes>, Fault> {
        let Some(key) = self.sealing_key(room.id, room.epoch)? else { return Ok(None) };
        let nonce: [u8; 12] = self.crypto.random();
        let payload = Payload { msg: plaintext, aad: &room.id.0 };
        let Ok(ciphertext) = cipher(&key).encrypt(Nonce::from_slice(&nonce), payload) else {
            return Ok(None);
        };
        let sealed =
            Sealed { epoch: room.epoch, nonce: nonce.to_vec().into(), ciphertext: ciphertext.into() };
        Ok(Some(sealed.encode_to_vec().into()))
    }

    fn unseal(&self, room: RoomId, bytes: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Ok(sealed) = Sealed::decode(bytes) else { return Ok(None) };
        let Some(key) = self.sealing_key(room, sealed.epoch)? else { return Ok(None) };
        if sealed.nonce.len() != 12 {
            return Ok(None);
        }
        let payload = Payload { msg: sealed.ciphertext.as_ref(), aad: &room.0 };
        Ok(cipher(&key).decrypt(Nonce::from_slice(&sealed.nonce), payload).ok())
    }

    fn sealing_key(&self, room: RoomId, epoch: u64) -> Result<Option<[u8; 32]>, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT key FROM exporters WHERE room = ?1 AND epoch = ?2")?
            .query_row((room.0, epoch as i64), |row| row.get(0))
            .optional()?)
    }
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(Key::from_slice(key))
}

/// Key, origin, seq and state of an own message.
type Unfinished = (MessageKey, Origin, u64, i64);

/// Marks wait this long for others to go with them.
const COALESCE_MS: u64 = 200;
const MARKS_PER_FRAME: usize = 500;
/// A sign of typing that is not renewed is over after this.
const TYPING_MS: u64 = 6_000;

//! The outbox: what this device says, in the order it was said, until the cell has it.
//!
//! A row is content. It is encrypted when its turn comes, in the same transaction that keeps the ciphertext;
//! after that the same bytes are sent as often as it takes, and the entry's id lets everybody see them once.
//! A few publishes per room are under way at a time. If the cell refuses one, it refuses those behind it as
//! well; the first of them goes again with `resume`, so the order never changes.

use mbolo_client_api::{MessageState, Reply};
use mbolo_proto::content::{Content, Text, content::Body as Kind};
use mbolo_proto::wire::{self, ErrorCode, client_frame};
use mbolo_proto::{AccountId, EntryId, Origin, RoomId};
use prost::Message as _;
use rusqlite::OptionalExtension;

use crate::content::{Place, key_of};
use crate::engine::{Client, Fault, failure};
use crate::mls;
use crate::room::Room;
use crate::session::Asked;
use crate::view::{MessageKey, WAITING_POSITION, state_code};

/// Publishes of one room that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    under_way: Vec<i64>,
    /// One was refused: nothing more until all are answered.
    blocked: bool,
    /// The next publish has to say `resume`.
    resume: bool,
    not_before: u64,
    refusals: u32,
}

struct Row {
    id: i64,
    content: Vec<u8>,
    key: Option<MessageKey>,
    payload: Option<Vec<u8>>,
    epoch: u64,
}

impl Client {
    /// Puts content into the outbox. Returns the row's number.
    pub(crate) fn post(
        &mut self,
        room: RoomId,
        content: &Content,
        key: Option<MessageKey>,
    ) -> Result<i64, Fault> {
        self.db
            .prepare_cached("INSERT INTO outbox (room, content, key, payload, epoch, failed) VALUES (?1, ?2, ?3, NULL, 0, 0)")?
            .execute((room.0, content.encode_to_vec(), key.map(|key| key.0)))?;
        self.todo.insert(room);
        Ok(self.db.last_insert_rowid())
    }

    /// Sends what may be sent now.
    pub(crate) fn flush_outbox(&mut self, room: &Room) -> Result<(), Fault> {
        if !self.is_open() || !room.is_usable() || !room.created {
            return Ok(());
        }
        // New members get nothing from before they joined, so what is said now waits for them.
        if self.is_adding(room.id)? {
            return Ok(());
        }
        let flight = self.session.flights.entry(room.id).or_default();
        if flight.blocked {
            return Ok(());
        }
        if flight.not_before > self.now {
            let at = flight.not_before;
            self.wake(room.id, at);
            return Ok(());
        }
        let last = flight.under_way.last().copied().unwrap_or(0);
        let free = MAX_UNDER_WAY.saturating_sub(flight.under_way.len());
        let rows: Vec<Row> = {
            let mut statement = self.db.prepare_cached(
                "SELECT id, content, key, payload, epoch FROM outbox
                 WHERE room = ?1 AND failed = 0 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            statement
                .query_map((room.id.0, last, free as i64), |row| {
                    Ok(Row {
                        id: row.get(0)?,
                        content: row.get(1)?,
                        key: row.get::<_, Option<[u8; 16]>>(2)?.map(MessageKey),
                        payload: row.get(3)?,
                        epoch: row.get::<_, i64>(4)? as u64,
                    })
                })?
                .collect::<Result<_, _>>()?
        };
        for row in rows {
            let payload = match row.payload {
                // Old bytes stay readable for as many epochs as members keep; after that they are made anew.
                Some(payload) if row.epoch + (mls::PAST_EPOCHS as u64) > room.epoch => payload.into(),
                _ => self.encrypt_row(room, row.id, &row.content, row.key)?,
            };
            let flight = self.session.flights.entry(room.id).or_default();
            flight.under_way.push(row.id);
            let resume = std::mem::take(&mut flight.resume);
            let publish = wire::Publish {
                room_id: room.id.to_bytes(),
                kind: wire::EntryKind::Application.into(),
                payload,
                resume,
            };
            self.request(
                Asked::Publish { room: room.id, outbox: row.id },
                client_frame::Body::Publish(publish),
            );
        }
        Ok(())
    }

    fn encrypt_row(
        &mut self,
        room: &Room,
        id: i64,
        content: &[u8],
        key: Option<MessageKey>,
    ) -> Result<bytes::Bytes, Fault> {
        let payload = self
            .with_group(room.id, |group, provider, me| mls::encrypt(group, provider, &me.device, content))?;
        self.db.prepare_cached("UPDATE outbox SET payload = ?2, epoch = ?3 WHERE id = ?1")?.execute((
            id,
            payload.as_ref(),
            room.epoch as i64,
        ))?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO sent (entry, room, content, key, outbox, resent, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
            )?
            .execute((
                EntryId::of_payload(&payload).0,
                room.id.0,
                content,
                key.map(|key| key.0),
                id,
                self.now as i64,
            ))?;
        Ok(payload)
    }

    // ------------------------------------------------------------ answers

    pub(crate) fn on_published(
        &mut self,
        room: RoomId,
        outbox: i64,
        at: &wire::Published,
    ) -> Result<(), Fault> {
        let flight = self.session.flights.entry(room).or_default();
        flight.under_way.retain(|id| *id != outbox);
        flight.refusals = 0;
        self.unblock(room);
        self.session.cell_ahead_ms = Some(at.received_at_ms.wrapping_sub(self.now).cast_signed());
        let Ok(origin) = Origin::try_from(at.origin.as_ref()) else { return Ok(()) };
        let mut room = self.room(room)?;
        self.accepted(&mut room, outbox, origin, at.seq, at.received_at_ms)?;
        room.save(&self.db)?;
        self.step_over(room.id, at, Some(outbox))
    }

    /// The cell has an entry of the outbox: from the answer, or because the entry came back. It stands where it stood,
    /// after everything else, until the cursor comes to it: what was said before it may still be on its way.
    pub(crate) fn accepted(
        &mut self,
        room: &mut Room,
        outbox: i64,
        origin: Origin,
        seq: u64,
        at_ms: u64,
    ) -> Result<(), Fault> {
        let row: Option<Option<[u8; 16]>> = self
            .db
            .prepare_cached("DELETE FROM outbox WHERE id = ?1 RETURNING key")?
            .query_row([outbox], |row| row.get(0))
            .optional()?;
        self.todo.insert(room.id);
        // From here on by the cell's clock, as the times at which members came.
        self.db
            .prepare_cached("UPDATE sent SET at_ms = ?2 WHERE outbox = ?1")?
            .execute((outbox, at_ms as i64))?;
        let Some(Some(key)) = row else { return Ok(()) };
        room.last_activity = room.last_activity.max(at_ms);
        self.db
            .prepare_cached(
                "UPDATE messages SET origin = ?3, seq = ?4, at_ms = ?5, state = ?6
                 WHERE room = ?1 AND key = ?2 AND state < ?6",
            )?
            .execute((room.id.0, key, origin.0, seq as i64, at_ms as i64, state_code(MessageState::Sent)))?;
        self.message_changed(room.id, MessageKey(key));
        self.raise_state(room, MessageKey(key))
    }

    /// The cursor has come to an own entry: what it says gets its place in the order that everybody sees.
    pub(crate) fn settle(&mut self, room: &mut Room, outbox: i64, at: Place) -> Result<(), Fault> {
        let content: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT content FROM sent WHERE outbox = ?1 LIMIT 1")?
            .query_row([outbox], |row| row.get(0))
            .optional()?;
        let Some(content) = content.and_then(|content| Content::decode(content.as_slice()).ok()) else {
            return Ok(());
        };
        if !content.resend_of.is_empty() {
            return Ok(()); // encrypted anew for somebody else: it has its place
        }
        let me = self.my_account()?;
        let waiting = waiting_position(outbox);
        let moved = match &content.body {
            Some(Kind::Text(_)) => {
                let key = MessageKey::new(me, &content.message_id);
                let moved = self
                    .db
                    .prepare_cached(
                        "UPDATE messages SET position = ?3 WHERE room = ?1 AND key = ?2 AND position = ?4",
                    )?
                    .execute((room.id.0, key.0, at.position as i64, waiting as i64))?;
                (moved > 0).then_some(key)
            }
            Some(Kind::Edit(edit)) => {
                let key = MessageKey::new(me, &edit.message_id);
                self.db
                    .prepare_cached(
                        "UPDATE messages SET edited = ?3 WHERE room = ?1 AND key = ?2 AND edited = ?4",
                    )?
                    .execute((room.id.0, key.0, at.position as i64, waiting as i64))?;
                None
            }
            Some(Kind::Reaction(reaction)) => {
                if let Some(target) = reaction.target.as_ref().and_then(key_of) {
                    self.db
                        .prepare_cached(
                            "UPDATE reactions SET position = ?4
                             WHERE room = ?1 AND target = ?2 AND account = ?3 AND position = ?5",
                        )?
                        .execute((room.id.0, target.0, me.0, at.position as i64, waiting as i64))?;
                }
                None
            }
            Some(Kind::RoomState(state)) => {
                self.settle_name(room, state, at)?;
                None
            }
            _ => None,
        };
        if let Some(key) = moved {
            self.message_changed(room.id, key);
        }
        Ok(())
    }

    /// The cursor has passed over own entries without coming to them: they are given a place now.
    pub(crate) fn settle_passed(&mut self, room: &mut Room) -> Result<(), Fault> {
        let passed: Vec<(MessageKey, Origin, u64, u64)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT key, origin, seq, at_ms FROM messages
                 WHERE room = ?1 AND position >= ?2 AND state >= 2 ORDER BY position",
            )?;
            statement
                .query_map((room.id.0, WAITING_POSITION as i64), |row| {
                    Ok((
                        MessageKey(row.get(0)?),
                        Origin(row.get(1)?),
                        row.get::<_, i64>(2)? as u64,
                        row.get::<_, i64>(3)? as u64,
                    ))
                })?
                .collect::<Result<_, _>>()?
        };
        for (key, origin, seq, at_ms) in passed {
            if seq > room.vector.get(origin) {
                continue;
            }
            let position = room.next_position(at_ms, seq);
            self.db
                .prepare_cached("UPDATE messages SET position = ?3 WHERE room = ?1 AND key = ?2")?
                .execute((room.id.0, key.0, position as i64))?;
            self.message_changed(room.id, key);
        }
        let waits = "SELECT 1 FROM outbox WHERE room = ?1 AND failed = 0";
        if room.wanted_name.is_some() && !self.db.prepare_cached(waits)?.exists([room.id.0])? {
            room.wanted_name = None;
            self.chat_changed(room.id);
        }
        for (table, column) in [("messages", "edited"), ("reactions", "position")] {
            self.db
                .prepare_cached(&format!(
                    "UPDATE {table} SET {column} = ?2 WHERE room = ?1 AND {column} >= ?3
                     AND {column} - ?3 NOT IN (SELECT id FROM outbox WHERE room = ?1)"
                ))?
                .execute((room.id.0, room.last_position as i64, WAITING_POSITION as i64))?;
        }
        Ok(())
    }

    pub(crate) fn on_publish_refused(
        &mut self,
        room: RoomId,
        outbox: i64,
        error: &wire::Error,
    ) -> Result<(), Fault> {
        let flight = self.session.flights.entry(room).or_default();
        flight.under_way.retain(|id| *id != outbox);
        flight.resume = true;
        flight.blocked = true;
        match error.code() {
            // Only a consequence of an earlier refusal.
            ErrorCode::OutOfOrder => {}
            ErrorCode::NotAMember | ErrorCode::NotFound => {
                flight.refusals += 1;
                flight.not_before = self.now + RETRY_MS * u64::from(flight.refusals);
                if flight.refusals >= REFUSALS_BEFORE_HEALING {
                    self.needs_healing(room)?;
                }
            }
            ErrorCode::TooLarge | ErrorCode::Malformed => self.fail_row(room, outbox)?,
            _ => {
                flight.refusals += 1;
                let pause = u64::from(error.retry_after_ms).max(RETRY_MS << flight.refusals.min(6));
                flight.not_before = self.now + pause;
            }
        }
        self.unblock(room);
        self.todo.insert(room);
        Ok(())
    }

    /// Once all that was under way is answered, the room sends again.
    pub(crate) fn unblock(&mut self, room: RoomId) {
        if let Some(flight) = self.session.flights.get_mut(&room)
            && flight.under_way.is_empty()
        {
            flight.blocked = false;
        }
    }

    /// A proposal was refused, which blocks publishes like any other.
    pub(crate) fn on_proposal_refused(&mut self, room: RoomId, error: &wire::Error) -> Result<(), Fault> {
        self.session.proposed.remove(&room);
        let flight = self.session.flights.entry(room).or_default();
        flight.resume = true;
        flight.refusals += 1;
        let pause = u64::from(error.retry_after_ms).max(RETRY_MS << flight.refusals.min(6));
        if error.code() == ErrorCode::NotAMember && flight.refusals >= REFUSALS_BEFORE_HEALING {
            self.needs_healing(room)?;
        }
        self.wake(room, self.now + pause);
        Ok(())
    }

    /// The first publish after a refusal resumes; a proposal can be it.
    pub(crate) fn take_resume(&mut self, room: RoomId) -> bool {
        self.session.flights.get_mut(&room).is_some_and(|flight| std::mem::take(&mut flight.resume))
    }

    fn fail_row(&mut self, room: RoomId, outbox: i64) -> Result<(), Fault> {
        self.db.prepare_cached("UPDATE outbox SET failed = 1 WHERE id = ?1")?.execute([outbox])?;
        self.mark_failed(room, Some(outbox))
    }

    /// Marks messages whose outbox rows failed, and forgets rows that show nothing.
    fn mark_failed(&mut self, room: RoomId, outbox: Option<i64>) -> Result<(), Fault> {
        let keys: Vec<[u8; 16]> = {
            let mut statement = self.db.prepare_cached(
                "SELECT key FROM outbox WHERE room = ?1 AND key IS NOT NULL AND failed = 1 AND (?2 IS NULL OR id = ?2)
                 ORDER BY id",
            )?;
            statement.query_map((room.0, outbox), |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        for key in keys {
            self.db
                .prepare_cached("UPDATE messages SET state = ?3 WHERE room = ?1 AND key = ?2 AND state <= 1")?
                .execute((room.0, key, state_code(MessageState::Failed)))?;
            self.message_changed(room, MessageKey(key));
        }
        self.db
            .prepare_cached("DELETE FROM outbox WHERE room = ?1 AND failed = 1 AND key IS NULL")?
            .execute([room.0])?;
        Ok(())
    }

    /// The room is over for this account: nothing of the outbox will be sent.
    pub(crate) fn fail_outbox(&mut self, room: RoomId) -> Result<(), Fault> {
        self.db.prepare_cached("UPDATE outbox SET failed = 1 WHERE room = ?1")?.execute([room.0])?;
        self.mark_failed(room, None)
    }

    pub(crate) fn retry(&mut self, id: u64, room: &str, message: &str) -> Result<(), Fault> {
        let Some(room) = self.room_of_member(id, room)? else { return Ok(()) };
        let Some((key, ..)) = self.named_message(id, room.id, message)? else { return Ok(()) };
        // Encrypted anew and put at the end, where the user now sees it.
        let row: Option<(i64, Vec<u8>)> = self
            .db
            .prepare_cached("SELECT id, content FROM outbox WHERE room = ?1 AND key = ?2 AND failed = 1")?
            .query_row((room.id.0, key.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((outbox, content)) = row else {
            self.reply(id, Err(failure("unknown_message", "this message has not failed")));
            return Ok(());
        };
        self.db.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([outbox])?;
        let content = Content::decode(content.as_slice()).map_err(|_| Fault::Damaged("outbox"))?;
        let outbox = self.post(room.id, &content, Some(key))?;
        self.db
            .prepare_cached("UPDATE messages SET state = ?3, position = ?4 WHERE room = ?1 AND key = ?2")?
            .execute((
                room.id.0,
                key.0,
                state_code(MessageState::Waiting),
                waiting_position(outbox) as i64,
            ))?;
        self.message_changed(room.id, key);
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// Takes a message back that was never encrypted: it is as if it had not been written. Says whether it was so.
    pub(crate) fn withdraw(&mut self, room: RoomId, message: MessageKey) -> Result<bool, Fault> {
        let withdrawn = self
            .db
            .prepare_cached("DELETE FROM outbox WHERE room = ?1 AND key = ?2 AND payload IS NULL")?
            .execute((room.0, message.0))?;
        if withdrawn == 0 {
            return Ok(false);
        }
        self.db
            .prepare_cached("DELETE FROM messages WHERE room = ?1 AND key = ?2")?
            .execute((room.0, message.0))?;
        self.message_changed(room, message);
        Ok(true)
    }

    /// Takes the words out of what is kept to be encrypted anew: whoever asks for it learns that there was a message.
    pub(crate) fn forget_words(&mut self, message: MessageKey) -> Result<(), Fault> {
        let kept: Vec<([u8; 32], Vec<u8>)> = {
            let mut statement = self.db.prepare_cached("SELECT entry, content FROM sent WHERE key = ?1")?;
            statement
                .query_map([message.0], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?
        };
        for (entry, content) in kept {
            let Ok(mut content) = Content::decode(content.as_slice()) else { continue };
            content.body = Some(Kind::Text(Text::default()));
            self.db
                .prepare_cached("UPDATE sent SET content = ?2 WHERE entry = ?1")?
                .execute((entry, content.encode_to_vec()))?;
        }
        Ok(())
    }

    /// Forgets what was sent so long ago that nobody asks for it any more.
    pub(crate) fn forget_sent(&mut self) -> Result<(), Fault> {
        self.db
            .prepare_cached("DELETE FROM sent WHERE at_ms < ?1")?
            .execute([self.now.saturating_sub(KEEP_SENT_MS) as i64])?;
        Ok(())
    }

    /// Somebody could not decrypt entries of this device: they are encrypted anew, a bounded number of times.
    pub(crate) fn resend(
        &mut self,
        room: RoomId,
        asker: AccountId,
        entries: &[bytes::Bytes],
    ) -> Result<(), Fault> {
        let since: Option<i64> = self
            .db
            .prepare_cached("SELECT since_ms FROM members WHERE room = ?1 AND account = ?2 AND present = 1")?
            .query_row((room.0, asker.0), |row| row.get(0))
            .optional()?;
        if let Some(since) = since {
            for entry in entries.iter().take(MAX_RESENDS_AT_ONCE) {
                let Ok(entry) = EntryId::try_from(entry.as_ref()) else { continue };
                let row: Option<(Vec<u8>, i64)> = self
                    .db
                    // What was said before somebody came is not for them.
                    .prepare_cached(
                        "SELECT content, resent FROM sent WHERE entry = ?1 AND room = ?2 AND at_ms >= ?3",
                    )?
                    .query_row((entry.0, room.0, since), |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let Some((content, resent)) = row else { continue };
                let Ok(mut content) = Content::decode(content.as_slice()) else { continue };
                // A request that was not understood is asked again by whoever still needs it.
                if resent >= MAX_RESENDS || matches!(content.body, Some(Kind::Resend(_))) {
                    continue;
                }
                self.db
                    .prepare_cached("UPDATE sent SET resent = resent + 1 WHERE entry = ?1")?
                    .execute([entry.0])?;
                content.resend_of.push(entry.0.to_vec().into());
                self.post(room, &content, None)?;
            }
        }
        Ok(())
    }
}

/// Where an entry stands in the conversation: the cell's clock, then the order within a millisecond.
pub(crate) fn position_of(at_ms: u64, seq: u64) -> u64 {
    (at_ms << 10 | (seq & 0x3FF)).min(WAITING_POSITION - ROOM_AFTER_ANY_CLOCK)
}

/// The place of what waits in this row of the outbox: after everything that the cell has, in the order of the outbox.
pub(crate) fn waiting_position(outbox: i64) -> u64 {
    WAITING_POSITION + outbox.unsigned_abs()
}

/// However wrong a cell's clock is, this many entries can still follow.
const ROOM_AFTER_ANY_CLOCK: u64 = 1 << 40;

/// Publishes of one room under way at a time: enough to fill a slow line, few enough to send again.
const MAX_UNDER_WAY: usize = 16;
const RETRY_MS: u64 = 1_000;
const REFUSALS_BEFORE_HEALING: u32 = 3;
/// How often one entry is encrypted anew.
const MAX_RESENDS: i64 = 8;
/// Entries answered of one request.
const MAX_RESENDS_AT_ONCE: usize = 64;
/// How long content stays ready to be encrypted anew.
const KEEP_SENT_MS: u64 = 30 * 24 * 3_600_000;

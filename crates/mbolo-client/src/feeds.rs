//! What the cell pushes: entries of rooms and of the inbox, in the order of their logs.
//!
//! The cursor of a feed moves in the same transaction that takes an entry in, so an entry is taken once or
//! not at all. Own publishes are not pushed to the session that made them; the cursor steps over their
//! positions once it gets there.

use mbolo_proto::wire::{self, EntryKind, inbox_item};
use mbolo_proto::{EntryId, FeedId, Origin, RoomId};
use prost::Message as _;
use rusqlite::OptionalExtension;

use crate::content::Place;
use crate::engine::{Client, Fault};
use crate::mls::{self, Decrypted};
use crate::room::{Room, decode_vector, encode_vector};
use crate::session::{Hole, OwnEntry};
use crate::store;

impl Client {
    pub(crate) fn on_push(&mut self, push: wire::FeedPush) -> Result<(), Fault> {
        let Some(feed) = push.feed.as_ref().and_then(|feed| FeedId::try_from(feed).ok()) else {
            return Ok(());
        };
        let Ok(origin) = Origin::try_from(push.origin.as_ref()) else { return Ok(()) };
        match feed {
            FeedId::Inbox(account) => {
                if self.me.as_ref().is_some_and(|me| me.account == account) {
                    self.on_inbox_push(feed, origin, push)?;
                }
                Ok(())
            }
            FeedId::Room(room) => self.guarded(room, |client| client.on_room_push(room, origin, push)),
        }
    }

    fn on_inbox_push(&mut self, feed: FeedId, origin: Origin, push: wire::FeedPush) -> Result<(), Fault> {
        let mut vector = decode_vector(&store::profile(&self.db, "inbox")?.unwrap_or_default());
        for (seq, entry) in (push.first_seq..).zip(push.entries) {
            if seq <= vector.get(origin) {
                continue;
            }
            if let Ok(wire::InboxItem { item: Some(inbox_item::Item::Welcome(notice)) }) =
                wire::InboxItem::decode(entry.payload)
                && let Ok(room) = RoomId::try_from(notice.room_id.as_ref())
            {
                self.on_welcome_notice(room, notice.epoch)?;
            }
            // The inbox may have gaps: the cell forgets items that every device has had.
            vector.advance(origin, seq);
        }
        store::set_profile(&self.db, "inbox", &encode_vector(&vector))?;
        self.caught_up(feed, &vector);
        Ok(())
    }

    fn on_room_push(&mut self, id: RoomId, origin: Origin, push: wire::FeedPush) -> Result<(), Fault> {
        let Some(mut room) = Room::load(&self.db, id)? else { return Ok(()) };
        for (seq, entry) in (push.first_seq..).zip(push.entries) {
            if room.membership != mbolo_client_api::Membership::Member {
                break;
            }
            self.absorb(&mut room)?;
            let next = room.vector.get(origin) + 1;
            if seq < next {
                continue;
            }
            if seq > next {
                match self.judge_hole(FeedId::Room(id), origin, &room.vector) {
                    Hole::Retention if origin == Origin::COMMITS => {
                        if room.is_usable() {
                            self.lose_own(&mut room)?;
                            self.heal(&mut room)?;
                        }
                        break;
                    }
                    Hole::Retention => {
                        room.vector.advance(origin, seq - 1);
                        self.settle_passed(&mut room)?;
                    }
                    Hole::Lost if room.is_usable() => {
                        self.follow(&room);
                        break;
                    }
                    // On its way, or a room that is being repaired and skips commits on purpose.
                    _ => break,
                }
            }
            let position = room.next_position(entry.received_at_ms, seq);
            let place = Place { origin, seq, position, at_ms: entry.received_at_ms };
            let taken = match (entry.kind(), origin == Origin::COMMITS) {
                (EntryKind::Commit, true) => self.on_commit_entry(&mut room, &entry, place)?,
                (EntryKind::Application, false) => {
                    self.on_application(&mut room, &entry.payload, place)?;
                    true
                }
                (EntryKind::Proposal, false) => {
                    self.on_proposal(&room, &entry.payload)?;
                    true
                }
                // A kind that this version does not know.
                _ => true,
            };
            if !taken {
                break;
            }
            room.vector.advance(origin, seq);
            if origin != Origin::COMMITS {
                self.delivered(&mut room);
            }
        }
        self.absorb(&mut room)?;
        self.caught_up(FeedId::Room(id), &room.vector);
        room.save(&self.db).map_err(Fault::from)
    }

    /// The cell has stored an own entry at this position, of this row of the outbox; it will not push it.
    pub(crate) fn step_over(
        &mut self,
        id: RoomId,
        at: &wire::Published,
        outbox: Option<i64>,
    ) -> Result<(), Fault> {
        let Ok(origin) = Origin::try_from(at.origin.as_ref()) else { return Ok(()) };
        let mut room = self.room(id)?;
        if at.seq > room.vector.get(origin) {
            let own = OwnEntry { outbox, at_ms: at.received_at_ms };
            self.session.ahead.entry(id).or_default().insert((origin, at.seq), own);
        }
        self.absorb(&mut room)?;
        self.caught_up(FeedId::Room(id), &room.vector);
        room.save(&self.db)?;
        Ok(())
    }

    /// Moves the cursor over own entries that come next. While commits from before them are on their way it waits:
    /// what an own entry counts for depends on who was an admin then.
    pub(crate) fn absorb(&mut self, room: &mut Room) -> Result<(), Fault> {
        if room.is_usable() && self.commits_are_coming(FeedId::Room(room.id), &room.vector) {
            return Ok(());
        }
        let Some(ahead) = self.session.ahead.get_mut(&room.id) else { return Ok(()) };
        let mut reached = Vec::new();
        let mut moved = false;
        ahead.retain(|(origin, seq), own| {
            // Ascending, so a dense run goes in one pass.
            if *seq > room.vector.get(*origin) + 1 {
                return true;
            }
            moved |= room.vector.advance(*origin, *seq);
            reached.push((*origin, *seq, *own));
            false
        });
        if moved {
            self.delivered(room);
        }
        for (origin, seq, own) in reached {
            let position = room.next_position(own.at_ms, seq);
            if let Some(outbox) = own.outbox {
                self.settle(room, outbox, Place { origin, seq, position, at_ms: own.at_ms })?;
            }
        }
        Ok(())
    }

    fn on_application(&mut self, room: &mut Room, payload: &bytes::Bytes, place: Place) -> Result<(), Fault> {
        let entry = EntryId::of_payload(payload);
        let own: Option<i64> = self
            .db
            .prepare_cached("SELECT outbox FROM sent WHERE entry = ?1 AND room = ?2")?
            .query_row((entry.0, room.id.0), |row| row.get(0))
            .optional()?;
        if let Some(outbox) = own {
            self.accepted(room, outbox, place.origin, place.seq, place.at_ms)?;
            return self.settle(room, outbox, place);
        }
        let Ok(epoch) = mls::epoch_of(room.id, payload) else { return Ok(()) };
        if !room.is_usable() || epoch > room.epoch {
            return self.hold(room, payload, epoch, place);
        }
        self.open_entry(room, payload, place)
    }

    /// Decrypts an entry and takes its content in.
    fn open_entry(&mut self, room: &mut Room, payload: &bytes::Bytes, place: Place) -> Result<(), Fault> {
        let id = room.id;
        let decrypted = self.attempt(id, |client| {
            client.with_group(id, |group, provider, _| mls::decrypt(group, provider, payload))
        })?;
        match decrypted {
            Ok(Decrypted::Content { sender, bytes }) => self.apply(room, sender, &bytes, place),
            // Encrypted by a state of this device that was lost; another copy is in the outbox.
            Ok(Decrypted::Own) => Ok(()),
            Err(_) => self.note_broken(room, EntryId::of_payload(payload), place),
        }
    }

    /// Keeps an entry until its epoch comes.
    fn hold(&mut self, room: &mut Room, payload: &[u8], epoch: u64, place: Place) -> Result<(), Fault> {
        let held: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM held WHERE room = ?1")?
            .query_row([room.id.0], |row| row.get(0))?;
        // An epoch that far ahead is a mistake or malice, and would be kept for ever.
        let is_far = room.is_usable() && epoch > room.epoch + MAX_EPOCHS_AHEAD;
        if held >= MAX_HELD || is_far {
            return self.note_broken(room, EntryId::of_payload(payload), place);
        }
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO held (room, origin, seq, epoch, payload, at_ms, position)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                room.id.0,
                place.origin.0,
                place.seq as i64,
                epoch as i64,
                payload,
                place.at_ms as i64,
                place.position as i64,
            ))?;
        Ok(())
    }

    /// The room entered an epoch: entries that waited for it are read.
    pub(crate) fn open_held(&mut self, room: &mut Room) -> Result<(), Fault> {
        let held: Vec<(Vec<u8>, Place)> = {
            let mut statement = self.db.prepare_cached(
                "DELETE FROM held WHERE room = ?1 AND epoch <= ?2 RETURNING payload, origin, seq, position, at_ms",
            )?;
            statement
                .query_map((room.id.0, room.epoch as i64), |row| {
                    Ok((
                        row.get(0)?,
                        Place {
                            origin: Origin(row.get(1)?),
                            seq: row.get::<_, i64>(2)? as u64,
                            position: row.get::<_, i64>(3)? as u64,
                            at_ms: row.get::<_, i64>(4)? as u64,
                        },
                    ))
                })?
                .collect::<Result<_, _>>()?
        };
        let mut held = held;
        held.sort_by_key(|(_, place)| (place.origin, place.seq));
        for (payload, place) in held {
            self.open_entry(room, &payload.into(), place)?;
        }
        Ok(())
    }
}

/// Commits that can be on their way behind an entry.
const MAX_EPOCHS_AHEAD: u64 = 1_024;

/// Entries kept ahead of their epoch, per room.
const MAX_HELD: i64 = 1_000;

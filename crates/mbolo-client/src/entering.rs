//! Getting into a room: by a Welcome, or by an external commit when there is none, when the group is broken,
//! or on a new device.
//!
//! The healing ladder: entries that cannot be decrypted are asked for again; a group that cannot follow is
//! entered anew; whoever is not let in any more was removed. Every step is tried with a growing pause and
//! without anybody pressing anything.

use mbolo_client_api::{Body, ChatKind, Membership, RoomEvent};
use mbolo_proto::content::{self, Content, content::Body as Kind};
use mbolo_proto::policy::Policy;
use mbolo_proto::signing::VerifiedReceipt;
use mbolo_proto::wire::{self, ErrorCode, client_frame};
use mbolo_proto::{AccountId, EntryId, Origin, RoomId, VersionVector};
use rusqlite::OptionalExtension;

use crate::content::Place;
use crate::engine::{Client, Fault};
use crate::mls::{self, MlsFault, PendingCommit, RoomContext};
use crate::room::{Healing, Room};
use crate::session::Asked;
use crate::store;
use crate::view::MessageKey;

impl Client {
    /// Goes on with a room that this device is not, or not properly, in.
    pub(crate) fn drive_entering(&mut self, mut room: Room) -> Result<(), Fault> {
        if self.session.busy.contains(&room.id) {
            return Ok(());
        }
        if room.healing == Healing::Pending {
            match self.pending(room.id)? {
                Some((pending, _)) => self.submit(&pending),
                None => {
                    self.heal_again(&mut room)?;
                    room.save(&self.db)?;
                }
            }
            return Ok(());
        }
        if let Some(epoch) = room.join_epoch.filter(|_| room.membership != Membership::Member) {
            self.session.busy.insert(room.id);
            let join = wire::GetJoin { room_id: room.id.to_bytes(), epoch };
            self.request(Asked::Join { room: room.id }, client_frame::Body::GetJoin(join));
            return Ok(());
        }
        if room.healing == Healing::Needed {
            if room.heal_at > self.now {
                self.wake(room.id, room.heal_at);
            } else {
                self.ask_group_info(room.id);
            }
        }
        Ok(())
    }

    pub(crate) fn ask_group_info(&mut self, room: RoomId) {
        self.session.busy.insert(room);
        let body = wire::GetGroupInfo { room_id: room.to_bytes() };
        self.request(Asked::GroupInfo { room }, client_frame::Body::GetGroupInfo(body));
    }

    // ------------------------------------------------------------ by a Welcome

    pub(crate) fn on_welcome_notice(&mut self, id: RoomId, epoch: u64) -> Result<(), Fault> {
        let mut room = match Room::load(&self.db, id)? {
            Some(room) if room.membership == Membership::Member && room.epoch >= epoch => return Ok(()),
            Some(room) => room,
            // The kind and all else come with the Welcome.
            None => Room::new(id, ChatKind::Group, 0, Membership::Joining, self.now),
        };
        if room.join_epoch.is_none_or(|known| known < epoch) {
            room.join_epoch = Some(epoch);
            // A wish to leave is about the time before.
            room.leaving = false;
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    pub(crate) fn on_join(&mut self, id: RoomId, join: &wire::Join) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        if room.membership == Membership::Member && room.healing == Healing::Well {
            return Ok(());
        }
        let joined = self.attempt(id, |client| {
            client.forget_group(id);
            let joined = mls::join(&client.provider(), id, &join.welcome, &join.ratchet_tree)?;
            let receipt = join.receipt.clone().unwrap_or_default();
            let epoch = joined.group.epoch().as_u64();
            let hash = check_entry_receipt(&receipt, &joined.context, id, epoch)?;
            Ok((joined, hash))
        })?;
        room.join_epoch = None;
        match joined {
            Ok((joined, hash)) => {
                let epoch = joined.group.epoch().as_u64();
                let suite = joined.group.ciphersuite();
                self.keep_group(id, joined.group);
                if room.membership != Membership::Member {
                    self.db
                        .prepare_cached("DELETE FROM held WHERE room = ?1 AND epoch < ?2")?
                        .execute((id.0, epoch as i64))?;
                }
                let start = VersionVector::try_from(join.start.as_ref()).unwrap_or_default();
                room.vector.join(&start);
                room.vector.advance(Origin::COMMITS, epoch);
                self.is_in(&mut room, suite as u16, &joined.context, epoch, hash)?;
                let me = self.my_account()?;
                let member = self.member(id, me)?;
                let place = self.place_now(&mut room, epoch);
                let cause = [id.0.as_slice(), &epoch.to_be_bytes(), b"added"].concat();
                let event = RoomEvent::Added { members: vec![member] };
                self.insert_event(&mut room, joined.inviter, event, &cause, place)?;
                let leaves = self.with_group(id, |group, _, _| Ok(group.members().count() as u64))?;
                if leaves <= MAX_LEAVES_FOR_RENEWAL {
                    // Forward secrecy of the first leaf key; spread so that joiners do not collide.
                    room.renew_at = self.now + RENEW_MS + self.crypto.below(RENEW_MS * leaves.max(2));
                }
                // The KeyPackage that was used up is replaced.
                self.upload_key_packages(suite, 1, false)?;
                self.open_held(&mut room)?;
                self.follow(&room);
            }
            Err(_) => self.heal(&mut room)?,
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    pub(crate) fn on_join_refused(&mut self, id: RoomId, error: &wire::Error) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        match error.code() {
            ErrorCode::NotFound => {
                // There is no Welcome for this device, but the account is in the room.
                room.join_epoch = None;
                self.heal(&mut room)?;
            }
            ErrorCode::NotAMember => {
                room.join_epoch = None;
                if !self.not_let_in(&mut room)? {
                    return Ok(());
                }
            }
            _ => self.wake(id, self.now + u64::from(error.retry_after_ms).max(HEAL_MS)),
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    /// This device is in: what its row says about it.
    fn is_in(
        &mut self,
        room: &mut Room,
        suite: u16,
        context: &RoomContext,
        epoch: u64,
        hash: [u8; 32],
    ) -> Result<(), Fault> {
        let is_new = room.membership != Membership::Member;
        self.learn_kind(room, suite, context)?;
        room.membership = Membership::Member;
        room.created = true;
        room.healing = Healing::Well;
        room.heal_attempts = 0;
        room.heal_at = 0;
        room.join_epoch = None;
        room.epoch = epoch;
        room.parent = hash;
        if is_new {
            room.profile_due = true;
        }
        self.delivered(room);
        self.settle_passed(room)?;
        room.save(&self.db)?;
        self.follow_group(room, 0)?;
        self.members_changed(room.id);
        Ok(())
    }

    /// Takes the room's kind from its group. A room of two that this account opened stays one, with the same person.
    fn learn_kind(&mut self, room: &mut Room, suite: u16, context: &RoomContext) -> Result<(), Fault> {
        room.suite = suite;
        let me = self.my_account()?;
        match &context.policy {
            Policy::Group { .. } if room.peer.is_some() => {
                return Err(MlsFault::Malformed("a group in place of a room of two").into());
            }
            Policy::Direct { participants: [one, other] } => {
                room.kind = ChatKind::Direct;
                room.peer = Some(if *one == me { *other } else { *one });
            }
            Policy::Group { .. } => room.kind = ChatKind::Group,
        }
        Ok(())
    }

    // ------------------------------------------------------------ by an external commit

    pub(crate) fn on_group_info(&mut self, id: RoomId, info: &wire::RoomGroupInfo) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        if !room.created {
            return self.compare_creation(room, info);
        }
        if room.healing != Healing::Needed {
            return Ok(());
        }
        // An invitation came while this was asked: with it everything said since can be read.
        if room.join_epoch.is_some() && room.membership != Membership::Member {
            self.todo.insert(id);
            return Ok(());
        }
        // A new device begins here. One that only missed its invitation is served from where the account's
        // history begins, and asks for what it cannot decrypt.
        let is_new_device = room.suite == 0;
        let built = self.attempt(id, |client| {
            client.forget_group(id);
            let provider = client.provider();
            let me = client.me.as_ref().ok_or(Fault::Damaged("no account"))?;
            let rejoin = mls::rejoin(&provider, &me.device, id, &info.group_info, &info.ratchet_tree)?;
            let hash = match &info.receipt {
                Some(receipt) => check_entry_receipt(receipt, &rejoin.context, id, rejoin.epoch)?,
                None if rejoin.epoch == 0 => [0; 32],
                None => return Err(MlsFault::Receipt("there is none".into()).into()),
            };
            Ok((rejoin, hash))
        })?;
        match built {
            Ok((rejoin, hash)) => {
                let suite = rejoin.group.ciphersuite() as u16;
                self.learn_kind(&mut room, suite, &rejoin.context)?;
                if room.membership != Membership::Member && is_new_device {
                    let head = VersionVector::try_from(info.head.as_ref()).unwrap_or_default();
                    room.vector.join(&head);
                }
                room.parent = hash;
                room.healing = Healing::Pending;
                let pending =
                    PendingCommit { room: id, epoch: rejoin.epoch, bundle: rejoin.bundle, external: true };
                self.keep_pending(&pending, 0)?;
                self.submit(&pending);
            }
            Err(_) => self.heal_again(&mut room)?,
        }
        room.save(&self.db)?;
        Ok(())
    }

    pub(crate) fn on_group_info_refused(&mut self, id: RoomId, error: &wire::Error) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        match error.code() {
            ErrorCode::NotAMember | ErrorCode::NotFound if room.created => {
                if !self.not_let_in(&mut room)? {
                    return Ok(());
                }
            }
            _ => {
                room.heal_at = self.now + u64::from(error.retry_after_ms).max(HEAL_MS);
                self.wake(id, room.heal_at);
            }
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    /// The own external commit was decided.
    pub(crate) fn rejoined(&mut self, room: &mut Room, epoch: u64, hash: [u8; 32]) -> Result<(), Fault> {
        let (suite, context) = self.with_group(room.id, |group, _, _| {
            Ok((group.ciphersuite() as u16, RoomContext::of(group.extensions())?))
        })?;
        self.is_in(room, suite, &context, epoch, hash)?;
        self.open_held(room)?;
        self.follow(room);
        self.chat_changed(room.id);
        Ok(())
    }

    /// Another commit was decided: the external one is made again on the new epoch.
    pub(crate) fn lose_external(&mut self, room: &mut Room) -> Result<(), Fault> {
        self.drop_pending(room.id)?;
        self.forget_group(room.id);
        mls::delete(&self.provider(), room.id)?;
        self.heal_again(room)
    }

    // ------------------------------------------------------------ the same 1:1 room from both ends

    /// CreateRoom met a room that exists: the own one after a lost answer, or the other person's.
    fn compare_creation(&mut self, mut room: Room, info: &wire::RoomGroupInfo) -> Result<(), Fault> {
        let id = room.id;
        let own_tree = self.with_group(id, |group, _, _| mls::tree_bytes(group))?;
        if info.epoch == 0 && own_tree == info.ratchet_tree {
            return self.room_created(id);
        }
        self.forget_group(id);
        mls::delete(&self.provider(), id)?;
        self.db.prepare_cached("DELETE FROM intents WHERE room = ?1")?.execute([id.0])?;
        self.db.prepare_cached("DELETE FROM exporters WHERE room = ?1")?.execute([id.0])?;
        room.created = true;
        room.healing = Healing::Needed;
        // Their invitation is probably on its way; an external commit is for when it got lost.
        if room.join_epoch.is_none() {
            room.heal_at = self.now + HEAL_MS + self.crypto.below(HEAL_MS);
        }
        room.membership = Membership::Joining;
        room.save(&self.db)?;
        self.chat_changed(id);
        self.todo.insert(id);
        Ok(())
    }

    // ------------------------------------------------------------ healing

    /// The group cannot follow the room: it is entered anew, soon. An own commit on the old state is given up.
    pub(crate) fn heal(&mut self, room: &mut Room) -> Result<(), Fault> {
        if room.healing == Healing::Well {
            self.drop_pending(room.id)?;
            room.healing = Healing::Needed;
            let pause = (HEAL_MS << room.heal_attempts.min(6)).min(MAX_HEAL_MS);
            room.heal_at = self.now + self.crypto.below(pause);
            room.heal_attempts += 1;
        }
        self.stop_catching(room.id);
        self.wake(room.id, room.heal_at.max(self.now));
        self.chat_changed(room.id);
        Ok(())
    }

    fn heal_again(&mut self, room: &mut Room) -> Result<(), Fault> {
        room.healing = Healing::Well;
        self.heal(room)
    }

    pub(crate) fn needs_healing(&mut self, id: RoomId) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        if room.is_usable() {
            self.lose_own(&mut room)?;
            self.heal(&mut room)?;
            room.save(&self.db)?;
        }
        Ok(())
    }

    /// The cell does not let this device follow a room that it believes to be in.
    pub(crate) fn on_feed_refused(&mut self, id: RoomId) -> Result<(), Fault> {
        self.needs_healing(id)
    }

    /// The account is not in the room (any more). Says whether the room's row is to stay: one of which nothing was ever
    /// known but an old invitation goes without a trace.
    fn not_let_in(&mut self, room: &mut Room) -> Result<bool, Fault> {
        if room.suite == 0 && room.peer.is_none() {
            if room.join_epoch.is_some() {
                room.healing = Healing::Well;
                return Ok(true);
            }
            self.stop_catching(room.id);
            self.db.prepare_cached("DELETE FROM rooms WHERE id = ?1")?.execute([room.id.0])?;
            return Ok(false);
        }
        let wanted = room.leaving;
        self.expelled(room, wanted)?;
        Ok(true)
    }

    /// The account's rooms, for a new device.
    pub(crate) fn on_rooms(&mut self, rooms: &wire::Rooms) -> Result<(), Fault> {
        for summary in &rooms.rooms {
            let Ok(id) = RoomId::try_from(summary.room_id.as_ref()) else { continue };
            if Room::load(&self.db, id)?.is_some() {
                continue;
            }
            let kind =
                if summary.kind() == wire::RoomKind::Direct { ChatKind::Direct } else { ChatKind::Group };
            let mut room = Room::new(id, kind, 0, Membership::Joining, self.now);
            room.healing = Healing::Needed;
            room.save(&self.db)?;
            self.chat_changed(id);
            self.todo.insert(id);
        }
        store::set_profile(&self.db, "recovering", &[0])?;
        if let Some(me) = &mut self.me {
            me.recovering = false;
        }
        Ok(())
    }

    // ------------------------------------------------------------ entries that could not be decrypted

    pub(crate) fn note_broken(&mut self, room: &Room, entry: EntryId, place: Place) -> Result<(), Fault> {
        // Everybody hears the answer, so in a large room one of those who miss an entry is enough to ask for it.
        let present: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM members WHERE room = ?1 AND present = 1")?
            .query_row([room.id.0], |row| row.get(0))?;
        let spread = ASK_MS * (present.unsigned_abs() / 4).clamp(1, MAX_ASK_SPREAD);
        let due = self.now + ASK_MS + self.crypto.below(spread);
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO broken (entry, room, origin, seq, at_ms, position, asked, due)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
            )?
            .execute((
                entry.0,
                room.id.0,
                place.origin.0,
                place.seq as i64,
                place.at_ms as i64,
                place.position as i64,
                due as i64,
            ))?;
        self.wake(room.id, due);
        Ok(())
    }

    /// Content that was encrypted anew takes the place of the entry that could not be read. Says which place, and whether
    /// this device had not been able to read it.
    pub(crate) fn settle_broken(
        &mut self,
        room: &Room,
        content: &Content,
        place: Place,
    ) -> Result<(Place, bool), Fault> {
        let mut first: Option<Place> = None;
        for entry in content.resend_of.iter().take(MAX_RESENT_OF) {
            let Ok(entry) = EntryId::try_from(entry.as_ref()) else { continue };
            let Some(of) = self.take_broken(room.id, entry)? else { continue };
            if first.is_none_or(|first| of.position < first.position) {
                first = Some(of);
            }
            let stand_in = MessageKey::first_of(&entry.0);
            let shown = self
                .db
                .prepare_cached("DELETE FROM messages WHERE room = ?1 AND key = ?2")?
                .execute((room.id.0, stand_in.0))?;
            if shown > 0 {
                self.message_changed(room.id, stand_in);
            }
        }
        Ok((first.unwrap_or(place), first.is_some()))
    }

    /// Forgets an entry that could not be read; says where it stood.
    fn take_broken(&self, room: RoomId, entry: EntryId) -> Result<Option<Place>, Fault> {
        Ok(self
            .db
            .prepare_cached(
                "DELETE FROM broken WHERE entry = ?1 AND room = ?2 RETURNING origin, seq, position, at_ms",
            )?
            .query_row((entry.0, room.0), |row| {
                Ok(Place {
                    origin: Origin(row.get(0)?),
                    seq: row.get::<_, i64>(1)? as u64,
                    position: row.get::<_, i64>(2)? as u64,
                    at_ms: row.get::<_, i64>(3)? as u64,
                })
            })
            .optional()?)
    }

    /// Somebody else asks for entries that this device misses as well: the answer is awaited before asking again.
    pub(crate) fn others_ask(&mut self, entries: &[bytes::Bytes]) -> Result<(), Fault> {
        for entry in entries.iter().take(MAX_ASKED_AT_ONCE) {
            let Ok(entry) = EntryId::try_from(entry.as_ref()) else { continue };
            self.db
                .prepare_cached("UPDATE broken SET due = max(due, ?2) WHERE entry = ?1 AND asked = 0")?
                .execute((entry.0, (self.now + ASK_AGAIN_MS) as i64))?;
        }
        Ok(())
    }

    /// Asks the senders of entries that could not be read to encrypt them anew, a few times; then says so.
    pub(crate) fn ask_for_broken(&mut self, room: &mut Room) -> Result<(), Fault> {
        let due: Vec<(EntryId, i64, Place)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT entry, asked, origin, seq, position, at_ms FROM broken
                 WHERE room = ?1 AND asked <= ?2 AND due <= ?3 ORDER BY position, entry LIMIT ?4",
            )?;
            statement
                .query_map((room.id.0, MAX_ASKED, self.now as i64, MAX_ASKED_AT_ONCE as i64), |row| {
                    let place = Place {
                        origin: Origin(row.get(2)?),
                        seq: row.get::<_, i64>(3)? as u64,
                        position: row.get::<_, i64>(4)? as u64,
                        at_ms: row.get::<_, i64>(5)? as u64,
                    };
                    Ok((EntryId(row.get(0)?), row.get(1)?, place))
                })?
                .collect::<Result<_, _>>()?
        };
        let mut ask = Vec::new();
        for (entry, asked, place) in due {
            if asked < MAX_ASKED {
                ask.push(entry.0.to_vec().into());
            } else {
                self.show_unreadable(room, entry, place)?;
            }
            let pause = ASK_AGAIN_MS << asked;
            self.db
                .prepare_cached("UPDATE broken SET asked = asked + 1, due = ?2 WHERE entry = ?1")?
                .execute((entry.0, (self.now + pause) as i64))?;
        }
        if !ask.is_empty() {
            let content = self.new_content(Kind::Resend(content::Resend { entry_ids: ask }));
            self.post(room.id, &content, None)?;
        }
        let next: Option<i64> = self
            .db
            .prepare_cached("SELECT min(due) FROM broken WHERE room = ?1 AND asked <= ?2")?
            .query_row((room.id.0, MAX_ASKED), |row| row.get(0))?;
        if let Some(next) = next {
            self.wake(room.id, (next as u64).max(self.now + 1));
        }
        Ok(())
    }

    fn show_unreadable(&mut self, room: &mut Room, entry: EntryId, place: Place) -> Result<(), Fault> {
        let body = serde_json::to_string(&Body::Unreadable { reason: "undecryptable".into() })
            .map_err(|_| Fault::Damaged("body"))?;
        let key = MessageKey::first_of(&entry.0);
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO messages
                 (room, key, sender, message_id, position, origin, seq, at_ms, body, edited, reply, state, raw)
                 VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?6, ?7, ?8, 0, NULL, NULL, NULL)",
            )?
            .execute((
                room.id.0,
                key.0,
                UNKNOWN_SENDER.0,
                place.position as i64,
                place.origin.0,
                place.seq as i64,
                place.at_ms as i64,
                body,
            ))?;
        self.message_changed(room.id, key);
        Ok(())
    }
}

/// Checks the receipt of the epoch before the one that is entered (K4); gives the decided hash.
fn check_entry_receipt(
    receipt: &wire::Receipt,
    context: &RoomContext,
    room: RoomId,
    epoch: u64,
) -> Result<[u8; 32], MlsFault> {
    let verified = VerifiedReceipt::check(receipt, &context.ordering_set)
        .map_err(|error| MlsFault::Receipt(error.to_string()))?;
    if verified.subject.room != room || verified.subject.epoch + 1 != epoch {
        return Err(MlsFault::Receipt("it is for another epoch".into()));
    }
    Ok(verified.subject.hash)
}

/// Who sent an entry that cannot be decrypted is not known.
pub(crate) const UNKNOWN_SENDER: AccountId = AccountId([0; 32]);

const HEAL_MS: u64 = 1_000;
const MAX_HEAL_MS: u64 = 60_000;
const ASK_MS: u64 = 500;
const ASK_AGAIN_MS: u64 = 5_000;
/// The first request for an entry is spread over at most this many times [`ASK_MS`].
const MAX_ASK_SPREAD: u64 = 60;
/// Entries in one request.
const MAX_ASKED_AT_ONCE: usize = 64;
/// Entries that one new encryption may stand for: more than their sender encrypts anew.
const MAX_RESENT_OF: usize = 16;
/// Requests for one entry.
const MAX_ASKED: i64 = 3;
/// Joiners renew their keys after about this long.
const RENEW_MS: u64 = 60_000;
/// In larger rooms the renewals of all joiners would be most of the traffic.
const MAX_LEAVES_FOR_RENEWAL: u64 = 64;

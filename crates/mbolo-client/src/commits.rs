//! Epochs: how a room goes from one to the next, by others' commits and by own ones.
//!
//! Rules K1 to K4 of `ordering.md`: an own commit is stored before it is submitted and stays until a receipt for
//! its epoch is known; whoever loses the race follows the winner and makes the intent anew if it is still open.

use bytes::Bytes;
use mbolo_client_api::{ChatKind, Membership, RoomEvent};
use mbolo_proto::policy::Policy;
use mbolo_proto::signing::{VerifiedReceipt, bundle_hash};
use mbolo_proto::wire::{self, ErrorCode, client_frame};
use mbolo_proto::{AccountId, FeedId, Origin, RoomId};
use prost::Message as _;
use rusqlite::OptionalExtension;

use crate::content::Place;
use crate::engine::{Client, Fault};
use crate::mls::{self, CommitEffect, ForeignCommit, MlsFault, PendingCommit, RoomContext};
use crate::room::{Healing, Room, encode_vector, without_commits};
use crate::session::Asked;

impl Client {
    // ------------------------------------------------------------ the pending commit

    pub(crate) fn pending(&self, room: RoomId) -> Result<Option<(PendingCommit, i64)>, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT epoch, bundle, external, intent FROM pending WHERE room = ?1")?
            .query_row([room.0], |row| {
                let bundle: Vec<u8> = row.get(1)?;
                let commit = PendingCommit {
                    room,
                    epoch: row.get::<_, i64>(0)? as u64,
                    bundle: bundle.into(),
                    external: row.get(2)?,
                };
                Ok((commit, row.get(3)?))
            })
            .optional()?)
    }

    /// Stores a commit before it is submitted for the first time (K1).
    pub(crate) fn keep_pending(&mut self, commit: &PendingCommit, intent: i64) -> Result<(), Fault> {
        self.db
            .prepare_cached(
                "INSERT INTO pending (room, epoch, bundle, external, intent) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((commit.room.0, commit.epoch as i64, commit.bundle.as_ref(), commit.external, intent))?;
        self.chat_changed(commit.room);
        Ok(())
    }

    pub(crate) fn drop_pending(&mut self, room: RoomId) -> Result<(), Fault> {
        self.db.prepare_cached("DELETE FROM pending WHERE room = ?1")?.execute([room.0])?;
        self.chat_changed(room);
        Ok(())
    }

    pub(crate) fn submit(&mut self, commit: &PendingCommit) {
        if self.session.busy.insert(commit.room) {
            self.request(
                Asked::Submit { room: commit.room, hash: commit.hash() },
                client_frame::Body::SubmitCommit(commit.submission()),
            );
        }
    }

    // ------------------------------------------------------------ answers to a submission

    /// Whether an answer came too late: another commit won meanwhile, and a newer one of our own is under way, about
    /// which the answer says nothing.
    pub(crate) fn is_superseded(&self, room: RoomId, hash: [u8; 32]) -> Result<bool, Fault> {
        Ok(self.pending(room)?.is_some_and(|(pending, _)| pending.hash() != hash))
    }

    /// The room may go on, also if the commit was pushed and merged before the answer came.
    pub(crate) fn submission_answered(&mut self, room: RoomId) {
        self.session.busy.remove(&room);
        self.todo.insert(room);
    }

    pub(crate) fn on_accepted(&mut self, id: RoomId, accepted: &wire::CommitAccepted) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        let Some((pending, _)) = self.pending(id)? else { return Ok(()) };
        let receipt = accepted.receipt.clone().unwrap_or_default();
        let place = self.place_now(&mut room, pending.epoch + 1);
        if !self.merge_own(&mut room, pending, &receipt, place)? {
            self.refuse_receipt(&mut room)?;
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    pub(crate) fn on_stale(&mut self, id: RoomId, stale: &wire::CommitStale) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        let Some((pending, _)) = self.pending(id)? else { return Ok(()) };
        // Later epochs are pushed in their order with the messages between them; only this one is needed now.
        let winner = stale.decided.iter().find_map(|entry| {
            let decided = wire::DecidedCommit::decode(entry.payload.clone()).ok()?;
            (decided.receipt.as_ref()?.epoch == pending.epoch).then_some((entry, decided))
        });
        let own_won =
            winner.as_ref().is_some_and(|(_, decided)| bundle_hash(&decided.bundle) == pending.hash());
        if pending.external && !own_won {
            // The joiner has nothing to lose yet: another external commit, on the new epoch.
            self.lose_external(&mut room)?;
        } else if let Some((entry, _)) = winner {
            let seq = pending.epoch + 1;
            let position = room.next_position(entry.received_at_ms, seq);
            let place = Place { origin: Origin::COMMITS, seq, position, at_ms: entry.received_at_ms };
            if self.on_commit_entry(&mut room, entry, place)? {
                room.vector.advance(Origin::COMMITS, seq);
            }
        } else {
            // The cell has collected that epoch: only entering anew helps.
            self.lose_own(&mut room)?;
            self.heal(&mut room)?;
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    pub(crate) fn on_submit_refused(&mut self, id: RoomId, error: &wire::Error) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        let Some((pending, intent)) = self.pending(id)? else {
            self.todo.insert(id);
            return Ok(());
        };
        match error.code() {
            // No other cell was asked, so the commit can never be decided.
            ErrorCode::InvalidCommit | ErrorCode::Malformed | ErrorCode::TooLarge => {
                if pending.external {
                    self.lose_external(&mut room)?;
                } else {
                    self.lose_own(&mut room)?;
                    self.intent_failed(&mut room, intent)?;
                }
            }
            ErrorCode::NotAMember | ErrorCode::NotFound => {
                if pending.external {
                    self.lose_external(&mut room)?;
                } else {
                    self.lose_own(&mut room)?;
                }
                self.heal(&mut room)?;
            }
            _ => {
                let pause = u64::from(error.retry_after_ms).max(SUBMIT_RETRY_MS);
                self.wake(id, self.now + pause + self.crypto.below(pause));
                room.save(&self.db)?;
                return Ok(());
            }
        }
        room.save(&self.db)?;
        self.todo.insert(id);
        Ok(())
    }

    /// Gives up the own commit of a room, because another was decided or it was refused for good.
    pub(crate) fn lose_own(&mut self, room: &mut Room) -> Result<(), Fault> {
        let Some((pending, _)) = self.pending(room.id)? else { return Ok(()) };
        if pending.external {
            return self.lose_external(room);
        }
        let id = room.id;
        let lost = self.attempt(id, |client| {
            client.with_group(id, |group, provider, _| pending.lose(group, provider))
        })?;
        self.drop_pending(id)?;
        if lost.is_err() {
            self.heal(room)?;
        }
        Ok(())
    }

    // ------------------------------------------------------------ decided commits

    /// Takes a decided commit. Says whether the cursor may move past it.
    pub(crate) fn on_commit_entry(
        &mut self,
        room: &mut Room,
        entry: &wire::Entry,
        place: Place,
    ) -> Result<bool, Fault> {
        let Ok(decided) = wire::DecidedCommit::decode(entry.payload.clone()) else {
            self.refuse_receipt(room)?;
            return Ok(false);
        };
        let receipt = decided.receipt.unwrap_or_default();
        let epoch = place.seq - 1;
        if room.healing == Healing::Pending {
            // The external commit itself, coming back after a lost answer.
            let Some((pending, _)) = self.pending(room.id)? else { return Ok(false) };
            if receipt.epoch == pending.epoch && bundle_hash(&decided.bundle) == pending.hash() {
                return self.merge_own(room, pending, &receipt, place);
            }
            return Ok(false);
        }
        if !room.is_usable() {
            return Ok(false);
        }
        if epoch < room.epoch {
            return Ok(true); // known by the receipt already
        }
        if let Some((pending, _)) = self.pending(room.id)?
            && pending.hash() == bundle_hash(&decided.bundle)
        {
            let merged = self.merge_own(room, pending, &receipt, place)?;
            if !merged {
                self.refuse_receipt(room)?;
            }
            return Ok(merged);
        }
        let id = room.id;
        let parent = room.parent;
        let had_pending = self.pending(id)?.is_some();
        let bundle = decided.bundle;
        let result = self.attempt(id, |client| {
            client.with_group(id, |group, provider, _| {
                let verified = verify(group, id, epoch, &receipt, &bundle, Some(parent))?;
                if had_pending {
                    group.clear_pending_commit(storage(provider)).map_err(MlsFault::mls)?;
                }
                let effect =
                    ForeignCommit::check(group, provider, &bundle)?.merge(&verified, group, provider)?;
                Ok((effect, verified.subject.hash))
            })
        })?;
        match result {
            Ok((effect, hash)) => {
                if had_pending {
                    self.drop_pending(id)?;
                    let pause = self.back_off_by_leaf(id)?;
                    self.wake(id, self.now + pause);
                    self.session.busy.remove(&id);
                }
                self.entered(room, epoch + 1, hash, effect, place)?;
                Ok(true)
            }
            Err(_) => {
                self.heal(room)?;
                Ok(false)
            }
        }
    }

    /// Merges the own commit with its receipt. Says no if the receipt does not prove it.
    fn merge_own(
        &mut self,
        room: &mut Room,
        pending: PendingCommit,
        receipt: &wire::Receipt,
        place: Place,
    ) -> Result<bool, Fault> {
        let id = room.id;
        let epoch = pending.epoch;
        let external = pending.external;
        let parent = room.parent;
        let intent = self.pending(id)?.map_or(0, |(_, intent)| intent);
        let result = self.attempt(id, |client| {
            client.with_group(id, |group, provider, me| {
                let verified = verify(group, id, epoch, receipt, &pending.bundle, Some(parent))?;
                let effect = if external {
                    None
                } else {
                    let staged = group.pending_commit().ok_or(MlsFault::Malformed("no pending commit"))?;
                    Some(mls::effect_of_own(group, staged, me.account)?)
                };
                let hash = verified.subject.hash;
                pending.merge(&verified, group, provider)?;
                Ok((effect, hash))
            })
        })?;
        let (effect, hash) = match result {
            Ok(merged) => merged,
            Err(MlsFault::Receipt(_)) => return Ok(false),
            Err(_) => {
                self.drop_pending(id)?;
                self.heal(room)?;
                return Ok(true);
            }
        };
        self.drop_pending(id)?;
        room.vector.advance(Origin::COMMITS, epoch + 1);
        match effect {
            Some(effect) => {
                self.intent_committed(room, intent)?;
                self.entered(room, epoch + 1, hash, effect, place)?;
            }
            None => self.rejoined(room, epoch + 1, hash)?,
        }
        Ok(true)
    }

    /// The room is in a new epoch.
    fn entered(
        &mut self,
        room: &mut Room,
        epoch: u64,
        hash: [u8; 32],
        effect: CommitEffect,
        place: Place,
    ) -> Result<(), Fault> {
        let me = self.my_account()?;
        room.epoch = epoch;
        room.parent = hash;
        self.session.proposed.remove(&room.id);
        if effect.self_removed {
            let wanted = effect.gone.iter().any(|(account, by)| *account == me && *by == me);
            let still_member = !effect.gone.iter().any(|(account, _)| *account == me);
            if still_member {
                // Another device of this account took over; this one comes back by itself.
                self.heal(room)?;
                return Ok(());
            }
            self.show_changes(room, &effect, place)?;
            return self.expelled(room, wanted || room.leaving);
        }
        let since_ms = if effect.committer == me { self.cell_now() } else { place.at_ms };
        self.follow_group(room, since_ms)?;
        if effect.summary.external || !effect.joined.is_empty() {
            // Somebody came who knows no names. The room's name is told by whoever let them in, or by the first admin.
            room.profile_due = true;
            room.state_due |= if effect.summary.external {
                self.first_admin_besides(room.id, effect.committer)? == Some(me)
            } else {
                effect.committer == me
            };
        }
        self.show_changes(room, &effect, place)?;
        self.open_held(room)?;
        self.todo.insert(room.id);
        Ok(())
    }

    fn first_admin_besides(&self, room: RoomId, account: AccountId) -> Result<Option<AccountId>, Fault> {
        Ok(self
            .db
            .prepare_cached(
                "SELECT account FROM members WHERE room = ?1 AND present = 1 AND admin = 1 AND account <> ?2
                 ORDER BY account LIMIT 1",
            )?
            .query_row((room.0, account.0), |row| row.get(0).map(AccountId))
            .optional()?)
    }

    /// This account is out of the room.
    pub(crate) fn expelled(&mut self, room: &mut Room, by_own_wish: bool) -> Result<(), Fault> {
        room.membership = if by_own_wish { Membership::Left } else { Membership::Removed };
        room.leaving = false;
        room.healing = Healing::Well;
        // An invitation that came since still counts.
        room.join_epoch = room.join_epoch.filter(|epoch| *epoch > room.epoch);
        self.db
            .prepare_cached("UPDATE members SET present = 0 WHERE room = ?1 AND account = ?2")?
            .execute((room.id.0, self.my_account()?.0))?;
        // What was said since somebody added it again is not of the time it leaves behind.
        self.db
            .prepare_cached("DELETE FROM held WHERE room = ?1 AND epoch <= ?2")?
            .execute((room.id.0, room.epoch as i64))?;
        self.drop_changes(room)?;
        for table in ["broken", "proposals", "pending", "exporters", "sent", "orphans"] {
            self.db.execute(&format!("DELETE FROM {table} WHERE room = ?1"), [room.id.0])?;
        }
        // Whoever takes the device later cannot read what was said meanwhile.
        self.forget_group(room.id);
        mls::delete(&self.provider(), room.id)?;
        self.fail_outbox(room.id)?;
        self.stop_catching(room.id);
        self.members_changed(room.id);
        Ok(())
    }

    /// About what the cell's clock shows, never later; 0 if nothing is known of it. The own clock may be an hour wrong.
    fn cell_now(&self) -> u64 {
        self.session.cell_ahead_ms.map_or(0, |ahead| self.now.saturating_add_signed(ahead))
    }

    /// The next place in a room, for what the cell gave no time.
    pub(crate) fn place_now(&self, room: &mut Room, seq: u64) -> Place {
        let at_ms = match self.cell_now() {
            0 => self.now,
            at_ms => at_ms,
        };
        Place { origin: Origin::COMMITS, seq, position: room.next_position(0, 0), at_ms }
    }

    /// Takes over from the group what is kept in rows: members, admins, the sealing key. Whoever is new came at `since_ms`
    /// by the cell's clock, 0 if that is not known.
    pub(crate) fn follow_group(&mut self, room: &mut Room, since_ms: u64) -> Result<(), Fault> {
        let id = room.id;
        let (accounts, context, key) = self.with_group(id, |group, provider, _| {
            Ok((
                mls::accounts(group)?,
                RoomContext::of(group.extensions())?,
                mls::sealing_key(group, provider)?,
            ))
        })?;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO exporters (room, epoch, key) VALUES (?1, ?2, ?3)")?
            .execute((id.0, room.epoch as i64, key))?;
        self.db
            .prepare_cached("DELETE FROM exporters WHERE room = ?1 AND epoch <= ?2")?
            .execute((id.0, room.epoch as i64 - mls::PAST_EPOCHS as i64))?;
        self.db
            .prepare_cached("DELETE FROM proposals WHERE room = ?1 AND epoch < ?2")?
            .execute((id.0, room.epoch as i64))?;
        let known: Vec<([u8; 32], bool, bool)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT account, present, admin FROM members WHERE room = ?1 ORDER BY account",
            )?;
            statement
                .query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?
        };
        let start = encode_vector(&without_commits(&room.vector));
        let mut changed = false;
        for account in &accounts {
            let admin = context.policy.is_admin(*account);
            let row = known.iter().find(|(known, ..)| *known == account.0);
            if row.is_some_and(|(_, present, was_admin)| *present && *was_admin == admin) {
                continue;
            }
            changed = true;
            if row.is_some() {
                self.db
                    .prepare_cached(
                        "UPDATE members SET since_ms = iif(present, since_ms, ?4), present = 1, admin = ?3
                         WHERE room = ?1 AND account = ?2",
                    )?
                    .execute((id.0, account.0, admin, since_ms as i64))?;
            } else {
                // What was said before somebody came does not wait for them.
                self.db
                    .prepare_cached(
                        "INSERT INTO members (room, account, present, admin, name, since_ms, delivered, read)
                         VALUES (?1, ?2, 1, ?3, '', ?4, ?5, ?5)",
                    )?
                    .execute((id.0, account.0, admin, since_ms as i64, &start))?;
            }
        }
        let invited = match &context.policy {
            Policy::Direct { participants } => participants.to_vec(),
            Policy::Group { .. } => Vec::new(),
        };
        for (account, present, _) in known {
            let account = AccountId(account);
            if present && accounts.binary_search(&account).is_err() && !invited.contains(&account) {
                changed = true;
                // Who was an admin to the end may have named the room before, and that is perhaps still on its way.
                self.db
                    .prepare_cached("UPDATE members SET present = 0 WHERE room = ?1 AND account = ?2")?
                    .execute((id.0, account.0))?;
            }
        }
        if changed {
            self.members_changed(id);
            self.look_up_members(id)?;
            self.raise_states(room)?;
        }
        Ok(())
    }

    /// Shows what a commit did to the members.
    fn show_changes(&mut self, room: &mut Room, effect: &CommitEffect, place: Place) -> Result<(), Fault> {
        let by = effect.committer;
        let cause =
            |what: &[u8], who: &[u8]| [room.id.0.as_slice(), &place.seq.to_be_bytes(), what, who].concat();
        let mut events = Vec::new();
        if !effect.joined.is_empty() && !effect.summary.external {
            let mut members = Vec::new();
            for account in &effect.joined {
                members.push(self.member(room.id, *account)?);
            }
            events.push((by, RoomEvent::Added { members }, cause(b"added", &[])));
        }
        for (account, wanted_by) in &effect.gone {
            let event = if account == wanted_by {
                (*account, RoomEvent::Left)
            } else {
                (*wanted_by, RoomEvent::Removed { member: self.member(room.id, *account)? })
            };
            events.push((event.0, event.1, cause(b"gone", &account.0)));
        }
        if let Some((Policy::Group { admins: before }, Policy::Group { admins: after })) = &effect.policy {
            let gone = |account: &AccountId| effect.gone.iter().any(|(gone, _)| gone == account);
            for account in after.iter().filter(|account| !before.contains(account)) {
                let member = self.member(room.id, *account)?;
                events.push((by, RoomEvent::Promoted { member }, cause(b"promoted", &account.0)));
            }
            for account in before.iter().filter(|account| !after.contains(account) && !gone(account)) {
                let member = self.member(room.id, *account)?;
                events.push((by, RoomEvent::Demoted { member }, cause(b"demoted", &account.0)));
            }
        }
        let mut place = place;
        for (sender, event, cause) in events {
            self.insert_event(room, sender, event, &cause, place)?;
            place.position = room.next_position(0, 0);
        }
        Ok(())
    }

    // ------------------------------------------------------------ trouble

    /// A receipt that proves nothing: the epoch stays, and the room is entered anew later.
    fn refuse_receipt(&mut self, room: &mut Room) -> Result<(), Fault> {
        self.heal(room)?;
        Ok(())
    }

    /// A pause that differs from member to member, so that they do not collide again (K3).
    pub(crate) fn back_off_by_leaf(&mut self, room: RoomId) -> Result<u64, Fault> {
        let (rank, members) = self.with_group(room, |group, _, _| {
            let own = group.own_leaf_index().u32();
            let leaves = mls::leaves(group)?;
            Ok((leaves.iter().filter(|leaf| leaf.index < own).count() as u64, leaves.len() as u64))
        })?;
        Ok(RANK_MS * rank.min(MAX_RANKS) + self.crypto.below(RANK_MS.min(50 * members)))
    }

    /// Follows a room from where its cursor stands.
    pub(crate) fn follow(&mut self, room: &Room) {
        if self.is_open() {
            self.subscribe(&[(FeedId::Room(room.id), room.vector.clone())]);
        }
    }

    /// A wish to leave, kept until somebody carries it out.
    pub(crate) fn on_proposal(&mut self, room: &Room, payload: &Bytes) -> Result<(), Fault> {
        let Ok(epoch) = mls::epoch_of(room.id, payload) else { return Ok(()) };
        if room.kind == ChatKind::Direct || !room.is_usable() || epoch != room.epoch {
            return Ok(()); // whoever wants to leave says so again in the new epoch
        }
        let id = room.id;
        let read = self.attempt(id, |client| {
            client.with_group(id, |group, provider, _| mls::read_leaving(group, provider, payload))
        })?;
        let me = self.my_account()?;
        if let Ok(account) = read
            && account != me
        {
            let pause = LEAVE_PAUSE_MS + self.back_off_by_leaf(id)?;
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO proposals (entry, room, epoch, payload, account, due)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((
                    mbolo_proto::EntryId::of_payload(payload).0,
                    id.0,
                    epoch as i64,
                    payload.as_ref(),
                    account.0,
                    (self.now + pause) as i64,
                ))?;
            self.wake(id, self.now + pause);
        }
        Ok(())
    }
}

/// Checks a receipt against the ordering set of the group it is about, and that it is for this very bundle.
fn verify(
    group: &openmls::prelude::MlsGroup,
    room: RoomId,
    epoch: u64,
    receipt: &wire::Receipt,
    bundle: &[u8],
    parent: Option<[u8; 32]>,
) -> Result<VerifiedReceipt, MlsFault> {
    let context = RoomContext::of(group.extensions())?;
    let verified = VerifiedReceipt::check(receipt, &context.ordering_set)
        .map_err(|error| MlsFault::Receipt(error.to_string()))?;
    let subject = &verified.subject;
    if subject.room != room || subject.epoch != epoch || subject.hash != bundle_hash(bundle) {
        return Err(MlsFault::Receipt("it is for another commit".into()));
    }
    if parent.is_some_and(|parent| subject.parent != parent) {
        return Err(MlsFault::Receipt("it follows another commit".into()));
    }
    Ok(verified)
}

fn storage<'p, 'a>(
    provider: &'p mls::Provider<'a>,
) -> &'p <mls::Provider<'a> as openmls_traits::OpenMlsProvider>::StorageProvider {
    use openmls_traits::OpenMlsProvider as _;
    provider.storage()
}

const SUBMIT_RETRY_MS: u64 = 2_000;
/// Members step aside for each other by this much per leaf before them.
const RANK_MS: u64 = 400;
const MAX_RANKS: u64 = 16;
/// Leaving is not urgent; an admin's own change may carry it out meanwhile.
const LEAVE_PAUSE_MS: u64 = 200;

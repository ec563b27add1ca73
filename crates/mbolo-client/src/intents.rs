//! What people want of a room, kept until it is done.
//!
//! An intent is a row ("add these accounts"), not a commit: if another commit wins the race, the intent is
//! looked at again in the new epoch and is either met already or made into a new commit. [`Client::drive`] is the
//! one place that decides what a room does next.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mbolo_client_api::{Change as Wanted, ChatKind, Membership, Reply, RoomEvent, Update};
use mbolo_proto::policy::Policy;
use mbolo_proto::wire::{self, ErrorCode, client_frame};
use mbolo_proto::{AccountId, EntryId, Origin, RoomId, limits};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use crate::engine::{Client, Fault, failure};
use crate::mls::{self, Change, PendingCommit, RoomContext};
use crate::room::{Healing, Room};
use crate::session::Asked;
use crate::store;

/// A wish about a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
pub(crate) enum Intent {
    /// These accounts shall be members.
    Add { accounts: Vec<AccountId> },
    /// This account shall not be one.
    Remove { account: AccountId },
    /// This account shall be an admin, or not.
    SetAdmin { account: AccountId, admin: bool },
}

impl Intent {
    /// What it is to a person, and about whom.
    fn wanted(&self) -> (Wanted, &[AccountId]) {
        match self {
            Self::Add { accounts } => (Wanted::Add, accounts),
            Self::Remove { account } => (Wanted::Remove, std::slice::from_ref(account)),
            Self::SetAdmin { account, admin: true } => (Wanted::Promote, std::slice::from_ref(account)),
            Self::SetAdmin { account, .. } => (Wanted::Demote, std::slice::from_ref(account)),
        }
    }
}

/// Code and words of why a change does not happen.
pub(crate) type Reason = (&'static str, &'static str);
pub(crate) const NOT_ADMIN: Reason = ("not_admin", "only an admin of the group may do this");
pub(crate) const LAST_ADMIN: Reason =
    ("last_admin", "a group keeps at least one admin; make somebody else one first");
const NOT_A_MEMBER: Reason = ("not_a_member", "this account is not in the group");
const YOU_ARE_OUT: Reason = ("not_a_member", "you are not a member of this group any more");
const NO_KEY_PACKAGE: Reason =
    ("no_key_package", "no device of this account can be added now; try again when it has been online");
const REFUSED: Reason = ("change_refused", "the cell does not take this change of the group; try again");

/// KeyPackages being claimed for an Add.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    intent: i64,
    waiting: BTreeSet<AccountId>,
    packages: BTreeMap<AccountId, Vec<Bytes>>,
    failed: Vec<AccountId>,
    retry_after: u64,
}

impl Client {
    /// Does what a room needs next.
    pub(crate) fn drive(&mut self, id: RoomId) -> Result<(), Fault> {
        let Some(mut room) = Room::load(&self.db, id)? else { return Ok(()) };
        if !self.is_open() {
            return Ok(());
        }
        if room.membership != Membership::Member || room.healing != Healing::Well {
            return self.drive_entering(room);
        }
        let is_busy = self.session.busy.contains(&id);
        if !room.created {
            if !is_busy {
                self.create_on_cell(&room)?;
            }
            return Ok(());
        }
        if !is_busy {
            match self.pending(id)? {
                Some((pending, _)) => self.submit(&pending),
                None => self.change_next(&mut room)?,
            }
        }
        if room.membership == Membership::Member {
            self.introduce(&mut room)?;
            self.ask_for_broken(&mut room)?;
            room.save(&self.db)?;
            self.flush_outbox(&room)?;
        } else {
            room.save(&self.db)?;
        }
        Ok(())
    }

    /// The next change of the group, if any is wanted.
    fn change_next(&mut self, room: &mut Room) -> Result<(), Fault> {
        // Whoever was let in learns the room's name before the one who knows it goes.
        let owes_name = room.state_due && !room.name.is_empty();
        if room.leaving && !owes_name && !self.is_adding(room.id)? {
            return self.drive_leaving(room);
        }
        if let Some((intent, body, due)) = self.next_intent(room.id)? {
            if due > self.now {
                self.wake(room.id, due);
                return Ok(());
            }
            return match body {
                Intent::Add { accounts } => self.drive_add(room, intent, &accounts),
                Intent::Remove { account } => self.drive_remove(room, intent, account),
                Intent::SetAdmin { account, admin } => self.drive_set_admin(room, intent, account, admin),
            };
        }
        self.carry_out(room)
    }

    pub(crate) fn add_intent(&mut self, room: RoomId, intent: &Intent) -> Result<(), Fault> {
        let body = serde_json::to_string(intent).map_err(|_| Fault::Damaged("intent"))?;
        self.db
            .prepare_cached("INSERT INTO intents (room, body, attempts, due) VALUES (?1, ?2, 0, 0)")?
            .execute((room.0, body))?;
        self.chat_changed(room);
        self.todo.insert(room);
        Ok(())
    }

    fn next_intent(&mut self, room: RoomId) -> Result<Option<(i64, Intent, u64)>, Fault> {
        let row: Option<(i64, String, i64)> = self
            .db
            .prepare_cached("SELECT id, body, due FROM intents WHERE room = ?1 ORDER BY id LIMIT 1")?
            .query_row([room.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, body, due)) = row else { return Ok(None) };
        match serde_json::from_str(&body) {
            Ok(intent) => Ok(Some((id, intent, due as u64))),
            Err(_) => Err(Fault::Damaged("intent")),
        }
    }

    /// Whether members are being added: what is said meanwhile waits for them.
    pub(crate) fn is_adding(&self, room: RoomId) -> Result<bool, Fault> {
        Ok(self
            .db
            .prepare_cached("SELECT 1 FROM intents WHERE room = ?1 AND body LIKE '{\"intent\":\"add\"%'")?
            .exists([room.0])?)
    }

    fn intent_done(&mut self, room: RoomId, intent: i64) -> Result<(), Fault> {
        self.db.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([intent])?;
        self.chat_changed(room);
        self.todo.insert(room);
        Ok(())
    }

    /// An intent will not be met, and whoever asked for it hears why.
    fn intent_fails(&mut self, room: RoomId, intent: i64, reason: Reason) -> Result<(), Fault> {
        let body: Option<String> = self
            .db
            .prepare_cached("SELECT body FROM intents WHERE id = ?1")?
            .query_row([intent], |row| row.get(0))
            .optional()?;
        if let Some(intent) = body.and_then(|body| serde_json::from_str::<Intent>(&body).ok()) {
            let (wanted, accounts) = intent.wanted();
            self.change_failed(room, wanted, accounts, reason)?;
        }
        self.intent_done(room, intent)
    }

    /// Says that a change that was asked for does not happen.
    pub(crate) fn change_failed(
        &mut self,
        room: RoomId,
        change: Wanted,
        accounts: &[AccountId],
        (code, message): Reason,
    ) -> Result<(), Fault> {
        let members = accounts.iter().map(|account| self.member(room, *account)).collect::<Result<_, _>>()?;
        let reason = failure(code, message);
        self.update(Update::ChangeFailed { room: room.to_string(), change, members, reason });
        Ok(())
    }

    /// The room is over for this account: nothing that was wanted of it happens.
    pub(crate) fn drop_changes(&mut self, room: &mut Room) -> Result<(), Fault> {
        if room.wanted_name.take().is_some() {
            self.change_failed(room.id, Wanted::Rename, &[], YOU_ARE_OUT)?;
        }
        while let Some((intent, ..)) = self.next_intent(room.id)? {
            self.intent_fails(room.id, intent, YOU_ARE_OUT)?;
        }
        Ok(())
    }

    /// The commit of an intent was decided. Whether more is to do shows when the room is driven; who is leaving does no
    /// more.
    pub(crate) fn intent_committed(&mut self, room: &Room, intent: i64) -> Result<(), Fault> {
        if room.leaving {
            return self.intent_done(room.id, intent);
        }
        self.db
            .prepare_cached("UPDATE intents SET attempts = 0, due = 0 WHERE id = ?1")?
            .execute([intent])?;
        self.chat_changed(room.id);
        Ok(())
    }

    /// The commit of an intent cannot be made, or was refused as invalid.
    pub(crate) fn intent_failed(&mut self, room: &mut Room, intent: i64) -> Result<(), Fault> {
        let attempts: Option<i64> = self
            .db
            .prepare_cached("UPDATE intents SET attempts = attempts + 1 WHERE id = ?1 RETURNING attempts")?
            .query_row([intent], |row| row.get(0))
            .optional()?;
        match attempts {
            Some(attempts) if attempts >= MAX_ATTEMPTS => self.intent_fails(room.id, intent, REFUSED),
            Some(attempts) => self.postpone(room.id, intent, RETRY_MS << attempts),
            None => {
                // Carrying out somebody's wish failed; somebody else may do better.
                self.db.prepare_cached("DELETE FROM proposals WHERE room = ?1")?.execute([room.id.0])?;
                Ok(())
            }
        }
    }

    fn postpone(&mut self, room: RoomId, intent: i64, pause: u64) -> Result<(), Fault> {
        let due = self.now + pause + self.crypto.below(pause.max(1));
        self.db.prepare_cached("UPDATE intents SET due = ?2 WHERE id = ?1")?.execute((intent, due as i64))?;
        self.wake(room, due);
        Ok(())
    }

    /// Builds a commit, stores it as pending (K1) and submits it.
    fn commit(&mut self, room: &mut Room, intent: i64, change: Change) -> Result<(), Fault> {
        let id = room.id;
        let built = self.attempt(id, |client| {
            client.with_group(id, |group, provider, me| mls::commit(group, provider, &me.device, change))
        })?;
        match built {
            Ok(bundle) => {
                let pending = PendingCommit { room: id, epoch: room.epoch, bundle, external: false };
                self.keep_pending(&pending, intent)?;
                self.submit(&pending);
                Ok(())
            }
            Err(_) => self.intent_failed(room, intent),
        }
    }

    // ------------------------------------------------------------ adding

    fn drive_add(&mut self, room: &mut Room, intent: i64, accounts: &[AccountId]) -> Result<(), Fault> {
        if self.session.gathering.contains_key(&room.id) {
            return Ok(());
        }
        let present = self.with_group(room.id, |group, _, _| mls::accounts(group))?;
        let missing: Vec<AccountId> =
            accounts.iter().copied().filter(|account| present.binary_search(account).is_err()).collect();
        if missing.is_empty() {
            return self.intent_done(room.id, intent);
        }
        let me = self.my_account()?;
        if room.kind == ChatKind::Group && !self.member(room.id, me)?.admin {
            return self.intent_fails(room.id, intent, NOT_ADMIN);
        }
        let batch = &missing[..missing.len().min(limits::MAX_ADDS_PER_COMMIT)];
        let gathering =
            Gathering { intent, waiting: batch.iter().copied().collect(), ..Gathering::default() };
        self.session.gathering.insert(room.id, gathering);
        for account in batch {
            let claim =
                wire::ClaimKeyPackages { account_id: account.to_bytes(), cipher_suite: room.suite.into() };
            self.request(
                Asked::Claim { room: room.id, account: *account },
                client_frame::Body::ClaimKeyPackages(claim),
            );
        }
        Ok(())
    }

    pub(crate) fn on_claimed(
        &mut self,
        room: RoomId,
        account: AccountId,
        packages: Vec<wire::ClaimedKeyPackage>,
    ) -> Result<(), Fault> {
        let Some(gathering) = self.session.gathering.get_mut(&room) else { return Ok(()) };
        gathering.waiting.remove(&account);
        let packages = packages.into_iter().map(|package| package.key_package).collect();
        gathering.packages.insert(account, packages);
        self.gathered(room)
    }

    pub(crate) fn on_claim_refused(
        &mut self,
        room: RoomId,
        account: AccountId,
        error: &wire::Error,
    ) -> Result<(), Fault> {
        let Some(gathering) = self.session.gathering.get_mut(&room) else { return Ok(()) };
        gathering.waiting.remove(&account);
        match error.code() {
            ErrorCode::NoKeyPackage | ErrorCode::NotFound | ErrorCode::UnknownAccount => {
                gathering.failed.push(account);
            }
            _ => {
                gathering.retry_after =
                    gathering.retry_after.max(u64::from(error.retry_after_ms).max(RETRY_MS))
            }
        }
        self.gathered(room)
    }

    /// All claims are answered: the commit can be made.
    fn gathered(&mut self, id: RoomId) -> Result<(), Fault> {
        if self.session.gathering.get(&id).is_some_and(|gathering| !gathering.waiting.is_empty()) {
            return Ok(());
        }
        let Some(gathering) = self.session.gathering.remove(&id) else { return Ok(()) };
        let mut room = self.room(id)?;
        if !room.is_usable() || self.pending(id)?.is_some() || self.session.busy.contains(&id) {
            return Ok(()); // the world changed meanwhile; the intent is driven again when the room is well
        }
        let Some((intent, Intent::Add { accounts }, _)) = self.next_intent(id)? else { return Ok(()) };
        if intent != gathering.intent {
            return Ok(());
        }
        let suite = openmls::prelude::Ciphersuite::try_from(room.suite)
            .map_err(|_| Fault::Damaged("cipher suite"))?;
        let present = self.with_group(id, |group, _, _| mls::accounts(group))?;
        let mut add = Vec::new();
        let mut failed = gathering.failed;
        for (account, packages) in gathering.packages {
            if present.binary_search(&account).is_ok() {
                continue;
            }
            let provider = self.provider();
            let packages: Vec<_> = packages
                .iter()
                .filter_map(|bytes| mls::read_key_package(&provider, bytes, account, suite).ok())
                .collect();
            if packages.is_empty() {
                failed.push(account);
            } else if add.len() + packages.len() <= limits::MAX_ADDS_PER_COMMIT {
                add.extend(packages);
            }
        }
        if !add.is_empty() {
            self.commit(&mut room, intent, Change { add, ..Change::default() })?;
        } else if gathering.retry_after > 0 {
            self.postpone(id, intent, gathering.retry_after)?;
        } else if failed.is_empty() {
            self.todo.insert(id);
        } else if room.kind == ChatKind::Direct {
            // The other person has no KeyPackages yet; what was said waits until they have.
            self.postpone(id, intent, NO_KEY_PACKAGE_RETRY_MS)?;
        } else {
            self.give_up_adding(id, intent, accounts, &failed)?;
        }
        room.save(&self.db)?;
        Ok(())
    }

    /// Accounts without KeyPackages are tried a few times, then left out.
    fn give_up_adding(
        &mut self,
        room: RoomId,
        intent: i64,
        mut accounts: Vec<AccountId>,
        failed: &[AccountId],
    ) -> Result<(), Fault> {
        let attempts: i64 = self
            .db
            .prepare_cached("UPDATE intents SET attempts = attempts + 1 WHERE id = ?1 RETURNING attempts")?
            .query_row([intent], |row| row.get(0))?;
        if attempts < MAX_ATTEMPTS {
            return self.postpone(room, intent, RETRY_MS << attempts);
        }
        self.change_failed(room, Wanted::Add, failed, NO_KEY_PACKAGE)?;
        accounts.retain(|account| !failed.contains(account));
        if accounts.is_empty() {
            return self.intent_done(room, intent);
        }
        let body = serde_json::to_string(&Intent::Add { accounts }).map_err(|_| Fault::Damaged("intent"))?;
        self.db
            .prepare_cached("UPDATE intents SET body = ?2, attempts = 0 WHERE id = ?1")?
            .execute((intent, body))?;
        self.todo.insert(room);
        Ok(())
    }

    // ------------------------------------------------------------ removing and promoting

    fn drive_remove(&mut self, room: &mut Room, intent: i64, account: AccountId) -> Result<(), Fault> {
        let (remove, policy) = self.with_group(room.id, |group, _, _| {
            let leaves = mls::leaves(group)?;
            let remove: Vec<u32> =
                leaves.iter().filter(|leaf| leaf.account == account).map(|leaf| leaf.index).collect();
            let after: Vec<AccountId> =
                mls::accounts(group)?.into_iter().filter(|present| *present != account).collect();
            Ok((remove, policy_after(&RoomContext::of(group.extensions())?.policy, &after)))
        })?;
        let me = self.my_account()?;
        if remove.is_empty() {
            return self.intent_done(room.id, intent);
        }
        if !self.member(room.id, me)?.admin {
            return self.intent_fails(room.id, intent, NOT_ADMIN);
        }
        self.commit(room, intent, Change { remove, policy, ..Change::default() })
    }

    fn drive_set_admin(
        &mut self,
        room: &mut Room,
        intent: i64,
        account: AccountId,
        admin: bool,
    ) -> Result<(), Fault> {
        let (context, accounts) = self.with_group(room.id, |group, _, _| {
            Ok((RoomContext::of(group.extensions())?, mls::accounts(group)?))
        })?;
        let me = self.my_account()?;
        let Policy::Group { mut admins } = context.policy else { return self.intent_done(room.id, intent) };
        if admins.contains(&account) == admin {
            return self.intent_done(room.id, intent);
        }
        if !admins.contains(&me) {
            return self.intent_fails(room.id, intent, NOT_ADMIN);
        }
        if accounts.binary_search(&account).is_err() {
            return self.intent_fails(room.id, intent, NOT_A_MEMBER);
        }
        if admin {
            admins.push(account);
            admins.sort_unstable();
        } else {
            admins.retain(|present| *present != account);
        }
        if admins.is_empty() {
            return self.intent_fails(room.id, intent, LAST_ADMIN);
        }
        self.commit(room, intent, Change { policy: Some(Policy::Group { admins }), ..Change::default() })
    }

    // ------------------------------------------------------------ leaving

    pub(crate) fn leave_group(&mut self, id: u64, mut room: Room) -> Result<(), Fault> {
        if room.kind == ChatKind::Direct {
            self.reply(
                id,
                Err(failure("unknown_room", "a conversation of two cannot be left; only groups can")),
            );
            return Ok(());
        }
        if room.membership == Membership::Member || room.membership == Membership::Joining {
            room.leaving = true;
            room.save(&self.db)?;
            self.chat_changed(room.id);
            self.todo.insert(room.id);
        }
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// Nobody removes himself; another member carries the wish out. It is said again in every epoch.
    fn drive_leaving(&mut self, room: &mut Room) -> Result<(), Fault> {
        let me = self.my_account()?;
        let accounts = self.with_group(room.id, |group, _, _| mls::accounts(group))?;
        if accounts == [me] {
            return self.expelled(room, true);
        }
        if self.session.proposed.get(&room.id) == Some(&room.epoch) {
            // If all who are left want to leave, one of them has to let the others go first.
            return self.carry_out(room);
        }
        let id = room.id;
        let proposals = self.attempt(id, |client| {
            client.with_group(id, |group, provider, me| {
                mls::propose_leaving(group, provider, &me.device, me.account)
            })
        })?;
        match proposals {
            Ok(proposals) => {
                self.session.proposed.insert(id, room.epoch);
                for payload in proposals {
                    let entry = EntryId::of_payload(&payload);
                    let resume = self.take_resume(id);
                    let kind = wire::EntryKind::Proposal.into();
                    let publish = wire::Publish { room_id: id.to_bytes(), kind, payload, resume };
                    self.request(Asked::Propose { room: id, entry }, client_frame::Body::Publish(publish));
                }
            }
            Err(_) => self.heal(room)?,
        }
        Ok(())
    }

    /// Carries out others' wishes to leave; else renews the own keys if that is due and nothing else is going on.
    fn carry_out(&mut self, room: &mut Room) -> Result<(), Fault> {
        let me = self.my_account()?;
        let wishes: Vec<(Vec<u8>, AccountId, u64)> = {
            let mut statement = self.db.prepare_cached(
                "SELECT payload, account, due FROM proposals WHERE room = ?1 AND epoch = ?2 AND account <> ?3
                 ORDER BY due, entry",
            )?;
            statement
                .query_map((room.id.0, room.epoch as i64, me.0), |row| {
                    Ok((row.get(0)?, AccountId(row.get(1)?), row.get::<_, i64>(2)? as u64))
                })?
                .collect::<Result<_, _>>()?
        };
        if let Some((_, _, due)) = wishes.first() {
            if *due > self.now {
                self.wake(room.id, *due);
                return Ok(());
            }
            let leaving: BTreeSet<AccountId> = wishes.iter().map(|(_, account, _)| *account).collect();
            let policy = self.with_group(room.id, |group, _, _| {
                let after: Vec<AccountId> =
                    mls::accounts(group)?.into_iter().filter(|account| !leaving.contains(account)).collect();
                Ok(policy_after(&RoomContext::of(group.extensions())?.policy, &after))
            })?;
            let proposals = wishes.into_iter().map(|(payload, ..)| payload.into()).collect();
            return self.commit(room, 0, Change { proposals, policy, ..Change::default() });
        }
        if room.renew_at > 0 {
            if room.renew_at > self.now {
                self.wake(room.id, room.renew_at);
            } else {
                room.renew_at = 0;
                return self.commit(room, 0, Change { renew: true, ..Change::default() });
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ new rooms

    /// The 1:1 room with `peer`, made if it is not there.
    pub(crate) fn open_direct_room(&mut self, peer: AccountId) -> Result<RoomId, Fault> {
        let me = self.my_account()?;
        let id = RoomId::direct(me, peer);
        if let Some(mut room) = Room::load(&self.db, id)? {
            if !room.is_shown() {
                (room.kind, room.peer) = (ChatKind::Direct, Some(peer));
                room.save(&self.db)?;
                self.keep_peer(id, peer)?;
                self.chat_changed(id);
            }
            return Ok(id);
        }
        let participants = if me < peer { [me, peer] } else { [peer, me] };
        let mut room =
            Room::new(id, ChatKind::Direct, mls::POST_QUANTUM as u16, Membership::Member, self.now);
        room.peer = Some(peer);
        room.created = false;
        room.profile_due = true;
        self.make_room(&mut room, Policy::Direct { participants })?;
        self.keep_peer(id, peer)?;
        self.add_intent(id, &Intent::Add { accounts: vec![peer] })?;
        Ok(id)
    }

    fn keep_peer(&self, room: RoomId, peer: AccountId) -> Result<(), Fault> {
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO members (room, account, present, admin, name, delivered, read)
                 VALUES (?1, ?2, 1, 0, '', x'', x'')",
            )?
            .execute((room.0, peer.0))?;
        Ok(())
    }

    /// A new group. Nothing if the cell was never met, because its key belongs into the group.
    pub(crate) fn make_group(
        &mut self,
        name: &str,
        members: BTreeSet<AccountId>,
    ) -> Result<Option<RoomId>, Fault> {
        if self.origin()?.is_none() {
            return Ok(None);
        }
        let me = self.my_account()?;
        let suite =
            if members.len() < limits::MAX_POST_QUANTUM_MEMBERS { mls::POST_QUANTUM } else { mls::CLASSICAL };
        let id = RoomId(self.crypto.random());
        let mut room = Room::new(id, ChatKind::Group, suite as u16, Membership::Member, self.now);
        room.created = false;
        room.name = name.to_owned();
        room.name_version = 1;
        room.name_sender = me.0.to_vec();
        room.profile_due = true;
        room.state_due = true;
        self.make_room(&mut room, Policy::Group { admins: vec![me] })?;
        let place = self.place_now(&mut room, 0);
        self.insert_event(&mut room, me, RoomEvent::Created, &id.0, place)?;
        room.save(&self.db)?;
        if !members.is_empty() {
            self.add_intent(id, &Intent::Add { accounts: members.into_iter().collect() })?;
        }
        Ok(Some(id))
    }

    fn make_room(&mut self, room: &mut Room, policy: Policy) -> Result<(), Fault> {
        let origin = self.origin()?.ok_or(Fault::Damaged("the cell was never met"))?;
        let suite = openmls::prelude::Ciphersuite::try_from(room.suite)
            .map_err(|_| Fault::Damaged("cipher suite"))?;
        let context = RoomContext { ordering_set: vec![origin], policy };
        let provider = self.provider();
        let me = self.me.as_ref().ok_or(Fault::Damaged("no account"))?;
        let group = mls::create(&provider, &me.device, room.id, suite, &context)?;
        self.keep_group(room.id, group);
        room.epoch = 0;
        room.save(&self.db)?;
        self.follow_group(room, 0)?;
        room.save(&self.db)?;
        self.chat_changed(room.id);
        self.todo.insert(room.id);
        Ok(())
    }

    /// The cell's store incarnation, from this session or an earlier one.
    fn origin(&self) -> Result<Option<Origin>, Fault> {
        if let Some(origin) = self.session.origin {
            return Ok(Some(origin));
        }
        let known = store::profile(&self.db, "origin")?;
        Ok(known.and_then(|bytes| Origin::try_from(bytes.as_slice()).ok()))
    }

    fn create_on_cell(&mut self, room: &Room) -> Result<(), Fault> {
        let (group_info, ratchet_tree) =
            self.with_group(room.id, |group, provider, me| mls::public_state(group, provider, &me.device))?;
        self.session.busy.insert(room.id);
        let create = wire::CreateRoom { room_id: room.id.to_bytes(), group_info, ratchet_tree };
        self.request(Asked::CreateRoom { room: room.id }, client_frame::Body::CreateRoom(create));
        Ok(())
    }

    pub(crate) fn room_created(&mut self, id: RoomId) -> Result<(), Fault> {
        self.session.busy.remove(&id);
        let mut room = self.room(id)?;
        if !room.created {
            room.created = true;
            room.save(&self.db)?;
            self.chat_changed(id);
            self.follow(&room);
        }
        self.todo.insert(id);
        Ok(())
    }

    pub(crate) fn on_creation_refused(&mut self, id: RoomId, error: &wire::Error) -> Result<(), Fault> {
        let mut room = self.room(id)?;
        match error.code() {
            // Nobody else can have guessed a group's id: it is ours, and the answer was lost.
            ErrorCode::AlreadyExists if room.kind == ChatKind::Group => return self.room_created(id),
            ErrorCode::AlreadyExists => {
                // Ours, or the other person was faster: the cell's tree tells.
                self.ask_group_info(id);
                return Ok(());
            }
            ErrorCode::InvalidCommit | ErrorCode::Malformed => {
                // Made for a cell that is no longer the same store: made again for this one. Nobody else is in it.
                let policy =
                    self.with_group(id, |group, _, _| Ok(RoomContext::of(group.extensions())?.policy))?;
                self.forget_group(id);
                self.make_room(&mut room, policy)?;
                self.todo.remove(&id);
            }
            _ => {}
        }
        self.wake(id, self.now + u64::from(error.retry_after_ms).max(RETRY_MS) + self.crypto.below(RETRY_MS));
        Ok(())
    }

    // ------------------------------------------------------------ introductions

    /// Tells the own name and the room's, where somebody does not know them yet.
    fn introduce(&mut self, room: &mut Room) -> Result<(), Fault> {
        if !(room.profile_due || room.state_due) || self.is_adding(room.id)? {
            return Ok(());
        }
        // Who does not know the name yet either owes it until then.
        let knows_name = room.kind == ChatKind::Direct || !room.name.is_empty();
        if room.state_due && knows_name {
            room.state_due = false;
            if room.kind == ChatKind::Group {
                self.post_room_state(room)?;
            }
        }
        if room.profile_due {
            let present: i64 = self
                .db
                .prepare_cached("SELECT count(*) FROM members WHERE room = ?1 AND present = 1")?
                .query_row([room.id.0], |row| row.get(0))?;
            let speaks = self
                .db
                .prepare_cached("SELECT 1 FROM outbox WHERE room = ?1 AND failed = 0")?
                .exists([room.id.0])?;
            // In a large room names come with the first message, or a thousand would be sent at every join.
            if present <= MAX_GREETED || speaks {
                room.profile_due = false;
                self.post_profile(room.id)?;
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ KeyPackages

    /// Keeps KeyPackages of both suites on the cell, and a last-resort one of each.
    pub(crate) fn replenish_key_packages(&mut self, counts: &[wire::SuiteCount]) -> Result<(), Fault> {
        if let Some(origin) = self.session.origin {
            store::set_profile(&self.db, "origin", &origin.0)?;
        }
        let last_resort = store::profile(&self.db, "last_resort")?.is_none();
        for suite in mls::SUITES {
            let left = counts
                .iter()
                .find(|count| count.cipher_suite == u32::from(suite as u16))
                .map_or(0, |count| count.left as usize);
            let wanted = self.options.key_packages.min(limits::MAX_KEY_PACKAGES);
            let missing = if left * 2 < wanted { wanted - left } else { 0 };
            if missing > 0 || last_resort {
                self.upload_key_packages(suite, missing, last_resort)?;
            }
        }
        Ok(())
    }

    pub(crate) fn upload_key_packages(
        &mut self,
        suite: openmls::prelude::Ciphersuite,
        count: usize,
        last_resort: bool,
    ) -> Result<(), Fault> {
        let upload = {
            let provider = self.provider();
            let me = self.me.as_ref().ok_or(Fault::Damaged("no account"))?;
            let make = |is_last| mls::key_package(&provider, &me.device, suite, is_last);
            wire::UploadKeyPackages {
                key_packages: (0..count).map(|_| make(false)).collect::<Result<_, _>>()?,
                last_resort: last_resort.then(|| make(true)).into_iter().collect::<Result<_, _>>()?,
            }
        };
        // The flag is set by the answer to the second suite's upload, which comes last.
        let last_resort = last_resort && suite == mls::CLASSICAL;
        self.request(Asked::Upload { last_resort }, client_frame::Body::UploadKeyPackages(upload));
        Ok(())
    }
}

/// The policy once only `after` remain, if it has to change.
fn policy_after(policy: &Policy, after: &[AccountId]) -> Option<Policy> {
    let Policy::Group { admins } = policy else { return None };
    let staying = Policy::after_leaving(admins, after);
    (staying != *admins).then_some(Policy::Group { admins: staying })
}

/// How often something is tried that the cell says cannot be done.
const MAX_ATTEMPTS: i64 = 4;
const RETRY_MS: u64 = 1_000;
const NO_KEY_PACKAGE_RETRY_MS: u64 = 10_000;
/// Rooms up to this size greet new members at once.
const MAX_GREETED: i64 = 32;

//! Commits: one per epoch, decided by this cell alone (`ordering.md` with a set of one).
//!
//! One transaction holds everything that a decision means (C9): the decided entry, the room's next epoch, its
//! public group, its roster, the Welcomes and the notices in the inboxes of those who were added.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::signing::{VoteSubject, bundle_hash};
use mbolo_proto::wire::{self, EntryKind, ErrorCode, server_frame::Body};
use mbolo_proto::{AccountId, FeedId, Origin, RoomId, VersionVector, decode_commit_bundle, limits};
use prost::Message;

use crate::Cell;
use crate::allowance::PROPOSAL_COST;
use crate::cell::Out;
use crate::decision::{Decided, LockedWelcome, Votes};
use crate::failure::{Failure, refused};
use crate::feed::{FeedIndex, Fresh, Mover};
use crate::frames::{self, EPOCH_BYTES};
use crate::group::{self, CheckedCommit};
use crate::records::{self, JoinRecord, MemberRecord};
use crate::rooms::{damaged, invalid, not_loaded};
use crate::session::Slot;

impl<E: Engine> Cell<E> {
    pub(crate) fn submit_commit(
        &mut self,
        slot: Slot,
        request_id: u64,
        submit: &wire::SubmitCommit,
    ) -> Result<Option<Body>, Failure> {
        let (account, _) = self.identity(slot)?;
        let (room, feed) = self.room_feed(&submit.room_id)?;
        let state = self.room_state(feed)?;
        let epoch = state.epoch;
        if !state.is_member(account) && !state.policy.awaits(account) {
            return self.answer_former_member(room, account, submit).map(Some);
        }
        if submit.epoch < epoch {
            return self.answer_decided(room, submit, epoch).map(Some);
        }
        if submit.epoch > epoch {
            return Err(refused(ErrorCode::InvalidCommit, "behind: this cell is in an earlier epoch"));
        }
        if submit.bundle.len() > MAX_BUNDLE_BYTES {
            return Err(refused(ErrorCode::TooLarge, "the commit is too large"));
        }
        self.check_writable()?;
        let outcome = self.decide(slot, request_id, room, feed, submit);
        if let Err(Failure::Refused(_)) = &outcome {
            self.stats.commits_invalid += 1;
        }
        outcome.map(|()| None)
    }

    /// C2 for an epoch that is closed: what was decided, or the receipt again if it was this very bundle.
    fn answer_decided(
        &mut self,
        room: RoomId,
        submit: &wire::SubmitCommit,
        end: u64,
    ) -> Result<Body, Failure> {
        if let Some(decided) = self.decided(room, submit.epoch)?
            && decided.bundle == submit.bundle
        {
            return Ok(Body::CommitAccepted(wire::CommitAccepted { receipt: decided.receipt }));
        }
        self.stats.commits_stale += 1;
        let range = keys::ROOM_COMMIT.within(&(room,));
        let start = keys::ROOM_COMMIT.key(&(room, submit.epoch));
        let (mut decided, mut size, mut failure) = (Vec::new(), 0, None);
        self.overlay.range(&self.engine, &start, &range.end, &mut |key, value| {
            let ended = keys::ROOM_COMMIT.parse(key).map_or(u64::MAX, |(_, epoch)| epoch);
            size += value.len();
            if ended >= end || (!decided.is_empty() && size > MAX_BUNDLE_BYTES) {
                return ControlFlow::Break(()); // the feed has the rest
            }
            match records::read("commit", &value[EPOCH_BYTES.min(value.len())..]) {
                Ok(entry) => decided.push(entry),
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Body::CommitStale(wire::CommitStale { decided })),
        }
    }

    /// A member that was removed learns it from the commit that did so.
    fn answer_former_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        submit: &wire::SubmitCommit,
    ) -> Result<Body, Failure> {
        let record = self.member_record(room, account)?;
        let end = records::vector("member", record.and_then(|record| record.end).as_ref())?;
        if submit.epoch < end.get(Origin::COMMITS) {
            return self.answer_decided(room, submit, end.get(Origin::COMMITS));
        }
        Err(refused(ErrorCode::NotAMember, "the account is not in the room"))
    }

    fn decide(
        &mut self,
        slot: Slot,
        request_id: u64,
        room: RoomId,
        feed: FeedIndex,
        submit: &wire::SubmitCommit,
    ) -> Result<(), Failure> {
        let bundle = decode_commit_bundle(submit.bundle.clone()).map_err(|error| {
            refused(ErrorCode::InvalidCommit, format!("the bundle does not decode: {error}"))
        })?;
        let (account, _) = self.identity(slot)?;
        self.allowances.charge(account, PROPOSAL_COST * bundle.proposals.len() as u64);
        let set = [self.origin];
        let mut group = self.take_group(room)?;
        // A refused bundle may have left proposals in the group: then it is loaded anew next time.
        let keeps_group = bundle.proposals.is_empty();
        let policy = self.room_state(feed)?.policy.clone();
        let checked = group::check_commit(&mut group, &self.crypto, &set, &policy, &bundle)
            .map_err(invalid)
            .and_then(|checked| self.check_room_limits(feed, &checked).map(|()| checked));
        let checked = match checked {
            Ok(checked) => checked,
            Err(failure) => {
                if keeps_group {
                    self.groups.put(room, group);
                }
                return Err(failure);
            }
        };

        let decided = self.vote(room, feed, submit)?;
        let welcome = LockedWelcome::new(bundle.welcome.clone());
        let (policy, accounts, added, external) =
            (checked.policy.clone(), checked.accounts.clone(), checked.added.clone(), checked.external);
        let store = group::merge(&mut group, checked).map_err(damaged)?;
        let tree = if added.is_empty() || external {
            Bytes::new()
        } else {
            group::ratchet_tree(&group).map_err(damaged)?
        };
        self.put_group(room, store, &bundle.group_info);
        self.groups.put(room, group);

        let index = self.append_commit(slot, room, feed, submit, &decided)?;
        if let Some(state) = self.room_state_mut(feed) {
            state.policy = policy;
            state.parent = bundle_hash(&submit.bundle);
        }
        let start = self.state(feed)?.head(self.origin);
        self.change_roster(room, feed, &accounts, &start)?;
        self.put_room_record(room, feed)?;
        if !added.is_empty() && !external {
            self.store_join(room, submit.epoch + 1, welcome, tree, &decided, &start);
            for account in added {
                self.notify_welcome(account, room, submit.epoch + 1)?;
            }
        }
        self.stats.commits_accepted += 1;
        let accepted = wire::CommitAccepted { receipt: Some(decided.receipt().clone()) };
        let frame = frames::encode(request_id, Body::CommitAccepted(accepted));
        self.outs.push(Out::Moved { slot, feed, index, frame });
        Ok(())
    }

    fn check_room_limits(&self, feed: FeedIndex, checked: &CheckedCommit) -> Result<(), Failure> {
        let state = self.room_state(feed)?;
        for account in checked.accounts.iter().filter(|account| !state.is_member(**account)) {
            if self.account(*account)?.is_none() {
                return Err(refused(ErrorCode::InvalidCommit, "an added account is not on this cell"));
            }
            if self.count_rooms(*account)? >= limits::MAX_ROOMS_PER_ACCOUNT {
                return Err(refused(ErrorCode::Limit, "an added account is in as many rooms as it may be"));
            }
        }
        Ok(())
    }

    /// C6 and C9: the cell's own vote is all that a set of one needs. It leaves with the transaction that stores
    /// the bundle.
    fn vote(&self, room: RoomId, feed: FeedIndex, submit: &wire::SubmitCommit) -> Result<Decided, Failure> {
        let subject = VoteSubject {
            room,
            epoch: submit.epoch,
            round: 0,
            ballot_cell: self.origin,
            hash: bundle_hash(&submit.bundle),
            parent: self.room_state(feed)?.parent,
        };
        Votes::on(subject)
            .vote(&self.keys.incarnation)
            .decide(&[self.origin])
            .map_err(|error| Failure::Damaged(format!("the cell's own vote does not hold: {error}")))
    }

    /// Appends the decided entry under the origin `commits`; gives its place among what the batch appended.
    fn append_commit(
        &mut self,
        slot: Slot,
        room: RoomId,
        feed: FeedIndex,
        submit: &wire::SubmitCommit,
        decided: &Decided,
    ) -> Result<usize, Failure> {
        let payload =
            wire::DecidedCommit { receipt: Some(decided.receipt().clone()), bundle: submit.bundle.clone() };
        let stored =
            frames::stored_entry(submit.epoch, EntryKind::Commit, &payload.encode_to_vec(), self.now_ms);
        self.overlay.put(keys::ROOM_COMMIT.key(&(room, submit.epoch)), stored.clone());
        self.note_expiry(feed, Origin::COMMITS)?;
        let origin = self.origin;
        let batch = self.feeds.batch(feed, |state| state.head(origin)).ok_or_else(not_loaded)?;
        let index = batch.fresh.len();
        batch.fresh.push(Fresh {
            origin: Origin::COMMITS,
            seq: submit.epoch + 1,
            entry: stored.slice(EPOCH_BYTES..),
        });
        if !batch.movers.iter().any(|mover| mover.slot == slot) {
            batch.movers.push(Mover { slot, next: 0 });
        }
        if let Some(state) = self.room_state_mut(feed) {
            state.epoch = submit.epoch + 1;
        }
        Ok(index)
    }

    /// Makes the members those who have leaves.
    fn change_roster(
        &mut self,
        room: RoomId,
        feed: FeedIndex,
        accounts: &[AccountId],
        position: &VersionVector,
    ) -> Result<(), Failure> {
        let state = self.room_state(feed)?;
        let new: Vec<AccountId> = accounts.iter().copied().filter(|a| !state.is_member(*a)).collect();
        let gone: Vec<(AccountId, VersionVector)> = state
            .members
            .iter()
            .filter(|member| accounts.binary_search(&member.account).is_err())
            .map(|member| (member.account, member.start.clone()))
            .collect();
        for account in new {
            self.add_member(room, feed, account, position.clone())?;
        }
        for (account, start) in &gone {
            let record = MemberRecord { start: Some(start.into()), end: Some(position.into()) };
            self.overlay.put(keys::ACCOUNT_OF_ROOM.key(&(room, *account)), record.encode_to_vec());
            self.overlay.delete(keys::ROOM_OF_ACCOUNT.key(&(*account, room)));
            self.overlay.delete(keys::DELIVERED_MARK.key(&(room, *account)));
            self.overlay.delete(keys::READ_MARK.key(&(room, *account)));
        }
        if gone.is_empty() {
            return Ok(());
        }
        if let Some(state) = self.room_state_mut(feed) {
            state.members.retain(|member| accounts.binary_search(&member.account).is_ok());
        }
        let expelled: Vec<Slot> = self.feeds.get(feed).map_or(Vec::new(), |feed| {
            let is_gone = |slot: Slot| {
                let account = self.sessions.get(slot).and_then(|s| s.identity()).map(|(account, _)| account);
                account.is_some_and(|account| gone.iter().any(|(gone, _)| *gone == account))
            };
            feed.followers.iter().map(|follower| follower.slot).filter(|slot| is_gone(*slot)).collect()
        });
        if let Some(batch) = self.feeds.batch(feed, |_| position.clone()) {
            let count = batch.fresh.len();
            batch.expelled.extend(expelled.into_iter().map(|slot| (slot, count, position.clone())));
        }
        Ok(())
    }

    fn store_join(
        &mut self,
        room: RoomId,
        epoch: u64,
        welcome: LockedWelcome,
        ratchet_tree: Bytes,
        decided: &Decided,
        start: &VersionVector,
    ) {
        let join = wire::Join {
            welcome: welcome.release(decided),
            ratchet_tree,
            receipt: Some(decided.receipt().clone()),
            start: Some(start.into()),
        };
        let record = JoinRecord { stored_at_ms: self.now_ms, join: Some(join) };
        self.overlay.put(keys::JOIN_INFO.key(&(room, epoch)), record.encode_to_vec());
    }

    fn notify_welcome(&mut self, account: AccountId, room: RoomId, epoch: u64) -> Result<(), Failure> {
        let notice = wire::WelcomeNotice { room_id: room.to_bytes(), epoch };
        let item = wire::InboxItem { item: Some(wire::inbox_item::Item::Welcome(notice)) };
        let inbox = self.feed(FeedId::Inbox(account))?.ok_or_else(not_loaded)?;
        self.append(inbox, EntryKind::InboxItem, &item.encode_to_vec())?;
        Ok(())
    }

    fn decided(&self, room: RoomId, epoch: u64) -> Result<Option<wire::DecidedCommit>, Failure> {
        let Some(stored) = self.load(&keys::ROOM_COMMIT.key(&(room, epoch)))? else { return Ok(None) };
        let entry: wire::Entry = records::read("commit", &stored[EPOCH_BYTES.min(stored.len())..])?;
        records::read("commit", &entry.payload).map(Some)
    }

    /// The receipt of the commit that ended `epoch`.
    pub(crate) fn receipt(&self, room: RoomId, epoch: u64) -> Result<wire::Receipt, Failure> {
        self.decided(room, epoch)?
            .and_then(|decided| decided.receipt)
            .ok_or_else(|| Failure::Damaged("the receipt of a room's last commit is missing".into()))
    }
}

/// A decided bundle travels in one frame with its receipt around it.
const MAX_BUNDLE_BYTES: usize = limits::MAX_FRAME_BYTES - 64 * 1024;

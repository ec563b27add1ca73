//! Delivered marks, read marks and ephemeral frames.
//!
//! A delivered mark is a position that only grows: joined on arrival, stored with the batch, pushed a little
//! later together with others. An account has everything that it wrote itself; that part is kept in memory
//! and stored when it is next pushed, so that a publish costs no third write.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::wire::{self, ErrorCode, server_frame::Body};
use mbolo_proto::{AccountId, FeedId, RoomId, VersionVector, limits};
use prost::Message;

use crate::cell::Out;
use crate::failure::{Failure, busy, malformed, refused};
use crate::feed::{FeedIndex, Member, Room};
use crate::rooms::not_loaded;
use crate::session::Slot;
use crate::{Cell, SessionId, frames};

impl<E: Engine> Cell<E> {
    pub(crate) fn put_marks(&mut self, slot: Slot, put: &wire::PutMarks) -> Result<Option<Body>, Failure> {
        let (account, _) = self.identity(slot)?;
        if put.marks.len() > limits::MAX_FEEDS_PER_SUBSCRIBE {
            return Err(refused(ErrorCode::Limit, "too many marks in one frame"));
        }
        self.take_marks(slot, put.marks.len())?;
        for mark in &put.marks {
            let id = RoomId::try_from(mark.room_id.as_ref()).map_err(|e| malformed(e.to_string()))?;
            let delivered =
                VersionVector::try_from(mark.delivered.as_ref()).map_err(|e| malformed(e.to_string()))?;
            let Some(feed) = self.feed(FeedId::Room(id))? else { continue };
            let head = self.state(feed)?.head(self.origin);
            let read_only = self.read_only;
            let Some(room) = self.room_state_mut(feed) else { continue };
            let Some(at) = room.member(account) else { continue };
            let member = &mut room.members[at];
            if member.delivered.join(&delivered.meet(&head)) {
                member.mark_moved = true;
                // On a full disk it waits in memory, and nobody is told before it is stored.
                member.mark_unsaved = read_only;
                if !read_only {
                    let stored = wire::VersionVector::from(&member.delivered).encode_to_vec();
                    self.overlay.put(keys::DELIVERED_MARK.key(&(id, account)), stored);
                }
                self.schedule_marks(feed);
            }
        }
        Ok(None)
    }

    /// An account has what it publishes, if it had everything before.
    pub(crate) fn count_own_delivery(&mut self, slot: Slot, feed: FeedIndex, seq: u64) {
        let Ok((account, _)) = self.identity(slot) else { return };
        let origin = self.origin;
        let Some(room) = self.room_state_mut(feed) else { return };
        let Some(at) = room.member(account) else { return };
        let member = &mut room.members[at];
        if member.delivered.get(origin) + 1 == seq {
            member.delivered.advance(origin, seq);
            member.mark_unsaved = true;
        }
    }

    /// A member says by its position what it has. That is how an account's own entries are counted again after
    /// a restart, and a mark that got lost.
    pub(crate) fn count_position(&mut self, feed: FeedIndex, account: AccountId, position: &VersionVector) {
        let Ok(head) = self.state(feed).map(|state| state.head(self.origin)) else { return };
        let Some(room) = self.room_state_mut(feed) else { return };
        let Some(at) = room.member(account) else { return };
        let member = &mut room.members[at];
        if member.delivered.join(&position.meet(&head)) {
            member.mark_moved = true;
            member.mark_unsaved = true;
            self.schedule_marks(feed);
        }
    }

    /// Reads a feed anew from the store, because the batch that changed it is undone. What its members have
    /// said about themselves stays true.
    pub(crate) fn reload_feed(&mut self, index: FeedIndex) -> Result<(), Failure> {
        let Some(feed) = self.feeds.get_mut(index) else { return Ok(()) };
        feed.batch = None;
        let id = feed.id;
        let Some(dropped) = feed.state.take() else { return Ok(()) };
        if self.feed(id)?.is_none() {
            return Ok(()); // the batch made the room
        }
        let head = self.state(index)?.head(self.origin);
        let (Some(before), Some(room)) = (dropped.room, self.room_state_mut(index)) else { return Ok(()) };
        room.marks_due_ms = before.marks_due_ms;
        for member in before.members.iter().filter(|member| member.mark_moved || member.mark_unsaved) {
            if let Some(at) = room.member(member.account) {
                let now = &mut room.members[at];
                now.delivered.join(&member.delivered.meet(&head));
                now.mark_moved = member.mark_moved;
                now.mark_unsaved = true;
            }
        }
        Ok(())
    }

    /// Marks that were to be stored with an undone batch are stored when they are pushed.
    pub(crate) fn marks_are_unsaved(&mut self) {
        let feeds: Vec<FeedIndex> = self.marks_due.iter().map(|(_, feed)| *feed).collect();
        for feed in feeds {
            if let Some(room) = self.room_state_mut(feed) {
                for member in room.members.iter_mut().filter(|member| member.mark_moved) {
                    member.mark_unsaved = true;
                }
            }
        }
    }

    fn schedule_marks(&mut self, feed: FeedIndex) {
        let now_ms = self.now_ms;
        let Some(room) = self.room_state_mut(feed) else { return };
        if room.marks_due_ms.is_none() {
            let due = now_ms + marks_delay_ms(room.members.len());
            room.marks_due_ms = Some(due);
            self.marks_due.insert((due, feed));
        }
    }

    pub(crate) fn push_due_marks(&mut self) -> Result<(), Failure> {
        while let Some((due, feed)) = self.marks_due.first().copied() {
            if due > self.now_ms {
                return Ok(());
            }
            if self.read_only {
                return Ok(());
            }
            self.marks_due.pop_first();
            let Some(FeedId::Room(id)) = self.feeds.get(feed).map(|feed| feed.id) else { continue };
            let Some(room) = self.room_state_mut(feed) else { continue };
            if room.marks_due_ms != Some(due) {
                continue;
            }
            room.marks_due_ms = None;
            let everyone = room.everyone_has();
            let single = room.members.len() <= limits::MAX_ACCOUNTS_WITH_SINGLE_MARKS;
            let mut marks = Vec::new();
            let mut unsaved = Vec::new();
            for member in &mut room.members {
                if std::mem::take(&mut member.mark_moved) && single {
                    marks.push(account_mark(member));
                }
                // What is pushed must not be forgotten: the part that is only in memory is stored with it.
                if std::mem::take(&mut member.mark_unsaved) {
                    unsaved.push((member.account, wire::VersionVector::from(&member.delivered)));
                }
            }
            let moved = room.everyone != everyone;
            room.everyone = everyone.clone();
            for (account, mark) in unsaved {
                self.overlay.put(keys::DELIVERED_MARK.key(&(id, account)), mark.encode_to_vec());
            }
            if moved || !marks.is_empty() {
                let push = wire::Marks {
                    room_id: id.to_bytes(),
                    marks,
                    everyone: Some((&everyone).into()),
                    read: Vec::new(),
                };
                self.broadcast_signal(feed, None, Body::Marks(push));
            }
        }
        Ok(())
    }

    pub(crate) fn get_marks(&mut self, slot: Slot, get: &wire::GetMarks) -> Result<Body, Failure> {
        let (id, feed) = self.member_room(slot, &get.room_id)?;
        let range = keys::READ_MARK.within(&(id,));
        let mut read = Vec::new();
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |key, payload| {
            if let Some((_, account)) = keys::READ_MARK.parse(key) {
                read.push(wire::ReadMarkPush {
                    room_id: id.to_bytes(),
                    account_id: account.to_bytes(),
                    payload: Bytes::copy_from_slice(payload),
                });
            }
            ControlFlow::Continue(())
        })?;
        let room = self.room_state(feed)?;
        let single = room.members.len() <= limits::MAX_ACCOUNTS_WITH_SINGLE_MARKS;
        Ok(Body::Marks(wire::Marks {
            room_id: id.to_bytes(),
            marks: if single { room.members.iter().map(account_mark).collect() } else { Vec::new() },
            everyone: Some((&room.everyone_has()).into()),
            read,
        }))
    }

    pub(crate) fn put_read_mark(
        &mut self,
        slot: Slot,
        mark: &wire::PutReadMark,
    ) -> Result<Option<Body>, Failure> {
        self.take_marks(slot, 1)?;
        if mark.payload.len() > limits::MAX_READ_MARK_BYTES {
            return Err(refused(ErrorCode::TooLarge, "a read mark is smaller than that"));
        }
        self.check_writable()?;
        let (account, _) = self.identity(slot)?;
        let (id, feed) = self.member_room(slot, &mark.room_id)?;
        self.overlay.put(keys::READ_MARK.key(&(id, account)), mark.payload.clone());
        let push = wire::ReadMarkPush {
            room_id: id.to_bytes(),
            account_id: account.to_bytes(),
            payload: mark.payload.clone(),
        };
        self.broadcast_signal(feed, Some(slot), Body::ReadMarkPush(push));
        Ok(None)
    }

    pub(crate) fn ephemeral(
        &mut self,
        slot: Slot,
        ephemeral: &wire::Ephemeral,
    ) -> Result<Option<Body>, Failure> {
        self.take_signal(slot)?;
        if ephemeral.payload.len() > limits::MAX_EPHEMERAL_BYTES {
            return Err(refused(ErrorCode::TooLarge, "an ephemeral frame is smaller than that"));
        }
        let (account, _) = self.identity(slot)?;
        let (id, feed) = self.member_room(slot, &ephemeral.room_id)?;
        let push = wire::EphemeralPush {
            room_id: id.to_bytes(),
            account_id: account.to_bytes(),
            payload: ephemeral.payload.clone(),
        };
        self.broadcast_signal(feed, Some(slot), Body::EphemeralPush(push));
        Ok(None)
    }

    fn member_room(&mut self, slot: Slot, id: &[u8]) -> Result<(RoomId, FeedIndex), Failure> {
        let (account, _) = self.identity(slot)?;
        let (id, feed) = self.room_feed(id)?;
        if self.room_state(feed)?.is_member(account) {
            Ok((id, feed))
        } else {
            Err(refused(ErrorCode::NotAMember, "the account is not in the room"))
        }
    }

    fn take_marks(&mut self, slot: Slot, count: usize) -> Result<(), Failure> {
        let (rate, burst) = (self.config.mark_rate_per_s, self.config.mark_burst);
        let session = self.sessions.get_mut(slot).ok_or_else(not_loaded)?;
        session
            .marks
            .take(self.now_ms, rate, burst)
            .map_err(|wait| busy("too many marks from this device", wait))?;
        session.marks.charge(count.saturating_sub(1) as u64);
        Ok(())
    }

    fn take_signal(&mut self, slot: Slot) -> Result<(), Failure> {
        let (rate, burst) = (self.config.ephemeral_rate_per_s, self.config.ephemeral_burst);
        let session = self.sessions.get_mut(slot).ok_or_else(not_loaded)?;
        session
            .signals
            .take(self.now_ms, rate, burst)
            .map_err(|wait| busy("too many signals from this device", wait))
    }

    /// Queues a frame for the members who are connected, one apart.
    fn broadcast_signal(&mut self, feed: FeedIndex, apart: Option<Slot>, body: Body) {
        let Some(followed) = self.feeds.get(feed) else { return };
        let sessions: Vec<SessionId> = followed
            .followers
            .iter()
            .filter(|follower| Some(follower.slot) != apart)
            .filter_map(|follower| {
                let session = self.sessions.get(follower.slot)?;
                let leaves = || session.behind.iter().any(|b| b.feed == feed && b.until.is_some());
                (session.identity().is_some() && (follower.at_end || !leaves())).then_some(session.id)
            })
            .collect();
        if !sessions.is_empty() {
            self.outs.push(Out::Broadcast { sessions, frame: frames::encode(0, body) });
        }
    }
}

impl Room {
    /// The position that all members have reached.
    pub fn everyone_has(&self) -> VersionVector {
        let Some((first, others)) = self.members.split_first() else { return VersionVector::new() };
        others.iter().fold(first.delivered.clone(), |all, member| all.meet(&member.delivered))
    }
}

fn account_mark(member: &Member) -> wire::AccountMark {
    wire::AccountMark { account_id: member.account.to_bytes(), delivered: Some((&member.delivered).into()) }
}

/// How long marks are gathered: at once to the eye in small rooms, bounded traffic in large ones.
fn marks_delay_ms(members: usize) -> u64 {
    match members {
        0..=8 => 100,
        9..=limits::MAX_ACCOUNTS_WITH_SINGLE_MARKS => 1_000,
        _ => 5_000,
    }
}

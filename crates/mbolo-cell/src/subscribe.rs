//! Following feeds: from a position, then from the end.
//!
//! A session that stands at the end of a feed is pushed what a batch appends, from memory. One that stands
//! before it is *behind*: it waits in line and is sent frames from the store as long as it has credit, until it
//! has caught up.
//!
//! **Order across origins.** Every entry is stored with the room's epoch at its append. A commit with seq `c`
//! begins epoch `c`; so entries of epochs before `c` are sent before it, and entries of epoch `c` after it.
//! A member that comes back after twenty epochs can read everything on its way.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::wire::{self, ErrorCode, server_frame::Body};
use mbolo_proto::{FeedId, Origin, VersionVector, limits};

use crate::failure::{Failure, malformed, refused};
use crate::feed::{FeedIndex, Mover};
use crate::frames::{self, EPOCH_BYTES, PUSH_BYTES};
use crate::records;
use crate::rooms::not_loaded;
use crate::session::{Behind, Phase, Slot};
use crate::{Cell, Effect};

/// Entries of one origin, one after another, and the frame with them.
struct Run {
    origin: Origin,
    last_seq: u64,
    entries: u64,
    frame: Bytes,
}

impl<E: Engine> Cell<E> {
    pub(crate) fn subscribe(&mut self, slot: Slot, subscribe: &wire::Subscribe) -> Result<Body, Failure> {
        if subscribe.feeds.len() > limits::MAX_FEEDS_PER_SUBSCRIBE {
            return Err(refused(ErrorCode::Limit, "too many feeds in one request"));
        }
        let mut heads = Vec::with_capacity(subscribe.feeds.len());
        for position in &subscribe.feeds {
            let feed = position.feed.as_ref().ok_or_else(|| malformed("a feed is missing"))?;
            let id = FeedId::try_from(feed).map_err(|e| malformed(e.to_string()))?;
            let after =
                VersionVector::try_from(position.after.as_ref()).map_err(|e| malformed(e.to_string()))?;
            let mut head = wire::FeedHead { feed: Some(feed.clone()), head: None, refused: 0 };
            match self.subscribe_one(slot, id, after) {
                Ok(end) => head.head = Some((&end).into()),
                Err(Failure::Refused(refusal)) => head.refused = refusal.code.into(),
                Err(other) => return Err(other),
            }
            heads.push(head);
        }
        Ok(Body::Subscribed(wire::Subscribed { heads }))
    }

    /// Sets the session's position in a feed; gives where the feed ends for it.
    fn subscribe_one(
        &mut self,
        slot: Slot,
        id: FeedId,
        mut after: VersionVector,
    ) -> Result<VersionVector, Failure> {
        let (account, _) = self.identity(slot)?;
        let not_found = || refused(ErrorCode::NotFound, "there is no such feed here");
        let feed = self.feed(id)?.ok_or_else(not_found)?;
        let mut end = self.state(feed)?.head(self.origin);
        let mut until = None;
        match id {
            FeedId::Inbox(owner) if owner == account => {}
            FeedId::Inbox(_) => return Err(refused(ErrorCode::NotAMember, "the inbox is another account's")),
            FeedId::Room(room) => {
                let state = self.room_state(feed)?;
                if let Some(index) = state.member(account) {
                    after.join(&state.members[index].start);
                } else {
                    let record = self.member_record(room, account)?;
                    let record = record
                        .filter(|record| record.end.is_some())
                        .ok_or_else(|| refused(ErrorCode::NotAMember, "the account is not in the room"))?;
                    after.join(&records::vector("member", record.start.as_ref())?);
                    end = records::vector("member", record.end.as_ref())?;
                    until = Some(end.clone());
                }
            }
        }
        if until.is_none() {
            self.count_position(feed, account, &after);
        }
        let max = self.config.max_subscriptions;
        let session = self.sessions.get_mut(slot).ok_or_else(not_loaded)?;
        if !session.feeds.contains(&feed) {
            if session.feeds.len() >= max {
                return Err(refused(ErrorCode::Limit, "the session follows as many feeds as it may"));
            }
            session.feeds.push(feed);
        }
        session.behind.retain(|behind| behind.feed != feed);
        let at_end = until.is_none() && after.covers(&end);
        if !at_end {
            session.behind.push(Behind { feed, at: after, until });
            self.stand_in_line(slot);
        }
        let followed = self.feeds.get_mut(feed).ok_or_else(not_loaded)?;
        followed.follow(slot, at_end);
        // What the batch appended so far, the session has; it gets only what comes after.
        if let Some(batch) = followed.batch.as_mut() {
            let next = batch.fresh.len();
            match batch.movers.iter_mut().find(|mover| mover.slot == slot) {
                Some(mover) => mover.next = next,
                None => batch.movers.push(Mover { slot, next }),
            }
        }
        Ok(end)
    }

    // ------------------------------------------------------------ backlog

    /// Queues a session to be sent what it is behind with.
    pub(crate) fn stand_in_line(&mut self, slot: Slot) {
        if let Some(session) = self.sessions.get_mut(slot)
            && !session.in_line
            && !session.behind.is_empty()
        {
            session.in_line = true;
            self.line.push_back(slot);
        }
    }

    /// Counts the credit that came with the batch.
    pub(crate) fn count_credit(&mut self) {
        for (slot, bytes) in std::mem::take(&mut self.credits) {
            if let Some(session) = self.sessions.get_mut(slot) {
                session.credit = session.credit.saturating_add(bytes.into()).min(session.window);
            }
            self.stand_in_line(slot);
        }
    }

    /// Sends sessions that are behind what they have credit for, a bounded amount each time.
    pub(crate) fn send_backlog(&mut self, effects: &mut Vec<Effect>) -> Result<(), Failure> {
        let mut budget = BACKLOG_BYTES_PER_BATCH;
        for _ in 0..self.line.len() {
            if budget == 0 {
                return Ok(());
            }
            let Some(slot) = self.line.pop_front() else { return Ok(()) };
            let Some(session) = self.sessions.get_mut(slot) else { continue };
            session.in_line = false;
            let mut share = BACKLOG_BYTES_PER_TURN.min(budget);
            budget -= share;
            let goes_on = self.send_share(slot, &mut share, effects)?;
            budget += share;
            if goes_on {
                self.stand_in_line(slot);
            }
        }
        Ok(())
    }

    /// Sends up to `share` bytes to one session; says whether it could take more at once.
    fn send_share(
        &mut self,
        slot: Slot,
        share: &mut usize,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, Failure> {
        loop {
            let Some(session) = self.sessions.get(slot) else { return Ok(false) };
            let Phase::Ready { .. } = session.phase else { return Ok(false) };
            let (id, credit) = (session.id, session.credit);
            let Some(behind) = session.behind.first() else { return Ok(false) };
            let (feed, at, until) = (behind.feed, behind.at.clone(), behind.until.clone());
            if credit <= 0 {
                return Ok(false);
            }
            if *share == 0 {
                return Ok(true);
            }
            let room_left = usize::try_from(credit).unwrap_or(0).min(PUSH_BYTES);
            let Some(run) = self.next_run(feed, &at, until.as_ref(), room_left)? else {
                self.caught_up(slot, feed, until.is_some());
                continue;
            };
            let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
            if !session.has_credit(run.frame.len()) && !session.may_overdraw() {
                return Ok(false); // it comes back when it sends credit
            }
            session.credit -= run.frame.len() as i64;
            if let Some(behind) = session.behind.first_mut() {
                behind.at.advance(run.origin, run.last_seq);
            }
            *share = share.saturating_sub(run.frame.len());
            self.stats.deliveries += run.entries;
            self.stats.delivered_bytes += run.frame.len() as u64;
            effects.push(Effect::Send { session: id, frame: run.frame });
        }
    }

    fn caught_up(&mut self, slot: Slot, feed: FeedIndex, has_left: bool) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.behind.retain(|behind| behind.feed != feed);
            if has_left {
                session.feeds.retain(|followed| *followed != feed);
            }
        }
        if let Some(feed) = self.feeds.get_mut(feed) {
            if has_left {
                feed.unfollow(slot);
            } else {
                feed.follow(slot, true);
            }
        }
    }

    /// The next frame after `at`, of about `size` bytes at most (one entry may be larger).
    fn next_run(
        &mut self,
        feed: FeedIndex,
        at: &VersionVector,
        until: Option<&VersionVector>,
        size: usize,
    ) -> Result<Option<Run>, Failure> {
        let id = self.feeds.get(feed).map(|feed| feed.id).ok_or_else(not_loaded)?;
        self.feed(id)?;
        let head = self.state(feed)?.head(self.origin);
        let end = until.unwrap_or(&head);
        let commits_end = end.get(Origin::COMMITS);
        // A device may claim any position, even the last there is.
        let next_commit = at.get(Origin::COMMITS).saturating_add(1);
        let barrier = if next_commit <= commits_end { next_commit } else { u64::MAX };
        let mut lowest_epoch = u64::MAX;
        for (origin, last) in end.iter().filter(|(origin, _)| *origin != Origin::COMMITS) {
            let from = at.get(origin).saturating_add(1);
            if from > last {
                continue;
            }
            let (run, epoch) = self.entries(id, origin, from, last, barrier, size)?;
            if run.is_some() {
                return Ok(run);
            }
            lowest_epoch = lowest_epoch.min(epoch);
        }
        let FeedId::Room(room) = id else { return Ok(None) };
        if next_commit > commits_end {
            return Ok(None);
        }
        let run = self.commit_run(room, next_commit, commits_end.min(lowest_epoch), size)?;
        if run.is_some() || lowest_epoch == u64::MAX {
            return Ok(run);
        }
        // Retention took the commits in between. The entries are sent without; the device sees the gap.
        for (origin, last) in end.iter().filter(|(origin, _)| *origin != Origin::COMMITS) {
            let from = at.get(origin).saturating_add(1);
            if from <= last
                && let (Some(run), _) = self.entries(id, origin, from, last, lowest_epoch + 1, size)?
            {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Entries `from..=last` of one log as long as their epoch is before `barrier`; else the epoch of the first.
    fn entries(
        &self,
        id: FeedId,
        origin: Origin,
        from: u64,
        last: u64,
        barrier: u64,
        size: usize,
    ) -> Result<(Option<Run>, u64), Failure> {
        let start = keys::FEED_LOG.key(&(id, origin, from));
        let end = keys::FEED_LOG.key(&(id, origin, last.saturating_add(1)));
        let mut run = Collector::new(size);
        let mut blocked_by = u64::MAX;
        self.engine.range(&start, &end, &mut |key, value| {
            let Some((_, _, seq)) = keys::FEED_LOG.parse(key) else { return ControlFlow::Break(()) };
            let Some((epoch, entry)) = value.split_first_chunk::<EPOCH_BYTES>() else {
                return ControlFlow::Break(());
            };
            let epoch = u64::from_be_bytes(*epoch);
            if epoch >= barrier {
                blocked_by = epoch;
                return ControlFlow::Break(());
            }
            run.take(seq, entry)
        })?;
        Ok((run.finish(id, origin), blocked_by))
    }

    fn commit_run(
        &self,
        room: mbolo_proto::RoomId,
        from: u64,
        last: u64,
        size: usize,
    ) -> Result<Option<Run>, Failure> {
        let start = keys::ROOM_COMMIT.key(&(room, from - 1));
        let end = keys::ROOM_COMMIT.key(&(room, last));
        let mut run = Collector::new(size);
        self.engine.range(&start, &end, &mut |key, value| {
            let Some((_, epoch)) = keys::ROOM_COMMIT.parse(key) else { return ControlFlow::Break(()) };
            match value.split_first_chunk::<EPOCH_BYTES>() {
                Some((_, entry)) => run.take(epoch + 1, entry),
                None => ControlFlow::Break(()),
            }
        })?;
        Ok(run.finish(FeedId::Room(room), Origin::COMMITS))
    }
}

/// Gathers entries for one frame.
struct Collector {
    size: usize,
    used: usize,
    first_seq: u64,
    entries: Vec<Bytes>,
}

impl Collector {
    fn new(size: usize) -> Self {
        Self { size, used: FRAME_OVERHEAD, first_seq: 0, entries: Vec::new() }
    }

    fn take(&mut self, seq: u64, entry: &[u8]) -> ControlFlow<()> {
        let needed = entry.len() + ENTRY_OVERHEAD;
        let first = self.entries.is_empty();
        if !first && (self.used + needed > self.size || seq != self.first_seq + self.entries.len() as u64) {
            return ControlFlow::Break(());
        }
        if first {
            self.first_seq = seq;
        }
        self.used += needed;
        self.entries.push(Bytes::copy_from_slice(entry));
        ControlFlow::Continue(())
    }

    fn finish(self, feed: FeedId, origin: Origin) -> Option<Run> {
        let entries = self.entries.len() as u64;
        let last_seq = self.first_seq + entries.checked_sub(1)?;
        let frame =
            frames::feed_push(feed, origin, self.first_seq, self.entries.iter().map(|entry| entry.as_ref()));
        Some(Run { origin, last_seq, entries, frame })
    }
}

/// A frame without entries, at most.
const FRAME_OVERHEAD: usize = 100;

/// Tag and length of an entry, at most.
const ENTRY_OVERHEAD: usize = 5;

/// Backlog read in one batch, so that those who come back do not hold up those who are here.
const BACKLOG_BYTES_PER_BATCH: usize = 4 * 1024 * 1024;

/// Backlog for one session before the next one has its turn.
const BACKLOG_BYTES_PER_TURN: usize = 256 * 1024;

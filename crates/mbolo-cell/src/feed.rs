//! Feeds in memory: where each ends, who follows it, and what this batch appended.
//!
//! A feed's state is a cache of the store and can be dropped at any time; its followers cannot. What a batch
//! appends waits in [`Fresh`] until the batch is durable, and is fanned out from there.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use mbolo_proto::policy::Policy;
use mbolo_proto::{AccountId, FeedId, Origin, VersionVector};

use crate::session::Slot;

/// Where a feed is in memory.
pub(crate) type FeedIndex = u32;

/// A feed that is in memory.
#[derive(Debug)]
pub(crate) struct Feed {
    pub id: FeedId,
    pub state: Option<Box<FeedState>>,
    /// Ascending by slot.
    pub followers: Vec<Follower>,
    /// What this batch did to the feed.
    pub batch: Option<Box<FeedBatch>>,
    /// Used since the cache last looked for something to drop.
    pub used: bool,
}

/// A session that follows a feed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Follower {
    pub slot: Slot,
    /// Stands at the end, so that new entries are pushed from memory; else its session says where it stands.
    pub at_end: bool,
    /// Has published something new here, so that nothing it publishes from now on was stored before: a device
    /// sends again what was not answered first, and in order, and the store always holds the first part of it.
    pub settled: bool,
}

/// What the store says about a feed.
#[derive(Debug)]
pub(crate) struct FeedState {
    /// Entries under this cell's own origin.
    pub own: u64,
    /// Entries under other origins, ascending.
    pub others: Vec<(Origin, u64)>,
    /// The newest own entries, so that one that is repeated at once is recognised without asking the store.
    pub recent: VecDeque<Recent>,
    /// The day for which retention was noted last, of own entries and of commits.
    pub noted_days: [u64; 2],
    /// What a room has besides.
    pub room: Option<Room>,
}

/// An entry that was appended a short while ago.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    pub id: [u8; 16],
    pub seq: u64,
    pub received_at_ms: u64,
}

/// A room's state.
#[derive(Debug)]
pub(crate) struct Room {
    pub epoch: u64,
    pub policy: Policy,
    /// Hash decided for the epoch before; zeros in epoch 0.
    pub parent: [u8; 32],
    pub creation: Bytes,
    /// Ascending by account.
    pub members: Vec<Member>,
    /// What everyone had when it was last pushed.
    pub everyone: VersionVector,
    /// When marks are pushed, if any changed.
    pub marks_due_ms: Option<u64>,
}

/// An account in a room.
#[derive(Debug)]
pub(crate) struct Member {
    pub account: AccountId,
    pub start: VersionVector,
    /// Joined with `start`.
    pub delivered: VersionVector,
    /// Grew since marks were last pushed.
    pub mark_moved: bool,
    /// Grew by the account's own publishing, and is not stored yet.
    pub mark_unsaved: bool,
}

/// Appended by this batch and not durable yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub origin: Origin,
    pub seq: u64,
    /// An encoded `wire::Entry`.
    pub entry: Bytes,
}

/// What a batch did to a feed.
#[derive(Debug)]
pub(crate) struct FeedBatch {
    /// Where the feed ended before.
    pub before: VersionVector,
    pub fresh: Vec<Fresh>,
    /// Sessions that have some of `fresh` already: their own, or because they came to the feed later.
    pub movers: Vec<Mover>,
    /// Sessions of accounts that a commit removed, and how much of `fresh` they still get.
    pub expelled: Vec<(Slot, usize, VersionVector)>,
}

/// A session that gets its share of `fresh` piece by piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mover {
    pub slot: Slot,
    /// The first of `fresh` that it has neither been sent nor written itself.
    pub next: usize,
}

/// All feeds in memory.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    slots: Vec<Option<Feed>>,
    free: Vec<FeedIndex>,
    by_id: HashMap<FeedId, FeedIndex>,
    /// Feeds in the order the cache looks at them.
    clock: VecDeque<FeedIndex>,
    /// Feeds that this batch appended to, in order.
    pub dirty: Vec<FeedIndex>,
}

impl FeedState {
    /// Remembers an entry for a while.
    pub fn remember(&mut self, recent: Recent) {
        if self.recent.len() == RECENT_ENTRIES {
            self.recent.pop_front();
        }
        self.recent.push_back(recent);
    }

    /// Where the feed ends.
    pub fn head(&self, own_origin: Origin) -> VersionVector {
        let commits = self.room.as_ref().map_or(0, |room| room.epoch);
        self.others
            .iter()
            .copied()
            .chain([(own_origin, self.own), (Origin::COMMITS, commits)])
            .filter(|(_, seq)| *seq > 0)
            .collect()
    }
}

impl Room {
    pub fn member(&self, account: AccountId) -> Option<usize> {
        self.members.binary_search_by_key(&account, |member| member.account).ok()
    }

    pub fn is_member(&self, account: AccountId) -> bool {
        self.member(account).is_some()
    }
}

impl FeedBatch {
    /// The position after the first `count` of `fresh`.
    pub fn position(&self, count: usize) -> VersionVector {
        let mut position = self.before.clone();
        for fresh in &self.fresh[..count] {
            position.advance(fresh.origin, fresh.seq);
        }
        position
    }
}

impl Feed {
    pub fn follower(&self, slot: Slot) -> Option<usize> {
        self.followers.binary_search_by_key(&slot, |follower| follower.slot).ok()
    }

    /// Adds a follower or changes one.
    pub fn follow(&mut self, slot: Slot, at_end: bool) {
        match self.followers.binary_search_by_key(&slot, |follower| follower.slot) {
            Ok(index) => self.followers[index].at_end = at_end,
            Err(index) => self.followers.insert(index, Follower { slot, at_end, settled: false }),
        }
    }

    pub fn unfollow(&mut self, slot: Slot) {
        if let Some(index) = self.follower(slot) {
            self.followers.remove(index);
        }
    }
}

impl Feeds {
    pub fn index(&self, id: &FeedId) -> Option<FeedIndex> {
        self.by_id.get(id).copied()
    }

    pub fn get(&self, index: FeedIndex) -> Option<&Feed> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, index: FeedIndex) -> Option<&mut Feed> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn insert(&mut self, id: FeedId, state: Box<FeedState>) -> FeedIndex {
        let feed = Feed { id, state: Some(state), followers: Vec::new(), batch: None, used: true };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(feed);
                index
            }
            None => {
                self.slots.push(Some(feed));
                (self.slots.len() - 1) as FeedIndex
            }
        };
        self.by_id.insert(id, index);
        self.clock.push_back(index);
        index
    }

    /// Notes that this batch appends to a feed whose head is `before`, and gives what it did so far.
    pub fn batch(
        &mut self,
        index: FeedIndex,
        before: impl FnOnce(&FeedState) -> VersionVector,
    ) -> Option<&mut FeedBatch> {
        let feed = self.slots.get_mut(index as usize)?.as_mut()?;
        if feed.batch.is_none() {
            let before = before(feed.state.as_ref()?);
            self.dirty.push(index);
            feed.batch = Some(Box::new(FeedBatch {
                before,
                fresh: Vec::new(),
                movers: Vec::new(),
                expelled: Vec::new(),
            }));
        }
        feed.batch.as_deref_mut()
    }

    /// Keeps a feed from being dropped for a while.
    pub fn touch(&mut self, index: FeedIndex) {
        if let Some(feed) = self.get_mut(index) {
            feed.used = true;
        }
    }

    /// Drops feeds that nobody follows or uses until at most `limit` are left (or all are needed).
    pub fn shrink_to(&mut self, limit: usize) {
        let mut looks = LOOKS_PER_BATCH;
        while self.by_id.len() > limit && looks > 0 {
            looks -= 1;
            let Some(index) = self.clock.pop_front() else { return };
            let Some(feed) = self.slots[index as usize].as_mut() else { continue };
            if !feed.followers.is_empty() || feed.batch.is_some() || feed.used {
                feed.used = false;
                self.clock.push_back(index);
                continue;
            }
            self.by_id.remove(&feed.id);
            self.slots[index as usize] = None;
            self.free.push(index);
        }
    }
}

/// Entries of a feed that are remembered: about what one device sends without waiting.
const RECENT_ENTRIES: usize = 32;

/// Feeds that the cache looks at in one batch, so that a full cache costs no batch more than this.
const LOOKS_PER_BATCH: usize = 64;

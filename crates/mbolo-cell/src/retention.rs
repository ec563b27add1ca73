//! Retention: what is old goes, a bounded amount at a time.
//!
//! The first append of a day to a log notes when that day's entries may go. The newest entry of every log stays
//! for ever: it remembers where the log ends, so that no seq is given twice. So does the newest commit.
//!
//! It goes on while the disk is full, because that may be what makes room again: a batch of nothing but removals is
//! taken by the store when others are refused.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::{FeedId, Origin, RoomId, wire};

use crate::Cell;
use crate::failure::Failure;
use crate::feed::FeedIndex;
use crate::frames::EPOCH_BYTES;
use crate::publish::short_id;
use crate::records::{self, JoinRecord};
use crate::rooms::not_loaded;

impl<E: Engine> Cell<E> {
    /// Notes that something is appended to a feed's log today.
    pub(crate) fn note_expiry(&mut self, feed: FeedIndex, origin: Origin) -> Result<(), Failure> {
        let day = self.now_ms / DAY_MS;
        let feed = self.feeds.get_mut(feed).ok_or_else(not_loaded)?;
        let state = feed.state.as_mut().ok_or_else(not_loaded)?;
        let noted = &mut state.noted_days[usize::from(origin == Origin::COMMITS)];
        if *noted == day {
            return Ok(());
        }
        *noted = day;
        let due = |days: u32| (day + 1 + u64::from(days)) * DAY_MS;
        let mut dues = vec![due(self.config.retention_days)];
        if origin == Origin::COMMITS {
            dues.push(due(self.config.join_retention_days));
        }
        for due in dues {
            self.overlay.put(keys::EXPIRY.key(&(due, feed.id, origin)), Bytes::new());
            self.expiry_due_ms = self.expiry_due_ms.min(due);
        }
        Ok(())
    }

    /// Removes some of what is due. Writes nothing but removals.
    pub(crate) fn expire(&mut self) -> Result<(), Failure> {
        if self.now_ms < self.expiry_due_ms.max(self.expiry_paused_until_ms) {
            return Ok(());
        }
        let start = keys::EXPIRY.within(&()).start;
        let end = keys::EXPIRY.within(&(self.now_ms,)).end;
        let mut due = Vec::new();
        self.overlay.range(&self.engine, &start, &end, &mut |key, _| {
            due.extend(keys::EXPIRY.parse(key));
            if due.len() < LOGS_PER_BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut budget = ENTRIES_PER_BATCH;
        for (at, feed, origin) in due {
            match (feed, origin) {
                (FeedId::Room(room), Origin::COMMITS) => {
                    self.expire_joins(room, &mut budget)?;
                    self.expire_commits(room, &mut budget)?;
                }
                _ => self.expire_log(feed, origin, &mut budget)?,
            }
            if budget == 0 {
                break;
            }
            self.overlay.delete(keys::EXPIRY.key(&(at, feed, origin)));
        }
        self.find_next_expiry()
    }

    pub(crate) fn find_next_expiry(&mut self) -> Result<(), Failure> {
        let range = keys::EXPIRY.within(&());
        let mut next = u64::MAX;
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |key, _| {
            next = keys::EXPIRY.parse(key).map_or(u64::MAX, |(at, ..)| at);
            ControlFlow::Break(())
        })?;
        self.expiry_due_ms = next;
        Ok(())
    }

    fn expire_log(&mut self, feed: FeedId, origin: Origin, budget: &mut usize) -> Result<(), Failure> {
        let log = keys::FEED_LOG.within(&(feed, origin));
        let Some((newest, _)) = self.overlay.last(&self.engine, &log.start, &log.end)? else { return Ok(()) };
        let before = self.now_ms.saturating_sub(days_ms(self.config.retention_days));
        let old = self.old_entries(&log.start, &newest, before, *budget)?;
        *budget -= old.len();
        self.stats.entries_expired += old.len() as u64;
        for (key, entry) in old {
            self.overlay.delete(keys::ENTRY_ID.key(&(feed, short_id(&entry.payload))));
            self.overlay.delete(key);
        }
        Ok(())
    }

    fn expire_commits(&mut self, room: RoomId, budget: &mut usize) -> Result<(), Failure> {
        let commits = keys::ROOM_COMMIT.within(&(room,));
        let Some((newest, _)) = self.overlay.last(&self.engine, &commits.start, &commits.end)? else {
            return Ok(());
        };
        let before = self.now_ms.saturating_sub(days_ms(self.config.retention_days));
        let old = self.old_entries(&commits.start, &newest, before, *budget)?;
        *budget -= old.len();
        self.stats.entries_expired += old.len() as u64;
        for (key, _) in old {
            self.overlay.delete(key);
        }
        Ok(())
    }

    fn expire_joins(&mut self, room: RoomId, budget: &mut usize) -> Result<(), Failure> {
        let joins = keys::JOIN_INFO.within(&(room,));
        let before = self.now_ms.saturating_sub(days_ms(self.config.join_retention_days));
        let (mut old, mut failure) = (Vec::new(), None);
        self.overlay.range(
            &self.engine,
            &joins.start,
            &joins.end,
            &mut |key, value| match records::read::<JoinRecord>("join info", value) {
                Ok(record) if record.stored_at_ms < before && old.len() < *budget => {
                    old.push(Bytes::copy_from_slice(key));
                    ControlFlow::Continue(())
                }
                Ok(_) => ControlFlow::Break(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        *budget -= old.len();
        for key in old {
            self.overlay.delete(key);
        }
        Ok(())
    }

    /// Up to `limit` entries of `[start, end)` that were received before a time, oldest first.
    fn old_entries(
        &self,
        start: &[u8],
        end: &[u8],
        before: u64,
        limit: usize,
    ) -> Result<Vec<(Bytes, wire::Entry)>, Failure> {
        let (mut old, mut failure) = (Vec::new(), None);
        self.overlay.range(
            &self.engine,
            start,
            end,
            &mut |key, value| match records::read::<wire::Entry>(
                "entry",
                &value[EPOCH_BYTES.min(value.len())..],
            ) {
                Ok(entry) if entry.received_at_ms < before && old.len() < limit => {
                    old.push((Bytes::copy_from_slice(key), entry));
                    ControlFlow::Continue(())
                }
                Ok(_) => ControlFlow::Break(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failure.map_or(Ok(old), Err)
    }
}

fn days_ms(days: u32) -> u64 {
    u64::from(days) * DAY_MS
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Entries removed in one batch, so that retention never holds up a conversation.
const ENTRIES_PER_BATCH: usize = 512;

/// Logs looked at in one batch.
const LOGS_PER_BATCH: usize = 64;

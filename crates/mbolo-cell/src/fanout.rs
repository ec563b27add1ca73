//! Emitting: what leaves once the batch is durable.
//!
//! Answers leave in the order in which they were made. What the batch appended to a feed leaves as few frames,
//! one and the same for all who stood at the feed's end; only those who wrote some of it themselves get their
//! frames in between their answers, so that every device's position stays dense.

use bytes::Bytes;
use mbolo_engine::Engine;
use mbolo_proto::FeedId;

use crate::cell::Out;
use crate::feed::{FeedBatch, FeedIndex, Fresh};
use crate::frames::{self, PUSH_BYTES};
use crate::session::{Behind, Phase, Slot};
use crate::{Cell, Effect};

impl<E: Engine> Cell<E> {
    pub(crate) fn emit(&mut self, effects: &mut Vec<Effect>) {
        self.groups.keep();
        let mut outs = std::mem::take(&mut self.outs);
        for out in outs.drain(..) {
            match out {
                Out::Send { slot, frame } => self.emit_to(slot, frame, effects),
                Out::Broadcast { sessions, frame } => effects.push(Effect::Broadcast { sessions, frame }),
                Out::Moved { slot, feed, index, frame } => {
                    self.move_past(slot, feed, index, effects);
                    self.emit_to(slot, frame, effects);
                }
                Out::Close { slot } => {
                    if let Some(session) = self.sessions.get(slot) {
                        effects.push(Effect::Close { session: session.id });
                    }
                }
            }
        }
        self.outs = outs;
        let mut dirty = std::mem::take(&mut self.feeds.dirty);
        for feed in dirty.drain(..) {
            if let Some(batch) = self.feeds.get_mut(feed).and_then(|feed| feed.batch.take()) {
                self.fan_out(feed, *batch, effects);
            }
        }
        self.feeds.dirty = dirty;
    }

    fn emit_to(&self, slot: Slot, frame: Bytes, effects: &mut Vec<Effect>) {
        if let Some(session) = self.sessions.get(slot)
            && session.phase != Phase::Gone
        {
            effects.push(Effect::Send { session: session.id, frame });
        }
    }

    /// Sends a session what came before its own entry `index`, so that its answer comes in its place.
    fn move_past(&mut self, slot: Slot, feed: FeedIndex, index: usize, effects: &mut Vec<Effect>) {
        let Some(mut batch) = self.feeds.get_mut(feed).and_then(|feed| feed.batch.take()) else { return };
        if let Some(mover) = batch.movers.iter().position(|mover| mover.slot == slot) {
            let next = batch.movers[mover].next;
            self.push_range(slot, feed, &batch, next, index, effects);
            batch.movers[mover].next = next.max(index + 1);
        }
        if let Some(feed) = self.feeds.get_mut(feed) {
            feed.batch = Some(batch);
        }
    }

    fn fan_out(&mut self, index: FeedIndex, batch: FeedBatch, effects: &mut Vec<Effect>) {
        let count = batch.fresh.len();
        let ends_at =
            |slot: Slot| batch.expelled.iter().find(|(s, ..)| *s == slot).map_or(count, |(_, end, _)| *end);
        for mover in &batch.movers {
            self.push_range(mover.slot, index, &batch, mover.next, ends_at(mover.slot), effects);
        }
        for (slot, end, _) in &batch.expelled {
            if !batch.movers.iter().any(|mover| mover.slot == *slot) {
                self.push_range(*slot, index, &batch, 0, *end, effects);
            }
        }
        self.broadcast(index, &batch, effects);
        for (slot, _, until) in batch.expelled {
            self.expel(slot, index, until);
        }
    }

    /// One frame for all who stood at the end before the batch and wrote none of it.
    fn broadcast(&mut self, index: FeedIndex, batch: &FeedBatch, effects: &mut Vec<Effect>) {
        let Some(feed) = self.feeds.get_mut(index) else { return };
        let apart = |slot: Slot| {
            batch.movers.iter().any(|mover| mover.slot == slot)
                || batch.expelled.iter().any(|(expelled, ..)| *expelled == slot)
        };
        let id = feed.id;
        let mut frames: Vec<(Bytes, u64)> = Vec::new();
        let mut bytes = 0;
        let mut receivers = Vec::new();
        let mut fell_behind = Vec::new();
        for follower in &mut feed.followers {
            if !follower.at_end || apart(follower.slot) {
                continue;
            }
            if frames.is_empty() {
                frames = runs(id, &batch.fresh).collect();
                bytes = frames.iter().map(|(frame, _)| frame.len()).sum();
                receivers.reserve(8);
            }
            let Some(session) = self.sessions.get_mut(follower.slot) else { continue };
            let Phase::Ready { .. } = session.phase else { continue };
            if session.has_credit(bytes) {
                session.credit -= bytes as i64;
                receivers.push(session.id);
            } else {
                follower.at_end = false;
                session.behind.push(Behind { feed: index, at: batch.before.clone(), until: None });
                fell_behind.push(follower.slot);
            }
        }
        for slot in fell_behind {
            self.stand_in_line(slot);
        }
        if receivers.is_empty() {
            return;
        }
        self.stats.deliveries += batch.fresh.len() as u64 * receivers.len() as u64;
        self.stats.delivered_bytes += bytes as u64 * receivers.len() as u64;
        let last = frames.len().saturating_sub(1);
        for (place, (frame, _)) in frames.into_iter().enumerate() {
            let sessions = if place == last { std::mem::take(&mut receivers) } else { receivers.clone() };
            effects.push(match sessions.as_slice() {
                [session] => Effect::Send { session: *session, frame },
                _ => Effect::Broadcast { sessions, frame },
            });
        }
    }

    /// Pushes `fresh[from..to]` to one session, if it stands at the end and has credit; else it falls behind.
    fn push_range(
        &mut self,
        slot: Slot,
        index: FeedIndex,
        batch: &FeedBatch,
        from: usize,
        to: usize,
        effects: &mut Vec<Effect>,
    ) {
        if from >= to {
            return;
        }
        let Some(feed) = self.feeds.get_mut(index) else { return };
        let Some(at) = feed.follower(slot) else { return };
        if !feed.followers[at].at_end {
            return;
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Phase::Ready { .. } = session.phase else { return };
        let mut done = from;
        for (frame, entries) in runs(feed.id, &batch.fresh[from..to]) {
            if !session.has_credit(frame.len()) {
                feed.followers[at].at_end = false;
                session.behind.push(Behind { feed: index, at: batch.position(done), until: None });
                self.stand_in_line(slot);
                return;
            }
            session.credit -= frame.len() as i64;
            done += entries as usize;
            self.stats.deliveries += entries;
            self.stats.delivered_bytes += frame.len() as u64;
            effects.push(Effect::Send { session: session.id, frame });
        }
    }

    /// A removed member's session gets nothing after its last position.
    fn expel(&mut self, slot: Slot, index: FeedIndex, until: mbolo_proto::VersionVector) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if let Some(behind) = session.behind.iter_mut().find(|behind| behind.feed == index) {
            behind.until = Some(until);
            return;
        }
        session.feeds.retain(|followed| *followed != index);
        if let Some(feed) = self.feeds.get_mut(index) {
            feed.unfollow(slot);
        }
    }
}

/// The frames that carry these entries: one per run of one origin, split where a frame gets too large.
fn runs(id: FeedId, fresh: &[Fresh]) -> impl Iterator<Item = (Bytes, u64)> {
    let mut rest = fresh;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut size = 0;
        let together = rest
            .iter()
            .enumerate()
            .take_while(|(place, entry)| {
                size += entry.entry.len();
                entry.origin == first.origin
                    && entry.seq == first.seq + *place as u64
                    && (*place == 0 || size <= PUSH_BYTES)
            })
            .count();
        let (run, after) = rest.split_at(together);
        rest = after;
        let entries = run.iter().map(|fresh| fresh.entry.as_ref());
        Some((frames::feed_push(id, first.origin, first.seq, entries), together as u64))
    })
}

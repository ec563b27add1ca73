//! Publishing: the hot path. One lookup for the room, two writes, one copy; the store is read only for the first
//! publish of a session to a room, which may be one that was sent before.

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::wire::{self, EntryKind, ErrorCode, server_frame::Body};
use mbolo_proto::{EntryId, FeedId, RoomId, limits};
use prost::Message;

use crate::Cell;
use crate::cell::Out;
use crate::failure::{Failure, busy, malformed, refused};
use crate::feed::{FeedIndex, Fresh, Mover, Recent};
use crate::frames::{self, EPOCH_BYTES};
use crate::records::{self, EntryPosition};
use crate::rooms::not_loaded;
use crate::session::Slot;

impl<E: Engine> Cell<E> {
    pub(crate) fn publish(
        &mut self,
        slot: Slot,
        request_id: u64,
        publish: &wire::Publish,
    ) -> Result<Option<Body>, Failure> {
        let (account, _) = self.identity(slot)?;
        let kind = publish.kind();
        if !matches!(kind, EntryKind::Application | EntryKind::Proposal) {
            return Err(malformed("only application messages and proposals are published"));
        }
        let (room, feed) = self.room_feed(&publish.room_id)?;
        if !self.room_state(feed)?.is_member(account) {
            return Err(refused(ErrorCode::NotAMember, "the account is not in the room"));
        }
        let outcome = self.accept(slot, request_id, room, feed, kind, publish);
        if let Err(Failure::Refused(_)) = &outcome
            && let Some(session) = self.sessions.get_mut(slot)
            && !session.blocked.contains(&room)
        {
            // What this sender publishes after a refusal must not overtake what was refused.
            session.blocked.push(room);
        }
        outcome.map(|()| None)
    }

    #[allow(clippy::too_many_arguments)]
    fn accept(
        &mut self,
        slot: Slot,
        request_id: u64,
        room: RoomId,
        feed: FeedIndex,
        kind: EntryKind,
        publish: &wire::Publish,
    ) -> Result<(), Failure> {
        let (rate, burst) = (self.config.publish_rate_per_s, self.config.publish_burst);
        let Some(session) = self.sessions.get_mut(slot) else { return Err(not_loaded()) };
        if !session.blocked.is_empty() && session.blocked.contains(&room) {
            if !publish.resume {
                return Err(refused(
                    ErrorCode::OutOfOrder,
                    "an earlier publish was refused: resume from there",
                ));
            }
            session.blocked.retain(|blocked| *blocked != room);
        }
        if publish.payload.len() > limits::MAX_PAYLOAD_BYTES {
            return Err(refused(ErrorCode::TooLarge, "an entry is smaller than that"));
        }
        if publish.payload.is_empty() {
            return Err(refused(ErrorCode::TooLarge, "an entry is not empty"));
        }
        if let Err(wait) = session.publishes.take(self.now_ms, rate, burst) {
            return Err(busy("too many publishes from this device", wait));
        }
        let id = short_id(&publish.payload);
        if let Some(position) = self.earlier_position(slot, feed, room, id)? {
            self.answer_repeated(slot, request_id, position);
            return Ok(());
        }
        self.check_writable()?;

        let (seq, index) = self.append_entry(feed, id, kind, &publish.payload)?;
        self.count_own_delivery(slot, feed, seq);
        if let Some(batch) = self.feeds.get_mut(feed).and_then(|feed| feed.batch.as_mut())
            && !batch.movers.iter().any(|mover| mover.slot == slot)
        {
            batch.movers.push(Mover { slot, next: 0 });
        }
        self.stats.publishes += 1;
        self.stats.published_bytes += publish.payload.len() as u64;
        let published =
            wire::Published { origin: self.origin_bytes.clone(), seq, received_at_ms: self.now_ms };
        let frame = frames::encode(request_id, Body::Published(published));
        self.outs.push(Out::Moved { slot, feed, index, frame });
        Ok(())
    }

    /// Where the same payload was stored before, if it was.
    fn earlier_position(
        &mut self,
        slot: Slot,
        feed: FeedIndex,
        room: RoomId,
        id: [u8; 16],
    ) -> Result<Option<EntryPosition>, Failure> {
        let followed = self.feeds.get_mut(feed).ok_or_else(not_loaded)?;
        if let Some(state) = &followed.state
            && let Some(recent) = state.recent.iter().find(|recent| recent.id == id)
        {
            let (seq, received_at_ms) = (recent.seq, recent.received_at_ms);
            return Ok(Some(EntryPosition { origin: Bytes::new(), seq, received_at_ms }));
        }
        let follower = followed.follower(slot);
        if follower.is_some_and(|at| followed.followers[at].settled) {
            return Ok(None);
        }
        if let Some(stored) = self.load(&keys::ENTRY_ID.key(&(FeedId::Room(room), id)))? {
            return records::read("entry id", &stored).map(Some);
        }
        if let (Some(at), Some(followed)) = (follower, self.feeds.get_mut(feed)) {
            followed.followers[at].settled = true;
        }
        Ok(None)
    }

    fn answer_repeated(&mut self, slot: Slot, request_id: u64, position: EntryPosition) {
        let origin = if position.origin.is_empty() { self.origin_bytes.clone() } else { position.origin };
        self.stats.publishes_repeated += 1;
        let published =
            wire::Published { origin, seq: position.seq, received_at_ms: position.received_at_ms };
        self.send(slot, request_id, Body::Published(published));
    }

    /// Appends to a feed under the cell's own origin.
    pub(crate) fn append(&mut self, feed: FeedIndex, kind: EntryKind, payload: &[u8]) -> Result<(), Failure> {
        self.append_entry(feed, short_id(payload), kind, payload).map(|_| ())
    }

    /// Gives the entry's seq and its place among what the batch appended to the feed.
    fn append_entry(
        &mut self,
        feed: FeedIndex,
        id: [u8; 16],
        kind: EntryKind,
        payload: &[u8],
    ) -> Result<(u64, usize), Failure> {
        let origin = self.origin;
        self.note_expiry(feed, origin)?;
        self.feeds.batch(feed, |state| state.head(origin)).ok_or_else(not_loaded)?;
        let entry_feed = self.feeds.get_mut(feed).ok_or_else(not_loaded)?;
        let state = entry_feed.state.as_mut().ok_or_else(not_loaded)?;
        state.own += 1;
        let seq = state.own;
        let epoch = state.room.as_ref().map_or(0, |room| room.epoch);
        let stored = frames::stored_entry(epoch, kind, payload, self.now_ms);
        let batch = entry_feed.batch.as_mut().ok_or_else(not_loaded)?;
        batch.fresh.push(Fresh { origin, seq, entry: stored.slice(EPOCH_BYTES..) });
        let index = batch.fresh.len() - 1;
        self.overlay.put(keys::FEED_LOG.key(&(entry_feed.id, origin, seq)), stored);
        let position = EntryPosition { origin: Default::default(), seq, received_at_ms: self.now_ms };
        self.overlay.put(keys::ENTRY_ID.key(&(entry_feed.id, id)), position.encode_to_vec());
        state.remember(Recent { id, seq, received_at_ms: self.now_ms });
        Ok((seq, index))
    }
}

/// The part of an entry's id under which its position is stored.
pub(crate) fn short_id(payload: &[u8]) -> [u8; 16] {
    let id = EntryId::of_payload(payload);
    id.0.first_chunk().copied().unwrap_or_default()
}

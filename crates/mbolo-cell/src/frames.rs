//! Frames as bytes, the frequent ones without detours.
//!
//! Entries are stored in the form in which a FeedPush carries them, so a push is put together from stored
//! bytes: nothing is decoded, and one frame serves every subscriber.

use bytes::Bytes;
use mbolo_proto::{FeedId, Origin, wire};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use wire::server_frame::Body;

/// Entries of one push, in bytes, at most (one entry may be larger): small enough to share a connection with
/// answers, large enough that the frame costs nothing.
pub(crate) const PUSH_BYTES: usize = 64 * 1024;

/// The bytes of a frame.
pub(crate) fn encode(request_id: u64, body: Body) -> Bytes {
    wire::ServerFrame { request_id, body: Some(body) }.encode_to_vec().into()
}

/// The bytes of a FeedPush of `entries` (each an encoded `wire::Entry`) with seqs from `first_seq` on.
pub(crate) fn feed_push<'a>(
    feed: FeedId,
    origin: Origin,
    first_seq: u64,
    entries: impl Iterator<Item = &'a [u8]> + Clone,
) -> Bytes {
    let (kind, id) = match feed {
        FeedId::Inbox(account) => (wire::FeedKind::Inbox as u8, account.0),
        FeedId::Room(room) => (wire::FeedKind::Room as u8, room.0),
    };
    let entries_len: usize =
        entries.clone().map(|entry| 1 + encoded_len_varint(entry.len() as u64) + entry.len()).sum();
    let inner = FEED_REF + ORIGIN + 1 + encoded_len_varint(first_seq) + entries_len;
    let mut frame = Vec::with_capacity(2 + encoded_len_varint(inner as u64) + inner);
    frame.extend_from_slice(&[0x92, 0x01]); // field 18, a message
    encode_varint(inner as u64, &mut frame);
    frame.extend_from_slice(&[0x0A, 36, 0x08, kind, 0x12, 32]);
    frame.extend_from_slice(&id);
    frame.extend_from_slice(&[0x12, 32]);
    frame.extend_from_slice(&origin.0);
    frame.push(0x18);
    encode_varint(first_seq, &mut frame);
    for entry in entries {
        frame.push(0x22);
        encode_varint(entry.len() as u64, &mut frame);
        frame.extend_from_slice(entry);
    }
    frame.into()
}

/// The stored form of an entry: the room's epoch at its append, then the encoded `wire::Entry`.
pub(crate) fn stored_entry(epoch: u64, kind: wire::EntryKind, payload: &[u8], received_at_ms: u64) -> Bytes {
    let len = 2
        + 1
        + encoded_len_varint(payload.len() as u64)
        + payload.len()
        + 1
        + encoded_len_varint(received_at_ms);
    let mut value = Vec::with_capacity(EPOCH_BYTES + len);
    value.extend_from_slice(&epoch.to_be_bytes());
    value.extend_from_slice(&[0x08, kind as u8, 0x12]);
    encode_varint(payload.len() as u64, &mut value);
    value.extend_from_slice(payload);
    value.push(0x18);
    encode_varint(received_at_ms, &mut value);
    value.into()
}

/// Bytes of the epoch in front of a stored entry.
pub(crate) const EPOCH_BYTES: usize = 8;

const FEED_REF: usize = 2 + 2 + 2 + 32;
const ORIGIN: usize = 2 + 32;

#[cfg(test)]
mod tests {
    use mbolo_proto::{RoomId, decode_server_frame};

    use super::*;

    #[test]
    fn a_push_put_together_by_hand_is_what_the_codec_would_make() {
        for (seq, size) in [(1, 0), (127, 1), (128, 300), (1 << 40, 70_000)] {
            let feed = FeedId::Room(RoomId([3; 32]));
            let payload = vec![7; size];
            let stored = stored_entry(5, wire::EntryKind::Application, &payload, 1_700_000_000_123);
            let entry = wire::Entry {
                kind: wire::EntryKind::Application.into(),
                payload: payload.into(),
                received_at_ms: 1_700_000_000_123,
            };
            let raw = &stored[EPOCH_BYTES..];
            assert_eq!(wire::Entry::decode(raw), Ok(entry.clone()));
            let frame = feed_push(feed, Origin([9; 32]), seq, [raw, raw].into_iter());
            let push = wire::FeedPush {
                feed: Some(feed.into()),
                origin: Origin([9; 32]).to_bytes(),
                first_seq: seq,
                entries: vec![entry.clone(), entry],
            };
            let expected = wire::ServerFrame { request_id: 0, body: Some(Body::FeedPush(push)) };
            assert_eq!(decode_server_frame(frame), Ok(expected));
        }
    }
}

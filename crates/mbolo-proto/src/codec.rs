//! Frames to bytes and back.
//!
//! An empty element of a list has two bytes on the wire and dozens in memory. So a device's frame is looked through
//! before anything is made of it: only requests that carry MLS objects may be large, and lists have a bounded number
//! of elements.

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::limits::{MAX_FRAME_BYTES, MAX_FRAME_ELEMENTS, MAX_PLAIN_FRAME_BYTES};
use crate::wire::{ClientFrame, CommitBundle, ServerFrame};

/// A frame that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Over this limit: [`MAX_FRAME_BYTES`], or less before the login.
    #[error("the frame is over the limit of {0} bytes")]
    TooLarge(usize),
    /// Over [`MAX_PLAIN_FRAME_BYTES`] without being one of the requests that may be.
    #[error("a frame of {0} bytes: over {MAX_PLAIN_FRAME_BYTES} only MLS objects travel")]
    NotOfThatSize(usize),
    /// Lists with more than [`MAX_FRAME_ELEMENTS`] elements.
    #[error("it has more than {MAX_FRAME_ELEMENTS} elements")]
    TooManyElements,
    /// Not the protobuf message it should be.
    #[error("the frame does not decode: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A frame without a body that this version knows.
    #[error("the frame has no body this version knows")]
    NoBody,
}

/// Reads a device's frame. A frame with an unknown body gives [`DecodeError::NoBody`].
pub fn decode_client_frame(bytes: Bytes) -> Result<ClientFrame, DecodeError> {
    check_size(&bytes)?;
    check_shape(&bytes)?;
    let frame = ClientFrame::decode(bytes)?;
    if frame.body.is_none() { Err(DecodeError::NoBody) } else { Ok(frame) }
}

/// Reads a cell's frame. Unlike a cell, a device skips a body it does not know: `body` is then `None`.
pub fn decode_server_frame(bytes: Bytes) -> Result<ServerFrame, DecodeError> {
    check_size(&bytes)?;
    Ok(ServerFrame::decode(bytes)?)
}

/// Reads what a device submitted as a bundle.
pub fn decode_commit_bundle(bytes: Bytes) -> Result<CommitBundle, DecodeError> {
    count(&bytes, &mut 0, |_, _, _| Ok(()))?;
    Ok(CommitBundle::decode(bytes)?)
}

/// The bytes of a frame.
pub fn encode_frame(frame: &impl Message) -> Bytes {
    frame.encode_to_vec().into()
}

fn check_size(bytes: &Bytes) -> Result<(), DecodeError> {
    if bytes.len() > MAX_FRAME_BYTES { Err(DecodeError::TooLarge(MAX_FRAME_BYTES)) } else { Ok(()) }
}

/// Refuses what would need much more memory than its bytes.
fn check_shape(frame: &[u8]) -> Result<(), DecodeError> {
    let (mut plain, mut elements) = (frame.len(), 0);
    for_each_field(frame, |number, body| {
        match number {
            CREATE_ROOM | SUBMIT_COMMIT => plain -= body.len(),
            UPLOAD_KEY_PACKAGES => {
                plain -= body.len();
                count(body, &mut elements, |_, _, _| Ok(()))?;
            }
            // Both are lists of an id (1) and a vector (2), which is a list of its own.
            SUBSCRIBE | PUT_MARKS => count(body, &mut elements, |_, element, elements| {
                count(element, elements, |number, vector, elements| match number {
                    2 => count(vector, elements, |_, _, _| Ok(())),
                    _ => Ok(()),
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if plain > MAX_PLAIN_FRAME_BYTES { Err(DecodeError::NotOfThatSize(frame.len())) } else { Ok(()) }
}

/// Adds the fields of `message` to `elements` and gives each to `inside`.
fn count(
    message: &[u8],
    elements: &mut usize,
    mut inside: impl FnMut(u32, &[u8], &mut usize) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for_each_field(message, |number, content| {
        *elements += 1;
        if *elements > MAX_FRAME_ELEMENTS {
            return Err(DecodeError::TooManyElements);
        }
        inside(number, content, elements)
    })
}

/// Gives the number and content of every field to `take`; what is not of the length-delimited kind has no content.
fn for_each_field(
    mut message: &[u8],
    mut take: impl FnMut(u32, &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message)?;
        let length = match wire_type {
            WireType::Varint => decode_varint(&mut message).map(|_| 0)?,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut message)?,
            // What is inside a group is looked at as if it stood outside: stricter, never laxer.
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        // A length beyond the end is for the decoder to name.
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(message.len());
        let content = if wire_type == WireType::LengthDelimited { &message[..length] } else { &[] };
        take(number, content)?;
        message.advance(length);
    }
    Ok(())
}

// The fields of `ClientFrame` that are looked into.
const SUBSCRIBE: u32 = 6;
const PUT_MARKS: u32 = 8;
const CREATE_ROOM: u32 = 11;
const SUBMIT_COMMIT: u32 = 12;
const UPLOAD_KEY_PACKAGES: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_FEEDS_PER_SUBSCRIBE;
    use crate::wire::client_frame::Body;
    use crate::wire::{self, Ping, client_frame};

    fn decoded(body: Body) -> Result<ClientFrame, DecodeError> {
        decode_client_frame(encode_frame(&ClientFrame { request_id: 1, body: Some(body) }))
    }

    fn following(feeds: usize, origins: usize) -> Body {
        let origin = wire::OriginSeq { origin: vec![7; 32].into(), seq: u64::MAX };
        let position = wire::FeedPosition {
            feed: Some(wire::FeedRef { kind: 2, id: vec![7; 32].into() }),
            after: Some(wire::VersionVector { positions: vec![origin; origins] }),
        };
        Body::Subscribe(wire::Subscribe { feeds: vec![position; feeds] })
    }

    #[test]
    fn a_device_names_all_the_feeds_it_may_at_once() {
        assert!(decoded(following(MAX_FEEDS_PER_SUBSCRIBE, 4)).is_ok());
    }

    #[test]
    fn only_requests_with_mls_objects_may_be_large() {
        let large = Bytes::from(vec![0; 2 * MAX_PLAIN_FRAME_BYTES]);
        let commit = wire::SubmitCommit { bundle: large.clone(), ..Default::default() };
        assert!(decoded(Body::SubmitCommit(commit)).is_ok());
        let room = wire::CreateRoom { ratchet_tree: large.clone(), ..Default::default() };
        assert!(decoded(Body::CreateRoom(room)).is_ok());
        let packages = wire::UploadKeyPackages { key_packages: vec![large.clone()], last_resort: Vec::new() };
        assert!(decoded(Body::UploadKeyPackages(packages)).is_ok());
        let publish = wire::Publish { payload: large, ..Default::default() };
        assert!(matches!(decoded(Body::Publish(publish)), Err(DecodeError::NotOfThatSize(_))));
        // Neither may many bodies of one kind, which the decoder joins into one.
        let part = encode_frame(&ClientFrame { request_id: 1, body: Some(following(1, 250)) });
        assert!(matches!(decode_client_frame(part.repeat(30).into()), Err(DecodeError::NotOfThatSize(_))));
    }

    #[test]
    fn lists_of_nothing_are_refused_before_they_take_memory() {
        let feeds = vec![wire::FeedPosition::default(); MAX_FRAME_ELEMENTS + 1];
        assert_eq!(decoded(Body::Subscribe(wire::Subscribe { feeds })), Err(DecodeError::TooManyElements));
        let vector = wire::VersionVector { positions: vec![wire::OriginSeq::default(); MAX_FRAME_ELEMENTS] };
        let marks = vec![wire::RoomMark { room_id: Bytes::new(), delivered: Some(vector) }];
        assert_eq!(decoded(Body::PutMarks(wire::PutMarks { marks })), Err(DecodeError::TooManyElements));
        let key_packages = vec![Bytes::new(); MAX_FRAME_ELEMENTS + 1];
        let upload = wire::UploadKeyPackages { key_packages, last_resort: Vec::new() };
        assert_eq!(decoded(Body::UploadKeyPackages(upload)), Err(DecodeError::TooManyElements));
    }

    #[test]
    fn an_unknown_field_passes_and_an_unknown_body_is_named() {
        let ping = ClientFrame { request_id: 7, body: Some(client_frame::Body::Ping(Ping {})) };
        let mut bytes = ping.encode_to_vec();
        bytes.extend_from_slice(&[0xFA, 0x3E, 1, 0]); // field 1007, one byte
        assert_eq!(decode_client_frame(bytes.into()), Ok(ping));
        assert_eq!(decode_client_frame(Bytes::from_static(&[0xFA, 0x3E, 1, 0])), Err(DecodeError::NoBody));
    }

    #[test]
    fn an_oversized_frame_is_refused_before_it_is_read() {
        assert!(matches!(
            decode_client_frame(vec![0; MAX_FRAME_BYTES + 1].into()),
            Err(DecodeError::TooLarge(_))
        ));
    }
}

//! Frames to bytes and back.

use bytes::Bytes;
use prost::Message;

use crate::limits::MAX_FRAME_BYTES;
use crate::wire::{ClientFrame, ServerFrame};

/// A frame that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLarge(usize),
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
    let frame = ClientFrame::decode(bytes)?;
    if frame.body.is_none() { Err(DecodeError::NoBody) } else { Ok(frame) }
}

/// Reads a cell's frame. Unlike a cell, a device skips a body it does not know: `body` is then `None`.
pub fn decode_server_frame(bytes: Bytes) -> Result<ServerFrame, DecodeError> {
    check_size(&bytes)?;
    Ok(ServerFrame::decode(bytes)?)
}

/// The bytes of a frame.
pub fn encode_frame(frame: &impl Message) -> Bytes {
    frame.encode_to_vec().into()
}

fn check_size(bytes: &Bytes) -> Result<(), DecodeError> {
    if bytes.len() > MAX_FRAME_BYTES { Err(DecodeError::TooLarge(bytes.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Ping, client_frame};

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

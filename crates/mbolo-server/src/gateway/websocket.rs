//! WebSocket framing, server side (RFC 6455): bytes to messages and messages to bytes.
//!
//! Pure functions over slices: no socket, no buffer of its own except for a message that arrives in fragments.
//! A frame's length is checked before anything is kept of it. Extensions are never negotiated, and text messages
//! are refused because the session protocol has none.

use bytes::Bytes;
use data_encoding::BASE64;
use sha1::{Digest, Sha1};

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A whole binary message, unmasked.
    Binary(Bytes),
    /// Answer with [`pong`] and the same payload.
    Ping(Bytes),
    /// The other side is alive.
    Pong,
    /// The other side closes.
    Close,
}

/// Why a connection must be closed; [`Violation::close_code`] goes into the Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Not WebSocket as RFC 6455 has it.
    Protocol,
    /// A text message.
    Text,
    /// Larger than the limit.
    TooLarge,
}

impl Violation {
    /// The status code of RFC 6455 section 7.4.1.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Text => 1003,
            Self::TooLarge => 1009,
        }
    }
}

/// The status code for a server that goes away.
pub(crate) const CLOSE_GOING_AWAY: u16 = 1001;
/// The status code for an orderly end.
pub(crate) const CLOSE_NORMAL: u16 = 1000;
/// The status code for one who breaks a rule that is not about framing.
pub(crate) const CLOSE_POLICY: u16 = 1008;

/// Puts the frames of one connection together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// The beginning of a fragmented message.
    fragments: Option<Vec<u8>>,
}

/// What the beginning of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Less than a frame; `at_least` more bytes are needed to go on.
    Incomplete {
        /// A lower bound, which is exact once the header is there.
        at_least: usize,
    },
    /// A frame of `used` bytes, which completed a message or not.
    Frame {
        /// Bytes to drop from the front.
        used: usize,
        /// The message, unless it goes on in further fragments.
        message: Option<Message>,
    },
}

impl Assembler {
    /// Bytes of a message whose last fragment has not come.
    pub(crate) fn held(&self) -> usize {
        self.fragments.as_ref().map_or(0, Vec::len)
    }

    /// Takes one frame from the front of `buffer`. No message may be larger than `limit` bytes.
    pub(crate) fn step(&mut self, buffer: &[u8], limit: usize) -> Result<Step, Violation> {
        let Some(header) = Header::parse(buffer)? else {
            return Ok(Step::Incomplete { at_least: 1 });
        };
        if header.length > limit as u64 || self.held() + header.length as usize > limit {
            return Err(Violation::TooLarge);
        }
        let used = header.size + header.length as usize;
        let Some(payload) = buffer.get(header.size..used) else {
            return Ok(Step::Incomplete { at_least: used - buffer.len() });
        };
        let message = self.take(&header, payload)?;
        Ok(Step::Frame { used, message })
    }

    fn take(&mut self, header: &Header, payload: &[u8]) -> Result<Option<Message>, Violation> {
        let whole = || {
            let mut data = Vec::with_capacity(payload.len());
            unmask_onto(&mut data, payload, header.mask);
            data
        };
        match header.opcode {
            CONTINUATION => {
                let mut fragments = self.fragments.take().ok_or(Violation::Protocol)?;
                unmask_onto(&mut fragments, payload, header.mask);
                if header.last {
                    return Ok(Some(Message::Binary(fragments.into())));
                }
                self.fragments = Some(fragments);
                Ok(None)
            }
            TEXT => Err(Violation::Text),
            BINARY if self.fragments.is_some() => Err(Violation::Protocol),
            BINARY if header.last => Ok(Some(Message::Binary(whole().into()))),
            BINARY => {
                self.fragments = Some(whole());
                Ok(None)
            }
            CLOSE => Ok(Some(Message::Close)),
            PING => Ok(Some(Message::Ping(whole().into()))),
            PONG => Ok(Some(Message::Pong)),
            _ => Err(Violation::Protocol),
        }
    }
}

/// The largest header that [`binary_header`] writes.
pub(crate) const MAX_HEADER: usize = 10;

/// Appends the header of a binary message of `length` bytes, as a server sends it: unmasked.
pub(crate) fn binary_header(out: &mut Vec<u8>, length: usize) {
    out.push(0x80 | BINARY);
    if length < 126 {
        out.push(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

/// A Ping without payload.
pub(crate) const PING_FRAME: &[u8] = &[0x80 | PING, 0];

/// The Pong for a Ping with this payload (at most 125 bytes, which [`Assembler::step`] has checked).
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    let mut frame = vec![0x80 | PONG, payload.len() as u8];
    frame.extend_from_slice(payload);
    frame.into()
}

/// A Close frame.
pub(crate) fn close(code: u16) -> Bytes {
    let [high, low] = code.to_be_bytes();
    Bytes::copy_from_slice(&[0x80 | CLOSE, 2, high, low])
}

/// The `Sec-WebSocket-Accept` for a client's key; `None` if the key is not 16 bytes in base64.
pub(crate) fn accept_value(key: &[u8]) -> Option<String> {
    if BASE64.decode(key).ok()?.len() != 16 {
        return None;
    }
    let mut hasher = Sha1::new_with_prefix(key);
    hasher.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(BASE64.encode(&hasher.finalize()))
}

struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    length: u64,
    /// Of the header itself, in bytes.
    size: usize,
}

impl Header {
    /// `None` while it is incomplete. What is wrong already shows in the first two bytes.
    fn parse(buffer: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = buffer else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
        let control = opcode >= 8;
        let short_length = second & 0x7F;
        let reserved_bits = first & 0x70 != 0;
        let masked = second & 0x80 != 0;
        if reserved_bits || !masked || (control && (!last || short_length > 125)) {
            return Err(Violation::Protocol);
        }
        let (length, rest, size) = match short_length {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest, 8),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest, 14),
                None => return Ok(None),
            },
            short => (u64::from(short), rest, 6),
        };
        let Some(mask) = rest.first_chunk() else { return Ok(None) };
        Ok(Some(Self { last, opcode, mask: *mask, length, size }))
    }
}

fn unmask_onto(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(payload);
    if mask == [0; 4] {
        return;
    }
    let [a, b, c, d] = mask;
    let wide_mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = out[start..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide_mask).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 1, 200, 33];
        let mut frame = vec![first];
        if payload.len() < 126 {
            frame.push(0x80 | payload.len() as u8);
        } else if payload.len() < 65_536 {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        } else {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn whole(step: Step) -> Option<Message> {
        match step {
            Step::Frame { message, .. } => message,
            Step::Incomplete { .. } => panic!("incomplete"),
        }
    }

    #[test]
    fn frames_of_every_length_form_come_out_unmasked() {
        for length in [0, 1, 7, 8, 9, 125, 126, 127, 300, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let frame = client_frame(0x82, &payload);
            let step = Assembler::default().step(&frame, 100_000).unwrap();
            assert_eq!(
                step,
                Step::Frame { used: frame.len(), message: Some(Message::Binary(payload.into())) }
            );
        }
    }

    #[test]
    fn every_prefix_of_a_frame_is_incomplete_and_says_what_is_missing() {
        let frame = client_frame(0x82, &[5; 300]);
        for end in 0..frame.len() {
            match Assembler::default().step(&frame[..end], 1000).unwrap() {
                Step::Incomplete { at_least } if end < 8 => assert_eq!(at_least, 1),
                Step::Incomplete { at_least } => assert_eq!(at_least, frame.len() - end),
                Step::Frame { .. } => panic!("a frame out of {end} bytes"),
            }
        }
    }

    #[test]
    fn fragments_make_one_message_with_a_ping_in_between() {
        let mut assembler = Assembler::default();
        assert_eq!(whole(assembler.step(&client_frame(0x02, b"one "), 100).unwrap()), None);
        let ping = whole(assembler.step(&client_frame(0x89, b"?"), 100).unwrap());
        assert_eq!(ping, Some(Message::Ping(Bytes::from_static(b"?"))));
        assert_eq!(whole(assembler.step(&client_frame(0x00, b"two "), 100).unwrap()), None);
        let message = whole(assembler.step(&client_frame(0x80, b"three"), 100).unwrap());
        assert_eq!(message, Some(Message::Binary(Bytes::from_static(b"one two three"))));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_header_also_in_fragments() {
        let huge = client_frame(0x82, &[0; 200]);
        assert_eq!(Assembler::default().step(&huge[..8], 100), Err(Violation::TooLarge));
        let mut endless = vec![0x82, 0xFF];
        endless.extend_from_slice(&[0xFF; 12]);
        assert_eq!(Assembler::default().step(&endless, 100), Err(Violation::TooLarge));
        let mut assembler = Assembler::default();
        assembler.step(&client_frame(0x02, &[0; 60]), 100).unwrap();
        assert_eq!(assembler.step(&client_frame(0x00, &[0; 60])[..6], 100), Err(Violation::TooLarge));
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        let refuse = |frame: &[u8]| Assembler::default().step(frame, 1000).unwrap_err();
        assert_eq!(refuse(&[0x82, 0x01, 0x00]), Violation::Protocol, "not masked");
        assert_eq!(refuse(&client_frame(0xC2, b"x")), Violation::Protocol, "reserved bit");
        assert_eq!(refuse(&client_frame(0x80, b"x")), Violation::Protocol, "continues nothing");
        assert_eq!(refuse(&client_frame(0x83, b"x")), Violation::Protocol, "unknown opcode");
        assert_eq!(refuse(&client_frame(0x09, b"x")), Violation::Protocol, "fragmented ping");
        assert_eq!(refuse(&client_frame(0x89, &[0; 126])), Violation::Protocol, "long ping");
        assert_eq!(refuse(&client_frame(0x81, b"x")), Violation::Text);
        let mut assembler = Assembler::default();
        assembler.step(&client_frame(0x02, b"x"), 1000).unwrap();
        assert_eq!(
            assembler.step(&client_frame(0x82, b"y"), 1000),
            Err(Violation::Protocol),
            "unfinished message"
        );
    }

    #[test]
    fn the_accept_value_is_the_one_of_the_standard() {
        let accept = accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept_value(b"c2hvcnQ="), None);
        assert_eq!(accept_value(b"!!!"), None);
    }
}

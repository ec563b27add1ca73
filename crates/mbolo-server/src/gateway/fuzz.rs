//! Hostile bytes against what reads them first: the request head and the WebSocket framing.

use bytes::Bytes;
use mbolo_fuzz::{mutate_bytes, run};
use mbolo_proto::limits::MAX_FRAME_BYTES;

use super::http;
use super::websocket::{Assembler, Message, Step, Violation};

const UPGRADE: &str = "GET /v1/session HTTP/1.1\r\nHost: cell.example\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const PAGE: &str = "GET /assets/ui.0123.js?x HTTP/1.1\r\nAccept-Encoding: gzip;q=0, br\r\nVia: 1.1 proxy\r\n\
    If-None-Match: \"abc\"\r\nContent-Length: 0\r\n\r\n";

/// A frame as a client sends it, with a length form of its choice.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x5A, 0, 0xFF, 1];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// All that a stream of frames gives when it arrives in pieces of `piece` bytes.
fn messages(stream: &[u8], piece: usize) -> (Vec<Message>, Option<Violation>) {
    let mut assembler = Assembler::default();
    let (mut from, mut to, mut messages) = (0, 0, Vec::new());
    while to < stream.len() {
        to = (to + piece).min(stream.len());
        loop {
            match assembler.step(&stream[from..to], MAX_FRAME_BYTES) {
                Ok(Step::Frame { used, message }) => {
                    assert!(used > 0 && from + used <= to, "a frame is a part of what is there");
                    from += used;
                    messages.extend(message);
                }
                Ok(Step::Incomplete { at_least }) => {
                    assert!(at_least > 0, "something is missing of what is incomplete");
                    break;
                }
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}

#[test]
fn websocket_frames() {
    let long = frame(0x82, &[7; 300]);
    let fragments =
        [frame(0x02, b"one "), frame(0x89, b"?"), frame(0x00, b"two "), frame(0x80, b"three")].concat();
    let several =
        [frame(0x82, b""), frame(0x82, b"Mbolo"), frame(0x8A, b""), frame(0x88, &[3, 232])].concat();
    run("websocket frames", &[long, fragments, several], mutate_bytes, 100_000, |stream| {
        let (whole, violation) = messages(stream, stream.len().max(1));
        let (in_pieces, same_violation) = messages(stream, 3);
        assert!(violation == same_violation, "how a stream is cut does not matter");
        assert!(whole == in_pieces, "how a stream is cut does not matter");
        for message in &whole {
            match message {
                Message::Binary(bytes) => assert!(bytes.len() <= stream.len()),
                Message::Ping(payload) => assert!(super::websocket::pong(payload).len() <= 127),
                Message::Pong | Message::Close => {}
            }
        }
    });
}

#[test]
fn request_heads() {
    let corpus = [UPGRADE, PAGE].map(|head| head.as_bytes().to_vec());
    run("request heads", &corpus, mutate_bytes, 100_000, |head| {
        if let Ok(Some((request, used))) = http::parse(head) {
            assert!(used <= head.len());
            assert!(!request.path.contains(['?', '#', '\r', '\n']), "a path is a path alone");
            if let http::Upgrade::WebSocket { accept } = request.upgrade {
                let answer = http::switching_protocols(&accept);
                assert_eq!(Bytes::from_owner(answer).windows(4).filter(|w| *w == b"\r\n\r\n").count(), 1);
            }
        }
    });
}

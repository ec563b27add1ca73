//! What connections say: requests, then frames.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use mbolo_cell::{Event, SessionId};
use mbolo_isitme::{INFO_PATH, Place};
use mbolo_proto::limits::{MAX_FRAME_BEFORE_LOGIN_BYTES, MAX_FRAME_BYTES};
use mbolo_proto::{
    DecodeError, PROTOCOL_VERSION, SESSION_PATH, decode_client_frame, decode_server_frame, wire,
    wire::client_frame::Body,
};

use super::Gateway;
use super::connection::{LINGER_S, Phase};
use super::http::{self, BadRequest, Method, Request, Response, Upgrade};
use super::websocket::{self, Message, Step};
use crate::pulse::{NOWHERE, Region};

/// Bytes of answers to pings that wait for a device that has not logged in: whoever does not read gets no more.
const MAX_PONGS_BEFORE_LOGIN: usize = 4 * 1024;

/// Bytes of incomplete frames that one gateway keeps: 64 of the largest. Beyond it, who adds to it is closed.
const MAX_HELD: usize = 256 * 1024 * 1024;

/// A frame of this size is never the reason.
const SMALL: usize = 64 * 1024;

impl Gateway {
    /// Takes what a connection sent.
    pub(super) fn received(&mut self, key: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // A request counts when it is complete: dribbling its head keeps nothing open.
        if connection.phase != Phase::Http {
            connection.active_s = self.now_s;
            connection.unanswered_pings = 0;
        }
        let mut kept = std::mem::take(&mut connection.incomplete);
        if kept.is_empty() {
            let used = self.take_all(key, bytes);
            kept.extend_from_slice(&bytes[used..]);
        } else {
            kept.extend_from_slice(bytes);
            let used = self.take_all(key, &kept);
            // A large frame that grows is not copied each time something comes.
            if used > 0 {
                kept.drain(..used);
                kept.shrink_to_fit();
            }
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.incomplete = kept;
        let held = connection.held();
        self.held = self.held - connection.counted + held;
        connection.counted = held;
        if self.held > MAX_HELD && held > SMALL {
            tracing::warn!("a connection was closed: too many large frames are under way at once");
            self.remove(key);
        }
    }

    /// Takes requests and frames from the front of `bytes`; returns how much of it they were.
    fn take_all(&mut self, key: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let Some(connection) = self.connections.get_mut(key) else { return bytes.len() };
            let rest = &bytes[used..];
            match connection.phase {
                Phase::Http => match http::parse(rest) {
                    Ok(Some((request, size))) => {
                        used += size;
                        self.answer(key, &request);
                    }
                    Ok(None) => return used,
                    Err(error) => {
                        let response = match error {
                            BadRequest::Malformed => Response::text(400, "This is not HTTP/1.1."),
                            BadRequest::TooLong => Response::text(431, "The request's head is too long."),
                        };
                        self.respond(key, response, false, false);
                        return bytes.len();
                    }
                },
                Phase::Session { authenticated } => {
                    let limit = if authenticated { MAX_FRAME_BYTES } else { MAX_FRAME_BEFORE_LOGIN_BYTES };
                    match connection.assembler.step(rest, limit) {
                        Ok(Step::Incomplete { .. }) => return used,
                        Ok(Step::Frame { used: size, message }) => {
                            used += size;
                            if let Some(message) = message {
                                self.message(key, message);
                            }
                        }
                        Err(websocket::Violation::TooLarge) => {
                            connection.phase = Phase::Refused;
                            connection.since_s = self.now_s;
                            let session = connection.session;
                            self.look_again(key, self.now_s + LINGER_S);
                            self.events
                                .push(Event::Malformed { session, error: DecodeError::TooLarge(limit) });
                            return bytes.len();
                        }
                        Err(violation) => {
                            self.end_session(key, violation.close_code());
                            return bytes.len();
                        }
                    }
                }
                Phase::Refused | Phase::Ending | Phase::Lingering => return bytes.len(),
            }
        }
        used
    }

    fn message(&mut self, key: usize, message: Message) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let session = connection.session;
        match message {
            Message::Binary(bytes) => {
                self.counts.frames_received += 1;
                let size = bytes.len();
                let event = match decode_client_frame(bytes) {
                    Ok(frame) => Event::Frame { session, frame },
                    Err(error) => Event::Malformed { session, error },
                };
                self.event_bytes += size + memory_besides(&event);
                self.events.push(event);
            }
            Message::Ping(payload) => {
                let limit = match connection.phase {
                    Phase::Session { authenticated: true } => self.shared.limits.send_queue_bytes,
                    _ => MAX_PONGS_BEFORE_LOGIN,
                };
                if connection.queue.bytes() <= limit {
                    connection.queue.push_raw(websocket::pong(&payload));
                    self.flush_later(key);
                } else {
                    self.too_slow(key);
                }
            }
            Message::Pong => {}
            Message::Close => self.end_session(key, websocket::CLOSE_NORMAL),
        }
    }

    fn answer(&mut self, key: usize, request: &Request) {
        self.shared.metrics.http_requests.fetch_add(1, Relaxed);
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.active_s = self.now_s;
        let metrics_only = connection.metrics_only;
        // A proxy on this machine must not open the metrics to the world.
        let may_see_metrics =
            metrics_only || (self.shared.local_metrics && connection.place.is_none() && !request.forwarded);
        let response = match request.path.as_str() {
            path if path == SESSION_PATH && !metrics_only => match &request.upgrade {
                Upgrade::WebSocket { accept } => return self.begin_session(key, accept),
                Upgrade::None => Response::text(426, "This is where devices connect by WebSocket.")
                    .with_header("Upgrade", "websocket"),
                Upgrade::WrongVersion => {
                    Response::text(426, "Only version 13 of the WebSocket protocol is spoken here.")
                        .with_header("Sec-WebSocket-Version", "13")
                }
                Upgrade::Invalid => Response::text(400, "The WebSocket handshake is not as RFC 6455 has it."),
            },
            _ if request.method == Method::Other => {
                Response::text(405, "Only GET and HEAD are known here.").with_header("Allow", "GET, HEAD")
            }
            path if path.ends_with("/session") && request.upgrade != Upgrade::None => Response::text(
                404,
                &format!(
                    "This cell speaks version {PROTOCOL_VERSION} of the session protocol, at {SESSION_PATH}."
                ),
            ),
            "/healthz" => self.health(),
            INFO_PATH if !metrics_only => {
                let region = connection.region;
                self.introduction(if request.forwarded { NOWHERE } else { region })
            }
            "/metrics" if may_see_metrics => Response {
                status: 200,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: self.shared.metrics.render(&self.shared.stats()).into(),
                headers: "Cache-Control: no-store\r\n".to_owned(),
            },
            _ if metrics_only => Response::text(404, "There is /metrics and /healthz here."),
            _ => self
                .shared
                .site
                .respond(request)
                .unwrap_or_else(|| Response::text(404, "There is nothing here.")),
        };
        self.respond(key, response, request.keep_alive, request.method == Method::Head);
    }

    fn health(&self) -> Response {
        let status = if self.shared.stopping.load(Relaxed) {
            "stopping"
        } else if self.shared.stats().read_only {
            "read_only"
        } else {
            "ok"
        };
        let body = format!(
            "{{\"status\":\"{status}\",\"version\":\"{}\",\"cell\":\"{}\"}}\n",
            env!("CARGO_PKG_VERSION"),
            self.shared.cell_id
        );
        Response {
            status: 200,
            content_type: "application/json",
            body: body.into(),
            headers: "Cache-Control: no-store\r\n".to_owned(),
        }
    }

    /// What everybody is told about the cell, and the one who asks about where they are.
    fn introduction(&self, region: Region) -> Response {
        let mut info = self.shared.info.clone();
        if region.cc != NOWHERE.cc {
            info.place = Some(Place { cc: region.cc.to_string(), asn: region.asn.0 });
        }
        Response {
            status: 200,
            content_type: "application/json",
            body: serde_json::to_vec(&info).unwrap_or_default().into(),
            headers: "Cache-Control: no-store\r\n".to_owned(),
        }
    }

    fn respond(&mut self, key: usize, response: Response, keep_alive: bool, head_only: bool) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.queue.bytes() > self.shared.limits.send_queue_bytes {
            return self.too_slow(key);
        }
        connection.queue.push_raw(response.head(keep_alive));
        if !head_only && !response.body.is_empty() {
            connection.queue.push_raw(response.body);
        }
        if !keep_alive {
            connection.phase = Phase::Ending;
        }
        self.flush_later(key);
    }

    fn begin_session(&mut self, key: usize, accept: &str) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let mut nonce = [0; 32];
        if let Err(error) = getrandom::fill(&mut nonce) {
            tracing::error!(%error, "the system gives no randomness");
            return self.remove(key);
        }
        let session = connection.session;
        connection.phase = Phase::Session { authenticated: false };
        connection.since_s = self.now_s;
        connection.queue.push_raw(http::switching_protocols(accept));
        self.look_again(key, self.now_s + self.shared.patience.login_idle_s);
        self.events.push(Event::Opened { session, nonce });
        self.flush_later(key);
    }

    /// Queues a frame of the core. A session that is gone, or ending, does not get it.
    pub(super) fn send(&mut self, session: SessionId, frame: Bytes) {
        let key = key_of(session);
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.session != session || !connection.phase.core_knows() {
            return;
        }
        if connection.queue.bytes() > self.shared.limits.send_queue_bytes {
            return self.too_slow(key);
        }
        if connection.phase == (Phase::Session { authenticated: false }) && is_session_ready(&frame) {
            connection.phase = Phase::Session { authenticated: true };
        }
        self.counts.frames_sent += 1;
        connection.queue.reuse(&mut self.spare);
        connection.queue.push_message(frame);
        self.flush_later(key);
    }

    /// The core closes a session.
    pub(super) fn close_session(&mut self, session: SessionId) {
        let key = key_of(session);
        if let Some(connection) = self.connections.get_mut(key)
            && connection.session == session
            && connection.phase.core_knows()
        {
            self.end_session(key, websocket::CLOSE_NORMAL);
        }
    }

    /// Closes a session after what waits for it, with this status code.
    pub(super) fn end_session(&mut self, key: usize, code: u16) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.phase.core_knows() {
            self.events.push(Event::Closed { session: connection.session });
        }
        connection.queue.push_raw(websocket::close(code));
        connection.phase = Phase::Ending;
        connection.active_s = self.now_s;
        self.look_again(key, self.now_s + self.shared.patience.request_s);
        self.flush_later(key);
    }

    /// More waits for this connection than may. It gets nothing more: it comes back and goes on from its position.
    fn too_slow(&mut self, key: usize) {
        self.shared.metrics.slow_readers.fetch_add(1, Relaxed);
        tracing::info!("a connection was closed because it does not read");
        self.remove(key);
    }
}

/// The connection of a session of this gateway; see [`Gateway::new_session`].
fn key_of(session: SessionId) -> usize {
    session.0 as usize & 0xFF_FFFF
}

/// Bytes that an event takes besides those of its frame: small frames, and lists, are mostly that.
fn memory_besides(event: &Event) -> usize {
    let vector = |vector: &Option<wire::VersionVector>| {
        vector.as_ref().map_or(0, |vector| vector.positions.capacity() * size_of::<wire::OriginSeq>())
    };
    let Event::Frame { frame, .. } = event else { return size_of::<Event>() };
    let lists = match &frame.body {
        Some(Body::Subscribe(subscribe)) => {
            subscribe.feeds.capacity() * size_of::<wire::FeedPosition>()
                + subscribe.feeds.iter().map(|feed| vector(&feed.after)).sum::<usize>()
        }
        Some(Body::PutMarks(put)) => {
            put.marks.capacity() * size_of::<wire::RoomMark>()
                + put.marks.iter().map(|mark| vector(&mark.delivered)).sum::<usize>()
        }
        Some(Body::UploadKeyPackages(upload)) => {
            (upload.key_packages.capacity() + upload.last_resort.capacity()) * size_of::<Bytes>()
        }
        _ => 0,
    };
    size_of::<Event>() + lists
}

/// Whether this frame tells a device that it is logged in. Only asked until it is, so for a frame or two.
fn is_session_ready(frame: &Bytes) -> bool {
    decode_server_frame(frame.clone())
        .is_ok_and(|frame| matches!(frame.body, Some(wire::server_frame::Body::SessionReady(_))))
}

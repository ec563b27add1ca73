//! HTTP/1.1 as far as a cell needs it: read one request head, decide what it asks for, write one response head.
//!
//! Bodies are not read: nothing here takes one, so a request with a body is answered and the connection closed.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::websocket;

/// Largest request head in bytes; ours have a few hundred.
pub(crate) const MAX_HEAD: usize = 8 * 1024;

/// Headers in one request, more than browsers and proxies send.
const MAX_HEADERS: usize = 64;

/// One request's head, reduced to what the server looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) keep_alive: bool,
    pub(crate) accepts_brotli: bool,
    pub(crate) accepts_gzip: bool,
    pub(crate) if_none_match: Option<String>,
    /// It came through a proxy: the socket's address is not the caller's.
    pub(crate) forwarded: bool,
    pub(crate) upgrade: Upgrade,
}

/// The methods that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Other,
}

/// Whether the request wants to become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// No.
    None,
    /// Yes; this is the `Sec-WebSocket-Accept` for it.
    WebSocket { accept: String },
    /// Yes, in a version that is not 13.
    WrongVersion,
    /// Yes, but not as RFC 6455 section 4.1 says.
    Invalid,
}

/// A request that cannot be answered properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRequest {
    /// Not HTTP/1.
    Malformed,
    /// Longer than [`MAX_HEAD`].
    TooLong,
}

/// Reads a head from the front of `buffer`: the request and the bytes used, or `None` while it is incomplete.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, BadRequest> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let used = match head.parse(buffer) {
        Ok(httparse::Status::Complete(used)) if used <= MAX_HEAD => used,
        Ok(httparse::Status::Partial) if buffer.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooLong),
        Err(_) => return Err(BadRequest::Malformed),
    };
    let method = match head.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let target = head.path.unwrap_or("/");
    let path = target.split(['?', '#']).next().unwrap_or("/").to_owned();
    let modern = head.version == Some(1);

    let mut request = Request {
        method,
        path,
        keep_alive: modern,
        accepts_brotli: false,
        accepts_gzip: false,
        if_none_match: None,
        forwarded: false,
        upgrade: Upgrade::None,
    };
    let (mut upgrade, mut connection_upgrade) = (false, false);
    let (mut version, mut key) = (None, None);
    for header in head.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value;
        if is("connection") {
            connection_upgrade |= lists(value, "upgrade");
            request.keep_alive &= !lists(value, "close");
        } else if is("upgrade") {
            upgrade |= lists(value, "websocket");
        } else if is("sec-websocket-version") {
            version = Some(value);
        } else if is("sec-websocket-key") {
            key = Some(value);
        } else if is("accept-encoding") {
            request.accepts_brotli |= accepts(value, "br");
            request.accepts_gzip |= accepts(value, "gzip");
        } else if is("if-none-match") {
            request.if_none_match = std::str::from_utf8(value).ok().map(str::to_owned);
        } else if is("forwarded") || is("x-forwarded-for") || is("x-real-ip") || is("via") {
            request.forwarded = true;
        } else if is("transfer-encoding") || (is("content-length") && value != b"0") {
            request.keep_alive = false;
        }
    }
    if upgrade {
        request.upgrade = if version != Some(b"13") {
            Upgrade::WrongVersion
        } else if method != Method::Get || !modern || !connection_upgrade {
            Upgrade::Invalid
        } else {
            match key.and_then(websocket::accept_value) {
                Some(accept) => Upgrade::WebSocket { accept },
                None => Upgrade::Invalid,
            }
        };
    }
    Ok(Some((request, used)))
}

/// A response, whose body is shared and never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Further header lines, each with its line end.
    pub(crate) headers: String,
}

impl Response {
    /// A response of plain text, with a line end added.
    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{text}\n").into(),
            headers: "Cache-Control: no-store\r\n".to_owned(),
        }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The bytes of its head.
    pub(crate) fn head(&self, keep_alive: bool) -> Bytes {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n{}",
            self.status,
            reason(self.status),
            http_date(SystemTime::now()),
            self.headers
        );
        if self.status != 304 {
            head.push_str(&format!(
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                self.content_type,
                self.body.len()
            ));
        }
        if !keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.into()
    }
}

/// The response that turns the connection into a WebSocket.
pub(crate) fn switching_protocols(accept: &str) -> Bytes {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into()
}

/// Whether a comma-separated header value has this token.
fn lists(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether an Accept-Encoding allows this coding: named, and not with weight 0.
fn accepts(value: &[u8], coding: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| {
        let mut parameters = part.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parameters.next().is_some_and(|name| name.eq_ignore_ascii_case(coding.as_bytes()));
        let refused = parameters.any(|parameter| {
            parameter
                .strip_prefix(b"q=")
                .is_some_and(|weight| weight.iter().all(|b| matches!(b, b'0' | b'.')))
        });
        named && !refused
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Response",
    }
}

/// The IMF-fixdate of RFC 9110 section 5.6.7.
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0, in 400-year eras (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(text: &str) -> Request {
        let (request, used) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(used, text.len());
        request
    }

    #[test]
    fn a_browsers_upgrade_is_recognised() {
        let request = request(
            "GET /v1/session?x=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        assert_eq!(request.path, "/v1/session");
        assert_eq!(request.upgrade, Upgrade::WebSocket { accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned() });
    }

    #[test]
    fn a_faulty_upgrade_is_told_from_none() {
        assert_eq!(request("GET / HTTP/1.1\r\n\r\n").upgrade, Upgrade::None);
        let old =
            "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n";
        assert_eq!(request(old).upgrade, Upgrade::WrongVersion);
        let keyless = "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
        assert_eq!(request(keyless).upgrade, Upgrade::Invalid);
    }

    #[test]
    fn encodings_are_negotiated_and_weight_zero_means_no() {
        let both = request("GET / HTTP/1.1\r\nAccept-Encoding: gzip, deflate, br;q=0.9\r\n\r\n");
        assert!(both.accepts_brotli && both.accepts_gzip);
        let no_brotli = request("GET / HTTP/1.1\r\nAccept-Encoding: br;q=0, gzip\r\n\r\n");
        assert!(!no_brotli.accepts_brotli && no_brotli.accepts_gzip);
    }

    #[test]
    fn an_endless_head_and_garbage_are_refused() {
        assert_eq!(parse(&[b'a'; MAX_HEAD]), Err(BadRequest::TooLong));
        assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Err(BadRequest::Malformed));
        assert_eq!(parse(b"GET / HT"), Ok(None));
    }

    #[test]
    fn a_connection_with_a_body_is_not_kept() {
        assert!(request("GET / HTTP/1.1\r\n\r\n").keep_alive);
        assert!(!request("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(!request("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n").keep_alive);
        assert!(!request("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
    }

    #[test]
    fn dates_are_written_as_the_standard_does() {
        let at = |seconds| http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(951_826_400), "Tue, 29 Feb 2000 12:13:20 GMT");
    }
}

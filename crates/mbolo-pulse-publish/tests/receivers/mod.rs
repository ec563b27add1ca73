//! Small real receivers on loopback, which fail on demand.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Refused before anything happened.
    Status(u16),
    /// It had its effect, and the answer is lost.
    EffectThenReset,
}

type Handler = dyn Fn(&Seen) -> (u16, String) + Send + Sync;

/// An HTTP server.
pub struct HttpReceiver {
    pub url: String,
    state: Arc<HttpState>,
}

struct HttpState {
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Happens once, at the first request whose path holds the text.
    fault_at: Mutex<Option<(String, Fault)>>,
    handler: Box<Handler>,
}

impl HttpReceiver {
    /// Answers every request with 200 and `{}`.
    pub fn start() -> Self {
        Self::with(|_| (200, "{}".to_owned()))
    }

    /// Answers as `handler` says.
    pub fn with(handler: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(HttpState {
            seen: Mutex::default(),
            faults: Mutex::default(),
            fault_at: Mutex::default(),
            handler: Box::new(handler),
        });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || serve_http(stream, &state));
            }
        });
        Self { url, state }
    }

    /// The next requests fail like this, in order.
    pub fn fail(&self, faults: &[Fault]) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// The next request whose path holds `part` fails like this.
    pub fn fail_at(&self, part: &str, fault: Fault) {
        *self.state.fault_at.lock().unwrap() = Some((part.to_owned(), fault));
    }

    /// Requests that had an effect, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }
}

fn serve_http(mut stream: TcpStream, state: &HttpState) {
    let Some(seen) = read_request(&mut stream) else { return };
    let at = state.fault_at.lock().unwrap().take_if(|(part, _)| seen.path.contains(part.as_str()));
    let fault = at.map(|(_, fault)| fault).or_else(|| state.faults.lock().unwrap().pop_front());
    let (status, body) = match fault {
        Some(Fault::Status(status)) => (status, "a fault on demand".to_owned()),
        Some(Fault::EffectThenReset) => {
            (state.handler)(&seen);
            state.seen.lock().unwrap().push(seen);
            return;
        }
        None => {
            let answer = (state.handler)(&seen);
            state.seen.lock().unwrap().push(seen);
            answer
        }
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body })
}

/// A letter as it arrived.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: String,
    pub text: String,
}

impl Letter {
    /// The value of a header that is not folded.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, decoded.
    pub fn body(&self) -> String {
        let body = self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match self.header("Content-Transfer-Encoding") {
            Some("base64") => {
                let joined: String = body.split_whitespace().collect();
                let bytes = data_encoding::BASE64.decode(joined.as_bytes()).expect("base64");
                String::from_utf8(bytes).expect("UTF-8")
            }
            Some("quoted-printable") => {
                let joined = body.replace("=\r\n", "");
                let mut bytes = Vec::new();
                let mut rest = joined.as_bytes();
                while let Some((first, after)) = rest.split_first() {
                    if *first == b'=' {
                        let hex = std::str::from_utf8(&after[..2]).expect("hexadecimal");
                        bytes.push(u8::from_str_radix(hex, 16).expect("hexadecimal"));
                        rest = &after[2..];
                    } else {
                        bytes.push(*first);
                        rest = after;
                    }
                }
                String::from_utf8(bytes).expect("UTF-8")
            }
            _ => body.to_owned(),
        }
    }
}

/// An SMTP server.
pub struct SmtpReceiver {
    pub port: u16,
    state: Arc<SmtpState>,
}

#[derive(Default)]
struct SmtpState {
    letters: Mutex<Vec<Letter>>,
    /// Answers to RCPT before it is 250.
    refusals: Mutex<VecDeque<String>>,
}

impl SmtpReceiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(SmtpState::default());
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || serve_smtp(stream, &state));
            }
        });
        Self { port, state }
    }

    pub fn refuse(&self, answers: &[&str]) {
        self.state.refusals.lock().unwrap().extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.state.letters.lock().unwrap().clone()
    }
}

fn serve_smtp(mut stream: TcpStream, state: &SmtpState) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(b"220 receiver\r\n").ok()?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("EHLO") {
            stream.write_all(b"250-receiver\r\n250 8BITMIME\r\n").ok()?;
        } else if upper.starts_with("RCPT TO:") {
            let refusal = state.refusals.lock().unwrap().pop_front();
            to = line.trim().trim_start_matches("RCPT TO:<").trim_end_matches('>').to_owned();
            stream.write_all(format!("{}\r\n", refusal.as_deref().unwrap_or("250 ok")).as_bytes()).ok()?;
        } else if upper.starts_with("DATA") {
            stream.write_all(b"354 go on\r\n").ok()?;
            let mut text = String::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                if line == ".\r\n" {
                    break;
                }
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
            }
            state.letters.lock().unwrap().push(Letter { to: to.clone(), text });
            stream.write_all(b"250 taken\r\n").ok()?;
        } else if upper.starts_with("QUIT") {
            stream.write_all(b"221 bye\r\n").ok()?;
            return Some(());
        } else {
            stream.write_all(b"250 ok\r\n").ok()?;
        }
    }
}

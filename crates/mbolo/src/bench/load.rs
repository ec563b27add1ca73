//! People who write to each other in rooms: the most that goes through, or latency at a given rate.
//!
//! A message is under way until every other member of its room has it. Readers do what real clients do: they
//! return credit and send delivered marks, coalesced to one frame every 200 ms.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use mbolo_proto::wire::{self, client_frame::Body, server_frame};
use mbolo_proto::{Origin, RoomId, VersionVector};
use prost::Message;
use serde::Serialize;

use super::crowd::{Crowd, Heard};
use super::people::{payload, read_payload};
use super::rounded;
use super::server::Server;

/// Messages a sender keeps under way when no rate is given.
const WINDOW: u32 = 4;
/// How often a reader says what it has.
const MARKS_EVERY: Duration = Duration::from_millis(200);
const WARM_UP: Duration = Duration::from_secs(2);
/// Credit is returned when this much of the window is used.
const CREDIT_STEP: u32 = 1024 * 1024;

/// Who writes where, and how much.
pub struct Plan {
    /// People.
    pub sessions: usize,
    /// Members of each room; the first one makes it.
    pub rooms: Vec<Vec<usize>>,
    /// Who writes into which room.
    pub senders: Vec<(usize, usize)>,
    /// How long to measure.
    pub seconds: u64,
    /// Messages a second in all, or a window for each sender.
    pub rate: Option<u64>,
    /// Over TLS.
    pub tls: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    sessions: usize,
    rate: Option<u64>,
    tls: bool,
    seconds: u64,
    /// Deliveries a second: a message to a room of n counts n - 1 times.
    delivered_per_s: f64,
    /// CPU time of the server for 1000 deliveries, in seconds.
    server_cpu_s_per_1000: f64,
    /// From publishing to having it at the other end, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    /// Resident memory of the server at the end, in MiB.
    server_rss_mib: f64,
    /// Bytes in the server's directory for each stored message, at the end.
    stored_bytes_per_message: f64,
}

struct Reader {
    positions: HashMap<RoomId, VersionVector>,
    moved: Vec<RoomId>,
    used_credit: u32,
}

struct Load {
    crowd: Crowd,
    begin: Instant,
    origin: Origin,
    room_ids: Vec<RoomId>,
    room_sizes: Vec<usize>,
    senders: Vec<(usize, usize)>,
    numbers: Vec<u32>,
    /// Deliveries still missing of each message under way, by (sender, number).
    missing: HashMap<(u32, u32), usize>,
    readers: Vec<Reader>,
    windowed: bool,
    measuring: bool,
    delivered: u64,
    published: u64,
    latencies_ns: Histogram<u64>,
}

/// Runs it.
pub fn run(plan: &Plan) -> Result<Figures> {
    let server = Server::start(plan.tls)?;
    let mut crowd = Crowd::new(plan.sessions, &server, plan.tls)?;
    crowd.log_in_all()?;
    let room_ids = crowd.make_rooms(&plan.rooms)?;
    let start = VersionVector::new();
    for (room, members) in room_ids.iter().zip(&plan.rooms) {
        for member in members {
            crowd.subscribe(*member, std::iter::once((*room, &start)));
        }
    }
    let origin = crowd.origin()?;
    let reader = || Reader { positions: HashMap::new(), moved: Vec::new(), used_credit: 0 };
    let mut load = Load {
        begin: Instant::now(),
        origin,
        room_ids,
        room_sizes: plan.rooms.iter().map(Vec::len).collect(),
        senders: plan.senders.clone(),
        numbers: vec![0; plan.sessions],
        missing: HashMap::new(),
        readers: (0..plan.sessions).map(|_| reader()).collect(),
        windowed: plan.rate.is_none(),
        measuring: false,
        delivered: 0,
        published: 0,
        latencies_ns: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?,
        crowd,
    };
    load.let_pass(Duration::from_millis(500))?;

    load.begin = Instant::now();
    if plan.rate.is_none() {
        for sender in 0..load.senders.len() {
            for _ in 0..WINDOW {
                load.publish(sender);
            }
        }
    }
    load.drive(WARM_UP, plan.rate)?;
    load.measuring = true;
    let (before, begin) = (server.usage()?, Instant::now());
    load.drive(Duration::from_secs(plan.seconds), plan.rate)?;
    let (after, took) = (server.usage()?, begin.elapsed().as_secs_f64());
    load.measuring = false;

    if load.delivered == 0 {
        bail!("nothing was delivered");
    }
    let percentile = |p: f64| rounded(load.latencies_ns.value_at_quantile(p) as f64 / 1e6);
    Ok(Figures {
        sessions: plan.sessions,
        rate: plan.rate,
        tls: plan.tls,
        seconds: plan.seconds,
        delivered_per_s: rounded(load.delivered as f64 / took),
        server_cpu_s_per_1000: rounded((after.cpu_s - before.cpu_s) * 1000.0 / load.delivered as f64),
        p50_ms: percentile(0.5),
        p99_ms: percentile(0.99),
        p999_ms: percentile(0.999),
        server_rss_mib: rounded(after.rss_kib / 1024.0),
        stored_bytes_per_message: rounded(server.stored_bytes()? as f64 / load.published as f64),
    })
}

impl Load {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("a benchmark ends within 500 years")
    }

    fn publish(&mut self, sender: usize) {
        let (session, room) = self.senders[sender];
        let number = self.numbers[session];
        self.numbers[session] += 1;
        self.published += 1;
        let tag = u32::try_from(sender).expect("fewer than 2^32 senders");
        self.missing.insert((tag, number), self.room_sizes[room] - 1);
        let payload = payload(tag, number, self.now_ns());
        let publish = wire::Publish {
            room_id: self.room_ids[room].to_bytes(),
            kind: wire::EntryKind::Application.into(),
            payload,
            resume: false,
        };
        self.crowd.fleet.send(session, 3 + u64::from(number), Body::Publish(publish));
    }

    /// Publishes (at a rate, or to keep windows full) and reads for `time`.
    fn drive(&mut self, time: Duration, rate: Option<u64>) -> Result<()> {
        let begin = Instant::now();
        let mut sent = 0;
        let mut next_sender = 0;
        let mut marked = 0;
        let mut heard = Vec::new();
        loop {
            let elapsed = begin.elapsed();
            if elapsed >= time {
                return Ok(());
            }
            let mut wait = Duration::from_millis(5);
            if let Some(rate) = rate {
                let due = (elapsed.as_secs_f64() * rate as f64) as u64;
                while sent < due {
                    self.publish(next_sender);
                    next_sender = (next_sender + 1) % self.senders.len();
                    sent += 1;
                }
                wait = Duration::from_micros(500);
            }
            // Each reader at its own moment, as people's devices do, not all at once.
            let due = elapsed.as_secs_f64() / MARKS_EVERY.as_secs_f64() * self.readers.len() as f64;
            while marked < due as usize {
                self.send_marks(marked % self.readers.len());
                marked += 1;
            }
            self.crowd.turn(wait, &mut heard)?;
            for (session, what) in heard.drain(..) {
                self.hear(session, what)?;
            }
        }
    }

    fn let_pass(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        let mut heard = Vec::new();
        while Instant::now() < until {
            self.crowd.turn(Duration::from_millis(20), &mut heard)?;
            for (session, what) in heard.drain(..) {
                self.hear(session, what)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, session: usize, what: Heard) -> Result<()> {
        let frame = match what {
            Heard::Frame(frame) => frame,
            Heard::Ready => return Ok(()),
            Heard::Lost => bail!("a session was lost under load"),
        };
        match frame.body {
            Some(server_frame::Body::FeedPush(ref push)) => {
                let bytes = u32::try_from(frame.encoded_len()).context("a frame fits")?;
                self.take(session, push, bytes)?;
            }
            Some(server_frame::Body::Error(error)) => bail!("the server refused: {}", error.message),
            Some(server_frame::Body::GoingAway(reason)) => bail!("the server closed: {}", reason.message),
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, session: usize, push: &wire::FeedPush, bytes: u32) -> Result<()> {
        let reader = &mut self.readers[session];
        reader.used_credit += bytes;
        if reader.used_credit >= CREDIT_STEP {
            let credit = wire::Credit { bytes: std::mem::take(&mut reader.used_credit) };
            self.crowd.fleet.send(session, 0, Body::Credit(credit));
        }
        if push.origin != self.origin.0.as_slice() {
            return Ok(());
        }
        let room = RoomId::try_from(push.feed.as_ref().context("a push names its feed")?.id.as_ref())?;
        let position = reader.positions.entry(room).or_default();
        position.advance(self.origin, push.first_seq + push.entries.len() as u64 - 1);
        if !reader.moved.contains(&room) {
            reader.moved.push(room);
        }
        let now = self.now_ns();
        for entry in &push.entries {
            let (tag, number, sent_at_ns) = read_payload(&entry.payload).context("a payload of ours")?;
            if self.measuring {
                self.delivered += 1;
                self.latencies_ns.saturating_record(now.saturating_sub(sent_at_ns));
            }
            let missing = self.missing.get_mut(&(tag, number)).context("delivered more often than sent")?;
            *missing -= 1;
            if *missing == 0 {
                self.missing.remove(&(tag, number));
                if self.windowed {
                    self.publish(tag as usize);
                }
            }
        }
        Ok(())
    }

    fn send_marks(&mut self, session: usize) {
        let reader = &mut self.readers[session];
        if reader.moved.is_empty() {
            return;
        }
        let marks = reader
            .moved
            .drain(..)
            .map(|room| wire::RoomMark {
                room_id: room.to_bytes(),
                delivered: Some((&reader.positions[&room]).into()),
            })
            .collect();
        self.crowd.fleet.send(session, 0, Body::PutMarks(wire::PutMarks { marks }));
    }
}

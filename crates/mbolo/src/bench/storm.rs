//! The server is killed under load, starts again, and everybody returns at once.
//!
//! Senders keep what was not acknowledged and send it again; readers present their positions. The clock runs
//! from the moment the server is started again until every session has every message of its rooms. Then the
//! books are checked: what was acknowledged must be there, and no message under two positions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mbolo_proto::wire::{self, client_frame::Body, server_frame};
use mbolo_proto::{Origin, RoomId, VersionVector};
use prost::Message;
use serde::Serialize;

use super::crowd::{Crowd, Heard};
use super::people::{payload, read_payload};
use super::rounded;
use super::server::Server;

const LOAD_BEFORE_KILL: Duration = Duration::from_secs(3);
/// Senders go on typing while the server is down; this many messages come on top.
const TYPED_WHILE_DOWN: usize = 500;
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PUBLISH_ID: u64 = 10;

/// What to play.
pub struct Plan {
    /// People.
    pub sessions: usize,
    /// Rooms of each.
    pub rooms: usize,
    /// People in each room.
    pub members: usize,
    /// Messages a second before the kill.
    pub rate: u64,
    /// Over TLS.
    pub tls: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    sessions: usize,
    rooms_per_session: usize,
    rooms: usize,
    tls: bool,
    messages: usize,
    /// Messages without acknowledgement when the server was killed, or typed while it was down.
    unacknowledged: usize,
    /// From starting the server again until it listens, in seconds.
    restart_s: f64,
    /// From starting the server again until everybody has a session.
    all_back_s: f64,
    /// From starting the server again until all have all.
    caught_up_s: f64,
    /// CPU time of the server for that, in seconds.
    server_cpu_s: f64,
    /// Acknowledged messages that somebody does not have, plus holes in anybody's sequence.
    lost: usize,
    /// Messages under two positions, plus entries pushed again after their position was presented.
    duplicated: usize,
}

/// A message by its sender and number.
type Tag = (u32, u32);

struct Storm {
    crowd: Crowd,
    origin: Origin,
    rooms: Vec<Vec<usize>>,
    room_ids: Vec<RoomId>,
    room_index: HashMap<RoomId, usize>,
    rooms_of: Vec<Vec<usize>>,
    positions: HashMap<(usize, usize), VersionVector>,
    /// Positions of acknowledged own messages that are not yet in the version vector.
    own: HashMap<(usize, usize), BTreeSet<u64>>,
    /// Of each sender: what has no acknowledgement, by number, with its room.
    outbox: Vec<BTreeMap<u32, usize>>,
    numbers: Vec<u32>,
    acknowledged: HashSet<Tag>,
    /// Where each message of a room stands, as first seen.
    seqs: HashMap<(usize, Tag), u64>,
    /// Messages of each room.
    expected: Vec<usize>,
    /// Entries each session has, own ones included, per room.
    have: HashMap<(usize, usize), usize>,
    wanting: usize,
    holes: usize,
    again: usize,
    two_positions: usize,
}

/// Runs it.
pub fn run(plan: &Plan) -> Result<Figures> {
    let mut server = Server::start(plan.tls)?;
    let mut crowd = Crowd::new(plan.sessions, &server, plan.tls)?;
    crowd.log_in_all()?;
    let rooms = assign(plan.sessions, plan.rooms, plan.members);
    let room_ids = crowd.make_rooms(&rooms)?;
    let mut rooms_of = vec![Vec::new(); plan.sessions];
    for (room, members) in rooms.iter().enumerate() {
        for member in members {
            rooms_of[*member].push(room);
        }
    }
    let mut storm = Storm {
        origin: crowd.origin()?,
        room_index: room_ids.iter().enumerate().map(|(index, id)| (*id, index)).collect(),
        expected: vec![0; rooms.len()],
        outbox: vec![BTreeMap::new(); plan.sessions],
        numbers: vec![0; plan.sessions],
        positions: HashMap::new(),
        own: HashMap::new(),
        acknowledged: HashSet::new(),
        seqs: HashMap::new(),
        have: HashMap::new(),
        wanting: 0,
        holes: 0,
        again: 0,
        two_positions: 0,
        crowd,
        rooms,
        room_ids,
        rooms_of,
    };
    for session in 0..plan.sessions {
        storm.subscribe(session);
    }
    storm.pass(Duration::from_secs(1))?;

    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < LOAD_BEFORE_KILL {
        let due = (begin.elapsed().as_secs_f64() * plan.rate as f64) as usize;
        while sent < due {
            storm.write(sent, true);
            sent += 1;
        }
        storm.turn(Duration::from_millis(1))?;
    }
    server.kill()?;
    for _ in 0..TYPED_WHILE_DOWN {
        storm.write(sent, false);
        sent += 1;
    }
    let unacknowledged = storm.outbox.iter().map(BTreeMap::len).sum();
    while storm.crowd.ready() > 0 {
        storm.turn(Duration::from_millis(1))?;
    }

    let begin = Instant::now();
    server.restart()?;
    let restart_s = begin.elapsed().as_secs_f64();
    storm.crowd.fleet.address = server.address;
    storm.crowd.start_login(0..plan.sessions);
    let mut all_back_s = None;
    while storm.wanting > 0 || all_back_s.is_none() {
        storm.turn(Duration::from_millis(5))?;
        if all_back_s.is_none() && storm.crowd.ready() == plan.sessions {
            all_back_s = Some(begin.elapsed().as_secs_f64());
        }
        if begin.elapsed() > PATIENCE {
            eprintln!("gave up waiting: {} deliveries are missing", storm.wanting);
            break;
        }
    }
    let caught_up_s = begin.elapsed().as_secs_f64();
    let server_cpu_s = server.usage()?.cpu_s;
    storm.pass(Duration::from_secs(1))?;
    Ok(Figures {
        sessions: plan.sessions,
        rooms_per_session: plan.rooms,
        rooms: storm.rooms.len(),
        tls: plan.tls,
        messages: sent,
        unacknowledged,
        restart_s: rounded(restart_s),
        all_back_s: rounded(all_back_s.unwrap_or(f64::NAN)),
        caught_up_s: rounded(caught_up_s),
        server_cpu_s: rounded(server_cpu_s),
        lost: storm.lost(),
        duplicated: storm.two_positions + storm.again,
    })
}

/// Rooms of `members` people such that everybody is in `layers` of them, with other people in each.
fn assign(sessions: usize, layers: usize, members: usize) -> Vec<Vec<usize>> {
    let mut rooms = Vec::new();
    for layer in 0..layers {
        // Walking in steps coprime to the number of people visits everybody once, in another order each time.
        let step =
            (layer * 2 + 1..).find(|step| gcd(*step, sessions) == 1).expect("1 is coprime to everything");
        let order: Vec<usize> = (0..sessions).map(|i| (i * step + layer) % sessions).collect();
        rooms.extend(order.chunks(members).map(<[usize]>::to_vec));
    }
    rooms
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Storm {
    /// The next sender writes into one of its rooms.
    fn write(&mut self, count: usize, connected: bool) {
        let sender = (count * 7919) % self.rooms_of.len();
        let room = self.rooms_of[sender][count % self.rooms_of[sender].len()];
        let number = self.numbers[sender];
        self.numbers[sender] += 1;
        self.outbox[sender].insert(number, room);
        self.expected[room] += 1;
        self.wanting += self.rooms[room].len();
        if connected {
            self.publish(sender, number, room, false);
        }
    }

    fn publish(&mut self, sender: usize, number: u32, room: usize, resume: bool) {
        let publish = wire::Publish {
            room_id: self.room_ids[room].to_bytes(),
            kind: wire::EntryKind::Application.into(),
            payload: payload(u32::try_from(sender).expect("fewer than 2^32 senders"), number, 0),
            resume,
        };
        self.crowd.fleet.send(sender, FIRST_PUBLISH_ID + u64::from(number), Body::Publish(publish));
    }

    fn subscribe(&mut self, session: usize) {
        let start = VersionVector::new();
        let positions: Vec<_> = self.rooms_of[session]
            .iter()
            .map(|room| (self.room_ids[*room], self.positions.get(&(session, *room)).unwrap_or(&start)))
            .collect();
        self.crowd.subscribe(session, positions.into_iter());
    }

    fn pass(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(Duration::from_millis(20))?;
        }
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let mut heard = Vec::new();
        self.crowd.turn(timeout, &mut heard)?;
        for (session, what) in heard {
            match what {
                Heard::Lost => {}
                Heard::Ready => {
                    self.subscribe(session);
                    let again: Vec<(u32, usize)> =
                        self.outbox[session].iter().map(|(number, room)| (*number, *room)).collect();
                    for (number, room) in again {
                        self.publish(session, number, room, true);
                    }
                }
                Heard::Frame(frame) => self.frame(session, frame)?,
            }
        }
        Ok(())
    }

    fn frame(&mut self, session: usize, frame: wire::ServerFrame) -> Result<()> {
        let bytes = frame.encoded_len();
        match frame.body {
            Some(server_frame::Body::FeedPush(push)) => {
                let credit = wire::Credit { bytes: u32::try_from(bytes)? };
                self.crowd.fleet.send(session, 0, Body::Credit(credit));
                self.take(session, &push)?;
            }
            Some(server_frame::Body::Published(published)) => {
                let number = u32::try_from(frame.request_id - FIRST_PUBLISH_ID)?;
                let tag = (u32::try_from(session)?, number);
                if let Some(room) = self.outbox[session].remove(&number) {
                    self.acknowledged.insert(tag);
                    self.place(room, tag, published.seq);
                    self.own.entry((session, room)).or_default().insert(published.seq);
                    self.absorb_own(session, room);
                }
            }
            Some(server_frame::Body::Error(error)) => bail!("the server refused: {}", error.message),
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, session: usize, push: &wire::FeedPush) -> Result<()> {
        let id = RoomId::try_from(push.feed.as_ref().context("a push names its feed")?.id.as_ref());
        let Some(room) = id.ok().and_then(|id| self.room_index.get(&id).copied()) else { return Ok(()) };
        let origin = Origin::try_from(push.origin.as_ref())?;
        let last = push.first_seq + push.entries.len() as u64 - 1;
        if origin != self.origin {
            self.positions.entry((session, room)).or_default().advance(origin, last);
            return Ok(());
        }
        self.absorb_own(session, room);
        let known = self.positions.entry((session, room)).or_default().get(origin);
        if push.first_seq > known + 1 {
            self.holes += 1;
        }
        for (seq, entry) in (push.first_seq..).zip(&push.entries) {
            let (sender, number, _) = read_payload(&entry.payload).context("a payload of ours")?;
            self.place(room, (sender, number), seq);
            if seq <= known {
                // An own entry that was stored before the kill is acknowledged anew and may also be pushed.
                self.again += usize::from(sender as usize != session);
            } else {
                self.got(session, room);
            }
        }
        self.positions.entry((session, room)).or_default().advance(origin, last);
        self.absorb_own(session, room);
        Ok(())
    }

    /// Own entries are not pushed but acknowledged: they count as had once everything before them is.
    fn absorb_own(&mut self, session: usize, room: usize) {
        let Some(own) = self.own.get_mut(&(session, room)) else { return };
        let position = self.positions.entry((session, room)).or_default();
        let mut got = 0;
        while let Some(seq) = own.first().copied()
            && seq <= position.get(self.origin) + 1
        {
            own.remove(&seq);
            got += usize::from(position.advance(self.origin, seq));
        }
        for _ in 0..got {
            self.got(session, room);
        }
    }

    fn got(&mut self, session: usize, room: usize) {
        *self.have.entry((session, room)).or_default() += 1;
        self.wanting = self.wanting.saturating_sub(1);
    }

    /// Notes under which position a message stands; there may be only one.
    fn place(&mut self, room: usize, tag: Tag, seq: u64) {
        if *self.seqs.entry((room, tag)).or_insert(seq) != seq {
            self.two_positions += 1;
        }
    }

    fn lost(&self) -> usize {
        let placed: HashSet<Tag> = self.seqs.keys().map(|(_, tag)| *tag).collect();
        let nowhere = self.acknowledged.iter().filter(|tag| !placed.contains(*tag)).count();
        let missing: usize = self
            .rooms
            .iter()
            .enumerate()
            .flat_map(|(room, members)| members.iter().map(move |member| (*member, room)))
            .map(|key| self.expected[key.1].saturating_sub(self.have.get(&key).copied().unwrap_or(0)))
            .sum();
        nowhere + missing + self.holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_each_layer_once() {
        let rooms = assign(100, 3, 10);
        assert_eq!(rooms.len(), 30);
        for person in 0..100 {
            assert_eq!(rooms.iter().filter(|room| room.contains(&person)).count(), 3);
        }
    }
}

//! A crowd: people with their connections, logged in and subscribed, from one thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mbolo_proto::wire::{self, client_frame::Body, server_frame};
use mbolo_proto::{FeedId, Origin, RoomId, VersionVector};
use openmls::prelude::KeyPackage;

use super::fleet::{Fleet, Happening};
use super::people::{self, Person};
use super::server::Server;

/// Logins under way at once: enough to keep the server busy, few enough to stay below its backlog.
const CONCURRENT_LOGINS: usize = 128;

/// What a member of the crowd hears once it is logged in.
pub enum Heard {
    /// Its session is open (again).
    Ready,
    /// A frame.
    Frame(wire::ServerFrame),
    /// Its session has ended.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Closed,
    Opening,
    Registering,
    Authenticating,
    Ready,
}

/// People and their sessions.
pub struct Crowd {
    /// Who they are.
    pub people: Vec<Person>,
    /// Their connections.
    pub fleet: Fleet,
    stages: Vec<Stage>,
    registered: Vec<bool>,
    challenges: Vec<Option<wire::Challenge>>,
    waiting: VecDeque<usize>,
    later: Vec<(Instant, usize)>,
    under_way: usize,
    ready: usize,
    origin: Option<Origin>,
    happenings: Vec<(usize, Happening)>,
}

impl Crowd {
    /// `size` people who have no account yet.
    pub fn new(size: usize, server: &Server, tls: bool) -> Result<Self> {
        Ok(Self {
            people: (0..size).map(Person::new).collect(),
            fleet: Fleet::new(size, server.address, tls)?,
            stages: vec![Stage::Closed; size],
            registered: vec![false; size],
            challenges: vec![None; size],
            waiting: VecDeque::new(),
            later: Vec::new(),
            under_way: 0,
            ready: 0,
            origin: None,
            happenings: Vec::new(),
        })
    }

    /// How many sessions are open.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// The store incarnation of the server, known after the first login.
    pub fn origin(&self) -> Result<Origin> {
        self.origin.context("nobody has logged in yet")
    }

    /// Everybody logs in (registering first where needed); returns when all are there.
    pub fn log_in_all(&mut self) -> Result<()> {
        self.start_login(0..self.people.len());
        let deadline = Instant::now() + Duration::from_secs(300);
        let mut heard = Vec::new();
        while self.ready < self.people.len() {
            if Instant::now() > deadline {
                bail!("only {} of {} logged in within 300 s", self.ready, self.people.len());
            }
            heard.clear();
            self.turn(Duration::from_millis(20), &mut heard)?;
        }
        Ok(())
    }

    /// Puts people in the queue for logging in.
    pub fn start_login(&mut self, who: impl Iterator<Item = usize>) {
        self.waiting.extend(who);
    }

    /// Everybody hangs up.
    pub fn hang_up_all(&mut self) {
        for number in 0..self.people.len() {
            self.fleet.close(number);
            self.stages[number] = Stage::Closed;
        }
        self.ready = 0;
        self.under_way = 0;
        self.waiting.clear();
    }

    /// One turn of the loop; logins go on by themselves, the rest is appended to `heard`.
    pub fn turn(&mut self, timeout: Duration, heard: &mut Vec<(usize, Heard)>) -> Result<()> {
        if !self.later.is_empty() {
            let now = Instant::now();
            let waiting = &mut self.waiting;
            self.later.retain(|(at, number)| {
                if *at <= now {
                    waiting.push_back(*number);
                }
                *at > now
            });
        }
        while self.under_way < CONCURRENT_LOGINS
            && let Some(number) = self.waiting.pop_front()
        {
            if self.stages[number] != Stage::Closed {
                continue;
            }
            self.fleet.open(number)?;
            self.stages[number] = Stage::Opening;
            self.under_way += 1;
        }
        let mut happenings = std::mem::take(&mut self.happenings);
        self.fleet.turn(timeout, &mut happenings)?;
        for (number, happening) in happenings.drain(..) {
            match (self.stages[number], happening) {
                (Stage::Closed, _) => {}
                (Stage::Ready, Happening::Frame(frame)) => heard.push((number, Heard::Frame(frame))),
                (Stage::Ready, Happening::Closed) => {
                    self.ready -= 1;
                    self.stages[number] = Stage::Closed;
                    heard.push((number, Heard::Lost));
                }
                (_, Happening::Closed) => self.retry(number, 100),
                (_, Happening::Frame(frame)) => self.go_on(number, frame, heard)?,
            }
        }
        self.happenings = happenings;
        Ok(())
    }

    fn go_on(
        &mut self,
        number: usize,
        frame: wire::ServerFrame,
        heard: &mut Vec<(usize, Heard)>,
    ) -> Result<()> {
        let person = &self.people[number];
        match frame.body {
            Some(server_frame::Body::Challenge(challenge)) => {
                if self.registered[number] {
                    self.fleet.send(number, 1, person.authenticate(&challenge)?);
                    self.stages[number] = Stage::Authenticating;
                } else {
                    self.fleet.send(number, 1, person.register(&challenge)?);
                    self.stages[number] = Stage::Registering;
                }
                self.challenges[number] = Some(challenge);
            }
            Some(server_frame::Body::Error(error)) => {
                bail!("{} is refused: {}", person.handle, error.message)
            }
            Some(server_frame::Body::GoingAway(reason)) => {
                self.fleet.close(number);
                self.retry(number, u64::from(reason.retry_after_ms));
            }
            Some(server_frame::Body::SessionReady(session)) => {
                self.origin = Some(Origin::try_from(session.origin.as_ref())?);
                self.stages[number] = Stage::Ready;
                self.challenges[number] = None;
                self.ready += 1;
                self.under_way -= 1;
                heard.push((number, Heard::Ready));
            }
            Some(_) if self.stages[number] == Stage::Registering => {
                self.registered[number] = true;
                let challenge = self.challenges[number].as_ref().context("the challenge is kept")?;
                self.fleet.send(number, 1, person.authenticate(challenge)?);
                self.stages[number] = Stage::Authenticating;
            }
            _ => {}
        }
        Ok(())
    }

    fn retry(&mut self, number: usize, after_ms: u64) {
        self.stages[number] = Stage::Closed;
        self.under_way -= 1;
        self.later.push((Instant::now() + Duration::from_millis(after_ms), number));
    }

    /// Makes rooms, each from the numbers of its members, the first being its creator.
    pub fn make_rooms(&mut self, rooms: &[Vec<usize>]) -> Result<Vec<RoomId>> {
        let packages: Vec<KeyPackage> = people::key_packages(&self.people)?;
        let origin = self.origin()?;
        let mut ids = Vec::with_capacity(rooms.len());
        for (index, members) in rooms.iter().enumerate() {
            let others: Vec<_> =
                members[1..].iter().map(|m| (self.people[*m].account, &packages[*m])).collect();
            let recipe = people::room(&self.people[members[0]], &others, index as u64, origin)?;
            for frame in recipe.frames {
                self.ask(members[0], frame)?;
            }
            ids.push(recipe.room);
        }
        Ok(ids)
    }

    /// Sends one request and waits for its answer; other things that are heard meanwhile are dropped.
    pub fn ask(&mut self, number: usize, body: Body) -> Result<server_frame::Body> {
        const ID: u64 = u64::MAX;
        self.fleet.send(number, ID, body);
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut heard = Vec::new();
        while Instant::now() < deadline {
            self.turn(Duration::from_millis(100), &mut heard)?;
            for (who, what) in heard.drain(..) {
                match what {
                    Heard::Frame(frame) if who == number && frame.request_id == ID => match frame.body {
                        Some(server_frame::Body::Error(error)) => bail!("refused: {}", error.message),
                        Some(body) => return Ok(body),
                        None => bail!("an answer of an unknown kind"),
                    },
                    Heard::Lost if who == number => bail!("the session ended while waiting for an answer"),
                    _ => {}
                }
            }
        }
        bail!("no answer within 30 s")
    }

    /// Subscribes a session to rooms, from these positions on; the answer has request id 2.
    pub fn subscribe<'a>(
        &mut self,
        number: usize,
        positions: impl Iterator<Item = (RoomId, &'a VersionVector)>,
    ) {
        let feeds = positions
            .map(|(room, after)| wire::FeedPosition {
                feed: Some(FeedId::Room(room).into()),
                after: Some(after.into()),
            })
            .collect();
        self.fleet.send(number, SUBSCRIBE_ID, Body::Subscribe(wire::Subscribe { feeds }));
    }
}

/// Request id of [`Crowd::subscribe`].
pub const SUBSCRIBE_ID: u64 = 2;

//! The loop: drain, apply, commit, emit.

use std::collections::{BTreeSet, VecDeque};

use crate::crypto::PublicCrypto;
use bytes::Bytes;
use mbolo_engine::{Engine, EngineError, Overlay, keys};
use mbolo_proto::wire::{self, ErrorCode, client_frame, server_frame::Body};
use mbolo_proto::{CellId, DecodeError, Origin};

use crate::allowance::{self, Allowances};
use crate::bucket::Bucket;
use crate::failure::{Failure, Refusal, busy, fatal, malformed, refused};
use crate::feed::{FeedIndex, Feeds};
use crate::frames;
use crate::group::Groups;
use crate::session::{Phase, Sessions, Slot};
use crate::{Config, Effect, Event, Keys, SessionId, Stats};

/// A cell.
pub struct Cell<E> {
    pub(crate) engine: E,
    /// What the present batch wrote so far.
    pub(crate) overlay: Overlay,
    pub(crate) keys: Keys,
    pub(crate) config: Config,
    pub(crate) crypto: PublicCrypto,
    pub(crate) cell_id: CellId,
    pub(crate) origin: Origin,
    pub(crate) origin_bytes: Bytes,
    pub(crate) now_ms: u64,
    pub(crate) sessions: Sessions,
    pub(crate) feeds: Feeds,
    pub(crate) groups: Groups,
    /// What leaves when the batch is durable, in order.
    pub(crate) outs: Vec<Out>,
    /// Credit that this batch brought, counted when it is durable.
    pub(crate) credits: Vec<(Slot, u32)>,
    /// Sessions that are behind and have credit, in the order they are served.
    pub(crate) line: VecDeque<Slot>,
    /// Sessions that end with this batch.
    pub(crate) ending: Vec<Slot>,
    pub(crate) admission: Bucket,
    /// Those who were sent away by it.
    pub(crate) shed_line: Bucket,
    pub(crate) allowances: Allowances,
    /// Rooms whose marks are pushed, and when.
    pub(crate) marks_due: BTreeSet<(u64, FeedIndex)>,
    /// Connections that have to be authenticated by then.
    pub(crate) login_deadlines: VecDeque<(u64, SessionId)>,
    /// When retention has work, as far as known.
    pub(crate) expiry_due_ms: u64,
    /// The disk had no room even for removals: they wait until then.
    pub(crate) expiry_paused_until_ms: u64,
    /// The disk was full: writes are refused until a probe succeeds.
    pub(crate) read_only: bool,
    probe_due_ms: u64,
    pub(crate) stats: Stats,
}

/// What leaves when the batch is durable.
#[derive(Debug)]
pub(crate) enum Out {
    Send {
        slot: Slot,
        frame: Bytes,
    },
    Broadcast {
        sessions: Vec<SessionId>,
        frame: Bytes,
    },
    /// An answer that moves the session's position past entry `index` of those the batch appended to `feed`.
    Moved {
        slot: Slot,
        feed: FeedIndex,
        index: usize,
        frame: Bytes,
    },
    Close {
        slot: Slot,
    },
}

/// Why a cell does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store was made with another incarnation key.
    #[error("the store was made with another {0}: restore the key that belongs to it")]
    ForeignStore(&'static str),
    /// A record does not decode.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl<E: Engine> Cell<E> {
    /// Opens the cell over its store.
    pub fn open(mut engine: E, keys: Keys, config: Config, now_ms: u64) -> Result<Self, OpenError> {
        let origin = Origin(keys.incarnation.verifying_key().to_bytes());
        check_incarnation(&mut engine, origin)?;
        let mut cell = Self {
            overlay: Overlay::new(),
            crypto: PublicCrypto,
            cell_id: CellId(keys.cell.verifying_key().to_bytes()),
            origin,
            origin_bytes: origin.to_bytes(),
            now_ms,
            sessions: Sessions::default(),
            feeds: Feeds::default(),
            groups: Groups::new(config.cached_groups),
            outs: Vec::new(),
            credits: Vec::new(),
            line: VecDeque::new(),
            ending: Vec::new(),
            admission: Bucket::new(),
            shed_line: Bucket::new(),
            allowances: Allowances::default(),
            marks_due: BTreeSet::new(),
            login_deadlines: VecDeque::new(),
            expiry_due_ms: u64::MAX,
            expiry_paused_until_ms: 0,
            read_only: false,
            probe_due_ms: u64::MAX,
            stats: Stats::default(),
            engine,
            keys,
            config,
        };
        cell.find_next_expiry().map_err(|failure| match failure {
            Failure::Engine(error) => OpenError::Engine(error),
            Failure::Damaged(what) => OpenError::Damaged(what),
            Failure::Refused(refusal) => OpenError::Damaged(refusal.message.into_owned()),
        })?;
        Ok(cell)
    }

    /// Applies all `events`, commits one batch durably, then appends the effects. Leaves `events` empty.
    ///
    /// If the disk is full, the batch is applied again with writes refused. After any other error of the store
    /// nothing is emitted any more and [`Stats::fatal`] says why: the process must stop.
    pub fn handle(&mut self, now_ms: u64, events: &mut Vec<Event>, effects: &mut Vec<Effect>) {
        if self.stats.fatal.is_none() {
            self.set_clock(now_ms);
            if let Err(failure) = self.run_batch(events, effects) {
                self.give_up(failure);
            }
        }
        events.clear();
    }

    /// When [`Event::Tick`] is due at the latest, in Unix milliseconds. In the past if there is work left.
    pub fn next_tick_ms(&self) -> u64 {
        if self.stats.fatal.is_some() {
            return u64::MAX;
        }
        if !self.line.is_empty() {
            return self.now_ms;
        }
        let marks = match self.marks_due.first() {
            Some((due, _)) if !self.read_only => *due,
            _ => u64::MAX,
        };
        let login = self.login_deadlines.front().map_or(u64::MAX, |(due, _)| *due);
        let expiry = self.expiry_due_ms.max(self.expiry_paused_until_ms);
        marks.min(login).min(expiry).min(self.probe_due_ms)
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.sessions.len() as u64,
            authenticated: self.sessions.authenticated() as u64,
            rooms_cached: self.feeds.len() as u64,
            groups_cached: self.groups.len() as u64,
            read_only: self.read_only,
            ..self.stats.clone()
        }
    }

    /// Gives the store back; everything in memory is lost, as in a crash.
    pub fn into_engine(self) -> E {
        self.engine
    }

    fn run_batch(&mut self, events: &[Event], effects: &mut Vec<Effect>) -> Result<(), Failure> {
        if self.read_only && self.now_ms >= self.probe_due_ms {
            self.probe_disk()?;
        }
        self.stats.batch_events += events.len() as u64;
        let expired = self.stats.entries_expired;
        self.apply(events)?;
        match self.commit() {
            Err(EngineError::Full) => {
                self.roll_back()?;
                self.stats.entries_expired = expired;
                self.read_only = true;
                self.probe_due_ms = self.now_ms + PROBE_INTERVAL_MS;
                // What is applied again must not write at all.
                self.expiry_paused_until_ms = self.now_ms + PROBE_INTERVAL_MS;
                self.apply(events)?;
                self.commit()?;
            }
            other => other?,
        }
        self.sessions.keep();
        self.emit(effects);
        self.count_credit();
        self.end_sessions();
        self.send_backlog(effects)?;
        self.feeds.shrink_to(self.config.cached_rooms);
        Ok(())
    }

    fn apply(&mut self, events: &[Event]) -> Result<(), Failure> {
        for event in events {
            match event {
                Event::Opened { session, nonce } => self.opened(*session, *nonce),
                Event::Frame { session, frame } => self.take_frame(*session, frame)?,
                Event::Malformed { session, error } => self.take_malformed(*session, error),
                Event::Closed { session } => self.closed(*session),
                Event::Tick => {}
            }
        }
        self.close_late_logins();
        self.push_due_marks()?;
        self.expire()
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        if self.overlay.is_empty() {
            return Ok(());
        }
        let batch = self.overlay.take_batch();
        let (writes, bytes) = (batch.len() as u64, batch.size_bytes() as u64);
        self.engine.commit(batch)?;
        self.stats.batches += 1;
        self.stats.batch_writes += writes;
        self.stats.batch_bytes += bytes;
        Ok(())
    }

    /// Undoes what the batch did in memory, so that it can be applied again.
    fn roll_back(&mut self) -> Result<(), Failure> {
        self.overlay.clear();
        self.outs.clear();
        self.credits.clear();
        self.ending.clear();
        self.groups.forget_touched();
        for index in std::mem::take(&mut self.feeds.dirty) {
            self.reload_feed(index)?;
        }
        self.marks_are_unsaved();
        self.find_next_expiry()?;
        for slot in self.sessions.roll_back() {
            self.forget_session(slot);
        }
        Ok(())
    }

    fn probe_disk(&mut self) -> Result<(), Failure> {
        let mut probe = mbolo_engine::Batch::new();
        probe.put(keys::META.key(&(PROBE,)), vec![0; PROBE_BYTES]);
        match self.engine.commit(probe) {
            Ok(()) => {
                self.read_only = false;
                self.probe_due_ms = u64::MAX;
                Ok(())
            }
            Err(EngineError::Full) => {
                self.probe_due_ms = self.now_ms + PROBE_INTERVAL_MS;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn give_up(&mut self, failure: Failure) {
        self.stats.fatal = Some(match failure {
            Failure::Engine(error) => error.to_string(),
            Failure::Damaged(what) => format!("the store is damaged: {what}"),
            Failure::Refused(refusal) => refusal.message.into_owned(),
        });
        self.outs.clear();
    }

    fn set_clock(&mut self, now_ms: u64) {
        // A clock that was set back must not make anybody wait for the old time to come again.
        if now_ms + CLOCK_STEP_MS < self.now_ms {
            let late = std::mem::take(&mut self.marks_due);
            for (_, feed) in late {
                if let Some(room) = self.room_state_mut(feed) {
                    room.marks_due_ms = Some(now_ms);
                    self.marks_due.insert((now_ms, feed));
                }
            }
            for (due, _) in &mut self.login_deadlines {
                *due = (*due).min(now_ms + LOGIN_TIMEOUT_MS);
            }
            self.probe_due_ms = if self.read_only { now_ms } else { u64::MAX };
            self.expiry_paused_until_ms = 0;
        }
        self.now_ms = now_ms;
    }

    // ------------------------------------------------------------ frames

    fn take_frame(&mut self, session: SessionId, frame: &wire::ClientFrame) -> Result<(), Failure> {
        let Some(slot) = self.sessions.slot(session) else { return Ok(()) };
        let answer = match self.sessions.get(slot).map(|session| session.phase) {
            None | Some(Phase::Closing | Phase::Gone) => return Ok(()),
            Some(Phase::Challenged { nonce, attempts }) => self.answer_stranger(slot, nonce, attempts, frame),
            Some(Phase::Ready { .. }) => self.answer(slot, frame),
        };
        match answer {
            Ok(Some(body)) => {
                let answer = frames::encode(frame.request_id, body);
                if answer.len() > SMALL_ANSWER_BYTES
                    && let Some(session) = self.sessions.get_mut(slot)
                {
                    session.answers.charge(answer.len() as u64 / 1024);
                }
                self.outs.push(Out::Send { slot, frame: answer });
            }
            Ok(None) => {}
            Err(Failure::Refused(refusal)) => self.refuse(slot, frame.request_id, refusal),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn answer(&mut self, slot: Slot, frame: &wire::ClientFrame) -> Result<Option<Body>, Failure> {
        use client_frame::Body as Request;
        let Some(request) = &frame.body else { return Err(malformed("a frame without a body")) };
        let silent = matches!(
            request,
            Request::Credit(_) | Request::PutMarks(_) | Request::PutReadMark(_) | Request::Ephemeral(_)
        );
        if frame.request_id == 0 && !silent {
            return Err(malformed("this request needs a request id"));
        }
        if matches!(
            request,
            Request::GetJoin(_)
                | Request::GetGroupInfo(_)
                | Request::GetMarks(_)
                | Request::ListRooms(_)
                | Request::SubmitCommit(_)
        ) {
            self.check_answers(slot)?;
        }
        self.check_cost(slot, request)?;
        match request {
            Request::Publish(publish) => self.publish(slot, frame.request_id, publish),
            Request::Credit(credit) => {
                self.credits.push((slot, credit.bytes));
                Ok(None)
            }
            Request::PutMarks(marks) => self.put_marks(slot, marks),
            Request::Ephemeral(ephemeral) => self.ephemeral(slot, ephemeral),
            Request::PutReadMark(mark) => self.put_read_mark(slot, mark),
            Request::Ping(_) => Ok(Some(Body::Pong(wire::Pong { now_ms: self.now_ms }))),
            Request::Subscribe(subscribe) => self.subscribe(slot, subscribe).map(Some),
            Request::GetMarks(get) => self.get_marks(slot, get).map(Some),
            Request::CreateRoom(create) => self.create_room(slot, create).map(Some),
            Request::SubmitCommit(submit) => self.submit_commit(slot, frame.request_id, submit),
            Request::GetJoin(get) => self.get_join(slot, get).map(Some),
            Request::GetGroupInfo(get) => self.get_group_info(slot, get).map(Some),
            Request::ListRooms(_) => self.list_rooms(slot).map(Some),
            Request::UploadKeyPackages(upload) => self.upload_key_packages(slot, upload).map(Some),
            Request::ClaimKeyPackages(claim) => self.claim_key_packages(slot, claim).map(Some),
            Request::ResolveHandle(resolve) => self.resolve_handle(resolve).map(Some),
            Request::GetAccount(get) => self.get_account(get).map(Some),
            Request::SetHandle(set) => self.set_handle(slot, set).map(Some),
            Request::Register(_) | Request::Authenticate(_) => {
                Err(malformed("the session is authenticated already"))
            }
        }
    }

    /// A few bytes of question can ask for megabytes; only so many of those are made for one session.
    fn check_answers(&mut self, slot: Slot) -> Result<(), Failure> {
        let (rate, burst) = (self.config.answer_kib_per_s, self.config.answer_burst_kib);
        match self.sessions.get_mut(slot) {
            Some(session) => session
                .answers
                .take(self.now_ms, rate, burst)
                .map_err(|wait| busy("too many large answers to this device", wait)),
            None => Ok(()),
        }
    }

    fn check_cost(&mut self, slot: Slot, request: &client_frame::Body) -> Result<(), Failure> {
        let Some(cost) = allowance::cost(request) else { return Ok(()) };
        let (account, _) = self.identity(slot)?;
        let (rate, burst) = (self.config.request_rate_per_s, self.config.request_burst);
        self.allowances
            .take(account, cost, self.now_ms, rate, burst)
            .map_err(|wait| busy("too many requests from this account", wait))
    }

    fn take_malformed(&mut self, session: SessionId, error: &DecodeError) {
        let Some(slot) = self.sessions.slot(session) else { return };
        let code = match error {
            DecodeError::TooLarge(_) | DecodeError::NotOfThatSize(_) | DecodeError::TooManyElements => {
                ErrorCode::TooLarge
            }
            DecodeError::Malformed(_) | DecodeError::NoBody => ErrorCode::Malformed,
        };
        if let Failure::Refused(refusal) = fatal(code, error.to_string()) {
            self.refuse(slot, 0, refusal);
        }
    }

    // ------------------------------------------------------------ answers

    pub(crate) fn send(&mut self, slot: Slot, request_id: u64, body: Body) {
        self.outs.push(Out::Send { slot, frame: frames::encode(request_id, body) });
    }

    pub(crate) fn refuse(&mut self, slot: Slot, request_id: u64, refusal: Refusal) {
        *self.stats.errors.entry(refusal.code.into()).or_default() += 1;
        let closes = refusal.closes;
        if request_id > 0 || closes {
            self.send(slot, request_id, Body::Error(refusal.into_wire()));
        }
        if closes {
            self.close(slot);
        }
    }

    /// Ends a session after what is queued for it.
    pub(crate) fn close(&mut self, slot: Slot) {
        if self.sessions.get(slot).is_none_or(|s| matches!(s.phase, Phase::Closing | Phase::Gone)) {
            return;
        }
        self.end_phase(slot, Phase::Closing);
        self.outs.push(Out::Close { slot });
    }

    pub(crate) fn check_writable(&self) -> Result<(), Failure> {
        if self.read_only {
            Err(refused(ErrorCode::StorageFull, "the cell's disk is full: it still serves what it has"))
        } else {
            Ok(())
        }
    }

    pub(crate) fn load(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(self.overlay.get(&self.engine, key)?)
    }
}

fn check_incarnation(engine: &mut impl Engine, origin: Origin) -> Result<(), OpenError> {
    let key = keys::META.key(&(keys::meta::INCARNATION,));
    match engine.get(&key)? {
        Some(stored) if *stored == origin.0 => Ok(()),
        Some(_) => Err(OpenError::ForeignStore("incarnation key")),
        None => {
            let mut batch = mbolo_engine::Batch::new();
            batch.put(key, origin.to_bytes());
            Ok(engine.commit(batch)?)
        }
    }
}

/// While the disk is full, a write is tried this often.
const PROBE_INTERVAL_MS: u64 = 1_000;

/// A probe has the size of a few entries: room for less than that is no room.
const PROBE_BYTES: usize = 64 * 1024;

/// Answers up to this size are not counted.
const SMALL_ANSWER_BYTES: usize = 4 * 1024;

/// The probe's place among the store's own data.
const PROBE: u8 = 0xF0;

/// A connection that is not authenticated by then ends, so that idle strangers hold nothing.
pub(crate) const LOGIN_TIMEOUT_MS: u64 = 30_000;

/// A step back of the clock larger than this is somebody setting it, not jitter.
const CLOCK_STEP_MS: u64 = 10_000;

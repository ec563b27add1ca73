//! The live loop: closes each minute a little after its end, asks the detector, keeps what changed, makes the board.
//!
//! One thread owns the detector and the incidents; others send it commands. A minute is given to the detector once, in
//! order. What comes later corrects history. After a restart the history in the store is read first: incidents in the
//! store win, and what the detector finds again before the last closed minute is not news.

mod reconcile;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use mbolo_pulse::board::{Board, Cause, IncidentBoard, TargetBoard, UpdateBoard};
use mbolo_pulse::{
    Count, Detector, DetectorConfig, IncidentId, IncidentState, Minute, ServiceId, Signal, Transition,
};

use reconcile::Known;

use crate::board_maker::{Ingredients, Told, make};
use crate::recent::{MOST_AHEAD, Recent};
use crate::shared::{Shared, lock};
use crate::store::{
    IncidentRow, StoreError, Watch, closed_minute, each_count, first_minute, incidents, measured_days, prune,
    save_board, save_incident, save_measured_day, save_watch, set_closed_minute, watches,
};

/// Between two boards that only have newer numbers, real time.
const BETWEEN_BOARDS: Duration = Duration::from_secs(2);

/// A gap in watching that is not worth telling, minutes.
const SMALL_GAP: u32 = 5;

/// Counts may come this late, minutes.
pub const LATE_MINUTES: u32 = 72 * 60;

/// Entries of one incident's timeline.
const MOST_UPDATES: usize = 500;

/// Targets that are kept with one incident.
const MOST_TARGETS: usize = 20;

/// What a person does with an incident.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Says why it happened, and who says so; `None` takes it back.
    SetCause(Option<Cause>),
    /// Adds a line to the timeline.
    AddUpdate(String),
    /// Says that nothing was wrong, or takes that back.
    SetFalseAlarm(bool),
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// There is no such incident.
    #[error("there is no incident of this id within the last 90 days")]
    Unknown,
    /// Its timeline is full.
    #[error("the incident has {MOST_UPDATES} updates; there is no room for more")]
    TooMany,
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The observatory is shutting down.
    #[error("the observatory is shutting down")]
    Gone,
}

type Answer = tokio::sync::oneshot::Sender<Result<IncidentBoard, OperationError>>;

/// A person's change, for the live loop.
pub struct Command {
    id: IncidentId,
    operation: Operation,
    answer: Answer,
}

/// Where commands are put.
#[derive(Clone)]
pub struct Commands(Sender<Command>);

impl Commands {
    /// Both ends.
    pub fn new() -> (Self, Receiver<Command>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// Does it and says what the incident is now.
    pub async fn operate(
        &self,
        id: IncidentId,
        operation: Operation,
    ) -> Result<IncidentBoard, OperationError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.0.send(Command { id, operation, answer }).map_err(|_| OperationError::Gone)?;
        done.await.unwrap_or(Err(OperationError::Gone))
    }
}

/// The loop's own state.
pub struct Live {
    shared: Arc<Shared>,
    detector: Detector,
    recent: Recent,
    incidents: BTreeMap<String, IncidentRow>,
    /// Which of them the detector calls otherwise.
    known: Known,
    /// Incidents whose last change is not in the store yet.
    unsaved: BTreeSet<String>,
    watches: Vec<Watch>,
    /// Committed counts that the detector has not seen.
    waiting: BTreeMap<Minute, Vec<Count>>,
    /// All minutes before this one were given to the detector.
    closed: Minute,
    /// What changed since the last board.
    news: Vec<Transition>,
    /// Incidents that people were told of.
    told: BTreeSet<Told>,
    /// Days with measurements that the store knows.
    saved_days: BTreeSet<(ServiceId, u32)>,
    seq: u64,
    /// The last board was made while minutes were given to the detector.
    made_judging: bool,
    /// The numbers are newer than the board.
    changed: bool,
    made_at: Option<Instant>,
    names: BTreeMap<ServiceId, ServiceId>,
}

impl Live {
    /// Reads the history.
    pub fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let now = shared.clock.minute();
        let store = &shared.store;
        let since = Minute(now.0.saturating_sub(90 * 1_440));
        let known = store.read(|reader| incidents(reader, since))?;
        let names = names(&shared);
        let mut live = Self {
            detector: Detector::new(DetectorConfig::default()),
            recent: Recent::default(),
            incidents: known
                .into_iter()
                .map(|one| (one.incident.id.0.clone(), renamed(one, &names)))
                .collect(),
            known: Known::default(),
            unsaved: BTreeSet::new(),
            watches: store.read(watches)?,
            waiting: BTreeMap::new(),
            closed: Minute(0),
            news: Vec::new(),
            told: told(&shared.published().board),
            saved_days: BTreeSet::new(),
            seq: shared.published().board.seq,
            made_judging: false,
            changed: true,
            made_at: None,
            names,
            shared: shared.clone(),
        };
        // What was committed since the store was opened comes with the history.
        shared.store.take_fresh();
        let news = live.replay(now)?;
        live.reconcile(news, now);
        live.read_measured_days(now)?;
        live.refresh_open();
        live.begin_watch(now);
        live.shared.note_judged();
        Ok(live)
    }

    /// The minute to which the store says that the detector was given everything. One from far ahead of the clock comes
    /// from a clock that was wrong: waiting for it would be blindness until then.
    fn closed_before(&self, now: Minute) -> Result<Option<Minute>, StoreError> {
        let before = self.shared.store.read(closed_minute)?;
        if let Some(ahead) = before.filter(|before| before.since(now) > MOST_AHEAD) {
            let (store, clock) = (ahead.rfc3339(), now.rfc3339());
            tracing::warn!(store, clock, "the store is ahead of the clock; going on at the clock, check it");
            self.shared.note_clock_jump();
            return Ok(Some(now));
        }
        Ok(before)
    }

    /// Gives the detector the history, minute after minute, up to the one that is open now. Returns what it said of minutes
    /// that were not judged before.
    fn replay(&mut self, now: Minute) -> Result<Vec<Transition>, StoreError> {
        let shared = self.shared.clone();
        let before = self.closed_before(now)?;
        // A clock that was set back a little does not make the detector go back.
        let end = before.map_or(now, |before| before.max(now));
        let Some(first) = shared.store.read(first_minute)? else {
            self.closed = end;
            self.detector.advance(end);
            return Ok(Vec::new());
        };
        let from = first.max(Minute(end.0.saturating_sub(shared.config.replay_days * 1_440)));
        let started = Instant::now();
        let (mut rows, mut refused, mut at) = (0_u64, 0_u64, from);
        let mut news = Vec::new();
        let is_news = |transition: &Transition| before.is_none_or(|before| transition.at >= before);
        shared.store.read(|reader| {
            each_count(reader, from, Minute(u32::MAX), |count| {
                let Some(service) = self.names.get(&count.service).cloned() else { return };
                let count = Count { service, ..count };
                self.recent.push(&count, end);
                if count.minute.since(end) > MOST_AHEAD {
                    return;
                }
                if count.minute >= end {
                    self.waiting.entry(count.minute).or_default().push(count);
                    return;
                }
                if count.minute > at {
                    at = count.minute;
                    news.extend(self.detector.advance(at).into_iter().filter(is_news));
                }
                rows += 1;
                refused += u64::from(self.detector.push(&count).is_err());
            })
        })?;
        news.extend(self.detector.advance(end).into_iter().filter(is_news));
        self.closed = end;
        tracing::info!(rows, refused, took_ms = started.elapsed().as_millis() as u64, "the history is read");
        Ok(news)
    }

    /// What was measured on days before those whose counts were read.
    fn read_measured_days(&mut self, now: Minute) -> Result<(), StoreError> {
        let since = (now.0 / 1_440).saturating_sub(91);
        for (service, day) in self.shared.store.read(|reader| measured_days(reader, since))? {
            if let Some(service) = self.names.get(&service) {
                self.recent.push_day(service, day);
                self.saved_days.insert((service.clone(), day));
            }
        }
        Ok(())
    }

    fn begin_watch(&mut self, now: Minute) {
        // What was watched under a clock that ran ahead was some other time.
        self.watches.retain(|watch| watch.from <= now);
        match self.watches.last_mut() {
            Some(last) if now.since(last.until) <= SMALL_GAP => last.until = now,
            _ => self.watches.push(Watch { from: now, until: now }),
        }
    }

    /// Works until `stop`; finishes the current step first.
    pub fn run(mut self, commands: &Receiver<Command>, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let pause = self.turn();
            match commands.recv_timeout(pause) {
                Ok(command) => self.operate(command),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
            }
        }
        self.save(false);
    }

    /// Does what is due; says how long nothing is.
    pub fn turn(&mut self) -> Duration {
        let clock = self.shared.clock.clone();
        // Before what was committed is taken in: what was told before a minute was due belongs to it.
        let now_ms = clock.now_ms();
        self.gather();
        let mut closed_any = false;
        while self.shared.due(self.closed) <= now_ms {
            self.close(self.closed);
            closed_any = true;
        }
        let made_lately = self.made_at.is_some_and(|at| at.elapsed() < self.between_boards());
        let is_otherwise = self.shared.is_judging() != self.made_judging;
        if closed_any || is_otherwise || !self.news.is_empty() || (self.changed && !made_lately) {
            self.save(closed_any);
            self.make_board(now_ms.div_euclid(1_000));
        }
        clock.real(self.shared.due(self.closed) - clock.now_ms()).min(Duration::from_millis(100))
    }

    fn between_boards(&self) -> Duration {
        // A demonstration makes a board with every minute anyway.
        if self.shared.clock.is_played() { Duration::from_millis(500) } else { BETWEEN_BOARDS }
    }

    /// Takes in what was committed.
    fn gather(&mut self) {
        let now = self.shared.clock.minute();
        self.changed |= self.shared.take_probed();
        for count in self.shared.store.take_fresh() {
            let Some(service) = self.names.get(&count.service).cloned() else { continue };
            let count = Count { service, ..count };
            self.changed = true;
            let is_late = count.minute < self.closed;
            match count.signal {
                // What the detector did not see is not shown as if it had judged it.
                Signal::Gauge | Signal::Heartbeat if is_late => {
                    self.recent.push_day(&count.service, count.minute.0 / 1_440);
                }
                // A day that is played is written ahead of its clock.
                _ if self.shared.clock.is_played() => self.recent.push(&count, now.max(count.minute)),
                _ => self.recent.push(&count, now),
            }
            if is_late {
                // Too late for its minute: it corrects history, and what is too late for that is only on the chart.
                let _ = self.detector.push(&count);
            } else {
                self.waiting.entry(count.minute).or_default().push(count);
            }
        }
    }

    /// Gives a minute to the detector.
    fn close(&mut self, minute: Minute) {
        let later = self.waiting.split_off(&minute.plus(1));
        for count in std::mem::replace(&mut self.waiting, later).into_values().flatten() {
            if let Err(refused) = self.detector.push(&count) {
                tracing::debug!(%refused, minute = minute.0, "a count was not taken");
            }
        }
        self.closed = minute.plus(1);
        for transition in self.detector.advance(self.closed) {
            self.take(transition);
        }
        self.refresh_open();
        self.shared.note_judged();
        self.recent.forget(self.closed);
        if let Some(watch) = self.watches.last_mut() {
            watch.until = self.closed;
        }
        self.acknowledge(minute);
        self.note_targets();
        self.shared.metrics.minutes_closed.add(1);
    }

    /// A transition becomes the incident's new state and a line of its timeline.
    fn take(&mut self, mut transition: Transition) {
        let id = self.known.name(&transition.incident.id).to_owned();
        transition.incident.id.0.clone_from(&id);
        tracing::info!(%id, state = ?transition.incident.state, scope = %transition.incident.scope, "incident");
        let (before, mut row) = match self.incidents.remove(&id) {
            Some(row) => (Some((row.incident.state, row.incident.scope.clone())), row),
            None => (None, new_row(&transition)),
        };
        let new = &transition.incident;
        let state = before.as_ref().is_none_or(|(state, _)| *state != new.state).then_some(new.state);
        let scope = before.as_ref().is_some_and(|(_, scope)| *scope != new.scope).then(|| new.scope.clone());
        if (state.is_some() || scope.is_some()) && row.updates.len() < MOST_UPDATES {
            row.updates.push(UpdateBoard { at: transition.at, state, scope, text: None });
        }
        let known = before.is_some().then_some((row.incident.detected_at, row.incident.confirmed_at));
        row.incident = transition.incident.clone();
        // Read anew after a restart, with all that came late, it would have been seen earlier than it was.
        if let Some((detected_at, confirmed_at)) = known {
            row.incident.detected_at = detected_at;
            row.incident.confirmed_at = confirmed_at.or(row.incident.confirmed_at);
        }
        self.incidents.insert(id.clone(), row);
        self.unsaved.insert(id);
        self.news.push(transition);
    }

    /// Numbers of open incidents change every minute without a transition: how much fails, and by what it is seen.
    fn refresh_open(&mut self) {
        for incident in self.detector.open() {
            let name = self.known.name(&incident.id);
            let Some(row) = self.incidents.get_mut(name) else { continue };
            let known = &mut row.incident;
            let is_same = known.impact == incident.impact
                && known.evidence == incident.evidence
                && known.services == incident.services
                && known.kind == incident.kind
                && known.scope_uncertain == incident.scope_uncertain;
            if is_same || known.state == IncidentState::Resolved {
                continue;
            }
            known.impact = incident.impact;
            known.evidence.clone_from(&incident.evidence);
            known.services.clone_from(&incident.services);
            known.kind = incident.kind;
            known.scope_uncertain = incident.scope_uncertain;
            self.unsaved.insert(name.to_owned());
        }
    }

    /// The service's own word, while an incident is open, is when it was acknowledged.
    fn acknowledge(&mut self, minute: Minute) {
        for (id, row) in &mut self.incidents {
            let is_open = row.incident.state != IncidentState::Resolved;
            if is_open
                && row.acknowledged_at.is_none()
                && row.incident.services.iter().any(|service| self.recent.official(service))
            {
                row.acknowledged_at = Some(minute);
                self.unsaved.insert(id.clone());
            }
        }
    }

    /// Targets that are down where an incident is belong to its evidence, and stay with it when they work again.
    fn note_targets(&mut self) {
        let targets = self.shared.targets();
        for (id, row) in &mut self.incidents {
            if row.incident.state == IncidentState::Resolved {
                continue;
            }
            let of_services = row.incident.services.iter().filter_map(|service| targets.get(service));
            let scope = &row.incident.scope;
            let is_there = |target: &&TargetBoard| {
                target.down_in.iter().any(|place| place.contains(scope) || scope.contains(place))
            };
            for target in of_services.flatten().filter(is_there) {
                if keep_worst(&mut row.targets, target) {
                    self.unsaved.insert(id.clone());
                }
            }
        }
    }

    /// Keeps what changed. What cannot be kept now is tried again with the next minute.
    fn save(&mut self, closed_any: bool) {
        if !closed_any && self.unsaved.is_empty() {
            return;
        }
        let rows: Vec<IncidentRow> =
            self.unsaved.iter().filter_map(|id| self.incidents.get(id)).cloned().collect();
        let watch = self.watches.last().copied();
        let closed = self.closed;
        let keep = Minute(closed.0.saturating_sub(self.shared.config.keep_days.saturating_mul(1_440)));
        let batches = Minute(closed.0.saturating_sub(LATE_MINUTES + 60));
        let days = self.unsaved_days();
        let saving = days.clone();
        let saved = self.shared.store.change_and_wait(move |transaction| {
            for row in &rows {
                save_incident(transaction, row)?;
            }
            if let Some(watch) = watch {
                save_watch(transaction, watch)?;
            }
            for (service, day) in &saving {
                save_measured_day(transaction, service, *day)?;
            }
            prune(transaction, keep, batches)?;
            set_closed_minute(transaction, closed)
        });
        match saved {
            Ok(()) => {
                self.unsaved.clear();
                self.saved_days.extend(days);
            }
            Err(error) => tracing::warn!(%error, "the state of this minute is not kept; tried again"),
        }
    }

    fn unsaved_days(&self) -> Vec<(ServiceId, u32)> {
        let services = self.shared.config.services.iter().map(|service| &service.id);
        services
            .flat_map(|id| self.recent.measured_days(id).map(|day| (id.clone(), day)))
            .filter(|measured| !self.saved_days.contains(measured))
            .collect()
    }

    /// Makes a board for Unix seconds `now`, up to which everything was taken in.
    fn make_board(&mut self, now: i64) {
        self.seq += 1;
        let is_judging = self.shared.is_judging();
        let is_played = self.shared.clock.is_played();
        let people = (!is_played).then(|| lock(&self.shared.admission).people(now));
        let mut board = make(&Ingredients {
            config: &self.shared.config,
            detector: &self.detector,
            recent: &self.recent,
            incidents: &self.incidents,
            watches: &self.watches,
            probes: &self.shared.probe_rows(),
            targets: &self.shared.targets(),
            people: people.as_ref(),
            told: &self.told,
            is_judging,
            limits: self.shared.limits(),
            seq: self.seq,
            now,
        });
        if is_played {
            // A day that is played is not compared with the visitor's clock.
            board.valid_until = i64::from(u32::MAX);
        }
        self.told = told(&board);
        let mut news = std::mem::take(&mut self.news);
        // What may not be public is no news to anybody.
        news.retain(|transition| board.incident(&transition.incident.id).is_some());
        if let Some(publisher) = &self.shared.publisher
            && let Err(error) = publisher.note(&board, &news, now)
        {
            tracing::error!(%error, "announcements and snapshots are not up to date");
        }
        // On a change and now and then: what is served right after a restart.
        if !news.is_empty() || self.seq % 64 == 1 {
            self.keep_board(&board);
        }
        self.shared.publish(board);
        self.shared.metrics.boards.add(1);
        self.changed = false;
        self.made_judging = is_judging;
        self.made_at = Some(Instant::now());
    }

    fn keep_board(&self, board: &Board) {
        let Ok(json) = serde_json::to_string(board) else { return };
        // A full disk is told by the board itself.
        let _ = self.shared.store.change_and_wait(move |transaction| save_board(transaction, &json));
    }

    fn operate(&mut self, command: Command) {
        let done = self.changed_by(&command.id, command.operation);
        if done.is_ok() {
            let now = self.shared.clock.now();
            self.gather();
            self.make_board(now);
        }
        // Who asked may have gone.
        let _ = command.answer.send(done);
    }

    fn changed_by(&mut self, id: &IncidentId, operation: Operation) -> Result<IncidentBoard, OperationError> {
        let mut row = self.incidents.get(&id.0).cloned().ok_or(OperationError::Unknown)?;
        match operation {
            Operation::SetCause(cause) => row.cause = cause,
            Operation::SetFalseAlarm(false_alarm) => row.false_alarm = false_alarm,
            Operation::AddUpdate(_) if row.updates.len() >= MOST_UPDATES => {
                return Err(OperationError::TooMany);
            }
            Operation::AddUpdate(text) => {
                let at = self.shared.clock.minute();
                row.updates.push(UpdateBoard { at, state: None, scope: None, text: Some(text) });
            }
        }
        let kept = row.clone();
        self.shared.store.change_and_wait(move |transaction| save_incident(transaction, &kept))?;
        self.incidents.insert(id.0.clone(), row.clone());
        Ok(row)
    }
}

fn new_row(transition: &Transition) -> IncidentRow {
    IncidentBoard {
        incident: transition.incident.clone(),
        acknowledged_at: None,
        cause: None,
        updates: Vec::new(),
        false_alarm: false,
        targets: Vec::new(),
    }
}

/// Keeps a target as it was when most networks said that it is down. False if that is known already.
fn keep_worst(kept: &mut Vec<TargetBoard>, target: &TargetBoard) -> bool {
    match kept.iter().position(|one| one.target == target.target) {
        Some(known) if kept[known].networks_down >= target.networks_down => return false,
        Some(known) => kept[known] = target.clone(),
        None if kept.len() >= MOST_TARGETS => return false,
        None => kept.push(target.clone()),
    }
    true
}

/// Incidents on a board, each with its scope.
fn told(board: &Board) -> BTreeSet<Told> {
    board.incidents.iter().map(|one| (one.incident.id.0.clone(), one.incident.scope.clone())).collect()
}

/// Every name that counts may have, with the name it has now.
fn names(shared: &Shared) -> BTreeMap<ServiceId, ServiceId> {
    let services = shared.config.services.iter();
    services
        .flat_map(|service| {
            std::iter::once(&service.id)
                .chain(&service.aliases)
                .map(|name| (name.clone(), service.id.clone()))
        })
        .collect()
}

fn renamed(mut row: IncidentRow, names: &BTreeMap<ServiceId, ServiceId>) -> IncidentRow {
    for service in &mut row.incident.services {
        if let Some(name) = names.get(service) {
            *service = name.clone();
        }
    }
    row
}

#[cfg(test)]
mod tests;

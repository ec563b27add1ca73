//! What the parts of the process share: the configuration, the gates for what comes in, the store, the newest board.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mbolo_pulse::board::{Board, ProbeRow, TargetBoard};
use mbolo_pulse::{Minute, ServiceId};
use mbolo_pulse_publish::Publisher;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::{Edge, Place};
use crate::live::Commands;
use crate::metrics::Metrics;
use crate::published::Published;
use crate::repeats::Repeats;
use crate::rounds::Rounds;
use crate::store::{CommentRow, Store, StoreError, approved_comments, taken_beacons};
use crate::targets::Targets;
use crate::work::Work;

/// Without any agent for this long the board says so, seconds.
const AGENTS_SILENT: i64 = 600;

/// A minute is given to the detector every minute. Without one for this long nothing is known to work.
const JUDGED_LATELY: Duration = Duration::from_secs(150);

/// That a cell is late is said this often, seconds.
const LATE_SAID_EVERY: i64 = 3_600;

/// That the clock and the store disagreed at the start is said for this long, seconds.
const JUMP_SHOWN: i64 = 3_600;

/// Everything handlers and the live loop need.
pub struct Shared {
    /// As it was started with.
    pub config: Config,
    /// The observatory's time.
    pub clock: Clock,
    /// Addresses to places.
    pub edge: Edge,
    /// Challenges and forms.
    pub work: Work,
    /// Who said how much lately.
    pub admission: Mutex<Admission>,
    /// What outlives the process.
    pub store: Store,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// To the live loop.
    pub commands: Commands,
    /// Announcements, snapshots and peers, if configured.
    pub publisher: Option<Publisher>,
    published: RwLock<Arc<Published>>,
    targets: Mutex<Targets>,
    /// Something was measured since the last board: what is only shown is no count.
    probed: AtomicBool,
    agent_heard: AtomicI64,
    comments: RwLock<Arc<Vec<CommentRow>>>,
    /// Beacons that were taken.
    pub beacons: Repeats,
    /// Agents' rounds.
    pub rounds: Mutex<Rounds>,
    /// When it was said of each cell that it is late, Unix seconds.
    late_said: Mutex<BTreeMap<String, i64>>,
    judged_at: Mutex<Instant>,
    /// Until when `clock_jump` is said whatever the clock does, Unix seconds.
    jump_shown_until: AtomicI64,
}

impl Shared {
    /// Puts the parts together. `board` is served until the live loop has made one.
    pub fn new(
        config: Config,
        clock: Clock,
        edge: Edge,
        store: Store,
        publisher: Option<Publisher>,
        commands: Commands,
        board: Board,
    ) -> Result<Self, StoreError> {
        let limits = config.limits.clone();
        let mut comments = store.read(approved_comments)?;
        name_anew(&config, &mut comments);
        let beacons = Repeats::new(store.read(taken_beacons)?);
        let names = config.services.iter().map(|service| service.id.clone());
        Ok(Self {
            work: Work::new(limits.pow_bits, limits.challenge_seconds.into(), limits.form_seconds.into()),
            admission: Mutex::new(Admission::new(limits, names)),
            metrics: Metrics::default(),
            published: RwLock::new(Arc::new(Published::new(board))),
            targets: Mutex::default(),
            probed: AtomicBool::new(false),
            agent_heard: AtomicI64::new(clock.now()),
            comments: RwLock::new(Arc::new(comments)),
            beacons,
            rounds: Mutex::default(),
            late_said: Mutex::default(),
            judged_at: Mutex::new(Instant::now()),
            jump_shown_until: AtomicI64::new(i64::MIN),
            config,
            clock,
            edge,
            store,
            publisher,
            commands,
        })
    }

    /// The newest board and what was rendered of it.
    pub fn published(&self) -> Arc<Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows a new board from now on.
    pub fn publish(&self, board: Board) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Published::new(board));
    }

    /// Takes in what an agent measured of a target.
    pub fn note_probe(&self, service: &ServiceId, agent: &str, place: Place, row: ProbeRow) {
        let now = self.clock.now();
        self.agent_heard.fetch_max(now, Ordering::Relaxed);
        lock(&self.targets).note(service, agent, place, row, now);
        self.probed.store(true, Ordering::Relaxed);
    }

    /// When a minute is over and what has come for it is given to the detector, Unix milliseconds.
    pub fn due(&self, minute: Minute) -> i64 {
        (minute.unix() + 60 + i64::from(self.config.grace_seconds)) * 1_000
    }

    /// A cell's gauge came after its minute was closed. Now and then the operator is told.
    pub fn note_late(&self, cell: &str) {
        self.metrics.gauge_batches_late.add(1);
        let now = self.clock.now();
        let before = lock(&self.late_said).get(cell).copied();
        if before.is_none_or(|before| now - before >= LATE_SAID_EVERY) {
            lock(&self.late_said).insert(cell.to_owned(), now);
            let grace_seconds = self.config.grace_seconds;
            tracing::warn!(
                cell,
                grace_seconds,
                "a cell's gauge comes after its minute was closed, so the detector does not see it; check the cell's clock"
            );
        }
    }

    /// Whether agents measured anything since this was asked last.
    pub fn take_probed(&self) -> bool {
        self.probed.swap(false, Ordering::Relaxed)
    }

    /// What agents measured last, of each service, by target.
    pub fn probe_rows(&self) -> BTreeMap<ServiceId, Vec<ProbeRow>> {
        lock(&self.targets).rows(self.clock.now())
    }

    /// What agents say together of each target, by service.
    pub fn targets(&self) -> BTreeMap<ServiceId, Vec<TargetBoard>> {
        let (targets, now) = (lock(&self.targets), self.clock.now());
        let services = self.config.services.iter();
        services.map(|service| (service.id.clone(), targets.boards(service, now))).collect()
    }

    /// No agent has said anything for ten minutes.
    pub fn agents_are_silent(&self) -> bool {
        self.clock.now() - self.agent_heard.load(Ordering::Relaxed) > AGENTS_SILENT
    }

    /// Comments that were let through, newest first.
    pub fn comments(&self) -> Arc<Vec<CommentRow>> {
        self.comments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the comments anew after a moderator's decision.
    pub fn reload_comments(&self) -> Result<(), StoreError> {
        let mut comments = self.store.read(approved_comments)?;
        name_anew(&self.config, &mut comments);
        let comments = Arc::new(comments);
        *self.comments.write().unwrap_or_else(PoisonError::into_inner) = comments;
        Ok(())
    }

    /// The detector was given a minute.
    pub fn note_judged(&self) {
        self.note_judged_at(Instant::now());
    }

    fn note_judged_at(&self, at: Instant) {
        *lock(&self.judged_at) = at;
    }

    /// Whether minutes are given to the detector. By the monotonic clock: while time stands still for the observatory, it
    /// judges nothing. A played day stands still at its end, and is over.
    pub fn is_judging(&self) -> bool {
        self.clock.is_played() || lock(&self.judged_at).elapsed() < JUDGED_LATELY
    }

    /// The store has minutes from far ahead of the clock: one of the two was wrong.
    pub fn note_clock_jump(&self) {
        self.jump_shown_until.store(self.clock.now() + JUMP_SHOWN, Ordering::Relaxed);
    }

    /// What limits what the board can say now.
    pub fn limits(&self) -> Vec<String> {
        use crate::store::Trouble;
        let mut limits = Vec::new();
        let mut say = |it_is_so: bool, word: &str| {
            if it_is_so {
                limits.push(word.to_owned());
            }
        };
        say(self.clock.is_played(), "reconstruction");
        say(!self.edge.has_geo() && !self.clock.is_played(), "no_geo");
        say(self.store.trouble() == Trouble::Full, "disk_full");
        say(self.store.trouble() == Trouble::Failed, "store_failed");
        say(self.agents_are_silent(), "no_agents");
        let jumped_at_start = self.clock.now() < self.jump_shown_until.load(Ordering::Relaxed);
        say(self.clock.jumped() || jumped_at_start, "clock_jump");
        limits.extend(self.publisher.iter().flat_map(Publisher::limits));
        limits
    }
}

/// Comments under the names that services have now.
fn name_anew(config: &Config, comments: &mut [CommentRow]) {
    for comment in comments {
        if let Some(service) = config.service(comment.service.as_str()) {
            comment.service = service.id.clone();
        }
    }
}

/// A lock that goes on after a panic elsewhere: what it guards is changed in single steps.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The board of an observatory that knows nothing yet: stale from the first moment, so it is grey.
pub fn empty_board(config: &Config, now: i64) -> Board {
    let detector = mbolo_pulse::Detector::new(mbolo_pulse::DetectorConfig::default());
    let mut board = crate::board_maker::make(&crate::board_maker::Ingredients {
        config,
        detector: &detector,
        recent: &crate::recent::Recent::default(),
        incidents: &BTreeMap::new(),
        watches: &[],
        probes: &BTreeMap::new(),
        targets: &BTreeMap::new(),
        people: None,
        told: &BTreeSet::new(),
        is_judging: false,
        limits: Vec::new(),
        seq: 0,
        now,
    });
    board.valid_until = now - 1;
    board
}

/// For tests: what an observatory with this configuration and clock shares, without geo tables and announcements.
#[cfg(test)]
pub fn for_tests(config: Config, clock: &Clock) -> Arc<Shared> {
    let board = empty_board(&config, clock.now());
    let edge = Edge::new(None, Vec::new()).unwrap();
    let store = Store::open(&config.data, 0).unwrap();
    Arc::new(Shared::new(config, clock.clone(), edge, store, None, Commands::new().0, board).unwrap())
}

#[cfg(test)]
impl Shared {
    /// As if the last minute had been given to the detector so long ago.
    pub fn judged_ago(&self, ago: Duration) {
        self.note_judged_at(Instant::now().checked_sub(ago).unwrap());
    }
}

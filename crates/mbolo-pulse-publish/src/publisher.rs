//! The one entry point: given every new board, it tells, signs and watches.
//!
//! What is to be told is never planned ahead: it follows from the newest board and from what each channel was told last.
//! A crash between two steps therefore loses nothing, and a state that lasted seconds is never told late.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mbolo_pulse::Transition;
use mbolo_pulse::board::Board;
use serde::Serialize;

use crate::announcements::subscriptions::{
    EmailRequest, NewWebhook, SubscribeError, Subscription, SubscriptionKind, WebhookRequest,
};
use crate::announcements::topic::{self, Topic};
use crate::announcements::{Announcer, ChannelHealth, DeadLetter};
use crate::config::{ConfigError, PublishConfig};
use crate::http::HttpError;
use crate::snapshots::mirror::{Mirror, MirrorHealth};
use crate::snapshots::peers::{PeerHealth, PeerWatch};
use crate::snapshots::{SnapshotError, Snapshots};
use crate::store::StoreError;

/// Tells what the observatory sees. Cheap to clone; all clones are one publisher.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    announcer: Announcer,
    snapshots: Option<Snapshots>,
    mirrors: Vec<Mirror>,
    peers: Vec<PeerWatch>,
    /// What the newest board has to tell; deliveries look at it again when a pause ends.
    topics: Mutex<Vec<Topic>>,
}

/// Why a publisher cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operator can correct it.
    #[error("configuration of [publish]: {0}")]
    Config(#[from] ConfigError),
    /// The file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing key cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// No way out.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// How the ways out are.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// Channels that announcements go through; webhooks and mails of subscribers are summed up.
    pub channels: Vec<ChannelHealth>,
    /// Targets of snapshots.
    pub mirrors: Vec<MirrorHealth>,
    /// Observatories that are watched.
    pub peers: Vec<PeerHealth>,
    /// Confirmed subscriptions by e-mail.
    pub email_subscriptions: u32,
    /// Confirmed subscriptions by webhook.
    pub webhook_subscriptions: u32,
    /// The public half of the key that signs snapshots, in hexadecimal: what readers and peers are configured with.
    pub snapshot_key: Option<String>,
}

impl Publisher {
    /// Opens or makes the store at `path` (an SQLite file of its own) and checks the configuration. Nothing is sent yet.
    pub fn open(path: &Path, config: PublishConfig) -> Result<Self, OpenError> {
        let connection = crate::store::open(path)?;
        let snapshots = config.snapshots.as_ref().map(Snapshots::open).transpose()?;
        let mut mirrors = Vec::new();
        for target in config.snapshots.iter().flat_map(|snapshots| &snapshots.targets) {
            mirrors.push(Mirror::new(crate::snapshots::targets::build(target)?));
        }
        let peers = config.peers.iter().map(PeerWatch::new).collect::<Result<Vec<_>, _>>()?;
        let announcer = Announcer::open(connection, &config)?;
        let topics = Mutex::new(Vec::new());
        Ok(Self { shared: Arc::new(Shared { announcer, snapshots, mirrors, peers, topics }) })
    }

    /// Takes note of a new board: enqueues what is to be told, signs a snapshot if it is time or something changed, and
    /// hands it to the targets. Sends nothing itself and is quick. Call it with every board, also if nothing changed.
    /// Announced is what stands on the board; `transitions` only say that a snapshot is worth signing at once.
    pub fn note(&self, board: &Board, transitions: &[Transition], now: i64) -> Result<(), StoreError> {
        let mut topics = topic::of_board(board, self.shared.announcer.base_url(), now);
        topics.extend(self.shared.peers.iter().flat_map(PeerWatch::topics));
        let reconciled = self.shared.announcer.reconcile(&topics, now);
        *lock(&self.shared.topics) = topics;
        // A disk that is full stops announcements; snapshots need none and go out.
        if let Some(snapshots) = &self.shared.snapshots {
            let base_url = self.shared.announcer.base_url();
            let signed = self.shared.announcer.with_store(|store| {
                snapshots.sign_if_due(store, board, !transitions.is_empty(), base_url, now)
            })?;
            if let Some(snapshot) = signed {
                for mirror in &self.shared.mirrors {
                    mirror.offer(Arc::clone(&snapshot));
                }
            }
        }
        reconciled
    }

    /// Sends what is due, blocking for at most about a minute. Returns how many deliveries were tried.
    pub fn deliver(&self, now: i64) -> Result<usize, StoreError> {
        // When a pause ends or somebody new listens, there is more to tell without a new board.
        if self.shared.announcer.is_reconciled_before(now - RECONCILE_AGAIN_S) {
            let topics = lock(&self.shared.topics).clone();
            self.shared.announcer.reconcile(&topics, now)?;
        }
        self.shared.announcer.deliver(now)
    }

    /// Puts the newest snapshot on every target where it is due, all at the same time, blocking.
    pub fn push_mirrors(&self, now: i64) {
        std::thread::scope(|scope| {
            for mirror in &self.shared.mirrors {
                scope.spawn(move || mirror.push_if_due(now));
            }
        });
    }

    /// Looks at every peer once, blocking.
    pub fn watch_peers(&self, now: i64) {
        std::thread::scope(|scope| {
            for peer in &self.shared.peers {
                scope.spawn(move || peer.look(now));
            }
        });
    }

    /// What belongs into [`Board::limits`]: `peer_down` while a peer is silent.
    pub fn limits(&self) -> Vec<String> {
        let silent = self.shared.peers.iter().any(PeerWatch::is_silent);
        silent.then(|| "peer_down".to_owned()).into_iter().collect()
    }

    /// How the ways out are, at Unix seconds `now`.
    pub fn health(&self, now: i64) -> Result<Health, StoreError> {
        let (email_subscriptions, webhook_subscriptions) = self.shared.announcer.subscription_counts()?;
        Ok(Health {
            channels: self.shared.announcer.health()?,
            mirrors: self.shared.mirrors.iter().map(|mirror| mirror.health(now)).collect(),
            peers: self.shared.peers.iter().map(PeerWatch::health).collect(),
            email_subscriptions,
            webhook_subscriptions,
            snapshot_key: self.shared.snapshots.as_ref().map(Snapshots::public_key),
        })
    }

    /// [`Publisher::health`] in Prometheus' text format, without the names of subscribers.
    pub fn metrics(&self, now: i64) -> Result<String, StoreError> {
        Ok(crate::announcements::metrics::render(&self.health(now)?, self.shared.announcer.counters()))
    }

    /// Deliveries that were given up, newest first.
    pub fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.shared.announcer.dead_letters(limit)
    }

    /// Tries a dead letter again. False if there is none of this number.
    pub fn revive(&self, dead_letter: i64, now: i64) -> Result<bool, StoreError> {
        self.shared.announcer.revive(dead_letter, now)
    }

    /// Forgets a dead letter. False if there is none of this number.
    pub fn drop_dead_letter(&self, dead_letter: i64) -> Result<bool, StoreError> {
        self.shared.announcer.drop_dead_letter(dead_letter)
    }

    /// Whether subscriptions by e-mail are offered.
    pub fn email_is_offered(&self) -> bool {
        self.shared.announcer.email_is_offered()
    }

    /// Services that have other names now (`old → new`): subscriptions and what was told of them go on under the new ones.
    pub fn rename(&self, names: &BTreeMap<String, String>) -> Result<(), StoreError> {
        self.shared.announcer.rename(names)
    }

    /// Where people find copies of the page.
    pub fn copies(&self) -> &[String] {
        self.shared.snapshots.as_ref().map_or(&[], |snapshots| &snapshots.copies)
    }

    /// Sends a letter with a link to confirm. Answers the same whether or not the address was known before.
    pub fn subscribe_email(&self, request: &EmailRequest, now: i64) -> Result<(), SubscribeError> {
        self.shared.announcer.subscribe_email(request, now)
    }

    /// The link of the letter was followed: route `GET /subscribe/confirm?token=` to a page with a button that posts the
    /// token here, because mail filters follow links.
    pub fn confirm(&self, token: &str, now: i64) -> Result<Subscription, SubscribeError> {
        self.shared.announcer.confirm(token, now)
    }

    /// Forgets the subscription and its address. Route `POST /subscribe/end?token=` here (RFC 8058 posts
    /// `List-Unsubscribe=One-Click` to it), and `GET` to a page with a button. Ending twice is no error.
    pub fn unsubscribe(&self, token: &str) -> Result<(), SubscribeError> {
        self.shared.announcer.unsubscribe(token)
    }

    /// Adds a webhook. It counts from the moment it answers a first greeting with 2xx.
    pub fn subscribe_webhook(
        &self,
        request: &WebhookRequest,
        now: i64,
    ) -> Result<NewWebhook, SubscribeError> {
        self.shared.announcer.subscribe_webhook(request, now)
    }

    /// All subscriptions of a kind, for the operator; at most `limit`.
    pub fn subscriptions(&self, kind: SubscriptionKind, limit: u32) -> Result<Vec<Subscription>, StoreError> {
        self.shared.announcer.subscriptions(kind, limit)
    }

    /// Removes a subscription by its id, for the operator. False if there is none.
    pub fn remove(&self, id: &str) -> Result<bool, StoreError> {
        self.shared.announcer.remove(id)
    }

    /// Delivers, pushes and watches on threads of its own until the returned value is dropped or stopped.
    pub fn spawn(&self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        threads.push(self.repeat("deliver", &stop, Duration::from_secs(1), |publisher| {
            if let Err(error) = publisher.deliver(unix_now()) {
                tracing::error!(%error, "announcements are not delivered");
            }
        }));
        // One thread for each: a host that hangs holds up nobody else.
        for at in 0..self.shared.mirrors.len() {
            threads.push(self.repeat("mirror", &stop, Duration::from_secs(1), move |publisher| {
                publisher.shared.mirrors[at].push_if_due(unix_now());
            }));
        }
        for at in 0..self.shared.peers.len() {
            threads.push(self.repeat("peer", &stop, Duration::from_secs(30), move |publisher| {
                publisher.shared.peers[at].look(unix_now());
            }));
        }
        Running { stop, threads: threads.into_iter().flatten().collect() }
    }

    fn repeat(
        &self,
        name: &str,
        stop: &Arc<AtomicBool>,
        pause: Duration,
        work: impl Fn(&Self) + Send + 'static,
    ) -> Option<JoinHandle<()>> {
        let (publisher, stop) = (self.clone(), Arc::clone(stop));
        let thread = std::thread::Builder::new().name(format!("publish-{name}")).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                work(&publisher);
                std::thread::park_timeout(pause);
            }
        });
        match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, name, "no thread to publish with");
                None
            }
        }
    }
}

/// The threads of a publisher; they end with it.
pub struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a publishing thread had failed");
            }
        }
    }
}

/// What a lock holds stays usable when a holder panicked: every change under it is a single assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock, if nobody holds it now.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Seconds after which what is to be told is compared with what was told, also without a new board.
const RECONCILE_AGAIN_S: i64 = 20;

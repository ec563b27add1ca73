//! The engine's thread: one loop that feeds the client and does what it says.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mbolo_client::{Client, Effect, Input, OpenError, Options, TransportFailure};
use mbolo_client_api::{Call, Connection, Failure, Output, Reply, Update};
use tokio::sync::{mpsc, oneshot, watch};

use super::address::CellAddress;
use super::link::{Link, LinkEvent};
use super::observer::{Aside, Observer};
use super::trust::{Seen, TrustedCertificates, Verifier, show};
use super::{Command, Way};
use crate::checkup::Home;
use crate::problem::{Exit, Problem, sentence};
use crate::profile::{Profile, make_private};

/// Where the engine tells how it goes.
pub struct Reports {
    /// The way to the cell.
    pub way: watch::Sender<Way>,
    /// The client's view of it.
    pub connection: watch::Sender<Connection>,
    /// What is known of the cell.
    pub home: watch::Sender<Home>,
    /// Notes for the person.
    pub note: Box<dyn Fn(String)>,
}

/// Runs the engine until it is told to shut down or nobody holds a handle any more.
pub fn run(
    profile: Profile,
    address: CellAddress,
    trusted: TrustedCertificates,
    commands: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
    opened: oneshot::Sender<Result<(), Problem>>,
) {
    let prepared = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Problem::from)
        .and_then(|runtime| Ok((runtime, open_client(&profile, &address)?)));
    let (runtime, client) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            let _ = opened.send(Err(problem));
            return;
        }
    };
    let verifier = Arc::new(Verifier::new(trusted, &profile.settings));
    let _ = opened.send(Ok(()));
    let engine = Engine {
        client,
        profile,
        address,
        verifier,
        reports,
        link: None,
        replies: BTreeMap::new(),
        next_call: 1,
        watchers: Vec::new(),
        observer: Observer::new(),
    };
    let done = runtime.block_on(engine.serve(commands));
    // Sockets and the lock of the profile are released before the caller goes on.
    drop(runtime);
    if let Some(done) = done {
        let _ = done.send(());
    }
}

/// Opens the engine of a profile without running it.
pub fn open_client(profile: &Profile, address: &CellAddress) -> Result<Client, Problem> {
    let cannot_open = |error: String| {
        let database = profile.database();
        Problem::new(
            Exit::Storage,
            format!("The profile's database {} cannot be opened: {error}.", database.display()),
        )
    };
    make_private(&profile.database()).map_err(|error| cannot_open(error.to_string()))?;
    let store =
        rusqlite::Connection::open(profile.database()).map_err(|error| cannot_open(error.to_string()))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Problem::unexpected(format!("The system gives no randomness: {error}.")))?;
    Client::open(store, Options::new(address.name(), seed), now_ms()).map_err(as_damage).map_err(|error| {
        let next = match &error {
            OpenError::InUse => "End the other program first, or use another --profile DIR.",
            OpenError::TooNew { .. } => "Install the newest version of Mbolo.",
            OpenError::Storage(_) => "Make room on the disk and check that you may write to the profile.",
            OpenError::Damaged(_) => {
                "Nothing was changed in it. Keep the directory, and get the account back in a new profile, with its \
                 recovery phrase: mbolo account recover --profile DIR"
            }
        };
        let exit = if matches!(error, OpenError::InUse) { Exit::InUse } else { Exit::Storage };
        Problem::new(exit, sentence(&error.to_string())).next(next)
    })
}

/// SQLite does not read a database that is none any more; that has nothing to do with the disk.
fn as_damage(error: OpenError) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        OpenError::Storage(error)
            if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) =>
        {
            OpenError::Damaged(error.to_string())
        }
        error => error,
    }
}

struct Engine {
    client: Client,
    profile: Profile,
    address: CellAddress,
    verifier: Arc<Verifier>,
    reports: Reports,
    link: Option<Link>,
    replies: BTreeMap<u64, oneshot::Sender<Result<Reply, Failure>>>,
    next_call: u64,
    watchers: Vec<Watcher>,
    observer: Observer,
}

struct Watcher {
    updates: mpsc::Sender<Update>,
    /// What did not fit into the channel. While there is any, no more frames are read.
    backlog: VecDeque<Update>,
}

impl Engine {
    async fn serve(mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> Option<oneshot::Sender<()>> {
        // A client with an account wants its connection from the start.
        self.feed(Input::Tick);
        let done = loop {
            let due = self.client.next_tick_ms();
            let crowded = self.watchers.iter().any(|watcher| !watcher.backlog.is_empty());
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Call { request, reply }) => {
                        let id = self.next_call;
                        self.next_call += 1;
                        self.replies.insert(id, reply);
                        self.feed(Input::Call(Call { id, request }));
                    }
                    Some(Command::Watch { updates, watching }) => {
                        self.watchers.push(Watcher { updates, backlog: VecDeque::new() });
                        let _ = watching.send(());
                    }
                    Some(Command::Stats { stats }) => {
                        let _ = stats.send(self.client.stats());
                    }
                    Some(Command::Shutdown { done }) => break Some(done),
                    None => break None,
                },
                event = next_event(&mut self.link), if !crowded => self.on_link_event(event),
                () = relieve(&mut self.watchers), if crowded => {}
                aside = self.observer.next() => self.on_aside(aside),
                () = sleep_until(due) => self.feed(Input::Tick),
            }
        };
        self.finish_soon().await;
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        done
    }

    /// What the client would do in a moment (telling the cell what has been received and read) is still done.
    async fn finish_soon(&mut self) {
        let end = now_ms() + FAREWELL_MS;
        while self.link.is_some() {
            let Some(due) = self.client.next_tick_ms().filter(|due| *due <= end) else { break };
            tokio::select! {
                event = next_event(&mut self.link) => self.on_link_event(event),
                () = sleep_until(Some(due)) => self.feed(Input::Tick),
            }
            if now_ms() > end {
                break;
            }
        }
    }

    /// Gives the client an input, and the inputs that follow from what it does.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.client.handle(now_ms(), input) {
                match effect {
                    Effect::Connect => {
                        tracing::debug!(cell = %self.address, "connecting");
                        if self.link.take().is_some() {
                            inputs.push_back(Input::Disconnected(TransportFailure::Closed));
                        }
                        self.link = Some(Link::open(self.address.clone(), self.verifier.clone()));
                    }
                    Effect::Send(frame) => {
                        if let Some(link) = &self.link {
                            // A link that has ended says so in its events.
                            let _ = link.outgoing.send(frame);
                        }
                    }
                    Effect::Disconnect => {
                        if let Some(link) = self.link.take() {
                            tokio::spawn(link.close());
                            inputs.push_back(Input::Disconnected(TransportFailure::Closed));
                        }
                    }
                    Effect::Output(output) => self.output(output),
                }
            }
        }
    }

    fn on_aside(&mut self, aside: Aside) {
        match aside {
            Aside::Told(told) => self.remember(|settings| settings.told = Some(told)),
            Aside::Arrived(batch) => self.observer.arrived(&batch),
            Aside::Slice => {}
        }
        self.observer.tell(&self.profile.settings);
    }

    fn on_link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected => {
                tracing::debug!("connected");
                self.reports.way.send_replace(Way::Open);
                self.observer.attempted(true);
                self.remember_certificate();
                if self.profile.settings.cell.is_none() {
                    self.remember_address();
                }
                self.feed(Input::Connected);
            }
            LinkEvent::Frame(frame) => self.feed(Input::Frame(frame)),
            LinkEvent::Ended(trouble) => {
                tracing::debug!(reason = trouble.what, "disconnected");
                self.link = None;
                let failure = trouble.failure;
                if failure == TransportFailure::Unreachable {
                    self.observer.attempted(false);
                }
                self.reports.way.send_replace(Way::Failed(trouble));
                self.feed(Input::Disconnected(failure));
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Reply { id, result } => {
                if let Some(reply) = self.replies.remove(&id) {
                    let _ = reply.send(result);
                }
            }
            Output::Update { update } => {
                if let Update::Connection { connection } = &update {
                    tracing::debug!(?connection, "connection");
                    self.reports.connection.send_replace(connection.clone());
                    if *connection == Connection::Online {
                        // The cell knows this account, so the address is right even if it is a new one.
                        self.remember_address();
                        self.observer.ask(&self.address, &self.verifier);
                    }
                }
                self.watchers.retain_mut(|watcher| watcher.push(update.clone()));
            }
        }
    }

    fn remember_address(&mut self) {
        let address = self.address.to_string();
        self.remember(|settings| settings.cell = Some(address));
    }

    fn remember_certificate(&mut self) {
        match self.address.tls.then(|| self.verifier.verdict()).flatten() {
            Some(Ok(Seen::FirstUse(fingerprint))) if self.profile.settings.certificate_sha256.is_none() => {
                let shown = show(&fingerprint);
                self.remember(|settings| settings.certificate_sha256 = Some(shown.clone()));
                (self.reports.note)(format!(
                    "Nobody vouches for the certificate of {}; it is trusted from now on. Compare its SHA-256 fingerprint:\n{shown}",
                    self.address
                ));
                let trusted = super::TrustedCertificates::default();
                self.verifier = Arc::new(Verifier::new(trusted, &self.profile.settings));
            }
            Some(Ok(Seen::Public)) => self.remember(|settings| {
                settings.public_certificate = true;
                settings.certificate_sha256 = None;
            }),
            _ => {}
        }
    }

    fn remember(&mut self, change: impl FnOnce(&mut crate::profile::Settings)) {
        if let Err(problem) = self.profile.update(change) {
            (self.reports.note)(problem.what);
        }
        self.reports.home.send_modify(|home| home.settings = self.profile.settings.clone());
    }
}

impl Watcher {
    /// Queues an update; false if nobody listens any more.
    fn push(&mut self, update: Update) -> bool {
        if !self.backlog.is_empty() {
            self.backlog.push_back(update);
            return !self.updates.is_closed();
        }
        match self.updates.try_send(update) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(update)) => {
                self.backlog.push_back(update);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// Moves one update from a backlog into its channel, or forgets a watcher that has gone.
async fn relieve(watchers: &mut Vec<Watcher>) {
    let Some(index) = watchers.iter().position(|watcher| !watcher.backlog.is_empty()) else {
        return pending().await;
    };
    let watcher = &mut watchers[index];
    if let Ok(permit) = watcher.updates.reserve().await {
        if let Some(update) = watcher.backlog.pop_front() {
            permit.send(update);
        }
        return;
    }
    watchers.remove(index);
}

async fn next_event(link: &mut Option<Link>) -> LinkEvent {
    match link {
        Some(link) => match link.events.recv().await {
            Some(event) => event,
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn sleep_until(due_ms: Option<u64>) {
    match due_ms {
        // At least a millisecond, so that an overdue tick cannot starve everything else.
        Some(due) => tokio::time::sleep(Duration::from_millis(due.saturating_sub(now_ms()).max(1))).await,
        None => pending().await,
    }
}

/// How long a command that is done stays for what is due soon.
const FAREWELL_MS: u64 = 500;

/// The wall clock in Unix milliseconds.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

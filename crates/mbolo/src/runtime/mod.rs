//! The native runtime around the client engine: a database file, a socket, a timer, and an async API.
//!
//! The engine is blocking (it computes and syncs to disk) and is never shared, so it lives on a thread of its
//! own that runs one loop: take a call, a frame or a due tick; hand it to [`Client::handle`]; do what the
//! effects say. Two rules hold: every `Connect` is followed by exactly one `Disconnected`, and a watcher that
//! does not take its updates stops the reading of the socket, not the answering of calls, so memory stays
//! bounded and nothing is dropped.

mod address;
mod engine;
mod http;
mod link;
mod observer;
mod trust;

use std::thread::JoinHandle;

use mbolo_client::Stats;
use mbolo_client_api::{Connection, Failure, Reply, Request, Update};
use tokio::sync::{mpsc, oneshot, watch};

pub use address::CellAddress;
pub use engine::{now_ms, open_client};
pub use http::{WebAddress, get, post};
pub use link::Trouble;
pub use trust::{TrustedCertificates, Verifier, read_certificates};

use crate::checkup::Home;
use crate::problem::Problem;
use crate::profile::Profile;

/// Updates a watcher may leave untaken before the socket is no longer read.
const UPDATES_AHEAD: usize = 1024;

/// The engine of one profile, running. Clones talk to the same engine.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    way: watch::Receiver<Way>,
    connection: watch::Receiver<Connection>,
    home: watch::Receiver<Home>,
}

/// The way to the cell, as the socket sees it: for explaining what is wrong, where the engine's
/// `Connection` only says that something is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Way {
    /// Not tried yet.
    #[default]
    Untried,
    /// The last attempt reached a WebSocket.
    Open,
    /// The last attempt failed, or what was open has closed.
    Failed(Trouble),
}

/// What the engine's thread is told.
#[derive(Debug)]
enum Command {
    Call { request: Request, reply: oneshot::Sender<Result<Reply, Failure>> },
    Watch { updates: mpsc::Sender<Update>, watching: oneshot::Sender<()> },
    Stats { stats: oneshot::Sender<Stats> },
    Shutdown { done: oneshot::Sender<()> },
}

/// Opens the profile's engine for the cell at `address` and starts it. Notes for the person, such as a
/// certificate trusted on first use, go to `note`.
pub async fn start(
    profile: Profile,
    address: CellAddress,
    trusted: TrustedCertificates,
    note: impl Fn(String) + Send + 'static,
) -> Result<Handle, Problem> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let (way_sender, way) = watch::channel(Way::Untried);
    let (connection_sender, connection) = watch::channel(Connection::Idle);
    let home =
        Home { address: address.clone(), trusted: trusted.clone(), settings: profile.settings.clone() };
    let (home_sender, home) = watch::channel(home);
    let (opened, outcome) = oneshot::channel();
    let _thread: JoinHandle<()> =
        std::thread::Builder::new().name("mbolo-engine".into()).spawn(move || {
            let reports = engine::Reports {
                way: way_sender,
                connection: connection_sender,
                home: home_sender,
                note: Box::new(note),
            };
            engine::run(profile, address, trusted, inbox, reports, opened);
        })?;
    outcome.await.map_err(|_| Problem::unexpected("The client engine ended while it was opened."))??;
    Ok(Handle { commands, way, connection, home })
}

impl Handle {
    /// Asks the engine. Some requests are answered only when the cell has answered; dropping the future
    /// stops the waiting, not the request.
    pub async fn call(&self, request: Request) -> Result<Reply, Failure> {
        let gone = || Failure { code: "internal".into(), message: "The client engine has ended.".into() };
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Call { request, reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Every update from now on.
    pub async fn updates(&self) -> Updates {
        let (sender, updates) = mpsc::channel(UPDATES_AHEAD);
        let (watching, confirmed) = oneshot::channel();
        if self.commands.send(Command::Watch { updates: sender, watching }).is_ok() {
            let _ = confirmed.await;
        }
        Updates(updates)
    }

    /// The way to the cell; changes can be awaited.
    pub fn way(&self) -> watch::Receiver<Way> {
        self.way.clone()
    }

    /// The engine's view of the connection; changes can be awaited.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// What is known of the cell, to find out why it does not answer.
    pub fn home(&self) -> Home {
        self.home.borrow().clone()
    }

    /// The engine's counters: what waits to be sent or changed. Nothing, if the engine has ended.
    pub async fn stats(&self) -> Stats {
        let (stats, answer) = oneshot::channel();
        match self.commands.send(Command::Stats { stats }) {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Stats::default(),
        }
    }

    /// Sends what is on its way, closes the socket and the database. Returns when that is done.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        if self.commands.send(Command::Shutdown { done }).is_ok() {
            let _ = finished.await;
        }
    }
}

/// A stream of updates.
#[derive(Debug)]
pub struct Updates(mpsc::Receiver<Update>);

impl Updates {
    /// The next one; `None` when the engine has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        self.0.recv().await
    }

    /// The next one, if it is there already.
    pub fn waiting(&mut self) -> Option<Update> {
        self.0.try_recv().ok()
    }
}

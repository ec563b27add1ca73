//! What outlives the process: minute counts, incidents with what people added, comments. No addresses, no people.
//!
//! One thread writes. It takes everything that waits, adds equal counts together, and commits once, durably; only then
//! are the waiting requests answered. So a count that was acknowledged survives a killed process and a lost supply, and
//! ten thousand reports a second are a few rows a commit. Readers have a connection of their own.
//!
//! When a commit fails nothing of it counts, the requests are refused, and [`Store::trouble`] says why until one works that is as large.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mbolo_pulse::Count;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction};

mod counts;
mod incidents;
mod schema;
mod voices;
mod writer;

pub use counts::{each_count, first_minute, measured_days, prune, save_measured_day, taken_beacons};
pub use incidents::{IncidentRow, Watch, incidents, save_incident, save_watch, watches};
pub use schema::{board, closed_minute, save_board, set_closed_minute};
pub use voices::{
    CommentRow, CommentState, approved_comments, decide_comment, save_comment, waiting_comments,
    waiting_count,
};

use writer::{Job, Writer};

/// Requests that wait for the writer; beyond it new ones are refused.
const MOST_WAITING: usize = 65_536;

/// Why something could not be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the size that was allowed, is used up.
    #[error("the observatory's disk is full; what you sent was not counted, try again later")]
    Full,
    /// The writer does not keep up.
    #[error(
        "the observatory has more to do than it can; what you sent was not counted, try again in a moment"
    )]
    Busy,
    /// Two observatories would write the same counts twice and end each other's incidents.
    #[error(
        "another observatory is using {directory}; stop it, or give this one a directory of its own (`data`)"
    )]
    InUse {
        /// Which.
        directory: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open the store {path}: {message}")]
    Open {
        /// Where.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// Something else.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// How the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It takes everything.
    None,
    /// The disk is full.
    Full,
    /// Something else is wrong with it.
    Failed,
}

/// Counts that were committed and that the detector has not seen yet.
pub type Fresh = Arc<Mutex<Vec<Count>>>;

/// The store. Dropping it finishes what was begun.
pub struct Store {
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
    fresh: Fresh,
    trouble: Arc<AtomicU8>,
    committed: Arc<writer::Committed>,
    /// Held while the store is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Store {
    /// Opens the store in a directory, and makes both where they are missing. `megabytes` bounds its size; 0 does not.
    pub fn open(directory: &Path, megabytes: u32) -> Result<Self, StoreError> {
        let path = directory.join("pulse.sqlite");
        let failed = |message: String| StoreError::Open { path: path.clone(), message };
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let lock = lock_directory(directory, &failed)?;
        let connection = Connection::open(&path).map_err(|error| failed(error.to_string()))?;
        schema::prepare(&connection, megabytes).map_err(|error| failed(error.to_string()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&path, flags).map_err(|error| failed(error.to_string()))?;
        reader.busy_timeout(std::time::Duration::from_secs(5))?;
        let (jobs, waiting) = sync_channel(MOST_WAITING);
        let fresh = Fresh::default();
        let trouble = Arc::new(AtomicU8::new(0));
        let committed = Arc::new(writer::Committed::default());
        let work = Writer::new(connection, fresh.clone(), trouble.clone(), committed.clone());
        let writer = std::thread::Builder::new()
            .name("pulse-store".to_owned())
            .spawn(move || work.run(&waiting))
            .map_err(|error| failed(error.to_string()))?;
        let reader = Mutex::new(reader);
        let (jobs, writer) = (Some(jobs), Some(writer));
        Ok(Self { jobs, writer, reader, fresh, trouble, committed, _lock: lock })
    }

    /// Adds counts; returns once they are durable.
    pub async fn add(&self, counts: Vec<Count>) -> Result<(), StoreError> {
        self.add_beacon(counts, None).await
    }

    /// Adds a beacon's counts, with the name of its batch in the same transaction; see [`taken_beacons`].
    pub async fn add_beacon(&self, counts: Vec<Count>, batch: Option<i64>) -> Result<(), StoreError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.send(Job::Add { counts, beacon: batch, answer })?;
        done.await.unwrap_or(Err(StoreError::Busy))
    }

    /// Adds a batch's counts if it, or the minute that it is the whole of, was not added before; says whether it did.
    pub async fn add_once(&self, batch: Batch, counts: Vec<Count>) -> Result<bool, StoreError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.send(Job::AddOnce { batch, counts, answer })?;
        done.await.unwrap_or(Err(StoreError::Busy))
    }

    /// Changes something; returns once it is durable. The closure may run in a transaction with others; if it fails, it
    /// alone is undone.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.send(writer::change(change, answer))?;
        done.await.unwrap_or(Err(StoreError::Busy))
    }

    /// [`Store::change`] for a thread that may wait.
    pub fn change_and_wait<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.send(writer::change(change, answer))?;
        done.blocking_recv().unwrap_or(Err(StoreError::Busy))
    }

    /// [`Store::add`] for a thread that may wait.
    pub fn add_and_wait(&self, counts: Vec<Count>) -> Result<(), StoreError> {
        let (answer, done) = tokio::sync::oneshot::channel();
        self.send(Job::Add { counts, beacon: None, answer })?;
        done.blocking_recv().unwrap_or(Err(StoreError::Busy))
    }

    /// Reads what is committed.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(read(&reader)?)
    }

    /// Takes the counts that were committed since it was last asked, in the order of their commits.
    pub fn take_fresh(&self) -> Vec<Count> {
        std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How it is, as of the last commit.
    pub fn trouble(&self) -> Trouble {
        match self.trouble.load(Ordering::Relaxed) {
            0 => Trouble::None,
            1 => Trouble::Full,
            _ => Trouble::Failed,
        }
    }

    /// Commits so far, and the requests in them.
    pub fn commits(&self) -> (u64, u64) {
        self.committed.read()
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Busy)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Failed("its writer has stopped; restart".to_owned()),
        })
    }
}

/// Takes the directory for this store alone.
fn lock_directory(directory: &Path, failed: &impl Fn(String) -> StoreError) -> Result<File, StoreError> {
    let open = File::options().create(true).truncate(false).write(true).open(directory.join("pulse.lock"));
    let file = open.map_err(|error| failed(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { directory: directory.to_owned() }),
        // Some file systems know no locks; that is no reason not to watch.
        Err(TryLockError::Error(error)) => tracing::warn!(%error, "the directory of the store is not locked"),
    }
    Ok(file)
}

impl Drop for Store {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so; there is nothing to add while shutting down.
            let _ = writer.join();
        }
    }
}

/// A delivery that may come twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who sent it: `cell:name`, `agent:name`.
    pub source: String,
    /// Its own name.
    pub id: String,
    /// The minute it is about.
    pub minute: u32,
    /// It is all that its source has to say of the minute: another one for the same minute does not count.
    pub is_whole_minute: bool,
}

#[cfg(test)]
mod tests;

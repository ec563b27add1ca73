//! The one thread that writes: takes what waits, commits once, then answers.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use mbolo_pulse::Count;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot::Sender;

use super::{Batch, Fresh, StoreError, counts};

/// Jobs in one commit. More would make the first of them wait for the last.
const MOST_AT_ONCE: usize = 4_096;

/// A small change may find room where a larger one did not: for so long, or until one as large does, the disk is still
/// said to be full.
const STILL_FULL: Duration = Duration::from_secs(90);

/// A change and how to tell what came of it: `Ok` once it is durable.
type Undecided = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Makes a change and gives the answer that waits for it.
type Change = dyn FnOnce(&Transaction<'_>) -> (rusqlite::Result<()>, Undecided) + Send;

/// Something to write.
pub(super) enum Job {
    Add { counts: Vec<Count>, beacon: Option<i64>, answer: Sender<Result<(), StoreError>> },
    AddOnce { batch: Batch, counts: Vec<Count>, answer: Sender<Result<bool, StoreError>> },
    Change(Box<Change>),
}

/// A closure with its answer, without the type of its result.
pub(super) fn change<T: Send + 'static>(
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    answer: Sender<Result<T, StoreError>>,
) -> Job {
    Job::Change(Box::new(move |transaction| {
        let (done, value) = match change(transaction) {
            Ok(value) => (Ok(()), Some(value)),
            Err(error) => (Err(error), None),
        };
        let undecided = Box::new(move |decided: Result<(), StoreError>| {
            let lost = || StoreError::Failed("a change had no result".to_owned());
            // Who asked may have gone; what is written stays.
            let _ = answer.send(decided.and_then(|()| value.ok_or_else(lost)));
        });
        (done, undecided)
    }))
}

/// How much was committed.
#[derive(Debug, Default)]
pub(super) struct Committed {
    commits: AtomicU64,
    jobs: AtomicU64,
}

impl Committed {
    pub(super) fn read(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.jobs.load(Ordering::Relaxed))
    }
}

pub(super) struct Writer {
    connection: Connection,
    fresh: Fresh,
    trouble: Arc<AtomicU8>,
    /// When there was no room last, and for how many counts.
    full: Option<(Instant, usize)>,
    committed: Arc<Committed>,
}

/// What one commit has in it.
#[derive(Default)]
struct Gathered {
    counts: Vec<Count>,
    /// Names of their batches.
    beacons: Vec<i64>,
    undecided: Vec<Undecided>,
    /// The first thing that went wrong for all of them.
    failed: Option<StoreError>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        fresh: Fresh,
        trouble: Arc<AtomicU8>,
        committed: Arc<Committed>,
    ) -> Self {
        Self { connection, fresh, trouble, full: None, committed }
    }

    /// Works until nobody can send any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            while batch.len() < MOST_AT_ONCE
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Job>) {
        let size = batch.len() as u64;
        let mut gathered = Gathered::default();
        let committed = self.write(batch, &mut gathered);
        let outcome = committed.map_err(|error| gathered.failed.take().unwrap_or_else(|| error.into()));
        let rows = gathered.counts.len();
        match &outcome {
            Err(StoreError::Full) => self.full = Some((Instant::now(), rows)),
            _ => self.full = self.full.filter(|(at, refused)| at.elapsed() < STILL_FULL && rows < *refused),
        }
        let is_full = self.full.is_some();
        let trouble = match &outcome {
            Ok(()) if is_full => 1,
            Ok(()) => 0,
            Err(StoreError::Full) => 1,
            Err(_) => 2,
        };
        if self.trouble.swap(trouble, Ordering::Relaxed) != trouble {
            match &outcome {
                Ok(()) => tracing::info!("the store takes counts again"),
                Err(error) => {
                    tracing::error!(%error, "the store does not take counts; the last state is served")
                }
            }
        }
        if outcome.is_ok() {
            self.committed.commits.fetch_add(1, Ordering::Relaxed);
            self.committed.jobs.fetch_add(size, Ordering::Relaxed);
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.extend(counts::tally(gathered.counts).into_values());
        }
        for undecided in gathered.undecided {
            undecided(outcome.clone());
        }
    }

    fn write(&mut self, batch: Vec<Job>, gathered: &mut Gathered) -> rusqlite::Result<()> {
        // Who waits for an answer must be known even if no transaction can begin.
        let transaction = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                let told: StoreError = error.into();
                batch.into_iter().for_each(|job| refuse(job, &told));
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(if matches!(told, StoreError::Full) { 13 } else { 1 }),
                    Some(told.to_string()),
                ));
            }
        };
        for job in batch {
            if let Some(failed) = &gathered.failed {
                let failed = failed.clone();
                refuse(job, &failed);
                continue;
            }
            if let Err(error) = apply(&transaction, job, gathered) {
                gathered.failed = Some(error.into());
            }
        }
        if let Some(failed) = &gathered.failed {
            let message = failed.to_string();
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(message)));
        }
        counts::add(&transaction, &counts::tally(gathered.counts.iter().cloned()))?;
        counts::take_beacons(&transaction, &gathered.beacons)?;
        transaction.commit()
    }
}

/// Does one job within the transaction. An error is one that the whole transaction cannot go on after.
fn apply(transaction: &Transaction<'_>, job: Job, gathered: &mut Gathered) -> rusqlite::Result<()> {
    match job {
        Job::Add { counts, beacon, answer } => {
            gathered.counts.extend(counts);
            gathered.beacons.extend(beacon);
            gathered.undecided.push(Box::new(move |decided| drop(answer.send(decided))));
        }
        Job::AddOnce { batch, counts, answer } => {
            let sql = "INSERT INTO batches VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            let values = params![batch.source, batch.id, batch.minute, batch.is_whole_minute];
            let inserted = transaction.prepare_cached(sql)?.execute(values);
            let is_new = match inserted {
                Ok(rows) => Ok(rows > 0),
                Err(error) => Err(error),
            };
            let told = is_new.as_ref().is_ok_and(|is_new| *is_new);
            gathered.undecided.push(Box::new(move |decided| drop(answer.send(decided.map(|()| told)))));
            if is_new? {
                gathered.counts.extend(counts);
            }
        }
        Job::Change(change) => {
            transaction.execute_batch("SAVEPOINT one")?;
            let (done, undecided) = change(transaction);
            match done {
                Ok(()) => gathered.undecided.push(undecided),
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                    gathered.undecided.push(undecided);
                    return Err(error);
                }
                Err(error) => {
                    transaction.execute_batch("ROLLBACK TO one")?;
                    undecided(Err(error.into()));
                }
            }
            transaction.execute_batch("RELEASE one")?;
        }
    }
    Ok(())
}

fn refuse(job: Job, why: &StoreError) {
    // Who asked may have gone.
    match job {
        Job::Add { answer, .. } => drop(answer.send(Err(why.clone()))),
        Job::AddOnce { answer, .. } => drop(answer.send(Err(why.clone()))),
        // Dropping it closes its channel, which its sender takes for a refusal.
        Job::Change(change) => drop(change),
    }
}

//! The embedded engine: a fjall database in one directory, one process at a time.
//!
//! A commit is one fjall batch over four keyspaces (one per [`Region`]) and one `fdatasync` of fjall's journal.
//! What fjall does not give, this module adds:
//!
//! * **Nothing acknowledged is dropped in silence.** fjall cuts its journal off at the first byte it cannot
//!   read. So every batch carries its number ([`meta::COMMIT_CHAIN`]), and before fjall may touch the files
//!   [`journal`] reads them and [`mark`] says how far they must reach; what falls short is
//!   [`EngineError::Damaged`], with the files left as they are.
//! * **A full disk is seen before it is hit.** A failed write leaves fjall in doubt about its journal, so a
//!   batch is refused while less than [`FjallOptions::reserve_bytes`] are free; reads never need any. A batch of
//!   nothing but removals is taken with less, because it makes room.
//! * **A second process is refused by name**, by a lock that is taken before anything is read.

mod journal;
mod mark;
mod reaper;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};

use self::mark::Mark;
use self::reaper::Reaper;
use crate::keys::{self, Region, meta};
use crate::{Batch, Change, Engine, EngineError};

/// How much an engine may use.
#[derive(Debug, Clone)]
pub struct FjallOptions {
    /// Memory for blocks read from disk.
    pub cache_bytes: u64,
    /// Disk space of all journals, which is also what a start after a crash has to read. At least 64 MiB.
    pub journal_bytes: u64,
    /// Disk space that commits leave free, so that what is accepted can still be moved into tables. Those that only
    /// remove leave a quarter of it.
    pub reserve_bytes: u64,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, journal_bytes: 128 << 20, reserve_bytes: 256 << 20 }
    }
}

/// The durable engine of a cell on one machine.
pub struct FjallEngine {
    db: Database,
    regions: [Keyspace; Region::ALL.len()],
    reaper: Reaper,
    mark: Mark,
    marker: Marker,
    dir: PathBuf,
    commits: u64,
    reserve_bytes: u64,
    poisoned: bool,
    // Last, so that the directory is free only when the database is closed.
    _lock: File,
}

impl FjallEngine {
    /// Opens the store in `dir`, or makes one there.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        Self::open_with(dir, FjallOptions::default())
    }

    /// As [`FjallEngine::open`], with other limits.
    pub fn open_with(dir: &Path, options: FjallOptions) -> Result<Self, EngineError> {
        std::fs::create_dir_all(dir)?;
        let lock = lock(dir)?;
        let data = dir.join("data");
        let mark = Mark::open(&dir.join("commits.mark"))?;
        let marker = marker(dir, data.exists())?;
        let scan = journal::scan(&data, &marker)?;
        scan.check_against(mark.reached())?;
        if mark.reached().max(scan.last_commit()) > 0 {
            check_keyspaces(&data)?;
        }
        scan.drop_torn_tail()?;
        let db = Database::builder(&data)
            .cache_size(options.cache_bytes)
            .max_journaling_size(options.journal_bytes)
            // Nothing is written to the journal outside of `commit`, which says itself when to sync.
            .manual_journal_persist(true)
            .worker_threads(2)
            .open()
            .map_err(|error| at_open(error, dir))?;
        let open = |region| db.keyspace(name(region), || keyspace_options(region));
        let regions = [Region::State, Region::Index, Region::Log, Region::Large].map(open);
        let [state, index, log, large] = regions;
        let at = |keyspace: fjall::Result<_>| keyspace.map_err(|error| at_open(error, dir));
        let regions = [at(state)?, at(index)?, at(log)?, at(large)?];
        let mut engine = Self {
            db,
            regions,
            reaper: Reaper::start()?,
            mark,
            marker,
            dir: dir.to_owned(),
            commits: 0,
            reserve_bytes: options.reserve_bytes,
            poisoned: false,
            _lock: lock,
        };
        engine.commits = engine.stored_commits()?;
        let must_have = engine.mark.reached().max(scan.last_commit());
        if engine.commits < must_have {
            let what = format!("commits {} to {must_have} are not in {}", engine.commits + 1, data.display());
            return Err(EngineError::Damaged { what });
        }
        engine.mark.raise(engine.commits)?;
        Ok(engine)
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many batches were committed since the store was made.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Bytes on disk, journals included.
    pub fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.db.disk_space().map_err(|error| self.on_read(error))
    }

    /// Moves everything from memory into tables and waits for it; otherwise that happens by itself.
    pub fn flush_to_tables(&self) -> Result<(), EngineError> {
        for keyspace in &self.regions {
            keyspace.rotate_memtable_and_wait().map_err(|error| self.on_read(error))?;
        }
        Ok(())
    }

    fn stored_commits(&self) -> Result<u64, EngineError> {
        match self.get(&commit_chain_key())? {
            None => Ok(0),
            Some(value) => commit_number(&value, &self.marker)
                .ok_or_else(|| EngineError::Damaged { what: "the number of the last commit".to_owned() }),
        }
    }

    fn keyspace(&self, region: Region) -> &Keyspace {
        &self.regions[region as usize]
    }

    fn on_read(&self, error: fjall::Error) -> EngineError {
        match damage(&error) {
            Some(what) => EngineError::Damaged { what: format!("{what} in {}", self.dir.display()) },
            None => EngineError::Io(into_io(error)),
        }
    }

    fn iter(&self, region: Region, start: &[u8], end: &[u8]) -> fjall::Iter {
        self.keyspace(region).range(start..end)
    }
}

impl Engine for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.keyspace(Region::of(key)).get(key).map_err(|error| self.on_read(error))?;
        Ok(value.map(Bytes::from))
    }

    fn range(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if start >= end {
            return Ok(());
        }
        for region in Region::ALL {
            if region < Region::of(start) || region > Region::of(end) {
                continue;
            }
            for item in self.iter(region, start, end) {
                let (key, value) = item.into_inner().map_err(|error| self.on_read(error))?;
                if visit(&key, &value).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        if start >= end {
            return Ok(None);
        }
        for region in Region::ALL.into_iter().rev() {
            if region < Region::of(start) || region > Region::of(end) {
                continue;
            }
            if let Some(item) = self.iter(region, start, end).next_back() {
                let (key, value) = item.into_inner().map_err(|error| self.on_read(error))?;
                return Ok(Some((key.into(), value.into())));
            }
        }
        Ok(None)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), EngineError> {
        if self.poisoned {
            return Err(EngineError::Poisoned);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let free = free_bytes(&self.dir)?;
        // Removals are how a store makes room, and what takes little: they may use up most of the reserve.
        let reserve =
            if batch.only_deletes() { self.reserve_bytes / RESERVE_FOR_DELETES } else { self.reserve_bytes };
        if free < reserve.saturating_add(batch.size_bytes() as u64) {
            return Err(EngineError::Full);
        }
        let number = self.commits + 1;
        let mut write = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), batch.len() + 1)
            .durability(Some(PersistMode::SyncData));
        // First in the batch, so that even one whose end was never written tells its number.
        write.insert(
            self.keyspace(Region::State),
            Bytes::from(commit_chain_key()),
            commit_chain_value(number, &self.marker).to_vec(),
        );
        // In one fjall batch all changes of a key have the same age, so only the last may go in.
        for (key, change) in last_changes(batch) {
            let keyspace = &self.regions[Region::of(&key) as usize];
            match change {
                Change::Put(value) => write.insert(keyspace, key, value),
                Change::Delete => write.remove(keyspace, key),
            }
        }
        if let Err(error) = write.commit() {
            self.poisoned = true;
            return Err(EngineError::Unknown { what: error.to_string() });
        }
        self.commits = number;
        self.reaper.look(&self.regions);
        // The batch is durable whatever becomes of the mark; but a mark that stays behind would go unnoticed.
        self.mark.raise(number).map_err(|error| {
            self.poisoned = true;
            EngineError::Unknown { what: format!("the commit mark: {error}") }
        })
    }
}

impl std::fmt::Debug for FjallEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallEngine").field("dir", &self.dir).field("commits", &self.commits).finish()
    }
}

fn lock(dir: &Path) -> Result<File, EngineError> {
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(EngineError::Locked { dir: dir.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn name(region: Region) -> &'static str {
    match region {
        Region::State => "state",
        Region::Index => "index",
        Region::Log => "log",
        Region::Large => "large",
    }
}

fn keyspace_options(region: Region) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().manual_journal_persist(true);
    match region {
        // Existence is asked for every publish, nearly always of what is not there: the filters answer.
        Region::State | Region::Index => options.max_memtable_size(16 << 20),
        // Most entries are texts of a few hundred bytes, read as a range: they stay beside their keys. Larger
        // ones are written once and not moved by compaction.
        Region::Log => options
            .max_memtable_size(32 << 20)
            .with_kv_separation(Some(KvSeparationOptions::default().separation_threshold(1024))),
        Region::Large => options
            .max_memtable_size(16 << 20)
            .with_kv_separation(Some(KvSeparationOptions::default().separation_threshold(512))),
    }
}

/// The batch without changes that a later one of the same key undoes.
fn last_changes(batch: Batch) -> Vec<(Bytes, Change)> {
    let mut changes: Vec<_> = batch.into_iter().collect();
    // An overlay's batch is ascending already, each key once.
    if !changes.is_sorted_by(|(one, _), (next, _)| one < next) {
        changes.reverse();
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        changes.dedup_by(|(later, _), (first, _)| later == first);
    }
    changes
}

/// Whether all keyspaces are there. fjall takes one without its version file for unfinished and deletes it with all its
/// tables; but nothing is committed before all of them are finished.
fn check_keyspaces(data: &Path) -> Result<(), EngineError> {
    let mut finished = 0;
    for entry in std::fs::read_dir(data.join("keyspaces"))? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.join("current").try_exists()? {
                return Err(EngineError::Damaged { what: format!("{} has no version file", path.display()) });
            }
            finished += 1;
        }
    }
    // And fjall's own, of the names of the others.
    let expected = Region::ALL.len() + 1;
    if finished < expected {
        let what = format!("{finished} of {expected} keyspaces are left in {}", data.display());
        return Err(EngineError::Damaged { what });
    }
    Ok(())
}

fn commit_chain_key() -> Vec<u8> {
    keys::META.key(&(meta::COMMIT_CHAIN,)).to_vec()
}

fn commit_chain_value(number: u64, marker: &Marker) -> [u8; 24] {
    let mut value = [0; 24];
    value[..16].copy_from_slice(marker);
    value[16..].copy_from_slice(&number.to_be_bytes());
    value
}

fn commit_number(value: &[u8], marker: &Marker) -> Option<u64> {
    value.strip_prefix(marker)?.try_into().ok().map(u64::from_be_bytes)
}

/// Marks a commit's number, so that it can be found in a journal that does not parse. Made at random with the
/// store and never shown: entries are bytes of the clients' choice, and one that named the marker and a large
/// number could otherwise make a torn write look like damage.
type Marker = [u8; 16];

/// Reads the store's marker, or makes it with the store.
fn marker(dir: &Path, store_exists: bool) -> Result<Marker, EngineError> {
    let path = dir.join("commits.marker");
    match std::fs::read(&path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| EngineError::Damaged { what: format!("{} does not read", path.display()) }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !store_exists => {
            let mut marker = Marker::default();
            getrandom::fill(&mut marker).map_err(|error| std::io::Error::other(error.to_string()))?;
            // Under its name it is whole or not there: an empty one would be taken for damage for ever.
            let unfinished = dir.join("commits.marker.new");
            let file = File::create(&unfinished)?;
            std::io::Write::write_all(&mut &file, &marker)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            File::open(dir)?.sync_all()?;
            Ok(marker)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(EngineError::Damaged { what: format!("{} is missing", path.display()) })
        }
        Err(error) => Err(error.into()),
    }
}

/// The part of the reserve that removals leave free.
const RESERVE_FOR_DELETES: u64 = 4;

/// Bytes that a process without privileges may still write.
fn free_bytes(dir: &Path) -> Result<u64, EngineError> {
    let stat = rustix::fs::statvfs(dir).map_err(std::io::Error::from)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn at_open(error: fjall::Error, dir: &Path) -> EngineError {
    match error {
        fjall::Error::Locked => EngineError::Locked { dir: dir.to_owned() },
        error => match damage(&error) {
            Some(what) => EngineError::Damaged { what: format!("{what} in {}", dir.display()) },
            None => EngineError::Io(into_io(error)),
        },
    }
}

/// What is damaged, if that is what the error says.
fn damage(error: &fjall::Error) -> Option<String> {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match error {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => match io.kind() {
            NotFound => Some(format!("a file is missing ({io})")),
            UnexpectedEof => Some(format!("a file is too short ({io})")),
            InvalidData => Some(format!("a file does not read ({io})")),
            _ => None,
        },
        fjall::Error::Storage(error) => Some(format!("a table ({error})")),
        fjall::Error::JournalRecovery(error) => Some(format!("the journal ({error})")),
        error => Some(format!("the database ({error})")),
    }
}

fn into_io(error: fjall::Error) -> std::io::Error {
    match error {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => io,
        error => std::io::Error::other(error),
    }
}

//! An engine on a simulated disk that fails when it is told to: for the simulator and for crash tests.
//!
//! A [`SimDisk`] is the disk: a journal of encoded batches with checksums, which survives the engine. A
//! [`FaultyEngine`] is what a process makes of it: it replays the journal on opening, appends on commit, and is
//! gone (with everything volatile) when it is dropped, which is the crash. Faults are set on the disk from
//! outside, so a run is a function of its seed. The rules are those of the real engine: a torn tail that was
//! never acknowledged is dropped, everything else that does not read is [`EngineError::Damaged`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::{Batch, Change, Engine, EngineError, MemoryEngine};

/// What goes wrong in one commit. After each of them the engine is poisoned, as after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes before anything is written.
    CrashBefore,
    /// The power goes while the batch is written: this many bytes of it reach the disk, never all.
    Torn {
        /// Bytes that are written.
        written: usize,
    },
    /// The batch is durable, and the power goes before the caller hears of it.
    CrashAfter,
}

/// A simulated disk. Clones are handles to the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    journal: Vec<u8>,
    /// Up to here the journal survives a power cut. Behind the end only while the disk lies.
    synced: usize,
    /// Bytes of the journal whose batches were acknowledged and truly synced.
    acknowledged: usize,
    faults: BTreeMap<u64, Fault>,
    commits: u64,
    full: bool,
    /// Although full, there is room for removals.
    has_reserve: bool,
    lies: bool,
    open: bool,
    /// What the engine that works on the disk sees.
    view: Arc<RwLock<MemoryEngine>>,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store as a starting process does: after a power cut, if an engine was open before.
    pub fn open(&self) -> Result<FaultyEngine, EngineError> {
        let mut disk = self.lock();
        if disk.open {
            return Err(EngineError::Locked { dir: PathBuf::from("the simulated disk") });
        }
        let synced = disk.synced;
        disk.journal.truncate(synced);
        let (map, whole) = replay(&disk.journal)?;
        if whole < disk.acknowledged {
            let what = format!("the journal ends at byte {whole} of {}", disk.acknowledged);
            return Err(EngineError::Damaged { what });
        }
        disk.journal.truncate(whole);
        disk.synced = whole;
        disk.acknowledged = whole;
        disk.open = true;
        disk.view = Arc::new(RwLock::new(map));
        let view = Arc::clone(&disk.view);
        drop(disk);
        Ok(FaultyEngine { disk: self.clone(), view, poisoned: false })
    }

    /// Reads what the engine that is open sees, without being it: for checks from outside.
    pub fn peek<T>(&self, read: impl FnOnce(&MemoryEngine) -> T) -> T {
        let view = Arc::clone(&self.lock().view);
        let view = view.read().unwrap_or_else(PoisonError::into_inner);
        read(&view)
    }

    /// How many commits were tried so far.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Bytes of the journal.
    pub fn len(&self) -> usize {
        self.lock().journal.len()
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets the commit fail that follows after `later` others (0 is the next one).
    pub fn fail_commit(&self, later: u64, fault: Fault) {
        let mut disk = self.lock();
        let at = disk.commits + later;
        disk.faults.insert(at, fault);
    }

    /// Forgets all faults that have not struck yet.
    pub fn heal(&self) {
        let mut disk = self.lock();
        disk.faults.clear();
        disk.full = false;
    }

    /// Whether the disk has no room for more, not even for removals.
    pub fn set_full(&self, full: bool) {
        let mut disk = self.lock();
        disk.full = full;
        disk.has_reserve = false;
    }

    /// The disk has only room for batches of nothing but removals: what the real engine's reserve is for.
    pub fn set_full_but_for_the_reserve(&self) {
        let mut disk = self.lock();
        disk.full = true;
        disk.has_reserve = true;
    }

    /// A disk that lies reports a sync before it has happened, and then loses what it had acknowledged in the
    /// next crash without saying so. No engine can do anything about that: it is for proving that a test sees it.
    pub fn set_lying(&self, lies: bool) {
        self.lock().lies = lies;
    }

    /// Flips one bit of what is stored; the position is taken modulo the size.
    pub fn flip_bit(&self, position: u64) {
        let mut disk = self.lock();
        let bits = disk.journal.len() as u64 * 8;
        if bits > 0 {
            let bit = position % bits;
            disk.journal[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }

    /// Cuts this many bytes off the end of what is stored.
    pub fn cut_off(&self, bytes: usize) {
        let mut disk = self.lock();
        let len = disk.journal.len().saturating_sub(bytes);
        disk.journal.truncate(len);
        disk.synced = disk.synced.min(len);
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A deterministic engine on a [`SimDisk`]. Dropping it is a crash; nothing of it is written on the way out.
#[derive(Debug)]
pub struct FaultyEngine {
    disk: SimDisk,
    view: Arc<RwLock<MemoryEngine>>,
    poisoned: bool,
}

impl FaultyEngine {
    /// The disk that the engine works on.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Whether a fault has struck: the process that owns the engine is to be started anew.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn read(&self) -> RwLockReadGuard<'_, MemoryEngine> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), EngineError> {
        if self.poisoned { Err(EngineError::Poisoned) } else { Ok(()) }
    }
}

impl Engine for FaultyEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.check()?;
        self.read().get(key)
    }

    fn range(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        self.check()?;
        self.read().range(start, end, visit)
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        self.check()?;
        self.read().last(start, end)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), EngineError> {
        self.check()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut disk = self.disk.lock();
        let number = disk.commits;
        disk.commits += 1;
        if disk.full && !(batch.only_deletes() && disk.has_reserve) {
            return Err(EngineError::Full);
        }
        let record = encode(&batch);
        let (written, error) = match disk.faults.remove(&number) {
            None => (record.len(), None),
            Some(Fault::CrashBefore) => (0, Some("the power went before the write")),
            Some(Fault::Torn { written }) => {
                (written.min(record.len() - 1), Some("the power went during the write"))
            }
            Some(Fault::CrashAfter) => (record.len(), Some("the power went after the write")),
        };
        disk.journal.extend_from_slice(&record[..written]);
        let end = disk.journal.len();
        if !disk.lies {
            disk.synced = end;
        }
        match error {
            None => {
                if !disk.lies {
                    disk.acknowledged = end;
                }
                drop(disk);
                self.view.write().unwrap_or_else(PoisonError::into_inner).apply(batch);
                Ok(())
            }
            Some(what) => {
                drop(disk);
                self.poisoned = true;
                Err(EngineError::Unknown { what: what.to_owned() })
            }
        }
    }
}

impl Drop for FaultyEngine {
    fn drop(&mut self) {
        self.disk.lock().open = false;
    }
}

/// A batch as the disk holds it: length, checksum, then its changes.
fn encode(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::with_capacity(batch.size_bytes() + 9 * batch.len());
    for (key, change) in batch.iter() {
        let (tag, value): (u8, &[u8]) = match change {
            Change::Put(value) => (1, value),
            Change::Delete => (0, &[]),
        };
        body.push(tag);
        body.extend_from_slice(&(key.len() as u32).to_be_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(key);
        body.extend_from_slice(value);
    }
    let mut record = Vec::with_capacity(HEADER + body.len());
    record.extend_from_slice(&(body.len() as u32).to_be_bytes());
    record.extend_from_slice(&checksum(&body).to_be_bytes());
    record.extend_from_slice(&body);
    record
}

/// The state after all whole batches, and where they end. A batch whose bytes are all there but wrong is
/// damage; bytes that are missing at the end are a torn tail.
fn replay(journal: &[u8]) -> Result<(MemoryEngine, usize), EngineError> {
    let (mut map, mut position) = (MemoryEngine::new(), 0);
    while let Some(header) = journal.get(position..position + HEADER) {
        let len = u32::from_be_bytes(header[..4].try_into().expect("four bytes")) as usize;
        let Some(body) = journal.get(position + HEADER..position + HEADER + len) else { break };
        if checksum(body) != u64::from_be_bytes(header[4..].try_into().expect("eight bytes")) {
            let what = format!("the checksum of the batch at byte {position} does not match");
            return Err(EngineError::Damaged { what });
        }
        map.apply(decode(body));
        position += HEADER + len;
    }
    Ok((map, position))
}

fn decode(mut body: &[u8]) -> Batch {
    let mut batch = Batch::new();
    while let Some((&[tag, a, b, c, d, e, f, g, h], rest)) = body.split_first_chunk::<9>() {
        let key_len = u32::from_be_bytes([a, b, c, d]) as usize;
        let value_len = u32::from_be_bytes([e, f, g, h]) as usize;
        let (key, rest) = rest.split_at(key_len);
        let (value, rest) = rest.split_at(value_len);
        if tag == 1 {
            batch.put(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        } else {
            batch.delete(Bytes::copy_from_slice(key));
        }
        body = rest;
    }
    batch
}

/// FNV-1a over eight bytes at a time: sees every flipped bit, needs no library.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
    let mut chunks = bytes.chunks_exact(8);
    let mut sum = 0xCBF2_9CE4_8422_2325 ^ bytes.len() as u64;
    for chunk in &mut chunks {
        sum = step(sum, u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    chunks.remainder().iter().fold(sum, |sum, byte| step(sum, u64::from(*byte)))
}

const HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(engine: &mut FaultyEngine, key: &'static str, value: &'static str) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        batch.put(key, value);
        engine.commit(batch)
    }

    fn get(disk: &SimDisk, key: &str) -> Option<Bytes> {
        disk.open().unwrap().get(key.as_bytes()).unwrap()
    }

    #[test]
    fn a_crash_before_during_or_after_the_write_keeps_all_of_the_batch_or_nothing() {
        for (fault, there) in [
            (Fault::CrashBefore, false),
            (Fault::Torn { written: 7 }, false),
            (Fault::Torn { written: usize::MAX }, false),
            (Fault::CrashAfter, true),
        ] {
            let disk = SimDisk::new();
            let mut engine = disk.open().unwrap();
            put(&mut engine, "a", "1").unwrap();
            disk.fail_commit(0, fault);
            assert!(matches!(put(&mut engine, "b", "2"), Err(EngineError::Unknown { .. })));
            assert!(matches!(engine.get(b"a"), Err(EngineError::Poisoned)));
            drop(engine);
            assert_eq!(get(&disk, "a"), Some(Bytes::from("1")));
            assert_eq!(get(&disk, "b").is_some(), there, "{fault:?}");
            put(&mut disk.open().unwrap(), "c", "3").unwrap();
            assert_eq!(get(&disk, "c"), Some(Bytes::from("3")));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_missing_byte_of_acknowledged_data_is_reported() {
        let disk = SimDisk::new();
        let mut engine = disk.open().unwrap();
        put(&mut engine, "first", "value").unwrap();
        put(&mut engine, "second", "another value").unwrap();
        drop(engine);
        for bit in 0..disk.len() as u64 * 8 {
            disk.flip_bit(bit);
            assert!(matches!(disk.open(), Err(EngineError::Damaged { .. })), "bit {bit}");
            disk.flip_bit(bit);
        }
        assert_eq!(get(&disk, "second"), Some(Bytes::from("another value")));
        disk.cut_off(1);
        assert!(matches!(disk.open(), Err(EngineError::Damaged { .. })));
    }

    #[test]
    fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
        let disk = SimDisk::new();
        let mut engine = disk.open().unwrap();
        put(&mut engine, "a", "1").unwrap();
        disk.set_full(true);
        assert!(matches!(put(&mut engine, "b", "2"), Err(EngineError::Full)));
        assert_eq!(engine.get(b"a").unwrap(), Some(Bytes::from("1")));
        disk.set_full(false);
        put(&mut engine, "c", "3").unwrap();
        drop(engine);
        assert_eq!((get(&disk, "b"), get(&disk, "c")), (None, Some(Bytes::from("3"))));
    }

    #[test]
    fn a_lying_disk_loses_what_it_acknowledged() {
        let disk = SimDisk::new();
        disk.set_lying(true);
        let mut engine = disk.open().unwrap();
        put(&mut engine, "a", "1").unwrap();
        drop(engine);
        assert_eq!(get(&disk, "a"), None);
    }

    #[test]
    fn a_second_engine_on_the_disk_is_refused() {
        let disk = SimDisk::new();
        let engine = disk.open().unwrap();
        assert!(matches!(disk.open(), Err(EngineError::Locked { .. })));
        drop(engine);
        assert!(disk.open().is_ok());
    }
}

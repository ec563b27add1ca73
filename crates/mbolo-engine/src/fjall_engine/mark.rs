//! A small file that says how many commits the store must hold.
//!
//! Written after each commit is durable, so it is never ahead of the journal. The write goes to the operating
//! system at once (a killed process loses nothing of it) and to the disk about once a second by a thread of
//! its own, because a second sync on the way of every acknowledgement would double its latency. So after a
//! power cut the mark may be behind by a second of commits; within that second, damage to the journal's very
//! end cannot be told from a torn write that was never acknowledged.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use crate::EngineError;

/// The file, and the number in it.
pub struct Mark {
    file: File,
    reached: u64,
    synced: Instant,
    sync: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Mark {
    /// Reads the mark; makes the file if there is none, which says nothing about the store.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut slots = [0; 2 * SLOT];
        let read = read_all(&file, &mut slots)?;
        let numbers = [slot(&slots[..SLOT]), slot(&slots[SLOT..])];
        let reached = match numbers {
            [Some(one), Some(other)] => one.max(other),
            [Some(one), None] | [None, Some(one)] => one,
            [None, None] if read == 0 => 0,
            [None, None] => {
                let what = format!("the commit mark {} does not read", path.display());
                return Err(EngineError::Damaged { what });
            }
        };
        let background = file.try_clone()?;
        let (sender, receiver) = sync_channel::<()>(1);
        let thread = std::thread::Builder::new().name("mbolo-mark".to_owned()).spawn(move || {
            while receiver.recv().is_ok() {
                // A failure shows again in the next commit's own sync of the same disk.
                let _ = background.sync_data();
            }
            let _ = background.sync_data();
        })?;
        Ok(Self { file, reached, synced: Instant::now(), sync: Some((sender, thread)) })
    }

    /// The number of commits that are known to be durable.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Notes that this many commits are durable.
    pub fn raise(&mut self, commits: u64) -> std::io::Result<()> {
        if commits <= self.reached {
            return Ok(());
        }
        let mut bytes = [0; SLOT];
        bytes[..8].copy_from_slice(&commits.to_be_bytes());
        bytes[8..].copy_from_slice(&xxh3_64(&commits.to_be_bytes()).to_be_bytes());
        // Two slots in turn, so that a torn write leaves the other.
        self.file.write_all_at(&bytes, (commits % 2) * SLOT as u64)?;
        self.reached = commits;
        if self.synced.elapsed() >= SYNC_EVERY
            && let Some((sender, _)) = &self.sync
        {
            // If the last sync still runs, the next commit asks again.
            if sender.try_send(()).is_ok() {
                self.synced = Instant::now();
            }
        }
        Ok(())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.sync.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn slot(bytes: &[u8]) -> Option<u64> {
    let (number, sum) = bytes.split_at(8);
    let sum = u64::from_be_bytes(sum.try_into().ok()?);
    (xxh3_64(number) == sum).then(|| number.try_into().ok().map(u64::from_be_bytes))?
}

fn read_all(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::new(error.kind(), error)),
        }
    }
    Ok(read)
}

/// A number and its checksum.
const SLOT: usize = 16;

/// How often the mark reaches the disk: the window in which it can be behind, against a sync on the same disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_survives_and_a_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = Mark::open(&path).unwrap();
        assert_eq!(mark.reached(), 0);
        for commits in 1..=5 {
            mark.raise(commits).unwrap();
        }
        drop(mark);
        assert_eq!(Mark::open(&path).unwrap().reached(), 5);
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xAA; 4], SLOT as u64).unwrap();
        assert_eq!(Mark::open(&path).unwrap().reached(), 4);
        file.write_all_at(&[0xAA; 4], 0).unwrap();
        assert!(matches!(Mark::open(&path), Err(EngineError::Damaged { .. })));
    }
}

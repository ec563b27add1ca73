//! Batches that the collector does not have yet, oldest first.
//!
//! With a folder, each is a file there, put in place in one step, so that a crash loses nothing and half a file is
//! never sent. A disk that is full costs only this: what waits then lives in memory.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::ProbeError;

/// A file that is larger was not written here.
const MAX_BATCH_BYTES: u64 = 1 << 20;

const EXTENSION: &str = "json";

/// A batch that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When its round began, Unix milliseconds.
    pub at_ms: i64,
    /// The bytes that are signed and sent.
    pub body: Vec<u8>,
    file: Option<PathBuf>,
}

/// What waits.
#[derive(Debug)]
pub struct Queue {
    folder: Option<PathBuf>,
    limit: usize,
    waiting: VecDeque<Waiting>,
}

impl Queue {
    /// Opens the folder, made if need be, and takes up what waits in it. `limit`: batches; more than that push the
    /// oldest out.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: Option<PathBuf>, limit: usize) -> Result<Self, ProbeError> {
        let mut queue = Self { folder, limit: limit.max(1), waiting: VecDeque::new() };
        if let Some(folder) = &queue.folder {
            let found = read_folder(folder)
                .map_err(|error| ProbeError::File { path: folder.display().to_string(), error })?;
            queue.waiting.extend(found);
        }
        queue.drop_surplus();
        Ok(queue)
    }

    /// Adds the newest. It is kept in memory if it cannot be written; the error is for the log.
    pub fn push(&mut self, at_ms: i64, body: Vec<u8>) -> io::Result<()> {
        // The time names the file: two rounds in one millisecond, or a clock that was set back, must not share it.
        let at_ms = self.waiting.back().map_or(at_ms, |newest| at_ms.max(newest.at_ms + 1));
        let written = match &self.folder {
            Some(folder) => write(folder, at_ms, &body).map(Some),
            None => Ok(None),
        };
        let (file, result) = match written {
            Ok(file) => (file, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.waiting.push_back(Waiting { at_ms, body, file });
        self.drop_surplus();
        result
    }

    /// The oldest.
    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Takes the oldest away: the collector has it, or will never want it.
    pub fn pop(&mut self) {
        if let Some(Waiting { file: Some(file), .. }) = self.waiting.pop_front() {
            // If it stays, it is sent once more after a restart, which does no harm.
            let _ = std::fs::remove_file(file);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    fn drop_surplus(&mut self) {
        while self.waiting.len() > self.limit {
            self.pop();
        }
    }
}

fn read_folder(folder: &Path) -> io::Result<Vec<Waiting>> {
    std::fs::create_dir_all(folder)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.path();
        let at_ms = file.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let named_so = file.extension().is_some_and(|extension| extension == EXTENSION);
        if let (Some(at_ms), true) = (at_ms, named_so && entry.metadata()?.len() <= MAX_BATCH_BYTES) {
            found.push(Waiting { at_ms, body: std::fs::read(&file)?, file: Some(file) });
        }
    }
    found.sort_by_key(|waiting| waiting.at_ms);
    Ok(found)
}

fn write(folder: &Path, at_ms: i64, body: &[u8]) -> io::Result<PathBuf> {
    let path = folder.join(format!("{at_ms:015}.{EXTENSION}"));
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(body)?;
    file.sync_all()?;
    std::fs::rename(&beside, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(queue: &mut Queue) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| {
            let body = queue.front()?.body.clone();
            queue.pop();
            Some(body)
        })
        .collect()
    }

    #[test]
    fn what_waits_survives_a_restart_in_order_and_what_was_taken_does_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let mut queue = Queue::open(Some(path.clone()), 10).unwrap();
        for at_ms in [300, 1_000, 2_000] {
            queue.push(at_ms, format!("batch {at_ms}").into_bytes()).unwrap();
        }
        queue.pop();
        drop(queue);
        std::fs::write(path.join("000000000000400.new"), "half").unwrap();
        let mut queue = Queue::open(Some(path.clone()), 10).unwrap();
        assert_eq!(bodies(&mut queue), [b"batch 1000", b"batch 2000"]);
        assert_eq!(Queue::open(Some(path), 10).unwrap().len(), 0);
    }

    #[test]
    fn the_oldest_gives_way_when_the_queue_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(Some(folder.path().into()), 2).unwrap();
        for at_ms in [1, 2, 3] {
            queue.push(at_ms, vec![at_ms as u8]).unwrap();
        }
        assert_eq!(queue.len(), 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(bodies(&mut queue), [[2], [3]]);
    }

    #[test]
    fn batches_of_one_millisecond_and_of_a_clock_set_back_are_all_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(Some(folder.path().into()), 10).unwrap();
        for (at_ms, body) in [(5, 1), (5, 2), (3, 3)] {
            queue.push(at_ms, vec![body]).unwrap();
        }
        drop(queue);
        let mut queue = Queue::open(Some(folder.path().into()), 10).unwrap();
        assert_eq!(bodies(&mut queue), [[1], [2], [3]]);
    }

    #[test]
    fn a_disk_that_takes_nothing_leaves_the_batch_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let mut queue = Queue::open(Some(path.clone()), 2).unwrap();
        std::fs::remove_dir(&path).unwrap();
        assert!(queue.push(1, vec![1]).is_err());
        assert_eq!(bodies(&mut queue), [[1]]);
    }
}

//! Frees flushed memtables where nobody waits for it.
//!
//! fjall lets go of a memtable under the lock that every read and write takes, and to free its hundred thousand keys
//! takes 50 to 100 ms: the 99th percentile of a cell at half its load was 75 ms, and is a fifth of that without. So
//! the engine holds each memtable too, until nobody else does, and a thread of its own frees it.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use fjall::{AbstractTree, Keyspace};

use crate::EngineError;

type Memtable = Arc<dyn Any + Send + Sync>;

/// The memtables of all keyspaces, and the thread that frees them.
pub struct Reaper {
    held: Vec<Memtable>,
    free: Option<(Sender<Memtable>, JoinHandle<()>)>,
}

impl Reaper {
    /// Starts its thread.
    pub fn start() -> Result<Self, EngineError> {
        let (sender, receiver) = channel::<Memtable>();
        let thread = std::thread::Builder::new()
            .name("mbolo-reaper".to_owned())
            .spawn(move || receiver.into_iter().for_each(drop))?;
        Ok(Self { held: Vec::new(), free: Some((sender, thread)) })
    }

    /// Takes hold of new memtables and lets go of those that only it holds. Due after each commit: a memtable is
    /// replaced when a commit has filled it.
    pub fn look(&mut self, keyspaces: &[Keyspace]) {
        for keyspace in keyspaces {
            let active: Memtable = keyspace.tree.active_memtable();
            if !self.held.iter().any(|held| Arc::ptr_eq(held, &active)) {
                self.held.push(active);
            }
        }
        let Some((free, _)) = &self.free else { return };
        for memtable in self.held.extract_if(.., |memtable| Arc::strong_count(memtable) == 1) {
            // It fails only when the thread is gone, and then frees here.
            let _ = free.send(memtable);
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.held.clear();
        if let Some((sender, thread)) = self.free.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Batch, Engine, FjallEngine, keys};

    #[test]
    fn a_memtable_is_held_while_it_is_used_and_given_to_the_thread_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let mut engine = FjallEngine::open(folder.path()).unwrap();
        let write = |engine: &mut FjallEngine| {
            let mut batch = Batch::new();
            batch.put(keys::META.key(&(b'x',)).to_vec(), vec![1]);
            engine.commit(batch).unwrap();
        };
        write(&mut engine);
        let active = engine.reaper.held.len();
        assert_eq!(active, engine.regions.len(), "one of each keyspace");
        for _ in 0..20 {
            engine.flush_to_tables().unwrap();
            write(&mut engine);
        }
        assert!(engine.reaper.held.len() <= 2 * active, "what was flushed is let go of");
    }
}

//! What can go wrong in a store, by what the operator can do about it.

use std::path::PathBuf;

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No room for the batch. Nothing of it was kept; reads go on, and so do writes once there is room.
    #[error("the disk is full: free some space; until then nothing new is accepted")]
    Full,
    /// Another process works on this directory.
    #[error("another process already uses the store in {}: stop it, or choose another directory", dir.display())]
    Locked {
        /// The directory of the store.
        dir: PathBuf,
    },
    /// The store does not hold what was once acknowledged. It is left as it is.
    #[error("the store is damaged: {what}; nothing was changed: restore a backup, or salvage a copy of it")]
    Damaged {
        /// What is damaged, and where.
        what: String,
    },
    /// A commit failed so that nobody knows whether its batch is durable. The engine is poisoned from here on.
    #[error("a write failed halfway ({what}): start again to see what was kept")]
    Unknown {
        /// What failed.
        what: String,
    },
    /// An earlier call ended in [`EngineError::Unknown`] or [`EngineError::Damaged`].
    #[error("the store was given up after an earlier error: start again")]
    Poisoned,
    /// The operating system refused something; nothing was changed.
    #[error("the store cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

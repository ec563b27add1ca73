//! Where a cell keeps what it must not forget: ordered byte keys, one writer, atomic durable batches.
//!
//! The cell core knows only [`Engine`]. It collects the changes of a batch of events in an [`Overlay`], reads
//! its own changes back through it, and commits them at once; what it sends leaves after that. The invariant
//! that everything above stands on: **when [`Engine::commit`] returns `Ok`, the whole batch survives a power
//! cut; when it returns an error other than [`EngineError::Unknown`], none of it is there, now or later.**
//!
//! * [`keys`] is the one place that says which tables exist and how their keys are laid out.
//! * `FjallEngine` (feature `fjall`) is the embedded default: one process, one directory.
//! * [`MemoryEngine`] is for tests that need no faults, [`FaultyEngine`] for those that do.
//! * [`conformance`] is the suite that every engine passes.

#![allow(clippy::type_complexity, reason = "the callback of `range` says more written out than under a name")]

mod batch;
pub mod conformance;
mod error;
mod faulty;
#[cfg(feature = "fjall")]
mod fjall_engine;
pub mod keys;
mod memory;
mod overlay;

use std::ops::ControlFlow;

use bytes::Bytes;

pub use batch::{Batch, Change};
pub use error::EngineError;
pub use faulty::{Fault, FaultyEngine, SimDisk};
#[cfg(feature = "fjall")]
pub use fjall_engine::{FjallEngine, FjallOptions};
pub use memory::MemoryEngine;
pub use overlay::{Overlay, Transaction};

/// A store with ordered byte keys and one writer.
pub trait Engine {
    /// The value under `key`, if any.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits the keys of `[start, end)` in ascending order until `visit` breaks.
    fn range(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError>;

    /// The last key of `[start, end)` and its value, if any.
    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError>;

    /// Makes the batch durable, whole or not at all. An empty batch costs nothing.
    ///
    /// After [`EngineError::Unknown`] nobody knows whether the batch is there; the engine then refuses all
    /// further calls with [`EngineError::Poisoned`], and the process must open the store anew to find out.
    fn commit(&mut self, batch: Batch) -> Result<(), EngineError>;
}

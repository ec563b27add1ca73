//! Changes that are not committed yet, laid over an engine so that later reads see them.
//!
//! An [`Overlay`] owns only the changes; each read names the engine below. So the cell can keep one as a field
//! beside its engine, fill it while it applies a batch of events, and hand it over with
//! `engine.commit(overlay.take_batch())`. Dropping or clearing it undoes everything since the last commit.
//! A [`Transaction`] is the same thing with the engine borrowed, for code that does one thing and ends.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use crate::{Batch, Change, Engine, EngineError};

/// Pending changes over an engine. Ordered, because ranges read it as often as single keys do.
#[derive(Debug, Default)]
pub struct Overlay {
    changes: BTreeMap<Bytes, Change>,
}

impl Overlay {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.insert(key.into(), Change::Put(value.into()));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.changes.insert(key.into(), Change::Delete);
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many keys are changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        self.changes.clear();
    }

    /// The changes, keys ascending, each once. The overlay is empty afterwards.
    pub fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.changes).into_iter().collect()
    }

    /// The value under `key`: the pending one, else the engine's.
    pub fn get<E: Engine + ?Sized>(&self, engine: &E, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.changes.get(key) {
            Some(Change::Put(value)) => Ok(Some(value.clone())),
            Some(Change::Delete) => Ok(None),
            None => engine.get(key),
        }
    }

    /// Visits the keys of `[start, end)` in ascending order until `visit` breaks, pending ones included.
    pub fn range<E: Engine + ?Sized>(
        &self,
        engine: &E,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if start >= end {
            return Ok(());
        }
        let mut pending =
            self.changes.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))).peekable();
        if pending.peek().is_none() {
            return engine.range(start, end, visit);
        }
        let mut stopped = false;
        engine.range(start, end, &mut |key, value| {
            while let Some((own, change)) = pending.next_if(|(own, _)| own.as_ref() < key) {
                if let Change::Put(value) = change
                    && visit(own, value).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
            }
            let flow = match pending.next_if(|(own, _)| own.as_ref() == key) {
                Some((_, Change::Put(own))) => visit(key, own),
                Some((_, Change::Delete)) => ControlFlow::Continue(()),
                None => visit(key, value),
            };
            stopped = flow.is_break();
            flow
        })?;
        if !stopped {
            for (own, change) in pending {
                if let Change::Put(value) = change
                    && visit(own, value).is_break()
                {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The last key of `[start, end)` and its value, pending ones included.
    pub fn last<E: Engine + ?Sized>(
        &self,
        engine: &E,
        start: &[u8],
        end: &[u8],
    ) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        if start >= end {
            return Ok(None);
        }
        let own =
            self.changes.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))).rev().find_map(
                |(key, change)| match change {
                    Change::Put(value) => Some((key.clone(), value.clone())),
                    Change::Delete => None,
                },
            );
        // The engine's last key may be one that is pending to be deleted: then the one before it counts.
        let mut end = Bytes::copy_from_slice(end);
        loop {
            let stored = engine.last(start, &end)?;
            match (&own, stored) {
                (Some(own), Some(stored)) if own.0 >= stored.0 => return Ok(Some(own.clone())),
                (_, Some(stored)) if self.changes.get(&stored.0) == Some(&Change::Delete) => end = stored.0,
                (_, Some(stored)) => return Ok(Some(stored)),
                (_, None) => return Ok(own),
            }
        }
    }
}

/// An [`Overlay`] together with the engine it lies over.
#[derive(Debug)]
pub struct Transaction<'e, E: ?Sized> {
    engine: &'e E,
    overlay: Overlay,
}

impl<'e, E: Engine + ?Sized> Transaction<'e, E> {
    /// A transaction without changes.
    pub fn new(engine: &'e E) -> Self {
        Self { engine, overlay: Overlay::new() }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.overlay.put(key, value);
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.overlay.delete(key);
    }

    /// See [`Overlay::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.overlay.get(self.engine, key)
    }

    /// See [`Overlay::range`].
    pub fn range(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        self.overlay.range(self.engine, start, end, visit)
    }

    /// See [`Overlay::last`].
    pub fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        self.overlay.last(self.engine, start, end)
    }

    /// The changes, for [`Engine::commit`].
    pub fn into_batch(mut self) -> Batch {
        self.overlay.take_batch()
    }
}

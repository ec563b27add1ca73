//! An engine that keeps everything in memory and never fails: for tests that are about something else.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use crate::{Batch, Change, Engine, EngineError};

/// Deterministic, volatile, faultless.
#[derive(Debug, Clone, Default)]
pub struct MemoryEngine {
    map: BTreeMap<Bytes, Bytes>,
}

impl MemoryEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn apply(&mut self, batch: Batch) {
        for (key, change) in batch {
            match change {
                Change::Put(value) => drop(self.map.insert(key, value)),
                Change::Delete => drop(self.map.remove(&key)),
            }
        }
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.map.get(key).cloned())
    }

    fn range(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if start < end {
            for (key, value) in self.map.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        if start >= end {
            return Ok(None);
        }
        let mut range = self.map.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
        Ok(range.next_back().map(|(key, value)| (key.clone(), value.clone())))
    }

    fn commit(&mut self, batch: Batch) -> Result<(), EngineError> {
        self.apply(batch);
        Ok(())
    }
}

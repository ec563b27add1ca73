//! A list of changes that become durable together.

use bytes::Bytes;

/// What happens to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key has this value from now on.
    Put(Bytes),
    /// The key is gone.
    Delete,
}

/// Changes for one [`commit`](crate::Engine::commit). If a key is there twice, its last change counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<(Bytes, Change)>,
}

impl Batch {
    /// Whether nothing is written but that keys are gone.
    pub fn only_deletes(&self) -> bool {
        self.changes.iter().all(|(_, change)| *change == Change::Delete)
    }

    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push((key.into(), Change::Put(value.into())));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.changes.push((key.into(), Change::Delete));
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Change)> {
        self.changes.iter().map(|(key, change)| (key.as_ref(), change))
    }

    /// Keys and values together, in bytes: what a journal has to write at least.
    pub fn size_bytes(&self) -> usize {
        let size = |change: &Change| if let Change::Put(value) = change { value.len() } else { 0 };
        self.changes.iter().map(|(key, change)| key.len() + size(change)).sum()
    }
}

impl IntoIterator for Batch {
    type Item = (Bytes, Change);
    type IntoIter = std::vec::IntoIter<(Bytes, Change)>;
    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

impl FromIterator<(Bytes, Change)> for Batch {
    fn from_iter<I: IntoIterator<Item = (Bytes, Change)>>(changes: I) -> Self {
        Self { changes: changes.into_iter().collect() }
    }
}

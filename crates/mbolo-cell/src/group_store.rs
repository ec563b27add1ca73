//! OpenMLS' storage of one public group, as a handful of values that the cell puts into its own transaction.
//!
//! OpenMLS writes through a shared reference whenever it likes; the cell writes once, with everything else that
//! belongs to the commit. So this provider only collects. Proposals are not kept: a bundle brings its own.
//! Values are CBOR, because OpenMLS' types need a format that describes itself.

use std::cell::RefCell;
use std::collections::BTreeMap;

use openmls_traits::public_storage::PublicStorageProvider;
use openmls_traits::storage::{CURRENT_VERSION, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The stored values of one group, by name.
#[derive(Debug, Default)]
pub(crate) struct GroupStore {
    values: RefCell<BTreeMap<&'static str, Vec<u8>>>,
}

/// A value that does not encode or decode.
#[derive(Debug, thiserror::Error)]
#[error("the stored group's {name}: {error}")]
pub(crate) struct GroupStoreError {
    name: &'static str,
    error: String,
}

/// The names under which a group's values are stored.
pub(crate) const NAMES: [&str; 4] = [TREE, CONTEXT, TAG, TRANSCRIPT];

const TREE: &str = "tree";
const CONTEXT: &str = "context";
const TAG: &str = "confirmation tag";
const TRANSCRIPT: &str = "interim transcript hash";

impl GroupStore {
    pub fn insert(&self, name: &'static str, value: Vec<u8>) {
        self.values.borrow_mut().insert(name, value);
    }

    /// What was written.
    pub fn into_values(self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        self.values.into_inner().into_iter()
    }

    fn write(&self, name: &'static str, value: &impl Serialize) -> Result<(), GroupStoreError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes)
            .map_err(|error| GroupStoreError { name, error: error.to_string() })?;
        self.insert(name, bytes);
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, GroupStoreError> {
        match self.values.borrow().get(name) {
            Some(bytes) => ciborium::from_reader(bytes.as_slice())
                .map(Some)
                .map_err(|error| GroupStoreError { name, error: error.to_string() }),
            None => Ok(None),
        }
    }

    fn remove(&self, name: &'static str) {
        self.values.borrow_mut().remove(name);
    }
}

const V: u16 = CURRENT_VERSION;

impl PublicStorageProvider<V> for GroupStore {
    type PublicError = GroupStoreError;

    fn write_tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(
        &self,
        _group: &G,
        tree: &T,
    ) -> Result<(), GroupStoreError> {
        self.write(TREE, tree)
    }

    fn write_interim_transcript_hash<G: traits::GroupId<V>, T: traits::InterimTranscriptHash<V>>(
        &self,
        _group: &G,
        hash: &T,
    ) -> Result<(), GroupStoreError> {
        self.write(TRANSCRIPT, hash)
    }

    fn write_context<G: traits::GroupId<V>, T: traits::GroupContext<V>>(
        &self,
        _group: &G,
        context: &T,
    ) -> Result<(), GroupStoreError> {
        self.write(CONTEXT, context)
    }

    fn write_confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _group: &G,
        tag: &T,
    ) -> Result<(), GroupStoreError> {
        self.write(TAG, tag)
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        _group: &G,
        _reference: &R,
        _proposal: &T,
    ) -> Result<(), GroupStoreError> {
        Ok(())
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        _group: &G,
    ) -> Result<Vec<(R, T)>, GroupStoreError> {
        Ok(Vec::new())
    }

    fn tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(
        &self,
        _group: &G,
    ) -> Result<Option<T>, GroupStoreError> {
        self.read(TREE)
    }

    fn group_context<G: traits::GroupId<V>, T: traits::GroupContext<V>>(
        &self,
        _group: &G,
    ) -> Result<Option<T>, GroupStoreError> {
        self.read(CONTEXT)
    }

    fn interim_transcript_hash<G: traits::GroupId<V>, T: traits::InterimTranscriptHash<V>>(
        &self,
        _group: &G,
    ) -> Result<Option<T>, GroupStoreError> {
        self.read(TRANSCRIPT)
    }

    fn confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _group: &G,
    ) -> Result<Option<T>, GroupStoreError> {
        self.read(TAG)
    }

    fn delete_tree<G: traits::GroupId<V>>(&self, _group: &G) -> Result<(), GroupStoreError> {
        self.remove(TREE);
        Ok(())
    }

    fn delete_confirmation_tag<G: traits::GroupId<V>>(&self, _group: &G) -> Result<(), GroupStoreError> {
        self.remove(TAG);
        Ok(())
    }

    fn delete_context<G: traits::GroupId<V>>(&self, _group: &G) -> Result<(), GroupStoreError> {
        self.remove(CONTEXT);
        Ok(())
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<V>>(
        &self,
        _group: &G,
    ) -> Result<(), GroupStoreError> {
        self.remove(TRANSCRIPT);
        Ok(())
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _group: &G,
        _reference: &R,
    ) -> Result<(), GroupStoreError> {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _group: &G,
    ) -> Result<(), GroupStoreError> {
        Ok(())
    }
}

//! OpenMLS' storage as one table of the profile's database.
//!
//! A key is a label, the CBOR of OpenMLS' own key and, for lists, an index; a value is CBOR, because OpenMLS'
//! types need a format that describes itself. Nothing here commits: the engine's transaction does.

use std::sync::atomic::{AtomicBool, Ordering};

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

const V: u16 = CURRENT_VERSION;

/// OpenMLS' view of the database.
#[derive(Debug)]
pub struct MlsStorage<'a> {
    /// The profile's database.
    pub db: &'a Connection,
    /// Raised when the database refuses.
    pub failed: &'a AtomicBool,
}

/// A value of OpenMLS could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum MlsStorageError {
    /// The database refused.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// A value does not encode or decode.
    #[error("a stored MLS value does not read back: {0}")]
    Codec(String),
}

type Outcome<T> = Result<T, MlsStorageError>;

impl MlsStorage<'_> {
    fn put(&self, label: &str, key: &impl Serialize, value: &(impl Serialize + ?Sized)) -> Outcome<()> {
        let (key, value) = (encode(key)?, encode(value)?);
        self.noted(|| {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO mls (label, key, value) VALUES (?1, ?2, ?3)")?
                .execute((label, key, value))
        })?;
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, label: &str, key: &impl Serialize) -> Outcome<Option<T>> {
        let key = encode(key)?;
        let value: Option<Vec<u8>> = self.noted(|| {
            self.db
                .prepare_cached("SELECT value FROM mls WHERE label = ?1 AND key = ?2")?
                .query_row((label, key), |row| row.get(0))
                .optional()
        })?;
        value.map(|bytes| decode(&bytes)).transpose()
    }

    fn drop_value(&self, label: &str, key: &impl Serialize) -> Outcome<()> {
        let key = encode(key)?;
        self.noted(|| {
            self.db.prepare_cached("DELETE FROM mls WHERE label = ?1 AND key = ?2")?.execute((label, key))
        })?;
        Ok(())
    }

    fn noted<T>(&self, operation: impl FnOnce() -> rusqlite::Result<T>) -> Outcome<T> {
        operation().map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            MlsStorageError::Database(error)
        })
    }

    /// A list is one value: OpenMLS' lists (own leaf nodes, proposals of an epoch) are short.
    fn list(&self, label: &str, key: &impl Serialize) -> Outcome<Vec<Vec<u8>>> {
        Ok(self.get(label, key)?.unwrap_or_default())
    }
}

fn encode(value: &(impl Serialize + ?Sized)) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|e| MlsStorageError::Codec(e.to_string()))?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Outcome<T> {
    ciborium::from_reader(bytes).map_err(|e| MlsStorageError::Codec(e.to_string()))
}

macro_rules! write_value {
    ($name:ident, $label:literal, $key:ident, $value:ident) => {
        fn $name<K: traits::$key<V>, T: traits::$value<V>>(&self, key: &K, value: &T) -> Outcome<()> {
            self.put($label, key, value)
        }
    };
}

macro_rules! read_value {
    ($name:ident, $label:literal, $key:ident, $value:ident) => {
        fn $name<K: traits::$key<V>, T: traits::$value<V>>(&self, key: &K) -> Outcome<Option<T>> {
            self.get($label, key)
        }
    };
}

/// Some methods of the trait name the value's type before the key's.
macro_rules! read_value_first {
    ($name:ident, $label:literal, $key:ident, $value:ident) => {
        fn $name<T: traits::$value<V>, K: traits::$key<V>>(&self, key: &K) -> Outcome<Option<T>> {
            self.get($label, key)
        }
    };
}

macro_rules! delete_value {
    ($name:ident, $label:literal, $key:ident) => {
        fn $name<K: traits::$key<V>>(&self, key: &K) -> Outcome<()> {
            self.drop_value($label, key)
        }
    };
}

impl StorageProvider<V> for MlsStorage<'_> {
    type Error = MlsStorageError;

    write_value!(write_mls_join_config, "join_config", GroupId, MlsGroupJoinConfig);
    read_value!(mls_group_join_config, "join_config", GroupId, MlsGroupJoinConfig);
    delete_value!(delete_group_config, "join_config", GroupId);

    write_value!(write_tree, "tree", GroupId, TreeSync);
    read_value!(tree, "tree", GroupId, TreeSync);
    delete_value!(delete_tree, "tree", GroupId);

    write_value!(write_interim_transcript_hash, "interim_transcript_hash", GroupId, InterimTranscriptHash);
    read_value!(interim_transcript_hash, "interim_transcript_hash", GroupId, InterimTranscriptHash);
    delete_value!(delete_interim_transcript_hash, "interim_transcript_hash", GroupId);

    write_value!(write_context, "context", GroupId, GroupContext);
    read_value!(group_context, "context", GroupId, GroupContext);
    delete_value!(delete_context, "context", GroupId);

    write_value!(write_confirmation_tag, "confirmation_tag", GroupId, ConfirmationTag);
    read_value!(confirmation_tag, "confirmation_tag", GroupId, ConfirmationTag);
    delete_value!(delete_confirmation_tag, "confirmation_tag", GroupId);

    write_value!(write_message_secrets, "message_secrets", GroupId, MessageSecrets);
    read_value!(message_secrets, "message_secrets", GroupId, MessageSecrets);
    delete_value!(delete_message_secrets, "message_secrets", GroupId);

    write_value!(write_resumption_psk_store, "resumption_psks", GroupId, ResumptionPskStore);
    read_value!(resumption_psk_store, "resumption_psks", GroupId, ResumptionPskStore);
    delete_value!(delete_all_resumption_psk_secrets, "resumption_psks", GroupId);

    write_value!(write_own_leaf_index, "own_leaf_index", GroupId, LeafNodeIndex);
    read_value!(own_leaf_index, "own_leaf_index", GroupId, LeafNodeIndex);
    delete_value!(delete_own_leaf_index, "own_leaf_index", GroupId);

    write_value!(write_group_epoch_secrets, "epoch_secrets", GroupId, GroupEpochSecrets);
    read_value!(group_epoch_secrets, "epoch_secrets", GroupId, GroupEpochSecrets);
    delete_value!(delete_group_epoch_secrets, "epoch_secrets", GroupId);

    fn write_group_state<T: traits::GroupState<V>, K: traits::GroupId<V>>(
        &self,
        group: &K,
        state: &T,
    ) -> Outcome<()> {
        self.put("group_state", group, state)
    }
    read_value_first!(group_state, "group_state", GroupId, GroupState);
    delete_value!(delete_group_state, "group_state", GroupId);

    write_value!(write_signature_key_pair, "signature_keys", SignaturePublicKey, SignatureKeyPair);
    read_value!(signature_key_pair, "signature_keys", SignaturePublicKey, SignatureKeyPair);
    delete_value!(delete_signature_key_pair, "signature_keys", SignaturePublicKey);

    write_value!(write_encryption_key_pair, "encryption_keys", EncryptionKey, HpkeKeyPair);
    read_value_first!(encryption_key_pair, "encryption_keys", EncryptionKey, HpkeKeyPair);
    delete_value!(delete_encryption_key_pair, "encryption_keys", EncryptionKey);

    write_value!(write_key_package, "key_package", HashReference, KeyPackage);
    read_value!(key_package, "key_package", HashReference, KeyPackage);
    delete_value!(delete_key_package, "key_package", HashReference);

    write_value!(write_psk, "psk", PskId, PskBundle);
    read_value_first!(psk, "psk", PskId, PskBundle);
    delete_value!(delete_psk, "psk", PskId);

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        K: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
        key_pairs: &[K],
    ) -> Outcome<()> {
        self.put("epoch_keys", &(group, epoch, leaf_index), key_pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        K: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Outcome<Vec<K>> {
        Ok(self.get("epoch_keys", &(group, epoch, leaf_index))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Outcome<()> {
        self.drop_value("epoch_keys", &(group, epoch, leaf_index))
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, L: traits::LeafNode<V>>(
        &self,
        group: &G,
        leaf: &L,
    ) -> Outcome<()> {
        let mut leaves = self.list("own_leaves", group)?;
        leaves.push(encode(leaf)?);
        self.put("own_leaves", group, &leaves)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, L: traits::LeafNode<V>>(&self, group: &G) -> Outcome<Vec<L>> {
        self.list("own_leaves", group)?.iter().map(|bytes| decode(bytes)).collect()
    }

    delete_value!(delete_own_leaf_nodes, "own_leaves", GroupId);

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        group: &G,
        reference: &R,
        proposal: &Q,
    ) -> Outcome<()> {
        let mut references = self.list("proposal_refs", group)?;
        let reference_bytes = encode(reference)?;
        if !references.contains(&reference_bytes) {
            references.push(reference_bytes);
        }
        self.put("proposal_refs", group, &references)?;
        self.put("proposal", &(group, reference), proposal)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
    ) -> Outcome<Vec<R>> {
        self.list("proposal_refs", group)?.iter().map(|bytes| decode(bytes)).collect()
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        group: &G,
    ) -> Outcome<Vec<(R, Q)>> {
        let mut proposals = Vec::new();
        for reference in self.queued_proposal_refs::<G, R>(group)? {
            let proposal = self
                .get("proposal", &(group, &reference))?
                .ok_or_else(|| MlsStorageError::Codec("a queued proposal is missing".into()))?;
            proposals.push((reference, proposal));
        }
        Ok(proposals)
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Outcome<()> {
        let gone = encode(reference)?;
        let mut references = self.list("proposal_refs", group)?;
        references.retain(|bytes| *bytes != gone);
        self.put("proposal_refs", group, &references)?;
        self.drop_value("proposal", &(group, reference))
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
    ) -> Outcome<()> {
        for reference in self.queued_proposal_refs::<G, R>(group)? {
            self.drop_value("proposal", &(group, &reference))?;
        }
        self.drop_value("proposal_refs", group)
    }
}

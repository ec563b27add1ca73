//! A commit that waits for its receipt (`ordering.md`, K1 and K4).
//!
//! The exact bytes of the bundle are kept until a receipt for its epoch is known. [`PendingCommit::merge`] is
//! the only place that merges an own commit, and it wants a [`VerifiedReceipt`] for this very bundle.

use bytes::Bytes;
use mbolo_proto::signing::{VerifiedReceipt, bundle_hash};
use mbolo_proto::{RoomId, wire};
use openmls::prelude::MlsGroup;
use openmls_traits::OpenMlsProvider as _;

use super::{MlsFault, Provider};

/// An own commit, submitted or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCommit {
    /// The room.
    pub room: RoomId,
    /// The epoch that it ends.
    pub epoch: u64,
    /// The encoded bundle, exactly as submitted.
    pub bundle: Bytes,
    /// Whether it is an external commit: this device (re)joins by it.
    pub external: bool,
}

impl PendingCommit {
    /// The hash under which it would be decided.
    pub fn hash(&self) -> [u8; 32] {
        bundle_hash(&self.bundle)
    }

    /// The request to decide it.
    pub fn submission(&self) -> wire::SubmitCommit {
        wire::SubmitCommit { room_id: self.room.to_bytes(), epoch: self.epoch, bundle: self.bundle.clone() }
    }

    /// Whether `receipt` decides this bundle.
    pub fn is_decided_by(&self, receipt: &VerifiedReceipt) -> bool {
        let subject = &receipt.subject;
        subject.room == self.room && subject.epoch == self.epoch && subject.hash == self.hash()
    }

    /// Enters the epoch that the commit makes. A receipt for another bundle is an error.
    pub fn merge(
        self,
        receipt: &VerifiedReceipt,
        group: &mut MlsGroup,
        provider: &Provider<'_>,
    ) -> Result<(), MlsFault> {
        if !self.is_decided_by(receipt) {
            return Err(MlsFault::Receipt("the receipt is for another commit".into()));
        }
        if !self.external {
            group.merge_pending_commit(provider).map_err(MlsFault::mls)?;
            group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
        }
        // OpenMLS merges an external commit when it makes it; until now the engine has not used the group.
        if group.epoch().as_u64() != self.epoch + 1 {
            return Err(MlsFault::Mls("the pending commit is not in the group's state".into()));
        }
        Ok(())
    }

    /// Gives the commit up because another was decided for its epoch.
    pub fn lose(self, group: &mut MlsGroup, provider: &Provider<'_>) -> Result<(), MlsFault> {
        group.clear_pending_commit(provider.storage()).map_err(MlsFault::mls)?;
        group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)
    }
}

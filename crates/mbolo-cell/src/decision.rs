//! How a commit is decided (`ordering.md`), for an ordering set of one: this cell.
//!
//! The types hold the rule that matters: a Welcome is locked up until there is a [`Decided`], and a [`Decided`]
//! is made only from a receipt that a majority of the set has voted for. With three cells, votes will come from
//! elsewhere and [`Votes::decide`] will be called later; nothing that is released changes.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_proto::Origin;
use mbolo_proto::signing::{ReceiptError, VerifiedReceipt, VoteSubject, sign};
use mbolo_proto::wire;

/// Votes on one bundle at one ballot.
pub(crate) struct Votes {
    subject: VoteSubject,
    votes: Vec<wire::Vote>,
}

/// A commit with a receipt that was checked against its epoch's ordering set.
pub(crate) struct Decided {
    receipt: wire::Receipt,
}

/// A Welcome that nobody may see before the commit is decided.
pub(crate) struct LockedWelcome(Bytes);

impl Votes {
    pub fn on(subject: VoteSubject) -> Self {
        Self { subject, votes: Vec::new() }
    }

    /// This cell's own vote (C6). The caller stores the bundle in the transaction that lets the vote leave.
    pub fn vote(mut self, key: &SigningKey) -> Self {
        self.votes.push(wire::Vote {
            cell: key.verifying_key().to_bytes().to_vec().into(),
            signature: sign(key, &self.subject.bytes()),
        });
        self
    }

    /// C9: decided once a majority of `set` has voted.
    pub fn decide(self, set: &[Origin]) -> Result<Decided, ReceiptError> {
        let receipt = wire::Receipt {
            room_id: self.subject.room.to_bytes(),
            epoch: self.subject.epoch,
            ballot: Some(wire::Ballot {
                round: self.subject.round,
                cell: self.subject.ballot_cell.to_bytes(),
            }),
            hash: Bytes::copy_from_slice(&self.subject.hash),
            parent: Bytes::copy_from_slice(&self.subject.parent),
            votes: self.votes,
        };
        VerifiedReceipt::check(&receipt, set)?;
        Ok(Decided { receipt })
    }
}

impl Decided {
    pub fn receipt(&self) -> &wire::Receipt {
        &self.receipt
    }
}

impl LockedWelcome {
    pub fn new(welcome: Bytes) -> Self {
        Self(welcome)
    }

    /// Hands the Welcome out, now that its commit is decided.
    pub fn release(self, _decided: &Decided) -> Bytes {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use mbolo_proto::RoomId;

    use super::*;

    fn subject(cell: &SigningKey) -> VoteSubject {
        VoteSubject {
            room: RoomId([1; 32]),
            epoch: 3,
            round: 0,
            ballot_cell: origin(cell),
            hash: [2; 32],
            parent: [3; 32],
        }
    }

    fn origin(key: &SigningKey) -> Origin {
        Origin(key.verifying_key().to_bytes())
    }

    #[test]
    fn c9_without_a_majority_nothing_is_decided() {
        let cells = [1, 2, 3].map(|n| SigningKey::from_bytes(&[n; 32]));
        let set: Vec<Origin> = cells.iter().map(origin).collect();
        let of = |voters: &[&SigningKey]| {
            voters.iter().fold(Votes::on(subject(&cells[0])), |votes, key| votes.vote(key)).decide(&set)
        };
        assert!(of(&[]).is_err());
        assert!(of(&[&cells[0]]).is_err());
        assert!(of(&[&cells[0], &cells[2]]).is_ok());
    }

    #[test]
    fn c3_a_cell_outside_the_set_decides_nothing() {
        let (member, stranger) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        assert!(Votes::on(subject(&stranger)).vote(&stranger).decide(&[origin(&member)]).is_err());
        assert!(Votes::on(subject(&member)).vote(&member).decide(&[origin(&member)]).is_ok());
    }
}

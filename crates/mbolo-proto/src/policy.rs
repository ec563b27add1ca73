//! Who may commit what in a room: one pure function that cells and members both call.
//!
//! A cell refuses a commit that breaks the policy before it is decided, and every member checks again, so
//! neither a bad client nor a bad cell can change a room's membership. Both sides first reduce an MLS commit
//! to a [`CommitSummary`]; this module knows nothing of MLS.

use crate::ids::{AccountId, RoomId};
use crate::limits::{MAX_ADDS_PER_COMMIT, MAX_ROOM_ACCOUNTS};
use crate::wire;

/// A room's policy, as its GroupContext carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Two accounts for ever.
    Direct {
        /// Ascending.
        participants: [AccountId; 2],
    },
    /// Admins change the membership.
    Group {
        /// Ascending, not empty.
        admins: Vec<AccountId>,
    },
}

/// What a commit does, in accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitSummary {
    /// Account of the committer; of the joiner for an external commit.
    pub committer: Option<AccountId>,
    /// An external commit (RFC 9420 §12.4.3.2).
    pub external: bool,
    /// Account of each added leaf.
    pub added: Vec<AccountId>,
    /// Each removed leaf: its account, and the account that proposed it (the committer for inline proposals).
    pub removed: Vec<(AccountId, AccountId)>,
    /// The policy that the commit sets, if it changes the GroupContext's extensions.
    pub new_policy: Option<Policy>,
    /// Whether the ordering set stays as it is.
    pub changes_ordering_set: bool,
    /// Accounts with at least one leaf before the commit, ascending.
    pub accounts_before: Vec<AccountId>,
    /// Accounts with at least one leaf after it, ascending.
    pub accounts_after: Vec<AccountId>,
}

/// Why a commit is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The extension does not decode, or breaks its form.
    #[error("the room policy is malformed")]
    Malformed,
    /// The committer has no leaf in the room.
    #[error("the committer is not a member")]
    NotAMember,
    /// Only admins may do this.
    #[error("only an admin may add, remove or promote")]
    NotAdmin,
    /// 1:1 rooms keep their two accounts and have no admins.
    #[error("a 1:1 room keeps its two accounts")]
    DirectRoom,
    /// The new policy names an admin outside the room, none at all, or another kind.
    #[error("a group keeps at least one admin, and its admins are members")]
    BadAdmins,
    /// More accounts than a room may have.
    #[error("a room has at most {MAX_ROOM_ACCOUNTS} accounts")]
    RoomFull,
    /// More leaves added at once than one commit may.
    #[error("a commit adds at most {MAX_ADDS_PER_COMMIT} members")]
    TooManyAdds,
    /// The ordering set changes only with consent of its cells, which this version does not have yet.
    #[error("the ordering set cannot be changed yet")]
    OrderingSet,
}

impl Policy {
    /// Reads the content of the GroupContext extension.
    pub fn from_wire(policy: &wire::RoomPolicy) -> Result<Self, PolicyError> {
        let accounts = |list: &[bytes::Bytes]| -> Result<Vec<AccountId>, PolicyError> {
            let accounts = list
                .iter()
                .map(|id| AccountId::try_from(id.as_ref()).map_err(|_| PolicyError::Malformed))
                .collect::<Result<Vec<_>, _>>()?;
            let ascending = accounts.windows(2).all(|pair| pair[0] < pair[1]);
            if ascending { Ok(accounts) } else { Err(PolicyError::Malformed) }
        };
        let admins = accounts(&policy.admins)?;
        let participants = accounts(&policy.participants)?;
        match policy.kind() {
            wire::RoomKind::Direct if admins.is_empty() => {
                let participants = participants.try_into().map_err(|_| PolicyError::Malformed)?;
                Ok(Self::Direct { participants })
            }
            wire::RoomKind::Group if !admins.is_empty() && participants.is_empty() => {
                Ok(Self::Group { admins })
            }
            _ => Err(PolicyError::Malformed),
        }
    }

    /// The content of the GroupContext extension.
    pub fn to_wire(&self) -> wire::RoomPolicy {
        let ids = |list: &[AccountId]| list.iter().map(|id| id.to_bytes()).collect();
        match self {
            Self::Direct { participants } => wire::RoomPolicy {
                kind: wire::RoomKind::Direct.into(),
                admins: Vec::new(),
                participants: ids(participants),
            },
            Self::Group { admins } => wire::RoomPolicy {
                kind: wire::RoomKind::Group.into(),
                admins: ids(admins),
                participants: Vec::new(),
            },
        }
    }

    /// Whether `account` is an admin.
    pub fn is_admin(&self, account: AccountId) -> bool {
        matches!(self, Self::Group { admins } if admins.contains(&account))
    }

    /// Whether `creator` may make room `room` with this policy.
    pub fn check_creation(&self, room: RoomId, creator: AccountId) -> Result<(), PolicyError> {
        match self {
            Self::Direct { participants: [one, other] } => {
                let mine = *one == creator || *other == creator;
                if mine && room == RoomId::direct(*one, *other) {
                    Ok(())
                } else {
                    Err(PolicyError::DirectRoom)
                }
            }
            Self::Group { admins } if admins.as_slice() == [creator] => Ok(()),
            Self::Group { .. } => Err(PolicyError::BadAdmins),
        }
    }

    /// Whether the commit may be made under this policy, the one in force before it.
    ///
    /// Members may renew their own keys, carry out somebody's wish to leave, and add or remove devices of their
    /// own account; the rest is for admins. An external commit may only bring back an account that is a member.
    pub fn check_commit(&self, commit: &CommitSummary) -> Result<(), PolicyError> {
        let committer = commit.committer.ok_or(PolicyError::NotAMember)?;
        if commit.accounts_before.binary_search(&committer).is_err() && !self.awaits(committer) {
            return Err(PolicyError::NotAMember);
        }
        if commit.added.len() > MAX_ADDS_PER_COMMIT {
            return Err(PolicyError::TooManyAdds);
        }
        if commit.accounts_after.len() > MAX_ROOM_ACCOUNTS {
            return Err(PolicyError::RoomFull);
        }
        if commit.changes_ordering_set {
            return Err(PolicyError::OrderingSet);
        }
        let adds_others = commit.added.iter().any(|account| *account != committer);
        let removes_others =
            commit.removed.iter().any(|(account, proposer)| *account != committer && account != proposer);
        match self {
            Self::Direct { participants } => {
                let stays = |account: &AccountId| participants.contains(account);
                let policy_stays = commit.new_policy.as_ref().is_none_or(|new| new == self);
                if commit.accounts_after.iter().all(stays)
                    && commit.accounts_before.iter().all(|a| commit.accounts_after.contains(a))
                    && !removes_others
                    && policy_stays
                {
                    Ok(())
                } else {
                    Err(PolicyError::DirectRoom)
                }
            }
            Self::Group { admins } => {
                let policy_changes = commit.new_policy.as_ref().is_some_and(|new| new != self);
                let is_admin = admins.contains(&committer);
                if commit.external && (adds_others || removes_others || policy_changes) {
                    return Err(PolicyError::NotAdmin);
                }
                // Whoever carries out the leaving of admins takes them off the list, and if none is left
                // names the first member that remains; anybody may do just that.
                let expected = Self::after_leaving(admins, &commit.accounts_after);
                let only_cleans_up =
                    matches!(&commit.new_policy, Some(Self::Group { admins }) if *admins == expected);
                if (adds_others || removes_others || (policy_changes && !only_cleans_up)) && !is_admin {
                    return Err(PolicyError::NotAdmin);
                }
                let after = commit.new_policy.as_ref().unwrap_or(self);
                match after {
                    Self::Group { admins } if admins.is_empty() => Err(PolicyError::BadAdmins),
                    Self::Group { admins }
                        if admins.iter().all(|a| commit.accounts_after.binary_search(a).is_ok()) =>
                    {
                        Ok(())
                    }
                    _ => Err(PolicyError::BadAdmins),
                }
            }
        }
    }

    /// The admins of a group once only `accounts_after` (ascending) remain: those that stay, or the first account.
    pub fn after_leaving(admins: &[AccountId], accounts_after: &[AccountId]) -> Vec<AccountId> {
        let staying: Vec<AccountId> =
            admins.iter().copied().filter(|a| accounts_after.binary_search(a).is_ok()).collect();
        if staying.is_empty() { accounts_after.first().copied().into_iter().collect() } else { staying }
    }

    /// Whether `account` belongs into the room though it has no leaf: the second half of a 1:1 room whose
    /// first invitation got lost.
    pub fn awaits(&self, account: AccountId) -> bool {
        matches!(self, Self::Direct { participants } if participants.contains(&account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AccountId = AccountId([1; 32]);
    const B: AccountId = AccountId([2; 32]);
    const C: AccountId = AccountId([3; 32]);

    fn group() -> Policy {
        Policy::Group { admins: vec![A] }
    }

    fn commit(committer: AccountId, before: &[AccountId], after: &[AccountId]) -> CommitSummary {
        CommitSummary {
            committer: Some(committer),
            accounts_before: before.to_vec(),
            accounts_after: after.to_vec(),
            ..CommitSummary::default()
        }
    }

    #[test]
    fn the_wire_form_reads_back() {
        for policy in [group(), Policy::Direct { participants: [A, B] }] {
            assert_eq!(Policy::from_wire(&policy.to_wire()), Ok(policy));
        }
        assert_eq!(Policy::from_wire(&wire::RoomPolicy::default()), Err(PolicyError::Malformed));
    }

    #[test]
    fn only_admins_add_and_remove() {
        let add = |by| CommitSummary { added: vec![C], ..commit(by, &[A, B], &[A, B, C]) };
        assert_eq!(group().check_commit(&add(A)), Ok(()));
        assert_eq!(group().check_commit(&add(B)), Err(PolicyError::NotAdmin));
        assert_eq!(group().check_commit(&add(C)), Err(PolicyError::NotAMember));
        let remove = |by| CommitSummary { removed: vec![(C, by)], ..commit(by, &[A, B, C], &[A, B]) };
        assert_eq!(group().check_commit(&remove(A)), Ok(()));
        assert_eq!(group().check_commit(&remove(B)), Err(PolicyError::NotAdmin));
    }

    #[test]
    fn anybody_carries_out_a_wish_to_leave() {
        let leave = CommitSummary { removed: vec![(C, C)], ..commit(B, &[A, B, C], &[A, B]) };
        assert_eq!(group().check_commit(&leave), Ok(()));
    }

    #[test]
    fn when_the_last_admin_leaves_the_next_member_becomes_one() {
        let mut leave = CommitSummary { removed: vec![(A, A)], ..commit(B, &[A, B, C], &[B, C]) };
        assert_eq!(group().check_commit(&leave), Err(PolicyError::BadAdmins));
        leave.new_policy = Some(Policy::Group { admins: vec![C] });
        assert_eq!(group().check_commit(&leave), Err(PolicyError::NotAdmin));
        leave.new_policy = Some(Policy::Group { admins: vec![B] });
        assert_eq!(group().check_commit(&leave), Ok(()));
    }

    #[test]
    fn nobody_promotes_himself() {
        let promote = |by| CommitSummary {
            new_policy: Some(Policy::Group { admins: vec![A, B] }),
            ..commit(by, &[A, B], &[A, B])
        };
        assert_eq!(group().check_commit(&promote(B)), Err(PolicyError::NotAdmin));
        assert_eq!(group().check_commit(&promote(A)), Ok(()));
    }

    #[test]
    fn an_external_commit_only_brings_back_a_member() {
        let resync = |by| CommitSummary {
            external: true,
            added: vec![by],
            removed: vec![(by, by)],
            ..commit(by, &[A, B], &[A, B])
        };
        assert_eq!(group().check_commit(&resync(B)), Ok(()));
        assert_eq!(group().check_commit(&resync(C)), Err(PolicyError::NotAMember));
    }

    #[test]
    fn a_direct_room_keeps_its_two() {
        let direct = Policy::Direct { participants: [A, B] };
        let add = |who, after: &[AccountId]| CommitSummary { added: vec![who], ..commit(A, &[A], after) };
        assert_eq!(direct.check_commit(&add(B, &[A, B])), Ok(()));
        assert_eq!(direct.check_commit(&add(C, &[A, C])), Err(PolicyError::DirectRoom));
        let remove = CommitSummary { removed: vec![(B, A)], ..commit(A, &[A, B], &[A]) };
        assert_eq!(direct.check_commit(&remove), Err(PolicyError::DirectRoom));
        let come_back = CommitSummary { external: true, added: vec![B], ..commit(B, &[A], &[A, B]) };
        assert_eq!(direct.check_commit(&come_back), Ok(()));
        assert_eq!(direct.check_creation(RoomId::direct(A, B), A), Ok(()));
        assert_eq!(direct.check_creation(RoomId::direct(A, B), C), Err(PolicyError::DirectRoom));
        assert_eq!(direct.check_creation(RoomId([0; 32]), A), Err(PolicyError::DirectRoom));
    }
}

//! What the requests of an account may cost, whichever of its sessions they come from.
//!
//! One thread serves everybody, so whatever one account asks for is time in which all others wait. A unit is about ten
//! microseconds of it. Publishes, marks and ephemeral frames are counted elsewhere, each by itself.
//!
//! A request that costs more than is left is done all the same, and the account waits the longer afterwards: a device
//! in ten thousand rooms has to be able to follow them.

use std::collections::BTreeMap;

use mbolo_proto::AccountId;
use mbolo_proto::wire::client_frame::Body;

use crate::bucket::Bucket;

/// What is left to each account.
#[derive(Debug, Default)]
pub(crate) struct Allowances {
    by_account: BTreeMap<AccountId, Bucket>,
    /// So many accounts are looked through for those that have all of it again.
    look_through_at: usize,
}

impl Allowances {
    /// Takes `cost`, or says after how many milliseconds to come again.
    pub fn take(
        &mut self,
        account: AccountId,
        cost: u64,
        now_ms: u64,
        rate_per_s: u32,
        burst: u32,
    ) -> Result<(), u32> {
        if self.by_account.len() >= self.look_through_at {
            self.by_account.retain(|_, bucket| !bucket.is_full(now_ms, rate_per_s));
            self.look_through_at = 2 * self.by_account.len() + FEW;
        }
        let bucket = self.by_account.entry(account).or_insert_with(Bucket::new);
        bucket.take(now_ms, rate_per_s, burst)?;
        bucket.charge(cost.saturating_sub(1));
        Ok(())
    }

    /// Takes more for a request that was let through, when it shows what it costs.
    pub fn charge(&mut self, account: AccountId, cost: u64) {
        self.by_account.entry(account).or_insert_with(Bucket::new).charge(cost);
    }
}

/// The cost that shows before a request is done; `None` for what is not counted here.
pub(crate) fn cost(request: &Body) -> Option<u64> {
    match request {
        Body::Subscribe(subscribe) => Some(1 + subscribe.feeds.len() as u64),
        Body::GetMarks(_) | Body::ResolveHandle(_) | Body::GetAccount(_) => Some(2),
        Body::SetHandle(_) => Some(5),
        Body::GetJoin(_) | Body::GetGroupInfo(_) | Body::ClaimKeyPackages(_) => Some(10),
        // And for each room.
        Body::ListRooms(_) => Some(2),
        Body::CreateRoom(_) => Some(50),
        // And for each proposal.
        Body::SubmitCommit(_) => Some(100),
        // Three signatures each: its own, its leaf's, and its certificate's.
        Body::UploadKeyPackages(upload) => {
            Some(1 + 20 * (upload.key_packages.len() + upload.last_resort.len()) as u64)
        }
        Body::Register(_)
        | Body::Authenticate(_)
        | Body::Ping(_)
        | Body::Credit(_)
        | Body::Publish(_)
        | Body::PutMarks(_)
        | Body::PutReadMark(_)
        | Body::Ephemeral(_) => None,
    }
}

/// Of each proposal that a commit refers to: a signature.
pub(crate) const PROPOSAL_COST: u64 = 10;

/// Accounts that are kept without asking whether they need to be.
const FEW: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_has_all_of_it_again_takes_no_memory() {
        let mut allowances = Allowances::default();
        for n in 0..10_000u32 {
            let mut account = [0; 32];
            account[..4].copy_from_slice(&n.to_be_bytes());
            allowances.take(AccountId(account), 5, u64::from(n) * 1_000, 10, 10).unwrap();
        }
        assert!(allowances.by_account.len() <= 2 * FEW, "{}", allowances.by_account.len());
    }

    #[test]
    fn what_costs_more_than_is_left_is_done_and_waited_for() {
        let mut allowances = Allowances::default();
        let awa = AccountId([1; 32]);
        assert_eq!(allowances.take(awa, 110, 0, 10, 10), Ok(()));
        assert_eq!(allowances.take(awa, 1, 0, 10, 10), Err(10_100));
        assert_eq!(allowances.take(awa, 1, 10_100, 10, 10), Ok(()));
        assert_eq!(allowances.take(AccountId([2; 32]), 1, 0, 10, 10), Ok(()));
    }
}

//! Accounts, handles and KeyPackages.

use std::ops::ControlFlow;

use bytes::Bytes;
use mbolo_engine::{Engine, keys};
use mbolo_proto::wire::{self, ErrorCode, server_frame::Body};
use mbolo_proto::{AccountId, DeviceKey, Handle, limits};
use prost::Message;

use crate::Cell;
use crate::failure::{Failure, busy, malformed, refused};
use crate::group::{self, SUITES};
use crate::login::parse_handle;
use crate::records::{self, KeyPackageQueue};
use crate::session::Slot;

impl<E: Engine> Cell<E> {
    pub(crate) fn account(&self, account: AccountId) -> Result<Option<wire::Account>, Failure> {
        match self.load(&keys::ACCOUNT.key(&(account,)))? {
            Some(stored) => records::read("account", &stored).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn identity(&self, slot: Slot) -> Result<(AccountId, DeviceKey), Failure> {
        self.sessions
            .get(slot)
            .and_then(|session| session.identity())
            .ok_or_else(|| malformed("authenticate first"))
    }

    pub(crate) fn check_handle_free(&self, handle: &Handle) -> Result<(), Failure> {
        match self.load(&keys::HANDLE.key(&(handle.clone(),)))? {
            None => Ok(()),
            Some(_) => Err(refused(ErrorCode::HandleTaken, "somebody has this handle already")),
        }
    }

    pub(crate) fn get_account(&self, get: &wire::GetAccount) -> Result<Body, Failure> {
        let id = AccountId::try_from(get.account_id.as_ref()).map_err(|e| malformed(e.to_string()))?;
        match self.account(id)? {
            Some(account) => Ok(Body::Account(account)),
            None => Err(refused(ErrorCode::UnknownAccount, "this cell does not know the account")),
        }
    }

    pub(crate) fn resolve_handle(&self, resolve: &wire::ResolveHandle) -> Result<Body, Failure> {
        let handle = parse_handle(&resolve.handle)?;
        let not_found = || refused(ErrorCode::NotFound, "nobody has this handle here");
        let id = self.load(&keys::HANDLE.key(&(handle,)))?.ok_or_else(not_found)?;
        let id = AccountId::try_from(id.as_ref()).map_err(|e| Failure::Damaged(format!("handle: {e}")))?;
        self.account(id)?.map(Body::Account).ok_or_else(not_found)
    }

    pub(crate) fn set_handle(&mut self, slot: Slot, set: &wire::SetHandle) -> Result<Body, Failure> {
        let (account, _) = self.identity(slot)?;
        let handle = parse_handle(&set.handle)?;
        let Some(mut record) = self.account(account)? else {
            return Err(refused(ErrorCode::UnknownAccount, "this cell does not know the account"));
        };
        if record.handle == handle.as_str() {
            return Ok(Body::Done(wire::Done {}));
        }
        self.check_handle_free(&handle)?;
        self.check_writable()?;
        if let Ok(old) = record.handle.parse::<Handle>() {
            self.overlay.delete(keys::HANDLE.key(&(old,)));
        }
        record.handle = handle.to_string();
        self.overlay.put(keys::HANDLE.key(&(handle,)), account.to_bytes());
        self.overlay.put(keys::ACCOUNT.key(&(account,)), record.encode_to_vec());
        Ok(Body::Done(wire::Done {}))
    }

    // ------------------------------------------------------------ KeyPackages

    pub(crate) fn key_package_counts(
        &self,
        account: AccountId,
        device: DeviceKey,
    ) -> Result<Vec<wire::SuiteCount>, Failure> {
        SUITES
            .iter()
            .map(|suite| {
                let queue = self.key_package_queue(account, device, *suite as u16)?;
                let left = u32::try_from(queue.next - queue.first).unwrap_or(u32::MAX);
                Ok(wire::SuiteCount { cipher_suite: *suite as u32, left })
            })
            .collect()
    }

    pub(crate) fn upload_key_packages(
        &mut self,
        slot: Slot,
        upload: &wire::UploadKeyPackages,
    ) -> Result<Body, Failure> {
        let (account, device) = self.identity(slot)?;
        let too_many = || refused(ErrorCode::Limit, "more KeyPackages than a device may keep");
        // Counted before they are looked at: it is their signatures that cost.
        let kept: u32 = self.key_package_counts(account, device)?.iter().map(|count| count.left).sum();
        if upload.key_packages.len() + kept as usize > SUITES.len() * limits::MAX_KEY_PACKAGES
            || upload.last_resort.len() > SUITES.len()
        {
            return Err(too_many());
        }
        self.check_writable()?;
        let check = |package: &Bytes| -> Result<u16, Failure> {
            if package.len() > limits::MAX_KEY_PACKAGE_BYTES {
                return Err(refused(ErrorCode::TooLarge, "a KeyPackage is too large"));
            }
            group::check_key_package(&self.crypto, package, account, device).map_err(malformed_key_package)
        };
        let one_time = upload.key_packages.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        let last_resort = upload.last_resort.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        let suites = SUITES.map(|suite| suite as u16);
        for suite in suites {
            if last_resort.iter().filter(|of| **of == suite).count() > 1 {
                return Err(refused(ErrorCode::Limit, "one KeyPackage of last resort for each cipher suite"));
            }
            let queue = self.key_package_queue(account, device, suite)?;
            let new = of_suite(&one_time, &upload.key_packages, suite).count() as u64;
            if queue.next - queue.first + new > limits::MAX_KEY_PACKAGES as u64 {
                return Err(too_many());
            }
        }
        for suite in suites {
            let mut queue = self.key_package_queue(account, device, suite)?;
            for package in of_suite(&one_time, &upload.key_packages, suite) {
                let key = keys::KEY_PACKAGE.key(&(account, device, suite, queue.next));
                self.overlay.put(key, package.clone());
                queue.next += 1;
            }
            self.put_key_package_queue(account, device, suite, &queue);
            if let Some(package) = of_suite(&last_resort, &upload.last_resort, suite).last() {
                let key = keys::LAST_RESORT_KEY_PACKAGE.key(&(account, device, suite));
                self.overlay.put(key, package.clone());
            }
        }
        let counts = self.key_package_counts(account, device)?;
        Ok(Body::KeyPackageCount(wire::KeyPackageCount { counts }))
    }

    pub(crate) fn claim_key_packages(
        &mut self,
        slot: Slot,
        claim: &wire::ClaimKeyPackages,
    ) -> Result<Body, Failure> {
        let (_, own_device) = self.identity(slot)?;
        let account = AccountId::try_from(claim.account_id.as_ref()).map_err(|e| malformed(e.to_string()))?;
        let suite = u16::try_from(claim.cipher_suite)
            .ok()
            .filter(|suite| SUITES.iter().any(|known| *known as u16 == *suite))
            .ok_or_else(|| refused(ErrorCode::NoKeyPackage, "the cipher suite is not used here"))?;
        self.check_writable()?;
        let (rate, burst) = (self.config.claim_rate_per_s, self.config.claim_burst);
        if let Some(session) = self.sessions.get_mut(slot)
            && let Err(wait) = session.claims.take(self.now_ms, rate, burst)
        {
            return Err(busy("too many KeyPackages claimed", wait));
        }
        let Some(record) = self.account(account)? else {
            return Err(refused(ErrorCode::UnknownAccount, "this cell does not know the account"));
        };
        let mut key_packages = Vec::new();
        for certificate in &record.devices {
            let device = DeviceKey::try_from(certificate.device_key.as_ref())
                .map_err(|e| Failure::Damaged(format!("account: {e}")))?;
            if device != own_device
                && let Some(claimed) = self.claim_one(account, device, suite)?
            {
                key_packages.push(claimed);
            }
        }
        if key_packages.is_empty() {
            return Err(refused(ErrorCode::NoKeyPackage, "no device of the account has a KeyPackage left"));
        }
        Ok(Body::KeyPackages(wire::KeyPackages { key_packages }))
    }

    fn claim_one(
        &mut self,
        account: AccountId,
        device: DeviceKey,
        suite: u16,
    ) -> Result<Option<wire::ClaimedKeyPackage>, Failure> {
        let mut queue = self.key_package_queue(account, device, suite)?;
        let claimed = |key_package, last_resort| wire::ClaimedKeyPackage {
            device_key: device.to_bytes(),
            key_package,
            last_resort,
        };
        if queue.first < queue.next {
            let key = keys::KEY_PACKAGE.key(&(account, device, suite, queue.first));
            let package = self
                .load(&key)?
                .ok_or_else(|| Failure::Damaged("a KeyPackage that was counted is missing".into()))?;
            self.overlay.delete(key);
            queue.first += 1;
            self.put_key_package_queue(account, device, suite, &queue);
            return Ok(Some(claimed(package, false)));
        }
        let last_resort = self.load(&keys::LAST_RESORT_KEY_PACKAGE.key(&(account, device, suite)))?;
        Ok(last_resort.map(|package| claimed(package, true)))
    }

    fn key_package_queue(
        &self,
        account: AccountId,
        device: DeviceKey,
        suite: u16,
    ) -> Result<KeyPackageQueue, Failure> {
        match self.load(&keys::KEY_PACKAGE_COUNT.key(&(account, device, suite)))? {
            Some(stored) => records::read("KeyPackage count", &stored),
            None => Ok(KeyPackageQueue::default()),
        }
    }

    fn put_key_package_queue(
        &mut self,
        account: AccountId,
        device: DeviceKey,
        suite: u16,
        queue: &KeyPackageQueue,
    ) {
        self.overlay.put(keys::KEY_PACKAGE_COUNT.key(&(account, device, suite)), queue.encode_to_vec());
    }

    /// How many rooms an account is in, counted up to the limit.
    pub(crate) fn count_rooms(&self, account: AccountId) -> Result<usize, Failure> {
        let range = keys::ROOM_OF_ACCOUNT.within(&(account,));
        let mut count = 0;
        self.overlay.range(&self.engine, &range.start, &range.end, &mut |_, _| {
            count += 1;
            if count < limits::MAX_ROOMS_PER_ACCOUNT {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(count)
    }
}

fn of_suite<'a>(suites: &'a [u16], packages: &'a [Bytes], suite: u16) -> impl Iterator<Item = &'a Bytes> {
    suites.iter().zip(packages).filter(move |(s, _)| **s == suite).map(|(_, package)| package)
}

fn malformed_key_package(error: group::GroupError) -> Failure {
    refused(ErrorCode::BadSignature, format!("a KeyPackage is refused: {error}"))
}

//! The beginning and the end of sessions: challenge, registration, authentication, admission.

use mbolo_engine::{Engine, keys};
use mbolo_proto::signing::{self, register_bytes, session_bytes, session_ready_bytes};
use mbolo_proto::wire::{self, ErrorCode, client_frame, server_frame::Body};
use mbolo_proto::{AccountId, DeviceKey, Handle, PROTOCOL_VERSION, limits};
use prost::Message;

use crate::cell::LOGIN_TIMEOUT_MS;
use crate::failure::{Failure, fatal, malformed, refused};
use crate::session::{Phase, Slot};
use crate::{Cell, SessionId, invite};

impl<E: Engine> Cell<E> {
    pub(crate) fn opened(&mut self, id: SessionId, nonce: [u8; 32]) {
        if self.sessions.slot(id).is_some() {
            return; // the gateway never does this; a session is not opened twice
        }
        let slot = self.sessions.open(id, nonce);
        self.login_deadlines.push_back((self.now_ms + LOGIN_TIMEOUT_MS, id));
        let challenge = wire::Challenge {
            versions: vec![PROTOCOL_VERSION],
            cell_id: self.cell_id.to_bytes(),
            nonce: nonce.to_vec().into(),
            cell_name: self.config.cell_name.clone(),
            signup: Some(wire::SignupPolicy {
                open: self.config.signup_open,
                invite: self.config.signup_invite,
                pow_bits: self.config.pow_bits,
            }),
            now_ms: self.now_ms,
        };
        self.send(slot, 0, Body::Challenge(challenge));
    }

    pub(crate) fn closed(&mut self, id: SessionId) {
        if let Some(slot) = self.sessions.slot(id) {
            self.end_phase(slot, Phase::Gone);
        }
    }

    /// Moves a session to one of its two ends.
    pub(crate) fn end_phase(&mut self, slot: Slot, phase: Phase) {
        self.sessions.set_phase(slot, phase);
        self.ending.push(slot);
    }

    /// Forgets the sessions that ended with the batch.
    pub(crate) fn end_sessions(&mut self) {
        for slot in std::mem::take(&mut self.ending) {
            self.forget_session(slot);
        }
    }

    pub(crate) fn forget_session(&mut self, slot: Slot) {
        let Some(session) = self.sessions.remove(slot) else { return };
        for feed in session.feeds {
            if let Some(feed) = self.feeds.get_mut(feed) {
                feed.unfollow(slot);
            }
        }
        self.line.retain(|waiting| *waiting != slot);
    }

    pub(crate) fn close_late_logins(&mut self) {
        while let Some((due, id)) = self.login_deadlines.front().copied() {
            let waiting = self.sessions.slot(id).filter(|slot| {
                self.sessions.get(*slot).is_some_and(|s| matches!(s.phase, Phase::Challenged { .. }))
            });
            if let Some(slot) = waiting {
                if due > self.now_ms {
                    return;
                }
                self.close(slot);
            }
            self.login_deadlines.pop_front();
        }
    }

    /// Frames of a session that is not authenticated.
    pub(crate) fn answer_stranger(
        &mut self,
        slot: Slot,
        nonce: [u8; 32],
        attempts: u8,
        frame: &wire::ClientFrame,
    ) -> Result<Option<Body>, Failure> {
        let (version, is_login) = match &frame.body {
            Some(client_frame::Body::Register(register)) => (register.version, false),
            Some(client_frame::Body::Authenticate(authenticate)) => (authenticate.version, true),
            _ => return Err(fatal(ErrorCode::NotAuthenticated, "authenticate first")),
        };
        if frame.request_id == 0 {
            return Err(malformed("this request needs a request id"));
        }
        if version != PROTOCOL_VERSION {
            return Err(fatal(
                ErrorCode::UnsupportedVersion,
                "this version of the protocol is not spoken here",
            ));
        }
        if self.admission.take(self.now_ms, self.config.login_rate_per_s, self.config.login_burst).is_err() {
            self.shed(slot, &nonce);
            return Ok(None);
        }
        if attempts >= MAX_ATTEMPTS {
            return Err(fatal(ErrorCode::Limit, "too many attempts on one connection"));
        }
        self.sessions.set_phase(slot, Phase::Challenged { nonce, attempts: attempts + 1 });
        let answer = match &frame.body {
            Some(client_frame::Body::Register(register)) => self.register(&nonce, register),
            Some(client_frame::Body::Authenticate(login)) => self.authenticate(slot, &nonce, login),
            _ => return Ok(None),
        };
        match &answer {
            Ok(_) if is_login => self.stats.logins_ok += 1,
            Err(Failure::Refused(_)) => self.stats.logins_refused += 1,
            _ => {}
        }
        answer.map(Some)
    }

    /// Sends a login away before it costs anything. Everybody gets another time to come back: when those who were sent
    /// away before have come, or, if that is long, any time, from the nonce.
    fn shed(&mut self, slot: Slot, nonce: &[u8; 32]) {
        self.stats.logins_shed += 1;
        let turn_ms = self.shed_line.queue(self.now_ms, self.config.login_rate_per_s);
        let after_ms = match u32::try_from(turn_ms) {
            Ok(turn_ms) if turn_ms < RETRY_SPREAD_MS => turn_ms,
            _ => u32::from(u16::from_be_bytes([nonce[0], nonce[1]])) % RETRY_SPREAD_MS,
        };
        let going = wire::GoingAway {
            code: ErrorCode::Busy.into(),
            message: "many devices come back at once: try again a little later".into(),
            retry_after_ms: RETRY_MIN_MS + after_ms,
        };
        self.send(slot, 0, Body::GoingAway(going));
        self.close(slot);
    }

    fn authenticate(
        &mut self,
        slot: Slot,
        nonce: &[u8; 32],
        login: &wire::Authenticate,
    ) -> Result<Body, Failure> {
        let account = AccountId::try_from(login.account_id.as_ref()).map_err(|e| malformed(e.to_string()))?;
        let device = DeviceKey::try_from(login.device_key.as_ref()).map_err(|e| malformed(e.to_string()))?;
        let Some(record) = self.account(account)? else {
            return Err(refused(ErrorCode::UnknownAccount, "this cell does not know the account"));
        };
        if !record.devices.iter().any(|certificate| *certificate.device_key == device.0) {
            return Err(refused(ErrorCode::UnknownDevice, "the device does not belong to the account"));
        }
        signing::verify(&device.0, &session_bytes(self.cell_id, nonce, account), &login.signature)
            .map_err(|error| fatal(ErrorCode::BadSignature, error.to_string()))?;

        self.sessions.set_phase(slot, Phase::Ready { account, device });
        if let Some(session) = self.sessions.get_mut(slot) {
            let window = login
                .receive_window
                .clamp(*limits::RECEIVE_WINDOW_BYTES.start(), *limits::RECEIVE_WINDOW_BYTES.end());
            session.window = window.into();
            session.credit = window.into();
        }
        if let Some(older) = self.sessions.take_device(device, slot)
            && older != slot
        {
            self.replace(older, device);
        }
        let ready = session_ready_bytes(nonce, &login.signature);
        Ok(Body::SessionReady(wire::SessionReady {
            cell_signature: signing::sign(&self.keys.cell, &ready),
            origin: self.origin_bytes.clone(),
            handle: record.handle,
            key_packages: self.key_package_counts(account, device)?,
            limits: Some(wire::Limits {
                max_frame_bytes: limits::MAX_FRAME_BYTES as u32,
                max_payload_bytes: limits::MAX_PAYLOAD_BYTES as u32,
                max_room_members: limits::MAX_ROOM_ACCOUNTS as u32,
                max_key_packages: limits::MAX_KEY_PACKAGES as u32,
            }),
        }))
    }

    fn replace(&mut self, older: Slot, device: DeviceKey) {
        let is_its = self.sessions.get(older).and_then(|s| s.identity()).is_some_and(|(_, d)| d == device);
        if is_its {
            let going = wire::GoingAway {
                code: ErrorCode::Replaced.into(),
                message: "the device opened a newer session".into(),
                retry_after_ms: 0,
            };
            self.send(older, 0, Body::GoingAway(going));
            self.close(older);
        }
    }

    fn register(&mut self, nonce: &[u8; 32], register: &wire::Register) -> Result<Body, Failure> {
        let certificate =
            register.certificate.as_ref().ok_or_else(|| malformed("a certificate is missing"))?;
        let account = AccountId::of_root_key(&certificate.root_key);
        let stored = self.account(account)?;
        // The cheap checks come first: a stranger's work costs more than finding out that it is missing.
        let handle = match &stored {
            None => Some(self.check_signup(nonce, account, register)?),
            Some(_) => None,
        };
        let device = signing::verify_certificate(certificate)
            .map_err(|error| refused(ErrorCode::BadSignature, error.to_string()))?
            .device;
        let signed = register_bytes(self.cell_id, nonce, account, &register.handle);
        signing::verify(&device.0, &signed, &register.signature)
            .map_err(|error| refused(ErrorCode::BadSignature, error.to_string()))?;

        match (stored, handle) {
            (Some(record), _) => self.add_device(account, record, certificate, register)?,
            (None, Some((handle, invite))) => {
                self.check_writable()?;
                if let Some(id) = invite {
                    self.overlay.put(keys::USED_INVITE.key(&(id,)), self.now_ms.to_be_bytes().to_vec());
                }
                let record = wire::Account {
                    account_id: account.to_bytes(),
                    handle: handle.to_string(),
                    devices: vec![certificate.clone()],
                };
                self.overlay.put(keys::HANDLE.key(&(handle,)), account.to_bytes());
                self.overlay.put(keys::ACCOUNT.key(&(account,)), record.encode_to_vec());
                self.stats.accounts_created += 1;
            }
            (None, None) => return Err(malformed("nothing to register")),
        }
        Ok(Body::Done(wire::Done {}))
    }

    /// Whether a new account may be made; gives its handle and the invite that it uses up.
    fn check_signup(
        &self,
        nonce: &[u8; 32],
        account: AccountId,
        register: &wire::Register,
    ) -> Result<(Handle, Option<bytes::Bytes>), Failure> {
        let handle = parse_handle(&register.handle)?;
        let invite = if register.invite.is_empty() {
            if !self.config.signup_open {
                return Err(refused(ErrorCode::SignupClosed, "this cell takes nobody without an invite"));
            }
            if !signing::pow_holds(nonce, account, register.pow, self.config.pow_bits) {
                return Err(refused(ErrorCode::PowInvalid, "the proof of work does not hold"));
            }
            None
        } else {
            if !self.config.signup_invite {
                return Err(refused(ErrorCode::SignupClosed, "this cell gives out no invites"));
            }
            let id = invite::check(&self.config.invite_key, &register.invite, self.now_ms)
                .ok_or_else(|| refused(ErrorCode::InviteInvalid, "the invite is wrong or has expired"))?;
            if self.load(&keys::USED_INVITE.key(&(id.clone(),)))?.is_some() {
                return Err(refused(ErrorCode::InviteInvalid, "the invite was used already"));
            }
            Some(id)
        };
        self.check_handle_free(&handle)?;
        Ok((handle, invite))
    }

    /// A further device, or a registration that is repeated because its answer got lost.
    fn add_device(
        &mut self,
        account: AccountId,
        mut record: wire::Account,
        certificate: &wire::DeviceCertificate,
        register: &wire::Register,
    ) -> Result<(), Failure> {
        let same_handle = register.handle.parse::<Handle>().is_ok_and(|h| h.as_str() == record.handle);
        if !register.handle.is_empty() && !same_handle {
            return Err(refused(ErrorCode::AlreadyExists, "the account has another handle already"));
        }
        if record.devices.iter().any(|known| known.device_key == certificate.device_key) {
            return Ok(());
        }
        if record.devices.len() >= limits::MAX_DEVICES_PER_ACCOUNT {
            return Err(refused(ErrorCode::Limit, "the account has as many devices as it may have"));
        }
        self.check_writable()?;
        record.devices.push(certificate.clone());
        self.overlay.put(keys::ACCOUNT.key(&(account,)), record.encode_to_vec());
        Ok(())
    }
}

pub(crate) fn parse_handle(text: &str) -> Result<Handle, Failure> {
    text.parse().map_err(|error: mbolo_proto::handle::InvalidHandle| {
        refused(ErrorCode::HandleInvalid, error.to_string())
    })
}

/// Registrations and logins on one connection: a client needs two, and one more after a typing error.
const MAX_ATTEMPTS: u8 = 4;

/// A login that is shed comes back after this at the earliest …
const RETRY_MIN_MS: u32 = 250;

/// … and at most this later: a flood of junk must not send everybody away for long.
const RETRY_SPREAD_MS: u32 = 15_000;

//! The account: its root key behind 24 words, this device's key and certificate, signing up and recovering.

use bip39::Mnemonic;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_client_api::{Account, Reply, Update};
use mbolo_proto::signing::{
    certify_device, find_pow, pulse_report_bytes, register_bytes, session_bytes, sign,
};
use mbolo_proto::wire::{self, client_frame::Body};
use mbolo_proto::{AccountId, CellId, DeviceKey, Handle, PROTOCOL_VERSION};
use prost::Message;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::engine::{Client, Fault, failure};
use crate::mls::Device;
use crate::names;
use crate::session::{Asked, Link, RECEIVE_WINDOW};
use crate::store;

/// The account of this profile.
pub(crate) struct Me {
    pub account: AccountId,
    pub device: Device,
    pub handle: String,
    pub name: String,
    pub registered: bool,
    /// Made from a recovery phrase: the rooms have to be fetched.
    pub recovering: bool,
    invite: String,
    entropy: Zeroizing<[u8; 32]>,
}

impl Client {
    /// Loads the account from the store.
    pub(crate) fn load_account(&mut self) -> Result<(), Fault> {
        self.me = None;
        let Some(entropy) = store::profile(&self.db, "entropy")? else { return Ok(()) };
        let entropy = Zeroizing::new(key_bytes(&entropy)?);
        let device = Zeroizing::new(key_bytes(&self.profile_value("device")?)?);
        let certificate = wire::DeviceCertificate::decode(self.profile_value("certificate")?.as_slice())
            .map_err(|_| Fault::Damaged("certificate"))?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Fault::Damaged("profile text"));
        self.me = Some(Me {
            account: AccountId::of_root_key(&certificate.root_key),
            device: Device::new(SigningKey::from_bytes(&device), certificate),
            handle: text(self.profile_value("handle")?)?,
            name: text(self.profile_value("name")?)?,
            invite: text(self.profile_value("invite")?)?,
            registered: self.profile_value("registered")? == [1],
            recovering: self.profile_value("recovering")? == [1],
            entropy,
        });
        Ok(())
    }

    /// The answer of this device to an observatory's challenge: its certificate and its signature. None without an account.
    pub fn sign_pulse_report(&self, challenge: &str) -> Option<(wire::DeviceCertificate, Bytes)> {
        let device = &self.me.as_ref().filter(|me| me.registered)?.device;
        Some((device.certificate().clone(), sign(device.signing_key(), &pulse_report_bytes(challenge))))
    }

    fn profile_value(&self, key: &str) -> Result<Vec<u8>, Fault> {
        store::profile(&self.db, key)?.ok_or(Fault::Damaged("a value of the profile is missing"))
    }

    pub(crate) fn sign_up(
        &mut self,
        id: u64,
        handle: &str,
        name: &str,
        invite: Option<String>,
    ) -> Result<(), Fault> {
        let Ok(handle) = handle.parse::<Handle>() else {
            let message = "a handle has 3 to 35 of a-z, 0-9, _ and ., and begins with a letter";
            self.reply(id, Err(failure("handle_invalid", message)));
            return Ok(());
        };
        let entropy = Zeroizing::new(self.crypto.random::<32>());
        self.make_account(id, entropy, handle.as_str(), name, invite.unwrap_or_default().trim(), false)
    }

    pub(crate) fn recover(&mut self, id: u64, phrase: &str, name: &str) -> Result<(), Fault> {
        // The words are English, so ASCII: there is nothing to normalise, and the tables for it, which are larger than
        // the words, stay out of the browser's WASM.
        let entropy = Mnemonic::parse_in_normalized(bip39::Language::English, &phrase.to_lowercase())
            .ok()
            .and_then(|mnemonic| <[u8; 32]>::try_from(mnemonic.to_entropy().as_slice()).ok());
        let Some(entropy) = entropy else {
            let message = "these are not the 24 words of a recovery phrase; check the spelling and the order";
            self.reply(id, Err(failure("phrase_invalid", message)));
            return Ok(());
        };
        self.make_account(id, Zeroizing::new(entropy), "", name, "", true)
    }

    fn make_account(
        &mut self,
        id: u64,
        entropy: Zeroizing<[u8; 32]>,
        handle: &str,
        name: &str,
        invite: &str,
        recovering: bool,
    ) -> Result<(), Fault> {
        if self.me.as_ref().is_some_and(|me| me.registered) || self.signing_up.is_some() {
            self.reply(id, Err(failure("already_signed_up", "this profile has an account; sign out first")));
            return Ok(());
        }
        let name = match names::checked(name) {
            Ok(name) => name,
            Err(refusal) => {
                self.reply(id, Err(refusal));
                return Ok(());
            }
        };
        // A registration whose answer was lost is repeated with its own keys, so that the handle is not taken
        // by an account that nobody has the keys of.
        let repeats = self.me.as_ref().is_some_and(|me| me.handle == handle && me.recovering == recovering);
        if !repeats || recovering {
            store::wipe(&self.db)?;
            let device = Zeroizing::new(self.crypto.random::<32>());
            let key = DeviceKey(SigningKey::from_bytes(&device).verifying_key().to_bytes());
            let certificate = certify_device(&root_key(&entropy)?, key, self.now);
            store::set_profile(&self.db, "entropy", entropy.as_slice())?;
            store::set_profile(&self.db, "device", device.as_slice())?;
            store::set_profile(&self.db, "certificate", &certificate.encode_to_vec())?;
        }
        store::set_profile(&self.db, "handle", handle.as_bytes())?;
        store::set_profile(&self.db, "name", name.as_bytes())?;
        store::set_profile(&self.db, "invite", invite.as_bytes())?;
        store::set_profile(&self.db, "registered", &[0])?;
        store::set_profile(&self.db, "recovering", &[recovering.into()])?;
        self.load_account()?;
        self.signing_up = Some(id);
        self.session.failures = 0;
        if matches!(self.link, Link::Idle | Link::Refused { .. } | Link::Waiting { .. }) {
            self.connect();
        }
        Ok(())
    }

    /// The cell greeted: register or authenticate.
    pub(crate) fn enter(
        &mut self,
        cell: CellId,
        nonce: [u8; 32],
        policy: &wire::SignupPolicy,
    ) -> Result<(), Fault> {
        let Some(me) = &self.me else { return Ok(()) };
        if me.registered {
            return self.authenticate(cell, nonce);
        }
        // Everything that could make the work worthless is the cell's to check first; a second device needs none.
        let pow = if me.recovering || !me.invite.is_empty() {
            0
        } else {
            find_pow(&nonce, me.account, policy.pow_bits.min(MAX_POW_BITS))
        };
        let signed = register_bytes(cell, &nonce, me.account, &me.handle);
        let register = wire::Register {
            version: PROTOCOL_VERSION,
            certificate: Some(me.device.certificate().clone()),
            handle: me.handle.clone(),
            pow,
            invite: me.invite.clone(),
            signature: sign(me.device.signing_key(), &signed),
        };
        self.request(Asked::Register, Body::Register(register));
        Ok(())
    }

    pub(crate) fn authenticate(&mut self, cell: CellId, nonce: [u8; 32]) -> Result<(), Fault> {
        let Some(me) = &self.me else { return Ok(()) };
        let signature = sign(me.device.signing_key(), &session_bytes(cell, &nonce, me.account));
        let authenticate = wire::Authenticate {
            version: PROTOCOL_VERSION,
            account_id: me.account.to_bytes(),
            device_key: me.device.public().to_bytes(),
            signature: signature.clone(),
            receive_window: RECEIVE_WINDOW,
        };
        self.session.login_signature = signature;
        self.request(Asked::Authenticate, Body::Authenticate(authenticate));
        Ok(())
    }

    /// The cell has taken the account, or this device of it.
    pub(crate) fn registered(&mut self) -> Result<(), Fault> {
        store::set_profile(&self.db, "registered", &[1])?;
        if let Some(me) = &mut self.me {
            me.registered = true;
        }
        Ok(())
    }

    /// The session is open; the cell said which handle the account has.
    pub(crate) fn learn_handle(&mut self, handle: &str) -> Result<(), Fault> {
        let Some(me) = &mut self.me else { return Ok(()) };
        let is_news = me.handle != handle;
        if is_news {
            me.handle = handle.to_owned();
            store::set_profile(&self.db, "handle", handle.as_bytes())?;
        }
        let account = me.account;
        self.learn_account(account, handle)?;
        if let Some(account) = self.account() {
            if is_news || self.signing_up.is_some() {
                self.update(Update::Account { account: account.clone() });
            }
            if let Some(id) = self.signing_up.take() {
                self.reply(id, Ok(Reply::Account { account }));
            }
        }
        Ok(())
    }

    /// The cell refused to register: the keys go, and the user may try again.
    pub(crate) fn registration_refused(&mut self, code: &str, message: &str) -> Result<(), Fault> {
        store::wipe(&self.db)?;
        self.me = None;
        if let Some(id) = self.signing_up.take() {
            self.reply(id, Err(failure(code, message)));
        }
        self.hang_up(Link::Idle);
        Ok(())
    }

    pub(crate) fn account(&self) -> Option<Account> {
        let me = self.me.as_ref().filter(|me| me.registered)?;
        Some(Account {
            id: me.account.to_string(),
            handle: me.handle.clone(),
            name: me.name.clone(),
            cell: self.options.cell_name.clone(),
        })
    }

    pub(crate) fn recovery_phrase(&self) -> Option<String> {
        let me = self.me.as_ref()?;
        Mnemonic::from_entropy(me.entropy.as_slice()).ok().map(|mnemonic| mnemonic.to_string())
    }

    pub(crate) fn set_name(&mut self, id: u64, name: &str) -> Result<(), Fault> {
        match names::checked(name) {
            Ok(name) => {
                store::set_profile(&self.db, "name", name.as_bytes())?;
                if let Some(me) = &mut self.me {
                    me.name = name;
                }
                self.tell_name_everywhere()?;
                if let Some(account) = self.account() {
                    self.update(Update::Account { account });
                }
                self.reply(id, Ok(Reply::Done));
            }
            Err(refusal) => self.reply(id, Err(refusal)),
        }
        Ok(())
    }

    /// Remembers an account's handle. It is somebody else's to check that no other account is known by it.
    pub(crate) fn learn_account(&mut self, account: AccountId, handle: &str) -> Result<(), Fault> {
        if !handle.is_empty() {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO accounts (id, handle) VALUES (?1, ?2)")?
                .execute((account.0, handle))?;
        }
        Ok(())
    }
}

/// The account's root key: a hash of the BIP-39 seed (no passphrase) of the 32 bytes behind the 24 words.
fn root_key(entropy: &[u8; 32]) -> Result<SigningKey, Fault> {
    let mnemonic = Mnemonic::from_entropy(entropy).map_err(|_| Fault::Damaged("entropy"))?;
    let seed = Zeroizing::new(mnemonic.to_seed_normalized(""));
    let key: [u8; 32] = Sha256::new_with_prefix(b"mbolo/root-key/v1").chain_update(*seed).finalize().into();
    Ok(SigningKey::from_bytes(&Zeroizing::new(key)))
}

fn key_bytes(bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes.try_into().map_err(|_| Fault::Damaged("key"))
}

/// More work than this no honest cell asks for; it would hang the device for minutes.
const MAX_POW_BITS: u32 = 26;

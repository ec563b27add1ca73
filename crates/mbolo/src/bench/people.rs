//! The people of a benchmark: accounts with their keys, and rooms made with real MLS.
//!
//! Only a room's creator keeps MLS state, and only while the room is made: to the cell the others are members
//! like any, and what they send is as opaque to it as real ciphertext.

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_proto::limits::MAX_ADDS_PER_COMMIT;
use mbolo_proto::policy::Policy;
use mbolo_proto::wire::{self, client_frame::Body};
use mbolo_proto::{
    AccountId, CellId, DeviceKey, EXTENSION_ORDERING_SET, EXTENSION_ROOM_POLICY, Origin, PROTOCOL_VERSION,
    RoomId, signing,
};
use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialWithKey, Extension, ExtensionType, Extensions,
    GroupId, KeyPackage, Lifetime, MlsGroup, OpenMlsProvider, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
    RequiredCapabilitiesExtension, UnknownExtension,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::types::SignatureScheme;
use prost::Message;
use tls_codec::Serialize;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// Frames that a cell accepts from an account, in this order, to make one room.
pub struct RoomRecipe {
    /// The room.
    pub room: RoomId,
    /// CreateRoom, then one SubmitCommit per batch of members.
    pub frames: Vec<Body>,
}

/// One account with one device.
pub struct Person {
    /// Its account id.
    pub account: AccountId,
    /// Its handle.
    pub handle: String,
    device: SigningKey,
    certificate: wire::DeviceCertificate,
}

impl Person {
    /// The `number`th person of a benchmark; always the same keys for the same number.
    pub fn new(number: usize) -> Self {
        let secret = |role: u8| {
            let mut seed = [role; 32];
            seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
            SigningKey::from_bytes(&seed)
        };
        let (root, device) = (secret(1), secret(2));
        let certificate =
            signing::certify_device(&root, DeviceKey(device.verifying_key().to_bytes()), 1_700_000_000_000);
        let account = AccountId::of_root_key(&certificate.root_key);
        Self { account, handle: format!("bench{number}"), device, certificate }
    }

    /// The registration for a connection with this challenge.
    pub fn register(&self, challenge: &wire::Challenge) -> Result<Body> {
        let (cell, nonce) = challenge_parts(challenge)?;
        let bits = challenge.signup.as_ref().map_or(0, |policy| policy.pow_bits);
        let bytes = signing::register_bytes(cell, &nonce, self.account, &self.handle);
        Ok(Body::Register(wire::Register {
            version: PROTOCOL_VERSION,
            certificate: Some(self.certificate.clone()),
            handle: self.handle.clone(),
            pow: signing::find_pow(&nonce, self.account, bits),
            invite: String::new(),
            signature: signing::sign(&self.device, &bytes),
        }))
    }

    /// The login for a connection with this challenge.
    pub fn authenticate(&self, challenge: &wire::Challenge) -> Result<Body> {
        let (cell, nonce) = challenge_parts(challenge)?;
        Ok(Body::Authenticate(wire::Authenticate {
            version: PROTOCOL_VERSION,
            account_id: self.account.to_bytes(),
            device_key: self.certificate.device_key.clone(),
            signature: signing::sign(&self.device, &signing::session_bytes(cell, &nonce, self.account)),
            receive_window: *mbolo_proto::limits::RECEIVE_WINDOW_BYTES.end(),
        }))
    }

    fn signer(&self) -> SignatureKeyPair {
        SignatureKeyPair::from_raw(
            SignatureScheme::ED25519,
            self.device.to_bytes().to_vec(),
            self.device.verifying_key().to_bytes().to_vec(),
        )
    }

    fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.certificate.encode_to_vec()).into(),
            signature_key: self.device.verifying_key().to_bytes().to_vec().into(),
        }
    }
}

/// A KeyPackage for each of `people`, in their order. One serves for all rooms of a benchmark.
pub fn key_packages(people: &[Person]) -> Result<Vec<KeyPackage>> {
    let provider = OpenMlsRustCrypto::default();
    people
        .iter()
        .map(|person| {
            let bundle = KeyPackage::builder()
                .leaf_node_capabilities(capabilities())
                .key_package_lifetime(unlimited())
                .build(SUITE, &provider, &person.signer(), person.credential())
                .map_err(|error| anyhow!("a KeyPackage: {error:?}"))?;
            Ok(bundle.key_package().clone())
        })
        .collect()
}

/// The room of `creator` and `others` (their KeyPackages), decided by the cell with this `origin`.
pub fn room(
    creator: &Person,
    others: &[(AccountId, &KeyPackage)],
    number: u64,
    origin: Origin,
) -> Result<RoomRecipe> {
    let provider = OpenMlsRustCrypto::default();
    let signer = creator.signer();
    let mut id = [0xBE; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let room = RoomId(id);
    let policy = Policy::Group { admins: vec![creator.account] };
    let set = wire::OrderingSet { vote_keys: vec![origin.to_bytes()] };
    let extensions = Extensions::from_vec(vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(&our_extensions(), &[], &[])),
        Extension::Unknown(EXTENSION_ORDERING_SET, UnknownExtension(set.encode_to_vec())),
        Extension::Unknown(EXTENSION_ROOM_POLICY, UnknownExtension(policy.to_wire().encode_to_vec())),
    ])
    .map_err(|error| anyhow!("the room's extensions: {error:?}"))?;
    let mut group = MlsGroup::builder()
        .with_group_id(GroupId::from_slice(&room.0))
        .ciphersuite(SUITE)
        .with_capabilities(capabilities())
        .lifetime(unlimited())
        .with_group_context_extensions(extensions)
        .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .build(&provider, &signer, creator.credential())
        .map_err(|error| anyhow!("a group: {error:?}"))?;
    let group_info = group
        .export_group_info(provider.crypto(), &signer, false)
        .map_err(|error| anyhow!("a GroupInfo: {error:?}"))?;
    let mut frames = vec![Body::CreateRoom(wire::CreateRoom {
        room_id: room.to_bytes(),
        group_info: group_info.tls_serialize_detached()?.into(),
        ratchet_tree: group.export_ratchet_tree().tls_serialize_detached()?.into(),
    })];
    for batch in others.chunks(MAX_ADDS_PER_COMMIT) {
        let epoch = group.epoch().as_u64();
        let bundle = group
            .commit_builder()
            .propose_adds(batch.iter().map(|(_, key_package)| (*key_package).clone()))
            .load_psks(provider.storage())
            .map_err(|error| anyhow!("a commit: {error:?}"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), &signer, |_| true)
            .map_err(|error| anyhow!("a commit: {error:?}"))?
            .stage_commit(&provider)
            .map_err(|error| anyhow!("a commit: {error:?}"))?;
        let (commit, welcome, group_info) = bundle.into_messages();
        let encoded = wire::CommitBundle {
            commit: commit.tls_serialize_detached()?.into(),
            proposals: Vec::new(),
            welcome: welcome.context("a commit with adds has a Welcome")?.tls_serialize_detached()?.into(),
            group_info: group_info.context("a GroupInfo was asked for")?.tls_serialize_detached()?.into(),
        }
        .encode_to_vec();
        frames.push(Body::SubmitCommit(wire::SubmitCommit {
            room_id: room.to_bytes(),
            epoch,
            bundle: encoded.into(),
        }));
        group.merge_pending_commit(&provider).map_err(|error| anyhow!("merging: {error:?}"))?;
    }
    Ok(RoomRecipe { room, frames })
}

/// A payload as large as the ciphertext of a short text: 300 bytes, different for every (sender, number).
pub fn payload(sender: u32, number: u32, sent_at_ns: u64) -> Bytes {
    let mut payload = vec![0x5A; 300];
    payload[..4].copy_from_slice(&sender.to_be_bytes());
    payload[4..8].copy_from_slice(&number.to_be_bytes());
    payload[8..16].copy_from_slice(&sent_at_ns.to_be_bytes());
    payload.into()
}

/// Reads back who sent a payload, the how-manyth, and when.
pub fn read_payload(payload: &[u8]) -> Option<(u32, u32, u64)> {
    let sender = u32::from_be_bytes(payload.get(..4)?.try_into().ok()?);
    let number = u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?);
    let sent_at_ns = u64::from_be_bytes(payload.get(8..16)?.try_into().ok()?);
    Some((sender, number, sent_at_ns))
}

fn capabilities() -> Capabilities {
    Capabilities::new(None, Some(&[SUITE]), Some(&our_extensions()), None, None)
}

/// Cells take leaves of unlimited lifetime only, because a wrong clock must not break a room.
fn unlimited() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

fn our_extensions() -> [ExtensionType; 2] {
    [ExtensionType::Unknown(EXTENSION_ORDERING_SET), ExtensionType::Unknown(EXTENSION_ROOM_POLICY)]
}

fn challenge_parts(challenge: &wire::Challenge) -> Result<(CellId, [u8; 32])> {
    let cell = CellId::try_from(challenge.cell_id.as_ref())?;
    let nonce = challenge.nonce.as_ref().try_into().context("a challenge has a nonce of 32 bytes")?;
    Ok((cell, nonce))
}

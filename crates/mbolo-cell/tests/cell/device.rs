//! A device with its keys, its session and its MLS groups.

use std::collections::BTreeMap;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_proto::policy::Policy;
use mbolo_proto::signing::{VerifiedReceipt, certify_device, register_bytes, session_bytes, sign, verify};
use mbolo_proto::wire;
use mbolo_proto::{
    AccountId, DeviceKey, EXTENSION_ORDERING_SET, EXTENSION_ROOM_POLICY, FeedId, RoomId, VersionVector,
};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use prost::Message;

use crate::crypto::TestProvider;
use crate::desk::{Answer, Connection, Desk, Request, cell_id, origin};

pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
pub const POST_QUANTUM: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;

pub struct Device {
    pub key: SigningKey,
    pub account: AccountId,
    pub certificate: wire::DeviceCertificate,
    pub session: u64,
    pub provider: TestProvider,
    pub groups: BTreeMap<RoomId, MlsGroup>,
    pub suite: Ciphersuite,
    pub lifetime: Lifetime,
}

/// A commit that is made and not decided.
pub struct Pending {
    pub room: RoomId,
    pub epoch: u64,
    pub bundle: wire::CommitBundle,
}

impl Pending {
    pub fn submit(&self) -> Request {
        Request::SubmitCommit(wire::SubmitCommit {
            room_id: self.room.to_bytes(),
            epoch: self.epoch,
            bundle: self.bundle.encode_to_vec().into(),
        })
    }
}

impl Device {
    /// Device `device` of person `person`.
    pub fn new(person: u8, device: u8) -> Self {
        let root = SigningKey::from_bytes(&[person; 32]);
        let mut seed = [person; 32];
        seed[0] = device;
        seed[1] = 77;
        let key = SigningKey::from_bytes(&seed);
        let device = DeviceKey(key.verifying_key().to_bytes());
        Self {
            certificate: certify_device(&root, device, 1_000),
            account: AccountId::of_root_key(&root.verifying_key().to_bytes()),
            key,
            session: 0,
            provider: TestProvider::default(),
            groups: BTreeMap::new(),
            suite: SUITE,
            lifetime: Lifetime::init(0, u64::MAX),
        }
    }

    /// A person with one device who is signed up and connected.
    pub fn signed_up(desk: &mut Desk, person: u8, handle: &str) -> Self {
        let mut device = Self::new(person, 1);
        let connection = desk.connect();
        let answer = desk.call(connection.session, device.register(&connection, handle));
        assert_eq!(answer, Answer::Done(wire::Done {}));
        device.authenticate(desk, connection);
        device
    }

    pub fn device_key(&self) -> DeviceKey {
        DeviceKey(self.key.verifying_key().to_bytes())
    }

    pub fn register(&self, connection: &Connection, handle: &str) -> Request {
        Request::Register(wire::Register {
            version: 1,
            certificate: Some(self.certificate.clone()),
            handle: handle.into(),
            pow: 0,
            invite: String::new(),
            signature: sign(&self.key, &register_bytes(cell_id(), &nonce(connection), self.account, handle)),
        })
    }

    pub fn login(&self, connection: &Connection) -> wire::Authenticate {
        wire::Authenticate {
            version: 1,
            account_id: self.account.to_bytes(),
            device_key: self.device_key().to_bytes(),
            signature: sign(&self.key, &session_bytes(cell_id(), &nonce(connection), self.account)),
            receive_window: 1024 * 1024,
        }
    }

    pub fn authenticate(&mut self, desk: &mut Desk, connection: Connection) -> wire::SessionReady {
        self.session = connection.session;
        let login = self.login(&connection);
        match desk.call(connection.session, Request::Authenticate(login.clone())) {
            Answer::SessionReady(ready) => {
                let signed = mbolo_proto::signing::session_ready_bytes(&nonce(&connection), &login.signature);
                assert_eq!(verify(&cell_id().0, &signed, &ready.cell_signature), Ok(()));
                ready
            }
            other => panic!("no session but {other:?}"),
        }
    }

    /// Connects again, after a restart for instance.
    pub fn come_back(&mut self, desk: &mut Desk) -> wire::SessionReady {
        let connection = desk.connect();
        self.authenticate(desk, connection)
    }

    // ------------------------------------------------------------ feeds

    pub fn subscribe(&self, desk: &mut Desk, feed: FeedId, after: &VersionVector) -> wire::FeedHead {
        let position = wire::FeedPosition { feed: Some(feed.into()), after: Some(after.into()) };
        match desk.call(self.session, Request::Subscribe(wire::Subscribe { feeds: vec![position] })) {
            Answer::Subscribed(mut subscribed) => subscribed.heads.remove(0),
            other => panic!("not subscribed but {other:?}"),
        }
    }

    /// Follows a room from where it ends now.
    pub fn follow_from_end(&self, desk: &mut Desk, room: RoomId) {
        let head = self.subscribe(desk, FeedId::Room(room), &VersionVector::new());
        assert_eq!(head.refused, 0);
        desk.settle();
        desk.entries(self.session);
    }

    pub fn publish(room: RoomId, payload: &[u8]) -> Request {
        Request::Publish(wire::Publish {
            room_id: room.to_bytes(),
            kind: wire::EntryKind::Application.into(),
            payload: Bytes::copy_from_slice(payload),
            resume: false,
        })
    }

    /// Publishes and gives the seq.
    pub fn say(&self, desk: &mut Desk, room: RoomId, payload: &[u8]) -> u64 {
        match desk.call(self.session, Self::publish(room, payload)) {
            Answer::Published(published) => {
                assert_eq!(*published.origin, origin().0);
                published.seq
            }
            other => panic!("not published but {other:?}"),
        }
    }

    // ------------------------------------------------------------ MLS

    pub fn signer(&self) -> SignatureKeyPair {
        SignatureKeyPair::from_raw(
            SignatureScheme::ED25519,
            self.key.to_bytes().to_vec(),
            self.device_key().0.to_vec(),
        )
    }

    pub fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.certificate.encode_to_vec()).into(),
            signature_key: self.device_key().0.to_vec().into(),
        }
    }

    pub fn key_package(&self, last_resort: bool) -> Bytes {
        let builder =
            KeyPackage::builder().key_package_lifetime(self.lifetime).leaf_node_capabilities(capabilities());
        let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
        let bundle = builder.build(self.suite, &self.provider, &self.signer(), self.credential()).unwrap();
        let message = MlsMessageOut::from(bundle.key_package().clone());
        message.tls_serialize_detached().unwrap().into()
    }

    pub fn upload(&self, desk: &mut Desk, count: usize) -> Answer {
        let key_packages = (0..count).map(|_| self.key_package(false)).collect();
        let last_resort = vec![self.key_package(true)];
        let upload = wire::UploadKeyPackages { key_packages, last_resort };
        desk.call(self.session, Request::UploadKeyPackages(upload))
    }

    pub fn claim(&self, desk: &mut Desk, account: AccountId) -> Vec<KeyPackage> {
        let claim = wire::ClaimKeyPackages {
            account_id: account.to_bytes(),
            cipher_suite: u16::from(self.suite).into(),
        };
        match desk.call(self.session, Request::ClaimKeyPackages(claim)) {
            Answer::KeyPackages(packages) => packages
                .key_packages
                .iter()
                .map(|package| self.read_key_package(&package.key_package))
                .collect(),
            other => panic!("nothing claimed but {other:?}"),
        }
    }

    pub fn read_key_package(&self, bytes: &[u8]) -> KeyPackage {
        let message = MlsMessageIn::tls_deserialize_exact(bytes).unwrap();
        let MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("not a KeyPackage") };
        package.validate(self.provider.crypto(), ProtocolVersion::Mls10).unwrap()
    }

    /// The request that makes a room, and the group on this side.
    pub fn new_room(&mut self, room: RoomId, policy: &Policy) -> Request {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(self.suite)
            .lifetime(self.lifetime)
            .capabilities(capabilities())
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .with_group_context_extensions(extensions(policy))
            .build();
        let group = MlsGroup::new_with_group_id(
            &self.provider,
            &self.signer(),
            &config,
            GroupId::from_slice(&room.0),
            self.credential(),
        )
        .unwrap();
        let info = group.export_group_info(self.provider.crypto(), &self.signer(), false).unwrap();
        let request = wire::CreateRoom {
            room_id: room.to_bytes(),
            group_info: info.tls_serialize_detached().unwrap().into(),
            ratchet_tree: group.export_ratchet_tree().tls_serialize_detached().unwrap().into(),
        };
        self.groups.insert(room, group);
        Request::CreateRoom(request)
    }

    /// A group room of which this device is the only member.
    pub fn create_group(&mut self, desk: &mut Desk, n: u8) -> RoomId {
        let room = RoomId([n; 32]);
        let request = self.new_room(room, &Policy::Group { admins: vec![self.account] });
        assert_eq!(desk.call(self.session, request), Answer::Done(wire::Done {}));
        room
    }

    pub fn commit_adding(&mut self, room: RoomId, packages: Vec<KeyPackage>) -> Pending {
        self.commit(room, |builder| builder.propose_adds(packages))
    }

    pub fn commit_removing(&mut self, room: RoomId, account: AccountId) -> Pending {
        let leaves: Vec<LeafNodeIndex> = self.groups[&room]
            .members()
            .filter(|member| account_of(&member.credential) == account)
            .map(|member| member.index)
            .collect();
        self.commit(room, |builder| builder.propose_removals(leaves))
    }

    pub fn commit_update(&mut self, room: RoomId) -> Pending {
        self.commit(room, |builder| builder.force_self_update(true))
    }

    pub fn commit_policy(&mut self, room: RoomId, policy: &Policy) -> Pending {
        self.commit(room, |builder| builder.propose_group_context_extensions(extensions(policy)).unwrap())
    }

    pub fn commit<F>(&mut self, room: RoomId, change: F) -> Pending
    where
        F: for<'a> FnOnce(CommitBuilder<'a, Initial>) -> CommitBuilder<'a, Initial>,
    {
        let signer = self.signer();
        let group = self.groups.get_mut(&room).unwrap();
        let epoch = group.epoch().as_u64();
        let bundle = change(group.commit_builder())
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(self.provider.rand(), self.provider.crypto(), &signer, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        let (commit, welcome, info) = bundle.into_messages();
        let bytes = |message: MlsMessageOut| Bytes::from(message.tls_serialize_detached().unwrap());
        let bundle = wire::CommitBundle {
            commit: bytes(commit),
            proposals: Vec::new(),
            welcome: welcome.map(bytes).unwrap_or_default(),
            group_info: info.map(bytes).unwrap_or_default(),
        };
        Pending { room, epoch, bundle }
    }

    /// Submits, checks the receipt, merges.
    pub fn decide(&mut self, desk: &mut Desk, pending: &Pending) -> wire::Receipt {
        match desk.call(self.session, pending.submit()) {
            Answer::CommitAccepted(accepted) => {
                let receipt = accepted.receipt.unwrap();
                let verified = VerifiedReceipt::check(&receipt, &[origin()]).unwrap();
                assert_eq!(verified.subject.epoch, pending.epoch);
                self.groups.get_mut(&pending.room).unwrap().merge_pending_commit(&self.provider).unwrap();
                receipt
            }
            other => panic!("not decided but {other:?}"),
        }
    }

    /// Adds people, each with the KeyPackages that the cell gives out; they join with their Welcomes.
    pub fn add(&mut self, desk: &mut Desk, room: RoomId, people: &mut [&mut Device]) {
        let packages = people.iter().flat_map(|person| self.claim(desk, person.account)).collect();
        let pending = self.commit_adding(room, packages);
        self.decide(desk, &pending);
        for person in people {
            person.join(desk, room, pending.epoch + 1);
        }
    }

    pub fn join(&mut self, desk: &mut Desk, room: RoomId, epoch: u64) -> wire::Join {
        let get = wire::GetJoin { room_id: room.to_bytes(), epoch };
        let Answer::Join(join) = desk.call(self.session, Request::GetJoin(get)) else { panic!("no Welcome") };
        VerifiedReceipt::check(join.receipt.as_ref().unwrap(), &[origin()]).unwrap();
        let MlsMessageBodyIn::Welcome(welcome) =
            MlsMessageIn::tls_deserialize_exact(&join.welcome).unwrap().extract()
        else {
            panic!("not a Welcome")
        };
        let tree = RatchetTreeIn::tls_deserialize_exact(&join.ratchet_tree).unwrap();
        let group = StagedWelcome::new_from_welcome(&self.provider, &join_config(), welcome, Some(tree))
            .unwrap()
            .into_group(&self.provider)
            .unwrap();
        self.groups.insert(room, group);
        join
    }

    /// Joins by an external commit; not decided yet.
    pub fn join_externally(&mut self, desk: &mut Desk, room: RoomId) -> Pending {
        let get = wire::GetGroupInfo { room_id: room.to_bytes() };
        let Answer::RoomGroupInfo(info) = desk.call(self.session, Request::GetGroupInfo(get)) else {
            panic!("no GroupInfo")
        };
        self.external_commit(room, &info)
    }

    pub fn external_commit(&mut self, room: RoomId, info: &wire::RoomGroupInfo) -> Pending {
        let MlsMessageBodyIn::GroupInfo(verifiable) =
            MlsMessageIn::tls_deserialize_exact(&info.group_info).unwrap().extract()
        else {
            panic!("not a GroupInfo")
        };
        let tree = RatchetTreeIn::tls_deserialize_exact(&info.ratchet_tree).unwrap();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(join_config())
            .build_group(&self.provider, verifiable, self.credential())
            .unwrap()
            .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(self.provider.rand(), self.provider.crypto(), &self.signer(), |_| true)
            .unwrap()
            .finalize(&self.provider)
            .unwrap();
        let (commit, _, group_info) = bundle.into_messages();
        let bytes = |message: MlsMessageOut| Bytes::from(message.tls_serialize_detached().unwrap());
        self.groups.insert(room, group);
        Pending {
            room,
            epoch: info.epoch,
            bundle: wire::CommitBundle {
                commit: bytes(commit),
                proposals: Vec::new(),
                welcome: Bytes::new(),
                group_info: group_info.map(bytes).unwrap_or_default(),
            },
        }
    }

    /// Follows a decided commit of somebody else.
    pub fn follow_commit(&mut self, room: RoomId, payload: &[u8]) {
        let decided = wire::DecidedCommit::decode(payload).unwrap();
        VerifiedReceipt::check(decided.receipt.as_ref().unwrap(), &[origin()]).unwrap();
        let bundle = wire::CommitBundle::decode(decided.bundle).unwrap();
        let group = self.groups.get_mut(&room).unwrap();
        for proposal in &bundle.proposals {
            let message = MlsMessageIn::tls_deserialize_exact(proposal).unwrap();
            let processed =
                group.process_message(&self.provider, message.try_into_protocol_message().unwrap()).unwrap();
            if let ProcessedMessageContent::ProposalMessage(proposal) = processed.into_content() {
                group.store_pending_proposal(self.provider.storage(), *proposal).unwrap();
            }
        }
        let message = MlsMessageIn::tls_deserialize_exact(&bundle.commit).unwrap();
        let processed =
            group.process_message(&self.provider, message.try_into_protocol_message().unwrap()).unwrap();
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            panic!("not a commit")
        };
        group.merge_staged_commit(&self.provider, *staged).unwrap();
    }

    pub fn authenticator(&self, room: RoomId) -> Vec<u8> {
        self.groups[&room].epoch_authenticator().as_slice().to_vec()
    }
}

pub fn nonce(connection: &Connection) -> [u8; 32] {
    connection.challenge.nonce.as_ref().try_into().unwrap()
}

pub fn capabilities() -> Capabilities {
    Capabilities::builder()
        .ciphersuites(vec![SUITE, POST_QUANTUM])
        .extensions(vec![
            ExtensionType::Unknown(EXTENSION_ORDERING_SET),
            ExtensionType::Unknown(EXTENSION_ROOM_POLICY),
            ExtensionType::LastResort,
        ])
        .build()
}

pub fn extensions(policy: &Policy) -> Extensions<GroupContext> {
    let set = wire::OrderingSet { vote_keys: vec![origin().to_bytes()] };
    extensions_with(policy, &set)
}

pub fn extensions_with(policy: &Policy, set: &wire::OrderingSet) -> Extensions<GroupContext> {
    let unknown = |id, bytes| Extension::Unknown(id, UnknownExtension(bytes));
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(EXTENSION_ORDERING_SET), ExtensionType::Unknown(EXTENSION_ROOM_POLICY)],
        &[],
        &[],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        unknown(EXTENSION_ORDERING_SET, set.encode_to_vec()),
        unknown(EXTENSION_ROOM_POLICY, policy.to_wire().encode_to_vec()),
    ])
    .unwrap()
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder().wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY).build()
}

fn account_of(credential: &Credential) -> AccountId {
    let credential = BasicCredential::try_from(credential.clone()).unwrap();
    AccountId::of_root_key(&wire::DeviceCertificate::decode(credential.identity()).unwrap().root_key)
}

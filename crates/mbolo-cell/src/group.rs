//! The public side of a room's MLS group: what a cell can check without being able to read.
//!
//! A commit is first staged and reduced to a [`CommitSummary`], which the room's policy judges; only then is it
//! merged. Everything that could refuse it happens before the merge, so a merged group is never taken back
//! except together with its whole batch.
//!
//! OpenMLS compares the lifetimes of KeyPackages with the wall clock. A cell must not: the same events have to
//! give the same answers at any time. So a KeyPackage here says that it is good from the beginning of time to
//! its end ([`check_lifetime`]), and the comparison comes out the same on every clock.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use mbolo_proto::policy::{CommitSummary, Policy, PolicyError};
use mbolo_proto::signing::verify_certificate;
use mbolo_proto::{
    AccountId, DeviceKey, EXTENSION_ORDERING_SET, EXTENSION_ROOM_POLICY, Origin, RoomId, wire,
};
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::{
    BasicCredential, Ciphersuite, Credential, GroupContext, GroupId, KeyPackageRef, LeafNode, Lifetime,
    MlsMessageBodyIn, MlsMessageIn, ProcessedMessage, ProcessedMessageContent, Proposal, ProposalStore,
    ProtocolMessage, ProtocolVersion, PublicGroup, RatchetTreeIn, Sender, StagedCommit, Verifiable,
};
use openmls::treesync::LeafNodeSource;
use prost::Message;
use tls_codec::{DeserializeBytes, Serialize};

use crate::crypto::PublicCrypto;
use crate::group_store::GroupStore;

/// The cipher suites of rooms: post-quantum for small ones, smaller keys for large ones.
pub(crate) const SUITES: [Ciphersuite; 2] = [
    Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519,
    Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
];

/// Why a KeyPackage, a group or a commit is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("{0} does not decode")]
    Malformed(&'static str),
    #[error("a leaf's credential is no valid device certificate of the leaf's key")]
    Certificate,
    #[error("a leaf's lifetime must be unlimited")]
    Lifetime,
    #[error("the cipher suite is not used here")]
    Suite,
    #[error("{0}")]
    Mls(String),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{0}")]
    Rule(&'static str),
}

/// A leaf of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leaf {
    index: u32,
    account: AccountId,
    device: DeviceKey,
}

/// A commit that passed every check and is not merged yet.
pub(crate) struct CheckedCommit {
    staged: StagedCommit,
    /// The policy after it.
    pub policy: Policy,
    /// Accounts after it, ascending.
    pub accounts: Vec<AccountId>,
    /// Accounts of added leaves, ascending: those that get a Welcome, or join by themselves.
    pub added: Vec<AccountId>,
    /// It is an external commit: nobody gets a Welcome.
    pub external: bool,
}

/// Public groups in memory, least recently used first to go.
pub(crate) struct Groups {
    limit: usize,
    uses: u64,
    groups: HashMap<RoomId, (u64, PublicGroup)>,
    by_use: BTreeMap<u64, RoomId>,
    /// Changed by the present batch.
    touched: Vec<RoomId>,
}

impl Groups {
    pub fn new(limit: usize) -> Self {
        Self { limit, uses: 0, groups: HashMap::new(), by_use: BTreeMap::new(), touched: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Takes a group out, to be put back if it is still good.
    pub fn take(&mut self, room: RoomId) -> Option<PublicGroup> {
        let (used, group) = self.groups.remove(&room)?;
        self.by_use.remove(&used);
        Some(group)
    }

    pub fn put(&mut self, room: RoomId, group: PublicGroup) {
        self.uses += 1;
        self.by_use.insert(self.uses, room);
        if let Some((used, _)) = self.groups.insert(room, (self.uses, group)) {
            self.by_use.remove(&used);
        }
        while self.groups.len() > self.limit.max(1) {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            self.groups.remove(&oldest);
        }
    }

    pub fn touch(&mut self, room: RoomId) {
        self.touched.push(room);
    }

    /// The batch is durable.
    pub fn keep(&mut self) {
        self.touched.clear();
    }

    /// The batch is undone: what it changed must be loaded anew.
    pub fn forget_touched(&mut self) {
        for room in std::mem::take(&mut self.touched) {
            self.take(room);
        }
    }
}

/// Checks an MLSMessage(KeyPackage) of this device; gives its cipher suite.
pub(crate) fn check_key_package(
    crypto: &PublicCrypto,
    bytes: &Bytes,
    account: AccountId,
    device: DeviceKey,
) -> Result<u16, GroupError> {
    let MlsMessageBodyIn::KeyPackage(package) = parse(bytes, "a KeyPackage")? else {
        return Err(GroupError::Malformed("a KeyPackage"));
    };
    let package = package.validate(crypto, ProtocolVersion::Mls10).map_err(mls)?;
    check_lifetime(package.life_time())?;
    if !SUITES.contains(&package.ciphersuite()) {
        return Err(GroupError::Suite);
    }
    let leaf = check_leaf(package.leaf_node())?;
    if leaf != (account, device) {
        return Err(GroupError::Rule("the KeyPackage belongs to another device"));
    }
    Ok(package.ciphersuite() as u16)
}

/// Builds the public group of a new room.
pub(crate) fn create(
    crypto: &PublicCrypto,
    ordering_set: &[Origin],
    room: RoomId,
    creator: (AccountId, DeviceKey),
    request: &wire::CreateRoom,
) -> Result<(PublicGroup, GroupStore, Policy), GroupError> {
    let group_info = parse_group_info(&request.group_info)?;
    if group_info.group_id().as_slice() != room.0 || group_info.epoch().as_u64() != 0 {
        return Err(GroupError::Rule("a new room has its id as group id and is in epoch 0"));
    }
    if !SUITES.contains(&group_info.ciphersuite()) {
        return Err(GroupError::Suite);
    }
    let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&request.ratchet_tree)
        .map_err(|_| GroupError::Malformed("the ratchet tree"))?;
    let store = GroupStore::default();
    let (group, _) =
        PublicGroup::from_external(crypto, &store, tree, group_info, ProposalStore::new()).map_err(mls)?;
    let leaves: Vec<_> = group.members().map(|member| member.index).collect();
    let [first] = leaves[..] else {
        return Err(GroupError::Rule("a new room has its creator as the only member"));
    };
    let leaf = group.leaf(first).ok_or(GroupError::Malformed("the ratchet tree"))?;
    check_leaf_lifetime(leaf)?;
    if check_leaf(leaf)? != creator {
        return Err(GroupError::Rule("a new room has its creator as the only member"));
    }
    let policy = check_context(group.group_context(), ordering_set)?;
    policy.check_creation(room, creator.0)?;
    Ok((group, store, policy))
}

/// Checks a bundle against the group (C4), as far as a cell can see it. The group may be left with the bundle's
/// proposals queued: if this fails, it has to be loaded anew.
pub(crate) fn check_commit(
    group: &mut PublicGroup,
    crypto: &PublicCrypto,
    ordering_set: &[Origin],
    policy: &Policy,
    bundle: &wire::CommitBundle,
) -> Result<CheckedCommit, GroupError> {
    if bundle.proposals.len() > MAX_PROPOSALS {
        return Err(GroupError::Rule("the commit refers to too many proposals"));
    }
    for proposal in &bundle.proposals {
        let processed = process(group, crypto, proposal, "a proposal")?;
        let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
            return Err(GroupError::Malformed("a proposal"));
        };
        group.add_proposal(&GroupStore::default(), *queued).map_err(mls)?;
    }
    let before = leaves_of(group)?;
    let processed = process(group, crypto, &bundle.commit, "the commit")?;
    let sender = processed.sender().clone();
    let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
        return Err(GroupError::Malformed("the commit"));
    };
    let changes = Changes::of(&staged, &sender, &before)?;
    let policy_after = check_context(staged.group_context(), ordering_set)?;
    let summary = changes.summary(&before, policy_after.clone())?;
    policy.check_commit(&summary)?;
    check_welcome(crypto, &staged, &bundle.welcome)?;
    check_group_info(crypto, group, &staged, &changes, &bundle.group_info)?;
    let mut added = summary.added;
    added.sort_unstable();
    added.dedup();
    Ok(CheckedCommit {
        staged: *staged,
        policy: policy_after,
        accounts: summary.accounts_after,
        added,
        external: summary.external,
    })
}

/// Merges a checked commit; gives what has to be stored.
pub(crate) fn merge(group: &mut PublicGroup, checked: CheckedCommit) -> Result<GroupStore, GroupError> {
    let store = GroupStore::default();
    group.merge_commit(&store, checked.staged).map_err(mls)?;
    Ok(store)
}

/// Loads a group from what was stored.
pub(crate) fn load(room: RoomId, store: &GroupStore) -> Result<Option<PublicGroup>, GroupError> {
    PublicGroup::load(store, &GroupId::from_slice(&room.0)).map_err(mls)
}

/// The ratchet tree as joiners take it, TLS-encoded.
pub(crate) fn ratchet_tree(group: &PublicGroup) -> Result<Bytes, GroupError> {
    group.export_ratchet_tree().tls_serialize_detached().map(Bytes::from).map_err(mls)
}

/// What a commit does to the leaves.
struct Changes {
    committer: AccountId,
    committer_device: DeviceKey,
    external: bool,
    /// Leaf and account that proposed to remove it.
    removed: Vec<(u32, AccountId)>,
    added: Vec<(AccountId, DeviceKey)>,
}

impl Changes {
    fn of(staged: &StagedCommit, sender: &Sender, before: &[Leaf]) -> Result<Self, GroupError> {
        let leaf_at = |index: u32| {
            let found = before.binary_search_by_key(&index, |leaf| leaf.index);
            found.map(|at| before[at]).map_err(|_| GroupError::Rule("a leaf that does not exist"))
        };
        let path_leaf = staged.update_path_leaf_node().map(check_leaf).transpose()?;
        let (committer, external) = match sender {
            Sender::Member(index) => {
                let leaf = leaf_at(index.u32())?;
                let identity = (leaf.account, leaf.device);
                if path_leaf.is_some_and(|new| new != identity) {
                    return Err(GroupError::Rule("a leaf stays with its device"));
                }
                (identity, false)
            }
            Sender::NewMemberCommit => {
                (path_leaf.ok_or(GroupError::Rule("an external commit needs a path"))?, true)
            }
            _ => return Err(GroupError::Rule("only members commit")),
        };
        let mut changes = Self {
            committer: committer.0,
            committer_device: committer.1,
            external,
            removed: Vec::new(),
            added: if external { vec![committer] } else { Vec::new() },
        };
        for queued in staged.queued_proposals() {
            let proposer = match queued.sender() {
                Sender::Member(index) => leaf_at(index.u32())?,
                Sender::NewMemberCommit => {
                    Leaf { index: u32::MAX, account: committer.0, device: committer.1 }
                }
                _ => return Err(GroupError::Rule("only members propose")),
            };
            match queued.proposal() {
                Proposal::Add(add) => {
                    check_lifetime(add.key_package().life_time())?;
                    changes.added.push(check_leaf(add.key_package().leaf_node())?);
                }
                Proposal::Remove(remove) => {
                    changes.removed.push((remove.removed().u32(), proposer.account));
                }
                Proposal::ExternalInit(_) | Proposal::GroupContextExtensions(_) => {}
                // Members refuse these as well; deciding what they cannot follow would break the room.
                _ => return Err(GroupError::Rule("a kind of proposal that rooms do not use")),
            }
        }
        Ok(changes)
    }

    fn summary(&self, before: &[Leaf], policy_after: Policy) -> Result<CommitSummary, GroupError> {
        let is_removed = |leaf: &Leaf| self.removed.iter().any(|(index, _)| *index == leaf.index);
        let mut removed = Vec::with_capacity(self.removed.len());
        for (index, proposer) in &self.removed {
            let at = before
                .binary_search_by_key(index, |leaf| leaf.index)
                .map_err(|_| GroupError::Rule("a leaf that does not exist"))?;
            removed.push((before[at].account, *proposer));
        }
        let staying = || before.iter().filter(|leaf| !is_removed(leaf));
        let mut devices: Vec<DeviceKey> =
            staying().map(|leaf| leaf.device).chain(self.added.iter().map(|(_, device)| *device)).collect();
        let count = devices.len();
        devices.sort_unstable();
        devices.dedup();
        if devices.len() < count {
            return Err(GroupError::Rule("a device has one leaf in a room"));
        }
        let added: Vec<AccountId> = self.added.iter().map(|(account, _)| *account).collect();
        Ok(CommitSummary {
            committer: Some(self.committer),
            external: self.external,
            removed,
            new_policy: Some(policy_after),
            // The set was compared with the present one when the context was checked.
            changes_ordering_set: false,
            accounts_before: ascending(before.iter().map(|leaf| leaf.account)),
            accounts_after: ascending(staying().map(|leaf| leaf.account).chain(added.iter().copied())),
            added,
        })
    }
}

/// Reads the room policy and checks the rest of a group context.
fn check_context(context: &GroupContext, ordering_set: &[Origin]) -> Result<Policy, GroupError> {
    let extensions = context.extensions();
    if extensions.external_senders().is_some() {
        return Err(GroupError::Rule("a room has no external senders"));
    }
    let set = extensions
        .unknown(EXTENSION_ORDERING_SET)
        .and_then(|extension| wire::OrderingSet::decode(extension.0.as_slice()).ok())
        .ok_or(GroupError::Malformed("the ordering set"))?;
    if !set.vote_keys.iter().map(|key| key.as_ref()).eq(ordering_set.iter().map(|cell| cell.0.as_slice())) {
        return Err(PolicyError::OrderingSet.into());
    }
    let policy = extensions
        .unknown(EXTENSION_ROOM_POLICY)
        .and_then(|extension| wire::RoomPolicy::decode(extension.0.as_slice()).ok())
        .ok_or(PolicyError::Malformed)?;
    Ok(Policy::from_wire(&policy)?)
}

/// A Welcome is there for exactly the added KeyPackages.
fn check_welcome(crypto: &PublicCrypto, staged: &StagedCommit, welcome: &Bytes) -> Result<(), GroupError> {
    let mut added = Vec::new();
    for add in staged.add_proposals() {
        added.push(reference(&add.add_proposal().key_package().hash_ref(crypto).map_err(mls)?));
    }
    let mut invited = Vec::new();
    if !welcome.is_empty() {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome, "the Welcome")? else {
            return Err(GroupError::Malformed("the Welcome"));
        };
        invited.extend(welcome.secrets().iter().map(|secrets| reference(&secrets.new_member())));
    }
    added.sort_unstable();
    invited.sort_unstable();
    if added == invited {
        Ok(())
    } else {
        Err(GroupError::Rule("the Welcome is not for those who are added"))
    }
}

/// The GroupInfo is of the new epoch and signed by the committer.
fn check_group_info(
    crypto: &PublicCrypto,
    group: &PublicGroup,
    staged: &StagedCommit,
    changes: &Changes,
    group_info: &Bytes,
) -> Result<(), GroupError> {
    let group_info = parse_group_info(group_info)?;
    if group_info.group_context() != staged.group_context() {
        return Err(GroupError::Rule("the GroupInfo is not of the epoch that the commit begins"));
    }
    let key = openmls::prelude::SignaturePublicKey::from(changes.committer_device.0.to_vec())
        .into_signature_public_key_enriched(group.ciphersuite().signature_algorithm());
    group_info
        .verify_no_out(crypto, &key)
        .map_err(|_| GroupError::Rule("the GroupInfo is not signed by the committer"))
}

/// Account and device of a leaf whose certificate holds and is for the leaf's own key.
fn check_leaf(leaf: &LeafNode) -> Result<(AccountId, DeviceKey), GroupError> {
    let certificate = certificate(leaf.credential())?;
    let verified = verify_certificate(&certificate).map_err(|_| GroupError::Certificate)?;
    if leaf.signature_key().as_slice() != verified.device.0 {
        return Err(GroupError::Certificate);
    }
    Ok((verified.account, verified.device))
}

fn check_leaf_lifetime(leaf: &LeafNode) -> Result<(), GroupError> {
    match leaf.leaf_node_source() {
        LeafNodeSource::KeyPackage(lifetime) => check_lifetime(lifetime),
        _ => Ok(()),
    }
}

/// No clock that is anywhere near right comes to a different conclusion.
fn check_lifetime(lifetime: &Lifetime) -> Result<(), GroupError> {
    if lifetime.not_before() <= EARLIEST_NOW_S && lifetime.not_after() >= LATEST_NOW_S {
        Ok(())
    } else {
        Err(GroupError::Lifetime)
    }
}

/// The leaves, ascending. Their certificates were checked when they came in.
fn leaves_of(group: &PublicGroup) -> Result<Vec<Leaf>, GroupError> {
    group
        .members()
        .map(|member| {
            let certificate = certificate(&member.credential)?;
            let device =
                DeviceKey::try_from(member.signature_key.as_slice()).map_err(|_| GroupError::Certificate)?;
            let account = AccountId::of_root_key(&certificate.root_key);
            Ok(Leaf { index: member.index.u32(), account, device })
        })
        .collect()
}

fn certificate(credential: &Credential) -> Result<wire::DeviceCertificate, GroupError> {
    let credential = BasicCredential::try_from(credential.clone()).map_err(|_| GroupError::Certificate)?;
    wire::DeviceCertificate::decode(credential.identity()).map_err(|_| GroupError::Certificate)
}

fn process(
    group: &PublicGroup,
    crypto: &PublicCrypto,
    message: &Bytes,
    what: &'static str,
) -> Result<ProcessedMessage, GroupError> {
    let MlsMessageBodyIn::PublicMessage(message) = parse(message, what)? else {
        return Err(GroupError::Malformed(what));
    };
    group.process_message(crypto, ProtocolMessage::from(message)).map_err(mls)
}

fn parse(bytes: &Bytes, what: &'static str) -> Result<MlsMessageBodyIn, GroupError> {
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed(what))?;
    Ok(message.extract())
}

fn parse_group_info(bytes: &Bytes) -> Result<VerifiableGroupInfo, GroupError> {
    match parse(bytes, "the GroupInfo")? {
        MlsMessageBodyIn::GroupInfo(info) => Ok(info),
        _ => Err(GroupError::Malformed("the GroupInfo")),
    }
}

fn reference(reference: &KeyPackageRef) -> Vec<u8> {
    reference.as_slice().to_vec()
}

/// What OpenMLS says, except the time that it read from the wall clock.
fn mls(error: impl std::fmt::Display) -> GroupError {
    let text = error.to_string();
    if text.starts_with("Lifetime") { GroupError::Lifetime } else { GroupError::Mls(text) }
}

fn ascending(accounts: impl Iterator<Item = AccountId>) -> Vec<AccountId> {
    let mut accounts: Vec<_> = accounts.collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

/// Proposals by reference in one bundle: every member of the largest room may have asked to leave.
const MAX_PROPOSALS: usize = mbolo_proto::limits::MAX_ROOM_ACCOUNTS;

/// 2001-09-09: no clock of a running cell is before it.
const EARLIEST_NOW_S: u64 = 1_000_000_000;

/// The year 2286: no clock is after it.
const LATEST_NOW_S: u64 = 10_000_000_000;

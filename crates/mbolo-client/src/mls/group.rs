//! One MLS group: making it, changing it, following others' changes, joining it.
//!
//! Functions here know nothing of sessions, rooms' rows or user interfaces. Whatever comes from outside is
//! checked: certificates of all leaves, the room's policy, the ids.

use std::collections::BTreeMap;

use bytes::Bytes;
use mbolo_proto::policy::{CommitSummary, Policy, PolicyError};
use mbolo_proto::{AccountId, EXTENSION_ORDERING_SET, EXTENSION_ROOM_POLICY, Origin, RoomId, wire};
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType, Extensions, GroupContext, GroupId,
    KeyPackage, KeyPackageIn, LeafNodeIndex, LeafNodeParameters, Lifetime, MlsGroup, MlsGroupJoinConfig,
    MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
    ProcessedMessageContent, Proposal, ProtocolMessage, ProtocolVersion, RatchetTreeIn,
    RequiredCapabilitiesExtension, Sender, SenderRatchetConfiguration, StagedCommit, StagedWelcome,
    UnknownExtension,
};
use openmls_traits::OpenMlsProvider as _;
use prost::Message;
use tls_codec::{Deserialize as _, Serialize as _};

use super::{Device, Provider, SUITES, account_of, verified_account};

/// Epochs whose messages can still be read after a newer one began (`ordering.md` §10).
pub const PAST_EPOCHS: usize = 5;

/// Something about MLS went wrong; the group is reloaded from storage afterwards.
#[derive(Debug, thiserror::Error)]
pub enum MlsFault {
    /// OpenMLS refuses.
    #[error("MLS: {0}")]
    Mls(String),
    /// Bytes from outside do not decode or are not what they should be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A leaf without a valid device certificate.
    #[error("a leaf's device certificate does not hold")]
    Certificate,
    /// The room's policy forbids it.
    #[error("the room's policy forbids it: {0}")]
    Policy(#[from] PolicyError),
    /// A receipt that proves nothing, or something else.
    #[error("receipt: {0}")]
    Receipt(String),
    /// The group is not in the store.
    #[error("the group is not in the store")]
    NoGroup,
}

impl MlsFault {
    /// Wraps an error of OpenMLS, of which there are dozens of types.
    pub fn mls(error: impl std::fmt::Debug) -> Self {
        Self::Mls(format!("{error:?}"))
    }
}

/// What a room's GroupContext says about the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomContext {
    /// The cells that decide its commits.
    pub ordering_set: Vec<Origin>,
    /// Who may do what.
    pub policy: Policy,
}

impl RoomContext {
    /// Reads the two extensions.
    pub fn of(extensions: &Extensions<GroupContext>) -> Result<Self, MlsFault> {
        let content = |id| extensions.unknown(id).map(|extension| extension.0.as_slice());
        let set = content(EXTENSION_ORDERING_SET).ok_or(MlsFault::Malformed("no ordering set"))?;
        let set = wire::OrderingSet::decode(set).map_err(|_| MlsFault::Malformed("ordering set"))?;
        let policy = content(EXTENSION_ROOM_POLICY).ok_or(MlsFault::Malformed("no room policy"))?;
        let policy = wire::RoomPolicy::decode(policy).map_err(|_| MlsFault::Malformed("room policy"))?;
        let ordering_set = set
            .vote_keys
            .iter()
            .map(|key| Origin::try_from(key.as_ref()).map_err(|_| MlsFault::Malformed("vote key")))
            .collect::<Result<_, _>>()?;
        Ok(Self { ordering_set, policy: Policy::from_wire(&policy)? })
    }

    fn extensions(&self) -> Result<Extensions<GroupContext>, MlsFault> {
        let set =
            wire::OrderingSet { vote_keys: self.ordering_set.iter().map(|key| key.to_bytes()).collect() };
        // OpenMLS lets a commit change only extensions that the group requires its members to know.
        let required = RequiredCapabilitiesExtension::new(
            &[ExtensionType::Unknown(EXTENSION_ORDERING_SET), ExtensionType::Unknown(EXTENSION_ROOM_POLICY)],
            &[],
            &[CredentialType::Basic],
        );
        Extensions::from_vec(vec![
            Extension::RequiredCapabilities(required),
            Extension::Unknown(EXTENSION_ORDERING_SET, UnknownExtension(set.encode_to_vec())),
            Extension::Unknown(
                EXTENSION_ROOM_POLICY,
                UnknownExtension(self.policy.to_wire().encode_to_vec()),
            ),
        ])
        .map_err(MlsFault::mls)
    }
}

/// A leaf of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its index.
    pub index: u32,
    /// Its account.
    pub account: AccountId,
    /// Its device key.
    pub device: Vec<u8>,
}

/// The leaves of a group, whose certificates were checked when they came in.
pub fn leaves(group: &MlsGroup) -> Result<Vec<Leaf>, MlsFault> {
    group
        .members()
        .map(|member| {
            Ok(Leaf {
                index: member.index.u32(),
                account: account_of(&member.credential)?,
                device: member.signature_key,
            })
        })
        .collect()
}

/// The accounts with at least one leaf, ascending.
pub fn accounts(group: &MlsGroup) -> Result<Vec<AccountId>, MlsFault> {
    Ok(distinct(leaves(group)?.into_iter().map(|leaf| leaf.account)))
}

/// Makes a KeyPackage. Its lifetime has no end: clocks may be wrong, and the cell hands out each but the
/// last-resort one only once.
pub fn key_package(
    provider: &Provider<'_>,
    device: &Device,
    suite: Ciphersuite,
    last_resort: bool,
) -> Result<Bytes, MlsFault> {
    let mut builder =
        KeyPackage::builder().leaf_node_capabilities(capabilities()).key_package_lifetime(for_ever());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let bundle = builder.build(suite, provider, device, device.credential()).map_err(MlsFault::mls)?;
    message_bytes(MlsMessageOut::from(bundle.into_key_package()))
}

/// Reads a claimed KeyPackage and checks that it is a device of `account` in `suite`.
pub fn read_key_package(
    provider: &Provider<'_>,
    bytes: &[u8],
    account: AccountId,
    suite: Ciphersuite,
) -> Result<KeyPackage, MlsFault> {
    let MlsMessageBodyIn::KeyPackage(package) = parse(bytes)?.extract() else {
        return Err(MlsFault::Malformed("not a KeyPackage"));
    };
    let package: KeyPackageIn = package;
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(MlsFault::mls)?;
    let leaf = package.leaf_node();
    if verified_account(leaf.credential(), leaf.signature_key().as_slice())? != account {
        return Err(MlsFault::Certificate);
    }
    if package.ciphersuite() != suite {
        return Err(MlsFault::Malformed("a KeyPackage of another suite"));
    }
    Ok(package)
}

/// Makes a group whose only member is this device.
pub fn create(
    provider: &Provider<'_>,
    device: &Device,
    room: RoomId,
    suite: Ciphersuite,
    context: &RoomContext,
) -> Result<MlsGroup, MlsFault> {
    MlsGroup::builder()
        .with_group_id(GroupId::from_slice(&room.0))
        .ciphersuite(suite)
        .with_group_context_extensions(context.extensions()?)
        .with_capabilities(capabilities())
        .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(ratchets())
        .lifetime(for_ever())
        .replace_old_group()
        .build(provider, device, device.credential())
        .map_err(MlsFault::mls)
}

/// Loads a group from the store.
pub fn load(provider: &Provider<'_>, room: RoomId) -> Result<MlsGroup, MlsFault> {
    MlsGroup::load(provider.storage(), &GroupId::from_slice(&room.0))
        .map_err(MlsFault::mls)?
        .ok_or(MlsFault::NoGroup)
}

/// Deletes a group from the store, if it is there.
pub fn delete(provider: &Provider<'_>, room: RoomId) -> Result<(), MlsFault> {
    match load(provider, room) {
        Ok(mut group) => {
            group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
            group.delete(provider.storage()).map_err(MlsFault::mls)
        }
        Err(MlsFault::NoGroup) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The signed GroupInfo of the present epoch, and the tree: what CreateRoom wants.
pub fn public_state(
    group: &MlsGroup,
    provider: &Provider<'_>,
    device: &Device,
) -> Result<(Bytes, Bytes), MlsFault> {
    let info = group.export_group_info(provider.crypto(), device, false).map_err(MlsFault::mls)?;
    Ok((message_bytes(info)?, tree_bytes(group)?))
}

/// The ratchet tree, encoded.
pub fn tree_bytes(group: &MlsGroup) -> Result<Bytes, MlsFault> {
    Ok(group.export_ratchet_tree().tls_serialize_detached().map_err(MlsFault::mls)?.into())
}

/// What an own commit is to change.
#[derive(Default)]
pub struct Change {
    /// KeyPackages of the devices to add.
    pub add: Vec<KeyPackage>,
    /// Leaves to remove.
    pub remove: Vec<u32>,
    /// The policy to set.
    pub policy: Option<Policy>,
    /// Others' proposals to carry out, as they came.
    pub proposals: Vec<Bytes>,
    /// Renew the own keys.
    pub renew: bool,
}

/// Builds a commit and leaves it pending in the group. Returns the bundle to submit.
pub fn commit(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    device: &Device,
    change: Change,
) -> Result<Bytes, MlsFault> {
    group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
    let by_reference = !change.proposals.is_empty();
    for proposal in &change.proposals {
        store_proposal(group, provider, proposal)?;
    }
    let context = RoomContext::of(group.extensions())?;
    let extensions = match change.policy {
        Some(policy) if policy != context.policy => Some(RoomContext { policy, ..context }.extensions()?),
        _ => None,
    };
    let mut builder = group
        .commit_builder()
        .consume_proposal_store(by_reference)
        .propose_adds(change.add)
        .propose_removals(change.remove.into_iter().map(LeafNodeIndex::new))
        .force_self_update(change.renew);
    if let Some(extensions) = extensions {
        builder = builder.propose_group_context_extensions(extensions).map_err(MlsFault::mls)?;
    }
    let messages = builder
        .load_psks(provider.storage())
        .map_err(MlsFault::mls)?
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build(provider.rand(), provider.crypto(), device, |_| true)
        .map_err(MlsFault::mls)?
        .stage_commit(provider)
        .map_err(MlsFault::mls)?
        .into_messages();
    let staged = group.pending_commit().ok_or(MlsFault::Malformed("no pending commit"))?;
    let own = account_of(&device.credential().credential)?;
    let effect = effect_of_own(group, staged, own)?;
    RoomContext::of(group.extensions())?.policy.check_commit(&effect.summary)?;
    // The staged commit holds what it carries out; while anything is left beside it, nothing can be encrypted.
    group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
    encode_bundle(messages, change.proposals)
}

/// What a commit does, after it was checked.
pub struct CommitEffect {
    /// In accounts, as the policy sees it.
    pub summary: CommitSummary,
    /// Who committed.
    pub committer: AccountId,
    /// Accounts that were not in the room before.
    pub joined: Vec<AccountId>,
    /// Accounts that are gone, and who wanted it.
    pub gone: Vec<(AccountId, AccountId)>,
    /// The policy before and after, if it changed.
    pub policy: Option<(Policy, Policy)>,
    /// This device was removed.
    pub self_removed: bool,
}

/// A decided commit of somebody else, checked and ready to be merged.
pub struct ForeignCommit {
    staged: Box<StagedCommit>,
    /// What it does.
    pub effect: CommitEffect,
}

impl ForeignCommit {
    /// Checks the bundle's commit against the group: signature, certificates, policy.
    pub fn check(group: &mut MlsGroup, provider: &Provider<'_>, bundle: &[u8]) -> Result<Self, MlsFault> {
        let bundle = wire::CommitBundle::decode(bundle).map_err(|_| MlsFault::Malformed("bundle"))?;
        group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
        for proposal in &bundle.proposals {
            store_proposal(group, provider, proposal)?;
        }
        let message = protocol_message(&bundle.commit)?;
        let processed = group.process_message(provider, message).map_err(MlsFault::mls)?;
        let leaf = match processed.sender() {
            Sender::Member(index) => Some(*index),
            Sender::NewMemberCommit => None,
            _ => return Err(MlsFault::Malformed("only members commit")),
        };
        let committer = account_of(processed.credential())?;
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(MlsFault::Malformed("not a commit"));
        };
        let effect = describe(group, &staged, committer, leaf)?;
        RoomContext::of(group.extensions())?.policy.check_commit(&effect.summary)?;
        Ok(Self { staged, effect })
    }

    /// Enters the epoch that the commit makes. The caller holds a verified receipt for it.
    pub fn merge(
        self,
        _receipt: &mbolo_proto::signing::VerifiedReceipt,
        group: &mut MlsGroup,
        provider: &Provider<'_>,
    ) -> Result<CommitEffect, MlsFault> {
        group.merge_staged_commit(provider, *self.staged).map_err(MlsFault::mls)?;
        group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
        Ok(self.effect)
    }
}

/// What the own pending commit does.
pub fn effect_of_own(
    group: &MlsGroup,
    staged: &StagedCommit,
    own: AccountId,
) -> Result<CommitEffect, MlsFault> {
    describe(group, staged, own, Some(group.own_leaf_index()))
}

/// Reduces a staged commit to what the policy judges, checking the certificate of every leaf it brings.
fn describe(
    group: &MlsGroup,
    staged: &StagedCommit,
    committer: AccountId,
    committer_leaf: Option<LeafNodeIndex>,
) -> Result<CommitEffect, MlsFault> {
    let external = committer_leaf.is_none();
    let before: BTreeMap<u32, AccountId> =
        leaves(group)?.into_iter().map(|leaf| (leaf.index, leaf.account)).collect();
    let mut after = before.clone();
    let mut summary = CommitSummary { committer: Some(committer), external, ..CommitSummary::default() };
    for queued in staged.queued_proposals() {
        let proposer = match queued.sender() {
            Sender::Member(index) => {
                *before.get(&index.u32()).ok_or(MlsFault::Malformed("a proposer outside the tree"))?
            }
            _ => committer,
        };
        match queued.proposal() {
            Proposal::Add(add) => {
                let leaf = add.key_package().leaf_node();
                summary.added.push(verified_account(leaf.credential(), leaf.signature_key().as_slice())?);
            }
            Proposal::Remove(remove) => {
                let account = after
                    .remove(&remove.removed().u32())
                    .ok_or(MlsFault::Malformed("a removed leaf that is not there"))?;
                summary.removed.push((account, proposer));
            }
            Proposal::GroupContextExtensions(_) | Proposal::ExternalInit(_) => {}
            _ => return Err(MlsFault::Malformed("a proposal that rooms do not use")),
        }
    }
    if let Some(leaf) = staged.update_path_leaf_node() {
        let device = leaf.signature_key().as_slice();
        // A leaf stays with its device; an external commit brings its own.
        let stays = match committer_leaf {
            Some(index) => group.member_at(index).is_some_and(|member| member.signature_key == device),
            None => true,
        };
        if !stays || verified_account(leaf.credential(), device)? != committer {
            return Err(MlsFault::Certificate);
        }
    }
    if external {
        summary.added.push(committer);
    }
    summary.accounts_before = distinct(before.values().copied());
    summary.accounts_after = distinct(after.values().copied().chain(summary.added.iter().copied()));
    let old = RoomContext::of(group.extensions())?;
    let new = RoomContext::of(staged.group_context().extensions())?;
    summary.changes_ordering_set = old.ordering_set != new.ordering_set;
    let policy = (old.policy != new.policy).then(|| (old.policy, new.policy.clone()));
    summary.new_policy = policy.as_ref().map(|(_, new)| new.clone());
    let joined = without(&summary.accounts_after, &summary.accounts_before);
    let gone = without(&summary.accounts_before, &summary.accounts_after)
        .into_iter()
        .map(|account| {
            let wish = summary.removed.iter().find(|(removed, _)| *removed == account);
            (account, wish.map_or(committer, |(_, proposer)| *proposer))
        })
        .collect();
    Ok(CommitEffect { committer, joined, gone, policy, self_removed: staged.self_removed(), summary })
}

/// In a room of two nobody else may be, and its id says who the two are: a cell cannot let a third one in.
fn check_direct(room: RoomId, context: &RoomContext, accounts: &[AccountId]) -> Result<(), MlsFault> {
    let Policy::Direct { participants: [one, other] } = context.policy else { return Ok(()) };
    let is_theirs = room == RoomId::direct(one, other);
    if is_theirs && accounts.iter().all(|account| *account == one || *account == other) {
        Ok(())
    } else {
        Err(MlsFault::Malformed("a room of two for others"))
    }
}

/// A group that was joined by a Welcome.
pub struct Joined {
    /// The group.
    pub group: MlsGroup,
    /// What its context says.
    pub context: RoomContext,
    /// Who sent the Welcome.
    pub inviter: AccountId,
}

/// Joins by a Welcome, checking the certificate of every member.
pub fn join(provider: &Provider<'_>, room: RoomId, welcome: &[u8], tree: &[u8]) -> Result<Joined, MlsFault> {
    let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)?.extract() else {
        return Err(MlsFault::Malformed("not a Welcome"));
    };
    let staged = StagedWelcome::build_from_welcome(provider, &join_config(), welcome)
        .map_err(MlsFault::mls)?
        .with_ratchet_tree(read_tree(tree)?)
        .skip_lifetime_validation()
        .replace_old_group()
        .build()
        .map_err(MlsFault::mls)?;
    if staged.group_context().group_id().as_slice() != room.0 {
        return Err(MlsFault::Malformed("a Welcome to another room"));
    }
    let inviter = account_of(staged.welcome_sender().map_err(MlsFault::mls)?.credential())?;
    for member in staged.members() {
        verified_account(&member.credential, &member.signature_key)?;
    }
    let context = RoomContext::of(staged.group_context().extensions())?;
    let accounts =
        staged.members().map(|member| account_of(&member.credential)).collect::<Result<Vec<_>, _>>()?;
    check_direct(room, &context, &accounts)?;
    let group = staged.into_group(provider).map_err(MlsFault::mls)?;
    Ok(Joined { group, context, inviter })
}

/// A group entered by an external commit that is not decided yet.
pub struct Rejoin {
    /// The group, already in the epoch that the commit would make.
    pub group: MlsGroup,
    /// The bundle to submit.
    pub bundle: Bytes,
    /// The epoch that the commit ends.
    pub epoch: u64,
    /// What the group's context says.
    pub context: RoomContext,
}

/// Makes an external commit into a room, removing this device's old leaf if there is one.
pub fn rejoin(
    provider: &Provider<'_>,
    device: &Device,
    room: RoomId,
    group_info: &[u8],
    tree: &[u8],
) -> Result<Rejoin, MlsFault> {
    let MlsMessageBodyIn::GroupInfo(info) = parse(group_info)?.extract() else {
        return Err(MlsFault::Malformed("not a GroupInfo"));
    };
    if info.group_id().as_slice() != room.0 {
        return Err(MlsFault::Malformed("a GroupInfo of another room"));
    }
    let epoch = info.epoch().as_u64();
    delete(provider, room)?;
    let (group, bundle) = MlsGroup::external_commit_builder()
        .with_ratchet_tree(read_tree(tree)?)
        .with_config(join_config())
        .skip_lifetime_validation()
        .build_group(provider, info, device.credential())
        .map_err(MlsFault::mls)?
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
        .load_psks(provider.storage())
        .map_err(MlsFault::mls)?
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build(provider.rand(), provider.crypto(), device, |_| true)
        .map_err(MlsFault::mls)?
        .finalize(provider)
        .map_err(MlsFault::mls)?;
    for member in group.members() {
        verified_account(&member.credential, &member.signature_key)?;
    }
    let context = RoomContext::of(group.extensions())?;
    check_direct(room, &context, &accounts(&group)?)?;
    let bundle = encode_bundle(bundle.into_messages(), Vec::new())?;
    Ok(Rejoin { group, bundle, epoch, context })
}

/// What an application entry turned out to be.
pub enum Decrypted {
    /// The content of another device.
    Content {
        /// Its account.
        sender: AccountId,
        /// The encoded content.
        bytes: Vec<u8>,
    },
    /// This device encrypted it.
    Own,
}

/// Decrypts an application message.
pub fn decrypt(group: &mut MlsGroup, provider: &Provider<'_>, payload: &[u8]) -> Result<Decrypted, MlsFault> {
    let processed = group.process_message(provider, protocol_message(payload)?).map_err(MlsFault::mls)?;
    let sender = account_of(processed.credential())?;
    match processed.into_content() {
        ProcessedMessageContent::ApplicationMessage(message) => {
            Ok(Decrypted::Content { sender, bytes: message.into_bytes() })
        }
        ProcessedMessageContent::OwnPrivateMessage => Ok(Decrypted::Own),
        _ => Err(MlsFault::Malformed("not an application message")),
    }
}

/// Encrypts content for the present epoch.
pub fn encrypt(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    device: &Device,
    content: &[u8],
) -> Result<Bytes, MlsFault> {
    // A profile of an earlier version may have left some.
    group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
    message_bytes(group.create_message(provider, device, content).map_err(MlsFault::mls)?)
}

/// The epoch of a PrivateMessage or PublicMessage of `room`.
pub fn epoch_of(room: RoomId, payload: &[u8]) -> Result<u64, MlsFault> {
    let message = protocol_message(payload)?;
    if message.group_id().as_slice() != room.0 {
        return Err(MlsFault::Malformed("an entry of another room"));
    }
    Ok(message.epoch().as_u64())
}

/// Proposals by which this account asks to leave: one per leaf of it.
pub fn propose_leaving(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    device: &Device,
    account: AccountId,
) -> Result<Vec<Bytes>, MlsFault> {
    let mut proposals = Vec::new();
    for leaf in leaves(group)?.into_iter().filter(|leaf| leaf.account == account) {
        let (message, _) = group
            .propose_remove_member(provider, device, LeafNodeIndex::new(leaf.index))
            .map_err(MlsFault::mls)?;
        proposals.push(message_bytes(message)?);
    }
    group.clear_pending_proposals(provider.storage()).map_err(MlsFault::mls)?;
    Ok(proposals)
}

/// Checks that a proposal is a wish to leave (the only kind published), and says whose.
pub fn read_leaving(
    group: &mut MlsGroup,
    provider: &Provider<'_>,
    payload: &[u8],
) -> Result<AccountId, MlsFault> {
    let processed = group.process_message(provider, protocol_message(payload)?).map_err(MlsFault::mls)?;
    let sender = account_of(processed.credential())?;
    let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
        return Err(MlsFault::Malformed("not a proposal"));
    };
    let Proposal::Remove(remove) = queued.proposal() else {
        return Err(MlsFault::Malformed("a proposal that rooms do not use"));
    };
    let leaf = group.member_at(remove.removed()).ok_or(MlsFault::Malformed("no such leaf"))?;
    if account_of(&leaf.credential)? == sender { Ok(sender) } else { Err(PolicyError::NotAdmin.into()) }
}

/// The key for sealing read marks and ephemeral frames in the present epoch.
pub fn sealing_key(group: &MlsGroup, provider: &Provider<'_>) -> Result<[u8; 32], MlsFault> {
    let secret = group.export_secret(provider.crypto(), "mbolo/seal/v1", b"", 32).map_err(MlsFault::mls)?;
    secret.as_slice().try_into().map_err(|_| MlsFault::Malformed("exported secret"))
}

fn store_proposal(group: &mut MlsGroup, provider: &Provider<'_>, payload: &[u8]) -> Result<(), MlsFault> {
    let processed = group.process_message(provider, protocol_message(payload)?).map_err(MlsFault::mls)?;
    let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
        return Err(MlsFault::Malformed("not a proposal"));
    };
    group.store_pending_proposal(provider.storage(), *queued).map_err(MlsFault::mls)
}

fn encode_bundle(
    (commit, welcome, group_info): (MlsMessageOut, Option<MlsMessageOut>, Option<MlsMessageOut>),
    proposals: Vec<Bytes>,
) -> Result<Bytes, MlsFault> {
    let optional = |message: Option<MlsMessageOut>| message.map_or(Ok(Bytes::new()), message_bytes);
    let bundle = wire::CommitBundle {
        commit: message_bytes(commit)?,
        proposals,
        welcome: optional(welcome)?,
        group_info: optional(group_info)?,
    };
    Ok(bundle.encode_to_vec().into())
}

fn parse(bytes: &[u8]) -> Result<MlsMessageIn, MlsFault> {
    MlsMessageIn::tls_deserialize_exact(bytes).map_err(|_| MlsFault::Malformed("MLS message"))
}

fn protocol_message(bytes: &[u8]) -> Result<ProtocolMessage, MlsFault> {
    parse(bytes)?.try_into_protocol_message().map_err(|_| MlsFault::Malformed("not a group message"))
}

fn read_tree(bytes: &[u8]) -> Result<RatchetTreeIn, MlsFault> {
    RatchetTreeIn::tls_deserialize_exact(bytes).map_err(|_| MlsFault::Malformed("ratchet tree"))
}

fn message_bytes(message: MlsMessageOut) -> Result<Bytes, MlsFault> {
    Ok(message.to_bytes().map_err(MlsFault::mls)?.into())
}

fn distinct(accounts: impl Iterator<Item = AccountId>) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = accounts.collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

fn without(all: &[AccountId], some: &[AccountId]) -> Vec<AccountId> {
    all.iter().copied().filter(|account| some.binary_search(account).is_err()).collect()
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(ratchets())
        .build()
}

/// A cell keeps a sender's order, so little is needed for entries out of order; forward is generous, because
/// entries may be gone from the cell when a device comes back.
fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(64, 10_000)
}

fn for_ever() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

fn capabilities() -> Capabilities {
    Capabilities::new(
        None,
        Some(&SUITES),
        Some(&[
            ExtensionType::LastResort,
            ExtensionType::Unknown(EXTENSION_ORDERING_SET),
            ExtensionType::Unknown(EXTENSION_ROOM_POLICY),
        ]),
        None,
        Some(&[CredentialType::Basic]),
    )
}

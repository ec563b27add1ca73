//! The people, keys and values that all vectors are made of. Keys come from fixed seeds, so anybody can
//! make the same signatures; Ed25519 is deterministic.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mbolo_proto::signing::{self, VoteSubject};
use mbolo_proto::{AccountId, CellId, DeviceKey, FeedId, Origin, RoomId, VersionVector, content, wire};

pub const NONCE: [u8; 32] = [0xA0; 32];
pub const CREATED_AT_MS: u64 = 1_790_000_000_000;
pub const NOW_MS: u64 = 1_790_000_123_456;
pub const HANDLE: &str = "awa";
pub const POW_BITS: u32 = 12;

/// The private key whose seed is 32 times this byte.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(key: &SigningKey) -> [u8; 32] {
    key.verifying_key().to_bytes()
}

pub fn awa_root() -> SigningKey {
    key(0x01)
}

pub fn awa_device_key() -> SigningKey {
    key(0x02)
}

pub fn bakary_root() -> SigningKey {
    key(0x03)
}

pub fn cell_key() -> SigningKey {
    key(0x11)
}

pub fn incarnation_key() -> SigningKey {
    key(0x12)
}

pub fn awa() -> AccountId {
    AccountId::of_root_key(&public(&awa_root()))
}

pub fn awa_device() -> DeviceKey {
    DeviceKey(public(&awa_device_key()))
}

pub fn bakary() -> AccountId {
    AccountId::of_root_key(&public(&bakary_root()))
}

pub fn cell() -> CellId {
    CellId(public(&cell_key()))
}

pub fn origin() -> Origin {
    Origin(public(&incarnation_key()))
}

pub fn room() -> RoomId {
    RoomId::direct(awa(), bakary())
}

/// Stands for bytes that only MLS understands.
pub fn opaque(what: &'static str) -> Bytes {
    Bytes::from_static(what.as_bytes())
}

pub fn certificate() -> wire::DeviceCertificate {
    signing::certify_device(&awa_root(), awa_device(), CREATED_AT_MS)
}

pub fn register_signature() -> Bytes {
    signing::sign(&awa_device_key(), &signing::register_bytes(cell(), &NONCE, awa(), HANDLE))
}

pub fn session_signature() -> Bytes {
    signing::sign(&awa_device_key(), &signing::session_bytes(cell(), &NONCE, awa()))
}

pub fn session_ready_signature() -> Bytes {
    signing::sign(&cell_key(), &signing::session_ready_bytes(&NONCE, &session_signature()))
}

pub fn pow() -> u64 {
    signing::find_pow(&NONCE, awa(), POW_BITS)
}

pub fn vector() -> VersionVector {
    [(Origin::COMMITS, 3), (origin(), 300)].into_iter().collect()
}

pub fn wire_vector() -> Option<wire::VersionVector> {
    Some((&vector()).into())
}

pub fn inbox_ref() -> wire::FeedRef {
    FeedId::Inbox(awa()).into()
}

pub fn room_ref() -> wire::FeedRef {
    FeedId::Room(room()).into()
}

pub fn bundle() -> wire::CommitBundle {
    wire::CommitBundle {
        commit: opaque("<MLSMessage(PublicMessage(Commit))>"),
        proposals: vec![opaque("<MLSMessage(PublicMessage(Proposal))>")],
        welcome: opaque("<MLSMessage(Welcome)>"),
        group_info: opaque("<MLSMessage(GroupInfo)>"),
    }
}

pub fn bundle_bytes() -> Bytes {
    mbolo_proto::encode_frame(&bundle())
}

pub fn vote_subject() -> VoteSubject {
    VoteSubject {
        room: room(),
        epoch: 2,
        round: 0,
        ballot_cell: origin(),
        hash: signing::bundle_hash(&bundle_bytes()),
        parent: [0xB0; 32],
    }
}

pub fn receipt() -> wire::Receipt {
    let subject = vote_subject();
    wire::Receipt {
        room_id: subject.room.to_bytes(),
        epoch: subject.epoch,
        ballot: Some(wire::Ballot { round: subject.round, cell: subject.ballot_cell.to_bytes() }),
        hash: subject.hash.to_vec().into(),
        parent: subject.parent.to_vec().into(),
        votes: vec![wire::Vote {
            cell: origin().to_bytes(),
            signature: signing::sign(&incarnation_key(), &subject.bytes()),
        }],
    }
}

pub fn decided() -> wire::DecidedCommit {
    wire::DecidedCommit { receipt: Some(receipt()), bundle: bundle_bytes() }
}

pub fn entry() -> wire::Entry {
    wire::Entry {
        kind: wire::EntryKind::Application.into(),
        payload: opaque("<MLSMessage(PrivateMessage)>"),
        received_at_ms: NOW_MS,
    }
}

pub fn commit_entry() -> wire::Entry {
    wire::Entry {
        kind: wire::EntryKind::Commit.into(),
        payload: mbolo_proto::encode_frame(&decided()),
        received_at_ms: NOW_MS,
    }
}

pub fn message_id() -> Bytes {
    Bytes::from_static(&[0xC0; 16])
}

pub fn message_ref() -> content::MessageRef {
    content::MessageRef { sender: bakary().to_bytes(), message_id: message_id() }
}

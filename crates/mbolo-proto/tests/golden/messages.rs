//! Every message of the session protocol below the frames, with all its fields set.

use mbolo_fuzz::Vector;
use mbolo_proto::wire::{self, ErrorCode, RoomKind};
use mbolo_proto::{PROTOCOL_VERSION, VersionVector, encode_frame, policy::Policy};

use crate::message;
use crate::story::*;

/// Each once, under its own name.
pub fn all() -> Vec<Vector> {
    macro_rules! each {
        ($($kind:ident: $about:literal, $value:expr;)*) => {
            vec![$(message::<wire::$kind>(
                concat!("mbolo.v1.", stringify!($kind)),
                concat!("message/", stringify!($kind)),
                $about,
                &$value,
            ),)*]
        };
    }
    each! {
        FeedRef: "A room's feed", room_ref();
        OriginSeq: "A position in one origin's log", wire::OriginSeq { origin: origin().to_bytes(), seq: 300 };
        VersionVector: "A position in a feed: three commits and 300 entries", (&vector()).into();
        DeviceCertificate: "Awa's root key certifies her device", certificate();
        Challenge: "The cell speaks version 1 and wants a proof of work", challenge();
        SignupPolicy: "Proof of work or an invite code", signup_policy();
        Register: "A new account", register();
        Authenticate: "A session with a window of 1 MiB", authenticate();
        SessionReady: "The cell's proof of who it is, and what one has there", session_ready();
        Limits: "The cell's limits", limits();
        Ping: "No fields", wire::Ping {};
        Pong: "The cell's clock", wire::Pong { now_ms: NOW_MS };
        Credit: "64 KiB", credit();
        GoingAway: "Back in five seconds", going_away();
        Done: "No fields", wire::Done {};
        Error: "All fields of an error", error();
        Subscribe: "Two feeds", subscribe();
        FeedPosition: "A room, after a position", room_position();
        Subscribed: "Two heads", subscribed();
        FeedHead: "A feed that was refused", refused_head();
        Entry: "An application message as stored", entry();
        FeedPush: "Entries 299 and 300", feed_push();
        Publish: "An application message", publish();
        Published: "Its position", published();
        InboxItem: "A notice of a Welcome", inbox_item();
        WelcomeNotice: "Join the room in epoch 3", welcome_notice();
        PutMarks: "One room's mark", put_marks();
        RoomMark: "All up to here is stored", room_mark();
        GetMarks: "Of a room", wire::GetMarks { room_id: room().to_bytes() };
        Marks: "Delivered marks of one account and of everyone, and a read mark", marks();
        AccountMark: "One account's delivered mark", account_mark();
        PutReadMark: "An encrypted read mark", put_read_mark();
        ReadMarkPush: "Bakary's read mark", read_mark_push();
        Ephemeral: "An encrypted ephemeral frame", ephemeral();
        EphemeralPush: "Bakary's ephemeral frame", ephemeral_push();
        OrderingSet: "One cell decides", wire::OrderingSet { vote_keys: vec![origin().to_bytes()] };
        RoomPolicy: "Every field set; no valid policy has both lists", policy_with_all_fields();
        CreateRoom: "A room in epoch 0", create_room();
        CommitBundle: "A commit with a proposal, a Welcome and a GroupInfo", bundle();
        SubmitCommit: "The commit that ends epoch 2", submit_commit();
        Ballot: "Round 1 of the cell", wire::Ballot { round: 1, cell: origin().to_bytes() };
        Vote: "The cell's vote", receipt().votes.remove(0);
        Receipt: "The decision for epoch 2, signed by a set of one", receipt();
        DecidedCommit: "Receipt and bundle", decided();
        CommitAccepted: "The receipt", commit_accepted();
        CommitStale: "The commit that was decided instead", commit_stale();
        GetJoin: "For a WelcomeNotice", get_join();
        Join: "What a joiner needs", join();
        GetGroupInfo: "Of a room", wire::GetGroupInfo { room_id: room().to_bytes() };
        RoomGroupInfo: "What an external commit needs", room_group_info();
        ListRooms: "No fields", wire::ListRooms {};
        Rooms: "One room", rooms();
        RoomSummary: "A 1:1 room", room_summary();
        SuiteCount: "Twelve KeyPackages of suite 0x004D", suite_count();
        UploadKeyPackages: "One to use once, one of last resort", upload_key_packages();
        KeyPackageCount: "What is left", key_package_count();
        ClaimKeyPackages: "Of Bakary, for suite 0x004D", claim();
        KeyPackages: "One device's", key_packages();
        ClaimedKeyPackage: "A last-resort one", key_packages().key_packages.remove(0);
        ResolveHandle: "A handle", wire::ResolveHandle { handle: "bakary".to_owned() };
        GetAccount: "An account id", wire::GetAccount { account_id: bakary().to_bytes() };
        Account: "Awa, with one device", account();
        SetHandle: "A handle", wire::SetHandle { handle: "awa.ndong".to_owned() };
    }
    .into_iter()
    .chain(policies())
    .chain([message(
        "mbolo.v1.VersionVector",
        "message/VersionVector/empty",
        "The position before everything has no bytes",
        &wire::VersionVector::from(&VersionVector::new()),
    )])
    .collect()
}

fn policies() -> [Vector; 2] {
    let (one, other) = if awa() < bakary() { (awa(), bakary()) } else { (bakary(), awa()) };
    let direct = Policy::Direct { participants: [one, other] };
    let group = Policy::Group { admins: vec![awa()] };
    [
        ("direct", "A 1:1 room: both account ids, ascending", direct),
        ("group", "A group with one admin", group),
    ]
    .map(|(name, about, policy)| {
        message("mbolo.v1.RoomPolicy", &format!("message/RoomPolicy/{name}"), about, &policy.to_wire())
    })
}

fn policy_with_all_fields() -> wire::RoomPolicy {
    wire::RoomPolicy {
        kind: RoomKind::Group.into(),
        admins: vec![awa().to_bytes()],
        participants: vec![bakary().to_bytes()],
    }
}

pub fn challenge() -> wire::Challenge {
    wire::Challenge {
        versions: vec![PROTOCOL_VERSION],
        cell_id: cell().to_bytes(),
        nonce: NONCE.to_vec().into(),
        cell_name: "cell.example".to_owned(),
        signup: Some(signup_policy()),
        now_ms: NOW_MS,
    }
}

fn signup_policy() -> wire::SignupPolicy {
    wire::SignupPolicy { open: true, invite: true, pow_bits: POW_BITS }
}

pub fn register() -> wire::Register {
    wire::Register {
        version: PROTOCOL_VERSION,
        certificate: Some(certificate()),
        handle: HANDLE.to_owned(),
        pow: pow(),
        invite: "invite-code".to_owned(),
        signature: register_signature(),
    }
}

pub fn authenticate() -> wire::Authenticate {
    wire::Authenticate {
        version: PROTOCOL_VERSION,
        account_id: awa().to_bytes(),
        device_key: awa_device().to_bytes(),
        signature: session_signature(),
        receive_window: 1024 * 1024,
    }
}

pub fn session_ready() -> wire::SessionReady {
    wire::SessionReady {
        cell_signature: session_ready_signature(),
        origin: origin().to_bytes(),
        handle: HANDLE.to_owned(),
        key_packages: vec![suite_count()],
        limits: Some(limits()),
    }
}

fn limits() -> wire::Limits {
    wire::Limits {
        max_frame_bytes: 4 * 1024 * 1024,
        max_payload_bytes: 64 * 1024,
        max_room_members: 1024,
        max_key_packages: 100,
    }
}

pub fn credit() -> wire::Credit {
    wire::Credit { bytes: 64 * 1024 }
}

pub fn going_away() -> wire::GoingAway {
    wire::GoingAway {
        code: ErrorCode::Busy.into(),
        message: "the cell is restarting".to_owned(),
        retry_after_ms: 5_000,
    }
}

pub fn error() -> wire::Error {
    wire::Error {
        code: ErrorCode::Busy.into(),
        message: "too many sessions are opening".to_owned(),
        retry_after_ms: 1_500,
        supported_versions: vec![PROTOCOL_VERSION, 300],
    }
}

fn room_position() -> wire::FeedPosition {
    wire::FeedPosition { feed: Some(room_ref()), after: wire_vector() }
}

pub fn subscribe() -> wire::Subscribe {
    let inbox = wire::FeedPosition { feed: Some(inbox_ref()), after: None };
    wire::Subscribe { feeds: vec![inbox, room_position()] }
}

fn refused_head() -> wire::FeedHead {
    wire::FeedHead { feed: Some(room_ref()), head: wire_vector(), refused: ErrorCode::NotAMember.into() }
}

pub fn subscribed() -> wire::Subscribed {
    let inbox = wire::FeedHead { feed: Some(inbox_ref()), head: wire_vector(), refused: 0 };
    wire::Subscribed { heads: vec![inbox, refused_head()] }
}

pub fn feed_push() -> wire::FeedPush {
    wire::FeedPush {
        feed: Some(room_ref()),
        origin: origin().to_bytes(),
        first_seq: 299,
        entries: vec![entry(), entry()],
    }
}

pub fn publish() -> wire::Publish {
    wire::Publish { room_id: room().to_bytes(), kind: entry().kind, payload: entry().payload, resume: true }
}

pub fn published() -> wire::Published {
    wire::Published { origin: origin().to_bytes(), seq: 300, received_at_ms: NOW_MS }
}

fn welcome_notice() -> wire::WelcomeNotice {
    wire::WelcomeNotice { room_id: room().to_bytes(), epoch: 3 }
}

fn inbox_item() -> wire::InboxItem {
    wire::InboxItem { item: Some(wire::inbox_item::Item::Welcome(welcome_notice())) }
}

fn room_mark() -> wire::RoomMark {
    wire::RoomMark { room_id: room().to_bytes(), delivered: wire_vector() }
}

pub fn put_marks() -> wire::PutMarks {
    wire::PutMarks { marks: vec![room_mark()] }
}

fn account_mark() -> wire::AccountMark {
    wire::AccountMark { account_id: bakary().to_bytes(), delivered: wire_vector() }
}

pub fn marks() -> wire::Marks {
    wire::Marks {
        room_id: room().to_bytes(),
        marks: vec![account_mark()],
        everyone: wire_vector(),
        read: vec![read_mark_push()],
    }
}

pub fn put_read_mark() -> wire::PutReadMark {
    wire::PutReadMark { room_id: room().to_bytes(), payload: opaque("<Sealed(ReadMark)>") }
}

pub fn read_mark_push() -> wire::ReadMarkPush {
    wire::ReadMarkPush {
        room_id: room().to_bytes(),
        account_id: bakary().to_bytes(),
        payload: opaque("<Sealed(ReadMark)>"),
    }
}

pub fn ephemeral() -> wire::Ephemeral {
    wire::Ephemeral { room_id: room().to_bytes(), payload: opaque("<Sealed(EphemeralContent)>") }
}

pub fn ephemeral_push() -> wire::EphemeralPush {
    wire::EphemeralPush {
        room_id: room().to_bytes(),
        account_id: bakary().to_bytes(),
        payload: opaque("<Sealed(EphemeralContent)>"),
    }
}

pub fn create_room() -> wire::CreateRoom {
    wire::CreateRoom {
        room_id: room().to_bytes(),
        group_info: opaque("<MLSMessage(GroupInfo)>"),
        ratchet_tree: opaque("<ratchet_tree>"),
    }
}

pub fn submit_commit() -> wire::SubmitCommit {
    wire::SubmitCommit { room_id: room().to_bytes(), epoch: 2, bundle: bundle_bytes() }
}

pub fn commit_accepted() -> wire::CommitAccepted {
    wire::CommitAccepted { receipt: Some(receipt()) }
}

pub fn commit_stale() -> wire::CommitStale {
    wire::CommitStale { decided: vec![commit_entry()] }
}

pub fn get_join() -> wire::GetJoin {
    wire::GetJoin { room_id: room().to_bytes(), epoch: 3 }
}

pub fn join() -> wire::Join {
    wire::Join {
        welcome: opaque("<MLSMessage(Welcome)>"),
        ratchet_tree: opaque("<ratchet_tree>"),
        receipt: Some(receipt()),
        start: wire_vector(),
    }
}

pub fn room_group_info() -> wire::RoomGroupInfo {
    wire::RoomGroupInfo {
        epoch: 3,
        group_info: opaque("<MLSMessage(GroupInfo)>"),
        ratchet_tree: opaque("<ratchet_tree>"),
        receipt: Some(receipt()),
        head: wire_vector(),
    }
}

fn room_summary() -> wire::RoomSummary {
    wire::RoomSummary {
        room_id: room().to_bytes(),
        epoch: 3,
        kind: RoomKind::Direct.into(),
        accounts: 2,
        start: wire_vector(),
    }
}

pub fn rooms() -> wire::Rooms {
    wire::Rooms { rooms: vec![room_summary()] }
}

fn suite_count() -> wire::SuiteCount {
    wire::SuiteCount { cipher_suite: 0x004D, left: 12 }
}

pub fn upload_key_packages() -> wire::UploadKeyPackages {
    wire::UploadKeyPackages {
        key_packages: vec![opaque("<MLSMessage(KeyPackage)>")],
        last_resort: vec![opaque("<MLSMessage(KeyPackage), last resort>")],
    }
}

pub fn key_package_count() -> wire::KeyPackageCount {
    wire::KeyPackageCount { counts: vec![suite_count(), wire::SuiteCount { cipher_suite: 3, left: 0 }] }
}

pub fn claim() -> wire::ClaimKeyPackages {
    wire::ClaimKeyPackages { account_id: bakary().to_bytes(), cipher_suite: 0x004D }
}

pub fn key_packages() -> wire::KeyPackages {
    wire::KeyPackages {
        key_packages: vec![wire::ClaimedKeyPackage {
            device_key: awa_device().to_bytes(),
            key_package: opaque("<MLSMessage(KeyPackage)>"),
            last_resort: true,
        }],
    }
}

pub fn account() -> wire::Account {
    wire::Account { account_id: awa().to_bytes(), handle: HANDLE.to_owned(), devices: vec![certificate()] }
}

#[test]
fn the_stories_bundle_is_what_its_receipt_was_signed_for() {
    let verified = mbolo_proto::signing::VerifiedReceipt::check(&receipt(), &[origin()]);
    let verified = verified.expect("a golden receipt holds");
    assert_eq!(verified.subject.hash, mbolo_proto::signing::bundle_hash(&encode_frame(&bundle())));
}

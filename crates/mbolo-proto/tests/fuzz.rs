//! Hostile bytes against everything that reads them here. Bounded by default; `cargo xtask fuzz` goes on longer.

use bytes::Bytes;
use mbolo_fuzz::{mutate_bytes, mutate_fields, run};
use mbolo_proto::policy::{CommitSummary, Policy};
use mbolo_proto::signing::{VerifiedReceipt, verify_certificate};
use mbolo_proto::{
    AccountId, FeedId, Handle, Origin, RoomId, VersionVector, content, decode_client_frame,
    decode_server_frame, encode_frame, wire,
};
use prost::Message;

const SESSION_VECTORS: &str = include_str!("../vectors/mbolo.v1.txt");
const CONTENT_VECTORS: &str = include_str!("../vectors/mbolo.content.v1.txt");

/// The golden vectors whose type is one of `kinds`.
fn corpus(file: &str, kinds: &[&str]) -> Vec<Vec<u8>> {
    let vectors = mbolo_fuzz::parse_vectors(file).expect("the golden vectors are well formed");
    let wanted = |vector: &&mbolo_fuzz::Vector| {
        vector.values.iter().any(|(name, value)| name == "type" && kinds.contains(&value.as_str()))
    };
    vectors.iter().filter(wanted).map(|vector| vector.bytes().expect("a message has bytes")).collect()
}

/// What decodes must encode, and then decode as the same.
fn reads_back<M: Message + Default + PartialEq>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let again = M::decode(message.encode_to_vec().as_slice()).expect("what was encoded here decodes");
    assert!(again == message, "a message reads back as something else");
    Some(message)
}

#[test]
fn client_frames() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.ClientFrame"]);
    run("client frames", &corpus, mutate_fields, 300_000, |bytes| {
        if let Ok(frame) = decode_client_frame(Bytes::copy_from_slice(bytes)) {
            assert!(frame.body.is_some(), "a frame that is let through has a body");
            assert!(decode_client_frame(encode_frame(&frame)) == Ok(frame));
        }
    });
}

#[test]
fn server_frames() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.ServerFrame"]);
    run("server frames", &corpus, mutate_fields, 300_000, |bytes| {
        if let Ok(frame) = decode_server_frame(Bytes::copy_from_slice(bytes)) {
            assert!(decode_server_frame(encode_frame(&frame)) == Ok(frame));
        }
    });
}

#[test]
fn content_and_what_is_sealed() {
    let kinds =
        ["Content", "ReadMark", "EphemeralContent", "Sealed"].map(|k| format!("mbolo.content.v1.{k}"));
    let corpus = corpus(CONTENT_VECTORS, &kinds.each_ref().map(String::as_str));
    run("content", &corpus, mutate_fields, 200_000, |bytes| {
        reads_back::<content::Content>(bytes);
        reads_back::<content::ReadMark>(bytes);
        reads_back::<content::EphemeralContent>(bytes);
        reads_back::<content::Sealed>(bytes);
    });
}

#[test]
fn version_vectors() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.VersionVector"]);
    run("version vectors", &corpus, mutate_fields, 200_000, |bytes| {
        let Some(on_the_wire) = reads_back::<wire::VersionVector>(bytes) else { return };
        let Ok(vector) = VersionVector::try_from(&on_the_wire) else { return };
        assert!(wire::VersionVector::from(&vector) == on_the_wire, "only the canonical form is taken");
        let mut joined = vector.clone();
        assert!(!joined.join(&vector) && joined.covers(&vector) && vector.meet(&joined) == vector);
    });
}

#[test]
fn commits_and_feeds_as_they_are_stored() {
    let kinds = ["DecidedCommit", "CommitBundle", "InboxItem", "FeedRef"].map(|k| format!("mbolo.v1.{k}"));
    let corpus = corpus(SESSION_VECTORS, &kinds.each_ref().map(String::as_str));
    run("stored messages", &corpus, mutate_fields, 200_000, |bytes| {
        reads_back::<wire::DecidedCommit>(bytes);
        reads_back::<wire::CommitBundle>(bytes);
        reads_back::<wire::InboxItem>(bytes);
        if let Some(feed) = reads_back::<wire::FeedRef>(bytes)
            && let Ok(id) = FeedId::try_from(&feed)
        {
            assert!(FeedId::try_from(&wire::FeedRef::from(id)) == Ok(id));
        }
    });
}

#[test]
fn receipts() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.Receipt"]);
    let golden = wire::Receipt::decode(corpus[0].as_slice()).expect("the golden receipt decodes");
    let cell = golden.ballot.as_ref().map(|ballot| Origin::try_from(ballot.cell.as_ref()));
    let cell = cell.expect("it has a ballot").expect("of a cell");
    let decided = VerifiedReceipt::check(&golden, &[cell]).expect("the golden receipt holds");
    // Fewer than elsewhere: each costs a signature check.
    run("receipts", &corpus, mutate_fields, 20_000, |bytes| {
        let Some(receipt) = reads_back::<wire::Receipt>(bytes) else { return };
        if let Ok(verified) = VerifiedReceipt::check(&receipt, &[cell]) {
            assert!(verified == decided, "a bent receipt proves something that nobody signed");
        }
    });
}

#[test]
fn certificates() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.DeviceCertificate"]);
    let golden = wire::DeviceCertificate::decode(corpus[0].as_slice()).expect("the certificate decodes");
    let certified = verify_certificate(&golden).expect("the golden certificate holds");
    run("certificates", &corpus, mutate_fields, 20_000, |bytes| {
        let Some(certificate) = reads_back::<wire::DeviceCertificate>(bytes) else { return };
        if let Ok(verified) = verify_certificate(&certificate) {
            assert!(verified == certified, "a bent certificate certifies another device");
        }
    });
}

#[test]
fn policies() {
    let corpus = corpus(SESSION_VECTORS, &["mbolo.v1.RoomPolicy"]);
    let stranger = AccountId([0x5A; 32]);
    run("policies", &corpus, mutate_fields, 200_000, |bytes| {
        let Some(on_the_wire) = reads_back::<wire::RoomPolicy>(bytes) else { return };
        let Ok(policy) = Policy::from_wire(&on_the_wire) else { return };
        assert!(policy.to_wire() == on_the_wire, "only the canonical form is taken");
        let join_uninvited = CommitSummary {
            committer: Some(stranger),
            external: true,
            added: vec![stranger],
            accounts_after: vec![stranger],
            ..CommitSummary::default()
        };
        assert!(policy.check_commit(&join_uninvited).is_err(), "a stranger lets himself in");
        assert!(policy.check_creation(RoomId([0; 32]), stranger).is_err());
    });
}

#[test]
fn texts_that_people_type() {
    let corpus: Vec<Vec<u8>> = ["awa", "@Awa.Ndong", "a_1.b", "awа"].map(|t| t.as_bytes().to_vec()).into();
    run("typed texts", &corpus, mutate_bytes, 200_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(handle) = text.parse::<Handle>() {
            assert!(handle.as_str().parse() == Ok(handle.clone()), "a handle is not its own text");
        }
        if let Ok(id) = text.parse::<AccountId>() {
            assert!(id.to_string().parse() == Ok(id));
        }
    });
}

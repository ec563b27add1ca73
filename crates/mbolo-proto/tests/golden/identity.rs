//! Ids, handles, signing inputs, signatures and proofs of work.

use ed25519_dalek::SigningKey;
use mbolo_fuzz::Vector;
use mbolo_proto::signing::{self, bundle_hash};
use mbolo_proto::{AccountId, EntryId, Handle, RoomId};

use crate::story::*;
use crate::{hex, values};

pub fn signing() -> Vec<Vector> {
    let certificate_input =
        [b"mbolo/device-certificate/v1".as_slice(), &awa_device().0, &CREATED_AT_MS.to_be_bytes()].concat();
    let mut vectors = vec![
        signature(
            "certificate",
            "Awa's root key certifies her device",
            &awa_root(),
            &certificate_input,
            &certificate().signature,
        ),
        signature(
            "register",
            "Awa's device signs up as `awa` on this cell and connection",
            &awa_device_key(),
            &signing::register_bytes(cell(), &NONCE, awa(), HANDLE),
            &register_signature(),
        ),
        signature(
            "register/device",
            "Awa's device is added to her account: the handle is empty",
            &awa_device_key(),
            &signing::register_bytes(cell(), &NONCE, awa(), ""),
            &signing::sign(&awa_device_key(), &signing::register_bytes(cell(), &NONCE, awa(), "")),
        ),
        signature(
            "session",
            "Awa's device opens a session",
            &awa_device_key(),
            &signing::session_bytes(cell(), &NONCE, awa()),
            &session_signature(),
        ),
        signature(
            "pulse_report",
            "Awa's device answers an observatory's challenge",
            &awa_device_key(),
            &signing::pulse_report_bytes("w1.bm9uY2U.1700000300.20.cmVwb3J0"),
            &signing::sign(
                &awa_device_key(),
                &signing::pulse_report_bytes("w1.bm9uY2U.1700000300.20.cmVwb3J0"),
            ),
        ),
        signature(
            "session_ready",
            "The cell answers with its own signature",
            &cell_key(),
            &signing::session_ready_bytes(&NONCE, &session_signature()),
            &session_ready_signature(),
        ),
        signature(
            "vote",
            "The cell votes for a bundle that ends epoch 2",
            &incarnation_key(),
            &vote_subject().bytes(),
            &receipt().votes[0].signature,
        ),
        values(
            "bundle_hash",
            "The hash by which a bundle is decided",
            &[("bundle", hex(&bundle_bytes())), ("hash", hex(&bundle_hash(&bundle_bytes())))],
        ),
    ];
    for bits in [0, 1, 8, POW_BITS, 16] {
        vectors.push(values(
            &format!("proof_of_work/{bits}"),
            "The smallest number that shows so many zero bits",
            &[
                ("nonce", hex(&NONCE)),
                ("account", hex(&awa().0)),
                ("bits", bits.to_string()),
                ("pow", signing::find_pow(&NONCE, awa(), bits).to_string()),
            ],
        ));
    }
    vectors
}

fn signature(name: &str, about: &str, key: &SigningKey, input: &[u8], signature: &[u8]) -> Vector {
    signing::verify(&public(key), input, signature).unwrap_or_else(|error| panic!("{name}: {error}"));
    let parts = [
        ("seed", hex(key.as_bytes())),
        ("public_key", hex(&public(key))),
        ("input", hex(input)),
        ("signature", hex(signature)),
    ];
    values(name, about, &parts)
}

pub fn ids() -> Vec<Vector> {
    let mut vectors = vec![
        values(
            "account_id",
            "Awa's account id, from her root public key",
            &[("root_key", hex(&public(&awa_root()))), ("bytes", hex(&awa().0)), ("text", awa().to_string())],
        ),
        values(
            "direct_room",
            "The room of Awa and Bakary, the same from both ends",
            &[
                ("one", hex(&awa().0)),
                ("other", hex(&bakary().0)),
                ("bytes", hex(&room().0)),
                ("text", RoomId::direct(bakary(), awa()).to_string()),
            ],
        ),
        values(
            "entry_id",
            "The id of an entry is the hash of its payload",
            &[("payload", hex(b"payload")), ("bytes", hex(&EntryId::of_payload(b"payload").0))],
        ),
        values(
            "base32/zeros",
            "All bits 0",
            &[("bytes", hex(&[0; 32])), ("text", AccountId([0; 32]).to_string())],
        ),
        values(
            "base32/ones",
            "All bits 1: the last character carries one bit",
            &[("bytes", hex(&[0xFF; 32])), ("text", AccountId([0xFF; 32]).to_string())],
        ),
    ];
    let typed = [
        ("as_typed", "awa"),
        ("at_sign", "@awa"),
        ("upper_case", "Awa.Ndong"),
        ("shortest", "a1_"),
        ("longest", "abcdefghijklmnopqrstuvwxyz_01234567"),
        ("too_short", "ab"),
        ("too_long", "abcdefghijklmnopqrstuvwxyz_012345678"),
        ("cyrillic", "awа"),
        ("space", "a wa"),
        ("digit_first", "1awa"),
        ("two_dots", "aw..a"),
        ("dot_last", "awa."),
    ];
    vectors.extend(typed.map(|(name, typed)| {
        let result = match typed.parse::<Handle>() {
            Ok(handle) => ("handle", handle.to_string()),
            Err(error) => ("refused", error.to_string()),
        };
        let about = "How a text is read as a handle";
        values(&format!("handle/{name}"), about, &[("typed", typed.to_owned()), result])
    }));
    vectors
}

//! The signed envelope: the exact bytes of the board's JSON, whose key signed them, and the signature.
//!
//! The signature is over a line that names its purpose and then those bytes, so nothing has to be written again in the
//! same way to check it, and a signature made for something else does not pass.

use std::collections::BTreeMap;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use mbolo_pulse::board::Board;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A board that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// 1.
    pub version: u32,
    /// The board's JSON in base64url without padding.
    pub payload: String,
    /// The first 8 bytes of SHA-256 of the public key, in hexadecimal.
    pub key_id: String,
    /// Ed25519 (RFC 8032), in base64url without padding.
    pub signature: String,
}

/// Public keys that a reader believes, by their ids.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<String, VerifyingKey>);

/// A board whose signature is right.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It still counts.
    Fresh(Board),
    /// It was true once: shown grey, never green.
    Stale(Board),
}

/// Why a snapshot is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum VerifyError {
    #[error("it is not a snapshot: {0}")]
    Format(String),
    #[error("a snapshot of version {0} needs a newer reader")]
    Version(u32),
    #[error("it has more than {MAX_ENVELOPE} bytes")]
    TooLong,
    #[error("it is signed with the key {0}, which is not trusted")]
    UnknownKey(String),
    #[error("its signature is wrong: it was changed, or is not from where it says")]
    Signature,
    #[error("it says that it was made {0} s in the future; check the clock")]
    FromTheFuture(i64),
    #[error("it is number {seq}, and number {known} is known")]
    Older { seq: u64, known: u64 },
}

/// Checks an envelope at Unix seconds `now`.
pub fn verify(envelope: &Envelope, trusted: &TrustedKeys, now: i64) -> Result<Reading, VerifyError> {
    if envelope.version != VERSION {
        return Err(VerifyError::Version(envelope.version));
    }
    if envelope.payload.len() > MAX_ENVELOPE {
        return Err(VerifyError::TooLong);
    }
    let key = trusted.0.get(&envelope.key_id);
    let key = key.ok_or_else(|| VerifyError::UnknownKey(envelope.key_id.chars().take(32).collect()))?;
    let payload = BASE64URL_NOPAD
        .decode(envelope.payload.as_bytes())
        .map_err(|error| VerifyError::Format(error.to_string()))?;
    let signature = BASE64URL_NOPAD.decode(envelope.signature.as_bytes()).ok();
    let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
    let signature = signature.ok_or(VerifyError::Signature)?;
    key.verify_strict(&signed_bytes(&payload), &signature).map_err(|_| VerifyError::Signature)?;
    let board: Board =
        serde_json::from_slice(&payload).map_err(|error| VerifyError::Format(error.to_string()))?;
    if board.generated_at > now.saturating_add(MAX_CLOCK_ERROR_S) {
        return Err(VerifyError::FromTheFuture(board.generated_at.saturating_sub(now)));
    }
    Ok(if board.is_stale(now) { Reading::Stale(board) } else { Reading::Fresh(board) })
}

/// Like [`verify`], for a reader that has seen number `known`: an old copy cannot take its place.
pub fn verify_newer(
    envelope: &Envelope,
    trusted: &TrustedKeys,
    known: u64,
    now: i64,
) -> Result<Reading, VerifyError> {
    let reading = verify(envelope, trusted, now)?;
    let seq = reading.board().seq;
    if seq < known { Err(VerifyError::Older { seq, known }) } else { Ok(reading) }
}

impl Envelope {
    /// Signs a board.
    pub fn seal(board: &Board, key: &SigningKey) -> Result<Self, serde_json::Error> {
        let payload = serde_json::to_vec(board)?;
        Ok(Self {
            version: VERSION,
            key_id: key_id(&key.verifying_key()),
            signature: BASE64URL_NOPAD.encode(&key.sign(&signed_bytes(&payload)).to_bytes()),
            payload: BASE64URL_NOPAD.encode(&payload),
        })
    }

    /// Reads one; the signature is not checked yet.
    pub fn read(json: &[u8]) -> Result<Self, VerifyError> {
        if json.len() > MAX_ENVELOPE {
            return Err(VerifyError::TooLong);
        }
        serde_json::from_slice(json).map_err(|error| VerifyError::Format(error.to_string()))
    }

    /// As it is stored.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("four plain fields are always JSON")
    }
}

impl TrustedKeys {
    /// From public keys in hexadecimal.
    pub fn from_hex(keys: &[String]) -> Result<Self, String> {
        let mut trusted = Self::default();
        for text in keys {
            let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
            let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
            let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            let key =
                key.ok_or_else(|| format!("{text:?} is not an Ed25519 public key of 64 hexadecimal digits"))?;
            trusted.0.insert(key_id(&key), key);
        }
        Ok(trusted)
    }

    /// None: nothing is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Reading {
    /// The board, however old.
    pub fn board(&self) -> &Board {
        match self {
            Self::Fresh(board) | Self::Stale(board) => board,
        }
    }

    /// Whether it is too old to be believed.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }
}

fn key_id(key: &VerifyingKey) -> String {
    HEXLOWER.encode(&Sha256::digest(key.as_bytes())[..8])
}

fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    [PURPOSE, payload].concat()
}

/// Bytes of an envelope: far more than a board has.
pub const MAX_ENVELOPE: usize = 8 << 20;
const VERSION: u32 = 1;
const PURPOSE: &[u8] = b"mbolo pulse snapshot 1\n";
/// Readers' clocks are wrong more often than observatories'.
const MAX_CLOCK_ERROR_S: i64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements::samples;

    fn key(seed: u8) -> (SigningKey, TrustedKeys) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let hex = HEXLOWER.encode(key.verifying_key().as_bytes());
        (key, TrustedKeys::from_hex(&[hex]).expect("a key"))
    }

    #[test]
    fn a_reader_gets_the_board_that_was_signed_and_sees_when_it_is_stale() {
        let (key, trusted) = key(1);
        let board = samples::gabon();
        let envelope = Envelope::seal(&board, &key).expect("sealed");
        let envelope = Envelope::read(&envelope.to_json()).expect("read");
        assert_eq!(verify(&envelope, &trusted, board.generated_at), Ok(Reading::Fresh(board.clone())));
        assert_eq!(verify(&envelope, &trusted, board.valid_until + 1), Ok(Reading::Stale(board.clone())));
        let early = board.generated_at - 7200;
        assert_eq!(verify(&envelope, &trusted, early), Err(VerifyError::FromTheFuture(7200)));
    }

    #[test]
    fn a_changed_board_another_key_and_an_older_number_are_refused() {
        let (key_1, trusted) = key(1);
        let (key_2, _) = key(2);
        let mut board = samples::gabon();
        board.seq = 7;
        let now = board.generated_at;
        let good = Envelope::seal(&board, &key_1).expect("sealed");
        board.incidents.clear();
        let changed =
            Envelope { payload: Envelope::seal(&board, &key_1).expect("sealed").payload, ..good.clone() };
        assert_eq!(verify(&changed, &trusted, now), Err(VerifyError::Signature));
        let foreign = Envelope::seal(&board, &key_2).expect("sealed");
        assert!(matches!(verify(&foreign, &trusted, now), Err(VerifyError::UnknownKey(_))));
        let pretending = Envelope { key_id: good.key_id.clone(), ..foreign };
        assert_eq!(verify(&pretending, &trusted, now), Err(VerifyError::Signature));
        assert_eq!(verify_newer(&good, &trusted, 8, now), Err(VerifyError::Older { seq: 7, known: 8 }));
        assert!(verify_newer(&good, &trusted, 7, now).is_ok());
        let later = Envelope { version: 2, ..good };
        assert_eq!(verify(&later, &trusted, now), Err(VerifyError::Version(2)));
    }

    /// Mirrors hold envelopes that an older observatory signed.
    #[test]
    fn an_envelope_that_was_stored_once_is_read_for_ever() {
        let (_, trusted) = key(1);
        let envelope = Envelope {
            version: 1,
            payload: BASE64URL_NOPAD.encode(GOLDEN_BOARD.as_bytes()),
            key_id: GOLDEN_KEY_ID.to_owned(),
            signature: GOLDEN_SIGNATURE.to_owned(),
        };
        let reading = verify(&envelope, &trusted, samples::START).expect("it was signed");
        assert_eq!(reading.board().observatory, "Pulse");
    }

    const GOLDEN_BOARD: &str = concat!(
        r#"{"seq":1,"generated_at":1693069560,"valid_until":1693069740,"observatory":"Pulse","#,
        r#""services":[],"incidents":[],"record":{"confirmed_90d":0,"false_alarms_90d":0,"#,
        r#""median_minutes_to_confirm":null},"limits":[]}"#,
    );
    const GOLDEN_KEY_ID: &str = "34750f98bd59fcfc";
    const GOLDEN_SIGNATURE: &str =
        "JC5592vuOmVXFxs4hAymZpHYJfrXu1YX7jtftka_ybjRe8c2PhCjVhocynL2iWaXj--Iuy5k7N_icfudSCmPAA";
}

//! What an agent says of one round, signed.
//!
//! A batch has a name of its own, and keeps it however often it is sent: a collector that has taken it ignores it
//! from then on. The signature is over the bytes of the body as they are sent.

use std::io::{self, Write};
use std::path::Path;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use mbolo_pulse::model::{Minute, ServiceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ProbeError;
use crate::outcome::{Outcome, Phase};
use crate::whatsapp::Part;

/// Carries the agent's public key, hexadecimal.
pub const AGENT_HEADER: &str = "x-mbolo-agent";

/// Carries the Ed25519 signature over the body, hexadecimal.
pub const SIGNATURE_HEADER: &str = "x-mbolo-signature";

/// What an agent says of one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The agent's name, for people.
    pub agent: String,
    /// Its own name: 32 hexadecimal digits.
    pub batch: String,
    /// When the round began.
    pub minute: Minute,
    /// The agent could not reach its own anchors, and says nothing of others.
    pub abstained: bool,
    /// One for each target; empty if it abstained.
    pub results: Vec<TargetResult>,
}

/// One target in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// What people would miss.
    pub service: ServiceId,
    /// What was measured.
    pub target: String,
    /// It was as it should be.
    pub ok: bool,
    /// The phase that was not.
    pub failed_phase: Option<Phase>,
    /// How long it took, or took until it failed, milliseconds.
    pub took_ms: u32,
}

impl TargetResult {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        Self {
            service: outcome.service.clone(),
            target: outcome.target.clone(),
            ok: outcome.ok,
            failed_phase: outcome.failed_phase,
            took_ms: outcome.took_ms,
        }
    }

    pub(crate) fn of_part(service: &ServiceId, part: &Part) -> Self {
        Self {
            service: service.clone(),
            target: part.target.to_owned(),
            ok: part.ok,
            failed_phase: part.failed_phase,
            took_ms: part.took_ms,
        }
    }
}

/// The name of the batch of a round that began at `at_ms`: the same round, the same name.
pub(crate) fn batch_id(key: &SigningKey, at_ms: i64) -> String {
    let mut hash = Sha256::new();
    hash.update(b"mbolo/pulse-batch/v1");
    hash.update(key.verifying_key().as_bytes());
    hash.update(at_ms.to_be_bytes());
    HEXLOWER.encode(&hash.finalize()[..16])
}

/// The two headers of a body.
pub(crate) fn headers(key: &SigningKey, body: &[u8]) -> [(&'static str, String); 2] {
    [
        (AGENT_HEADER, HEXLOWER.encode(key.verifying_key().as_bytes())),
        (SIGNATURE_HEADER, HEXLOWER.encode(&key.sign(body).to_bytes())),
    ]
}

/// Whether a body was signed by the agent that the headers name.
pub fn is_signed(agent: &str, signature: &str, body: &[u8]) -> bool {
    let bytes = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let check = || {
        let key = VerifyingKey::from_bytes(&bytes(agent)?.try_into().ok()?).ok()?;
        let signature = Signature::from_slice(&bytes(signature)?).ok()?;
        key.verify_strict(body, &signature).ok()
    };
    check().is_some()
}

/// The agent's key from its file; a new one if there is no file yet.
///
/// # Errors
/// When the file is damaged or cannot be read or made.
pub(crate) fn load_key(path: &Path) -> Result<SigningKey, ProbeError> {
    let failed = |error| ProbeError::File { path: path.display().to_string(), error };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let seed = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
            let seed: Option<[u8; 32]> = seed.and_then(|seed| seed.try_into().ok());
            seed.map(|seed| SigningKey::from_bytes(&seed))
                .ok_or_else(|| ProbeError::Key(path.display().to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::from_bytes(&rand::random());
            write_key(path, &key).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_key(path: &Path, key: &SigningKey) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", HEXLOWER.encode(&key.to_bytes()))?;
    file.sync_all()
}

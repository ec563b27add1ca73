//! Bodies that are signed: Ed25519 over the bytes as they are sent, by somebody the configuration names.

use axum::http::{HeaderMap, StatusCode};
use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::Signature;

use super::Refused;
use crate::config::PublicKey;
use crate::live::LATE_MINUTES;
use crate::shared::Shared;

/// Clocks of others may be this much ahead, minutes.
const AHEAD_MINUTES: u32 = 1;

/// The longest name of a batch.
const BATCH_NAME: usize = 128;

/// The one of `known` that signed the body, by the key in the header `name`.
pub(super) fn signer<'a, T>(
    headers: &HeaderMap,
    name: &str,
    body: &[u8],
    known: &'a [T],
    key: impl Fn(&T) -> PublicKey,
) -> Result<&'a T, Refused> {
    let text = |header: &str| headers.get(header).and_then(|value| value.to_str().ok());
    let refused = |message: &str| Refused::new(StatusCode::UNAUTHORIZED, "unsigned", message);
    let claimed = text(name)
        .and_then(PublicKey::parse)
        .ok_or_else(|| refused(&format!("the header {name} holds the sender's public key in hexadecimal")))?;
    let signer = known.iter().find(|one| key(one) == claimed).ok_or_else(|| {
        refused("this key is not in the observatory's configuration; ask its operator to add it")
    })?;
    let signature = text("x-mbolo-signature")
        .and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok())
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or_else(|| refused("the header x-mbolo-signature holds an Ed25519 signature in hexadecimal"))?;
    let holds = claimed.0.verify_strict(body, &signature).is_ok();
    if holds { Ok(signer) } else { Err(refused("the signature does not hold for this body")) }
}

/// Whether a minute that somebody else wrote can be taken.
pub(super) fn check_minute(shared: &Shared, minute: u32) -> Result<(), Refused> {
    let now = shared.clock.minute().0;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    if minute > now.saturating_add(AHEAD_MINUTES) {
        let message = format!("minute {minute} is in the future, it is {now} here; set the sender's clock");
        return Err(Refused::new(unprocessable, "future_minute", message));
    }
    if minute.saturating_add(LATE_MINUTES) < now {
        let message = format!("minute {minute} is more than 72 hours ago, it is {now} here; drop it");
        return Err(Refused::new(unprocessable, "ancient_minute", message));
    }
    Ok(())
}

/// Whether the name of a batch can be kept.
pub(super) fn check_batch_name(name: &str) -> Result<(), Refused> {
    if (1..=BATCH_NAME).contains(&name.len()) {
        Ok(())
    } else {
        Err(Refused::malformed(format!("batch: 1 to {BATCH_NAME} bytes")))
    }
}

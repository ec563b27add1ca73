//! Invite codes: self-contained, checked by a keyed hash, used once.
//!
//! A code is 16 random bytes, the minute it expires (4 bytes) and 12 bytes of a keyed hash over both, in base32:
//! 52 characters. The cell stores nothing when one is made, only that it was used.

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

/// Makes an invite code that is good until `expires_at_ms` (Unix milliseconds, rounded up to a minute).
/// `random` makes codes differ and must be fresh.
pub fn mint(key: &[u8; 32], random: [u8; 16], expires_at_ms: u64) -> String {
    let minute = u32::try_from(expires_at_ms.div_ceil(MINUTE_MS)).unwrap_or(u32::MAX);
    let mut code = Vec::with_capacity(RANDOM + 4 + TAG);
    code.extend_from_slice(&random);
    code.extend_from_slice(&minute.to_be_bytes());
    let tag = tag(key, &code);
    code.extend_from_slice(&tag);
    BASE32_NOPAD.encode(&code).to_ascii_lowercase()
}

/// The id of a code that holds and has not expired.
pub(crate) fn check(key: &[u8; 32], code: &str, now_ms: u64) -> Option<Bytes> {
    let code = BASE32_NOPAD.decode(code.trim().to_ascii_uppercase().as_bytes()).ok()?;
    let (body, given) = code.split_at_checked(RANDOM + 4)?;
    let differs = tag(key, body).iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
    if given.len() != TAG || differs != 0 {
        return None;
    }
    let minute = u32::from_be_bytes(*body.last_chunk()?);
    (now_ms <= u64::from(minute) * MINUTE_MS).then(|| Bytes::copy_from_slice(&body[..RANDOM]))
}

/// HMAC-SHA-256 (RFC 2104), shortened: nobody can try 2^96 codes over a network.
fn tag(key: &[u8; 32], body: &[u8]) -> [u8; TAG] {
    let mut pad = [0x36; 64];
    pad.iter_mut().zip(key).for_each(|(p, k)| *p ^= k);
    let inner = Sha256::new_with_prefix(pad).chain_update(b"mbolo/invite/v1").chain_update(body).finalize();
    pad.iter_mut().for_each(|p| *p ^= 0x36 ^ 0x5C);
    let outer = Sha256::new_with_prefix(pad).chain_update(inner).finalize();
    *outer.first_chunk().expect("a SHA-256 has more than 12 bytes")
}

const RANDOM: usize = 16;
const TAG: usize = 12;
const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_until_it_expires_and_only_under_its_key() {
        let code = mint(&[1; 32], [7; 16], 10 * MINUTE_MS);
        assert_eq!(code.len(), 52);
        assert_eq!(check(&[1; 32], &code, 10 * MINUTE_MS), Some(Bytes::from_static(&[7; 16])));
        assert_eq!(check(&[1; 32], &code.to_uppercase(), 0), Some(Bytes::from_static(&[7; 16])));
        assert_eq!(check(&[1; 32], &code, 10 * MINUTE_MS + 1), None);
        assert_eq!(check(&[2; 32], &code, 0), None);
    }

    #[test]
    fn a_changed_code_does_not_hold() {
        let code = mint(&[1; 32], [7; 16], 10 * MINUTE_MS);
        for at in 0..code.len() {
            let mut changed = code.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).expect("still ASCII");
            assert_eq!(check(&[1; 32], &changed, 0), None, "character {at}");
        }
        assert_eq!(check(&[1; 32], "", 0), None);
        assert_eq!(check(&[1; 32], &code[..51], 0), None);
    }
}

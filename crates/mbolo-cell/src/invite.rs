//! Invite codes: self-contained, checked by a keyed hash, used once.

/// Makes an invite code that is good until `expires_at_ms` (Unix milliseconds). `random` makes codes differ.
pub fn mint(key: &[u8; 32], random: [u8; 16], expires_at_ms: u64) -> String {
    let _ = (key, random, expires_at_ms);
    String::new()
}

//! What is signed, byte for byte, and the proof of work.
//!
//! Every signature is Ed25519 over a domain string followed by fields of fixed length (a variable one only at
//! the end), so no signature can be taken for another.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::ids::{AccountId, CellId, DeviceKey, Origin, RoomId, hash};
use crate::wire;

/// A signature or a certificate that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A key or signature has the wrong length or is no point of the curve.
    #[error("malformed key or signature")]
    Malformed,
    /// Well formed, but not by this key over these bytes.
    #[error("the signature does not match")]
    Mismatch,
}

/// A device certificate whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDevice {
    /// The account that the device belongs to.
    pub account: AccountId,
    /// The device.
    pub device: DeviceKey,
}

/// Certifies `device` under the account's root key.
pub fn certify_device(root: &SigningKey, device: DeviceKey, created_at_ms: u64) -> wire::DeviceCertificate {
    wire::DeviceCertificate {
        root_key: root.verifying_key().to_bytes().to_vec().into(),
        device_key: device.to_bytes(),
        created_at_ms,
        signature: sign(root, &certificate_bytes(device, created_at_ms)),
    }
}

/// Checks a device certificate.
pub fn verify_certificate(certificate: &wire::DeviceCertificate) -> Result<VerifiedDevice, SignatureError> {
    let device =
        DeviceKey::try_from(certificate.device_key.as_ref()).map_err(|_| SignatureError::Malformed)?;
    verify(
        &certificate.root_key,
        &certificate_bytes(device, certificate.created_at_ms),
        &certificate.signature,
    )?;
    Ok(VerifiedDevice { account: AccountId::of_root_key(&certificate.root_key), device })
}

/// What a device signs to register.
pub fn register_bytes(cell: CellId, nonce: &[u8; 32], account: AccountId, handle: &str) -> Vec<u8> {
    concat(&[b"mbolo/register/v1", &cell.0, nonce, &account.0, handle.as_bytes()])
}

/// What a device signs to open a session: bound to the cell and to the connection.
pub fn session_bytes(cell: CellId, nonce: &[u8; 32], account: AccountId) -> Vec<u8> {
    concat(&[b"mbolo/session/v1", &cell.0, nonce, &account.0])
}

/// What the cell signs in return.
pub fn session_ready_bytes(nonce: &[u8; 32], device_signature: &[u8]) -> Vec<u8> {
    concat(&[b"mbolo/session-ready/v1", nonce, device_signature])
}

/// What a device signs to report a problem to an observatory, instead of a proof of work: its challenge, which names the
/// service and the problem.
pub fn pulse_report_bytes(challenge: &str) -> Vec<u8> {
    concat(&[b"mbolo/pulse-report/v1", challenge.as_bytes()])
}

/// What is voted on: one bundle for one epoch of one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteSubject {
    /// The room.
    pub room: RoomId,
    /// The epoch that the commit ends.
    pub epoch: u64,
    /// Round of the ballot.
    pub round: u64,
    /// The cell that leads the ballot, by its vote key.
    pub ballot_cell: Origin,
    /// Hash of the bundle.
    pub hash: [u8; 32],
    /// Hash decided for the epoch before, zeros for the first.
    pub parent: [u8; 32],
}

impl VoteSubject {
    /// The bytes under a vote's signature.
    pub fn bytes(&self) -> Vec<u8> {
        concat(&[
            b"mbolo/vote/v1",
            &self.room.0,
            &self.epoch.to_be_bytes(),
            &self.round.to_be_bytes(),
            &self.ballot_cell.0,
            &self.hash,
            &self.parent,
        ])
    }
}

/// The hash by which a commit bundle is decided, of its bytes as submitted.
pub fn bundle_hash(bundle: &[u8]) -> [u8; 32] {
    hash(b"mbolo/bundle/v1", &[bundle])
}

/// A receipt with valid votes of a majority of the ordering set it was checked against. The only way to
/// get one is [`VerifiedReceipt::check`], and only with one may a pending commit be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// What was decided.
    pub subject: VoteSubject,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A field has the wrong length or is missing.
    #[error("malformed receipt")]
    Malformed,
    /// The ballot's cell is not in the ordering set.
    #[error("the ballot belongs to a cell outside the ordering set")]
    ForeignBallot,
    /// Fewer valid votes of distinct members than a majority.
    #[error("{valid} valid votes of {needed} needed")]
    NoMajority {
        /// Votes that hold.
        valid: usize,
        /// What a majority needs.
        needed: usize,
    },
}

impl VerifiedReceipt {
    /// Checks the votes of `receipt` against the ordering set of the epoch that it ends (`ordering.md` C9, K4).
    pub fn check(receipt: &wire::Receipt, ordering_set: &[Origin]) -> Result<Self, ReceiptError> {
        let subject = subject_of(receipt).ok_or(ReceiptError::Malformed)?;
        if !ordering_set.contains(&subject.ballot_cell) {
            return Err(ReceiptError::ForeignBallot);
        }
        let bytes = subject.bytes();
        let mut voters: Vec<&[u8]> = receipt
            .votes
            .iter()
            .filter(|vote| ordering_set.iter().any(|cell| cell.0 == *vote.cell))
            .filter(|vote| verify(&vote.cell, &bytes, &vote.signature).is_ok())
            .map(|vote| vote.cell.as_ref())
            .collect();
        voters.sort_unstable();
        voters.dedup();
        let needed = ordering_set.len() / 2 + 1;
        if voters.len() < needed {
            return Err(ReceiptError::NoMajority { valid: voters.len(), needed });
        }
        Ok(Self { subject })
    }
}

fn subject_of(receipt: &wire::Receipt) -> Option<VoteSubject> {
    let ballot = receipt.ballot.as_ref()?;
    Some(VoteSubject {
        room: RoomId::try_from(receipt.room_id.as_ref()).ok()?,
        epoch: receipt.epoch,
        round: ballot.round,
        ballot_cell: Origin::try_from(ballot.cell.as_ref()).ok()?,
        hash: receipt.hash.as_ref().try_into().ok()?,
        parent: receipt.parent.as_ref().try_into().ok()?,
    })
}

/// Signs with Ed25519.
pub fn sign(key: &SigningKey, bytes: &[u8]) -> bytes::Bytes {
    key.sign(bytes).to_bytes().to_vec().into()
}

/// Verifies an Ed25519 signature by a raw public key.
pub fn verify(public_key: &[u8], bytes: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let key: [u8; 32] = public_key.try_into().map_err(|_| SignatureError::Malformed)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| SignatureError::Malformed)?;
    let signature = Signature::from_slice(signature).map_err(|_| SignatureError::Malformed)?;
    // Strict: for a key of small order anybody can make signatures that hold.
    key.verify_strict(bytes, &signature).map_err(|_| SignatureError::Mismatch)
}

/// Whether `pow` is a proof of work of `bits` leading zero bits for this connection and account.
pub fn pow_holds(nonce: &[u8; 32], account: AccountId, pow: u64, bits: u32) -> bool {
    let digest = hash(b"mbolo/pow/v1", &[nonce, &account.0, &pow.to_be_bytes()]);
    let mut zeros = 0;
    for byte in digest {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros >= bits
}

/// Finds a proof of work by trying numbers in order; takes 2^bits hashes on average.
pub fn find_pow(nonce: &[u8; 32], account: AccountId, bits: u32) -> u64 {
    (0..).find(|pow| pow_holds(nonce, account, *pow, bits)).expect("some number below 2^64 has the zeros")
}

fn certificate_bytes(device: DeviceKey, created_at_ms: u64) -> Vec<u8> {
    concat(&[b"mbolo/device-certificate/v1", &device.0, &created_at_ms.to_be_bytes()])
}

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(key: &SigningKey) -> [u8; 32] {
        key.verifying_key().to_bytes()
    }

    #[test]
    fn a_key_for_which_anybody_can_sign_is_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let signature = [neutral, [0; 32]].concat();
        assert!(matches!(verify(&neutral, b"anything", &signature), Err(SignatureError::Mismatch)));
    }

    #[test]
    fn a_certificate_binds_device_and_account() {
        let device = DeviceKey(public(&key(2)));
        let mut certificate = certify_device(&key(1), device, 5);
        let verified = verify_certificate(&certificate).expect("a fresh certificate holds");
        assert_eq!(verified.account, AccountId::of_root_key(&public(&key(1))));
        assert_eq!(verified.device, device);
        certificate.created_at_ms = 6;
        assert_eq!(verify_certificate(&certificate), Err(SignatureError::Mismatch));
    }

    fn receipt(voters: &[&SigningKey], subject: VoteSubject) -> wire::Receipt {
        wire::Receipt {
            room_id: subject.room.to_bytes(),
            epoch: subject.epoch,
            ballot: Some(wire::Ballot { round: subject.round, cell: subject.ballot_cell.to_bytes() }),
            hash: subject.hash.to_vec().into(),
            parent: subject.parent.to_vec().into(),
            votes: voters
                .iter()
                .map(|k| wire::Vote { cell: public(k).to_vec().into(), signature: sign(k, &subject.bytes()) })
                .collect(),
        }
    }

    #[test]
    fn a_receipt_needs_a_majority_of_distinct_members() {
        let cells = [key(1), key(2), key(3)];
        let set: Vec<Origin> = cells.iter().map(|k| Origin(public(k))).collect();
        let subject = VoteSubject {
            room: RoomId([9; 32]),
            epoch: 4,
            round: 0,
            ballot_cell: set[0],
            hash: [1; 32],
            parent: [2; 32],
        };
        let check = |voters: &[&SigningKey]| VerifiedReceipt::check(&receipt(voters, subject), &set);
        assert!(check(&[&cells[0], &cells[2]]).is_ok());
        let short = Err(ReceiptError::NoMajority { valid: 1, needed: 2 });
        assert_eq!(check(&[&cells[0]]), short);
        assert_eq!(check(&[&cells[0], &cells[0]]), short);
        assert_eq!(check(&[&cells[0], &key(4)]), short);
        let mut other_epoch = receipt(&[&cells[0], &cells[1]], subject);
        other_epoch.epoch = 5;
        assert!(VerifiedReceipt::check(&other_epoch, &set).is_err());
        let foreign = VoteSubject { ballot_cell: Origin(public(&key(4))), ..subject };
        assert_eq!(
            VerifiedReceipt::check(&receipt(&[&cells[0], &cells[1]], foreign), &set),
            Err(ReceiptError::ForeignBallot)
        );
    }

    #[test]
    fn a_proof_of_work_is_bound_to_the_connection_and_the_account() {
        let account = AccountId([7; 32]);
        let pow = find_pow(&[1; 32], account, 8);
        assert!(pow_holds(&[1; 32], account, pow, 8));
        assert!(!pow_holds(&[2; 32], account, pow, 8) || !pow_holds(&[1; 32], AccountId([8; 32]), pow, 8));
        assert!(pow_holds(&[3; 32], account, 0, 0));
    }
}

//! A report that a device of an Mbolo account signs, instead of a proof of work.
//!
//! The device signs the challenge, which names the service and the problem, and presents the certificate that ties it to its
//! account's root key. Nobody asks a cell, and no cell learns of it. An account's keys can be made by anybody for nothing,
//! and what a cell asks for an account is not seen here: so a signature is worth no more than a form, and the limits of an
//! address and its neighbourhood hold as they do for everybody.

use data_encoding::BASE64URL_NOPAD;
use mbolo_proto::signing::{SignatureError, pulse_report_bytes, verify, verify_certificate};
use mbolo_proto::{AccountId, wire};
use serde::Deserialize;

/// What a signed report brings: bytes in base64url without padding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedByDevice {
    /// The account's Ed25519 public key.
    root_key: String,
    /// The device's Ed25519 public key.
    device_key: String,
    /// As in the certificate, Unix milliseconds.
    created_at_ms: u64,
    /// The certificate's signature, by the root key.
    certificate: String,
    /// By the device key, over [`pulse_report_bytes`].
    signature: String,
}

impl SignedByDevice {
    /// The account whose device has signed `challenge`.
    pub fn account(&self, challenge: &str) -> Result<AccountId, SignatureError> {
        let bytes =
            |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| SignatureError::Malformed);
        let device_key = bytes(&self.device_key)?;
        let certificate = wire::DeviceCertificate {
            root_key: bytes(&self.root_key)?.into(),
            device_key: device_key.clone().into(),
            created_at_ms: self.created_at_ms,
            signature: bytes(&self.certificate)?.into(),
        };
        let device = verify_certificate(&certificate)?;
        verify(&device_key, &pulse_report_bytes(challenge), &bytes(&self.signature)?)?;
        Ok(device.account)
    }
}

//! Who a leaf belongs to: a device certified by its account's root key.

use ed25519_dalek::{Signer as _, SigningKey};
use mbolo_proto::signing::verify_certificate;
use mbolo_proto::{AccountId, DeviceKey, wire};
use openmls::prelude::{BasicCredential, Credential, CredentialWithKey};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use prost::Message;

use super::MlsFault;

/// This device: its key and the certificate that ties it to the account.
pub struct Device {
    key: SigningKey,
    certificate: wire::DeviceCertificate,
}

impl Device {
    /// The device with this key, certified.
    pub fn new(key: SigningKey, certificate: wire::DeviceCertificate) -> Self {
        Self { key, certificate }
    }

    /// Its public key.
    pub fn public(&self) -> DeviceKey {
        DeviceKey(self.key.verifying_key().to_bytes())
    }

    /// Its secret key, for signing outside MLS.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Its certificate.
    pub fn certificate(&self) -> &wire::DeviceCertificate {
        &self.certificate
    }

    /// The MLS credential: the encoded certificate, under the device's key.
    pub fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.certificate.encode_to_vec()).into(),
            signature_key: self.key.verifying_key().to_bytes().to_vec().into(),
        }
    }
}

impl Signer for Device {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// The account of a leaf, after checking that its certificate holds and certifies the leaf's key.
pub fn verified_account(credential: &Credential, signature_key: &[u8]) -> Result<AccountId, MlsFault> {
    let certificate = certificate_of(credential)?;
    let verified = verify_certificate(&certificate).map_err(|_| MlsFault::Certificate)?;
    if verified.device.0 != *signature_key {
        return Err(MlsFault::Certificate);
    }
    Ok(verified.account)
}

/// The account that a leaf names. For leaves of the tree, whose certificates were checked when they came in.
pub fn account_of(credential: &Credential) -> Result<AccountId, MlsFault> {
    Ok(AccountId::of_root_key(&certificate_of(credential)?.root_key))
}

fn certificate_of(credential: &Credential) -> Result<wire::DeviceCertificate, MlsFault> {
    let basic = BasicCredential::try_from(credential.clone()).map_err(|_| MlsFault::Certificate)?;
    wire::DeviceCertificate::decode(basic.identity()).map_err(|_| MlsFault::Certificate)
}

//! A device's cryptography for tests: OpenMLS' own, with the post-quantum suite admitted that it can do but
//! does not list.

use openmls_rust_crypto::{MemoryStorage, RustCrypto};
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::*;
use tls_codec::SecretVLBytes;

use crate::device::{POST_QUANTUM, SUITE};

#[derive(Default)]
pub struct TestProvider {
    crypto: TestCrypto,
    random: RustCrypto,
    storage: MemoryStorage,
}

#[derive(Default)]
pub struct TestCrypto(RustCrypto);

impl OpenMlsProvider for TestProvider {
    type CryptoProvider = TestCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }
    fn crypto(&self) -> &TestCrypto {
        &self.crypto
    }
    fn rand(&self) -> &RustCrypto {
        &self.random
    }
}

macro_rules! pass_on {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $kind),*) -> Result<$result, CryptoError> { self.0.$name($($arg),*) })*
    };
}

impl OpenMlsCrypto for TestCrypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if [SUITE, POST_QUANTUM].contains(&suite) { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }
    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE, POST_QUANTUM]
    }
    pass_on! {
        fn hkdf_extract(hash: HashType, salt: &[u8], ikm: &[u8]) -> SecretVLBytes;
        fn hmac(hash: HashType, key: &[u8], message: &[u8]) -> SecretVLBytes;
        fn hkdf_expand(hash: HashType, prk: &[u8], info: &[u8], len: usize) -> SecretVLBytes;
        fn hash(hash: HashType, data: &[u8]) -> Vec<u8>;
        fn aead_encrypt(alg: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Vec<u8>;
        fn aead_decrypt(alg: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Vec<u8>;
        fn signature_key_gen(alg: SignatureScheme) -> (Vec<u8>, Vec<u8>);
        fn verify_signature(alg: SignatureScheme, data: &[u8], key: &[u8], signature: &[u8]) -> ();
        fn sign(alg: SignatureScheme, data: &[u8], key: &[u8]) -> Vec<u8>;
        fn hpke_seal(config: HpkeConfig, key: &[u8], info: &[u8], aad: &[u8], plain: &[u8]) -> HpkeCiphertext;
        fn hpke_open(config: HpkeConfig, input: &HpkeCiphertext, key: &[u8], info: &[u8], aad: &[u8]) -> Vec<u8>;
        fn hpke_setup_sender_and_export(
            config: HpkeConfig, key: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> (KemOutput, ExporterSecret);
        fn hpke_setup_receiver_and_export(
            config: HpkeConfig, enc: &[u8], key: &[u8], info: &[u8], context: &[u8], length: usize
        ) -> ExporterSecret;
        fn derive_hpke_keypair(config: HpkeConfig, ikm: &[u8]) -> HpkeKeyPair;
    }
}

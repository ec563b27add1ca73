//! What OpenMLS needs from outside: cryptography, randomness and storage.
//!
//! Randomness is a ChaCha20 generator seeded once per run, so that the same seed and the same inputs give the
//! same bytes. Storage is the profile's own database, inside whatever transaction is open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use hpke_rs::{Hpke, Mode};
use hpke_rs_crypto::types as hpke;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig,
    HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tls_codec::SecretVLBytes;

use super::hpke::{SeededHpke, with_seed};
use super::storage::MlsStorage;

/// The post-quantum suite (X-Wing), for rooms up to a few hundred accounts.
pub const POST_QUANTUM: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;
/// The classical suite, for larger rooms.
pub const CLASSICAL: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
/// Both, best first.
pub const SUITES: [Ciphersuite; 2] = [POST_QUANTUM, CLASSICAL];

/// Cryptography and randomness of one run of the client.
pub struct Crypto {
    inner: RustCrypto,
    random: Mutex<ChaCha20Rng>,
    sealing_secret: [u8; 32],
    storage_failed: AtomicBool,
}

impl Crypto {
    /// Everything random is derived from `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut random = ChaCha20Rng::from_seed(seed);
        let mut sealing_secret = [0; 32];
        random.fill_bytes(&mut sealing_secret);
        Self {
            inner: RustCrypto::default(),
            random: Mutex::new(random),
            sealing_secret,
            storage_failed: AtomicBool::new(false),
        }
    }

    /// Whether the database refused something to OpenMLS since the last question. OpenMLS wraps such errors in
    /// many types, and the engine must not take a full disk for a broken group.
    pub fn take_storage_failure(&self) -> bool {
        self.storage_failed.swap(false, Ordering::Relaxed)
    }

    /// Random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number below `bound` (0 for a bound of 0); a slight bias does not matter for back-offs.
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(self.random()).checked_rem(bound).unwrap_or(0)
    }

    /// The randomness for sealing `message` to `key`: a keyed hash of both, because OpenMLS seals to the members of a
    /// room on several threads at once, and what each of them would draw from a shared generator depends on who
    /// is first. What OpenMLS seals is a fresh secret, so no two inputs are the same.
    fn sealing_seed(&self, key: &[u8], info: &[u8], message: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.sealing_secret);
        for part in [key, info, message] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

impl OpenMlsRand for Crypto {
    type Error = std::convert::Infallible;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Self::Error> {
        Ok(self.random())
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Self::Error> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        Ok(bytes)
    }
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if SUITES.contains(&suite) { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        SUITES.to_vec()
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256(hash)?;
        self.inner.hkdf_extract(HashType::Sha2_256, salt, ikm)
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256(hash)?;
        self.inner.hmac(HashType::Sha2_256, key, message)
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        okm_len: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        sha256(hash)?;
        self.inner.hkdf_expand(HashType::Sha2_256, prk, info, okm_len)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        sha256(hash)?;
        self.inner.hash(HashType::Sha2_256, data)
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        chacha(alg)?;
        self.inner.aead_encrypt(AeadType::ChaCha20Poly1305, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        ct_tag: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        chacha(alg)?;
        self.inner.aead_decrypt(AeadType::ChaCha20Poly1305, key, ct_tag, nonce, aad)
    }

    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        // A device has one signature key, made with the account; OpenMLS must not make others.
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        pk: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        ed25519(alg)?;
        self.inner.verify_signature(SignatureScheme::ED25519, data, pk, signature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        ed25519(alg)?;
        self.inner.sign(SignatureScheme::ED25519, data, key)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        aad: &[u8],
        ptxt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let (kem_output, ciphertext) = with_seed(self.sealing_seed(pk_r, info, ptxt), || {
            seeded(config)?
                .seal(&pk_r.into(), info, aad, ptxt, None, None, None)
                .map_err(|_| CryptoError::HpkeEncryptionError)
        })?;
        Ok(HpkeCiphertext { kem_output: kem_output.into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        sk_r: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        seeded(config)?
            .open(
                input.kem_output.as_slice(),
                &sk_r.into(),
                info,
                aad,
                input.ciphertext.as_slice(),
                None,
                None,
                None,
            )
            .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        let (kem_output, context) = with_seed(self.random(), || {
            seeded(config)?
                .setup_sender(&pk_r.into(), info, None, None, None)
                .map_err(|_| CryptoError::SenderSetupError)
        })?;
        let secret =
            context.export(exporter_context, exporter_length).map_err(|_| CryptoError::ExporterError)?;
        Ok((kem_output, secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        sk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        let context = seeded(config)?
            .setup_receiver(enc, &sk_r.into(), info, None, None, None)
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        let secret =
            context.export(exporter_context, exporter_length).map_err(|_| CryptoError::ExporterError)?;
        Ok(secret.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        let pair = seeded(config)?.derive_key_pair(ikm).map_err(|_| CryptoError::CryptoLibraryError)?;
        let (private, public) = pair.into_keys();
        Ok(HpkeKeyPair { private: private.as_slice().into(), public: public.as_slice().into() })
    }
}

// The library is called with constants, not with what was passed in: then the linker can leave all that the two
// suites do not need (other curves, AES, ML-DSA) out of the browser's WASM.

fn sha256(hash: HashType) -> Result<(), CryptoError> {
    if hash == HashType::Sha2_256 { Ok(()) } else { Err(CryptoError::UnsupportedHashAlgorithm) }
}

fn chacha(alg: AeadType) -> Result<(), CryptoError> {
    if alg == AeadType::ChaCha20Poly1305 { Ok(()) } else { Err(CryptoError::UnsupportedAeadAlgorithm) }
}

fn ed25519(alg: SignatureScheme) -> Result<(), CryptoError> {
    if alg == SignatureScheme::ED25519 { Ok(()) } else { Err(CryptoError::UnsupportedSignatureScheme) }
}

fn seeded(config: HpkeConfig) -> Result<Hpke<SeededHpke>, CryptoError> {
    let kem = match config.0 {
        HpkeKemType::DhKem25519 => hpke::KemAlgorithm::DhKem25519,
        HpkeKemType::XWingKemDraft6 => hpke::KemAlgorithm::XWingDraft06,
        _ => return Err(CryptoError::UnsupportedCiphersuite),
    };
    let (HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305) = (config.1, config.2) else {
        return Err(CryptoError::UnsupportedCiphersuite);
    };
    let (kdf, aead) = (hpke::KdfAlgorithm::HkdfSha256, hpke::AeadAlgorithm::ChaCha20Poly1305);
    Ok(Hpke::new(Mode::Base, kem, kdf, aead))
}

/// The provider for one operation: borrows the run's cryptography and the open transaction.
pub struct Provider<'a> {
    crypto: &'a Crypto,
    storage: MlsStorage<'a>,
}

impl<'a> Provider<'a> {
    /// A provider over `db`, in whatever transaction is open there.
    pub fn new(crypto: &'a Crypto, db: &'a Connection) -> Self {
        Self { crypto, storage: MlsStorage { db, failed: &crypto.storage_failed } }
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = MlsStorage<'a>;

    fn storage(&self) -> &MlsStorage<'a> {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        self.crypto
    }

    fn rand(&self) -> &Crypto {
        self.crypto
    }
}

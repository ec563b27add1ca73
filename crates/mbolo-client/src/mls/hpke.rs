//! HPKE whose randomness comes from the client's seed.
//!
//! The HPKE library asks its crypto type for a generator through a static function, so the seed for the next
//! operation is handed over in a thread-local ([`with_seed`]). Everything else is the library's own RustCrypto
//! implementation; only the two operations that draw randomness are done here.
//!
//! The library is only ever called with the constants of the two suites in use, never with an algorithm that was
//! passed in: that lets the linker leave the others out of the browser's WASM.

use std::cell::Cell;

use hpke_rs_crypto::error::Error;
use hpke_rs_crypto::types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};
use hpke_rs_crypto::{HpkeCrypto, HpkeTestRng, TryCryptoRng, TryRng};
use hpke_rs_rust_crypto::HpkeRustCrypto;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use x_wing::{Encapsulate, TryKeyInit};
use zeroize::Zeroize;

thread_local! {
    static SEED: Cell<[u8; 32]> = const { Cell::new([0; 32]) };
}

/// Runs `operation` with `seed` as the only randomness of the HPKE operations in it. One seed, one operation.
pub fn with_seed<T>(seed: [u8; 32], operation: impl FnOnce() -> T) -> T {
    SEED.set(seed);
    let result = operation();
    SEED.set([0; 32]);
    result
}

/// RustCrypto's HPKE with a seeded generator.
#[derive(Debug)]
pub struct SeededHpke;

/// The generator of one HPKE operation.
pub struct SeededPrng(ChaCha20Rng);

impl HpkeCrypto for SeededHpke {
    type HpkePrng = SeededPrng;

    fn name() -> String {
        "RustCrypto, seeded".into()
    }

    fn prng() -> SeededPrng {
        SeededPrng(ChaCha20Rng::from_seed(SEED.get()))
    }

    fn kem_key_gen(alg: KemAlgorithm, prng: &mut SeededPrng) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let mut seed = [0; 32];
        prng.0.fill_bytes(&mut seed);
        match alg {
            KemAlgorithm::XWingDraft06 => Self::kem_key_gen_derand(alg, &seed),
            KemAlgorithm::DhKem25519 => Ok((Self::secret_to_public(alg, &seed)?, seed.to_vec())),
            _ => Err(Error::UnknownKemAlgorithm),
        }
    }

    fn kem_encaps(
        alg: KemAlgorithm,
        pk_r: &[u8],
        prng: &mut SeededPrng,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        if alg != KemAlgorithm::XWingDraft06 {
            return Err(Error::UnsupportedKemOperation);
        }
        let key = x_wing::EncapsulationKey::new_from_slice(pk_r).map_err(|_| Error::KemInvalidPublicKey)?;
        let (ciphertext, secret) = key.encapsulate_with_rng(prng);
        Ok((secret.as_slice().to_vec(), ciphertext.as_slice().to_vec()))
    }

    fn supports_kdf(alg: KdfAlgorithm) -> Result<(), Error> {
        sha256(alg)?;
        HpkeRustCrypto::supports_kdf(KdfAlgorithm::HkdfSha256)
    }

    fn supports_kem(alg: KemAlgorithm) -> Result<(), Error> {
        match alg {
            KemAlgorithm::XWingDraft06 | KemAlgorithm::DhKem25519 => Ok(()),
            _ => Err(Error::UnknownKemAlgorithm),
        }
    }

    fn supports_aead(alg: AeadAlgorithm) -> Result<(), Error> {
        chacha(alg)?;
        HpkeRustCrypto::supports_aead(AeadAlgorithm::ChaCha20Poly1305)
    }

    fn kdf_extract(alg: KdfAlgorithm, salt: &[u8], ikm: &[u8]) -> Result<Vec<u8>, Error> {
        sha256(alg)?;
        HpkeRustCrypto::kdf_extract(KdfAlgorithm::HkdfSha256, salt, ikm)
    }

    fn kdf_expand(alg: KdfAlgorithm, prk: &[u8], info: &[u8], output_size: usize) -> Result<Vec<u8>, Error> {
        sha256(alg)?;
        HpkeRustCrypto::kdf_expand(KdfAlgorithm::HkdfSha256, prk, info, output_size)
    }

    fn dh(alg: KemAlgorithm, pk: &[u8], sk: &[u8]) -> Result<Vec<u8>, Error> {
        x25519(alg)?;
        HpkeRustCrypto::dh(KemAlgorithm::DhKem25519, pk, sk)
    }

    fn secret_to_public(alg: KemAlgorithm, sk: &[u8]) -> Result<Vec<u8>, Error> {
        x25519(alg)?;
        HpkeRustCrypto::secret_to_public(KemAlgorithm::DhKem25519, sk)
    }

    fn kem_key_gen_derand(alg: KemAlgorithm, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        x_wing(alg)?;
        HpkeRustCrypto::kem_key_gen_derand(KemAlgorithm::XWingDraft06, seed)
    }

    fn kem_decaps(alg: KemAlgorithm, ct: &[u8], sk_r: &[u8]) -> Result<Vec<u8>, Error> {
        x_wing(alg)?;
        HpkeRustCrypto::kem_decaps(KemAlgorithm::XWingDraft06, ct, sk_r)
    }

    fn dh_validate_sk(alg: KemAlgorithm, sk: &[u8]) -> Result<Vec<u8>, Error> {
        x25519(alg)?;
        HpkeRustCrypto::dh_validate_sk(KemAlgorithm::DhKem25519, sk)
    }

    fn aead_seal(
        alg: AeadAlgorithm,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Error> {
        chacha(alg)?;
        HpkeRustCrypto::aead_seal(AeadAlgorithm::ChaCha20Poly1305, key, nonce, aad, msg)
    }

    fn aead_open(
        alg: AeadAlgorithm,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Error> {
        chacha(alg)?;
        HpkeRustCrypto::aead_open(AeadAlgorithm::ChaCha20Poly1305, key, nonce, aad, msg)
    }
}

fn sha256(alg: KdfAlgorithm) -> Result<(), Error> {
    if alg == KdfAlgorithm::HkdfSha256 { Ok(()) } else { Err(Error::UnknownKdfAlgorithm) }
}

fn chacha(alg: AeadAlgorithm) -> Result<(), Error> {
    if alg == AeadAlgorithm::ChaCha20Poly1305 { Ok(()) } else { Err(Error::UnknownAeadAlgorithm) }
}

fn x25519(alg: KemAlgorithm) -> Result<(), Error> {
    if alg == KemAlgorithm::DhKem25519 { Ok(()) } else { Err(Error::UnknownKemAlgorithm) }
}

fn x_wing(alg: KemAlgorithm) -> Result<(), Error> {
    if alg == KemAlgorithm::XWingDraft06 { Ok(()) } else { Err(Error::UnknownKemAlgorithm) }
}

impl TryRng for SeededPrng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_bytes(dst);
        Ok(())
    }
}

impl TryCryptoRng for SeededPrng {}

impl HpkeTestRng for SeededPrng {
    type Error = std::convert::Infallible;

    fn try_fill_test_bytes(&mut self, dest: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }

    fn seed(&mut self, _: &[u8]) {}
}

impl Zeroize for SeededPrng {
    fn zeroize(&mut self) {
        self.0 = ChaCha20Rng::from_seed([0; 32]);
    }
}

//! The data directory: who holds it, and the keys in it.
//!
//! ```text
//! data/
//!   lock                    held while a server runs
//!   cell.key                the cell's identity
//!   tls/                    the generated certificate, if there is one
//!   store/                  what belongs to this very store
//!     incarnation.key       names the log that this store appends to, signs decided commits
//!     log/                  the engine
//! ```
//!
//! Keys are made on first start and never over an existing store: another cell key would be another cell, and the core
//! does not go on with a store under another incarnation key.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use mbolo_cell::Keys;
use sha2::{Digest, Sha256};

use crate::core_loop::now_ms;
use crate::error::ServeError;

/// A data directory that no other server uses.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// The system lets go of the lock when this is closed, also in a crash.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if it is not there, and takes it.
    pub(crate) fn open(path: &Path) -> Result<Self, ServeError> {
        let unusable = |path: &Path, error| ServeError::DataUnusable { path: path.to_owned(), error };
        private_directory(path).map_err(|error| unusable(path, error))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| unusable(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ServeError::DataInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unusable(&lock_path, error)),
        }
        private_directory(&path.join("store")).map_err(|error| unusable(path, error))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the engine keeps its files.
    pub(crate) fn engine(&self) -> PathBuf {
        self.path.join("store").join("log")
    }

    /// Where the generated certificate is kept.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// Which countries and networks the observatory was told of.
    pub(crate) fn regions(&self) -> PathBuf {
        self.path.join("regions.json")
    }

    /// The cell's keys, made on first start.
    pub(crate) fn keys(&self) -> Result<Keys, ServeError> {
        let cell = self.path.join("cell.key");
        let incarnation = self.path.join("store").join("incarnation.key");
        if self.engine().exists()
            && let Some(missing) = [&cell, &incarnation].into_iter().find(|path| !path.exists())
        {
            return Err(ServeError::KeyMissing(missing.clone()));
        }
        Ok(Keys { cell: key(&cell)?, incarnation: key(&incarnation)? })
    }
}

/// The secret under which this cell's invite codes are made: whoever has the cell key can make them.
pub(crate) fn invite_key(cell: &SigningKey) -> [u8; 32] {
    Sha256::new_with_prefix(b"mbolo/invite-key/v1").chain_update(cell.to_bytes()).finalize().into()
}

/// Makes an invite code for the cell in this data directory, good for two weeks and one account. The cell may be
/// running; nothing is written.
pub fn mint_invite(data: &Path) -> Result<String, ServeError> {
    let path = data.join("cell.key");
    let unusable = |error| ServeError::DataUnusable { path: path.clone(), error };
    let Some(cell) = read_key(&path).map_err(unusable)? else {
        return Err(ServeError::KeyDamaged(path));
    };
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| unusable(io::Error::other(error.to_string())))?;
    Ok(mbolo_cell::invite::mint(&invite_key(&cell), random, now_ms() + INVITE_LIFE_MS))
}

/// How long an invite is good: long enough to reach somebody who is travelling.
const INVITE_LIFE_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// Makes a directory that only its owner may look into; one that is there stays as it is.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read, whole or not at all, and durably.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Reads the key in `path`, or makes one.
fn key(path: &Path) -> Result<SigningKey, ServeError> {
    let unusable = |error| ServeError::DataUnusable { path: path.to_owned(), error };
    match read_key(path) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => return Err(ServeError::KeyDamaged(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| unusable(io::Error::other(error.to_string())))?;
    write_private(path, &secret).map_err(unusable)?;
    Ok(SigningKey::from_bytes(&secret))
}

/// `None` if the file does not hold exactly one key.
fn read_key(path: &Path) -> io::Result<Option<SigningKey>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(33).read_to_end(&mut bytes)?;
    Ok(<[u8; 32]>::try_from(bytes).ok().map(|secret| SigningKey::from_bytes(&secret)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_only_their_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDirectory::open(&path).unwrap().keys().unwrap();
        let again = DataDirectory::open(&path).unwrap().keys().unwrap();
        assert_eq!(first.cell.to_bytes(), again.cell.to_bytes());
        assert_eq!(first.incarnation.to_bytes(), again.incarnation.to_bytes());
        assert_ne!(first.cell.to_bytes(), first.incarnation.to_bytes());
        for key in ["cell.key", "store/incarnation.key"] {
            assert_eq!(fs::metadata(path.join(key)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_store_without_one_of_its_keys_is_not_given_another() {
        for missing in ["cell.key", "store/incarnation.key"] {
            let dir = tempfile::tempdir().unwrap();
            let data = DataDirectory::open(dir.path()).unwrap();
            data.keys().unwrap();
            fs::create_dir(data.engine()).unwrap();
            data.keys().unwrap();
            fs::remove_file(dir.path().join(missing)).unwrap();
            let error = data.keys().err().unwrap();
            assert!(matches!(&error, ServeError::KeyMissing(path) if path.ends_with(missing)), "{error}");
            assert!(!dir.path().join(missing).exists());
        }
    }

    #[test]
    fn an_invite_needs_the_cells_key_and_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(mint_invite(dir.path()).unwrap_err().to_string().contains("cell.key"));
        assert!(!dir.path().join("cell.key").exists());
        DataDirectory::open(dir.path()).unwrap().keys().unwrap();
        assert_ne!(mint_invite(dir.path()).unwrap(), mint_invite(dir.path()).unwrap());
    }

    #[test]
    fn a_damaged_key_is_reported_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(dir.path()).unwrap();
        fs::write(dir.path().join("cell.key"), "short").unwrap();
        assert!(matches!(data.keys(), Err(ServeError::KeyDamaged(_))));
        assert_eq!(fs::read(dir.path().join("cell.key")).unwrap(), b"short");
    }

    #[test]
    fn a_directory_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDirectory::open(dir.path()).unwrap();
        assert!(matches!(DataDirectory::open(dir.path()), Err(ServeError::DataInUse(_))));
        drop(held);
        DataDirectory::open(dir.path()).unwrap();
    }
}

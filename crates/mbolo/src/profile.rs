//! A profile: the directory that holds one person's account on this machine.
//!
//! It has the engine's database, a small settings file (which cell, which certificate is trusted) and a lock
//! file. One process at a time uses a profile: two engines on one MLS state would break its rooms, so the
//! second is refused by name instead of being allowed to try.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use mbolo_isitme::CellInfo;
use serde::{Deserialize, Serialize};

use crate::problem::{Exit, Problem};

/// What a profile remembers besides the engine's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Address of the cell: `http://host:port` or `https://host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// SHA-256 of the certificate that was trusted on first use, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// The cell has shown a certificate of a public authority, so no other is trusted on first use.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub public_certificate: bool,
    /// The observatory is not told how often the cell was reached.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beacons_off: bool,
    /// Neutral places (`host:port`) to try, instead of the usual ones, when the cell does not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<String>,
    /// What the cell told about itself, for when it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<CellInfo>,
}

impl Settings {
    /// The settings of a profile that another process may have open; the usual ones if there are none.
    pub fn read(dir: &Path) -> Result<Self, Problem> {
        let file = dir.join("profile.toml");
        let unusable = |error: String| {
            Problem::new(Exit::Storage, format!("{} cannot be read: {error}", file.display()))
                .next("Correct the file, or delete it and name the cell again with --cell URL.")
        };
        match fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).map_err(|error| unusable(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unusable(format!("{error}."))),
        }
    }
}

/// An open profile. The lock is held until it is dropped.
#[derive(Debug)]
pub struct Profile {
    dir: PathBuf,
    /// Change through [`Profile::update`].
    pub settings: Settings,
    _lock: File,
}

impl Profile {
    /// Opens the profile, making the directory if needed, and locks it.
    pub fn open(dir: &Path) -> Result<Self, Problem> {
        let unusable = |error: std::io::Error| {
            Problem::new(Exit::Storage, format!("The profile {} cannot be used: {error}.", dir.display()))
                .next("Choose a directory that you may write to with --profile DIR.")
        };
        create_private_dir(dir).map_err(unusable)?;
        let lock = lock(dir)?;
        let settings = Settings::read(dir)?;
        Ok(Self { dir: dir.to_owned(), settings, _lock: lock })
    }

    /// The engine's database.
    pub fn database(&self) -> PathBuf {
        self.dir.join("mbolo.sqlite")
    }

    /// Certificates given with `--trust-cert`, kept for later runs.
    pub fn trusted_certificates(dir: &Path) -> PathBuf {
        dir.join("trusted.pem")
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Changes the settings and writes them if that made a difference.
    pub fn update(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), Problem> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        if settings != self.settings {
            let text = toml::to_string(&settings).map_err(Problem::unexpected)?;
            replace_file(&self.dir.join("profile.toml"), text.as_bytes())?;
            self.settings = settings;
        }
        Ok(())
    }
}

/// Where a profile is without `--profile`: the system's place for a person's data.
pub fn default_dir() -> PathBuf {
    dirs::data_dir().unwrap_or_else(|| PathBuf::from(".")).join("mbolo")
}

/// Writes a file so that a crash leaves the old one or the new one.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), Problem> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        Problem::new(Exit::Storage, format!("{} cannot be written: {error}.", path.display()))
    })
}

fn lock(dir: &Path) -> Result<File, Problem> {
    let path = dir.join("lock");
    let failed =
        |error| Problem::new(Exit::Storage, format!("{} cannot be locked: {error}.", path.display()));
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            // The number is a help for people only; the lock itself is the system's and goes with the process.
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut owner));
            let process = owner
                .trim()
                .parse::<u32>()
                .map_or_else(|_| "another process".to_owned(), |id| format!("process {id}"));
            Err(Problem::new(Exit::InUse, format!("The profile {} is in use by {process}.", dir.display()))
                .next("End that one first, or use another --profile DIR for another person."))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the database file before SQLite does, because nobody else on the machine may read it; what SQLite puts beside
/// it gets the same permissions.
pub fn make_private(file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(file)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    drop(file);
    Ok(())
}

/// The profile holds private keys: nobody else on the machine may read it.
fn create_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_database_is_for_its_owner_also_in_a_directory_that_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("profile.db");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        make_private(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_profile_remembers_its_cell() {
        let dir = tempfile::tempdir().unwrap();
        let mut profile = Profile::open(dir.path()).unwrap();
        profile.update(|settings| settings.cell = Some("http://127.0.0.1:8100".into())).unwrap();
        drop(profile);
        assert_eq!(
            Profile::open(dir.path()).unwrap().settings.cell.as_deref(),
            Some("http://127.0.0.1:8100")
        );
    }

    #[test]
    fn a_profile_in_use_names_who_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Profile::open(dir.path()).unwrap();
        let refused = Profile::open(dir.path()).unwrap_err();
        assert_eq!(refused.exit, Exit::InUse);
        assert!(refused.what.contains(&format!("process {}", std::process::id())), "{}", refused.what);
    }

    #[test]
    fn a_damaged_settings_file_is_reported_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("profile.toml"), "cell = ").unwrap();
        assert_eq!(Profile::open(dir.path()).unwrap_err().exit, Exit::Storage);
        assert_eq!(fs::read_to_string(dir.path().join("profile.toml")).unwrap(), "cell = ");
    }
}

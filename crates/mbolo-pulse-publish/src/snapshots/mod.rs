//! Signed copies of the board on hosts that share nothing with the observatory, so that it can be read when the
//! observatory is what is down.
//!
//! [`envelope`] is what is stored and what a reader checks; [`targets`] are the places; [`mirror`] keeps each place fed on
//! its own; [`reader`] picks the newest of several copies; [`peers`] makes two observatories watch each other with them.

pub mod envelope;
pub mod mirror;
pub mod peers;
pub mod reader;
pub mod targets;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::SigningKey;
use mbolo_pulse::board::Board;
use mbolo_pulse_page::{Language, address};
use rusqlite::Connection;

use crate::config::{ConfigError, SnapshotConfig};
use crate::publisher::lock;
use crate::store::{self, StoreError};
use envelope::Envelope;

/// Snapshots cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SnapshotError {
    #[error("the signing key {path}: {source}; check that the directory exists and may be written", path = path.display())]
    KeyFile { path: PathBuf, source: std::io::Error },
    #[error("the signing key {path} is not 64 hexadecimal digits; restore it, or remove it to make a new one that readers must then be told", path = path.display())]
    KeyFormat { path: PathBuf },
}

/// A signed snapshot on its way to targets.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The board's number.
    pub seq: u64,
    /// Unix seconds.
    pub valid_until: i64,
    /// The envelope as JSON.
    pub bytes: Arc<[u8]>,
    /// Copies that people can read, by file name.
    pub pages: Arc<[(&'static str, String)]>,
}

impl Signed {
    /// All that a target holds, by file name. What programs read comes last: once it is new, everything is.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let pages = self.pages.iter().map(|(name, page)| (*name, page.as_bytes()));
        pages.chain(std::iter::once((LATEST, &*self.bytes)))
    }
}

/// The file that programs read.
pub const LATEST: &str = "latest.json";

/// Makes snapshots.
pub(crate) struct Snapshots {
    key: SigningKey,
    interval_s: i64,
    /// Where people find the copies.
    pub(crate) copies: Vec<String>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<i64>,
    seq: u64,
    /// What a reader would see change.
    face: String,
}

impl Snapshots {
    /// Reads the signing key, or makes one.
    pub(crate) fn open(config: &SnapshotConfig) -> Result<Self, crate::publisher::OpenError> {
        if !INTERVALS_S.contains(&config.interval_s) {
            let (least, most) = (INTERVALS_S.start(), INTERVALS_S.end());
            let why = format!("must be {least} to {most}: readers see a snapshot grey after 150 seconds");
            return Err(ConfigError::invalid("snapshots.interval_s", why).into());
        }
        let is_none = |address: &&String| {
            !url::Url::parse(address)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        if let Some(address) = config.pages.iter().find(is_none) {
            let why = format!("`{address}` must be like https://mirror.example/pulse/");
            return Err(ConfigError::invalid("snapshots.pages", why).into());
        }
        let key = signing_key(&config.key_file)?;
        let (interval_s, copies) = (i64::from(config.interval_s), config.pages.clone());
        Ok(Self { key, interval_s, copies, last: Mutex::default() })
    }

    /// In hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        data_encoding::HEXLOWER.encode(self.key.verifying_key().as_bytes())
    }

    /// Signs the board if the last snapshot is old enough, or if something a reader would see changed.
    pub(crate) fn sign_if_due(
        &self,
        connection: &Connection,
        board: &Board,
        has_transitions: bool,
        base_url: &str,
        now: i64,
    ) -> Result<Option<Arc<Signed>>, StoreError> {
        let mut last = lock(&self.last);
        let face = face(board);
        // A clock that was set back does not stop snapshots.
        let is_time = last.at.is_none_or(|at| now >= at + self.interval_s || now < at);
        if !is_time && !has_transitions && face == last.face {
            return Ok(None);
        }
        let mut board = board.clone();
        // Readers refuse what is older than what they know. The time as a floor: an observatory that lost its store still
        // counts up.
        let stored = store::number(connection, SEQ).unwrap_or(0);
        let floor = stored.saturating_add(1).max(board.generated_at);
        let floor = u64::try_from(floor).unwrap_or(0).max(last.seq.saturating_add(1));
        board.seq = board.seq.max(floor);
        let kept = store::set_number(connection, SEQ, i64::try_from(board.seq).unwrap_or(i64::MAX));
        if let Err(error) = kept {
            tracing::error!(%error, "the snapshot's number is not kept; it is published all the same");
        }
        let envelope = Envelope::seal(&board, &self.key)
            .map_err(|error| StoreError::Corrupt { what: "board", why: error.to_string() })?;
        let bytes = envelope.to_json();
        let page = |language| {
            (address::copy(language), mbolo_pulse_page::copy(&board, language, base_url, &self.copies))
        };
        let pages = Language::ALL.into_iter().map(page).collect();
        *last = Last { at: Some(now), seq: board.seq, face };
        Ok(Some(Arc::new(Signed {
            seq: board.seq,
            valid_until: board.valid_until,
            bytes: bytes.into(),
            pages,
        })))
    }
}

/// What makes a snapshot worth sending at once: incidents, the health of services, limits.
fn face(board: &Board) -> String {
    let mut face = String::new();
    for one in board.open() {
        face.push_str(&format!("{}={:?}@{};", one.incident.id.0, one.incident.state, one.incident.scope));
    }
    for service in &board.services {
        face.push_str(&format!("{}={};", service.id, service.health.as_str()));
    }
    face.push_str(&board.limits.join(","));
    face
}

fn signing_key(path: &Path) -> Result<SigningKey, crate::publisher::OpenError> {
    let failed = |source| SnapshotError::KeyFile { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => {
            let seed = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
            let seed: Option<[u8; 32]> = seed.and_then(|seed| seed.try_into().ok());
            let seed = seed.ok_or_else(|| SnapshotError::KeyFormat { path: path.to_owned() })?;
            Ok(SigningKey::from_bytes(&seed))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seed: [u8; 32] = store::random()?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(failed)?;
            writeln!(file, "{}", data_encoding::HEXLOWER.encode(&seed)).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            Ok(SigningKey::from_bytes(&seed))
        }
        Err(error) => Err(failed(error).into()),
    }
}

/// What `interval_s` may be: a board counts for 150 seconds, and one push in between may fail.
const INTERVALS_S: std::ops::RangeInclusive<u32> = 10..=90;
const SEQ: &str = "snapshot_seq";

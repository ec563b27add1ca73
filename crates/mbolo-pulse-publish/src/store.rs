//! The tables: what is on its way, what each channel was told, who subscribed. One SQLite file, one writer.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

/// The store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says why.
    #[error(
        "the publisher's store: {0}; check that the disk has room and that nobody else writes to the file"
    )]
    Sqlite(#[from] rusqlite::Error),
    /// What was stored cannot be read back.
    #[error("the publisher's store holds a {what} that cannot be read: {why}")]
    Corrupt {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// No randomness for a secret of ours.
    #[error("the system gives no randomness: {0}")]
    Random(getrandom::Error),
}

/// Opens or makes the store at `path`.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // A mark that is lost after it was committed would be a second letter: FULL, not NORMAL.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// A number that outlives a restart; 0 before it was set.
pub(crate) fn number(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    let value = connection
        .query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or(0))
}

/// Sets such a number.
pub(crate) fn set_number(connection: &Connection, name: &str, value: i64) -> Result<(), StoreError> {
    connection
        .execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)", params![name, value])?;
    Ok(())
}

/// The secret behind every token, made once.
pub(crate) fn token_secret(connection: &Connection) -> Result<[u8; 32], StoreError> {
    let stored: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM setting WHERE name = 'token_secret'", [], |row| row.get(0))
        .optional()?;
    if let Some(stored) = stored {
        return stored
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: "token secret", why: "it is not 32 bytes".to_owned() });
    }
    let secret: [u8; 32] = random()?;
    connection
        .execute("INSERT INTO setting (name, value) VALUES ('token_secret', ?1)", [secret.as_slice()])?;
    Ok(secret)
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
    Ok(bytes)
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What is said, once for all who are told.
CREATE TABLE IF NOT EXISTS story (
    id    TEXT PRIMARY KEY,
    body  TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each thing that goes to one receiver. `key` is what makes a second delivery harmless.
CREATE TABLE IF NOT EXISTS delivery (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE,
    channel       TEXT NOT NULL,
    topic         TEXT NOT NULL,
    telling       TEXT NOT NULL,
    step          INTEGER NOT NULL,
    story         TEXT NOT NULL REFERENCES story (id),
    state         TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    next_at       INTEGER NOT NULL,
    -- Since when a receiver may have got it without our knowing.
    uncertain_at  INTEGER,
    settled_at    INTEGER,
    reason        TEXT
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS delivery_settled ON delivery (settled_at) WHERE state <> 'pending';
CREATE INDEX IF NOT EXISTS delivery_topic ON delivery (topic, channel) WHERE state = 'pending';

-- What each channel was told last of each topic.
CREATE TABLE IF NOT EXISTS told (
    topic    TEXT NOT NULL,
    channel  TEXT NOT NULL,
    telling  TEXT NOT NULL,
    step     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (topic, channel)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS subscription (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('email', 'webhook')),
    address       TEXT NOT NULL,
    host          TEXT NOT NULL,
    secret        TEXT,
    language      TEXT NOT NULL,
    services      TEXT NOT NULL,
    countries     TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    confirmed_at  INTEGER,
    asked_at      INTEGER NOT NULL,
    asked         INTEGER NOT NULL DEFAULT 1,
    failures      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, address)
) WITHOUT ROWID;
";

//! The tables, and the few values that are there once.

use mbolo_pulse::Minute;
use mbolo_pulse::board::Board;
use rusqlite::{Connection, OptionalExtension, params};

const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS counts (
    minute INTEGER NOT NULL, service TEXT NOT NULL, signal INTEGER NOT NULL, cc TEXT NOT NULL, asn INTEGER NOT NULL,
    problem INTEGER NOT NULL, cell TEXT NOT NULL,
    n INTEGER NOT NULL, weight REAL NOT NULL, attempts INTEGER NOT NULL, failures INTEGER NOT NULL,
    PRIMARY KEY (minute, service, signal, cc, asn, problem, cell)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    source TEXT NOT NULL, id TEXT NOT NULL, minute INTEGER NOT NULL, is_whole_minute INTEGER NOT NULL,
    PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS whole_minutes ON batches (source, minute) WHERE is_whole_minute;
CREATE INDEX IF NOT EXISTS batch_minutes ON batches (minute);
CREATE TABLE IF NOT EXISTS beacons (seq INTEGER PRIMARY KEY, name INTEGER NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, is_open INTEGER NOT NULL, json TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incidents_started ON incidents (started_at);
CREATE TABLE IF NOT EXISTS comments (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, service TEXT NOT NULL, author TEXT, cc TEXT NOT NULL,
    text TEXT NOT NULL, state INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS comments_by_state ON comments (state, service, at);
CREATE TABLE IF NOT EXISTS watches (started_at INTEGER PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measured_days (
    day INTEGER NOT NULL, service TEXT NOT NULL, PRIMARY KEY (day, service)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
";

pub(super) fn prepare(connection: &Connection, megabytes: u32) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The log is bounded as well, so that a full disk is met by the database and not by its log alone.
    connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
    connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    if megabytes > 0 {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::from(megabytes) * (1 << 20) / page.max(512);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        let message = format!("its format {version} is newer than this program; update the program");
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(message)));
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// All minutes before this one were given to the detector.
pub fn closed_minute(connection: &Connection) -> rusqlite::Result<Option<Minute>> {
    let mut statement = connection.prepare_cached("SELECT value FROM kept WHERE name = 'closed_minute'")?;
    statement.query_row([], |row| row.get(0)).optional().map(|minute| minute.map(Minute))
}

/// See [`closed_minute`].
pub fn set_closed_minute(connection: &Connection, minute: Minute) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO kept VALUES ('closed_minute', ?1) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![minute.0]).map(drop)
}

/// The newest board, to be served until there is a new one. One that cannot be read is none.
pub fn board(connection: &Connection) -> rusqlite::Result<Option<Board>> {
    let mut statement = connection.prepare_cached("SELECT value FROM kept WHERE name = 'board'")?;
    let json: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}

/// See [`board`].
pub fn save_board(connection: &Connection, json: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO kept VALUES ('board', ?1) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![json]).map(drop)
}

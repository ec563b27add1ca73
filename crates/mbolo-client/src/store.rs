//! The profile's database: one schema, migrated step by step, and the few helpers that everybody uses.
//!
//! `PRAGMA user_version` counts the migrations that were applied. A migration, once released, never changes;
//! the next one is appended.

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::OpenError;

/// Opens the tables in `db`, migrating what an older version left.
pub fn prepare(db: &Connection) -> Result<(), OpenError> {
    migrate(db).map_err(|error| match error {
        OpenError::Storage(error) => in_use(error),
        error => error,
    })
}

fn migrate(db: &Connection) -> Result<(), OpenError> {
    // One process at a time: MLS state that two would advance could not be put together again.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    if cfg!(not(target_family = "wasm")) {
        // Answers "memory" for a database in memory, which is fine as well.
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    // A ratchet that went back after a power cut would use a key twice.
    db.pragma_update(None, "synchronous", "FULL")?;
    // Deleted keys and messages that were taken back do not stay in the file's free pages.
    db.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    // The same for the journal: what was checkpointed does not stay in it.
    db.query_row("PRAGMA journal_size_limit = 0", [], |_| Ok(()))?;
    db.set_prepared_statement_cache_capacity(128);
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(OpenError::TooNew { found: version, known });
    }
    db.execute_batch("BEGIN IMMEDIATE")?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        if let Err(error) = db.execute_batch(migration) {
            let _ = db.execute_batch("ROLLBACK");
            return Err(error.into());
        }
    }
    db.pragma_update(None, "user_version", known)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

fn in_use(error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse,
        _ => error.into(),
    }
}

/// A value of the profile table.
pub fn profile(db: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT value FROM profile WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// Sets a value of the profile table.
pub fn set_profile(db: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO profile (key, value) VALUES (?1, ?2)")?
        .execute((key, value))?;
    Ok(())
}

/// Empties every table: the profile is as new.
pub fn wipe(db: &Connection) -> rusqlite::Result<()> {
    for table in TABLES {
        db.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

const TABLES: [&str; 16] = [
    "mls",
    "profile",
    "rooms",
    "members",
    "accounts",
    "messages",
    "reactions",
    "orphans",
    "outbox",
    "sent",
    "intents",
    "pending",
    "held",
    "broken",
    "exporters",
    "proposals",
];

const MIGRATIONS: [&str; 2] = ["
    CREATE TABLE mls (label TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (label, key)) WITHOUT ROWID;
    CREATE TABLE profile (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    CREATE TABLE rooms (
        id BLOB PRIMARY KEY,
        kind INTEGER NOT NULL,          -- 1 direct, 2 group
        suite INTEGER NOT NULL,
        membership INTEGER NOT NULL,    -- 0 joining, 1 member, 2 left, 3 removed
        created INTEGER NOT NULL,       -- whether the cell knows the room
        name TEXT NOT NULL,
        name_version INTEGER NOT NULL,
        name_sender BLOB NOT NULL,
        peer BLOB,
        vector BLOB NOT NULL,           -- the cursor
        epoch INTEGER NOT NULL,
        parent BLOB NOT NULL,           -- hash decided for epoch - 1
        join_epoch INTEGER,             -- of a WelcomeNotice not yet followed
        healing INTEGER NOT NULL,       -- 0 well, 1 needs an external commit, 2 has one pending
        heal_attempts INTEGER NOT NULL,
        heal_at INTEGER NOT NULL,
        leaving INTEGER NOT NULL,
        renew_at INTEGER NOT NULL,      -- when the own keys are to be renewed, 0 never
        profile_due INTEGER NOT NULL,   -- the own name is to be told
        state_due INTEGER NOT NULL,     -- the room's name is to be told to new members
        last_activity INTEGER NOT NULL,
        last_pushed INTEGER NOT NULL,   -- position of the last entry pushed
        last_own INTEGER NOT NULL,      -- position of the last own message accepted
        unread INTEGER NOT NULL,
        read BLOB NOT NULL,             -- own read mark
        everyone BLOB NOT NULL,         -- what all accounts have
        marks_dirty INTEGER NOT NULL,
        read_dirty INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE members (
        room BLOB NOT NULL, account BLOB NOT NULL,
        present INTEGER NOT NULL, admin INTEGER NOT NULL,
        name TEXT NOT NULL, named INTEGER NOT NULL DEFAULT 0,       -- named: position of what told the name
        since_ms INTEGER NOT NULL DEFAULT 0,                        -- the cell's time of the commit that brought it
        delivered BLOB NOT NULL, read BLOB NOT NULL,
        PRIMARY KEY (room, account)
    ) WITHOUT ROWID;
    CREATE TABLE accounts (id BLOB PRIMARY KEY, handle TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE messages (
        room BLOB NOT NULL, key BLOB NOT NULL,      -- key: 16 bytes of SHA-256(sender, message id)
        sender BLOB NOT NULL, message_id BLOB NOT NULL,
        position INTEGER NOT NULL, origin BLOB, seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, body TEXT NOT NULL,
        edited INTEGER NOT NULL,                    -- position of the newest edit, 0 for none
        reply BLOB, state INTEGER, raw BLOB,
        PRIMARY KEY (room, key)
    ) WITHOUT ROWID;
    CREATE INDEX messages_by_position ON messages (room, position);
    CREATE INDEX messages_unfinished ON messages (room, state) WHERE state BETWEEN 2 AND 3;
    CREATE TABLE reactions (
        room BLOB NOT NULL, target BLOB NOT NULL, account BLOB NOT NULL,
        emoji TEXT NOT NULL, position INTEGER NOT NULL,     -- an empty one was withdrawn there
        PRIMARY KEY (room, target, account)
    ) WITHOUT ROWID;
    CREATE TABLE orphans (                          -- edits and the like that came before their message
        id INTEGER PRIMARY KEY, room BLOB NOT NULL, target BLOB NOT NULL, sender BLOB NOT NULL, content BLOB NOT NULL,
        position INTEGER NOT NULL
    );
    CREATE INDEX orphans_by_target ON orphans (room, target);

    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, room BLOB NOT NULL, content BLOB NOT NULL, key BLOB,
        payload BLOB, epoch INTEGER NOT NULL, failed INTEGER NOT NULL
    );
    CREATE INDEX outbox_by_room ON outbox (room, id);
    CREATE TABLE sent (
        entry BLOB PRIMARY KEY, room BLOB NOT NULL, content BLOB NOT NULL, key BLOB,
        outbox INTEGER NOT NULL, resent INTEGER NOT NULL, at_ms INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE intents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, room BLOB NOT NULL, body TEXT NOT NULL,
        attempts INTEGER NOT NULL, due INTEGER NOT NULL
    );
    CREATE INDEX intents_by_room ON intents (room, id);
    CREATE TABLE pending (
        room BLOB PRIMARY KEY, epoch INTEGER NOT NULL, bundle BLOB NOT NULL, external INTEGER NOT NULL,
        intent INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE held (                             -- entries ahead of the group's epoch
        room BLOB NOT NULL, origin BLOB NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
        payload BLOB NOT NULL, at_ms INTEGER NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (room, origin, seq)
    ) WITHOUT ROWID;
    CREATE TABLE broken (                           -- entries that could not be decrypted
        entry BLOB PRIMARY KEY, room BLOB NOT NULL, origin BLOB NOT NULL, seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, position INTEGER NOT NULL, asked INTEGER NOT NULL, due INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX broken_by_room ON broken (room, position);
    CREATE TABLE exporters (
        room BLOB NOT NULL, epoch INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (room, epoch)
    ) WITHOUT ROWID;
    CREATE TABLE proposals (
        entry BLOB PRIMARY KEY, room BLOB NOT NULL, epoch INTEGER NOT NULL, payload BLOB NOT NULL,
        account BLOB NOT NULL, due INTEGER NOT NULL
    ) WITHOUT ROWID;
", "
    -- One last position per room, by the cell's clock.
    ALTER TABLE rooms RENAME COLUMN last_pushed TO last_position;
    UPDATE rooms SET last_position = max(last_position, last_own);
    ALTER TABLE rooms DROP COLUMN last_own;
    -- A name that was given here and is not accepted yet, and its version; 0 for none.
    ALTER TABLE rooms ADD COLUMN wanted_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE rooms ADD COLUMN wanted_version INTEGER NOT NULL DEFAULT 0;
    -- No two messages of a room share a position.
    UPDATE messages SET position = position + ties.before FROM (
        SELECT room, key, row_number() OVER (PARTITION BY room, position ORDER BY key DESC) - 1 AS before FROM messages
    ) AS ties WHERE messages.room = ties.room AND messages.key = ties.key AND ties.before > 0;
    -- Edits and reactions that still wait in the outbox get their place when the cell has them.
    CREATE INDEX sent_by_outbox ON sent (outbox);
"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_a_newer_version_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        prepare(&db).unwrap();
        prepare(&db).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(prepare(&db), Err(OpenError::TooNew { found: 99, .. })));
    }

    #[test]
    fn a_profile_that_another_program_has_open_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.db");
        let first = Connection::open(&path).unwrap();
        prepare(&first).unwrap();
        let second = Connection::open(&path).unwrap();
        second.busy_timeout(std::time::Duration::ZERO).unwrap();
        assert!(matches!(prepare(&second), Err(OpenError::InUse)));
        drop(first);
        prepare(&second).unwrap();
    }

    #[test]
    fn a_profile_of_the_first_version_opens_and_its_messages_stand_apart() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute_batch(
            "INSERT INTO rooms VALUES (x'01',2,1,1,1,'Club',1,x'',NULL,x'',3,x'',NULL,0,0,0,0,0,0,0,7,10,12,0,x'',x'',0,0);
             INSERT INTO messages VALUES (x'01',x'01',x'',x'',5,NULL,0,0,'',0,NULL,NULL,NULL);
             INSERT INTO messages VALUES (x'01',x'02',x'',x'',5,NULL,0,0,'',0,NULL,NULL,NULL);",
        )
        .unwrap();
        prepare(&db).unwrap();
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("SELECT last_position FROM rooms"), 12);
        assert_eq!(number("SELECT count(DISTINCT position) FROM messages"), 2);
    }

    #[test]
    fn signing_out_empties_every_table() {
        let db = Connection::open_in_memory().unwrap();
        prepare(&db).unwrap();
        let tables: i64 = db
            .query_row(
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(tables, TABLES.len() as i64);
        wipe(&db).unwrap();
    }
}

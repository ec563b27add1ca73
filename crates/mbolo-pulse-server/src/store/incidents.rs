//! Incidents with what people added, and when the observatory watched at all.

use mbolo_pulse::board::IncidentBoard;
use mbolo_pulse::{IncidentState, Minute};
use rusqlite::{Connection, params};

/// An incident as it is kept: what the detector found and what people added.
pub type IncidentRow = IncidentBoard;

/// A stretch of time in which the observatory watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The first minute.
    pub from: Minute,
    /// The minute after the last.
    pub until: Minute,
}

/// Incidents that are open or began at `since` or later, oldest first.
pub fn incidents(connection: &Connection, since: Minute) -> rusqlite::Result<Vec<IncidentRow>> {
    let sql = "SELECT json FROM incidents WHERE started_at >= ?1 OR is_open ORDER BY started_at, id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![since.0], |row| row.get::<_, String>(0))?;
    let mut incidents = Vec::new();
    for json in rows {
        match serde_json::from_str(&json?) {
            Ok(incident) => incidents.push(incident),
            Err(error) => tracing::warn!(%error, "an incident in the store cannot be read and is left out"),
        }
    }
    Ok(incidents)
}

/// Keeps an incident as it is now.
pub fn save_incident(connection: &Connection, row: &IncidentRow) -> rusqlite::Result<()> {
    let json =
        serde_json::to_string(row).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let is_open = row.incident.state != IncidentState::Resolved;
    let sql = "INSERT INTO incidents VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET started_at = excluded.started_at, is_open = excluded.is_open, json = excluded.json";
    connection
        .prepare_cached(sql)?
        .execute(params![row.incident.id.0, row.incident.started_at.0, is_open, json])
        .map(drop)
}

/// All stretches, oldest first.
pub fn watches(connection: &Connection) -> rusqlite::Result<Vec<Watch>> {
    let mut statement =
        connection.prepare_cached("SELECT started_at, until FROM watches ORDER BY started_at")?;
    let rows =
        statement.query_map([], |row| Ok(Watch { from: Minute(row.get(0)?), until: Minute(row.get(1)?) }))?;
    rows.collect()
}

/// Keeps the stretch that began at its `from`.
pub fn save_watch(connection: &Connection, watch: Watch) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watches VALUES (?1, ?2) ON CONFLICT DO UPDATE SET until = excluded.until";
    connection.prepare_cached(sql)?.execute(params![watch.from.0, watch.until.0]).map(drop)
}

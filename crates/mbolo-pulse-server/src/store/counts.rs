//! Minute counts: added up by key on the way in, read in order on the way out.

use std::collections::BTreeMap;

use mbolo_pulse::{Asn, Count, Country, Minute, Problem, ServiceId, Signal};
use rusqlite::{Connection, params};
use std::sync::Arc;

use crate::repeats::MOST as MOST_BEACONS;

/// What makes two counts the same row.
pub type Key = (Minute, ServiceId, Signal, Country, Asn, Option<Problem>, Option<Arc<str>>);

/// Adds equal counts together.
pub fn tally(counts: impl IntoIterator<Item = Count>) -> BTreeMap<Key, Count> {
    let mut sums: BTreeMap<Key, Count> = BTreeMap::new();
    for count in counts {
        let key = (
            count.minute,
            count.service.clone(),
            count.signal,
            count.cc,
            count.asn,
            count.problem,
            count.cell.clone(),
        );
        match sums.get_mut(&key) {
            None => {
                sums.insert(key, count);
            }
            Some(sum) => {
                sum.weight = Some(sum.weighs() + count.weighs());
                sum.n = sum.n.saturating_add(count.n);
                sum.attempts = sum.attempts.saturating_add(count.attempts);
                sum.failures = sum.failures.saturating_add(count.failures);
            }
        }
    }
    sums
}

pub(super) fn add(connection: &Connection, counts: &BTreeMap<Key, Count>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET n = n + excluded.n, weight = weight + excluded.weight,
         attempts = attempts + excluded.attempts, failures = failures + excluded.failures",
    )?;
    for count in counts.values() {
        statement.execute(params![
            count.minute.0,
            count.service.as_str(),
            signal_number(count.signal),
            count.cc.as_str(),
            count.asn.0,
            count.problem.map_or(-1, problem_number),
            count.cell.as_deref().unwrap_or(""),
            count.n,
            count.weighs(),
            count.attempts,
            count.failures,
        ])?;
    }
    Ok(())
}

/// Keeps the names of beacons that were taken, the newest of them.
pub(super) fn take_beacons(connection: &Connection, names: &[i64]) -> rusqlite::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO beacons (name) VALUES (?1) ON CONFLICT DO NOTHING";
    let mut statement = connection.prepare_cached(sql)?;
    for name in names {
        statement.execute([name])?;
    }
    let sql = "DELETE FROM beacons WHERE seq <= (SELECT max(seq) FROM beacons) - ?1";
    connection.prepare_cached(sql)?.execute([MOST_BEACONS as i64]).map(drop)
}

/// The names of beacons that were taken, oldest first.
pub fn taken_beacons(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT name FROM beacons ORDER BY seq")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Gives every count with `from <= minute < to` to `take`, in the order of minutes. Rows that a newer program wrote and
/// this one does not understand are left out.
pub fn each_count(
    connection: &Connection,
    from: Minute,
    to: Minute,
    mut take: impl FnMut(Count),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT minute, service, signal, cc, asn, problem, cell, n, weight, attempts, failures FROM counts
         WHERE minute >= ?1 AND minute < ?2 ORDER BY minute",
    )?;
    let mut rows = statement.query(params![from.0, to.0])?;
    // Names repeat from row to row; they are made once.
    let mut services: BTreeMap<String, Option<ServiceId>> = BTreeMap::new();
    let mut cells: BTreeMap<String, Arc<str>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_str()?;
        let service = match services.get(name) {
            Some(service) => service.clone(),
            None => services.entry(name.to_owned()).or_insert_with(|| ServiceId::new(name)).clone(),
        };
        let signal = usize::try_from(row.get::<_, i64>(2)?).ok().and_then(|number| Signal::ALL.get(number));
        let cell = row.get_ref(6)?.as_str()?;
        let cell = match cells.get(cell) {
            _ if cell.is_empty() => None,
            Some(cell) => Some(cell.clone()),
            None => Some(cells.entry(cell.to_owned()).or_insert_with(|| cell.into()).clone()),
        };
        let problem = usize::try_from(row.get::<_, i64>(5)?).ok().and_then(|number| Problem::ALL.get(number));
        let (Some(service), Some(signal)) = (service, signal) else { continue };
        take(Count {
            minute: Minute(row.get(0)?),
            service,
            cc: Country::new(row.get_ref(3)?.as_str()?).unwrap_or(Country::UNKNOWN),
            asn: Asn(row.get(4)?),
            signal: *signal,
            problem: problem.copied(),
            cell,
            n: row.get(7)?,
            weight: Some(row.get(8)?),
            attempts: row.get(9)?,
            failures: row.get(10)?,
        });
    }
    Ok(())
}

/// The oldest minute that something was counted in.
pub fn first_minute(connection: &Connection) -> rusqlite::Result<Option<Minute>> {
    let minute: Option<u32> = connection.query_row("SELECT min(minute) FROM counts", [], |row| row.get(0))?;
    Ok(minute.map(Minute))
}

/// Days from `since` on, counted from 1970, on which anything was measured of a service.
pub fn measured_days(connection: &Connection, since: u32) -> rusqlite::Result<Vec<(ServiceId, u32)>> {
    let mut statement =
        connection.prepare_cached("SELECT service, day FROM measured_days WHERE day >= ?1 ORDER BY day")?;
    let mut rows = statement.query(params![since])?;
    let mut days = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(service) = ServiceId::new(row.get_ref(0)?.as_str()?) {
            days.push((service, row.get(1)?));
        }
    }
    Ok(days)
}

/// Keeps that something was measured of a service on a day: the history of 90 days is longer than what is read on start.
pub fn save_measured_day(connection: &Connection, service: &ServiceId, day: u32) -> rusqlite::Result<()> {
    let sql = "INSERT INTO measured_days VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![day, service.as_str()]).map(drop)
}

/// Forgets counts and batches before these minutes, some thousands at a time; says whether there is more to do.
pub fn prune(
    connection: &Connection,
    counts_before: Minute,
    batches_before: Minute,
) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM counts WHERE minute < ?1 AND minute <= (SELECT min(minute) + 60 FROM counts)";
    let counts = connection.prepare_cached(sql)?.execute(params![counts_before.0])?;
    let sql = "DELETE FROM batches WHERE minute < ?1";
    connection.prepare_cached(sql)?.execute(params![batches_before.0])?;
    let sql = "DELETE FROM measured_days WHERE day < ?1";
    connection.prepare_cached(sql)?.execute(params![counts_before.0 / 1_440])?;
    Ok(counts > 0)
}

fn signal_number(signal: Signal) -> i64 {
    Signal::ALL.iter().position(|one| *one == signal).map_or(-1, |at| at as i64)
}

fn problem_number(problem: Problem) -> i64 {
    Problem::ALL.iter().position(|one| *one == problem).map_or(-1, |at| at as i64)
}

//! A service has another name now: who asked to be told of it still is, and what was told of it counts as told.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::topic;
use crate::store::StoreError;

/// Puts new names in the place of old ones (`old → new`).
pub(crate) fn rename(
    connection: &mut Connection,
    names: &BTreeMap<String, String>,
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let subscriptions: Vec<(String, String)> = transaction
        .prepare("SELECT id, services FROM subscription WHERE services <> ''")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, services) in subscriptions {
        let mut renamed: Vec<&str> = services
            .split_whitespace()
            .map(|service| names.get(service).map_or(service, String::as_str))
            .collect();
        renamed.sort_unstable();
        renamed.dedup();
        let renamed = renamed.join(" ");
        transaction.execute("UPDATE subscription SET services = ?2 WHERE id = ?1", params![id, renamed])?;
    }
    for (old, new) in names {
        let (old, new) = (topic::component(old), topic::component(new));
        transaction.execute("UPDATE OR IGNORE told SET topic = ?2 WHERE topic = ?1", params![old, new])?;
        transaction.execute("DELETE FROM told WHERE topic = ?1", params![old])?;
        transaction.execute("UPDATE delivery SET topic = ?2 WHERE topic = ?1", params![old, new])?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn who_asked_for_the_old_name_is_told_of_the_new_one_and_nothing_twice() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut connection = store::open(&directory.path().join("publish.sqlite")).expect("a store");
        for (id, services) in [("a", "bank"), ("b", "bank whatsapp banque"), ("c", "")] {
            let sql = "INSERT INTO subscription (id, kind, address, host, language, services, countries, created_at, asked_at)
                       VALUES (?1, 'webhook', ?1, 'x', 'en', ?2, '', 0, 0)";
            connection.execute(sql, params![id, services]).expect("a subscription");
        }
        let told = "INSERT INTO told VALUES (?1, ?2, 'major_outage', 1, 0)";
        for (topic, channel) in [
            ("component:bank", "hook"),
            ("component:bank", "mail"),
            ("component:banque", "mail"),
            ("incident:x", "hook"),
        ] {
            connection.execute(told, params![topic, channel]).expect("told");
        }
        let names = BTreeMap::from([("bank".to_owned(), "banque".to_owned())]);
        for _ in 0..2 {
            rename(&mut connection, &names).expect("renamed");
            let column = |sql: &str| -> Vec<String> {
                let mut rows = connection.prepare(sql).expect("a query");
                rows.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("text")).collect()
            };
            let services = column("SELECT services FROM subscription ORDER BY id");
            assert_eq!(services, ["banque", "banque whatsapp", ""]);
            let told = column("SELECT topic || ' ' || channel FROM told ORDER BY 1");
            assert_eq!(told, ["component:banque hook", "component:banque mail", "incident:x hook"]);
        }
    }
}

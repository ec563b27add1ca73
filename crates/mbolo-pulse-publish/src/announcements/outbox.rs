//! What is on its way. A delivery is written before it is sent and marked after; a crash between the two sends it again
//! under the same key. One topic has at most one delivery on its way to a channel, so order holds without a queue.

use std::collections::{BTreeMap, HashMap};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::channel::{Outcome, Receiver};
use super::rules::{self, Decision, Pending, Told};
use super::topic::{Story, Topic};
use crate::store::StoreError;

/// A delivery that is being tried.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(crate) id: i64,
    /// Incident, step and channel: the same at every attempt.
    pub(crate) key: String,
    pub(crate) channel: String,
    pub(crate) story: Story,
    /// This attempt included.
    pub(crate) attempts: u32,
    pub(crate) created_at: i64,
    /// Since when a receiver may have got it, before this attempt.
    pub(crate) uncertain_at: Option<i64>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Sent,
    Later,
    Dead,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// For [`crate::Publisher::revive`].
    pub id: i64,
    /// Incident, step and channel.
    pub key: String,
    /// Where it should have gone.
    pub channel: String,
    /// Why it did not.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Unix seconds.
    pub given_up_at: i64,
}

/// One channel, or all subscribers of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChannelHealth {
    /// `mastodon:NAME`, `bluesky:NAME`, `hook:NAME`, `email`, `webhook`.
    pub channel: String,
    /// On their way.
    pub pending: u32,
    /// Of which failed at least once.
    pub failing: u32,
    /// Sent in the last 30 days.
    pub sent: u32,
    /// Given up in the last 90 days.
    pub dead: u32,
    /// Unix seconds of the newest that arrived.
    pub last_sent_at: Option<i64>,
    /// Why the newest failure failed, while something is failing or dead.
    pub last_reason: Option<String>,
}

/// Enqueues what a topic has to tell to each receiver.
pub(crate) fn reconcile(
    transaction: &Transaction<'_>,
    topic: &Topic,
    receivers: &[Receiver],
    now: i64,
) -> Result<(), StoreError> {
    let told = told(transaction, &topic.id)?;
    let pending = pending(transaction, &topic.id)?;
    if !topic.may_be_first && told.is_empty() && pending.is_empty() {
        return Ok(());
    }
    for receiver in receivers.iter().filter(|receiver| receiver.wants(topic)) {
        let told = told.get(&receiver.channel);
        let waiting = pending.get(&receiver.channel);
        match rules::decide(topic, told, waiting.map(|(_, waiting)| waiting), now) {
            Decision::Nothing => {}
            Decision::Withdraw => withdraw(transaction, waiting.map(|(id, _)| *id))?,
            Decision::Enqueue { step } => {
                let story = with_past(&topic.story, told);
                insert(transaction, &receiver.channel, topic, &story, step, now)?;
            }
            Decision::Replace { step } => {
                withdraw(transaction, waiting.map(|(id, _)| *id))?;
                let story = with_past(&topic.story, told);
                insert(transaction, &receiver.channel, topic, &story, step, now)?;
            }
        }
    }
    Ok(())
}

/// Enqueues something that is said once and has no state: a letter to confirm, a greeting.
pub(crate) fn enqueue_once(
    transaction: &Transaction<'_>,
    channel: &str,
    occasion: &str,
    story: &Story,
    now: i64,
) -> Result<(), StoreError> {
    let story_id = keep_story(transaction, story)?;
    transaction.execute(
        "INSERT OR IGNORE INTO delivery (key, channel, topic, telling, step, story, state, created_at, next_at)
         VALUES (?1, ?2, ?3, '', 0, ?4, 'pending', ?5, ?5)",
        params![format!("{occasion}/{channel}"), channel, occasion, story_id, now],
    )?;
    Ok(())
}

/// Takes what is due. Until it is settled nobody else takes it, for [`LEASE_S`] seconds: after a crash it is tried again.
pub(crate) fn claim(connection: &mut Connection, limit: u32, now: i64) -> Result<Vec<Claim>, StoreError> {
    let transaction = connection.transaction()?;
    let mut claims = Vec::new();
    let mut unreadable = Vec::new();
    {
        // The operator's own channels reach most people: before those of subscribers.
        let mut due = transaction.prepare_cached(
            "SELECT delivery.id, key, channel, story.body, attempts, created_at, uncertain_at
             FROM delivery JOIN story ON story.id = delivery.story
             WHERE state = 'pending' AND next_at <= ?1
             ORDER BY channel LIKE 'email:%' OR channel LIKE 'webhook:%', next_at, delivery.id LIMIT ?2",
        )?;
        let mut rows = due.query(params![now, limit])?;
        while let Some(row) = rows.next()? {
            let body: String = row.get(3)?;
            match serde_json::from_str(&body) {
                Ok(story) => claims.push(read_claim(row, story)?),
                Err(error) => unreadable.push((row.get::<_, i64>(0)?, error.to_string())),
            }
        }
    }
    for (id, why) in unreadable {
        let reason = format!("it cannot be read back: {why}");
        transaction.execute(
            "UPDATE delivery SET state = 'dead', settled_at = ?2, reason = ?3 WHERE id = ?1",
            params![id, now, reason],
        )?;
    }
    for claim in &claims {
        transaction.execute(
            "UPDATE delivery SET attempts = attempts + 1, next_at = ?2, uncertain_at = COALESCE(uncertain_at, ?3)
             WHERE id = ?1",
            params![claim.id, now + LEASE_S, now],
        )?;
    }
    transaction.commit()?;
    Ok(claims)
}

/// Writes down what became of an attempt.
pub(crate) fn settle(
    connection: &mut Connection,
    claim: &Claim,
    outcome: &Outcome,
    now: i64,
    random: u64,
) -> Result<Settled, StoreError> {
    let (settled, reason) = verdict(claim, outcome, now);
    let transaction = connection.transaction()?;
    match (settled, outcome) {
        (Settled::Later, Outcome::Retry { certain, after_s, .. }) => {
            let uncertain_at = if *certain { claim.uncertain_at } else { claim.uncertain_at.or(Some(now)) };
            transaction.execute(
                "UPDATE delivery SET next_at = ?2, reason = ?3, uncertain_at = ?4 WHERE id = ?1",
                params![
                    claim.id,
                    now + rules::backoff_s(claim.attempts, *after_s, random),
                    reason,
                    uncertain_at
                ],
            )?;
        }
        _ => {
            let state = if settled == Settled::Sent { "sent" } else { "dead" };
            transaction.execute(
                "UPDATE delivery SET state = ?2, settled_at = ?3, reason = ?4 WHERE id = ?1",
                params![claim.id, state, now, reason],
            )?;
            // What was given up counts as told, too: what comes next is newer.
            transaction.execute(
                "INSERT OR REPLACE INTO told (topic, channel, telling, step, at)
                 SELECT topic, channel, telling, step, ?2 FROM delivery WHERE id = ?1 AND step > 0",
                params![claim.id, now],
            )?;
        }
    }
    transaction.commit()?;
    Ok(settled)
}

/// Forgets what was settled long ago.
pub(crate) fn prune(connection: &mut Connection, now: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let removed = transaction.execute(
        "DELETE FROM delivery WHERE (state = 'sent' AND settled_at < ?1) OR (state = 'dead' AND settled_at < ?2)",
        params![now - KEEP_SENT_S, now - KEEP_DEAD_S],
    )?;
    if removed > 0 {
        transaction.execute("DELETE FROM story WHERE id NOT IN (SELECT story FROM delivery)", [])?;
        transaction.execute("DELETE FROM told WHERE at < ?1", [now - KEEP_TOLD_S])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Every channel that has a name or a history.
pub(crate) fn health<'a>(
    connection: &Connection,
    own: impl Iterator<Item = &'a String>,
) -> Result<Vec<ChannelHealth>, StoreError> {
    let mut all: BTreeMap<String, ChannelHealth> = own
        .map(|name| (name.clone(), ChannelHealth { channel: name.clone(), ..Default::default() }))
        .collect();
    let mut rows = connection.prepare_cached(
        "SELECT CASE WHEN channel LIKE 'email:%' THEN 'email' WHEN channel LIKE 'webhook:%' THEN 'webhook'
                     ELSE channel END AS family,
                SUM(state = 'pending'), SUM(state = 'pending' AND reason IS NOT NULL),
                SUM(state = 'sent'), SUM(state = 'dead'),
                MAX(CASE WHEN state = 'sent' THEN settled_at END)
         FROM delivery GROUP BY family",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let channel: String = row.get(0)?;
        let health = ChannelHealth {
            pending: row.get(1)?,
            failing: row.get(2)?,
            sent: row.get(3)?,
            dead: row.get(4)?,
            last_sent_at: row.get(5)?,
            last_reason: last_reason(connection, &channel)?,
            channel: channel.clone(),
        };
        all.insert(channel, health);
    }
    Ok(all.into_values().collect())
}

/// Newest first.
pub(crate) fn dead_letters(connection: &Connection, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
    let mut rows = connection.prepare_cached(
        "SELECT id, key, channel, COALESCE(reason, ''), attempts, COALESCE(settled_at, 0) FROM delivery
         WHERE state = 'dead' ORDER BY settled_at DESC, id DESC LIMIT ?1",
    )?;
    let letters = rows.query_map([limit], |row| {
        Ok(DeadLetter {
            id: row.get(0)?,
            key: row.get(1)?,
            channel: row.get(2)?,
            reason: row.get(3)?,
            attempts: row.get(4)?,
            given_up_at: row.get(5)?,
        })
    })?;
    Ok(letters.collect::<Result<_, _>>()?)
}

/// Puts a dead letter on its way again.
pub(crate) fn revive(connection: &Connection, id: i64, now: i64) -> Result<bool, StoreError> {
    let changed = connection.execute(
        "UPDATE delivery SET state = 'pending', attempts = 0, created_at = ?2, next_at = ?2, settled_at = NULL,
                             uncertain_at = NULL, reason = NULL
         WHERE id = ?1 AND state = 'dead'",
        params![id, now],
    )?;
    Ok(changed > 0)
}

/// Forgets a dead letter. That its receiver was told stays known, so it is not told again.
pub(crate) fn drop_dead_letter(connection: &Connection, id: i64) -> Result<bool, StoreError> {
    let removed = connection.execute("DELETE FROM delivery WHERE id = ?1 AND state = 'dead'", [id])?;
    Ok(removed > 0)
}

/// `sent`, `later` or `dead`, and why.
fn verdict(claim: &Claim, outcome: &Outcome, now: i64) -> (Settled, Option<String>) {
    match outcome {
        Outcome::Delivered => (Settled::Sent, None),
        Outcome::Gone => (Settled::Dead, Some("410 Gone: the receiver wants no more".to_owned())),
        Outcome::Rejected { why } => (Settled::Dead, Some(why.clone())),
        Outcome::Retry { why, .. } => {
            if claim.attempts >= rules::MAX_ATTEMPTS || now - claim.created_at > rules::GIVE_UP_AFTER_S {
                return (
                    Settled::Dead,
                    Some(format!("given up after {} attempts; the last: {why}", claim.attempts)),
                );
            }
            (Settled::Later, Some(why.clone()))
        }
    }
}

fn told(connection: &Connection, topic: &str) -> Result<HashMap<String, Told>, StoreError> {
    let mut rows =
        connection.prepare_cached("SELECT channel, telling, step, at FROM told WHERE topic = ?1")?;
    let told = rows.query_map([topic], |row| {
        Ok((row.get(0)?, Told { telling: row.get(1)?, step: row.get(2)?, at: row.get(3)? }))
    })?;
    Ok(told.collect::<Result<_, _>>()?)
}

fn pending(connection: &Connection, topic: &str) -> Result<HashMap<String, (i64, Pending)>, StoreError> {
    let mut rows = connection.prepare_cached(
        "SELECT channel, id, telling, attempts FROM delivery WHERE topic = ?1 AND state = 'pending'",
    )?;
    let pending = rows.query_map([topic], |row| {
        Ok((row.get(0)?, (row.get(1)?, Pending { telling: row.get(2)?, attempts: row.get(3)? })))
    })?;
    Ok(pending.collect::<Result<_, _>>()?)
}

fn insert(
    transaction: &Transaction<'_>,
    channel: &str,
    topic: &Topic,
    story: &Story,
    step: u32,
    now: i64,
) -> Result<(), StoreError> {
    let story_id = keep_story(transaction, story)?;
    // Only the first word of the telling: the rest may be long.
    let word = topic.telling.split('/').next().unwrap_or_default();
    let key = format!("{}/{step}-{word}/{channel}", topic.id);
    transaction.execute(
        "INSERT OR IGNORE INTO delivery (key, channel, topic, telling, step, story, state, created_at, next_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?7)",
        params![key, channel, topic.id, topic.telling, step, story_id, now],
    )?;
    Ok(())
}

fn withdraw(transaction: &Transaction<'_>, id: Option<i64>) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM delivery WHERE id = ?1 AND attempts = 0", [id])?;
    Ok(())
}

fn keep_story(transaction: &Transaction<'_>, story: &Story) -> Result<String, StoreError> {
    let body = serde_json::to_string(story)
        .map_err(|error| StoreError::Corrupt { what: "story", why: error.to_string() })?;
    let id = HEXLOWER.encode(&Sha256::digest(&body)[..16]);
    transaction.execute("INSERT OR IGNORE INTO story (id, body) VALUES (?1, ?2)", params![id, body])?;
    Ok(id)
}

/// A component's story says what the receiver was told before.
fn with_past(story: &Story, told: Option<&Told>) -> Story {
    let mut story = story.clone();
    if let (Story::Component { old_status, .. }, Some(told)) = (&mut story, told) {
        old_status.clone_from(&told.telling);
    }
    story
}

fn read_claim(row: &Row<'_>, story: Story) -> Result<Claim, rusqlite::Error> {
    let attempts: u32 = row.get(4)?;
    Ok(Claim {
        id: row.get(0)?,
        key: row.get(1)?,
        channel: row.get(2)?,
        story,
        attempts: attempts.saturating_add(1),
        created_at: row.get(5)?,
        uncertain_at: row.get(6)?,
    })
}

fn last_reason(connection: &Connection, family: &str) -> Result<Option<String>, StoreError> {
    let reason = connection
        .query_row(
            "SELECT reason FROM delivery
             WHERE (channel = ?1 OR channel LIKE ?1 || ':%') AND state <> 'sent' AND reason IS NOT NULL
             ORDER BY COALESCE(settled_at, next_at) DESC LIMIT 1",
            [family],
            |row| row.get(0),
        )
        .optional()?;
    Ok(reason)
}

/// Longer than any attempt takes.
pub(crate) const LEASE_S: i64 = 60;
const KEEP_SENT_S: i64 = 30 * 86_400;
const KEEP_DEAD_S: i64 = 90 * 86_400;
const KEEP_TOLD_S: i64 = 120 * 86_400;

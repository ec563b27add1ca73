//! Who asked to be told. An address counts only after its owner said so: mail by a link in a letter (double opt-in), a
//! webhook by answering a greeting. Every subscription ends by a link that needs no password. Who has confirmed and asks
//! again gets a letter as well, and what they are told changes when they follow its link: a stranger cannot change it.

use data_encoding::HEXLOWER;
use lettre::Address;
use mbolo_pulse::Country;
use mbolo_pulse_page::Language;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::channel::{Filter, Receiver};
use super::outbox::{self, Claim, Settled};
use super::tokens::{Confirmed, Tokens, Wish};
use super::topic::Story;
use crate::config::SubscriptionLimits;
use crate::store::{self, StoreError};

/// Somebody asks for mail.
#[derive(Debug, Clone)]
pub struct EmailRequest {
    /// `somebody@example.org`.
    pub address: String,
    /// Ids of services; all if empty.
    pub services: Vec<String>,
    /// Country codes; all if empty.
    pub countries: Vec<String>,
    /// Of the letters.
    pub language: Language,
}

/// Somebody asks for a webhook.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// `https://…`.
    pub url: String,
    /// Ids of services; all if empty.
    pub services: Vec<String>,
    /// Country codes; all if empty.
    pub countries: Vec<String>,
}

/// What the owner of a new webhook has to keep. It is told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewWebhook {
    /// Names it.
    pub id: String,
    /// Signs what is posted.
    pub secret: String,
    /// For [`crate::Publisher::unsubscribe`].
    pub end_token: String,
}

/// By which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum SubscriptionKind {
    Email,
    Webhook,
}

/// One subscription.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Names it.
    pub id: String,
    /// By which way.
    pub kind: SubscriptionKind,
    /// An e-mail address, or where to post.
    pub address: String,
    #[serde(skip)]
    pub(crate) secret: Option<String>,
    /// BCP 47 tag of the language of letters.
    pub language: String,
    /// All if empty.
    pub services: Vec<String>,
    /// All if empty.
    pub countries: Vec<Country>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; not yet if absent.
    pub confirmed_at: Option<i64>,
}

/// Why a subscription is not taken.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SubscribeError {
    #[error("{0}")]
    Invalid(String),
    #[error("this observatory sends no e-mail; use a feed or a webhook")]
    NoEmail,
    #[error("there is no room for more subscriptions; use a feed, or try again later")]
    Full,
    #[error("{host} has {limit} webhooks already; end one first")]
    HostFull { host: String, limit: u32 },
    #[error("this webhook is subscribed already; end it first with the token it was given")]
    Exists,
    #[error("this link is not valid, or no longer; subscribe again")]
    UnknownToken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for SubscribeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses do not belong into logs.
        f.debug_struct("Subscription").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Its channel in the outbox.
    pub(crate) fn channel(&self) -> String {
        channel(self.kind, &self.id)
    }

    pub(crate) fn language(&self) -> Language {
        Language::from_tag(&self.language).unwrap_or(Language::En)
    }
}

/// Keeps a request for mail and enqueues the letter that asks. Who asks learns nothing about the address.
pub(crate) fn subscribe_email(
    connection: &mut Connection,
    request: &EmailRequest,
    limits: &SubscriptionLimits,
    now: i64,
) -> Result<(), SubscribeError> {
    let (address, host) = read_address(&request.address)?;
    let filter = Filter::new(&request.services, &request.countries).map_err(SubscribeError::Invalid)?;
    let known: Option<(String, Option<i64>, i64, u32)> = connection
        .query_row(
            "SELECT id, confirmed_at, asked_at, asked FROM subscription WHERE kind = 'email' AND address = ?1",
            [&address],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    match &known {
        // Three letters to one address, an hour apart: nobody is buried in letters that others asked for.
        Some((_, confirmed_at, asked_at, asked)) if is_too_often(*confirmed_at, *asked_at, *asked, now) => {
            return Ok(());
        }
        Some((id, Some(_), asked_at, asked)) => {
            let wish = Wish {
                at: now,
                language: request.language.tag().to_owned(),
                services: filter.services,
                countries: filter.countries,
            };
            let asked = if now - asked_at >= FORGET_ASKED_S { 1 } else { asked + 1 };
            return ask_for_change(connection, id, wish, asked);
        }
        _ => {}
    }
    if known.is_none() && count(connection, SubscriptionKind::Email, None)? >= limits.max_emails {
        return Err(SubscribeError::Full);
    }
    let (id, asked) = match known {
        Some((id, _, _, asked)) => (id, asked + 1),
        None => (new_id()?, 1),
    };
    let transaction = connection.transaction()?;
    transaction.execute(
        "INSERT INTO subscription
             (id, kind, address, host, language, services, countries, created_at, asked_at, asked)
         VALUES (?1, 'email', ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET language = ?4, services = ?5, countries = ?6, asked_at = ?7, asked = ?8",
        params![
            id,
            address,
            host,
            request.language.tag(),
            filter.services.join(" "),
            join(&filter.countries),
            now,
            asked
        ],
    )?;
    let channel = channel(SubscriptionKind::Email, &id);
    outbox::enqueue_once(
        &transaction,
        &channel,
        &format!("confirm:{asked}"),
        &Story::ConfirmAddress { at: now },
        now,
    )?;
    transaction.commit()?;
    Ok(())
}

/// Whether an address gets no further letter for now. One that was confirmed is asked again after a month of silence.
fn is_too_often(confirmed_at: Option<i64>, asked_at: i64, asked: u32, now: i64) -> bool {
    let is_forgotten = confirmed_at.is_some() && now - asked_at >= FORGET_ASKED_S;
    now - asked_at < ASK_AGAIN_S || (asked >= MAX_ASKED && !is_forgotten)
}

/// Enqueues the letter that asks the owner of a confirmed address whether it was them.
fn ask_for_change(
    connection: &mut Connection,
    id: &str,
    wish: Wish,
    asked: u32,
) -> Result<(), SubscribeError> {
    let (channel, at) = (channel(SubscriptionKind::Email, id), wish.at);
    let transaction = connection.transaction()?;
    transaction
        .execute("UPDATE subscription SET asked_at = ?2, asked = ?3 WHERE id = ?1", params![id, at, asked])?;
    outbox::enqueue_once(&transaction, &channel, &format!("change:{at}"), &Story::ChangeWish(wish), at)?;
    transaction.commit()?;
    Ok(())
}

/// The owner of an address said yes, to the first letter or to a change. Saying it twice is no error.
pub(crate) fn confirm(
    connection: &Connection,
    tokens: &Tokens,
    token: &str,
    now: i64,
) -> Result<Subscription, SubscribeError> {
    let id = match tokens.read_confirm(token).ok_or(SubscribeError::UnknownToken)? {
        Confirmed::Address(id) => {
            connection.execute(
                "UPDATE subscription SET confirmed_at = ?2
                 WHERE id = ?1 AND kind = 'email' AND confirmed_at IS NULL",
                params![id, now],
            )?;
            id
        }
        Confirmed::Wish(id, wish) => {
            change(connection, &id, &wish, now)?;
            id
        }
    };
    find(connection, &id)?.ok_or(SubscribeError::UnknownToken)
}

/// Does what the newest letter offered; older letters and old ones offer nothing any more.
fn change(connection: &Connection, id: &str, wish: &Wish, now: i64) -> Result<(), SubscribeError> {
    if now - wish.at > CONFIRM_WITHIN_S {
        return Err(SubscribeError::UnknownToken);
    }
    let changed = connection.execute(
        "UPDATE subscription SET language = ?3, services = ?4, countries = ?5 WHERE id = ?1 AND asked_at = ?2",
        params![id, wish.at, wish.language, wish.services.join(" "), join(&wish.countries)],
    )?;
    if changed == 0 { Err(SubscribeError::UnknownToken) } else { Ok(()) }
}

/// Keeps a webhook and enqueues its greeting.
pub(crate) fn subscribe_webhook(
    connection: &mut Connection,
    tokens: &Tokens,
    request: &WebhookRequest,
    limits: &SubscriptionLimits,
    now: i64,
) -> Result<NewWebhook, SubscribeError> {
    let (url, host) = read_target(&request.url, limits.allow_private_addresses)?;
    let filter = Filter::new(&request.services, &request.countries).map_err(SubscribeError::Invalid)?;
    let exists = connection
        .query_row("SELECT 1 FROM subscription WHERE kind = 'webhook' AND address = ?1", [&url], |_| Ok(()))
        .optional()?;
    if exists.is_some() {
        return Err(SubscribeError::Exists);
    }
    if count(connection, SubscriptionKind::Webhook, None)? >= limits.max_webhooks {
        return Err(SubscribeError::Full);
    }
    let limit = limits.max_webhooks_per_host;
    if count(connection, SubscriptionKind::Webhook, Some(&host))? >= limit {
        return Err(SubscribeError::HostFull { host, limit });
    }
    let id = new_id()?;
    let secret = HEXLOWER.encode(&store::random::<32>()?);
    let transaction = connection.transaction()?;
    transaction.execute(
        "INSERT INTO subscription
             (id, kind, address, host, secret, language, services, countries, created_at, asked_at)
         VALUES (?1, 'webhook', ?2, ?3, ?4, 'en', ?5, ?6, ?7, ?7)",
        params![id, url, host, secret, filter.services.join(" "), join(&filter.countries), now],
    )?;
    let channel = channel(SubscriptionKind::Webhook, &id);
    outbox::enqueue_once(&transaction, &channel, "greeting", &Story::Greeting { at: now }, now)?;
    transaction.commit()?;
    Ok(NewWebhook { end_token: tokens.end(&id), id, secret })
}

/// Forgets a subscription, what is on its way to it and what it was told.
pub(crate) fn remove(connection: &mut Connection, id: &str) -> Result<bool, StoreError> {
    let transaction = connection.transaction()?;
    let removed = forget(&transaction, id)?;
    transaction.commit()?;
    Ok(removed)
}

/// What an attempt means for the subscription it went to.
pub(crate) fn after(
    connection: &Connection,
    claim: &Claim,
    settled: Settled,
    is_gone: bool,
    now: i64,
) -> Result<(), StoreError> {
    let Some((kind, id)) = read_channel(&claim.channel) else { return Ok(()) };
    match settled {
        Settled::Later => {}
        Settled::Sent => {
            connection.execute("UPDATE subscription SET failures = 0 WHERE id = ?1", [id])?;
            if kind == SubscriptionKind::Webhook {
                connection.execute(
                    "UPDATE subscription SET confirmed_at = COALESCE(confirmed_at, ?2) WHERE id = ?1",
                    params![id, now],
                )?;
            }
        }
        Settled::Dead => {
            connection.execute("UPDATE subscription SET failures = failures + 1 WHERE id = ?1", [id])?;
            let failures: Option<u32> = connection
                .query_row("SELECT failures FROM subscription WHERE id = ?1", [id], |row| row.get(0))
                .optional()?;
            let never_answered = matches!(claim.story, Story::Greeting { .. });
            if is_gone || never_answered || failures.is_some_and(|failures| failures >= MAX_FAILURES) {
                forget(connection, id)?;
                tracing::info!(subscription = id, "a subscription ended: its receiver does not take it");
            }
        }
    }
    Ok(())
}

/// Everybody who is told.
pub(crate) fn receivers(connection: &Connection, with_email: bool) -> Result<Vec<Receiver>, StoreError> {
    let mut rows = connection.prepare_cached(
        "SELECT id, kind, address, secret, language, services, countries, created_at, confirmed_at
         FROM subscription WHERE confirmed_at IS NOT NULL ORDER BY id",
    )?;
    let subscriptions = rows.query_map([], read)?;
    let mut receivers = Vec::new();
    for subscription in subscriptions {
        let subscription = subscription?;
        let is_program = subscription.kind == SubscriptionKind::Webhook;
        if is_program || with_email {
            let channel = subscription.channel();
            let filter = Filter { services: subscription.services, countries: subscription.countries };
            receivers.push(Receiver { channel, filter, is_program });
        }
    }
    Ok(receivers)
}

/// The subscription behind a channel of the outbox.
pub(crate) fn of_channel(connection: &Connection, channel: &str) -> Result<Option<Subscription>, StoreError> {
    read_channel(channel).map_or(Ok(None), |(_, id)| find(connection, id))
}

pub(crate) fn list(
    connection: &Connection,
    kind: SubscriptionKind,
    limit: u32,
) -> Result<Vec<Subscription>, StoreError> {
    let mut rows = connection.prepare_cached(
        "SELECT id, kind, address, secret, language, services, countries, created_at, confirmed_at
         FROM subscription WHERE kind = ?1 ORDER BY created_at DESC, id LIMIT ?2",
    )?;
    let subscriptions = rows.query_map(params![kind.as_str(), limit], read)?;
    Ok(subscriptions.collect::<Result<_, _>>()?)
}

/// Confirmed ones: by e-mail, by webhook.
pub(crate) fn counts(connection: &Connection) -> Result<(u32, u32), StoreError> {
    let counts = connection.query_row(
        "SELECT COALESCE(SUM(kind = 'email'), 0), COALESCE(SUM(kind = 'webhook'), 0)
         FROM subscription WHERE confirmed_at IS NOT NULL",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(counts)
}

/// Forgets who never confirmed.
pub(crate) fn prune(connection: &mut Connection, now: i64) -> Result<(), StoreError> {
    let waiting: Vec<String> = {
        let mut rows = connection
            .prepare_cached("SELECT id FROM subscription WHERE confirmed_at IS NULL AND asked_at < ?1")?;
        let ids = rows.query_map([now - CONFIRM_WITHIN_S], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    for id in waiting {
        remove(connection, &id)?;
    }
    Ok(())
}

impl SubscriptionKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

fn forget(connection: &Connection, id: &str) -> Result<bool, StoreError> {
    for kind in [SubscriptionKind::Email, SubscriptionKind::Webhook] {
        let channel = channel(kind, id);
        connection.execute("DELETE FROM delivery WHERE channel = ?1 AND state = 'pending'", [&channel])?;
        connection.execute("DELETE FROM told WHERE channel = ?1", [&channel])?;
    }
    Ok(connection.execute("DELETE FROM subscription WHERE id = ?1", [id])? > 0)
}

fn find(connection: &Connection, id: &str) -> Result<Option<Subscription>, StoreError> {
    let subscription = connection
        .query_row(
            "SELECT id, kind, address, secret, language, services, countries, created_at, confirmed_at
             FROM subscription WHERE id = ?1",
            [id],
            read,
        )
        .optional()?;
    Ok(subscription)
}

fn read(row: &Row<'_>) -> Result<Subscription, rusqlite::Error> {
    let kind: String = row.get(1)?;
    let (services, countries): (String, String) = (row.get(5)?, row.get(6)?);
    Ok(Subscription {
        id: row.get(0)?,
        kind: if kind == "email" { SubscriptionKind::Email } else { SubscriptionKind::Webhook },
        address: row.get(2)?,
        secret: row.get(3)?,
        language: row.get(4)?,
        services: services.split_whitespace().map(str::to_owned).collect(),
        countries: countries.split_whitespace().filter_map(Country::new).collect(),
        created_at: row.get(7)?,
        confirmed_at: row.get(8)?,
    })
}

fn count(connection: &Connection, kind: SubscriptionKind, host: Option<&str>) -> Result<u32, StoreError> {
    let count = connection.query_row(
        "SELECT COUNT(*) FROM subscription WHERE kind = ?1 AND (?2 IS NULL OR host = ?2)",
        params![kind.as_str(), host],
        |row| row.get(0),
    )?;
    Ok(count)
}

/// An address as it is stored, and its host. The part before the @ keeps its case: it may matter to its server.
fn read_address(text: &str) -> Result<(String, String), SubscribeError> {
    let text = text.trim();
    let invalid =
        || SubscribeError::Invalid("this is not an e-mail address like name@example.org".to_owned());
    if text.len() > 254 || !text.is_ascii() || text.contains(['"', '[', ',', ';', '<', '>']) {
        return Err(invalid());
    }
    let address: Address = text.parse().map_err(|_| invalid())?;
    let host = address.domain().to_ascii_lowercase();
    if !host.contains('.') {
        return Err(invalid());
    }
    Ok((format!("{}@{host}", address.user()), host))
}

/// Where a webhook points to, and its host. The address behind the name is checked whenever it is used.
fn read_target(text: &str, allow_private: bool) -> Result<(String, String), SubscribeError> {
    let invalid = |why: &str| SubscribeError::Invalid(why.to_owned());
    if text.len() > 2000 {
        return Err(invalid("an address has at most 2000 characters"));
    }
    let url = url::Url::parse(text.trim())
        .map_err(|_| invalid("this is not an address like https://example.org/hook"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("leave out user and password; put a secret into the path"));
    }
    if url.scheme() != "https" && !(allow_private && url.scheme() == "http") {
        return Err(invalid("a webhook begins with https://"));
    }
    let is_public = match url.host() {
        Some(url::Host::Ipv4(v4)) => crate::http::is_public(v4.into()),
        Some(url::Host::Ipv6(v6)) => crate::http::is_public(v6.into()),
        Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        None => false,
    };
    if !is_public && !allow_private {
        return Err(invalid("a webhook must be reachable on the internet"));
    }
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let mut url = url;
    url.set_fragment(None);
    Ok((url.into(), host))
}

fn new_id() -> Result<String, StoreError> {
    Ok(HEXLOWER.encode(&store::random::<12>()?))
}

fn channel(kind: SubscriptionKind, id: &str) -> String {
    format!("{}:{id}", kind.as_str())
}

fn read_channel(channel: &str) -> Option<(SubscriptionKind, &str)> {
    match channel.split_once(':')? {
        ("email", id) => Some((SubscriptionKind::Email, id)),
        ("webhook", id) => Some((SubscriptionKind::Webhook, id)),
        _ => None,
    }
}

fn join(countries: &[Country]) -> String {
    countries.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The link in the letter that asks.
pub const CONFIRM_PATH: &str = "/subscribe/confirm";
/// The link in every letter.
pub const END_PATH: &str = "/subscribe/end";
const CONFIRM_WITHIN_S: i64 = 48 * 3600;
const ASK_AGAIN_S: i64 = 3600;
const MAX_ASKED: u32 = 3;
const FORGET_ASKED_S: i64 = 30 * 86_400;
/// Deliveries in a row that were given up.
const MAX_FAILURES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_strictly() {
        assert_eq!(read_address(" Ada@Example.ORG ").expect("valid").0, "Ada@example.org");
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@localhost",
            "a b@example.org",
            "a@b.c\r\nBcc: x@y.z",
            "ada@example.org, eve@example.org",
            "Ada <ada@example.org>",
        ] {
            assert!(matches!(read_address(bad), Err(SubscribeError::Invalid(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_webhook_may_not_point_into_a_private_network() {
        assert!(read_target("https://example.org/hook", false).is_ok());
        for bad in [
            "http://example.org/hook",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://localhost/",
            "https://a.localhost/",
            "https://u:p@example.org/",
            "ftp://example.org",
            "https://169.254.169.254/latest",
            "nonsense",
        ] {
            assert!(matches!(read_target(bad, false), Err(SubscribeError::Invalid(_))), "{bad}");
        }
        assert!(read_target("http://127.0.0.1:8080/", true).is_ok());
    }
}

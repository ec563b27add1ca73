//! Announcements: what the board has to tell reaches people who asked, and nobody twice.
//!
//! [`topic`] reads from a board what is to be told, [`rules`] decide when, [`outbox`] remembers what is on its way, and
//! the channels carry it. Delivery is at least once; every delivery has a key that lets the receiver, or the channel
//! itself, see that it is the same. A failed delivery is tried again with growing pauses and given up with a reason that
//! an operator can read.

mod bluesky;
mod channel;
mod email;
mod mastodon;
pub(crate) mod metrics;
pub mod outbox;
mod renames;
pub mod rules;
#[cfg(test)]
pub(crate) mod samples;
pub mod subscriptions;
pub mod tokens;
pub mod topic;
mod webhook;
mod words;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::Connection;

pub use outbox::{ChannelHealth, DeadLetter};
pub use webhook::{SIGNATURE_HEADER, sign as sign_webhook};
pub use words::{post as words_of_post, title as words_of_title};

use crate::config::{ConfigError, PublishConfig};
use crate::http::{Http, HttpError};
use crate::publisher::{OpenError, lock, try_lock};
use crate::store::{self, StoreError};
use channel::{Channel, Outcome, Receiver};
use metrics::Counters;
use outbox::Claim;
use subscriptions::{
    EmailRequest, NewWebhook, SubscribeError, Subscription, SubscriptionKind, WebhookRequest,
};
use tokens::Tokens;
use topic::Topic;

/// Enqueues and delivers.
pub(crate) struct Announcer {
    store: Mutex<Connection>,
    /// Held while delivering: two deliveries at once would send the same.
    delivering: Mutex<()>,
    /// The operator's channels, by their names in the outbox.
    own: BTreeMap<String, Channel>,
    email: Option<email::Mailer>,
    guarded: Http,
    tokens: Tokens,
    limits: crate::config::SubscriptionLimits,
    base_url: String,
    counters: Mutex<Counters>,
    /// Unix seconds.
    reconciled_at: Mutex<i64>,
}

impl Announcer {
    pub(crate) fn open(connection: Connection, config: &PublishConfig) -> Result<Self, OpenError> {
        let base_url = base_url(&config.base_url)?;
        let trusted = Http::trusted(TIMEOUT)?;
        let guarded = if config.subscriptions.allow_private_addresses {
            trusted.clone()
        } else {
            Http::public_only(TIMEOUT)?
        };
        let mut own = BTreeMap::new();
        for channel in channel::configured(config, &trusted)? {
            let name = channel.name.clone();
            if own.insert(name.clone(), channel).is_some() {
                return Err(ConfigError::invalid(name, "two channels have this name; rename one").into());
            }
        }
        let email = config.email.as_ref().map(email::Mailer::new).transpose()?;
        let tokens = Tokens::new(store::token_secret(&connection)?);
        Ok(Self {
            store: Mutex::new(connection),
            delivering: Mutex::new(()),
            own,
            email,
            guarded,
            tokens,
            limits: config.subscriptions.clone(),
            base_url,
            counters: Mutex::new(Counters::default()),
            reconciled_at: Mutex::new(i64::MIN),
        })
    }

    /// Where the observatory lives, without the slash at the end.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Uses the store for something else that belongs to the publisher.
    pub(crate) fn with_store<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(&lock(&self.store))
    }

    /// See [`crate::Publisher::rename`].
    pub(crate) fn rename(&self, names: &BTreeMap<String, String>) -> Result<(), StoreError> {
        renames::rename(&mut lock(&self.store), names)
    }

    /// Compares what is to be told with what was told, for every channel, and enqueues the difference.
    pub(crate) fn reconcile(&self, topics: &[Topic], now: i64) -> Result<(), StoreError> {
        let mut store = lock(&self.store);
        let mut receivers: Vec<Receiver> = self.own.values().map(Channel::receiver).collect();
        receivers.extend(subscriptions::receivers(&store, self.email.is_some())?);
        let transaction = store.transaction()?;
        for topic in topics {
            outbox::reconcile(&transaction, topic, &receivers, now)?;
        }
        transaction.commit()?;
        *lock(&self.reconciled_at) = now;
        Ok(())
    }

    /// Whether the last [`Announcer::reconcile`] was before `then`, or none was.
    pub(crate) fn is_reconciled_before(&self, then: i64) -> bool {
        *lock(&self.reconciled_at) < then
    }

    /// Sends what is due, the operator's channels first. Returns how many deliveries were tried.
    pub(crate) fn deliver(&self, now: i64) -> Result<usize, StoreError> {
        let Some(_one_at_a_time) = try_lock(&self.delivering) else { return Ok(0) };
        let began = Instant::now();
        let clock = || now.saturating_add(i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX));
        let mut tried = 0;
        while began.elapsed() < LONGEST_DELIVERY {
            let at = clock();
            let batch = self.claim(at)?;
            if batch.is_empty() {
                break;
            }
            tried += batch.len();
            let queue = Mutex::new(batch.into_iter());
            let failures = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..WORKERS {
                    scope.spawn(|| {
                        loop {
                            let Some(claim) = lock(&queue).next() else { break };
                            let outcome = self.send(&claim, at);
                            if let Err(error) = self.settle(&claim, outcome, at) {
                                lock(&failures).push(error);
                            }
                        }
                    });
                }
            });
            if let Some(error) = lock(&failures).pop() {
                return Err(error);
            }
        }
        let mut store = lock(&self.store);
        outbox::prune(&mut store, now)?;
        subscriptions::prune(&mut store, now)?;
        Ok(tried)
    }

    fn claim(&self, now: i64) -> Result<Vec<Claim>, StoreError> {
        let mut store = lock(&self.store);
        outbox::claim(&mut store, BATCH, now)
    }

    /// Sends one. Whatever happens is an outcome: a channel that is gone is a reason, not an error.
    fn send(&self, claim: &Claim, now: i64) -> Outcome {
        let memory = channel::memory_of_keys_s(&claim.channel);
        if claim.uncertain_at.zip(memory).is_some_and(|(since, memory)| now - since > memory) {
            return Outcome::rejected("it may have arrived long ago, and the server no longer knows the key");
        }
        if let Some(channel) = self.own.get(&claim.channel) {
            return channel.send(claim, &self.base_url, now);
        }
        let subscription = match subscriptions::of_channel(&lock(&self.store), &claim.channel) {
            Ok(Some(subscription)) => subscription,
            Ok(None) => return Outcome::rejected("the channel is no longer configured"),
            Err(error) => return Outcome::retry(error.to_string(), true, None),
        };
        let end_link = self.tokens.end_link(&self.base_url, &subscription.id);
        match subscription.kind {
            SubscriptionKind::Webhook => {
                let target = webhook::Target {
                    url: &subscription.address,
                    secret: subscription.secret.as_deref().unwrap_or_default(),
                    end_link: Some(&end_link),
                };
                webhook::send(&self.guarded, &target, claim, &self.base_url, now)
            }
            SubscriptionKind::Email => match &self.email {
                None => Outcome::rejected("e-mail is no longer configured"),
                Some(mailer) => {
                    let confirm_link =
                        self.tokens.confirm_link(&self.base_url, &subscription.id, &claim.story);
                    let links =
                        email::Links { base_url: &self.base_url, end: &end_link, confirm: &confirm_link };
                    mailer.send(&subscription, claim, &links, now)
                }
            },
        }
    }

    fn settle(&self, claim: &Claim, outcome: Outcome, now: i64) -> Result<(), StoreError> {
        let random = u64::from_le_bytes(store::random()?);
        let mut store = lock(&self.store);
        let settled = outbox::settle(&mut store, claim, &outcome, now, random)?;
        subscriptions::after(&store, claim, settled, matches!(outcome, Outcome::Gone), now)?;
        lock(&self.counters).count(&claim.channel, settled);
        Ok(())
    }

    pub(crate) fn health(&self) -> Result<Vec<ChannelHealth>, StoreError> {
        outbox::health(&lock(&self.store), self.own.keys())
    }

    pub(crate) fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }

    pub(crate) fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        outbox::dead_letters(&lock(&self.store), limit)
    }

    pub(crate) fn revive(&self, id: i64, now: i64) -> Result<bool, StoreError> {
        outbox::revive(&lock(&self.store), id, now)
    }

    pub(crate) fn drop_dead_letter(&self, id: i64) -> Result<bool, StoreError> {
        outbox::drop_dead_letter(&lock(&self.store), id)
    }

    pub(crate) fn email_is_offered(&self) -> bool {
        self.email.is_some()
    }

    pub(crate) fn subscribe_email(&self, request: &EmailRequest, now: i64) -> Result<(), SubscribeError> {
        if self.email.is_none() {
            return Err(SubscribeError::NoEmail);
        }
        subscriptions::subscribe_email(&mut lock(&self.store), request, &self.limits, now)
    }

    pub(crate) fn confirm(&self, token: &str, now: i64) -> Result<Subscription, SubscribeError> {
        subscriptions::confirm(&lock(&self.store), &self.tokens, token, now)
    }

    pub(crate) fn unsubscribe(&self, token: &str) -> Result<(), SubscribeError> {
        let id = self.tokens.read_end(token).ok_or(SubscribeError::UnknownToken)?;
        subscriptions::remove(&mut lock(&self.store), &id)?;
        Ok(())
    }

    pub(crate) fn subscribe_webhook(
        &self,
        request: &WebhookRequest,
        now: i64,
    ) -> Result<NewWebhook, SubscribeError> {
        subscriptions::subscribe_webhook(&mut lock(&self.store), &self.tokens, request, &self.limits, now)
    }

    pub(crate) fn subscriptions(
        &self,
        kind: SubscriptionKind,
        limit: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        subscriptions::list(&lock(&self.store), kind, limit)
    }

    pub(crate) fn subscription_counts(&self) -> Result<(u32, u32), StoreError> {
        subscriptions::counts(&lock(&self.store))
    }

    pub(crate) fn remove(&self, id: &str) -> Result<bool, StoreError> {
        subscriptions::remove(&mut lock(&self.store), id)
    }
}

impl From<HttpError> for ConfigError {
    fn from(error: HttpError) -> Self {
        Self::invalid("tls", error.to_string())
    }
}

/// Checks where the observatory says it lives; without the slash at the end.
fn base_url(text: &str) -> Result<String, ConfigError> {
    let is_web = url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
    if !is_web {
        return Err(ConfigError::invalid("base_url", "must be like https://pulse.example.org"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// For one request or one letter.
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_DELIVERY: Duration = Duration::from_secs(30);
/// Receivers that hang hold up seven others at most.
const WORKERS: usize = 8;
const BATCH: u32 = 64;

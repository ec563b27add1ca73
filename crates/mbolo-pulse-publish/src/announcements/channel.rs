//! A way to people: what all channels have in common.

use crate::config::{ConfigError, PublishConfig};
use crate::http::{Answer, Http, NoAnswer};

use super::bluesky::Bluesky;
use super::mastodon::Mastodon;
use super::outbox::Claim;
use super::topic::Topic;
use super::webhook;
use mbolo_pulse::{Country, ServiceId};
use mbolo_pulse_page::Language;

/// One of the operator's channels.
pub(crate) struct Channel {
    /// `mastodon:NAME`, `bluesky:NAME`, `hook:NAME`.
    pub(crate) name: String,
    filter: Filter,
    kind: Kind,
}

enum Kind {
    Hook { http: Http, url: String, secret: String },
    Mastodon(Mastodon),
    Bluesky(Bluesky),
}

/// Which topics somebody wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// All if empty.
    pub(crate) services: Vec<String>,
    /// All if empty; what concerns the world passes every filter.
    pub(crate) countries: Vec<Country>,
}

/// Somebody who is told.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    /// The channel's name in the outbox.
    pub(crate) channel: String,
    pub(crate) filter: Filter,
    /// It reads JSON, so it also hears of every component.
    pub(crate) is_program: bool,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It arrived.
    Delivered,
    /// It may help to try again.
    Retry {
        why: String,
        /// It has certainly not arrived.
        certain: bool,
        after_s: Option<u32>,
    },
    /// It does not help to try again.
    Rejected { why: String },
    /// The receiver wants no more of anything.
    Gone,
}

/// The channels of a configuration, checked.
pub(crate) fn configured(config: &PublishConfig, http: &Http) -> Result<Vec<Channel>, ConfigError> {
    let mut channels = Vec::new();
    for hook in &config.webhooks {
        let key = format!("webhook {}", hook.name);
        let secret = required(hook.secret.read(&key)?, &key)?;
        channels.push(Channel {
            name: name("hook", &hook.name)?,
            filter: Filter::new(&hook.services, &hook.countries)
                .map_err(|why| ConfigError::invalid(&key, why))?,
            kind: Kind::Hook { http: http.clone(), url: server(&hook.url, &key)?, secret },
        });
    }
    for account in &config.mastodons {
        let key = format!("mastodon {}", account.name);
        let mastodon = Mastodon {
            http: http.clone(),
            server: server(&account.server, &key)?,
            token: required(account.token.read(&key)?, &key)?,
            languages: languages(&account.languages, &key)?,
        };
        let name = name("mastodon", &account.name)?;
        channels.push(Channel { name, filter: Filter::default(), kind: Kind::Mastodon(mastodon) });
    }
    for account in &config.blueskies {
        let key = format!("bluesky {}", account.name);
        let bluesky = Bluesky::new(
            http.clone(),
            server(&account.server, &key)?,
            account.identifier.clone(),
            required(account.password.read(&key)?, &key)?,
            languages(&account.languages, &key)?,
        );
        let name = name("bluesky", &account.name)?;
        channels.push(Channel { name, filter: Filter::default(), kind: Kind::Bluesky(bluesky) });
    }
    Ok(channels)
}

/// For how many seconds the far end knows a key again; `None`: for good, or the receiver sees the key itself.
pub(crate) fn memory_of_keys_s(channel: &str) -> Option<i64> {
    // Mastodon forgets an Idempotency-Key after an hour.
    channel.starts_with("mastodon:").then_some(50 * 60)
}

impl Channel {
    pub(crate) fn receiver(&self) -> Receiver {
        Receiver {
            channel: self.name.clone(),
            filter: self.filter.clone(),
            is_program: matches!(self.kind, Kind::Hook { .. }),
        }
    }

    pub(crate) fn send(&self, claim: &Claim, base_url: &str, now: i64) -> Outcome {
        match &self.kind {
            Kind::Hook { http, url, secret } => {
                let target = webhook::Target { url, secret, end_link: None };
                webhook::send(http, &target, claim, base_url, now)
            }
            Kind::Mastodon(mastodon) => mastodon.send(claim, base_url),
            Kind::Bluesky(bluesky) => bluesky.send(claim, base_url),
        }
    }
}

impl Filter {
    /// Checks names; at most 50 of each.
    pub(crate) fn new(services: &[String], countries: &[String]) -> Result<Self, String> {
        if services.len() > 50 || countries.len() > 50 {
            return Err("a filter names at most 50 services and 50 countries".to_owned());
        }
        if let Some(bad) = services.iter().find(|name| ServiceId::new(name).is_none()) {
            return Err(format!("{:?} is not a service's id", super::words::cut(bad, 64)));
        }
        let countries = countries.iter().map(|code| {
            Country::new(code).ok_or_else(|| {
                format!("{:?} is not a country: two upper-case letters like GA", super::words::cut(code, 16))
            })
        });
        Ok(Self { services: services.to_vec(), countries: countries.collect::<Result<_, _>>()? })
    }
}

impl Receiver {
    pub(crate) fn wants(&self, topic: &Topic) -> bool {
        let Filter { services, countries } = &self.filter;
        (self.is_program || !topic.for_programs)
            && (services.is_empty() || topic.services.iter().any(|service| services.contains(service)))
            && (countries.is_empty() || topic.country.is_none_or(|country| countries.contains(&country)))
    }
}

impl Outcome {
    pub(crate) fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected { why: why.into() }
    }

    pub(crate) fn retry(why: impl Into<String>, certain: bool, after_s: Option<u32>) -> Self {
        Self::Retry { why: why.into(), certain, after_s }
    }

    /// What an answer by HTTP means. 5xx, 408, 425 and 429 pass; other refusals stay.
    pub(crate) fn of_http(answer: Result<Answer, NoAnswer>) -> Self {
        match answer {
            Ok(answer) if answer.is_success() => Self::Delivered,
            Ok(answer) => match answer.status {
                410 => Self::Gone,
                408 | 425 | 429 | 503 => Self::retry(answer.excerpt(), true, answer.retry_after_s),
                500..=599 => Self::retry(answer.excerpt(), false, answer.retry_after_s),
                300..=399 => Self::rejected(format!(
                    "{}; redirects are not followed: use the address it points to",
                    answer.excerpt()
                )),
                _ => Self::rejected(answer.excerpt()),
            },
            Err(NoAnswer::NotSent(why)) => Self::retry(why, true, None),
            Err(NoAnswer::Uncertain(why)) => Self::retry(why, false, None),
            Err(error @ NoAnswer::PrivateAddress(_)) => Self::rejected(error.to_string()),
        }
    }
}

fn name(kind: &str, name: &str) -> Result<String, ConfigError> {
    let valid = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(valid) {
        return Err(ConfigError::invalid(format!("{kind} {name}"), "a name is 1 to 40 of a-z 0-9 -"));
    }
    Ok(format!("{kind}:{name}"))
}

fn server(url: &str, key: &str) -> Result<String, ConfigError> {
    let parsed = url::Url::parse(url)
        .map_err(|error| ConfigError::invalid(key, format!("{url:?} is not an address: {error}")))?;
    let is_local = match parsed.host() {
        Some(url::Host::Ipv4(v4)) => v4.is_loopback(),
        Some(url::Host::Ipv6(v6)) => v6.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_local) {
        return Err(ConfigError::invalid(key, format!("{url:?} must begin with https://")));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn required(secret: Option<String>, key: &str) -> Result<String, ConfigError> {
    secret
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| ConfigError::invalid(key, "needs `secret` or `secret_file`"))
}

fn languages(tags: &[String], key: &str) -> Result<Vec<Language>, ConfigError> {
    let languages: Option<Vec<_>> = tags.iter().map(|tag| Language::from_tag(tag)).collect();
    languages
        .filter(|languages| !languages.is_empty() && languages.len() <= Language::ALL.len())
        .ok_or_else(|| ConfigError::invalid(key, "languages are \"en\", \"fr\" or both"))
}

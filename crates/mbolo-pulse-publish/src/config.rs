//! What an operator configures: channels, targets of snapshots, peers. Everything is optional; an empty section publishes
//! nothing and costs nothing. Secrets may stand in files of their own (`…_file`), so that the configuration can be shown.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The section `[publish]` of the observatory's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishConfig {
    /// Where people find the observatory: `https://pulse.example.org`. Links in announcements begin with it.
    pub base_url: String,
    /// Webhooks of the operator; those of subscribers are in the store.
    #[serde(default, rename = "webhook")]
    pub webhooks: Vec<WebhookConfig>,
    /// Mail to subscribers. Absent: subscriptions by e-mail are refused.
    #[serde(default)]
    pub email: Option<EmailConfig>,
    /// Accounts on Mastodon, or anything with its API.
    #[serde(default, rename = "mastodon")]
    pub mastodons: Vec<MastodonConfig>,
    /// Accounts on Bluesky.
    #[serde(default, rename = "bluesky")]
    pub blueskies: Vec<BlueskyConfig>,
    /// What strangers may subscribe to.
    #[serde(default)]
    pub subscriptions: SubscriptionLimits,
    /// Signed copies of the board. Absent: none are made.
    #[serde(default)]
    pub snapshots: Option<SnapshotConfig>,
    /// Other observatories that are watched.
    #[serde(default, rename = "peer")]
    pub peers: Vec<PeerConfig>,
}

/// `[[publish.webhook]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// How it is called in the health report: `a-z 0-9 -`.
    pub name: String,
    /// Where to post.
    pub url: String,
    /// Signs what is posted.
    #[serde(flatten)]
    pub secret: Secret,
    /// Only these services; all if empty.
    #[serde(default)]
    pub services: Vec<String>,
    /// Only these countries (`GA`) and what concerns the world; all if empty.
    #[serde(default)]
    pub countries: Vec<String>,
}

/// `[publish.email]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// The host that takes mail.
    pub host: String,
    /// 465 for `implicit`, 587 for `starttls`, 25 for `none` if absent.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is protected. `none` only on loopback.
    #[serde(default)]
    pub tls: SmtpTls,
    /// Absent: without authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// Goes with `user`.
    #[serde(flatten)]
    pub password: Secret,
    /// `Mbolo Pulse <pulse@example.org>`.
    pub from: String,
}

/// How SMTP is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// RFC 8314: TLS from the first byte.
    Implicit,
    /// RFC 3207, required: mail is not sent if the server does not offer it.
    #[default]
    Starttls,
    /// Nothing; refused but for a server on this host.
    None,
}

/// `[[publish.mastodon]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MastodonConfig {
    /// How it is called in the health report: `a-z 0-9 -`.
    pub name: String,
    /// The account's server: `https://mastodon.example`.
    pub server: String,
    /// An access token with the scope `write:statuses`.
    #[serde(flatten)]
    pub token: Secret,
    /// Languages of a post, one paragraph each.
    #[serde(default = "both_languages")]
    pub languages: Vec<String>,
}

/// `[[publish.bluesky]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlueskyConfig {
    /// How it is called in the health report: `a-z 0-9 -`.
    pub name: String,
    /// The account's personal data server.
    #[serde(default = "bluesky_server")]
    pub server: String,
    /// Handle or DID.
    pub identifier: String,
    /// An app password.
    #[serde(flatten)]
    pub password: Secret,
    /// Languages of a post, one paragraph each.
    #[serde(default = "both_languages")]
    pub languages: Vec<String>,
}

/// A secret in place or in a file of its own.
#[derive(Clone, Default, Deserialize)]
pub struct Secret {
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    secret_file: Option<PathBuf>,
}

/// Text that no log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

/// `[publish.subscriptions]`: how many strangers may subscribe, and to what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriptionLimits {
    /// E-mail addresses, confirmed or waiting.
    pub max_emails: u32,
    /// Webhooks of subscribers. 0: only the operator's.
    pub max_webhooks: u32,
    /// Webhooks of subscribers that point to one host.
    pub max_webhooks_per_host: u32,
    /// Lets webhooks of subscribers point to private and loopback addresses. For an observatory inside a closed network.
    pub allow_private_addresses: bool,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self {
            max_emails: 10_000,
            max_webhooks: 500,
            max_webhooks_per_host: 5,
            allow_private_addresses: false,
        }
    }
}

/// `[publish.snapshots]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotConfig {
    /// The Ed25519 seed, 32 bytes in hexadecimal; made on first use.
    pub key_file: PathBuf,
    /// Seconds between snapshots when nothing changes, 10 to 90: a snapshot is grey after 150.
    #[serde(default = "snapshot_interval")]
    pub interval_s: u32,
    /// Addresses at which people find the pages of the targets, such as `https://mirror.example/pulse/`: every page names them,
    /// so that readers know them before they need them.
    #[serde(default)]
    pub pages: Vec<String>,
    /// Where they go.
    #[serde(default, rename = "target")]
    pub targets: Vec<TargetConfig>,
}

/// `[[publish.snapshots.target]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetConfig {
    /// Files: `latest.json`, pages for people, and the newest numbered snapshots.
    Directory {
        /// How it is called in the health report.
        name: String,
        /// Made if it does not exist.
        path: PathBuf,
        /// Numbered snapshots that are kept.
        #[serde(default = "keep_numbered")]
        keep: usize,
    },
    /// Objects `latest.json`, `index.html` and `fr.html` in a store with Amazon's S3 interface, addressed by path.
    S3 {
        /// How it is called in the health report.
        name: String,
        /// `https://s3.example.net`.
        endpoint: String,
        /// `eu-west-3`; many stores take any.
        region: String,
        /// Which bucket.
        bucket: String,
        /// Stands before their names: `pulse/`.
        #[serde(default)]
        prefix: String,
        /// Public half of the credentials.
        access_key: String,
        /// Secret half of the credentials.
        #[serde(default)]
        secret: Option<Hidden>,
        /// Or a file that holds it.
        #[serde(default)]
        secret_file: Option<PathBuf>,
    },
    /// A branch of a git repository that holds these three files and nothing else.
    Git {
        /// How it is called in the health report.
        name: String,
        /// What `git push` takes. Credentials are git's own business (an SSH key, a credential helper).
        remote: String,
        /// Overwritten: use a branch of its own.
        #[serde(default = "git_branch")]
        branch: String,
        /// Where the local repository lives; made if it does not exist.
        work_dir: PathBuf,
        /// The history is begun anew after this many commits.
        #[serde(default = "git_history")]
        history: u32,
    },
}

/// `[[publish.peer]]`: another observatory. If it falls silent, this one says so.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// For people.
    pub name: String,
    /// Addresses of its `latest.json`, best on hosts that share nothing.
    pub mirrors: Vec<String>,
    /// Its public keys, in hexadecimal.
    pub keys: Vec<String>,
    /// Minutes without a valid new snapshot until it counts as silent.
    #[serde(default = "silent_minutes")]
    pub silent_minutes: u32,
    /// Announces its silence and its return through the channels here.
    #[serde(default)]
    pub announce: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("{key}: {why}")]
    Invalid { key: String, why: String },
    #[error("{key}: cannot read {path}: {source}; create the file or correct the path", path = path.display())]
    SecretFile { key: String, path: PathBuf, source: std::io::Error },
}

impl ConfigError {
    pub(crate) fn invalid(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), why: why.into() }
    }
}

impl Secret {
    /// A secret in place.
    pub fn inline(secret: impl Into<String>) -> Self {
        Self { secret: Some(secret.into()), secret_file: None }
    }

    /// Its text; `key` is what the configuration calls it. `None` if there is none.
    pub(crate) fn read(&self, key: &str) -> Result<Option<String>, ConfigError> {
        read_secret(self.secret.as_deref(), self.secret_file.as_deref(), key)
    }
}

impl Hidden {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("secret_file", &self.secret_file).finish_non_exhaustive()
    }
}

/// A secret that stands in place or in a file; the line end of a file is not part of it.
pub(crate) fn read_secret(
    inline: Option<&str>,
    file: Option<&Path>,
    key: &str,
) -> Result<Option<String>, ConfigError> {
    match (inline, file) {
        (Some(_), Some(_)) => {
            Err(ConfigError::invalid(key, "has both `secret` and `secret_file`; leave one out"))
        }
        (Some(secret), None) => Ok(Some(secret.to_owned())),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(source) => {
                Err(ConfigError::SecretFile { key: key.to_owned(), path: path.to_owned(), source })
            }
        },
        (None, None) => Ok(None),
    }
}

fn both_languages() -> Vec<String> {
    vec!["en".to_owned(), "fr".to_owned()]
}

fn bluesky_server() -> String {
    "https://bsky.social".to_owned()
}

fn snapshot_interval() -> u32 {
    45
}

fn keep_numbered() -> usize {
    120
}

fn git_branch() -> String {
    "pulse".to_owned()
}

fn git_history() -> u32 {
    500
}

fn silent_minutes() -> u32 {
    10
}

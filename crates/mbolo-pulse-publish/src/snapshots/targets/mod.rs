//! Places that hold snapshots. Each one replaces `latest.json` as a whole: a reader sees the old one or the new one.

mod directory;
mod git;
mod s3;

use crate::config::{ConfigError, Hidden, TargetConfig, read_secret};
use crate::snapshots::Signed;

/// A place.
pub trait Target: Send {
    /// As configured.
    fn name(&self) -> &str;

    /// Stores a snapshot at Unix seconds `now`, blocking for a bounded time.
    fn put(&mut self, snapshot: &Signed, now: i64) -> Result<(), TargetError>;
}

/// Why a place did not take a snapshot.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TargetError {
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
    #[error("the store answers {0}")]
    Store(String),
    #[error("git {doing}: {why}")]
    Git { doing: String, why: String },
}

/// The target of a configuration.
pub(crate) fn build(config: &TargetConfig) -> Result<Box<dyn Target>, ConfigError> {
    match config {
        TargetConfig::Directory { name, path, keep } => {
            Ok(Box::new(directory::Directory::new(name, path, *keep)))
        }
        TargetConfig::S3 { name, endpoint, region, bucket, prefix, access_key, secret, secret_file } => {
            let key = format!("target {name}");
            let secret = read_secret(secret.as_ref().map(Hidden::as_str), secret_file.as_deref(), &key)?
                .ok_or_else(|| ConfigError::invalid(&key, "needs `secret` or `secret_file`"))?;
            let credentials =
                s3::Credentials { access_key: access_key.clone(), secret, region: region.clone() };
            Ok(Box::new(s3::S3::new(name, endpoint, bucket, prefix, credentials)?))
        }
        TargetConfig::Git { name, remote, branch, work_dir, history } => {
            Ok(Box::new(git::Git::new(name, remote, branch, work_dir, *history)?))
        }
    }
}

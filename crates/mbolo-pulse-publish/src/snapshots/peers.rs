//! Two observatories watch each other: the dead man's switch. A collector that dies cannot say so; its peer, which reads
//! its snapshots, can.

use std::sync::Mutex;

use serde::Serialize;

use super::envelope::TrustedKeys;
use super::reader;
use crate::announcements::topic::{self, Topic};
use crate::config::{ConfigError, PeerConfig};
use crate::http::Http;
use crate::publisher::lock;

/// Watches one peer.
pub struct PeerWatch {
    name: String,
    mirrors: Vec<String>,
    trusted: TrustedKeys,
    silent_after_s: i64,
    announce: bool,
    http: Http,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// When its newest snapshot was made; when watching began, before there is one.
    heard_at: Option<i64>,
    seq: u64,
    looked_at: Option<i64>,
    silent_since: Option<i64>,
    /// The silence that ended last.
    last_silence: Option<(i64, i64)>,
    last_error: Option<String>,
}

/// How a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerHealth {
    /// As configured.
    pub name: String,
    /// It published nothing valid for too long.
    pub silent: bool,
    /// Unix seconds of its newest snapshot, or of when watching began.
    pub heard_at: Option<i64>,
    /// Number of its newest snapshot.
    pub seq: u64,
    /// Why the last look failed, if it did.
    pub last_error: Option<String>,
}

impl PeerWatch {
    /// Begins to watch. Nothing is fetched yet.
    pub fn new(config: &PeerConfig) -> Result<Self, ConfigError> {
        let key = format!("peer {}", config.name);
        let trusted =
            TrustedKeys::from_hex(&config.keys).map_err(|why| ConfigError::invalid(key.as_str(), why))?;
        if trusted.is_empty() || config.mirrors.is_empty() {
            return Err(ConfigError::invalid(key, "needs at least one mirror and one key"));
        }
        if !(2..=1440).contains(&config.silent_minutes) {
            return Err(ConfigError::invalid(key, "silent_minutes must be 2 to 1440"));
        }
        Ok(Self {
            name: config.name.clone(),
            mirrors: config.mirrors.clone(),
            trusted,
            silent_after_s: i64::from(config.silent_minutes) * 60,
            announce: config.announce,
            http: reader::http()?,
            state: Mutex::default(),
        })
    }

    /// Fetches its newest snapshot, blocking for at most ten seconds.
    pub fn look(&self, now: i64) {
        let newest = reader::fetch_newest_with(&self.http, &self.mirrors, &self.trusted, now);
        let mut state = lock(&self.state);
        state.looked_at = Some(now);
        match newest {
            Ok(newest) => {
                let board = newest.reading.board();
                // Only a newer number is a sign of life: a mirror shows the last one for ever.
                if board.seq > state.seq {
                    state.seq = board.seq;
                    state.heard_at = Some(board.generated_at.min(now));
                }
                state.last_error = None;
            }
            Err(error) => state.last_error = Some(error.to_string()),
        }
        let heard_at = *state.heard_at.get_or_insert(now);
        let is_silent = now - heard_at > self.silent_after_s;
        match (is_silent, state.silent_since) {
            (true, None) => {
                tracing::warn!(peer = self.name, "the peer is silent");
                state.silent_since = Some(heard_at);
            }
            (false, Some(since)) => {
                tracing::info!(peer = self.name, "the peer is back");
                state.silent_since = None;
                state.last_silence = Some((since, heard_at));
            }
            _ => {}
        }
    }

    /// Whether it published nothing valid for too long.
    pub fn is_silent(&self) -> bool {
        lock(&self.state).silent_since.is_some()
    }

    /// How it is.
    pub fn health(&self) -> PeerHealth {
        let state = lock(&self.state);
        PeerHealth {
            name: self.name.clone(),
            silent: state.silent_since.is_some(),
            heard_at: state.heard_at,
            seq: state.seq,
            last_error: state.last_error.clone(),
        }
    }

    /// What is to be told of it, if it is to be told.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        if !self.announce {
            return Vec::new();
        }
        let state = lock(&self.state);
        let now_silent =
            state.silent_since.map(|since| topic::of_peer(&self.name, since, None, &self.mirrors));
        let was_silent = state
            .last_silence
            .map(|(since, back_at)| topic::of_peer(&self.name, since, Some(back_at), &self.mirrors));
        now_silent.into_iter().chain(was_silent).collect()
    }
}

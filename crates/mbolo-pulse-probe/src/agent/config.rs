//! The agent's configuration, one TOML file.
//!
//! ```toml
//! name = "libreville-1"
//! collector = "https://pulse.example"
//! key_file = "agent.key"          # made at the first start
//! queue_dir = "queue"             # left out: what waits is lost at a restart
//! interval_s = 60
//! recipes = ["whatsapp"]
//!
//! [[anchor]]                      # at least three, in different networks
//! url = "https://one.example/"
//! asn = 64496
//!
//! [[target]]
//! service = "bank"
//! url = "https://bank.example/"
//! contains = "Welcome"
//! ```

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mbolo_pulse::model::{Asn, ServiceId};
use serde::Deserialize;

use crate::error::ProbeError;
use crate::prober::Timeouts;
use crate::target::{Check, Target};
use crate::whatsapp;

/// Fewer networks cannot tell whose fault it is.
pub const MIN_ANCHOR_NETWORKS: usize = 3;

const MAX_TARGETS: usize = 256;
const MAX_ANCHORS: usize = 32;
const MAX_NAME_BYTES: usize = 64;
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What an agent does, and for whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// For people.
    pub name: String,
    /// The collector's address, without a path: `https://pulse.example`.
    pub collector: String,
    /// Where the agent's key is, or will be.
    pub key_file: PathBuf,
    /// Where batches wait while the collector is away; in memory if left out.
    pub queue_dir: Option<PathBuf>,
    /// So many batches wait at most; then the oldest is dropped. A day's by default.
    #[serde(default = "a_day_of_batches")]
    pub queue_batches: usize,
    /// Seconds from one round to the next, 10 to 3600.
    #[serde(default = "a_minute")]
    pub interval_s: u64,
    /// Targets measured at a time, 1 to 64.
    #[serde(default = "usual_concurrency")]
    pub concurrency: usize,
    /// Resolvers to ask instead of the system's.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// PEM files of further certificates to trust.
    #[serde(default)]
    pub trust: Vec<PathBuf>,
    /// How long each phase may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Built-in sets of targets: `whatsapp`.
    #[serde(default)]
    pub recipes: BTreeSet<String>,
    /// What the agent must reach itself before it speaks of others.
    #[serde(default, rename = "anchor")]
    pub anchors: Vec<Anchor>,
    /// What is measured.
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
}

/// Something that nearly never fails and belongs to none of the services that are watched.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenAnchor")]
pub struct Anchor {
    /// How it is measured.
    pub target: Target,
    /// The network it is in.
    pub asn: Asn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAnchor {
    url: String,
    asn: Asn,
}

impl TryFrom<WrittenAnchor> for Anchor {
    type Error = ProbeError;

    fn try_from(written: WrittenAnchor) -> Result<Self, ProbeError> {
        Ok(Self { target: Target::new(service("anchor")?, &written.url)?, asn: written.asn })
    }
}

impl AgentConfig {
    /// Reads a file; paths in it are relative to it.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense; the message says what to change.
    pub fn load(path: &Path) -> Result<Self, ProbeError> {
        let failed = |error| ProbeError::File { path: path.display().to_string(), error };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
            return Err(ProbeError::Config(format!("it is larger than {MAX_FILE_BYTES} bytes")));
        }
        let mut config = Self::parse(&std::fs::read_to_string(path).map_err(failed)?)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.key_file = folder.join(&config.key_file);
        config.queue_dir = config.queue_dir.map(|queue| folder.join(queue));
        config.trust.iter_mut().for_each(|file| *file = folder.join(&*file));
        Ok(config)
    }

    /// Reads text and checks that it makes sense.
    ///
    /// # Errors
    /// As for [`AgentConfig::load`].
    pub fn parse(text: &str) -> Result<Self, ProbeError> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ProbeError> {
        let wrong = |why: String| Err(ProbeError::Config(why));
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || self.name.chars().any(char::is_control)
        {
            return wrong(format!("name: 1 to {MAX_NAME_BYTES} bytes of text"));
        }
        if !(10..=3_600).contains(&self.interval_s) {
            return wrong("interval_s: 10 to 3600".into());
        }
        if !(1..=64).contains(&self.concurrency) {
            return wrong("concurrency: 1 to 64".into());
        }
        if self.queue_batches == 0 {
            return wrong("queue_batches: at least 1".into());
        }
        let networks: BTreeSet<Asn> = self.anchors.iter().map(|anchor| anchor.asn).collect();
        if networks.len() < MIN_ANCHOR_NETWORKS || networks.contains(&Asn(0)) {
            return wrong(format!(
                "an agent needs anchors in at least {MIN_ANCHOR_NETWORKS} different networks (asn), there are {}",
                networks.len()
            ));
        }
        if self.anchors.len() > MAX_ANCHORS || self.targets.len() > MAX_TARGETS {
            return wrong(format!("at most {MAX_ANCHORS} anchors and {MAX_TARGETS} targets"));
        }
        if let Some(unknown) = self.recipes.iter().find(|name| *name != whatsapp::NAME) {
            return wrong(format!("there is no recipe “{unknown}”; there is {}", whatsapp::NAME));
        }
        if self.targets.is_empty() && self.recipes.is_empty() {
            return wrong("there is nothing to measure: add a [[target]] or a recipe".into());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.targets.iter().find(|target| !seen.insert((&target.service, &target.text)))
        {
            return wrong(format!("{} is there twice for {}", twice.text, twice.service));
        }
        self.collector_target().map(|_| ())
    }

    /// Where batches go.
    pub(crate) fn collector_target(&self) -> Result<Target, ProbeError> {
        let address = format!("{}/v1/agent/results", self.collector.trim_end_matches('/'));
        let target = Target::new(service("collector")?, &address)?;
        match target.check {
            Check::Http { .. } => Ok(target),
            _ => Err(ProbeError::Config("collector: an address with http or https".into())),
        }
    }
}

fn service(name: &str) -> Result<ServiceId, ProbeError> {
    ServiceId::new(name).ok_or_else(|| ProbeError::Config(format!("“{name}” is not a service")))
}

fn a_day_of_batches() -> usize {
    24 * 60
}

fn a_minute() -> u64 {
    60
}

fn usual_concurrency() -> usize {
    crate::DEFAULT_CONCURRENCY
}

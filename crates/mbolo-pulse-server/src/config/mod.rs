//! What an operator can set. One TOML file; the environment over it; flags over both.
//!
//! Every key has a default, so an observatory starts with no file at all: it then watches this installation's cell and
//! four well-known services. `docs/pulse.example.toml` documents every key, and a test reads it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use mbolo_pulse::{Asn, Country};
use mbolo_pulse_publish::PublishConfig;
use serde::Deserialize;

mod limits;
mod services;

pub use limits::Limits;
pub use services::{ProbeTarget, ServiceConfig, default_services, host_of};

use crate::edge::Network;

/// Why a configuration cannot be used. Every message names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not TOML, or has a key that does not exist or a value of the wrong type.
    #[error("in the configuration: {0}")]
    File(Box<toml::de::Error>),
    /// A value from the environment or a flag cannot be used.
    #[error("{key}: {message}")]
    Value {
        /// Its name.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// Two values do not fit together.
    #[error("in the configuration: {0}")]
    Inconsistent(String),
}

/// What an observatory is started with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address and port to serve on.
    pub listen: SocketAddr,
    /// Where the store lives.
    pub data: PathBuf,
    /// Who runs the observatory, for people.
    pub observatory: String,
    /// How it is reached from outside, without a slash at the end. Not set: `http://` and `listen`.
    pub public_url: Option<String>,
    /// What an operator says as `Authorization: Bearer …`. Not set: the operator's endpoints are closed.
    pub operator_token: Option<String>,
    /// A file packed by `mbolo pulse geo build`. Not set: everything is counted for the world only.
    pub geo: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long a minute stays open after its end, so that cells and agents can deliver, seconds.
    pub grace_seconds: u32,
    /// How long counts are kept, days.
    pub keep_days: u32,
    /// How much history the detector reads on start, days.
    pub replay_days: u32,
    /// Bounds on what comes from outside.
    pub limits: Limits,
    /// What is watched.
    pub services: Vec<ServiceConfig>,
    /// Cells that may push their gauge.
    pub cells: Vec<CellConfig>,
    /// Agents that may push results.
    pub agents: Vec<AgentConfig>,
    /// Announcements, signed snapshots, observatories that are watched. Not set: none.
    pub publish: Option<PublishConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7979)),
            data: PathBuf::from("pulse-data"),
            observatory: "Mbolo Pulse".to_owned(),
            public_url: None,
            operator_token: None,
            geo: None,
            trusted_proxies: Vec::new(),
            grace_seconds: 8,
            keep_days: 400,
            replay_days: 56,
            limits: Limits::default(),
            services: default_services(),
            cells: Vec::new(),
            agents: Vec::new(),
            publish: None,
        }
    }
}

/// A cell that pushes its gauge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    /// As in its batches and on the page.
    pub name: String,
    /// Its public key.
    pub key: PublicKey,
    /// The service that its sockets belong to.
    #[serde(default = "own_service")]
    pub service: String,
}

fn own_service() -> String {
    "mbolo".to_owned()
}

/// An agent that measures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// As in its results and on the page.
    pub name: String,
    /// Its public key.
    pub key: PublicKey,
    /// Where it stands. The observatory's word counts here, not the agent's.
    pub cc: Country,
    /// Through which network it measures.
    pub asn: Asn,
}

/// An Ed25519 public key, 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub VerifyingKey);

impl PublicKey {
    /// Checks that it is a key: 64 hexadecimal digits, or a cell's id as the cell prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = match text.len() {
            CELL_ID_CHARACTERS => {
                data_encoding::BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?
            }
            _ => data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?,
        };
        VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Self::parse(&hex).ok_or_else(|| {
            serde::de::Error::custom(
                "a key is 64 hexadecimal digits of Ed25519, or the id that a cell prints when it starts",
            )
        })
    }
}

/// 32 bytes in base32.
const CELL_ID_CHARACTERS: usize = 52;

/// What flags say; what is `None` is left to the environment, the file and the defaults.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Config::data`].
    pub data: Option<PathBuf>,
    /// See [`Config::geo`].
    pub geo: Option<PathBuf>,
    /// See [`Config::public_url`].
    pub public_url: Option<String>,
    /// See [`Config::operator_token`].
    pub operator_token: Option<String>,
}

impl Config {
    /// Defaults, then the file, then `MBOLO_PULSE_{LISTEN,DATA,GEO,PUBLIC_URL,OPERATOR_TOKEN}`, then `overrides`.
    ///
    /// # Errors
    /// Every message names the key and what to change.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?,
            None => String::new(),
        };
        Self::layered(&text, |name| std::env::var(name).ok(), overrides)
    }

    /// [`Config::load`] with the file's text and the environment given.
    pub fn layered(
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::File(Box::new(error)))?;
        let variable = |key: &str| {
            let name = format!("MBOLO_PULSE_{key}");
            environment(&name).filter(|value| !value.is_empty()).map(|value| (name, value))
        };
        if let Some((key, value)) = variable("LISTEN") {
            let message = "not an address with a port, such as 127.0.0.1:7979".to_owned();
            config.listen = value.parse().map_err(|_| ConfigError::Value { key, message })?;
        }
        let path = |key| variable(key).map(|(_, value)| PathBuf::from(value));
        config.listen = overrides.listen.unwrap_or(config.listen);
        config.data = overrides.data.or(path("DATA")).unwrap_or(config.data);
        config.geo = overrides.geo.or(path("GEO")).or(config.geo);
        let text = |key| variable(key).map(|(_, value)| value);
        config.public_url = overrides.public_url.or(text("PUBLIC_URL")).or(config.public_url);
        config.operator_token = overrides.operator_token.or(text("OPERATOR_TOKEN")).or(config.operator_token);
        let probes = config.services.iter_mut().try_for_each(ServiceConfig::check_probes);
        probes.map_err(ConfigError::Inconsistent)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError::Inconsistent(message));
        if self.services.is_empty() || self.services.len() > 200 {
            return wrong("services: between 1 and 200 can be watched".to_owned());
        }
        let mut names = BTreeSet::new();
        for service in &self.services {
            for name in std::iter::once(&service.id).chain(&service.aliases) {
                if !names.insert(name) {
                    return wrong(format!("services: `{name}` is there twice, as an id or an alias"));
                }
            }
        }
        let mut cells = BTreeSet::new();
        for cell in &self.cells {
            if !cells.insert(&cell.name) || cell.name.is_empty() || cell.name.len() > 255 {
                return wrong(format!("cells: `{}` is empty, too long or there twice", cell.name));
            }
            if self.services.iter().all(|service| service.id.as_str() != cell.service) {
                return wrong(format!(
                    "cells: `{}` belongs to `{}`, which is no service",
                    cell.name, cell.service
                ));
            }
        }
        let mut agents = BTreeSet::new();
        if let Some(agent) = self.agents.iter().find(|agent| !agents.insert(&agent.name)) {
            return wrong(format!("agents: `{}` is there twice", agent.name));
        }
        if self.operator_token.as_ref().is_some_and(|token| token.len() < 16) {
            return wrong("operator_token: shorter than 16 characters can be guessed".to_owned());
        }
        if self.public_url.as_ref().is_some_and(|url| !url.starts_with("http")) {
            return wrong("public_url: begins with http:// or https://".to_owned());
        }
        if self.grace_seconds > 50 {
            return wrong("grace_seconds: at most 50, a minute later the next one is due".to_owned());
        }
        self.limits.check().map_err(ConfigError::Inconsistent)
    }

    /// How it is reached from outside, without a slash at the end.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }

    /// The service of this id or alias.
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.services.iter().find(|service| {
            service.id.as_str() == name || service.aliases.iter().any(|alias| alias.as_str() == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../docs/pulse.example.toml");

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flags_go_over_the_environment_over_the_file_over_the_defaults() {
        let environment = |name: &str| match name {
            "MBOLO_PULSE_DATA" => Some("/from-environment".to_owned()),
            "MBOLO_PULSE_LISTEN" => Some("127.0.0.1:1".to_owned()),
            _ => None,
        };
        let overrides = Overrides { listen: Some("127.0.0.1:2".parse().unwrap()), ..Overrides::default() };
        let config = Config::layered("data = \"x\"\nkeep_days = 7", environment, overrides).unwrap();
        assert_eq!(config.data, PathBuf::from("/from-environment"));
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.keep_days, 7);
        assert_eq!(config.services.len(), 5);
    }

    #[test]
    fn mistakes_are_named() {
        let message =
            |text: &str| Config::layered(text, nothing, Overrides::default()).unwrap_err().to_string();
        assert!(message("colour = 1").contains("colour"));
        assert!(message("operator_token = \"short\"").contains("operator_token"));
        assert!(message("[[cells]]\nname=\"c\"\nkey=\"00\"").contains("hexadecimal"));
        let twice = "[[services]]\nid=\"a\"\nname=\"A\"\n[[services]]\nid=\"b\"\nname=\"B\"\naliases=[\"a\"]";
        assert!(message(twice).contains("`a` is there twice"));
        let probes =
            |probes: &str| message(&format!("[[services]]\nid=\"a\"\nname=\"A\"\nprobes=[{probes}]"));
        for wrong in ["", "example.org", "gopher://example.org", "recipe:nope", "tcp://example.org"] {
            let said = probes(&format!("{{ target = \"{wrong}\" }}"));
            assert!(said.contains("a probe of `a`") && said.contains(wrong), "{said}");
        }
        let twice = "{ target = \"https://A.example:443/\" }, { target = \"https://a.example\" }";
        assert!(probes(twice).contains("https://a.example twice"));
        assert!(message("trusted_proxies = [\"10.0.0.0/99\"]").contains("10.0.0.0/99"));
    }

    #[test]
    fn the_example_shows_the_defaults_and_every_key() {
        let example = Config::layered(EXAMPLE, nothing, Overrides::default()).unwrap();
        let default = Config::default();
        assert_eq!(format!("{:?}", example.limits), format!("{:?}", default.limits));
        assert_eq!(format!("{:?}", example.services), format!("{:?}", default.services));
        assert_eq!((example.listen, example.data), (default.listen, default.data));
        for key in
            ["public_url", "operator_token", "geo", "trusted_proxies", "cells", "agents", "official_feed"]
        {
            assert!(EXAMPLE.contains(key), "{key} is not in the example");
        }
        // With the optional keys switched on as well it is still a configuration.
        let all: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let all = Config::layered(&all, nothing, Overrides::default()).unwrap();
        assert_eq!((all.cells.len(), all.agents.len()), (1, 1));
        assert!(all.operator_token.is_some() && all.geo.is_some() && !all.trusted_proxies.is_empty());
    }
}

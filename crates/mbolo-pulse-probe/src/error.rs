//! What keeps a prober or an agent from starting. Failures of what is measured are outcomes, not errors.

use std::io;

/// Said to the operator.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A target that cannot be measured.
    #[error("“{target}” is not a target: {why}")]
    Target {
        /// As written.
        target: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Every certificate would look wrong.
    #[error(
        "the system has no certificates to check others with; install them (Debian: ca-certificates) or name some with `trust`"
    )]
    NoRoots,
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file of certificates without certificates.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// The configuration does not parse.
    #[error("the agent's configuration is wrong: {0}")]
    Syntax(#[from] toml::de::Error),
    /// The configuration parses and makes no sense.
    #[error("the agent's configuration is wrong: {0}")]
    Config(String),
    /// The key file is damaged.
    #[error("{0} does not hold an agent's key (64 hexadecimal digits); move it away to get a new one")]
    Key(String),
}

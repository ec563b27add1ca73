//! Why a server does not start or does not go on: one sentence each, with what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;

/// Ends `mbolo serve`. Each variant says what its operator can do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another program listens there.
    #[error(
        "{0} is already in use: stop the program that listens there, or choose another address with --listen"
    )]
    AddressInUse(SocketAddr),
    /// The system does not let us listen there.
    #[error("cannot listen on {address} ({error}): choose another address with --listen")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Another server holds the data directory.
    #[error(
        "another server is using the data directory {0}: stop it first, or choose another directory with --data"
    )]
    DataInUse(PathBuf),
    /// The data directory cannot be made, read or written.
    #[error(
        "cannot use {path} ({error}): give the data directory to the user that runs the server, or choose another with --data"
    )]
    DataUnusable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A key file does not hold a key.
    #[error(
        "{0} is damaged: put back its copy from a backup (the server never makes a new key over an old one)"
    )]
    KeyDamaged(PathBuf),
    /// There is a store, but not a key it was made with.
    #[error(
        "{0} is missing, but there is a store: put the key back from a backup (another one does not fit it)"
    )]
    KeyMissing(PathBuf),
    /// The store cannot be opened. The engine says what to do, if it is damaged.
    #[error("the store in {path} cannot be opened: {message}")]
    Store {
        /// The store's directory.
        path: PathBuf,
        /// What the engine said.
        message: String,
    },
    /// The certificate or its key cannot be used.
    #[error("the TLS certificate cannot be used: {0}")]
    Certificate(String),
    /// The table of countries and networks cannot be used.
    #[error("pulse_geo: {0}")]
    Geo(#[from] mbolo_geo::GeoError),
    /// The store failed while running; acknowledged entries are safe.
    #[error(
        "the store failed and the server stopped so that nothing is lost: {0}; check the disk, then start again"
    )]
    StoreFailed(String),
    /// Something else the system refused.
    #[error("{0}")]
    Other(String),
}

//! The runtime around the cell core: sockets, TLS, HTTP, metrics, configuration.
//!
//! One thread owns the core and the store; gateway threads own the connections. [`run`] starts them and returns when
//! the server has stopped.

mod assets;
mod config;
mod error;
mod shutdown;

pub use assets::{Asset, Assets};
pub use config::{Config, ConfigError, Layer, LogFormat, Setting, SettingInfo, Signup, Tls, example, settings};
pub use error::ServeError;
pub use shutdown::Shutdown;

/// Runs a cell until `shutdown` is triggered or it cannot go on. Blocks.
pub fn run(config: Config, assets: Assets, shutdown: Shutdown) -> Result<(), ServeError> {
    let _ = (config, assets, shutdown);
    Err(ServeError::Other("not yet".to_owned()))
}

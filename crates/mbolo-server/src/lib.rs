//! The runtime around the cell core: sockets, TLS, HTTP, metrics, configuration.
//!
//! One thread owns the core and the store (`core_loop`), a few own the connections (`gateway`). [`run`] starts them and
//! returns when the server has stopped; [`Server`] is the same in two steps, for programs that do more than serve.

mod assets;
mod certificate;
mod config;
mod core_loop;
mod error;
mod gateway;
mod keys;
mod logging;
mod metrics;
mod pulse;
mod server;
mod shared;
mod shutdown;

pub use assets::{Asset, Assets};
pub use config::{
    Config, ConfigError, Layer, LogFormat, Setting, SettingInfo, Signup, Tls, example, settings,
};
pub use error::ServeError;
pub use keys::mint_invite;
pub use server::{Server, run};
pub use shared::Patience;
pub use shutdown::Shutdown;

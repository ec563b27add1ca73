//! Puts an observatory together, runs it, and takes it apart again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use mbolo_geo::GeoError;
use mbolo_pulse_publish::{OpenError, PublishConfig, Publisher, Running};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::config::Config;
use crate::edge::Edge;
use crate::http::{Limited, Peer, router};
use crate::live::{Commands, Live};
use crate::official::Official;
use crate::shared::{Shared, empty_board};
use crate::store::{Store, StoreError, board};

/// Why an observatory cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is something else using it?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The geo file cannot be used.
    #[error("geo = {path:?}: {error}")]
    Geo {
        /// Which.
        path: PathBuf,
        /// Why.
        error: GeoError,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Announcements or snapshots cannot be used as configured.
    #[error(transparent)]
    Publish(#[from] OpenError),
    /// The system refuses something basic.
    #[error("the system refuses to go on: {0}")]
    System(#[from] std::io::Error),
}

/// A running observatory. Dropping it without [`Observatory::stop`] ends it all the same, less politely.
pub struct Observatory {
    address: SocketAddr,
    shared: Arc<Shared>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    publishing: Option<Running>,
    stop_serving: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// What is different from an ordinary observatory.
pub(crate) struct Staging {
    pub(crate) clock: Clock,
    pub(crate) edge: Option<Edge>,
}

/// Opens the publisher with the names that services have now.
fn open_publisher(config: &Config, mut publish: PublishConfig) -> Result<Publisher, ServeError> {
    let named = |name: &str| config.service(name).map(|service| service.id.to_string());
    for name in publish.webhooks.iter_mut().flat_map(|hook| &mut hook.services) {
        *name = named(name).unwrap_or_else(|| name.clone());
    }
    let publisher = Publisher::open(&config.data.join("publish.sqlite"), publish)?;
    let aliases = config
        .services
        .iter()
        .flat_map(|service| service.aliases.iter().map(|alias| (alias.to_string(), service.id.to_string())));
    publisher.rename(&aliases.collect()).map_err(OpenError::from)?;
    Ok(publisher)
}

impl Observatory {
    /// Opens the store, begins to serve, and reads the history in the background; the last board is served until then.
    ///
    /// # Errors
    /// When the address, the store or a configured file cannot be used. The message says which.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        Self::staged(config, Staging { clock: Clock::system(), edge: None }).await
    }

    pub(crate) async fn staged(config: Config, staging: Staging) -> Result<Self, ServeError> {
        let store = Store::open(&config.data, config.limits.store_megabytes)?;
        let edge = match staging.edge {
            Some(edge) => edge,
            None => Edge::new(config.geo.as_deref(), config.trusted_proxies.clone())
                .map_err(|error| ServeError::Geo { path: config.geo.clone().unwrap_or_default(), error })?,
        };
        let publisher = match &config.publish {
            Some(publish) => Some(open_publisher(&config, publish.clone())?),
            None => None,
        };
        let last = store.read(board)?;
        let last = last.unwrap_or_else(|| empty_board(&config, staging.clock.now()));
        let (commands, received) = Commands::new();
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| ServeError::Listen { address: config.listen, error })?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(config, staging.clock, edge, store, publisher, commands, last)?);
        // The last board is an old one; what limits the observatory is said as of now.
        let mut last = shared.published().board.as_ref().clone();
        last.limits = shared.limits();
        shared.publish(last);
        let publishing = shared.publisher.as_ref().map(Publisher::spawn);
        let ended = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let (live, stop) = (shared.clone(), ended.clone());
        threads.push(std::thread::Builder::new().name("pulse-live".to_owned()).spawn(move || {
            match Live::start(live) {
                Ok(live) => live.run(&received, &stop),
                // The page goes on with the last board, which turns grey.
                Err(error) => tracing::error!(%error, "the history cannot be read; nothing new is shown"),
            }
        })?);
        threads.extend(Official::start(&shared, &ended)?);
        let limited =
            Limited::new(listener, shared.config.limits.connections, shared.config.trusted_proxies.clone());
        let app = router(shared.clone()).into_make_service_with_connect_info::<Peer>();
        let (stop_serving, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            // A dropped sender means the same as a sent word.
            axum::serve(limited, app).with_graceful_shutdown(async move { drop(stopped.await) }).await
        });
        tracing::info!(%address, "the observatory is up");
        Ok(Self { address, shared, ended, threads, publishing, stop_serving: Some(stop_serving), serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers what was begun, keeps what was counted, and ends.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop_serving.take() {
            let _ = stop.send(());
        }
        let patience = std::time::Duration::from_secs(5);
        if tokio::time::timeout(patience, &mut self.serving).await.is_err() {
            // Somebody holds a connection open and says nothing; what was sent was answered long ago.
            self.serving.abort();
        }
        self.ended.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        let publishing = self.publishing.take();
        let joined = tokio::task::spawn_blocking(move || {
            drop(publishing);
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a part of the observatory had failed");
        }
    }
}

impl Drop for Observatory {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.serving.abort();
    }
}

/// Runs an observatory until the process is asked to end (SIGINT, SIGTERM).
///
/// # Errors
/// When it cannot begin; see [`Observatory::start`].
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let observatory = Observatory::start(config).await?;
    asked_to_end().await?;
    tracing::info!("the observatory ends");
    observatory.stop().await;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

//! Starting and stopping: what is opened in which order, and what is said when it fails.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mbolo_cell::{Cell, OpenError};
use mbolo_engine::{EngineError, FjallEngine};
use mbolo_geo::Geo;
use mbolo_isitme::{CellInfo, Pulse, WEB_ANCHORS};
use mbolo_proto::CellId;
use mio::Poll;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::assets::{Assets, Site};
use crate::certificate::certificate;
use crate::config::{Config, Signup, Tls};
use crate::core_loop::{self, CoreQueue, now_ms};
use crate::error::ServeError;
use crate::gateway::{self, Gateway, Listener, Mail, Mailbox};
use crate::keys::{DataDirectory, invite_key};
use crate::logging::init_logging;
use crate::pulse::{self, Target};
use crate::shared::{Limits, Patience, Shared};
use crate::shutdown::Shutdown;

/// A running cell.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    core_queue: Arc<CoreQueue>,
    core: JoinHandle<Result<(), ServeError>>,
    mailboxes: Vec<Arc<Mailbox>>,
    gateways: Vec<JoinHandle<io::Result<()>>>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    tls: bool,
    fingerprint: Option<String>,
    /// Dropping it ends the counting for the observatory.
    _stop_counting: mpsc::Sender<()>,
    /// Held until all threads have ended.
    _data: DataDirectory,
}

impl Server {
    /// Opens the data directory, the store and the sockets, and begins to serve. `stopped` is triggered if the cell
    /// cannot go on; [`Server::stop`] then says why.
    pub fn start(config: &Config, assets: Assets, stopped: &Shutdown) -> Result<Self, ServeError> {
        Self::start_with(config, assets, stopped, Patience::default())
    }

    /// As [`Server::start`], with other timeouts.
    pub fn start_with(
        config: &Config,
        assets: Assets,
        stopped: &Shutdown,
        patience: Patience,
    ) -> Result<Self, ServeError> {
        let data = DataDirectory::open(&config.data)?;
        let mut listeners = vec![listen(config.listen, false)?];
        let address = gateway::local_address(&listeners[0]).map_err(other)?;
        let mut metrics_address = None;
        if let Some(wanted) = config.metrics_listen {
            let listener = listen(wanted, true)?;
            metrics_address = Some(gateway::local_address(&listener).map_err(other)?);
            listeners.push(listener);
        }
        let certificate = certificate(config, &data)?;
        let keys = data.keys()?;
        raise_descriptor_limit(config.max_connections);

        let geo = config.pulse_geo.as_deref().map(Geo::open).transpose()?;
        let cell_id = CellId(keys.cell.verifying_key().to_bytes());
        let cell_name = config.name.clone().unwrap_or_else(|| address.to_string());
        let target = config.pulse_url.as_ref().map(|url| Target {
            url: url.trim_end_matches('/').to_owned(),
            cell_name: cell_name.clone(),
            key: keys.cell.clone(),
        });
        let shared = Shared::new(
            Site::new(assets, config.web_dir.clone()).asking(&asked_by_the_page(config)),
            cell_id,
            config.metrics_listen.is_none(),
            Limits {
                connections: config.max_connections.into(),
                connections_per_address: config.max_connections_per_address,
                send_queue_bytes: config.send_queue_bytes as usize,
            },
            patience,
        );
        let shared = Arc::new(shared.introduced(introduction(config, cell_name, cell_id), geo));
        let core_queue = Arc::new(CoreQueue::default());

        let mut polls = Vec::new();
        let mut mailboxes = Vec::new();
        for _ in 0..gateway_count(config) {
            let poll = Poll::new().map_err(other)?;
            mailboxes.push(Arc::new(Mailbox::new(&poll).map_err(other)?));
            polls.push(poll);
        }

        let tls = certificate.as_ref().map(|certificate| certificate.config.clone());
        let mut gateways = Vec::new();
        for (number, poll) in polls.into_iter().enumerate() {
            let gateway = Gateway::new(
                number,
                poll,
                std::mem::take(&mut listeners),
                mailboxes.clone(),
                tls.clone(),
                shared.clone(),
                core_queue.clone(),
            );
            gateways.push(gateway.map_err(other)?);
        }

        let mut core_config = core_config(config, &address);
        core_config.invite_key = invite_key(&keys.cell);
        let engine_directory = data.engine();
        let (opened, is_open) = mpsc::channel();
        let core = {
            let (shared, queue, mailboxes) = (shared.clone(), core_queue.clone(), mailboxes.clone());
            let stopped = stopped.clone();
            spawn("core", move || {
                let store_error =
                    |message: String| ServeError::Store { path: engine_directory.clone(), message };
                let engine = match FjallEngine::open(&engine_directory) {
                    Ok(engine) => engine,
                    Err(EngineError::Locked { dir }) => return Err(ServeError::DataInUse(dir)),
                    Err(error) => return Err(store_error(error.to_string())),
                };
                let cell = Cell::open(engine, keys, core_config, now_ms()).map_err(|error| match error {
                    OpenError::Engine(EngineError::Locked { dir }) => ServeError::DataInUse(dir),
                    error => store_error(error.to_string()),
                })?;
                shared.set_stats(cell.stats());
                // The one who started us may have given up; then the queue is stopped as well.
                let _ = opened.send(());
                let result =
                    core_loop::run(cell, &queue, &mailboxes, &shared).map_err(ServeError::StoreFailed);
                stopped.trigger();
                result
            })?
        };
        if is_open.recv().is_err() {
            return Err(match join(core) {
                Ok(()) => ServeError::Other("the core ended before it began".to_owned()),
                Err(error) => error,
            });
        }

        let gateways = gateways.into_iter().enumerate().map(|(number, gateway)| {
            let stopped = stopped.clone();
            spawn(&format!("gateway-{number}"), move || {
                let result = gateway.run();
                stopped.trigger();
                result
            })
        });
        let gateways = gateways.collect::<Result<_, _>>()?;
        let (stop_counting, counting_stops) = mpsc::channel();
        if target.is_some() || config.pulse_geo.is_some() {
            let (shared, mailboxes) = (shared.clone(), mailboxes.clone());
            let gauge = pulse::Gauge::open(data.regions());
            // Nobody waits for it: what it does at the end is not worth a second of anybody's time.
            spawn("pulse", move || pulse::run(&shared, &mailboxes, target, gauge, &counting_stops))?;
        }
        Ok(Self {
            shared,
            core_queue,
            core,
            mailboxes,
            gateways,
            address,
            metrics_address,
            tls: config.tls != Tls::Off,
            fingerprint: certificate.and_then(|certificate| certificate.fingerprint),
            _stop_counting: stop_counting,
            _data: data,
        })
    }

    /// Where it listens; the real port if the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves metrics, if that is an address of its own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What to open in a browser on this machine.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{scheme}://{address}/")
    }

    /// SHA-256 of the generated certificate, if there is one.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Stops in order: no new connections, everything that was received is done and answered, everybody is told, and
    /// what waits is sent. Fails with what had stopped the cell before, if something had.
    pub fn stop(self) -> Result<(), ServeError> {
        self.shared.stopping.store(true, Relaxed);
        for mailbox in &self.mailboxes {
            mailbox.post(Mail::StopAccepting);
        }
        self.core_queue.stop();
        let core = join(self.core);
        for mailbox in &self.mailboxes {
            mailbox.post(Mail::Drain { patience: DRAIN_PATIENCE });
        }
        let mut gateways = Ok(());
        for gateway in self.gateways {
            gateways = gateways.and(match gateway.join() {
                Ok(result) => result.map_err(other),
                Err(_) => Err(ServeError::Other("a gateway ended unexpectedly; this is a bug".to_owned())),
            });
        }
        core.and(gateways)
    }
}

/// Runs a cell until `shutdown` is triggered or it cannot go on. Prints one line with its address, blocks, and returns
/// when everything has been sent and stored.
pub fn run(config: Config, assets: Assets, shutdown: Shutdown) -> Result<(), ServeError> {
    init_logging(&config)?;
    let server = Server::start(&config, assets, &shutdown)?;
    let mut greeting = format!("Mbolo is listening on {}", server.url());
    if let Some(fingerprint) = server.fingerprint() {
        greeting.push_str(&format!(" with a self-signed certificate, SHA-256 {fingerprint}"));
    }
    // Whoever started us may not be listening; the cell serves all the same.
    let _ = writeln!(io::stdout(), "{greeting}");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), cell = %server.shared.cell_id, "serving");
    shutdown.wait();
    tracing::info!("stopping");
    server.stop()?;
    tracing::info!("stopped");
    Ok(())
}

fn core_config(config: &Config, address: &SocketAddr) -> mbolo_cell::Config {
    mbolo_cell::Config {
        cell_name: config.name.clone().unwrap_or_else(|| address.to_string()),
        signup_open: config.signup == Signup::Open,
        signup_invite: config.signup != Signup::Closed,
        pow_bits: config.pow_bits,
        login_rate_per_s: config.login_rate,
        login_burst: config.login_burst,
        publish_rate_per_s: config.publish_rate,
        request_rate_per_s: config.request_rate,
        request_burst: config.request_burst,
        publish_burst: config.publish_burst,
        retention_days: config.retention_days,
        ..mbolo_cell::Config::default()
    }
}

/// What everybody is told about the cell.
fn introduction(config: &Config, name: String, cell: CellId) -> CellInfo {
    let pulse = config.pulse_url.as_ref().map(|url| Pulse {
        url: url.clone(),
        service: config.pulse_service.clone(),
        snapshots: config.pulse_snapshots.clone(),
        keys: config.pulse_keys.iter().map(|key| key.to_ascii_lowercase()).collect(),
    });
    CellInfo { name, cell: cell.to_string(), pulse, alternates: config.alternates.clone(), place: None }
        .checked()
}

/// Whom the web client may ask when the cell does not answer.
fn asked_by_the_page(config: &Config) -> Vec<&str> {
    let own = config.pulse_url.iter().chain(&config.pulse_snapshots).chain(&config.alternates);
    WEB_ANCHORS.into_iter().chain(own.map(String::as_str)).collect()
}

fn gateway_count(config: &Config) -> usize {
    match config.gateway_threads {
        0 => thread::available_parallelism().map_or(1, |count| count.get() / 2).clamp(1, 16),
        count => count as usize,
    }
}

fn listen(address: SocketAddr, metrics_only: bool) -> Result<Listener, ServeError> {
    gateway::bind(address, metrics_only).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::CannotListen { address, error },
    })
}

/// Asks the system for as many descriptors as it gives; a limit of 1,024 is common and far too low.
fn raise_descriptor_limit(max_connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::debug!(%error, "the limit of file descriptors stays as it is");
    }
    let needed = u64::from(max_connections) + SPARE_DESCRIPTORS;
    if let Some(available) = getrlimit(Resource::Nofile).current
        && available < needed
    {
        tracing::warn!(
            available,
            needed,
            "fewer file descriptors than max_connections needs: raise the limit (LimitNOFILE, ulimit -n) or lower it"
        );
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ServeError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(other)
}

fn join(thread: JoinHandle<Result<(), ServeError>>) -> Result<(), ServeError> {
    thread
        .join()
        .unwrap_or_else(|_| Err(ServeError::Other("the core ended unexpectedly; this is a bug".to_owned())))
}

fn other(error: io::Error) -> ServeError {
    ServeError::Other(format!("the system refused something the server needs: {error}"))
}

/// How long an orderly stop waits for those who do not read.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Descriptors for the store, the listeners and the log.
const SPARE_DESCRIPTORS: u64 = 256;

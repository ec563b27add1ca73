//! Takes a target through its phases.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use serde::Deserialize;

use crate::dial::dial;
use crate::dns::Resolver;
use crate::failure::Failure;
use crate::http::{self, Connection};
use crate::outcome::{Outcome, Phase, Trace};
use crate::target::{Check, Target};
use crate::tls::{Roots, Tls};
use crate::{unix_ms, websocket};

/// How long each phase may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Timeouts {
    pub dns_ms: u32,
    pub tcp_ms: u32,
    pub tls_ms: u32,
    pub http_ms: u32,
    pub websocket_ms: u32,
    pub session_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns_ms: 5_000,
            tcp_ms: 5_000,
            tls_ms: 5_000,
            http_ms: 10_000,
            websocket_ms: 5_000,
            session_ms: 5_000,
        }
    }
}

impl Timeouts {
    /// Of one phase.
    pub fn of(&self, phase: Phase) -> Duration {
        Duration::from_millis(u64::from(match phase {
            Phase::Dns => self.dns_ms,
            Phase::Tcp => self.tcp_ms,
            Phase::Tls => self.tls_ms,
            Phase::Http => self.http_ms,
            Phase::WebSocket => self.websocket_ms,
            Phase::Session => self.session_ms,
        }))
    }
}

/// Measures targets. Keeps nothing between two measurements.
#[derive(Clone)]
pub struct Prober {
    resolver: Resolver,
    tls: Tls,
    timeouts: Timeouts,
}

impl Prober {
    /// With a resolver, those who vouch for certificates, and limits.
    pub fn new(resolver: Resolver, roots: Roots, timeouts: Timeouts) -> Self {
        Self { resolver, tls: Tls::new(&roots), timeouts }
    }

    /// Measures all targets, at most `concurrency` of them at a time; outcomes in the order of the targets.
    pub async fn measure_all(&self, targets: &[Target], concurrency: usize) -> Vec<Outcome> {
        // Boxed: the compiler cannot see that a stream of borrowing futures may move between threads.
        let measurements: Vec<_> = targets.iter().map(|target| self.measure(target).boxed()).collect();
        stream::iter(measurements).buffered(concurrency.max(1)).collect().await
    }

    /// Measures one target.
    pub async fn measure(&self, target: &Target) -> Outcome {
        let at_ms = unix_ms();
        let mut trace = Trace::new();
        let result = self.go(target, &mut trace).await;
        trace.finish(target, at_ms, result)
    }

    async fn go(&self, target: &Target, trace: &mut Trace) -> Result<(), Failure> {
        let limit = |phase| self.timeouts.of(phase);
        if target.check == Check::Dns {
            trace.addresses = self.resolve(target, trace).await?;
            return Ok(());
        }
        let stream = self.connect(target, trace).await?;
        let mut status = None;
        let result = match target.check {
            Check::Dns | Check::Tcp | Check::Tls => Ok(()),
            Check::Http { .. } => {
                trace.phase(Phase::Http, limit(Phase::Http), http::check(stream, target, &mut status)).await
            }
            Check::WebSocket { ping, .. } => {
                let opened = async {
                    let mut socket = websocket::open(stream, target, &mut status).await?;
                    if ping { websocket::ping(&mut socket).await } else { Ok(()) }
                };
                trace.phase(Phase::WebSocket, limit(Phase::WebSocket), opened).await
            }
            Check::Session { .. } => {
                let opened = websocket::open(stream, target, &mut status);
                match trace.phase(Phase::WebSocket, limit(Phase::WebSocket), opened).await {
                    Err(failure) => Err(failure),
                    Ok(mut socket) => {
                        let challenge = websocket::challenge(&mut socket);
                        trace.phase(Phase::Session, limit(Phase::Session), challenge).await
                    }
                }
            }
        };
        trace.status = status;
        result
    }

    /// DNS, TCP and, where the target says so, TLS.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        trace: &mut Trace,
    ) -> Result<Box<dyn Connection>, Failure> {
        trace.addresses = self.resolve(target, trace).await?;
        let addresses = trace.addresses.clone();
        let mut connects = Vec::new();
        let dialled = dial(&addresses, target.port, trace.started(), &mut connects);
        let dialled = trace.phase(Phase::Tcp, self.timeouts.of(Phase::Tcp), dialled).await;
        trace.connects = connects;
        let (stream, _) = dialled?;
        // Small questions and answers: waiting to fill a packet would only be measured as delay.
        stream.set_nodelay(true)?;
        if !target.check.tls() {
            return Ok(Box::new(stream));
        }
        let speaks_http = target.check != Check::Tls;
        let handshake = self.tls.connect(&target.host, speaks_http, stream);
        let stream = trace.phase(Phase::Tls, self.timeouts.of(Phase::Tls), handshake).await?;
        Ok(Box::new(stream))
    }

    async fn resolve(&self, target: &Target, trace: &mut Trace) -> Result<Vec<IpAddr>, Failure> {
        match target.host.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => {
                let lookup = self.resolver.lookup(&target.host);
                trace.phase(Phase::Dns, self.timeouts.of(Phase::Dns), lookup).await
            }
        }
    }
}

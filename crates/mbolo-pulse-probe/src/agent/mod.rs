//! A program that measures every minute and tells a collector, signed.
//!
//! Before it speaks of others it looks at itself: it must reach anchors in more than half of the networks they are
//! in. When something failed it looks once more afterwards, because its own link may have broken in between. If it
//! cannot reach them it says only that it abstains, so that one broken link never looks like an outage of everything.

mod batch;
mod config;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use mbolo_pulse::model::{Minute, ServiceId};
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

pub use batch::{AGENT_HEADER, Batch, SIGNATURE_HEADER, TargetResult, is_signed};
pub use config::{AgentConfig, Anchor, MIN_ANCHOR_NETWORKS};

use crate::dns::Resolver;
use crate::error::ProbeError;
use crate::failure::{Class, Failure};
use crate::http::{AGENT_NAME, exchange};
use crate::outcome::Trace;
use crate::prober::Prober;
use crate::sequential::{Rates, Test, Verdict};
use crate::target::Target;
use crate::tls::Roots;
use crate::{unix_ms, whatsapp};
use queue::Queue;

/// Collectors do not take what is older.
const MAX_AGE_MS: i64 = 72 * 3_600 * 1_000;

/// So many batches are sent after one round at most, so that catching up does not push the next round away.
const MAX_SENT_PER_ROUND: usize = 60;

/// One exchange with the collector, after the connection stands.
const POST_FOR: Duration = Duration::from_secs(15);

/// Runs an agent until `shutdown` is done. What waits to be sent stays in the queue's folder.
///
/// # Errors
/// When it cannot start; once it runs, it goes on whatever fails.
pub async fn run_agent(config: AgentConfig, shutdown: impl Future<Output = ()>) -> Result<(), ProbeError> {
    let mut agent = Agent::new(config)?;
    agent.run(shutdown).await;
    Ok(())
}

/// An agent with its key, its queue and what it believes.
pub struct Agent {
    config: AgentConfig,
    collector: Target,
    recipe: Vec<Target>,
    key: SigningKey,
    prober: Prober,
    queue: Queue,
    tests: BTreeMap<(ServiceId, String), Test>,
    /// What the collector said last that it does not count.
    not_understood: Vec<String>,
    /// When the last round began.
    last_ms: i64,
}

/// What became of a batch that was sent.
#[derive(Debug)]
enum Sent {
    /// Counted, but for these results.
    Taken { not_understood: Vec<String> },
    /// It will never be taken; why.
    Refused(String),
}

impl Agent {
    /// Gets ready: reads or makes the key, opens the queue, loads certificates.
    ///
    /// # Errors
    /// When one of these cannot be done; the message says what to do.
    pub fn new(config: AgentConfig) -> Result<Self, ProbeError> {
        let resolver = match config.resolvers.as_slice() {
            [] => Resolver::System,
            servers => Resolver::Servers(servers.to_vec()),
        };
        let prober = Prober::new(resolver, Roots::system_and(&config.trust)?, config.timeouts.clone());
        let recipe = if config.recipes.contains(whatsapp::NAME) { whatsapp::targets() } else { Vec::new() };
        Ok(Self {
            collector: config.collector_target()?,
            recipe,
            key: batch::load_key(&config.key_file)?,
            prober,
            queue: Queue::open(config.queue_dir.clone(), config.queue_batches)?,
            tests: BTreeMap::new(),
            not_understood: Vec::new(),
            last_ms: 0,
            config,
        })
    }

    /// The public key that the collector must know, hexadecimal.
    pub fn public_key(&self) -> String {
        data_encoding::HEXLOWER.encode(self.key.verifying_key().as_bytes())
    }

    /// What it believes of each target, for its own display.
    pub fn verdicts(&self) -> impl Iterator<Item = (&ServiceId, &str, Verdict)> {
        self.tests.iter().map(|((service, target), test)| (service, target.as_str(), test.verdict()))
    }

    /// Batches that the collector does not have yet.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Measures and sends, round after round, until `shutdown` is done.
    pub async fn run(&mut self, shutdown: impl Future<Output = ()>) {
        tracing::info!(name = self.config.name, key = self.public_key(), "this agent measures");
        let mut rounds = tokio::time::interval(Duration::from_secs(self.config.interval_s));
        // After a sleep of the machine one round is due, not all that were missed.
        rounds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let round = async {
                rounds.tick().await;
                self.round().await;
                self.send().await;
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = round => {}
            }
        }
    }

    /// Measures all targets once and puts the batch into the queue.
    pub async fn round(&mut self) -> Batch {
        // A batch is named by its moment, and two of one agent are never of the same.
        let at_ms = unix_ms().max(self.last_ms + 1);
        self.last_ms = at_ms;
        let results = self.measure().await;
        let batch = Batch {
            agent: self.config.name.clone(),
            batch: batch::batch_id(&self.key, at_ms),
            minute: Minute::of_unix(at_ms / 1_000),
            abstained: results.is_none(),
            results: results.unwrap_or_default(),
        };
        self.believe(&batch);
        match serde_json::to_vec(&batch) {
            Ok(body) => {
                if let Err(error) = self.queue.push(at_ms, body) {
                    tracing::warn!(%error, "the batch cannot be written and waits in memory");
                }
            }
            Err(error) => tracing::error!(%error, "the batch cannot be encoded"),
        }
        batch
    }

    /// Sends what waits, oldest first, until the collector has all of it or is away.
    pub async fn send(&mut self) {
        for _ in 0..MAX_SENT_PER_ROUND {
            let Some(oldest) = self.queue.front() else {
                return;
            };
            if oldest.at_ms < unix_ms() - MAX_AGE_MS {
                tracing::warn!("a batch is more than 72 hours old and is dropped");
                self.queue.pop();
                continue;
            }
            match self.post(&oldest.body).await {
                Ok(Sent::Taken { not_understood }) => {
                    self.queue.pop();
                    if not_understood != self.not_understood && !not_understood.is_empty() {
                        let results = not_understood.join("; ");
                        tracing::warn!(results, "the collector does not count all results");
                    }
                    self.not_understood = not_understood;
                }
                Ok(Sent::Refused(why)) => {
                    tracing::warn!(why, "the collector refuses a batch; it is dropped");
                    self.queue.pop();
                }
                Err(failure) => {
                    let waiting = self.queue.len();
                    tracing::warn!(waiting, why = failure.message, "the collector is away");
                    return;
                }
            }
        }
    }

    /// The results of a round, or nothing if the agent cannot speak of others.
    async fn measure(&self) -> Option<Vec<TargetResult>> {
        if !self.reaches_anchors().await {
            return None;
        }
        let concurrency = self.config.concurrency;
        let outcomes = self.prober.measure_all(&self.config.targets, concurrency).await;
        let recipe = self.prober.measure_all(&self.recipe, concurrency).await;
        let failed = outcomes.iter().chain(&recipe).any(|outcome| !outcome.ok);
        if failed && !self.reaches_anchors().await {
            return None;
        }
        let mut results: Vec<TargetResult> =
            outcomes.iter().filter(|outcome| outcome.speaks()).map(TargetResult::of).collect();
        if let (Some(first), Some(verdict)) = (recipe.first(), whatsapp::Verdict::of(&recipe)) {
            results.extend(verdict.parts().map(|part| TargetResult::of_part(&first.service, part)));
        }
        Some(results)
    }

    /// Whether anchors answer in more than half of the networks they are in.
    async fn reaches_anchors(&self) -> bool {
        let anchors = &self.config.anchors;
        let targets: Vec<Target> = anchors.iter().map(|anchor| anchor.target.clone()).collect();
        let outcomes = self.prober.measure_all(&targets, self.config.concurrency).await;
        let networks: BTreeSet<_> = anchors.iter().map(|anchor| anchor.asn).collect();
        let reached: BTreeSet<_> =
            anchors.iter().zip(&outcomes).filter(|(_, one)| one.ok).map(|(anchor, _)| anchor.asn).collect();
        let reaches = reached.len() * 2 > networks.len();
        if !reaches {
            tracing::warn!(reached = reached.len(), of = networks.len(), "own anchors fail: abstaining");
        }
        reaches
    }

    fn believe(&mut self, batch: &Batch) {
        for result in &batch.results {
            let test = self
                .tests
                .entry((result.service.clone(), result.target.clone()))
                .or_insert_with(|| Test::new(Rates::default()));
            if let Some(verdict) = test.push(result.ok) {
                let phase = result.failed_phase.map(|phase| phase.as_str());
                tracing::info!(service = %result.service, target = result.target, ?verdict, phase, "verdict");
            }
        }
    }

    async fn post(&self, body: &[u8]) -> Result<Sent, Failure> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.collector.path)
            .header(HOST, self.collector.authority())
            .header(USER_AGENT, AGENT_NAME)
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close");
        for (name, value) in batch::headers(&self.key, body) {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|error| Failure::new(Class::Other, error))?;
        let stream = self.prober.connect(&self.collector, &mut Trace::new()).await?;
        let answer = tokio::time::timeout(POST_FOR, exchange(stream, request, true))
            .await
            .map_err(|_| Failure::new(Class::Timeout, "the collector does not answer"))??;
        let said = || String::from_utf8_lossy(&answer.body).chars().take(200).collect::<String>();
        match answer.status {
            // 409: it has this batch already.
            200..=299 | 409 => Ok(Sent::Taken { not_understood: not_understood(&answer.body) }),
            400 | 413 | 422 => Ok(Sent::Refused(format!("{}: {}", answer.status, said()))),
            // Also when it does not know this agent yet: its operator may add the key later.
            status => Err(Failure::new(Class::HttpStatus, format_args!("status {status}: {}", said()))),
        }
    }
}

/// Results that the collector names in its answer, and why it does not count them. A collector that answers otherwise has
/// named none.
fn not_understood(answer: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Answer {
        not_understood: Vec<NotUnderstood>,
    }
    #[derive(Deserialize)]
    struct NotUnderstood {
        service: String,
        target: String,
        why: String,
    }
    let answer = serde_json::from_slice::<Answer>(answer).map(|answer| answer.not_understood);
    let line = |one: NotUnderstood| format!("{} {}: {}", one.service, one.target, one.why);
    answer.unwrap_or_default().into_iter().map(line).collect()
}

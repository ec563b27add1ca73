//! Numbers for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::Shared;
use crate::store::Trouble;

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// So far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Reports that count.
    pub reports: Counter,
    /// Reports of people who had reported before.
    pub reports_repeated: Counter,
    /// Reports that were refused: floods, spent or wrong tokens.
    pub reports_refused: Counter,
    /// Beacons that count.
    pub beacons: Counter,
    /// Batches of agents.
    pub agent_batches: Counter,
    /// Batches of agents that abstained.
    pub agents_abstained: Counter,
    /// Batches of cells.
    pub gauge_batches: Counter,
    /// Batches of cells that came after their minute was closed.
    pub gauge_batches_late: Counter,
    /// Batches that were there already.
    pub batches_repeated: Counter,
    /// Batches without a valid signature of somebody who is configured.
    pub batches_unsigned: Counter,
    /// Comments that wait for a moderator, ever.
    pub comments: Counter,
    /// Requests that could not be kept.
    pub not_stored: Counter,
    /// Requests of all kinds.
    pub requests: Counter,
    /// Minutes that the detector was given.
    pub minutes_closed: Counter,
    /// Boards made.
    pub boards: Counter,
}

/// The text of `/metrics`.
pub fn render(shared: &Shared) -> String {
    let mut text = String::new();
    let metrics = &shared.metrics;
    let (commits, jobs) = shared.store.commits();
    let counters = [
        ("reports_total", "Reports that count", metrics.reports.get()),
        (
            "reports_repeated_total",
            "Reports of people who had reported before",
            metrics.reports_repeated.get(),
        ),
        (
            "reports_refused_total",
            "Reports refused: floods, spent or wrong tokens",
            metrics.reports_refused.get(),
        ),
        ("beacons_total", "Beacons that count", metrics.beacons.get()),
        ("agent_batches_total", "Batches of agents", metrics.agent_batches.get()),
        ("agents_abstained_total", "Batches of agents that abstained", metrics.agents_abstained.get()),
        ("gauge_batches_total", "Batches of cells", metrics.gauge_batches.get()),
        (
            "gauge_batches_late_total",
            "Batches of cells that came after their minute was closed",
            metrics.gauge_batches_late.get(),
        ),
        ("batches_repeated_total", "Batches that were there already", metrics.batches_repeated.get()),
        ("batches_unsigned_total", "Batches without a valid signature", metrics.batches_unsigned.get()),
        ("comments_total", "Comments received", metrics.comments.get()),
        ("not_stored_total", "Requests that could not be kept", metrics.not_stored.get()),
        ("requests_total", "Requests of all kinds", metrics.requests.get()),
        ("minutes_closed_total", "Minutes given to the detector", metrics.minutes_closed.get()),
        ("boards_total", "Boards made", metrics.boards.get()),
        ("store_commits_total", "Commits of the store", commits),
        ("store_jobs_total", "Requests in those commits", jobs),
    ];
    for (name, help, value) in counters {
        one(&mut text, name, help, "counter", value as f64);
    }
    let board = &shared.published().board;
    let age = (shared.clock.now() - board.generated_at).max(0) as f64;
    one(&mut text, "board_age_seconds", "Age of what is shown", "gauge", age);
    one(&mut text, "incidents_open", "Incidents that are not over", "gauge", board.open().count() as f64);
    let trouble = f64::from(u8::from(shared.store.trouble() != Trouble::None));
    one(&mut text, "store_trouble", "1 while the store takes nothing", "gauge", trouble);
    if let Some(publisher) = &shared.publisher {
        match publisher.metrics(shared.clock.now()) {
            Ok(more) => text.push_str(&more),
            Err(error) => tracing::warn!(%error, "the metrics of announcements cannot be read"),
        }
    }
    text
}

fn one(text: &mut String, name: &str, help: &str, kind: &str, value: f64) {
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "# HELP mbolo_pulse_{name} {help}.\n# TYPE mbolo_pulse_{name} {kind}\nmbolo_pulse_{name} {value}"
    );
}

//! What the server measures of itself, and how it tells Prometheus.
//!
//! Gateways count in plain integers and add them here once a turn, so that a message costs no atomic operation. The
//! text format is simple enough to be written directly.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mbolo_cell::Stats;

use crate::pulse::Row;

/// Counters and histograms of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) connections: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) tls_failures: AtomicU64,
    pub(crate) slow_readers: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) http_requests: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    pub(crate) frames_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// Events in a batch.
    pub(crate) batch_size: Histogram<12>,
    /// From the first event of a batch entering the queue until the core took the batch, in seconds.
    pub(crate) queue_wait: Histogram<14>,
    /// Applying and committing a batch, in seconds.
    pub(crate) commit_time: Histogram<14>,
    /// Handing the effects of a batch to the gateways, in seconds.
    pub(crate) emit_time: Histogram<14>,
    pub(crate) pulse: PulseMetrics,
}

/// What became of the socket gauge.
#[derive(Debug, Default)]
pub(crate) struct PulseMetrics {
    pub(crate) batches: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) dropped: AtomicU64,
    regions: Mutex<Vec<Row>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            connections: zero(),
            accepted: zero(),
            refused: zero(),
            accept_errors: zero(),
            tls_failures: zero(),
            slow_readers: zero(),
            timeouts: zero(),
            http_requests: zero(),
            frames_received: zero(),
            frames_sent: zero(),
            bytes_received: zero(),
            bytes_sent: zero(),
            reads: zero(),
            writes: zero(),
            batch_size: Histogram::new(SIZES),
            queue_wait: Histogram::new(SECONDS),
            commit_time: Histogram::new(SECONDS),
            emit_time: Histogram::new(SECONDS),
            pulse: PulseMetrics::default(),
        }
    }
}

impl Metrics {
    /// The Prometheus text exposition, format version 0.0.4.
    pub(crate) fn render(&self, stats: &Stats) -> String {
        let mut page = Page::default();
        let load = |value: &AtomicU64| value.load(Relaxed);

        page.gauge("mbolo_connections", "Open connections.", load(&self.connections));
        page.counter("mbolo_accepted_total", "Connections accepted.", load(&self.accepted));
        page.counter(
            "mbolo_refused_total",
            "Connections closed for a connection limit.",
            load(&self.refused),
        );
        page.counter(
            "mbolo_accept_errors_total",
            "Failures to accept, such as no free descriptor.",
            load(&self.accept_errors),
        );
        page.counter(
            "mbolo_tls_failures_total",
            "TLS handshakes and records that failed.",
            load(&self.tls_failures),
        );
        page.counter(
            "mbolo_slow_readers_total",
            "Connections closed because they did not read.",
            load(&self.slow_readers),
        );
        page.counter(
            "mbolo_timeouts_total",
            "Connections closed because nothing came.",
            load(&self.timeouts),
        );
        page.counter("mbolo_http_requests_total", "HTTP requests.", load(&self.http_requests));
        page.counter(
            "mbolo_frames_received_total",
            "Session frames from devices.",
            load(&self.frames_received),
        );
        page.counter("mbolo_frames_sent_total", "Session frames to devices.", load(&self.frames_sent));
        page.counter("mbolo_received_bytes_total", "Bytes read, after TLS.", load(&self.bytes_received));
        page.counter("mbolo_sent_bytes_total", "Bytes written to sockets.", load(&self.bytes_sent));
        page.counter("mbolo_reads_total", "Reads from sockets.", load(&self.reads));
        page.counter("mbolo_writes_total", "Writes to sockets.", load(&self.writes));
        page.histogram("mbolo_batch_events", "Events in one batch of the core.", &self.batch_size);
        page.histogram(
            "mbolo_queue_wait_seconds",
            "Wait of a batch's first event for the core.",
            &self.queue_wait,
        );
        page.histogram("mbolo_commit_seconds", "Applying and committing one batch.", &self.commit_time);
        page.histogram("mbolo_emit_seconds", "Handing a batch's effects to the gateways.", &self.emit_time);

        page.gauge("mbolo_sessions", "Sessions the core knows.", stats.sessions);
        page.gauge("mbolo_sessions_authenticated", "Sessions with a logged-in device.", stats.authenticated);
        page.counter("mbolo_logins_total", "Logins accepted.", stats.logins_ok);
        page.counter("mbolo_logins_refused_total", "Logins and sign-ups refused.", stats.logins_refused);
        page.counter("mbolo_logins_shed_total", "Logins and sign-ups told to come back.", stats.logins_shed);
        page.counter("mbolo_accounts_created_total", "Accounts created.", stats.accounts_created);
        page.counter("mbolo_publishes_total", "Entries accepted.", stats.publishes);
        page.counter(
            "mbolo_publishes_repeated_total",
            "Publishes answered from an earlier one.",
            stats.publishes_repeated,
        );
        page.counter("mbolo_published_bytes_total", "Payload bytes accepted.", stats.published_bytes);
        page.counter("mbolo_deliveries_total", "Entries pushed, per receiving session.", stats.deliveries);
        page.counter("mbolo_delivered_bytes_total", "Bytes of entries pushed.", stats.delivered_bytes);
        page.counter("mbolo_commits_total", "MLS commits decided.", stats.commits_accepted);
        page.counter("mbolo_commits_stale_total", "MLS commits that came too late.", stats.commits_stale);
        page.counter("mbolo_commits_invalid_total", "MLS commits refused.", stats.commits_invalid);
        page.counter("mbolo_batches_total", "Batches committed to the store.", stats.batches);
        page.counter("mbolo_batch_writes_total", "Writes in committed batches.", stats.batch_writes);
        page.counter("mbolo_stored_bytes_total", "Bytes written to the store.", stats.batch_bytes);
        page.counter("mbolo_entries_expired_total", "Entries removed by retention.", stats.entries_expired);
        page.gauge("mbolo_rooms_cached", "Rooms in memory.", stats.rooms_cached);
        page.gauge("mbolo_groups_cached", "MLS groups in memory.", stats.groups_cached);
        page.gauge(
            "mbolo_read_only",
            "1 while the disk is full and new entries are refused.",
            u64::from(stats.read_only),
        );
        page.describe("mbolo_errors_total", "Error answers by code.", "counter");
        for (code, count) in &stats.errors {
            let _ = writeln!(page.0, "mbolo_errors_total{{code=\"{code}\"}} {count}");
        }
        self.pulse.render(&mut page);
        page.process();
        page.0
    }
}

impl PulseMetrics {
    /// The last count.
    pub(crate) fn set_regions(&self, rows: Vec<Row>) {
        *self.regions.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    fn render(&self, page: &mut Page) {
        let load = |value: &AtomicU64| value.load(Relaxed);
        page.counter(
            "mbolo_pulse_batches_total",
            "Socket gauges that the observatory took.",
            load(&self.batches),
        );
        page.counter("mbolo_pulse_failures_total", "Attempts to send it one in vain.", load(&self.failures));
        page.counter("mbolo_pulse_dropped_total", "Socket gauges it never got.", load(&self.dropped));
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        page.describe("mbolo_region_sockets", "Logged-in connections by country and network.", "gauge");
        for row in regions.iter() {
            let _ = writeln!(
                page.0,
                "mbolo_region_sockets{{cc=\"{}\",asn=\"{}\"}} {}",
                row.cc, row.asn.0, row.sockets
            );
        }
    }
}

/// A histogram with fixed bounds.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    bounds: [f64; N],
    /// One more than bounds: the last has no upper bound.
    counts: [AtomicU64; N],
    above: AtomicU64,
    /// In millionths, so that it fits an integer.
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    pub(crate) fn observe(&self, value: f64) {
        match self.bounds.iter().position(|bound| value <= *bound) {
            Some(index) => self.counts[index].fetch_add(1, Relaxed),
            None => self.above.fetch_add(1, Relaxed),
        };
        self.sum.fetch_add((value * 1e6) as u64, Relaxed);
    }

    /// Counts one duration in seconds.
    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn describe(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.describe(name, help, "counter");
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.describe(name, help, "gauge");
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn histogram<const N: usize>(&mut self, name: &str, help: &str, histogram: &Histogram<N>) {
        self.describe(name, help, "histogram");
        let mut total = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            total += count.load(Relaxed);
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        total += histogram.above.load(Relaxed);
        let sum = histogram.sum.load(Relaxed) as f64 / 1e6;
        let _ =
            writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {total}\n{name}_sum {sum}\n{name}_count {total}");
    }

    /// The standard process metrics, where the system has /proc.
    fn process(&mut self) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        // The name in parentheses may hold anything; what follows is counted from field 3.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let field =
            |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let cpu = (field(14) + field(15)) as f64 / CLOCK_TICKS_PER_S;
        self.describe("process_cpu_seconds_total", "User and system CPU time.", "counter");
        let _ = writeln!(self.0, "process_cpu_seconds_total {cpu}");
        self.gauge("process_resident_memory_bytes", "Resident memory.", field(24) * PAGE_BYTES);
        if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
            self.gauge("process_open_fds", "Open file descriptors.", descriptors.count() as u64);
        }
    }
}

/// What the kernel reports times in, on every Linux that Rust supports.
const CLOCK_TICKS_PER_S: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

const SIZES: [f64; 12] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];
const SECONDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let metrics = Metrics::default();
        for size in [1.0, 2.0, 3.0, 9999.0] {
            metrics.batch_size.observe(size);
        }
        let page = metrics.render(&Stats::default());
        assert!(page.contains("mbolo_batch_events_bucket{le=\"2\"} 2\n"), "{page}");
        assert!(page.contains("mbolo_batch_events_bucket{le=\"4\"} 3\n"));
        assert!(page.contains("mbolo_batch_events_bucket{le=\"+Inf\"} 4\n"));
        assert!(page.contains("mbolo_batch_events_sum 10005\n"));
    }

    #[test]
    fn every_metric_is_described_once() {
        let page = Metrics::default().render(&Stats::default());
        let names: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let unique: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        assert!(page.contains("process_resident_memory_bytes "));
    }
}

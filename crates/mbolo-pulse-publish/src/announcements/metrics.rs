//! Counters in Prometheus' text format. Subscribers are summed up: no metric names one.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::outbox::Settled;
use crate::publisher::Health;

/// What happened since the process began, by channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(BTreeMap<String, [u64; 3]>);

impl Counters {
    pub(crate) fn count(&mut self, channel: &str, settled: Settled) {
        let family = match channel.split_once(':') {
            Some((family @ ("email" | "webhook"), _)) => family,
            _ => channel,
        };
        let counts = self.0.entry(family.to_owned()).or_default();
        counts[match settled {
            Settled::Sent => 0,
            Settled::Later => 1,
            Settled::Dead => 2,
        }] += 1;
    }
}

pub(crate) fn render(health: &Health, counters: Counters) -> String {
    let mut text = String::new();
    let mut series = |name: &str, kind: &str, help: &str, rows: Vec<(String, u64)>| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let counted = counters.0.iter().flat_map(|(channel, counts)| {
        ["sent", "retried", "dead"]
            .iter()
            .zip(counts)
            .map(move |(result, count)| (format!("channel=\"{channel}\",result=\"{result}\""), *count))
    });
    series(
        "pulse_publish_deliveries_total",
        "counter",
        "Attempts to deliver an announcement, by what became of them.",
        counted.collect(),
    );
    let channel = |of: fn(&super::ChannelHealth) -> u32| {
        health
            .channels
            .iter()
            .map(|one| (format!("channel=\"{}\"", one.channel), u64::from(of(one))))
            .collect()
    };
    series("pulse_publish_pending", "gauge", "Announcements on their way.", channel(|one| one.pending));
    series("pulse_publish_dead", "gauge", "Announcements that were given up.", channel(|one| one.dead));
    let mirrors = |of: fn(&crate::snapshots::mirror::MirrorHealth) -> u64| {
        health.mirrors.iter().map(|one| (format!("mirror=\"{}\"", label(&one.name)), of(one))).collect()
    };
    series("pulse_mirror_seq", "gauge", "Newest snapshot on the mirror.", mirrors(|one| one.seq));
    series(
        "pulse_mirror_failures",
        "gauge",
        "Failures in a row, 0 if the mirror works.",
        mirrors(|one| u64::from(one.failures)),
    );
    let peers = health.peers.iter();
    series(
        "pulse_peer_silent",
        "gauge",
        "1 while the other observatory is silent.",
        peers.map(|one| (format!("peer=\"{}\"", label(&one.name)), u64::from(one.silent))).collect(),
    );
    series(
        "pulse_subscriptions",
        "gauge",
        "Confirmed subscriptions.",
        vec![
            ("kind=\"email\"".to_owned(), u64::from(health.email_subscriptions)),
            ("kind=\"webhook\"".to_owned(), u64::from(health.webhook_subscriptions)),
        ],
    );
    text
}

fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}

//! What a cell tells the observatory: once a minute, how many logged-in devices it serves in each country and network.
//!
//! Nothing finer leaves the cell, or is ever put together in it: an address becomes a region when its connection is
//! accepted, and of the region only numbers are added up. A region with few devices is counted as nowhere in
//! particular. The numbers are taken by the gateways, each of its own connections between two turns; the core does
//! not take part, and a silent observatory costs one sleeping thread.

mod gauge;
mod outbox;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;

pub(crate) use self::gauge::{Census, Gauge, NOWHERE, Region, Row};
pub(crate) use self::outbox::Outbox;
use crate::core_loop::now_ms;
use crate::gateway::{Mail, Mailbox};
use crate::shared::Shared;

/// Where the numbers go.
#[derive(Debug)]
pub(crate) struct Target {
    /// The observatory's address, without a slash at its end.
    pub(crate) url: String,
    /// The cell's public name.
    pub(crate) cell_name: String,
    /// Signs what is sent.
    pub(crate) key: SigningKey,
}

/// Counts every minute until `stop` says so or its other end is gone. Without a target the numbers are only for the cell's own metrics.
pub(crate) fn run(
    shared: &Shared,
    gateways: &[Arc<Mailbox>],
    target: Option<Target>,
    mut gauge: Gauge,
    stop: &Receiver<()>,
) {
    let period_ms = 1_000 * shared.patience.gauge_s.max(1);
    let mut outbox = target.map(Outbox::new);
    loop {
        match stop.recv_timeout(until_next(now_ms(), period_ms)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let minute = u32::try_from(now_ms() / MINUTE_MS).unwrap_or(u32::MAX);
        // A minute in which a gateway did not answer is unknown, which is not the same as empty.
        if let Some(census) = take_census(gateways) {
            let rows = gauge.minute(minute, census);
            gauge.keep(minute);
            if let Some(outbox) = &mut outbox {
                outbox.put(minute, &rows, &shared.metrics.pulse);
            }
            shared.metrics.pulse.set_regions(rows);
        }
        if let Some(outbox) = &mut outbox {
            outbox.send(&shared.metrics.pulse);
        }
    }
}

/// Asks all gateways; `None` if one does not answer in time.
fn take_census(gateways: &[Arc<Mailbox>]) -> Option<Census> {
    let (answer, answers) = mpsc::channel();
    for gateway in gateways {
        gateway.post(Mail::Census { answer: answer.clone() });
    }
    drop(answer);
    let end = Instant::now() + CENSUS_PATIENCE;
    let mut total = Census::default();
    for _ in gateways {
        total.add(&answers.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?);
    }
    Some(total)
}

/// How long to wait for the next count, which is a little after a period has begun: away from the full minute, when
/// everybody's timers come up.
fn until_next(now_ms: u64, period_ms: u64) -> Duration {
    let offset_ms = period_ms / 30;
    Duration::from_millis(period_ms - (now_ms + period_ms - offset_ms) % period_ms)
}

const MINUTE_MS: u64 = 60_000;

/// A gateway that is not through with a turn after this long has other worries.
const CENSUS_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_count_is_two_seconds_after_the_next_minute_has_begun() {
        for (now_ms, wait_ms) in [(0, 2_000), (1_999, 1), (2_000, 60_000), (59_000, 3_000), (62_001, 59_999)]
        {
            assert_eq!(until_next(now_ms, MINUTE_MS), Duration::from_millis(wait_ms), "at {now_ms}");
        }
    }
}

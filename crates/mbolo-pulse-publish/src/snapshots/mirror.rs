//! Keeps one target fed: always the newest snapshot, with pauses that grow while the target fails. Every target has its
//! own, so one that fails never holds up the others.

use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::Signed;
use super::targets::Target;
use crate::publisher::{lock, try_lock};

/// One target and how it is.
pub(crate) struct Mirror {
    name: String,
    /// Held while pushing.
    target: Mutex<Box<dyn Target>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest that the target does not have.
    waiting: Option<Arc<Signed>>,
    seq: u64,
    valid_until: i64,
    pushed_at: Option<i64>,
    failures: u32,
    next_at: i64,
    last_error: Option<String>,
}

/// How a mirror is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MirrorHealth {
    /// As configured.
    pub name: String,
    /// The newest snapshot it has from this process; 0 if none.
    pub seq: u64,
    /// Unix seconds of the last success.
    pub pushed_at: Option<i64>,
    /// What it shows is grey: it has nothing, or nothing that still counts.
    pub stale: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Why the last push failed, while it fails.
    pub last_error: Option<String>,
}

impl Mirror {
    pub(crate) fn new(target: Box<dyn Target>) -> Self {
        let name = target.name().to_owned();
        Self { name, target: Mutex::new(target), state: Mutex::default() }
    }

    /// The next push takes this one. What waited before is out of date.
    pub(crate) fn offer(&self, snapshot: Arc<Signed>) {
        let mut state = lock(&self.state);
        if state.waiting.as_ref().is_none_or(|waiting| waiting.seq < snapshot.seq) {
            state.waiting = Some(snapshot);
        }
    }

    /// Pushes what waits, unless the pause after a failure is not over. Blocks.
    pub(crate) fn push_if_due(&self, now: i64) {
        let Some(mut target) = try_lock(&self.target) else { return };
        let snapshot = {
            let state = lock(&self.state);
            match &state.waiting {
                Some(waiting) if now >= state.next_at || state.failures == 0 => Arc::clone(waiting),
                _ => return,
            }
        };
        let result = target.put(&snapshot, now);
        let mut state = lock(&self.state);
        match result {
            Ok(()) => {
                if state.waiting.as_ref().is_some_and(|waiting| waiting.seq <= snapshot.seq) {
                    state.waiting = None;
                }
                state.seq = snapshot.seq;
                state.valid_until = snapshot.valid_until;
                state.pushed_at = Some(now);
                state.failures = 0;
                state.last_error = None;
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                // 10 s, 20 s, 40 s, … 5 min.
                let pause = 10_i64 << (state.failures - 1).min(5);
                state.next_at = now.saturating_add(pause.min(300));
                let why = error.to_string();
                tracing::warn!(
                    mirror = self.name,
                    failures = state.failures,
                    why,
                    "a mirror does not take snapshots"
                );
                state.last_error = Some(why);
            }
        }
    }

    pub(crate) fn health(&self, now: i64) -> MirrorHealth {
        let state = lock(&self.state);
        MirrorHealth {
            name: self.name.clone(),
            seq: state.seq,
            pushed_at: state.pushed_at,
            stale: state.pushed_at.is_none() || now > state.valid_until,
            failures: state.failures,
            last_error: state.last_error.clone(),
        }
    }
}

//! A device's clock that is set back. Pauses end by it, and would last for as long as it was ahead.

use crate::engine::{Client, Fault};
use crate::session::Link;

/// Where pauses are stored, each as the time of its end.
const PAUSES: [(&str, &str); 4] =
    [("rooms", "heal_at"), ("intents", "due"), ("broken", "due"), ("proposals", "due")];

/// No pause that begins now ends later than in this.
const LONGEST_PAUSE_MS: u64 = 10 * 60_000;

/// Clocks are corrected by less all the time.
pub(crate) const NOTICED_MS: u64 = 60_000;

impl Client {
    /// Ends the stored pauses that another clock began.
    pub(crate) fn end_far_pauses(&self) -> rusqlite::Result<()> {
        let far = self.now.saturating_add(LONGEST_PAUSE_MS).cast_signed();
        for (table, column) in PAUSES {
            self.db
                .prepare_cached(&format!("UPDATE {table} SET {column} = 0 WHERE {column} > ?1"))?
                .execute([far])?;
        }
        Ok(())
    }

    /// The clock was set back by `by_ms` while this device was running: what waits is looked at now.
    pub(crate) fn clock_was_set_back(&mut self, by_ms: u64) -> Result<(), Fault> {
        self.end_far_pauses()?;
        let now = self.now;
        self.wakes = std::mem::take(&mut self.wakes).into_iter().map(|(_, room)| (now, room)).collect();
        match &mut self.link {
            Link::Waiting { at } => *at = now,
            Link::Entering { since: Some(since) } => *since = now,
            _ => {}
        }
        self.session.set_back(now, by_ms);
        for typing in self.typing.values_mut() {
            typing.until = now;
        }
        Ok(())
    }
}

//! Deadlines of connections, to the second.
//!
//! A wheel of slots: when one is due, its connections are looked at and put into others. Nothing is moved or taken out
//! when a connection is used, which is what it does most of the time; the owner ignores what comes up for nothing.

/// Slots of one second; deadlines further away are looked at once too early.
const SLOTS: usize = 64;

/// A wheel of one-second slots.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    slots: Vec<Vec<K>>,
    now_s: u64,
}

impl<K> Timers<K> {
    /// A wheel that begins at `now_s`.
    pub(crate) fn new(now_s: u64) -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), now_s }
    }

    /// Asks for `key` at `at_s`, or as far ahead as the wheel reaches, but not now.
    pub(crate) fn schedule(&mut self, key: K, at_s: u64) {
        let at_s = at_s.clamp(self.now_s + 1, self.now_s + SLOTS as u64 - 1);
        self.slots[at_s as usize % SLOTS].push(key);
    }

    /// Moves on to `now_s` and takes what is due.
    pub(crate) fn advance(&mut self, now_s: u64, due: &mut Vec<K>) {
        let steps = now_s.saturating_sub(self.now_s).min(SLOTS as u64);
        for step in 1..=steps {
            due.append(&mut self.slots[(self.now_s + step) as usize % SLOTS]);
        }
        self.now_s = self.now_s.max(now_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes_up_once_and_never_late() {
        let mut timers = Timers::new(1000);
        timers.schedule("soon", 1003);
        timers.schedule("past", 10);
        timers.schedule("far", 5000);
        let mut due = Vec::new();
        timers.advance(1002, &mut due);
        assert_eq!(due, ["past"]);
        timers.advance(1003, &mut due);
        assert_eq!(due, ["past", "soon"]);
        timers.advance(9000, &mut due);
        assert_eq!(due, ["past", "soon", "far"]);
        timers.advance(9001, &mut due);
        assert_eq!(due.len(), 3);
    }
}

//! Beacons: how often the home was reached and how often not, counted by minute and told to the observatory, unless the
//! person has switched it off.
//!
//! A beacon says how many attempts of one minute failed and nothing else: no id, no contact, no address of anybody.
//! Only one success in [`SUCCESS_EVERY`] is counted, and counts for as many, so that most devices say nothing on
//! most days. What could not be told within [`KEEP_MINUTES`] is dropped: a device whose own network was gone has no
//! evidence against anybody.

use std::collections::VecDeque;

use serde::Serialize;

/// A success is counted this seldom, and for this many.
pub const SUCCESS_EVERY: u32 = 10;

/// Minutes that a beacon waits for a way to the observatory.
const KEEP_MINUTES: u32 = 3;

/// More attempts in a minute are not counted; a client that tries so often is broken.
const MAX_ATTEMPTS: u32 = 60;

/// One minute of one client, as the observatory takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beacon {
    /// The observatory's name for what was tried.
    pub service: String,
    /// Minutes since 1970.
    pub minute: u32,
    /// Random, so that the same beacon told twice counts once.
    pub batch: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How often in vain.
    pub failures: u32,
    /// What was tried.
    pub phase: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Minute {
    minute: u32,
    attempts: u32,
    failures: u32,
    batch: u64,
}

/// The counts of the last minutes.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    minutes: VecDeque<Minute>,
}

impl Tally {
    /// Counts one attempt to reach the home. `dice` is random.
    pub fn count(&mut self, minute: u32, reached: bool, dice: u64) {
        let (attempts, failures) = match reached {
            true if dice.is_multiple_of(u64::from(SUCCESS_EVERY)) => (SUCCESS_EVERY, 0),
            true => return,
            false => (1, 1),
        };
        if self.minutes.back().is_none_or(|last| last.minute != minute) {
            // The dice that chose a success are loaded; mixed with the clock's bits they still tell batches apart.
            let batch = dice.rotate_left(29) ^ u64::from(minute).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.minutes.push_back(Minute { minute, attempts: 0, failures: 0, batch });
        }
        if let Some(now) = self.minutes.back_mut()
            && now.attempts + attempts <= MAX_ATTEMPTS
        {
            now.attempts += attempts;
            now.failures += failures;
        }
        self.forget(minute);
    }

    /// The oldest whole minute to tell at `minute`, if there is one. Call [`Tally::told`] when that has worked.
    pub fn due(&mut self, minute: u32, service: &str) -> Option<Beacon> {
        self.forget(minute);
        let oldest = self.minutes.front().filter(|oldest| oldest.minute < minute)?;
        Some(Beacon {
            service: service.to_owned(),
            minute: oldest.minute,
            batch: format!("{:016x}", oldest.batch),
            attempts: oldest.attempts,
            failures: oldest.failures,
            phase: "connect",
        })
    }

    /// The beacon of this minute has arrived.
    pub fn told(&mut self, minute: u32) {
        self.minutes.retain(|one| one.minute != minute);
    }

    fn forget(&mut self, minute: u32) {
        // Also what a clock that was set back has left in the future.
        self.minutes.retain(|one| one.minute <= minute && minute - one.minute <= KEEP_MINUTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_after_their_minute() {
        let mut tally = Tally::default();
        tally.count(100, false, 1);
        tally.count(100, false, 2);
        assert_eq!(tally.due(100, "mbolo"), None, "the minute is not over");
        let beacon = tally.due(101, "mbolo").unwrap();
        assert_eq!((beacon.minute, beacon.attempts, beacon.failures), (100, 2, 2));
        assert_eq!(tally.due(101, "mbolo"), Some(beacon), "until it has arrived, under the same batch");
        tally.told(100);
        assert_eq!(tally.due(102, "mbolo"), None);
    }

    #[test]
    fn a_success_is_seldom_told_and_then_counts_for_all_of_its_kind() {
        let mut attempts = 0;
        for (minute, dice) in (1..).zip(0..1_000_u64) {
            let mut tally = Tally::default();
            tally.count(minute, true, dice);
            attempts += tally.due(minute + 1, "mbolo").map_or(0, |beacon| beacon.attempts);
        }
        assert_eq!(attempts, 1_000);
    }

    #[test]
    fn a_device_that_was_cut_off_for_long_accuses_nobody_afterwards() {
        let mut tally = Tally::default();
        for minute in 100..160 {
            tally.count(minute, false, u64::from(minute));
        }
        let mut told = Vec::new();
        while let Some(beacon) = tally.due(200, "mbolo") {
            tally.told(beacon.minute);
            told.push(beacon.minute);
        }
        assert_eq!(told, Vec::<u32>::new());
    }

    #[test]
    fn a_client_gone_mad_and_a_clock_set_back_do_no_harm() {
        let mut tally = Tally::default();
        for dice in 0..10_000 {
            tally.count(100, false, dice);
        }
        assert_eq!(tally.due(101, "mbolo").unwrap().attempts, MAX_ATTEMPTS);
        tally.count(50, false, 1);
        assert_eq!(tally.due(51, "mbolo").unwrap().minute, 50);
        assert!(tally.minutes.len() <= KEEP_MINUTES as usize + 1);
    }

    #[test]
    fn a_beacon_holds_counts_and_nothing_of_the_person() {
        let mut tally = Tally::default();
        tally.count(29_000_000, false, 7);
        let text = serde_json::to_value(tally.due(29_000_001, "mbolo").unwrap()).unwrap();
        let keys: Vec<&str> = text.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["attempts", "batch", "failures", "minute", "phase", "service"]);
    }
}

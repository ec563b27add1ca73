//! Beacons: how often the home was reached and how often not, counted in slices of a quarter of a minute and told to the
//! observatory, unless the person has switched it off.
//!
//! A beacon says how many attempts of one slice failed, and at which cell: no id, no contact, no address of anybody.
//! Only one success in [`SUCCESS_EVERY`] is counted, and counts for as many, so that most devices say nothing on
//! most days. What could not be told within [`KEEP_MS`] is dropped: a device whose own network was gone has no
//! evidence against anybody. Slices are short because an observatory counts a beacon when it arrives.

use std::collections::VecDeque;

use serde::Serialize;

/// A success is counted this seldom, and for this many.
pub const SUCCESS_EVERY: u32 = 10;

/// How long a slice is, and how often a client looks whether there is one to tell.
pub const SLICE_MS: u64 = 15_000;

/// How long a beacon waits for a way to the observatory.
const KEEP_MS: u64 = 180_000;

/// More attempts in a slice are not counted; a client that tries so often is broken.
const MAX_ATTEMPTS: u32 = 20;

const MINUTE_MS: u64 = 60_000;

/// One slice of one client, as the observatory takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beacon {
    /// The observatory's name for what was tried.
    pub service: String,
    /// The name of the cell that was tried.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cell: String,
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
struct Slice {
    number: u64,
    attempts: u32,
    failures: u32,
    batch: u64,
}

/// The counts of the last minutes.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    slices: VecDeque<Slice>,
}

impl Tally {
    /// Counts one attempt to reach the home, at Unix milliseconds `now_ms`. `dice` is random.
    pub fn count(&mut self, now_ms: u64, reached: bool, dice: u64) {
        let (attempts, failures) = match reached {
            true if dice.is_multiple_of(u64::from(SUCCESS_EVERY)) => (SUCCESS_EVERY, 0),
            true => return,
            false => (1, 1),
        };
        let number = now_ms / SLICE_MS;
        if self.slices.back().is_none_or(|last| last.number != number) {
            // The dice that chose a success are loaded; mixed with the clock's bits they still tell batches apart.
            let batch = dice.rotate_left(29) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.slices.push_back(Slice { number, attempts: 0, failures: 0, batch });
        }
        if let Some(now) = self.slices.back_mut()
            && now.attempts + attempts <= MAX_ATTEMPTS
        {
            now.attempts += attempts;
            now.failures += failures;
        }
        self.forget(number);
    }

    /// The oldest whole slice to tell at `now_ms` about the cell of this name, if there is one. Call [`Tally::told`] when
    /// that has worked.
    pub fn due(&mut self, now_ms: u64, service: &str, cell: &str) -> Option<Beacon> {
        let number = now_ms / SLICE_MS;
        self.forget(number);
        let oldest = self.slices.front().filter(|oldest| oldest.number < number)?;
        Some(Beacon {
            service: service.to_owned(),
            cell: cell.to_owned(),
            minute: u32::try_from(oldest.number * SLICE_MS / MINUTE_MS).unwrap_or(u32::MAX),
            batch: name(oldest),
            attempts: oldest.attempts,
            failures: oldest.failures,
            phase: "connect",
        })
    }

    /// The beacon of this batch has arrived.
    pub fn told(&mut self, batch: &str) {
        self.slices.retain(|one| name(one) != batch);
    }

    fn forget(&mut self, number: u64) {
        // Also what a clock that was set back has left in the future.
        self.slices.retain(|one| one.number <= number && number - one.number <= KEEP_MS / SLICE_MS);
    }
}

fn name(slice: &Slice) -> String {
    format!("{:016x}", slice.batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment within a slice.
    fn at(slice: u64) -> u64 {
        slice * SLICE_MS + 700
    }

    #[test]
    fn failures_are_told_once_their_quarter_of_a_minute_is_over() {
        let mut tally = Tally::default();
        tally.count(at(100), false, 1);
        tally.count(at(100), false, 2);
        assert_eq!(tally.due(at(100), "mbolo", "home"), None, "the slice is not over");
        let beacon = tally.due(at(101), "mbolo", "home").unwrap();
        assert_eq!((beacon.minute, beacon.attempts, beacon.failures), (25, 2, 2));
        assert_eq!(tally.due(at(101), "mbolo", "home"), Some(beacon.clone()), "until it has arrived");
        tally.told(&beacon.batch);
        assert_eq!(tally.due(at(102), "mbolo", "home"), None);
    }

    #[test]
    fn a_success_is_seldom_told_and_then_counts_for_all_of_its_kind() {
        let mut attempts = 0;
        for (slice, dice) in (1..).zip(0..1_000_u64) {
            let mut tally = Tally::default();
            tally.count(at(slice), true, dice);
            attempts += tally.due(at(slice + 1), "mbolo", "home").map_or(0, |beacon| beacon.attempts);
        }
        assert_eq!(attempts, 1_000);
    }

    #[test]
    fn a_device_that_was_cut_off_for_long_accuses_nobody_afterwards() {
        let mut tally = Tally::default();
        for slice in 100..400 {
            tally.count(at(slice), false, slice);
        }
        assert_eq!(tally.due(at(600), "mbolo", "home"), None);
    }

    #[test]
    fn a_client_gone_mad_and_a_clock_set_back_do_no_harm() {
        let mut tally = Tally::default();
        for dice in 0..10_000 {
            tally.count(at(100), false, dice);
        }
        assert_eq!(tally.due(at(101), "mbolo", "home").unwrap().attempts, MAX_ATTEMPTS);
        tally.count(at(48), false, 1);
        assert_eq!(tally.due(at(49), "mbolo", "home").unwrap().minute, 12);
        assert!(tally.slices.len() as u64 <= KEEP_MS / SLICE_MS + 1);
    }

    #[test]
    fn a_beacon_holds_counts_and_nothing_of_the_person() {
        let mut tally = Tally::default();
        tally.count(1_740_000_000_000, false, 7);
        let text = serde_json::to_value(tally.due(1_740_000_020_000, "mbolo", "home").unwrap()).unwrap();
        let keys: Vec<&str> = text.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["attempts", "batch", "cell", "failures", "minute", "phase", "service"]);
    }
}

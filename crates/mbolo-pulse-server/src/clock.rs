//! The observatory's time, as one seam: the machine's clock, one that a demonstration plays, or one that a test moves.
//!
//! The machine's clock is not believed blindly. [`Pacemaker`] walks with the monotonic clock and follows the wall clock
//! only once a jump has lasted; it never goes back, because a detector cannot unsee a minute. While the wall clock is
//! behind it, time stands still, and the board says `clock_jump`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mbolo_pulse::Minute;

/// A jump of the wall clock has to last this long before it is followed, milliseconds.
const BELIEVED_AFTER_MS: i64 = 120_000;

/// Differences up to this are the ordinary work of a time service, milliseconds.
const ORDINARY_MS: i64 = 2_000;

/// Where `now` comes from. Cloning gives the same clock.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    System { started: Instant, pacemaker: Mutex<Pacemaker> },
    Moved { now_ms: AtomicI64, is_played: bool },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let pacemaker = Mutex::new(Pacemaker::new(wall_ms()));
        Self(Arc::new(Kind::System { started: Instant::now(), pacemaker }))
    }

    /// Plays a past day: stands at Unix milliseconds `now_ms` until it is [set](Self::set_ms).
    pub fn played(now_ms: i64) -> Self {
        Self(Arc::new(Kind::Moved { now_ms: AtomicI64::new(now_ms), is_played: true }))
    }

    /// Stands at Unix milliseconds `now_ms` until it is [set](Self::set_ms), and is believed as the machine's is.
    #[cfg(test)]
    pub fn manual(now_ms: i64) -> Self {
        Self(Arc::new(Kind::Moved { now_ms: AtomicI64::new(now_ms), is_played: false }))
    }

    /// Moves a clock that is played; the machine's cannot be moved.
    pub fn set_ms(&self, now_ms: i64) {
        if let Kind::Moved { now_ms: now, .. } = &*self.0 {
            now.store(now_ms, Ordering::SeqCst);
        }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        match &*self.0 {
            Kind::System { started, pacemaker } => lock(pacemaker).now(millis(started.elapsed()), wall_ms()),
            Kind::Moved { now_ms, .. } => now_ms.load(Ordering::SeqCst),
        }
    }

    /// Unix seconds.
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1_000)
    }

    /// The minute that is being counted.
    pub fn minute(&self) -> Minute {
        Minute::of_unix(self.now())
    }

    /// How long to sleep until `ms` of this clock have passed. One that is moved is looked at again soon.
    pub fn real(&self, ms: i64) -> Duration {
        match &*self.0 {
            Kind::System { .. } => Duration::from_millis(u64::try_from(ms).unwrap_or(0)),
            Kind::Moved { .. } => Duration::from_millis(2),
        }
    }

    /// The wall clock and the monotonic clock disagree; see the head of this module.
    pub fn jumped(&self) -> bool {
        match &*self.0 {
            Kind::System { pacemaker, .. } => lock(pacemaker).jumped,
            Kind::Moved { .. } => false,
        }
    }

    /// It plays a past day: what it says must not be compared with a visitor's clock.
    pub fn is_played(&self) -> bool {
        matches!(&*self.0, Kind::Moved { is_played: true, .. })
    }
}

fn lock(pacemaker: &Mutex<Pacemaker>) -> MutexGuard<'_, Pacemaker> {
    pacemaker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Makes a time that never goes back out of a monotonic clock and a wall clock that may jump.
#[derive(Debug)]
struct Pacemaker {
    /// What is added to the monotonic clock.
    offset: i64,
    /// A new offset, and since when the wall clock has kept to it.
    candidate: Option<(i64, i64)>,
    last: i64,
    jumped: bool,
}

impl Pacemaker {
    fn new(wall: i64) -> Self {
        Self { offset: wall, candidate: None, last: wall, jumped: false }
    }

    fn now(&mut self, monotonic: i64, wall: i64) -> i64 {
        let seen = wall - monotonic;
        if (seen - self.offset).abs() <= ORDINARY_MS {
            self.offset = seen;
            self.candidate = None;
        } else {
            match self.candidate {
                Some((offset, since)) if (seen - offset).abs() <= ORDINARY_MS => {
                    if monotonic - since >= BELIEVED_AFTER_MS {
                        self.offset = seen;
                        self.candidate = None;
                    }
                }
                _ => self.candidate = Some((seen, monotonic)),
            }
        }
        let now = monotonic + self.offset;
        self.jumped = self.candidate.is_some() || now + ORDINARY_MS < self.last;
        self.last = self.last.max(now);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;

    #[test]
    fn small_corrections_are_followed_and_time_never_goes_back() {
        let mut pace = Pacemaker::new(START);
        assert_eq!(pace.now(10_000, START + 10_500), START + 10_500);
        assert_eq!(pace.now(10_100, START + 10_000), START + 10_500, "half a second back is waited for");
        assert_eq!(pace.now(11_000, START + 11_000), START + 11_000);
        assert!(!pace.jumped);
    }

    #[test]
    fn a_jump_of_an_hour_that_is_taken_back_leaves_no_trace() {
        let mut pace = Pacemaker::new(START);
        assert_eq!(pace.now(60_000, START + 3_660_000), START + 60_000);
        assert!(pace.jumped);
        assert_eq!(pace.now(90_000, START + 90_000), START + 90_000);
        assert!(!pace.jumped);
    }

    #[test]
    fn a_jump_forward_that_lasts_is_followed() {
        let mut pace = Pacemaker::new(START);
        for second in 1..=130 {
            pace.now(second * 1_000, START + 3_600_000 + second * 1_000);
        }
        assert_eq!(pace.now(131_000, START + 3_731_000), START + 3_731_000);
        assert!(!pace.jumped);
    }

    #[test]
    fn after_a_jump_back_time_stands_still_and_says_so() {
        let mut pace = Pacemaker::new(START);
        for second in 1..=130 {
            pace.now(second * 1_000, START - 600_000 + second * 1_000);
        }
        let held = pace.now(131_000, START - 469_000);
        assert!(pace.jumped);
        assert_eq!(pace.now(200_000, START - 400_000), held);
        assert!(pace.now(800_000, START + 200_000) > held);
        assert!(!pace.jumped);
    }
}

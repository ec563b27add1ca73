//! In which minute something counts that is told by those who saw it.
//!
//! A minute is closed seconds after its end, and clients and agents send what they saw at any second of the next one.
//! Counted in the minute that they tell, nearly all of it would come too late for the detector, and what was learnt from
//! it afterwards would be a reference that no minute can reach. So what is told promptly counts in the minute in which it
//! arrives: a minute then holds what a minute brings, every time. What is older corrects the history of its own minute.

use mbolo_pulse::Minute;

/// A client's own attempts, minutes.
pub(super) const ATTEMPTS: u32 = 5;

/// An agent's results: it measures for some minutes before it sends.
pub(super) const PROBES: u32 = 15;

/// The minute in which something counts that is said to be of the minute `told` and arrives in `now`.
pub(super) fn counted_in(told: Minute, now: Minute, prompt: u32) -> Minute {
    if now.since(told) <= prompt { now } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_promptly_counts_when_it_arrives_and_what_is_older_in_its_own_minute() {
        let now = Minute(28_000_000);
        let ago = |minutes| Minute(now.0 - minutes);
        assert_eq!(counted_in(ago(1), now, ATTEMPTS), now);
        assert_eq!(counted_in(ago(5), now, ATTEMPTS), now);
        assert_eq!(counted_in(ago(6), now, ATTEMPTS), ago(6));
        assert_eq!(counted_in(ago(15), now, PROBES), now);
        assert_eq!(counted_in(now.plus(1), now, ATTEMPTS), now, "a clock that is a little ahead");
    }
}

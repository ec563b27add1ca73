//! When something is told: first when it is confirmed, at most once in ten minutes, the newest state, the end always.
//! And when a failed delivery is tried again. Pure functions; the outbox does what they say.

use super::topic::Topic;

/// Seconds between two posts of one topic on one channel.
pub const PAUSE_S: i64 = 600;
/// A delivery is given up after this many attempts,
pub const MAX_ATTEMPTS: u32 = 16;
/// or this many seconds after it was due first.
pub const GIVE_UP_AFTER_S: i64 = 24 * 3600;

/// What a channel was told last of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub telling: String,
    /// Which post of the topic it was, 1 the first.
    pub step: u32,
    /// Unix seconds.
    pub at: i64,
}

/// What is on its way to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What.
    pub telling: String,
    /// 0: nobody can have seen it.
    pub attempts: u32,
}

/// What is to be done for one topic on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, or nothing yet.
    Nothing,
    /// Send it as this step.
    Enqueue {
        /// 1 is the first.
        step: u32,
    },
    /// What waits is out of date and nobody has seen it: send this in its place.
    Replace {
        /// 1 is the first.
        step: u32,
    },
    /// What waits is out of date and there is nothing new to say.
    Withdraw,
}

/// Decides for one topic on one channel. What is on its way and may have been seen is never overtaken: order holds.
pub fn decide(topic: &Topic, told: Option<&Told>, pending: Option<&Pending>, now: i64) -> Decision {
    let step = told.map_or(1, |told| told.step.saturating_add(1));
    let is_news = told.is_none_or(|told| told.telling != topic.telling);
    match (pending, told) {
        (Some(pending), _) if pending.attempts > 0 || pending.telling == topic.telling => Decision::Nothing,
        (Some(_), _) if !is_news => Decision::Withdraw,
        (Some(_), _) => Decision::Replace { step },
        (None, _) if !is_news => Decision::Nothing,
        (None, None) if topic.may_be_first => Decision::Enqueue { step },
        (None, None) => Decision::Nothing,
        (None, Some(told)) if now < told.at.saturating_add(PAUSE_S) => Decision::Nothing,
        (None, Some(_)) => Decision::Enqueue { step },
    }
}

/// Seconds until the next attempt after `attempts` failed ones: 5 s doubled each time, at most an hour, and at random
/// between half of that and all of it, so that what failed together does not come back together. A server's wish
/// (`Retry-After`) is heard up to an hour.
pub fn backoff_s(attempts: u32, retry_after_s: Option<u32>, random: u64) -> i64 {
    let full = FIRST_S.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST_S);
    let half = full / 2;
    let jittered = half + (random % (full - half + 1) as u64) as i64;
    jittered.max(i64::from(retry_after_s.unwrap_or(0)).min(LONGEST_S))
}

const FIRST_S: i64 = 5;
const LONGEST_S: i64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements::topic::Story;

    fn topic(telling: &str, may_be_first: bool) -> Topic {
        Topic {
            id: "incident:1".to_owned(),
            telling: telling.to_owned(),
            may_be_first,
            for_programs: false,
            services: Vec::new(),
            country: None,
            story: Story::Greeting { at: 0 },
        }
    }

    fn told(telling: &str, step: u32, at: i64) -> Told {
        Told { telling: telling.to_owned(), step, at }
    }

    fn pending(telling: &str, attempts: u32) -> Pending {
        Pending { telling: telling.to_owned(), attempts }
    }

    #[test]
    fn the_end_of_what_nobody_heard_of_is_no_news() {
        assert_eq!(decide(&topic("resolved", false), None, None, 0), Decision::Nothing);
        assert_eq!(decide(&topic("confirmed", true), None, None, 0), Decision::Enqueue { step: 1 });
    }

    #[test]
    fn ten_minutes_pass_between_posts_and_then_the_newest_state_is_told() {
        let confirmed = told("confirmed", 1, 1000);
        let resolved = topic("resolved", false);
        assert_eq!(decide(&resolved, Some(&confirmed), None, 1599), Decision::Nothing);
        assert_eq!(decide(&resolved, Some(&confirmed), None, 1600), Decision::Enqueue { step: 2 });
        assert_eq!(decide(&resolved, Some(&told("resolved", 2, 1600)), None, 9999), Decision::Nothing);
    }

    #[test]
    fn what_nobody_has_seen_is_replaced_and_what_may_have_been_seen_is_not() {
        let resolved = topic("resolved", false);
        let unseen = pending("confirmed", 0);
        assert_eq!(decide(&resolved, None, Some(&unseen), 0), Decision::Replace { step: 1 });
        let tried = pending("confirmed", 1);
        assert_eq!(decide(&resolved, None, Some(&tried), 0), Decision::Nothing);
        let back = topic("confirmed", true);
        let unseen = pending("recovering", 0);
        assert_eq!(decide(&back, Some(&told("confirmed", 1, 0)), Some(&unseen), 700), Decision::Withdraw);
    }

    #[test]
    fn attempts_spread_out_and_never_stop_for_longer_than_an_hour() {
        for random in [0, 1, 7, u64::MAX] {
            assert!((2..=5).contains(&backoff_s(1, None, random)));
            assert!((20..=40).contains(&backoff_s(4, None, random)));
            assert!((1800..=3600).contains(&backoff_s(u32::MAX, None, random)));
            assert!(backoff_s(1, Some(120), random) == 120);
            assert!(backoff_s(1, Some(u32::MAX), random) == 3600);
        }
    }
}

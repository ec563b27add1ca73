//! One measuring agent's view of a service. What an agent says alone may be its own trouble: it is one vote.

use crate::model::{LATELY, Minute};

/// Usual failures of an agent's measurements, and those under a fault.
const USUAL: f64 = 0.02;
const FAULT: f64 = 0.6;
/// The most that one minute changes, in nats.
const STEP: f64 = 3.5;
/// Evidence at which an agent votes "down", and the most that is kept, so that its return is seen soon.
const DOWN: f64 = 6.0;
const MOST: f64 = 9.0;
/// Measurements after which it is known what is usual.
const KNOWN: f64 = 10.0;
/// Minutes in which a suspicion is not learnt as usual; in a confirmed incident it never is.
const SUSPICION: u32 = 60;
/// Where so many measurements usually fail the agent says nothing.
const HOPELESS: f64 = 0.8;

/// All agents in one network of one country.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agent {
    score: f64,
    /// The first minute of the evidence.
    pub since: Minute,
    heard: Option<Minute>,
    /// Measurements and failures since then.
    pub attempts: f64,
    /// See `attempts`.
    pub failures: f64,
    usual_attempts: f64,
    usual_failures: f64,
}

/// What an agent says of the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    /// It measured, and it worked.
    Well,
    /// It measured, and it failed again and again.
    Down,
    /// It is too early to say, or it has not measured.
    Abstains,
}

impl Agent {
    /// One minute's measurements; without any nothing changes. While it is `frozen` nothing is learnt.
    pub fn step(&mut self, minute: Minute, attempts: f64, failures: f64, frozen: bool) {
        if attempts <= 0.0 {
            return;
        }
        self.heard = Some(minute);
        let usual = self.usual();
        let fault = FAULT.max(usual + (1.0 - usual) * 0.5);
        let ratio =
            failures * (fault / usual).ln() + (attempts - failures) * ((1.0 - fault) / (1.0 - usual)).ln();
        let score = (self.score + ratio.clamp(-STEP, STEP)).clamp(0.0, MOST);
        if score <= 0.0 {
            (self.attempts, self.failures) = (0.0, 0.0);
        } else if self.score <= 0.0 {
            self.since = minute;
        }
        if score > 0.0 {
            self.attempts += attempts;
            self.failures += failures;
        }
        self.score = score;
        let suspicious = score > 0.0 && self.usual_attempts >= KNOWN && minute.since(self.since) < SUSPICION;
        if frozen || suspicious {
            return;
        }
        // Slow, so that a bad day is not learnt as usual: about a thousand measurements are remembered.
        let keep = (1.0 - attempts / 2000.0).max(0.5);
        self.usual_attempts = self.usual_attempts * keep + attempts;
        self.usual_failures = self.usual_failures * keep + failures;
    }

    /// The share of measurements that usually fail. What always fails from here is not news, so it is learnt.
    fn usual(&self) -> f64 {
        ((self.usual_failures + USUAL) / (self.usual_attempts + 1.0)).clamp(USUAL, 0.9)
    }

    /// What it says at `minute`.
    pub fn vote(&self, minute: Minute) -> Vote {
        if self.heard.is_none_or(|heard| minute.since(heard) > LATELY) || self.usual() >= HOPELESS {
            Vote::Abstains
        } else if self.score >= DOWN {
            Vote::Down
        } else if self.score <= 1.0 {
            Vote::Well
        } else {
            Vote::Abstains
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_measurement_is_no_vote_and_three_in_a_row_are() {
        let mut agent = Agent::default();
        for minute in 0..60 {
            agent.step(Minute(minute), 1.0, 0.0, false);
        }
        assert_eq!(agent.vote(Minute(60)), Vote::Well);
        agent.step(Minute(60), 1.0, 1.0, false);
        assert_eq!(agent.vote(Minute(60)), Vote::Abstains);
        agent.step(Minute(61), 1.0, 1.0, false);
        agent.step(Minute(62), 1.0, 1.0, false);
        assert_eq!(agent.vote(Minute(62)), Vote::Down);
        assert_eq!(agent.vote(Minute(90)), Vote::Abstains, "it has not measured for long");
    }
}

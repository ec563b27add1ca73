//! How many rounds an agent may tell: as many as the shortest interval gives, for each minute of its own clock.
//!
//! Its vote is one anyway, but the share of failures that is shown is counted in measurements. After a pause an agent may
//! tell all that waited at once; each minute is told only once.

use std::collections::BTreeMap;

use mbolo_pulse::Minute;

use crate::live::LATE_MINUTES;

/// Rounds of one minute. Agents measure every ten seconds at most. The first is counted, and all are looked at for the targets.
const MOST: usize = 6;

/// Names of the batches of each agent, by its own minute.
#[derive(Debug, Default)]
pub struct Rounds(BTreeMap<String, BTreeMap<Minute, Vec<String>>>);

impl Rounds {
    /// The number of a round within its minute; `None` if there are too many. One that is told again is no other.
    pub fn admit(&mut self, agent: &str, minute: Minute, batch: &str, now: Minute) -> Option<usize> {
        let of_agent = self.0.entry(agent.to_owned()).or_default();
        *of_agent = of_agent.split_off(&Minute(now.0.saturating_sub(LATE_MINUTES)));
        let of_minute = of_agent.entry(minute).or_default();
        let known = of_minute.iter().position(|known| known == batch);
        if known.is_none() && of_minute.len() < MOST {
            of_minute.push(batch.to_owned());
            return Some(of_minute.len() - 1);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_rounds_of_a_minute_count_and_each_may_be_told_again() {
        let mut rounds = Rounds::default();
        let (minute, now) = (Minute(28_000_000), Minute(28_000_002));
        let admitted = |rounds: &mut Rounds, minute| {
            (0..8).filter(|n| rounds.admit("a", minute, &format!("batch-{n}"), now).is_some()).count()
        };
        assert_eq!(admitted(&mut rounds, minute), 6);
        assert_eq!(admitted(&mut rounds, minute), 6, "the same six");
        assert_eq!(admitted(&mut rounds, minute.plus(1)), 6);
        assert_eq!(rounds.admit("b", minute, "batch-7", now), Some(0));
        assert_eq!(rounds.admit("a", minute, "batch-5", now), Some(5));
    }
}

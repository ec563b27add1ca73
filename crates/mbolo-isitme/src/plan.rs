//! What to try next, and for how long: two rounds of steps, each in parallel, under five seconds together.

use crate::findings::{Findings, Outcome, Snapshot};
use crate::verdict::{Diagnosis, diagnose};

/// One thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Whether the device has a way out.
    Link,
    /// Whether names are found, and nothing else answers in a page's place.
    Portal,
    /// One of the three neutral places.
    Anchor(usize),
    /// The home.
    Front,
    /// The other homes that are known.
    Alternates,
    /// The observatory's newest snapshot, from any of its places.
    Snapshot,
}

/// Three neutral places that a browser may ask, in three networks (AS13335, AS15169, AS14907). Each answers a HEAD
/// request without leading on to another address, which a page could not follow.
pub const WEB_ANCHORS: [&str; 3] = [
    "https://cp.cloudflare.com/generate_204",
    "https://www.gstatic.com/generate_204",
    "https://www.wikipedia.org/",
];

/// Host and path of a page that answers with status 204 over plain HTTP on port 80, and with nothing else unless
/// something stands between.
pub const PORTAL: (&str, &str) = ("cp.cloudflare.com", "/generate_204");

/// The steps of one check. Ask for the next round, try its steps in parallel for as long as [`Check::round_ms`] says,
/// note what came of them, and ask again until there is none.
#[derive(Debug, Clone, Default)]
pub struct Check {
    findings: Findings,
    rounds: usize,
}

/// Milliseconds that each round may take. Together well below five seconds.
const ROUND_MS: [u32; 2] = [2_600, 1_900];

impl Check {
    /// A check of a home on another machine, or on this one.
    pub fn new(home_is_here: bool) -> Self {
        Self { findings: Findings { home_is_here, ..Findings::default() }, rounds: 0 }
    }

    /// The steps to try now, in parallel; none when there is enough to judge.
    pub fn next_round(&mut self) -> &'static [Step] {
        use Step::{Alternates, Anchor, Front, Link, Portal, Snapshot};
        self.rounds += 1;
        match self.rounds {
            1 if self.findings.home_is_here => &[Front],
            1 => &[Link, Portal, Anchor(0), Anchor(1), Anchor(2), Front],
            2 if self.findings.home_is_here => &[],
            2 if self.findings.front == Outcome::Ok => &[Snapshot],
            // A device without a network has nobody to ask.
            2 if self.findings.link == Outcome::Failed && self.findings.anchors_reached().0 == 0 => &[],
            2 => &[Alternates, Snapshot],
            _ => &[],
        }
    }

    /// How long the steps of the current round may take, in milliseconds. What has no result by then is silent.
    pub fn round_ms(&self) -> u32 {
        ROUND_MS[self.rounds.clamp(1, ROUND_MS.len()) - 1]
    }

    /// Notes what came of a step other than reading a snapshot.
    pub fn note(&mut self, step: Step, outcome: Outcome) {
        let findings = &mut self.findings;
        match step {
            Step::Link => findings.link = outcome,
            Step::Portal => findings.portal = outcome,
            Step::Anchor(number) => {
                if let Some(anchor) = findings.anchors.get_mut(number) {
                    *anchor = outcome;
                }
            }
            Step::Front => findings.front = outcome,
            Step::Alternates => findings.alternates = outcome,
            Step::Snapshot => {}
        }
    }

    /// Notes what the observatory says.
    pub fn note_snapshot(&mut self, snapshot: Snapshot) {
        self.findings.snapshot = snapshot;
    }

    /// What has been found so far.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The verdict on it.
    pub fn diagnosis(&self) -> Diagnosis {
        diagnose(&self.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    fn rounds(outcome: impl Fn(Step) -> Outcome) -> (Vec<Step>, u32, Check) {
        let mut check = Check::new(false);
        let (mut steps, mut longest_ms) = (Vec::new(), 0);
        loop {
            let round = check.next_round();
            if round.is_empty() {
                return (steps, longest_ms, check);
            }
            longest_ms += check.round_ms();
            for step in round {
                assert!(!steps.contains(step), "{step:?} is asked for twice");
                steps.push(*step);
                check.note(*step, outcome(*step));
            }
        }
    }

    #[test]
    fn a_check_takes_less_than_five_seconds_and_tries_everything_once() {
        let silent = |step| if step == Step::Link { Outcome::Ok } else { Outcome::Failed };
        let (steps, longest_ms, _) = rounds(silent);
        assert_eq!(steps.len(), 8);
        assert!(longest_ms < 5_000, "{longest_ms}");
    }

    #[test]
    fn nobody_is_asked_from_a_device_without_a_network() {
        let (steps, _, check) = rounds(|_| Outcome::Failed);
        assert!(!steps.contains(&Step::Snapshot) && !steps.contains(&Step::Alternates));
        assert_eq!(check.diagnosis().verdict, Verdict::You);
    }

    #[test]
    fn a_home_on_this_machine_needs_no_stranger() {
        let mut check = Check::new(true);
        assert_eq!(check.next_round(), &[Step::Front]);
        check.note(Step::Front, Outcome::Failed);
        assert!(check.next_round().is_empty());
        assert_eq!(check.diagnosis().verdict, Verdict::Service);
    }
}

//! What a place measured over a window, and what would follow if a fault were there as well.

use crate::detectors::{Vote, log_ratio};
use crate::fusion::{FLOWS, Node};
use crate::model::Minute;

/// The most that one family says for or against, in nats.
const CAP: f64 = 10.0;
/// What an agent's vote weighs, in nats.
const VOTE: f64 = 3.0;

/// Sums over a window; they can be added and taken from each other.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    attempts: f64,
    failures: f64,
    usual: f64,
    failing_r: f64,
    flows: [FlowMeasured; FLOWS.len()],
    down: f64,
    well: f64,
    /// Agents all over the world: what two of three find dead is dead whatever people's attempts reach. A few agents in
    /// one country may have trouble of their own, and almost half of all may lie.
    worldwide: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct FlowMeasured {
    /// Means of a minute: sockets of one minute are mostly those of the minute before, and no new evidence.
    now: f64,
    reference: f64,
    r: f64,
}

/// How bad it is, as shares: of attempts that fail beyond the usual, of agents' networks that find it dead, of what
/// should be there and is not. People's attempts may reach a part that works while agents find dead what is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Effect {
    pub failing: f64,
    pub voted: f64,
    pub silence: f64,
}

impl Effect {
    /// The worst of them.
    pub fn worst(&self) -> f64 {
        self.fails().max(self.silence)
    }

    /// What fails where it is reached, as attempts or agents tell.
    pub fn fails(&self) -> f64 {
        self.failing.max(self.voted)
    }

    /// A part of it.
    pub fn scaled(&self, by: f64) -> Self {
        Self { failing: by * self.failing, voted: by * self.voted, silence: by * self.silence }
    }

    /// The worse of both in each.
    pub fn max(&self, other: &Self) -> Self {
        Self {
            failing: self.failing.max(other.failing),
            voted: self.voted.max(other.voted),
            silence: self.silence.max(other.silence),
        }
    }
}

impl Measured {
    /// From `from` to `to`, both included.
    pub fn of(node: &Node, from: Minute, to: Minute) -> Self {
        let minutes = f64::from(to.since(from) + 1);
        let mut measured = Self::default();
        if let Some(failing) = &node.failing {
            measured.attempts = failing.attempts.sum(from, to).0;
            measured.failures = failing.failures.sum(from, to).0;
            measured.usual = failing.usual.sum(from, to).0;
            measured.failing_r = failing.dispersion() * minutes.sqrt();
        }
        for (measured, flow) in measured.flows.iter_mut().zip(&node.flows) {
            let Some(flow) = flow else { continue };
            let mut known = 0.0;
            for minute in from.0..=to.0 {
                if let (Some(now), Some(reference)) =
                    (flow.ring.get(Minute(minute)), flow.references.get(Minute(minute)))
                {
                    measured.now += now;
                    measured.reference += reference;
                    known += 1.0;
                }
            }
            if known > 0.0 {
                measured.now /= known;
                measured.reference /= known;
            }
            measured.r = flow.fall.dispersion();
        }
        if let Some(agent) = &node.agent {
            match agent.vote(to) {
                Vote::Down => measured.down = 1.0,
                Vote::Well => measured.well = 1.0,
                Vote::Abstains => {}
            }
        }
        measured
    }

    /// With the votes of the agents below; `worldwide` if the place is the world.
    pub fn with_votes(mut self, down: f64, well: f64, worldwide: bool) -> Self {
        (self.down, self.well, self.worldwide) = (down, well, worldwide);
        self
    }

    /// Both together.
    pub fn with(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.attempts += other.attempts;
        sum.failures += other.failures;
        sum.usual += other.usual;
        sum.failing_r = sum.failing_r.max(other.failing_r);
        sum.down += other.down;
        sum.well += other.well;
        for (sum, other) in sum.flows.iter_mut().zip(&other.flows) {
            sum.now += other.now;
            sum.reference += other.reference;
            sum.r = sum.r.max(other.r);
        }
        sum
    }

    /// The rest of a wider place.
    pub fn without(&self, part: &Self) -> Self {
        let mut rest = *self;
        rest.attempts = (rest.attempts - part.attempts).max(0.0);
        rest.failures = (rest.failures - part.failures).max(0.0);
        rest.usual = (rest.usual - part.usual).max(0.0);
        rest.down = (rest.down - part.down).max(0.0);
        rest.well = (rest.well - part.well).max(0.0);
        for (rest, part) in rest.flows.iter_mut().zip(&part.flows) {
            rest.now = (rest.now - part.now).max(0.0);
            rest.reference = (rest.reference - part.reference).max(0.0);
        }
        rest
    }

    /// How bad it is here.
    pub fn effect(&self) -> Effect {
        let failing = if self.attempts > 0.0 {
            ((self.failures - self.usual) / self.attempts).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let strongest = self.flows.iter().max_by(|a, b| a.strength().total_cmp(&b.strength()));
        let silence = strongest.map_or(0.0, |flow| flow.silence());
        let votes = self.down + self.well;
        let is_clear = self.worldwide && self.down >= 2.0 * self.well;
        let is_voted = votes > 0.0 && (is_clear || self.attempts <= 0.0);
        let voted = if is_voted { self.down / votes } else { 0.0 };
        Effect { failing, voted, silence }
    }

    /// How strongly it says that something is wrong here at all, in nats.
    pub fn strength(&self) -> f64 {
        self.failing_strength() + self.silence_strength()
    }

    /// See [`Measured::strength`]; failures and votes only.
    pub fn failing_strength(&self) -> f64 {
        let failing = if self.failures > self.usual {
            log_ratio(self.failures, self.usual, self.failures, self.failing_r)
        } else {
            0.0
        };
        failing + VOTE * self.down
    }

    /// See [`Measured::strength`]; silence only.
    pub fn silence_strength(&self) -> f64 {
        self.flows.iter().map(FlowMeasured::strength).fold(0.0, f64::max)
    }

    /// Sockets and heartbeats are as they were, or there are none: only attempts are missing.
    pub fn only_attempts_fell(&self) -> bool {
        self.flows[..2].iter().map(FlowMeasured::strength).fold(0.0, f64::max) < 2.0
    }

    /// Evidence, in nats, that so large a share of sockets and heartbeats is gone; attempts are left out.
    pub fn sockets_speak_for(&self, silence: f64) -> f64 {
        self.flows_speak_for(&self.flows[..2], silence)
    }

    fn flows_speak_for(&self, flows: &[FlowMeasured], silence: f64) -> f64 {
        let left = (1.0 - silence).max(0.05);
        let known = flows.iter().filter(|flow| flow.reference > 0.0);
        let evidence =
            known.map(|flow| log_ratio(flow.now, flow.reference, left * flow.reference, flow.r)).sum::<f64>();
        evidence.clamp(-CAP, CAP)
    }

    /// Evidence, in nats, that a fault of size `effect` is here rather than none; below zero if it speaks against one,
    /// near zero if there is too little traffic to tell.
    pub fn speaks_for(&self, effect: Effect) -> f64 {
        let mut evidence = 0.0;
        if effect.failing >= 0.01 {
            let instead = self.usual + effect.failing * (self.attempts - self.usual).max(0.0);
            if self.attempts > 0.0 {
                evidence += log_ratio(self.failures, self.usual, instead, self.failing_r).clamp(-CAP, CAP);
            }
        }
        // An agent that finds most of its measurements well says nothing of a fault that few meet.
        if effect.fails() >= 0.4 {
            evidence += (VOTE * (self.down - self.well)).clamp(-CAP, CAP);
        }
        if effect.silence >= 0.2 {
            evidence += self.flows_speak_for(&self.flows, effect.silence);
        }
        evidence
    }

    /// Attempts still arrive from here, so the place is connected to something. None if there were none before.
    pub fn attempts_arrive(&self) -> Option<bool> {
        let attempts = &self.flows[2];
        (attempts.reference >= 2.0).then_some(attempts.now >= 0.3 * attempts.reference)
    }

    /// Sockets of a minute: there, and usual.
    pub fn sockets(&self) -> (f64, f64) {
        (self.flows[0].now, self.flows[0].reference)
    }

    /// What is lost: failures beyond the usual, or what is missing of a minute's sockets, heartbeats or attempts.
    pub fn lost(&self) -> Effect {
        Effect {
            failing: (self.failures - self.usual).max(0.0),
            voted: 0.0,
            silence: self.flows.iter().map(|flow| flow.reference - flow.now).fold(0.0, f64::max),
        }
    }
}

impl FlowMeasured {
    fn silence(&self) -> f64 {
        if self.reference > 0.0 { (1.0 - self.now / self.reference).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn strength(&self) -> f64 {
        if self.now < self.reference {
            log_ratio(self.now, self.reference, self.now.max(0.02 * self.reference), self.r).max(0.0)
        } else {
            0.0
        }
    }
}

//! Silence: a number that is there in every minute (live sockets, heartbeats, attempts) falls. This is how a place that
//! is cut off looks, and nobody there can say so.
//!
//! The reference is the same number 5 to 15 minutes earlier: no season is needed. It is held once a fall is suspected,
//! or it would follow the fall down. A spike before (New Year) must not make the way back look like a fall, so the
//! reference is never above what the last hours or the season say.

use super::{Cusum, log_ratio};
use crate::baseline::{Noise, Season};
use crate::counts::Ring;
use crate::model::Minute;

/// Below this share of its reference a number has fallen.
pub(crate) const FALLEN: f64 = 0.6;
/// The share that is left where a place is cut off: apps retry, some roam.
const CUT: f64 = 0.15;
/// The share that is left of a partial loss.
const PARTIAL: f64 = 0.4;
/// The most that one lost socket says in all, in nats: it takes about 40 for a network's threshold.
const EACH: f64 = 0.5;
/// Minutes a reference is held for a suspicion that does not come true: longer, and an evening looks like a fall.
const HOLD: u32 = 20;

/// Minutes after which a source that stays away is taken to be gone, and one that is there more often than by mistake to
/// be new.
const GONE_SOURCE: u32 = 15;
const NEW_SOURCE: u32 = 2;
/// Minutes that are not known until a suspicion is dropped, and until what was there is not missed any more.
const UNKNOWN_SUSPICION: u32 = 15;
const UNKNOWN_REFERENCE: u32 = 60;

/// The tests for a fall, the same for a network, a country and the world.
#[derive(Debug, Clone)]
pub(crate) struct Fall {
    cut: Cusum,
    partial: Cusum,
    slow: Cusum,
    noise: Noise,
}

impl Default for Fall {
    fn default() -> Self {
        Self {
            cut: Cusum::default(),
            partial: Cusum::default(),
            slow: Cusum::default(),
            noise: Noise::new(0.15),
        }
    }
}

impl Fall {
    /// One minute: `now` against `reference`. In a `frozen` minute nothing is learnt.
    pub fn step(&mut self, minute: Minute, now: f64, reference: f64, frozen: bool) {
        if reference <= 0.0 {
            return;
        }
        if now < reference || self.cut.score > 0.0 || self.partial.score > 0.0 {
            let r = self.noise.dispersion();
            // What is not below the share that counts as a fall speaks against one, whatever the noise says.
            let bound = if now > 0.8 * reference { -0.5 } else { super::STEP };
            let cut = log_ratio(now, reference, CUT * reference, r / self.noise.lasting().sqrt()).min(bound);
            self.cut.add(minute, cut, now, reference);
            let partial = log_ratio(now, reference, PARTIAL * reference, r / self.noise.lasting()).min(bound);
            self.partial.add(minute, partial, now, reference);
        }
        if !frozen && self.score() < 3.0 {
            self.noise.learn(now, reference);
        }
    }

    /// One minute against the season, for a fall so slow that the reference follows it. Half of what is usual is far
    /// below any holiday.
    pub fn step_slow(&mut self, minute: Minute, now: f64, season: &Season, usual: f64) {
        if now < 0.5 * usual || self.slow.score > 0.0 {
            let r = 1.0 / (15.0 * season.cv2());
            let bound = if now > 0.5 * usual { -1.0 } else { super::STEP };
            let ratio = log_ratio(now, usual, PARTIAL * usual, r).min(bound);
            self.slow.add(minute, ratio, now, usual);
        }
    }

    /// The strongest test.
    pub fn best(&self) -> &Cusum {
        let quick = if self.cut.score >= self.partial.score { &self.cut } else { &self.partial };
        if self.slow.score > quick.score { &self.slow } else { quick }
    }

    /// Evidence for a fall in nats, whether or not it is deep enough.
    pub fn score(&self) -> f64 {
        self.cut.score.max(self.partial.score)
    }

    /// Evidence for a fall that is deep enough, in nats. `lasting` numbers (sockets, people who are there) are mostly
    /// those of the minute before: however long a fall lasts, few of them are little evidence.
    pub fn alarm(&self, lasting: bool) -> f64 {
        let deep = |test: &Cusum| {
            let bound =
                if lasting { EACH * test.expected / f64::from(test.minutes.max(1)) } else { f64::INFINITY };
            if test.observed < FALLEN * test.expected { test.score.min(bound) } else { 0.0 }
        };
        // The season is less sure than the last quarter of an hour: it pays five nats.
        deep(&self.cut).max(deep(&self.partial)).max(deep(&self.slow) - 5.0)
    }

    /// Dispersion of one minute.
    pub fn dispersion(&self) -> f64 {
        self.noise.dispersion() / self.noise.lasting().sqrt()
    }

    /// Forgets what was suspected, keeps what was learnt.
    pub fn reset(&mut self) {
        self.cut.reset();
        self.partial.reset();
        self.slow.reset();
    }
}

/// One such number of one network, or of one cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    /// The last hour.
    pub ring: Ring,
    /// The last hour's references; unknown where the number is.
    pub references: Ring,
    /// The tests.
    pub fall: Fall,
    /// What is usual in this hour of the week.
    pub season: Season,
    slow: f64,
    slow_minutes: u32,
    held: Option<Held>,
    reference: Option<f64>,
    now: Option<f64>,
    sources: Sources,
    /// Minutes in which the number was not known, until now.
    unknown: u32,
    /// Until then the season is that of other sources, with which it was so much.
    distrusted: Minute,
    forgotten: f64,
}

/// How many cells told a number lately.
#[derive(Debug, Clone, Copy, Default)]
struct Sources {
    usual: u32,
    fewer_since: Option<Minute>,
    more_since: Option<Minute>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    since: Minute,
    value: f64,
    season: Option<f64>,
}

impl Flow {
    /// One minute of a network or a cell; `None` if unknown. `sources` says from how many the number was added up, where
    /// there can be several.
    pub fn step(&mut self, minute: Minute, now: Option<f64>, sources: Option<u32>, mood: Mood) {
        let now = now.filter(|now| sources.is_none_or(|sources| self.is_whole(minute, *now, sources, mood)));
        self.ring.push(minute, now);
        self.now = now;
        let Some(now) = now else {
            self.references.push(minute, None);
            self.pass_unknown();
            return;
        };
        self.unknown = 0;
        if minute >= self.distrusted {
            self.forgotten = 0.0;
        }
        let mature = mood.mature && minute >= self.distrusted;
        let seasonal = if mature { self.season.at(minute, 0.0) } else { None };
        self.refresh_hold(minute, mood.hold || self.fall.score() >= 2.0, mood.frozen, seasonal);
        self.reference = match self.held {
            Some(held) => Some(held.at(seasonal)),
            // Five minutes make no difference to what was usual, unless it matters now.
            None if !minute.0.is_multiple_of(5)
                && self.reference.is_some_and(|reference| now >= 0.8 * reference) =>
            {
                self.reference
            }
            None => self.fresh_reference(minute, seasonal),
        };
        self.references.push(minute, self.reference);
        if let Some(reference) = self.reference {
            self.fall.step(minute, now, reference, mood.frozen);
        }
        if let Some(usual) = seasonal {
            self.fall.step_slow(minute, now, &self.season, usual);
        }
        if !mood.frozen {
            self.season.learn(minute, now);
            if self.held.is_none() {
                self.slow_minutes = (self.slow_minutes + 1).min(120);
                self.slow += (now - self.slow) / f64::from(self.slow_minutes);
            }
        }
    }

    /// Whether the number counts all of what it used to count. A source that is missing makes it unknown, not small; one
    /// that stays away is taken to be gone, and what was usual with it is forgotten.
    fn is_whole(&mut self, minute: Minute, now: f64, sources: u32, mood: Mood) -> bool {
        if sources >= self.sources.usual {
            self.sources.fewer_since = None;
            let more_since = *self.sources.more_since.get_or_insert(minute);
            if sources == self.sources.usual {
                self.sources.more_since = None;
            } else if self.sources.usual == 0 || minute.since(more_since) >= NEW_SOURCE {
                self.sources = Sources { usual: sources, ..Sources::default() };
            }
            return true;
        }
        self.sources.more_since = None;
        let nothing_is_missing = self.reference.is_some_and(|reference| now >= 0.9 * reference);
        if nothing_is_missing && self.held.is_none() {
            self.sources = Sources { usual: sources, ..Sources::default() };
            return true;
        }
        let fewer_since = *self.sources.fewer_since.get_or_insert(minute);
        if mood.frozen || minute.since(fewer_since) < GONE_SOURCE {
            return false;
        }
        self.sources = Sources { usual: sources, ..Sources::default() };
        self.ring = Ring::default();
        self.distrusted = minute.plus(24 * 60);
        self.forgotten = self.forgotten.max(self.reference.unwrap_or(0.0));
        self.release();
        true
    }

    /// A minute that is not known: what was suspected is not known any more after a while, and what was there is not
    /// missed for ever.
    fn pass_unknown(&mut self) {
        self.unknown = self.unknown.saturating_add(1);
        if self.unknown == UNKNOWN_SUSPICION {
            self.fall.reset();
        }
        if self.unknown == UNKNOWN_REFERENCE {
            self.reference = None;
        }
    }

    /// One minute of a country or the world: the sum of the networks that are known now and have a reference, and what
    /// the missing ones last had.
    pub fn step_sum(&mut self, minute: Minute, sum: FlowSum, mood: Mood) {
        // With too much unknown the sum says nothing; a network whose gauge is not read is not a network that is down.
        let known = sum.reference > 0.0 && sum.missing <= 0.3 * (sum.reference + sum.missing);
        self.now = known.then_some(sum.now);
        self.reference = known.then_some(sum.reference);
        self.ring.push(minute, self.now);
        self.references.push(minute, self.reference);
        if !known {
            self.pass_unknown();
            return;
        }
        self.unknown = 0;
        self.fall.step(minute, sum.now, sum.reference, mood.frozen);
        // Nor is it what it used to be at this hour, if parts of it are told by fewer cells than then.
        let other = sum.missing + sum.forgotten;
        if other > 0.1 * (sum.reference + other) {
            return;
        }
        if mood.mature
            && let Some(usual) = self.season.at(minute, 0.0)
        {
            self.fall.step_slow(minute, sum.now, &self.season, usual);
        }
        if !mood.frozen {
            self.season.learn(minute, sum.now);
        }
    }

    fn refresh_hold(&mut self, minute: Minute, wanted: bool, frozen: bool, seasonal: Option<f64>) {
        match self.held {
            None if wanted || frozen => {
                // The last reference before the suspicion, or the one that this minute would have.
                let value = self.reference.or_else(|| self.fresh_reference(minute, seasonal));
                self.held = value.map(|value| Held { since: minute, value, season: seasonal });
            }
            Some(held) if !frozen && (!wanted || minute.since(held.since) > HOLD) => {
                self.held = None;
                if wanted {
                    self.fall.reset();
                }
            }
            _ => {}
        }
    }

    fn fresh_reference(&self, minute: Minute, seasonal: Option<f64>) -> Option<f64> {
        let recent = self.ring.middle(Minute(minute.0.saturating_sub(5)))?;
        // A reference that happens to be high makes a fall of nothing: the lower end of what it may be.
        let mut reference = (recent - (recent / 8.0).sqrt()).max(0.0);
        if self.slow_minutes >= 30 {
            reference = reference.min(1.05 * self.slow);
        }
        if let Some(seasonal) = seasonal {
            reference = reference.min(1.3 * seasonal);
        }
        Some(reference)
    }

    /// It is known, and nothing is suspected.
    pub fn is_well(&self) -> bool {
        let (Some(now), Some(reference)) = (self.now, self.reference) else { return false };
        self.held.is_none() && now >= 0.8 * reference
    }

    /// Adds this minute to a wider node's. What is new here counts there: it may have come from next door.
    pub fn add_to(&self, sum: &mut FlowSum) {
        sum.forgotten += self.forgotten;
        match (self.now, self.reference) {
            (Some(now), reference) => {
                sum.now += now;
                sum.reference += reference.unwrap_or(0.0);
            }
            (None, Some(reference)) => sum.missing += reference,
            (None, None) => {}
        }
    }

    /// An incident is over: what came after it is normal again. What was there before it is as old as the incident, and
    /// must not be held as the reference of the next suspicion: life went on.
    pub fn release(&mut self) {
        self.held = None;
        self.reference = None;
        self.fall.reset();
        self.slow_minutes = 0;
    }
}

/// What is known of a node's circumstances in a minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mood {
    /// Something wider is suspected: references are held.
    pub hold: bool,
    /// The minute belongs to an incident: nothing is learnt.
    pub frozen: bool,
    /// There is a week of history: the season may be believed.
    pub mature: bool,
}

/// A minute of a wider node, summed up from its networks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FlowSum {
    pub now: f64,
    pub reference: f64,
    /// The last references of networks that are not known now.
    pub missing: f64,
    /// The same of networks that some cell does not tell of any more.
    pub forgotten: f64,
}

impl Held {
    /// The held value moved with the season: an evening's reference is not a night's.
    fn at(&self, seasonal: Option<f64>) -> f64 {
        match (self.season, seasonal) {
            (Some(then), Some(now)) if then > 1.0 => self.value * (now / then).clamp(0.1, 10.0),
            _ => self.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(values: impl IntoIterator<Item = f64>) -> Flow {
        let mut flow = Flow::default();
        for (minute, value) in values.into_iter().enumerate() {
            flow.step(Minute(1000 + minute as u32), Some(value), None, Mood::default());
        }
        flow
    }

    #[test]
    fn two_hundred_sockets_that_close_are_noticed_within_three_minutes() {
        let normal = (0..120).map(|minute| 200.0 + f64::from(minute % 7));
        assert!(flow(normal.clone()).fall.alarm(true) < 1.0);
        assert!(flow(normal.chain([3.0; 3])).fall.alarm(true) > 17.0);
    }

    #[test]
    fn the_way_back_from_a_spike_is_not_a_fall() {
        let spike = (0..300).map(|minute| if (200..220).contains(&minute) { 900.0 } else { 200.0 });
        let mut worst = 0.0_f64;
        for end in 220..260 {
            worst = worst.max(flow(spike.clone().take(end)).fall.alarm(true));
        }
        assert!(worst < 8.0, "{worst}");
    }

    #[test]
    fn what_was_there_before_an_incident_is_not_missed_after_it() {
        let mut flow = flow([100.0; 120]);
        let after = |minute: u32| Minute(1120 + minute);
        for minute in 0..60 {
            flow.step(after(minute), Some(40.0), None, Mood { frozen: true, ..Mood::default() });
        }
        flow.release();
        for minute in 60..90 {
            flow.step(after(minute), Some(40.0), None, Mood { hold: true, ..Mood::default() });
            assert!(flow.fall.alarm(true) < 1.0, "{minute}: {:?}", flow.fall);
        }
    }

    #[test]
    fn a_sum_is_not_compared_with_the_season_of_cells_that_do_not_tell_any_more() {
        let mood = Mood { mature: true, ..Mood::default() };
        let (mut part, mut whole) = (Flow::default(), Flow::default());
        for minute in (0..9 * 1440).map(Minute) {
            let (now, sources) = if minute.0 < 8 * 1440 { (1000.0, 2) } else { (150.0, 1) };
            part.step(minute, Some(now), Some(sources), mood);
            let mut sum = FlowSum::default();
            part.add_to(&mut sum);
            whole.step_sum(minute, sum, mood);
            assert!(whole.fall.best().score < 1.0, "{minute:?}: {:?}", whole.fall);
        }
    }

    #[test]
    fn five_sockets_are_too_few_to_say_anything() {
        let cut = (0..130).map(|minute| if minute < 100 { 5.0 } else { 0.0 });
        assert!(flow(cut).fall.alarm(true) < 5.0);
    }
}

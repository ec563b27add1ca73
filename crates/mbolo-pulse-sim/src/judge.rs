//! Holds what the detector says against what was done.
//!
//! A confirmed incident that overlaps a fault in time, place and service found it; any other is false, and is counted
//! for the [`Case`] of stress that it came in. Time to detect ends when the detector could say so: a minute's counts are
//! complete when the minute is over, so nothing is found in less than one.

use std::collections::BTreeMap;
use std::fmt;

use mbolo_pulse::{Incident, IncidentId, IncidentState, Minute, Scope, Transition};
use serde::Serialize;

use crate::fault::{Class, Fault, Truth};
use crate::places::{Places, Trend, gabon};
use crate::schedule::{DAY, Schedule};
use crate::services::CELLS;

/// What was going on when the detector was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Nothing but noise.
    Noise,
    /// In a country whose users become more.
    Growth,
    /// In a country whose users become fewer.
    Decline,
    /// Within two days of clocks being put forward there.
    ClockChange,
    /// Around the midnights of the new year.
    NewYear,
    /// In the country that is cut off every night, outside the cut, or about another place during it.
    Curfew,
    /// A service that works, while another one fails.
    Echo,
    /// Another place, while the service fails somewhere.
    Misplaced,
    /// The right place, after the fault was over.
    Aftermath,
    /// While bots report.
    Flood,
    /// While people report because of the news.
    Panic,
    /// While agents lie.
    Liars,
    /// While clocks are wrong.
    WrongClock,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Noise,
        Self::Growth,
        Self::Decline,
        Self::ClockChange,
        Self::NewYear,
        Self::Curfew,
        Self::Echo,
        Self::Misplaced,
        Self::Aftermath,
        Self::Flood,
        Self::Panic,
        Self::Liars,
        Self::WrongClock,
    ];

    /// In which part of a run it can happen.
    pub fn comes_with_faults(self) -> bool {
        matches!(
            self,
            Self::Echo
                | Self::Misplaced
                | Self::Aftermath
                | Self::Flood
                | Self::Panic
                | Self::Liars
                | Self::WrongClock
        )
    }

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Growth => "growth",
            Self::Decline => "decline",
            Self::ClockChange => "clock_change",
            Self::NewYear => "new_year",
            Self::Curfew => "curfew",
            Self::Echo => "echo",
            Self::Misplaced => "misplaced",
            Self::Aftermath => "aftermath",
            Self::Flood => "flood",
            Self::Panic => "panic",
            Self::Liars => "liars",
            Self::WrongClock => "wrong_clock",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that went wrong, to be looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// When.
    pub minute: Minute,
    /// What happened and what was said, for people.
    pub text: String,
}

/// How one fault was found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Minutes from its beginning to the confirmation.
    pub(crate) minutes: Option<u32>,
    /// Scope and services were right at once, and five minutes later.
    pub(crate) right_at_once: bool,
    pub(crate) right_after_5: bool,
    /// The kind was right five minutes later.
    pub(crate) kind_after_5: bool,
    /// Scope and services were still right, or right again, when the fault was over.
    pub(crate) right_at_the_end: bool,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Of each fault, in the order they began.
    pub(crate) outcomes: Vec<(Class, Outcome)>,
    pub(crate) false_alarms: BTreeMap<Case, u32>,
    /// In order of time.
    pub(crate) findings: Vec<Finding>,
}

/// A confirmation this long after a fault's end still belongs to it.
const GRACE: u32 = 15;
/// What is wrong this long after a fault's end is due to it.
const AFTERMATH: u32 = 60;
/// Attribution is judged again after so many minutes.
const LATER: u32 = 5;
/// What is kept of each sort for people to read.
const MOST_FINDINGS: u32 = 40;

/// The judge of one run.
pub(crate) struct Judge<'a> {
    places: &'a Places,
    schedule: &'a Schedule,
    truths: Vec<Option<Truth>>,
    outcomes: Vec<Outcome>,
    /// Confirmed and not over, with the minute they were confirmed in.
    open: BTreeMap<IncidentId, (Incident, Minute)>,
    due: Vec<(Minute, usize)>,
    false_alarms: BTreeMap<Case, u32>,
    findings: Vec<Finding>,
    /// How many findings there were of each sort.
    noted: BTreeMap<&'static str, u32>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(places: &'a Places, schedule: &'a Schedule) -> Self {
        let truths: Vec<_> = schedule.faults.iter().map(|fault| fault.truth(places)).collect();
        Self {
            places,
            schedule,
            outcomes: vec![Outcome::default(); truths.len()],
            truths,
            open: BTreeMap::new(),
            due: Vec::new(),
            false_alarms: BTreeMap::new(),
            findings: Vec::new(),
            noted: BTreeMap::new(),
        }
    }

    /// Takes what the detector said when it closed the minute before `now`.
    pub(crate) fn hear(&mut self, now: Minute, transitions: &[Transition]) {
        let mut found = Vec::new();
        for transition in transitions {
            let incident = &transition.incident;
            let confirmed_before = self.open.get(&incident.id).map(|(_, at)| *at);
            let confirmed_at = match incident.state {
                IncidentState::Confirmed => Some(confirmed_before.unwrap_or(now)),
                // What was only reported recovers, too, and was never confirmed.
                IncidentState::Recovering => confirmed_before,
                IncidentState::Suspected | IncidentState::Reported | IncidentState::Resolved => None,
            };
            let Some(at) = confirmed_at else {
                self.open.remove(&incident.id);
                continue;
            };
            self.open.insert(incident.id.clone(), (incident.clone(), at));
            if confirmed_before.is_some() {
                continue;
            }
            if now < self.schedule.stress_from {
                self.note(now, "warm_up", format!("while learning, not counted: {}", describe(incident)));
                continue;
            }
            found.extend(self.confirmed(now, incident));
        }
        for fault in found {
            self.outcomes[fault].right_at_once = self.judge(fault).0;
        }
        self.note_missed(now);
        for fault in 0..self.outcomes.len() {
            if self.schedule.faults[fault].until == now && self.outcomes[fault].minutes.is_some() {
                self.outcomes[fault].right_at_the_end = self.judge(fault).0;
            }
        }
        let due: Vec<usize> = self.due.iter().filter(|(at, _)| *at == now).map(|(_, fault)| *fault).collect();
        self.due.retain(|(at, _)| *at != now);
        for fault in due {
            let (right, kind) = self.judge(fault);
            self.outcomes[fault].right_after_5 = right;
            self.outcomes[fault].kind_after_5 = kind;
            if !right {
                let what = format!("five minutes after it was confirmed it is not {}", self.said_of(fault));
                self.note_fault(now, fault, &what);
            }
        }
    }

    /// Notes the faults whose time to be found ends now, with what was confirmed before and hides them.
    fn note_missed(&mut self, now: Minute) {
        for fault in 0..self.outcomes.len() {
            let over = self.schedule.faults[fault].until.plus(GRACE) == now;
            if over && self.truths[fault].is_some() && self.outcomes[fault].minutes.is_none() {
                let open = self.open.values().filter(|(incident, _)| self.concerns(fault, incident));
                let open: Vec<String> = open
                    .map(|(incident, at)| format!("{} since {}", describe(incident), at.rfc3339()))
                    .collect();
                self.note_fault(now, fault, &format!("missed; open before: {}", open.join("; ")));
            }
        }
    }

    /// What came of all of it.
    pub(crate) fn finish(mut self) -> Verdict {
        self.findings.sort_by_key(|finding| finding.minute);
        let classes = self.schedule.faults.iter().map(|fault| fault.class);
        Verdict {
            outcomes: classes.zip(self.outcomes).collect(),
            false_alarms: self.false_alarms,
            findings: self.findings,
        }
    }

    /// The fault that this finds, if it is the first to find it.
    fn confirmed(&mut self, now: Minute, incident: &Incident) -> Option<usize> {
        let near = |fault: &Fault| fault.from < now && now <= fault.until.plus(GRACE);
        let fits = |at: &usize| near(&self.schedule.faults[*at]) && self.concerns(*at, incident);
        // Of two faults at a time it means the one that it names.
        let named = (0..self.truths.len()).filter(fits).find(|at| self.names(*at, incident));
        let Some(fault) = named.or_else(|| (0..self.truths.len()).find(fits)) else {
            self.false_alarm(now, incident);
            return None;
        };
        if self.outcomes[fault].minutes.is_some() {
            return None;
        }
        self.outcomes[fault].minutes = Some(now.since(self.schedule.faults[fault].from));
        self.due.push((now.plus(LATER), fault));
        Some(fault)
    }

    fn names(&self, fault: usize, incident: &Incident) -> bool {
        self.truths[fault].as_ref().is_some_and(|truth| truth.scope == incident.scope)
    }

    fn concerns(&self, fault: usize, incident: &Incident) -> bool {
        let Some(truth) = &self.truths[fault] else { return false };
        incident.services.iter().any(|service| truth.services.contains(service))
            && self.overlap(&truth.scope, &incident.scope)
    }

    /// Whether somebody who says `other` may mean `one`, the truth. A country or a network that has a fault is not the
    /// world: who says so accuses everybody. A network's country is near enough to have found it, and not right.
    fn overlap(&self, one: &Scope, other: &Scope) -> bool {
        let is_local = matches!(one, Scope::Country { .. } | Scope::Asn { .. });
        if is_local && *other == Scope::World {
            return false;
        }
        match (one, other) {
            (Scope::Cell { cell }, place) | (place, Scope::Cell { cell }) if one != other => match place {
                Scope::World => true,
                Scope::Cell { .. } => false,
                Scope::Country { .. } | Scope::Asn { .. } => self.lives_in(place, cell),
            },
            _ => one.contains(other) || other.contains(one),
        }
    }

    fn lives_in(&self, place: &Scope, cell: &str) -> bool {
        let Some(place) = place.country().and_then(|cc| self.places.find(cc)) else { return false };
        let networks = &self.places.networks[self.places.places[place].networks.clone()];
        networks.iter().flat_map(|network| &network.homes).any(|(home, _)| CELLS[*home] == cell)
    }

    /// Whether what is confirmed now names scope and services of this fault and nothing else, and its kind.
    fn judge(&self, fault: usize) -> (bool, bool) {
        let Some(truth) = &self.truths[fault] else { return (false, false) };
        let mut said = self.said(fault).peekable();
        if said.peek().is_none() {
            return (false, false);
        }
        said.fold((true, true), |(right, kind), incident| {
            let services = incident.services.contains(&truth.foremost)
                && incident.services.iter().all(|service| truth.services.contains(service));
            (right && services && incident.scope == truth.scope, kind && incident.kind == truth.kind)
        })
    }

    fn said(&self, fault: usize) -> impl Iterator<Item = &Incident> {
        let from = self.schedule.faults[fault].from;
        let open = self.open.values().filter(move |(_, at)| *at > from).map(|(incident, _)| incident);
        open.filter(move |incident| self.concerns(fault, incident) && !self.names_another(fault, incident))
    }

    /// Whether it names a fault that is on at the same time.
    fn names_another(&self, fault: usize, incident: &Incident) -> bool {
        let of = &self.schedule.faults[fault];
        let meanwhile = |other: &Fault| other.from < of.until && of.from < other.until;
        !self.names(fault, incident)
            && (0..self.truths.len()).any(|other| {
                meanwhile(&self.schedule.faults[other])
                    && self.names(other, incident)
                    && self.concerns(other, incident)
            })
    }

    fn said_of(&self, fault: usize) -> String {
        let said: Vec<String> = self.said(fault).map(describe).collect();
        format!("called right: {}", if said.is_empty() { "nothing is open".into() } else { said.join("; ") })
    }

    fn false_alarm(&mut self, now: Minute, incident: &Incident) {
        let case = self.case(now, incident);
        *self.false_alarms.entry(case).or_default() += 1;
        self.note(now, case.as_str(), format!("false ({case}): {}", describe(incident)));
    }

    fn case(&self, now: Minute, incident: &Incident) -> Case {
        let recent = self
            .schedule
            .faults
            .iter()
            .enumerate()
            .rfind(|(_, fault)| fault.from < now && now <= fault.until.plus(AFTERMATH));
        if let Some((at, fault)) = recent.filter(|(_, fault)| fault.class != Class::Curfew) {
            return match &self.truths[at] {
                None => match fault.class {
                    Class::Flood => Case::Flood,
                    Class::Liars => Case::Liars,
                    Class::WrongClock => Case::WrongClock,
                    _ => Case::Panic,
                },
                Some(_) if self.concerns(at, incident) => Case::Aftermath,
                Some(truth) if incident.services.iter().any(|service| truth.services.contains(service)) => {
                    Case::Misplaced
                }
                Some(_) => Case::Echo,
            };
        }
        let place = incident.scope.country().and_then(|cc| self.places.find(cc));
        let place = place.map(|place| &self.places.places[place]);
        // The new year goes round the earth in a day and some hours.
        let (year, hour) = (self.schedule.new_year, 60);
        if now >= Minute(year.0 - 15 * hour) && now < year.plus(13 * hour) {
            return Case::NewYear;
        }
        let clocks_change = place.is_none_or(|place| place.summer_time);
        if clocks_change && now.0.wrapping_sub(self.schedule.clock_change.0) < 2 * DAY {
            return Case::ClockChange;
        }
        match place {
            Some(place) if place.cc == gabon() => Case::Curfew,
            Some(place) if place.trend == Trend::Grows => Case::Growth,
            Some(place) if place.trend == Trend::Shrinks => Case::Decline,
            _ => Case::Noise,
        }
    }

    fn note_fault(&mut self, now: Minute, fault: usize, what: &str) {
        let of = &self.schedule.faults[fault];
        let text = format!("{} from {}: {}: {what}", of.class, of.from.rfc3339(), of.describe(self.places));
        self.note(now, of.class.as_str(), text);
    }

    fn note(&mut self, minute: Minute, sort: &'static str, text: String) {
        let noted = self.noted.entry(sort).or_default();
        *noted += 1;
        if *noted <= MOST_FINDINGS {
            self.findings.push(Finding { minute, text });
        }
    }
}

fn describe(incident: &Incident) -> String {
    let services: Vec<&str> = incident.services.iter().map(|service| service.as_str()).collect();
    let evidence: Vec<String> = incident
        .evidence
        .iter()
        .map(|one| {
            let (signal, window) = (one.signal.as_str(), one.window);
            format!("{signal} {:.1}/{:.1} llr {:.1} in {window} min", one.observed, one.expected, one.llr)
        })
        .collect();
    format!("{:?} {} of {} [{}]", incident.kind, incident.scope, services.join("+"), evidence.join(", "))
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::{IncidentKind, ServiceId};

    use super::*;
    use crate::fault::What;
    use crate::options::Options;
    use crate::random::Random;
    use crate::services::OWN;

    fn said(scope: Scope, service: &str, state: IncidentState, now: Minute) -> Transition {
        let incident = Incident {
            id: IncidentId(format!("{service}-{scope}")),
            services: vec![ServiceId::new(service).unwrap()],
            kind: IncidentKind::Service,
            scope,
            scope_uncertain: false,
            state,
            started_at: now,
            detected_at: now,
            confirmed_at: Some(now),
            resolved_at: None,
            impact: None,
            evidence: vec![],
        };
        Transition { at: now, incident }
    }

    fn calendar() -> (Places, Schedule, Fault) {
        let options = Options { rounds: 1, ..Options::quick() };
        let places = Places::new(&options, 200_000, &mut Random::new(1, 1));
        let mut schedule = Schedule::new(&options, &places, &mut Random::new(1, 2));
        let from = schedule.faults_from;
        let what = What::Outage { service: OWN, share: 0.5, ramp: 0 };
        let fault = Fault { class: Class::OwnLarge, from, until: from.plus(40), what, echo: 0.02 };
        schedule.faults = vec![fault.clone()];
        (places, schedule, fault)
    }

    #[test]
    fn a_fault_that_is_confirmed_in_time_is_found_and_its_attribution_is_judged_twice() {
        let (places, schedule, fault) = calendar();
        let mut judge = Judge::new(&places, &schedule);
        let country = Scope::Country { cc: places.places[0].cc };
        let now = fault.from.plus(3);
        judge.hear(now, &[said(country.clone(), "mbolo", IncidentState::Confirmed, now)]);
        judge.hear(
            now.plus(1),
            &[
                said(country, "mbolo", IncidentState::Resolved, now),
                said(Scope::World, "mbolo", IncidentState::Confirmed, now),
            ],
        );
        for later in 2..=5 {
            judge.hear(now.plus(later), &[]);
        }
        let Verdict { outcomes, false_alarms, .. } = judge.finish();
        let outcome = outcomes[0].1;
        assert_eq!(outcome.minutes, Some(3));
        assert!(!outcome.right_at_once && outcome.right_after_5 && outcome.kind_after_5);
        assert!(false_alarms.is_empty());
    }

    #[test]
    fn what_is_said_of_another_service_or_too_late_is_false() {
        let (places, schedule, fault) = calendar();
        let mut judge = Judge::new(&places, &schedule);
        let at = |after| fault.from.plus(after);
        judge.hear(at(5), &[said(Scope::World, "whatsapp", IncidentState::Confirmed, at(5))]);
        judge.hear(at(55), &[]);
        judge.hear(at(70), &[said(Scope::World, "mbolo", IncidentState::Confirmed, at(70))]);
        judge.hear(at(200), &[said(Scope::World, "bank", IncidentState::Confirmed, at(200))]);
        let Verdict { outcomes, false_alarms, findings } = judge.finish();
        assert_eq!(outcomes[0].1.minutes, None);
        assert_eq!(false_alarms, BTreeMap::from([(Case::Echo, 1), (Case::Aftermath, 1), (Case::Noise, 1)]));
        assert_eq!(findings.len(), 4, "three false ones and one missed");
    }

    #[test]
    fn reports_without_a_confirmation_find_nothing_and_are_no_false_alarm() {
        let (places, schedule, fault) = calendar();
        let mut judge = Judge::new(&places, &schedule);
        let now = fault.from.plus(300);
        judge.hear(now, &[said(Scope::World, "whatsapp", IncidentState::Reported, now)]);
        judge.hear(now.plus(1), &[said(Scope::World, "whatsapp", IncidentState::Recovering, now)]);
        let Verdict { outcomes, false_alarms, .. } = judge.finish();
        assert!(false_alarms.is_empty() && outcomes[0].1.minutes.is_none());
    }
}

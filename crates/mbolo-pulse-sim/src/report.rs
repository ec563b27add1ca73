//! The figures of a run: for machines by `serde`, for people by `Display`; and the gates they are held to.

use std::fmt;

use serde::Serialize;

use crate::fault::Class;
use crate::judge::{Case, Finding, Outcome, Verdict};
use crate::noise::NoiseFamily;
use crate::options::Options;

/// What came of all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was played.
    pub options: Options,
    /// One for each number of users and family of noise.
    pub tables: Vec<Table>,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Users of the world.
    pub users: u64,
    /// Where its noise comes from.
    pub family: NoiseFamily,
    /// Rows the detector was given.
    pub rows: u64,
    /// By class of fault.
    pub classes: Vec<ClassResult>,
    /// All outages of the world, from 3 to 90 %.
    pub global: Figures,
    /// Everything that really fails, one at a time.
    pub all: Figures,
    /// By case of stress.
    pub false_alarms: Vec<FalseAlarms>,
    /// What went wrong, in order of time.
    pub findings: Vec<Finding>,
}

/// How one class of faults was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassResult {
    /// Which.
    pub class: Class,
    /// How it was found.
    #[serde(flatten)]
    pub figures: Figures,
}

/// How some faults were found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How many there were.
    pub events: u32,
    /// How many were confirmed.
    pub found: u32,
    /// Half of all faults were confirmed within so many minutes; absent if fewer were confirmed at all.
    pub median_minutes: Option<u32>,
    /// The same for nine of ten.
    pub p90_minutes: Option<u32>,
    /// Of those confirmed, how many had scope and services right at once.
    pub right_at_once: u32,
    /// The same five minutes later.
    pub right_after_5: u32,
    /// Of those confirmed, how many had the kind right five minutes later.
    pub kind_after_5: u32,
    /// Of those confirmed, how many had scope and services right when they were over.
    pub right_at_the_end: u32,
}

/// How often the detector was wrong in one case of stress.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FalseAlarms {
    /// Which.
    pub case: Case,
    /// How often.
    pub confirmed: u32,
    /// Over how many days.
    pub days: f64,
}

/// One promise and whether it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// Users and noise.
    pub users: u64,
    /// See `users`.
    pub family: NoiseFamily,
    /// What is promised.
    pub promise: String,
    /// What was measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

/// Minutes within which nine of ten outages of the world are confirmed.
const GLOBAL_P90: u32 = 4;
/// The same for shutdowns of a country of Gabon's size.
const SHUTDOWN_P90: u32 = 5;
const RIGHT_AFTER_5: f64 = 0.95;
/// The share that is found where two things happen at a time, or agents lie.
const LEAST_FOUND: f64 = 0.9;
/// The gates are promises from this many users on.
const GATES_FROM_USERS: u64 = 200_000;

impl Figures {
    pub(crate) fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let outcomes: Vec<&Outcome> = outcomes.collect();
        let count = |which: fn(&Outcome) -> bool| outcomes.iter().filter(|one| which(one)).count() as u32;
        let mut minutes: Vec<u32> = outcomes.iter().filter_map(|one| one.minutes).collect();
        minutes.sort_unstable();
        // A fault that was missed took longer than any other.
        let quantile = |share: f64| minutes.get(((outcomes.len() as f64 * share).ceil() as usize).max(1) - 1);
        Self {
            events: outcomes.len() as u32,
            found: minutes.len() as u32,
            median_minutes: quantile(0.5).copied(),
            p90_minutes: quantile(0.9).copied(),
            right_at_once: count(|one| one.right_at_once),
            right_after_5: count(|one| one.right_after_5),
            kind_after_5: count(|one| one.kind_after_5),
            right_at_the_end: count(|one| one.right_at_the_end),
        }
    }

    /// The share that was confirmed.
    pub fn recall(&self) -> f64 {
        share(self.found, self.events)
    }
}

fn share(part: u32, of: u32) -> f64 {
    if of == 0 { 1.0 } else { f64::from(part) / f64::from(of) }
}

impl FalseAlarms {
    /// How often in 28 days.
    pub fn per_28_days(&self) -> f64 {
        f64::from(self.confirmed) * 28.0 / self.days
    }

    /// One in 28 days is allowed, and none where somebody only says so.
    fn allowed(&self) -> u32 {
        match self.case {
            Case::Echo | Case::Flood | Case::Panic | Case::Liars | Case::WrongClock => 0,
            _ => (self.days / 28.0).ceil() as u32,
        }
    }
}

impl Table {
    pub(crate) fn new(
        options: &Options,
        (users, family): (u64, NoiseFamily),
        rows: u64,
        fault_days: f64,
        verdict: Verdict,
    ) -> Self {
        let Verdict { outcomes, false_alarms, findings } = verdict;
        let of = |wanted: &dyn Fn(Class) -> bool| {
            Figures::of(outcomes.iter().filter(|(class, _)| wanted(*class)).map(|(_, outcome)| outcome))
        };
        let stress_days = f64::from(options.days);
        let classes = Class::ALL.into_iter().filter(|class| class.is_real());
        let false_alarms = Case::ALL.into_iter().map(|case| {
            let confirmed = false_alarms.get(&case).copied().unwrap_or(0);
            let days = if case.comes_with_faults() { fault_days } else { stress_days };
            FalseAlarms { case, confirmed, days }
        });
        Self {
            users,
            family,
            rows,
            classes: classes.map(|class| ClassResult { class, figures: of(&|one| one == class) }).collect(),
            global: of(&|class| Class::GLOBAL.contains(&class)),
            all: of(&|class| class.is_real() && class.comes_alone()),
            false_alarms: false_alarms.collect(),
            findings,
        }
    }

    /// How one class was found.
    pub fn class(&self, class: Class) -> Option<&Figures> {
        self.classes.iter().find(|one| one.class == class).map(|one| &one.figures)
    }

    fn gates(&self) -> Vec<Gate> {
        let gate = |promise: String, measured: String, holds: bool| Gate {
            users: self.users,
            family: self.family,
            promise,
            measured,
            holds,
        };
        let p90 = |figures: &Figures, most: u32| {
            let holds = figures.events == 0 || figures.p90_minutes.is_some_and(|minutes| minutes <= most);
            (minutes(figures.p90_minutes), holds)
        };
        let mut gates = Vec::new();
        let (measured, holds) = p90(&self.global, GLOBAL_P90);
        gates.push(gate(
            format!("nine of ten outages of the world within {GLOBAL_P90} min"),
            measured,
            holds,
        ));
        if let Some(shutdown) = self.class(Class::ShutdownSmall) {
            let (measured, holds) = p90(shutdown, SHUTDOWN_P90);
            let promise = format!("nine of ten shutdowns of Gabon's size within {SHUTDOWN_P90} min");
            gates.push(gate(promise, measured, holds));
        }
        let right = share(self.all.right_after_5, self.all.found);
        gates.push(gate(
            "scope and services right after 5 min in 95 %".into(),
            format!("{:.1} %", right * 100.0),
            right >= RIGHT_AFTER_5,
        ));
        for class in [Class::Together, Class::Denied] {
            let Some(figures) = self.class(class) else { continue };
            gates.push(gate(
                format!("nine of ten found: {class}"),
                format!("{} of {}", figures.found, figures.events),
                figures.recall() >= LEAST_FOUND,
            ));
        }
        for one in &self.false_alarms {
            let promise = match one.allowed() {
                0 => format!("nothing false confirmed: {}", one.case),
                _ => format!("at most one false confirmed in 28 days: {}", one.case),
            };
            let measured = format!("{} in {:.0} days", one.confirmed, one.days);
            gates.push(gate(promise, measured, one.confirmed <= one.allowed()));
        }
        gates
    }
}

impl Report {
    /// The promises, for each run with 200,000 users or more.
    pub fn gates(&self) -> Vec<Gate> {
        self.tables.iter().filter(|table| table.users >= GATES_FROM_USERS).flat_map(Table::gates).collect()
    }
}

fn minutes(value: Option<u32>) -> String {
    value.map_or_else(|| "never".into(), |minutes| format!("{minutes} min"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        let gates = self.gates();
        let broken: Vec<&Gate> = gates.iter().filter(|gate| !gate.holds).collect();
        writeln!(f, "{} of {} gates hold", gates.len() - broken.len(), gates.len())?;
        for gate in broken {
            let (users, family) = (gate.users, gate.family.as_str());
            writeln!(f, "  broken at {users} users, {family}: {}: {}", gate.promise, gate.measured)?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} users, {} noise, {} rows", self.users, self.family.as_str(), self.rows)?;
        writeln!(
            f,
            "{:<16} {:>6} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "fault", "events", "recall", "median", "p90", "right +0", "right +5", "right end", "kind +5"
        )?;
        let named = self.classes.iter().map(|one| (one.class.as_str(), &one.figures));
        for (name, figures) in named.chain([("global, all", &self.global), ("all", &self.all)]) {
            let percent = |part: u32| match figures.found {
                0 => "-".to_owned(),
                found => format!("{:.0} %", 100.0 * share(part, found)),
            };
            let shown =
                |value: Option<u32>| value.map_or_else(|| "never".to_owned(), |value| value.to_string());
            writeln!(
                f,
                "{name:<16} {:>6} {:>5.0} % {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}",
                figures.events,
                100.0 * figures.recall(),
                shown(figures.median_minutes),
                shown(figures.p90_minutes),
                percent(figures.right_at_once),
                percent(figures.right_after_5),
                percent(figures.right_at_the_end),
                percent(figures.kind_after_5),
            )?;
        }
        writeln!(f, "{:<16} {:>6} {:>7} {:>12}", "false confirmed", "count", "days", "per 28 days")?;
        for one in &self.false_alarms {
            let per_28_days = one.per_28_days();
            writeln!(f, "{:<16} {:>6} {:>7.1} {per_28_days:>12.2}", one.case, one.confirmed, one.days)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn found_after(minutes: Option<u32>) -> Outcome {
        Outcome { minutes, ..Outcome::default() }
    }

    #[test]
    fn a_missed_fault_took_longer_than_any_other() {
        let outcomes: Vec<Outcome> = (1..=9).map(Some).chain([None]).map(found_after).collect();
        let figures = Figures::of(outcomes.iter());
        assert_eq!((figures.median_minutes, figures.p90_minutes), (Some(5), Some(9)));
        let more: Vec<Outcome> = outcomes.iter().copied().chain([found_after(None); 2]).collect();
        assert_eq!(Figures::of(more.iter()).p90_minutes, None);
        assert_eq!(Figures::of(outcomes[9..].iter()).recall(), 0.0);
    }

    #[test]
    fn one_false_alarm_where_people_only_talk_breaks_a_gate() {
        let options = Options::quick();
        let false_alarms = BTreeMap::from([(Case::Flood, 1), (Case::Noise, 1)]);
        let verdict = Verdict { false_alarms, ..Verdict::default() };
        let table = Table::new(&options, (200_000, NoiseFamily::LogNormal), 0, 3.0, verdict);
        let report = Report { options, tables: vec![table] };
        let broken: Vec<Gate> = report.gates().into_iter().filter(|gate| !gate.holds).collect();
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].promise.contains("flood"));
    }
}

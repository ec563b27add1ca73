//! What agents say of each target: one dead target of many is seen, and who says so is counted by network.
//!
//! Each agent decides for itself, by a sequential test of its own measurements. Agents in two different networks of a
//! country make a target down there, in three networks down in the world; the others must not outvote them, and for the
//! world neither must those outside the country where most say so. All of it is in memory: after a restart a target that
//! is down is known again with the third round.
//!
//! That is shown, and no incident by itself: incidents come from counts, and what a round counts is decided in
//! [`round`].

use std::collections::{BTreeMap, BTreeSet};

use mbolo_pulse::board::{Health, ProbeRow, TargetBoard};
use mbolo_pulse::{Asn, Country, LATELY, Scope, ServiceId};
use mbolo_pulse_probe::sequential::{Test, Verdict};

use crate::config::ServiceConfig;
use crate::edge::Place;

/// A row is shown this long, seconds.
const SHOWN: i64 = 3_600;

/// What was measured longer ago than this is no vote, seconds.
const FRESH: i64 = LATELY as i64 * 60;

/// Networks that must agree, in a country and in the world.
const IN_A_COUNTRY: u32 = 2;
const IN_THE_WORLD: u32 = 3;

/// Targets of one service on a board.
const MOST_TARGETS: usize = 100;

/// What agents measured last, by service, target and agent.
#[derive(Debug, Default)]
pub struct Targets(BTreeMap<ServiceId, BTreeMap<(String, String), Seen>>);

/// One target as one agent sees it.
#[derive(Debug)]
struct Seen {
    place: Place,
    row: ProbeRow,
    test: Test,
    /// The first failure since it worked.
    failing_since: Option<i64>,
}

impl Targets {
    /// Takes in what an agent measured, in the order of time; what is older than known is left out.
    pub fn note(&mut self, service: &ServiceId, agent: &str, place: Place, row: ProbeRow, now: i64) {
        let of_service = self.0.entry(service.clone()).or_default();
        let key = (row.target.clone(), agent.to_owned());
        let before = of_service.remove(&key);
        if before.as_ref().is_some_and(|before| before.row.at > row.at) {
            of_service.extend(before.map(|before| (key, before)));
            return;
        }
        // After a silence what was believed is not known any more.
        let known = before.filter(|before| row.at - before.row.at <= FRESH);
        let (mut test, mut failing_since) =
            known.map_or_else(Default::default, |known| (known.test, known.failing_since));
        if now - row.at <= FRESH {
            test.push(row.ok);
        }
        failing_since = match row.ok {
            true if test.verdict() != Verdict::Down => None,
            true => failing_since,
            false => failing_since.or(Some(row.at)),
        };
        of_service.insert(key, Seen { place, row, test, failing_since });
    }

    /// What was measured last, of each service, by target.
    pub fn rows(&mut self, now: i64) -> BTreeMap<ServiceId, Vec<ProbeRow>> {
        for seen in self.0.values_mut() {
            seen.retain(|_, one| one.row.at >= now - SHOWN);
        }
        let rows = |seen: &BTreeMap<_, Seen>| seen.values().map(|one| one.row.clone()).collect();
        self.0.iter().map(|(service, seen)| (service.clone(), rows(seen))).collect()
    }

    /// Each target of a service, worst first; those that the service needs are there also if nobody measures them.
    pub fn boards(&self, service: &ServiceConfig, now: i64) -> Vec<TargetBoard> {
        let mut by_target: BTreeMap<&str, Vec<&Seen>> =
            service.required().map(|target| (target, Vec::new())).collect();
        for ((target, _), seen) in self.0.get(&service.id).into_iter().flatten() {
            let of_target = by_target.entry(target).or_default();
            of_target.extend((now - seen.row.at <= FRESH).then_some(seen));
        }
        let mut boards: Vec<TargetBoard> = by_target
            .into_iter()
            .map(|(target, seen)| target_board(target, service.requires(target), &seen))
            .collect();
        boards.sort_by_key(|one| std::cmp::Reverse((one.health, one.required)));
        boards.truncate(MOST_TARGETS);
        boards
    }
}

fn target_board(target: &str, required: bool, seen: &[&Seen]) -> TargetBoard {
    let world = Votes::of(seen.iter().copied());
    let countries: BTreeSet<Country> = seen.iter().map(|one| one.place.cc).collect();
    let down_there = |cc: &Country| Votes::of(of_country(seen, *cc)).agree(IN_A_COUNTRY);
    let hit_most = countries.iter().max_by_key(|cc| Votes::of(of_country(seen, **cc)).down);
    let elsewhere = Votes::of(seen.iter().copied().filter(|one| Some(&one.place.cc) != hit_most));
    let down_countries: Vec<Scope> =
        countries.iter().copied().filter(down_there).map(|cc| Scope::Country { cc }).collect();
    let is_down_everywhere =
        world.agree(IN_THE_WORLD) && (elsewhere.down > elsewhere.well || down_countries.is_empty());
    let down_in = if is_down_everywhere { vec![Scope::World] } else { down_countries };
    let health = if is_down_everywhere {
        Health::Down
    } else if !down_in.is_empty() || world.agree(IN_A_COUNTRY) {
        Health::Degraded
    } else if world.well > world.down {
        Health::Up
    } else {
        Health::Unknown
    };
    let saying_down = || seen.iter().filter(|one| one.test.verdict() == Verdict::Down);
    let since = saying_down().filter_map(|one| one.failing_since).min();
    TargetBoard {
        target: target.to_owned(),
        required,
        health,
        down_in,
        networks: world.networks,
        networks_down: world.down,
        failed_phase: most_common(saying_down().filter_map(|one| one.row.failed_phase.as_deref())),
        down_since: since.filter(|_| health >= Health::Degraded),
    }
}

fn of_country<'a>(seen: &[&'a Seen], cc: Country) -> impl Iterator<Item = &'a Seen> {
    seen.iter().copied().filter(move |one| one.place.cc == cc)
}

fn most_common<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    words.for_each(|word| *times.entry(word).or_default() += 1);
    times.into_iter().max_by_key(|(_, times)| *times).map(|(word, _)| word.to_owned())
}

/// What networks say, each with one voice, however many agents it has.
#[derive(Debug, Default)]
struct Votes {
    networks: u32,
    down: u32,
    well: u32,
}

impl Votes {
    fn of<'a>(seen: impl Iterator<Item = &'a Seen>) -> Self {
        let mut networks: BTreeMap<Asn, i32> = BTreeMap::new();
        for one in seen {
            *networks.entry(one.place.asn).or_default() += match one.test.verdict() {
                Verdict::Down => 1,
                Verdict::Up => -1,
                Verdict::Unknown => 0,
            };
        }
        let count = |is: fn(i32) -> bool| networks.values().filter(|vote| is(**vote)).count() as u32;
        Self { networks: networks.len() as u32, down: count(|vote| vote > 0), well: count(|vote| vote < 0) }
    }

    fn agree(&self, needed: u32) -> bool {
        self.down >= needed && self.down > self.well
    }
}

/// What an agent's round counts for a service: attempts, and failures. Where some targets are required they alone count,
/// and with one of them the service fails; an agent that measures none of them says nothing of the service. Where none is
/// required all of them count.
pub fn round<'a>(
    service: &ServiceConfig,
    results: impl Iterator<Item = (&'a str, bool)>,
) -> Option<(u32, u32)> {
    let needs_some = service.required().next().is_some();
    let (mut attempts, mut failures) = (0, 0);
    for (_, ok) in results.filter(|(target, _)| !needs_some || service.requires(target)) {
        attempts += 1;
        failures += u32::from(!ok);
    }
    if needs_some && failures > 0 {
        failures = attempts;
    }
    (attempts > 0).then_some((attempts, failures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProbeTarget;

    const NOW: i64 = 1_700_000_000;
    const DEAD: &str = "tcp://chat.example:443";

    /// A service that needs one of its eight targets.
    fn service() -> ServiceConfig {
        let probe = |target: String, required| ProbeTarget { target, required };
        let others = (1..8).map(|n| probe(format!("https://{n}.example"), false));
        let mut service = crate::config::default_services().swap_remove(1);
        service.probes = std::iter::once(probe(DEAD.to_owned(), true)).chain(others).collect();
        service
    }

    /// An agent in each network measures all targets for half an hour; `DEAD` fails in `failing` in the last `minutes`.
    fn measured(networks: &[(&str, u32)], failing: &[u32], minutes: i64) -> Targets {
        let mut targets = Targets::default();
        let service = service();
        for ago in (0..30).rev() {
            let at = NOW - ago * 60;
            for (agent, (cc, asn)) in networks.iter().enumerate() {
                for probe in &service.probes {
                    let ok = probe.target != DEAD || ago >= minutes || !failing.contains(asn);
                    let row = ProbeRow {
                        target: probe.target.clone(),
                        vantage: format!("{cc} AS{asn}"),
                        at,
                        ok,
                        failed_phase: (!ok).then(|| "tcp".to_owned()),
                        took_ms: Some(100),
                    };
                    let place = Place { cc: Country::new(cc).unwrap(), asn: Asn(*asn) };
                    targets.note(&service.id, &format!("agent-{agent}"), place, row, at);
                }
            }
        }
        targets
    }

    fn dead(targets: &Targets, now: i64) -> TargetBoard {
        let boards = targets.boards(&service(), now);
        boards.into_iter().find(|one| one.target == DEAD).unwrap()
    }

    const WORLD: [(&str, u32); 5] = [("GA", 1), ("GA", 2), ("FR", 3), ("DE", 4), ("KE", 5)];

    #[test]
    fn one_dead_target_of_eight_is_the_first_row_and_the_others_work() {
        let boards = measured(&WORLD, &[1, 2, 3, 4], 5).boards(&service(), NOW);
        let healths: Vec<Health> = boards.iter().map(|one| one.health).collect();
        assert_eq!(healths, [[Health::Down].as_slice(), &[Health::Up; 7]].concat());
        let dead = &boards[0];
        assert_eq!((dead.target.as_str(), dead.required), (DEAD, true));
        assert_eq!((dead.networks, dead.networks_down), (5, 4));
        assert_eq!((&dead.down_in[..], dead.failed_phase.as_deref()), (&[Scope::World][..], Some("tcp")));
        assert_eq!(dead.down_since, Some(NOW - 4 * 60));
    }

    #[test]
    fn two_networks_make_it_down_in_their_country_and_three_in_the_world() {
        let gabon = Scope::Country { cc: Country::new("GA").unwrap() };
        let said = |failing: &[u32]| {
            let dead = dead(&measured(&WORLD, failing, 10), NOW);
            (dead.health, dead.down_in)
        };
        assert_eq!(said(&[1]), (Health::Up, vec![]), "one agent may have trouble of its own");
        assert_eq!(said(&[1, 2]), (Health::Degraded, vec![gabon.clone()]));
        assert_eq!(said(&[1, 2, 3]), (Health::Degraded, vec![gabon]), "elsewhere most find that it works");
        assert_eq!(said(&[3, 4, 5]), (Health::Down, vec![Scope::World]));
        assert_eq!(said(&[1, 3]), (Health::Up, vec![]), "three find that it works");
        assert_eq!(said(&[1, 3, 4]), (Health::Down, vec![Scope::World]));
    }

    #[test]
    fn a_lost_packet_is_nothing_and_two_agents_of_one_network_are_one_voice() {
        assert_eq!(dead(&measured(&WORLD, &[1, 2, 3, 4, 5], 1), NOW).health, Health::Up);
        let one_network = [("GA", 1), ("GA", 1)];
        let alone = dead(&measured(&one_network, &[1], 10), NOW);
        assert_eq!((alone.health, alone.networks, alone.networks_down), (Health::Unknown, 1, 1));
    }

    #[test]
    fn what_nobody_has_measured_lately_is_unknown_and_a_needed_target_is_named_all_the_same() {
        let targets = measured(&WORLD, &[1, 2, 3], 10);
        let later = dead(&targets, NOW + FRESH + 1);
        assert_eq!((later.health, later.networks), (Health::Unknown, 0));
        let never = Targets::default().boards(&service(), NOW);
        assert_eq!((never.len(), never[0].target.as_str(), never[0].networks), (1, DEAD, 0));
    }

    #[test]
    fn what_comes_late_is_no_news_and_after_a_silence_an_agent_begins_anew() {
        let mut targets = measured(&WORLD, &[1, 2, 3], 10);
        let service = service();
        let place = Place { cc: Country::new("GA").unwrap(), asn: Asn(1) };
        let row = |at, ok| ProbeRow {
            target: DEAD.to_owned(),
            vantage: String::new(),
            at,
            ok,
            failed_phase: None,
            took_ms: None,
        };
        targets.note(&service.id, "agent-0", place, row(NOW - 600, true), NOW);
        assert_eq!(dead(&targets, NOW).networks_down, 3);
        targets.note(&service.id, "agent-0", place, row(NOW + 1_000, false), NOW + 1_000);
        assert_eq!(dead(&targets, NOW + 1_000).networks_down, 0);
    }

    #[test]
    fn a_round_counts_what_the_service_needs_and_all_of_it_fails_with_one() {
        let service = service();
        let counted = |results: &[(&'static str, bool)]| round(&service, results.iter().copied());
        assert_eq!(counted(&[(DEAD, true), ("https://1.example", false)]), Some((1, 0)));
        assert_eq!(counted(&[(DEAD, false), ("https://1.example", true)]), Some((1, 1)));
        assert_eq!(counted(&[("https://1.example", false)]), None);
        let mut two = service.clone();
        two.probes[1].required = true;
        let results = [(DEAD, true), ("https://1.example", false)];
        assert_eq!(round(&two, results.into_iter()), Some((2, 2)));
        let mut none = service.clone();
        none.probes[0].required = false;
        assert_eq!(round(&none, results.into_iter()), Some((2, 1)));
    }
}

//! The table: findings in, exactly one verdict out.

use serde::{Deserialize, Serialize};

use crate::findings::{Findings, Outcome, PlaceWord, ServiceWord};

/// Who or what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This device has no network.
    You,
    /// The network one is in does not let through.
    YourWifi,
    /// The provider.
    YourIsp,
    /// The whole country.
    Country,
    /// The service works, but not from here.
    BlockedHere,
    /// The service.
    Service,
    /// Too little is known, or nothing is wrong any more.
    Unknown,
}

/// Which row of the table it was; each has a sentence of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No link, and nothing answers.
    NoLink,
    /// A page to sign in stands before the network, or names are not found.
    Portal,
    /// Most of what is neutral is silent.
    NothingAnswers,
    /// The same, and the observatory sees it in the whole network.
    NetworkCut,
    /// The same, and the observatory sees it in the whole country.
    CountryCut,
    /// The home is silent here and works elsewhere.
    AnswersElsewhere,
    /// The observatory sees that it is not reached from the country.
    NotFromHere,
    /// The home is silent, others are not.
    HomeSilent,
    /// The observatory has confirmed a fault.
    ServiceDown,
    /// The home is on this machine and does not answer.
    NotRunning,
    /// The home answers by now.
    HomeAnswers,
    /// All our addresses are silent, others are not: a fault or a block.
    OursSilent,
    /// Not enough could be tried.
    TooLittle,
}

/// A verdict with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Diagnosis {
    /// Who or what it is.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// Reads the table from the top: the first row that fits.
pub fn diagnose(findings: &Findings) -> Diagnosis {
    reason(findings).into()
}

fn reason(findings: &Findings) -> Reason {
    use Outcome::{Failed, NotTried, Ok};
    let Findings { home_is_here, link, portal, front, alternates, .. } = *findings;
    let (answering, silent) = findings.anchors_reached();
    let (service, place) = findings.word();

    if front == Ok {
        return if service == ServiceWord::Down { Reason::ServiceDown } else { Reason::HomeAnswers };
    }
    if home_is_here {
        return if front == Failed { Reason::NotRunning } else { Reason::TooLittle };
    }
    // What was reached proves more than what the device says of its own link.
    if link == Failed && answering == 0 && alternates != Ok {
        return Reason::NoLink;
    }
    // A page to sign in often lets connections to strangers through as far as itself, so anchors do not outweigh it.
    if portal == Failed && alternates != Ok {
        return Reason::Portal;
    }
    if silent > answering && alternates != Ok {
        match place {
            PlaceWord::CountryCut => return Reason::CountryCut,
            PlaceWord::NetworkCut => return Reason::NetworkCut,
            PlaceWord::Unknown | PlaceWord::Blocked if silent >= 2 => return Reason::NothingAnswers,
            PlaceWord::Unknown | PlaceWord::Blocked => {}
        }
    }
    if service == ServiceWord::Down {
        return Reason::ServiceDown;
    }
    if place == PlaceWord::Blocked {
        return Reason::NotFromHere;
    }
    match (front, alternates) {
        (Failed, Ok) => Reason::HomeSilent,
        (Failed, _) if answering == 0 => Reason::TooLittle,
        (Failed, _) if service == ServiceWord::Up => Reason::AnswersElsewhere,
        (Failed, Failed) => Reason::OursSilent,
        (Failed, NotTried) => Reason::HomeSilent,
        (NotTried | Ok, _) => Reason::TooLittle,
    }
}

impl From<Reason> for Diagnosis {
    fn from(reason: Reason) -> Self {
        let verdict = match reason {
            Reason::NoLink => Verdict::You,
            Reason::Portal => Verdict::YourWifi,
            Reason::NothingAnswers | Reason::NetworkCut => Verdict::YourIsp,
            Reason::CountryCut => Verdict::Country,
            Reason::AnswersElsewhere | Reason::NotFromHere => Verdict::BlockedHere,
            Reason::HomeSilent | Reason::ServiceDown | Reason::NotRunning => Verdict::Service,
            Reason::HomeAnswers | Reason::OursSilent | Reason::TooLittle => Verdict::Unknown,
        };
        Self { verdict, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Snapshot;

    const OUTCOMES: [Outcome; 3] = [Outcome::NotTried, Outcome::Ok, Outcome::Failed];
    const SERVICE: [ServiceWord; 3] = [ServiceWord::Unknown, ServiceWord::Up, ServiceWord::Down];
    const PLACE: [PlaceWord; 4] =
        [PlaceWord::Unknown, PlaceWord::NetworkCut, PlaceWord::CountryCut, PlaceWord::Blocked];

    fn snapshots() -> Vec<Snapshot> {
        let fresh = SERVICE.iter().flat_map(|service| {
            PLACE.iter().map(|place| Snapshot::Fresh { service: *service, place: *place })
        });
        [Snapshot::Unread, Snapshot::Stale].into_iter().chain(fresh).collect()
    }

    /// Everything that can be found out: 61,236 combinations.
    fn every(mut check: impl FnMut(Findings)) {
        let mut count = 0;
        for number in 0..3_usize.pow(7) {
            let outcome = |place: u32| OUTCOMES[number / 3_usize.pow(place) % 3];
            for snapshot in snapshots() {
                for home_is_here in [false, true] {
                    count += 1;
                    check(Findings {
                        home_is_here,
                        link: outcome(0),
                        portal: outcome(1),
                        anchors: [outcome(2), outcome(3), outcome(4)],
                        front: outcome(5),
                        alternates: outcome(6),
                        snapshot,
                    });
                }
            }
        }
        assert_eq!(count, 61_236);
    }

    #[test]
    fn every_verdict_and_every_reason_is_reached() {
        let mut seen = std::collections::HashSet::new();
        every(|findings| {
            seen.insert(diagnose(&findings).reason);
        });
        assert_eq!(seen.len(), 13);
    }

    #[test]
    fn whoever_reaches_anything_is_not_offline() {
        every(|findings| {
            let reached = findings.anchors.contains(&Outcome::Ok)
                || findings.front == Outcome::Ok
                || findings.alternates == Outcome::Ok;
            if reached {
                assert_ne!(diagnose(&findings).verdict, Verdict::You, "{findings:?}");
            }
        });
    }

    #[test]
    fn one_more_anchor_that_works_never_moves_the_blame_to_ones_own_side() {
        let own = |verdict| {
            matches!(verdict, Verdict::You | Verdict::YourWifi | Verdict::YourIsp | Verdict::Country)
        };
        every(|before| {
            for number in 0..3 {
                let mut after = before;
                after.anchors[number] = Outcome::Ok;
                if own(diagnose(&after).verdict) && !own(diagnose(&before).verdict) {
                    panic!("{before:?} -> {after:?}");
                }
            }
        });
    }

    #[test]
    fn a_home_that_answers_is_not_blamed_on_anybodys_network() {
        every(|mut findings| {
            findings.front = Outcome::Ok;
            let verdict = diagnose(&findings).verdict;
            assert!(matches!(verdict, Verdict::Unknown | Verdict::Service), "{findings:?}: {verdict:?}");
        });
    }

    #[test]
    fn the_country_is_only_named_when_neutral_places_are_silent_and_the_observatory_measured_it() {
        every(|findings| {
            if diagnose(&findings).verdict == Verdict::Country {
                let (answering, silent) = findings.anchors_reached();
                assert!(silent > answering, "only our own addresses speak against it: {findings:?}");
                assert_eq!(findings.word().1, PlaceWord::CountryCut, "{findings:?}");
            }
        });
    }

    #[test]
    fn what_concerns_only_us_never_says_anything_of_provider_or_country() {
        every(|mut findings| {
            findings.anchors = [Outcome::NotTried; 3];
            let verdict = diagnose(&findings).verdict;
            assert!(!matches!(verdict, Verdict::Country | Verdict::YourIsp), "{findings:?}: {verdict:?}");
        });
    }

    #[test]
    fn a_stale_snapshot_is_as_good_as_none() {
        every(|mut findings| {
            if findings.snapshot == Snapshot::Stale {
                let stale = diagnose(&findings);
                findings.snapshot = Snapshot::Unread;
                assert_eq!(stale, diagnose(&findings), "{findings:?}");
            }
        });
    }

    #[test]
    fn only_an_answer_of_the_home_itself_says_that_it_works() {
        every(|findings| {
            if diagnose(&findings).reason == Reason::HomeAnswers {
                assert_eq!(findings.front, Outcome::Ok, "{findings:?}");
            }
        });
    }

    #[test]
    fn a_block_is_only_named_when_somebody_else_reaches_the_service() {
        every(|findings| {
            if diagnose(&findings).verdict == Verdict::BlockedHere {
                let (service, place) = findings.word();
                assert!(service == ServiceWord::Up || place == PlaceWord::Blocked, "{findings:?}");
            }
        });
    }

    #[test]
    fn the_rows_that_people_meet() {
        use Outcome::{Failed, NotTried, Ok};
        let fresh = |service, place| Snapshot::Fresh { service, place };
        let online =
            Findings { link: Ok, portal: Ok, anchors: [Ok, Ok, Ok], front: Failed, ..Findings::default() };
        let gone = Findings { portal: NotTried, anchors: [Failed; 3], ..online };
        for (what, findings, verdict) in [
            ("the cell is down", online, Verdict::Service),
            ("flight mode", Findings { link: Failed, portal: Failed, ..gone }, Verdict::You),
            (
                "the hotel's page",
                Findings { portal: Failed, anchors: [Ok, Failed, Failed], ..online },
                Verdict::YourWifi,
            ),
            ("a digger found the cable", gone, Verdict::YourIsp),
            (
                "a shutdown, seen through a mirror in the country",
                Findings { snapshot: fresh(ServiceWord::Up, PlaceWord::CountryCut), ..gone },
                Verdict::Country,
            ),
            (
                "we are up, but not from here",
                Findings { snapshot: fresh(ServiceWord::Up, PlaceWord::Unknown), ..online },
                Verdict::BlockedHere,
            ),
            ("only our addresses, and no word", Findings { alternates: Failed, ..online }, Verdict::Unknown),
            ("only our home, its neighbour answers", Findings { alternates: Ok, ..online }, Verdict::Service),
            (
                "a home on a machine without a network",
                Findings { home_is_here: true, link: Failed, portal: Failed, ..gone },
                Verdict::Service,
            ),
        ] {
            assert_eq!(diagnose(&findings).verdict, verdict, "{what}");
        }
    }
}

//! "Is it just me?" for somebody in a place: which of the incidents concerns them most, and that in one word. The page's
//! sentence and the API's word both rest on [`nearest_incident`], so that they cannot disagree.

use mbolo_pulse::board::{Board, Health, IncidentBoard, PlaceBoard, ServiceBoard};
use mbolo_pulse::model::{Country, IncidentKind, IncidentState, Scope};

use crate::words;

/// Where a fault lies, seen from one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsItMe {
    /// The service itself fails.
    Service,
    /// This service is out of reach from here while others are within reach.
    BlockedHere,
    /// The country's networks have lost their connectivity.
    Country,
    /// The fault is on the reader's network.
    YourIsp,
    /// What was measured there works.
    None,
    /// Too little is known, or people report what no measurement shows.
    Unknown,
}

impl IsItMe {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::BlockedHere => "blocked_here",
            Self::Country => "country",
            Self::YourIsp => "your_isp",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// The verdict on a service for somebody in `place` (None: nobody knows where), at Unix seconds `now`. A place where nothing
/// was measured is [`IsItMe::Unknown`], however well the rest of the world is.
pub fn is_it_me(board: &Board, service: &ServiceBoard, place: Option<&Scope>, now: i64) -> IsItMe {
    if board.is_stale(now) {
        return IsItMe::Unknown;
    }
    if let Some(one) = nearest_incident(board, service, place) {
        return of_incident(one);
    }
    let health = match known(place) {
        Some(place) => known_place(service, place).map_or(Health::Unknown, |one| one.health),
        None if service.fresh_at.is_none() => Health::Unknown,
        None => service.health,
    };
    match health {
        Health::Up => IsItMe::None,
        Health::Degraded | Health::Down => IsItMe::Service,
        Health::Unknown | Health::Reported => IsItMe::Unknown,
    }
}

/// The open incident of a service that says most about a place: measured before reported, connectivity before the service,
/// wide before narrow, because what is wide explains what lies in it. Without a place, worldwide ones only.
pub fn nearest_incident<'a>(
    board: &'a Board,
    service: &ServiceBoard,
    place: Option<&Scope>,
) -> Option<&'a IncidentBoard> {
    let place = known(place);
    let concerns = |scope: &Scope| match place {
        Some(place) => scope.contains(place),
        None => *scope == Scope::World,
    };
    open_of(board, service).filter(|one| concerns(&one.incident.scope)).min_by_key(|one| {
        let kind = match one.incident.kind {
            IncidentKind::Connectivity => 0,
            IncidentKind::Blocked => 1,
            IncidentKind::Service => 2,
            IncidentKind::ReportsOnly => 3,
        };
        (one.incident.state == IncidentState::Reported, kind, one.incident.scope.level())
    })
}

/// What is happening to a service as far as it was said in public. What a person found to be a false alarm is not.
pub(crate) fn open_of<'a>(
    board: &'a Board,
    service: &ServiceBoard,
) -> impl Iterator<Item = &'a IncidentBoard> {
    board
        .incidents
        .iter()
        .filter(|one| words::is_happening(one) && one.incident.services.contains(&service.id))
}

/// What is known of a network, else of its country.
pub(crate) fn known_place<'a>(service: &'a ServiceBoard, place: &Scope) -> Option<&'a PlaceBoard> {
    let known = |places: &'a [PlaceBoard], scope: &Scope| {
        places.iter().find(|one| one.scope == *scope && one.health != Health::Unknown)
    };
    let country = place.country().map(|cc| Scope::Country { cc });
    known(&service.networks, place).or_else(|| known(&service.countries, &country?))
}

/// A place that says something: an unknown country is none.
pub(crate) fn known(place: Option<&Scope>) -> Option<&Scope> {
    place.filter(|place| place.country().is_some_and(|cc| cc != Country::UNKNOWN))
}

fn of_incident(one: &IncidentBoard) -> IsItMe {
    match (one.incident.state, one.incident.kind, &one.incident.scope) {
        // Nothing measured tells where the fault lies.
        (IncidentState::Reported, ..) | (_, IncidentKind::ReportsOnly, _) => IsItMe::Unknown,
        (_, IncidentKind::Blocked, _) => IsItMe::BlockedHere,
        (_, _, Scope::Asn { .. }) => IsItMe::YourIsp,
        (_, IncidentKind::Connectivity, Scope::Country { .. }) => IsItMe::Country,
        _ => IsItMe::Service,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use mbolo_pulse::model::Asn;

    const NOW: i64 = 1_793_000_520;

    fn gabon() -> Country {
        Country::new("GA").unwrap()
    }

    fn network() -> Scope {
        Scope::Asn { cc: gabon(), asn: Asn(16_058) }
    }

    /// A board with one incident of this kind and place.
    fn with_one(kind: IncidentKind, scope: Scope) -> Board {
        let mut board = sample::sample_board(NOW);
        board.incidents.truncate(1);
        board.incidents[0].incident.kind = kind;
        board.incidents[0].incident.scope = scope;
        board
    }

    fn asked(board: &Board, place: Option<&Scope>) -> &'static str {
        is_it_me(board, board.service("whatsapp").unwrap(), place, NOW).as_str()
    }

    #[test]
    fn the_word_says_where_the_fault_lies() {
        let country = || Scope::Country { cc: gabon() };
        for (kind, scope, word) in [
            (IncidentKind::Service, Scope::World, "service"),
            (IncidentKind::Service, country(), "service"),
            (IncidentKind::Service, network(), "your_isp"),
            (IncidentKind::Connectivity, country(), "country"),
            (IncidentKind::Connectivity, network(), "your_isp"),
            (IncidentKind::Blocked, country(), "blocked_here"),
            (IncidentKind::Blocked, network(), "blocked_here"),
            (IncidentKind::ReportsOnly, country(), "unknown"),
        ] {
            assert_eq!(asked(&with_one(kind, scope.clone()), Some(&network())), word, "{kind:?} {scope}");
        }
    }

    #[test]
    fn a_cut_off_country_is_named_before_the_service_that_fails_everywhere() {
        let board = sample::sample_board(NOW);
        assert_eq!(asked(&board, Some(&network())), "country");
        let nowhere = Scope::Country { cc: Country::UNKNOWN };
        assert_eq!(asked(&board, Some(&nowhere)), "service");
        assert_eq!(asked(&board, None), "service");
    }

    #[test]
    fn a_provider_is_not_blamed_for_what_fails_everywhere() {
        let mut board = with_one(IncidentKind::Service, network());
        board.incidents.push(with_one(IncidentKind::Service, Scope::World).incidents.remove(0));
        assert_eq!(asked(&board, Some(&network())), "service");
    }

    #[test]
    fn where_nothing_was_measured_nothing_is_known() {
        let board = sample::quiet_board(NOW);
        let measured = Scope::Country { cc: gabon() };
        let unmeasured = Scope::Country { cc: Country::new("PE").unwrap() };
        assert_eq!(asked(&board, Some(&measured)), "none");
        assert_eq!(asked(&board, Some(&network())), "none", "its country is measured");
        assert_eq!(asked(&board, Some(&unmeasured)), "unknown");
        assert_eq!(asked(&board, None), "none");
        let bank = board.service("bank").unwrap();
        assert_eq!(is_it_me(&board, bank, None, NOW), IsItMe::Unknown);
        let whatsapp = board.service("whatsapp").unwrap();
        assert_eq!(is_it_me(&board, whatsapp, Some(&measured), NOW + 3_600), IsItMe::Unknown);
    }

    #[test]
    fn neither_a_false_alarm_nor_a_suspicion_is_an_answer() {
        let mut board = with_one(IncidentKind::Service, Scope::World);
        board.incidents[0].false_alarm = true;
        assert!(nearest_incident(&board, board.service("whatsapp").unwrap(), None).is_none());
        board.incidents[0].false_alarm = false;
        board.incidents[0].incident.state = IncidentState::Suspected;
        assert!(nearest_incident(&board, board.service("whatsapp").unwrap(), None).is_none());
    }
}

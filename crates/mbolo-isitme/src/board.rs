//! The few lines of an observatory's signed snapshot that a client looks at. Whoever reads one checks the signature
//! first; this is only what it says.

use serde::Deserialize;

use crate::findings::{PlaceWord, ServiceWord, Snapshot};
use crate::told::Place;

/// A snapshot as it is published (`latest.json`).
#[derive(Debug, Clone, Deserialize)]
pub struct Envelope {
    /// [`Envelope::VERSION`].
    pub version: u32,
    /// The board, as JSON in base64url without padding.
    pub payload: String,
    /// Ed25519 over [`Envelope::PURPOSE`] and then the board's JSON, in base64url without padding.
    pub signature: String,
}

impl Envelope {
    /// The one that is understood here.
    pub const VERSION: u32 = 1;

    /// What a signature under a snapshot begins with, so that no other signature passes for one.
    pub const PURPOSE: &[u8] = b"mbolo pulse snapshot 1\n";
}

/// A board, reduced to what a client asks it.
#[derive(Debug, Clone, Deserialize)]
pub struct Board {
    generated_at: i64,
    valid_until: i64,
    services: Vec<Service>,
    incidents: Vec<Incident>,
}

#[derive(Debug, Clone, Deserialize)]
struct Service {
    id: String,
    health: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Incident {
    services: Vec<String>,
    kind: String,
    state: String,
    scope: Scope,
}

#[derive(Debug, Clone, Deserialize)]
struct Scope {
    level: String,
    cc: Option<String>,
    asn: Option<u32>,
    cell: Option<String>,
}

/// A board from further ahead than this many seconds has a clock that cannot be believed.
const SKEW_S: i64 = 300;

impl Board {
    /// What it says, at Unix seconds `now`, of the service `service`, of its cell `cell`, and of `place`.
    pub fn word(&self, now: i64, service: &str, cell: &str, place: Option<&Place>) -> Snapshot {
        if now > self.valid_until || self.generated_at > now + SKEW_S {
            return Snapshot::Stale;
        }
        let measured =
            || self.incidents.iter().filter(|one| matches!(one.state.as_str(), "confirmed" | "recovering"));
        let ours = |incident: &&Incident| incident.services.iter().any(|one| one == service);
        let is_here = |scope: &Scope| match (scope.level.as_str(), place) {
            ("country", Some(place)) => scope.cc.as_ref() == Some(&place.cc),
            ("asn", Some(place)) => place.asn != 0 && scope.asn == Some(place.asn),
            _ => false,
        };
        let is_our_fault = |incident: &Incident| {
            incident.kind == "service"
                && match incident.scope.level.as_str() {
                    "world" => true,
                    "cell" => incident.scope.cell.as_deref() == Some(cell),
                    _ => is_here(&incident.scope),
                }
        };
        let down = measured().filter(ours).any(is_our_fault);
        let health = self.services.iter().find(|one| one.id == service).map_or("unknown", |one| &one.health);
        let word = match health {
            _ if down => ServiceWord::Down,
            "down" => ServiceWord::Down,
            "up" => ServiceWord::Up,
            _ => ServiceWord::Unknown,
        };
        let has = |kind: &str, level: &str| {
            measured().any(|one| one.kind == kind && one.scope.level == level && is_here(&one.scope))
        };
        let place = if has("connectivity", "country") {
            PlaceWord::CountryCut
        } else if has("connectivity", "asn") {
            PlaceWord::NetworkCut
        } else if measured().filter(ours).any(|one| one.kind == "blocked" && is_here(&one.scope)) {
            PlaceWord::Blocked
        } else {
            PlaceWord::Unknown
        };
        Snapshot::Fresh { service: word, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn board(health: &str, incidents: &str) -> Board {
        let text = format!(
            "{{\"seq\":7,\"generated_at\":{},\"valid_until\":{},\"observatory\":\"o\",\
             \"services\":[{{\"id\":\"mbolo\",\"name\":\"Mbolo\",\"health\":\"{health}\"}}],\"incidents\":[{incidents}]}}",
            NOW - 30,
            NOW + 90
        );
        serde_json::from_str(&text).unwrap()
    }

    fn incident(kind: &str, state: &str, scope: &str) -> String {
        format!(
            "{{\"id\":\"x\",\"services\":[\"mbolo\"],\"kind\":\"{kind}\",\"state\":\"{state}\",\"scope\":{scope}}}"
        )
    }

    fn word(board: &Board) -> Snapshot {
        board.word(NOW, "mbolo", "cell.example", Some(&Place { cc: "GA".into(), asn: 16_058 }))
    }

    fn fresh(service: ServiceWord, place: PlaceWord) -> Snapshot {
        Snapshot::Fresh { service, place }
    }

    #[test]
    fn green_is_green_only_while_it_holds() {
        let board = board("up", "");
        assert_eq!(word(&board), fresh(ServiceWord::Up, PlaceWord::Unknown));
        assert_eq!(board.word(NOW + 91, "mbolo", "cell.example", None), Snapshot::Stale);
        assert_eq!(
            board.word(NOW - 3_600, "mbolo", "cell.example", None),
            Snapshot::Stale,
            "from the future"
        );
        assert_eq!(board.word(NOW, "other", "c", None), fresh(ServiceWord::Unknown, PlaceWord::Unknown));
    }

    #[test]
    fn a_loss_in_ones_own_country_or_network_is_told_from_one_elsewhere() {
        let cut = |scope| word(&board("up", &incident("connectivity", "confirmed", scope)));
        assert_eq!(
            cut("{\"level\":\"country\",\"cc\":\"GA\"}"),
            fresh(ServiceWord::Up, PlaceWord::CountryCut)
        );
        assert_eq!(
            cut("{\"level\":\"asn\",\"cc\":\"GA\",\"asn\":16058}"),
            fresh(ServiceWord::Up, PlaceWord::NetworkCut)
        );
        assert_eq!(cut("{\"level\":\"country\",\"cc\":\"TD\"}"), fresh(ServiceWord::Up, PlaceWord::Unknown));
    }

    #[test]
    fn a_fault_of_another_cell_is_not_ours() {
        let fault = |cell: &str| {
            let scope = format!("{{\"level\":\"cell\",\"cell\":\"{cell}\"}}");
            word(&board("degraded", &incident("service", "confirmed", &scope)))
        };
        assert_eq!(fault("cell.example"), fresh(ServiceWord::Down, PlaceWord::Unknown));
        assert_eq!(fault("other.example"), fresh(ServiceWord::Unknown, PlaceWord::Unknown));
    }

    #[test]
    fn what_people_only_suspect_or_report_confirms_nothing() {
        for state in ["suspected", "reported", "resolved"] {
            let scope = "{\"level\":\"world\"}";
            let word = word(&board("reported", &incident("service", state, scope)));
            assert_eq!(word, fresh(ServiceWord::Unknown, PlaceWord::Unknown), "{state}");
        }
    }
}

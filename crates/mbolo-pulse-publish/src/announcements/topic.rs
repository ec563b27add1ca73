//! What a board has to tell: one topic for each incident that was measured, for each service that is down, for each peer
//! that fell silent. A topic says what it wants told *now*; what was told before is the outbox' knowledge.

use mbolo_pulse::board::{Board, Health, IncidentBoard, ServiceBoard};
use mbolo_pulse::model::Country;
use mbolo_pulse::{IncidentKind, IncidentState, Scope};
use mbolo_pulse_page::{Language, statuspage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tokens::Wish;

/// Something that is told again when it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Names it: `incident:…`, `component:…`, `peer:…`.
    pub id: String,
    /// Two tellings that are equal say the same: the second is not sent.
    pub telling: String,
    /// It may be the first that a channel hears of the topic. The end of something that nobody was told of is no news.
    pub may_be_first: bool,
    /// Only programs want it: webhooks.
    pub for_programs: bool,
    /// Services it is about; none: about the observatory itself.
    pub services: Vec<String>,
    /// Where it is; `None` is everywhere.
    pub country: Option<Country>,
    /// What is said.
    pub story: Story,
}

/// What is said, as data: the same story gives the same words at every attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Story {
    /// An incident.
    Incident(Box<IncidentStory>),
    /// A service went down or came back.
    Component {
        /// Unix seconds.
        at: i64,
        /// The service's id.
        service: String,
        /// Its name for people.
        name: String,
        /// Its status before, in the words of status pages.
        old_status: String,
        /// Its status now.
        new_status: String,
        /// The whole page in two words, as status pages put it into their notifications.
        page: Value,
    },
    /// Another observatory fell silent, or is back.
    Peer {
        /// Its name.
        peer: String,
        /// Unix seconds of the last that was heard of it.
        silent_since: i64,
        /// Unix seconds of its return.
        back_at: Option<i64>,
        /// Where its last snapshot is.
        mirrors: Vec<String>,
    },
    /// Asks the owner of an address whether they want mail.
    ConfirmAddress {
        /// Unix seconds of the request.
        at: i64,
    },
    /// Asks the owner of a confirmed address whether they want to be told something else.
    ChangeWish(Wish),
    /// Asks a webhook whether it listens.
    Greeting {
        /// Unix seconds of the request.
        at: i64,
    },
}

/// An incident at the moment it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentStory {
    /// Unix seconds of the board it was read from.
    pub at: i64,
    /// What is said of it.
    pub stage: Stage,
    /// The incident.
    pub incident: IncidentBoard,
    /// Names of its services, for people.
    pub services: Vec<String>,
    /// Networks of its country that are cut off, of those that are measured.
    pub networks: Option<(u32, u32)>,
    /// The incident as the status page's API holds it.
    pub status_page: Value,
    /// The whole page in two words, as status pages put it into their notifications.
    pub page: Value,
}

/// What is said of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A measured signal crossed its threshold.
    Confirmed,
    /// It gets better.
    Recovering,
    /// It is over.
    Resolved,
    /// A person found that nothing was wrong.
    Corrected,
}

/// Topics of a board. What is not on the board may not be public, so nothing else is told.
pub(crate) fn of_board(board: &Board, base_url: &str, now: i64) -> Vec<Topic> {
    let view = statuspage::View { board, base_url, now: board.generated_at, language: Language::En };
    let page = page(&view);
    let recent =
        |one: &&IncidentBoard| one.incident.resolved_at.is_none_or(|at| at.unix() >= now - FORGET_RESOLVED_S);
    let mut topics: Vec<Topic> =
        board.incidents.iter().filter(recent).filter_map(|one| of_incident(&view, &page, one)).collect();
    topics.extend(board.services.iter().filter_map(|service| of_service(service, &page, board.generated_at)));
    topics.truncate(MAX_TOPICS);
    topics
}

/// Tells of a peer's silence, or of its return.
pub(crate) fn of_peer(peer: &str, silent_since: i64, back_at: Option<i64>, mirrors: &[String]) -> Topic {
    Topic {
        id: format!("peer:{peer}:{silent_since}"),
        telling: if back_at.is_some() { "back" } else { "silent" }.to_owned(),
        may_be_first: back_at.is_none(),
        for_programs: false,
        services: Vec::new(),
        country: None,
        story: Story::Peer { peer: peer.to_owned(), silent_since, back_at, mirrors: mirrors.to_vec() },
    }
}

/// The status of a component in the words of status pages, which have none for "we do not know".
fn component_status(health: Health) -> &'static str {
    match health {
        Health::Unknown => "under_maintenance",
        Health::Up => "operational",
        Health::Reported => "degraded_performance",
        Health::Degraded => "partial_outage",
        Health::Down => "major_outage",
    }
}

fn of_incident(view: &statuspage::View<'_>, page: &Value, one: &IncidentBoard) -> Option<Topic> {
    let board = view.board;
    let incident = &one.incident;
    let stage = match incident.state {
        _ if one.false_alarm => Stage::Corrected,
        IncidentState::Suspected | IncidentState::Reported => return None,
        IncidentState::Confirmed => Stage::Confirmed,
        IncidentState::Recovering => Stage::Recovering,
        IncidentState::Resolved => Stage::Resolved,
    };
    let services = incident.services.iter().take(MAX_SERVICES);
    let services =
        services.map(|id| board.service(id.as_str()).map_or_else(|| id.to_string(), |one| one.name.clone()));
    let bounded = bounded(one);
    let country = incident.scope.country();
    // When it is over only the end is news, wherever it was.
    let telling = match stage {
        Stage::Confirmed | Stage::Recovering => {
            format!("{}/{}/{}", stage.as_str(), kind_word(incident.kind), incident.scope)
        }
        Stage::Resolved | Stage::Corrected => stage.as_str().to_owned(),
    };
    Some(Topic {
        id: incident_topic(&incident.id.0),
        telling,
        may_be_first: matches!(stage, Stage::Confirmed | Stage::Recovering),
        for_programs: false,
        services: incident.services.iter().map(ToString::to_string).collect(),
        country,
        story: Story::Incident(Box::new(IncidentStory {
            at: board.generated_at,
            stage,
            services: services.collect(),
            networks: matches!(incident.scope, Scope::Country { .. }).then(|| networks(board, one)).flatten(),
            status_page: statuspage::incident(view, &bounded),
            page: page.clone(),
            incident: bounded,
        })),
    })
}

fn of_service(service: &ServiceBoard, page: &Value, at: i64) -> Option<Topic> {
    // "We do not know" is not news: neither an outage nor its end.
    if matches!(service.health, Health::Unknown | Health::Reported) {
        return None;
    }
    let status = component_status(service.health);
    Some(Topic {
        id: component(service.id.as_str()),
        telling: status.to_owned(),
        may_be_first: service.health != Health::Up,
        for_programs: true,
        services: vec![service.id.to_string()],
        country: None,
        story: Story::Component {
            at,
            service: service.id.to_string(),
            name: service.name.clone(),
            old_status: component_status(Health::Up).to_owned(),
            new_status: status.to_owned(),
            page: page.clone(),
        },
    })
}

fn page(view: &statuspage::View<'_>) -> Value {
    let status = statuspage::status(view);
    json!({
        "id": status["page"]["id"],
        "status_indicator": status["status"]["indicator"],
        "status_description": status["status"]["description"],
    })
}

fn incident_topic(id: &str) -> String {
    format!("incident:{id}")
}

/// How many networks of the incident's country are cut off, by the service that measures most of them.
fn networks(board: &Board, one: &IncidentBoard) -> Option<(u32, u32)> {
    one.incident
        .services
        .iter()
        .filter_map(|id| board.service(id.as_str()))
        .flat_map(|service| &service.countries)
        .filter(|place| place.scope == one.incident.scope && place.networks_measured > 0)
        .map(|place| (place.networks_down, place.networks_measured))
        .max_by_key(|(down, measured)| (*measured, *down))
}

/// A story is stored once for each step: it keeps the newest part of a long timeline.
fn bounded(one: &IncidentBoard) -> IncidentBoard {
    let mut bounded = one.clone();
    let surplus = bounded.updates.len().saturating_sub(MAX_UPDATES);
    bounded.updates.drain(..surplus);
    bounded.incident.services.truncate(MAX_SERVICES);
    bounded
}

impl Stage {
    /// As in keys: `confirmed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Recovering => "recovering",
            Self::Resolved => "resolved",
            Self::Corrected => "corrected",
        }
    }
}

fn kind_word(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Service => "service",
        IncidentKind::Connectivity => "connectivity",
        IncidentKind::Blocked => "blocked",
        IncidentKind::ReportsOnly => "reports_only",
    }
}

/// An end that could not be told for a week is not told.
const FORGET_RESOLVED_S: i64 = 7 * 86_400;
const MAX_TOPICS: usize = 500;
const MAX_SERVICES: usize = 20;
const MAX_UPDATES: usize = 20;

/// The name of the topic of a service's state.
pub(crate) fn component(service: &str) -> String {
    format!("component:{service}")
}

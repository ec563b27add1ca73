//! The board in the documents of Atlassian Statuspage's public API v2, so that clients and aggregators that know it read
//! this observatory unchanged. Only what was announced is in it.
//!
//! The format has no word for "nobody knows": what is stale or was never measured is `under_maintenance`, which clients
//! show neither green nor as an alarm.

use mbolo_pulse::board::{Board, Health, IncidentBoard, ServiceBoard};
use mbolo_pulse::model::{IncidentKind, IncidentState, Minute, Scope, ServiceId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::address;
use crate::feed::{announced_at, changed_at};
use crate::texts::{Language, Texts};
use crate::when;
use crate::words;

/// Incidents in one document, as many as Statuspage gives.
pub const INCIDENTS: usize = 50;

/// What the documents are made from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What there is to say.
    pub board: &'a Board,
    /// Where the observatory lives, without a slash at the end.
    pub base_url: &'a str,
    /// Unix seconds; decides whether the board is stale.
    pub now: i64,
    /// The language of names and texts.
    pub language: Language,
}

/// `/api/v2/summary.json`: everything that is not well now.
pub fn summary(view: &View<'_>) -> Value {
    json!({
        "page": page(view),
        "components": view.components(),
        "incidents": view.incident_list(words::is_happening),
        "scheduled_maintenances": [],
        "status": view.status(),
    })
}

/// `/api/v2/status.json`: one word for all.
pub fn status(view: &View<'_>) -> Value {
    json!({ "page": page(view), "status": view.status() })
}

/// `/api/v2/components.json`: the services.
pub fn components(view: &View<'_>) -> Value {
    json!({ "page": page(view), "components": view.components() })
}

/// `/api/v2/incidents.json`: the last 50.
pub fn incidents(view: &View<'_>) -> Value {
    json!({ "page": page(view), "incidents": view.incident_list(|_| true) })
}

/// `/api/v2/incidents/unresolved.json`.
pub fn unresolved(view: &View<'_>) -> Value {
    json!({ "page": page(view), "incidents": view.incident_list(words::is_happening) })
}

/// `/api/v2/scheduled-maintenances.json`: an observatory schedules none.
pub fn scheduled_maintenances(view: &View<'_>) -> Value {
    json!({ "page": page(view), "scheduled_maintenances": [] })
}

/// `/api/v2/scheduled-maintenances/active.json`: none goes on.
pub fn active_maintenances(view: &View<'_>) -> Value {
    scheduled_maintenances(view)
}

/// `/api/v2/scheduled-maintenances/upcoming.json`: none is planned.
pub fn upcoming_maintenances(view: &View<'_>) -> Value {
    scheduled_maintenances(view)
}

/// One incident as the documents and webhooks hold it.
pub fn incident(view: &View<'_>, one: &IncidentBoard) -> Value {
    let texts = view.language.texts();
    let id = &one.incident.id.0;
    let updates = view.updates(texts, one);
    let components: Vec<Value> = view
        .board
        .services
        .iter()
        .enumerate()
        .filter(|(_, service)| one.incident.services.contains(&service.id))
        .map(|(at, service)| view.component(at, service))
        .collect();
    let monitoring = one.updates.iter().find(|update| update.state == Some(IncidentState::Recovering));
    json!({
        "id": id,
        "name": words::what(texts, view.board, one),
        "status": status_now(one),
        "created_at": when::rfc3339_millis(announced_at(one)),
        "updated_at": when::rfc3339_millis(changed_at(one)),
        "monitoring_at": monitoring.map(|update| millis(update.at)),
        "resolved_at": resolved_at(one).map(when::rfc3339_millis),
        "impact": impact(one),
        "shortlink": format!("{}{}", view.base_url, address::incident(id)),
        "started_at": millis(one.incident.started_at),
        "page_id": page_id(view.base_url),
        "incident_updates": updates,
        "components": components,
        "reminder_intervals": null,
    })
}

fn page(view: &View<'_>) -> Value {
    json!({
        "id": page_id(view.base_url),
        "name": view.board.observatory,
        "url": view.base_url,
        "time_zone": "Etc/UTC",
        "updated_at": when::rfc3339_millis(view.board.generated_at),
    })
}

/// Twelve characters, as Statuspage's ids have; the same for the same address.
fn page_id(base_url: &str) -> String {
    let digest = Sha256::digest(base_url.as_bytes());
    data_encoding::HEXLOWER.encode(&digest[..6])
}

impl View<'_> {
    fn is_stale(&self) -> bool {
        self.board.is_stale(self.now)
    }

    fn health(&self, service: &ServiceBoard) -> Health {
        words::shown_health(service, self.is_stale())
    }

    fn status(&self) -> Value {
        let texts = self.language.texts();
        let open = self.board.incidents.iter().filter(|one| words::is_happening(one)).map(impact);
        let services = self.board.services.iter().map(|service| match self.health(service) {
            Health::Unknown | Health::Up => "none",
            Health::Reported | Health::Degraded => "minor",
            Health::Down => "major",
        });
        let worst = open.chain(services).max_by_key(|impact| rank(impact)).unwrap_or("none");
        let unknown: Vec<&ServiceBoard> =
            self.board.services.iter().filter(|one| self.health(one) == Health::Unknown).collect();
        let (indicator, key) = match worst {
            _ if self.is_stale() => ("minor", "status-stale"),
            "none" if unknown.len() == self.board.services.len() => ("minor", "status-unknown"),
            // "none" is shown green, and what is unknown is not.
            "none" if !unknown.is_empty() => ("minor", "status-measured"),
            "critical" => ("critical", "status-critical"),
            "major" => ("major", "status-major"),
            "minor" => ("minor", "status-minor"),
            _ => ("none", "status-none"),
        };
        let names: Vec<ServiceId> = unknown.iter().map(|service| service.id.clone()).collect();
        let args = [("services", words::services(texts, self.board, &names).into())];
        json!({ "indicator": indicator, "description": texts.with(key, &args) })
    }

    fn components(&self) -> Vec<Value> {
        self.board.services.iter().enumerate().map(|(at, service)| self.component(at, service)).collect()
    }

    fn component(&self, at: usize, service: &ServiceBoard) -> Value {
        let since = service
            .history_90d
            .iter()
            .find(|day| day.health != Health::Unknown)
            .and_then(|day| Minute::parse_rfc3339(&format!("{}T00:00:00Z", day.day)))
            .map_or(self.board.generated_at, Minute::unix);
        let changed = self
            .board
            .incidents
            .iter()
            .filter(|one| words::is_announced(one) && one.incident.services.contains(&service.id))
            .map(changed_at)
            .max();
        let is_affected = self
            .board
            .incidents
            .iter()
            .any(|one| words::is_happening(one) && one.incident.services.contains(&service.id));
        json!({
            "id": service.id,
            "name": service.name,
            "status": match self.health(service) {
                Health::Unknown => "under_maintenance",
                // Somewhere it is not.
                Health::Up if is_affected => "partial_outage",
                Health::Up => "operational",
                Health::Reported => "degraded_performance",
                Health::Degraded => "partial_outage",
                Health::Down => "major_outage",
            },
            "created_at": when::rfc3339_millis(since),
            "updated_at": when::rfc3339_millis(changed.unwrap_or(since)),
            "position": at + 1,
            "description": service.url,
            "showcase": true,
            "start_date": null,
            "group_id": null,
            "page_id": page_id(self.base_url),
            "group": false,
            "only_show_if_degraded": false,
        })
    }

    fn incident_list(&self, wanted: impl Fn(&IncidentBoard) -> bool) -> Vec<Value> {
        self.board
            .incidents
            .iter()
            .filter(|one| words::is_announced(one) && wanted(one))
            .take(INCIDENTS)
            .map(|one| incident(self, one))
            .collect()
    }

    /// The steps, newest first; one is made from the incident itself if nothing was written down.
    fn updates(&self, texts: &Texts, one: &IncidentBoard) -> Vec<Value> {
        let id = &one.incident.id.0;
        let value = |n: usize, status: &str, body: String, at: i64, affected: Vec<Value>| {
            let at = when::rfc3339_millis(at);
            json!({
                "id": format!("{id}-{n}"),
                "status": status,
                "body": body,
                "incident_id": id,
                "created_at": at,
                "updated_at": at,
                "display_at": at,
                "affected_components": affected,
                "deliver_notifications": true,
                "custom_tweet": null,
                "tweet_id": null,
            })
        };
        let mut before = OPERATIONAL;
        if one.updates.is_empty() {
            let body = words::headline(texts, self.board, one, i64::MAX);
            let affected = self.affected(one, before, status_now_of_components(one));
            return vec![value(0, status_now(one), body, announced_at(one), affected)];
        }
        let mut state = IncidentState::Reported;
        let mut scope = &one.incident.scope;
        let mut written = Vec::new();
        for (n, update) in one.updates.iter().enumerate() {
            state = update.state.unwrap_or(state);
            scope = update.scope.as_ref().unwrap_or(scope);
            // What was only suspected was not said.
            if state == IncidentState::Suspected {
                continue;
            }
            let is_newest = n + 1 == one.updates.len();
            let (status, components) = if is_newest && one.false_alarm {
                (status_now(one), OPERATIONAL)
            } else {
                // Nobody wrote down when the cause was found: only the newest step may know of it.
                (status_of(state, is_newest && one.cause.is_some()), status_of_components(state, scope))
            };
            let affected = self.affected(one, before, components);
            written.push(value(n, status, words::update(texts, update), update.at.unix(), affected));
            before = components;
        }
        written.reverse();
        written
    }

    /// How a step changed the services it is about.
    fn affected(&self, one: &IncidentBoard, before: &str, after: &str) -> Vec<Value> {
        let of = |service: &&ServiceBoard| one.incident.services.contains(&service.id);
        let entry = |service: &ServiceBoard| json!({ "code": service.id, "name": service.name, "old_status": before, "new_status": after });
        self.board.services.iter().filter(of).map(entry).collect()
    }
}

const OPERATIONAL: &str = "operational";

/// Statuspage's word for where an incident stands. `identified` is a person's finding.
fn status_of(state: IncidentState, has_cause: bool) -> &'static str {
    match state {
        IncidentState::Resolved => "resolved",
        IncidentState::Recovering => "monitoring",
        _ if has_cause => "identified",
        _ => "investigating",
    }
}

/// A false alarm is over for clients, whatever the detector still sees.
fn status_now(one: &IncidentBoard) -> &'static str {
    let state = if one.false_alarm { IncidentState::Resolved } else { one.incident.state };
    status_of(state, one.cause.is_some())
}

fn status_now_of_components(one: &IncidentBoard) -> &'static str {
    if one.false_alarm { OPERATIONAL } else { status_of_components(one.incident.state, &one.incident.scope) }
}

/// Statuspage's word for a service that an incident in this state and place is about.
fn status_of_components(state: IncidentState, scope: &Scope) -> &'static str {
    match state {
        IncidentState::Resolved | IncidentState::Suspected => OPERATIONAL,
        IncidentState::Reported | IncidentState::Recovering => "degraded_performance",
        IncidentState::Confirmed if *scope == Scope::World => "major_outage",
        IncidentState::Confirmed => "partial_outage",
    }
}

/// In Unix seconds. A false alarm ended with the last that was said of it.
fn resolved_at(one: &IncidentBoard) -> Option<i64> {
    let end = one.incident.resolved_at.map(Minute::unix);
    end.or_else(|| one.false_alarm.then(|| changed_at(one)))
}

fn impact(one: &IncidentBoard) -> &'static str {
    let incident = &one.incident;
    if one.false_alarm {
        return "none";
    }
    match (incident.kind, &incident.scope) {
        (IncidentKind::ReportsOnly, _) | (_, Scope::Asn { .. }) => "minor",
        (_, Scope::World) if incident.impact.is_some_and(|share| share >= 0.5) => "critical",
        (IncidentKind::Service, Scope::World) if incident.impact.is_some_and(|share| share < 0.1) => "minor",
        _ => "major",
    }
}

fn rank(impact: &str) -> u8 {
    match impact {
        "critical" => 3,
        "major" => 2,
        "minor" => 1,
        _ => 0,
    }
}

fn millis(minute: Minute) -> String {
    when::rfc3339_millis(minute.unix())
}

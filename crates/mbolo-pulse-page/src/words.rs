//! How incidents, places and states are called. Wording is measurement: what was seen, where, since when; never who is to
//! blame. The page, the feeds and the status documents say the same sentences.

use maud::{Markup, html};
use mbolo_pulse::board::{Board, Health, IncidentBoard, PlaceBoard, ServiceBoard};
use mbolo_pulse::model::{Incident, IncidentKind, IncidentState, LATELY, Problem, Scope, ServiceId, Signal};

use crate::nearest;
use crate::places;
use crate::texts::{Arg, Texts};
use crate::when;

/// Whether the incident was, or is, said in public: reports grew beyond doubt, or a measurement crossed its threshold.
pub(crate) fn is_announced(one: &IncidentBoard) -> bool {
    match one.incident.state {
        IncidentState::Suspected => false,
        IncidentState::Reported | IncidentState::Confirmed | IncidentState::Recovering => true,
        IncidentState::Resolved => {
            one.incident.confirmed_at.is_some()
                || one.incident.kind == IncidentKind::ReportsOnly
                || one.updates.iter().any(|update| {
                    matches!(update.state, Some(IncidentState::Reported | IncidentState::Confirmed))
                })
        }
    }
}

/// Whether it is not over.
pub(crate) fn is_open(one: &IncidentBoard) -> bool {
    one.incident.state != IncidentState::Resolved
}

/// Whether it is said in public, is not over, and no person has found that nothing is wrong.
pub(crate) fn is_happening(one: &IncidentBoard) -> bool {
    is_announced(one) && is_open(one) && !one.false_alarm
}

/// What may be shown for a service in the world: nothing is called well that is stale or was never measured.
pub(crate) fn shown_health(service: &ServiceBoard, is_stale: bool) -> Health {
    match service.health {
        _ if is_stale => Health::Unknown,
        Health::Up if service.fresh_at.is_none() => Health::Unknown,
        health => health,
    }
}

/// What may be shown for a service in a word: its health, or where it fails although it works for most.
pub(crate) fn how_it_is(
    texts: &Texts,
    board: &Board,
    service: &ServiceBoard,
    is_stale: bool,
) -> (Health, String) {
    let places: Vec<&Scope> = nearest::open_of(board, service).map(|one| &one.incident.scope).collect();
    match (shown_health(service, is_stale), places.as_slice()) {
        (Health::Up, [scope]) => {
            let place = short(&place(texts, scope), 40);
            (Health::Degraded, texts.with("state-up-but-in", &[("place", place.into())]))
        }
        (Health::Up, [_, ..]) => {
            let count = places.len().to_string();
            (Health::Degraded, texts.with("state-up-but", &[("count", count.into())]))
        }
        (shown, _) => (shown, health(texts, shown)),
    }
}

/// Whether a service was measured in a place lately: only then can its measurements be called normal.
pub(crate) fn is_measured(board: &Board, service: &ServiceBoard, scope: &Scope) -> bool {
    let is_fresh = service.fresh_at.is_some_and(|at| board.generated_at - at <= i64::from(LATELY) * 60);
    let has_measurement = |places: &[PlaceBoard]| {
        let of_place = |place: &PlaceBoard| place.failure_rate.is_some() || place.networks_measured > 0;
        places.iter().any(|place| place.scope == *scope && of_place(place))
    };
    is_fresh
        && match scope {
            Scope::World | Scope::Cell { .. } => true,
            Scope::Country { .. } => has_measurement(&service.countries),
            Scope::Asn { .. } => has_measurement(&service.networks),
        }
}

/// `in Gabon`, `on AS16058 in Gabon`, `worldwide`.
pub(crate) fn there(texts: &Texts, scope: &Scope) -> String {
    match scope {
        Scope::World => texts.get("there-world"),
        Scope::Country { cc } => places::there(*cc, texts.language()),
        Scope::Asn { cc, asn } => {
            let args = [
                // As text: a network's number is a name.
                ("asn", asn.0.to_string().into()),
                ("there", places::there(*cc, texts.language()).into()),
            ];
            texts.with("there-network", &args)
        }
        Scope::Cell { cell } => texts.with("there-cell", &[("cell", cell.to_string().into())]),
    }
}

/// `Gabon`, `AS16058, Gabon`, `World`.
pub(crate) fn place(texts: &Texts, scope: &Scope) -> String {
    match scope {
        Scope::World => texts.get("place-world"),
        Scope::Country { cc } => places::name(*cc, texts.language()),
        Scope::Asn { cc, asn } => {
            let name = places::name(*cc, texts.language());
            texts.with("place-network", &[("asn", asn.0.to_string().into()), ("country", name.into())])
        }
        Scope::Cell { cell } => texts.with("place-cell", &[("cell", cell.to_string().into())]),
    }
}

/// `WhatsApp, Signal and Mbolo`.
pub(crate) fn list(texts: &Texts, items: &[String]) -> String {
    let Some((last, rest)) = items.split_last() else { return String::new() };
    let Some((first, middle)) = rest.split_first() else { return last.clone() };
    let head = middle.iter().fold(first.clone(), |head, next| {
        texts.with("list-more", &[("head", head.into()), ("next", next.clone().into())])
    });
    texts.with("list-last", &[("head", head.into()), ("last", last.clone().into())])
}

/// The names of services, at most four of them.
pub(crate) fn services(texts: &Texts, board: &Board, ids: &[ServiceId]) -> String {
    let name = |id: &ServiceId| {
        board.service(id.as_str()).map_or_else(|| id.to_string(), |service| service.name.clone())
    };
    let mut names: Vec<String> = ids.iter().take(if ids.len() > 4 { 3 } else { 4 }).map(name).collect();
    if ids.len() > names.len() {
        let more = u32::try_from(ids.len() - names.len()).unwrap_or(u32::MAX);
        names.push(texts.with("list-others", &[("n", more.into())]));
    }
    list(texts, &names)
}

/// What was seen and where, without a time: `Loss of connectivity in Gabon, 4 of 4 measured networks`.
pub(crate) fn what(texts: &Texts, board: &Board, one: &IncidentBoard) -> String {
    let incident = &one.incident;
    let mut args = vec![
        ("there", Arg::Text(there(texts, &incident.scope))),
        ("services", Arg::Text(services(texts, board, &incident.services))),
        ("count", Arg::Number(incident.services.len() as f64)),
    ];
    let key = match incident.kind {
        IncidentKind::Connectivity => match networks(board, incident).filter(|_| is_open(one)) {
            Some(place) => {
                args.push(("down", place.networks_down.into()));
                args.push(("measured", place.networks_measured.into()));
                "what-connectivity-networks"
            }
            None => "what-connectivity",
        },
        IncidentKind::Blocked => "what-blocked",
        IncidentKind::ReportsOnly if !is_open(one) || one.false_alarm => "what-reports-past",
        IncidentKind::ReportsOnly if all_measured(board, incident) => "what-reports",
        IncidentKind::ReportsOnly => "what-reports-unmeasured",
        // It was so bad; now it is not any more.
        IncidentKind::Service => {
            match incident.impact.filter(|_| incident.state != IncidentState::Recovering) {
                Some(impact) => {
                    args.push(("percent", Arg::Number(percent(impact))));
                    let is_tried = |signal| matches!(signal, Signal::Beacon | Signal::Probe);
                    let is_tried = incident.evidence.iter().any(|evidence| is_tried(evidence.signal));
                    if is_tried || incident.evidence.is_empty() {
                        "what-service-impact"
                    } else {
                        "what-service-lost"
                    }
                }
                None => "what-service",
            }
        }
    };
    texts.with(key, &args)
}

/// [`what`] with its time: `…, since 17:02 UTC`.
pub(crate) fn headline(texts: &Texts, board: &Board, one: &IncidentBoard, now: i64) -> String {
    headline_with(
        one,
        |unix| when::moment(texts, unix, now),
        |key, args| {
            let mut all: Vec<(&str, Arg)> = vec![("what", what(texts, board, one).into())];
            all.extend(args.into_iter().map(|(name, text)| (name, Arg::Text(text))));
            texts.with(key, &all)
        },
    )
}

/// [`headline`] with times that scripts turn into local ones.
pub(crate) fn headline_markup(texts: &Texts, board: &Board, one: &IncidentBoard, now: i64) -> Markup {
    headline_with(
        one,
        |unix| when::moment_element(texts, unix, now),
        |key, args| {
            let mut all: Vec<(&str, Arg)> = vec![("what", what(texts, board, one).into())];
            all.extend(args.into_iter().map(|(name, markup)| (name, Arg::Html(markup))));
            texts.rich(key, &all)
        },
    )
}

fn headline_with<T, R>(
    one: &IncidentBoard,
    time: impl Fn(i64) -> T,
    write: impl Fn(&'static str, Vec<(&'static str, T)>) -> R,
) -> R {
    let from = time(one.incident.started_at.unix());
    match one.incident.resolved_at {
        Some(to) if !is_open(one) => write("headline-past", vec![("from", from), ("to", time(to.unix()))]),
        // Nothing has been going on since.
        _ if one.false_alarm => write("headline-wrong", vec![("from", from)]),
        _ if one.incident.state == IncidentState::Recovering => {
            write("headline-recovering", vec![("since", from)])
        }
        _ => write("headline-open", vec![("since", from)]),
    }
}

/// How fast it was seen, and when the service said so: `Seen after 3 min. The service said so after 34 min.`
pub(crate) fn delays(texts: &Texts, one: &IncidentBoard) -> String {
    let incident = &one.incident;
    let after = |minute: mbolo_pulse::model::Minute| when::duration(texts, minute.since(incident.started_at));
    let seen = after(incident.confirmed_at.unwrap_or(incident.detected_at));
    match one.acknowledged_at {
        Some(at) if at < incident.started_at => texts.with("delays-said-before", &[("seen", seen.into())]),
        Some(at) => texts.with("delays-both", &[("seen", seen.into()), ("said", after(at).into())]),
        None => texts.with("delays-unsaid", &[("seen", seen.into())]),
    }
}

/// The word for a state of health.
pub(crate) fn health(texts: &Texts, health: Health) -> String {
    texts.get(match health {
        Health::Unknown => "health-unknown",
        Health::Up => "health-up",
        Health::Reported => "health-reported",
        Health::Degraded => "health-degraded",
        Health::Down => "health-down",
    })
}

/// The word for where an incident stands.
pub(crate) fn state(texts: &Texts, state: IncidentState) -> String {
    texts.get(match state {
        IncidentState::Suspected => "state-suspected",
        IncidentState::Reported => "state-reported",
        IncidentState::Confirmed => "state-confirmed",
        IncidentState::Recovering => "state-recovering",
        IncidentState::Resolved => "state-resolved",
    })
}

/// The word for a problem, as the person who has it would say it.
pub(crate) fn problem(texts: &Texts, problem: Problem) -> String {
    texts.get(match problem {
        Problem::Send => "problem-send",
        Problem::Receive => "problem-receive",
        Problem::ConnectApp => "problem-connect-app",
        Problem::ConnectWeb => "problem-connect-web",
        Problem::Login => "problem-login",
        Problem::Calls => "problem-calls",
        Problem::Media => "problem-media",
        Problem::Other => "problem-other",
    })
}

/// The word for a signal.
pub(crate) fn signal(texts: &Texts, signal: Signal) -> String {
    texts.get(match signal {
        Signal::Reports => "signal-reports",
        Signal::Beacon => "signal-beacon",
        Signal::Heartbeat => "signal-heartbeat",
        Signal::Gauge => "signal-gauge",
        Signal::Probe => "signal-probe",
        Signal::Official => "signal-official",
    })
}

/// The phase in which a measurement failed, in words; as the agent named it if it is not one we know.
pub(crate) fn phase(texts: &Texts, phase: &str) -> String {
    let key = match phase {
        "dns" => "phase-dns",
        "tcp" => "phase-tcp",
        "tls" => "phase-tls",
        "http" => "phase-http",
        "websocket" => "phase-websocket",
        "session" => "phase-session",
        other => return short(other, 24),
    };
    texts.get(key)
}

/// One entry of a timeline: what a person wrote, else what it became, else where it is now.
pub(crate) fn update(texts: &Texts, update: &mbolo_pulse::board::UpdateBoard) -> String {
    if let Some(text) = &update.text {
        return text.clone();
    }
    match (update.state, &update.scope) {
        (Some(to), Some(scope)) => {
            let args = [("state", state(texts, to).into()), ("place", place(texts, scope).into())];
            texts.with("update-state-scope", &args)
        }
        (Some(to), None) => texts.get(match to {
            IncidentState::Suspected => "update-suspected",
            IncidentState::Reported => "update-reported",
            IncidentState::Confirmed => "update-confirmed",
            IncidentState::Recovering => "update-recovering",
            IncidentState::Resolved => "update-resolved",
        }),
        (None, Some(scope)) => texts.with("update-scope", &[("place", place(texts, scope).into())]),
        (None, None) => texts.get("update-none"),
    }
}

/// Where an incident stands; what a person found to be a false alarm stands nowhere else.
pub(crate) fn standing(texts: &Texts, one: &IncidentBoard) -> String {
    if one.false_alarm { texts.get("state-false-alarm") } else { state(texts, one.incident.state) }
}

/// A chip that says where an incident stands.
pub(crate) fn state_chip(texts: &Texts, one: &IncidentBoard) -> Markup {
    let class = match one.incident.state {
        _ if one.false_alarm => "chip p",
        IncidentState::Suspected => "chip u",
        IncidentState::Reported => "chip r",
        IncidentState::Confirmed => "chip d",
        IncidentState::Recovering => "chip g",
        IncidentState::Resolved => "chip p",
    };
    html! { span class=(class) { (standing(texts, one)) } }
}

/// A share of 0 to 1 as whole percent; one tenth below one percent.
pub(crate) fn percent(share: f64) -> f64 {
    let percent = if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    if percent > 0.0 && percent < 1.0 { (percent * 10.0).ceil() / 10.0 } else { percent.round() }
}

/// The first characters of a text from outside.
pub(crate) fn short(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

fn all_measured(board: &Board, incident: &Incident) -> bool {
    let measured = |id: &ServiceId| {
        board.service(id.as_str()).is_some_and(|service| is_measured(board, service, &incident.scope))
    };
    incident.services.iter().all(measured)
}

/// The place's networks, as the board counts them, where the incident is about a country.
fn networks<'a>(board: &'a Board, incident: &Incident) -> Option<&'a PlaceBoard> {
    incident
        .services
        .iter()
        .filter_map(|id| board.service(id.as_str()))
        .flat_map(|service| &service.countries)
        .find(|place| place.scope == incident.scope && place.networks_measured > 0 && place.networks_down > 0)
}

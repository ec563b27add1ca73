//! "Is it down?", answered first: one sentence about the world, one about the reader's place, and how old they are.
//!
//! What is stale or was never measured has no answer but "we cannot tell".

use maud::Markup;
use mbolo_pulse::board::{Health, IncidentBoard, ServiceBoard};
use mbolo_pulse::model::{IncidentKind, IncidentState, Level, Minute, Scope};

use crate::context::PageContext;
use crate::nearest;
use crate::places;
use crate::texts::{Arg, Texts};
use crate::when;
use crate::words;

/// The answer for one service and one reader.
pub(crate) struct Verdict {
    /// Colour and sign of the whole: the worse of the two, as far as it concerns this reader.
    pub(crate) health: Health,
    /// About the world.
    pub(crate) world: Markup,
    /// About where the reader is.
    pub(crate) here: Markup,
}

/// What is to be shown for a service in the world: its health, unless nobody can know it.
pub(crate) fn shown_health(context: &PageContext<'_>, service: &ServiceBoard) -> Health {
    words::shown_health(service, context.is_stale())
}

/// Answers.
pub(crate) fn judge(context: &PageContext<'_>, service: &ServiceBoard) -> Verdict {
    let texts = context.language.texts();
    let world_health = shown_health(context, service);
    let open: Vec<&IncidentBoard> = nearest::open_of(context.board, service).collect();
    let world = world_sentence(context, texts, service, world_health, &open);
    let (here_health, here) = if context.is_starting() {
        (Health::Unknown, texts.rich("here-starting", &[]))
    } else if context.is_stale() {
        (Health::Unknown, texts.rich("here-stale", &[]))
    } else {
        here_sentence(context, texts, service, world_health)
    };
    Verdict { health: world_health.max(here_health), world, here }
}

fn world_sentence(
    context: &PageContext<'_>,
    texts: &Texts,
    service: &ServiceBoard,
    health: Health,
    open: &[&IncidentBoard],
) -> Markup {
    let mut args: Vec<(&str, Arg)> = vec![("service", service.name.clone().into())];
    if context.is_starting() {
        return texts.rich("answer-starting", &[]);
    }
    if context.is_stale() {
        args.push(("ago", when::ago_element(texts, context.board.generated_at, context.now).into()));
        return texts.rich("world-stale", &args);
    }
    let worldwide = open.iter().find(|one| one.incident.scope == Scope::World);
    let key = match health {
        Health::Unknown => match unknown(context, service) {
            Unknown::Never => "world-unknown",
            Unknown::NotLately => "world-unknown-lately",
            Unknown::Suspected(since) => {
                let since = when::moment_element(texts, since.unix(), context.now);
                args.push(("since", since.into()));
                "world-checking"
            }
            Unknown::Failing => "world-failing",
            Unknown::Unclear => "world-unclear",
        },
        Health::Reported if words::is_measured(context.board, service, &Scope::World) => "world-reported",
        Health::Reported => "world-reported-unmeasured",
        Health::Up => {
            let local: Vec<String> = open
                .iter()
                .filter(|one| one.incident.scope != Scope::World)
                .take(3)
                .map(|one| words::place(texts, &one.incident.scope))
                .collect();
            if local.is_empty() {
                "world-up"
            } else {
                args.push(("places", words::list(texts, &local).into()));
                "world-up-but"
            }
        }
        Health::Degraded | Health::Down => {
            if let Some(one) = worldwide {
                let since = one.incident.started_at.unix();
                args.push(("since", when::moment_element(texts, since, context.now).into()));
            }
            match (health, worldwide.is_some()) {
                (Health::Down, true) => "world-down-since",
                (Health::Down, false) => "world-down",
                (_, true) => "world-degraded-since",
                (_, false) => "world-degraded",
            }
        }
    };
    texts.rich(key, &args)
}

/// Why nothing is known of a service.
enum Unknown {
    Never,
    NotLately,
    /// Something is unusual since then; it is not announced.
    Suspected(Minute),
    /// What is measured mostly fails, and nobody knows yet whether that is usual.
    Failing,
    Unclear,
}

fn unknown(context: &PageContext<'_>, service: &ServiceBoard) -> Unknown {
    if service.fresh_at.is_none() {
        return Unknown::Never;
    }
    if !words::is_measured(context.board, service, &Scope::World) {
        return Unknown::NotLately;
    }
    let suspected = context.board.incidents.iter().map(|one| &one.incident).find(|incident| {
        incident.state == IncidentState::Suspected
            && matches!(incident.scope, Scope::World | Scope::Cell { .. })
            && incident.services.contains(&service.id)
    });
    if let Some(incident) = suspected {
        return Unknown::Suspected(incident.started_at);
    }
    let rates = service.series_24h.iter().rev().take(3).filter_map(|bin| bin.failure_rate);
    let fails = rates.fold(0.0, f64::max) > 1.0 / 3.0;
    let is_dead = service.targets.iter().any(|target| target.down_in.contains(&Scope::World));
    if fails || is_dead { Unknown::Failing } else { Unknown::Unclear }
}

fn here_sentence(
    context: &PageContext<'_>,
    texts: &Texts,
    service: &ServiceBoard,
    world: Health,
) -> (Health, Markup) {
    let place = nearest::known(context.visitor.place.as_ref());
    let country = place.and_then(Scope::country);
    let mut args: Vec<(&str, Arg)> = vec![("service", service.name.clone().into())];
    let (Some(place), Some(country)) = (place, country) else {
        let key = if world >= Health::Degraded { "here-no-place-down" } else { "here-no-place" };
        return (Health::Unknown, texts.rich(key, &args));
    };
    args.push(("there", places::there(country, context.language).into()));
    let own = Scope::Country { cc: country };
    let mut is_measured = [place, &own].iter().any(|scope| words::is_measured(context.board, service, scope));
    if let Some(one) = nearest::nearest_incident(context.board, service, Some(place)) {
        is_measured |= words::is_measured(context.board, service, &one.incident.scope);
        let since = one.incident.started_at.unix();
        args.push(("since", when::moment_element(texts, since, context.now).into()));
        let (health, key) = match (one.incident.state, one.incident.kind) {
            (IncidentState::Recovering, _) => (Health::Degraded, "here-recovering"),
            (_, IncidentKind::ReportsOnly) | (IncidentState::Reported, _) => {
                (Health::Reported, if is_measured { "here-reported" } else { "here-reported-unmeasured" })
            }
            (_, IncidentKind::Connectivity) if one.incident.scope.level() == Level::Asn => {
                (Health::Down, "here-provider")
            }
            (_, IncidentKind::Connectivity) => (Health::Down, "here-connectivity"),
            (_, IncidentKind::Blocked) => (Health::Down, "here-blocked"),
            (_, IncidentKind::Service) if one.incident.scope.level() == Level::Asn => {
                (Health::Down, "here-service-network")
            }
            (_, IncidentKind::Service) => (world.max(Health::Degraded), "here-service"),
        };
        return (health, texts.rich(key, &args));
    }
    let measured = nearest::known_place(service, place).map_or(Health::Unknown, |known| known.health);
    let key = match measured {
        Health::Up => "here-up",
        Health::Reported if is_measured => "here-reported-place",
        Health::Reported => "here-reported-place-unmeasured",
        Health::Degraded | Health::Down => "here-fails",
        Health::Unknown if world >= Health::Degraded => "here-unknown-down",
        Health::Unknown => "here-unknown",
    };
    (measured, texts.rich(key, &args))
}

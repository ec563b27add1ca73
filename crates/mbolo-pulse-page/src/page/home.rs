//! All services at a glance.

use maud::{Markup, html};
use mbolo_pulse::board::{Board, Health, IncidentBoard, ServiceBoard, Visitor};
use mbolo_pulse::model::Scope;

use super::service::{incident_line, no_incidents};
use super::{Frame, document};
use crate::address;
use crate::chart;
use crate::context::{PageContext, Theme};
use crate::glyph;
use crate::nearest;
use crate::texts::{Language, Texts};
use crate::verdict;
use crate::when;
use crate::words;

const SERVICES_SHOWN: usize = 60;
const INCIDENTS_SHOWN: usize = 8;

/// The first page: one sentence for all services, then each of them.
pub fn home(context: &PageContext<'_>) -> String {
    let texts = context.language.texts();
    let all = Overview::of(context);
    let (open, recent): (Vec<_>, Vec<_>) = context
        .board
        .incidents
        .iter()
        .filter(|one| words::is_announced(one))
        .partition(|one| words::is_happening(one));
    // What fails somewhere is not green.
    let health =
        if open.is_empty() || context.is_stale() { all.health() } else { all.health().max(Health::Degraded) };
    let content = html! {
        section class={ "verdict " (glyph::class(health)) } aria-labelledby="h-answer" {
            (glyph::health(health))
            div {
                h1 id="h-answer" { (texts.get("home-question")) }
                p class="answer" id="answer" { (answer(context, texts, &all, &open)) }
                @if let Some(headline) = here(context, texts) {
                    p class="here" { (texts.rich("home-here", &[("headline", headline.into())])) }
                }
                @if !context.is_copy { p class="fresh" { (texts.rich("fresh-board", &[("ago", when::ago_element(texts, context.board.generated_at, context.now).into())])) } }
            }
        }
        @if !open.is_empty() {
            section class="card" aria-labelledby="h-now" {
                h2 id="h-now" { (texts.get("home-now")) }
                ol class="incidents" { @for one in open.iter().take(INCIDENTS_SHOWN) { (incident_line(context, texts, one)) } }
            }
        }
        section aria-labelledby="h-services" {
            h2 id="h-services" { (texts.get("home-services")) }
            ul class="services" {
                @for service in context.board.services.iter().take(SERVICES_SHOWN) { (card(context, texts, service)) }
            }
        }
        section class="card" aria-labelledby="h-recent" {
            h2 id="h-recent" { (texts.get("home-recent")) }
            @if recent.is_empty() { p { (no_incidents(texts, &context.board.services)) } }
            ol class="incidents" { @for one in recent.iter().take(INCIDENTS_SHOWN) { (incident_line(context, texts, one)) } }
        }
    };
    let frame = Frame {
        title: texts.get("home-question"),
        description: texts.get("home-description"),
        path: address::HOME.to_owned(),
        service: None,
        health,
        is_live: true,
    };
    document(context, &frame, &content)
}

/// The first page as a file for other hosts, which needs nothing from the observatory to be read.
pub fn copy(board: &Board, language: Language, base_url: &str, copies: &[String]) -> String {
    home(&PageContext {
        board,
        visitor: &Visitor::default(),
        now: board.generated_at,
        language,
        language_is_chosen: true,
        theme: Theme::Auto,
        base_url,
        report_form: None,
        notice: None,
        comments: &[],
        email_is_offered: false,
        copies,
        is_copy: true,
    })
}

/// The services by how they are.
struct Overview<'a> {
    worst: Health,
    /// With problems.
    ill: Vec<&'a ServiceBoard>,
    /// Of which nothing can be said.
    unknown: Vec<&'a ServiceBoard>,
}

impl<'a> Overview<'a> {
    fn of(context: &PageContext<'a>) -> Self {
        let services = &context.board.services;
        let health = |service: &ServiceBoard| verdict::shown_health(context, service);
        Self {
            worst: services.iter().map(health).max().unwrap_or(Health::Unknown),
            ill: services.iter().filter(|service| health(service) > Health::Up).collect(),
            unknown: services.iter().filter(|service| health(service) == Health::Unknown).collect(),
        }
    }

    /// Green is for the whole only if nothing in it is unknown.
    fn health(&self) -> Health {
        if self.worst == Health::Up && !self.unknown.is_empty() { Health::Unknown } else { self.worst }
    }
}

/// What happens where the reader is.
fn here(context: &PageContext<'_>, texts: &Texts) -> Option<Markup> {
    let place = nearest::known(context.visitor.place.as_ref()).filter(|_| !context.is_stale())?;
    let services = context.board.services.iter();
    let one = services
        .filter_map(|service| nearest::nearest_incident(context.board, service, Some(place)))
        .max_by_key(|one| one.incident.scope.level())?;
    Some(words::headline_markup(texts, context.board, one, context.now))
}

fn answer(context: &PageContext<'_>, texts: &Texts, all: &Overview<'_>, open: &[&IncidentBoard]) -> Markup {
    if context.is_starting() {
        return texts.rich("answer-starting", &[]);
    }
    if context.is_stale() {
        let ago = when::ago_element(texts, context.board.generated_at, context.now);
        return texts.rich("home-stale", &[("ago", ago.into())]);
    }
    let is_measured = |service: &&ServiceBoard| words::is_measured(context.board, service, &Scope::World);
    let some_unknown = !all.unknown.is_empty();
    let (key, named) = match all.worst {
        Health::Unknown if context.board.services.iter().any(|service| is_measured(&service)) => {
            ("home-unclear", &all.unknown)
        }
        Health::Unknown => ("home-unknown", &all.unknown),
        Health::Up if !open.is_empty() && some_unknown => ("home-measured-but", &all.unknown),
        Health::Up if !open.is_empty() => ("home-up-but", &all.unknown),
        Health::Up if some_unknown => ("home-measured", &all.unknown),
        Health::Up => ("home-up", &all.unknown),
        Health::Reported if all.ill.iter().all(is_measured) => ("home-reported", &all.ill),
        Health::Reported => ("home-reported-unmeasured", &all.ill),
        Health::Degraded | Health::Down => ("home-down", &all.ill),
    };
    let mut places: Vec<String> = open.iter().map(|one| words::place(texts, &one.incident.scope)).collect();
    places.dedup();
    places.truncate(3);
    texts.rich(
        key,
        &[("services", names(texts, named).into()), ("places", words::list(texts, &places).into())],
    )
}

/// The first three names, and how many more there are.
fn names(texts: &Texts, services: &[&ServiceBoard]) -> String {
    let mut names: Vec<String> = services.iter().take(3).map(|service| service.name.clone()).collect();
    if services.len() > 3 {
        let more = (services.len() - 3) as f64;
        names.push(texts.with("list-others", &[("n", more.into())]));
    }
    words::list(texts, &names)
}

fn card(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let (health, state) = words::how_it_is(texts, context.board, service, context.is_stale());
    let link = context.links().to(&address::service(service.id.as_str()));
    html! {
        li class={ "card service " (glyph::class(health)) } {
            (glyph::health(health))
            div {
                h3 { a href=(link) { (service.name) } }
                p class="state" { (state) }
                p class="hint" {
                    (texts.with("report-count", &[("n", service.reports_1h.into())]))
                    @if service.learning { " " (texts.get("learning-short")) }
                }
            }
            (chart::spark(&service.series_24h))
        }
    }
}

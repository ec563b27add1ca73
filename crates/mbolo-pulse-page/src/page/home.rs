//! All services at a glance.

use maud::{Markup, html};
use mbolo_pulse::board::{Health, ServiceBoard};
use mbolo_pulse::model::Scope;

use super::service::{incident_line, no_incidents};
use super::{Frame, document};
use crate::address;
use crate::chart;
use crate::context::PageContext;
use crate::glyph;
use crate::texts::Texts;
use crate::verdict;
use crate::when;
use crate::words;

const SERVICES_SHOWN: usize = 60;
const INCIDENTS_SHOWN: usize = 8;

/// The first page: one sentence for all services, then each of them.
pub fn home(context: &PageContext<'_>) -> String {
    let texts = context.language.texts();
    let all = Overview::of(context);
    let health = all.health();
    let (open, recent): (Vec<_>, Vec<_>) = context
        .board
        .incidents
        .iter()
        .filter(|one| words::is_announced(one))
        .partition(|one| words::is_happening(one));
    let content = html! {
        section class={ "verdict " (glyph::class(health)) } aria-labelledby="h-answer" {
            (glyph::health(health))
            div {
                h1 id="h-answer" { (texts.get("home-question")) }
                p class="answer" id="answer" { (answer(context, texts, &all, open.len())) }
                p class="fresh" { (texts.rich("fresh-board", &[("ago", when::ago_element(texts, context.board.generated_at, context.now).into())])) }
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

fn answer(context: &PageContext<'_>, texts: &Texts, all: &Overview<'_>, open: usize) -> Markup {
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
        Health::Unknown => ("home-unknown", &all.unknown),
        Health::Up if open > 0 && some_unknown => ("home-measured-but", &all.unknown),
        Health::Up if open > 0 => ("home-up-but", &all.unknown),
        Health::Up if some_unknown => ("home-measured", &all.unknown),
        Health::Up => ("home-up", &all.unknown),
        Health::Reported if all.ill.iter().all(is_measured) => ("home-reported", &all.ill),
        Health::Reported => ("home-reported-unmeasured", &all.ill),
        Health::Degraded | Health::Down => ("home-down", &all.ill),
    };
    texts.rich(key, &[("services", names(texts, named).into()), ("open", (open as f64).into())])
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
    let health = verdict::shown_health(context, service);
    let link = context.links().to(&address::service(service.id.as_str()));
    html! {
        li class={ "card service " (glyph::class(health)) } {
            (glyph::health(health))
            div {
                h3 { a href=(link) { (service.name) } }
                p class="state" { (words::health(texts, health)) }
                p class="hint" {
                    (texts.with("report-count", &[("n", service.reports_1h.into())]))
                    @if service.learning { " " (texts.get("learning-short")) }
                }
            }
            (chart::spark(&service.series_24h))
        }
    }
}

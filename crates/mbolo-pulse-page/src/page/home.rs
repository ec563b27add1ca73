//! All services at a glance.

use maud::{Markup, html};
use mbolo_pulse::board::{Health, ServiceBoard};

use super::service::incident_line;
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
    let ill: Vec<String> = context
        .board
        .services
        .iter()
        .filter(|service| verdict::shown_health(context, service) > Health::Up)
        .map(|service| service.name.clone())
        .collect();
    let worst = context
        .board
        .services
        .iter()
        .map(|service| verdict::shown_health(context, service))
        .max()
        .unwrap_or(Health::Unknown);
    let open: Vec<_> = context.board.open().filter(|one| words::is_announced(one)).collect();
    let recent =
        context.board.incidents.iter().filter(|one| words::is_announced(one) && !words::is_open(one));
    let content = html! {
        section class={ "verdict " (glyph::class(worst)) } aria-labelledby="h-answer" {
            (glyph::health(worst))
            div {
                h1 id="h-answer" { (texts.get("home-question")) }
                p class="answer" id="answer" { (answer(context, texts, worst, &ill, open.len())) }
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
            @if !context.board.incidents.iter().any(|one| words::is_announced(one) && !words::is_open(one)) {
                p { (texts.get("incidents-none")) }
            }
            ol class="incidents" { @for one in recent.take(INCIDENTS_SHOWN) { (incident_line(context, texts, one)) } }
        }
    };
    let frame = Frame {
        title: texts.get("home-question"),
        description: texts.get("home-description"),
        path: address::HOME.to_owned(),
        service: None,
        health: worst,
        is_live: true,
    };
    document(context, &frame, &content)
}

fn answer(context: &PageContext<'_>, texts: &Texts, worst: Health, ill: &[String], open: usize) -> Markup {
    if context.is_stale() {
        let ago = when::ago_element(texts, context.board.generated_at, context.now);
        return texts.rich("home-stale", &[("ago", ago.into())]);
    }
    let mut names: Vec<String> = ill.iter().take(3).cloned().collect();
    if ill.len() > 3 {
        let more = (ill.len() - 3) as f64;
        names.push(texts.with("list-others", &[("n", more.into())]));
    }
    let args = [("services", words::list(texts, &names).into()), ("open", (open as f64).into())];
    let key = match worst {
        Health::Unknown => "home-unknown",
        Health::Up if open > 0 => "home-up-but",
        Health::Up => "home-up",
        Health::Reported => "home-reported",
        Health::Degraded | Health::Down => "home-down",
    };
    texts.rich(key, &args)
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

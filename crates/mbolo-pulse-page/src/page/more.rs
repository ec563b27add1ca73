//! The pages around: how the observatory knows and how often it was wrong, the ways to be told, and the one that is not there.

use maud::html;
use mbolo_pulse::board::Health;

use super::{Frame, document, form_fields};
use crate::address;
use crate::context::PageContext;
use crate::places;
use crate::when;
use crate::words;

/// How the observatory measures, what it cannot see, and its own record of false alarms.
pub fn how_we_know(context: &PageContext<'_>) -> String {
    let texts = context.language.texts();
    let record = &context.board.record;
    let sections = ["signals", "confirm", "silence", "baseline", "place", "privacy", "limits"];
    let wrong = context.board.incidents.iter().filter(|one| one.false_alarm && words::is_announced(one));
    let content = html! {
        h1 class="page-title" { (texts.get("how-title")) }
        p class="lead" { (texts.get("how-lead")) }
        section class="card" aria-labelledby="h-record" {
            h2 id="h-record" { (texts.get("record-title")) }
            p class="answer" { (texts.with("record-summary", &[("confirmed", record.confirmed_90d.into()), ("wrong", record.false_alarms_90d.into())])) }
            @if let Some(minutes) = record.median_minutes_to_confirm {
                p { (texts.with("record-speed", &[("n", minutes.into())])) }
            }
            p { (texts.get("record-about")) }
            ul { @for one in wrong.take(20) {
                li { a href=(context.links().to(&address::incident(&one.incident.id.0))) { (words::headline(texts, context.board, one, context.now)) } }
            } }
        }
        @for name in sections {
            section class="prose" aria-labelledby={ "h-" (name) } {
                h2 id={ "h-" (name) } { (texts.get(&format!("how-{name}-title"))) }
                p { (texts.get(&format!("how-{name}"))) }
            }
        }
    };
    let frame = Frame {
        title: texts.get("how-title"),
        description: texts.get("how-lead"),
        path: address::HOW_WE_KNOW.to_owned(),
        service: None,
        health: Health::Unknown,
        is_live: false,
    };
    document(context, &frame, &content)
}

/// The ways to be told: e-mail, feeds, webhooks.
pub fn subscribe(context: &PageContext<'_>) -> String {
    let texts = context.language.texts();
    let mut countries: Vec<(String, String)> =
        places::all().map(|cc| (places::name(cc, context.language), cc.to_string())).collect();
    countries.sort_by_key(|(name, _)| sort_key(name));
    let feed = |path: &str, service: Option<&str>| address::feed_in(path, service, context.language);
    let content = html! {
        h1 class="page-title" { (texts.get("subscribe-title")) }
        p class="lead" { (texts.get("subscribe-lead")) }
        section class="card" aria-labelledby="h-mail" {
            h2 id="h-mail" { (texts.get("subscribe-mail-title")) }
            @match (&context.report_form, context.email_is_offered) {
                (Some(token), true) => form method="post" action=(address::POST_SUBSCRIBE) {
                    (form_fields(context, &token.0))
                    label for="email" { (texts.get("subscribe-email")) }
                    input id="email" name="email" type="email" autocomplete="email" maxlength="254" required;
                    label for="service" { (texts.get("subscribe-service")) }
                    select id="service" name="service" {
                        option value="" { (texts.get("subscribe-service-all")) }
                        @for service in &context.board.services { option value=(service.id) { (service.name) } }
                    }
                    label for="country" { (texts.get("subscribe-country")) }
                    select id="country" name="country" {
                        option value="" { (texts.get("subscribe-country-all")) }
                        @for (name, code) in &countries { option value=(code) { (name) } }
                    }
                    p class="hint" { (texts.get("subscribe-mail-hint")) }
                    button class="primary" { (texts.get("subscribe-send")) }
                },
                _ => p { (texts.get("subscribe-mail-closed")) },
            }
        }
        section class="card" aria-labelledby="h-feeds" {
            h2 id="h-feeds" { (texts.get("subscribe-feeds-title")) }
            p { (texts.get("subscribe-feeds")) }
            ul {
                li { a href=(feed(address::ATOM, None)) { (texts.get("subscribe-feeds-all")) } " (Atom) · " a href=(feed(address::RSS, None)) { "RSS" } " · " a href=(feed(address::JSON_FEED, None)) { "JSON Feed" } }
                @for service in context.board.services.iter().take(40) {
                    @let id = Some(service.id.as_str());
                    li { a href=(feed(address::ATOM, id)) { (service.name) } " (Atom) · " a href=(feed(address::RSS, id)) { "RSS" span class="quiet" { " " (service.name) } } " · " a href=(feed(address::JSON_FEED, id)) { "JSON Feed" span class="quiet" { " " (service.name) } } }
                }
            }
            p class="hint" { (texts.get("subscribe-feeds-country")) " " code { (context.base_url) (address::with_query(&feed(address::ATOM, None), "country=GA")) } }
        }
        section class="card" aria-labelledby="h-hooks" {
            h2 id="h-hooks" { (texts.get("subscribe-hooks-title")) }
            p { (texts.get("subscribe-hooks")) }
            p class="links" {
                a href=(address::OPENAPI) { (texts.get("footer-api")) }
                a href=(address::STATUSPAGE_SUMMARY) { (texts.get("footer-statuspage")) }
            }
        }
    };
    let frame = Frame {
        title: texts.get("subscribe-title"),
        description: texts.get("subscribe-lead"),
        path: address::SUBSCRIBE.to_owned(),
        service: None,
        health: Health::Unknown,
        is_live: false,
    };
    document(context, &frame, &content)
}

/// For an address that leads nowhere; goes out with status 404.
pub fn not_found(context: &PageContext<'_>) -> String {
    message(context, "not-found-title", "not-found")
}

/// For a fault of the observatory itself; goes out with status 503.
pub fn service_unavailable(context: &PageContext<'_>) -> String {
    message(context, "unavailable-title", "unavailable")
}

fn message(context: &PageContext<'_>, title: &str, text: &str) -> String {
    let texts = context.language.texts();
    let content = html! {
        h1 class="page-title" { (texts.get(title)) }
        p class="lead" { (texts.get(text)) }
        p class="fresh" { (texts.rich("fresh-board", &[("ago", when::ago_element(texts, context.board.generated_at, context.now).into())])) }
        p { a class="button" href=(context.links().to(address::HOME)) { (texts.get("not-found-home")) } }
    };
    let frame = Frame {
        title: texts.get(title),
        description: texts.get(text),
        path: address::HOME.to_owned(),
        service: None,
        health: Health::Unknown,
        is_live: false,
    };
    document(context, &frame, &content)
}

/// Sorts letters with marks beside those without, which is all that country names need.
fn sort_key(name: &str) -> String {
    let plain = |c: char| match c {
        'É' | 'È' | 'Ê' | 'é' | 'è' | 'ê' => 'e',
        'Å' | 'å' | 'ã' | 'á' => 'a',
        'Î' | 'î' | 'í' | 'ï' => 'i',
        'ô' => 'o',
        'ü' => 'u',
        'ç' => 'c',
        other => other,
    };
    name.chars().map(plain).flat_map(char::to_lowercase).collect()
}

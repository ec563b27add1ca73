//! One service: the answer first, then the button to report, then the evidence.

use maud::{Markup, html};
use mbolo_pulse::board::{DayBoard, Health, IncidentBoard, PlaceBoard, ServiceBoard, TargetBoard};
use mbolo_pulse::model::{IncidentState, Scope, ServiceId};

use super::{Frame, document, targets};
use crate::address;
use crate::chart;
use crate::context::{Comment, Notice, PageContext};
use crate::glyph;
use crate::map;
use crate::places;
use crate::texts::Texts;
use crate::verdict::{self, Verdict};
use crate::when;
use crate::words;

/// Rows of a table that are shown: beyond, the page would be heavier than a slow connection carries.
const PLACES_SHOWN: usize = 30;
const NETWORKS_SHOWN: usize = 12;
const PROBES_SHOWN: usize = 12;
const INCIDENTS_SHOWN: usize = 6;
const COMMENTS_SHOWN: usize = 20;
/// Comments are shown until this many bytes of HTML are reached: escaping can make a text several times as long.
const COMMENT_BYTES: usize = 5_000;

/// The page of a service; None if the board has none of this name.
pub fn service(context: &PageContext<'_>, id: &ServiceId) -> Option<String> {
    let service = context.board.service(id.as_str())?;
    let texts = context.language.texts();
    let verdict = verdict::judge(context, service);
    let question = texts.with("service-question", &[("service", service.name.clone().into())]);
    let frame = Frame {
        title: question.clone(),
        description: texts.with("service-description", &[("service", service.name.clone().into())]),
        path: address::service(id.as_str()),
        service: Some(id.as_str()),
        health: verdict.health,
        is_live: true,
    };
    let content = html! {
        (answer(context, texts, service, &verdict, &question))
        div class="columns" {
            div {
                (report(context, texts, service))
                section class="card" aria-labelledby="h-day" {
                    h2 id="h-day" { (texts.get("day-title")) }
                    (chart::day(context, service))
                }
                (incidents(context, texts, service))
                section class="card" aria-labelledby="h-map" {
                    h2 id="h-map" { (texts.get("map-title")) }
                    (map::world(texts, &service.countries, context.is_stale()))
                    (map::legend(texts))
                    details id="map-table" {
                        summary { (texts.get("map-table-open")) }
                        (map::table(texts, &service.countries, PLACES_SHOWN))
                    }
                }
            }
            div {
                (breakdown(texts, service))
                (networks(context, texts, service))
                (measured(context, texts, service))
                section class="card" aria-labelledby="h-history" {
                    h2 id="h-history" { (texts.get("history-title")) }
                    (chart::history(context, &service.history_90d))
                }
                (comments(context, texts, service))
                (follow(context, texts, service))
            }
        }
    };
    Some(document(context, &frame, &content))
}

fn answer(
    context: &PageContext<'_>,
    texts: &Texts,
    service: &ServiceBoard,
    verdict: &Verdict,
    question: &str,
) -> Markup {
    html! {
        section class={ "verdict " (glyph::class(verdict.health)) } aria-labelledby="h-answer" {
            (glyph::health(verdict.health))
            div {
                h1 id="h-answer" { (question) }
                p class="answer" id="answer" { (verdict.world) }
                p class="here" { (verdict.here) }
                p class="fresh" {
                    @if let Some(at) = service.fresh_at {
                        (texts.rich("fresh", &[("ago", when::ago_element(texts, at, context.now).into())]))
                    } @else {
                        (texts.get("fresh-never"))
                    }
                    @if service.learning { " " (texts.get("learning")) }
                }
            }
        }
    }
}

fn report(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let count = texts.rich("report-count", &[("n", service.reports_1h.into())]);
    html! {
        section class="card" aria-labelledby="h-report" {
            h2 id="h-report" { (texts.with("report-title", &[("service", service.name.clone().into())])) }
            @if let Some(token) = &context.report_form {
                @if context.notice == Some(Notice::ReportThanks) {
                    p class="thanks" { (texts.with("report-thanks", &[("n", service.reports_1h.into())])) }
                } @else {
                    p { (texts.get("report-how")) }
                    form id="report" method="post" action=(address::POST_REPORT)
                        data-service=(service.id) data-challenge=(address::CHALLENGE)
                        data-busy=(texts.get("report-busy")) data-failed=(texts.get("report-failed")) {
                        input type="hidden" name="lang" value=(context.language.tag());
                        input type="hidden" name="service" value=(service.id);
                        @for problem in &service.problems {
                            button name="report" value=(token.of_problem(*problem)) data-problem=(problem.as_str()) { (words::problem(texts, *problem)) }
                        }
                    }
                    p class="hint" id="report-state" role="status" { (count) }
                }
            } @else {
                p { (texts.get("report-closed")) }
                p class="hint" { (count) }
            }
        }
    }
}

fn incidents(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let of_service: Vec<&IncidentBoard> =
        context.board.incidents.iter().filter(|one| one.incident.services.contains(&service.id)).collect();
    let (mut shown, before): (Vec<&IncidentBoard>, Vec<&IncidentBoard>) = of_service
        .iter()
        .copied()
        .filter(|one| words::is_announced(one))
        .partition(|one| words::is_happening(one));
    shown.extend(before);
    shown.truncate(INCIDENTS_SHOWN);
    let checked: Vec<&IncidentBoard> = of_service
        .iter()
        .copied()
        .filter(|one| one.incident.state == IncidentState::Suspected && !one.false_alarm)
        .take(3)
        .collect();
    html! {
        section class="card" aria-labelledby="h-incidents" {
            h2 id="h-incidents" { (texts.get("incidents-title")) }
            @for one in checked {
                p class="checking" {
                    (texts.rich("incident-checking", &[
                        ("there", words::there(texts, &one.incident.scope).into()),
                        ("since", when::moment_element(texts, one.incident.started_at.unix(), context.now).into()),
                    ]))
                }
            }
            @if shown.is_empty() { p { (no_incidents(texts, std::slice::from_ref(service))) } }
            ol class="incidents" { @for one in shown { (incident_line(context, texts, one)) } }
        }
    }
}

/// That there was no incident, and since when anybody looked: days before the observatory watched say nothing.
pub(super) fn no_incidents(texts: &Texts, services: &[ServiceBoard]) -> String {
    let is_watched = |day: &&DayBoard| day.health != Health::Unknown;
    let first_watched =
        |service: &ServiceBoard| service.history_90d.iter().find(is_watched).map(|day| day.day.clone());
    let first_day =
        services.iter().filter_map(|service| service.history_90d.first()).map(|day| &day.day).min();
    match services.iter().filter_map(first_watched).min() {
        None => texts.get("incidents-none-unwatched"),
        Some(day) if Some(&day) == first_day => texts.get("incidents-none"),
        Some(day) => texts.with("incidents-none-since", &[("date", chart::day_name(texts, &day).into())]),
    }
}

/// An incident in a list: what, where, since when, how fast it was seen; the steps of those that are not over.
pub(super) fn incident_line(context: &PageContext<'_>, texts: &Texts, one: &IncidentBoard) -> Markup {
    let link = context.links().to(&address::incident(&one.incident.id.0));
    html! {
        li {
            p class="what" { (words::state_chip(texts, one)) " " (words::headline_markup(texts, context.board, one, context.now)) }
            @if one.false_alarm { p class="hint" { (texts.get("false-alarm")) } }
            p class="hint" { (words::delays(texts, one)) " " a href=(link) { (texts.get("incident-open")) span class="quiet" { " " (words::place(texts, &one.incident.scope)) } } }
            @if words::is_happening(one) { (steps(context, texts, one, 3, 180)) }
        }
    }
}

/// The newest steps of an incident, newest first, each cut after so many characters.
pub(super) fn steps(
    context: &PageContext<'_>,
    texts: &Texts,
    one: &IncidentBoard,
    limit: usize,
    characters: usize,
) -> Markup {
    html! {
        @if !one.updates.is_empty() {
            ol class="steps" {
                @for update in one.updates.iter().rev().take(limit) {
                    li { (when::moment_element(texts, update.at.unix(), context.now)) " " span dir="auto" { (words::short(&words::update(texts, update), characters)) } }
                }
            }
        }
    }
}

fn breakdown(texts: &Texts, service: &ServiceBoard) -> Markup {
    let total: u32 = service.problem_counts.iter().map(|(_, n)| n).sum();
    html! {
        section class="card" aria-labelledby="h-problems" {
            h2 id="h-problems" { (texts.get("problems-title")) }
            @if total == 0 {
                p { (texts.get("problems-none")) }
            } @else {
                table class="bars" {
                    caption { (texts.with("problems-caption", &[("n", total.into())])) }
                    tbody {
                        @for (problem, n) in &service.problem_counts {
                            @let share = f64::from(*n) / f64::from(total);
                            tr {
                                th scope="row" { (words::problem(texts, *problem)) }
                                td { svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" { rect width=(words::percent(share)) height="8" {} } }
                                td { (texts.with("percent", &[("n", words::percent(share).into())])) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn networks(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let country = context.visitor.place.as_ref().and_then(Scope::country);
    let here: Vec<&PlaceBoard> = match country {
        Some(cc) => service.networks.iter().filter(|place| place.scope.country() == Some(cc)).collect(),
        None => service.networks.iter().filter(|place| place.health > Health::Up).collect(),
    };
    let title = match country {
        Some(cc) => texts.with("networks-title", &[("there", places::there(cc, context.language).into())]),
        None => texts.get("networks-title-world"),
    };
    let own = context.visitor.place.as_ref();
    let own_here = own.filter(|place| here.iter().any(|one| one.scope == **place));
    html! {
        section class="card" aria-labelledby="h-networks" {
            h2 id="h-networks" { (title) }
            @if let (Some(Scope::Asn { asn, .. }), Some(name)) = (own, &context.visitor.network_name) {
                p { (texts.with("networks-own", &[("name", name.clone().into()), ("asn", asn.0.to_string().into())])) }
            }
            @if here.is_empty() {
                p { (texts.get(if country.is_some() { "networks-none" } else { "networks-none-world" })) }
            } @else {
                div class="scroll" tabindex="0" role="group" aria-label=(title) {
                    table {
                        caption class="quiet" { (title) }
                        (map::place_head(texts, false))
                        tbody {
                            @if let Some(place) = own_here.and_then(|own| here.iter().find(|one| one.scope == *own)) { (map::place_row(texts, place, false)) }
                            @for place in here.iter().filter(|one| Some(&one.scope) != own_here).take(NETWORKS_SHOWN) { (map::place_row(texts, place, false)) }
                        }
                    }
                }
            }
        }
    }
}

/// What people say beside what was measured, and every measurement with the phase that failed.
fn measured(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let newest = service.series_24h.iter().rev().find_map(|bin| bin.failure_rate);
    let usual =
        service.series_24h.iter().rev().take(12).filter_map(|bin| bin.expected).reduce(|sum, n| sum + n);
    let mut people = vec![("n", service.reports_1h.into())];
    people.extend(usual.map(|usual| ("usual", usual.round().into())));
    let people_key = if usual.is_some() { "measured-people-value" } else { "measured-people-only" };
    let mut probes: Vec<_> = service.probes.iter().collect();
    probes.sort_by_key(|probe| probe.ok);
    let failed = service.probes.iter().filter(|probe| !probe.ok).count();
    let targets_that =
        |is: fn(&TargetBoard) -> bool| service.targets.iter().filter(|target| is(target)).count() as f64;
    let numbers = [
        ("up", targets_that(|target| target.health == Health::Up).into()),
        ("down", targets_that(TargetBoard::is_down).into()),
        ("all", (service.targets.len() as f64).into()),
    ];
    html! {
        section class="card" aria-labelledby="h-measured" {
            h2 id="h-measured" { (texts.get("measured-title")) }
            dl class="pair" {
                div {
                    dt { (texts.get("measured-people")) }
                    dd { (texts.with(people_key, &people)) }
                }
                div {
                    dt { (texts.get("measured-machines")) }
                    dd {
                        @if let Some(rate) = newest { (texts.with("measured-machines-value", &[("n", words::percent(rate).into())])) }
                        @else { (texts.get("measured-machines-none")) }
                    }
                }
            }
            @if !service.targets.is_empty() {
                @let is_any_measured = service.targets.iter().any(|target| target.networks > 0);
                @let caption = if is_any_measured { "targets-caption" } else { "targets-unmeasured" };
                (targets::table(texts, &service.targets, &texts.with(caption, &numbers), context.is_stale()))
            }
            @if probes.is_empty() {
                p class="hint" { (texts.get("probes-none")) }
            } @else {
                div class="scroll" tabindex="0" role="region" aria-label=(texts.get("probes-label")) {
                    table class="probes" {
                        caption { (texts.with("probes-caption", &[("failed", (failed as f64).into()), ("all", (probes.len() as f64).into())])) }
                        thead { tr {
                            th scope="col" { (texts.get("column-target")) }
                            th scope="col" { (texts.get("column-vantage")) }
                            th scope="col" { (texts.get("column-result")) }
                        } }
                        tbody {
                            @for probe in probes.iter().take(PROBES_SHOWN) {
                                tr {
                                    th scope="row" { (words::short(&probe.target, 60)) }
                                    td { (words::short(&probe.vantage, 40)) }
                                    td class={ "s " (if probe.ok { "g" } else { "d" }) } {
                                        @match (probe.ok, &probe.failed_phase, probe.took_ms) {
                                            (true, _, Some(took)) => (texts.with("probe-ok", &[("ms", took.into())])),
                                            (true, _, None) => (texts.get("probe-ok-untimed")),
                                            (false, Some(phase), _) => (texts.with("probe-failed-phase", &[("phase", words::phase(texts, phase).into())])),
                                            (false, None, _) => (texts.get("probe-failed")),
                                        }
                                        " " span class="hint" { (when::ago_element(texts, probe.at, context.now)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn comments(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    html! {
        section class="card" aria-labelledby="h-comments" {
            h2 id="h-comments" { (texts.get("comments-title")) }
            @if context.comments.is_empty() { p { (texts.get("comments-none")) } }
            ul class="comments" {
                @for (comment, text) in shown_comments(context) {
                    li {
                        p dir="auto" { (text) }
                        p class="hint" {
                            span dir="auto" { (comment.author.as_deref().map_or_else(|| texts.get("comment-anonymous"), |name| words::short(name, 40))) }
                            @if let Some(country) = comment.country { ", " (places::name(country, context.language)) }
                            ", " (when::ago_element(texts, comment.at, context.now))
                        }
                    }
                }
            }
            @if context.report_form.is_some() {
                p { a class="button" href=(context.links().to(&address::comment(service.id.as_str()))) { (texts.get("comment-open")) } }
            }
        }
    }
}

/// The newest comments that fit, with their texts as HTML.
fn shown_comments<'a>(context: &PageContext<'a>) -> Vec<(&'a Comment, Markup)> {
    let mut bytes = 0;
    let escaped = |comment: &'a Comment| (comment, html! { (words::short(&comment.text, 500)) });
    let fits = |(_, text): &(&Comment, Markup)| {
        bytes += text.0.len() + 300;
        bytes <= COMMENT_BYTES
    };
    context.comments.iter().take(COMMENTS_SHOWN).map(escaped).take_while(fits).collect()
}

fn follow(context: &PageContext<'_>, texts: &Texts, service: &ServiceBoard) -> Markup {
    let id = service.id.as_str();
    let feed = |path: &str| address::feed_in(path, Some(id), context.language);
    html! {
        section class="card" aria-labelledby="h-follow" {
            h2 id="h-follow" { (texts.get("follow-title")) }
            p { (texts.get("follow-about")) }
            p class="links" {
                a class="button" href=(context.links().to(address::SUBSCRIBE)) { (texts.get("follow-open")) }
                a href=(feed(address::ATOM)) { "Atom" }
                a href=(feed(address::RSS)) { "RSS" }
                a href={ (address::API_SERVICES) "/" (id) } { "JSON" }
                a href=(address::badge(id)) { (texts.get("follow-badge")) }
            }
            @if let Some(url) = service.url.as_deref().filter(|url| url.starts_with("https://") || url.starts_with("http://")) {
                p class="hint" { a href=(url) rel="noreferrer nofollow" { (texts.with("follow-site", &[("service", service.name.clone().into())])) } }
            }
        }
    }
}

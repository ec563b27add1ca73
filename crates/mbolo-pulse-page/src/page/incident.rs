//! One incident with all that is known of it: what was seen against what is usual, every step, the cause if a person found one.

use maud::{Markup, html};
use mbolo_pulse::board::{Health, IncidentBoard};
use mbolo_pulse::model::{IncidentId, IncidentState};

use super::service::steps;
use super::{Frame, document, targets};
use crate::address;
use crate::context::PageContext;
use crate::glyph;
use crate::texts::Texts;
use crate::when;
use crate::words;

/// The page of an incident; None if the board has none of this name, or it was never said in public.
pub fn incident(context: &PageContext<'_>, id: &IncidentId) -> Option<String> {
    let one = context.board.incident(id).filter(|one| words::is_announced(one))?;
    let texts = context.language.texts();
    let headline = words::headline(texts, context.board, one, context.now);
    let health = match one.incident.state {
        _ if context.is_stale() => Health::Unknown,
        _ if one.false_alarm => Health::Up,
        IncidentState::Suspected | IncidentState::Resolved => Health::Up,
        IncidentState::Reported => Health::Reported,
        IncidentState::Recovering => Health::Degraded,
        IncidentState::Confirmed => Health::Down,
    };
    let content = html! {
        section class={ "verdict " (glyph::class(health)) } aria-labelledby="h-answer" {
            (glyph::health(health))
            div {
                h1 id="h-answer" class="answer" { (words::headline_markup(texts, context.board, one, context.now)) }
                p class="state-line" id="answer" { (words::state_chip(texts, one)) }
                p class="here" { (words::delays(texts, one)) }
                @if one.incident.scope_uncertain { p { (texts.get("scope-uncertain")) } }
                @if one.false_alarm { p { strong { (texts.get("false-alarm")) } } }
            }
        }
        div class="columns" {
            div {
                section class="card" aria-labelledby="h-steps" {
                    h2 id="h-steps" { (texts.get("steps-title")) }
                    @if one.updates.is_empty() { p { (texts.get("steps-none")) } }
                    (steps(context, texts, one, 60, 1_000))
                }
                (evidence(texts, one))
            }
            div { (facts(context, texts, one)) (cause(texts, one)) }
        }
    };
    let frame = Frame {
        title: headline.clone(),
        description: headline,
        path: address::incident(&one.incident.id.0),
        service: None,
        health,
        is_live: true,
    };
    Some(document(context, &frame, &content))
}

fn evidence(texts: &Texts, one: &IncidentBoard) -> Markup {
    let number = |n: f64| texts.with("number", &[("n", n.into())]);
    html! {
        section class="card" aria-labelledby="h-evidence" {
            h2 id="h-evidence" { (texts.get("evidence-title")) }
            @if one.incident.evidence.is_empty() {
                p { (texts.get("evidence-none")) }
            } @else {
                div class="scroll" tabindex="0" role="group" aria-label=(texts.get("evidence-title")) {
                    table {
                        caption { (texts.get("evidence-caption")) }
                        thead { tr {
                            th scope="col" { (texts.get("column-signal")) }
                            th scope="col" { (texts.get("column-observed")) }
                            th scope="col" { (texts.get("column-usual")) }
                            th scope="col" { (texts.get("column-window")) }
                            th scope="col" { (texts.get("column-llr")) }
                        } }
                        tbody {
                            @for row in &one.incident.evidence {
                                tr {
                                    th scope="row" { (words::signal(texts, row.signal)) }
                                    td { (number(row.observed)) }
                                    td { (number(row.expected)) }
                                    td { (when::duration(texts, row.window)) }
                                    td { (number(row.llr)) }
                                }
                            }
                        }
                    }
                }
                p class="hint" { (texts.get("evidence-hint")) }
            }
            @if !one.targets.is_empty() {
                (targets::table(texts, &one.targets, &texts.get("evidence-targets"), false))
            }
        }
    }
}

fn facts(context: &PageContext<'_>, texts: &Texts, one: &IncidentBoard) -> Markup {
    let incident = &one.incident;
    let moments = [
        ("fact-started", Some(incident.started_at)),
        ("fact-detected", Some(incident.detected_at)),
        ("fact-confirmed", incident.confirmed_at),
        ("fact-acknowledged", one.acknowledged_at),
        ("fact-resolved", incident.resolved_at),
    ];
    html! {
        section class="card" aria-labelledby="h-facts" {
            h2 id="h-facts" { (texts.get("facts-title")) }
            dl {
                dt { (texts.get("fact-place")) } dd { (words::place(texts, &incident.scope)) }
                dt { (texts.get("fact-services")) }
                dd {
                    @for (at, id) in incident.services.iter().take(20).enumerate() {
                        @if at > 0 { ", " }
                        @match context.board.service(id.as_str()) {
                            Some(service) => a href=(context.links().to(&address::service(id.as_str()))) { (service.name) },
                            None => (id),
                        }
                    }
                }
                @for (key, at) in moments {
                    @if let Some(at) = at { dt { (texts.get(key)) } dd { (when::moment_element(texts, at.unix(), context.now)) } }
                }
                @if let Some(impact) = incident.impact {
                    dt { (texts.get("fact-impact")) } dd { (texts.with("percent", &[("n", words::percent(impact).into())])) }
                }
            }
            p class="hint" { a href=(address::api_incident(&incident.id.0)) { "JSON" } }
        }
    }
}

fn cause(texts: &Texts, one: &IncidentBoard) -> Markup {
    html! {
        section class="card" aria-labelledby="h-cause" {
            h2 id="h-cause" { (texts.get("cause-title")) }
            @match &one.cause {
                Some(cause) => {
                    p dir="auto" { (cause.text) }
                    p class="hint" {
                        (texts.get("cause-source")) " "
                        @if cause.source.starts_with("https://") || cause.source.starts_with("http://") {
                            a href=(cause.source) rel="noreferrer nofollow" { (words::short(&cause.source, 80)) }
                        } @else { span dir="auto" { (words::short(&cause.source, 200)) } }
                    }
                }
                None => p { (texts.get("cause-unknown")) },
            }
        }
    }
}

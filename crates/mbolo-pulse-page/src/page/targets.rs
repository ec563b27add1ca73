//! What agents in different networks say together of each target: one row a target, so that one dead target of many is seen.

use maud::{Markup, html};
use mbolo_pulse::board::{Health, TargetBoard};

use crate::glyph;
use crate::texts::Texts;
use crate::words;

/// Rows that are shown; the worst come first.
const SHOWN: usize = 10;

/// A table of targets under `caption`. On a page that is too old nothing is known to work.
pub(super) fn table(texts: &Texts, targets: &[TargetBoard], caption: &str, is_stale: bool) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table class="probes" {
                caption { (caption) }
                thead { tr {
                    th scope="col" { (texts.get("column-target")) }
                    th scope="col" { (texts.get("column-state")) }
                    th scope="col" { (texts.get("column-seen-by")) }
                } }
                tbody {
                    @for target in targets.iter().take(SHOWN) { (row(texts, target, is_stale)) }
                }
            }
        }
    }
}

fn row(texts: &Texts, target: &TargetBoard, is_stale: bool) -> Markup {
    let health = if is_stale { Health::Unknown } else { target.health };
    html! {
        tr {
            th scope="row" {
                (words::short(&target.target, 60))
                @if target.required { " " span class="hint" { (texts.get("target-required")) } }
            }
            td class={ "s " (glyph::class(health)) } {
                (words::health(texts, health))
                @if target.is_down() {
                    @if let Some(phase) = &target.failed_phase {
                        " " span class="hint" { (texts.with("probe-failed-phase", &[("phase", words::phase(texts, phase).into())])) }
                    }
                    @if health == Health::Degraded && !target.down_in.is_empty() {
                        " " span class="hint" { (words::list(texts, &places(texts, target))) }
                    }
                }
            }
            td { (seen_by(texts, target)) }
        }
    }
}

fn seen_by(texts: &Texts, target: &TargetBoard) -> Markup {
    html! {
        @if target.networks == 0 {
            (texts.get("target-unmeasured"))
        } @else {
            (texts.with("target-networks", &[("down", target.networks_down.into()), ("n", target.networks.into())]))
            @if target.networks < TargetBoard::ENOUGH_NETWORKS {
                " " span class="hint" {
                    (texts.with("target-few", &[("n", target.networks.into()), ("enough", TargetBoard::ENOUGH_NETWORKS.into())]))
                }
            }
        }
    }
}

/// The countries in which it is down.
fn places(texts: &Texts, target: &TargetBoard) -> Vec<String> {
    target.down_in.iter().map(|scope| words::place(texts, scope)).collect()
}

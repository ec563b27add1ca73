//! Twenty-four hours as a picture, as a sentence and as a table: reports against what is usual, the share of attempts that
//! failed, when an incident was on, and when the service itself said so.
//!
//! Drawings stretch with the page, so they hold no letters; scales and legends are text beside them.

use std::fmt::Write;

use maud::{Markup, html};
use mbolo_pulse::board::{DayBoard, Health, IncidentBoard, SeriesBin, ServiceBoard};
use mbolo_pulse::model::{Minute, Scope};

use crate::context::PageContext;
use crate::glyph;
use crate::texts::Texts;
use crate::when;
use crate::words;

/// Days of a history that are listed: the newest that were not well.
const DAYS_SHOWN: usize = 30;

/// The day's chart with its summary, legend and table.
pub(crate) fn day(context: &PageContext<'_>, service: &ServiceBoard) -> Markup {
    let texts = context.language.texts();
    let bins = &service.series_24h;
    let Some((first, last)) = bins.first().zip(bins.last()) else {
        return html! { p { (texts.get("chart-nothing")) } };
    };
    let top = scale_top(bins);
    let width = bins.len();
    let marks = official_marks(bins);
    let shades: Vec<(usize, usize)> = context
        .board
        .incidents
        .iter()
        .filter(|one| words::is_announced(one) && !one.false_alarm && concerns_world(one, service))
        .filter_map(|one| shade(bins, one))
        .collect();
    let measured = bins.iter().any(|bin| bin.failure_rate.is_some());
    let box_of = |height: u32| format!("0 0 {width} {height}");
    let overlay = html! {
        @if !shades.is_empty() { path class="shade" d=(shade_path(&shades)) {} }
        @if !marks.is_empty() { path class="official" d=(marks) {} }
    };
    html! {
        p id="chart-summary" { (summary(texts, bins)) }
        figure class="chart" {
            p class="scale" { span { (texts.get("chart-reports")) } span { (texts.with("chart-scale", &[("n", top.into())])) } }
            svg viewBox=(box_of(100)) preserveAspectRatio="none" role="img" aria-label=(texts.get("chart-reports-label")) aria-describedby="chart-summary" {
                (overlay)
                path class="band" d=(band(bins, top)) {}
                path class="area" d=(area(bins, top)) {}
                path class="reports" d=(line(bins, |bin| bin.reports.map(|n| n / top))) {}
                path class="usual" d=(line(bins, |bin| bin.expected.map(|n| n / top))) {}
            }
            @if measured {
                p class="scale" { span { (texts.get("chart-failures")) } span { (texts.with("percent", &[("n", 100.0.into())])) } }
                svg class="low" viewBox=(box_of(100)) preserveAspectRatio="none" role="img" aria-label=(texts.get("chart-failures-label")) aria-describedby="chart-summary" {
                    (overlay)
                    path class="failures" d=(line(bins, |bin| bin.failure_rate)) {}
                }
            }
            p class="scale hours" {
                (when::moment_element(texts, first.minute.unix(), context.now))
                (when::moment_element(texts, last.minute.unix() + 300, context.now))
            }
            figcaption class="legend" {
                span { (key("reports")) (texts.get("legend-reports")) }
                span { (key("band")) (texts.get("legend-usual")) }
                @if measured { span { (key("failures")) (texts.get("legend-failures")) } }
                @if !shades.is_empty() { span { (key("shade")) (texts.get("legend-incident")) } }
                @if !marks.is_empty() { span { (key("official")) (texts.get("legend-official")) } }
            }
        }
        details id="chart-table" {
            summary { (texts.get("chart-table-open")) }
            div class="scroll" tabindex="0" role="region" aria-label=(texts.get("chart-table-caption")) {
                (hours_table(context, texts, bins))
            }
        }
    }
}

/// A day in the size of a word.
pub(crate) fn spark(bins: &[SeriesBin]) -> Markup {
    let top = scale_top(bins);
    // Half an hour a point is all that can be seen.
    let coarse: Vec<SeriesBin> = bins
        .chunks(6)
        .map(|chunk| {
            let most = |of: fn(&SeriesBin) -> Option<f64>| chunk.iter().filter_map(of).reduce(f64::max);
            SeriesBin {
                reports: most(|bin| bin.reports),
                expected_high: most(|bin| bin.expected_high),
                ..SeriesBin::default()
            }
        })
        .collect();
    html! {
        svg class="spark" viewBox={ "0 0 " (coarse.len()) " 100" } preserveAspectRatio="none" aria-hidden="true" {
            path class="band" d=(band(&coarse, top)) {}
            path class="area" d=(area(&coarse, top)) {}
            path class="reports" d=(line(&coarse, |bin| bin.reports.map(|n| n / top))) {}
        }
    }
}

/// Ninety days as bars: the worse, the higher. With a sentence and a list of the days that were not well.
pub(crate) fn history(context: &PageContext<'_>, days: &[DayBoard]) -> Markup {
    let texts = context.language.texts();
    let watched = days.iter().filter(|day| day.health != Health::Unknown).count();
    let bad: Vec<&DayBoard> =
        days.iter().filter(|day| day.health > Health::Up || day.down_minutes > 0).collect();
    let minutes: u32 = days.iter().map(|day| day.down_minutes).sum();
    let bars = |health: Health, height: u32| {
        days.iter().enumerate().filter(|(_, day)| day.health == health).fold(
            String::new(),
            |mut path, (at, _)| {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} 36v-{height}h3v{height}z", at * 4);
                path
            },
        )
    };
    html! {
        @if watched == 0 {
            p { (texts.get("history-nothing")) }
        } @else {
            p { (texts.with("history-summary", &[("watched", (watched as f64).into()), ("bad", (bad.len() as f64).into()), ("down", when::duration(texts, minutes).into())])) }
            svg class="history map" viewBox={ "0 0 " (days.len() * 4 - 1) " 36" } preserveAspectRatio="none" role="img" aria-label=(texts.get("history-label")) {
                @for (health, height) in [(Health::Unknown, 6), (Health::Up, 12), (Health::Reported, 20), (Health::Degraded, 28), (Health::Down, 36)] {
                    path class=(glyph::class(health)) d=(bars(health, height)) {}
                }
            }
            p class="scale hours" { span { (texts.get("history-from")) } span { (texts.get("history-to")) } }
            @if !bad.is_empty() {
                details id="history-table" {
                    summary { (texts.get("history-table-open")) }
                    table {
                        caption { (texts.get("history-table-caption")) }
                        thead { tr {
                            th scope="col" { (texts.get("column-day")) }
                            th scope="col" { (texts.get("column-worst")) }
                            th scope="col" { (texts.get("column-down")) }
                        } }
                        tbody {
                            @for day in bad.iter().rev().take(DAYS_SHOWN) {
                                tr {
                                    th scope="row" { (day_name(texts, &day.day)) }
                                    td class={ "s " (glyph::class(day.health)) } { (words::health(texts, day.health)) }
                                    td { (when::duration(texts, day.down_minutes)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A day of a history for people: `19 July 2023`.
pub(crate) fn day_name(texts: &Texts, day: &str) -> String {
    Minute::parse_rfc3339(&format!("{day}T00:00:00Z"))
        .map_or_else(|| words::short(day, 10), |at| when::date(texts, at.unix()))
}

/// The day in words: how many, the highest, what would be usual, how much failed.
fn summary(texts: &Texts, bins: &[SeriesBin]) -> Markup {
    let total: f64 = bins.iter().filter_map(|bin| bin.reports).sum();
    let highest = bins
        .iter()
        .filter_map(|bin| bin.reports.map(|n| (n, bin)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let worst = bins
        .iter()
        .filter_map(|bin| bin.failure_rate.map(|rate| (rate, bin)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    html! {
        @if let Some((peak, bin)) = highest {
            @let args = [
                ("total", total.round().into()),
                ("peak", peak.round().into()),
                ("at", time_of(texts, bin).into()),
                ("usual", bin.expected.unwrap_or(0.0).round().into()),
            ];
            (texts.rich(if bin.expected.is_some() { "chart-summary-reports" } else { "chart-summary-reports-only" }, &args))
        } @else {
            (texts.get("chart-summary-no-reports"))
        }
        " "
        @if let Some((rate, bin)) = worst {
            (texts.rich("chart-summary-failures", &[("percent", words::percent(rate).into()), ("at", time_of(texts, bin).into())]))
        } @else {
            (texts.get("chart-summary-unmeasured"))
        }
    }
}

fn time_of(texts: &Texts, bin: &SeriesBin) -> Markup {
    html! { time datetime=(when::rfc3339(bin.minute.unix())) data-l="t" { (when::clock(texts, bin.minute.unix())) } }
}

fn hours_table(context: &PageContext<'_>, texts: &Texts, bins: &[SeriesBin]) -> Markup {
    let sum = |hour: &[SeriesBin], of: fn(&SeriesBin) -> Option<f64>| {
        let known: Vec<f64> = hour.iter().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>())
    };
    let number = |n: Option<f64>| {
        n.map_or_else(|| "–".to_owned(), |n| texts.with("number", &[("n", n.round().into())]))
    };
    html! {
        table {
            caption { (texts.get("chart-table-caption")) }
            thead { tr {
                th scope="col" { (texts.get("column-hour")) }
                th scope="col" { (texts.get("column-reports")) }
                th scope="col" { (texts.get("column-usual")) }
                th scope="col" { (texts.get("column-failures")) }
            } }
            tbody {
                @for hour in bins.chunks(12) {
                    @let rate = hour.iter().filter_map(|bin| bin.failure_rate).reduce(f64::max);
                    tr {
                        th scope="row" { @if let Some(bin) = hour.first() { (when::moment_element(texts, bin.minute.unix(), context.now)) } }
                        td { (number(sum(hour, |bin| bin.reports))) }
                        td { (number(sum(hour, |bin| bin.expected))) }
                        td { @if let Some(rate) = rate { (texts.with("percent", &[("n", words::percent(rate).into())])) } @else { "–" } }
                    }
                }
            }
        }
    }
}

fn concerns_world(one: &IncidentBoard, service: &ServiceBoard) -> bool {
    matches!(one.incident.scope, Scope::World | Scope::Cell { .. })
        && one.incident.services.contains(&service.id)
}

/// The bins an incident covers, as (first, one past the last).
fn shade(bins: &[SeriesBin], one: &IncidentBoard) -> Option<(usize, usize)> {
    let end = one.incident.resolved_at.unwrap_or(Minute(u32::MAX));
    let covered = |bin: &SeriesBin| bin.minute.plus(4) >= one.incident.started_at && bin.minute <= end;
    let from = bins.iter().position(covered)?;
    let to = bins.iter().rposition(covered)?;
    Some((from, to + 1))
}

/// What any of the incidents covers, each bin once.
fn shade_path(shades: &[(usize, usize)]) -> String {
    let mut sorted = shades.to_vec();
    sorted.sort_unstable();
    let mut path = String::new();
    let mut done = 0;
    for (from, to) in sorted {
        let from = from.max(done);
        if to > from {
            // Writing to a string does not fail.
            let _ = write!(path, "M{from} 0H{to}V100H{from}z");
            done = to;
        }
    }
    path
}

/// A line wherever the service began to say that something is wrong.
fn official_marks(bins: &[SeriesBin]) -> String {
    let mut marks = String::new();
    for (at, bin) in bins.iter().enumerate() {
        if bin.official && (at == 0 || !bins[at - 1].official) {
            // Writing to a string does not fail.
            let _ = write!(marks, "M{at} 0v100");
        }
    }
    marks
}

/// A round number above everything that is drawn.
fn scale_top(bins: &[SeriesBin]) -> f64 {
    let most = bins
        .iter()
        .flat_map(|bin| [bin.reports, bin.expected_high])
        .flatten()
        .filter(|n| n.is_finite())
        .fold(4.0_f64, f64::max);
    let ten = 10_f64.powf(most.log10().floor());
    [1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0]
        .map(|step| step * ten)
        .into_iter()
        .find(|step| *step >= most)
        .unwrap_or(most)
}

/// Height on a drawing of 100 for a share of the scale, in whole steps: finer than a phone shows.
fn y(share: f64) -> i64 {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    ((1.0 - share) * 98.0).round() as i64 + 1
}

/// A line that breaks where nothing is known.
fn line(bins: &[SeriesBin], value: impl Fn(&SeriesBin) -> Option<f64>) -> String {
    line_from(0, bins, value)
}

fn line_from(start: usize, bins: &[SeriesBin], value: impl Fn(&SeriesBin) -> Option<f64>) -> String {
    let mut path = String::new();
    // Where the pen is, while it draws.
    let mut pen: Option<(usize, i64)> = None;
    for (at, bin) in bins.iter().enumerate() {
        let Some(height) = value(bin).map(y) else {
            pen = None;
            continue;
        };
        let next = bins.get(at + 1).and_then(&value).map(y);
        // Points in the middle of a level stretch add nothing.
        if pen.is_some_and(|(_, before)| before == height) && next == Some(height) {
            continue;
        }
        // Writing to a string does not fail.
        let _ = match pen {
            Some((x, before)) if height < before => write!(path, "l{}{}", at - x, height - before),
            Some((x, before)) => write!(path, "l{} {}", at - x, height - before),
            None => write!(path, "M{} {height}", start + at),
        };
        if pen.is_none() && next.is_none() {
            path.push_str("h.6");
        }
        pen = Some((at, height));
    }
    path
}

/// The ground under the reports, each known stretch by itself.
fn area(bins: &[SeriesBin], top: f64) -> String {
    stretches(bins, |bin| bin.reports.map(|n| n / top))
}

/// What is usual: from nothing to what nineteen bins of twenty stay under.
fn band(bins: &[SeriesBin], top: f64) -> String {
    stretches(bins, |bin| bin.expected_high.map(|n| n / top))
}

fn stretches(bins: &[SeriesBin], value: impl Fn(&SeriesBin) -> Option<f64>) -> String {
    let mut path = String::new();
    let mut at = 0;
    while at < bins.len() {
        let length = bins[at..].iter().take_while(|bin| value(bin).is_some()).count();
        if length > 1 {
            path.push_str(&line_from(at, &bins[at..at + length], &value));
            // Writing to a string does not fail.
            let _ = write!(path, "V100H{at}z");
        }
        at += length.max(1);
    }
    path
}

fn key(class: &str) -> Markup {
    html! {
        svg class="key" viewBox="0 0 24 24" aria-hidden="true" {
            @match class {
                "band" | "shade" => rect class=(class) width="24" height="24" {},
                "official" => path class="official" d="M12 0v24" {},
                _ => path class=(class) d="M0 18L8 8l8 6 8-8" {},
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(reports: &[Option<f64>]) -> Vec<SeriesBin> {
        reports.iter().map(|reports| SeriesBin { reports: *reports, ..SeriesBin::default() }).collect()
    }

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let bins = bins(&[Some(0.0), Some(10.0), None, Some(5.0), Some(5.0)]);
        let path = line(&bins, |bin| bin.reports.map(|n| n / 10.0));
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path, "M0 99l1-98M3 50l1 0");
        assert_eq!(area(&bins, 10.0), "M0 99l1-98V100H0zM3 50l1 0V100H3z");
    }

    #[test]
    fn the_scale_is_a_round_number_above_everything() {
        assert_eq!(scale_top(&bins(&[Some(37.0)])), 50.0);
        assert_eq!(scale_top(&bins(&[Some(0.0)])), 5.0);
        assert_eq!(scale_top(&bins(&[Some(1001.0)])), 1500.0);
        assert_eq!(scale_top(&bins(&[None, Some(f64::NAN)])), 5.0);
    }

    #[test]
    fn incidents_that_overlap_are_shaded_once() {
        assert_eq!(shade_path(&[(5, 9), (1, 6), (5, 9)]), "M1 0H6V100H1zM6 0H9V100H6z");
    }

    #[test]
    fn a_level_stretch_costs_two_points() {
        let path = line(&bins(&[Some(1.0); 288]), |bin| bin.reports);
        assert_eq!(path, "M0 1l287 0");
    }
}

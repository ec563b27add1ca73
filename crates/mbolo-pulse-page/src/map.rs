//! The world, coloured by how a service is in each country. Colour has a pattern beside it, and the table under the map
//! says the same in words.
//!
//! `assets/world.txt` holds one country per line, its code and a path on a plane of 2024 × 900: Natural Earth's 1:50 m
//! borders, simplified so that neighbours still share them. Made from world-atlas (ISC licence beside it).

use std::collections::BTreeMap;
use std::fmt::Write;

use maud::{Markup, html};
use mbolo_pulse::board::{Health, PlaceBoard};
use mbolo_pulse::model::Scope;

use crate::glyph;
use crate::texts::{Texts, raw};
use crate::words;

/// Countries that have their names on the map, the worst; the others are drawn together. A name costs more bytes than most borders.
const NAMED: usize = 40;

/// Draws it. Places that are no countries are left out.
pub(crate) fn world(texts: &Texts, places: &[PlaceBoard], stale: bool) -> Markup {
    let mut together: BTreeMap<Health, String> = BTreeMap::new();
    let mut drawn = String::new();
    for line in WORLD.lines() {
        let Some((code, path)) = line.split_once(' ') else { continue };
        let place = places.iter().enumerate().find_map(|(rank, place)| Some((rank, health_of(place, code)?)));
        match place.filter(|_| !stale) {
            None => together.entry(Health::Unknown).or_default().push_str(path),
            Some((rank, (health, _))) if rank >= NAMED || health == Health::Unknown => {
                together.entry(health).or_default().push_str(path);
            }
            Some((_, (health, scope))) => {
                let args = [
                    ("place", words::place(texts, scope).into()),
                    ("health", words::health(texts, health).into()),
                ];
                let title = html! { (texts.with("map-country", &args)) };
                // Writing to a string does not fail.
                let _ = write!(
                    drawn,
                    "<path class={} d=\"{path}\"><title>{}</title></path>",
                    glyph::class(health),
                    title.0
                );
            }
        }
    }
    html! {
        svg class="map" viewBox="0 0 2024 900" role="img" aria-label=(texts.get("map-label")) {
            @for (health, paths) in &together { path class=(glyph::class(*health)) d=(paths) {} }
            (raw(drawn))
        }
    }
}

/// What the signs of the map mean.
pub(crate) fn legend(texts: &Texts) -> Markup {
    html! {
        p class="legend" {
            @for health in [Health::Up, Health::Reported, Health::Degraded, Health::Down, Health::Unknown] {
                span {
                    svg class="map key" viewBox="0 0 24 24" aria-hidden="true" {
                        path class=(glyph::class(health)) d="M0 0h24v24H0z" {}
                    }
                    (words::health(texts, health))
                }
            }
        }
    }
}

/// The table that says the same, worst first. At most `limit` countries that are not well; those that are well are counted.
pub(crate) fn table(texts: &Texts, places: &[PlaceBoard], limit: usize) -> Markup {
    let rows: Vec<&PlaceBoard> =
        places.iter().filter(|place| matches!(place.scope, Scope::Country { .. })).collect();
    let shown = rows.len().min(limit);
    let left = u32::try_from(rows.len() - shown).unwrap_or(u32::MAX);
    html! {
        @if rows.is_empty() {
            p { (texts.get("map-nothing")) }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(texts.get("map-table-caption")) {
                table {
                    caption { (texts.get("map-table-caption")) }
                    (place_head(texts, true))
                    tbody { @for place in &rows[..shown] { (place_row(texts, place, true)) } }
                }
            }
            @if left > 0 { p class="hint" { (texts.with("map-table-more", &[("n", left.into())])) } }
        }
    }
}

/// The head of a table of places.
pub(crate) fn place_head(texts: &Texts, with_networks: bool) -> Markup {
    html! {
        thead { tr {
            th scope="col" { (texts.get("column-place")) }
            th scope="col" { (texts.get("column-state")) }
            th scope="col" { (texts.get("column-reports")) }
            th scope="col" { (texts.get("column-failures")) }
            @if with_networks { th scope="col" { (texts.get("column-networks")) } }
        } }
    }
}

/// One place in a table of places.
pub(crate) fn place_row(texts: &Texts, place: &PlaceBoard, with_networks: bool) -> Markup {
    html! {
        tr {
            th scope="row" { (words::place(texts, &place.scope)) }
            td class={ "s " (glyph::class(place.health)) } { (words::health(texts, place.health)) }
            td { @if let Some(n) = place.reports_1h { (texts.with("number", &[("n", n.into())])) } @else { "–" } }
            td {
                @if let Some(rate) = place.failure_rate {
                    (texts.with("percent", &[("n", words::percent(rate).into())]))
                } @else { "–" }
            }
            @if with_networks {
                td {
                    @if place.networks_measured > 0 {
                        (texts.with("networks-of", &[("down", place.networks_down.into()), ("measured", place.networks_measured.into())]))
                    } @else { "–" }
                }
            }
        }
    }
}

fn health_of<'a>(place: &'a PlaceBoard, code: &str) -> Option<(Health, &'a Scope)> {
    match &place.scope {
        scope @ Scope::Country { cc } if cc.as_str() == code => Some((place.health, scope)),
        _ => None,
    }
}

const WORLD: &str = include_str!("../assets/world.txt");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places;
    use mbolo_pulse::model::Country;
    use std::collections::BTreeSet;

    #[test]
    fn every_country_of_the_map_has_a_name_and_most_names_are_on_the_map() {
        let drawn: BTreeSet<&str> = WORLD.lines().filter_map(|line| line.get(..2)).collect();
        let named: BTreeSet<String> = places::all().map(|country| country.to_string()).collect();
        let nameless: Vec<_> =
            drawn.iter().filter(|code| **code != "--" && !named.contains(**code)).collect();
        assert!(nameless.is_empty(), "{nameless:?}");
        for small in ["GA", "ST", "KM", "MU", "CV", "SG", "MT", "GQ"] {
            assert!(drawn.contains(small), "{small} is missing");
        }
        assert!(drawn.len() > 230);
    }

    #[test]
    fn the_map_is_small_and_says_which_country_is_down() {
        let gabon = PlaceBoard {
            scope: Scope::Country { cc: Country::new("GA").expect("two letters") },
            health: Health::Down,
            reports_1h: None,
            failure_rate: Some(1.0),
            networks_measured: 4,
            networks_down: 4,
        };
        let texts = crate::Language::En.texts();
        let map = world(texts, std::slice::from_ref(&gabon), false).0;
        assert!(map.len() < 26_000, "{} bytes", map.len());
        assert!(map.contains("<path class=d ") && map.contains("<title>Gabon: "), "Gabon is not drawn");
        let old = world(texts, &[gabon], true).0;
        assert!(!old.contains("class=d"), "what is stale is grey");
    }
}

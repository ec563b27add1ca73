//! Every pair of text and ground that the style uses, in both themes: a contrast of 4.5, and 3 for what is drawn
//! (WCAG 2.2, 1.4.3 and 1.4.11).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../assets/page.css");

fn tokens(block_start: &str) -> BTreeMap<&'static str, [f64; 3]> {
    let (_, rest) = STYLE.split_once(block_start).expect("the block is there");
    let (block, _) = rest.split_once('}').expect("the block ends");
    block
        .split(';')
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, value)| {
            Some((name.trim().strip_prefix("--")?, colour(value.trim().strip_prefix('#')?)))
        })
        .collect()
}

fn colour(hex: &str) -> [f64; 3] {
    let wide: String =
        if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&wide[at..at + 2], 16).expect("hexadecimal")) / 255.0)
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|c| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_can_be_read_in_both_themes() {
    let light = tokens(":root{");
    let dark = tokens(":root[data-theme=dark]{");
    let preferred = tokens(":root:not([data-theme=light]){");
    assert_eq!(dark, preferred, "the dark theme is the same whether chosen or preferred");
    let text = [
        ("ink", "paper"),
        ("ink", "surface"),
        ("muted", "paper"),
        ("muted", "surface"),
        ("sky", "paper"),
        ("sky", "surface"),
        ("on-forest", "forest"),
        ("forest", "surface"),
        ("g", "surface"),
        ("r", "surface"),
        ("w", "surface"),
        ("d", "surface"),
        ("u", "surface"),
        ("g", "g-soft"),
        ("r", "r-soft"),
        ("w", "w-soft"),
        ("d", "d-soft"),
        ("u", "u-soft"),
        ("ink", "g-soft"),
        ("ink", "r-soft"),
        ("ink", "w-soft"),
        ("ink", "d-soft"),
        ("ink", "u-soft"),
        ("sky", "g-soft"),
        ("sky", "d-soft"),
    ];
    let drawn = [
        ("control", "surface"),
        ("control", "paper"),
        ("sky", "surface"),
        ("d", "surface"),
        ("forest", "paper"),
    ];
    for (theme, tokens) in [("light", &light), ("dark", &dark)] {
        let mut all = light.clone();
        all.extend(tokens.iter());
        for (pairs, least) in [(&text[..], 4.5), (&drawn[..], 3.0)] {
            for (front, ground) in pairs {
                let found = contrast(all[front], all[ground]);
                assert!(found >= least, "{front} on {ground} in the {theme} theme has {found:.2}");
            }
        }
    }
}

#[test]
fn white_can_be_read_on_every_badge() {
    for ground in ["5B6862", "0B6B4F", "7A5200", "97470B", "B3261E", "15211C"] {
        assert!(contrast(colour("FFF"), colour(ground)) >= 4.5, "{ground}");
    }
}

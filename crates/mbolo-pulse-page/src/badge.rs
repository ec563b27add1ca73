//! A word on other people's pages: how a service is now, as a small SVG that needs no font and no script.

use mbolo_pulse::board::{Board, Health, ServiceBoard};

use crate::feed::Xml;
use crate::texts::Language;
use crate::words;

/// The badge of a service; media type `image/svg+xml`. What is stale or was never measured is grey, and green is only what
/// works everywhere.
pub fn badge(board: &Board, service: &ServiceBoard, language: Language, stale: bool) -> String {
    let texts = language.texts();
    let (health, word) = match words::how_it_is(texts, board, service, stale) {
        (health, _) if stale => (health, texts.get("badge-stale")),
        state => state,
    };
    let name = words::short(&service.name, 40);
    let label =
        texts.with("badge-label", &[("service", name.clone().into()), ("health", word.clone().into())]);
    // The sign takes 20, every side of a text 8.
    let (left, right) = (text_width(&name) + 16, text_width(&word) + 34);
    let (whole, left_text, right_text) = (left + right, text_width(&name), text_width(&word));
    let n = |number: u32| number.to_string();
    let mut xml = Xml::new();
    let root = [
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("width", &n(whole)),
        ("height", "24"),
        ("viewBox", &format!("0 0 {whole} 24")),
        ("role", "img"),
        ("aria-label", &label),
    ];
    xml.within("svg", &root, |xml| {
        xml.leaf("title", &[], &label);
        xml.empty("rect", &[("width", &n(whole)), ("height", "24"), ("rx", "6"), ("fill", colour(health))]);
        let dark = format!("M6 0H{left}V24H6a6 6 0 0 1-6-6V6a6 6 0 0 1 6-6z");
        xml.empty("path", &[("d", &dark), ("fill", "#15211C")]);
        let moved = format!("translate({} 4) scale(.667)", left + 6);
        let sign = [
            ("d", sign(health)),
            ("transform", moved.as_str()),
            ("fill", "none"),
            ("stroke", "#FFFFFF"),
            ("stroke-width", "2.4"),
            ("stroke-linecap", "round"),
            ("stroke-linejoin", "round"),
        ];
        xml.empty("path", &sign);
        let font = [
            ("fill", "#FFFFFF"),
            ("font-family", "system-ui,Segoe UI,Roboto,Noto Sans,sans-serif"),
            ("font-size", "12"),
        ];
        xml.within("g", &font, |xml| {
            // The width is told, so that another font cannot spill over the edge.
            let text = |x: u32, width: u32| [("x", n(x)), ("y", n(16)), ("textLength", n(width))];
            for (x, width, content) in [(8, left_text, &name), (left + 26, right_text, &word)] {
                let place = text(x, width);
                let place: Vec<(&str, &str)> =
                    place.iter().map(|(key, value)| (*key, value.as_str())).collect();
                xml.leaf("text", &place, content);
            }
        });
    });
    xml.finish()
}

/// White on it has a contrast of at least 4.5.
pub(crate) fn colour(health: Health) -> &'static str {
    match health {
        Health::Unknown => "#5B6862",
        Health::Up => "#0B6B4F",
        Health::Reported => "#7A5200",
        Health::Degraded => "#97470B",
        Health::Down => "#B3261E",
    }
}

fn sign(health: Health) -> &'static str {
    match health {
        Health::Unknown => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12h8",
        Health::Up => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12.3l2.8 2.8L16 9.6",
        Health::Reported => {
            "M20 14a2 2 0 0 1-2 2H8.5L4 20V6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2zM12 7.5V10M12 13h.01"
        }
        Health::Degraded => "M12 3.5L2.5 20h19zM12 10v4M12 17h.01",
        Health::Down => "M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9 9l6 6M15 9l-6 6",
    }
}

/// Roughly how wide a text is at 12 px in the usual fonts.
fn text_width(text: &str) -> u32 {
    let tenths: u32 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '!' | 'I' => 31,
            'f' | 't' | 'r' | ' ' => 42,
            'm' | 'w' | 'M' | 'W' => 100,
            'A'..='Z' => 78,
            c if c.is_ascii() => 67,
            c if c.is_alphabetic() && c < '\u{250}' => 67,
            _ => 120,
        })
        .sum();
    tenths.div_ceil(10)
}

//! Signs: one for each state of health, so that colour never speaks alone, and the mark. Drawn once per page, then used.

use maud::{Markup, html};
use mbolo_pulse::board::Health;

use crate::texts::raw;

/// The drawings, for the top of a page. Strokes after the Lucide set (ISC licence).
pub(crate) fn symbols() -> Markup {
    raw(SYMBOLS)
}

/// The sign of a state of health, hidden from screen readers: the word stands beside it.
pub(crate) fn health(health: Health) -> Markup {
    let name = class(health);
    html! { svg class={ "g " (name) } viewBox="0 0 24 24" aria-hidden="true" { use href={ "#g-" (name) } {} } }
}

/// The letter that stands for a state of health in classes: `u`, `g`, `r`, `w`, `d`.
pub(crate) fn class(health: Health) -> &'static str {
    match health {
        Health::Unknown => "u",
        Health::Up => "g",
        Health::Reported => "r",
        Health::Degraded => "w",
        Health::Down => "d",
    }
}

/// The mark: a speech bubble of cells that holds together with one missing.
pub(crate) fn mark() -> Markup {
    html! {
        svg class="mark" viewBox="0 0 64 64" aria-hidden="true" {
            path class="cells" d=(MARK_CELLS) {}
            path class="missing" d="M39.1 23.5L43.4 26V31L39.1 33.5L34.8 31V26z" {}
        }
    }
}

/// The mark as the address of an image, for the browser's tab.
pub(crate) fn favicon() -> String {
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64'><path d='{MARK_CELLS}' fill='#0B6B4F'/><path d='M39.1 23.5L43.4 26V31L39.1 33.5L34.8 31V26z' fill='#F2B705'/></svg>"
    );
    format!("data:image/svg+xml,{}", svg.replace('#', "%23").replace('<', "%3C").replace('>', "%3E"))
}

const SYMBOLS: &str = concat!(
    r#"<svg width="0" height="0" class="defs" aria-hidden="true"><defs>"#,
    r#"<symbol id="g-u" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9"/><path d="M8 12h8"/></symbol>"#,
    r#"<symbol id="g-g" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9"/><path d="M8 12.3l2.8 2.8L16 9.6"/></symbol>"#,
    r#"<symbol id="g-r" viewBox="0 0 24 24"><path d="M20 14a2 2 0 0 1-2 2H8.5L4 20V6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2zM12 7.5V10M12 13h.01"/></symbol>"#,
    r#"<symbol id="g-w" viewBox="0 0 24 24"><path d="M12 3.5L2.5 20h19zM12 10v4M12 17h.01"/></symbol>"#,
    r#"<symbol id="g-d" viewBox="0 0 24 24"><path d="M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9 9l6 6M15 9l-6 6"/></symbol>"#,
    r#"<pattern id="h-d" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="fd" d="M0 0h10v10H0z"/><path class="line" d="M0 0v10"/></pattern>"#,
    r#"<pattern id="h-w" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><path class="fw" d="M0 0h10v10H0z"/><path class="line" d="M0 0v10"/></pattern>"#,
    r#"<pattern id="h-r" width="9" height="9" patternUnits="userSpaceOnUse"><path class="fr" d="M0 0h9v9H0z"/><circle class="dot" cx="4" cy="4" r="1.7"/></pattern>"#,
    r#"</defs></svg>"#,
);

const MARK_CELLS: &str = "M17.8 10.1l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM32 10.1l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM46.2 10.1l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM10.7 22.4l5.3 3v6.1l-5.3 3.1-5.3-3v-6.2zM24.9 22.4l5.3 3v6.1l-5.3 3.1-5.3-3v-6.2zM53.3 22.4l5.3 3v6.1l-5.3 3.1-5.3-3v-6.2zM17.8 34.7l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM32 34.7l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM46.2 34.7l5.3 3.1v6l-5.3 3.1-5.3-3v-6.1zM15.7 48.7l3.2 1.9v3.8l-3.2 1.9-3.3-1.9v-3.8z";

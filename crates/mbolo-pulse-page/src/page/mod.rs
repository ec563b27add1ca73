//! The pages. Each is one document with its style, its drawings and its script inside: nothing else is fetched, so it is
//! whole wherever it is mirrored, and it works without the script.

mod comment;
mod home;
mod incident;
mod more;
mod service;
mod subscription;
mod targets;

use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, html};
use mbolo_pulse::board::Health;
use sha2::{Digest, Sha256};

use crate::address;
use crate::context::{PageContext, Theme};
use crate::glyph;
use crate::texts::{Language, Texts, raw};
use crate::when;

pub use comment::{Draft, comment};
pub use home::{copy, home};
pub use incident::incident;
pub use more::{how_we_know, not_found, service_unavailable, subscribe};
pub use service::service;
pub use subscription::{confirm_page, end_page};

/// The value of the `Content-Security-Policy` header that all pages need: their one style and one script by hash, and
/// nothing from elsewhere.
pub fn content_security_policy() -> String {
    let hash = |text: &str| BASE64.encode(&Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// What differs from page to page around its content.
struct Frame<'a> {
    /// The document's title, without the observatory's name.
    title: String,
    /// For search engines and previews.
    description: String,
    /// The page's own address, without choices.
    path: String,
    /// Feeds are narrowed to this service.
    service: Option<&'a str>,
    /// Colours the browser's frame.
    health: Health,
    /// The page loads itself anew while it is open.
    is_live: bool,
}

/// A whole document around `content`.
fn document(context: &PageContext<'_>, frame: &Frame<'_>, content: &Markup) -> String {
    let texts = context.language.texts();
    let links = context.links();
    let feed = |path: &str| address::feed_in(path, frame.service, context.language);
    let theme = match context.theme {
        Theme::Auto => None,
        chosen => chosen.as_query(),
    };
    // A played day has its own clock; a real one is never taken from the page, which may be an old copy.
    let played = context.board.limits.iter().any(|limit| limit == "reconstruction");
    // What stands behind the question mark is one reader's: nothing that is copied or indexed may hold it.
    let canonical = format!("{}{}", context.base_url, frame.path.split('?').next().unwrap_or_default());
    html! {
        (DOCTYPE)
        html lang=(context.language.tag()) data-theme=[theme] data-health=(frame.health.as_str()) class=[context.is_stale().then_some("stale")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (texts.with("title", &[("page", frame.title.clone().into()), ("observatory", context.board.observatory.clone().into())])) }
                meta name="description" content=(frame.description);
                meta name="color-scheme" content="light dark";
                link rel="canonical" href=(canonical);
                @if !context.is_copy {
                @for language in Language::ALL {
                    link rel="alternate" hreflang=(language.tag()) href={ (canonical) "?lang=" (language.tag()) };
                }
                link rel="alternate" type="application/atom+xml" title="Atom" href=(feed(address::ATOM));
                link rel="alternate" type="application/feed+json" title="JSON Feed" href=(feed(address::JSON_FEED));
                }
                link rel="icon" href=(glyph::favicon());
                style { (raw(STYLE)) }
                // Not while the page answers a form: its address would give the answer again.
                @if frame.is_live && context.notice.is_none() {
                    noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                }
            }
            body data-valid-until=(context.board.valid_until) data-now=[played.then_some(context.now)] data-live=[frame.is_live.then_some("")] {
                a class="skip" href="#main" { (texts.get("skip")) }
                (glyph::symbols())
                header class="top" {
                    a class="brand" href=(links.to(address::HOME)) { (glyph::mark()) span { (context.board.observatory) } }
                    nav aria-label=(texts.get("nav-label")) {
                        a href=(links.to(address::SUBSCRIBE)) { (texts.get("nav-subscribe")) }
                        a href=(links.to(address::HOW_WE_KNOW)) { (texts.get("nav-how")) }
                    }
                }
                p id="announce" class="quiet" role="status" {}
                main id="main" tabindex="-1" {
                    (banners(context, texts))
                    (content)
                }
                @if context.is_copy { (copy_footer(context, texts)) } @else { (footer(context, texts, frame)) }
                script { (raw(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// What the reader has to know before anything else.
fn banners(context: &PageContext<'_>, texts: &Texts) -> Markup {
    let limits = &context.board.limits;
    let is_limit = |name: &str| limits.iter().any(|limit| limit == name);
    html! {
        @if let Some(notice) = context.notice {
            p class={ "banner " (if notice.is_success() { "good" } else { "warn" }) } role="status" {
                (texts.get(&format!("notice-{}", notice.code())))
            }
        }
        @if is_limit("reconstruction") { p class="banner rebuilt" { strong { (texts.get("limit-reconstruction-title")) } " " (texts.get("limit-reconstruction")) } }
        @let written = when::moment_element(texts, context.board.generated_at, context.now);
        @if context.is_copy {
            // With its date: nobody knows when a copy is looked at.
            @let made = when::moment_element(texts, context.board.generated_at, context.now + 10 * 86_400);
            @let observatory = html! { a href=(context.base_url) { (context.base_url) } };
            p class="banner" { (texts.rich("banner-copy", &[("at", made.into()), ("observatory", observatory.into())])) }
        }
        @if context.is_starting() {
            p class="banner warn" { (texts.get("banner-starting")) }
        } @else if context.is_stale() {
            p id="stale" class="banner warn" { (texts.rich("banner-stale", &[("at", written.into())])) }
        } @else {
            // For the script, if the page stays open and is not renewed; browsers without one would show a hidden text.
            p id="stale" class="banner warn" hidden data-text=(texts.with("banner-stale", &[("at", written.into())])) {}
        }
        @for limit in ["clock_jump", "no_geo", "disk_full", "store_failed", "no_agents", "peer_down"] {
            @if is_limit(limit) { p class="banner warn" { (texts.get(&format!("limit-{}", limit.replace('_', "-")))) } }
        }
    }
}

/// A copy is a file: its languages are files beside it.
fn copy_footer(context: &PageContext<'_>, texts: &Texts) -> Markup {
    html! {
        footer {
            p { (fresh(context, texts)) }
            (copies(context, texts))
            p class="links" {
                @for language in Language::ALL {
                    a lang=(language.tag()) hreflang=(language.tag()) href=(address::copy(language)) aria-current=[(language == context.language).then_some("true")] { (language.own_name()) }
                }
            }
        }
    }
}

/// Where to look when this page does not answer: a reader has to know it before.
fn copies(context: &PageContext<'_>, texts: &Texts) -> Markup {
    html! {
        @if !context.copies.is_empty() {
            p class="links" {
                span { (texts.get("footer-copies")) }
                @for copy in context.copies { a href=(copy) rel="noopener" { (copy) } }
            }
        }
    }
}

fn fresh(context: &PageContext<'_>, texts: &Texts) -> Markup {
    let at = when::moment_element(texts, context.board.generated_at, context.now);
    let seq = context.board.seq.to_string();
    html! {
        (texts.rich("footer-fresh", &[("at", at.into()), ("seq", seq.into())])) " " span id="zone" { (texts.get("footer-utc")) }
    }
}

fn footer(context: &PageContext<'_>, texts: &Texts, frame: &Frame<'_>) -> Markup {
    let links = context.links();
    html! {
        footer {
            p { (fresh(context, texts)) }
            (copies(context, texts))
            p class="links" {
                a href=(links.to(address::HOW_WE_KNOW)) { (texts.get("nav-how")) }
                a href=(links.to(address::SUBSCRIBE)) { (texts.get("nav-subscribe")) }
                a href=(address::OPENAPI) { (texts.get("footer-api")) }
                a href=(address::STATUSPAGE_SUMMARY) { (texts.get("footer-statuspage")) }
            }
            p class="links" {
                @for language in Language::ALL {
                    a lang=(language.tag()) hreflang=(language.tag()) href=(links.in_language(language).to(&frame.path)) aria-current=[(language == context.language).then_some("true")] { (language.own_name()) }
                }
                @for (theme, key) in [(Theme::Auto, "theme-auto"), (Theme::Light, "theme-light"), (Theme::Dark, "theme-dark")] {
                    a href=(links.in_theme(theme).to(&frame.path)) aria-current=[(theme == context.theme).then_some("true")] { (texts.get(key)) }
                }
            }
        }
    }
}

/// The hidden fields of every form.
fn form_fields(context: &PageContext<'_>, token: &str) -> Markup {
    html! {
        input type="hidden" name="token" value=(token);
        input type="hidden" name="lang" value=(context.language.tag());
    }
}

/// How often an open page loads itself anew in a browser without scripts.
const REFRESH_SECONDS: u32 = 60;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_cannot_end_its_element() {
        assert!(SCRIPT.len() <= 4096, "{} bytes", SCRIPT.len());
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
    }

    #[test]
    fn the_policy_names_the_style_and_the_script_and_nothing_else() {
        let policy = content_security_policy();
        assert_eq!(policy.matches("'sha256-").count(), 2);
        assert!(!policy.contains("unsafe"));
    }
}

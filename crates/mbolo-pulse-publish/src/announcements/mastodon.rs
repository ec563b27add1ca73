//! Mastodon: one status for each step, by `POST /api/v1/statuses`. The server itself drops a second one with the same
//! `Idempotency-Key` within an hour.

use mbolo_pulse_page::{Language, address};
use serde_json::json;
use ureq::http::Request;

use super::channel::Outcome;
use super::outbox::Claim;
use super::topic::Story;
use super::{webhook, words};
use crate::http::Http;

pub(crate) struct Mastodon {
    pub(crate) http: Http,
    /// Without the slash at the end.
    pub(crate) server: String,
    pub(crate) token: String,
    pub(crate) languages: Vec<Language>,
}

impl Mastodon {
    pub(crate) fn send(&self, claim: &Claim, base_url: &str) -> Outcome {
        let status = status(&claim.story, &self.languages, base_url, MAX_CHARACTERS);
        let body = json!({
            "status": status,
            "visibility": "public",
            "language": self.languages.first().map(|language| language.tag()),
        });
        let request = Request::post(format!("{}/api/v1/statuses", self.server))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", webhook::header_safe(&claim.key))
            .body(body.to_string().into_bytes());
        let outcome = match request {
            Ok(request) => Outcome::of_http(self.http.send(request, MAX_ANSWER)),
            Err(_) => Outcome::rejected("the token cannot stand in a header; correct it"),
        };
        match outcome {
            // An account does not unsubscribe.
            Outcome::Gone => Outcome::rejected("410 Gone: the server or the account has moved"),
            outcome => outcome,
        }
    }
}

/// One paragraph in each language and the link, at most `max` characters.
pub(crate) fn status(story: &Story, languages: &[Language], base_url: &str, max: usize) -> String {
    let link = link(story, base_url);
    let paragraphs = languages.len().max(1);
    // Two line ends after each paragraph.
    let room = max.saturating_sub(link.chars().count() + 2 * paragraphs) / paragraphs;
    let mut text = String::new();
    for language in languages {
        text.push_str(&words::cut(&words::post(story, *language), room));
        text.push_str("\n\n");
    }
    text.push_str(&link);
    text
}

/// Where more is said.
pub(crate) fn link(story: &Story, base_url: &str) -> String {
    match story {
        Story::Incident(incident) => {
            format!("{base_url}{}", address::incident(&incident.incident.incident.id.0))
        }
        Story::Component { service, .. } => format!("{base_url}{}", address::service(service)),
        _ => format!("{base_url}{}", address::HOME),
    }
}

/// What every server allows.
const MAX_CHARACTERS: usize = 500;
const MAX_ANSWER: u64 = 1 << 20;

//! Every address the page links to. A server routes these; what a reader chose (`lang`, `theme`) travels along.

use crate::context::Theme;
use crate::texts::Language;

/// The list of services.
pub const HOME: &str = "/";
/// How the observatory measures, and its own record.
pub const HOW_WE_KNOW: &str = "/how-we-know";
/// The ways to be told.
pub const SUBSCRIBE: &str = "/subscribe";
/// Asks whether a subscription is wanted, and receives the answer; `?token=` as in the e-mail.
pub const CONFIRM_SUBSCRIPTION: &str = "/subscribe/confirm";
/// Asks whether a subscription is to end, and receives the answer; `?token=` as in the e-mail.
pub const END_SUBSCRIPTION: &str = "/subscribe/end";
/// Atom feed; `?service=` and `?country=` filter.
pub const ATOM: &str = "/feeds/atom.xml";
/// RSS 2.0 feed; the same filters.
pub const RSS: &str = "/feeds/rss.xml";
/// JSON Feed 1.1; the same filters.
pub const JSON_FEED: &str = "/feeds/feed.json";
/// Receives reports: the form fields `service`, `report` (a button's token), `lang`, or JSON `{service, problem, challenge, nonce}`,
/// answered with 202, or 409 if the reporter was counted already.
pub const POST_REPORT: &str = "/v1/report";
/// Gives challenges to scripts (`?service=` and `?problem=`), `{challenge, bits}`: SHA-256 of `challenge:nonce` must begin with so many zero bits.
pub const CHALLENGE: &str = "/v1/challenge";
/// Receives the form fields `service`, `author`, `text`, `token`.
pub const POST_COMMENT: &str = "/v1/comments";
/// Receives the form fields `email`, `service` (empty: all), `country` (empty: all), `token`.
pub const POST_SUBSCRIBE: &str = "/v1/subscribe";
/// Services as JSON.
pub const API_SERVICES: &str = "/v1/services";
/// Incidents as JSON.
pub const API_INCIDENTS: &str = "/v1/incidents";
/// The description of the API.
pub const OPENAPI: &str = "/v1/openapi.json";
/// The document that status clients read first.
pub const STATUSPAGE_SUMMARY: &str = "/api/v2/summary.json";

/// The file of a readable copy in a language, beside `latest.json`.
pub fn copy(language: Language) -> &'static str {
    match language {
        Language::En => "index.html",
        Language::Fr => "fr.html",
    }
}

/// The page of a service.
pub fn service(id: &str) -> String {
    format!("/service/{id}")
}

/// Where a comment on a service is written.
pub fn comment(id: &str) -> String {
    format!("/service/{id}/comment")
}

/// The page of an incident.
pub fn incident(id: &str) -> String {
    format!("/incident/{}", encode(id))
}

/// An incident as JSON.
pub fn api_incident(id: &str) -> String {
    format!("{API_INCIDENTS}/{}", encode(id))
}

/// The badge of a service.
pub fn badge(id: &str) -> String {
    format!("/badge/{id}.svg")
}

/// A feed of one service.
pub fn feed_of(feed: &str, service: &str) -> String {
    format!("{feed}?service={service}")
}

/// A feed in a language, of one service or of all.
pub fn feed_in(feed: &str, service: Option<&str>, language: Language) -> String {
    let of = service.map_or_else(|| feed.to_owned(), |id| feed_of(feed, id));
    match feed_language(language) {
        Some(tag) => with_query(&of, &format!("lang={tag}")),
        None => of,
    }
}

/// The value of `lang` in a feed's address. Feeds are English unless they are asked for otherwise, whatever a request's
/// headers say, so that caches can keep them.
pub(crate) fn feed_language(language: Language) -> Option<&'static str> {
    (language != Language::En).then(|| language.tag())
}

/// The page behind the link in the first e-mail to a subscriber.
pub fn confirm_subscription(token: &str) -> String {
    format!("{CONFIRM_SUBSCRIPTION}?token={}", encode(token))
}

/// The page behind the link at the end of every e-mail.
pub fn end_subscription(token: &str) -> String {
    format!("{END_SUBSCRIPTION}?token={}", encode(token))
}

/// Adds what a reader chose to the paths of pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links<'a> {
    /// Where the paths are, if not on the page's own host.
    pub(crate) base: &'a str,
    pub(crate) language: Option<Language>,
    pub(crate) theme: Theme,
}

impl Links<'_> {
    /// `path` with the reader's choices as its query.
    pub(crate) fn to(self, path: &str) -> String {
        let choices = [
            self.language.map(|language| format!("lang={}", language.tag())),
            self.theme.as_query().map(|theme| format!("theme={theme}")),
        ];
        let query = choices.into_iter().flatten().collect::<Vec<_>>().join("&");
        let path = format!("{}{path}", self.base);
        if query.is_empty() { path } else { with_query(&path, &query) }
    }

    /// The same page in another language.
    pub(crate) fn in_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// The same page in another theme.
    pub(crate) fn in_theme(self, theme: Theme) -> Self {
        Self { theme, ..self }
    }
}

/// `path` with one more question.
pub(crate) fn with_query(path: &str, query: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{query}")
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_chose_travels_with_every_link() {
        let links = Links { base: "", language: Some(Language::Fr), theme: Theme::Dark };
        assert_eq!(links.to(SUBSCRIBE), "/subscribe?lang=fr&theme=dark");
        assert_eq!(
            links.to(&confirm_subscription("a b")),
            "/subscribe/confirm?token=a%20b&lang=fr&theme=dark"
        );
        assert_eq!(Links { base: "", language: None, theme: Theme::Auto }.to(HOME), "/");
    }

    #[test]
    fn only_a_feed_that_is_not_english_names_its_language() {
        assert_eq!(feed_in(ATOM, None, Language::En), "/feeds/atom.xml");
        assert_eq!(feed_in(RSS, Some("signal"), Language::Fr), "/feeds/rss.xml?service=signal&lang=fr");
    }

    #[test]
    fn an_incident_whose_name_is_hostile_stays_one_path_segment() {
        assert_eq!(incident("a/../b?\"<"), "/incident/a%2F..%2Fb%3F%22%3C");
    }
}

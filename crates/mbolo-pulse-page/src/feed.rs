//! Incidents as feeds: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1. An entry keeps its id for ever and changes its `updated`,
//! so that a reader shows one line per incident and not one per minute. What was never announced is never in a feed.

use mbolo_pulse::board::{Board, IncidentBoard};
use mbolo_pulse::model::{Country, IncidentState, ServiceId};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::{Value, json};

use crate::address;
use crate::texts::{Language, Texts};
use crate::when;
use crate::words;

/// Entries of a feed: the ones that changed last.
pub const ENTRIES: usize = 50;

/// What a feed is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this service.
    pub service: Option<ServiceId>,
    /// Only this country, what lies in it, and what is worldwide.
    pub country: Option<Country>,
}

/// What a feed is made from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What there is to say.
    pub board: &'a Board,
    /// Where the observatory lives, without a slash at the end.
    pub base_url: &'a str,
    /// The language of titles and texts.
    pub language: Language,
}

/// Atom; media type `application/atom+xml; charset=utf-8`.
pub fn atom(source: &Source<'_>, filter: &Filter) -> String {
    let texts = source.language.texts();
    let entries = entries(source, filter);
    let own = own_url(source, filter, address::ATOM);
    let mut xml = Xml::new();
    let root = [("xmlns", "http://www.w3.org/2005/Atom"), ("xml:lang", source.language.tag())];
    xml.within("feed", &root, |xml| {
        xml.leaf("id", &[], &own);
        xml.leaf("title", &[], &title(source, filter, texts));
        xml.leaf("subtitle", &[], &texts.get("feed-subtitle"));
        xml.leaf("updated", &[], &when::rfc3339(updated(source, &entries)));
        xml.empty("link", &[("rel", "self"), ("type", "application/atom+xml"), ("href", &own)]);
        xml.empty("link", &[("rel", "alternate"), ("type", "text/html"), ("href", &home(source, filter))]);
        xml.within("author", &[], |xml| xml.leaf("name", &[], &source.board.observatory));
        for entry in &entries {
            xml.within("entry", &[], |xml| {
                xml.leaf("id", &[], &entry.url);
                xml.leaf("title", &[], &entry.title);
                xml.leaf("published", &[], &when::rfc3339(entry.published));
                xml.leaf("updated", &[], &when::rfc3339(entry.updated));
                xml.empty("link", &[("rel", "alternate"), ("type", "text/html"), ("href", &entry.url)]);
                for tag in &entry.tags {
                    xml.empty("category", &[("term", tag)]);
                }
                xml.leaf("content", &[("type", "text")], &entry.text);
            });
        }
    });
    xml.finish()
}

/// RSS 2.0; media type `application/rss+xml; charset=utf-8`.
pub fn rss(source: &Source<'_>, filter: &Filter) -> String {
    let texts = source.language.texts();
    let entries = entries(source, filter);
    let own = own_url(source, filter, address::RSS);
    let mut xml = Xml::new();
    let root = [("version", "2.0"), ("xmlns:atom", "http://www.w3.org/2005/Atom")];
    xml.within("rss", &root, |xml| {
        xml.within("channel", &[], |xml| {
            xml.leaf("title", &[], &title(source, filter, texts));
            xml.leaf("link", &[], &home(source, filter));
            xml.leaf("description", &[], &texts.get("feed-subtitle"));
            xml.leaf("language", &[], source.language.tag());
            xml.leaf("lastBuildDate", &[], &when::rfc2822(updated(source, &entries)));
            xml.leaf("ttl", &[], "1");
            xml.empty("atom:link", &[("rel", "self"), ("type", "application/rss+xml"), ("href", &own)]);
            for entry in &entries {
                xml.within("item", &[], |xml| {
                    xml.leaf("title", &[], &entry.title);
                    xml.leaf("link", &[], &entry.url);
                    xml.leaf("guid", &[("isPermaLink", "true")], &entry.url);
                    xml.leaf("pubDate", &[], &when::rfc2822(entry.published));
                    for tag in &entry.tags {
                        xml.leaf("category", &[], tag);
                    }
                    xml.leaf("description", &[], &entry.text);
                });
            }
        });
    });
    xml.finish()
}

/// JSON Feed 1.1; media type `application/feed+json`.
pub fn json_feed(source: &Source<'_>, filter: &Filter) -> Value {
    let texts = source.language.texts();
    let items: Vec<Value> = entries(source, filter)
        .iter()
        .map(|entry| {
            json!({
                "id": entry.url,
                "url": entry.url,
                "title": entry.title,
                "content_text": entry.text,
                "date_published": when::rfc3339(entry.published),
                "date_modified": when::rfc3339(entry.updated),
                "tags": entry.tags,
            })
        })
        .collect();
    json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": title(source, filter, texts),
        "description": texts.get("feed-subtitle"),
        "home_page_url": home(source, filter),
        "feed_url": own_url(source, filter, address::JSON_FEED),
        "language": source.language.tag(),
        "authors": [{ "name": source.board.observatory }],
        "items": items,
    })
}

/// When the incident last changed, in Unix seconds.
pub(crate) fn changed_at(one: &IncidentBoard) -> i64 {
    let incident = &one.incident;
    [Some(incident.detected_at), incident.confirmed_at, incident.resolved_at, one.acknowledged_at]
        .into_iter()
        .flatten()
        .chain(one.updates.iter().map(|update| update.at))
        .max()
        .unwrap_or(incident.detected_at)
        .unix()
}

/// When the incident was first said in public, in Unix seconds.
pub(crate) fn announced_at(one: &IncidentBoard) -> i64 {
    let incident = &one.incident;
    let said = one
        .updates
        .iter()
        .find(|update| matches!(update.state, Some(IncidentState::Reported | IncidentState::Confirmed)));
    said.map(|update| update.at).or(incident.confirmed_at).unwrap_or(incident.detected_at).unix()
}

struct Entry {
    url: String,
    title: String,
    text: String,
    published: i64,
    updated: i64,
    tags: Vec<String>,
}

fn entries(source: &Source<'_>, filter: &Filter) -> Vec<Entry> {
    let texts = source.language.texts();
    let mut chosen: Vec<&IncidentBoard> =
        source.board.incidents.iter().filter(|one| words::is_announced(one) && filter.takes(one)).collect();
    chosen.sort_by_key(|one| std::cmp::Reverse(changed_at(one)));
    chosen.truncate(ENTRIES);
    chosen
        .into_iter()
        .map(|one| {
            let incident = &one.incident;
            // A title is read days later: its times have their dates.
            let headline = words::headline(texts, source.board, one, i64::MAX);
            let title = texts.with(
                "feed-entry-title",
                &[("state", words::standing(texts, one).into()), ("headline", headline.into())],
            );
            let mut tags: Vec<String> = incident.services.iter().map(ToString::to_string).collect();
            tags.extend(incident.scope.country().map(|cc| cc.to_string()));
            Entry {
                url: format!("{}{}", source.base_url, address::incident(&incident.id.0)),
                title,
                text: text(texts, one),
                published: announced_at(one),
                updated: changed_at(one),
                tags,
            }
        })
        .collect()
}

impl Filter {
    fn takes(&self, one: &IncidentBoard) -> bool {
        let scope = &one.incident.scope;
        self.service.as_ref().is_none_or(|id| one.incident.services.contains(id))
            && self.country.is_none_or(|cc| scope.country().is_none_or(|other| other == cc))
    }
}

/// The delays, every step newest first, and the cause.
fn text(texts: &Texts, one: &IncidentBoard) -> String {
    let mut lines = vec![words::delays(texts, one)];
    if one.false_alarm {
        lines.push(texts.get("false-alarm"));
    }
    lines.extend(one.updates.iter().rev().take(30).map(|update| {
        let args = [
            ("at", when::moment(texts, update.at.unix(), i64::MAX).into()),
            ("text", words::update(texts, update).into()),
        ];
        texts.with("feed-step", &args)
    }));
    if let Some(cause) = &one.cause {
        let args = [("cause", cause.text.clone().into()), ("source", cause.source.clone().into())];
        lines.push(texts.with("feed-cause", &args));
    }
    lines.join("\n")
}

fn title(source: &Source<'_>, filter: &Filter, texts: &Texts) -> String {
    let observatory = ("observatory", source.board.observatory.clone().into());
    let service =
        filter.service.as_ref().map(|id| words::services(texts, source.board, std::slice::from_ref(id)));
    let country = filter.country.map(|cc| crate::places::name(cc, texts.language()));
    match (service, country) {
        (None, None) => texts.with("feed-title", &[observatory]),
        (Some(one), None) | (None, Some(one)) => {
            texts.with("feed-title-one", &[observatory, ("about", one.into())])
        }
        (Some(service), Some(country)) => texts.with(
            "feed-title-both",
            &[observatory, ("service", service.into()), ("country", country.into())],
        ),
    }
}

fn home(source: &Source<'_>, filter: &Filter) -> String {
    let path =
        filter.service.as_ref().map_or_else(|| address::HOME.to_owned(), |id| address::service(id.as_str()));
    format!("{}{path}", source.base_url)
}

/// Where this very feed is: another filter or another language is another feed.
fn own_url(source: &Source<'_>, filter: &Filter, path: &str) -> String {
    let parts = [
        filter.service.as_ref().map(|id| format!("service={id}")),
        filter.country.map(|cc| format!("country={cc}")),
        address::feed_language(source.language).map(|tag| format!("lang={tag}")),
    ];
    let query = parts.into_iter().flatten().collect::<Vec<_>>().join("&");
    let question_mark = if query.is_empty() { "" } else { "?" };
    format!("{}{path}{question_mark}{query}", source.base_url)
}

/// A feed without entries is as old as its board.
fn updated(source: &Source<'_>, entries: &[Entry]) -> i64 {
    entries.iter().map(|entry| entry.updated).max().unwrap_or(source.board.generated_at)
}

/// Writes XML into memory; names come from here, everything else is escaped and freed of what XML 1.0 cannot hold.
pub(crate) struct Xml(Writer<Vec<u8>>);

impl Xml {
    pub(crate) fn new() -> Self {
        let mut xml = Self(Writer::new(Vec::new()));
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)));
        xml
    }

    pub(crate) fn within(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.event(Event::Start(start(name, attributes)));
        inside(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    pub(crate) fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.within(name, attributes, |xml| xml.event(Event::Text(BytesText::new(&allowed(text)))));
    }

    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.event(Event::Empty(start(name, attributes)));
    }

    pub(crate) fn finish(self) -> String {
        String::from_utf8(self.0.into_inner()).unwrap_or_default()
    }

    fn event(&mut self, event: Event<'_>) {
        // Memory takes every byte.
        let _ = self.0.write_event(event);
    }
}

fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, allowed(value).as_str()));
    }
    start
}

/// Without the characters that XML 1.0 forbids even when escaped (section 2.2).
fn allowed(text: &str) -> String {
    let is_allowed =
        |c: &char| matches!(c, '\t' | '\n' | '\r') || (*c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}'));
    text.chars().filter(is_allowed).collect()
}

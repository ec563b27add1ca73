//! Every word the observatory shows, in Fluent: one file per language, the same keys in all. Numbers are written as each
//! language writes them. Markup goes into a sentence as an argument, so that no sentence is put together from pieces.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::types::FluentNumber;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use maud::{Markup, PreEscaped, html};

/// A language the observatory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

impl Language {
    /// All of them, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::En, Self::Fr];

    /// BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// Its name in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Fr => "Français",
        }
    }

    /// From a BCP 47 tag such as `fr-GA`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.tag() == primary)
    }

    /// The language of a request: `?lang=` if it names one, else the best of an `Accept-Language` header (RFC 9110, 12.5.4),
    /// else English. Looks at the header's first 20 entries.
    pub fn negotiate(query: Option<&str>, accept_language: Option<&str>) -> Self {
        if let Some(chosen) = query.and_then(Self::from_tag) {
            return chosen;
        }
        let mut best: Option<(f32, Self)> = None;
        for entry in accept_language.unwrap_or_default().split(',').take(20) {
            let mut parts = entry.split(';');
            let Some(language) = parts.next().and_then(Self::from_tag) else { continue };
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if quality > 0.0 && best.is_none_or(|(other, _)| quality > other) {
                best = Some((quality, language));
            }
        }
        best.map_or(Self::En, |(_, language)| language)
    }

    /// Its texts.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::En => &ENGLISH,
            Self::Fr => &FRENCH,
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("../locales/en.ftl"),
            Self::Fr => include_str!("../locales/fr.ftl"),
        }
    }
}

/// The texts of one language.
pub struct Texts {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

/// What goes into a text.
#[derive(Debug, Clone)]
pub enum Arg {
    /// Text from anywhere: escaped.
    Text(String),
    /// A number, written as the language does.
    Number(f64),
    /// Markup of ours.
    Html(Markup),
}

/// A named argument.
pub type Named<'a> = (&'a str, Arg);

impl Texts {
    fn read(language: Language) -> Self {
        let resource =
            FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(readable, _)| readable);
        let mut bundle = FluentBundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
        // Marks around every inserted name would show in titles, feeds and badges.
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(match language {
            Language::En => write_english,
            Language::Fr => write_french,
        }));
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// Which language it is.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The text under `key`; the key itself if there is none, which a test rules out.
    pub fn get(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The text under `key`, as plain text. Markup among the arguments loses its tags.
    pub fn with(&self, key: &str, args: &[Named<'_>]) -> String {
        let mut fluent = FluentArgs::new();
        for (name, arg) in args {
            let value = match arg {
                Arg::Text(text) => FluentValue::from(text.clone()),
                Arg::Number(number) => FluentValue::Number(FluentNumber::from(*number)),
                Arg::Html(markup) => FluentValue::from(without_tags(&markup.0)),
            };
            fluent.set(*name, value);
        }
        self.format(key, &fluent)
    }

    /// The text under `key` as HTML: everything escaped but markup among the arguments.
    pub fn rich(&self, key: &str, args: &[Named<'_>]) -> Markup {
        let mut fluent = FluentArgs::new();
        let mut inserted: Vec<&Markup> = Vec::new();
        for (name, arg) in args {
            let value = match arg {
                Arg::Text(text) => FluentValue::from(text.replace(HERE, "")),
                Arg::Number(number) => FluentValue::Number(FluentNumber::from(*number)),
                Arg::Html(markup) => {
                    inserted.push(markup);
                    // The place is marked; the count of characters says which markup it is.
                    FluentValue::from(format!("{HERE}{}{HERE}", "\u{1}".repeat(inserted.len() - 1)))
                }
            };
            fluent.set(*name, value);
        }
        let text = self.format(key, &fluent);
        html! {
            @for (at, part) in text.split(HERE).enumerate() {
                @if at % 2 == 0 { (part) } @else if let Some(markup) = inserted.get(part.len()) { (markup) }
            }
        }
    }

    fn format(&self, key: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, Some(args), &mut errors).into_owned()
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

impl From<f64> for Arg {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Markup> for Arg {
    fn from(markup: Markup) -> Self {
        Self::Html(markup)
    }
}

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| Texts::read(Language::En));
static FRENCH: LazyLock<Texts> = LazyLock::new(|| Texts::read(Language::Fr));

/// Stands where markup goes. A private-use character, taken out of what comes from outside.
const HERE: char = '\u{E000}';

fn write_english<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    write_number(value, ',', '.')
}

/// French groups by a narrow space that does not break.
fn write_french<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    write_number(value, '\u{202F}', ',')
}

fn write_number(value: &FluentValue<'_>, group: char, decimal: char) -> Option<String> {
    let FluentValue::Number(number) = value else { return None };
    // Adding a positive zero turns a negative one, which sums of nothing are, into it.
    let plain = format!("{}", (number.value * 10.0).round() / 10.0 + 0.0);
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let mut written = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        // Four digits stay together only as a year would; counts are always grouped.
        if at > 0 && (whole.len() - at) % 3 == 0 {
            written.push(group);
        }
        written.push(digit);
    }
    if !fraction.is_empty() {
        written.push(decimal);
        written.push_str(fraction);
    }
    Some(written)
}

/// The text of markup of ours, which has no `<` or `>` but in tags.
fn without_tags(markup: &str) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut inside = false;
    for c in markup.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// A piece of text that is markup already.
pub(crate) fn raw(markup: impl Into<String>) -> Markup {
    PreEscaped(markup.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn keys(language: Language) -> BTreeSet<String> {
        let lines =
            language.source().lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once(" =")).map(|(key, _)| key.to_owned()).collect()
    }

    /// The variables of each message.
    fn variables(language: Language) -> Vec<(String, BTreeSet<String>)> {
        let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
        for line in language.source().lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) =
                line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                found.push((key.to_owned(), BTreeSet::new()));
            }
            for (at, _) in line.match_indices("{ $") {
                let name: String = line[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
                if let Some((_, names)) = found.last_mut() {
                    names.insert(name);
                }
            }
        }
        found.sort();
        found
    }

    fn sources(dir: &Path, found: &mut String) {
        for entry in std::fs::read_dir(dir).expect("source directory") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("texts.rs") {
                found.push_str(&std::fs::read_to_string(&path).expect("source file"));
            }
        }
    }

    #[test]
    fn both_languages_are_whole_and_say_the_same_things_of_the_same_things() {
        for language in Language::ALL {
            assert!(FluentResource::try_new(language.source().to_owned()).is_ok(), "{language:?}");
        }
        assert_eq!(keys(Language::En), keys(Language::Fr));
        assert_eq!(variables(Language::En), variables(Language::Fr));
    }

    #[test]
    fn every_text_that_is_asked_for_exists_and_every_text_is_asked_for() {
        let mut source = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
        let known = keys(Language::En);
        let mut asked = 0;
        for call in [".get(\"", ".with(\"", ".rich(\""] {
            for (start, _) in source.match_indices(call) {
                let key = source[start + call.len()..].split('"').next().expect("a literal");
                asked += 1;
                assert!(known.contains(key), "no text for {key}");
            }
        }
        assert!(asked > 100, "the search for texts found only {asked}");
        let made = ["notice-", "limit-", "how-"];
        for key in known {
            let is_made = made.iter().any(|prefix| key.starts_with(prefix));
            assert!(is_made || source.contains(&format!("\"{key}\"")), "nobody asks for {key}");
        }
    }

    #[test]
    fn numbers_are_grouped_as_each_language_groups_them() {
        let number = |language: Language, n: f64| language.texts().with("number", &[("n", n.into())]);
        assert_eq!(number(Language::En, 1_234_567.0), "1,234,567");
        assert_eq!(number(Language::Fr, 1_234_567.0), "1\u{202F}234\u{202F}567");
        assert_eq!(number(Language::En, -12.34), "-12.3");
        assert_eq!(number(Language::Fr, 0.5), "0,5");
        assert_eq!(number(Language::En, 999.0), "999");
        assert_eq!(number(Language::En, -0.0), "0");
    }

    #[test]
    fn counts_have_their_plurals() {
        let ago = |language: Language, n: f64| language.texts().with("ago-minutes", &[("n", n.into())]);
        assert_eq!(ago(Language::En, 1.0), "1 minute ago");
        assert_eq!(ago(Language::En, 0.0), "0 minutes ago");
        assert_eq!(ago(Language::Fr, 0.0), "il y a 0 minute");
        assert_eq!(ago(Language::Fr, 2.0), "il y a 2 minutes");
        let failing = |language: Language, failed: f64| {
            language.texts().with("probes-caption", &[("failed", failed.into()), ("all", 5.0.into())])
        };
        assert_eq!(failing(Language::En, 1.0), "1 of 5 measurements fails");
        assert_eq!(failing(Language::En, 0.0), "0 of 5 measurements fail");
        assert_eq!(failing(Language::Fr, 1.0), "1 mesure sur 5 échoue");
        assert_eq!(failing(Language::Fr, 3.0), "3 mesures sur 5 échouent");
    }

    #[test]
    fn the_record_is_a_sentence_whatever_its_numbers_are() {
        let record = |language: Language, confirmed: f64, wrong: f64| {
            let args = [("confirmed", confirmed.into()), ("wrong", wrong.into())];
            language.texts().with("record-summary", &args)
        };
        assert!(record(Language::En, 0.0, 0.0).starts_with("No incident was confirmed"));
        assert!(record(Language::En, 1.0, 1.0).ends_with("was a false alarm."));
        assert!(record(Language::En, 14.0, 1.0).ends_with("was a false alarm."));
        assert!(record(Language::En, 14.0, 2.0).ends_with("were false alarms."));
        assert!(record(Language::Fr, 0.0, 0.0).starts_with("Aucun incident n’a été confirmé"));
        assert!(record(Language::Fr, 1.0, 0.0).starts_with("Le seul incident confirmé"));
        assert!(record(Language::Fr, 14.0, 0.0).starts_with("Aucun des 14 incidents"));
        assert!(record(Language::Fr, 14.0, 2.0).ends_with("étaient de fausses alertes."));
        let speed = |n: f64| Language::Fr.texts().with("record-speed", &[("n", n.into())]);
        assert!(speed(1.0).contains("1 minute après") && speed(3.5).contains("3,5 minutes après"));
    }

    #[test]
    fn markup_stays_markup_and_text_is_escaped() {
        let texts = Language::En.texts();
        let args = [("what", Arg::from("a <b> \u{E000}\u{1}")), ("since", Arg::Html(html! { i { "now" } }))];
        assert_eq!(texts.rich("headline-open", &args).0, "a &lt;b&gt; \u{1}, since <i>now</i>");
        assert_eq!(texts.with("headline-open", &args[1..]), "{$what}, since now");
    }

    #[test]
    fn a_reader_gets_the_language_they_asked_for() {
        let ask = Language::negotiate;
        assert_eq!(ask(Some("fr"), Some("en")), Language::Fr);
        assert_eq!(ask(Some("xx"), Some("fr-GA,en;q=0.5")), Language::Fr);
        assert_eq!(ask(None, Some("es, en;q=0.3, fr;q=0.8")), Language::Fr);
        assert_eq!(ask(None, Some("fr;q=0, de")), Language::En);
        assert_eq!(ask(None, None), Language::En);
    }
}

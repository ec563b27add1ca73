//! Every word the UI shows, in Fluent: one file per language, the same keys in all.
//!
//! The files are read when this is built (`build.rs`); here is only what fills a text in. A test holds that against
//! Fluent's own.

use std::borrow::Cow;
use std::cell::RefCell;

/// A language the UI speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

impl Language {
    /// All of them, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// Its name in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::French => "Français",
        }
    }

    /// From a BCP 47 tag such as `fr-GA`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.tag() == primary)
    }

    /// The first of a person's languages that the UI speaks; English if it speaks none.
    pub fn choose<'a>(preferred: impl IntoIterator<Item = &'a str>) -> Self {
        preferred.into_iter().find_map(Self::from_tag).unwrap_or(Self::English)
    }

    /// One text per line, in the order of [`KEYS`].
    fn lines(self) -> &'static str {
        match self {
            Self::English => include_str!(concat!(env!("OUT_DIR"), "/en")),
            Self::French => include_str!(concat!(env!("OUT_DIR"), "/fr")),
        }
    }

    /// The plural category of a count (CLDR).
    fn plural(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::English, 1) | (Self::French, 0 | 1) => "one",
            _ => "other",
        }
    }
}

/// What is filled into a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Words, most often a name that somebody else has chosen.
    Text(Cow<'a, str>),
    /// Several names.
    Names(Vec<String>),
    /// A count.
    Number(u64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Vec<String>> for Value<'_> {
    fn from(names: Vec<String>) -> Self {
        Self::Names(names)
    }
}

impl From<u32> for Value<'_> {
    fn from(count: u32) -> Self {
        Self::Number(count.into())
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Self::Number(count as u64)
    }
}

/// The texts of one language.
pub struct Texts {
    language: Language,
    keys: Vec<&'static str>,
    lines: Vec<&'static str>,
}

impl Texts {
    /// All of them.
    pub fn new(language: Language) -> Self {
        Self { language, keys: KEYS.lines().collect(), lines: language.lines().split('\n').collect() }
    }

    /// The text under `key`, with its arguments; the key itself if there is none, which a test rules out.
    pub fn get(&self, key: &str, args: &[(&str, Value<'_>)]) -> String {
        let place = self.keys.binary_search(&key).ok();
        let Some(line) = place.and_then(|place| self.lines.get(place)) else { return key.to_owned() };
        let mut filling = Filling { language: self.language, args, rest: line, text: String::new() };
        filling.pattern(true);
        filling.text
    }
}

/// A text that is being filled in; what the marks mean is said in `build.rs`.
struct Filling<'a> {
    language: Language,
    args: &'a [(&'a str, Value<'a>)],
    rest: &'static str,
    text: String,
}

impl Filling<'_> {
    /// Reads to the end of a variant or of the text, and keeps it if it is `wanted`.
    fn pattern(&mut self, wanted: bool) {
        while let Some(mark) = self.rest.find([ARGUMENT, CHOICE, VARIANT_END]) {
            let (words, from) = self.rest.split_at(mark);
            self.rest = &from[1..];
            self.keep(words, wanted);
            match from.as_bytes()[0] {
                b if b == ARGUMENT as u8 => self.argument(wanted),
                b if b == CHOICE as u8 => self.choice(wanted),
                _ => return,
            }
        }
        let words = std::mem::take(&mut self.rest);
        self.keep(words, wanted);
    }

    fn argument(&mut self, wanted: bool) {
        let name = self.name();
        let args = self.args;
        match value(args, name).filter(|_| wanted) {
            Some(Value::Text(text)) => isolate(text, &mut self.text),
            Some(Value::Names(names)) => {
                for (place, name) in names.iter().enumerate() {
                    self.text.push_str(if place > 0 { ", " } else { "" });
                    isolate(name, &mut self.text);
                }
            }
            Some(Value::Number(number)) => self.text.push_str(&number.to_string()),
            None => {}
        }
    }

    fn choice(&mut self, wanted: bool) {
        let name = self.name();
        let chosen = match value(self.args, name) {
            Some(Value::Text(text)) => text.as_ref(),
            Some(Value::Number(number)) => self.language.plural(*number),
            Some(Value::Names(_)) | None => "",
        };
        let mut open = wanted;
        while !self.rest.starts_with(CHOICE_END) && !self.rest.is_empty() {
            let key = self.name();
            let fits = open && (key == chosen || key.is_empty());
            open &= !fits;
            self.pattern(fits);
        }
        self.rest = self.rest.strip_prefix(CHOICE_END).unwrap_or_default();
    }

    fn name(&mut self) -> &'static str {
        let (name, rest) = self.rest.split_once(NAME_END).unwrap_or_default();
        self.rest = rest;
        name
    }

    fn keep(&mut self, words: &str, wanted: bool) {
        if wanted {
            self.text.push_str(words);
        }
    }
}

fn value<'a>(args: &'a [(&str, Value<'a>)], name: &str) -> Option<&'a Value<'a>> {
    args.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Appends what others have chosen so that it cannot turn the sentence around it: without the characters that direct
/// a text, and set apart if it runs from right to left. Most names need neither, and then titles and names for
/// screen readers have nothing invisible in them.
fn isolate(text: &str, out: &mut String) {
    const FIRST_STRONG_ISOLATE: char = '\u{2068}';
    const POP_ISOLATE: char = '\u{2069}';
    let directs = |c: char| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let runs_left = |c: char| matches!(c, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}');
    let apart = text.contains(runs_left);
    out.extend(apart.then_some(FIRST_STRONG_ISOLATE));
    out.extend(text.chars().filter(|c| !directs(*c)));
    out.extend(apart.then_some(POP_ISOLATE));
}

thread_local! {
    static CURRENT: RefCell<Texts> = RefCell::new(Texts::new(Language::English));
}

/// Changes the language of [`t`]; the page is drawn anew after it.
pub fn set_language(language: Language) {
    CURRENT.with(|current| {
        if current.borrow().language != language {
            *current.borrow_mut() = Texts::new(language);
        }
    });
}

/// The language of [`t`].
pub fn language() -> Language {
    CURRENT.with(|current| current.borrow().language)
}

/// A text in the current language.
pub fn t(key: &str) -> String {
    CURRENT.with(|current| current.borrow().get(key, &[]))
}

/// A text with arguments in the current language.
pub fn t_with(key: &str, args: &[(&str, Value<'_>)]) -> String {
    CURRENT.with(|current| current.borrow().get(key, args))
}

/// The text for a failure code: its own if there is one, else the engine's sentence.
pub fn t_failure(code: &str, message: &str) -> String {
    let key = format!("failure-{}", code.replace('_', "-"));
    let text = t_with(&key, &[("detail", message.into())]);
    if text == key { message.to_owned() } else { text }
}

/// Keys of all texts, ascending.
const KEYS: &str = include_str!(concat!(env!("OUT_DIR"), "/keys"));

const ARGUMENT: char = '\u{1}';
const NAME_END: char = '\u{2}';
const CHOICE: char = '\u{3}';
const VARIANT_END: char = '\u{4}';
const CHOICE_END: char = '\u{5}';

#[cfg(test)]
mod tests {
    use super::*;
    use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn source(language: Language) -> String {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("locales");
        std::fs::read_to_string(dir.join(language.tag()).with_extension("ftl")).expect("a file of its texts")
    }

    fn keys(language: Language) -> BTreeSet<String> {
        let source = source(language);
        let lines = source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once(" =")).map(|(key, _)| key.to_owned()).collect()
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
    fn both_languages_are_whole_and_say_the_same_things() {
        let (english, french) = (keys(Language::English), keys(Language::French));
        assert_eq!(
            english.difference(&french).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "missing in French"
        );
        assert_eq!(
            french.difference(&english).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "missing in English"
        );
    }

    #[test]
    fn every_text_the_ui_asks_for_exists() {
        let mut source = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
        let known = keys(Language::English);
        let mut asked = 0;
        for call in ["t(\"", "t_with(\""] {
            for (start, _) in source.match_indices(call) {
                let preceded_by_name =
                    source[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
                let key = source[start + call.len()..].split('"').next().expect("a literal");
                if !preceded_by_name {
                    asked += 1;
                    assert!(known.contains(key), "no text for {key}");
                }
            }
        }
        assert!(asked > 50, "the search for texts found only {asked}");
    }

    #[test]
    fn every_text_reads_as_fluent_itself_would_say_it() {
        let counts = [0, 1, 2, 11, 1_000_000];
        for language in Language::ALL {
            let texts = Texts::new(language);
            let resource = FluentResource::try_new(source(language)).expect("it parses");
            let mut bundle = FluentBundle::new(vec![language.tag().parse().expect("a tag")]);
            bundle.set_use_isolating(false);
            bundle.add_resource_overriding(resource);
            for (key, (own, count)) in keys(language).iter().flat_map(|key| {
                ["yes", "no"].iter().flat_map(move |own| counts.map(move |n| (key, (*own, n))))
            }) {
                let names = [
                    "name", "names", "who", "text", "sender", "time", "state", "first", "second", "emoji",
                    "handle", "group", "reason", "detail",
                ];
                let mut args: Vec<(&str, Value<'_>)> = names.map(|name| (name, name.into())).into();
                args.extend([("own", own.into()), ("count", Value::Number(count))]);
                let theirs: FluentArgs<'_> = args
                    .iter()
                    .map(|(name, value)| match value {
                        Value::Text(text) => (*name, FluentValue::from(text.as_ref())),
                        Value::Names(names) => (*name, FluentValue::from(names.join(", "))),
                        Value::Number(number) => (*name, FluentValue::from(*number)),
                    })
                    .collect();
                let pattern = bundle.get_message(key).and_then(|message| message.value()).expect("a text");
                let mut errors = vec![];
                let said = bundle.format_pattern(pattern, Some(&theirs), &mut errors);
                assert!(errors.is_empty(), "{key}: {errors:?}");
                assert_eq!(texts.get(key, &args), said, "{language:?} {key}");
            }
        }
    }

    #[test]
    fn a_name_cannot_turn_the_sentence_around_it() {
        let texts = Texts::new(Language::English);
        let typing = |name: &str| texts.get("typing-one", &[("name", name.into())]);
        assert_eq!(typing("Awa\u{202e}\u{2069}"), "Awa is typing…");
        assert_eq!(typing("\u{202e}عائشة"), "\u{2068}عائشة\u{2069} is typing…");
        assert_eq!(typing("Élodie Mba"), "Élodie Mba is typing…");
        let names = vec!["عائشة".to_owned(), "Ben\u{202e}".to_owned()];
        let added = texts.get("event-added", &[("own", "yes".into()), ("names", names.into())]);
        assert_eq!(added, "You added \u{2068}عائشة\u{2069}, Ben");
    }

    #[test]
    fn counts_have_their_plurals() {
        let english = Texts::new(Language::English);
        let french = Texts::new(Language::French);
        let name = |texts: &Texts, count: u32| {
            texts.get("chats-link-unread", &[("name", "Awa".into()), ("count", count.into())])
        };
        assert_eq!(name(&english, 2), "Awa, 2 unread messages");
        assert_eq!(name(&english, 1), "Awa, 1 unread message");
        assert_eq!(name(&french, 1), "Awa, 1 message non lu");
        assert_eq!(name(&french, 5), "Awa, 5 messages non lus");
    }

    #[test]
    fn a_person_gets_the_first_of_their_languages_that_there_is() {
        assert_eq!(Language::choose(["es-ES", "fr-GA", "en"]), Language::French);
        assert_eq!(Language::choose(["es"]), Language::English);
        assert_eq!(Language::choose([]), Language::English);
    }

    #[test]
    fn every_refusal_of_the_engine_has_words_in_the_persons_language() {
        let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mbolo-client-api/src/lib.rs");
        let api = std::fs::read_to_string(api).expect("the interface of the engine");
        let (before, _) = api.split_once("    pub code: String,").expect("a failure has a code");
        let (_, about) = before.rsplit_once("pub struct Failure {").expect("a failure");
        let codes: Vec<&str> = about.split('`').skip(1).step_by(2).collect();
        assert!(codes.len() > 20, "only {codes:?} are documented");
        for code in codes {
            assert_ne!(t_failure(code, "untold"), "untold", "no text for {code}");
        }
    }

    #[test]
    fn an_unknown_failure_is_told_in_the_engines_words() {
        set_language(Language::English);
        assert_eq!(t_failure("made_up", "Do this."), "Do this.");
        assert_ne!(t_failure("handle_taken", "x"), "x");
    }
}

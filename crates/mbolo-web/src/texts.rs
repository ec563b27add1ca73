//! Every word the UI shows, in Fluent: one file per language, the same keys in all.

use std::cell::RefCell;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

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

    fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../locales/en.ftl"),
            Self::French => include_str!("../locales/fr.ftl"),
        }
    }

    fn id(self) -> LanguageIdentifier {
        self.tag().parse().unwrap_or_default()
    }
}

/// The texts of one language.
pub struct Texts {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    /// Reads the language's file, which is part of the program and tested to be whole.
    pub fn new(language: Language) -> Self {
        let resource =
            FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(readable, _)| readable);
        let mut bundle = FluentBundle::new(vec![language.id()]);
        // Marks around every inserted name would show in titles and attributes; names keep their direction by `dir=auto`.
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// The text under `key`, with its arguments; the key itself if there is none, which a test rules out.
    pub fn get(&self, key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
        let pattern = self.bundle.get_message(key).and_then(|message| message.value());
        let Some(pattern) = pattern else { return key.to_owned() };
        let args: FluentArgs<'_> = args.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned()
    }
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
pub fn t_with(key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
    CURRENT.with(|current| current.borrow().get(key, args))
}

/// The text for a failure code: its own if there is one, else the engine's sentence.
pub fn t_failure(code: &str, message: &str) -> String {
    let key = format!("failure-{}", code.replace('_', "-"));
    let text = t(&key);
    if text == key { message.to_owned() } else { text }
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
        for language in Language::ALL {
            assert!(
                FluentResource::try_new(language.source().to_owned()).is_ok(),
                "{language:?} does not parse"
            );
        }
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
    fn an_unknown_failure_is_told_in_the_engines_words() {
        set_language(Language::English);
        assert_eq!(t_failure("made_up", "Do this."), "Do this.");
        assert_ne!(t_failure("handle_taken", "x"), "x");
    }
}

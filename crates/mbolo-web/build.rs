//! Reads the Fluent files once, here, so that a page carries neither a parser nor the plural rules of all languages.
//!
//! Every text becomes one line, in the same order in all languages; a third file has the keys. Characters that no text
//! contains mark what is filled in: `ARGUMENT name NAME_END`, and `CHOICE name NAME_END` followed by the variants,
//! each `key NAME_END pattern VARIANT_END`, the default last, and `CHOICE_END`. `src/texts.rs` reads them back.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, Variant, VariantKey};
use fluent_syntax::parser;

const ARGUMENT: char = '\u{1}';
const NAME_END: char = '\u{2}';
const CHOICE: char = '\u{3}';
const VARIANT_END: char = '\u{4}';
const CHOICE_END: char = '\u{5}';

fn main() {
    let locales = Path::new("locales");
    println!("cargo::rerun-if-changed={}", locales.display());
    let mut files: Vec<PathBuf> = fs::read_dir(locales)
        .expect("the languages are in locales/")
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    files.sort();
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where generated files go"));
    let mut all_keys: Option<Vec<String>> = None;
    for file in files {
        let texts = texts_of(&file);
        let keys: Vec<String> = texts.keys().cloned().collect();
        let lines: Vec<&str> = texts.values().map(String::as_str).collect();
        let language = file.file_stem().expect("a language file has a name");
        save(&out.join(language), &lines.join("\n"));
        if let Some(other) = all_keys.replace(keys.clone()) {
            let differing = keys.iter().find(|key| !other.contains(key));
            let differing = differing.or_else(|| other.iter().find(|key| !keys.contains(key)));
            assert!(differing.is_none(), "{differing:?} is not in every language");
        }
    }
    save(&out.join("keys"), &all_keys.unwrap_or_default().join("\n"));
}

fn save(path: &Path, text: &str) {
    fs::write(path, text).expect("generated files can be written");
}

/// The texts of one language, by key.
fn texts_of(file: &Path) -> BTreeMap<String, String> {
    let name = file.display();
    let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let resource = parser::parse(source).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
    let mut texts = BTreeMap::new();
    for entry in resource.body {
        match entry {
            Entry::Message(message) => {
                let key = message.id.name;
                assert!(message.attributes.is_empty(), "{name}: {key} has attributes, which nothing reads");
                let pattern = message.value.unwrap_or_else(|| panic!("{name}: {key} is empty"));
                let mut line = String::new();
                write_pattern(&pattern, &key, &mut line);
                assert!(!line.contains('\n'), "{name}: {key} has several lines");
                assert!(texts.insert(key.clone(), line).is_none(), "{name}: {key} is there twice");
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            other => panic!("{name}: nothing reads {other:?}"),
        }
    }
    texts
}

fn write_pattern(pattern: &Pattern<String>, key: &str, line: &mut String) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { value } => line.push_str(value),
            PatternElement::Placeable { expression: Expression::Inline(inline) } => match inline {
                InlineExpression::VariableReference { id } => {
                    let _ = write!(line, "{ARGUMENT}{}{NAME_END}", id.name);
                }
                InlineExpression::StringLiteral { value } | InlineExpression::NumberLiteral { value } => {
                    line.push_str(value)
                }
                other => panic!("{key}: nothing reads {other:?}"),
            },
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                let InlineExpression::VariableReference { id } = selector else {
                    panic!("{key}: only an argument can be chosen by");
                };
                let _ = write!(line, "{CHOICE}{}{NAME_END}", id.name);
                let (default, others): (Vec<_>, Vec<_>) =
                    variants.iter().partition(|variant| variant.default);
                for variant in others.into_iter().chain(default) {
                    write_variant(variant, key, line);
                }
                line.push(CHOICE_END);
            }
        }
    }
}

fn write_variant(variant: &Variant<String>, key: &str, line: &mut String) {
    let VariantKey::Identifier { name } = &variant.key else {
        panic!("{key}: numbers are chosen by their plural category only");
    };
    let name = if variant.default { "" } else { name };
    let _ = write!(line, "{name}{NAME_END}");
    write_pattern(&variant.value, key, line);
    line.push(VARIANT_END);
}

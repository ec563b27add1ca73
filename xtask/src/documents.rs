//! Documents that can be checked by a program: links that lead somewhere, and a protocol document that leaves
//! no message, error or limit of the protocol out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::workspace;

/// Fails with everything that was found.
pub fn check() -> Result<()> {
    let documents = documents()?;
    let mut faults = Vec::new();
    for document in &documents {
        faults.extend(broken_links(document)?);
    }
    faults.extend(what_the_protocol_document_leaves_out()?);
    if faults.is_empty() {
        eprintln!("{} documents, no fault", documents.len());
        return Ok(());
    }
    bail!("the documents have faults:\n  {}", faults.join("\n  "))
}

fn documents() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in ["", "docs", "docs/adr"] {
        let dir = workspace().join(dir);
        for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Relative links to files that are not there.
fn broken_links(document: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(document)?;
    let dir = document.parent().unwrap_or(workspace());
    let broken = link_targets(&text).filter(|target| {
        let file = target.split('#').next().unwrap_or_default();
        !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:") && !dir.join(file).exists()
    });
    Ok(broken.map(|target| format!("{}: no file {target}", document.display())).collect())
}

/// What stands between `](` and `)`.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn what_the_protocol_document_leaves_out() -> Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(workspace().join(path)).context(path.to_owned());
    let document = read("docs/protocol.md")?;
    let session = read("crates/mbolo-proto/proto/mbolo.proto")?;
    let content = read("crates/mbolo-proto/proto/content.proto")?;
    let limits = read("crates/mbolo-proto/src/limits.rs")?;
    let messages = session
        .lines()
        .chain(content.lines())
        .filter_map(|line| line.strip_prefix("message ").and_then(|rest| rest.split_whitespace().next()));
    let errors = session.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("ERROR_CODE_")?.split_whitespace().next()?;
        (name != "UNSPECIFIED").then_some(name)
    });
    let limits = limits
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ").and_then(|rest| rest.split(':').next()));
    let names = messages.chain(errors).chain(limits);
    Ok(names
        .filter(|name| !has_word(&document, name))
        .map(|name| format!("docs/protocol.md does not mention {name}"))
        .collect())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|other| other == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_words_are_whole() {
        let text = "See [this](docs/a.md#part) and ![that](img/b.png).";
        assert_eq!(link_targets(text).collect::<Vec<_>>(), ["docs/a.md#part", "img/b.png"]);
        assert!(has_word("`BUSY`: later", "BUSY") && !has_word("BUSYNESS", "BUSY"));
    }
}

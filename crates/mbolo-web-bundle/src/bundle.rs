//! Which file is served under which name.
//!
//! `index.html` and `sw.js` keep their names and are asked for every time; what they load lies in `assets/`
//! under a name with its hash and never changes; the rest of the static directory is copied as it is. Names
//! reach the first two through placeholders `{{FILE}}`, and the service worker learns from `{{build}}` that
//! anything is new.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The page and what it loads before a person can write the first message.
const FIRST_LOAD: [&str; 8] =
    ["index.html", "app.css", "boot.js", "ui.js", "ui_bg.wasm", "worker.js", "engine.js", "engine_bg.wasm"];

const SERVICE_WORKER: &str = "sw.js";

/// A file and the name it was written under.
pub struct File {
    name: String,
    bytes: Vec<u8>,
}

impl File {
    pub fn new(name: String, bytes: Vec<u8>) -> Self {
        Self { name, bytes }
    }
}

/// The web client as it is served.
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
    first_load: Vec<String>,
}

impl Bundle {
    /// Gives every file its served name and fills the placeholders.
    pub fn assemble(files: Vec<File>) -> Result<Self> {
        let mut sources: BTreeMap<String, Vec<u8>> =
            files.into_iter().map(|file| (file.name, file.bytes)).collect();
        let mut page = take_text(&mut sources, "index.html")?;
        let mut service_worker = take_text(&mut sources, SERVICE_WORKER)?;

        let mut served = BTreeMap::new();
        let mut first_load = vec!["index.html".to_owned()];
        for name in &FIRST_LOAD[1..] {
            let bytes = sources.remove(*name).with_context(|| format!("{name} is missing"))?;
            let path = hashed_path(name, &bytes)?;
            let placeholder = format!("{{{{{name}}}}}");
            page = page.replace(&placeholder, &format!("/{path}"));
            service_worker = service_worker.replace(&placeholder, &format!("/{path}"));
            first_load.push(path.clone());
            served.insert(path, bytes);
        }
        let service_worker = service_worker.replace("{{build}}", &short_hash(page.as_bytes()));
        for (name, text) in [("index.html", page), (SERVICE_WORKER, service_worker)] {
            ensure!(!text.contains("{{"), "{name} has a placeholder that nothing fills");
            served.insert(name.to_owned(), text.into_bytes());
        }
        served.extend(sources);
        Ok(Self { files: served, first_load })
    }

    /// Paths without a leading slash, ascending, and contents.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Whether a first visit needs this file.
    pub fn is_first_load(&self, path: &str) -> bool {
        self.first_load.iter().any(|first| first == path)
    }
}

/// Every file of the flat static directory.
pub fn read_static(dir: &Path) -> Result<Vec<File>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { bail!("{} has no plain name", entry.path().display()) };
        ensure!(entry.file_type()?.is_file(), "{} is no file; the directory is flat", entry.path().display());
        files.push(File::new(name.to_owned(), std::fs::read(entry.path())?));
    }
    Ok(files)
}

fn take_text(sources: &mut BTreeMap<String, Vec<u8>>, name: &str) -> Result<String> {
    let bytes = sources.remove(name).with_context(|| format!("{name} is missing"))?;
    String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))
}

fn hashed_path(name: &str, bytes: &[u8]) -> Result<String> {
    let (stem, extension) = name.rsplit_once('.').with_context(|| format!("{name} has no extension"))?;
    Ok(format!("assets/{stem}.{}.{extension}", short_hash(bytes)))
}

/// 64 bits of SHA-256: enough to tell builds apart, short enough for an address.
fn short_hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(page: &str) -> Vec<File> {
        let mut files: Vec<File> =
            FIRST_LOAD[1..].iter().map(|name| File::new((*name).to_owned(), b"content".to_vec())).collect();
        files.push(File::new("index.html".to_owned(), page.as_bytes().to_vec()));
        files.push(File::new("sw.js".to_owned(), b"{{build}} {{ui.js}}".to_vec()));
        files.push(File::new("mark.svg".to_owned(), b"<svg/>".to_vec()));
        files
    }

    fn file<'a>(bundle: &'a Bundle, path: &str) -> &'a str {
        let (_, bytes) = bundle.files().find(|(name, _)| *name == path).expect("the file is served");
        std::str::from_utf8(bytes).expect("it is text")
    }

    #[test]
    fn the_page_names_its_files_by_their_hashes() {
        let bundle = Bundle::assemble(sources("<script src={{ui.js}}>")).expect("it is complete");
        let hash = short_hash(b"content");
        assert_eq!(file(&bundle, "index.html"), format!("<script src=/assets/ui.{hash}.js>"));
        assert_eq!(file(&bundle, &format!("assets/ui.{hash}.js")), "content");
        assert_eq!(file(&bundle, "mark.svg"), "<svg/>");
        assert!(bundle.is_first_load("index.html") && !bundle.is_first_load("mark.svg"));
    }

    #[test]
    fn a_changed_page_is_a_new_build_for_the_service_worker() {
        let one = Bundle::assemble(sources("one")).expect("it is complete");
        let other = Bundle::assemble(sources("other")).expect("it is complete");
        assert_ne!(file(&one, "sw.js"), file(&other, "sw.js"));
    }

    #[test]
    fn a_forgotten_placeholder_or_file_stops_the_build() {
        assert!(Bundle::assemble(sources("{{uii.js}}")).is_err());
        let incomplete = sources("").into_iter().filter(|file| file.name != "app.css").collect();
        assert!(Bundle::assemble(incomplete).is_err());
    }
}

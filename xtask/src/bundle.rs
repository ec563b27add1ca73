//! The web client: two WASM files, bundled for serving into `target/web-dist`, where the binary takes it from.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::run::{Run, cargo, target, workspace};

/// How the bundling program itself is built: as whatever is built beside it, so that they share their dependencies.
#[derive(Clone, Copy)]
pub enum Bundler {
    /// As the tests, with the features of the whole workspace.
    AsTheTests,
    /// As the binary that people run.
    AsTheBinary,
}

/// Builds what has changed.
pub fn build(bundler: Bundler) -> Result<()> {
    // In one call: what they have in common is compiled once, and the two slow links are made side by side.
    cargo(&["build", "--profile", "web", "--target", "wasm32-unknown-unknown", "--bins"])
        .args(&["--package", "mbolo-web", "--package", "mbolo-web-worker"])
        .run()?;
    let wasm = |name: &str| target().join("wasm32-unknown-unknown/web").join(name);
    let (ui, engine) = (wasm("mbolo-web.wasm"), wasm("mbolo-web-worker.wasm"));
    let static_dir = workspace().join("crates/mbolo-web/static");
    let out = target().join("web-dist");

    let mut sources = vec![ui.clone(), engine.clone()];
    sources.extend(files_of(&static_dir)?);
    sources.extend(files_of(&workspace().join("crates/mbolo-web-bundle/src"))?);
    if is_newer_than(&out.join("index.html"), &sources) {
        eprintln!("target/web-dist is up to date");
        return Ok(());
    }
    let arguments = [ui, engine, static_dir, out].map(|path| path.display().to_string());
    let program = match bundler {
        Bundler::AsTheTests => {
            cargo(&["build", "--workspace", "--bin", "mbolo-web-bundle"]).run()?;
            "debug/mbolo-web-bundle"
        }
        Bundler::AsTheBinary => {
            cargo(&["build", "--release", "--package", "mbolo-web-bundle"]).run()?;
            "release/mbolo-web-bundle"
        }
    };
    Run::new(&target().join(program).display().to_string()).args(&arguments).run()
}

fn files_of(dir: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Whether the file was written after all of `sources`.
fn is_newer_than(file: &std::path::Path, sources: &[PathBuf]) -> bool {
    let modified =
        |path: &std::path::Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let Some(written) = modified(file) else { return false };
    sources.iter().all(|source| modified(source).is_some_and(|time| time < written))
}

//! What a fresh machine with rustup still lacks. Installed where that is possible without a question, else
//! named exactly.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{Run, on_path, target};

/// As its package is called when it is packed.
const AXE: &str = "axe-core-4.14.1";

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A program, and the package that brings it in Debian and its relatives.
struct Tool {
    /// Any of these will do.
    programs: &'static [&'static str],
    package: &'static str,
    why: &'static str,
}

const CLANG: Tool =
    Tool { programs: &["clang"], package: "clang", why: "compiles SQLite to WASM for the web client" };

const LLVM_AR: Tool =
    Tool { programs: &["llvm-ar"], package: "llvm", why: "packs what clang compiled for the web client" };

const BROWSER: Tool = Tool {
    programs: &["chromium", "google-chrome", "chrome", "chromium-browser"],
    package: "chromium",
    why: "the browser of the browser tests",
};

const BROWSER_DRIVER: Tool =
    Tool { programs: &["chromedriver"], package: "chromium-driver", why: "drives the browser of the tests" };

/// The WASM target and a C compiler for it.
pub fn for_the_web_client() -> Result<()> {
    wasm_target()?;
    tools(&[CLANG, LLVM_AR])
}

/// A browser and its driver as well, and the parts of Rust that a minimal toolchain lacks.
pub fn for_the_tests() -> Result<()> {
    for (program, component) in [("clippy-driver", "clippy"), ("rustfmt", "rustfmt")] {
        if !Run::new(program).args(&["--version"]).succeeds() {
            rustup(component, &["component", "add", component])?;
        }
    }
    wasm_target()?;
    tools(&[CLANG, LLVM_AR, BROWSER, BROWSER_DRIVER])
}

/// The script of axe-core, which finds what keeps people out of a page. It comes from the npm registry, so where there is
/// no npm the tests go without; None then.
pub fn accessibility_checker() -> Option<PathBuf> {
    let dir = target().join(AXE);
    let script = dir.join("package/axe.min.js");
    if script.is_file() {
        return Some(script);
    }
    let fetched = on_path("npm") && std::fs::create_dir_all(&dir).is_ok() && {
        let (to, packed) = (dir.display().to_string(), dir.join(format!("{AXE}.tgz")).display().to_string());
        let pack = ["pack", "--silent", "--pack-destination", &to, &AXE.replacen("core-", "core@", 1)];
        Run::new("npm").args(&pack).run().is_ok()
            && Run::new("tar").args(&["-xzf", &packed, "-C", &to]).run().is_ok()
    };
    if !fetched {
        eprintln!("skipped: pages are not looked at through axe, because npm cannot fetch it");
    }
    script.is_file().then_some(script)
}

fn wasm_target() -> Result<()> {
    let libraries = Run::new("rustc").args(&["--print", "target-libdir", "--target", WASM_TARGET]).output();
    if libraries.is_some_and(|dir| Path::new(&dir).is_dir()) {
        return Ok(());
    }
    rustup(WASM_TARGET, &["target", "add", WASM_TARGET])
}

fn rustup(part: &str, arguments: &[&str]) -> Result<()> {
    if !on_path("rustup") {
        bail!("{part} is missing from this Rust: install it the way Rust was installed");
    }
    Run::new("rustup").args(arguments).run()
}

fn tools(wanted: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = wanted.iter().filter(|tool| !tool.is_here()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        eprintln!("missing: {} ({})", tool.programs[0], tool.why);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let install = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if !on_path("apt-get") {
        bail!("install {} with the package manager of this system, then try again", packages.join(", "));
    }
    if Run::new("id").args(&["-u"]).output().as_deref() != Some("0") {
        bail!("run this, then try again:\n\n  sudo apt-get update && sudo {install}\n");
    }
    Run::new("apt-get").args(&["update"]).run()?;
    let arguments: Vec<&str> = install.split(' ').skip(1).collect();
    Run::new("apt-get").args(&arguments).env("DEBIAN_FRONTEND", "noninteractive").run()?;
    match wanted.iter().find(|tool| !tool.is_here()) {
        Some(tool) => bail!("{} is still missing after its package was installed", tool.programs[0]),
        None => Ok(()),
    }
}

impl Tool {
    fn is_here(&self) -> bool {
        self.programs.iter().any(|program| on_path(program))
    }
}

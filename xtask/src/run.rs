//! Other programs: shown before they run, checked after.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A command to run from the workspace's root, without an input of its own.
pub struct Run {
    command: Command,
    shown: String,
}

impl Run {
    pub fn new(program: &str) -> Self {
        let mut command = Command::new(program);
        command.current_dir(workspace()).stdin(Stdio::null());
        Self { command, shown: program.to_owned() }
    }

    pub fn args(mut self, arguments: &[impl AsRef<str>]) -> Self {
        for argument in arguments {
            self.command.arg(argument.as_ref());
            self.shown += &format!(" {}", argument.as_ref());
        }
        self
    }

    pub fn env(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{variable}={} {}", value.as_ref().display(), self.shown);
        self.command.env(variable, value);
        self
    }

    /// Runs it and fails as it does.
    pub fn run(mut self) -> Result<()> {
        eprintln!("+ {}", self.shown);
        let status = self.command.status().with_context(|| format!("starting `{}`", self.shown))?;
        ensure!(status.success(), "`{}` failed ({status})", self.shown);
        Ok(())
    }

    /// Whether it succeeds; whatever it says is dropped.
    pub fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// What it prints, if it succeeds.
    pub fn output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The plain command, to start and to keep.
    pub fn into_command(self) -> Command {
        eprintln!("+ {}", self.shown);
        self.command
    }
}

/// The same cargo that runs this.
pub fn cargo(arguments: &[&str]) -> Run {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut run = Run::new(&program).args(arguments);
    run.shown = format!("cargo {}", arguments.join(" "));
    run
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    workspace().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A program on the search path.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

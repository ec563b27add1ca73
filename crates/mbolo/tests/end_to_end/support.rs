//! Servers as processes: started on a port of their own, killed, started again on the same directory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// The longest anything may take; a machine under load is slow, a hanging test is a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The binary under test, with no setting of the machine it runs on.
pub fn mbolo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mbolo"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("MBOLO_")) {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    if let Ok(filter) = std::env::var("MBOLO_TEST_LOG") {
        command.env("MBOLO_LOG", filter);
    }
    command
}

/// A cell on this machine with a directory of its own.
pub struct Server {
    child: Option<Child>,
    flags: Vec<String>,
    dir: TempDir,
    pub address: SocketAddr,
    pub url: String,
}

impl Server {
    /// An open cell.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A cell with these flags as well.
    pub fn start_with(flags: &[&str]) -> Self {
        let mut server = Self {
            child: None,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            dir: tempfile::tempdir().unwrap(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            url: String::new(),
        };
        server.restart();
        server
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// As a power cut would: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts on the same directory and port.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut child = self.command(self.address).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // Reads on, so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)))
        });
        let line = receiver.recv_timeout(PATIENCE).expect("the server says where it listens");
        let url =
            line.split_whitespace().find(|word| word.contains("://")).expect("an address in the first line");
        self.url = url.trim_end_matches(['/', '.', ',']).to_owned();
        self.address = self.url.split("://").nth(1).unwrap().parse().unwrap();
        self.child = Some(child);
    }

    /// A command that would serve this directory.
    pub fn command(&self, listen: SocketAddr) -> Command {
        let mut command = mbolo();
        command.args([
            "serve",
            "--listen",
            &listen.to_string(),
            "--pow-bits",
            "4",
            "--log",
            "warn",
            "--data",
        ]);
        command.arg(self.data()).args(&self.flags);
        // For looking at a web client that is not in the binary yet.
        if let Some(dir) = std::env::var_os("MBOLO_TEST_WEB_DIR") {
            command.arg("--web-dir").arg(dir);
        }
        command
    }

    /// Asks it to stop, as a service manager does, and returns how it ended.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(status.success());
        child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

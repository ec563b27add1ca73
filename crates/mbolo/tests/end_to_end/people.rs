//! People as profiles: each command is a process, as typed by someone or run by a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, mbolo};

/// Someone with a profile on this machine.
pub struct Person {
    dir: TempDir,
    pub url: String,
    pub handle: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// What it printed, if it was successful.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The last line it printed, as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(self.ok().lines().last().expect("a line")).expect("JSON")
    }

    /// What it said on stderr, if it ended with this code.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("mbolo: ") || self.err.starts_with("error: "), "{self:?}");
        self.err
    }
}

impl Person {
    /// An empty profile.
    pub fn without_account(url: &str, handle: &str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), url: url.to_owned(), handle: handle.to_owned() }
    }

    /// Someone who has signed up.
    #[track_caller]
    pub fn sign_up(server: &Server, handle: &str) -> Self {
        let person = Self::without_account(&server.url, handle);
        person.create(&[]).ok();
        person
    }

    /// `account create` with the handle and more arguments. The name is the handle with a capital letter.
    pub fn create(&self, more: &[&str]) -> Ended {
        let name = self.handle[..1].to_uppercase() + &self.handle[1..];
        let mut args = vec!["account", "create", &self.handle, "--name", &name, "--cell", &self.url];
        args.extend(more);
        self.run(&args)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = mbolo();
        command.args(args).arg("--profile").arg(self.dir.path());
        command
    }

    /// A file of the profile.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the profile's settings file says.
    pub fn settings(&self) -> String {
        std::fs::read_to_string(self.file("profile.toml")).unwrap()
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        run(self.command(args), "")
    }

    /// Runs a command to its end with this on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        run(self.command(args), input)
    }

    /// Sends a text and waits until the cell has it.
    #[track_caller]
    pub fn send(&self, to: &str, text: &str) {
        self.run(&["send", to, text, "--timeout", "60"]).ok();
    }

    /// Starts a command whose lines are read while it runs.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Starts `listen --json` and waits until it is connected.
    #[track_caller]
    pub fn listen(&self) -> Running {
        let mut running = self.start(&["listen", "--json", "--mark-read"]);
        running.wait_for("online", is_online);
        running
    }

    /// Goes online until everything missed is here and everything written is sent.
    #[track_caller]
    pub fn sync(&self) {
        self.run(&["listen", "--until-idle", "--json", "--timeout", "60"]).ok();
    }

    /// Every text of a room, oldest first, with who said it.
    #[track_caller]
    pub fn history(&self, room: &str) -> Vec<(String, String)> {
        let printed = self.run(&["room", "history", room, "--limit", "1000", "--json"]).ok();
        printed
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter_map(|line: Value| said(&line))
            .collect()
    }
}

/// A command that is running.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Everything printed so far.
    pub seen: Vec<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)))
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// The first line from now on that fits.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let value: Value = serde_json::from_str(&line).expect("JSON");
            self.seen.push(line);
            if fits(&value) {
                return value;
            }
        }
        panic!("waited for {what}; saw\n{}", self.seen.join("\n"));
    }

    /// Waits until someone says this.
    #[track_caller]
    pub fn wait_for_text(&mut self, text: &str) -> Value {
        self.wait_for(text, |line| said(line).is_some_and(|(_, said)| said == text))
    }

    /// The texts of messages seen so far, each once, in the order in which they came.
    pub fn texts(&self) -> Vec<(String, String)> {
        let mut ids = Vec::new();
        let mut texts = Vec::new();
        for line in &self.seen {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let id = line["message"]["id"].clone();
            if let Some(said) = said(&line).filter(|_| !ids.contains(&id)) {
                ids.push(id);
                texts.push(said);
            }
        }
        texts
    }

    /// How it ends by itself.
    #[track_caller]
    pub fn end(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        assert!(Instant::now() < until, "it goes on; saw\n{}", self.seen.join("\n"));
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Handle and text, if the line is about a text message.
pub fn said(line: &Value) -> Option<(String, String)> {
    let message = &line["message"];
    let text = message["body"]["text"].as_str()?;
    let name = message["sender"]["name"].as_str()?;
    Some((name.to_lowercase(), text.to_owned()))
}

/// Whether the line says that everything missed is here.
pub fn is_online(line: &Value) -> bool {
    line["update"] == "connection" && line["connection"]["state"] == "online"
}

/// Runs a command to its end, but not for ever.
pub fn run(mut command: Command, input: &str) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    let Ok(out) = out.recv_timeout(PATIENCE) else {
        let _ = child.kill();
        panic!("{command:?} did not end; it said {:?}", err.recv_timeout(PATIENCE));
    };
    let err = err.recv_timeout(PATIENCE).unwrap();
    Ended { code: child.wait().unwrap().code(), out, err }
}

fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    receiver
}

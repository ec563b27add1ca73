//! A branch of a git repository, which any forge serves as files: one commit a snapshot, `latest.json` and its pages. The
//! history is begun anew after a number of commits, so neither side grows without bound. Works with git's plumbing in a
//! bare repository of its own: no work tree, no merge, no question asked.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Target, TargetError};
use crate::config::ConfigError;
use crate::snapshots::Signed;

pub(super) struct Git {
    name: String,
    remote: String,
    /// `refs/heads/pulse`.
    reference: String,
    work_dir: PathBuf,
    history: u32,
    timeout: Duration,
}

impl Git {
    pub(super) fn new(
        name: &str,
        remote: &str,
        branch: &str,
        work_dir: &Path,
        history: u32,
    ) -> Result<Self, ConfigError> {
        let valid = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'/');
        if branch.is_empty() || !branch.bytes().all(valid) || branch.starts_with(['-', '/']) {
            return Err(ConfigError::invalid(format!("target {name}"), "branch may have a-z A-Z 0-9 - _ /"));
        }
        if remote.is_empty() || remote.starts_with('-') {
            return Err(ConfigError::invalid(format!("target {name}"), "remote is not an address"));
        }
        Ok(Self {
            name: name.to_owned(),
            remote: remote.to_owned(),
            reference: format!("refs/heads/{branch}"),
            work_dir: work_dir.to_owned(),
            history: history.clamp(1, 100_000),
            timeout: TIMEOUT,
        })
    }

    fn git(&self, arguments: &[&str], input: &[u8], now: i64) -> Result<String, TargetError> {
        let doing = arguments.first().copied().unwrap_or_default();
        let failed = |why: String| TargetError::Git { doing: doing.to_owned(), why };
        let date = format!("@{now} +0000");
        let mut command = Command::new("git");
        in_a_group_of_its_own(&mut command);
        let mut child = command
            .arg("--git-dir")
            .arg(&self.work_dir)
            .args(arguments)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSH_COMMAND", std::env::var("GIT_SSH_COMMAND").unwrap_or_else(|_| SSH.to_owned()))
            .env("GIT_AUTHOR_NAME", AUTHOR)
            .env("GIT_AUTHOR_EMAIL", EMAIL)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_NAME", AUTHOR)
            .env("GIT_COMMITTER_EMAIL", EMAIL)
            .env("GIT_COMMITTER_DATE", &date)
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_WORK_TREE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}; install git")))?;
        let mut stdin = child.stdin.take();
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        // Both ends at once: a full pipe would stop git.
        let (output, errors, status) = std::thread::scope(|scope| {
            let output = scope.spawn(move || read_all(&mut stdout));
            let errors = scope.spawn(move || read_all(&mut stderr));
            let written = stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
            let began = Instant::now();
            let status = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Ok(status),
                    Ok(None) if began.elapsed() < self.timeout => {
                        std::thread::sleep(Duration::from_millis(5))
                    }
                    Ok(None) => {
                        let ended = kill_with_its_children(&mut child).and_then(|()| child.wait());
                        let why = ended.map_or_else(|error| error.to_string(), |_| "stopped".to_owned());
                        break Err(format!("took longer than {} s: {why}", self.timeout.as_secs()));
                    }
                    Err(error) => break Err(error.to_string()),
                }
            };
            // Git that failed has closed its end: its own words say more than a broken pipe.
            let status = match (status, written) {
                (Ok(status), Err(error)) if status.success() => Err(error.to_string()),
                (status, _) => status,
            };
            (output.join().unwrap_or_default(), errors.join().unwrap_or_default(), status)
        });
        match status {
            Ok(status) if status.success() => Ok(output.trim().to_owned()),
            Ok(_) => Err(failed(errors.trim().chars().take(300).collect())),
            Err(why) => Err(failed(why)),
        }
    }
}

impl Target for Git {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&mut self, snapshot: &Signed, now: i64) -> Result<(), TargetError> {
        let git = |arguments: &[&str], input: &[u8]| self.git(arguments, input, now);
        if !self.work_dir.join("HEAD").exists() {
            std::fs::create_dir_all(&self.work_dir).map_err(|source| TargetError::Io {
                doing: format!("making {}", self.work_dir.display()),
                source,
            })?;
            git(&["init", "--quiet", "--bare"], b"")?;
        }
        let mut entries = String::new();
        for (name, bytes) in snapshot.files() {
            let blob = git(&["hash-object", "-w", "--stdin"], bytes)?;
            entries.push_str(&format!("100644 blob {blob}\t{name}\n"));
        }
        let tree = git(&["mktree"], entries.as_bytes())?;
        let message = format!("Snapshot {}\n", snapshot.seq);
        let tip = git(&["rev-parse", "--verify", "--quiet", &self.reference], b"").ok();
        let length = match &tip {
            Some(tip) => git(&["rev-list", "--count", tip], b"")?.parse().unwrap_or(u32::MAX),
            None => 0,
        };
        let commit = match &tip {
            Some(tip) if length < self.history => {
                git(&["commit-tree", &tree, "-p", tip], message.as_bytes())?
            }
            _ => git(&["commit-tree", &tree], message.as_bytes())?,
        };
        git(&["update-ref", &self.reference, &commit], b"")?;
        // Forced: the branch is ours, and a history that begins anew is not a descendant.
        let refspec = format!("+{}:{}", self.reference, self.reference);
        git(&["push", "--quiet", "--force", "--", &self.remote, &refspec], b"")?;
        if length >= self.history {
            // What the old history held is not needed here any more.
            git(&["gc", "--quiet", "--prune=now"], b"")?;
        }
        Ok(())
    }
}

/// Git starts others (`ssh`, a credential helper), which hold its pipes open after it is gone: they end with it.
#[cfg(unix)]
fn in_a_group_of_its_own(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn kill_with_its_children(child: &mut Child) -> std::io::Result<()> {
    let group = rustix::process::Pid::from_child(child);
    Ok(rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?)
}

#[cfg(not(unix))]
fn in_a_group_of_its_own(_: &mut Command) {}

#[cfg(not(unix))]
fn kill_with_its_children(child: &mut Child) -> std::io::Result<()> {
    child.kill()
}

fn read_all(pipe: &mut Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read explains enough.
        let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const TIMEOUT: Duration = Duration::from_secs(60);
const MAX_OUTPUT: u64 = 1 << 20;
const AUTHOR: &str = "Mbolo Pulse";
const EMAIL: &str = "pulse@localhost";
/// A connection that is dead ends by itself after half a minute.
const SSH: &str =
    "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_bare_remote_gets_every_snapshot_and_its_history_stays_short() {
        let directory = tempfile::tempdir().expect("a directory");
        let remote = directory.path().join("remote.git");
        let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(&remote).status();
        assert!(made.expect("git is installed").success());
        let work_dir = directory.path().join("work.git");
        let address = remote.to_str().expect("a path");
        let mut target = Git::new("forge", address, "pulse", &work_dir, 3).expect("a target");
        let read = |arguments: &[&str]| {
            let output = Command::new("git").arg("--git-dir").arg(&remote).args(arguments).output();
            String::from_utf8(output.expect("git runs").stdout).expect("text").trim().to_owned()
        };
        for seq in 1..=5_u64 {
            let bytes = format!("snapshot {seq}").into_bytes().into();
            let pages = Arc::new([("index.html", format!("page {seq}"))]);
            target.put(&Signed { seq, valid_until: 0, bytes, pages }, 1_693_069_320).expect("pushed");
            assert_eq!(read(&["show", "pulse:index.html"]), format!("page {seq}"));
            assert_eq!(read(&["show", "pulse:latest.json"]), format!("snapshot {seq}"));
            let length: u64 = read(&["rev-list", "--count", "pulse"]).parse().expect("a number");
            assert_eq!(length, if seq <= 3 { seq } else { seq - 3 });
        }
        assert_eq!(read(&["log", "-1", "--format=%s", "pulse"]), "Snapshot 5");
    }

    #[test]
    fn a_git_that_hangs_ends_in_time_with_what_it_started() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut target = Git::new("forge", "x", "pulse", &directory.path().join("w"), 3).expect("a target");
        target.git(&["init", "--quiet", "--bare"], b"", 0).expect("git is installed");
        target.timeout = Duration::from_millis(300);
        let began = Instant::now();
        let hangs = target.git(&["-c", "alias.hang=!sleep 60", "hang"], b"", 0).expect_err("too long");
        assert!(hangs.to_string().contains("took longer"), "{hangs}");
        assert!(began.elapsed() < Duration::from_secs(30), "its child held it up");
    }

    #[test]
    fn a_remote_that_is_not_there_is_an_error_that_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let remote = directory.path().join("nowhere.git");
        let remote = remote.to_str().expect("a path");
        let mut target =
            Git::new("forge", remote, "pulse", &directory.path().join("w"), 3).expect("a target");
        let snapshot = Signed { seq: 1, valid_until: 0, bytes: b"x".to_vec().into(), pages: Arc::new([]) };
        let error = target.put(&snapshot, 0).expect_err("nothing is there");
        assert!(error.to_string().starts_with("git push: "), "{error}");
        assert!(Git::new("x", "--upload-pack=evil", "pulse", directory.path(), 3).is_err());
    }
}

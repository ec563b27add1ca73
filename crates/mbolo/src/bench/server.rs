//! The server under test: this very binary as a child process, on a fresh directory, measured from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A running server and the directory it stores to. Dropping it kills the process and removes the directory.
pub struct Server {
    child: Child,
    directory: PathBuf,
    tls: bool,
    /// Where it listens.
    pub address: SocketAddr,
}

/// CPU time and memory of a process, as the kernel accounts them.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time in seconds.
    pub cpu_s: f64,
    /// Resident memory in KiB.
    pub rss_kib: f64,
}

impl Server {
    /// Starts a server on a directory of its own under the system's temporary directory.
    pub fn start(tls: bool) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("mbolo-bench-{}", std::process::id()));
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let (child, address) = spawn(&directory, "127.0.0.1:0", tls)?;
        Ok(Self { child, directory, tls, address })
    }

    /// Kills it as a power cut would (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same directory and port.
    pub fn restart(&mut self) -> Result<()> {
        let (child, address) = spawn(&self.directory, &self.address.to_string(), self.tls)?;
        self.child = child;
        self.address = address;
        Ok(())
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let pid = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces; fields are counted after it: utime is the 12th, stime the 13th.
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("no process name in stat")?.1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .context("no VmRSS in status")?;
        Ok(Usage { cpu_s: ticks / TICKS_PER_S, rss_kib: rss.parse()? })
    }

    /// Bytes in its directory.
    pub fn stored_bytes(&self) -> Result<u64> {
        directory_bytes(&self.directory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing sensible can be done about a failure while cleaning up.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn spawn(directory: &Path, listen: &str, tls: bool) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", "--listen", listen, "--data"])
        .arg(directory.join("data"))
        // Sign-up work would measure the generator. Addresses of this machine have no limit of their own.
        .env("MBOLO_POW_BITS", "0")
        .env("MBOLO_MAX_CONNECTIONS", "19000")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if tls {
        command.args(["--tls", "generated"]);
    }
    let mut child = command.spawn().context("the server does not start")?;
    let stdout = child.stdout.take().context("the server's output is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref() {
        if let Some(address) = address_in(&line?) {
            // The pipe must be read on, or the server would block or die writing to it.
            std::thread::spawn(move || for _ in lines {});
            return Ok((child, address));
        }
    }
    bail!("the server ended before it listened: {}", child.wait()?)
}

/// The socket address in the line by which the server says that it listens.
fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.split("://").nth(1)?;
    rest.split(|c: char| c.is_whitespace() || c == '/').next()?.parse().ok()
}

fn directory_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { directory_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Clock ticks in /proc/PID/stat: 100 on every Linux architecture that Rust's standard library supports.
const TICKS_PER_S: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_people_read() {
        let address = Some(([127, 0, 0, 1], 8100).into());
        assert_eq!(address_in("Mbolo is listening on http://127.0.0.1:8100/"), address);
        assert_eq!(address_in("open https://127.0.0.1:8100 in a browser"), address);
        assert_eq!(address_in("starting"), None);
    }
}

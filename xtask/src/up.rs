//! `cargo xtask up`: from a clone to a running cell.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{Run, cargo, target};
use crate::{bundle, prerequisites};

const DEFAULT_LISTEN: &str = "127.0.0.1:8100";

/// Not below `target`: people's messages must outlive a `cargo clean`.
const DEFAULT_DATA: &str = "data";

/// How long a cell may take until it answers.
const START: Duration = Duration::from_secs(30);

struct Options {
    listen: String,
    data: PathBuf,
    web: bool,
    check: bool,
}

/// Installs what is missing, builds, and becomes the cell; with `--check` looks whether it answers and stops it.
pub fn up(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    if options.web {
        prerequisites::for_the_web_client()?;
        bundle::build()?;
    }
    cargo(&["build", "--release", "--package", "mbolo"]).run()?;
    let binary = target().join("release/mbolo");
    if options.check { check(&binary, options.web) } else { serve(&binary, &options) }
}

/// Starts `binary` on a free port with a new directory, looks at it from outside, and stops it.
pub fn check(binary: &Path, web: bool) -> Result<()> {
    // Free when asked; nobody else takes it in the moment between.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let data = target().join(format!("up-check-{}", address.port()));
    let listen = address.to_string();
    let mut cell = Cell { process: serve_command(binary, &listen, &data).spawn()?, data };
    let healthy = wait_for(&mut cell.process, address)?;
    ensure!(healthy.starts_with("HTTP/1.1 200"), "/healthz answers {healthy:?}");
    if web {
        let page = get(address, "/")?;
        ensure!(page.starts_with("HTTP/1.1 200"), "/ answers {page:?}");
        ensure!(page.contains("<title>Mbolo</title>"), "/ is not the web client");
    }
    cell.stop()?;
    println!("the cell started, answered and stopped");
    Ok(())
}

fn parse(arguments: &[&str]) -> Result<Options> {
    let mut options =
        Options { listen: DEFAULT_LISTEN.to_owned(), data: DEFAULT_DATA.into(), web: true, check: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match *argument {
            "--listen" => options.listen = (*value()?).to_owned(),
            "--data" => options.data = value()?.into(),
            "--no-web" => options.web = false,
            "--check" => options.check = true,
            other => bail!("`up` has no option {other}; see `cargo xtask help`"),
        }
    }
    Ok(options)
}

fn serve_command(binary: &Path, listen: &str, data: &Path) -> std::process::Command {
    Run::new(&binary.display().to_string())
        .args(&["serve", "--listen", listen, "--data", &data.display().to_string()])
        .into_command()
}

fn serve(binary: &Path, options: &Options) -> Result<()> {
    println!();
    if options.web {
        println!("  in a browser    http://{}", options.listen);
    }
    println!("  in a terminal   {} --help", binary.display());
    println!("  its data        {}", options.data.display());
    println!("  stop it with Ctrl-C; what was sent is kept\n");
    become_command(serve_command(binary, &options.listen, &options.data))
}

/// Signals then reach the cell itself.
#[cfg(unix)]
fn become_command(mut command: std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).context("starting the cell")
}

#[cfg(not(unix))]
fn become_command(mut command: std::process::Command) -> Result<()> {
    let status = command.status().context("starting the cell")?;
    ensure!(status.success(), "the cell ended with {status}");
    Ok(())
}

/// A cell of our own, which never outlives the check.
struct Cell {
    process: Child,
    data: PathBuf,
}

impl Cell {
    /// Asks it to stop, as a service manager would.
    fn stop(&mut self) -> Result<()> {
        let id = self.process.id().to_string();
        Run::new("kill").args(&["-TERM", &id]).run()?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the cell ended with {status} when it was asked to stop");
        Ok(())
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill; after an error there may be.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn wait_for(process: &mut Child, address: SocketAddr) -> Result<String> {
    let deadline = Instant::now() + START;
    loop {
        match get(address, "/healthz") {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(error.context("the cell does not answer")),
            Err(_) => {}
        }
        if let Some(status) = process.try_wait()? {
            bail!("the cell ended at once with {status}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

//! `cargo xtask up`: from a clone to a running cell, with an observatory beside it that watches it.
//!
//! They are two processes. The observatory is started first and ends with the cell, whose process this one becomes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bundle::{self, Bundler};
use crate::prerequisites;
use crate::run::{Run, cargo, target};

const DEFAULT_LISTEN: &str = "127.0.0.1:8100";

/// Not below `target`: people's messages must outlive a `cargo clean`.
const DEFAULT_DATA: &str = "data";

const DEFAULT_PULSE: &str = "127.0.0.1:8101";

/// How long a cell may take until it answers.
const START: Duration = Duration::from_secs(30);

struct Options {
    listen: String,
    data: PathBuf,
    pulse: Option<String>,
    web: bool,
    check: bool,
}

/// Installs what is missing, builds, and becomes the cell; with `--check` looks whether it answers and stops it.
pub fn up(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    if options.web {
        prerequisites::for_the_web_client()?;
        bundle::build(Bundler::AsTheBinary)?;
    }
    cargo(&["build", "--release", "--package", "mbolo"]).run()?;
    let binary = target().join("release/mbolo");
    if options.check {
        return check(&binary, options.web);
    }
    if options.web {
        check_client(&binary)?;
    }
    serve(&binary, &options)
}

/// Starts `binary` on free ports with new directories, looks at the cell and its observatory from outside, and stops them.
pub fn check(binary: &Path, web: bool) -> Result<()> {
    let (listen, pulse) = (free_port()?, free_port()?);
    let data = target().join(format!("up-check-{}", listen.port()));
    let _remains = Scratch(data.clone());
    let config = pulse_config(binary, listen, &data)?;
    let mut cell =
        Child(serve_command(binary, &listen.to_string(), &data, Some(&pulse.to_string())).spawn()?);
    let mut observatory = Child(pulse_command(binary, &pulse.to_string(), &data, &config).spawn()?);
    for (process, address) in [(&mut cell, listen), (&mut observatory, pulse)] {
        let healthy = wait_for(&mut process.0, address)?;
        ensure!(healthy.starts_with("HTTP/1.1 200"), "/healthz answers {healthy:?}");
    }
    if web {
        serves_the_client(listen)?;
    }
    let page = get(pulse, "/")?;
    ensure!(
        page.starts_with("HTTP/1.1 200") && page.contains("WhatsApp"),
        "the observatory's page is {page:?}"
    );
    cell.stop()?;
    observatory.stop()?;
    println!("the cell and its observatory started, answered and stopped");
    Ok(())
}

/// Starts a cell for a moment, with a directory of its own: whether the web client is in `binary` shows only in what it
/// serves, and nobody shall find out in their browser.
fn check_client(binary: &Path) -> Result<()> {
    let listen = free_port()?;
    let data = target().join(format!("up-check-{}", listen.port()));
    let _remains = Scratch(data.clone());
    let mut cell = Child(serve_command(binary, &listen.to_string(), &data, None).spawn()?);
    wait_for(&mut cell.0, listen)?;
    serves_the_client(listen)?;
    cell.stop()
}

fn serves_the_client(cell: SocketAddr) -> Result<()> {
    let page = get(cell, "/")?;
    ensure!(
        page.starts_with("HTTP/1.1 200") && page.contains("<title>Mbolo</title>"),
        "the binary was built without the web client; / answers {page:?}"
    );
    Ok(())
}

/// What the observatory must know of the cell: its name and its key, which are made when it starts for the first time.
fn pulse_config(binary: &Path, listen: SocketAddr, data: &Path) -> Result<PathBuf> {
    let path = data.join("pulse.toml");
    if path.exists() {
        return Ok(path);
    }
    let mut cell = Child(serve_command(binary, &listen.to_string(), data, None).spawn()?);
    wait_for(&mut cell.0, listen)?;
    let about = get(listen, "/.well-known/mbolo")?;
    cell.stop()?;
    let (name, id) = (json_text(&about, "name")?, json_text(&about, "cell")?);
    let text = format!(
        "# Made by `cargo xtask up`; docs/pulse.example.toml documents every key.\n\n[[cells]]\nname = {name:?}\nkey = {id:?}\n"
    );
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// A text of a JSON object that the cell has made: names and ids, which need no escapes.
fn json_text<'a>(json: &'a str, key: &str) -> Result<&'a str> {
    let begin = format!("\"{key}\":\"");
    let rest =
        json.split_once(&begin).with_context(|| format!("the cell does not tell its {key}: {json}"))?.1;
    Ok(rest.split('"').next().unwrap_or_default())
}

/// Free when asked; nobody else takes it in the moment between.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn parse(arguments: &[&str]) -> Result<Options> {
    let mut options = Options {
        listen: DEFAULT_LISTEN.to_owned(),
        data: DEFAULT_DATA.into(),
        pulse: Some(DEFAULT_PULSE.to_owned()),
        web: true,
        check: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match *argument {
            "--listen" => options.listen = (*value()?).to_owned(),
            "--data" => options.data = value()?.into(),
            "--pulse" => options.pulse = Some((*value()?).to_owned()),
            "--no-pulse" => options.pulse = None,
            "--no-web" => options.web = false,
            "--check" => options.check = true,
            other => bail!("`up` has no option {other}; see `cargo xtask help`"),
        }
    }
    Ok(options)
}

fn serve_command(binary: &Path, listen: &str, data: &Path, pulse: Option<&str>) -> std::process::Command {
    let mut run = Run::new(&binary.display().to_string()).args(&[
        "serve",
        "--listen",
        listen,
        "--data",
        &data.display().to_string(),
    ]);
    if let Some(pulse) = pulse {
        run = run.args(&["--pulse-url", &format!("http://{pulse}")]);
    }
    run.into_command()
}

fn pulse_command(binary: &Path, listen: &str, data: &Path, config: &Path) -> std::process::Command {
    let own = data.join("pulse").display().to_string();
    Run::new(&binary.display().to_string())
        .args(&[
            "pulse",
            "serve",
            "--listen",
            listen,
            "--data",
            &own,
            "--config",
            &config.display().to_string(),
        ])
        .args(&["--until-parent-ends"])
        .into_command()
}

fn serve(binary: &Path, options: &Options) -> Result<()> {
    if let Some(pulse) = &options.pulse {
        let config = pulse_config(binary, options.listen.parse().context("--listen")?, &options.data)?;
        pulse_command(binary, pulse, &options.data, &config).spawn().context("starting the observatory")?;
    }
    println!();
    if options.web {
        println!("  in a browser    http://{}", options.listen);
    }
    if let Some(pulse) = &options.pulse {
        println!("  is it down?     http://{pulse}");
    }
    println!("  in a terminal   {} --help", binary.display());
    println!("  its data        {}", options.data.display());
    println!("  stop it with Ctrl-C; what was sent is kept\n");
    become_command(serve_command(binary, &options.listen, &options.data, options.pulse.as_deref()))
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

/// A process of our own, which never outlives the check.
struct Child(std::process::Child);

impl Child {
    /// Asks it to stop, as a service manager would.
    fn stop(&mut self) -> Result<()> {
        let id = self.0.id().to_string();
        Run::new("kill").args(&["-TERM", &id]).run()?;
        let status = self.0.wait()?;
        ensure!(status.success(), "it ended with {status} when it was asked to stop");
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill; after an error there may be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that goes away with the check.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wait_for(process: &mut std::process::Child, address: SocketAddr) -> Result<String> {
    let deadline = Instant::now() + START;
    loop {
        match get(address, "/healthz") {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(error.context("it does not answer")),
            Err(_) => {}
        }
        if let Some(status) = process.try_wait()? {
            bail!("it ended at once with {status}");
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

//! `mbolo pulse …`: the observatory, its agents, and what its detector is measured on.
//!
//! Everything here is a thin layer over the observatory's crates: it reads flags, opens files and prints. Results go to
//! standard output or to the file that is named, everything else to standard error.

mod report;

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use mbolo_geo::{Builder, GeoError, Source};
use mbolo_pulse::{Asn, Country, DetectorConfig};
use mbolo_pulse_nab::NabError;
use mbolo_pulse_probe::{AgentConfig, Outcome, ProbeError};
use mbolo_pulse_server::{Config, ConfigError, DemoError, DemoOptions, Overrides, ServeError};
use mbolo_pulse_sim::{NoiseFamily, Options};

use crate::problem::{Exit, Problem};

/// Shown by `mbolo pulse --help`.
pub const EXAMPLES: &str = "\
Examples:
  An observatory on this machine, its page on http://127.0.0.1:7979:
    mbolo pulse serve --data ~/pulse
  Two past days, played at high speed through the live page:
    mbolo pulse demo
  WhatsApp does not send for you:
    mbolo pulse report whatsapp send --observatory https://pulse.example
  Incidents in counts of your own:
    mbolo pulse replay --counts counts.ndjson --out incidents.ndjson
  Whether a service answers from here, and which phase fails if not:
    mbolo pulse probe whatsapp https://example.com

docs/pulse.md has the whole story.";

/// `mbolo pulse …`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run an observatory: collector, page, feeds and announcements
    Serve(Serve),
    /// Tell an observatory that something does not work for you
    Report(report::Args),
    /// Play 19 July 2023, and Gabon in August 2023, through the live page
    Demo(Demo),
    /// Find the incidents in a file of counts
    Replay(Replay),
    /// Measure services from here and tell an observatory, until stopped
    Agent {
        /// What to measure and whom to tell (docs/pulse.md has an example)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Measure something once
    Probe(Probe),
    /// Pack tables of addresses, countries and networks
    Geo {
        #[command(subcommand)]
        what: GeoWhat,
    },
    /// Score the detector on the Numenta Anomaly Benchmark
    Nab {
        /// The benchmark's directory [default: the built-in copy]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Where result files go, in the benchmark's layout
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Measure the detector in a simulated world
    Sim(Sim),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The configuration file; docs/pulse.example.toml documents every key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address and port to serve on [default: 127.0.0.1:7979]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the store lives; made on first start [default: pulse-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file packed by `mbolo pulse geo build`
    #[arg(long, value_name = "FILE")]
    geo: Option<PathBuf>,
    /// How it is reached from outside
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// End when the process that started it has ended
    #[arg(long)]
    until_parent_ends: bool,
}

#[derive(Debug, clap::Args)]
struct Demo {
    /// The address and port to serve on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7979")]
    listen: SocketAddr,
    /// Milliseconds that a minute of the past lasts
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    minute_ms: u64,
    /// Only one of the days: wa-2023-07-19 or ga-2023-08-26
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// Begin again at the end
    #[arg(long)]
    repeat: bool,
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// Rows of JSON, one a line; - for standard input
    #[arg(long, value_name = "FILE")]
    counts: PathBuf,
    /// Where the incidents' transitions go, one JSON object a line; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Probe {
    /// Addresses (https://…, wss://…, tcp://host:port, mbolo://host) and recipes (whatsapp)
    #[arg(value_name = "WHAT", required = true)]
    what: Vec<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "ooni")]
    json: bool,
    /// OONI-shaped JSON, one measurement a line
    #[arg(long)]
    ooni: bool,
}

#[derive(Debug, Subcommand)]
enum GeoWhat {
    /// Make one small file of what you have; where tables overlap the narrowest range wins
    Build {
        /// Tables as KIND:FILE; kinds are iptoasn, rir, pfx2as, csv, mmdb and names, files may end in .gz
        #[arg(value_name = "KIND:FILE", required = true)]
        tables: Vec<Source>,
        /// The packed file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Sim {
    /// A part of the world for some days, in about a minute
    #[arg(long)]
    quick: bool,
    /// How many users; several with commas [default: 20000,200000,2000000,20000000]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    users: Vec<u64>,
    /// Days of stress
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// How often each class of fault happens
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// The same seed gives the same run
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Families of noise, with commas: negative-binomial, log-normal, bursts
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    noise: Vec<String>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Write the rows of the world to this file instead of measuring, and the truth beside it (FILE.truth)
    #[arg(long, value_name = "FILE")]
    write_counts: Option<PathBuf>,
}

/// Runs what was asked.
pub fn run(args: Args) -> Result<(), Problem> {
    match args.what {
        What::Serve(args) => serve(args),
        What::Report(args) => on_all_cores()?.block_on(report::run(args)),
        What::Demo(args) => demo(args),
        What::Replay(args) => replay(&args),
        What::Agent { config } => agent(&config),
        What::Probe(args) => probe(&args),
        What::Geo { what: GeoWhat::Build { tables, out } } => build_geo(&tables, &out),
        What::Nab { data, out } => {
            let report = mbolo_pulse_nab::run(data.as_deref(), &out)?;
            crate::commands::say(serde_json::to_string_pretty(&report).map_err(Problem::unexpected)?)
        }
        What::Sim(args) => sim(args),
    }
}

fn serve(args: Serve) -> Result<(), Problem> {
    log(DEFAULT_LOG);
    let Serve { config, listen, data, geo, public_url, until_parent_ends } = args;
    let overrides = Overrides { listen, data, geo, public_url, operator_token: None };
    let config = Config::load(config.as_deref(), overrides)?;
    let runtime = on_all_cores()?;
    if until_parent_ends {
        runtime.spawn(end_with_parent());
    }
    Ok(runtime.block_on(mbolo_pulse_server::serve(config))?)
}

/// Asks this process to end, as a service manager would, once the one that started it is gone.
async fn end_with_parent() {
    #[cfg(unix)]
    {
        let parent = std::os::unix::process::parent_id();
        while std::os::unix::process::parent_id() == parent {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        if let Err(error) =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
        {
            tracing::error!(%error, "cannot end");
        }
    }
}

fn demo(args: Demo) -> Result<(), Problem> {
    log(DEFAULT_LOG);
    let Demo { listen, minute_ms, only, repeat } = args;
    let minute = Duration::from_millis(minute_ms);
    let options = DemoOptions { listen, minute, only, repeat, ..DemoOptions::default() };
    options.check()?;
    eprintln!("a reconstruction of past days, at http://{listen}; Ctrl-C ends it");
    Ok(on_all_cores()?.block_on(mbolo_pulse_server::demo(options))?)
}

fn replay(args: &Replay) -> Result<(), Problem> {
    let is_same = match (args.counts.canonicalize(), args.out.canonicalize()) {
        (Ok(counts), Ok(out)) => counts == out && counts.is_file(),
        _ => false,
    };
    if is_same {
        return Err(Problem::new(
            Exit::Usage,
            format!("{} is read: name another file for what comes out", args.out.display()),
        ));
    }
    let input: Box<dyn Read> = if is_dash(&args.counts) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(&args.counts).map_err(|error| cannot("read", &args.counts, &error))?)
    };
    let output: Box<dyn Write> = if is_dash(&args.out) {
        Box::new(std::io::stdout().lock())
    } else {
        Box::new(File::create(&args.out).map_err(|error| cannot("write", &args.out, &error))?)
    };
    let input = BufReader::with_capacity(BUFFER, input);
    let mut output = BufWriter::with_capacity(BUFFER, output);
    let mut told = 0;
    let summary = mbolo_pulse::replay::replay(input, &mut output, DetectorConfig::default(), |line, why| {
        told += 1;
        if told <= MOST_TOLD {
            eprintln!("line {line}: {why}");
        }
    })?;
    output.flush()?;
    if told > MOST_TOLD {
        eprintln!("… and {} lines more", told - MOST_TOLD);
    }
    eprintln!("{} rows, {} skipped, {} incidents", summary.rows, summary.skipped, summary.incidents);
    Ok(())
}

fn agent(config: &Path) -> Result<(), Problem> {
    log(DEFAULT_LOG);
    let config = AgentConfig::load(config)?;
    Ok(on_all_cores()?.block_on(mbolo_pulse_probe::run_agent(config, asked_to_end()))?)
}

fn probe(args: &Probe) -> Result<(), Problem> {
    log("warn");
    let targets = mbolo_pulse_probe::targets_of(&args.what)?;
    let outcomes = on_all_cores()?.block_on(mbolo_pulse_probe::probe_once(&targets))?;
    if args.ooni {
        let station = mbolo_pulse_probe::ooni::Station {
            cc: Country::UNKNOWN,
            asn: Asn(0),
            network_name: String::new(),
        };
        for measurement in mbolo_pulse_probe::ooni::export(&outcomes, &station) {
            crate::commands::say(measurement)?;
        }
    } else if args.json {
        for outcome in &outcomes {
            crate::commands::say_json(outcome)?;
        }
    } else {
        for outcome in &outcomes {
            crate::commands::say(in_words(outcome))?;
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.ok).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::new(Exit::Unreachable, format!("{failed} of {} do not work from here", outcomes.len())))
}

fn in_words(outcome: &Outcome) -> String {
    let Outcome { target, took_ms, .. } = outcome;
    match (&outcome.failed_phase, &outcome.failure) {
        (Some(phase), Some(failure)) => {
            format!("failed  {target}  {} after {took_ms} ms: {}", phase.as_str(), failure.message)
        }
        _ => format!("works   {target}  {took_ms} ms"),
    }
}

fn build_geo(tables: &[Source], out: &Path) -> Result<(), Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut builder = Builder::new(now.try_into().unwrap_or(i64::MAX));
    let mut rows = 0;
    for table in tables {
        let added = builder.add(table)?;
        rows += added.rows;
        eprintln!("{}: {} rows, {} not understood", table.path.display(), added.rows, added.bad);
        for bad in &added.bad_lines {
            eprintln!("  line {}: {}", bad.line, bad.why);
        }
    }
    if rows == 0 {
        return Err(GeoError::Empty.into());
    }
    let bytes = builder.build();
    mbolo_geo::write_file(out, &bytes)?;
    eprintln!("{}: {} bytes", out.display(), bytes.len());
    Ok(())
}

fn sim(args: Sim) -> Result<(), Problem> {
    let mut options = if args.quick { Options::quick() } else { Options::default() };
    if !args.users.is_empty() {
        options.users = args.users;
    }
    if !args.noise.is_empty() {
        let family = |name: &String| {
            let mut all = NoiseFamily::ALL.into_iter();
            all.find(|family| family.as_str().replace('_', "-") == *name)
                .ok_or_else(|| Problem::new(Exit::Usage, format!("there is no noise called {name}")))
        };
        options.families = args.noise.iter().map(family).collect::<Result<_, _>>()?;
    }
    options.days = args.days.unwrap_or(options.days);
    options.rounds = args.rounds.unwrap_or(options.rounds);
    options.seed = args.seed.unwrap_or(options.seed);
    let wrong = |error| Problem::new(Exit::Usage, error);
    if let Some(path) = args.write_counts {
        let create = |path: &Path| File::create(path).map_err(|error| cannot("write", path, &error));
        let truth = path.with_added_extension("truth");
        let (mut counts, mut told) = (BufWriter::new(create(&path)?), BufWriter::new(create(&truth)?));
        let rows =
            mbolo_pulse_sim::write_counts(&options, &mut counts, &mut told).map_err(Problem::unexpected)?;
        counts.flush()?;
        told.flush()?;
        eprintln!("{rows} rows in {}, what was done to the world in {}", path.display(), truth.display());
        return Ok(());
    }
    let report = mbolo_pulse_sim::run(options).map_err(wrong)?;
    if args.json {
        crate::commands::say(serde_json::to_string(&report).map_err(Problem::unexpected)?)?;
    } else {
        crate::commands::say(&report)?;
    }
    let missed: Vec<_> = report.gates().into_iter().filter(|gate| !gate.holds).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Exit::Failed, format!("{} gates do not hold", missed.len())))
}

fn on_all_cores() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Waits for SIGINT or SIGTERM.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Without signals it runs until it is killed, and loses nothing then either.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Says on standard error what happens; `MBOLO_LOG` sets how much.
fn log(usual: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("MBOLO_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let in_colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(in_colour)
        .with_writer(std::io::stderr)
        .init();
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Exit::Usage, format!("cannot {what} {}: {error}", path.display()))
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error).next("docs/pulse.example.toml documents every key")
    }
}

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        let exit = match &error {
            ServeError::Listen { .. } => Exit::InUse,
            ServeError::Geo { .. } | ServeError::Publish(_) => Exit::Usage,
            ServeError::Store(_) => Exit::Storage,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<DemoError> for Problem {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Serve(error) => error.into(),
            other => Self::new(Exit::Usage, other),
        }
    }
}

impl From<ProbeError> for Problem {
    fn from(error: ProbeError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<GeoError> for Problem {
    fn from(error: GeoError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<NabError> for Problem {
    fn from(error: NabError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

const DEFAULT_LOG: &str = "info";

/// Malformed lines that are told one by one; all are counted.
const MOST_TOLD: u64 = 1_000;

const BUFFER: usize = 1 << 20;

//! `mbolo check`: is it me?

use std::time::Instant;

use mbolo_isitme::{Diagnosis, Findings, Outcome, Reason};
use serde::Serialize;

use super::{say, say_json};
use crate::checkup::Home;
use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::profile::{Profile, Settings};
use crate::session::{cell_address, trusted_certificates};

/// Shown by `mbolo check --help`.
pub const EXAMPLES: &str = "\
Examples:
  mbolo check                                   why does my cell not answer?
  mbolo check --cell https://cell.example       without a profile
  mbolo check --json                            for scripts
  mbolo check --beacons off                     tell the observatory nothing from this profile

It takes less than five seconds: this device's network, a page to sign in, three neutral places in three
networks, your cell, other cells, and the observatory's newest word. The exit code is 0 if the cell answers, else 4.";

/// `mbolo check …`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Instead of checking: switch the anonymous counts of reached and failed connections on or off
    #[arg(long, value_name = "WHETHER", value_enum)]
    beacons: Option<Switch>,
    /// A neutral place to try instead of the usual ones (host:port; may be repeated)
    #[arg(long, value_name = "PLACE")]
    anchor: Vec<String>,
    #[command(flatten)]
    client: ClientArgs,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// Tell how often the cell was reached and how often not
    On,
    /// Tell nothing
    Off,
}

/// What scripts see.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    diagnosis: Diagnosis,
    sentence: &'a str,
    home: String,
    took_ms: u64,
    findings: &'a Findings,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    if let Some(switch) = args.beacons {
        let mut profile = Profile::open(&args.client.dir())?;
        profile.update(|settings| settings.beacons_off = switch == Switch::Off)?;
        return say(match switch {
            Switch::On => {
                "Beacons are on: the observatory is told how often your cell was reached and how often not."
            }
            Switch::Off => "Beacons are off: the observatory is told nothing from this profile.",
        });
    }
    let dir = args.client.dir();
    let mut settings = Settings::read(&dir)?;
    if !args.anchor.is_empty() {
        settings.anchors = args.anchor;
    }
    let address = cell_address(args.client.cell.as_ref().or(settings.cell.as_ref()))?;
    let home = Home { address, trusted: trusted_certificates(&args.client, &dir)?, settings };
    let begun = Instant::now();
    let check = home.check().await;
    let (diagnosis, findings) = (check.diagnosis(), check.findings());
    let sentence = home.sentence(&diagnosis);
    if args.json {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let home = home.address.to_string();
        say_json(&Report { diagnosis, sentence: &sentence, home, took_ms, findings })?;
    } else {
        for (what, outcome) in steps(findings) {
            say(format_args!("{what:<28}{}", word(outcome)))?;
        }
        say(&sentence)?;
    }
    match diagnosis.reason {
        Reason::HomeAnswers => Ok(()),
        _ => Err(Problem::new(Exit::Unreachable, format!("The cell at {} does not answer.", home.address))),
    }
}

fn steps(findings: &Findings) -> [(&'static str, Outcome); 7] {
    let [first, second, third] = findings.anchors;
    [
        ("This device's network", findings.link),
        ("Names, and no sign-in page", findings.portal),
        ("A neutral place", first),
        ("Another one", second),
        ("A third one", third),
        ("Your cell", findings.front),
        ("Other cells", findings.alternates),
    ]
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "works",
        Outcome::Failed => "does not work",
        Outcome::NotTried => "not tried",
    }
}

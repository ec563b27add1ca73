//! `mbolo pulse report`: one person's "it does not work", from a terminal.
//!
//! Without anything else it costs a proof of work and says nothing of who reports. With `--sign` the device of the profile
//! signs instead; the observatory then sees the account's key while it answers.

use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use data_encoding::BASE64URL_NOPAD;
use mbolo_pulse::{Problem as Kind, ServiceId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::ClientArgs;
use crate::commands::say;
use crate::problem::{Exit, Problem};
use crate::profile::{Profile, Settings};
use crate::runtime::{Verifier, WebAddress, get, open_client, post};
use crate::session::cell_address;

/// More work, in leading zero bits, than an honest observatory asks for: a minute or so.
const MOST_BITS: u32 = 26;

/// `mbolo pulse report …`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What does not work, by the name it has at the observatory: mbolo, whatsapp, …
    #[arg(value_name = "SERVICE", value_parser = service)]
    service: ServiceId,
    /// What of it
    #[arg(value_name = "PROBLEM", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
    problem: String,
    /// Whom to tell [default: the observatory that your cell names]
    #[arg(long, value_name = "URL")]
    observatory: Option<String>,
    /// Sign with the device of your profile instead of working for it. The observatory sees which account it is, counts it
    /// once and forgets it; a signed report weighs half
    #[arg(long)]
    sign: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// What an observatory asks for.
#[derive(Debug, Deserialize)]
struct Challenge {
    challenge: String,
    bits: u32,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Problem> {
    let observatory = match &args.observatory {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => told(&args.client)?,
    };
    let Args { service, problem, .. } = &args;
    let path = format!("/v1/challenge?service={service}&problem={problem}");
    let (status, said) = ask(&observatory, &path, None).await?;
    let challenge: Challenge = match status {
        200 => serde_json::from_value(said).map_err(|_| not_pulse(&observatory))?,
        _ => return Err(refused(&observatory, &said)),
    };
    let mut report = json!({ "service": service, "problem": problem, "challenge": challenge.challenge });
    if args.sign {
        report["device"] = signed(&args.client, &challenge.challenge)?;
    } else {
        report["nonce"] = worked(challenge).await?.to_string().into();
    }
    let (status, said) = ask(&observatory, "/v1/report", Some(&report)).await?;
    match status {
        200..=299 => say(format_args!(
            "Counted. What others report and what is measured: {observatory}/service/{service}"
        )),
        409 => say("You have reported it within the last half hour; it counts once."),
        _ => Err(refused(&observatory, &said)),
    }
}

fn service(name: &str) -> Result<ServiceId, String> {
    ServiceId::new(name).ok_or_else(|| "a service is 1 to 64 of a-z 0-9 . _ -".to_owned())
}

/// The observatory that the cell of the profile has named.
fn told(client: &ClientArgs) -> Result<String, Problem> {
    let told = Settings::read(&client.dir())?.told.and_then(|told| told.pulse);
    told.map(|pulse| pulse.url).ok_or_else(|| {
        Problem::new(Exit::Usage, "No cell has named an observatory to this profile.")
            .next("Add --observatory URL, for example --observatory http://127.0.0.1:8101.")
    })
}

/// The device's answer to a challenge, as an observatory reads it.
fn signed(client: &ClientArgs, challenge: &str) -> Result<Value, Problem> {
    let no_account = || {
        Problem::new(Exit::NoAccount, "This profile has no account that could sign.")
            .next("Leave out --sign: the report then costs a second of work.")
    };
    let dir = client.dir();
    if !dir.exists() {
        return Err(no_account());
    }
    let profile = Profile::open(&dir)?;
    if !profile.database().exists() {
        return Err(no_account());
    }
    let address = cell_address(client.cell.as_ref().or(profile.settings.cell.as_ref()))?;
    let (certificate, signature) =
        open_client(&profile, &address)?.sign_pulse_report(challenge).ok_or_else(no_account)?;
    let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    Ok(json!({
        "root_key": text(&certificate.root_key), "device_key": text(&certificate.device_key),
        "created_at_ms": certificate.created_at_ms, "certificate": text(&certificate.signature),
        "signature": text(&signature),
    }))
}

async fn worked(Challenge { challenge, bits }: Challenge) -> Result<u64, Problem> {
    if bits > MOST_BITS {
        let what =
            format!("The observatory asks for {bits} bits of work; more than {MOST_BITS} are not done.");
        return Err(Problem::new(Exit::Refused, what));
    }
    let work = move || mbolo_pulse_server::solve(&challenge, bits);
    tokio::task::spawn_blocking(work).await.map_err(Problem::unexpected)
}

/// Status and JSON.
async fn ask(observatory: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Problem> {
    let address: WebAddress = format!("{observatory}{path}").parse().map_err(|_| {
        Problem::new(Exit::Usage, format!("“{observatory}” is not the address of an observatory."))
            .next("Write it like https://pulse.example or http://127.0.0.1:8101.")
    })?;
    let verifier = Arc::new(Verifier::public());
    let answer = match body {
        None => get(&address, verifier).await,
        Some(body) => post(&address, verifier, body.to_string().into_bytes()).await,
    };
    let (status, said) = answer.map_err(|error| {
        Problem::new(Exit::Unreachable, format!("The observatory at {observatory} does not answer: {error}."))
            .next("`mbolo check` finds out whether it is you.")
    })?;
    Ok((status, serde_json::from_slice(&said).map_err(|_| not_pulse(observatory))?))
}

fn not_pulse(observatory: &str) -> Problem {
    Problem::new(Exit::NotMbolo, format!("What answers at {observatory} is no observatory of Mbolo."))
}

fn refused(observatory: &str, said: &Value) -> Problem {
    let why = said["message"].as_str().unwrap_or("it does not say why");
    Problem::new(Exit::Refused, format!("The observatory at {observatory} refuses it: {why}."))
}

//! The WhatsApp recipe, after OONI's specification ts-018: what the apps connect to, what registration needs, the
//! web client. The verdicts follow its rules:
//!
//! * *endpoints*: blocked when no endpoint can be connected to on any port. One that fails on both of its ports is
//!   listed by itself.
//! * *registration*: blocked when the server gives no HTTP answer; which one does not matter.
//! * *web*: blocked when the HTTPS page gives no answer, or plain HTTP does not redirect to it.

use mbolo_pulse::model::ServiceId;

use crate::failure::Failure;
use crate::outcome::{Outcome, Phase};
use crate::target::{StatusRule, Target};

/// The recipe's name, and the service's.
pub const NAME: &str = "whatsapp";

/// Needed to make an account.
pub const REGISTRATION: &str = "https://v.whatsapp.net/v2/register";

/// The web client.
pub const WEB: &str = "https://web.whatsapp.com/";

/// How the endpoints are named together in results.
pub const ENDPOINTS: &str = "tcp://e1-e16.whatsapp.net:443,5222";

const WEB_PLAIN: &str = "http://web.whatsapp.com/";
const ENDPOINT_PORTS: [u16; 2] = [443, 5222];

/// All that is measured, 35 targets.
pub fn targets() -> Vec<Target> {
    let Some(service) = ServiceId::new(NAME) else {
        return Vec::new();
    };
    let mut targets: Vec<Target> = endpoints()
        .flat_map(|host| ENDPOINT_PORTS.map(|port| format!("tcp://{host}:{port}")))
        .chain([REGISTRATION, WEB, WEB_PLAIN].map(String::from))
        .filter_map(|address| Target::new(service.clone(), &address).ok())
        .collect();
    for target in &mut targets {
        match target.text.as_str() {
            REGISTRATION | WEB => target.status = StatusRule::Any,
            WEB_PLAIN => target.redirects_to = Some("https://web.whatsapp.com".into()),
            _ => {}
        }
    }
    targets
}

/// One of the three things that are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// How it is named in results: [`ENDPOINTS`], [`REGISTRATION`] or [`WEB`].
    pub target: &'static str,
    /// It works from here.
    pub ok: bool,
    /// The phase that failed, for endpoints that of most of them.
    pub failed_phase: Option<Phase>,
    /// Why, of the same measurement.
    pub failure: Option<Failure>,
    /// How long it took, milliseconds; for endpoints the fastest that worked.
    pub took_ms: u32,
}

/// What the outcomes of [`targets`] mean together.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// At least one endpoint can be connected to.
    pub endpoints: Part,
    /// Endpoints that fail on all of their ports.
    pub endpoints_blocked: Vec<String>,
    /// Accounts can be made.
    pub registration: Part,
    /// The web client can be loaded.
    pub web: Part,
}

impl Verdict {
    /// Judges; `None` if nothing of the recipe is among the outcomes, or this machine was at fault.
    pub fn of(outcomes: &[Outcome]) -> Option<Self> {
        let outcomes: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.speaks()).collect();
        let find = |address: &str| outcomes.iter().copied().find(|outcome| outcome.target == address);
        let (registration, web, plain) = (find(REGISTRATION)?, find(WEB)?, find(WEB_PLAIN)?);
        let mut attempts: Vec<&Outcome> = Vec::new();
        let mut endpoints_blocked = Vec::new();
        for host in endpoints() {
            let ports: Vec<&Outcome> =
                ENDPOINT_PORTS.iter().filter_map(|port| find(&format!("tcp://{host}:{port}"))).collect();
            if !ports.is_empty() && ports.iter().all(|outcome| !outcome.ok) {
                endpoints_blocked.push(host);
            }
            attempts.extend(ports);
        }
        let web = if web.ok { plain } else { web };
        Some(Self {
            endpoints: judge_endpoints(&attempts)?,
            endpoints_blocked,
            registration: Part::of(REGISTRATION, registration),
            web: Part::of(WEB, web),
        })
    }

    /// The three parts.
    pub fn parts(&self) -> [&Part; 3] {
        [&self.endpoints, &self.registration, &self.web]
    }
}

impl Part {
    fn of(target: &'static str, outcome: &Outcome) -> Self {
        Self {
            target,
            ok: outcome.ok,
            failed_phase: outcome.failed_phase,
            failure: outcome.failure.clone(),
            took_ms: outcome.took_ms,
        }
    }
}

fn judge_endpoints(attempts: &[&Outcome]) -> Option<Part> {
    if let Some(fastest) = attempts.iter().filter(|one| one.ok).min_by_key(|one| one.took_ms) {
        return Some(Part::of(ENDPOINTS, fastest));
    }
    let same_phase = |outcome: &&&Outcome| {
        attempts.iter().filter(|other| other.failed_phase == outcome.failed_phase).count()
    };
    attempts.iter().max_by_key(same_phase).map(|typical| Part::of(ENDPOINTS, typical))
}

fn endpoints() -> impl Iterator<Item = String> {
    (1..=16).map(|number| format!("e{number}.whatsapp.net"))
}

//! What is watched: each service with its problems and what agents measure of it.

use std::collections::BTreeSet;

use mbolo_pulse::board::Ownership;
use mbolo_pulse::{Problem, ServiceId};
use mbolo_pulse_probe::whatsapp;
use serde::Deserialize;

/// One service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its name in addresses and in the store. Renaming it: the new one here, the old one into `aliases`.
    pub id: ServiceId,
    /// Its name for people.
    pub name: String,
    /// Whose it is.
    #[serde(default = "third_party")]
    pub kind: Ownership,
    /// Where it lives, for people, and for beacons that name an address.
    #[serde(default)]
    pub url: Option<String>,
    /// Names it had: their counts, reports and incidents are this service's.
    #[serde(default)]
    pub aliases: Vec<ServiceId>,
    /// What people can report; all eight by default.
    #[serde(default = "all_problems")]
    pub problems: Vec<Problem>,
    /// What agents measure.
    #[serde(default)]
    pub probes: Vec<ProbeTarget>,
    /// The service's own status document, in Statuspage's shape (`…/api/v2/status.json`).
    #[serde(default)]
    pub official_feed: Option<String>,
}

/// One thing that agents measure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeTarget {
    /// An address (`https://…`, `tcp://host:port`, `tls://…`, `dns://…`, `wss://…`, `mbolo://…`) or a recipe
    /// (`recipe:ooni-whatsapp`).
    ///
    /// Once [`ServiceConfig::check_probes`] has passed it is as [`mbolo_pulse_probe::canonical`] writes it.
    pub target: String,
    /// The service fails when this does. Of a recipe, that is what the apps connect to.
    #[serde(default)]
    pub required: bool,
}

/// Targets of one service.
const MOST_PROBES: usize = 100;

/// The recipe that agents call `whatsapp`.
const WHATSAPP_RECIPE: &str = "recipe:ooni-whatsapp";

fn third_party() -> Ownership {
    Ownership::ThirdParty
}

fn all_problems() -> Vec<Problem> {
    Problem::ALL.to_vec()
}

impl ProbeTarget {
    /// As agents name it in their results.
    fn in_results(&self) -> &str {
        if self.target == WHATSAPP_RECIPE { whatsapp::ENDPOINTS } else { &self.target }
    }
}

impl ServiceConfig {
    /// Targets that the service needs, as agents name them.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.probes.iter().filter(|probe| probe.required).map(ProbeTarget::in_results)
    }

    /// Whether the service needs a target.
    pub fn requires(&self, target: &str) -> bool {
        self.required().any(|required| required == target)
    }

    /// Brings each target into its one form.
    ///
    /// # Errors
    /// Says which cannot be measured, or is there twice, and why.
    pub fn check_probes(&mut self) -> Result<(), String> {
        if self.probes.len() > MOST_PROBES {
            return Err(format!("services: `{}` has more than {MOST_PROBES} probes", self.id));
        }
        let mut seen = BTreeSet::new();
        for probe in &mut self.probes {
            if probe.target != WHATSAPP_RECIPE {
                probe.target = mbolo_pulse_probe::canonical(&probe.target).map_err(|error| {
                    format!(
                        "services: a probe of `{}`: {error}; the one recipe is {WHATSAPP_RECIPE}",
                        self.id
                    )
                })?;
            }
            if !seen.insert(probe.in_results()) {
                return Err(format!("services: `{}` has the probe {} twice", self.id, probe.target));
            }
        }
        Ok(())
    }

    /// The host of its address and of what is measured, for beacons that name one.
    pub fn owns_host(&self, host: &str) -> bool {
        let targets = self.probes.iter().map(|probe| probe.target.as_str());
        self.url.as_deref().into_iter().chain(targets).filter_map(host_of).any(|own| {
            let own = own.strip_prefix("www.").unwrap_or(own);
            host.eq_ignore_ascii_case(own)
                || host.len() > own.len()
                    && host.as_bytes()[host.len() - own.len() - 1] == b'.'
                    && host[host.len() - own.len()..].eq_ignore_ascii_case(own)
        })
    }
}

/// The host in an address.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty() && host.is_ascii()).then_some(host)
}

/// What an observatory watches if nothing is configured.
pub fn default_services() -> Vec<ServiceConfig> {
    const MESSENGER: [Problem; 8] = Problem::ALL;
    const VIDEO: [Problem; 5] =
        [Problem::Media, Problem::ConnectApp, Problem::ConnectWeb, Problem::Login, Problem::Other];
    let probe = |target: &str| ProbeTarget { target: target.to_owned(), required: target == WHATSAPP_RECIPE };
    let service =
        |id: &str, name: &str, url: Option<&str>, problems: &[Problem], probes: &[&str]| ServiceConfig {
            id: ServiceId::new(id).expect("the built-in names are valid"),
            name: name.to_owned(),
            kind: if id == "mbolo" { Ownership::Own } else { Ownership::ThirdParty },
            url: url.map(str::to_owned),
            aliases: Vec::new(),
            problems: problems.to_vec(),
            probes: probes.iter().map(|target| probe(target)).collect(),
            official_feed: None,
        };
    vec![
        service("mbolo", "Mbolo", None, &MESSENGER, &["mbolo://127.0.0.1:7878"]),
        service("whatsapp", "WhatsApp", Some("https://www.whatsapp.com"), &MESSENGER, &[WHATSAPP_RECIPE]),
        service(
            "telegram",
            "Telegram",
            Some("https://telegram.org"),
            &MESSENGER,
            &["https://web.telegram.org", "tcp://149.154.167.50:443"],
        ),
        service(
            "signal",
            "Signal",
            Some("https://signal.org"),
            &MESSENGER,
            &["https://signal.org", "tls://chat.signal.org"],
        ),
        service("youtube", "YouTube", Some("https://www.youtube.com"), &VIDEO, &["https://www.youtube.com"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_for_a_subdomain_belongs_to_the_service_and_a_lookalike_does_not() {
        let whatsapp = &default_services()[1];
        assert!(whatsapp.owns_host("www.whatsapp.com"));
        assert!(whatsapp.owns_host("web.WhatsApp.com"));
        assert!(!whatsapp.owns_host("notwhatsapp.com"));
        assert!(!whatsapp.owns_host("com"));
    }

    #[test]
    fn of_the_recipe_the_service_needs_what_the_apps_connect_to() {
        let services = default_services();
        assert!(services[1].requires("tcp://e1-e16.whatsapp.net:443,5222"));
        assert!(!services[1].requires("https://web.whatsapp.com/"), "the apps work without the website");
        assert!(services[2].required().next().is_none());
    }

    #[test]
    fn hosts_are_found_in_addresses() {
        assert_eq!(host_of("https://a.example:8443/x?y"), Some("a.example"));
        assert_eq!(host_of("tcp://[2001:db8::1]:443"), Some("2001:db8::1"));
        assert_eq!(host_of("recipe:ooni-whatsapp"), None);
        assert_eq!(host_of("https://user@host/"), Some("host"));
    }
}

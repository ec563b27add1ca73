//! Results in the shape of OONI's data format, so that tools that read OONI's measurements read these.
//!
//! Written after OONI's public specifications (data formats df-000, 001, 002, 005, 006, 007 and test ts-018). As
//! there, the address of who measures is never in it: `probe_ip` is always `127.0.0.1`.

use hyper::Uri;
use mbolo_pulse::model::{Asn, Country};
use serde_json::{Map, Value, json};

use crate::failure::{Class, Failure};
use crate::outcome::{Outcome, Phase};
use crate::whatsapp::{self, Verdict};

/// Where the measuring was done, as far as it may be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// [`Country::UNKNOWN`] if it is not known.
    pub cc: Country,
    /// `Asn(0)` if it is not known.
    pub asn: Asn,
    /// The network's name; may be empty.
    pub network_name: String,
}

impl Default for Station {
    fn default() -> Self {
        Self { cc: Country::UNKNOWN, asn: Asn(0), network_name: String::new() }
    }
}

/// All outcomes: those of the WhatsApp recipe as one `whatsapp` measurement, every other as one `urlgetter`
/// measurement.
pub fn export(outcomes: &[Outcome], station: &Station) -> Vec<Value> {
    let (recipe, single): (Vec<Outcome>, Vec<Outcome>) =
        outcomes.iter().cloned().partition(|outcome| outcome.service.as_str() == whatsapp::NAME);
    match whatsapp(&recipe, station) {
        Some(measurement) => {
            let singles = single.iter().map(|outcome| urlgetter(outcome, station));
            std::iter::once(measurement).chain(singles).collect()
        }
        None => outcomes.iter().map(|outcome| urlgetter(outcome, station)).collect(),
    }
}

/// One `whatsapp` measurement from the outcomes of [`whatsapp::targets`]; `None` if they are not complete.
pub fn whatsapp(outcomes: &[Outcome], station: &Station) -> Option<Value> {
    let verdict = Verdict::of(outcomes)?;
    let status = |ok| if ok { "ok" } else { "blocked" };
    let failure = |failure: &Option<Failure>| failure.as_ref().map(|failure| failure.class.ooni());
    let mut keys = common_keys(outcomes);
    keys.extend(object(json!({
        "registration_server_failure": failure(&verdict.registration.failure),
        "registration_server_status": status(verdict.registration.ok),
        "whatsapp_endpoints_blocked": verdict.endpoints_blocked,
        "whatsapp_endpoints_dns_inconsistent": [],
        "whatsapp_endpoints_status": status(verdict.endpoints.ok),
        "whatsapp_web_failure": failure(&verdict.web.failure),
        "whatsapp_web_status": status(verdict.web.ok),
    })));
    Some(measurement("whatsapp", Value::Null, outcomes, keys, station))
}

/// One `urlgetter` measurement.
pub fn urlgetter(outcome: &Outcome, station: &Station) -> Value {
    let outcomes = std::slice::from_ref(outcome);
    let mut keys = common_keys(outcomes);
    let operation = outcome.failed_phase.map(|phase| match phase {
        Phase::Dns => "resolve",
        Phase::Tcp => "connect",
        Phase::Tls => "tls_handshake",
        Phase::Http | Phase::WebSocket | Phase::Session => "http_round_trip",
    });
    keys.extend(object(json!({
        "failure": failure_of(outcome),
        "failed_operation": operation,
    })));
    let input = match outcome.target.split_once("://") {
        Some(("dns", rest)) => format!("dnslookup://{rest}"),
        Some(("tcp", rest)) => format!("tcpconnect://{rest}"),
        Some(("tls", rest)) => format!("tlshandshake://{rest}"),
        _ => outcome.target.clone(),
    };
    measurement("urlgetter", input.into(), outcomes, keys, station)
}

fn measurement(
    name: &str,
    input: Value,
    outcomes: &[Outcome],
    test_keys: Map<String, Value>,
    station: &Station,
) -> Value {
    let start = start_of(outcomes);
    let end =
        outcomes.iter().map(|outcome| outcome.at_ms + i64::from(outcome.took_ms)).max().unwrap_or(start);
    let started = utc(start);
    json!({
        "annotations": {},
        "data_format_version": "0.2.0",
        "extensions": { "dnst": 0, "httpt": 0, "tcpconnect": 0, "tlshandshake": 0 },
        "input": input,
        "measurement_start_time": started,
        "probe_asn": format!("AS{}", station.asn.0),
        "probe_cc": station.cc,
        "probe_ip": "127.0.0.1",
        "probe_network_name": station.network_name,
        "report_id": "",
        "resolver_asn": "AS0",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": "mbolo-pulse",
        "software_version": env!("CARGO_PKG_VERSION"),
        "test_keys": test_keys,
        "test_name": name,
        "test_runtime": seconds(end - start),
        "test_start_time": started,
        "test_version": "0.1.0",
    })
}

/// What all tests share: queries, connections, handshakes, requests.
fn common_keys(outcomes: &[Outcome]) -> Map<String, Value> {
    let start = start_of(outcomes);
    let (mut queries, mut connects, mut handshakes, mut requests) = (vec![], vec![], vec![], vec![]);
    for outcome in outcomes {
        let at = |ms: u32| seconds(outcome.at_ms - start + i64::from(ms));
        let host = outcome
            .target
            .parse::<Uri>()
            .ok()
            .and_then(|uri| uri.host().map(str::to_owned))
            .unwrap_or_default();
        let reached = outcome.connects.iter().find(|connect| connect.failure.is_none());
        let reached = reached.map(|connect| connect.address.to_string()).unwrap_or_default();
        for connect in &outcome.connects {
            connects.push(json!({
                "ip": connect.address.ip(),
                "port": connect.address.port(),
                "status": { "failure": connect.failure.map(Class::ooni), "success": connect.failure.is_none() },
                "t0": at(connect.from_ms),
                "t": at(connect.to_ms.max(connect.from_ms)),
            }));
        }
        for step in &outcome.steps {
            let failure = step.failure.map(Class::ooni);
            let (t0, t) = (at(step.from_ms), at(step.to_ms));
            match step.phase {
                Phase::Dns => queries.push(json!({
                    "answers": answers(outcome),
                    "engine": "unknown",
                    "failure": failure,
                    "hostname": host,
                    "query_type": "ANY",
                    "resolver_hostname": null,
                    "resolver_port": null,
                    "resolver_address": "",
                    "t0": t0,
                    "t": t,
                })),
                Phase::Tls => handshakes.push(json!({
                    "address": reached,
                    "failure": failure,
                    "no_tls_verify": false,
                    "peer_certificates": [],
                    "server_name": host,
                    "t0": t0,
                    "t": t,
                })),
                Phase::Http => requests.push(json!({
                    "address": reached,
                    "failure": failure,
                    "request": { "method": "GET", "url": outcome.target, "headers": {}, "headers_list": [], "body": "" },
                    "response": outcome.status.map(|code| json!({
                        "code": code, "headers": {}, "headers_list": [], "body": ""
                    })),
                    "t0": t0,
                    "t": t,
                })),
                Phase::Tcp | Phase::WebSocket | Phase::Session => {}
            }
        }
    }
    object(json!({
        "network_events": [],
        "queries": queries,
        "requests": requests,
        "tcp_connect": connects,
        "tls_handshakes": handshakes,
    }))
}

fn answers(outcome: &Outcome) -> Vec<Value> {
    let answer = |ip: &std::net::IpAddr| {
        let (kind, key) = if ip.is_ipv4() { ("A", "ipv4") } else { ("AAAA", "ipv6") };
        json!({ "answer_type": kind, key: ip, "ttl": null })
    };
    outcome.addresses.iter().map(answer).collect()
}

fn failure_of(outcome: &Outcome) -> Option<&'static str> {
    outcome.failure.as_ref().map(|failure| failure.class.ooni())
}

fn start_of(outcomes: &[Outcome]) -> i64 {
    outcomes.iter().map(|outcome| outcome.at_ms).min().unwrap_or(0)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// `2023-07-19 20:10:00`
fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

//! What agents measured. An agent that lost its own network abstains; where an agent stands is the configuration's word.
//! What its round counts for a service is decided in [`round`].

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mbolo_pulse::board::ProbeRow;
use mbolo_pulse::{Count, Minute, ServiceId, Signal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::arrival::{PROBES, counted_in};
use super::signed::{check_batch_name, check_minute, signer};
use super::{App, Refused};
use crate::config::Config;
use crate::edge::Place;
use crate::shared::lock;
use crate::store::Batch;
use crate::targets::round;

/// Results that were not understood and are named in the answer.
const MOST_TOLD: usize = 20;

/// The longest name of a target, bytes.
const TARGET_NAME: usize = 256;

#[derive(Debug, Deserialize)]
struct Results {
    batch: String,
    minute: u32,
    #[serde(default)]
    abstained: bool,
    results: Vec<TargetResult>,
}

#[derive(Debug, Deserialize)]
struct TargetResult {
    service: ServiceId,
    target: String,
    ok: bool,
    #[serde(default)]
    failed_phase: Option<Phase>,
    #[serde(default)]
    took_ms: Option<u32>,
}

/// The phases that a page knows.
#[derive(Debug, Clone, Copy, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Dns,
    Tcp,
    Tls,
    Http,
    WebSocket,
    Session,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Session => "session",
        }
    }
}

/// Takes a batch, once.
pub async fn results(State(shared): App, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refused> {
    let agent = signer(&headers, "x-mbolo-agent", &body, &shared.config.agents, |agent| agent.key)
        .inspect_err(|_| shared.metrics.batches_unsigned.add(1))?;
    let batch: Results =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let most = shared.config.limits.agent_results;
    if batch.results.len() > most as usize || batch.results.iter().any(|one| one.target.len() > TARGET_NAME) {
        return Err(Refused::malformed(format!(
            "results: at most {most}, targets of at most {TARGET_NAME} bytes"
        )));
    }
    check_batch_name(&batch.batch)?;
    check_minute(&shared, batch.minute)?;
    if batch.abstained {
        shared.metrics.agents_abstained.add(1);
        return Ok(Json(json!({ "counted": false, "abstained": true })));
    }
    let (own_minute, now) = (Minute(batch.minute), shared.clock.minute());
    let number = lock(&shared.rounds).admit(&agent.name, own_minute, &batch.batch, now).ok_or_else(|| {
        let message = "this agent has told six rounds of this minute already";
        Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many_rounds", message)
    })?;
    let minute = counted_in(Minute(batch.minute), shared.clock.minute(), PROBES);
    let mut rows: BTreeMap<ServiceId, Vec<ProbeRow>> = BTreeMap::new();
    let mut named = BTreeSet::new();
    let mut not_understood = Vec::new();
    for result in batch.results {
        let understood = understand(&shared.config, &result).and_then(|(service, target)| {
            let is_new = named.insert((service.clone(), target.clone()));
            is_new.then_some((service, target)).ok_or_else(|| "this target is there twice".to_owned())
        });
        let (service, target) = match understood {
            Ok(understood) => understood,
            Err(why) => {
                let TargetResult { service, target, .. } = result;
                not_understood.push(json!({ "service": service, "target": target, "why": why }));
                continue;
            }
        };
        rows.entry(service).or_default().push(ProbeRow {
            target,
            vantage: format!("{} AS{}", agent.cc, agent.asn.0),
            at: Minute(batch.minute).unix(),
            ok: result.ok,
            failed_phase: result.failed_phase.map(|phase| phase.as_str().to_owned()),
            took_ms: result.took_ms,
        });
    }
    let understood: usize = rows.values().map(Vec::len).sum();
    let counts = rows.iter().filter_map(|(id, rows)| {
        let results = rows.iter().map(|row| (row.target.as_str(), row.ok));
        let (attempts, failures) = round(shared.config.service(id.as_str())?, results)?;
        Some(Count {
            minute,
            service: id.clone(),
            cc: agent.cc,
            asn: agent.asn,
            signal: Signal::Probe,
            problem: None,
            cell: None,
            n: 1,
            weight: None,
            attempts,
            failures,
        })
    });
    // An agent that measures more often has no more to say of a minute.
    let counts = if number == 0 { counts.collect() } else { Vec::new() };
    let source = format!("agent:{}", agent.name);
    let batch = Batch { source, id: batch.batch, minute: batch.minute, is_whole_minute: false };
    let is_new =
        shared.store.add_once(batch, counts).await.inspect_err(|_| shared.metrics.not_stored.add(1))?;
    if is_new {
        shared.metrics.agent_batches.add(1);
        let place = Place { cc: agent.cc, asn: agent.asn };
        for (service, rows) in rows {
            rows.into_iter().for_each(|row| shared.note_probe(&service, &agent.name, place, row));
        }
    } else {
        shared.metrics.batches_repeated.add(1);
    }
    not_understood.truncate(MOST_TOLD);
    Ok(Json(json!({ "counted": is_new, "results": understood, "not_understood": not_understood })))
}

/// The service and the target that a result is about, by the names that are used here.
fn understand(config: &Config, result: &TargetResult) -> Result<(ServiceId, String), String> {
    let service = config.service(result.service.as_str()).ok_or("this service is not watched here")?;
    let target = mbolo_pulse_probe::canonical(&result.target).map_err(|error| error.to_string())?;
    Ok((service.id.clone(), target))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use data_encoding::HEXLOWER;
    use ed25519_dalek::{Signer, SigningKey};
    use mbolo_pulse::{Asn, Country};

    use super::super::tests::observed;
    use super::*;
    use crate::clock::Clock;
    use crate::config::{AgentConfig, PublicKey};
    use crate::shared::for_tests;

    /// Takes a batch of the agent whose key this is; says how much of it was understood.
    async fn send(shared: &std::sync::Arc<crate::shared::Shared>, key: &SigningKey, body: &Value) -> Value {
        said_of(shared, key, body).await["results"].clone()
    }

    async fn said_of(
        shared: &std::sync::Arc<crate::shared::Shared>,
        key: &SigningKey,
        body: &Value,
    ) -> Value {
        let body = body.to_string();
        let hex = |bytes: &[u8]| HeaderValue::from_str(&HEXLOWER.encode(bytes)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-mbolo-agent", hex(key.verifying_key().as_bytes()));
        headers.insert("x-mbolo-signature", hex(&key.sign(body.as_bytes()).to_bytes()));
        let Json(said) = results(State(shared.clone()), headers, Bytes::from(body)).await.unwrap();
        assert_eq!(said["counted"], true);
        said
    }

    fn agent(key: &SigningKey, cc: &str, asn: u32) -> AgentConfig {
        AgentConfig {
            name: format!("agent-{asn}"),
            key: PublicKey(key.verifying_key()),
            cc: Country::new(cc).unwrap(),
            asn: Asn(asn),
        }
    }

    #[tokio::test]
    async fn a_dead_target_is_told_by_networks_and_counts_for_the_service_that_needs_it() {
        let data = tempfile::tempdir().unwrap();
        let keys: Vec<SigningKey> = (1..=3).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect();
        let agents = keys.iter().zip([("GA", 1), ("FR", 2), ("KE", 3)]);
        let agents = agents.map(|(key, (cc, asn))| agent(key, cc, asn)).collect();
        let text = "[[services]]\nid = \"bank\"\nname = \"Bank\"\nprobes = [{ target = \"tcp://app.bank:443\", \
                    required = true }, { target = \"https://bank\" }]\n\
                    [[services]]\nid = \"mbolo\"\nname = \"Mbolo\"";
        let config = Config::layered(text, |_| None, crate::config::Overrides::default()).unwrap();
        let shared = for_tests(
            Config { data: data.path().to_owned(), agents, ..config },
            &Clock::manual(1_700_000_000_000),
        );
        for round in 0..4 {
            let minute = shared.clock.minute().0;
            for key in &keys {
                let body = json!({ "batch": format!("{minute}"), "minute": minute, "results": [
                    { "service": "bank", "target": "tcp://app.bank:443", "ok": false, "failed_phase": "tcp" },
                    { "service": "bank", "target": "https://BANK:443/", "ok": round != 2 },
                ] });
                assert_eq!(send(&shared, key, &body).await, 2);
            }
            shared.clock.set_ms(shared.clock.now_ms() + 60_000);
        }
        let targets = &shared.targets()[&ServiceId::new("bank").unwrap()];
        let said: Vec<_> = targets.iter().map(|one| (one.target.as_str(), one.networks_down)).collect();
        assert_eq!(said, [("tcp://app.bank:443", 3), ("https://bank", 0)]);
        assert_eq!(targets[0].failed_phase.as_deref(), Some("tcp"));
        let counted = observed(&shared);
        assert!(counted.iter().all(|one| (one.attempts, one.failures) == (1, 1)), "{counted:?}");
        assert_eq!(counted.len(), 12);
    }

    #[tokio::test]
    async fn what_is_no_target_or_no_service_is_told_and_the_rest_counts() {
        let data = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let agents = vec![agent(&key, "GA", 16_058)];
        let config = Config { data: data.path().to_owned(), agents, ..Config::default() };
        let shared = for_tests(config, &Clock::manual(1_700_000_000_000));
        let one = |service: &str, target: &str| json!({ "service": service, "target": target, "ok": false });
        let body = json!({ "batch": "b", "minute": shared.clock.minute(), "results": [
            one("signal", "tls://chat.signal.org:443"), one("signal", ""), one("signal", "\u{202e}gro.langis"),
            one("nosuch", "https://signal.org"), one("signal", "tls://Chat.signal.org"), one("signal", "https://signal.org/\u{7}"),
        ] });
        let said = said_of(&shared, &key, &body).await;
        assert_eq!(said["results"], 1);
        let targets: Vec<_> = said["not_understood"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["target"].as_str().unwrap())
            .collect();
        let told = [
            "",
            "\u{202e}gro.langis",
            "https://signal.org",
            "tls://Chat.signal.org",
            "https://signal.org/\u{7}",
        ];
        assert_eq!(targets, told);
        let rows = shared.probe_rows();
        let shown: Vec<_> = rows.values().flatten().map(|row| row.target.as_str()).collect();
        assert_eq!(shown, ["tls://chat.signal.org"], "by the name that the configuration gives it");
    }

    #[tokio::test]
    async fn results_count_when_they_arrive_and_are_shown_with_the_agents_own_time() {
        let data = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let agents = vec![agent(&key, "GA", 16_058)];
        let config = Config { data: data.path().to_owned(), agents, ..Config::default() };
        let shared = for_tests(config, &Clock::manual(1_700_000_000_000));
        let now = shared.clock.minute();
        for ago in [1, 15, 16] {
            let body = json!({ "batch": format!("b{ago}"), "minute": now.0 - ago, "results": [
                { "service": "signal", "target": format!("https://t{ago}"), "ok": true },
            ] });
            assert_eq!(send(&shared, &key, &body).await, 1);
        }
        let counted: Vec<(u32, u32)> =
            observed(&shared).iter().map(|count| (now.0 - count.minute.0, count.attempts)).collect();
        assert_eq!(counted, [(16, 1), (0, 2)]);
        let rows = shared.probe_rows();
        let shown: Vec<i64> = rows.values().flatten().map(|row| now.unix() - row.at).collect();
        assert_eq!(shown, [60, 15 * 60, 16 * 60]);
    }
}

//! An observatory on loopback and somebody who talks to it.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use mbolo_pulse_server::{Config, Observatory, Overrides};
use serde_json::{Value, json};

/// The key of the cell and of the agent in tests.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The header of what a form without scripts sends.
pub const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A configuration with little work, a cell, an agent, an operator, and this machine as a proxy.
pub fn config(data: &Path, more: &str) -> Config {
    let public = hex(key().verifying_key().as_bytes());
    let text = format!(
        "operator_token = \"an-operator-in-a-test\"\ntrusted_proxies = [\"127.0.0.1\"]\n{more}\n\
         [[cells]]\nname = \"cell.example\"\nkey = \"{public}\"\n\
         [[agents]]\nname = \"libreville\"\nkey = \"{public}\"\ncc = \"GA\"\nasn = 16058\n"
    );
    let overrides = Overrides {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        data: Some(data.to_owned()),
        ..Overrides::default()
    };
    let mut config = Config::layered(&text, |_| None, overrides).unwrap();
    config.limits.pow_bits = 4;
    config
}

pub async fn observatory(data: &Path, more: &str) -> Observatory {
    Observatory::start(config(data, more)).await.unwrap()
}

/// An observatory with this in its configuration, what somebody at an address does with it, and its end.
pub async fn while_it_runs(more: &str, story: impl FnOnce(Client) + Send + 'static) {
    while_it_runs_with(more, |_| (), story).await;
}

/// The same, with other limits.
pub async fn while_it_runs_with(
    more: &str,
    change: impl FnOnce(&mut Config),
    story: impl FnOnce(Client) + Send + 'static,
) {
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path(), more);
    change(&mut config);
    let observatory = Observatory::start(config).await.unwrap();
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || story(client)).await;
    observatory.stop().await;
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Somebody at an address, behind our proxy.
#[derive(Clone)]
pub struct Client {
    base: String,
    address: String,
    agent: ureq::Agent,
}

impl Client {
    pub fn new(observatory: SocketAddr, address: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .new_agent();
        Self { base: format!("http://{observatory}"), address: address.to_owned(), agent }
    }

    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.base)).header("x-forwarded-for", &self.address);
        read(request.call())
    }

    pub fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.base)).header(header.0, header.1);
        read(request.header("x-forwarded-for", &self.address).call())
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("x-forwarded-for", &self.address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body))
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Posts what the cell or the agent of the configuration has signed.
    pub fn post_signed(&self, path: &str, who: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let public = hex(key().verifying_key().as_bytes());
        let signature = hex(&key().sign(body.as_bytes()).to_bytes());
        self.post(path, &[(who, &public), ("x-mbolo-signature", &signature)], body.as_bytes())
    }

    /// A body with the work done for a challenge.
    fn worked(&self, query: &str, mut body: Value) -> Value {
        let challenge = self.get(&format!("/v1/challenge?{query}")).json();
        let text = challenge["challenge"].as_str().unwrap();
        let nonce = mbolo_pulse_server::solve(text, challenge["bits"].as_u64().unwrap() as u32);
        body["challenge"] = json!(text);
        body["nonce"] = json!(nonce.to_string());
        body
    }

    pub fn worked_report(&self, service: &str, problem: &str) -> Value {
        let body = json!({ "service": service, "problem": problem });
        self.worked(&format!("service={service}&problem={problem}"), body)
    }

    /// A report that a device of an account has signed; both are named by the seeds of their keys.
    pub fn signed_report(&self, service: &str, account: u8, device: u8) -> Value {
        let (root, device) = (SigningKey::from_bytes(&[account; 32]), SigningKey::from_bytes(&[device; 32]));
        let challenge = self.get(&format!("/v1/challenge?service={service}&problem=send")).json();
        let challenge = challenge["challenge"].as_str().unwrap();
        let device_key = mbolo_proto::DeviceKey(device.verifying_key().to_bytes());
        let certificate = mbolo_proto::signing::certify_device(&root, device_key, 5);
        let text = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let signature = device.sign(&mbolo_proto::signing::pulse_report_bytes(challenge)).to_bytes();
        json!({ "service": service, "problem": "send", "challenge": challenge, "device": {
            "root_key": text(&certificate.root_key), "device_key": text(&certificate.device_key),
            "created_at_ms": certificate.created_at_ms, "certificate": text(&certificate.signature),
            "signature": text(&signature),
        } })
    }

    pub fn report(&self, service: &str) -> Answer {
        self.post_json("/v1/report", &self.worked_report(service, "send"))
    }

    pub fn comment(&self, service: &str, text: &str) -> Answer {
        let body = json!({ "service": service, "text": text });
        self.post_json("/v1/comments", &self.worked(&format!("service={service}"), body))
    }

    pub fn webhook(&self, url: &str) -> Answer {
        self.post_json("/v1/webhooks", &self.worked("service=webhook", json!({ "url": url })))
    }

    /// [`Client::report`] to an observatory that may go away meanwhile.
    pub fn try_report(&self, service: &str) -> Option<u16> {
        let url = format!("{}/v1/challenge?service={service}&problem=send", self.base);
        let mut answer = self.agent.get(url).header("x-forwarded-for", &self.address).call().ok()?;
        let challenge: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
        let text = challenge["challenge"].as_str()?;
        let nonce = mbolo_pulse_server::solve(text, challenge["bits"].as_u64()? as u32);
        let report = json!({ "service": service, "problem": "send", "challenge": text, "nonce": nonce });
        let request =
            self.agent.post(format!("{}/v1/report", self.base)).header("x-forwarded-for", &self.address);
        let answer = request.header("content-type", "application/json").send(report.to_string().as_bytes());
        Some(answer.ok()?.status().as_u16())
    }

    pub fn operate(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.base);
        let authorization = format!("Bearer {token}");
        let answer = match method {
            "get" => self.agent.get(url).header("authorization", &authorization).call(),
            "delete" => self.agent.delete(url).header("authorization", &authorization).call(),
            "put" => self
                .agent
                .put(url)
                .header("authorization", &authorization)
                .header("content-type", "application/json")
                .send(body.to_string().as_bytes()),
            _ => self
                .agent
                .post(url)
                .header("authorization", &authorization)
                .header("content-type", "application/json")
                .send(body.to_string().as_bytes()),
        };
        read(answer)
    }

    /// Asks until the answer is what it should be.
    pub fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.get(path);
            if answer.status == 200 && holds(&answer.json()) {
                return answer.json();
            }
            assert!(Instant::now() < patience, "{path} never said so: {}", answer.text);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut answer = answer.unwrap();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    Answer {
        status: answer.status().as_u16(),
        headers,
        text: answer.body_mut().read_to_string().unwrap_or_default(),
    }
}

/// This minute.
pub fn minute() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (now.as_secs() / 60) as u32
}

/// Runs something that waits away from the runtime that serves.
pub async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

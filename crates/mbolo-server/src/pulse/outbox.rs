//! Batches on their way to the observatory: signed once, sent until taken, dropped when an hour old.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ed25519_dalek::Signer;
use serde::Serialize;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Row, Target};
use crate::metrics::PulseMetrics;

/// Batches that wait; of more the oldest is dropped.
const MAX_WAITING: usize = 60;

/// How long one request may take. There is one a minute.
const TIMEOUT: Duration = Duration::from_secs(10);

/// As the observatory takes it.
#[derive(Debug, Serialize)]
struct Batch<'a> {
    cell: &'a str,
    minute: u32,
    /// Random: the same batch sent again counts once.
    batch: String,
    rows: &'a [Row],
}

struct Signed {
    body: Vec<u8>,
    signature: String,
}

/// See the module.
pub(crate) struct Outbox {
    target: Target,
    endpoint: String,
    agent: Agent,
    waiting: VecDeque<Signed>,
    /// The last attempt failed, and that has been logged.
    failing: bool,
}

/// What came of sending one batch.
enum Sent {
    Taken,
    /// It will never be taken.
    Refused(String),
    NotNow(String),
}

impl Outbox {
    pub(crate) fn new(target: Target) -> Self {
        let endpoint = format!("{}/v1/gauge", target.url);
        let agent = agent(target.url.starts_with("https:"));
        let key = HEXLOWER.encode(target.key.verifying_key().as_bytes());
        tracing::info!(url = endpoint, key, "the observatory gets the socket gauge, if it knows this key");
        Self { target, endpoint, agent, waiting: VecDeque::new(), failing: false }
    }

    /// Signs the rows of a minute and lets them wait.
    pub(crate) fn put(&mut self, minute: u32, rows: &[Row], metrics: &PulseMetrics) {
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "the system gives no randomness");
            return;
        }
        let cell = self.target.cell_name.as_str();
        let Ok(body) = serde_json::to_vec(&Batch { cell, minute, batch: HEXLOWER.encode(&random), rows })
        else {
            return;
        };
        let signature = HEXLOWER.encode(&self.target.key.sign(&body).to_bytes());
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            metrics.dropped.fetch_add(1, Relaxed);
        }
        self.waiting.push_back(Signed { body, signature });
    }

    /// Sends what waits, oldest first, until something is not taken.
    pub(crate) fn send(&mut self, metrics: &PulseMetrics) {
        while let Some(batch) = self.waiting.front() {
            match self.post(batch) {
                Sent::Taken => {
                    metrics.batches.fetch_add(1, Relaxed);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the observatory takes the socket gauge again");
                    }
                    self.waiting.pop_front();
                }
                Sent::Refused(why) => {
                    self.failed(&why, metrics);
                    metrics.dropped.fetch_add(1, Relaxed);
                    self.waiting.pop_front();
                }
                Sent::NotNow(why) => return self.failed(&why, metrics),
            }
        }
    }

    fn failed(&mut self, why: &str, metrics: &PulseMetrics) {
        metrics.failures.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                url = %self.endpoint,
                why,
                "the observatory does not take the socket gauge; the cell goes on without (see pulse_url)"
            );
        }
    }

    fn post(&self, batch: &Signed) -> Sent {
        let key = HEXLOWER.encode(self.target.key.verifying_key().as_bytes());
        let answer = self
            .agent
            .post(&self.endpoint)
            .header("content-type", "application/json")
            .header("x-mbolo-cell", key)
            .header("x-mbolo-signature", &batch.signature)
            .send(&batch.body[..]);
        match answer {
            Ok(answer) => match answer.status().as_u16() {
                200..=299 => Sent::Taken,
                status @ (408 | 429 | 500..=599) => Sent::NotNow(format!("it answered {status}")),
                status => Sent::Refused(format!("it answered {status}")),
            },
            Err(error) => Sent::NotNow(error.to_string()),
        }
    }
}

fn agent(tls: bool) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("mbolo/", env!("CARGO_PKG_VERSION")));
    if !tls {
        return config.build().new_agent();
    }
    let authorities = rustls_native_certs::load_native_certs().certs;
    let authorities: Vec<_> =
        authorities.iter().map(|authority| Certificate::from_der(authority.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&authorities))
        .build();
    config.tls_config(tls).build().new_agent()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc::{Receiver, channel};

    use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
    use mbolo_pulse::model::{Asn, Country};

    use super::*;

    /// An observatory that answers each request with the next of `statuses` and passes on what it got.
    fn observatory(statuses: Vec<u16>) -> (SocketAddr, Receiver<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, requests) = channel();
        std::thread::spawn(move || {
            for status in statuses {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
                let (head, body) = loop {
                    let read = stream.read(&mut buffer).unwrap();
                    bytes.extend_from_slice(&buffer[..read]);
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    if bytes.len() == end + 4 + length.parse::<usize>().unwrap() {
                        break (head, bytes[end + 4..].to_vec());
                    }
                };
                got.send((head, body)).unwrap();
                write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        (address, requests)
    }

    fn outbox(address: SocketAddr) -> Outbox {
        Outbox::new(Target {
            url: format!("http://{address}"),
            cell_name: "cell.example".to_owned(),
            key: SigningKey::from_bytes(&[7; 32]),
        })
    }

    fn rows() -> Vec<Row> {
        vec![Row { cc: Country::new("GA").unwrap(), asn: Asn(16_058), sockets: 12, heartbeats: 9 }]
    }

    fn header(head: &str, name: &str) -> String {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned()
    }

    #[test]
    fn the_observatory_can_check_who_counted() {
        let (address, requests) = observatory(vec![204]);
        let (mut outbox, metrics) = (outbox(address), PulseMetrics::default());
        outbox.put(29_000_000, &rows(), &metrics);
        outbox.send(&metrics);
        let (head, body) = requests.recv().unwrap();
        assert!(head.starts_with("post /v1/gauge "), "{head}");
        let key: [u8; 32] =
            HEXLOWER.decode(header(&head, "x-mbolo-cell").as_bytes()).unwrap().try_into().unwrap();
        let signature = HEXLOWER.decode(header(&head, "x-mbolo-signature").as_bytes()).unwrap();
        let key = VerifyingKey::from_bytes(&key).unwrap();
        key.verify_strict(&body, &Signature::from_slice(&signature).unwrap()).unwrap();
        let text: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&text["cell"], &text["minute"]), (&"cell.example".into(), &29_000_000.into()));
        assert_eq!(
            text["rows"],
            serde_json::json!([{"cc": "GA", "asn": 16058, "sockets": 12, "heartbeats": 9}])
        );
        assert_eq!((metrics.batches.load(Relaxed), metrics.failures.load(Relaxed)), (1, 0));
    }

    #[test]
    fn what_was_not_taken_is_sent_again_in_order_and_under_the_same_number() {
        let (address, requests) = observatory(vec![503, 200, 200]);
        let (mut outbox, metrics) = (outbox(address), PulseMetrics::default());
        outbox.put(1, &rows(), &metrics);
        outbox.send(&metrics);
        outbox.put(2, &rows(), &metrics);
        outbox.send(&metrics);
        let bodies: Vec<Vec<u8>> = requests.iter().take(3).map(|(_, body)| body).collect();
        assert_eq!(bodies[0], bodies[1]);
        assert!(String::from_utf8_lossy(&bodies[2]).contains("\"minute\":2"));
        assert_eq!((metrics.batches.load(Relaxed), metrics.failures.load(Relaxed)), (2, 1));
    }

    #[test]
    fn what_is_refused_for_good_does_not_hold_up_the_rest() {
        let (address, requests) = observatory(vec![403, 200]);
        let (mut outbox, metrics) = (outbox(address), PulseMetrics::default());
        outbox.put(1, &rows(), &metrics);
        outbox.put(2, &rows(), &metrics);
        outbox.send(&metrics);
        assert_eq!(requests.iter().take(2).count(), 2);
        assert_eq!((metrics.batches.load(Relaxed), metrics.dropped.load(Relaxed)), (1, 1));
    }

    #[test]
    fn an_observatory_that_is_gone_for_long_costs_bounded_memory() {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut outbox, metrics) = (outbox(unused), PulseMetrics::default());
        for minute in 0..100 {
            outbox.put(minute, &rows(), &metrics);
        }
        outbox.send(&metrics);
        assert_eq!((outbox.waiting.len(), metrics.dropped.load(Relaxed)), (MAX_WAITING, 40));
        assert_eq!(metrics.failures.load(Relaxed), 1);
    }
}

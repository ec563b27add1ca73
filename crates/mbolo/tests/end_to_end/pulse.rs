//! The observatory from outside: a past day is played through the live page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::people::Person;
use crate::support::{PATIENCE, Server, mbolo};

#[test]
fn the_day_is_played_through_the_live_page_and_its_feeds() {
    let day = Observatory::start(&["demo", "--minute-ms", "60", "--only", "wa-2023-07-19"]);
    let over = day.until("/v1/incidents", |said| said["incidents"][0]["state"] == "resolved");
    let incident = &over["incidents"][0];
    let states: Vec<_> = incident["updates"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|update| update["state"].as_str())
        .collect();
    let first = |state: &str| states.iter().position(|one| *one == state);
    assert!(first("suspected") < first("confirmed") && first("confirmed") < first("resolved"), "{states:?}");
    assert_eq!(
        (incident["kind"].as_str(), incident["scope"]["level"].as_str()),
        (Some("service"), Some("world"))
    );
    let minutes = |name: &str| incident[name].as_u64().unwrap();
    let (began, confirmed) = (minutes("started_at"), minutes("confirmed_at"));
    assert!(confirmed - began <= 5 && confirmed < minutes("acknowledged_at"), "{incident}");
    let page = day.get("/service/whatsapp").unwrap();
    assert!(page.contains("reconstruction") && page.len() < 100_000);
    let feed = day.get("/feeds/atom.xml").unwrap();
    assert!(feed.contains("<entry>") && feed.contains("WhatsApp"));
    let summary: Value = serde_json::from_str(&day.get("/api/v2/incidents.json").unwrap()).unwrap();
    assert_eq!(summary["incidents"][0]["status"], "resolved");
}

#[test]
fn a_person_reports_from_a_terminal_with_work_or_with_the_signature_of_their_device() {
    let server = Server::start();
    let awa = Person::sign_up(&server, "awa");
    let nobody = Person::without_account(&server.url, "nobody");
    let data = tempfile::tempdir().unwrap();
    let pulse = Observatory::start(&["serve", "--data", &data.path().display().to_string()]);
    let at = ["--observatory", &pulse.url()];
    let report = |who: &Person, args: &[&str]| who.run(&[&["pulse", "report"], args, &at].concat());

    assert!(report(&awa, &["whatsapp", "send", "--sign"]).ok().starts_with("Counted."));
    pulse.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
    assert!(report(&awa, &["whatsapp", "calls", "--sign"]).ok().contains("counts once"));
    assert!(report(&nobody, &["signal", "receive"]).ok().starts_with("Counted."));
    pulse.until("/v1/services/signal", |said| said["service"]["reports_1h"] == 1);

    assert!(report(&nobody, &["telegram", "send", "--sign"]).refused(6).contains("no account"));
    assert!(report(&awa, &["nosuch", "send"]).refused(3).contains("not watched"));
    assert!(report(&awa, &["youtube", "send"]).refused(3).contains("cannot be reported"));
    report(&awa, &["whatsapp", "sending"]).refused(2);
    let elsewhere = |url: &str| awa.run(&["pulse", "report", "signal", "send", "--observatory", url]);
    elsewhere("http://127.0.0.1:1").refused(4);
    elsewhere(&server.url).refused(5);
    elsewhere("nowhere").refused(2);
}

/// A process that serves a page on a port of its own.
pub struct Observatory {
    process: Child,
    address: SocketAddr,
}

impl Observatory {
    pub fn start(args: &[&str]) -> Self {
        // Free when asked; nobody else takes it in the moment between.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = mbolo();
        command.arg("pulse").args(args).args(["--listen", &address.to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Self { process, address };
        started.until("/v1/services", |said| said["services"].is_array());
        started
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first document at `path` of which it holds.
    pub fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).and_then(|body| serde_json::from_str(&body).ok());
            if let Some(said) = answer.filter(|said| holds(said)) {
                return said;
            }
            assert!(Instant::now() < end, "{path} never said so");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The body, if the answer is 200.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }
}

impl Drop for Observatory {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

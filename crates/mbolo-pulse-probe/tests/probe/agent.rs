//! An agent with its anchors, its targets and a collector, all on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use mbolo_pulse_probe::agent::{AGENT_HEADER, Batch, SIGNATURE_HEADER, is_signed};
use mbolo_pulse_probe::{Agent, AgentConfig, Phase, run_agent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::servers;

/// A request that the collector got.
struct Received {
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name));
        found.unwrap().1
    }

    fn batch(&self) -> Batch {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A collector that answers with `status`.
async fn collector(status: Arc<AtomicU16>) -> (SocketAddr, mpsc::UnboundedReceiver<Received>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = servers::serve(move |mut stream| {
        let (sender, status) = (sender.clone(), status.clone());
        async move {
            let head = servers::read_head(&mut stream).await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            let _ = sender.send(Received { head, body });
            let status = status.load(Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (address, receiver)
}

/// A configuration whose certificates do not depend on the machine.
fn config(folder: &Path, collector: SocketAddr, anchors: &[SocketAddr], targets: &[String]) -> AgentConfig {
    std::fs::write(folder.join("root.pem"), servers::identity(&["anchor.example"], false).pem).unwrap();
    let mut text = format!(
        "name = 'test'\ncollector = 'http://{collector}'\nkey_file = 'agent.key'\nqueue_dir = 'queue'\n\
         interval_s = 10\ntrust = ['root.pem']\n[timeouts]\ntcp_ms = 500\nhttp_ms = 500\n"
    );
    for (anchor, asn) in anchors.iter().zip(64500..) {
        text += &format!("[[anchor]]\nurl = 'tcp://{anchor}'\nasn = {asn}\n");
    }
    for target in targets {
        text += &format!("[[target]]\nservice = 'bank'\nurl = '{target}'\n");
    }
    let file = folder.join("agent.toml");
    std::fs::write(&file, text).unwrap();
    AgentConfig::load(&file).unwrap()
}

async fn three_anchors() -> [SocketAddr; 3] {
    [servers::silent().await, servers::silent().await, servers::silent().await]
}

fn accepting() -> Arc<AtomicU16> {
    Arc::new(AtomicU16::new(202))
}

#[tokio::test]
async fn a_round_is_measured_signed_and_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let (address, mut received) = collector(accepting()).await;
    let works = format!("http://{}/", servers::http("HTTP/1.1 204 No Content\r\n\r\n").await);
    let refuses = format!("tcp://{}", servers::nobody().await);
    let targets = [works.clone(), refuses.clone()];
    let mut agent = Agent::new(config(folder.path(), address, &three_anchors().await, &targets)).unwrap();
    agent.round().await;
    agent.send().await;
    agent.send().await;
    assert_eq!(agent.waiting(), 0);

    let request = received.recv().await.unwrap();
    assert!(received.try_recv().is_err(), "what was taken is not sent again");
    assert!(request.head.starts_with("POST /v1/agent/results HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header(AGENT_HEADER), agent.public_key());
    assert!(is_signed(request.header(AGENT_HEADER), request.header(SIGNATURE_HEADER), &request.body));
    let mut bent = request.body.clone();
    bent[10] ^= 1;
    assert!(!is_signed(request.header(AGENT_HEADER), request.header(SIGNATURE_HEADER), &bent));

    let batch = request.batch();
    assert_eq!((batch.agent.as_str(), batch.abstained, batch.batch.len()), ("test", false, 32));
    let results: Vec<_> =
        batch.results.iter().map(|one| (one.target.as_str(), one.ok, one.failed_phase)).collect();
    assert_eq!(results, [(works.as_str(), true, None), (refuses.as_str(), false, Some(Phase::Tcp))]);
    let raw: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(raw["results"][1]["failed_phase"], "tcp");
    assert!(raw["minute"].as_u64().unwrap() > 28_000_000, "minutes since 1970");
}

#[tokio::test]
async fn an_agent_that_cannot_reach_its_anchors_abstains_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (address, mut received) = collector(accepting()).await;
    let anchors = [servers::silent().await, servers::nobody().await, servers::nobody().await];
    let target = format!("tcp://{}", servers::nobody().await);
    let mut agent = Agent::new(config(folder.path(), address, &anchors, &[target])).unwrap();
    agent.round().await;
    agent.send().await;
    let batch = received.recv().await.unwrap().batch();
    assert!(batch.abstained);
    assert!(batch.results.is_empty(), "it says nothing of others");
    assert_eq!(agent.verdicts().count(), 0, "and believes nothing of them");
}

#[tokio::test]
async fn one_anchor_that_fails_does_not_silence_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    let (address, _received) = collector(accepting()).await;
    let anchors = [servers::silent().await, servers::silent().await, servers::nobody().await];
    let target = format!("tcp://{}", servers::nobody().await);
    let mut agent = Agent::new(config(folder.path(), address, &anchors, &[target])).unwrap();
    let batch = agent.round().await;
    assert!(!batch.abstained);
    assert_eq!(batch.results.len(), 1);
}

/// Takes one connection, then nobody listens any more.
async fn once() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let _ = listener.accept().await;
    });
    address
}

#[tokio::test]
async fn a_link_that_breaks_during_the_round_makes_it_abstain() {
    let folder = tempfile::tempdir().unwrap();
    let (address, _received) = collector(accepting()).await;
    let anchors = [once().await, once().await, once().await];
    let target = format!("tcp://{}", servers::nobody().await);
    let mut agent = Agent::new(config(folder.path(), address, &anchors, &[target])).unwrap();
    assert!(agent.round().await.abstained);
}

#[tokio::test]
async fn while_the_collector_is_away_batches_wait_and_are_sent_unchanged_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let status = Arc::new(AtomicU16::new(503));
    let (address, mut received) = collector(status.clone()).await;
    let target = format!("tcp://{}", servers::silent().await);
    let config = config(folder.path(), address, &three_anchors().await, &[target]);
    let mut agent = Agent::new(config.clone()).unwrap();
    let key = agent.public_key();
    let first = agent.round().await;
    agent.send().await;
    let tried = received.recv().await.unwrap();
    let second = agent.round().await;
    assert_eq!(agent.waiting(), 2);
    drop(agent);

    let mut agent = Agent::new(config).unwrap();
    assert_eq!(agent.public_key(), key, "the key stays");
    assert_eq!(agent.waiting(), 2);
    status.store(202, Ordering::SeqCst);
    agent.send().await;
    assert_eq!(agent.waiting(), 0);
    let (again, next) = (received.recv().await.unwrap(), received.recv().await.unwrap());
    assert_eq!(again.body, tried.body, "the same bytes, so the collector can tell");
    assert_eq!([again.batch().batch, next.batch().batch], [first.batch.clone(), second.batch.clone()]);
    assert_ne!(first.batch, second.batch);
}

#[tokio::test]
async fn a_batch_that_will_never_be_taken_does_not_stop_the_others() {
    for (status, waiting) in [(400, 0), (409, 0), (403, 2), (429, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let (address, _received) = collector(Arc::new(AtomicU16::new(status))).await;
        let target = format!("tcp://{}", servers::silent().await);
        let mut agent =
            Agent::new(config(folder.path(), address, &three_anchors().await, &[target])).unwrap();
        agent.round().await;
        agent.round().await;
        agent.send().await;
        assert_eq!(agent.waiting(), waiting, "{status}");
    }
}

#[tokio::test]
async fn an_agent_runs_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (address, mut received) = collector(accepting()).await;
    let target = format!("tcp://{}", servers::silent().await);
    let config = config(folder.path(), address, &three_anchors().await, &[target]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(run_agent(config, async {
        let _ = stopped.await;
    }));
    assert!(!received.recv().await.unwrap().batch().abstained);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[test]
fn a_configuration_that_makes_no_sense_says_what_to_change() {
    let anchors = |count: u32, asn: u32| -> String {
        (0..count)
            .map(|i| format!("[[anchor]]\nurl = 'tcp://a{i}.example:443'\nasn = {}\n", 64500 + i * asn))
            .collect()
    };
    let head = "name = 'a'\ncollector = 'https://c.example'\nkey_file = 'k'\n";
    let target = "[[target]]\nservice = 's'\nurl = 'https://s.example/'\n";
    let good = format!("{head}{}{target}", anchors(3, 1));
    assert!(AgentConfig::parse(&good).is_ok());
    for (text, reason) in [
        (format!("{head}{}{target}", anchors(2, 1)), "at least 3 different networks"),
        (format!("{head}{}{target}", anchors(5, 0)), "at least 3 different networks"),
        (format!("{head}{}", anchors(3, 1)), "nothing to measure"),
        (format!("{head}{}{target}{target}", anchors(3, 1)), "twice"),
        (format!("interval_s = 1\n{good}"), "interval_s"),
        (format!("concurrency = 0\n{good}"), "concurrency"),
        (format!("recipes = ['telegraph']\n{good}"), "telegraph"),
        (good.replace("https://c.example", "tcp://c.example:1"), "collector"),
        (format!("colour = 'red'\n{good}"), "colour"),
    ] {
        let refused = AgentConfig::parse(&text).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn the_key_is_made_once_for_its_owner_only_and_a_damaged_one_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let config = config(folder.path(), nowhere, &[nowhere; 3], &["tcp://127.0.0.1:1".into()]);
    Agent::new(config.clone()).unwrap();
    let file = folder.path().join("agent.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::write(&file, "nonsense").unwrap();
    assert!(Agent::new(config).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "nonsense");
}

//! Starting, stopping in order, and being killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mbolo_proto::wire::{self, client_frame, server_frame};
use mbolo_server::{ServeError, Server, Shutdown, Tls};
use prost::Message;

use crate::client::{Client, Device, masked};
use crate::{ASSETS, Running, config};

const CHILD_DATA: &str = "MBOLO_TEST_CHILD_DATA";

/// Not a test: the server that the tests below run as a process of its own.
#[test]
#[ignore = "run by other tests"]
fn child_server() {
    let data = std::env::var(CHILD_DATA).expect("other tests run this one");
    mbolo_server::run(config(Path::new(&data)), ASSETS, Shutdown::on_signals().unwrap()).unwrap();
}

struct ChildServer {
    process: Child,
    address: SocketAddr,
}

impl ChildServer {
    fn start(data: &Path) -> Self {
        Self::start_with(data, "exec \"$0\" \"$@\"")
    }

    /// Starts it by a shell script that ends in executing its arguments.
    fn start_with(data: &Path, script: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap())
            .args(["lifecycle::child_server", "--exact", "--ignored", "--nocapture"])
            .env(CHILD_DATA, data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let greeting = lines.find(|line| line.contains("listening on http://")).unwrap();
        // It says more at its end, and would fail if nobody took that.
        std::thread::spawn(move || lines.count());
        let address = greeting.split("http://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();
        Self { process, address }
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut child = ChildServer::start(data.path());
    let people: Vec<Device> = (1..20).map(Device::new).collect();
    let mut sessions: Vec<Client> =
        people.iter().map(|person| person.sign_up(Client::connect(child.address))).collect();
    child.process.kill().unwrap();
    assert_eq!(child.process.wait().unwrap().signal(), Some(9));
    assert!(sessions.iter_mut().all(|session| session.next_frame().is_none()));

    let child = ChildServer::start(data.path());
    for person in &people {
        let mut session = person.log_in(Client::connect(child.address));
        let ask = wire::ResolveHandle { handle: person.handle.clone() };
        session.send(5, client_frame::Body::ResolveHandle(ask));
        let Some(server_frame::Body::Account(found)) = session.next().body else { panic!("not found") };
        assert_eq!(found.account_id, person.account().to_bytes());
    }
}

#[test]
fn a_signal_ends_the_server_in_order_and_everybody_is_told() {
    let data = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let mut child = ChildServer::start(data.path());
        let (mut stranger, _) = Client::session(child.address);
        child.signal(signal);
        let (messages, code) = stranger.until_close();
        assert!(
            matches!(
                messages.last().and_then(|last| last.body.as_ref()),
                Some(server_frame::Body::GoingAway(_))
            ),
            "{messages:?}"
        );
        assert_eq!(code, Some(1001));
        drop(stranger);
        assert_eq!(child.process.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_server_that_had_no_descriptor_left_serves_again_when_it_has() {
    let data = tempfile::tempdir().unwrap();
    let child = ChildServer::start_with(data.path(), "ulimit -n 100; exec \"$0\" \"$@\"");
    // The system completes these connections for the server, which cannot take all of them.
    let crowd: Vec<Client> = (0..200).map(|_| Client::connect(child.address)).collect();
    drop(crowd);
    let mut client = Client::connect(child.address);
    client.write(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
    let page = String::from_utf8(client.rest()).unwrap();
    let failures = page.lines().find_map(|line| line.strip_prefix("mbolo_accept_errors_total ")).unwrap();
    let failures: u64 = failures.parse().unwrap();
    assert!((1..100).contains(&failures), "it tried now and then, and not all the time: {failures}");
}

#[test]
fn requests_that_were_received_before_the_stop_are_answered_though_load_goes_on() {
    const REQUESTS: u64 = 400;
    let mut running = Running::start();
    let mut session = Device::new(1).sign_up(Client::connect(running.address()));
    let crowd: Vec<Client> =
        (2..=5).map(|number| Device::new(number).sign_up(Client::connect(running.address()))).collect();
    let received_before = frames_received(running.address());
    // Each is written to the disk, so that the core falls behind.
    for id in 1..=REQUESTS {
        let handle = format!("ana{id}");
        session.send(id, client_frame::Body::SetHandle(wire::SetHandle { handle }));
    }
    while frames_received(running.address()) < received_before + REQUESTS {}
    let begun = std::sync::Arc::new(std::sync::Barrier::new(crowd.len() + 1));
    let crowd: Vec<_> = crowd
        .into_iter()
        .map(|mut client| {
            let begun = begun.clone();
            let body = Some(client_frame::Body::Credit(wire::Credit { bytes: 1 }));
            let frame = wire::ClientFrame { request_id: 0, body }.encode_to_vec();
            let portion = masked(0x82, &frame).repeat(1_000);
            std::thread::spawn(move || {
                let _ = client.try_write(&portion);
                begun.wait();
                while client.try_write(&portion).is_ok() {}
            })
        })
        .collect();
    begun.wait();
    running.stop();
    for client in crowd {
        client.join().unwrap();
    }
    let (messages, code) = session.until_close();
    let answered: Vec<u64> = messages.iter().map(|message| message.request_id).collect();
    let expected: Vec<u64> = (1..=REQUESTS).chain([0]).collect();
    assert_eq!(answered, expected, "every answer, then the farewell");
    assert_eq!(code, Some(1001));
}

/// What the metrics say about frames that came in and were handed on.
fn frames_received(address: SocketAddr) -> u64 {
    let mut client = Client::connect(address);
    client.write(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
    let page = String::from_utf8(client.rest()).unwrap();
    let count = page.lines().find_map(|line| line.strip_prefix("mbolo_frames_received_total "));
    count.unwrap().parse().unwrap()
}

#[test]
fn a_port_in_use_is_named() {
    let running = Running::start();
    let data = tempfile::tempdir().unwrap();
    let mut second = config(data.path());
    second.listen = running.address();
    let error = Server::start(&second, ASSETS, &Shutdown::new()).unwrap_err();
    assert!(matches!(error, ServeError::AddressInUse(address) if address == running.address()), "{error}");
    assert!(error.to_string().contains("--listen"), "{error}");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let running = Running::start();
    let error = Server::start(&config(running.data.path()), ASSETS, &Shutdown::new()).unwrap_err();
    assert!(matches!(error, ServeError::DataInUse(_)), "{error}");
    Device::new(1).sign_up(Client::connect(running.address()));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = Server::start(&config(&file.join("data")), ASSETS, &Shutdown::new()).unwrap_err();
    assert!(error.to_string().contains("a-file"), "{error}");
    assert!(matches!(error, ServeError::DataUnusable { .. }), "{error}");
}

#[test]
fn a_missing_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.tls = Tls::Files;
    config.tls_cert = Some(dir.path().join("missing.pem"));
    config.tls_key = config.tls_cert.clone();
    let error = Server::start(&config, ASSETS, &Shutdown::new()).unwrap_err();
    assert!(error.to_string().contains("missing.pem"), "{error}");
    assert!(matches!(error, ServeError::Certificate(_)), "{error}");
}

#[test]
fn a_server_that_stopped_starts_again_on_the_same_directory() {
    let mut running = Running::start();
    let ana = Device::new(1);
    drop(ana.sign_up(Client::connect(running.address())));
    running.stop();
    let again = Server::start(&config(running.data.path()), ASSETS, &Shutdown::new()).unwrap();
    drop(ana.log_in(Client::connect(again.address())));
    again.stop().unwrap();
}

//! Each broken server makes exactly its own phase fail.

use std::net::SocketAddr;

use mbolo_pulse::model::ServiceId;
use mbolo_pulse_probe::{Class, Outcome, Phase, Prober, Resolver, Roots, StatusRule, Target, Timeouts};
use tokio_tungstenite::tungstenite::Message;

use crate::servers::{self, identity};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const SHORT_MS: u32 = 400;

pub fn target(url: &str) -> Target {
    Target::new(ServiceId::new("example").unwrap(), url).unwrap()
}

/// Phases are short, except where a test wants to see that they are not what ended it.
pub fn prober(resolver: Resolver, roots: Roots) -> Prober {
    let timeouts = Timeouts {
        dns_ms: SHORT_MS,
        tcp_ms: SHORT_MS,
        tls_ms: SHORT_MS,
        http_ms: SHORT_MS,
        websocket_ms: SHORT_MS,
        session_ms: SHORT_MS,
    };
    Prober::new(resolver, roots, timeouts)
}

async fn measure(target: &Target) -> Outcome {
    prober(Resolver::System, Roots::only([])).measure(target).await
}

fn assert_fails(outcome: &Outcome, phase: Phase, class: Class) {
    assert!(!outcome.ok);
    assert_eq!(outcome.failed_phase, Some(phase), "{outcome:?}");
    assert_eq!(outcome.failure.as_ref().map(|failure| failure.class), Some(class), "{outcome:?}");
    assert_eq!(outcome.steps.last().map(|step| step.phase), Some(phase), "nothing after the failure");
}

fn assert_works(outcome: &Outcome, phases: &[Phase]) {
    assert!(outcome.ok, "{outcome:?}");
    assert_eq!((outcome.failed_phase, &outcome.failure), (None, &None));
    assert_eq!(outcome.phases.keys().copied().collect::<Vec<_>>(), phases);
}

async fn http(address: SocketAddr, change: impl FnOnce(&mut Target)) -> Outcome {
    let mut target = target(&format!("http://{address}/status?x=1"));
    change(&mut target);
    measure(&target).await
}

#[tokio::test]
async fn an_open_port_is_enough_for_tcp() {
    let outcome = measure(&target(&format!("tcp://{}", servers::silent().await))).await;
    assert_works(&outcome, &[Phase::Tcp]);
    assert_eq!(outcome.connects.len(), 1);
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_refuses() {
    let outcome = measure(&target(&format!("http://{}/", servers::nobody().await))).await;
    assert_fails(&outcome, Phase::Tcp, Class::Refused);
    assert_eq!(outcome.connects[0].failure, Some(Class::Refused));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_port_that_does_not_answer_times_out_in_tcp() {
    let (address, _held) = servers::full().await;
    let outcome = measure(&target(&format!("tcp://{address}"))).await;
    assert_fails(&outcome, Phase::Tcp, Class::Timeout);
    assert!(outcome.took_ms >= SHORT_MS, "{}", outcome.took_ms);
    assert_eq!(outcome.connects[0].failure, Some(Class::Timeout));
}

#[tokio::test]
async fn an_http_answer_is_held_against_what_is_expected() {
    let address = servers::http(OK).await;
    let outcome = http(address, |target| target.contains = Some("hell".into())).await;
    assert_works(&outcome, &[Phase::Tcp, Phase::Http]);
    assert_eq!(outcome.status, Some(200));
    let outcome = http(address, |target| target.contains = Some("heaven".into())).await;
    assert_fails(&outcome, Phase::Http, Class::HttpBody);
    let outcome = http(address, |target| target.status = StatusRule::OneOf([204].into())).await;
    assert_fails(&outcome, Phase::Http, Class::HttpStatus);
}

#[tokio::test]
async fn a_503_fails_in_http_unless_any_answer_is_enough() {
    let address = servers::http("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    let outcome = http(address, |_| {}).await;
    assert_fails(&outcome, Phase::Http, Class::HttpStatus);
    assert_eq!(outcome.status, Some(503));
    let outcome = http(address, |target| target.status = StatusRule::Any).await;
    assert_works(&outcome, &[Phase::Tcp, Phase::Http]);
}

#[tokio::test]
async fn a_redirect_must_lead_where_it_should() {
    let address =
        servers::http("HTTP/1.1 302 Found\r\nlocation: https://there.example/\r\ncontent-length: 0\r\n\r\n")
            .await;
    let there = http(address, |target| target.redirects_to = Some("https://there.example".into())).await;
    assert_works(&there, &[Phase::Tcp, Phase::Http]);
    let elsewhere =
        http(address, |target| target.redirects_to = Some("https://elsewhere.example".into())).await;
    assert_fails(&elsewhere, Phase::Http, Class::HttpRedirect);
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_in_the_phase_that_waits_for_it() {
    let address = servers::silent().await;
    for (scheme, phase) in [
        ("http", Phase::Http),
        ("https", Phase::Tls),
        ("tls", Phase::Tls),
        ("ws", Phase::WebSocket),
        ("wss", Phase::Tls),
        ("mbolo", Phase::WebSocket),
    ] {
        let outcome = measure(&target(&format!("{scheme}://{address}"))).await;
        assert_fails(&outcome, phase, Class::Timeout);
        assert!(outcome.phases[&phase] >= SHORT_MS, "{scheme}: {:?}", outcome.phases);
    }
}

#[tokio::test]
async fn a_body_that_never_ends_times_out_only_for_those_who_read_it() {
    let address = servers::http("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await;
    assert_works(&http(address, |_| {}).await, &[Phase::Tcp, Phase::Http]);
    let outcome = http(address, |target| target.contains = Some("world".into())).await;
    assert_fails(&outcome, Phase::Http, Class::Timeout);
}

#[tokio::test]
async fn a_server_that_closes_or_speaks_something_else_fails_in_http() {
    let outcome = measure(&target(&format!("http://{}/", servers::closing().await))).await;
    assert_eq!(outcome.failed_phase, Some(Phase::Http));
    let class = outcome.failure.unwrap().class;
    assert!(matches!(class, Class::Closed | Class::Reset), "{class:?}");
    let outcome =
        measure(&target(&format!("http://{}/", servers::http("220 mail.example ESMTP\r\n").await))).await;
    assert_fails(&outcome, Phase::Http, Class::Protocol);
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_told_apart() {
    let good = identity(&["127.0.0.1"], false);
    let other_name = identity(&["other.example"], false);
    let expired = identity(&["127.0.0.1"], true);
    let unknown = identity(&["127.0.0.1"], false);
    let roots = Roots::only([&good, &other_name, &expired].map(|identity| identity.certificate.clone()));
    let prober = prober(Resolver::System, roots);

    let outcome = prober.measure(&target(&format!("https://{}/", servers::https(&good, OK).await))).await;
    assert_works(&outcome, &[Phase::Tcp, Phase::Tls, Phase::Http]);
    for (identity, class) in [
        (other_name, Class::CertificateName),
        (expired, Class::CertificateExpired),
        (unknown, Class::CertificateUnknownIssuer),
    ] {
        let address = servers::https(&identity, OK).await;
        for scheme in ["https", "tls", "wss"] {
            let outcome = prober.measure(&target(&format!("{scheme}://{address}/"))).await;
            assert_fails(&outcome, Phase::Tls, class);
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_fails_in_tls_and_not_by_its_certificate() {
    let address = servers::serve(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(OK.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = measure(&target(&format!("https://{address}/"))).await;
    assert_fails(&outcome, Phase::Tls, Class::TlsHandshake);
}

#[tokio::test]
async fn a_web_socket_opens_and_answers_a_ping() {
    use mbolo_pulse_probe::Check;
    let mut target = target(&format!("ws://{}/any", servers::echo().await));
    assert_works(&measure(&target).await, &[Phase::Tcp, Phase::WebSocket]);
    target.check = Check::WebSocket { tls: false, ping: true };
    assert_works(&measure(&target).await, &[Phase::Tcp, Phase::WebSocket]);
}

#[tokio::test]
async fn a_web_server_that_knows_no_web_sockets_fails_in_that_phase_with_its_status() {
    let outcome = measure(&target(&format!("ws://{}/", servers::http(OK).await))).await;
    assert_fails(&outcome, Phase::WebSocket, Class::HttpStatus);
    assert_eq!(outcome.status, Some(200));
}

#[tokio::test]
async fn a_cell_is_there_when_its_challenge_comes() {
    let cell = servers::says(Some(Message::Binary(servers::challenge()))).await;
    let outcome = measure(&target(&format!("mbolo://{cell}"))).await;
    assert_works(&outcome, &[Phase::Tcp, Phase::WebSocket, Phase::Session]);
}

#[tokio::test]
async fn what_is_not_a_cell_or_does_not_let_anybody_in_fails_in_the_session() {
    for (first, class) in [
        (Some(Message::Binary(servers::going_away())), Class::TurnedAway),
        (Some(Message::text("hello")), Class::Protocol),
        (Some(Message::binary(vec![0xff; 30])), Class::Protocol),
        (Some(Message::binary(Vec::new())), Class::Protocol),
        (Some(Message::Close(None)), Class::Closed),
        (None, Class::Timeout),
    ] {
        let address = servers::says(first.clone()).await;
        let outcome = measure(&target(&format!("mbolo://{address}"))).await;
        assert_eq!(outcome.failure.as_ref().map(|failure| failure.class), Some(class), "{first:?}");
        assert_fails(&outcome, Phase::Session, class);
    }
}

#[tokio::test]
async fn many_targets_keep_their_order_and_do_not_wait_for_each_other() {
    let (silent, open) = (servers::silent().await, servers::http(OK).await);
    let targets: Vec<Target> =
        (0..20).map(|i| target(&format!("http://{}/{i}", if i % 2 == 0 { silent } else { open }))).collect();
    let started = std::time::Instant::now();
    let outcomes = prober(Resolver::System, Roots::only([])).measure_all(&targets, 10).await;
    let took = started.elapsed().as_millis();
    for (i, (outcome, target)) in outcomes.iter().zip(&targets).enumerate() {
        assert_eq!(outcome.target, target.text);
        assert_eq!(outcome.ok, i % 2 == 1, "{outcome:?}");
    }
    assert!(took < 10 * u128::from(SHORT_MS), "ten timeouts, one after the other: {took} ms");
}

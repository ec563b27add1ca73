//! Sessions: those that keep the rules, and those that do not.

use mbolo_proto::limits::MAX_FRAME_BYTES;
use mbolo_proto::wire::{self, ErrorCode, client_frame, server_frame};
use mbolo_server::{Config, Patience, Tls};

use crate::Running;
use crate::client::{Client, Device, Frame, UPGRADE, masked};

fn error_code(frame: &wire::ServerFrame) -> Option<ErrorCode> {
    match &frame.body {
        Some(server_frame::Body::Error(error)) => Some(error.code()),
        _ => None,
    }
}

fn ping(client: &mut Client, request_id: u64) {
    client.send(request_id, client_frame::Body::Ping(wire::Ping {}));
    let answer = client.next();
    assert_eq!(answer.request_id, request_id);
    assert!(matches!(answer.body, Some(server_frame::Body::Pong(_))), "{answer:?}");
}

#[test]
fn somebody_signs_up_and_logs_in_again_later() {
    let running = Running::start();
    let ana = Device::new(1);
    drop(ana.sign_up(Client::connect(running.address())));
    let mut client = ana.log_in(Client::connect(running.address()));
    ping(&mut client, 7);
}

#[test]
fn somebody_signs_up_over_tls() {
    let running = Running::start_with(|config| config.tls = Tls::Generated, Patience::default());
    let mut client = Device::new(1).sign_up(Client::connect_tls(running.address()));
    for request in 10..200 {
        ping(&mut client, request);
    }
    let page = Client::connect_tls(running.address()).request("GET / HTTP/1.1\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
}

#[test]
fn tls_records_may_come_in_any_pieces() {
    let running = Running::start_with(|config| config.tls = Tls::Generated, Patience::default());
    let mut client = Device::new(1).sign_up(Client::connect_tls(running.address()));
    // A commit to a room that nobody has, of 3 MiB: far larger than any buffer on the way.
    let (room_id, bundle) = (vec![7; 32].into(), vec![0; 3 * 1024 * 1024].into());
    client.send(9, client_frame::Body::SubmitCommit(wire::SubmitCommit { room_id, epoch: 0, bundle }));
    assert_eq!(client.next().request_id, 9);
}

#[test]
fn plain_http_on_a_tls_port_is_told_so() {
    let running = Running::start_with(|config| config.tls = Tls::Generated, Patience::default());
    let mut client = Client::connect(running.address());
    let head = client.request("GET / HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(String::from_utf8(client.rest()).unwrap().contains("https://"));
}

#[test]
fn garbage_instead_of_tls_ends_that_connection_only() {
    let running = Running::start_with(|config| config.tls = Tls::Generated, Patience::default());
    let mut client = Client::connect(running.address());
    client.write(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8]);
    client.rest();
    // The beginning of a ClientHello, whose rest is something else.
    let mut client = Client::connect(running.address());
    client.write(&[0x16, 3, 1, 0, 4, 1, 0, 9, 9]);
    client.write(&[0x17, 3, 1, 0, 4, 1, 0, 9, 9]);
    client.rest();
    Device::new(1).sign_up(Client::connect_tls(running.address()));
}

#[test]
fn a_frame_may_come_byte_by_byte_and_many_frames_at_once() {
    let running = Running::start();
    let mut client = Device::new(1).sign_up(Client::connect(running.address()));
    for byte in masked(0x82, &[8, 5, 34, 0]) {
        client.write(&[byte]);
    }
    assert_eq!(client.next().request_id, 5);
    let many: Vec<u8> = (10..110).flat_map(|id| masked(0x82, &[8, id, 34, 0])).collect();
    client.write(&many);
    for id in 10..110 {
        assert_eq!(client.next().request_id, id);
    }
}

#[test]
fn a_message_in_fragments_is_one_message() {
    let running = Running::start();
    let mut client = Device::new(1).sign_up(Client::connect(running.address()));
    client.frame(0x02, &[8, 5]);
    client.frame(0x89, b"between");
    client.frame(0x80, &[34, 0]);
    assert_eq!(client.next_frame(), Some(Frame::Pong(b"between".to_vec())));
    assert_eq!(client.next().request_id, 5);
}

#[test]
fn a_frame_that_does_not_decode_is_answered_and_the_session_closed() {
    let running = Running::start();
    let (mut client, _) = Client::session(running.address());
    client.frame(0x82, &[0xFF; 40]);
    let (messages, code) = client.until_close();
    assert_eq!(messages.iter().filter_map(error_code).next(), Some(ErrorCode::Malformed));
    assert_eq!(code, Some(1000));
}

#[test]
fn an_oversized_frame_is_refused_by_its_header() {
    let running = Running::start();
    let mut client = Device::new(1).sign_up(Client::connect(running.address()));
    let mut header = vec![0x82, 0xFF];
    header.extend_from_slice(&(MAX_FRAME_BYTES as u64 + 1).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    client.write(&header);
    let (messages, code) = client.until_close();
    assert!(messages.iter().filter_map(error_code).any(|code| code == ErrorCode::TooLarge), "{messages:?}");
    assert_eq!(code, Some(1000));
}

#[test]
fn a_stranger_may_send_only_small_frames() {
    let running = Running::start();
    let (mut client, _) = Client::session(running.address());
    let _ = client.try_write(&masked(0x82, &[0; 20_000]));
    let (messages, _) = client.until_close();
    assert!(messages.iter().filter_map(error_code).any(|code| code == ErrorCode::TooLarge), "{messages:?}");
    assert!(format!("{messages:?}").contains("16384"), "the limit that holds is named: {messages:?}");
}

#[test]
fn a_stranger_who_never_reads_costs_next_to_nothing() {
    let running = Running::start();
    let (mut stranger, _) = Client::session(running.address());
    let pings: Vec<u8> = (0..500).flat_map(|_| masked(0x89, &[0; 125])).collect();
    let taken = (0..1_000).take_while(|_| stranger.try_write(&pings).is_ok()).count();
    // What the system's own buffers hold, but not a device's send queue on top.
    assert!(taken * pings.len() < Config::default().send_queue_bytes as usize, "{taken}");
}

#[test]
fn what_is_not_websocket_is_closed_with_the_right_code() {
    let running = Running::start();
    for (bytes, code) in [
        (vec![0x82, 0x01, 0x00], 1002),
        (masked(0xC2, b"reserved"), 1002),
        (masked(0x81, b"text"), 1003),
        (masked(0x80, b"continues nothing"), 1002),
    ] {
        let (mut client, _) = Client::session(running.address());
        client.write(&bytes);
        assert_eq!(client.until_close().1, Some(code), "{bytes:?}");
    }
}

#[test]
fn a_truncated_frame_is_no_harm() {
    let running = Running::start();
    let (mut client, _) = Client::session(running.address());
    client.write(&masked(0x82, &[0; 100])[..50]);
    drop(client);
    Device::new(1).sign_up(Client::connect(running.address()));
}

#[test]
fn an_orderly_close_is_answered() {
    let running = Running::start();
    let (mut client, _) = Client::session(running.address());
    client.frame(0x88, &1000_u16.to_be_bytes());
    assert_eq!(client.until_close().1, Some(1000));
}

#[test]
fn one_who_never_logs_in_is_closed() {
    let patience = Patience { login_idle_s: 1, ..Patience::default() };
    let running = Running::start_with(|_| {}, patience);
    let (mut client, _) = Client::session(running.address());
    assert_eq!(client.until_close().1, Some(1008));
}

#[test]
fn one_who_never_sends_a_request_is_closed() {
    let running = Running::start_with(|_| {}, Patience { request_s: 1, ..Patience::default() });
    assert_eq!(Client::connect(running.address()).rest(), b"");
}

#[test]
fn a_silent_session_is_asked_twice_and_then_closed() {
    let running = Running::start_with(|_| {}, Patience { ping_s: 1, ..Patience::default() });
    let mut silent = Device::new(1).sign_up(Client::connect(running.address()));
    assert_eq!(silent.next_frame(), Some(Frame::Ping));
    silent.frame(0x8A, b"");
    let mut pings = 0;
    while let Some(frame) = silent.next_frame() {
        assert_eq!(frame, Frame::Ping);
        pings += 1;
    }
    assert_eq!(pings, 2, "an answer makes it young again, then it is asked twice more");
}

#[test]
fn one_who_never_reads_is_closed_and_others_are_served() {
    let running = Running::start_with(|config| config.send_queue_bytes = 64 * 1024, Patience::default());
    let mut deaf = Device::new(1).sign_up(Client::connect(running.address()));
    let mut other = Device::new(2).sign_up(Client::connect(running.address()));
    // WebSocket pings are answered by the gateway itself, whatever the core allows a session.
    let pings: Vec<u8> = (0..500).flat_map(|_| masked(0x89, &[0; 125])).collect();
    let mut sent = 0;
    while deaf.try_write(&pings).is_ok() {
        sent += 1;
        assert!(sent < 2_000, "the server takes everything from one who reads nothing");
        if sent % 50 == 0 {
            ping(&mut other, sent);
        }
    }
    ping(&mut other, 1);
    let mut metrics = Client::connect(running.address());
    metrics.write(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
    let page = String::from_utf8(metrics.rest()).unwrap();
    assert!(page.contains("mbolo_slow_readers_total 1\n"), "{page}");
}

#[test]
fn a_wrong_path_version_or_method_is_told_what_is_right() {
    let running = Running::start();
    let ask = |request: &str| Client::connect(running.address()).request(request);
    let other_path = UPGRADE.replace("/v1/session", "/v9/session");
    assert!(ask(&other_path).starts_with("HTTP/1.1 404 "));
    let no_upgrade = ask("GET /v1/session HTTP/1.1\r\n\r\n");
    assert!(no_upgrade.starts_with("HTTP/1.1 426 ") && no_upgrade.contains("Upgrade: websocket\r\n"));
    let old = ask(&UPGRADE.replace("Version: 13", "Version: 8"));
    assert!(old.starts_with("HTTP/1.1 426 ") && old.contains("Sec-WebSocket-Version: 13\r\n"));
    assert!(ask(&UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short")).starts_with("HTTP/1.1 400 "));
    assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert!(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

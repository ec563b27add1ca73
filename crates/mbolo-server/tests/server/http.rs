//! The web client's files, health and metrics.

use mbolo_server::Patience;

use crate::Running;
use crate::client::Client;

fn body_length(head: &str) -> usize {
    head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap()
}

#[test]
fn a_browser_gets_the_form_it_takes_on_one_connection() {
    let running = Running::start();
    let mut client = Client::connect(running.address());
    for (accepts, body) in
        [("gzip, br", "as brotli"), ("gzip", "as gzip"), ("identity", "<!doctype html>plain")]
    {
        let head = client.request(&format!("GET / HTTP/1.1\r\nAccept-Encoding: {accepts}\r\n\r\n"));
        assert!(head.contains("Content-Security-Policy: default-src 'self'"), "{head}");
        assert_eq!(client.exactly(body_length(&head)), body.as_bytes());
    }
}

#[test]
fn a_browser_that_has_the_file_is_told_so() {
    let running = Running::start();
    let mut client = Client::connect(running.address());
    let head = client.request("HEAD /@ana HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let again = client.request(&format!("GET / HTTP/1.1\r\nIf-None-Match: {etag}\r\n\r\n"));
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    let missing = client.request("GET /missing.js HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    assert_eq!(client.rest(), b"There is nothing here.\n");
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let running = Running::start();
    let mut client = Client::connect(running.address());
    client.write("GET /healthz HTTP/1.1\r\n\r\n".repeat(20).as_bytes());
    for _ in 0..20 {
        let head = client.head();
        let body = String::from_utf8(client.exactly(body_length(&head))).unwrap();
        assert!(body.starts_with("{\"status\":\"ok\",\"version\":\""), "{body}");
    }
}

#[test]
fn metrics_are_for_this_machine_and_not_for_who_comes_through_a_proxy() {
    let running = Running::start();
    let mut client = Client::connect(running.address());
    let own = client.request("GET /metrics HTTP/1.1\r\n\r\n");
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
    let page = String::from_utf8(client.exactly(body_length(&own))).unwrap();
    assert!(page.contains("mbolo_connections 1\n"), "{page}");
    let forwarded = client.request("GET /metrics HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    assert!(forwarded.starts_with("HTTP/1.1 404 "), "{forwarded}");
}

#[test]
fn metrics_can_have_an_address_of_their_own() {
    let running = Running::start_with(
        |config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into()),
        Patience::default(),
    );
    let on_main = Client::connect(running.address()).request("GET /metrics HTTP/1.1\r\n\r\n");
    assert!(on_main.starts_with("HTTP/1.1 404 "), "{on_main}");
    let mut own = Client::connect(running.server().metrics_address().unwrap());
    let head = own.request("GET /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    own.exactly(body_length(&head));
    assert!(own.request("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

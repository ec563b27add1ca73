//! Ten thousand reports a second, acknowledged after they are durable, while people read the page.
//!
//! Takes a machine for itself:
//! `cargo test -p mbolo-pulse-server --test flood -- --ignored --nocapture`.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Client, config};
use mbolo_pulse_server::Observatory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REPORTS: usize = 50_000;
const CONNECTIONS: usize = 256;

/// Sends one request on a connection that stays, and reads its answer.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> String {
    stream.write_all(request).await.unwrap();
    buffer.clear();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the observatory closed a connection");
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if buffer.len() >= end + 4 + length.parse::<usize>().unwrap() {
            return String::from_utf8_lossy(buffer).into_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a machine for itself"]
async fn ten_thousand_reports_a_second_are_kept_and_the_page_is_served() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path(), "");
    config.limits.pow_bits = 0;
    config.limits.challenge_seconds = 3_600;
    let observatory = Observatory::start(config).await.unwrap();
    let address = observatory.address();
    // Challenges beforehand: what is measured is reports.
    let mut requests = Vec::with_capacity(REPORTS);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut buffer = Vec::new();
    for n in 0..REPORTS as u32 {
        let ask_for = b"GET /v1/challenge?service=whatsapp&problem=send HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer = ask(&mut stream, ask_for, &mut buffer).await;
        let challenge = answer.split("\"challenge\":\"").nth(1).unwrap().split('"').next().unwrap();
        let body = format!(
            "{{\"service\":\"whatsapp\",\"problem\":\"send\",\"challenge\":\"{challenge}\",\"nonce\":0}}"
        );
        // A hundred people in each /24.
        let [_, _, a, b] = (n / 100).to_be_bytes();
        let c = n % 100 + 1;
        requests.push(format!(
            "POST /v1/report HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 20.{a}.{b}.{c}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    let done = Arc::new(AtomicBool::new(false));
    let slowest_us = Arc::new(AtomicU64::new(0));
    let reader = {
        let (client, done, slowest_us) =
            (Client::new(address, "192.0.2.1"), done.clone(), slowest_us.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let asked = Instant::now();
                assert_eq!(client.get("/service/whatsapp").status, 200);
                slowest_us.fetch_max(asked.elapsed().as_micros() as u64, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let (accepted, capped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let shares: Vec<Vec<String>> =
        requests.chunks(REPORTS.div_ceil(CONNECTIONS)).map(<[String]>::to_vec).collect();
    let mut tasks = Vec::new();
    for share in shares {
        let (accepted, capped) = (accepted.clone(), capped.clone());
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut buffer = Vec::new();
            for request in share {
                let answer = ask(&mut stream, request.as_bytes(), &mut buffer).await;
                match answer.get(9..12) {
                    Some("202") => accepted.fetch_add(1, Ordering::Relaxed),
                    Some("429") => capped.fetch_add(1, Ordering::Relaxed),
                    other => panic!("{other:?}: {answer}"),
                };
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    done.store(true, Ordering::SeqCst);
    reader.join().unwrap();
    let rate = REPORTS as f64 / took;
    let slowest_ms = slowest_us.load(Ordering::SeqCst) as f64 / 1e3;
    let (accepted, capped) = (accepted.load(Ordering::Relaxed), capped.load(Ordering::Relaxed));
    println!("{rate:.0} reports/s ({accepted} accepted, {capped} capped); slowest page {slowest_ms:.0} ms");
    assert!(rate > 10_000.0, "{rate:.0} reports a second");
    assert!(slowest_ms < 2_000.0, "a page took {slowest_ms} ms");
    observatory.stop().await;
}

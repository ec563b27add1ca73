//! The demonstration, as a visitor of its page meets it: the live detector finds what the invented counts contain.
//!
//! Each scene invents and reads eight days of history first, which takes some seconds.

#![allow(clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use common::{Client, away};
use mbolo_pulse_server::{DemoOptions, demo};
use serde_json::Value;

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Plays one scene and gives every state that an incident of it was seen in, in order, and the incident at its end.
async fn play(only: &str, is_it: impl Fn(&Value) -> bool + Send + 'static) -> (Vec<String>, Value) {
    let listen = free_address();
    let data = tempfile::tempdir().unwrap();
    let options = DemoOptions {
        listen,
        minute: Duration::from_millis(60),
        data: Some(data.path().to_owned()),
        only: Some(only.to_owned()),
        ..DemoOptions::default()
    };
    let playing = tokio::spawn(demo(options));
    let seen = away(move || {
        let patience = Instant::now() + Duration::from_secs(240);
        while std::net::TcpStream::connect(listen).is_err() {
            assert!(Instant::now() < patience, "the page did not open");
            std::thread::sleep(Duration::from_millis(50));
        }
        let client = Client::new(listen, "192.0.2.1");
        let mut states: Vec<String> = Vec::new();
        let mut last = Value::Null;
        while states.last().is_none_or(|state| state != "resolved") {
            assert!(
                Instant::now() < patience,
                "seen so far: {states:?}; {}",
                client.get("/v1/incidents").text
            );
            let said = client.get("/v1/incidents").json();
            assert!(said["board"]["limits"].to_string().contains("reconstruction"), "it says what it is");
            let incidents = said["incidents"].as_array().unwrap();
            if let Some(one) = incidents.iter().find(|one| is_it(one)) {
                let state = one["state"].as_str().unwrap().to_owned();
                if states.last() != Some(&state) {
                    states.push(state);
                }
                last = one.clone();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        (states, last)
    })
    .await;
    playing.abort();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute"]
async fn on_19_july_2023_the_world_is_seen_to_fail_and_to_recover() {
    let (states, incident) = play("wa-2023-07-19", |one| {
        one["scope"]["level"] == "world" && one["services"].to_string().contains("whatsapp")
    })
    .await;
    assert!(states.contains(&"confirmed".to_owned()), "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("resolved"));
    // It began at 20:10 UTC; the first official word came at 20:44.
    let began = mbolo_pulse::Minute::parse_rfc3339("2023-07-19T20:10:00Z").unwrap();
    let confirmed = incident["confirmed_at"].as_u64().unwrap() - u64::from(began.0);
    assert!(confirmed <= 4, "confirmed after {confirmed} minutes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute"]
async fn in_august_2023_gabon_is_seen_to_fall_silent_and_to_come_back() {
    let (states, _) =
        play("ga-2023-08-26", |one| one["scope"]["level"] == "country" && one["scope"]["cc"] == "GA").await;
    assert!(states.contains(&"confirmed".to_owned()), "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("resolved"));
}

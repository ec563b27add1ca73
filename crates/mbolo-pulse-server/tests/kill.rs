//! A killed collector has every count that it acknowledged.
//!
//! The test starts itself once more as the collector, kills that process in the middle of a storm of reports, and opens
//! the same store again.

#![allow(clippy::unwrap_used, clippy::zombie_processes)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Client, away, observatory};

const DATA: &str = "MBOLO_PULSE_TEST_DATA";

/// The process that is killed; does nothing in an ordinary run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collector_that_is_killed() {
    let Some(data) = std::env::var_os(DATA).map(PathBuf::from) else { return };
    let observatory = observatory(&data, "").await;
    std::fs::write(data.join("address.new"), observatory.address().to_string()).unwrap();
    std::fs::rename(data.join("address.new"), data.join("address")).unwrap();
    std::future::pending::<()>().await;
}

fn start(data: &Path) -> (Child, std::net::SocketAddr) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_collector_that_is_killed", "--nocapture"])
        .env(DATA, data)
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(address) = std::fs::read_to_string(data.join("address")) {
            return (child, address.parse().unwrap());
        }
        assert!(Instant::now() < patience, "the collector did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_counted_after_it() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_owned();
    let acknowledged = away(move || {
        let (mut child, address) = start(&path);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let (client, acknowledged) = (Client::new(address, ""), acknowledged.clone());
                std::thread::spawn(move || {
                    // Until the collector is gone.
                    for n in 0..10_000_u32 {
                        let [_, _, high, low] = n.to_be_bytes();
                        match client.at(&format!("10.{}.{low}.1", thread + 4 * high)).try_report("whatsapp") {
                            Some(202) => acknowledged.fetch_add(1, Ordering::SeqCst),
                            _ => return,
                        };
                    }
                })
            })
            .collect();
        while acknowledged.load(Ordering::SeqCst) < 40 {
            std::thread::sleep(Duration::from_millis(2));
        }
        // SIGKILL in the middle of it: nothing is flushed, nobody says goodbye.
        child.kill().unwrap();
        child.wait().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        acknowledged.load(Ordering::SeqCst)
    })
    .await;
    let again = observatory(data.path(), "").await;
    let client = Client::new(again.address(), "192.0.2.1");
    away(move || {
        client.until("/v1/services/whatsapp", |said| {
            said["service"]["reports_1h"].as_u64() >= Some(acknowledged)
        });
    })
    .await;
    again.stop().await;
}

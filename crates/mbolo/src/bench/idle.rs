//! Memory and login CPU of sessions that do nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::crowd::Crowd;
use super::rounded;
use super::server::Server;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    sessions: usize,
    tls: bool,
    /// Resident memory of the server for each idle session, in KiB.
    kib_per_session: f64,
    /// CPU time of the server for each login (connection, TLS, WebSocket, authentication), in milliseconds.
    login_cpu_ms: f64,
    /// Logins a second, as fast as this generator asks.
    logins_per_s: f64,
    /// Resident memory of the server with all sessions idle, in MiB.
    server_rss_mib: f64,
}

/// Registers everybody, restarts the server so that nothing is left of that, and measures logins and rest. The memory
/// of the sessions is what the server has more than one that just started on an empty directory.
pub fn run(sessions: usize, tls: bool) -> Result<Figures> {
    let mut server = Server::start(tls)?;
    let empty = server.usage()?;
    let mut crowd = Crowd::new(sessions, &server, tls)?;
    crowd.log_in_all()?;
    crowd.hang_up_all();
    server.kill()?;
    server.restart()?;
    crowd.fleet.address = server.address;
    settle(&mut crowd, Duration::from_secs(1))?;

    let before = server.usage()?;
    let begin = Instant::now();
    crowd.log_in_all()?;
    let took = begin.elapsed().as_secs_f64();
    let after = server.usage()?;
    settle(&mut crowd, Duration::from_secs(5))?;
    let resting = server.usage()?;
    let n = sessions as f64;
    Ok(Figures {
        sessions,
        tls,
        kib_per_session: rounded((resting.rss_kib - empty.rss_kib) / n),
        login_cpu_ms: rounded((after.cpu_s - before.cpu_s) * 1000.0 / n),
        logins_per_s: rounded(n / took),
        server_rss_mib: rounded(resting.rss_kib / 1024.0),
    })
}

/// Lets some time pass with the connections served.
fn settle(crowd: &mut Crowd, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    let mut heard = Vec::new();
    while Instant::now() < until {
        crowd.turn(Duration::from_millis(50), &mut heard)?;
        heard.clear();
    }
    Ok(())
}

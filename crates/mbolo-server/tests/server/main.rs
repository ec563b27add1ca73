//! A whole server over real sockets on this machine, treated well and badly.

#![allow(clippy::unwrap_used)]

mod client;
mod http;
mod lifecycle;
mod pulse;
mod sessions;

use mbolo_server::{Asset, Assets, Config, Patience, Server, Shutdown};
use tempfile::TempDir;

/// What the servers of these tests serve as their web client.
const ASSETS: Assets = Assets {
    files: &[Asset {
        path: "index.html",
        plain: b"<!doctype html>plain",
        brotli: Some(b"as brotli"),
        gzip: Some(b"as gzip"),
    }],
};

/// A server in this process, on a port of its own.
struct Running {
    server: Option<Server>,
    data: TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_with(|_| {}, Patience::default())
    }

    fn start_with(change: impl FnOnce(&mut Config), patience: Patience) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        change(&mut config);
        let server = Server::start_with(&config, ASSETS, &Shutdown::new(), patience).unwrap();
        Self { server: Some(server), data }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn address(&self) -> std::net::SocketAddr {
        self.server().address()
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Settings for a test: a free port, and no work for signing up.
fn config(data: &std::path::Path) -> Config {
    Config {
        data: data.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        pow_bits: 0,
        gateway_threads: 2,
        ..Config::default()
    }
}

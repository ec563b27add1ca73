//! What a cell says to its observatory, and to everybody about itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, VerifyingKey};
use mbolo_isitme::CellInfo;
use mbolo_server::Patience;

use crate::Running;
use crate::client::{Client, Device};

/// A counted batch: key, signature, body.
type Batch = (String, String, Vec<u8>);

/// An observatory that takes everything and passes it on.
fn observatory() -> (SocketAddr, Receiver<Batch>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (got, batches) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut bytes, mut portion) = (Vec::new(), [0; 4096]);
            let batch = loop {
                match stream.read(&mut portion) {
                    Ok(0) | Err(_) => break None,
                    Ok(size) => bytes.extend_from_slice(&portion[..size]),
                }
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let value = |name: &str| {
                    let line = head.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap().trim_start_matches(": ").to_owned()
                };
                if bytes.len() - end - 4 == value("content-length").parse::<usize>().unwrap() {
                    break Some((
                        value("x-mbolo-cell"),
                        value("x-mbolo-signature"),
                        bytes[end + 4..].to_vec(),
                    ));
                }
            };
            let _ =
                stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if batch.is_some_and(|batch| got.send(batch).is_err()) {
                return;
            }
        }
    });
    (address, batches)
}

#[test]
fn the_observatory_gets_signed_counts_of_logged_in_devices_and_no_address() {
    let (observatory, batches) = observatory();
    let running = Running::start_with(
        |config| {
            config.pulse_url = Some(format!("http://{observatory}/"));
            config.name = Some("cell.example".to_owned());
        },
        Patience { gauge_s: 1, ..Patience::default() },
    );
    let _visitor = Client::session(running.address());
    let _ana = Device::new(1).sign_up(Client::connect(running.address()));
    let _bea = Device::new(2).sign_up(Client::connect(running.address()));
    let cell = introduction(&running).cell;
    for (key, signature, body) in batches {
        let key: [u8; 32] = HEXLOWER.decode(key.as_bytes()).unwrap().try_into().unwrap();
        let signature = Signature::from_slice(&HEXLOWER.decode(signature.as_bytes()).unwrap()).unwrap();
        VerifyingKey::from_bytes(&key).unwrap().verify_strict(&body, &signature).unwrap();
        assert_eq!(mbolo_proto::CellId(key).to_string(), cell, "the cell signs with its identity");
        let text = String::from_utf8(body).unwrap();
        assert!(!text.contains("127.0.0.1") && !text.contains("person1"), "{text}");
        let batch: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(batch["cell"], "cell.example");
        let row = &batch["rows"][0];
        assert_eq!((&row["cc"], &row["asn"]), (&"ZZ".into(), &0.into()), "this machine is nowhere");
        if row["sockets"] == 2 {
            assert_eq!(row["heartbeats"], 2, "the visitor without an account does not count");
            return;
        }
    }
    panic!("the observatory never heard of two devices");
}

#[test]
fn everybody_is_told_where_the_observatory_is() {
    let running = Running::start_with(
        |config| {
            config.name = Some("cell.example".to_owned());
            config.pulse_url = Some("https://pulse.example".to_owned());
            config.pulse_snapshots = vec!["https://mirror.example/pulse/latest.json".to_owned()];
            config.alternates = vec!["https://other.example".to_owned()];
        },
        Patience::default(),
    );
    let info = introduction(&running);
    assert_eq!((info.name.as_str(), info.place), ("cell.example", None));
    let pulse = info.pulse.unwrap();
    assert_eq!((pulse.url.as_str(), pulse.service.as_str()), ("https://pulse.example", "mbolo"));
    let page = Client::connect(running.address()).request("GET / HTTP/1.1\r\n\r\n");
    for host in ["https://pulse.example", "https://mirror.example", "https://other.example"] {
        assert!(page.contains(host), "the page may ask {host}: {page}");
    }
}

#[test]
fn a_cell_without_an_observatory_says_so() {
    assert_eq!(introduction(&Running::start()).pulse, None);
}

fn introduction(running: &Running) -> CellInfo {
    let mut client = Client::connect(running.address());
    let head = client.request("GET /.well-known/mbolo HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    serde_json::from_slice(&client.exactly(length.parse().unwrap())).unwrap()
}

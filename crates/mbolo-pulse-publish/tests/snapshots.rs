//! Snapshots that outlive what made them.

#![allow(clippy::unwrap_used)]

mod receivers;
#[path = "../src/announcements/samples.rs"]
mod samples;

use std::path::Path;
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use mbolo_pulse::board::Board;
use mbolo_pulse_publish::snapshots::envelope::{Envelope, verify_newer};
use mbolo_pulse_publish::{
    PublishConfig, Publisher, Reading, TrustedKeys, VerifyError, fetch_newest, verify,
};
use receivers::{Fault, HttpReceiver, Seen};
use sha2::{Digest, Sha256};

const T0: i64 = samples::START + 240;

fn config(directory: &Path, more: &str) -> PublishConfig {
    let key = directory.join("key");
    toml::from_str(&format!(
        "base_url = \"https://pulse.example\"\n[snapshots]\nkey_file = \"{}\"\ninterval_s = 30\n{more}",
        key.display()
    ))
    .expect("a configuration")
}

fn open(directory: &Path, more: &str) -> Publisher {
    Publisher::open(&directory.join("publish.sqlite"), config(directory, more)).expect("opened")
}

#[test]
fn no_log_shows_a_secret_of_the_configuration() {
    let config: PublishConfig = toml::from_str(
        "base_url = \"https://a\"\n[[mastodon]]\nname = \"m\"\nserver = \"https://m\"\nsecret = \"hush\"\n\
         [snapshots]\nkey_file = \"k\"\n[[snapshots.target]]\nkind = \"s3\"\nname = \"s\"\nendpoint = \"https://s\"\n\
         region = \"r\"\nbucket = \"b\"\naccess_key = \"AK\"\nsecret = \"hush\"",
    )
    .unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn snapshots_come_before_the_last_one_turns_grey() {
    let directory = tempfile::tempdir().unwrap();
    let mut slow = config(directory.path(), "");
    slow.snapshots.as_mut().unwrap().interval_s = 120;
    let refused = Publisher::open(&directory.path().join("publish.sqlite"), slow).err().unwrap().to_string();
    assert!(refused.contains("interval_s: must be 10 to 90"), "{refused}");
}

fn directory_target(path: &Path) -> String {
    format!("[[snapshots.target]]\nkind = \"directory\"\nname = \"here\"\npath = \"{}\"\n", path.display())
}

/// A web server for a file.
fn serve(path: &Path) -> HttpReceiver {
    let path = path.to_owned();
    HttpReceiver::with(move |_| {
        std::fs::read_to_string(&path).map_or_else(|_| (404, String::new()), |text| (200, text))
    })
}

fn keys(publisher: &Publisher) -> Vec<String> {
    vec![publisher.health(0).unwrap().snapshot_key.unwrap()]
}

fn board_at(now: i64) -> Board {
    let mut board = samples::gabon();
    board.generated_at = now;
    board.valid_until = now + 180;
    board
}

#[test]
fn a_snapshot_is_made_when_it_is_time_or_when_something_changed_and_counts_up_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("public");
    let latest = || Envelope::read(&std::fs::read(path.join("latest.json")).unwrap()).unwrap();
    let publisher = open(directory.path(), &directory_target(&path));
    let trusted = TrustedKeys::from_hex(&keys(&publisher)).unwrap();
    let seq = |board: &Board, now: i64| {
        publisher.note(board, &[], now).unwrap();
        publisher.push_mirrors(now);
        verify(&latest(), &trusted, now).unwrap().board().seq
    };
    let first = seq(&board_at(T0), T0);
    assert_eq!(seq(&board_at(T0), T0 + 10), first, "not due");
    let second = seq(&board_at(T0 + 30), T0 + 30);
    assert!(second > first);
    let mut over = board_at(T0 + 31);
    samples::resolve(&mut over);
    let third = seq(&over, T0 + 31);
    assert!(third > second, "a change goes out at once");
    let old = latest();
    drop(publisher);

    // With the same key and an empty store, as after a restore.
    std::fs::remove_file(directory.path().join("publish.sqlite")).unwrap();
    let publisher = open(directory.path(), &directory_target(&path));
    publisher.note(&board_at(T0 + 60), &[], T0 + 60).unwrap();
    publisher.push_mirrors(T0 + 60);
    let fourth = verify(&latest(), &trusted, T0 + 60).unwrap().board().seq;
    assert!(fourth > third);
    assert_eq!(
        verify_newer(&old, &trusted, fourth, T0 + 60),
        Err(VerifyError::Older { seq: third, known: fourth })
    );
}

#[test]
fn a_target_that_fails_holds_up_nobody_and_gets_the_newest_when_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("public");
    let store = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&store);
    let s3 = HttpReceiver::with(move |seen| match s3_signature_is_right(seen) {
        true => {
            kept.lock().unwrap().push((seen.path.clone(), seen.body.clone()));
            (200, String::new())
        }
        false => (403, "SignatureDoesNotMatch".to_owned()),
    });
    let publisher = open(
        directory.path(),
        &format!(
            "{}[[snapshots.target]]\nkind = \"s3\"\nname = \"store\"\nendpoint = \"{}\"\nregion = \"eu-west-3\"\n\
             bucket = \"mbolo\"\nprefix = \"état/\"\naccess_key = \"AK\"\nsecret = \"{S3_SECRET}\"\n",
            directory_target(&path),
            s3.url
        ),
    );
    s3.fail(&[Fault::Status(500), Fault::EffectThenReset]);
    let push = |now: i64| {
        publisher.note(&board_at(now), &[], now).unwrap();
        publisher.push_mirrors(now);
        let mirrors = publisher.health(now).unwrap().mirrors;
        (mirrors[0].clone(), mirrors[1].clone())
    };
    let (here, there) = push(T0);
    assert_eq!((here.failures, here.stale), (0, false));
    assert_eq!((there.failures, there.stale), (1, true));
    assert_eq!(there.last_error.as_deref(), Some("the store answers status 500: a fault on demand"));
    let (_, there) = push(T0 + 30);
    assert_eq!(there.failures, 2);
    // Its pause is not over; the directory goes on.
    let (here, there) = push(T0 + 45);
    assert_eq!(there.failures, 2);
    assert!(here.seq > 0);
    let (here, there) = push(T0 + 90);
    assert_eq!((there.failures, there.stale, there.seq), (0, false, here.seq));
    let store = store.lock().unwrap();
    let (object, body) = store.last().unwrap();
    assert_eq!(object, "/mbolo/%C3%A9tat/latest.json");
    assert_eq!(*body, std::fs::read(path.join("latest.json")).unwrap());
    for (name, says) in [("index.html", "This is a copy from"), ("fr.html", "Ceci est une copie")] {
        let stored = store.iter().rfind(|(object, _)| object.ends_with(name)).unwrap();
        let page = std::fs::read_to_string(path.join(name)).unwrap();
        assert!(page.contains(says), "{page}");
        assert_eq!(stored.1, page.as_bytes());
    }
}

#[test]
fn a_reader_takes_the_newest_and_believes_no_forgery() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new, forged] = ["old", "new", "forged"].map(|name| directory.path().join(name));
    let publisher = open(directory.path(), &directory_target(&old));
    publisher.note(&board_at(T0), &[], T0).unwrap();
    publisher.push_mirrors(T0);
    let trusted = TrustedKeys::from_hex(&keys(&publisher)).unwrap();
    drop(publisher);
    let publisher = open(directory.path(), &directory_target(&new));
    publisher.note(&board_at(T0 + 60), &[], T0 + 60).unwrap();
    publisher.push_mirrors(T0 + 60);
    let mut envelope = Envelope::read(&std::fs::read(new.join("latest.json")).unwrap()).unwrap();
    envelope.payload = envelope.payload.replacen('A', "B", 1);
    std::fs::write(&forged, envelope.to_json()).unwrap();

    let servers = [serve(&forged), serve(&old.join("latest.json")), serve(&new.join("latest.json"))];
    let mut mirrors: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    mirrors.push("http://127.0.0.1:1/".to_owned());
    let newest = fetch_newest(&mirrors, &trusted, T0 + 70).unwrap();
    assert_eq!(newest.reading.board().generated_at, T0 + 60);
    assert_eq!(newest.mirror, mirrors[2]);
    assert_eq!(newest.failures.len(), 2);
    assert!(newest.failures[0].1.contains("signature is wrong"), "{:?}", newest.failures);
    assert!(fetch_newest(&mirrors[..1], &trusted, T0 + 70).is_err());
}

#[test]
fn a_collector_that_dies_in_an_incident_leaves_a_grey_page_and_a_peer_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (home_a, home_b) = (directory.path().join("a"), directory.path().join("b"));
    std::fs::create_dir_all(&home_a).unwrap();
    std::fs::create_dir_all(&home_b).unwrap();
    let public = directory.path().join("public");
    let mirror = serve(&public.join("latest.json"));
    let ops = HttpReceiver::start();

    let a = open(&home_a, &directory_target(&public));
    let trusted = TrustedKeys::from_hex(&keys(&a)).unwrap();
    let mut config_b = config(&home_b, "");
    config_b.webhooks = toml::from_str::<PublishConfig>(&format!(
        "base_url = \"https://b\"\n[[webhook]]\nname = \"ops\"\nurl = \"{}\"\nsecret = \"x\"",
        ops.url
    ))
    .unwrap()
    .webhooks;
    config_b.peers = toml::from_str::<PublishConfig>(&format!(
        "base_url = \"https://b\"\n[[peer]]\nname = \"A\"\nmirrors = [\"{}\"]\nkeys = [\"{}\"]\n\
         silent_minutes = 5\nannounce = true",
        mirror.url,
        keys(&a)[0]
    ))
    .unwrap()
    .peers;
    let b = Publisher::open(&home_b.join("publish.sqlite"), config_b).unwrap();
    let mut quiet = samples::gabon();
    quiet.incidents.clear();
    let round_of_b = |now: i64| {
        b.watch_peers(now);
        quiet_note(&b, &quiet, now);
        (b.limits(), ops.seen())
    };

    a.note(&board_at(T0), &[], T0).unwrap();
    a.push_mirrors(T0);
    let (limits, told) = round_of_b(T0 + 5);
    assert!(limits.is_empty() && told.is_empty());
    drop(a);

    let shown = |now: i64| fetch_newest(std::slice::from_ref(&mirror.url), &trusted, now).unwrap().reading;
    let Reading::Fresh(board) = shown(T0 + 180) else { panic!("it still counts") };
    assert_eq!(board.open().count(), 1, "the incident is still shown");
    let Reading::Stale(board) = shown(T0 + 181) else { panic!("it is grey now") };
    assert_eq!(board.open().count(), 1);

    let (limits, told) = round_of_b(T0 + 300);
    assert!(limits.is_empty() && told.is_empty(), "five minutes are not over");
    let (limits, told) = round_of_b(T0 + 301);
    assert_eq!(limits, ["peer_down"]);
    assert_eq!(told.len(), 1);
    let text = told[0].json()["peer"]["text"]["en"].as_str().unwrap().to_owned();
    assert!(text.starts_with("The observatory A is silent since 17:06 UTC."), "{text}");
    assert_eq!(round_of_b(T0 + 400).1.len(), 1, "it is said once");

    let a = open(&home_a, &directory_target(&public));
    a.note(&board_at(T0 + 1200), &[], T0 + 1200).unwrap();
    a.push_mirrors(T0 + 1200);
    let (limits, told) = round_of_b(T0 + 1205);
    assert!(limits.is_empty());
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].json()["peer"]["text"]["en"], "The observatory A is back after 20 min of silence.");
}

fn quiet_note(publisher: &Publisher, board: &Board, now: i64) {
    publisher.note(board, &[], now).unwrap();
    publisher.deliver(now).unwrap();
}

const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What a store does with a request: makes the signature itself from what arrived.
fn s3_signature_is_right(seen: &Seen) -> bool {
    let authorization = seen.header("authorization");
    let field = |name: &str| {
        let start = authorization.find(&format!("{name}=")).unwrap() + name.len() + 1;
        authorization[start..].split(',').next().unwrap().trim().to_owned()
    };
    let (credential, names, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    let scope = credential.split_once('/').unwrap().1.to_owned();
    let body_hash = HEXLOWER.encode(&Sha256::digest(&seen.body));
    if seen.header("x-amz-content-sha256") != body_hash {
        return false;
    }
    for needed in ["host", "x-amz-date", "x-amz-content-sha256"] {
        assert!(names.split(';').any(|name| name == needed), "{needed} is not signed");
    }
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect();
    let canonical = format!("{}\n{}\n\n{headers}\n{names}\n{body_hash}", seen.method, seen.path);
    let hash = HEXLOWER.encode(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", seen.header("x-amz-date"));
    let mut key = format!("AWS4{S3_SECRET}").into_bytes();
    for part in scope.split('/').chain([to_sign.as_str()]) {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    HEXLOWER.encode(&key) == signature
}

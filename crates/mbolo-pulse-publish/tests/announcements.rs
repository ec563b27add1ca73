//! Announcements against real receivers that fail.

#![allow(clippy::unwrap_used)]

mod receivers;
#[path = "../src/announcements/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mbolo_pulse::IncidentState;
use mbolo_pulse::board::Health;
use mbolo_pulse_publish::announcements::{SIGNATURE_HEADER, sign_webhook};
use mbolo_pulse_publish::{
    EmailRequest, Language, PublishConfig, Publisher, SubscribeError, SubscriptionKind, WebhookRequest,
};
use receivers::{Fault, HttpReceiver, SmtpReceiver};
use serde_json::json;

fn config(more: &str) -> PublishConfig {
    toml::from_str(&format!("base_url = \"https://pulse.example\"\n{more}")).expect("a configuration")
}

fn hook(url: &str) -> PublishConfig {
    config(&format!("[[webhook]]\nname = \"ops\"\nurl = \"{url}\"\nsecret = \"hush\""))
}

fn open(directory: &Path, config: PublishConfig) -> Publisher {
    Publisher::open(&directory.join("publish.sqlite"), config).expect("opened")
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

const T0: i64 = samples::START + 240;

#[test]
fn every_step_arrives_in_order_under_one_key_however_often_it_is_tried() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    let mut board = samples::gabon();
    publisher.note(&board, &[], T0).unwrap();
    receiver.fail(&[Fault::Status(500), Fault::EffectThenReset, Fault::Status(503)]);
    let mut now = T0;
    for _ in 0..4 {
        assert_eq!(publisher.deliver(now).unwrap(), 1);
        assert_eq!(publisher.deliver(now).unwrap(), 0, "not before the pause is over");
        now += 120;
    }
    let ops = publisher.health(now).unwrap().channels[0].clone();
    assert_eq!((ops.sent, ops.pending, ops.dead), (1, 0, 0));
    samples::resolve(&mut board);
    publisher.note(&board, &[], now + 600).unwrap();
    publisher.deliver(now + 600).unwrap();

    let seen = receiver.seen();
    let keys: Vec<_> = seen.iter().map(|one| one.header("idempotency-key").to_owned()).collect();
    assert_eq!(
        keys,
        [
            "incident:whatsapp-GA-28217822/1-confirmed/hook:ops",
            "incident:whatsapp-GA-28217822/1-confirmed/hook:ops",
            "incident:whatsapp-GA-28217822/2-resolved/hook:ops",
        ]
    );
    assert_eq!(seen[0].body, seen[1].body, "every attempt says the same");
    assert_eq!(seen[2].json()["incident"]["status"], "resolved");
    for one in &seen {
        let signature = one.header(&SIGNATURE_HEADER.to_ascii_lowercase());
        let at: i64 = signature.split([',', '=']).nth(1).unwrap().parse().unwrap();
        assert_eq!(signature, sign_webhook(b"hush", at, &one.body));
        assert!((T0..T0 + 2000).contains(&at));
    }
}

#[test]
fn a_suspicion_is_not_told_and_ten_minutes_pass_between_two_posts() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    let mut board = samples::gabon();
    let mut at = |state: IncidentState, now: i64| {
        if state == IncidentState::Resolved {
            samples::resolve(&mut board);
        } else {
            board.incidents[0].incident.state = state;
        }
        publisher.note(&board, &[], now).unwrap();
        publisher.deliver(now).unwrap();
        receiver.seen().len()
    };
    assert_eq!(at(IncidentState::Suspected, T0 - 120), 0);
    assert_eq!(at(IncidentState::Reported, T0 - 60), 0);
    assert_eq!(at(IncidentState::Confirmed, T0), 1);
    assert_eq!(at(IncidentState::Recovering, T0 + 60), 1);
    assert_eq!(at(IncidentState::Confirmed, T0 + 120), 1);
    assert_eq!(at(IncidentState::Resolved, T0 + 300), 1);
    // Without a new board: what waits for the end of the pause is not forgotten.
    publisher.deliver(T0 + 578).unwrap();
    assert_eq!(receiver.seen().len(), 1);
    publisher.deliver(T0 + 600).unwrap();
    assert_eq!(receiver.seen().len(), 2);
    assert_eq!(at(IncidentState::Resolved, T0 + 5000), 2);
    assert_eq!(receiver.seen()[1].json()["incident"]["status"], "resolved");
}

#[test]
fn what_was_over_before_anybody_was_told_is_not_told() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    let mut board = samples::gabon();
    samples::resolve(&mut board);
    publisher.note(&board, &[], T0 + 4000).unwrap();
    assert_eq!(publisher.deliver(T0 + 4000).unwrap(), 0);
}

#[test]
fn a_service_that_goes_down_and_comes_back_is_told_to_programs() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    let mut board = samples::gabon();
    board.incidents.clear();
    for (health, now) in
        [(Health::Up, T0), (Health::Down, T0 + 60), (Health::Unknown, T0 + 900), (Health::Up, T0 + 960)]
    {
        board.services[0].health = health;
        publisher.note(&board, &[], now).unwrap();
        publisher.deliver(now).unwrap();
    }
    let updates: Vec<_> = receiver.seen().iter().map(|one| one.json()["component_update"].clone()).collect();
    assert_eq!(updates.len(), 2);
    assert_eq!(updates[0]["new_status"], "major_outage");
    assert_eq!(updates[1]["old_status"], "major_outage");
    assert_eq!(updates[1]["new_status"], "operational");
}

#[test]
fn what_is_refused_for_good_is_a_dead_letter_that_says_why_and_can_be_revived() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    receiver.fail(&[Fault::Status(404)]);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    publisher.deliver(T0).unwrap();
    let letters = publisher.dead_letters(10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "status 404: a fault on demand");
    assert_eq!(publisher.deliver(T0 + 9999).unwrap(), 0);
    assert!(publisher.revive(letters[0].id, T0 + 9999).unwrap());
    assert_eq!(publisher.deliver(T0 + 9999).unwrap(), 1);
    assert_eq!(receiver.seen().len(), 1);
    assert!(publisher.metrics(T0).unwrap().contains("result=\"dead\"} 1"));
}

#[test]
fn a_delivery_that_fails_for_a_day_is_given_up_with_the_last_reason() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    receiver.fail(&[Fault::Status(500); 40]);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    let mut attempts = 0;
    for step in 0..40 {
        attempts += publisher.deliver(T0 + step * 3600).unwrap();
    }
    assert_eq!(attempts, 16);
    let reason = publisher.dead_letters(1).unwrap().remove(0).reason;
    assert_eq!(reason, "given up after 16 attempts; the last: status 500: a fault on demand");
}

/// Not a test: the process that the next one kills.
#[test]
#[ignore = "is run by killed_between_sending_and_marking_it_sends_again_under_the_same_key"]
fn a_process_that_delivers() {
    let (Ok(directory), Ok(url)) = (std::env::var("PUBLISH_DIRECTORY"), std::env::var("PUBLISH_URL")) else {
        return;
    };
    let publisher = open(Path::new(&directory), hook(&url));
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    publisher.deliver(T0).unwrap();
}

#[test]
fn killed_between_sending_and_marking_it_sends_again_under_the_same_key() {
    let directory = directory();
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    let signal = Arc::clone(&arrived);
    let receiver = HttpReceiver::with(move |_| {
        let mut count = signal.0.lock().unwrap();
        *count += 1;
        signal.1.notify_all();
        if *count == 1 {
            drop(count);
            // The answer never comes: its asker is killed.
            std::thread::sleep(Duration::from_secs(5));
        }
        (200, "{}".to_owned())
    });
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_delivers", "--ignored"])
        .env("PUBLISH_DIRECTORY", directory.path())
        .env("PUBLISH_URL", &receiver.url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let count = arrived.0.lock().unwrap();
    let (count, timeout) =
        arrived.1.wait_timeout_while(count, Duration::from_secs(30), |count| *count == 0).unwrap();
    assert!(!timeout.timed_out(), "the process sent nothing");
    drop(count);
    child.kill().unwrap();
    child.wait().unwrap();

    let publisher = open(directory.path(), hook(&receiver.url));
    publisher.note(&samples::gabon(), &[], T0 + 30).unwrap();
    assert_eq!(publisher.deliver(T0 + 30).unwrap(), 0, "it may still be on its way");
    assert_eq!(publisher.deliver(T0 + 60).unwrap(), 1);
    assert_eq!(publisher.health(T0 + 60).unwrap().channels[0].sent, 1);
    assert_eq!(*arrived.0.lock().unwrap(), 2);
    let again = receiver.seen();
    assert_eq!(again[0].header("idempotency-key"), "incident:whatsapp-GA-28217822/1-confirmed/hook:ops");
}

#[test]
fn mail_comes_only_after_its_owner_said_yes_and_ends_with_one_click() {
    let directory = directory();
    let smtp = SmtpReceiver::start();
    let publisher = open(
        directory.path(),
        config(&format!(
            "[email]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Pulse <pulse@example.org>\"",
            smtp.port
        )),
    );
    let request = EmailRequest {
        address: "ada@example.org".to_owned(),
        services: vec!["whatsapp".to_owned()],
        countries: vec!["GA".to_owned()],
        language: Language::Fr,
    };
    publisher.subscribe_email(&request, T0).unwrap();
    // A second wish within the hour sends no second letter, and says nothing about the first.
    publisher.subscribe_email(&request, T0 + 10).unwrap();
    smtp.refuse(&["451 not now"]);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    publisher.deliver(T0).unwrap();
    assert!(smtp.letters().is_empty());
    publisher.deliver(T0 + 30).unwrap();
    let letters = smtp.letters();
    assert_eq!(letters.len(), 1, "only the question");
    assert_eq!(letters[0].to, "ada@example.org");
    assert_eq!(letters[0].header("List-Unsubscribe"), None);

    let token_of = |text: &str, path: &str| {
        let link = format!("https://pulse.example{path}?token=");
        let start = text.find(&link).expect("a link") + link.len();
        text[start..].split(['\r', '\n', '>']).next().unwrap().to_owned()
    };
    let token = token_of(&letters[0].body(), "/subscribe/confirm");
    assert!(matches!(publisher.confirm("abc.def", T0), Err(SubscribeError::UnknownToken)));
    assert!(publisher.confirm(&token, T0 + 40).unwrap().confirmed_at.is_some());
    publisher.note(&samples::gabon(), &[], T0 + 60).unwrap();
    publisher.deliver(T0 + 60).unwrap();
    let letter = smtp.letters().pop().unwrap();
    assert!(
        letter.body().contains("Perte de connectivité au Gabon, 4 réseaux mesurés sur 4, depuis 17:02 UTC.")
    );
    assert!(letter.body().contains("https://pulse.example/incident/whatsapp-GA-28217822"));
    assert_eq!(letter.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    let end = token_of(letter.header("List-Unsubscribe").expect("a header"), "/subscribe/end");
    assert!(letter.body().contains(&end));

    publisher.unsubscribe(&end).unwrap();
    publisher.unsubscribe(&end).unwrap();
    let mut board = samples::gabon();
    samples::resolve(&mut board);
    publisher.note(&board, &[], T0 + 4000).unwrap();
    publisher.deliver(T0 + 4000).unwrap();
    assert_eq!(smtp.letters().len(), 2);
    assert!(matches!(publisher.confirm(&token, T0 + 4000), Err(SubscribeError::UnknownToken)));
}

#[test]
fn who_has_confirmed_and_asks_again_changes_what_they_get_by_the_link_of_a_letter() {
    let directory = directory();
    let smtp = SmtpReceiver::start();
    let publisher = open(
        directory.path(),
        config(&format!(
            "[email]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Pulse <pulse@example.org>\"",
            smtp.port
        )),
    );
    let request = |services: &[&str], language| EmailRequest {
        address: "ada@example.org".to_owned(),
        services: services.iter().map(ToString::to_string).collect(),
        countries: Vec::new(),
        language,
    };
    let token = || {
        let body = smtp.letters().pop().unwrap().body();
        body.split("/subscribe/confirm?token=").nth(1).unwrap().split(['\r', '\n']).next().unwrap().to_owned()
    };
    publisher.subscribe_email(&request(&["whatsapp"], Language::En), T0).unwrap();
    publisher.deliver(T0).unwrap();
    publisher.confirm(&token(), T0 + 10).unwrap();

    publisher.subscribe_email(&request(&["signal"], Language::Fr), T0 + 4000).unwrap();
    publisher.deliver(T0 + 4000).unwrap();
    assert_eq!(smtp.letters().len(), 2, "the letter that asks about the change");
    let mine = || publisher.subscriptions(SubscriptionKind::Email, 10).unwrap().remove(0);
    assert_eq!(mine().services, ["whatsapp"], "nothing changes before the owner says so");
    let change = token();
    let changed = publisher.confirm(&change, T0 + 4100).unwrap();
    assert_eq!((changed.services.as_slice(), changed.language.as_str()), (&["signal".to_owned()][..], "fr"));

    // A newer letter takes the older one's place, and none is good for ever.
    publisher.subscribe_email(&request(&[], Language::En), T0 + 8000).unwrap();
    publisher.deliver(T0 + 8000).unwrap();
    assert!(matches!(publisher.confirm(&change, T0 + 8100), Err(SubscribeError::UnknownToken)));
    assert!(matches!(publisher.confirm(&token(), T0 + 8000 + 3 * 86_400), Err(SubscribeError::UnknownToken)));
    assert_eq!(mine().services, ["signal"]);
}

#[test]
fn what_is_not_on_the_board_is_not_announced() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(directory.path(), hook(&receiver.url));
    let mut board = samples::gabon();
    let withheld = board.incidents.remove(0).incident;
    let transition = mbolo_pulse::Transition { at: mbolo_pulse::Minute::of_unix(T0), incident: withheld };
    publisher.note(&board, &[transition], T0).unwrap();
    assert_eq!(publisher.deliver(T0).unwrap(), 0);
    assert!(receiver.seen().is_empty());
}

#[test]
fn a_filter_lets_through_what_was_asked_for() {
    let directory = directory();
    let (gabon, france) = (HttpReceiver::start(), HttpReceiver::start());
    let mut config = config(&format!(
        "[[webhook]]\nname = \"ga\"\nurl = \"{}\"\nsecret = \"x\"\ncountries = [\"GA\"]\n\
         [[webhook]]\nname = \"fr\"\nurl = \"{}\"\nsecret = \"x\"\ncountries = [\"FR\"]",
        gabon.url, france.url
    ));
    config.webhooks[0].services = vec!["whatsapp".to_owned()];
    let publisher = open(directory.path(), config);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    publisher.deliver(T0).unwrap();
    assert_eq!((gabon.seen().len(), france.seen().len()), (1, 0));
}

#[test]
fn a_stranger_s_webhook_is_greeted_first_and_ends_with_410() {
    let directory = directory();
    let receiver = HttpReceiver::start();
    let publisher = open(
        directory.path(),
        config("[subscriptions]\nallow_private_addresses = true\nmax_webhooks_per_host = 2"),
    );
    let request = |path: &str| WebhookRequest {
        url: format!("{}{path}", receiver.url),
        services: Vec::new(),
        countries: Vec::new(),
    };
    let new = publisher.subscribe_webhook(&request("/a"), T0).unwrap();
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    assert!(matches!(publisher.subscribe_webhook(&request("/a"), T0), Err(SubscribeError::Exists)));
    publisher.subscribe_webhook(&request("/silent"), T0).unwrap();
    assert!(matches!(publisher.subscribe_webhook(&request("/c"), T0), Err(SubscribeError::HostFull { .. })));
    publisher.deliver(T0).unwrap();
    assert_eq!(receiver.seen().len(), 2, "greetings only");
    assert!(receiver.seen()[0].json().get("incident").is_none());

    publisher.note(&samples::gabon(), &[], T0 + 10).unwrap();
    receiver.fail(&[Fault::Status(410), Fault::Status(410)]);
    publisher.deliver(T0 + 10).unwrap();
    assert_eq!(publisher.health(T0 + 10).unwrap().webhook_subscriptions, 0);
    assert!(!publisher.remove(&new.id).unwrap());
    let again = publisher.subscribe_webhook(&request("/a"), T0 + 20).unwrap();
    assert_ne!(again.secret, new.secret);
}

#[test]
fn a_stranger_s_webhook_into_this_host_is_refused_even_behind_a_name() {
    let directory = directory();
    let publisher = open(directory.path(), config(""));
    let request = |url: &str| WebhookRequest { url: url.to_owned(), services: vec![], countries: vec![] };
    for url in ["https://127.0.0.1/", "http://example.org/", "https://[::ffff:10.0.0.1]/"] {
        assert!(
            matches!(publisher.subscribe_webhook(&request(url), T0), Err(SubscribeError::Invalid(_))),
            "{url}"
        );
    }
}

#[test]
fn mastodon_has_one_status_for_a_step_even_if_the_answer_was_lost() {
    let directory = directory();
    let statuses = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = Arc::clone(&statuses);
    let server = HttpReceiver::with(move |seen| {
        if seen.path != "/api/v1/statuses" || seen.header("authorization") != "Bearer letmein" {
            return (401, "{\"error\":\"The access token is invalid\"}".to_owned());
        }
        // As the real one: the same key is the same status.
        let status = seen.json()["status"].as_str().unwrap().to_owned();
        kept.lock().unwrap().insert((seen.header("idempotency-key").to_owned(), status));
        (200, "{\"id\":\"1\"}".to_owned())
    });
    let publisher = open(
        directory.path(),
        config(&format!("[[mastodon]]\nname = \"main\"\nserver = \"{}\"\nsecret = \"letmein\"", server.url)),
    );
    server.fail(&[Fault::EffectThenReset, Fault::Status(502)]);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    for step in 0..3 {
        publisher.deliver(T0 + step * 60).unwrap();
    }
    assert_eq!(publisher.health(T0).unwrap().channels[0].sent, 1);
    let statuses = statuses.lock().unwrap().clone();
    assert_eq!(statuses.len(), 1);
    let (_, status) = statuses.first().unwrap();
    assert!(status.starts_with("Loss of connectivity in Gabon, 4 of 4 measured networks, since 17:02 UTC."));
    assert!(status.contains("Perte de connectivité au Gabon"));
    assert!(status.ends_with("https://pulse.example/incident/whatsapp-GA-28217822"));
}

#[test]
fn mastodon_is_not_asked_again_when_it_has_forgotten_the_key() {
    let directory = directory();
    let server = HttpReceiver::start();
    let publisher = open(
        directory.path(),
        config(&format!("[[mastodon]]\nname = \"main\"\nserver = \"{}\"\nsecret = \"letmein\"", server.url)),
    );
    server.fail(&[Fault::EffectThenReset]);
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    publisher.deliver(T0).unwrap();
    publisher.deliver(T0 + 3600).unwrap();
    assert_eq!(server.seen().len(), 1);
    assert!(publisher.dead_letters(1).unwrap()[0].reason.starts_with("it may have arrived"));
}

#[test]
fn bluesky_has_one_record_for_a_step_even_if_the_answer_was_lost() {
    let directory = directory();
    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&records);
    let server = HttpReceiver::with(move |seen| {
        let mut records = kept.lock().unwrap();
        match seen.path.split('?').next().unwrap() {
            "/xrpc/com.atproto.server.createSession" => {
                (200, json!({ "accessJwt": "jwt", "did": "did:plc:pulse" }).to_string())
            }
            "/xrpc/com.atproto.repo.createRecord" => {
                assert_eq!(seen.header("authorization"), "Bearer jwt");
                records.push(seen.json());
                (200, "{}".to_owned())
            }
            "/xrpc/com.atproto.repo.getRecord" => {
                let has = records.iter().any(|one| seen.path.ends_with(one["rkey"].as_str().unwrap()));
                (if has { 200 } else { 400 }, "{}".to_owned())
            }
            _ => (404, String::new()),
        }
    });
    let publisher = open(
        directory.path(),
        config(&format!(
            "[[bluesky]]\nname = \"main\"\nserver = \"{}\"\nidentifier = \"pulse.example\"\nsecret = \"app\"",
            server.url
        )),
    );
    publisher.note(&samples::gabon(), &[], T0).unwrap();
    // First nobody can sign in.
    server.fail(&[Fault::Status(503)]);
    publisher.deliver(T0).unwrap();
    // Then signing in works and the server has no record yet; the post is taken, and nobody hears the answer nor whether
    // it is there.
    server.fail_at("createRecord", Fault::EffectThenReset);
    publisher.deliver(T0 + 60).unwrap();
    assert_eq!(publisher.health(T0).unwrap().channels[0].sent, 0);
    publisher.deliver(T0 + 120).unwrap();
    let records = records.lock().unwrap().clone();
    assert_eq!(records.len(), 1);
    let record = &records[0]["record"];
    assert_eq!(records[0]["repo"], "did:plc:pulse");
    assert_eq!(record["langs"], json!(["en", "fr"]));
    let text = record["text"].as_str().unwrap();
    let index = &record["facets"][0]["index"];
    let (start, end) = (index["byteStart"].as_u64().unwrap(), index["byteEnd"].as_u64().unwrap());
    assert_eq!(&text[start as usize..end as usize], "https://pulse.example/incident/whatsapp-GA-28217822");
    assert_eq!(publisher.health(T0).unwrap().channels[0].sent, 1);
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_change() {
    let directory = directory();
    for (text, expected) in [
        (
            "[[webhook]]\nname = \"a\"\nurl = \"http://example.org\"\nsecret = \"x\"",
            "must begin with https://",
        ),
        ("[[webhook]]\nname = \"a\"\nurl = \"https://example.org\"", "needs `secret` or `secret_file`"),
        (
            "[email]\nhost = \"mail.example.org\"\ntls = \"none\"\nfrom = \"a@example.org\"",
            "only for a server on this host",
        ),
        ("[[mastodon]]\nname = \"A B\"\nserver = \"https://m.example\"\nsecret = \"x\"", "a name is 1 to 40"),
    ] {
        let opened = Publisher::open(&directory.path().join("store"), config(text));
        let error = opened.err().expect("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(toml::from_str::<PublishConfig>("base_url = \"https://a\"\nbase_ulr = \"x\"").is_err());
    let misspelt = "base_url = \"https://a\"\n[email]\nhost = \"h\"\nfrom = \"a@b.c\"\nsecret_flie = \"x\"";
    assert!(toml::from_str::<PublishConfig>(misspelt).is_err());
}

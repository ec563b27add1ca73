//! The collector as strangers, cells, agents and an operator meet it: a real server on loopback.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Client, away, minute, observatory, while_it_runs, while_it_runs_with};
use mbolo_pulse_server::Config;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_counted_once_and_seen_on_the_board() {
    while_it_runs("", move |awa| {
        let report = awa.worked_report("whatsapp", "send");
        assert_eq!(awa.post_json("/v1/report", &report).status, 202);
        let replayed = awa.at("192.0.2.99").post_json("/v1/report", &report);
        assert_eq!((replayed.status, replayed.json()["error"].as_str()), (410, Some("spent")));
        let again = awa.report("whatsapp");
        assert_eq!((again.status, again.json()["error"].as_str()), (409, Some("reported_before")));
        for (field, other) in [("service", "telegram"), ("problem", "calls")] {
            let mut changed = awa.worked_report("whatsapp", "send");
            changed[field] = json!(other);
            let refused = awa.post_json("/v1/report", &changed);
            assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("bad_challenge")));
        }
        let seen = awa.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
        assert_eq!(seen["service"]["problem_counts"], json!([["send", 1]]));
        assert_eq!(seen["service"]["countries"], json!([]), "one reporter's country is private");
        assert_eq!(awa.get("/v1/challenge?service=facebook").status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_neighbourhood_is_capped() {
    let bounded = |config: &mut Config| {
        config.limits.neighbourhood_full = 2;
        config.limits.neighbourhood_most = 10;
    };
    while_it_runs_with("", bounded, move |client| {
        let statuses: Vec<u16> =
            (1..=15).map(|n| client.at(&format!("198.51.100.{n}")).report("whatsapp").status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 10);
        assert_eq!(statuses[14], 429);
        assert_eq!(client.at("203.0.113.1").report("whatsapp").status, 202, "others are still heard");
        client.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 11);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_without_scripts_reports_with_the_pages_own_form() {
    while_it_runs("", move |client| {
        let page = client.get("/service/whatsapp?lang=fr");
        assert_eq!(page.status, 200);
        assert!(page.text.len() < 100_000, "the page has {} bytes", page.text.len());
        let buttons: Vec<&str> = page.text.split("name=\"report\" value=\"").skip(1).collect();
        let button = |at: usize| buttons[at].split('"').next().unwrap();
        let press = |service: &str, button: &str| {
            let body = format!("service={service}&report={button}&lang=fr");
            let answer = client.post("/v1/report", &common::FORM, body.as_bytes());
            (answer.status, answer.header("location").unwrap().to_owned())
        };
        let back = |service: &str, notice: &str| (303, format!("/service/{service}?notice={notice}&lang=fr"));
        assert_eq!(press("whatsapp", button(1)), back("whatsapp", "too-soon"));
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        assert_eq!(press("signal", button(1)), back("signal", "form-expired"), "another service's button");
        assert_eq!(press("whatsapp", button(1)), back("whatsapp", "report-thanks"));
        assert_eq!(press("whatsapp", button(1)), back("whatsapp", "form-expired"));
        assert_eq!(press("whatsapp", button(2)), back("whatsapp", "form-expired"), "one use for all of them");
        let said = client.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
        assert_eq!(said["service"]["problem_counts"], json!([["receive", 1]]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_is_one_reporter_whatever_its_browser_calls_itself() {
    while_it_runs("", move |client| {
        let report = |browser: &str, address: &str| {
            let client = client.at(address);
            let body = client.worked_report("whatsapp", "send").to_string();
            let headers = [("content-type", "application/json"), ("user-agent", browser)];
            client.post("/v1/report", &headers, body.as_bytes()).status
        };
        assert_eq!(report("one", "192.0.2.1"), 202);
        assert_eq!(report("another", "192.0.2.1"), 409);
        assert_eq!(report("one", "192.0.2.1:4711"), 409, "some proxies tell the port");
        assert_eq!(report("one", "2001:db8::1"), 202);
        assert_eq!(report("one", "[2001:db8::2]:4711"), 409, "a host has a /64 of addresses");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_somebody_else_cannot_make_its_visitors_report() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let own = format!("http://{}", observatory.address());
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
        let star = |answer: &common::Answer| answer.header("access-control-allow-origin").is_some();
        assert!(!star(&client.get("/v1/challenge?service=whatsapp")));
        assert!(star(&client.get("/v1/isitjustme?service=whatsapp")));
        let report = |origin: &str| {
            let body = client.worked_report("whatsapp", "send").to_string();
            client.post("/v1/report", &[("origin", origin)], body.as_bytes())
        };
        let refused = report("https://elsewhere.example");
        assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("other_site")));
        assert!(!star(&refused));
        assert_eq!(report(&own).status, 202);
        let beacon =
            client.post_json("/v1/beacon", &json!({ "service": "mbolo", "attempts": 1, "failures": 0 }));
        assert!(beacon.status == 202 && star(&beacon), "beacons are sent from everywhere");
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_an_account_signs_instead_of_working_and_its_account_counts_once() {
    let bounded = |config: &mut Config| config.limits.pow_bits = 26;
    while_it_runs_with("", bounded, move |client| {
        let at = |address: &str| client.at(address);
        let send = |address: &str, report: &serde_json::Value| {
            let answer = at(address).post_json("/v1/report", report);
            (answer.status, answer.json()["error"].as_str().map(str::to_owned))
        };
        let refused = |status: u16, word: &str| (status, Some(word.to_owned()));
        let first = client.signed_report("whatsapp", 1, 2);
        let mut forged = client.signed_report("whatsapp", 1, 2);
        forged["device"]["root_key"] = client.signed_report("whatsapp", 9, 2)["device"]["root_key"].clone();
        assert_eq!(send("192.0.2.1", &forged), refused(403, "bad_signature"), "another account's key");
        let mut other = client.signed_report("whatsapp", 1, 2);
        other["device"]["signature"] = first["device"]["signature"].clone();
        assert_eq!(send("192.0.2.1", &other), refused(403, "bad_signature"), "another challenge's signature");
        let mut changed = client.signed_report("whatsapp", 1, 2);
        changed["problem"] = json!("calls");
        assert_eq!(send("192.0.2.1", &changed), refused(403, "bad_challenge"));
        let mut neither = first.clone();
        neither["device"].take();
        assert_eq!(send("192.0.2.1", &neither), refused(400, "malformed"));
        assert_eq!(send("192.0.2.1", &first), (202, None));
        assert_eq!(send("192.0.2.1", &first), refused(410, "spent"));
        let second_device = client.signed_report("whatsapp", 1, 3);
        assert_eq!(send("203.0.113.9", &second_device), refused(409, "reported_before"), "one account");
        assert_eq!(
            send("192.0.2.1", &client.signed_report("whatsapp", 4, 5)),
            refused(409, "reported_before")
        );
        assert_eq!(send("203.0.113.9", &client.signed_report("whatsapp", 4, 5)), (202, None));
        client.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_looks_after_what_was_given_up_and_after_who_subscribed() {
    let data = tempfile::tempdir().unwrap();
    let more = "[publish]\nbase_url = \"https://pulse.example\"\n\
                [publish.subscriptions]\nallow_private_addresses = true\n";
    let observatory = observatory(data.path(), more).await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    // A server that wants none of it.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = format!("http://{}/hook", gone.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in gone.incoming() {
            use std::io::{Read, Write};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    away(move || {
        let ask = |method: &str, path: &str| {
            client.operate(method, &format!("/v1/operator/{path}"), "an-operator-in-a-test", &json!({}))
        };
        for (method, path) in
            [("get", "dead-letters"), ("get", "subscriptions"), ("delete", "subscriptions/x")]
        {
            let path = format!("/v1/operator/{path}");
            assert_eq!(client.operate(method, &path, "a-guess-of-somebody-else", &json!({})).status, 401);
        }
        let kept = client.webhook("http://127.0.0.1:1/kept").json()["id"].as_str().unwrap().to_owned();
        assert_eq!(client.webhook(&hook).status, 201);
        let letters = || ask("get", "dead-letters").json()["dead_letters"].as_array().unwrap().clone();
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while letters().is_empty() && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let letter = letters().pop().expect("a delivery that is given up");
        assert!(letter["reason"].as_str().unwrap().starts_with("410"), "{letter}");
        let path = format!("dead-letters/{}", letter["id"]);
        assert_eq!(ask("post", &path).status, 204);
        while letters().is_empty() && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(letters().len(), 1, "it was tried again, in vain");
        assert_eq!((ask("delete", &path).status, letters().len()), (204, 0));
        let again = ask("delete", &path);
        assert_eq!((again.status, again.json()["error"].as_str()), (404, Some("unknown_letter")));
        let all = ask("get", "subscriptions?kind=webhook").json();
        assert_eq!(
            all["subscriptions"].as_array().unwrap().len(),
            1,
            "the one that said 410 is forgotten: {all}"
        );
        assert_eq!(all["subscriptions"][0]["id"], json!(kept));
        assert!(all["subscriptions"][0].get("secret").is_none());
        assert_eq!(ask("get", "subscriptions?kind=email").json()["subscriptions"], json!([]));
        assert_eq!(ask("delete", &format!("subscriptions/{kept}")).status, 204);
        assert_eq!(ask("delete", &format!("subscriptions/{kept}")).status, 404);
        assert_eq!(ask("get", "subscriptions").json()["subscriptions"], json!([]));
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_refused_for_itself_does_not_cost_the_work() {
    let more = "[[services]]\nid = \"mbolo\"\nname = \"Mbolo\"\n\
                [[services]]\nid = \"bank\"\nname = \"Bank\"\nproblems = [\"login\"]";
    while_it_runs(more, move |client| {
        let asked = client.get("/v1/challenge?service=bank&problem=send");
        assert_eq!(asked.status, 400, "nothing is sent with a bank");
        let report = client.worked_report("bank", "login");
        let mut other = report.clone();
        other["problem"] = json!("send");
        assert_eq!(client.post_json("/v1/report", &other).status, 400);
        assert_eq!(client.post_json("/v1/report", &report).status, 202);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_read_kindly_and_a_refusal_always_has_the_same_shape() {
    while_it_runs_with(
        "",
        |config| config.limits.body_bytes = 1_024,
        move |client| {
            client.until("/v1/services", |said| said["board"]["seq"].as_u64() >= Some(1));
            for path in [
                "/v1/incidents?country=ga&service=",
                "/feeds/atom.xml?country=ga&lang=fr&lang=en",
                "/service/whatsapp?lang=fr&lang=en&notice=",
                "/api/v2/scheduled-maintenances/active.json",
                "/api/v2/scheduled-maintenances/upcoming.json",
            ] {
                assert_eq!(client.get(path).status, 200, "{path}");
            }
            for (path, status) in [
                ("/v1/incidents?country=gabon", 400),
                ("/v1/isitjustme", 400),
                ("/v1/nowhere", 404),
                ("/api/v3/x", 404),
            ] {
                let refused = client.get(path);
                assert_eq!(refused.status, status, "{path}");
                assert!(refused.json()["message"].is_string(), "{path}: {}", refused.text);
            }
            let operator = "an-operator-in-a-test";
            let cause = "/v1/operator/incidents/none/cause";
            let large = json!({ "text": "a".repeat(2_000), "source": "b" });
            for (refused, status) in [
                (client.operate("put", cause, operator, &json!({ "text": 1 })), 422),
                (client.operate("post", "/v1/operator/incidents/none/updates", operator, &json!([])), 422),
                (client.operate("put", "/v1/operator/comments/x", operator, &json!({})), 400),
                (client.operate("put", cause, operator, &large), 413),
                (client.post_json("/v1/services", &json!({})), 405),
                (client.operate("put", cause, "not-the-operator", &json!({ "text": 1 })), 401),
                (client.operate("put", "/v1/operator/comments/x", "not-the-operator", &large), 401),
            ] {
                assert_eq!(refused.status, status, "{}", refused.text);
                let said = refused.json();
                assert!(said["error"].is_string() && said["message"].is_string(), "{said}");
            }
            assert_eq!(client.post_json("/v1/services", &json!({})).header("allow"), Some("GET,HEAD"));
            assert!(client.get("/nowhere").text.starts_with("<!"), "people get a page");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_leads_to_no_subscription_ends_on_a_page_that_says_so() {
    let more = "[publish]\nbase_url = \"https://pulse.example\"\n\
                [publish.email]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nfrom = \"P <p@example.org>\"\n";
    while_it_runs(more, move |client| {
        for path in ["/subscribe/confirm", "/subscribe/end"] {
            let page = client.get(&format!("{path}?token=abc.def&lang=fr"));
            assert_eq!(page.status, 200);
            assert!(
                page.text.contains("<style") && page.text.contains(&format!("action=\"{path}?token=abc.def")),
                "{}",
                page.text
            );
            let answer = client.post(&format!("{path}?token=abc.def&lang=fr"), &[], b"");
            let to = answer.header("location");
            assert_eq!((answer.status, to), (303, Some("/subscribe?notice=link-unknown&lang=fr")));
            let without = client.post(path, &[], b"");
            assert_eq!(without.header("location"), Some("/subscribe?notice=link-unknown"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_neighbourhood_fills_neither_the_moderators_queue_nor_strangers_letterboxes() {
    let data = tempfile::tempdir().unwrap();
    let more = "[publish]\nbase_url = \"https://pulse.example\"\n\
                [publish.subscriptions]\nallow_private_addresses = true\nmax_webhooks_per_host = 50\n";
    let observatory = observatory(data.path(), more).await;
    let client = Client::new(observatory.address(), "");
    away(move || {
        let comment = |address: &str| client.at(address).comment("whatsapp", "Nothing arrives").status;
        let hook = |n: u8| client.at("198.51.100.1").webhook(&format!("http://127.0.0.1:1/{n}")).status;
        let comments: Vec<u16> = (1..=4).map(|n| comment(&format!("198.51.100.{n}"))).collect();
        assert_eq!(comments, [202, 202, 202, 429]);
        assert_eq!(comment("203.0.113.1"), 202, "others are still heard");
        assert_eq!((1..=4).map(hook).collect::<Vec<u16>>(), [201, 201, 201, 429]);
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beacons_come_in_our_own_form_and_as_network_errors_of_browsers() {
    while_it_runs("", move |client| {
        let own =
            json!({ "service": "mbolo", "minute": minute(), "batch": "b1", "attempts": 10, "failures": 3 });
        assert_eq!(client.post_json("/v1/beacon", &own).json()["counted"], 10);
        assert_eq!(client.post_json("/v1/beacon", &own).json()["counted"], 0, "sent again");
        let entry = |kind: &str, url: &str, fraction: f64| {
            json!({ "type": "network-error", "age": 1_000, "url": url,
                    "body": { "type": kind, "phase": "connection", "sampling_fraction": fraction } })
        };
        let reports = json!([
            entry("tcp.timed_out", "https://web.whatsapp.com/", 1.0),
            entry("ok", "https://web.whatsapp.com/", 0.1),
            entry("abandoned", "https://web.whatsapp.com/", 1.0),
            entry("dns.failed", "https://unrelated.example/", 1.0),
            { "type": "csp-violation" },
        ]);
        let media = [("content-type", "application/reports+json")];
        let taken = client.post("/v1/beacon", &media, reports.to_string().as_bytes());
        assert_eq!(
            (taken.status, taken.json()["counted"].as_u64()),
            (202, Some(11)),
            "a sampled success is ten"
        );
        let seen = client.until("/v1/services/whatsapp/series", |said| {
            said["series"].as_array().unwrap().iter().any(|bin| bin["failure_rate"].is_f64())
        });
        let rate = seen["series"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|bin| bin["failure_rate"].as_f64())
            .next_back();
        assert!((rate.unwrap() - 1.0 / 11.0).abs() < 1e-9);
        let impossible = json!({ "service": "mbolo", "attempts": 1, "failures": 3 });
        assert_eq!(client.post_json("/v1/beacon", &impossible).status, 400);
        // Beacons are sent from other origins.
        let question = client.get("/v1/services");
        assert_eq!(question.header("access-control-allow-origin"), Some("*"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cells_batch_counts_once_and_only_for_a_minute_that_can_be() {
    while_it_runs("", move |client| {
        let batch = |minute: u32, name: &str| {
            json!({ "cell": "cell.example", "minute": minute, "batch": name,
                    "rows": [{ "cc": "GA", "asn": 16058, "sockets": 120, "heartbeats": 90 }] })
        };
        let send = |body| client.post_signed("/v1/gauge", "x-mbolo-cell", &body);
        assert_eq!(send(batch(minute(), "one")).json()["counted"], true);
        assert_eq!(send(batch(minute(), "one")).json()["counted"], false);
        assert_eq!(send(batch(minute() - 1, "two")).json()["counted"], true);
        let future = send(batch(minute() + 10, "three"));
        assert_eq!((future.status, future.json()["error"].as_str()), (422, Some("future_minute")));
        let ancient = send(batch(minute() - 80 * 60, "four"));
        assert_eq!((ancient.status, ancient.json()["error"].as_str()), (422, Some("ancient_minute")));
        let mut other = batch(minute(), "five");
        other["cell"] = json!("elsewhere.example");
        assert_eq!(send(other).status, 400, "a cell speaks for itself only");
        let body = batch(minute(), "six").to_string();
        let forged = client.post(
            "/v1/gauge",
            &[
                ("x-mbolo-cell", &common::hex(common::key().verifying_key().as_bytes())),
                ("x-mbolo-signature", &"00".repeat(64)),
            ],
            body.as_bytes(),
        );
        assert_eq!(forged.status, 401);
        let seen = client
            .until("/v1/services/mbolo", |said| said["service"]["countries"][0]["networks_measured"] == 1);
        assert_eq!(seen["service"]["networks"][0]["scope"]["asn"], 16058);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_results_are_shown_and_one_that_abstains_counts_nothing() {
    while_it_runs("", move |client| {
        // Without tables it says so.
        client.until("/v1/services", |said| said["board"]["limits"].to_string().contains("no_geo"));
        let batch = |name: &str, abstained: bool| {
            json!({ "agent": "libreville", "batch": name, "minute": minute(), "abstained": abstained, "results": [
                { "service": "whatsapp", "target": "https://web.whatsapp.com", "ok": false, "failed_phase": "tls", "took_ms": 900 },
                { "service": "nobody-watches-this", "target": "x", "ok": true },
            ] })
        };
        let send = |body| client.post_signed("/v1/agent/results", "x-mbolo-agent", &body);
        assert_eq!(send(batch("a", true)).json()["counted"], false);
        let taken = send(batch("b", false)).json();
        assert_eq!((taken["counted"].as_bool(), taken["results"].as_u64()), (Some(true), Some(1)));
        assert_eq!(send(batch("b", false)).json()["counted"], false);
        let seen = client.until("/v1/services/whatsapp", |said| said["service"]["probes"].as_array().unwrap().len() == 1);
        assert_eq!(seen["service"]["probes"][0]["vantage"], "GA AS16058");
        assert_eq!(seen["service"]["probes"][0]["failed_phase"], "tls");
        assert!(!seen["board"]["limits"].to_string().contains("no_agents"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_is_shown_after_a_moderator_let_it_through() {
    while_it_runs("", move |client| {
        assert_eq!(client.comment("whatsapp", "Nothing arrives in <b>Libreville</b>").status, 202);
        let shown =
            || client.get("/v1/comments?service=whatsapp").json()["comments"].as_array().unwrap().len();
        assert_eq!(shown(), 0);
        let token = "an-operator-in-a-test";
        assert_eq!(
            client.operate("get", "/v1/operator/comments", "a-wrong-token-of-a-guesser", &json!({})).status,
            401
        );
        let waiting = client.operate("get", "/v1/operator/comments", token, &json!({})).json();
        let id = waiting["comments"][0]["id"].as_i64().unwrap();
        assert_eq!(
            client.operate("put", &format!("/v1/operator/comments/{id}"), token, &json!({})).status,
            204
        );
        assert_eq!(shown(), 1);
        let page = client.get("/service/whatsapp").text;
        assert!(page.contains("&lt;b&gt;Libreville") && !page.contains("<b>Libreville"));
        assert_eq!(
            client.operate("delete", &format!("/v1/operator/comments/{id}"), token, &json!({})).status,
            204
        );
        assert_eq!(shown(), 0);
        let unknown = client.operate(
            "put",
            "/v1/operator/incidents/none/cause",
            token,
            &json!({"text":"a","source":"b"}),
        );
        assert_eq!(unknown.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_is_written_without_scripts_on_a_page_that_stays() {
    while_it_runs("", move |client| {
        let page = client.get("/service/whatsapp/comment?lang=fr");
        assert!(page.status == 200 && !page.text.contains("http-equiv"), "{}", page.text);
        let token_of = |page: &str| {
            page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        let token = token_of(&page.text);
        let send = |token: &str, text: &str| {
            let body = format!("service=whatsapp&lang=fr&token={token}&author=Ada&text={text}");
            client.post("/v1/comments", &common::FORM, body.as_bytes())
        };
        let button = client.get("/service/whatsapp").text;
        let button = button.split("name=\"report\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        let refused = send(button, "Rien+n'arrive");
        assert_eq!(refused.status, 403, "a report's token is for a report");
        assert!(
            refused.text.contains(">\nRien n'arrive</textarea>") && refused.text.contains("trop ancien"),
            "{}",
            refused.text
        );
        assert!(refused.text.contains("value=\"Ada\""), "{}", refused.text);
        assert_ne!(token_of(&refused.text), token, "the form that comes back has a token of its own");
        // 480 characters and 20 line breaks, of which a form makes two characters each.
        let lines = |letters: usize| format!("{}{}", "%0D%0A".repeat(20), "a".repeat(letters));
        for unreadable in ["", "++", &format!("b{}", lines(480))] {
            let refused = send(&token, unreadable);
            assert_eq!(refused.status, 422, "{unreadable}");
            assert!(refused.text.contains("vide ou trop long"));
        }
        let taken = send(&token, &format!("b{}", lines(479)));
        assert_eq!(taken.header("location"), Some("/service/whatsapp?notice=comment-waits&lang=fr"));
        assert_eq!(send(&token, "Rien").status, 410, "a token is good for one comment");
        assert_eq!(client.get("/service/nobody/comment").status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_reports_are_refused_and_the_page_is_served() {
    let bounded = |config: &mut Config| config.limits.store_megabytes = 1;
    while_it_runs_with("", bounded, move |client| {
        let rows: Vec<_> = (1..=10_000).map(|asn| json!({ "cc": "GA", "asn": asn, "sockets": 1 })).collect();
        let full = (0..30).find_map(|ago| {
            let body = json!({ "cell": "cell.example", "minute": minute() - ago, "batch": format!("{ago}"), "rows": rows });
            let answer = client.post_signed("/v1/gauge", "x-mbolo-cell", &body);
            (answer.status != 200).then_some(answer)
        });
        let full = full.expect("a megabyte is full at some point");
        assert_eq!((full.status, full.json()["error"].as_str()), (503, Some("disk_full")));
        let refused = client.report("whatsapp");
        // A single row may still fit into the last page; then the next ones do not.
        assert!(matches!(refused.status, 202 | 503), "{refused:?}");
        // What is small may still be stored now and then, and then the disk does not count as full; so the cell goes on.
        let goes_on = |batch: u32| {
            let body = json!({ "cell": "cell.example", "minute": minute() - 40 - batch, "batch": format!("more-{batch}"), "rows": rows });
            client.post_signed("/v1/gauge", "x-mbolo-cell", &body).status
        };
        let batch = std::cell::Cell::new(0);
        let said = client.until("/v1/services", |said| {
            batch.set(batch.get() + 1);
            assert_eq!(goes_on(batch.get()), 503);
            said["board"]["limits"].to_string().contains("disk_full")
        });
        assert_eq!(said["services"].as_array().unwrap().len(), 5);
        assert_eq!(client.get("/service/whatsapp").status, 200);
        assert_eq!(goes_on(0), 503);
        assert_eq!(client.get("/healthz").status, 503);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_public_is_served_from_memory_with_tags_in_every_format() {
    while_it_runs("", move |client| {
        client.until("/v1/services", |said| said["board"]["seq"].as_u64() >= Some(1));
        for path in [
            "/",
            "/service/whatsapp",
            "/how-we-know",
            "/subscribe",
            "/v1/board",
            "/v1/map",
            "/v1/incidents",
            "/metrics",
            "/healthz",
            "/openapi.json",
            "/api/v2/summary.json",
            "/api/v2/status.json",
            "/api/v2/components.json",
            "/api/v2/incidents.json",
            "/api/v2/incidents/unresolved.json",
            "/api/v2/scheduled-maintenances.json",
            "/badge/whatsapp.svg",
            "/feeds/atom.xml",
            "/feeds/rss.xml",
            "/feeds/feed.json?service=whatsapp&country=GA",
            "/v1/isitjustme?service=whatsapp",
            "/v1/comments",
        ] {
            assert_eq!(client.get(path).status, 200, "{path}");
        }
        for path in [
            "/nowhere",
            "/service/facebook",
            "/v1/services/facebook",
            "/incident/none",
            "/badge/x.svg",
            "/api/v2/x",
        ] {
            assert_eq!(client.get(path).status, 404, "{path}");
        }
        let first = client.get("/v1/map");
        let tag = first.header("etag").unwrap().to_owned();
        assert!(first.header("cache-control").unwrap().contains("max-age"));
        let known = client.get_with("/v1/map", ("if-none-match", &tag));
        assert!(known.status == 304 || known.header("etag") != Some(&tag));
        let me = client.get("/v1/isitjustme?service=whatsapp").json();
        assert_eq!((me["knows_places"].as_bool(), me["place"].is_null()), (Some(false), true));
    })
    .await;
}

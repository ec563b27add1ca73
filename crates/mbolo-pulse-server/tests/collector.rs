//! The collector as strangers, cells, agents and an operator meet it: a real server on loopback.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Client, away, config, minute, observatory};
use mbolo_pulse_server::Observatory;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_counted_once_and_seen_on_the_board() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let awa = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
        let report = awa.worked("whatsapp");
        assert_eq!(awa.post_json("/v1/report", &report).status, 202);
        let replayed = awa.at("192.0.2.99").post_json("/v1/report", &report);
        assert_eq!((replayed.status, replayed.json()["error"].as_str()), (410, Some("spent")));
        let again = awa.report("whatsapp");
        assert_eq!((again.status, again.json()["error"].as_str()), (409, Some("reported_before")));
        let mut lazy = awa.worked("whatsapp");
        lazy["service"] = json!("telegram");
        assert_eq!(awa.post_json("/v1/report", &lazy).status, 403);
        let seen = awa.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
        assert_eq!(seen["service"]["problem_counts"], json!([["send", 1]]));
        assert_eq!(seen["service"]["countries"], json!([]), "one reporter's country is private");
        assert_eq!(awa.get("/v1/challenge?service=facebook").status, 404);
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_neighbourhood_is_capped() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path(), "");
    config.limits.neighbourhood_full = 2;
    config.limits.neighbourhood_most = 10;
    let observatory = Observatory::start(config).await.unwrap();
    let client = Client::new(observatory.address(), "");
    away(move || {
        let statuses: Vec<u16> =
            (1..=15).map(|n| client.at(&format!("198.51.100.{n}")).report("whatsapp").status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 10);
        assert_eq!(statuses[14], 429);
        assert_eq!(client.at("203.0.113.1").report("whatsapp").status, 202, "others are still heard");
        let seen = client.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 11);
        let weight: f64 = seen["service"]["series_24h"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|bin| bin["reports"].as_f64())
            .sum();
        assert!(weight < 8.0, "eleven reports, ten from one /24, weigh {weight}");
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_without_scripts_reports_with_the_pages_own_form() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
        let page = client.get("/service/whatsapp?lang=fr");
        assert_eq!(page.status, 200);
        assert!(page.text.len() < 100_000, "the page has {} bytes", page.text.len());
        let token = page.text.split("value=\"f1.").nth(1).unwrap().split('"').next().unwrap();
        let body = format!("service=whatsapp&problem=send&lang=fr&token=f1.{token}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let too_soon = client.post("/v1/report", &form, body.as_bytes());
        assert_eq!(too_soon.header("location"), Some("/service/whatsapp?notice=form-expired&lang=fr"));
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        let sent = client.post("/v1/report", &form, body.as_bytes());
        assert_eq!(
            (sent.status, sent.header("location")),
            (303, Some("/service/whatsapp?notice=report-thanks&lang=fr"))
        );
        let replayed = client.post("/v1/report", &form, body.as_bytes());
        assert_eq!(replayed.header("location"), Some("/service/whatsapp?notice=form-expired&lang=fr"));
        client.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
    })
    .await;
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beacons_come_in_our_own_form_and_as_network_errors_of_browsers() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
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
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cells_batch_counts_once_and_only_for_a_minute_that_can_be() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
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
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_results_are_shown_and_one_that_abstains_counts_nothing() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
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
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_is_shown_after_a_moderator_let_it_through() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
        let mut comment = client.worked("whatsapp");
        comment["text"] = json!("Nothing arrives in <b>Libreville</b>");
        assert_eq!(client.post_json("/v1/comments", &comment).status, 202);
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
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_reports_are_refused_and_the_page_is_served() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path(), "");
    config.limits.store_megabytes = 1;
    let observatory = Observatory::start(config).await.unwrap();
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
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
    observatory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_public_is_served_from_memory_with_tags_in_every_format() {
    let data = tempfile::tempdir().unwrap();
    let observatory = observatory(data.path(), "").await;
    let client = Client::new(observatory.address(), "192.0.2.1");
    away(move || {
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
    observatory.stop().await;
}

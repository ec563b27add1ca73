//! Feeds, status documents and badges as strangers read them: with libraries that know nothing of this crate.

#![allow(clippy::unwrap_used)]

use feed_rs::model::{Feed, FeedType};
use mbolo_pulse::board::{Board, Cause, Health, UpdateBoard};
use mbolo_pulse::model::{Country, IncidentKind, IncidentState, Minute, Scope, ServiceId};
use mbolo_pulse_page::feed::{self, Filter, Source};
use mbolo_pulse_page::{Language, badge, sample, statuspage};
use serde_json::Value;

const NOW: i64 = 1_793_000_520;
const BASE: &str = "https://pulse.example.org";

fn source(board: &Board) -> Source<'_> {
    Source { board, base_url: BASE, language: Language::En }
}

fn view(board: &Board) -> statuspage::View<'_> {
    statuspage::View { board, base_url: BASE, now: NOW, language: Language::En }
}

fn all_feeds(board: &Board, filter: &Filter) -> [(FeedType, Feed); 3] {
    let source = source(board);
    let read = |text: String| feed_rs::parser::parse(text.as_bytes()).expect("a feed that parses");
    [
        (FeedType::Atom, read(feed::atom(&source, filter))),
        (FeedType::RSS2, read(feed::rss(&source, filter))),
        (FeedType::JSON, read(feed::json_feed(&source, filter).to_string())),
    ]
}

fn hostile(board: &mut Board) {
    board.observatory = "A & B <c> \"d\" ]]> \u{0}\u{1}\u{FFFE}".to_owned();
    board.incidents[0].cause =
        Some(Cause { text: "<script>alert(1)</script> & more".to_owned(), source: "a\u{8}b".to_owned() });
    board.services[1].name = "<W&A>".to_owned();
}

#[test]
fn every_feed_is_read_by_a_strangers_library_and_says_the_same() {
    for (kind, feed) in all_feeds(&sample::sample_board(NOW), &Filter::default()) {
        assert_eq!(feed.feed_type, kind);
        // Four on the board; the one that is only suspected is in no feed.
        assert_eq!(feed.entries.len(), 3, "{kind:?}");
        let first = &feed.entries[0];
        assert!(first.id.ends_with("/incident/whatsapp-world-1"), "{kind:?} {}", first.id);
        let title = &first.title.as_ref().expect("a title").content;
        assert!(
            title
                .replace('\u{a0}', " ")
                .starts_with("Confirmed: WhatsApp fails worldwide, about 62 % of attempts, since"),
            "{title}"
        );
        assert!(first.published.is_some() && first.links[0].href.starts_with(BASE));
        assert!(feed.entries.iter().all(|entry| !entry.id.contains("mbolo-CM")));
    }
}

#[test]
fn a_feed_can_be_narrowed_to_a_service_and_a_country() {
    let board = sample::sample_board(NOW);
    let signal = Filter { service: ServiceId::new("signal"), country: None };
    let gabon = Filter { service: None, country: Country::new("GA") };
    let france = Filter { service: ServiceId::new("mbolo"), country: Country::new("FR") };
    for (filter, entries) in [(signal, 2), (gabon, 2), (france, 0)] {
        for (kind, feed) in all_feeds(&board, &filter) {
            assert_eq!(feed.entries.len(), entries, "{kind:?} {filter:?}");
        }
    }
}

#[test]
fn an_entry_keeps_its_id_and_its_date_while_its_incident_goes_on() {
    let mut board = sample::sample_board(NOW);
    let before = all_feeds(&board, &Filter::default());
    board.incidents[0].incident.state = IncidentState::Resolved;
    board.incidents[0].incident.resolved_at = Some(Minute::of_unix(NOW + 600));
    let after = all_feeds(&board, &Filter::default());
    for ((_, before), (kind, after)) in before.iter().zip(&after) {
        let (old, new) = (&before.entries[0], &after.entries[0]);
        assert_eq!((&old.id, old.published), (&new.id, new.published));
        assert_ne!(old.title, new.title);
        if *kind != FeedType::RSS2 {
            assert!(new.updated > old.updated, "{kind:?}");
        }
    }
}

#[test]
fn hostile_text_comes_out_of_a_feed_as_it_went_in() {
    let mut board = sample::sample_board(NOW);
    hostile(&mut board);
    let (atom, rss) =
        (feed::atom(&source(&board), &Filter::default()), feed::rss(&source(&board), &Filter::default()));
    for xml in [&atom, &rss] {
        roxmltree::Document::parse(xml).expect("well-formed XML");
        assert!(!xml.contains("<script"));
    }
    let document = roxmltree::Document::parse(&atom).expect("well-formed XML");
    let text = |name: &str| {
        document
            .descendants()
            .find(|node| node.has_tag_name(name))
            .and_then(|node| node.text())
            .unwrap_or_default()
    };
    assert_eq!(text("name"), "A & B <c> \"d\" ]]> ");
    assert!(text("content").contains("<script>alert(1)</script> & more"));
}

#[test]
fn atom_has_what_rfc_4287_demands() {
    let atom = feed::atom(&source(&sample::sample_board(NOW)), &Filter::default());
    let document = roxmltree::Document::parse(&atom).expect("well-formed XML");
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2005/Atom"));
    let nodes = root.children().filter(|node| node.has_tag_name("entry")).chain([root]);
    for node in nodes {
        for name in ["id", "title", "updated"] {
            let found: Vec<_> = node.children().filter(|child| child.has_tag_name(name)).collect();
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].text().is_some_and(|text| !text.is_empty()), "{name}");
        }
    }
    let own = root.children().find(|node| node.attribute("rel") == Some("self")).expect("a link to itself");
    assert_eq!(own.attribute("href"), Some("https://pulse.example.org/feeds/atom.xml"));
}

#[test]
fn the_summary_has_every_field_that_status_clients_read() {
    let board = sample::sample_board(NOW);
    let summary = statuspage::summary(&view(&board));
    has_exactly(&summary, &["page", "components", "incidents", "scheduled_maintenances", "status"]);
    has_exactly(&summary["page"], &["id", "name", "url", "time_zone", "updated_at"]);
    assert_eq!(summary["page"]["updated_at"], "2026-10-26T07:41:40.000Z");
    has_exactly(&summary["status"], &["indicator", "description"]);
    let component = &summary["components"][1];
    for field in [
        "id",
        "name",
        "status",
        "created_at",
        "updated_at",
        "position",
        "description",
        "showcase",
        "start_date",
        "group_id",
        "page_id",
        "group",
        "only_show_if_degraded",
    ] {
        assert!(component.get(field).is_some(), "a component has no {field}");
    }
    let incident = &summary["incidents"][0];
    for field in [
        "id",
        "name",
        "status",
        "created_at",
        "updated_at",
        "monitoring_at",
        "resolved_at",
        "impact",
        "shortlink",
        "started_at",
        "page_id",
        "incident_updates",
        "components",
    ] {
        assert!(incident.get(field).is_some(), "an incident has no {field}");
    }
    let update = &incident["incident_updates"][0];
    for field in [
        "id",
        "status",
        "body",
        "incident_id",
        "created_at",
        "updated_at",
        "display_at",
        "affected_components",
        "deliver_notifications",
    ] {
        assert!(update.get(field).is_some(), "an update has no {field}");
    }
    assert_eq!(incident["components"][0]["id"], "whatsapp");
}

#[test]
fn the_documents_speak_only_of_what_was_announced_and_in_their_own_words() {
    let board = sample::sample_board(NOW);
    let (summary, all) = (statuspage::summary(&view(&board)), statuspage::incidents(&view(&board)));
    assert_eq!(summary["incidents"].as_array().map(Vec::len), Some(2));
    assert_eq!(all["incidents"].as_array().map(Vec::len), Some(3));
    assert_eq!(statuspage::unresolved(&view(&board))["incidents"], summary["incidents"]);
    assert_eq!(summary["status"]["indicator"], "critical");
    let states =
        ["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"];
    for component in summary["components"].as_array().expect("a list") {
        assert!(states.contains(&component["status"].as_str().expect("a word")));
    }
    let steps = ["investigating", "identified", "monitoring", "resolved", "postmortem"];
    for incident in all["incidents"].as_array().expect("a list") {
        assert!(steps.contains(&incident["status"].as_str().expect("a word")));
        assert!(
            ["none", "minor", "major", "critical"].contains(&incident["impact"].as_str().expect("a word"))
        );
        for update in incident["incident_updates"].as_array().expect("a list") {
            assert!(steps.contains(&update["status"].as_str().expect("a word")));
            assert_ne!(update["body"], "Something unusual was seen.", "a suspicion was announced");
        }
    }
    for document in [
        statuspage::scheduled_maintenances,
        statuspage::active_maintenances,
        statuspage::upcoming_maintenances,
    ] {
        let document = document(&view(&board));
        has_exactly(&document, &["page", "scheduled_maintenances"]);
        assert_eq!(document["scheduled_maintenances"], Value::Array(vec![]));
    }
}

#[test]
fn a_stale_board_is_operational_nowhere() {
    let board = sample::quiet_board(NOW);
    let fresh = statuspage::summary(&view(&board));
    assert_eq!(fresh["components"][0]["status"], "operational");
    // The bank was never measured.
    assert_eq!(fresh["components"][4]["status"], "under_maintenance");
    let stale = statuspage::summary(&statuspage::View { now: NOW + 3600, ..view(&board) });
    assert_eq!(stale["status"]["indicator"], "minor");
    for component in stale["components"].as_array().expect("a list") {
        assert_eq!(component["status"], "under_maintenance");
    }
}

#[test]
fn one_service_that_works_does_not_make_the_others_operational() {
    let mut board = sample::quiet_board(NOW);
    let some = statuspage::status(&view(&board));
    assert_eq!(some["status"]["indicator"], "minor");
    let said = "What we can measure works; we cannot tell yet about Banque exemple";
    assert_eq!(some["status"]["description"], said);
    board.services.retain(|service| service.fresh_at.is_some());
    let all = statuspage::status(&view(&board));
    assert_eq!(all["status"]["indicator"], "none");
    assert_eq!(all["status"]["description"], "Everything we watch works");
}

#[test]
fn a_service_that_fails_somewhere_is_not_operational() {
    let mut board = sample::quiet_board(NOW);
    let mut one = sample::sample_board(NOW).incidents[0].clone();
    assert_eq!(one.incident.services, [board.services[1].id.clone()]);
    one.incident.scope = Scope::Country { cc: Country::new("GA").unwrap() };
    board.incidents.push(one);
    let status = |board: &Board| statuspage::components(&view(board))["components"][1]["status"].clone();
    let badge = |board: &Board| badge::badge(board, &board.services[1], Language::En, false);
    assert_eq!(status(&board), "partial_outage");
    assert!(badge(&board).contains("Problems: Gabon") && !badge(&board).contains("#0B6B4F"));
    board.incidents.push(board.incidents.last().unwrap().clone());
    assert!(badge(&board).contains("Problems in 2 places"));
    board.incidents.iter_mut().for_each(|one| one.false_alarm = true);
    assert_eq!(status(&board), "operational");
    assert!(badge(&board).contains("#0B6B4F"));
}

#[test]
fn reports_about_a_service_that_nobody_measures_are_still_told() {
    let mut board = sample::quiet_board(NOW);
    board.services[4].health = Health::Reported;
    assert_eq!(board.services[4].fresh_at, None);
    assert_eq!(statuspage::components(&view(&board))["components"][4]["status"], "degraded_performance");
    assert!(badge::badge(&board, &board.services[4], Language::En, false).contains("Reports only"));
}

#[test]
fn a_step_says_what_was_known_then_and_not_what_is_known_now() {
    let mut board = sample::sample_board(NOW);
    let one = &mut board.incidents[0];
    let at = one.incident.started_at;
    let step = |minutes: u32, state: Option<IncidentState>, scope: Option<Scope>| UpdateBoard {
        at: at.plus(minutes),
        state,
        scope,
        text: None,
    };
    let gabon = Scope::Country { cc: Country::new("GA").unwrap() };
    one.updates = vec![
        step(2, Some(IncidentState::Reported), Some(gabon.clone())),
        step(3, Some(IncidentState::Confirmed), Some(gabon)),
        step(5, None, Some(Scope::World)),
        step(9, Some(IncidentState::Recovering), None),
    ];
    one.incident.state = IncidentState::Recovering;
    one.cause = Some(Cause { text: "A fault.".to_owned(), source: "somebody".to_owned() });
    let told = |board: &Board| {
        let document = statuspage::incident(&view(board), &board.incidents[0]);
        let steps = document["incident_updates"].as_array().expect("steps").clone();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let one = |step: &Value| {
            let affected = &step["affected_components"][0];
            [word(&step["status"]), word(&affected["old_status"]), word(&affected["new_status"])]
        };
        steps.iter().rev().map(one).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&board),
        [
            ["investigating", "operational", "degraded_performance"],
            ["investigating", "degraded_performance", "partial_outage"],
            ["investigating", "partial_outage", "major_outage"],
            ["monitoring", "major_outage", "degraded_performance"],
        ]
    );
    let one = &mut board.incidents[0];
    one.updates.pop();
    one.incident.state = IncidentState::Confirmed;
    assert_eq!(
        told(&board)[1..],
        [
            ["investigating", "degraded_performance", "partial_outage"],
            ["identified", "partial_outage", "major_outage"],
        ]
    );
}

#[test]
fn a_false_alarm_is_over_for_status_clients() {
    let mut board = sample::quiet_board(NOW);
    let mut wrong = sample::sample_board(NOW).incidents[0].clone();
    wrong.false_alarm = true;
    board.incidents.insert(0, wrong);
    board.services.retain(|service| service.fresh_at.is_some());
    let summary = statuspage::summary(&view(&board));
    assert_eq!(summary["incidents"], Value::Array(vec![]));
    assert_eq!(summary["status"]["indicator"], "none");
    assert_eq!(statuspage::unresolved(&view(&board))["incidents"], Value::Array(vec![]));
    let told = &statuspage::incidents(&view(&board))["incidents"][0];
    assert_eq!((&told["status"], &told["impact"]), (&"resolved".into(), &"none".into()));
    assert_eq!(told["resolved_at"], told["updated_at"]);
    let newest = &told["incident_updates"][0];
    assert_eq!(newest["status"], "resolved");
    assert_eq!(newest["affected_components"][0]["new_status"], "operational");
    assert!(feed::atom(&source(&board), &Filter::default()).contains("<title>False alarm: WhatsApp fails"));
}

#[test]
fn a_feed_in_another_language_is_another_feed() {
    let board = sample::sample_board(NOW);
    let french = Source { language: Language::Fr, ..source(&board) };
    let signal = Filter { service: ServiceId::new("signal"), country: None };
    for (filter, query) in [(Filter::default(), "lang=fr"), (signal, "service=signal&lang=fr")] {
        let atom = feed::atom(&french, &filter);
        let document = roxmltree::Document::parse(&atom).expect("well-formed XML");
        let root = document.root_element();
        let own = format!("{BASE}/feeds/atom.xml?{query}");
        let id = root.children().find(|node| node.has_tag_name("id")).and_then(|node| node.text());
        let link = root.children().find(|node| node.attribute("rel") == Some("self"));
        assert_eq!(
            (id, link.and_then(|node| node.attribute("href"))),
            (Some(own.as_str()), Some(own.as_str()))
        );
        assert!(feed::rss(&french, &filter).contains(&query.replace('&', "&amp;")));
        let json = feed::json_feed(&french, &filter);
        assert_eq!(json["feed_url"], format!("{BASE}/feeds/feed.json?{query}"));
    }
}

#[test]
fn a_suspicion_that_came_to_nothing_was_never_there() {
    let mut board = sample::sample_board(NOW);
    let suspected = &mut board.incidents[2].incident;
    suspected.state = IncidentState::Resolved;
    suspected.resolved_at = Some(Minute::of_unix(NOW));
    assert_eq!(suspected.kind, IncidentKind::Service);
    let all =
        statuspage::incidents(&view(&board)).to_string() + &feed::atom(&source(&board), &Filter::default());
    assert!(!all.contains("mbolo-CM-1"));
}

#[test]
fn badges_are_well_formed_and_say_in_words_what_their_colour_says() {
    let mut board = sample::sample_board(NOW);
    hostile(&mut board);
    board.incidents.clear();
    for language in Language::ALL {
        for health in [Health::Unknown, Health::Up, Health::Reported, Health::Degraded, Health::Down] {
            board.services[1].health = health;
            for stale in [false, true] {
                let svg = badge::badge(&board, &board.services[1], language, stale);
                let document = roxmltree::Document::parse(&svg).expect("well-formed SVG");
                let label = document.root_element().attribute("aria-label").expect("a label");
                assert!(label.starts_with("<W&A>"), "{label}");
                let is_green = svg.contains("#0B6B4F");
                assert_eq!(is_green, health == Health::Up && !stale, "{svg}");
            }
        }
    }
}

fn has_exactly(value: &Value, fields: &[&str]) {
    let found: std::collections::BTreeSet<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(found, fields.iter().copied().collect());
}

//! Pages as a reader gets them: the answer first, whole without scripts, small, and safe with hostile text.

#![allow(clippy::unwrap_used)]

use mbolo_pulse::board::{Board, Health, Visitor};
use mbolo_pulse::model::{IncidentId, IncidentKind, IncidentState, Scope, ServiceId};
use mbolo_pulse_page::{
    Draft, FormToken, Language, Notice, PageContext, Theme, comment, confirm_page, content_security_policy,
    copy, end_page, home, how_we_know, incident, not_found, sample, service, service_unavailable, subscribe,
};

const NOW: i64 = 1_793_000_520;
const LIMIT: usize = 100_000;

fn context<'a>(board: &'a Board, visitor: &'a Visitor) -> PageContext<'a> {
    PageContext {
        board,
        visitor,
        now: NOW,
        language: Language::En,
        language_is_chosen: false,
        theme: Theme::Auto,
        base_url: "https://pulse.example.org",
        report_form: Some(FormToken("token-1".to_owned())),
        notice: None,
        comments: &[],
        email_is_offered: true,
        copies: &[],
        is_copy: false,
    }
}

fn whatsapp() -> ServiceId {
    ServiceId::new("whatsapp").expect("a valid name")
}

/// What a text browser shows of the main part.
fn text_of(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, main)| main);
    let main = main.split_once("</main>").map_or(main, |(main, _)| main);
    let mut text = String::new();
    let mut inside = true;
    for c in main.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn every_page(context: &PageContext<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("home", home(context)),
        ("service", service(context, &whatsapp()).expect("WhatsApp is on the board")),
        ("comment", comment(context, &whatsapp(), &Draft::default()).expect("WhatsApp is on the board")),
        ("incident", incident(context, &context.board.incidents[0].incident.id).expect("it is on the board")),
        ("how we know", how_we_know(context)),
        ("subscribe", subscribe(context)),
        ("confirm", confirm_page(context, "\"><script>token")),
        ("end", end_page(context, "token-2")),
        ("not found", not_found(context)),
        ("unavailable", service_unavailable(context)),
    ]
}

#[test]
fn is_it_down_is_answered_in_the_first_sentence() {
    let (busy, quiet, nowhere) = (sample::sample_board(NOW), sample::quiet_board(NOW), Visitor::default());
    let page = text_of(&service(&context(&busy, &nowhere), &whatsapp()).expect("a page"));
    assert!(page.starts_with("Is WhatsApp down? Yes. WhatsApp has been down since"), "{page:.200}");
    assert!(page.contains("It is not you. Do not restart your router."));
    let page = text_of(&service(&context(&quiet, &nowhere), &whatsapp()).expect("a page"));
    assert!(page.starts_with("Is WhatsApp down? No. WhatsApp works."), "{page:.200}");
    assert!(page.contains("Measured 40 seconds ago"), "{page:.400}");
    let mut measured = quiet.clone();
    measured.services.retain(|one| one.fresh_at.is_some());
    let page = home(&context(&measured, &nowhere));
    assert!(text_of(&page).starts_with("Is it down? No. Everything we watch works."));
    assert!(page.contains("class=\"verdict g\""));
}

#[test]
fn what_works_does_not_answer_for_what_nobody_measured() {
    let (quiet, nowhere) = (sample::quiet_board(NOW), Visitor::default());
    let page = home(&context(&quiet, &nowhere));
    let said = "Is it down? What we can measure works. We cannot tell yet about Banque exemple.";
    assert!(text_of(&page).starts_with(said), "{:.200}", text_of(&page));
    assert!(page.contains("class=\"verdict u\""), "the whole is not green");
    let mut local = sample::sample_board(NOW);
    local.services[1].health = Health::Up;
    local.incidents.remove(0);
    let text = text_of(&home(&context(&local, &nowhere)));
    assert!(
        text.contains("we see problems here: Gabon. We cannot tell yet about Banque exemple."),
        "{text:.300}"
    );
}

#[test]
fn a_false_alarm_changes_no_answer_and_is_told_as_what_was_before() {
    let (mut board, visitor) = (sample::quiet_board(NOW), sample::visitor_in_gabon());
    let mut wrong = sample::sample_board(NOW).incidents[0].clone();
    wrong.false_alarm = true;
    let id = wrong.incident.id.clone();
    board.incidents.insert(0, wrong);
    let context = context(&board, &visitor);
    let text = text_of(&home(&context));
    assert!(!text.contains("Happening now"), "{text:.400}");
    let (_, before) = text.split_once("Before").expect("what was before");
    assert!(
        before.contains("False alarm WhatsApp fails worldwide, about 62 % of attempts, from"),
        "{before:.400}"
    );
    let text = text_of(&service(&context, &whatsapp()).expect("a page"));
    assert!(text.starts_with("Is WhatsApp down? No. WhatsApp works. For you, in Gabon: WhatsApp works"));
    assert!(text.contains("A false alarm: a person found that nothing was wrong."));
    let page = incident(&context, &id).expect("it stays on record");
    assert!(page.contains("class=\"verdict g\"") && text_of(&page).contains("A false alarm:"));
}

#[test]
fn somebody_in_gabon_is_told_about_gabon() {
    let (board, visitor) = (sample::sample_board(NOW), sample::visitor_in_gabon());
    let page = text_of(&service(&context(&board, &visitor), &whatsapp()).expect("a page"));
    assert!(page.contains("For you, in Gabon: networks have lost their connectivity since"), "{page:.600}");
    assert!(page.contains("Loss of connectivity in Gabon, 4 of 4 measured networks, since"), "{page}");
    assert!(page.contains("Yours: Gabon Telecom (AS16058)"));
    let french = PageContext { language: Language::Fr, ..context(&board, &visitor) };
    let page = text_of(&service(&french, &whatsapp()).expect("a page"));
    assert!(page.contains("Perte de connectivité au Gabon, 4 des 4 réseaux mesurés"), "{page}");
    let mut small = board.clone();
    for one in small.services.iter_mut().flat_map(|service| &mut service.countries) {
        (one.networks_measured, one.networks_down) = (1, 1);
    }
    let french = PageContext { board: &small, ..french };
    let page = text_of(&service(&french, &whatsapp()).expect("a page"));
    assert!(page.contains("Perte de connectivité au Gabon, 1 sur 1 réseau mesuré"), "{page}");
}

#[test]
fn somebody_whose_network_alone_fails_is_told_to_try_another() {
    let (mut board, visitor) = (sample::quiet_board(NOW), sample::visitor_in_gabon());
    let mut one = sample::sample_board(NOW).incidents[0].clone();
    one.incident.scope = visitor.place.clone().expect("a place");
    board.incidents.insert(0, one);
    let page = text_of(&service(&context(&board, &visitor), &whatsapp()).expect("a page"));
    assert!(page.contains("WhatsApp has failed on your network since"), "{page:.400}");
    assert!(page.contains("another network may work."));
}

#[test]
fn an_incident_says_how_fast_it_was_seen_and_when_the_service_said_so() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let page = text_of(&service(&context(&board, &nowhere), &whatsapp()).expect("a page"));
    assert!(
        page.replace('\u{a0}', " ").contains("Seen after 3 min; the service said so after 34 min."),
        "{page}"
    );
}

#[test]
fn what_is_stale_is_grey_and_never_says_that_anything_works() {
    let (board, visitor) = (sample::quiet_board(NOW), sample::visitor_in_gabon());
    let stale = PageContext { now: NOW + 3600, ..context(&board, &visitor) };
    let page = service(&stale, &whatsapp()).expect("a page");
    assert!(page.contains("class=\"stale\"") && page.contains("data-health=\"unknown\""));
    assert!(page.contains("class=\"verdict u\""));
    let text = text_of(&page);
    assert!(text.starts_with("This page is from"), "{text:.200}");
    assert!(text.contains("Is WhatsApp down? We cannot tell now."));
    assert!(!text.contains("No. WhatsApp works"));
    let text = text_of(&home(&stale));
    assert!(text.contains("Is it down? We cannot tell now.") && !text.contains("Works"), "{text:.600}");
}

#[test]
fn what_was_never_measured_is_not_called_well() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let bank = ServiceId::new("bank").expect("a valid name");
    let page = text_of(&service(&context(&board, &nowhere), &bank).expect("a page"));
    assert!(page.contains("We cannot tell yet."), "{page:.300}");
    let mut ceased = sample::quiet_board(NOW);
    for service in &mut ceased.services {
        service.health = Health::Unknown;
        service.fresh_at = service.fresh_at.map(|at| at - 7_200);
    }
    let page = text_of(&service(&context(&ceased, &nowhere), &whatsapp()).expect("a page"));
    assert!(page.contains("We cannot tell. WhatsApp has not been measured lately."), "{page:.300}");
    assert!(page.contains("Measured 2 hours ago"), "{page:.300}");
    let page = text_of(&home(&context(&ceased, &nowhere)));
    assert!(
        page.starts_with("Is it down? We cannot tell. Nothing is measured at the moment."),
        "{page:.300}"
    );
}

#[test]
fn a_suspicion_is_shown_as_being_checked_and_is_no_incident_yet() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let mbolo = ServiceId::new("mbolo").expect("a valid name");
    let page = text_of(&service(&context(&board, &nowhere), &mbolo).expect("a page"));
    assert!(page.contains("Something is unusual in Cameroon since"), "{page}");
    assert!(incident(&context(&board, &nowhere), &IncidentId("mbolo-CM-1".to_owned())).is_none());
    let mut confirmed = board.clone();
    confirmed.incidents[2].incident.state = IncidentState::Confirmed;
    assert!(incident(&context(&confirmed, &nowhere), &IncidentId("mbolo-CM-1".to_owned())).is_some());
}

#[test]
fn reports_without_measurements_are_said_to_be_just_that() {
    let mut board = sample::quiet_board(NOW);
    board.services[1].health = Health::Reported;
    let nowhere = Visitor::default();
    let page = text_of(&service(&context(&board, &nowhere), &whatsapp()).expect("a page"));
    assert!(
        page.contains("People report problems with WhatsApp; our measurements are normal."),
        "{page:.300}"
    );
}

#[test]
fn reports_are_compared_with_measurements_only_where_there_are_some() {
    let mut board = sample::sample_board(NOW);
    board.incidents.truncate(1);
    board.incidents[0].incident.kind = IncidentKind::ReportsOnly;
    board.incidents[0].incident.state = IncidentState::Reported;
    board.incidents[0].incident.scope = sample::visitor_in_gabon().place.expect("a place");
    board.services[1].health = Health::Reported;
    let visitor = sample::visitor_in_gabon();
    let page = |board: &Board| text_of(&service(&context(board, &visitor), &whatsapp()).expect("a page"));
    let measured = page(&board);
    assert!(measured.contains("People report problems with WhatsApp; our measurements are normal."));
    assert!(measured.contains("; our measurements are normal, since"), "{measured}");
    let service = &mut board.services[1];
    service.fresh_at = None;
    for place in service.countries.iter_mut().chain(&mut service.networks) {
        place.failure_rate = None;
        place.networks_measured = 0;
    }
    let unmeasured = page(&board);
    assert!(unmeasured.contains("People report problems with WhatsApp; we do not measure it at the moment."));
    assert!(unmeasured.contains("we measure nothing there at the moment."), "{unmeasured:.600}");
    assert!(unmeasured.contains("; no measurement confirms it, since"), "{unmeasured}");
    assert!(!unmeasured.contains("measurements are normal"), "{unmeasured}");
    let nowhere = Visitor::default();
    let text = text_of(&home(&context(&board, &nowhere)));
    assert!(text.contains("with WhatsApp; no measurement confirms it."), "{text:.300}");
    board.incidents[0].incident.scope = Scope::World;
    assert!(!page(&board).contains("measurements are normal"));
}

#[test]
fn nothing_is_called_usual_before_that_is_known() {
    let mut board = sample::quiet_board(NOW);
    let nowhere = Visitor::default();
    let page = |board: &Board| text_of(&service(&context(board, &nowhere), &whatsapp()).expect("a page"));
    assert!(page(&board).contains("reports in the last hour; "), "{}", page(&board));
    for bin in &mut board.services[1].series_24h {
        (bin.expected, bin.expected_high) = (None, None);
    }
    assert!(!page(&board).contains("would be usual"), "{}", page(&board));
}

#[test]
fn that_nothing_happened_is_said_only_of_days_that_were_watched() {
    let mut board = sample::quiet_board(NOW);
    board.incidents.clear();
    let nowhere = Visitor::default();
    let page = |board: &Board| text_of(&service(&context(board, &nowhere), &whatsapp()).expect("a page"));
    assert!(page(&board).contains("No incident since we began to watch on 19 August 2026."));
    assert!(text_of(&home(&context(&board, &nowhere))).contains("we began to watch on 19 August 2026."));
    let mut long = board.clone();
    long.services[1].history_90d.iter_mut().for_each(|day| day.health = Health::Up);
    assert!(page(&long).contains("No incident in the last 90 days."));
    board.services[1].history_90d.iter_mut().for_each(|day| day.health = Health::Unknown);
    assert!(page(&board).contains("No incident so far."));
}

#[test]
fn whatever_limits_the_observatory_is_said_above_the_answer() {
    let worst = sample::worst_board(NOW);
    let nowhere = Visitor::default();
    for language in Language::ALL {
        let page = home(&PageContext { language, ..context(&worst, &nowhere) });
        // One banner is for a page that grows old.
        assert_eq!(page.matches("class=\"banner").count(), worst.limits.len() + 1);
    }
    assert!(text_of(&home(&context(&worst, &nowhere))).contains("Our clock is not right."));
}

#[test]
fn a_link_in_an_e_mail_changes_nothing_before_its_button_is_pressed() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let french = PageContext { language: Language::Fr, ..context(&board, &nowhere) };
    let page = confirm_page(&french, "a-b_c.1");
    assert!(page.contains(
        "<form class=\"ask\" method=\"post\" action=\"/subscribe/confirm?token=a-b_c.1&amp;lang=fr\""
    ));
    assert!(page.contains("Confirmer</button>") && !page.contains("http-equiv"));
    assert!(
        page.contains("href=\"/subscribe/confirm?token=a-b_c.1&amp;lang=en\""),
        "the switch keeps the token"
    );
    assert!(page.contains("rel=\"canonical\" href=\"https://pulse.example.org/subscribe/confirm\""));
    let page = end_page(&context(&board, &nowhere), "\"&x=1");
    assert!(
        page.contains("action=\"/subscribe/end?token=%22%26x%3D1&amp;lang=en\"")
            && page.contains("Unsubscribe")
    );
    let lost = PageContext { notice: Notice::from_code("link-unknown"), ..context(&board, &nowhere) };
    assert!(text_of(&subscribe(&lost)).starts_with("This link leads to no subscription"));
}

#[test]
fn an_open_page_renews_itself_without_scripts_unless_it_answers_a_form() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let renews =
        |page: &str| page.contains("<noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>");
    let live = context(&board, &nowhere);
    assert!(renews(&home(&live)) && renews(&service(&live, &whatsapp()).expect("a page")));
    assert!(!renews(&subscribe(&live)) && !renews(&how_we_know(&live)));
    assert!(!renews(&comment(&live, &whatsapp(), &Draft::default()).expect("a page")));
    let answering = PageContext { notice: Some(Notice::ReportThanks), ..live.clone() };
    assert!(!renews(&service(&answering, &whatsapp()).expect("a page")));
}

#[test]
fn what_fails_somewhere_is_not_green_on_the_first_page_and_its_readers_there_are_told() {
    let (mut board, nowhere, in_gabon) =
        (sample::sample_board(NOW), Visitor::default(), sample::visitor_in_gabon());
    board.incidents.remove(0);
    for service in &mut board.services {
        (service.health, service.fresh_at) = (Health::Up, Some(NOW));
    }
    let page = home(&context(&board, &nowhere));
    assert!(page.contains("data-health=\"degraded\""), "{page:.900}");
    let text = text_of(&page);
    assert!(
        text.contains("WhatsApp Problems: Gabon") && text.contains("Mairie de Libreville Works"),
        "{text}"
    );
    assert!(!text.contains("For you"));
    let text = text_of(&home(&context(&board, &in_gabon)));
    assert!(
        text.contains("For you: Loss of connectivity in Gabon, 4 of 4 measured networks, since"),
        "{text}"
    );
}

#[test]
fn what_is_not_known_says_why() {
    let (mut board, nowhere) = (sample::quiet_board(NOW), Visitor::default());
    let said = |board: &Board| {
        let text = text_of(&service(&context(board, &nowhere), &whatsapp()).expect("a page"));
        text.split_once("down? ").unwrap().1.chars().take(90).collect::<String>()
    };
    board.services[1].health = Health::Unknown;
    assert!(
        said(&board).starts_with("We cannot tell. What we measure of WhatsApp does not say"),
        "{}",
        said(&board)
    );
    board.services[1].series_24h.last_mut().unwrap().failure_rate = Some(1.0);
    assert!(
        said(&board).starts_with("Perhaps. Most of what we measure of WhatsApp fails"),
        "{}",
        said(&board)
    );
    let mut suspected = sample::sample_board(NOW).incidents[0].clone();
    suspected.incident.state = IncidentState::Suspected;
    suspected.incident.confirmed_at = None;
    suspected.updates.clear();
    board.incidents.push(suspected);
    assert!(said(&board).starts_with("We are checking. Something has been unusual"), "{}", said(&board));
    board.services[1].fresh_at = Some(NOW - 1_000);
    assert!(
        said(&board).starts_with("We cannot tell. WhatsApp has not been measured lately"),
        "{}",
        said(&board)
    );
    board.services[1].fresh_at = None;
    assert!(said(&board).starts_with("We cannot tell yet."), "{}", said(&board));
}

#[test]
fn a_copy_is_whole_and_leads_nowhere_on_its_own_host() {
    let board = sample::sample_board(NOW);
    let copies = ["https://mirror.example/pulse/".to_owned()];
    for (language, other) in [(Language::En, "fr.html"), (Language::Fr, "index.html")] {
        let page = copy(&board, language, "https://pulse.example.org", &copies);
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| !link.starts_with('#') && !link.starts_with("data:")) {
            let is_file = ["index.html", "fr.html"].contains(&link);
            let is_known = link == copies[0] || link.starts_with("https://pulse.example.org");
            assert!(is_file || is_known, "{link}");
        }
        assert!(page.contains(other) && !page.contains("<form"));
        assert!(page.len() < LIMIT);
    }
    let text = text_of(&copy(&board, Language::En, "https://pulse.example.org", &copies));
    assert!(text.starts_with("This is a copy from"), "{text:.300}");
    assert!(text.contains("Is it down? Yes. We measure problems with WhatsApp"), "{text:.600}");
}

#[test]
fn a_reader_learns_where_the_copies_are_before_they_are_needed() {
    let (board, nowhere) = (sample::quiet_board(NOW), Visitor::default());
    let copies = ["https://mirror.example/pulse/".to_owned()];
    for (name, page) in every_page(&PageContext { copies: &copies, ..context(&board, &nowhere) }) {
        let says_so = page.contains("When this page does not answer:") && page.contains(copies[0].as_str());
        assert!(says_so, "{name}");
    }
    assert!(!home(&context(&board, &nowhere)).contains("does not answer"));
}

#[test]
fn what_recovers_is_said_to_get_better() {
    let (mut board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    board.incidents[0].incident.state = IncidentState::Recovering;
    let text = text_of(&service(&context(&board, &nowhere), &whatsapp()).expect("a page"));
    assert!(text.contains("WhatsApp fails worldwide, since 07:01 UTC ; it is getting better"), "{text}");
}

#[test]
fn an_observatory_that_has_just_been_started_says_so_and_not_that_its_data_is_old() {
    let mut board = sample::quiet_board(NOW);
    (board.seq, board.valid_until) = (0, NOW - 1);
    let nowhere = Visitor::default();
    let context = context(&board, &nowhere);
    for page in [home(&context), service(&context, &whatsapp()).unwrap()] {
        assert!(page.contains("We cannot tell yet.") && page.contains("has just been started"), "{page}");
        assert!(!page.contains("has not been renewed") && !page.contains("Our last data"));
    }
}

#[test]
fn nothing_is_typed_on_a_page_that_renews_itself() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let context = context(&board, &nowhere);
    for (name, page) in every_page(&context) {
        let is_typed_on = page.contains("<textarea")
            || page.matches("<input ").count() > page.matches("type=\"hidden\"").count();
        assert!(!is_typed_on || !page.contains("data-live"), "{name}");
    }
    let page = service(&context, &whatsapp()).expect("a page");
    assert!(page.contains("href=\"/service/whatsapp/comment\""));
    let page = comment(&context, &whatsapp(), &Draft::default()).expect("a page");
    assert!(page.contains("method=\"post\" action=\"/v1/comments\"") && page.contains("<textarea"));
    assert!(page.contains("name=\"token\" value=\"token-1\""));
    let draft = Draft { author: "\"Ada\"".into(), text: "\nNothing </textarea><b>arrives".into() };
    let page = comment(&context, &whatsapp(), &draft).expect("a page");
    assert!(page.contains("value=\"&quot;Ada&quot;\"") && !page.contains("<b>"), "{page}");
    assert!(page.contains(" required>\n\nNothing &lt;/textarea&gt;&lt;b&gt;arrives</textarea>"), "{page}");
    let closed = PageContext { report_form: None, ..context };
    assert!(!comment(&closed, &whatsapp(), &Draft::default()).expect("a page").contains("<form"));
    assert!(!service(&closed, &whatsapp()).expect("a page").contains("/comment\""));
}

#[test]
fn a_page_leads_to_the_feeds_of_its_own_language() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let french = PageContext { language: Language::Fr, ..context(&board, &nowhere) };
    let page = service(&french, &whatsapp()).expect("a page");
    assert_eq!(page.matches("href=\"/feeds/atom.xml?service=whatsapp&amp;lang=fr\"").count(), 2);
    assert!(!page.contains("/feeds/atom.xml?service=whatsapp\""));
    let page = subscribe(&french);
    assert!(page.contains("href=\"/feeds/rss.xml?lang=fr\""));
    assert!(page.contains("/feeds/atom.xml?lang=fr&amp;country=GA"));
}

#[test]
fn a_report_is_one_tap_without_scripts() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let page = service(&context(&board, &nowhere), &whatsapp()).expect("a page");
    assert!(page.contains("method=\"post\" action=\"/v1/report\""));
    assert!(page.contains("name=\"service\" value=\"whatsapp\""));
    assert!(
        page.contains("<button name=\"report\" value=\"token-1-connect_app\" data-problem=\"connect_app\"")
    );
    assert_eq!(page.matches("<button name=\"report\"").count(), 8);
    let thanks = PageContext { notice: Some(Notice::ReportThanks), ..context(&board, &nowhere) };
    let text = text_of(&service(&thanks, &whatsapp()).expect("a page"));
    assert!(
        text.starts_with("Thank you.") && text.contains("7,412 reports came in before it"),
        "{text:.900}"
    );
    let closed = PageContext { report_form: None, ..context(&board, &nowhere) };
    let page = service(&closed, &whatsapp()).expect("a page");
    assert!(!page.contains("<form") && page.contains("Reports are closed"));
}

#[test]
fn one_dead_target_is_seen_among_others_and_few_networks_are_said_to_be_few() {
    let (board, nowhere) = (sample::sample_board(NOW), Visitor::default());
    let context = context(&board, &nowhere);
    let text = text_of(&service(&context, &whatsapp()).expect("a page"));
    let dead =
        "wss://web.whatsapp.com/ws/chat needed Down fails at: live connection down for 4 of 5 networks";
    assert!(text.contains("2 of 4 targets known to work, 1 down") && text.contains(dead), "{text}");
    assert!(text.contains("down for 0 of 2 networks measured from 2 networks, fewer than 5"), "{text}");
    assert!(text.contains("dns://whatsapp.net needed No data not measured"), "{text}");
    let outage = text_of(&incident(&context, &board.incidents[0].incident.id).expect("a page"));
    assert!(outage.contains("What agents could not reach, when most networks said so Target"), "{outage}");
    assert!(outage.contains(dead), "{outage}");
    let mut local = board.clone();
    let target = &mut local.services[1].targets[0];
    (target.health, target.networks_down) = (Health::Degraded, 2);
    target.down_in = vec![Scope::Country { cc: mbolo_pulse::Country::new("GA").expect("two letters") }];
    let page = service(&PageContext { board: &local, ..context.clone() }, &whatsapp()).expect("a page");
    assert!(text_of(&page).contains("Partly down fails at: live connection Gabon down for 2 of 5 networks"));
    let stale = PageContext { now: NOW + 3_600, ..context };
    let page = text_of(&service(&stale, &whatsapp()).expect("a page"));
    assert!(page.contains("https://web.whatsapp.com No data down for 0 of 5 networks"), "{page}");
}

#[test]
fn the_worst_day_fits_into_a_hundred_kilobytes() {
    let (board, visitor) = (sample::worst_board(NOW), sample::visitor_in_gabon());
    let mut comments = sample::comments(NOW);
    comments.resize(100, comments[0].clone());
    for comment in &mut comments {
        comment.text = "<b>é</b> ".repeat(100);
    }
    for language in Language::ALL {
        let context = PageContext {
            language,
            language_is_chosen: true,
            theme: Theme::Dark,
            comments: &comments,
            ..context(&board, &visitor)
        };
        for (name, page) in every_page(&context) {
            assert!(page.len() < LIMIT, "{name} in {} has {} bytes", language.tag(), page.len());
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    let attack = "\"'><script>alert(1)</script>&amp;{$n}\u{E000}\u{202E}";
    let mut board = sample::sample_board(NOW);
    board.observatory = attack.to_owned();
    board.services[1].name = attack.to_owned();
    board.services[1].url = Some("javascript:alert(1)".to_owned());
    board.services[1].probes[0].target = attack.to_owned();
    board.services[1].probes[0].vantage = attack.to_owned();
    board.services[1].probes[0].failed_phase = Some(attack.to_owned());
    board.services[1].targets[0].target = attack.to_owned();
    board.services[1].targets[0].failed_phase = Some(attack.to_owned());
    board.incidents[0].incident.id = IncidentId(attack.to_owned());
    board.incidents[0].updates[2].text = Some(attack.to_owned());
    board.incidents[0].cause =
        Some(mbolo_pulse::board::Cause { text: attack.to_owned(), source: "javascript:alert(1)".to_owned() });
    let mut visitor = sample::visitor_in_gabon();
    visitor.network_name = Some(attack.to_owned());
    let mut comments = sample::comments(NOW);
    comments[0].text = attack.to_owned();
    comments[0].author = Some(attack.to_owned());
    let context = PageContext {
        comments: &comments,
        report_form: Some(FormToken(attack.to_owned())),
        ..context(&board, &visitor)
    };
    for (name, page) in every_page(&context) {
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        assert!(!page.contains("href=\"javascript:"), "{name}");
        assert!(!page.contains("=\"\"'>"), "{name}");
    }
}

#[test]
fn every_page_has_the_bones_that_screen_readers_walk_on() {
    let (board, visitor) = (sample::sample_board(NOW), sample::visitor_in_gabon());
    let comments = sample::comments(NOW);
    for language in Language::ALL {
        let context = PageContext { language, comments: &comments, ..context(&board, &visitor) };
        for (name, page) in every_page(&context) {
            assert!(page.contains(&format!("<html lang=\"{}\"", language.tag())), "{name}");
            for landmark in ["<header", "<main", "<footer", "<nav aria-label"] {
                assert_eq!(page.matches(landmark).count(), 1, "{name} {landmark}");
            }
            assert_eq!(page.matches("<h1").count(), 1, "{name}");
            headings_do_not_skip(name, &page);
            ids_are_unique_and_what_is_referred_to_exists(name, &page);
            assert_eq!(page.matches("<table").count(), page.matches("<caption").count(), "{name}");
            assert!(!page.contains(" style=\""), "{name} has a style that the policy forbids");
            for tag in ["<input ", "<textarea ", "<select "] {
                for (at, _) in page.match_indices(tag) {
                    let field = page[at..].split('>').next().expect("a tag");
                    if !field.contains("type=\"hidden\"") {
                        let id = field
                            .split("id=\"")
                            .nth(1)
                            .and_then(|rest| rest.split('"').next())
                            .expect("an id");
                        assert!(page.contains(&format!("<label for=\"{id}\"")), "{name}: {id} has no label");
                    }
                }
            }
        }
    }
}

#[test]
fn a_page_fetches_nothing_from_elsewhere() {
    let (board, visitor) = (sample::sample_board(NOW), sample::visitor_in_gabon());
    for (name, page) in every_page(&context(&board, &visitor)) {
        assert!(!page.contains("<img") && !page.contains("src=") && !page.contains("@import"), "{name}");
        assert!(!page.contains("rel=\"stylesheet\""), "{name}");
    }
    assert!(content_security_policy().starts_with("default-src 'none'"));
}

#[test]
fn a_reconstruction_says_so_before_anything_else() {
    let mut board = sample::sample_board(NOW);
    board.limits.push("reconstruction".to_owned());
    let nowhere = Visitor::default();
    let page = text_of(&home(&context(&board, &nowhere)));
    assert!(page.starts_with("A reconstruction. "), "{page:.200}");
}

#[test]
fn no_page_shows_the_name_of_a_text_that_is_missing() {
    let worst = sample::worst_board(NOW);
    let busy = sample::sample_board(NOW);
    let visitor = sample::visitor_in_gabon();
    let known: Vec<&str> = include_str!("../locales/en.ftl")
        .lines()
        .filter_map(|line| line.split_once(" ="))
        .map(|(key, _)| key)
        .filter(|key| key.contains('-') && key.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    assert!(known.len() > 150);
    for board in [&worst, &busy] {
        for notice in Notice::ALL {
            for language in Language::ALL {
                let context = PageContext { notice: Some(notice), language, ..context(board, &visitor) };
                for (name, page) in every_page(&context) {
                    let text = text_of(&page);
                    let missing =
                        text.split_whitespace().find(|word| known.contains(word) || word.contains("{$"));
                    assert_eq!(missing, None, "{name} in {}", language.tag());
                }
            }
        }
    }
}

fn headings_do_not_skip(name: &str, page: &str) {
    let mut last = 0;
    for (at, _) in page.match_indices("<h") {
        let Some(level) = page[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else { continue };
        assert!(level <= last + 1, "{name}: a heading of level {level} after one of {last}");
        last = level;
    }
}

fn ids_are_unique_and_what_is_referred_to_exists(name: &str, page: &str) {
    let body = page.split_once("<body").map_or(page, |(_, body)| body);
    let values = |attribute: &str| {
        body.match_indices(attribute)
            .map(|(at, found)| body[at + found.len()..].split('"').next().expect("a value").to_owned())
            .collect::<Vec<_>>()
    };
    let mut ids = values(" id=\"");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "{name}: an id stands twice");
    for attribute in [" aria-labelledby=\"", " aria-describedby=\"", " for=\"", " href=\"#"] {
        for id in values(attribute) {
            assert!(ids.contains(&id), "{name}: {attribute} refers to {id}");
        }
    }
}

//! What can be a target.

use mbolo_pulse::model::ServiceId;
use mbolo_pulse_probe::{Check, StatusRule, Target, targets_of};
use proptest::prelude::*;

use crate::phases::target;

#[test]
fn the_scheme_says_how_far_a_measurement_goes() {
    for (url, check, host, port, path) in [
        ("dns://example.org", Check::Dns, "example.org", 0, "/"),
        ("tcp://example.org:5222", Check::Tcp, "example.org", 5222, "/"),
        ("tls://example.org", Check::Tls, "example.org", 443, "/"),
        ("http://example.org/a?b", Check::Http { tls: false }, "example.org", 80, "/a?b"),
        ("http://example.org?b", Check::Http { tls: false }, "example.org", 80, "/?b"),
        ("https://[2001:db8::1]:8443", Check::Http { tls: true }, "2001:db8::1", 8443, "/"),
        ("wss://example.org/ws", Check::WebSocket { tls: true, ping: false }, "example.org", 443, "/ws"),
        ("mbolo://cell.example", Check::Session { tls: true }, "cell.example", 443, "/v1/session"),
        ("mbolo://localhost:7001", Check::Session { tls: false }, "localhost", 7001, "/v1/session"),
        ("mbolo+wss://127.0.0.1:7001", Check::Session { tls: true }, "127.0.0.1", 7001, "/v1/session"),
    ] {
        let target = target(url);
        assert_eq!(
            (target.check, target.host.as_str(), target.port, target.path.as_str()),
            (check, host, port, path)
        );
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let service = ServiceId::new("example").unwrap();
    for (url, reason) in [
        ("example.org", "write it like"),
        ("/path", "write it like"),
        ("tcp://example.org", "needs a port"),
        ("gopher://example.org", "none of"),
        ("https://name:secret@example.org/", "passwords"),
        (&format!("https://{}.example", "x".repeat(300)), "longer"),
    ] {
        let refused = Target::new(service.clone(), url).unwrap_err().to_string();
        assert!(refused.contains(reason), "{url}: {refused}");
    }
}

#[test]
fn a_command_line_takes_recipes_and_addresses() {
    let words = ["whatsapp", "https://Bank.example/", "tcp://[::1]:5"].map(String::from);
    let targets = targets_of(&words).unwrap();
    assert_eq!(targets.len(), 35 + 2);
    assert_eq!(targets[35].service.as_str(), "bank.example");
    assert_eq!(targets[36].service.as_str(), "unnamed");
    assert!(targets_of(&["what".into()]).is_err());
}

#[derive(serde::Deserialize, Debug)]
struct File {
    target: Vec<Target>,
}

#[test]
fn expectations_are_read_from_toml_and_must_fit_the_target() {
    let file: File = toml::from_str(
        r#"
        [[target]]
        service = "bank"
        url = "https://bank.example/"
        status = [200, 204]
        contains = "Welcome"
        [[target]]
        service = "chat"
        url = "wss://chat.example/"
        ping = true
        "#,
    )
    .unwrap();
    assert_eq!(file.target[0].status, StatusRule::OneOf([200, 204].into()));
    assert_eq!(file.target[0].contains.as_deref(), Some("Welcome"));
    assert_eq!(file.target[1].check, Check::WebSocket { tls: true, ping: true });
    for wrong in [
        "url = 'tcp://a.example:1'\ncontains = 'x'",
        "url = 'https://a.example/'\nping = true",
        "url = 'https://a.example/'\nany_status = true\nstatus = [200]",
        "url = 'https://a.example/'\nstatsu = [200]",
    ] {
        let text = format!("[[target]]\nservice = 'a'\n{wrong}");
        assert!(toml::from_str::<File>(&text).is_err(), "{wrong}");
    }
}

#[test]
fn one_address_has_one_name_however_it_is_written() {
    for (written, name) in [
        ("https://Web.Example:443/", "https://web.example"),
        ("HTTPS://web.example", "https://web.example"),
        ("https://web.example/A?b=C", "https://web.example/A?b=C"),
        ("https://web.example:444", "https://web.example:444"),
        ("tcp://e.example:80", "tcp://e.example:80"),
        ("tcp://[2001:DB8::1]:443", "tcp://[2001:db8::1]:443"),
        ("tls://e.example:443", "tls://e.example"),
        ("dns://Example.ORG", "dns://example.org"),
        ("mbolo://127.0.0.1:7878", "mbolo://127.0.0.1:7878"),
        ("mbolo://cell.example/", "mbolo://cell.example"),
        (mbolo_pulse_probe::whatsapp::ENDPOINTS, mbolo_pulse_probe::whatsapp::ENDPOINTS),
    ] {
        assert_eq!(mbolo_pulse_probe::canonical(written).unwrap(), name, "{written}");
    }
    for wrong in ["", "web.example", "https://web.example/\u{202e}", "https://web.example/é", "tcp://a\n:1"]
    {
        assert!(mbolo_pulse_probe::canonical(wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn any_words_are_a_target_or_refused(scheme in "(https|tcp|ws|mbolo|[a-z:]{0,5})", rest in "\\PC{0,60}") {
        if let Ok(target) = Target::new(ServiceId::new("a").unwrap(), &format!("{scheme}://{rest}")) {
            prop_assert!(!target.host.is_empty());
            prop_assert!(target.path.starts_with('/'), "{}", target.path);
            let name = target.canonical();
            let again = Target::new(ServiceId::new("a").unwrap(), &name).unwrap();
            prop_assert_eq!(&again.canonical(), &name);
            prop_assert_eq!((again.check, again.port, again.path), (target.check, target.port, target.path));
        }
    }
}

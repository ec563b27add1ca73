//! The WhatsApp recipe's rules and OONI's shape, on outcomes made by hand.

use mbolo_pulse::model::{Asn, Country};
use mbolo_pulse_probe::ooni::{self, Station};
use mbolo_pulse_probe::whatsapp::{self, Verdict};
use mbolo_pulse_probe::{Class, Connect, Failure, Outcome, Phase, Step, Target};

/// A measurement of `target` that went as the closure says.
fn outcome(target: &Target, failed: Option<(Phase, Class)>) -> Outcome {
    let phase = failed.map_or(Phase::Http, |(phase, _)| phase);
    let class = failed.map(|(_, class)| class);
    Outcome {
        service: target.service.clone(),
        target: target.text.clone(),
        at_ms: 1_689_797_400_000,
        ok: failed.is_none(),
        failed_phase: failed.map(|(phase, _)| phase),
        failure: class.map(|class| Failure { class, message: "as the test says".into() }),
        took_ms: 120,
        phases: [(phase, 100)].into(),
        steps: vec![
            Step { phase: Phase::Dns, from_ms: 0, to_ms: 20, failure: class.filter(|_| phase == Phase::Dns) },
            Step { phase, from_ms: 20, to_ms: 120, failure: class },
        ],
        addresses: vec!["192.0.2.1".parse().unwrap()],
        connects: vec![Connect {
            address: "192.0.2.1:443".parse().unwrap(),
            from_ms: 20,
            to_ms: 60,
            failure: class.filter(|_| phase == Phase::Tcp),
        }],
        status: None,
    }
}

/// All of the recipe, failing where the closure says so.
fn outcomes(fails: impl Fn(&str) -> Option<(Phase, Class)>) -> Vec<Outcome> {
    whatsapp::targets().iter().map(|target| outcome(target, fails(&target.text))).collect()
}

const REFUSED: Option<(Phase, Class)> = Some((Phase::Tcp, Class::Refused));
const NO_NAME: Option<(Phase, Class)> = Some((Phase::Dns, Class::NameNotFound));

#[test]
fn all_well_is_ok_in_all_three_parts() {
    let verdict = Verdict::of(&outcomes(|_| None)).unwrap();
    assert!(verdict.parts().iter().all(|part| part.ok));
    assert!(verdict.endpoints_blocked.is_empty());
}

#[test]
fn endpoints_are_blocked_only_when_none_can_be_connected_to() {
    let one_works = outcomes(|target| if target == "tcp://e7.whatsapp.net:5222" { None } else { REFUSED });
    let verdict = Verdict::of(&one_works).unwrap();
    assert!(verdict.endpoints.ok);
    assert_eq!(verdict.endpoints_blocked.len(), 15, "those that fail on both ports");
    assert!(!verdict.endpoints_blocked.contains(&"e7.whatsapp.net".to_owned()));

    let none = outcomes(|target| match target {
        "tcp://e1.whatsapp.net:443" => NO_NAME,
        target if target.starts_with("tcp://") => REFUSED,
        _ => None,
    });
    let verdict = Verdict::of(&none).unwrap();
    assert!(!verdict.endpoints.ok);
    assert_eq!(verdict.endpoints.failed_phase, Some(Phase::Tcp), "as most of them");
    assert!(verdict.registration.ok && verdict.web.ok);
}

#[test]
fn the_web_client_is_blocked_by_either_of_its_addresses() {
    for address in ["https://web.whatsapp.com/", "http://web.whatsapp.com/"] {
        let outcomes = outcomes(|target| (target == address).then_some((Phase::Http, Class::Reset)));
        let verdict = Verdict::of(&outcomes).unwrap();
        assert!(!verdict.web.ok && verdict.endpoints.ok && verdict.registration.ok, "{address}");
        assert_eq!(verdict.web.failed_phase, Some(Phase::Http));
    }
}

#[test]
fn measurements_that_failed_by_this_machines_fault_are_not_judged() {
    let local = outcomes(|_| Some((Phase::Tcp, Class::Local)));
    assert_eq!(Verdict::of(&local), None);
    assert_eq!(Verdict::of(&[]), None);
}

#[test]
fn the_export_has_the_fields_and_words_of_oonis_test() {
    let outcomes = outcomes(|target| match target {
        "https://v.whatsapp.net/v2/register" => Some((Phase::Tls, Class::CertificateUnknownIssuer)),
        target if target.starts_with("tcp://e3.") => REFUSED,
        target if target.starts_with("tcp://e4.") && target.ends_with(":443") => NO_NAME,
        _ => None,
    });
    let station =
        Station { cc: Country::new("GA").unwrap(), asn: Asn(64500), network_name: "Example".into() };
    let json = ooni::whatsapp(&outcomes, &station).unwrap();
    for (field, value) in [
        ("data_format_version", "0.2.0"),
        ("test_name", "whatsapp"),
        ("measurement_start_time", "2023-07-19 20:10:00"),
        ("probe_asn", "AS64500"),
        ("probe_cc", "GA"),
        ("probe_ip", "127.0.0.1"),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
    assert!(json["input"].is_null());
    assert_eq!(json["test_runtime"], 0.12);
    let keys = &json["test_keys"];
    assert_eq!(keys["registration_server_status"], "blocked");
    assert_eq!(keys["registration_server_failure"], "ssl_unknown_authority");
    assert_eq!(keys["whatsapp_endpoints_status"], "ok");
    assert_eq!(keys["whatsapp_endpoints_blocked"], serde_json::json!(["e3.whatsapp.net"]));
    assert_eq!(keys["whatsapp_endpoints_dns_inconsistent"], serde_json::json!([]));
    assert_eq!(keys["whatsapp_web_status"], "ok");
    assert!(keys["whatsapp_web_failure"].is_null());
    assert_eq!(keys["tcp_connect"].as_array().unwrap().len(), 35);
    let refused = keys["tcp_connect"].as_array().unwrap().iter();
    assert_eq!(refused.filter(|one| one["status"]["failure"] == "connection_refused").count(), 2);
    let queries = keys["queries"].as_array().unwrap();
    let nxdomain = queries.iter().find(|query| query["failure"] == "dns_nxdomain_error").unwrap();
    assert_eq!(nxdomain["hostname"], "e4.whatsapp.net");
    assert_eq!(keys["tls_handshakes"][0]["server_name"], "v.whatsapp.net");
}

#[test]
fn other_targets_are_exported_one_by_one() {
    let target = crate::phases::target("tcp://192.0.2.1:443");
    let exported = ooni::export(&[outcome(&target, REFUSED)], &Station::default());
    assert_eq!(exported.len(), 1);
    assert_eq!(exported[0]["test_name"], "urlgetter");
    assert_eq!(exported[0]["input"], "tcpconnect://192.0.2.1:443");
    assert_eq!(exported[0]["test_keys"]["failure"], "connection_refused");
    assert_eq!(exported[0]["test_keys"]["failed_operation"], "connect");
    assert_eq!(exported[0]["probe_asn"], "AS0");
}

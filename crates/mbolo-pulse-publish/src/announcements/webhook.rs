//! Webhooks: JSON in the shape of Atlassian Statuspage's notifications, so that existing receivers read it, signed so
//! that nobody else can pretend.
//!
//! The header `Mbolo-Pulse-Signature: t=UNIX,v1=HEX` holds HMAC-SHA256 over `UNIX.BODY` under the webhook's secret; a
//! receiver refuses what is older than five minutes. `Idempotency-Key` is the same at every attempt.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use mbolo_pulse_page::{Language, address};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::http::Request;

use super::channel::Outcome;
use super::outbox::Claim;
use super::topic::Story;
use super::words;
use crate::http::Http;

/// Where the signature stands.
pub const SIGNATURE_HEADER: &str = "Mbolo-Pulse-Signature";

/// Where to and under which secret.
pub(crate) struct Target<'a> {
    pub(crate) url: &'a str,
    pub(crate) secret: &'a str,
    /// Where a subscriber ends it.
    pub(crate) end_link: Option<&'a str>,
}

/// Posts one delivery.
pub(crate) fn send(http: &Http, target: &Target<'_>, claim: &Claim, base_url: &str, now: i64) -> Outcome {
    let body = body(&claim.story, base_url, target.end_link).to_string();
    let request = Request::post(target.url)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", header_safe(&claim.key))
        .header(SIGNATURE_HEADER, sign(target.secret.as_bytes(), now, body.as_bytes()))
        .body(body.into_bytes());
    match request {
        Ok(request) => Outcome::of_http(http.send(request, MAX_ANSWER)),
        Err(error) => Outcome::rejected(error.to_string()),
    }
}

/// The value of the signature's header for `body` sent at Unix seconds `now`.
pub fn sign(secret: &[u8], now: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{now}.").as_bytes());
    mac.update(body);
    format!("t={now},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// A key as a header can carry it.
pub(crate) fn header_safe(key: &str) -> String {
    if key.len() <= 200 && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.to_owned()
    } else {
        HEXLOWER.encode(&Sha256::digest(key))
    }
}

fn body(story: &Story, base_url: &str, end_link: Option<&str>) -> Value {
    let meta =
        json!({ "unsubscribe": end_link, "documentation": format!("{base_url}{}", address::SUBSCRIBE) });
    let mut body = json!({ "meta": meta });
    match story {
        Story::Incident(incident) => {
            let one = &incident.incident.incident;
            body["page"] = incident.page.clone();
            body["incident"] = incident.status_page.clone();
            // Ours, for receivers that want more than the shape allows.
            body["incident"]["scope"] = json!(one.scope);
            body["incident"]["kind"] = json!(one.kind);
            body["incident"]["false_alarm"] = json!(incident.incident.false_alarm);
            body["incident"]["text"] = texts(story);
        }
        Story::Component { at, service, name, old_status, new_status, page } => {
            let at = rfc3339(*at);
            body["page"] = page.clone();
            body["component_update"] = json!({
                "created_at": at, "new_status": new_status, "old_status": old_status,
                "id": format!("{service}-{at}"), "component_id": service,
            });
            body["component"] =
                json!({ "created_at": at, "id": service, "name": name, "status": new_status });
        }
        Story::Peer { peer, silent_since, back_at, mirrors } => {
            body["peer"] = json!({
                "name": peer, "silent_since": rfc3339(*silent_since), "back_at": back_at.map(rfc3339),
                "mirrors": mirrors, "text": texts(story),
            });
        }
        Story::ConfirmAddress { .. } | Story::ChangeWish(_) | Story::Greeting { .. } => {}
    }
    body
}

fn texts(story: &Story) -> Value {
    Language::ALL.into_iter().map(|language| (language.tag(), words::post(story, language))).collect()
}

fn rfc3339(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(|_| String::new(), |at| at.to_string())
}

/// What a receiver answers is only an explanation.
const MAX_ANSWER: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements::{samples, topic};

    #[test]
    fn the_signature_is_over_the_time_and_the_body() {
        // `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
        assert_eq!(sign(b"secret", 1_700_000_000, br#"{"a":1}"#), GOLDEN);
    }

    #[test]
    fn the_body_has_the_shape_that_status_page_receivers_read() {
        let board = samples::gabon();
        let story = topic::of_board(&board, "https://pulse.example", board.generated_at).remove(0).story;
        let body = body(&story, "https://pulse.example", Some("https://pulse.example/end"));
        assert_eq!(body["meta"]["unsubscribe"], "https://pulse.example/end");
        assert_eq!(body["page"]["status_indicator"], "major");
        let incident = &body["incident"];
        assert_eq!(incident["status"], "investigating");
        assert_eq!(incident["started_at"], "2023-08-26T17:02:00.000Z");
        assert_eq!(incident["shortlink"], "https://pulse.example/incident/whatsapp-GA-28217822");
        assert_eq!(incident["incident_updates"][0]["incident_id"], "whatsapp-GA-28217822");
        assert_eq!(incident["components"][0]["id"], "whatsapp");
        assert!(incident["text"]["fr"].as_str().is_some_and(|text| text.starts_with("Perte")));
    }

    const GOLDEN: &str = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
}

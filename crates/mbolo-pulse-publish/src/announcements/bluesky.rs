//! Bluesky (AT Protocol): one record for each step. The record's key follows from the delivery's key, so the server can
//! hold it only once; before a post is tried again, the server is asked whether it has it.

use std::sync::Mutex;

use jiff::Timestamp;
use mbolo_pulse_page::Language;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::http::Request;

use super::channel::Outcome;
use super::mastodon::{link, status};
use super::outbox::Claim;
use super::topic::Story;
use crate::http::{Answer, Http, NoAnswer};
use crate::publisher::lock;

pub(crate) struct Bluesky {
    http: Http,
    /// Without the slash at the end.
    server: String,
    identifier: String,
    password: String,
    languages: Vec<Language>,
    /// Kept between posts: sessions are limited to a few hundred a day.
    session: Mutex<Option<Session>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Session {
    #[serde(rename = "accessJwt")]
    access_jwt: String,
    did: String,
}

impl Bluesky {
    pub(crate) fn new(
        http: Http,
        server: String,
        identifier: String,
        password: String,
        languages: Vec<Language>,
    ) -> Self {
        Self { http, server, identifier, password, languages, session: Mutex::new(None) }
    }

    pub(crate) fn send(&self, claim: &Claim, base_url: &str) -> Outcome {
        let kept = lock(&self.session).clone();
        let was_kept = kept.is_some();
        let session = match kept.map_or_else(|| self.sign_in(), Ok) {
            Ok(session) => session,
            Err(outcome) => return outcome,
        };
        match self.post(&session, claim, base_url) {
            // A session lasts a few hours.
            Err(answer) if was_kept && is_expired(&answer) => {
                *lock(&self.session) = None;
                match self.sign_in() {
                    Ok(session) => self
                        .post(&session, claim, base_url)
                        .unwrap_or_else(|answer| Outcome::of_http(Ok(answer))),
                    Err(outcome) => outcome,
                }
            }
            Err(answer) => Outcome::of_http(Ok(answer)),
            Ok(outcome) => outcome,
        }
    }

    fn sign_in(&self) -> Result<Session, Outcome> {
        let body = json!({ "identifier": self.identifier, "password": self.password });
        let answer = self.call("com.atproto.server.createSession", None, &body);
        match answer {
            Ok(answer) if answer.is_success() => {
                let session: Session = serde_json::from_slice(&answer.body)
                    .map_err(|error| Outcome::retry(format!("no session: {error}"), true, None))?;
                *lock(&self.session) = Some(session.clone());
                Ok(session)
            }
            Ok(answer) => match Outcome::of_http(Ok(answer)) {
                Outcome::Retry { why, after_s, .. } => Err(Outcome::retry(why, true, after_s)),
                Outcome::Rejected { why } => Err(Outcome::rejected(format!(
                    "cannot sign in, check identifier and app password: {why}"
                ))),
                outcome => Err(outcome),
            },
            Err(error) => Err(Outcome::retry(error.to_string(), true, None)),
        }
    }

    /// `Err` is an answer that may be about the session.
    fn post(&self, session: &Session, claim: &Claim, base_url: &str) -> Result<Outcome, Answer> {
        let rkey = record_key(&claim.key, at(&claim.story));
        if claim.attempts > 1 && self.has(session, &rkey) {
            return Ok(Outcome::Delivered);
        }
        let body = json!({
            "repo": session.did,
            "collection": COLLECTION,
            "rkey": rkey,
            "record": record(&claim.story, &self.languages, base_url),
        });
        match self.call("com.atproto.repo.createRecord", Some(session), &body) {
            Ok(answer) if answer.is_success() => Ok(Outcome::Delivered),
            Ok(answer) if is_expired(&answer) => Err(answer),
            // A server that has the record already says so in one of several ways.
            Ok(_) if self.has(session, &rkey) => Ok(Outcome::Delivered),
            Ok(answer) => Ok(match Outcome::of_http(Ok(answer)) {
                Outcome::Gone => Outcome::rejected("410 Gone: the server or the account has moved"),
                outcome => outcome,
            }),
            Err(error) => Ok(Outcome::of_http(Err(error))),
        }
    }

    fn has(&self, session: &Session, rkey: &str) -> bool {
        let request = Request::get(format!(
            "{}/xrpc/com.atproto.repo.getRecord?repo={}&collection={COLLECTION}&rkey={rkey}",
            self.server, session.did
        ))
        .body(Vec::new());
        request
            .ok()
            .and_then(|request| self.http.send(request, MAX_ANSWER).ok())
            .is_some_and(|answer| answer.is_success())
    }

    fn call(&self, method: &str, session: Option<&Session>, body: &Value) -> Result<Answer, NoAnswer> {
        let mut request = Request::post(format!("{}/xrpc/{method}", self.server))
            .header("Content-Type", "application/json");
        if let Some(session) = session {
            request = request.header("Authorization", format!("Bearer {}", session.access_jwt));
        }
        let request = request
            .body(body.to_string().into_bytes())
            .map_err(|error| NoAnswer::NotSent(error.to_string()))?;
        self.http.send(request, MAX_ANSWER)
    }
}

fn is_expired(answer: &Answer) -> bool {
    answer.status == 401
        || (answer.status == 400 && String::from_utf8_lossy(&answer.body).contains("ExpiredToken"))
}

/// The post. Facets count bytes of UTF-8, not characters.
fn record(story: &Story, languages: &[Language], base_url: &str) -> Value {
    let link = link(story, base_url);
    let text = status(story, languages, base_url, MAX_CHARACTERS);
    let start = text.len() - link.len();
    let tags: Vec<_> = languages.iter().map(|language| language.tag()).collect();
    json!({
        "$type": COLLECTION,
        "text": text,
        // The same at every attempt.
        "createdAt": Timestamp::from_second(at(story)).unwrap_or_default().to_string(),
        "langs": tags,
        "facets": [{
            "index": { "byteStart": start, "byteEnd": start + link.len() },
            "features": [{ "$type": "app.bsky.richtext.facet#link", "uri": link }],
        }],
    })
}

/// A timestamp identifier (AT Protocol's TID) made of the story's time and the key: 53 bits of microseconds, 10 bits of
/// clock. The microseconds within the second and the clock come from the key, so two keys do not meet.
fn record_key(key: &str, at: i64) -> String {
    let hash = Sha256::digest(key);
    let noise = u64::from_be_bytes([0, 0, 0, 0, hash[0], hash[1], hash[2], hash[3]]);
    let micros = at.max(0) as u64 * 1_000_000 + noise % 1_000_000;
    let clock = u64::from(hash[4]) << 2 | u64::from(hash[5]) >> 6;
    let number = (micros & ((1 << 53) - 1)) << 10 | clock;
    // 64 bits are 13 digits of 5 bits, the first of which holds 4.
    let digits = (0..13).rev().map(|digit| (number >> (5 * digit) & 31) as usize);
    digits.map(|digit| char::from(TID_DIGITS[digit])).collect()
}

fn at(story: &Story) -> i64 {
    match story {
        Story::Incident(incident) => incident.at,
        Story::Component { at, .. } | Story::ConfirmAddress { at } | Story::Greeting { at } => *at,
        Story::ChangeWish(wish) => wish.at,
        Story::Peer { silent_since, back_at, .. } => back_at.unwrap_or(*silent_since),
    }
}

const TID_DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const COLLECTION: &str = "app.bsky.feed.post";
/// A post may have 300 graphemes; a grapheme is at least one character.
const MAX_CHARACTERS: usize = 300;
const MAX_ANSWER: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements::{samples, topic};

    #[test]
    fn the_link_is_marked_by_bytes_and_the_post_fits() {
        let mut board = samples::gabon();
        board.services[0].name = "Ünïcödé ".repeat(30);
        board.incidents[0].incident.kind = mbolo_pulse::IncidentKind::Service;
        let story = topic::of_board(&board, "https://pulse.example", board.generated_at).remove(0).story;
        let record = record(&story, &Language::ALL, "https://pulse.example");
        let text = record["text"].as_str().expect("text");
        assert!(text.chars().count() <= MAX_CHARACTERS);
        let index = &record["facets"][0]["index"];
        let range = index["byteStart"].as_u64().expect("start") as usize
            ..index["byteEnd"].as_u64().expect("end") as usize;
        assert_eq!(&text[range], "https://pulse.example/incident/whatsapp-GA-28217822");
    }

    #[test]
    fn a_record_key_is_a_timestamp_identifier_and_follows_from_the_delivery() {
        let first = record_key("incident:1/1-confirmed/bluesky:a", samples::START);
        assert_eq!(first, record_key("incident:1/1-confirmed/bluesky:a", samples::START));
        assert_ne!(first, record_key("incident:1/2-resolved/bluesky:a", samples::START));
        assert_eq!(first.len(), 13);
        assert!(b"234567abcdefghij".contains(&first.as_bytes()[0]));
        // Later stories sort after earlier ones.
        assert!(first < record_key("incident:1/1-confirmed/bluesky:a", samples::START + 60));
    }
}

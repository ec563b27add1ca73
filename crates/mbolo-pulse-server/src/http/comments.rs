//! Comments: written by anyone with a token, shown after a person let them through.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse::board::Board;
use mbolo_pulse::{Country, Scope, ServiceId};
use mbolo_pulse_page::{Draft, Notice};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::Query;
use super::report::{Nonce, back_to_service, form_notice};
use super::{App, Peer, Refused, is_form, pages, sender};
use crate::shared::{Shared, lock};
use crate::store::{CommentRow, save_comment, waiting_count};
use crate::work::Purpose;

/// Characters of a comment.
const TEXT: usize = 500;

/// Characters of a name.
const AUTHOR: usize = 40;

/// Comments in one answer.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    service: Option<ServiceId>,
}

/// As it comes: from a form with the page's token, or with a challenge and its nonce.
#[derive(Debug, Deserialize)]
struct Written {
    service: ServiceId,
    #[serde(default)]
    author: Option<String>,
    text: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    nonce: Option<Nonce>,
    #[serde(default)]
    lang: Option<String>,
}

/// Approved comments, newest first.
pub async fn list(State(shared): App, Query(asked): Query<Asked>) -> Json<Value> {
    let (comments, published) = (shared.comments(), shared.published());
    let shown: Vec<Value> = comments
        .iter()
        .filter(|one| asked.service.as_ref().is_none_or(|service| one.service == *service))
        .take(MOST)
        .map(|one| {
            json!({ "at": one.at, "service": one.service, "author": one.author,
            "cc": public_country(&published.board, &one.service, one.cc).unwrap_or(Country::UNKNOWN), "text": one.text })
        })
        .collect();
    Json(json!({ "comments": shown }))
}

/// The country that a comment was written from, while enough people there report: alone it would tell of one person.
pub(super) fn public_country(board: &Board, service: &ServiceId, cc: Country) -> Option<Country> {
    let countries = &board.service(service.as_str())?.countries;
    let here = Scope::Country { cc };
    countries.iter().any(|place| place.scope == here && place.reports_1h.is_some()).then_some(cc)
}

/// What a moderator will read.
struct Readable {
    service: ServiceId,
    author: Option<String>,
    text: String,
}

impl Written {
    /// Checks it, before anything is spent on it.
    fn readable(&self, shared: &Shared) -> Result<Readable, Refused> {
        let service = shared.config.service(self.service.as_str()).ok_or_else(Refused::unknown_service)?;
        let text = plain(&self.text, TEXT).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refused::malformed(format!("text: 1 to {TEXT} characters")))?;
        let author = plain(self.author.as_deref().unwrap_or_default(), AUTHOR);
        let author =
            author.ok_or_else(|| Refused::malformed(format!("author: at most {AUTHOR} characters")))?;
        let author = Some(author).filter(|author| !author.is_empty());
        Ok(Readable { service: service.id.clone(), author, text })
    }
}

/// Takes a comment for a moderator.
pub async fn write(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    if is_form(&headers) {
        let written = serde_urlencoded::from_bytes::<Written>(&body)
            .map_err(|_| Refused::malformed("service, text and token are needed"))?;
        return from_form(&shared, &peer, &headers, written).await;
    }
    let written: Written =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    let readable = written.readable(&shared)?;
    let nonce = written.nonce.as_ref().ok_or_else(|| Refused::malformed("nonce: a number"))?.number()?;
    let of = Purpose::Comment(readable.service.clone());
    shared.work.spend(&written.challenge, &of, nonce, shared.clock.now())?;
    keep(&shared, &peer, &headers, readable).await?;
    let body = Json(json!({ "waits_for_moderation": true }));
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// Back to the service's page; what cannot be taken comes back in its form, so that nobody types it again.
async fn from_form(
    shared: &Shared,
    peer: &ConnectInfo<Peer>,
    headers: &HeaderMap,
    written: Written,
) -> Result<Response, Refused> {
    let service = shared.config.service(written.service.as_str()).ok_or_else(Refused::unknown_service)?;
    let language = written.lang.as_deref();
    let (status, notice) = match written.readable(shared) {
        Err(_) => (StatusCode::UNPROCESSABLE_ENTITY, Notice::CommentRefused),
        Ok(readable) => {
            let of = Purpose::Comment(readable.service.clone());
            match shared.work.spend_form(&written.token, &of, shared.clock.now()) {
                Err(error) => (Refused::from(error).status(), form_notice(error)),
                Ok(()) => match keep(shared, peer, headers, readable).await {
                    Ok(()) => {
                        return Ok(back_to_service(service.id.as_str(), Notice::CommentWaits, language));
                    }
                    Err(refused) if refused.word() == "flood" => (refused.status(), Notice::TooMany),
                    Err(refused) => (refused.status(), Notice::NotStored),
                },
            }
        }
    };
    let draft = Draft { author: written.author.unwrap_or_default(), text: written.text };
    let reader = pages::Reader::of_form(shared, peer, headers, language, notice);
    Ok(pages::comment_again(shared, &reader, &service.id, &draft, status))
}

async fn keep(
    shared: &Shared,
    peer: &ConnectInfo<Peer>,
    headers: &HeaderMap,
    Readable { service, author, text }: Readable,
) -> Result<(), Refused> {
    let (sender, now) = (sender(shared, peer, headers), shared.clock.now());
    if !lock(&shared.admission).comment(&sender, now) {
        let message = "too many comments from your neighbourhood of the network; try again in an hour";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "flood", message));
    }
    let comment = CommentRow { id: 0, at: now, service, author, cc: sender.place.cc, text };
    let most = shared.config.limits.comments_waiting;
    let kept = shared.store.change(move |transaction| {
        let has_room = waiting_count(transaction)? < most;
        if has_room {
            save_comment(transaction, &comment)?;
        }
        Ok(has_room)
    });
    if !kept.await.inspect_err(|_| shared.metrics.not_stored.add(1))? {
        let message = "too many comments wait for a moderator; try again tomorrow";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "flood", message));
    }
    shared.metrics.comments.add(1);
    Ok(())
}

/// Text without control characters and without spaces at its ends; `None` if it is too long. A line break is one character,
/// as it is for the form, although forms send two.
fn plain(text: &str, most: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * most).collect();
    let text = text.trim();
    (text.chars().count() <= most).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::board::{Health, PlaceBoard};

    use super::*;

    #[test]
    fn the_country_of_a_comment_is_told_only_among_enough_reporters() {
        let config = crate::config::Config::default();
        let mut board = crate::shared::empty_board(&config, 1_700_000_000);
        let (whatsapp, gabon) = (board.services[1].id.clone(), Country::new("GA").unwrap());
        assert_eq!(public_country(&board, &whatsapp, gabon), None);
        let mut here = PlaceBoard {
            scope: Scope::Country { cc: gabon },
            health: Health::Up,
            reports_1h: None,
            failure_rate: None,
            networks_measured: 1,
            networks_down: 0,
        };
        board.services[1].countries = vec![here.clone()];
        assert_eq!(public_country(&board, &whatsapp, gabon), None, "an agent measures there, nobody reports");
        here.reports_1h = Some(5);
        board.services[1].countries = vec![here];
        assert_eq!(public_country(&board, &whatsapp, gabon), Some(gabon));
        assert_eq!(public_country(&board, &whatsapp, Country::UNKNOWN), None);
    }

    #[test]
    fn comments_are_plain_text_of_bounded_length() {
        assert_eq!(plain("  hi\u{0}\nyou ", 500).as_deref(), Some("hi  you"));
        assert_eq!(plain(&"x".repeat(501), 500), None);
        assert_eq!(plain(&"é".repeat(500), 500).map(|text| text.chars().count()), Some(500));
    }
}

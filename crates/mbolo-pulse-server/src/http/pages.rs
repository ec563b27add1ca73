//! HTML pages. What depends on a visitor (language, place) is part of the key under which a page is kept; the tokens of
//! its forms are written into the kept page as it leaves, because they are good for one use.

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use mbolo_pulse::board::{Board, Visitor};
use mbolo_pulse::{IncidentId, ServiceId};
use mbolo_pulse_page::{
    self as page, Comment, Draft, FormToken, Language, Notice, PageContext, Theme, address,
};
use mbolo_pulse_publish::Publisher;
use serde::Deserialize;

use super::comments::public_country;
use super::query::Query;
use super::{App, Peer, Refused, is_api, sender};
use crate::board_maker::network_text;
use crate::published::Rendered;
use crate::shared::Shared;
use crate::work::Purpose;

/// Stands for a token in a kept page, or begins what stands for one. Only a token's own letters, so no encoding changes it.
const TOKEN: &str = "f1.token-goes-here.0.0";

/// What the tokens of a page are for.
#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    /// Buttons, one for each problem.
    Report(&'a ServiceId),
    Comment(&'a ServiceId),
    Subscribe,
}

impl Form<'_> {
    /// What the token is for that stands there as [`TOKEN`] with this end.
    fn purpose(self, end: &str) -> Option<Purpose> {
        match self {
            Self::Report(service) => Some(Purpose::Report(service.clone(), FormToken::problem(end)?)),
            Self::Comment(service) => Some(Purpose::Comment(service.clone())),
            Self::Subscribe => Some(Purpose::Subscribe),
        }
    }
}

/// Comments that a page may show.
const MOST_COMMENTS: usize = 20;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    lang: Option<String>,
    theme: Option<String>,
    notice: Option<String>,
}

/// What one page depends on besides the board.
pub(super) struct Reader {
    visitor: Visitor,
    language: Language,
    is_chosen: bool,
    theme: Theme,
    notice: Option<Notice>,
}

impl Reader {
    fn new(shared: &Shared, peer: &ConnectInfo<Peer>, headers: &HeaderMap, asked: &Asked) -> Self {
        let place = sender(shared, peer, headers).place;
        let name = shared.edge.network_name(place.asn);
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            visitor: Visitor {
                place: place.scope(),
                network_name: (place.asn.0 != 0).then(|| name.unwrap_or_else(|| network_text(place.asn))),
            },
            language: Language::negotiate(asked.lang.as_deref(), accepted),
            is_chosen: asked.lang.as_deref().and_then(Language::from_tag).is_some(),
            theme: asked.theme.as_deref().map(Theme::from_query).unwrap_or_default(),
            notice: asked.notice.as_deref().and_then(Notice::from_code),
        }
    }

    /// Who sent a form, and what came of it.
    pub(super) fn of_form(
        shared: &Shared,
        peer: &ConnectInfo<Peer>,
        headers: &HeaderMap,
        language: Option<&str>,
        notice: Notice,
    ) -> Self {
        let asked = Asked { lang: language.map(str::to_owned), ..Asked::default() };
        Self { notice: Some(notice), ..Self::new(shared, peer, headers, &asked) }
    }

    fn key(&self) -> String {
        let Self { visitor, language, is_chosen, theme, notice } = self;
        format!("{:?} {language:?} {is_chosen} {theme:?} {notice:?}", visitor.place)
    }
}

/// Renders a page, or takes it from memory, and lets it go.
fn send(
    shared: &Shared,
    reader: &Reader,
    name: &str,
    form: Option<Form<'_>>,
    comments: &[Comment],
    status: StatusCode,
    render: impl FnOnce(&PageContext<'_>) -> Option<String>,
) -> Option<Response> {
    let published = shared.published();
    let now = looked_at(shared, &published.board);
    let newest = comments.first().map_or(0, |comment| comment.at);
    // "2 minutes ago" is part of the page: it is made again every 15 seconds.
    let key = format!("page {name} {} {newest} {} {}", reader.key(), comments.len(), now / 15);
    let base_url = shared.config.public_url();
    let make = |board: &Board| {
        let form = form.map(|_| FormToken(TOKEN.to_owned()));
        let context = context(shared, reader, board, &base_url, now, form, comments);
        Some(Rendered { media: "text/html; charset=utf-8", body: Bytes::from(render(&context)?) })
    };
    let rendered = published.rendered(&key, make)?;
    let body = match form {
        None => rendered.body.clone(),
        Some(form) => with_tokens(shared, &rendered.body, form),
    };
    // With a token in it a page is for one reader; without one it still depends on the reader's place.
    let cache = if form.is_some() { "private, no-store" } else { "private, max-age=15" };
    Some(html(status, body, cache))
}

/// A page on its way out.
fn html(status: StatusCode, body: Bytes, cache: &'static str) -> Response {
    let media = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, media, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    if let Ok(policy) = HeaderValue::from_str(&page::content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// When a reader looks at a board, Unix seconds. A played day is looked at as if it were now.
fn looked_at(shared: &Shared, board: &Board) -> i64 {
    if shared.clock.is_played() { board.generated_at } else { shared.clock.now() }
}

fn context<'a>(
    shared: &'a Shared,
    reader: &'a Reader,
    board: &'a Board,
    base_url: &'a str,
    now: i64,
    report_form: Option<FormToken>,
    comments: &'a [Comment],
) -> PageContext<'a> {
    PageContext {
        board,
        visitor: &reader.visitor,
        now,
        language: reader.language,
        language_is_chosen: reader.is_chosen,
        theme: reader.theme,
        base_url,
        report_form,
        notice: reader.notice,
        comments,
        email_is_offered: shared.publisher.as_ref().is_some_and(Publisher::email_is_offered),
        copies: shared.publisher.as_ref().map_or(&[], Publisher::copies),
        is_copy: false,
    }
}

/// A kept page with tokens of its own.
fn with_tokens(shared: &Shared, body: &Bytes, form: Form<'_>) -> Bytes {
    let Ok(kept) = std::str::from_utf8(body) else { return body.clone() };
    let tokens = shared.work.page(shared.clock.now());
    let mut parts = kept.split(TOKEN);
    let mut html = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (end, rest) = part.split_at(part.find('"').unwrap_or(0));
        html.extend(form.purpose(end).map(|of| tokens.token(&of)));
        html.push_str(rest);
    }
    Bytes::from(html)
}

/// The list of services.
pub async fn home(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let page = send(&shared, &reader, "home", None, &[], StatusCode::OK, |context| Some(page::home(context)));
    page.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// One service.
pub async fn service(
    State(shared): App,
    Path(id): Path<String>,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let Some(id) = shared.config.service(&id).map(|service| service.id.clone()) else {
        return missing(&shared, &reader);
    };
    let comments = comments_of(&shared, &shared.published().board, &id);
    let name = format!("service {id}");
    let form = Some(Form::Report(&id));
    let page =
        send(&shared, &reader, &name, form, &comments, StatusCode::OK, |context| page::service(context, &id));
    page.unwrap_or_else(|| missing(&shared, &reader))
}

/// Where a comment on a service is written: a page that does not renew itself under who writes.
pub async fn comment(
    State(shared): App,
    Path(id): Path<String>,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let Some(id) = shared.config.service(&id).map(|service| service.id.clone()) else {
        return missing(&shared, &reader);
    };
    let (name, form) = (format!("comment {id}"), Some(Form::Comment(&id)));
    let page = send(&shared, &reader, &name, form, &[], StatusCode::OK, |context| {
        page::comment(context, &id, &Draft::default())
    });
    page.unwrap_or_else(|| missing(&shared, &reader))
}

/// The form of a comment that was not taken, with what is written in it: a page for one reader, kept nowhere.
pub(super) fn comment_again(
    shared: &Shared,
    reader: &Reader,
    id: &ServiceId,
    draft: &Draft,
    status: StatusCode,
) -> Response {
    let published = shared.published();
    let (base_url, now) = (shared.config.public_url(), looked_at(shared, &published.board));
    let token = shared.work.page(shared.clock.now()).token(&Purpose::Comment(id.clone()));
    let form = Some(FormToken(token));
    let context = context(shared, reader, &published.board, &base_url, now, form, &[]);
    match page::comment(&context, id, draft) {
        Some(body) => html(status, Bytes::from(body), "private, no-store"),
        None => missing(shared, reader),
    }
}

fn comments_of(shared: &Shared, board: &Board, id: &ServiceId) -> Vec<Comment> {
    let comments = shared.comments();
    comments
        .iter()
        .filter(|comment| comment.service == *id)
        .take(MOST_COMMENTS)
        .map(|comment| Comment {
            at: comment.at,
            author: comment.author.clone(),
            country: public_country(board, id, comment.cc),
            text: comment.text.clone(),
        })
        .collect()
}

/// One incident.
pub async fn incident(
    State(shared): App,
    Path(id): Path<String>,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let id = IncidentId(id);
    let name = format!("incident {}", id.0);
    let page =
        send(&shared, &reader, &name, None, &[], StatusCode::OK, |context| page::incident(context, &id));
    page.unwrap_or_else(|| missing(&shared, &reader))
}

/// How the observatory measures.
pub async fn how_we_know(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let page =
        send(&shared, &reader, "how", None, &[], StatusCode::OK, |context| Some(page::how_we_know(context)));
    page.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The ways to be told.
pub async fn subscribe(
    State(shared): App,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let page = send(&shared, &reader, "subscribe", Some(Form::Subscribe), &[], StatusCode::OK, |context| {
        Some(page::subscribe(context))
    });
    page.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The token of a link in a letter.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
}

/// The links in letters, the one that asks and the one at the end of each: a page for one reader, kept nowhere.
pub async fn letter(
    State(shared): App,
    uri: Uri,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
    Query(link): Query<Token>,
) -> Response {
    let reader = Reader::new(&shared, &peer, &headers, &asked);
    let published = shared.published();
    let (base_url, now) = (shared.config.public_url(), looked_at(&shared, &published.board));
    let context = context(&shared, &reader, &published.board, &base_url, now, None, &[]);
    let body = match uri.path() {
        address::CONFIRM_SUBSCRIPTION => page::confirm_page(&context, &link.token),
        _ => page::end_page(&context, &link.token),
    };
    html(StatusCode::OK, Bytes::from(body), "private, no-store")
}

/// Nothing is here.
pub async fn not_found(
    State(shared): App,
    uri: Uri,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    if is_api(uri.path()) {
        let message = "there is nothing here; see /openapi.json";
        return Refused::new(StatusCode::NOT_FOUND, "not_found", message).into_response();
    }
    missing(&shared, &Reader::new(&shared, &peer, &headers, &asked))
}

fn missing(shared: &Shared, reader: &Reader) -> Response {
    let page = send(shared, reader, "missing", None, &[], StatusCode::NOT_FOUND, |context| {
        Some(page::not_found(context))
    });
    page.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

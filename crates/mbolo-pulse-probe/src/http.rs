//! One HTTP/1.1 exchange over a connection that stands already.

use std::error::Error as _;
use std::io;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::{Class, Failure};
use crate::target::Target;

/// More of an answer's body is not read.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// Says who knocks, so that an operator who wonders can find out.
pub(crate) const AGENT_NAME: &str = concat!("mbolo-pulse/", env!("CARGO_PKG_VERSION"));

/// A connection, with TLS or without.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub location: Option<String>,
    /// Its beginning; empty if it was not asked for.
    pub body: Bytes,
}

/// Asks for the target and holds the answer against what is expected. The status goes into `status` in any case.
pub(crate) async fn check(
    stream: Box<dyn Connection>,
    target: &Target,
    status: &mut Option<u16>,
) -> Result<(), Failure> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(&target.path)
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT_NAME)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Full::default())
        .map_err(|error| Failure::new(Class::Other, error))?;
    let answer = exchange(stream, request, target.contains.is_some()).await?;
    *status = Some(answer.status);
    if !target.status.accepts(answer.status) {
        return Err(Failure::new(Class::HttpStatus, format_args!("status {}", answer.status)));
    }
    if let Some(place) = &target.redirects_to {
        let given = answer.location.unwrap_or_default();
        if !given.starts_with(place.as_str()) {
            return Err(Failure::new(Class::HttpRedirect, format_args!("redirects to “{given}”")));
        }
    }
    if let Some(text) = &target.contains
        && !contains(&answer.body, text.as_bytes())
    {
        return Err(Failure::new(Class::HttpBody, format_args!("“{text}” is not in the answer")));
    }
    Ok(())
}

/// Sends the request and reads the answer, its body only if wanted.
pub(crate) async fn exchange(
    stream: Box<dyn Connection>,
    request: Request<Full<Bytes>>,
    want_body: bool,
) -> Result<Answer, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(why)?;
    let work = async {
        let response = sender.send_request(request).await.map_err(why)?;
        let status = response.status().as_u16();
        let location = header(&response);
        let body = if want_body { read(response.into_body()).await? } else { Bytes::new() };
        Ok(Answer { status, location, body })
    };
    let mut work = std::pin::pin!(work);
    let mut connection = std::pin::pin!(connection);
    let mut over = false;
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            // What the connection has read before it ended is still handed out.
            _ = &mut connection, if !over => over = true,
        }
    }
}

fn header(response: &Response<Incoming>) -> Option<String> {
    Some(response.headers().get(LOCATION)?.to_str().ok()?.to_owned())
}

async fn read(mut body: Incoming) -> Result<Bytes, Failure> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(why)?.into_data() {
            let left = MAX_BODY_BYTES - read.len();
            read.extend_from_slice(&data[..data.len().min(left)]);
            if read.len() == MAX_BODY_BYTES {
                break;
            }
        }
    }
    Ok(read.freeze())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

fn why(error: hyper::Error) -> Failure {
    if let Some(inner) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        let mut failure = Failure::from(io::Error::from(inner.kind()));
        failure.message = Failure::new(failure.class, inner).message;
        return failure;
    }
    let class = match &error {
        error if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => Class::Closed,
        error if error.is_parse() => Class::Protocol,
        _ => Class::Other,
    };
    Failure::new(class, error)
}

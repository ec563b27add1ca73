//! A store with Amazon's S3 interface: one object for each file, replaced by PUT, signed with AWS Signature Version 4. The object is
//! addressed by path, which every such store understands.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use ureq::http::Request;

use super::{Target, TargetError};
use crate::config::ConfigError;
use crate::http::Http;
use crate::snapshots::Signed;

pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) region: String,
}

pub(super) struct S3 {
    name: String,
    http: Http,
    /// `https://host:port`.
    origin: String,
    host: String,
    /// Encoded; the name of a file follows.
    path: String,
    credentials: Credentials,
}

impl S3 {
    pub(super) fn new(
        name: &str,
        endpoint: &str,
        bucket: &str,
        prefix: &str,
        credentials: Credentials,
    ) -> Result<Self, ConfigError> {
        let key = format!("target {name}");
        let url = url::Url::parse(endpoint)
            .map_err(|error| ConfigError::invalid(&key, format!("endpoint: {error}")))?;
        let (Some(host), "http" | "https") = (url.host_str(), url.scheme()) else {
            return Err(ConfigError::invalid(key, "endpoint must be like https://s3.example.net"));
        };
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = format!("{}/{bucket}/{prefix}", url.path().trim_end_matches('/'));
        Ok(Self {
            name: name.to_owned(),
            http: Http::trusted(TIMEOUT)?,
            origin: format!("{}://{host}", url.scheme()),
            host,
            path: encode_path(&path),
            credentials,
        })
    }
}

impl S3 {
    fn put_object(&self, name: &str, bytes: &[u8], now: i64) -> Result<(), TargetError> {
        let media = if name.ends_with(".html") { "text/html; charset=utf-8" } else { "application/json" };
        let mut headers = vec![
            // Readers should see the next one soon, through any cache.
            ("cache-control", "public, max-age=15".to_owned()),
            ("content-type", media.to_owned()),
            ("host", self.host.clone()),
            ("x-amz-content-sha256", HEXLOWER.encode(&Sha256::digest(bytes))),
            ("x-amz-date", amz_date(now)),
        ];
        let path = format!("{}{name}", self.path);
        let authorization = authorization(&self.credentials, "PUT", &path, &headers);
        headers.push(("authorization", authorization));
        let mut request = Request::put(format!("{}{path}", self.origin));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, value);
        }
        let request = request.body(bytes.to_vec()).map_err(|error| TargetError::Store(error.to_string()))?;
        match self.http.send(request, MAX_ANSWER) {
            Ok(answer) if answer.is_success() => Ok(()),
            Ok(answer) => Err(TargetError::Store(answer.excerpt())),
            Err(error) => Err(TargetError::Store(error.to_string())),
        }
    }
}

impl Target for S3 {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&mut self, snapshot: &Signed, now: i64) -> Result<(), TargetError> {
        snapshot.files().try_for_each(|(name, bytes)| self.put_object(name, bytes, now))
    }
}

/// The header `Authorization` for headers that are sorted by name, among them the date and the hash of the body.
fn authorization(credentials: &Credentials, method: &str, path: &str, headers: &[(&str, String)]) -> String {
    let header = |wanted: &str| {
        headers.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value.as_str())
    };
    let date = header("x-amz-date");
    let day = date.get(..8).unwrap_or_default();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical_headers: String =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let body_hash = header("x-amz-content-sha256");
    // There is no query.
    let canonical = format!("{method}\n{path}\n\n{canonical_headers}\n{names}\n{body_hash}");
    let scope = format!("{day}/{}/s3/aws4_request", credentials.region);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", HEXLOWER.encode(&Sha256::digest(&canonical)));
    let mut key = mac(format!("AWS4{}", credentials.secret).as_bytes(), day);
    for part in [credentials.region.as_str(), "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = HEXLOWER.encode(&mac(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        credentials.access_key
    )
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// `20130524T000000Z`.
fn amz_date(now: i64) -> String {
    let at = Timestamp::from_second(now).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// All but RFC 3986's unreserved characters and the slash.
fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const TIMEOUT: Duration = Duration::from_secs(20);
const MAX_ANSWER: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "PUT Object" of Amazon's documentation of Signature Version 4 for S3.
    #[test]
    fn the_signature_is_that_of_the_published_example() {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let body_hash = HEXLOWER.encode(&Sha256::digest(b"Welcome to Amazon S3."));
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("x-amz-content-sha256", body_hash),
            ("x-amz-date", amz_date(1_369_353_600)),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
        ];
        let header = authorization(&credentials, "PUT", &encode_path("/test$file.text"), &headers);
        assert!(
            header.ends_with("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
            "{header}"
        );
    }
}

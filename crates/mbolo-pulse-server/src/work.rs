//! What a stranger's report costs: a proof of work, or, for a browser without scripts, a signed form that can be sent once.
//!
//! Tokens hold everything the observatory needs to check them, under an HMAC whose key lives as long as the process;
//! only spent ones are remembered, until they would expire anyway. A report's token names the service and the problem, so
//! nothing of a report can be changed on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use mbolo_pulse::{Problem, ServiceId};
use sha2::{Digest, Sha256};

/// Spent tokens that are remembered at once; beyond it new ones are refused until some expire.
const MOST_SPENT: usize = 4_000_000;

/// A form that comes back faster than this was not filled by a person, seconds.
const FASTEST_PERSON: i64 = 2;

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// It is not one of ours, was changed, or the observatory has been restarted since.
    #[error("the challenge is not for this; fetch /v1/challenge again, with the same service and problem")]
    Forged,
    /// Too late.
    #[error("the challenge has expired; fetch /v1/challenge again")]
    Expired,
    /// It was used before.
    #[error("the challenge has been used; fetch /v1/challenge again")]
    Spent,
    /// The hash does not begin with enough zeros.
    #[error("the proof of work does not hold for this challenge and nonce")]
    Insufficient,
    /// It came back faster than a person can press a button.
    #[error("the form was sent too soon; wait two seconds and send it again")]
    TooSoon,
    /// Too many reports for the memory.
    #[error("too many reports at once; try again in a minute")]
    Full,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// One report of a problem.
    Report(ServiceId, Problem),
    /// One comment.
    Comment(ServiceId),
    /// One webhook.
    Webhook,
    /// One subscription by mail.
    Subscribe,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(service, problem) => write!(f, "report/{service}/{}", problem.as_str()),
            Self::Comment(service) => write!(f, "comment/{service}"),
            Self::Webhook => f.write_str("webhook"),
            Self::Subscribe => f.write_str("subscribe"),
        }
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('/').collect();
        let service = |name| ServiceId::new(name).ok_or(());
        match parts[..] {
            ["report", name, problem] => Ok(Self::Report(service(name)?, problem.parse()?)),
            ["comment", name] => Ok(Self::Comment(service(name)?)),
            ["webhook"] => Ok(Self::Webhook),
            ["subscribe"] => Ok(Self::Subscribe),
            _ => Err(()),
        }
    }
}

/// What `GET /v1/challenge` says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Challenge {
    /// Comes back with the report.
    pub challenge: String,
    /// Leading zero bits that SHA-256 of `challenge:nonce` must have; the nonce is a decimal number.
    pub bits: u32,
    /// Unix seconds.
    pub expires_at: i64,
    /// Always `sha256`.
    pub algorithm: &'static str,
}

/// Issues and checks tokens.
#[derive(Debug)]
pub struct Work {
    key: [u8; 32],
    bits: u32,
    valid_for: i64,
    form_valid_for: i64,
    spent: Mutex<Spent>,
}

/// Spent nonces by the second at which they expire.
#[derive(Debug, Default)]
struct Spent {
    by_expiry: BTreeMap<i64, BTreeSet<[u8; 16]>>,
    held: usize,
}

impl Spent {
    fn spend(&mut self, nonce: [u8; 16], expires_at: i64, now: i64) -> Result<(), WorkError> {
        while let Some(entry) = self.by_expiry.first_entry() {
            if *entry.key() >= now {
                break;
            }
            self.held -= entry.remove().len();
        }
        if self.held >= MOST_SPENT {
            return Err(WorkError::Full);
        }
        if !self.by_expiry.entry(expires_at).or_default().insert(nonce) {
            return Err(WorkError::Spent);
        }
        self.held += 1;
        Ok(())
    }
}

impl Work {
    /// `bits` of work; tokens live `valid_for` seconds, forms `form_valid_for`.
    pub fn new(bits: u32, valid_for: i64, form_valid_for: i64) -> Self {
        Self { key: random(), bits, valid_for, form_valid_for, spent: Mutex::default() }
    }

    /// A new challenge for one use at Unix seconds `now`.
    pub fn challenge(&self, of: &Purpose, now: i64) -> Challenge {
        let expires_at = now + self.valid_for;
        let challenge =
            self.sign(&format!("w1.{}.{expires_at}.{}.{}", fresh_nonce(), self.bits, encoded(of)));
        Challenge { challenge, bits: self.bits, expires_at, algorithm: "sha256" }
    }

    /// Tokens for the buttons of one page: using one of them spends them all.
    pub fn page(&self, now: i64) -> PageTokens<'_> {
        PageTokens { work: self, nonce: fresh_nonce(), expires_at: now + self.form_valid_for }
    }

    /// Takes the answer to a challenge, once.
    pub fn spend(&self, challenge: &str, of: &Purpose, nonce: u64, now: i64) -> Result<(), WorkError> {
        self.spend_if(challenge, of, now, |bits| leading_zeros(challenge, nonce) >= bits)
    }

    /// Takes a challenge that was signed instead, once.
    pub fn spend_signed(&self, challenge: &str, of: &Purpose, now: i64) -> Result<(), WorkError> {
        self.spend_if(challenge, of, now, |_| true)
    }

    fn spend_if(
        &self,
        challenge: &str,
        of: &Purpose,
        now: i64,
        is_enough: impl FnOnce(u32) -> bool,
    ) -> Result<(), WorkError> {
        let [_, random, expires_at, bits, named] = self.opened(challenge, "w1")?;
        let expires_at = self.in_time(expires_at, now)?;
        let bits: u32 = bits.parse().map_err(|_| WorkError::Forged)?;
        if named != encoded(of) {
            return Err(WorkError::Forged);
        }
        if !is_enough(bits) {
            return Err(WorkError::Insufficient);
        }
        self.once(random, expires_at, now)
    }

    /// What a form's token is for. That it can still be spent is another matter.
    pub fn purpose(&self, token: &str) -> Result<Purpose, WorkError> {
        let [.., of] = self.opened(token, "f1")?;
        let of = BASE64URL_NOPAD.decode(of.as_bytes()).map_err(|_| WorkError::Forged)?;
        let of = std::str::from_utf8(&of).map_err(|_| WorkError::Forged)?;
        of.parse().map_err(|()| WorkError::Forged)
    }

    /// Takes a form's token, once.
    pub fn spend_form(&self, token: &str, of: &Purpose, now: i64) -> Result<(), WorkError> {
        let [_, nonce, expires_at, _, named] = self.opened(token, "f1")?;
        let expires_at = self.in_time(expires_at, now)?;
        if named != encoded(of) {
            return Err(WorkError::Forged);
        }
        if now < expires_at - self.form_valid_for + FASTEST_PERSON {
            return Err(WorkError::TooSoon);
        }
        self.once(nonce, expires_at, now)
    }

    fn sign(&self, text: &str) -> String {
        format!("{text}.{}", BASE64URL_NOPAD.encode(&self.mac(text).finalize().into_bytes()[..16]))
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        mac.update(text.as_bytes());
        mac
    }

    fn opened<'a>(&self, token: &'a str, version: &str) -> Result<[&'a str; 5], WorkError> {
        let (text, mac) = token.rsplit_once('.').ok_or(WorkError::Forged)?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).map_err(|_| WorkError::Forged)?;
        if mac.len() != 16 || self.mac(text).verify_truncated_left(&mac).is_err() {
            return Err(WorkError::Forged);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let parts: [&str; 5] = parts.try_into().map_err(|_| WorkError::Forged)?;
        if parts[0] == version { Ok(parts) } else { Err(WorkError::Forged) }
    }

    fn in_time(&self, expires_at: &str, now: i64) -> Result<i64, WorkError> {
        let expires_at = expires_at.parse().map_err(|_| WorkError::Forged)?;
        if now > expires_at { Err(WorkError::Expired) } else { Ok(expires_at) }
    }

    fn once(&self, nonce: &str, expires_at: i64, now: i64) -> Result<(), WorkError> {
        let nonce = BASE64URL_NOPAD.decode(nonce.as_bytes()).map_err(|_| WorkError::Forged)?;
        let nonce: [u8; 16] = nonce.try_into().map_err(|_| WorkError::Forged)?;
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).spend(nonce, expires_at, now)
    }
}

/// See [`Work::page`].
#[derive(Debug)]
pub struct PageTokens<'a> {
    work: &'a Work,
    nonce: String,
    expires_at: i64,
}

impl PageTokens<'_> {
    /// The token of one button.
    pub fn token(&self, of: &Purpose) -> String {
        self.work.sign(&format!("f1.{}.{}.0.{}", self.nonce, self.expires_at, encoded(of)))
    }
}

/// A service's name may contain dots, so what a token is for goes in encoded.
fn encoded(of: &Purpose) -> String {
    BASE64URL_NOPAD.encode(of.to_string().as_bytes())
}

/// Leading zero bits of the hash that a proof of work is about.
fn leading_zeros(challenge: &str, nonce: u64) -> u32 {
    let mut zeros = 0;
    for byte in Sha256::digest(format!("{challenge}:{nonce}")) {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros
}

/// Does the work, as a client would: the nonce for a challenge. Takes about 2^bits hashes.
pub fn solve(challenge: &str, bits: u32) -> u64 {
    (0..).find(|nonce| leading_zeros(challenge, *nonce) >= bits).unwrap_or(u64::MAX)
}

/// From the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

fn fresh_nonce() -> String {
    BASE64URL_NOPAD.encode(&random::<16>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn report(service: &str, problem: Problem) -> Purpose {
        Purpose::Report(ServiceId::new(service).unwrap(), problem)
    }

    #[test]
    fn a_proof_is_good_for_one_report_of_one_problem_of_one_service() {
        let work = Work::new(8, 300, 3_600);
        let of = report("whatsapp", Problem::Send);
        let Challenge { challenge, bits, .. } = work.challenge(&of, NOW);
        let nonce = solve(&challenge, bits);
        assert_eq!(work.spend(&challenge, &of, nonce, NOW + 301), Err(WorkError::Expired));
        for other in [
            report("signal", Problem::Send),
            report("whatsapp", Problem::Calls),
            Purpose::Comment(ServiceId::new("whatsapp").unwrap()),
        ] {
            assert_eq!(work.spend(&challenge, &other, nonce, NOW), Err(WorkError::Forged), "{other}");
        }
        let lazy = (nonce + 1..).find(|nonce| leading_zeros(&challenge, *nonce) < bits).unwrap();
        assert_eq!(work.spend(&challenge, &of, lazy, NOW), Err(WorkError::Insufficient));
        assert_eq!(work.spend(&challenge, &of, nonce, NOW), Ok(()));
        assert_eq!(work.spend(&challenge, &of, nonce, NOW), Err(WorkError::Spent));
    }

    #[test]
    fn a_changed_challenge_is_refused() {
        let work = Work::new(20, 300, 3_600);
        let of = report("whatsapp", Problem::Send);
        let easier = work.challenge(&of, NOW).challenge.replacen(".20.", ".0.", 1);
        assert_eq!(work.spend(&easier, &of, 0, NOW), Err(WorkError::Forged));
        let other = Work::new(0, 300, 3_600).challenge(&of, NOW).challenge;
        assert_eq!(work.spend(&other, &of, 0, NOW), Err(WorkError::Forged));
        for nonsense in ["", ".", "....", "w1.a.b.c.d.e", "é.é"] {
            assert_eq!(work.spend(nonsense, &of, 0, NOW), Err(WorkError::Forged));
            assert_eq!(work.purpose(nonsense), Err(WorkError::Forged));
        }
    }

    #[test]
    fn the_buttons_of_a_page_are_for_one_problem_each_and_one_use_together() {
        let work = Work::new(20, 300, 3_600);
        let page = work.page(NOW);
        let (send, calls) = (report("whatsapp", Problem::Send), report("whatsapp", Problem::Calls));
        let (button, other) = (page.token(&send), page.token(&calls));
        assert_eq!(work.purpose(&button), Ok(send.clone()));
        assert_eq!(work.spend_form(&button, &send, NOW + 1), Err(WorkError::TooSoon));
        assert_eq!(work.spend_form(&button, &calls, NOW + 5), Err(WorkError::Forged));
        assert_eq!(work.spend_form(&button, &send, NOW + 5), Ok(()));
        assert_eq!(work.spend_form(&button, &send, NOW + 6), Err(WorkError::Spent));
        assert_eq!(work.spend_form(&other, &calls, NOW + 6), Err(WorkError::Spent));
        assert_eq!(work.spend(&button, &send, 0, NOW + 5), Err(WorkError::Forged));
    }

    #[test]
    fn what_a_token_is_for_reads_back() {
        let service = ServiceId::new("a.b_c-1").unwrap();
        for of in [
            report("a.b_c-1", Problem::ConnectWeb),
            Purpose::Comment(service),
            Purpose::Webhook,
            Purpose::Subscribe,
        ] {
            assert_eq!(of.to_string().parse(), Ok(of));
        }
        assert_eq!("report/whatsapp/nothing".parse::<Purpose>(), Err(()));
    }

    #[test]
    fn spent_tokens_are_forgotten_once_they_have_expired() {
        let mut spent = Spent::default();
        spent.spend([1; 16], NOW, NOW - 10).unwrap();
        spent.spend([2; 16], NOW + 50, NOW + 1).unwrap();
        assert_eq!(spent.held, 1);
    }
}

//! Mail by SMTP: plain text, one receiver a letter, a link to end it in every letter and in its headers (RFC 2369 and
//! RFC 8058, so that a mail program ends it with one click).

use std::time::{Duration, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use mbolo_pulse_page::{Language, places};
use sha2::{Digest, Sha256};

use super::channel::Outcome;
use super::mastodon::link;
use super::outbox::Claim;
use super::subscriptions::Subscription;
use super::tokens::Wish;
use super::topic::Story;
use super::words;
use crate::config::{ConfigError, EmailConfig, SmtpTls};

pub(crate) struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
}

/// Links of one letter.
pub(crate) struct Links<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) end: &'a str,
    pub(crate) confirm: &'a str,
}

impl Mailer {
    pub(crate) fn new(config: &EmailConfig) -> Result<Self, ConfigError> {
        let from: Mailbox = config
            .from
            .parse()
            .map_err(|error| ConfigError::invalid("email.from", format!("is not an address: {error}")))?;
        let tls = || {
            TlsParameters::new(config.host.clone())
                .map_err(|error| ConfigError::invalid("email.host", error.to_string()))
        };
        let (tls, usual_port) = match config.tls {
            SmtpTls::Implicit => (Tls::Wrapper(tls()?), 465),
            SmtpTls::Starttls => (Tls::Required(tls()?), 587),
            SmtpTls::None if is_this_host(&config.host) => (Tls::None, 25),
            SmtpTls::None => {
                let why = "\"none\" is only for a server on this host; use \"starttls\" or \"implicit\"";
                return Err(ConfigError::invalid("email.tls", why));
            }
        };
        let mut builder = SmtpTransport::builder_dangerous(&config.host)
            .port(config.port.unwrap_or(usual_port))
            .tls(tls)
            .timeout(Some(TIMEOUT));
        match (&config.user, config.password.read("email")?) {
            (Some(user), Some(password)) => {
                builder = builder.credentials(Credentials::new(user.clone(), password));
            }
            (None, None) => {}
            _ => {
                let why = "needs both `user` and `secret` (or `secret_file`), or neither";
                return Err(ConfigError::invalid("email", why));
            }
        }
        Ok(Self { transport: builder.build(), from })
    }

    pub(crate) fn send(
        &self,
        subscription: &Subscription,
        claim: &Claim,
        links: &Links<'_>,
        now: i64,
    ) -> Outcome {
        let letter = match self.letter(subscription, claim, links, now) {
            Ok(letter) => letter,
            Err(why) => return Outcome::rejected(why),
        };
        match self.transport.send(&letter) {
            Ok(_) => Outcome::Delivered,
            Err(error) => {
                let why = chain(&error);
                if error.is_permanent() {
                    Outcome::rejected(why)
                } else {
                    // 4xx says that it was not taken; anything else may have broken after the last dot.
                    Outcome::retry(why, error.is_transient(), None)
                }
            }
        }
    }

    fn letter(
        &self,
        subscription: &Subscription,
        claim: &Claim,
        links: &Links<'_>,
        now: i64,
    ) -> Result<Message, String> {
        let language = subscription.language();
        let story = &claim.story;
        let to: lettre::Address =
            subscription.address.parse().map_err(|error| format!("the address: {error}"))?;
        let is_question = matches!(story, Story::ConfirmAddress { .. } | Story::ChangeWish(_));
        // The same at every attempt: mail programs show a letter that came twice once.
        let message_id = HEXLOWER.encode(&Sha256::digest(&claim.key)[..16]);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(format!("[Pulse] {}", words::cut(&words::title(story, language), 120)))
            .date(UNIX_EPOCH + Duration::from_secs(now.max(0).unsigned_abs()))
            .message_id(Some(format!("<{message_id}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .header(AutoSubmitted);
        if !is_question {
            builder = builder.header(ListUnsubscribe(format!("<{}>", links.end))).header(ListUnsubscribePost);
        }
        builder.body(text(story, language, links)).map_err(|error| error.to_string())
    }
}

fn text(story: &Story, language: Language, links: &Links<'_>) -> String {
    let Links { base_url, end, confirm } = links;
    match (story, language) {
        (Story::ConfirmAddress { .. }, Language::En) => format!(
            "Somebody, probably you, asked to be told by e-mail when something is down ({base_url}).\n\n\
             If it was you, confirm here within two days:\n{confirm}\n\n\
             If not, do nothing: no more messages will come, and the address is forgotten.\n"
        ),
        (Story::ConfirmAddress { .. }, Language::Fr) => format!(
            "Quelqu’un, sans doute vous, a demandé à être averti par e-mail des pannes ({base_url}).\n\n\
             Si c’était vous, confirmez ici sous deux jours :\n{confirm}\n\n\
             Sinon, ne faites rien : aucun autre message ne viendra et l’adresse sera oubliée.\n"
        ),
        (Story::ChangeWish(wish), Language::En) => format!(
            "Somebody, probably you, asked for other messages than before ({base_url}): {}.\n\n\
             If it was you, confirm here within two days:\n{confirm}\n\n\
             If not, do nothing: everything stays as it is. To end all messages:\n{end}\n",
            filter(wish, language)
        ),
        (Story::ChangeWish(wish), Language::Fr) => format!(
            "Quelqu’un, sans doute vous, a demandé d’autres messages qu’avant ({base_url}) : {}.\n\n\
             Si c’était vous, confirmez ici sous deux jours :\n{confirm}\n\n\
             Sinon, ne faites rien : tout reste comme avant. Pour ne plus rien recevoir :\n{end}\n",
            filter(wish, language)
        ),
        (_, Language::En) => format!(
            "{}\n\n{}\n\n-- \nYou asked for these messages. To end them:\n{end}\n",
            words::post(story, language),
            link(story, base_url)
        ),
        (_, Language::Fr) => format!(
            "{}\n\n{}\n\n-- \nVous avez demandé ces messages. Pour ne plus les recevoir :\n{end}\n",
            words::post(story, language),
            link(story, base_url)
        ),
    }
}

/// What a wish is about, in a word or a list.
fn filter(wish: &Wish, language: Language) -> String {
    let countries = wish.countries.iter().map(|country| places::name(*country, language));
    let parts: Vec<String> = wish.services.iter().cloned().chain(countries).collect();
    match (parts.is_empty(), language) {
        (false, _) => parts.join(", "),
        (true, Language::En) => "everything".to_owned(),
        (true, Language::Fr) => "tout".to_owned(),
    }
}

fn is_this_host(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    words::cut(&text, 300)
}

/// RFC 3834: nobody's holiday answer should come back.
#[derive(Clone)]
struct AutoSubmitted;

#[derive(Clone)]
struct ListUnsubscribe(String);

#[derive(Clone)]
struct ListUnsubscribePost;

type ParseError = Box<dyn std::error::Error + Send + Sync>;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, ParseError> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        // As it is: a link that was folded in the middle would not be one. It is far below 998 bytes.
        HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), self.0.clone())
    }
}

impl Header for ListUnsubscribePost {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_: &str) -> Result<Self, ParseError> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "List-Unsubscribe=One-Click".to_owned())
    }
}

/// For a whole letter it may be several times that.
const TIMEOUT: Duration = Duration::from_secs(10);

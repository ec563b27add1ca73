//! Links that need no password. Tokens are not stored: they are the subscription's id, and what is to be changed, with a
//! MAC under the store's secret.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use mbolo_pulse::Country;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::subscriptions::{CONFIRM_PATH, END_PATH};
use super::topic::Story;

/// What somebody wants to be told from now on. It travels in the link of the letter that asks whether it was them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Unix seconds of the request.
    pub at: i64,
    /// BCP 47 tag of the language of letters.
    pub language: String,
    /// Ids of services; all if empty.
    pub services: Vec<String>,
    /// All if empty.
    pub countries: Vec<Country>,
}

/// What the owner of an address said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// That this subscription's address is theirs.
    Address(String),
    /// That this subscription is to become another one.
    Wish(String, Wish),
}

/// Makes and reads tokens.
pub(crate) struct Tokens {
    secret: [u8; 32],
}

impl Tokens {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    pub(crate) fn end(&self, id: &str) -> String {
        self.token("end", id)
    }

    pub(crate) fn end_link(&self, base_url: &str, id: &str) -> String {
        format!("{base_url}{END_PATH}?token={}", self.end(id))
    }

    /// The link in the letter that tells `story`: to a change if that is what it asks, else to the address.
    pub(crate) fn confirm_link(&self, base_url: &str, id: &str, story: &Story) -> String {
        let token = match story {
            Story::ChangeWish(wish) => self.change(id, wish),
            _ => self.token("confirm", id),
        };
        format!("{base_url}{CONFIRM_PATH}?token={token}")
    }

    /// The id of the subscription that the token ends.
    pub(crate) fn read_end(&self, token: &str) -> Option<String> {
        self.read("end", token)
    }

    /// What the token of a confirm link says yes to.
    pub(crate) fn read_confirm(&self, token: &str) -> Option<Confirmed> {
        self.read("confirm", token).map(Confirmed::Address).or_else(|| self.read_change(token))
    }

    fn change(&self, id: &str, wish: &Wish) -> String {
        // Two texts and two lists always become JSON.
        let wish = serde_json::to_vec(wish).unwrap_or_default();
        self.token("change", &format!("{id}~{}", BASE64URL_NOPAD.encode(&wish)))
    }

    fn read_change(&self, token: &str) -> Option<Confirmed> {
        let subject = self.read("change", token)?;
        let (id, wish) = subject.split_once('~')?;
        let wish = serde_json::from_slice(&BASE64URL_NOPAD.decode(wish.as_bytes()).ok()?).ok()?;
        Some(Confirmed::Wish(id.to_owned(), wish))
    }

    fn token(&self, purpose: &str, subject: &str) -> String {
        let mac = self.mac(purpose, subject).finalize().into_bytes();
        format!("{subject}.{}", BASE64URL_NOPAD.encode(&mac))
    }

    fn read(&self, purpose: &str, token: &str) -> Option<String> {
        let (subject, mac) = token.split_once('.').filter(|_| token.len() <= LONGEST)?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        // Compares in constant time.
        self.mac(purpose, subject).verify_slice(&mac).ok().map(|()| subject.to_owned())
    }

    fn mac(&self, purpose: &str, subject: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("{purpose} subscription {subject}").as_bytes());
        mac
    }
}

/// A wish with many services is long; a link in a letter is not longer than this.
const LONGEST: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            at: 1,
            language: "fr".to_owned(),
            services: vec!["whatsapp".to_owned()],
            countries: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_good_for_one_purpose_and_one_subscription() {
        let tokens = Tokens::new([7; 32]);
        let end = tokens.end("abc");
        assert_eq!(tokens.read_end(&end).as_deref(), Some("abc"));
        assert_eq!(tokens.read_confirm(&end), None);
        assert_eq!(tokens.read_end(&end.replace("abc", "abd")), None);
        assert_eq!(Tokens::new([8; 32]).read_end(&end), None);
        assert_eq!(tokens.read_end(""), None);
    }

    #[test]
    fn a_wish_travels_in_its_link_and_cannot_be_altered_on_the_way() {
        let tokens = Tokens::new([7; 32]);
        let token = tokens.change("abc", &wish());
        assert_eq!(tokens.read_confirm(&token), Some(Confirmed::Wish("abc".to_owned(), wish())));
        let other = tokens.change("abc", &Wish { services: Vec::new(), ..wish() });
        let forged = format!(
            "{}.{}",
            other.split_once('.').expect("a dot").0,
            token.split_once('.').expect("a dot").1
        );
        assert_eq!(tokens.read_confirm(&forged), None);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte)), "{token}");
    }
}

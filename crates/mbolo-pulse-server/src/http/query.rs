//! What is asked for in an address, read kindly: an empty value is none, the first of several counts, a country may be in
//! small letters. What cannot be read is refused in the same shape as everything else.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Refused;

/// The query of an address.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Refused> {
    let malformed = |message: String| Refused::malformed(format!("the query: {message}"));
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|error| malformed(error.to_string()))?;
    let mut kept: Vec<(String, String)> = Vec::new();
    for (key, value) in pairs {
        if value.is_empty() || kept.iter().any(|(known, _)| *known == key) {
            continue;
        }
        let value = if key == "country" { value.to_ascii_uppercase() } else { value };
        kept.push((key, value));
    }
    let again = serde_urlencoded::to_string(kept).map_err(|error| malformed(error.to_string()))?;
    serde_urlencoded::from_str(&again).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use mbolo_pulse::{Country, ServiceId};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        lang: Option<String>,
        service: Option<ServiceId>,
        country: Option<Country>,
    }

    #[test]
    fn an_address_that_people_write_is_understood() {
        let asked: Asked = read("service=&country=ga&lang=fr&lang=en&other=1").unwrap();
        assert_eq!((asked.service, asked.country), (None, Country::new("GA")));
        assert_eq!(asked.lang.as_deref(), Some("fr"));
        let refused = read::<Asked>("country=gabon").unwrap_err();
        assert_eq!(refused.word(), "malformed");
    }
}

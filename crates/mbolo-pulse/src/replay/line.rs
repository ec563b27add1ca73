//! One line of a replay. Words are borrowed from the line, so a row costs no memory.

mod plain;

use std::borrow::Cow;

use serde::Deserialize;

use crate::counts::Row;
use crate::model::{Asn, Country, Minute, Problem, Signal};

/// A row as it stands in the file.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Line<'a> {
    minute: Minute,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(default = "unknown")]
    cc: Country,
    #[serde(default)]
    asn: Asn,
    signal: Signal,
    /// For the breakdown on the page only; here it must just be one.
    #[serde(default, rename = "problem")]
    _problem: Option<Problem>,
    #[serde(default, borrow)]
    cell: Option<Cow<'a, str>>,
    n: Option<u32>,
    #[serde(default)]
    weight: Option<f64>,
    attempts: Option<u32>,
    #[serde(default)]
    failures: u32,
}

fn unknown() -> Country {
    Country::UNKNOWN
}

/// Parses a line, or says what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<Line<'_>, String> {
    let line = match plain::read(bytes) {
        Some(line) => line,
        None => serde_json::from_slice(bytes).map_err(|error| error.to_string())?,
    };
    // A number that is not there is not known, and zero would be an outage.
    let missing = match line.signal {
        Signal::Reports | Signal::Gauge | Signal::Heartbeat => line.n.is_none().then_some("n"),
        Signal::Beacon | Signal::Probe => line.attempts.is_none().then_some("attempts"),
        Signal::Official => None,
    };
    if let Some(missing) = missing {
        return Err(format!("a row of this signal needs {missing:?}"));
    }
    if line.failures > line.attempts.unwrap_or_default() {
        return Err("more failures than attempts".to_owned());
    }
    if line.weight.is_some_and(|weight| weight < 0.0) {
        return Err("a weight below zero".to_owned());
    }
    Ok(line)
}

impl Line<'_> {
    /// As the detector takes it.
    pub fn row(&self) -> Row<'_> {
        Row {
            minute: self.minute,
            service: &self.service,
            cc: self.cc,
            asn: self.asn,
            signal: self.signal,
            cell: self.cell.as_deref(),
            n: self.n.unwrap_or_default(),
            weight: self.weight,
            attempts: self.attempts.unwrap_or_default(),
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<(Minute, u32), String> {
        parse(text.as_bytes()).map(|line| (line.minute, line.n.unwrap_or_default()))
    }

    #[test]
    fn rows_are_read_as_they_are_written_and_as_others_write_them() {
        let row = r#"{"minute":28163050,"service":"whatsapp","cc":"GA","asn":16058,"signal":"reports","problem":"send","n":3,"weight":3.0}"#;
        assert_eq!(read(row), Ok((Minute(28_163_050), 3)));
        let spaced = "{ \"signal\" : \"gauge\",\t\"n\": 7, \"service\": \"m\\u0062olo\", \"minute\": 5, \"new\": [1] }\r";
        assert_eq!(read(spaced), Ok((Minute(5), 7)));
    }

    #[test]
    fn what_is_not_a_row_is_refused() {
        for text in [
            "{}",
            "[]",
            "null",
            "{\"minute\":1}",
            r#"{"minute":-1,"service":"a","signal":"gauge"}"#,
            r#"{"minute":1.5,"service":"a","signal":"gauge"}"#,
            r#"{"minute":99999999999,"service":"a","signal":"gauge"}"#,
            r#"{"minute":1,"service":"a","signal":"rumour"}"#,
            r#"{"minute":1,"service":"a","cc":"Gabon","signal":"gauge"}"#,
            r#"{"minute":1,"service":"a","signal":"beacon","attempts":3,"failures":4}"#,
            r#"{"minute":1,"service":"a","signal":"reports","n":1,"weight":-2}"#,
            r#"{"minute":1,"service":"a","signal":"gauge","n":1}{"#,
            r#"{"minute":1,"service":"a","signal":"gauge"}"#,
            r#"{"minute":1,"service":"a","signal":"beacon","n":4}"#,
            r#"{"minute":1,"minute":1,"service":"a","signal":"gauge","n":1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    /// Pieces of which rows, and things like rows, are made.
    const PIECES: &[&str] = &[
        "{",
        "}",
        "\"",
        ":",
        ",",
        " ",
        "-",
        ".",
        "\\",
        "7",
        "007",
        "4294967296",
        "null",
        "1.5",
        "\"minute\":5",
        "\"service\":\"a\"",
        "\"signal\":\"gauge\"",
        "\"cc\":\"GA\"",
        "\"asn\":7",
        "\"n\":",
        ",\"n\":12",
        ",\"weight\":1.25",
        ",\"weight\":",
        ",\"attempts\":3",
        ",\"failures\":2",
        ",\"cell\":\"x\"",
        ",\"problem\":\"send\"",
        "{\"minute\":5,\"service\":\"a\",\"signal\":\"gauge\"",
    ];

    proptest! {
        /// The short way and the whole parser agree on everything that the short way takes.
        #[test]
        fn the_short_way_reads_what_the_parser_reads(
            parts in proptest::collection::vec(proptest::sample::select(PIECES), 0..6),
            whole in proptest::bool::ANY,
        ) {
            let mut text = parts.concat();
            if whole {
                text = format!("{{\"minute\":5,\"service\":\"a\",\"signal\":\"gauge\"{text}}}");
            }
            if let Some(line) = plain::read(text.as_bytes()) {
                let parsed: Result<Line<'_>, _> = serde_json::from_str(&text);
                prop_assert_eq!(Some(line), parsed.ok(), "{}", text);
            }
        }
    }
}

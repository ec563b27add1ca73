//! The short way through a plain row: known keys, words without escapes, whole numbers. Replays hold hundreds of
//! millions of rows, nearly all of them plain. Whatever is not is left to the JSON parser, so this never has to say what
//! is wrong with a line; it must only never read one differently.

use std::borrow::Cow;

use super::Line;
use crate::model::{Asn, Country, Minute, Signal};

/// Reads a plain row. None if it is not one, or not a row at all.
pub(super) fn read(bytes: &[u8]) -> Option<Line<'_>> {
    let mut rest = Rest { bytes: bytes.trim_ascii() };
    rest.skip(b'{')?;
    let (mut minute, mut service, mut signal) = (None, None, None);
    let (mut cc, mut asn, mut cell, mut problem, mut n, mut weight) = (None, None, None, None, None, None);
    let (mut attempts, mut failures) = (None, None);
    loop {
        let key = rest.word()?;
        rest.skip(b':')?;
        match key {
            b"minute" => once(&mut minute, Minute(rest.number()?))?,
            b"service" => once(&mut service, text(rest.word()?)?)?,
            b"cc" => once(&mut cc, Country::new(text(rest.word()?)?)?)?,
            b"asn" => once(&mut asn, Asn(rest.number()?))?,
            b"signal" => once(&mut signal, signal_of(rest.word()?)?)?,
            b"problem" => once(&mut problem, text(rest.word()?)?.parse().ok()?)?,
            b"cell" => once(&mut cell, Cow::Borrowed(text(rest.word()?)?))?,
            b"n" => once(&mut n, rest.number()?)?,
            b"weight" => once(&mut weight, rest.fraction()?)?,
            b"attempts" => once(&mut attempts, rest.number()?)?,
            b"failures" => once(&mut failures, rest.number()?)?,
            _ => return None,
        }
        match rest.next()? {
            b',' => {}
            b'}' if rest.bytes.is_empty() => break,
            _ => return None,
        }
    }
    Some(Line {
        minute: minute?,
        service: Cow::Borrowed(service?),
        cc: cc.unwrap_or(Country::UNKNOWN),
        asn: asn.unwrap_or_default(),
        signal: signal?,
        _problem: problem,
        cell,
        n,
        weight,
        attempts,
        failures: failures.unwrap_or_default(),
    })
}

/// A key that comes twice is not plain.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

fn signal_of(word: &[u8]) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| signal.as_str().as_bytes() == word)
}

struct Rest<'a> {
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A word in quotes, ASCII without escapes.
    fn word(&mut self) -> Option<&'a [u8]> {
        self.skip(b'"')?;
        let end =
            self.bytes.iter().position(|byte| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))?;
        let (word, rest) = self.bytes.split_at(end);
        self.bytes = rest;
        self.skip(b'"')?;
        Some(word)
    }

    /// A whole number that fits, without a leading zero.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let Some(digit) = self.bytes.get(digits).filter(|byte| byte.is_ascii_digit()) {
            value = value * 10 + u64::from(digit - b'0');
            digits += 1;
            if value > u64::from(u32::MAX) {
                return None;
            }
        }
        if digits == 0 || digits > 1 && self.bytes[0] == b'0' {
            return None;
        }
        self.bytes = &self.bytes[digits..];
        u32::try_from(value).ok()
    }

    /// A number with at most three decimals, which is what weights have.
    fn fraction(&mut self) -> Option<f64> {
        let whole = self.number()?;
        if self.bytes.first() != Some(&b'.') {
            return Some(f64::from(whole));
        }
        let digits = self.bytes[1..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 3 {
            return None;
        }
        let decimals = &self.bytes[1..=digits];
        self.bytes = &self.bytes[digits + 1..];
        let decimals = decimals.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
        let scale = [10.0, 100.0, 1000.0][digits - 1];
        // One division of two exact numbers, rounded as a parser rounds it.
        Some((f64::from(whole) * scale + f64::from(decimals)) / scale)
    }
}

//! What is known of the days that are played, with sources: `data/known_outages.json`.

use mbolo_pulse::Minute;
use serde::Deserialize;

const KNOWN: &str = include_str!("../../data/known_outages.json");

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// Its name in the file.
    pub id: String,
    /// When it began.
    pub start: Minute,
    /// When it ended.
    pub end: Minute,
    /// When the service first said so.
    pub official: Option<Minute>,
    /// The country it was in; the world if absent.
    pub country: Option<mbolo_pulse::Country>,
}

#[derive(Deserialize)]
struct File {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
    #[serde(default)]
    official_first_post: Option<String>,
}

/// The event of this name, which the file is known to have.
pub(super) fn fact(id: &str) -> Fact {
    find(id).expect("the file is part of the program, and a test reads these events from it")
}

fn find(id: &str) -> Option<Fact> {
    let file: File = serde_json::from_str(KNOWN).ok()?;
    let event = file.events.into_iter().find(|event| event.id == id)?;
    Some(Fact {
        start: Minute::parse_rfc3339(&event.start)?,
        end: Minute::parse_rfc3339(&event.end)?,
        official: event.official_first_post.as_deref().and_then(Minute::parse_rfc3339),
        country: event.scope.strip_prefix("country:").and_then(mbolo_pulse::Country::new),
        id: event.id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_days_are_in_the_file() {
        let outage = fact("wa-2023-07-19");
        assert_eq!(outage.start.rfc3339(), "2023-07-19T20:10:00Z");
        assert_eq!(outage.official.map(Minute::rfc3339).as_deref(), Some("2023-07-19T20:44:00Z"));
        assert_eq!(outage.country, None);
        let shutdown = fact("ga-2023-08-26");
        assert_eq!(shutdown.country.map(|cc| cc.to_string()).as_deref(), Some("GA"));
        assert!(shutdown.end.since(shutdown.start) > 3 * 1_440);
    }
}

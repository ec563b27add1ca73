//! The words of announcements, in every language of the observatory. They say what was measured, where and since when;
//! never why, and never who.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mbolo_pulse::{IncidentKind, Scope};
use mbolo_pulse_page::{Language, places};

use super::topic::{IncidentStory, Stage, Story};

/// One line without a full stop: the subject of a letter, the name of an incident.
pub fn title(story: &Story, language: Language) -> String {
    match story {
        Story::Incident(incident) => what(incident, language),
        Story::Component { name, new_status, .. } => format!("{name}: {new_status}"),
        Story::Peer { peer, back_at: None, .. } => match language {
            Language::En => format!("The observatory {peer} is silent"),
            Language::Fr => format!("L’observatoire {peer} se tait"),
        },
        Story::Peer { peer, back_at: Some(_), .. } => match language {
            Language::En => format!("The observatory {peer} is back"),
            Language::Fr => format!("L’observatoire {peer} est de retour"),
        },
        Story::ConfirmAddress { .. } => match language {
            Language::En => "Please confirm your subscription".to_owned(),
            Language::Fr => "Merci de confirmer votre abonnement".to_owned(),
        },
        Story::ChangeWish(_) => match language {
            Language::En => "Please confirm the change of your subscription".to_owned(),
            Language::Fr => "Merci de confirmer le changement de votre abonnement".to_owned(),
        },
        Story::Greeting { .. } => match language {
            Language::En => "A greeting".to_owned(),
            Language::Fr => "Un salut".to_owned(),
        },
    }
}

/// What a post says, one to three sentences, without the link.
pub fn post(story: &Story, language: Language) -> String {
    match story {
        Story::Incident(incident) => incident_post(incident, language),
        Story::Peer { silent_since, back_at: None, .. } => {
            let title = title(story, language);
            let since = moment(*silent_since, *silent_since);
            match language {
                Language::En => {
                    format!("{title} since {since}. What it published last may be out of date.")
                }
                Language::Fr => {
                    format!("{title} depuis {since}. Ce qu’il a publié en dernier peut être périmé.")
                }
            }
        }
        Story::Peer { silent_since, back_at: Some(back_at), .. } => {
            let title = title(story, language);
            let silence = duration(back_at - silent_since);
            match language {
                Language::En => format!("{title} after {silence} of silence."),
                Language::Fr => format!("{title} après {silence} de silence."),
            }
        }
        Story::Component { .. }
        | Story::ConfirmAddress { .. }
        | Story::ChangeWish(_)
        | Story::Greeting { .. } => {
            format!("{}.", title(story, language))
        }
    }
}

fn incident_post(story: &IncidentStory, language: Language) -> String {
    let incident = &story.incident.incident;
    let what = what(story, language);
    let since = moment(incident.started_at.unix(), story.at);
    let measured = measured(story, language);
    let mut text = match (story.stage, language) {
        (Stage::Confirmed, Language::En) => format!("{what}{measured}, since {since}."),
        (Stage::Confirmed, Language::Fr) => format!("{what}{measured}, depuis {since}."),
        (Stage::Recovering, Language::En) => {
            format!("Measurements return to normal. {what}{measured}, since {since}.")
        }
        (Stage::Recovering, Language::Fr) => {
            format!("Les mesures reviennent à la normale. {what}{measured}, depuis {since}.")
        }
        (Stage::Resolved, _) => {
            let end = incident.resolved_at.map_or(story.at, |at| at.unix());
            let (until, took) = (moment(end, story.at), duration(end - incident.started_at.unix()));
            match language {
                Language::En => format!("Over: {what}, from {since} to {until} ({took})."),
                Language::Fr => format!("Terminé : {what}, de {since} à {until} ({took})."),
            }
        }
        (Stage::Corrected, Language::En) => {
            format!("Correction: {what}, {since}. That was a false alarm of ours: nothing was wrong.")
        }
        (Stage::Corrected, Language::Fr) => {
            format!(
                "Correction : {what}, {since}. C’était une fausse alerte de notre part : tout allait bien."
            )
        }
    };
    if incident.scope_uncertain && matches!(story.stage, Stage::Confirmed | Stage::Recovering) {
        text.push_str(match language {
            Language::En => " There is too little to tell one network from the whole country.",
            Language::Fr => " Trop peu de mesures pour distinguer un réseau du pays entier.",
        });
    }
    if let Some(cause) = &story.incident.cause {
        let (text_of_cause, source) = (cut(&cause.text, 200), cut(&cause.source, 100));
        text.push_str(&match language {
            Language::En => format!(" According to {source}: {text_of_cause}"),
            Language::Fr => format!(" Selon {source} : {text_of_cause}"),
        });
    }
    text
}

fn what(story: &IncidentStory, language: Language) -> String {
    let incident = &story.incident.incident;
    let place = place(&incident.scope, language);
    let services = services(story, language);
    match (incident.kind, language) {
        (IncidentKind::Connectivity, Language::En) => format!("Loss of connectivity {place}"),
        (IncidentKind::Connectivity, Language::Fr) => format!("Perte de connectivité {place}"),
        (IncidentKind::Service, Language::En) => format!("{services}: disruption {place}"),
        (IncidentKind::Service, Language::Fr) => format!("{services} : perturbation {place}"),
        (IncidentKind::Blocked, Language::En) => {
            format!("{services}: no connection {place}, while other services connect")
        }
        (IncidentKind::Blocked, Language::Fr) => {
            format!("{services} : pas de connexion {place}, alors que d’autres services répondent")
        }
        (IncidentKind::ReportsOnly, Language::En) => format!("{services}: users report problems {place}"),
        (IncidentKind::ReportsOnly, Language::Fr) => {
            format!("{services} : problèmes signalés par des utilisateurs {place}")
        }
    }
}

fn place(scope: &Scope, language: Language) -> String {
    match (scope, language) {
        (Scope::World, Language::En) => "worldwide".to_owned(),
        (Scope::World, Language::Fr) => "dans le monde".to_owned(),
        (Scope::Country { cc }, _) => places::there(*cc, language),
        (Scope::Asn { cc, asn }, Language::En) => {
            format!("in network AS{} {}", asn.0, places::there(*cc, language))
        }
        (Scope::Asn { cc, asn }, Language::Fr) => {
            format!("dans le réseau AS{} {}", asn.0, places::there(*cc, language))
        }
        (Scope::Cell { cell }, Language::En) => format!("on the cell {}", cut(cell, 60)),
        (Scope::Cell { cell }, Language::Fr) => format!("sur la cellule {}", cut(cell, 60)),
    }
}

fn services(story: &IncidentStory, language: Language) -> String {
    let names: Vec<String> = story.services.iter().map(|name| cut(name, 40)).collect();
    match (names.as_slice(), language) {
        ([first, second, third, rest @ ..], Language::En) if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        ([first, second, third, rest @ ..], Language::Fr) if !rest.is_empty() => {
            format!("{first}, {second}, {third} et {} autres", rest.len())
        }
        _ => names.join(", "),
    }
}

fn measured(story: &IncidentStory, language: Language) -> String {
    let mut text = String::new();
    if let Some((down, networks)) = story.networks {
        text.push_str(&match language {
            Language::En => {
                format!(
                    ", {down} of {networks} measured {}",
                    if networks == 1 { "network" } else { "networks" }
                )
            }
            Language::Fr if down < 2 => format!(", {down} réseau mesuré sur {networks}"),
            Language::Fr => format!(", {down} réseaux mesurés sur {networks}"),
        });
    }
    let impact = story.incident.incident.impact.filter(|impact| impact.is_finite());
    if let (Some(impact), IncidentKind::Service) = (impact, story.incident.incident.kind) {
        let percent = (impact.clamp(0.0, 1.0) * 100.0).round();
        text.push_str(&match language {
            Language::En => format!(", measured impact {percent}%"),
            Language::Fr => format!(", impact mesuré {percent} %"),
        });
    }
    text
}

/// `17:02 UTC`, with the date if it is not the day of `seen_from`.
fn moment(at: i64, seen_from: i64) -> String {
    let pattern = if at.div_euclid(86_400) == seen_from.div_euclid(86_400) {
        "%H:%M UTC"
    } else {
        "%Y-%m-%d %H:%M UTC"
    };
    Timestamp::from_second(at)
        .map_or_else(|_| "?".to_owned(), |at| at.to_zoned(TimeZone::UTC).strftime(pattern).to_string())
}

/// `2 h 05 min`, the same in every language.
fn duration(seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}

/// At most `max` characters on one line.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= max {
        return line;
    }
    let mut short: String = line.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements::samples;
    use crate::announcements::topic;

    fn story(change: impl FnOnce(&mut mbolo_pulse::board::Board)) -> Story {
        let mut board = samples::gabon();
        change(&mut board);
        let topics = topic::of_board(&board, "https://pulse.example", board.generated_at);
        topics.into_iter().next().expect("a topic").story
    }

    #[test]
    fn an_announcement_says_what_was_measured_where_and_since_when() {
        let confirmed = story(|_| ());
        assert_eq!(
            post(&confirmed, Language::En),
            "Loss of connectivity in Gabon, 4 of 4 measured networks, since 17:02 UTC."
        );
        assert_eq!(
            post(&confirmed, Language::Fr),
            "Perte de connectivité au Gabon, 4 réseaux mesurés sur 4, depuis 17:02 UTC."
        );
    }

    #[test]
    fn one_network_is_told_in_the_singular() {
        let one = |down, networks| {
            story(|board| {
                board.services[0].countries[0].networks_down = down;
                board.services[0].countries[0].networks_measured = networks;
            })
        };
        assert!(post(&one(1, 4), Language::Fr).contains("1 réseau mesuré sur 4"));
        assert!(post(&one(1, 1), Language::En).contains("1 of 1 measured network,"));
    }

    #[test]
    fn the_end_says_how_long_it_was() {
        let resolved = story(samples::resolve);
        assert_eq!(
            post(&resolved, Language::En),
            "Over: Loss of connectivity in Gabon, from 17:02 UTC to 18:07 UTC (1 h 05 min)."
        );
    }

    #[test]
    fn a_false_alarm_is_admitted() {
        let corrected = story(|board| board.incidents[0].false_alarm = true);
        assert!(post(&corrected, Language::En).ends_with("false alarm of ours: nothing was wrong."));
        assert!(post(&corrected, Language::Fr).contains("fausse alerte de notre part"));
    }

    #[test]
    fn no_word_accuses_anybody() {
        for kind in [
            IncidentKind::Service,
            IncidentKind::Connectivity,
            IncidentKind::Blocked,
            IncidentKind::ReportsOnly,
        ] {
            let story = story(|board| board.incidents[0].incident.kind = kind);
            for language in Language::ALL {
                let text = format!("{} {}", title(&story, language), post(&story, language)).to_lowercase();
                for word in ["block", "censor", "shut", "government", "bloqu", "censur", "coup", "gouvern"] {
                    assert!(!text.contains(word), "{text}");
                }
            }
        }
    }
}

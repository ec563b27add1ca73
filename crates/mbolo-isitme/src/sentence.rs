//! What a person reads. One sentence or two for each row of the table, in both languages, here and nowhere else, so
//! that the terminal and the browser say the same. Each says whose it is and what to do, and accuses nobody.

use crate::verdict::{Diagnosis, Reason};

/// A language that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

/// What the sentence is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The home's name for people: `cell.example`.
    pub home: &'a str,
    /// Where it is being watched: the observatory's address, if one is known.
    pub watched_at: Option<&'a str>,
}

impl Diagnosis {
    /// What to tell the person.
    pub fn sentence(&self, language: Language, about: About<'_>) -> String {
        let text = match language {
            Language::English => english(self.reason),
            Language::French => french(self.reason),
        };
        let mut sentence = text.replace("{home}", about.home);
        if let Some(address) = about.watched_at.filter(|_| self.is_watched()) {
            sentence.push_str(match language {
                Language::English => " It is being watched at ",
                Language::French => " La situation est suivie sur ",
            });
            sentence.push_str(address);
            sentence.push('.');
        }
        sentence
    }

    /// Whether looking at the observatory helps: not while nothing can be reached, and not when nothing is wrong.
    fn is_watched(&self) -> bool {
        !matches!(
            self.reason,
            Reason::NoLink
                | Reason::Portal
                | Reason::NothingAnswers
                | Reason::NotRunning
                | Reason::HomeAnswers
        )
    }
}

fn english(reason: Reason) -> &'static str {
    match reason {
        Reason::NoLink => {
            "You are offline: this device has no network. Turn on Wi-Fi or mobile data; your messages will go out when you are back."
        }
        Reason::Portal => {
            "Your Wi-Fi does not let you through: it wants you to sign in, or it finds no addresses. Open any web page to sign in, or use mobile data."
        }
        Reason::NothingAnswers => {
            "It is not Mbolo: hardly anything on the internet answers from here. Try mobile data or another Wi-Fi; if that works, tell your provider."
        }
        Reason::NetworkCut => {
            "It is not you. Your provider’s network has lost its connection. Try another network; your messages are kept."
        }
        Reason::CountryCut => {
            "It is not you. A loss of connectivity is measured in your country. Your messages are kept and go out when it is over."
        }
        Reason::AnswersElsewhere => {
            "It is not you. Mbolo at {home} answers elsewhere, but not from your network. Try another network, such as mobile data instead of Wi-Fi."
        }
        Reason::NotFromHere => {
            "It is not you. Mbolo is not reached from your country, while other services are. Your messages are kept; try another network."
        }
        Reason::HomeSilent => {
            "It is not you. Do not restart your router. Mbolo at {home} is not answering; your messages are kept."
        }
        Reason::ServiceDown => {
            "It is not you. Do not restart your router. A fault of Mbolo at {home} is confirmed; your messages are kept."
        }
        Reason::NotRunning => {
            "Mbolo at {home} is on this machine and is not running. Start it again; your messages are kept."
        }
        Reason::HomeAnswers => {
            "Mbolo at {home} answers. If a message still waits, the next try is automatic."
        }
        Reason::OursSilent => {
            "It is not you. None of Mbolo’s addresses answers from here, while others do. Your messages are kept; try another network."
        }
        Reason::TooLittle => {
            "It is not clear yet why Mbolo at {home} does not answer. Your messages are kept, and the next try is automatic."
        }
    }
}

fn french(reason: Reason) -> &'static str {
    match reason {
        Reason::NoLink => {
            "Vous êtes hors ligne : cet appareil n’a pas de réseau. Activez le Wi-Fi ou les données mobiles ; vos messages partiront à votre retour."
        }
        Reason::Portal => {
            "Votre Wi-Fi ne vous laisse pas passer : il demande une connexion ou ne trouve aucune adresse. Ouvrez une page web pour vous identifier, ou utilisez les données mobiles."
        }
        Reason::NothingAnswers => {
            "Ce n’est pas Mbolo : presque rien sur internet ne répond d’ici. Essayez les données mobiles ou un autre Wi-Fi ; si cela marche, prévenez votre fournisseur."
        }
        Reason::NetworkCut => {
            "Ce n’est pas vous. Le réseau de votre fournisseur a perdu sa connexion. Essayez un autre réseau ; vos messages sont gardés."
        }
        Reason::CountryCut => {
            "Ce n’est pas vous. Une perte de connectivité est mesurée dans votre pays. Vos messages sont gardés et partiront quand ce sera fini."
        }
        Reason::AnswersElsewhere => {
            "Ce n’est pas vous. Mbolo sur {home} répond ailleurs, mais pas depuis votre réseau. Essayez un autre réseau, par exemple les données mobiles au lieu du Wi-Fi."
        }
        Reason::NotFromHere => {
            "Ce n’est pas vous. Mbolo n’est pas joignable depuis votre pays, alors que d’autres services le sont. Vos messages sont gardés ; essayez un autre réseau."
        }
        Reason::HomeSilent => {
            "Ce n’est pas vous. Ne redémarrez pas votre box. Mbolo sur {home} ne répond pas ; vos messages sont gardés."
        }
        Reason::ServiceDown => {
            "Ce n’est pas vous. Ne redémarrez pas votre box. Une panne de Mbolo sur {home} est confirmée ; vos messages sont gardés."
        }
        Reason::NotRunning => {
            "Mbolo sur {home} se trouve sur cette machine et ne tourne pas. Relancez-le ; vos messages sont gardés."
        }
        Reason::HomeAnswers => {
            "Mbolo sur {home} répond. Si un message attend encore, le prochain essai est automatique."
        }
        Reason::OursSilent => {
            "Ce n’est pas vous. Aucune adresse de Mbolo ne répond d’ici, alors que d’autres répondent. Vos messages sont gardés ; essayez un autre réseau."
        }
        Reason::TooLittle => {
            "On ne sait pas encore pourquoi Mbolo sur {home} ne répond pas. Vos messages sont gardés, et le prochain essai est automatique."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [Reason; 13] = [
        Reason::NoLink,
        Reason::Portal,
        Reason::NothingAnswers,
        Reason::NetworkCut,
        Reason::CountryCut,
        Reason::AnswersElsewhere,
        Reason::NotFromHere,
        Reason::HomeSilent,
        Reason::ServiceDown,
        Reason::NotRunning,
        Reason::HomeAnswers,
        Reason::OursSilent,
        Reason::TooLittle,
    ];

    #[test]
    fn every_row_has_its_own_words_in_both_languages() {
        let mut said = std::collections::HashSet::new();
        for reason in EVERY {
            for language in [Language::English, Language::French] {
                let about = About { home: "cell.example", watched_at: None };
                let sentence = Diagnosis::from(reason).sentence(language, about);
                assert!(!sentence.contains(['{', '}', '!']) && sentence.ends_with('.'), "{sentence}");
                assert!(said.insert(sentence), "{reason:?} in {language:?} repeats another");
            }
        }
    }

    #[test]
    fn when_the_home_is_silent_nobody_restarts_a_router() {
        let about = About { home: "cell.example", watched_at: Some("https://pulse.example") };
        let sentence = Diagnosis::from(Reason::HomeSilent).sentence(Language::English, about);
        assert!(sentence.starts_with(
            "It is not you. Do not restart your router. Mbolo at cell.example is not answering"
        ));
        assert!(sentence.ends_with("It is being watched at https://pulse.example."));
    }

    #[test]
    fn who_has_no_network_is_not_sent_to_a_web_page() {
        let about = About { home: "cell.example", watched_at: Some("https://pulse.example") };
        for reason in [Reason::NoLink, Reason::NothingAnswers] {
            assert!(!Diagnosis::from(reason).sentence(Language::French, about).contains("pulse.example"));
        }
    }
}

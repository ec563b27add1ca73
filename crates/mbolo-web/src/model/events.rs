//! What happened to a room, as a sentence. Who did it and whom it happened to may be oneself, or both the same person:
//! each has a sentence of its own, because languages put a "you" in different places.

use mbolo_client_api::{Member, RoomEvent};

use crate::texts::t_with;

/// The sentence for an event that `by` caused; `called` names a person.
pub fn sentence(event: &RoomEvent, by: &Member, called: impl Fn(&Member) -> String) -> String {
    let own = if by.me { "yes" } else { "no" };
    let said = |key: &str, name: String| {
        t_with(key, &[("own", own.into()), ("who", called(by).into()), ("name", name.into())])
    };
    let about = |target: &Member, key: &str, key_you: &str, key_itself: &str| {
        let key = match target {
            target if target.account == by.account => key_itself,
            target if target.me => key_you,
            _ => key,
        };
        said(key, called(target))
    };
    match event {
        RoomEvent::Created => said("event-created", String::new()),
        RoomEvent::Added { members } => {
            let others: Vec<String> = members.iter().filter(|member| !member.me).map(&called).collect();
            let key = match (members.len() > others.len(), others.is_empty()) {
                (false, _) => "event-added",
                (true, true) => "event-added-you",
                (true, false) => "event-added-you-and",
            };
            t_with(key, &[("own", own.into()), ("who", called(by).into()), ("names", others.into())])
        }
        RoomEvent::Removed { member } => about(member, "event-removed", "event-removed-you", "event-left"),
        RoomEvent::Left => said("event-left", String::new()),
        RoomEvent::Promoted { member } => {
            about(member, "event-promoted", "event-promoted-you", "event-promoted-itself")
        }
        RoomEvent::Demoted { member } => {
            about(member, "event-demoted", "event-demoted-you", "event-demoted-itself")
        }
        RoomEvent::Renamed { name } => said("event-renamed", name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::{Language, set_language};

    fn person(name: &str) -> Member {
        Member { account: name.into(), name: name.into(), handle: None, admin: false, me: name == "Me" }
    }

    fn in_both(by: &str, event: RoomEvent) -> [String; 2] {
        [Language::English, Language::French].map(|language| {
            set_language(language);
            sentence(&event, &person(by), |member| member.name.clone())
        })
    }

    fn added(names: &[&str]) -> RoomEvent {
        RoomEvent::Added { members: names.iter().map(|name| person(name)).collect() }
    }

    #[test]
    fn who_was_added_is_told_as_one_would_say_it() {
        assert_eq!(in_both("Me", added(&["Ben"])), ["You added Ben", "Vous avez ajouté Ben"]);
        assert_eq!(
            in_both("Awa", added(&["Ben", "Caro"])),
            ["Awa added Ben, Caro", "Awa a ajouté Ben, Caro"]
        );
        assert_eq!(in_both("Awa", added(&["Me"])), ["Awa added you", "Awa vous a ajouté"]);
        assert_eq!(
            in_both("Awa", added(&["Ben", "Me", "Caro"])),
            ["Awa added you, with Ben, Caro", "Awa vous a ajouté, avec Ben, Caro"]
        );
    }

    #[test]
    fn who_went_is_told_as_one_would_say_it() {
        let removed = |name| RoomEvent::Removed { member: person(name) };
        assert_eq!(in_both("Me", removed("Ben")), ["You removed Ben", "Vous avez retiré Ben"]);
        assert_eq!(in_both("Awa", removed("Ben")), ["Awa removed Ben", "Awa a retiré Ben"]);
        assert_eq!(in_both("Awa", removed("Me")), ["Awa removed you", "Awa vous a retiré"]);
        assert_eq!(in_both("Awa", RoomEvent::Left), ["Awa left the group", "Awa a quitté le groupe"]);
        assert_eq!(in_both("Me", RoomEvent::Left), ["You left the group", "Vous avez quitté le groupe"]);
    }

    #[test]
    fn who_became_an_admin_is_told_as_one_would_say_it() {
        let promoted = |name| RoomEvent::Promoted { member: person(name) };
        assert_eq!(in_both("Me", promoted("Ben")), ["You made Ben an admin", "Vous avez nommé Ben admin"]);
        assert_eq!(in_both("Awa", promoted("Ben")), ["Awa made Ben an admin", "Awa a nommé Ben admin"]);
        assert_eq!(in_both("Awa", promoted("Me")), ["Awa made you an admin", "Awa vous a nommé admin"]);
        // Nobody chose them: the last admin has left.
        assert_eq!(in_both("Ben", promoted("Ben")), ["Ben is now an admin", "Ben est maintenant admin"]);
        assert_eq!(in_both("Me", promoted("Me")), ["You are now an admin", "Vous êtes maintenant admin"]);
    }

    #[test]
    fn who_is_no_admin_any_more_is_told_as_one_would_say_it() {
        let demoted = |name| RoomEvent::Demoted { member: person(name) };
        assert_eq!(
            in_both("Me", demoted("Ben")),
            ["You took back Ben’s admin role", "Vous avez retiré le rôle d’admin à Ben"]
        );
        assert_eq!(
            in_both("Awa", demoted("Ben")),
            ["Awa took back the admin role of Ben", "Awa a retiré le rôle d’admin à Ben"]
        );
        assert_eq!(
            in_both("Awa", demoted("Me")),
            ["Awa took back your admin role", "Awa vous a retiré le rôle d’admin"]
        );
        assert_eq!(in_both("Ben", demoted("Ben")), ["Ben is no longer an admin", "Ben n’est plus admin"]);
        assert_eq!(in_both("Me", demoted("Me")), ["You are no longer an admin", "Vous n’êtes plus admin"]);
    }

    #[test]
    fn a_new_group_and_its_name_are_told_as_one_would_say_it() {
        let renamed = || RoomEvent::Renamed { name: "Work".into() };
        assert_eq!(
            in_both("Me", renamed()),
            ["You named the group “Work”", "Vous avez nommé le groupe « Work »"]
        );
        assert_eq!(
            in_both("Awa", renamed()),
            ["Awa named the group “Work”", "Awa a nommé le groupe « Work »"]
        );
        assert_eq!(in_both("Me", RoomEvent::Created), ["You created the group", "Vous avez créé le groupe"]);
        assert_eq!(in_both("Awa", RoomEvent::Created), ["Awa created the group", "Awa a créé le groupe"]);
    }
}

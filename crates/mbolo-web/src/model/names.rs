//! What people and groups are called where the engine has no name for them yet.

use mbolo_client_api::Member;

use crate::texts::{t, t_with};

/// How many characters of an account id stand in for a name.
const ID_SHOWN: usize = 8;

/// The name of a person. Before a person's name is known the engine calls them by the beginning of their account id;
/// `known` is what is known of them elsewhere, by now.
pub fn person(member: &Member, known: Option<&Member>) -> String {
    let named = |member: &&Member| {
        let is_id = member.name.len() == ID_SHOWN && member.account.starts_with(&member.name);
        !is_id && !member.name.is_empty()
    };
    match [Some(member), known].into_iter().flatten().find(named) {
        Some(named) => named.name.clone(),
        None => match member.handle.as_ref().or_else(|| known?.handle.as_ref()) {
            Some(handle) => format!("@{handle}"),
            None => member.name.clone(),
        },
    }
}

/// What a group without a name is called: after those who are in it.
pub fn group(members: &[Member]) -> String {
    const SHOWN: usize = 2;
    let others: Vec<String> =
        members.iter().filter(|member| !member.me).map(|member| person(member, None)).collect();
    match others.len().saturating_sub(SHOWN) {
        _ if others.is_empty() => t("group-unnamed"),
        0 => t_with("group-of", &[("names", others.into())]),
        more => {
            let names = others[..SHOWN].to_vec();
            t_with("group-of-more", &[("names", names.into()), ("count", more.into())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::{Language, set_language};

    fn member(account: &str, name: &str, handle: Option<&str>) -> Member {
        let handle = handle.map(str::to_owned);
        Member { account: account.into(), name: name.into(), handle, admin: false, me: account == "me" }
    }

    #[test]
    fn a_person_is_called_by_name_then_by_handle_and_by_an_id_only_if_there_is_nothing_else() {
        let unnamed = member("uwcfmkkz2345", "uwcfmkkz", None);
        let by_handle = member("uwcfmkkz2345", "uwcfmkkz", Some("dodo"));
        let by_name = member("uwcfmkkz2345", "Dodo", Some("dodo"));
        assert_eq!(person(&by_name, None), "Dodo");
        assert_eq!(person(&unnamed, Some(&by_name)), "Dodo");
        assert_eq!(person(&unnamed, Some(&by_handle)), "@dodo");
        assert_eq!(person(&by_handle, None), "@dodo");
        assert_eq!(person(&unnamed, None), "uwcfmkkz");
    }

    #[test]
    fn a_group_without_a_name_is_called_after_its_members() {
        let me = || member("me", "Me", None);
        let named = |name: &str| member("a", name, None);
        let in_both = |members: &[Member]| {
            [Language::English, Language::French].map(|language| {
                set_language(language);
                group(members)
            })
        };
        let all: Vec<Member> = ["Bibi", "Caro", "Dodo", "Eva"].map(named).into_iter().chain([me()]).collect();
        assert_eq!(in_both(&all), ["Bibi, Caro and 2 more", "Bibi, Caro et 2 autres"]);
        assert_eq!(in_both(&all[..3]), ["Bibi, Caro and 1 more", "Bibi, Caro et 1 autre"]);
        assert_eq!(in_both(&all[..2]), ["Bibi, Caro", "Bibi, Caro"]);
        assert_eq!(in_both(&[me()]), ["Group without a name", "Groupe sans nom"]);
    }
}

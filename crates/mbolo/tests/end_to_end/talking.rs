//! People talk: one to one, in groups, with everything that scripts see of it.

use serde_json::Value;

use crate::people::{Person, said};
use crate::support::Server;

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn two_people_sign_up_and_talk() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    let mut bibi_hears = bibi.listen();
    let sent = awa.run(&["send", "@bibi", "Mbolo, Bibi", "--json"]).json();
    assert_eq!(sent["v"], 1);
    assert_eq!(sent["message"]["body"]["text"], "Mbolo, Bibi");
    let heard = bibi_hears.wait_for_text("Mbolo, Bibi");
    assert_eq!((&heard["v"], &heard["update"]), (&Value::from(1), &Value::from("message")));
    assert_eq!(heard["message"]["sender"]["name"], "Awa");
    assert_eq!(heard["message"]["sender"]["handle"], "awa");
    assert_eq!(heard["room"], sent["room"]);
    drop(bibi_hears);

    let mut awa_hears = awa.listen();
    bibi.send("awa", "Mbolo, Awa");
    awa_hears.wait_for_text("Mbolo, Awa");
    drop(awa_hears);
    let expected = vec![pair("awa", "Mbolo, Bibi"), pair("bibi", "Mbolo, Awa")];
    assert_eq!(awa.history("@bibi"), expected);
    assert_eq!(bibi.history("@awa"), expected);
}

#[test]
fn send_returns_when_the_message_has_come_as_far_as_wanted() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    assert_eq!(
        awa.run(&["send", "@bibi", "one", "--wait", "sent", "--json"]).json()["message"]["state"],
        "sent"
    );
    // Nobody is there to receive it.
    let late = awa.run(&["send", "@bibi", "two", "--wait", "delivered", "--timeout", "1"]).refused(8);
    assert!(late.contains("The cell has the message"), "{late}");
    let _bibi_hears = bibi.listen();
    let read = awa.run(&["send", "@bibi", "three", "--wait", "read", "--timeout", "60", "--json"]).json();
    assert_eq!(read["message"]["state"], "read");
}

#[test]
fn a_message_comes_from_standard_input_with_all_its_lines() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.run_with_input(&["send", "@bibi"], "first line\n\nthird line ✓\n").ok();
    awa.run_with_input(&["send", "@bibi", "-"], " \n").refused(3);
    bibi.sync();
    assert_eq!(bibi.history("@awa"), [pair("awa", "first line\n\nthird line ✓")]);
}

#[test]
fn a_group_of_three_agrees_on_what_was_said() {
    let server = Server::start();
    let people = ["awa", "bibi", "chantal"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, chantal] = &people;
    let group = awa.run(&["room", "create", "Family", "bibi", "@chantal", "--json"]).json();
    assert_eq!(group["chat"]["member_count"], 3);
    let mut chantal_hears = chantal.listen();
    awa.send("Family", "dinner at eight");
    bibi.sync();
    bibi.send("Family", "I bring fish");
    chantal_hears.wait_for_text("I bring fish");
    drop(chantal_hears);
    chantal.send("Family", "and I the plantains");
    for person in &people {
        person.sync();
        assert_eq!(
            person.history("Family"),
            [
                pair("awa", "dinner at eight"),
                pair("bibi", "I bring fish"),
                pair("chantal", "and I the plantains")
            ],
            "as {} sees it",
            person.handle
        );
    }
}

#[test]
fn a_group_is_run_by_its_admins() {
    let server = Server::start();
    let people = ["awa", "bibi", "chantal"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, chantal] = &people;
    awa.run(&["room", "create", "Work", "bibi"]).ok();
    bibi.sync();
    bibi.run(&["room", "add", "Work", "chantal"]).refused(3);
    awa.run(&["room", "promote", "Work", "bibi"]).ok();
    bibi.sync();
    bibi.run(&["room", "add", "Work", "chantal"]).ok();
    bibi.run(&["room", "rename", "Work", "Workshop"]).ok();
    awa.sync();
    chantal.sync();
    let shown = awa.run(&["room", "show", "Workshop"]).ok();
    assert!(shown.contains("@chantal") && shown.contains("3 people"), "{shown}");
    awa.run(&["room", "demote", "Workshop", "Bibi"]).ok();
    awa.run(&["room", "remove", "Workshop", "@chantal"]).ok();
    bibi.sync();
    bibi.run(&["room", "rename", "Workshop", "Mine"]).refused(3);
    chantal.sync();
    let list = chantal.run(&["room", "list", "--json"]).ok();
    let chat: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    assert_eq!(chat["chat"]["membership"], "removed");
    chantal.run(&["send", "Workshop", "can you hear me?", "--timeout", "10"]).refused(3);
    bibi.run(&["room", "leave", "Workshop"]).ok();
    awa.sync();
    let members = awa.run(&["room", "show", "Workshop", "--json"]).json();
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
}

#[test]
fn an_answer_shows_what_it_answers() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    let asked = awa.run(&["send", "@bibi", "are you coming?", "--json"]).json();
    bibi.sync();
    let id = asked["message"]["id"].as_str().unwrap();
    bibi.run(&["send", "@awa", "yes", "--reply-to", id]).ok();
    awa.sync();
    let history = awa.run(&["room", "history", "@bibi", "--json", "--limit", "1"]).json();
    assert_eq!(history["message"]["reply_to"]["text"], "are you coming?");
}

#[test]
fn a_script_that_listens_with_count_ends_and_later_goes_on_where_it_was() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    for text in ["one", "two"] {
        awa.send("@bibi", text);
    }
    let heard = |printed: String| -> Vec<String> {
        let lines =
            printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        let mut texts: Vec<String> = lines.iter().filter_map(said).map(|(_, text)| text).collect();
        texts.dedup();
        texts
    };
    let args = ["listen", "--json", "--mark-read", "--timeout", "60", "--count", "1"];
    assert_eq!(heard(bibi.run(&args).ok()), ["one", "two"], "what is there already is not left behind");
    awa.send("@bibi", "three");
    assert_eq!(heard(bibi.run(&args).ok()), ["three"]);
}

#[test]
fn an_account_comes_back_with_its_words() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "from the old telephone");
    bibi.sync();
    let words = awa.run(&["account", "export-recovery"]).ok();
    assert_eq!(words.split_whitespace().count(), 24, "{words}");

    let new = Person::without_account(&server.url, "awa");
    new.run_with_input(&["account", "recover", "--name", "Awa", "--cell", &server.url], "not the words")
        .refused(3);
    new.run_with_input(&["account", "recover", "--name", "Awa", "--cell", &server.url], &words).ok();
    assert!(new.run(&["account", "show"]).ok().contains("@awa"));
    new.sync();
    let mut bibi_hears = bibi.listen();
    new.send("@bibi", "from the new one");
    bibi_hears.wait_for_text("from the new one");
}

#[test]
fn what_others_write_cannot_steer_the_terminal() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.run_with_input(&["send", "@bibi"], "look \u{1b}]0;owned\u{7} \u{1b}[2J here").ok();
    let printed = bibi.run(&["listen", "--until-idle", "--timeout", "60"]).ok();
    assert!(printed.contains("look ]0;owned [2J here"), "{printed:?}");
}

#[test]
fn a_message_goes_to_whoever_has_the_handle_and_not_to_whoever_took_the_name() {
    let server = Server::start();
    let people = ["awa", "bibi", "mallory"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, mallory] = &people;
    mallory.run(&["account", "rename", "bibi"]).ok();
    mallory.send("@awa", "hello");
    awa.sync();
    awa.send("bibi", "a secret");
    bibi.sync();
    mallory.sync();
    assert_eq!(bibi.history("@awa"), [pair("awa", "a secret")]);
    assert_eq!(mallory.history("@awa"), [pair("bibi", "hello")]);
}

#[test]
fn a_group_with_the_name_of_somebody_is_not_taken_for_them() {
    let server = Server::start();
    let people = ["awa", "bibi", "mallory"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, mallory] = &people;
    mallory.run(&["room", "create", "bibi", "awa"]).ok();
    awa.sync();
    let refused = awa.run(&["send", "bibi", "a secret"]).refused(3);
    assert!(refused.contains("@bibi") && refused.contains("its id"), "{refused}");
    awa.send("@bibi", "a secret");
    bibi.sync();
    mallory.sync();
    assert_eq!(bibi.history("@awa"), [pair("awa", "a secret")]);
    assert_eq!(mallory.history("bibi"), []);
    awa.run(&["listen", "--room", "bibi", "--until-idle"]).refused(3);
}

#[test]
fn who_listens_as_a_person_is_not_told_again_what_they_said() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "an old word");
    // Bibi receives and reads it while Awa listens.
    bibi.run(&["listen", "--until-idle", "--mark-read", "--timeout", "60"]).ok();
    bibi.send("@awa", "a new word");
    let printed = awa.run(&["listen", "--count", "1", "--timeout", "60"]).ok();
    assert!(printed.contains("a new word") && !printed.contains("an old word"), "{printed}");
}

#[test]
fn who_is_added_is_named_by_handle_until_they_have_told_their_name() {
    let server = Server::start();
    let people = ["awa", "bibi", "dodo"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, _dodo] = &people;
    bibi.run(&["room", "create", "Work", "awa"]).ok();
    awa.sync();
    bibi.run(&["room", "add", "Work", "dodo"]).ok();
    let heard = awa.run(&["listen", "--until-idle", "--timeout", "60"]).ok();
    assert!(heard.contains("added @dodo in Work"), "{heard}");
    let history = awa.run(&["room", "history", "Work"]).ok();
    assert!(history.contains("added @dodo"), "{history}");
}

#[test]
fn who_becomes_admin_because_the_last_one_left_is_not_said_to_have_done_it() {
    let server = Server::start();
    let people = ["awa", "bibi", "dodo"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, dodo] = &people;
    awa.run(&["room", "create", "Work", "bibi", "dodo"]).ok();
    bibi.sync();
    dodo.sync();
    awa.run(&["room", "leave", "Work"]).ok();
    for _ in 0..2 {
        bibi.sync();
        dodo.sync();
    }
    let said = dodo.run(&["room", "history", "Work"]).ok();
    assert!(said.contains("now an admin") && !said.contains("made"), "{said}");
}

#[test]
fn a_group_whose_name_is_not_known_is_called_by_who_is_in_it() {
    let server = Server::start();
    let people = ["awa", "bibi", "chantal"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, chantal] = &people;
    awa.run(&["room", "create", "Work", "bibi", "chantal"]).ok();
    bibi.sync();
    let words = bibi.run(&["account", "export-recovery"]).ok();
    // Nobody who knows the name is there.
    let new = Person::without_account(&server.url, "bibi");
    new.run_with_input(&["account", "recover", "--name", "Bibi", "--cell", &server.url], &words).ok();
    new.sync();
    let list = new.run(&["room", "list"]).ok().to_lowercase();
    let title = ["awa and @chantal", "@awa and @chantal", "awa and chantal", "@awa and chantal"];
    assert!(title.iter().any(|title| list.contains(title)), "{list}");
    let address = list.split_whitespace().find(|word| word.starts_with("id:")).expect(&list);
    new.send(address, "which group is this?");
    new.run(&["send", "", "to nobody"]).refused(3);
    chantal.sync();
    assert_eq!(chantal.history("Work"), [pair("bibi", "which group is this?")]);
}

#[test]
fn what_others_have_changed_since_counts_before_something_is_refused() {
    let server = Server::start();
    let people = ["awa", "bibi", "chantal", "dodo"].map(|handle| Person::sign_up(&server, handle));
    let [awa, bibi, chantal, dodo] = &people;
    awa.run(&["room", "create", "Work", "bibi", "chantal"]).ok();
    bibi.sync();
    chantal.sync();
    awa.run(&["room", "promote", "Work", "bibi"]).ok();
    bibi.run(&["room", "rename", "Work", "Workshop"]).ok();
    // Awa has heard neither of the new name nor of Dodo.
    bibi.run(&["room", "add", "Workshop", "dodo"]).ok();
    awa.run(&["room", "remove", "Workshop", "dodo"]).ok();
    awa.run(&["room", "remove", "Workshop", "chantal"]).ok();
    chantal.sync();
    awa.run(&["room", "add", "Workshop", "chantal"]).ok();
    chantal.send("Workshop", "I am back");
    bibi.sync();
    assert_eq!(bibi.history("Workshop"), [pair("chantal", "I am back")]);
    dodo.sync();
    dodo.run(&["send", "Workshop", "may I?"]).refused(3);
}

#[test]
fn what_is_shown_is_as_it_is_now_or_says_that_it_is_not() {
    let mut server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.run(&["room", "create", "Work", "bibi"]).ok();
    awa.send("Work", "one");
    let list = bibi.run(&["room", "list"]);
    assert_eq!(list.err, "");
    assert!(list.ok().contains("1 new"));
    awa.send("Work", "two");
    assert_eq!(bibi.history("Work"), [pair("awa", "one"), pair("awa", "two")]);
    awa.run(&["room", "promote", "Work", "bibi"]).ok();
    let show = bibi.run(&["room", "show", "Work"]).ok();
    assert!(show.contains("you are an admin"), "{show}");

    awa.send("Work", "three");
    server.kill();
    for args in [
        &["room", "list", "--json"][..],
        &["room", "show", "Work", "--json"],
        &["room", "history", "Work", "--json"],
    ] {
        let shown = bibi.run(args);
        assert!(
            shown.err.contains("as of the last time online") && shown.err.lines().count() == 1,
            "{shown:?}"
        );
        assert_eq!(shown.json()["v"], 1);
    }
    assert_eq!(bibi.history("Work").len(), 2);
}

#[test]
fn a_cell_that_only_seems_to_be_there_does_not_keep_anybody_waiting() {
    let server = Server::start();
    let (awa, bibi) = (Person::sign_up(&server, "awa"), Person::sign_up(&server, "bibi"));
    awa.send("@bibi", "one");
    bibi.sync();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let began = std::time::Instant::now();
    awa.run(&["send", "@bibi", "two", "--wait", "queued", "--cell", &url]).ok();
    let history = awa.run(&["room", "history", "@bibi", "--timeout", "1", "--cell", &url]);
    assert!(history.err.contains("as of the last time online"), "{history:?}");
    assert!(history.ok().contains("two"));
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(15), "before the connection itself is given up: {took:?}");
}

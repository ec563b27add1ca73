use mbolo_client_api::{ChatKind, Message};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::conversation::tests::message;
use super::*;

const NOW: u64 = 1_700_000_100_000;

fn chat(room: &str, unread: u32) -> Chat {
    Chat {
        room: room.into(),
        kind: ChatKind::Group,
        name: room.into(),
        peer: None,
        member_count: 3,
        unread,
        last_message: None,
        last_activity_ms: NOW,
        membership: Membership::Member,
        admin: false,
        waiting: false,
    }
}

fn app() -> App {
    let me =
        Account { id: "ME".into(), handle: "bibi".into(), name: "Bibi".into(), cell: "cell.test".into() };
    let mut app = App::new(me);
    let chats = vec![chat("Family", 0), chat("Work", 0)];
    app.on_reply(Purpose::Chats, Ok(Reply::Chats { chats }), NOW);
    open(&mut app, "Family", vec![message("a", 1, false, "mbolo"), message("b", 2, true, "hello")]);
    app
}

fn open(app: &mut App, room: &str, messages: Vec<Message>) {
    app.go_to(room.into());
    let page = Reply::Messages { messages, more: false };
    app.on_reply(Purpose::Messages(room.into()), Ok(page), NOW);
}

fn press(app: &mut App, code: KeyCode) -> Vec<Ask> {
    app.on_key(KeyEvent::new(code, KeyModifiers::NONE), NOW)
}

fn type_text(app: &mut App, text: &str) -> Vec<Ask> {
    text.chars().flat_map(|c| press(app, KeyCode::Char(c))).collect()
}

fn requests(asks: Vec<Ask>) -> Vec<Request> {
    asks.into_iter().map(|ask| ask.request).collect()
}

#[test]
fn enter_sends_what_was_typed_and_typing_is_told_once() {
    let mut app = app();
    let typing = |active| Request::SetTyping { room: "Family".into(), active };
    assert_eq!(requests(type_text(&mut app, "mbolo")), [typing(true)]);
    let sent =
        Request::SendText { room: "Family".into(), text: "mbolo".into(), reply_to: None, client_id: None };
    assert_eq!(requests(press(&mut app, KeyCode::Enter)), [typing(false), sent]);
    assert!(app.composer.is_empty());
}

#[test]
fn a_text_that_could_not_be_sent_is_not_lost() {
    let mut app = app();
    type_text(&mut app, "mbolo");
    let ask = press(&mut app, KeyCode::Enter).pop().unwrap();
    let failure = Failure { code: "storage_full".into(), message: "the disk is full".into() };
    app.on_reply(ask.purpose, Err(failure), NOW);
    assert_eq!(app.composer.text(), "mbolo");
    assert!(app.notice.as_ref().is_some_and(|(sentence, bad, _)| sentence.contains("full") && *bad));
}

#[test]
fn what_is_on_the_screen_is_read_only_while_the_terminal_is_in_front() {
    let mut app = app();
    app.in_front = false;
    app.on_update(Update::Chat { chat: chat("Family", 1) }, NOW);
    assert_eq!(app.after_draw(), []);
    app.in_front = true;
    assert_eq!(requests(app.after_draw()), [Request::MarkRead { room: "Family".into(), up_to: None }]);
    assert_eq!(app.after_draw(), []);
}

#[test]
fn each_chat_keeps_what_was_being_written() {
    let mut app = app();
    type_text(&mut app, "half a sent");
    open(&mut app, "Work", Vec::new());
    assert!(app.composer.is_empty());
    app.go_to("Family".into());
    assert_eq!(app.composer.text(), "half a sent");
}

#[test]
fn a_chosen_message_is_answered() {
    let mut app = app();
    press(&mut app, KeyCode::Up);
    press(&mut app, KeyCode::Up);
    press(&mut app, KeyCode::Enter);
    type_text(&mut app, "yes");
    let asks = press(&mut app, KeyCode::Enter);
    let sent = Request::SendText {
        room: "Family".into(),
        text: "yes".into(),
        reply_to: Some("a".into()),
        client_id: None,
    };
    assert_eq!(requests(asks).pop(), Some(sent));
}

#[test]
fn a_chosen_message_is_reacted_to() {
    let mut app = app();
    press(&mut app, KeyCode::Up);
    press(&mut app, KeyCode::Up);
    press(&mut app, KeyCode::Char('+'));
    type_text(&mut app, "🎉");
    let asks = press(&mut app, KeyCode::Enter);
    let reaction = Request::React { room: "Family".into(), message: "a".into(), emoji: "🎉".into() };
    assert_eq!(requests(asks), [reaction]);
    assert!(app.composer.is_empty());
}

#[test]
fn a_message_is_deleted_only_after_a_second_press() {
    let mut app = app();
    press(&mut app, KeyCode::Up);
    assert_eq!(press(&mut app, KeyCode::Char('d')), []);
    let deleted = Request::Delete { room: "Family".into(), message: "b".into() };
    assert_eq!(requests(press(&mut app, KeyCode::Char('d'))), [deleted]);
}

#[test]
fn the_newest_message_is_deleted_only_when_that_is_said_twice() {
    let mut app = app();
    let delete = |app: &mut App| {
        type_text(app, "/delete");
        requests(press(app, KeyCode::Enter))
    };
    assert_eq!(delete(&mut app), []);
    assert!(app.notice.as_ref().is_some_and(|(sentence, ..)| sentence.contains("hello")));
    type_text(&mut app, "/info");
    press(&mut app, KeyCode::Enter);
    assert_eq!(delete(&mut app), [], "something else was done in between");
    let deleted = Request::Delete { room: "Family".into(), message: "b".into() };
    assert_eq!(delete(&mut app), [deleted]);
}

#[test]
fn a_change_that_does_not_happen_is_said() {
    let mut app = app();
    let reason = Failure { code: "not_admin".into(), message: "only an admin may do this".into() };
    let change = mbolo_client_api::Change::Rename;
    app.on_update(Update::ChangeFailed { room: "Family".into(), change, members: Vec::new(), reason }, NOW);
    let (sentence, bad, _) = app.notice.clone().unwrap();
    assert!(bad && sentence.contains("not renamed") && sentence.contains("Only an admin"), "{sentence}");
}

#[test]
fn a_group_without_a_name_is_listed_by_who_is_in_it() {
    let mut app = app();
    let nameless = Chat { name: String::new(), ..chat("R", 0) };
    let asks = app.on_update(Update::Chat { chat: nameless.clone() }, NOW);
    assert_eq!(asks, [members("R")]);
    let awa = Member { account: "A".into(), name: "Awa".into(), handle: None, admin: true, me: false };
    app.on_reply(Purpose::Members("R".into()), Ok(Reply::Members { members: vec![awa] }), NOW);
    assert_eq!(app.title(&nameless), "Awa");
    assert_eq!(app.on_update(Update::Chat { chat: nameless }, NOW), []);
}

#[test]
fn commands_that_are_none_are_not_sent_as_text() {
    let mut app = app();
    type_text(&mut app, "/nwe @awa");
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert_eq!(app.composer.text(), "/nwe @awa", "it can be corrected");
}

#[test]
fn the_list_finds_chats_and_begins_new_ones() {
    let mut app = app();
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "wor");
    assert_eq!(app.listed().len(), 1);
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.open.as_ref().map(|open| open.room.as_str()), Some("Work"));
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "@awa");
    assert_eq!(requests(press(&mut app, KeyCode::Enter)), [Request::StartChat { handle: "awa".into() }]);
}

//! In place of the engine: made-up people in the page's memory, to look at every state without a cell.
//!
//! Built only with the feature `demo`. The address chooses what is shown: `?demo=signup`, `empty`, `chats`,
//! `offline`, `denied`, `full`, `elsewhere`, `removed`, `long` (100,000 messages).

use std::cell::RefCell;

use mbolo_client_api::tabs::StartProblem;
use mbolo_client_api::*;
use wasm_bindgen::JsValue;

use super::dom;

#[derive(Debug, Clone)]
#[allow(dead_code)]
pub enum News {
    Ready { again: bool },
    Failed(StartProblem, String),
    Update(Box<Update>),
    SignedOut,
}

struct Demo {
    kind: String,
    account: Option<Account>,
    chats: Vec<Chat>,
    messages: Vec<Message>,
    next: u64,
}

thread_local! {
    static DEMO: RefCell<Option<Demo>> = const { RefCell::new(None) };
    static LISTENER: RefCell<Option<std::rc::Rc<dyn Fn(News)>>> = const { RefCell::new(None) };
}

fn tell(update: Update) {
    let listener = LISTENER.with(|listener| listener.borrow().clone());
    if let Some(listener) = listener {
        dom::after(0, move || listener(News::Update(Box::new(update))));
    }
}

fn person(account: &str, name: &str) -> Member {
    Member {
        account: account.into(),
        name: name.into(),
        handle: Some(name.split(' ').next().unwrap_or(name).to_lowercase()),
        admin: account == "me",
        me: account == "me",
    }
}

fn people() -> [Member; 5] {
    [
        person("me", "Élodie Mba"),
        person("a1", "Awa Nkoghe"),
        person("b2", "Ben Ondo"),
        person("c3", "Chantal Obiang"),
        person("d4", "Dieudonné Ngoua"),
    ]
}

fn text(position: u64, who: usize, minutes_ago: u64, text: &str, state: Option<MessageState>) -> Message {
    Message {
        id: format!("m{position}"),
        position,
        sender: people()[who].clone(),
        at_ms: dom::now_ms() - minutes_ago * 60_000,
        body: Body::Text { text: text.into() },
        edited: false,
        reply_to: None,
        reactions: vec![],
        state,
    }
}

fn conversation(kind: &str) -> Vec<Message> {
    use MessageState::{Delivered, Failed, Read, Sent, Waiting};
    if kind == "long" {
        return (0..100_000)
            .map(|n| {
                text(
                    n,
                    (n % 7 % 5) as usize,
                    (100_000 - n) * 3,
                    &format!("Message {n} {}", "bla ".repeat((n % 23) as usize)),
                    None,
                )
            })
            .collect();
    }
    let event = |position, minutes, event| Message {
        body: Body::Event { event },
        ..text(position, 1, minutes, "", None)
    };
    let [_, awa, ben, ..] = people();
    let mut all = vec![
        event(1, 3 * 1440, RoomEvent::Created),
        event(2, 3 * 1440, RoomEvent::Added { members: vec![people()[0].clone(), ben.clone()] }),
        text(3, 1, 2 * 1440, "Mbolo à tous. On se retrouve où dimanche ?", None),
        text(4, 2, 2 * 1440 - 1, "Chez moi si vous voulez, la terrasse est libre", None),
        text(5, 2, 2 * 1440 - 1, "J’ai aussi de la place pour garer trois voitures", None),
        text(6, 0, 2 * 1440 - 5, "Parfait. J’apporte le poulet nyembwe 🍗", Some(Read)),
        text(7, 1, 1440, "🎉", None),
        text(
            8,
            3,
            1430,
            "Le plan pour venir : https://www.openstreetmap.org/#map=15/0.3924/9.4536. Passez par le bord de mer, la voie express est fermée ce week-end.",
            None,
        ),
        text(9, 0, 55, "Merci Chantal", Some(Delivered)),
        text(10, 1, 32, "Quelqu’un peut prendre des chaises ?", None),
        text(11, 2, 31, "Oui, j’en ai six", None),
        text(12, 2, 30, "", None),
        text(13, 4, 20, "", None),
        text(
            14,
            0,
            9,
            "Je confirme : dimanche à 13 h chez Ben, chacun apporte un plat. Awa prend les boissons, Chantal le gâteau, et moi le poulet. Est-ce que tout le monde peut venir ?",
            Some(Delivered),
        ),
        text(15, 0, 8, "Et n’oubliez pas les maillots", Some(Sent)),
        text(16, 0, 2, "Je viens avec Mamie", Some(Waiting)),
        text(17, 0, 1, "Message qui n’est pas parti", Some(Failed)),
    ];
    all[4].reactions = vec![
        Reaction { account: "a1".into(), name: "Awa".into(), emoji: "👍".into() },
        Reaction { account: "me".into(), name: "Élodie".into(), emoji: "👍".into() },
        Reaction { account: "c3".into(), name: "Chantal".into(), emoji: "❤️".into() },
    ];
    all[10].reply_to = Some(Quote {
        id: "m10".into(),
        sender_name: awa.name.clone(),
        text: "Quelqu’un peut prendre des chaises ?".into(),
    });
    all[11].body = Body::Deleted;
    all[12].body = Body::Unreadable { reason: "undecryptable".into() };
    all[13].edited = true;
    all
}

pub fn start(listener: impl Fn(News) + 'static) -> Result<(), JsValue> {
    let search = dom::window().location().search().unwrap_or_default();
    let kind =
        search.split("demo=").nth(1).unwrap_or("chats").split('&').next().unwrap_or("chats").to_owned();
    LISTENER.with(|cell| *cell.borrow_mut() = Some(std::rc::Rc::new(listener)));
    let account = (kind != "signup").then(|| Account {
        id: "me".into(),
        handle: "elodie".into(),
        name: "Élodie Mba".into(),
        cell: "cell.example".into(),
    });
    let messages = conversation(&kind);
    let chat =
        |room: &str, name: &str, kind: ChatKind, peer: Option<Member>, unread: u32, minutes: u64| Chat {
            room: room.into(),
            kind,
            name: name.into(),
            peer,
            member_count: 5,
            unread,
            last_message: None,
            last_activity_ms: dom::now_ms() - minutes * 60_000,
            membership: Membership::Member,
            admin: true,
            waiting: false,
        };
    let [me, awa, ben, chantal, dieu] = people();
    let mut chats = vec![
        Chat {
            last_message: messages.last().cloned(),
            ..chat("family", "Famille dimanche", ChatKind::Group, None, if kind == "long" { 0 } else { 4 }, 1)
        },
        Chat {
            last_message: Some(text(1, 1, 14, "Tu as vu le match hier soir ? Quel but", None)),
            ..chat("awa", &awa.name, ChatKind::Direct, Some(awa.clone()), 2, 14)
        },
        Chat {
            last_message: Some(text(1, 0, 120, "Merci beaucoup", Some(MessageState::Read))),
            ..chat("ben", &ben.name, ChatKind::Direct, Some(ben.clone()), 0, 120)
        },
        Chat {
            last_message: Some(text(
                1,
                3,
                1500,
                "Je vous envoie le document demain matin sans faute, avec les annexes",
                None,
            )),
            ..chat("work", "Association des parents d’élèves du lycée", ChatKind::Group, None, 120, 1500)
        },
        Chat {
            last_message: Some(text(1, 3, 6000, "👍", None)),
            ..chat("chantal", &chantal.name, ChatKind::Direct, Some(chantal.clone()), 0, 6000)
        },
        chat("dieu", &dieu.name, ChatKind::Direct, Some(dieu.clone()), 0, 20_000),
    ];
    if kind == "removed" {
        chats[0].membership = Membership::Removed;
    }
    if kind == "empty" {
        chats.clear();
    }
    let _ = me;
    DEMO.with(|cell| {
        *cell.borrow_mut() = Some(Demo { kind: kind.clone(), account, chats, messages, next: 200_000 })
    });
    let listener = LISTENER.with(|listener| listener.borrow().clone()).expect("set above");
    dom::after(10, move || match kind.as_str() {
        "denied" => listener(News::Failed(StartProblem::StorageDenied, "NotAllowedError".into())),
        "full" => listener(News::Failed(StartProblem::StorageFull, "QuotaExceededError".into())),
        "elsewhere" => {}
        _ => listener(News::Ready { again: false }),
    });
    Ok(())
}

pub fn is_leader() -> bool {
    false
}

pub async fn call(request: Request) -> Result<Reply, Failure> {
    if matches!(request, Request::SignUp { .. }) {
        let _ = wasm_bindgen_futures::JsFuture::from(js_sys::Promise::new(&mut |resolve, _| {
            let _ = dom::window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, 400);
        }))
        .await;
    }
    DEMO.with(|demo| demo.borrow_mut().as_mut().expect("started").answer(request))
}

pub fn text_to_send(room: String, text: String, reply_to: Option<String>) -> Request {
    Request::SendText { room, text, reply_to, client_id: None }
}

fn failure(code: &str) -> Result<Reply, Failure> {
    Err(Failure { code: code.into(), message: code.into() })
}

impl Demo {
    fn answer(&mut self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::GetAccount => self
                .account
                .clone()
                .map_or_else(|| failure("no_account"), |account| Ok(Reply::Account { account })),
            Request::SignUp { handle, name, .. } => {
                if handle == "awa" {
                    return failure("handle_taken");
                }
                if handle == "invite" {
                    return failure("invite_invalid");
                }
                let account = Account { id: "me".into(), handle, name, cell: "cell.example".into() };
                self.account = Some(account.clone());
                self.chats.clear();
                Ok(Reply::Account { account })
            }
            Request::RecoveryPhrase => {
                Ok(Reply::RecoveryPhrase { phrase: "forest river lamp cousin mango bright ".repeat(4) })
            }
            Request::ListChats => Ok(Reply::Chats { chats: self.chats.clone() }),
            Request::GetMessages { before, limit, room } => {
                if room != "family" {
                    return Ok(Reply::Messages { messages: vec![], more: false });
                }
                let end = before.map_or(self.messages.len(), |before| {
                    self.messages.iter().position(|m| m.position >= before).unwrap_or(0)
                });
                let start = end.saturating_sub(limit as usize);
                Ok(Reply::Messages { messages: self.messages[start..end].to_vec(), more: start > 0 })
            }
            Request::StartChat { .. } => self
                .chats
                .first()
                .cloned()
                .map_or_else(|| failure("handle_unknown"), |chat| Ok(Reply::Chat { chat })),
            Request::SendText { room, text: words, .. } => {
                self.next += 1;
                let message = text(self.next, 0, 0, &words, Some(MessageState::Waiting));
                self.messages.push(message.clone());
                for (delay, state) in
                    [(300, MessageState::Sent), (900, MessageState::Delivered), (1800, MessageState::Read)]
                {
                    let (room, message) = (room.clone(), Message { state: Some(state), ..message.clone() });
                    dom::after(delay, move || tell(Update::Message { room, message }));
                }
                tell(Update::Message { room: room.clone(), message: message.clone() });
                let echo = Message {
                    body: Body::Text { text: format!("« {words} »") },
                    ..text(self.next + 1_000_000, 1, 0, "", None)
                };
                let typing = room.clone();
                dom::after(1200, move || {
                    tell(Update::Typing {
                        room: typing,
                        account: "a1".into(),
                        name: "Awa Nkoghe".into(),
                        active: true,
                    })
                });
                dom::after(4000, move || {
                    tell(Update::Typing {
                        room: room.clone(),
                        account: "a1".into(),
                        name: "Awa Nkoghe".into(),
                        active: false,
                    });
                    tell(Update::Message { room, message: echo });
                });
                Ok(Reply::Sent { message })
            }
            Request::ListMembers { .. } => Ok(Reply::Members { members: people().to_vec() }),
            Request::GetMessageInfo { .. } => {
                let [_, a, b, c, d] = people();
                Ok(Reply::MessageInfo { read_by: vec![a], delivered_to: vec![b, c], waiting_for: vec![d] })
            }
            Request::GetConnection => Ok(Reply::Connection {
                connection: match self.kind.as_str() {
                    "offline" => Connection::Offline { reason: OfflineReason::Unreachable, retry_at_ms: 0 },
                    _ => Connection::Online,
                },
            }),
            Request::MarkRead { room, .. } => {
                if let Some(chat) = self.chats.iter_mut().find(|chat| chat.room == room) {
                    chat.unread = 0;
                    tell(Update::Chat { chat: chat.clone() });
                }
                Ok(Reply::Done)
            }
            _ => Ok(Reply::Done),
        }
    }
}

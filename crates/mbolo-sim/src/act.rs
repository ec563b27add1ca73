//! What people do: they talk, found groups, come and go. A person acts on what the screen shows, as people do.

use mbolo_client_api::{Body, Chat, ChatKind, Membership, Message, MessageState, Request};

use crate::ledger::Breach;
use crate::person::Person;
use crate::view::TextId;
use crate::world::{Text, What, World};

impl World {
    /// The next thing that a person does.
    pub(crate) fn act(&mut self, person: usize) -> Result<(), Breach> {
        if self.healing {
            return Ok(());
        }
        let pause = 1 + self.people[person].random.around(self.plan.pause_ms);
        self.queue.after(pause, What::Act { person });
        self.actions_left = self.actions_left.saturating_sub(1);
        if !self.people[person].is_running() {
            return Ok(());
        }
        if self.people[person].account.is_none() {
            let waits = self.people[person]
                .calls
                .values()
                .any(|asked| matches!(asked.request, Request::SignUp { .. }));
            return if waits { Ok(()) } else { self.sign_up(person) };
        }
        let chat = self.some_chat(person);
        let dice = self.people[person].random.below(100);
        match (dice, chat) {
            (0..6, _) => self.greet(person),
            (6..12, _) => self.found(person),
            (_, None) => self.greet(person),
            (12..58, Some(chat)) => self.say(person, &chat),
            (58..66, Some(chat)) => self.react(person, &chat),
            (66..72, Some(chat)) => self.edit(person, &chat),
            (72..75, Some(chat)) => self.delete(person, &chat),
            (75..83, Some(chat)) => {
                let newest = chat.last_message.as_ref().map(|message| message.position);
                let up_to = newest.filter(|position| position.is_multiple_of(2));
                self.ask(person, Request::MarkRead { room: chat.room, up_to })
            }
            (83..87, Some(chat)) => {
                let active = self.people[person].random.chance(0.5);
                self.ask(person, Request::SetTyping { room: chat.room, active })
            }
            (87..99, Some(chat)) if chat.kind == ChatKind::Group => self.govern(person, &chat),
            (99.., Some(_)) => {
                let name = format!("Person {person}, {}", self.people[person].random.below(100));
                self.ask(person, Request::SetName { name })
            }
            (_, Some(chat)) => self.say(person, &chat),
        }
    }

    fn some_chat(&mut self, person: usize) -> Option<Chat> {
        let someone = &mut self.people[person];
        let here = |chat: &&Chat| matches!(chat.membership, Membership::Member | Membership::Joining);
        let chats: Vec<&Chat> = someone.view.chats.values().filter(here).collect();
        someone.random.pick(&chats).map(|chat| (*chat).clone())
    }

    fn someone_else(&mut self, person: usize) -> usize {
        let others = self.people.len() as u64 - 1;
        let other = self.people[person].random.below(others) as usize;
        if other >= person { other + 1 } else { other }
    }

    /// Begins a 1:1 chat; often the other one has the same idea at the same moment.
    fn greet(&mut self, person: usize) -> Result<(), Breach> {
        let other = self.someone_else(person);
        if self.people[person].random.chance(0.5) {
            let when = self.people[person].random.below(50);
            self.queue.after(when, What::Greet { person: other, other: person });
        }
        self.ask(person, Request::StartChat { handle: Person::handle(other) })
    }

    fn found(&mut self, person: usize) -> Result<(), Breach> {
        let mut handles = Vec::new();
        for other in 0..self.people.len() {
            if other != person && self.people[person].random.chance(0.6) {
                handles.push(Person::handle(other));
            }
        }
        let name = format!("Group {}", self.people[person].random.below(1_000));
        self.ask(person, Request::CreateGroup { name, handles })
    }

    fn say(&mut self, person: usize, chat: &Chat) -> Result<(), Breach> {
        // A text that failed is tried again, as the button in front of one's eyes suggests.
        let failed = self.own_message(person, chat, |message| message.state == Some(MessageState::Failed));
        if let Some(message) = failed {
            return self.ask(person, Request::Retry { room: chat.room.clone(), message });
        }
        let reply_to = if self.people[person].random.chance(0.25) {
            self.some_message(person, chat, |message| matches!(message.body, Body::Text { .. }))
        } else {
            None
        };
        let bursts = if self.people[person].random.chance(0.2) { 4 } else { 1 };
        for _ in 0..bursts {
            let text = self.new_text(person, chat);
            let words = text.words("a few words of no great importance");
            let request = Request::SendText {
                room: chat.room.clone(),
                text: words,
                reply_to: reply_to.clone(),
                client_id: text.number.is_multiple_of(2).then(|| format!("text {}", text.number)),
            };
            if text.number.is_multiple_of(4) {
                // As a page does that did not hear the answer; in between the process may have died.
                self.queue.after(2_000, What::Again { person, request: request.clone() });
            }
            self.ask(person, request)?;
        }
        Ok(())
    }

    /// A call is made again. A text that the author's screen does not show is not: either the engine never heard of it,
    /// and others have followed since, or it was taken back unsent.
    pub(crate) fn ask_again(&mut self, person: usize, request: Request) -> Result<(), Breach> {
        if let Request::SendText { room, text, client_id: Some(_), .. } = &request {
            let view = &self.people[person].view;
            if TextId::of_words(text).and_then(|id| view.text(room, id)).is_none() {
                return Ok(());
            }
        }
        self.ask(person, request)
    }

    fn new_text(&mut self, person: usize, chat: &Chat) -> TextId {
        let text = self.people[person].new_text();
        let record = Text { room: chat.room.clone(), created_ms: self.now(), exists: false, sent_ms: None };
        self.texts.insert(text, record);
        text
    }

    fn react(&mut self, person: usize, chat: &Chat) -> Result<(), Breach> {
        let text = self.some_message(person, chat, |message| matches!(message.body, Body::Text { .. }));
        let Some(message) = text else { return self.say(person, chat) };
        let emoji = ["👍", "❤", ""][self.people[person].random.below(3) as usize].to_owned();
        self.ask(person, Request::React { room: chat.room.clone(), message, emoji })
    }

    fn edit(&mut self, person: usize, chat: &Chat) -> Result<(), Breach> {
        let text = self.own_message(person, chat, |message| matches!(message.body, Body::Text { .. }));
        let Some(message) = text else { return self.say(person, chat) };
        let shown = self.people[person].view.messages.get(&chat.room).and_then(|room| room.get(&message));
        let Some(Body::Text { text }) = shown.map(|message| &message.body) else { return Ok(()) };
        let Some(id) = TextId::of_words(text) else { return Ok(()) };
        let text = id.words(&format!("other words, {}", self.people[person].random.below(1_000)));
        self.ask(person, Request::Edit { room: chat.room.clone(), message, text })
    }

    fn delete(&mut self, person: usize, chat: &Chat) -> Result<(), Breach> {
        let text = self.own_message(person, chat, |message| matches!(message.body, Body::Text { .. }));
        let Some(message) = text else { return self.say(person, chat) };
        self.people[person].view.deleted.insert(message.clone());
        self.ask(person, Request::Delete { room: chat.room.clone(), message })
    }

    /// Changes a group, if one may; leaving is for everybody.
    fn govern(&mut self, person: usize, chat: &Chat) -> Result<(), Breach> {
        let room = chat.room.clone();
        let other = self.someone_else(person);
        let account = self.people[other].account.clone();
        let dice = self.people[person].random.below(12);
        let request = match (dice, account) {
            (0, _) => Request::LeaveGroup { room },
            (1..6, _) if chat.admin => Request::AddMembers { room, handles: vec![Person::handle(other)] },
            (6..9, Some(account)) if chat.admin => Request::RemoveMember { room, account },
            (9..11, Some(account)) if chat.admin => {
                let admin = self.people[person].random.chance(0.7);
                Request::SetAdmin { room, account, admin }
            }
            (11, _) if chat.admin => {
                let name = format!("Group {}", self.people[person].random.below(1_000));
                Request::RenameGroup { room, name }
            }
            _ => return self.say(person, chat),
        };
        self.ask(person, request)
    }

    fn some_message(
        &mut self,
        person: usize,
        chat: &Chat,
        fits: impl Fn(&Message) -> bool,
    ) -> Option<String> {
        let someone = &mut self.people[person];
        let messages = someone.view.messages.get(&chat.room)?;
        let ids: Vec<&String> =
            messages.iter().filter(|(_, message)| fits(message)).map(|(id, _)| id).collect();
        someone.random.pick(&ids).map(|id| (*id).clone())
    }

    fn own_message(&mut self, person: usize, chat: &Chat, fits: impl Fn(&Message) -> bool) -> Option<String> {
        self.some_message(person, chat, |message| {
            message.sender.me && message.state.is_some() && fits(message)
        })
    }
}

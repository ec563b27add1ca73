//! The devices' side of the run: processes start and die, engines are called, screens change.

use mbolo_client::{Effect, Input, TransportFailure};
use mbolo_client_api::{Body, Failure as Refusal, Message, MessageState, Output, Reply, Request, Update};

use crate::failure::Oracle;
use crate::ledger::Breach;
use crate::person::{Asked, Person};
use crate::plan::Bug;
use crate::view::{TextId, short};
use crate::world::{Down, Up, What, World};

impl World {
    pub(crate) fn start_person(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        if self.people[person].is_running() {
            return Ok(());
        }
        self.trace.line(now, format_args!("p{person} starts"));
        self.people[person]
            .start(now)
            .map_err(|error| (Oracle::Durable, format!("p{person} does not start: {error}")))?;
        self.plan_person_tick(person)?;
        let account = self.ask_now(person, Request::GetAccount)?;
        match account {
            Some(Ok(Reply::Account { account })) => {
                self.people[person].account = Some(account.id);
                self.look_anew(person)
            }
            Some(_) if self.people[person].account.is_some() => {
                self.check(Err((Oracle::Durable, format!("p{person} has lost the account"))))
            }
            Some(_) => self.sign_up(person),
            None => Ok(()),
        }
    }

    pub(crate) fn sign_up(&mut self, person: usize) -> Result<(), Breach> {
        let request = Request::SignUp {
            handle: Person::handle(person),
            name: format!("Person {person}"),
            invite: None,
        };
        self.ask(person, request)
    }

    /// Reads everything again, as a user interface does after a start.
    pub(crate) fn look_anew(&mut self, person: usize) -> Result<(), Breach> {
        let Some(Ok(Reply::Chats { chats })) = self.ask_now(person, Request::ListChats)? else {
            return Ok(());
        };
        let mut messages = Vec::new();
        for chat in &chats {
            let mut before = None;
            loop {
                let request = Request::GetMessages { room: chat.room.clone(), before, limit: 200 };
                let Some(Ok(Reply::Messages { messages: page, more })) = self.ask_now(person, request)?
                else {
                    return Ok(());
                };
                before = page.first().map(|message| message.position);
                messages.extend(page.into_iter().map(|message| (chat.room.clone(), message)));
                if !more || before.is_none() {
                    break;
                }
            }
        }
        for (room, message) in &messages {
            self.saw(person, room, message)?;
        }
        let messages = messages
            .into_iter()
            .map(|(room, message)| {
                let text = self.text_of(&room, &message);
                (room, message, text)
            })
            .collect();
        let reloaded = self.people[person].view.reload(chats, messages);
        self.check(reloaded)
    }

    /// The process of a device dies, and with it its end of the connection.
    pub(crate) fn kill_person(&mut self, person: usize) {
        let now = self.now();
        self.trace.line(now, format_args!("p{person} dies"));
        self.people[person].kill();
        self.swap_rows(person);
        self.people[person].crash = None;
        self.report.crashes += 1;
        if let Some(index) = self.people[person].connection.take() {
            self.connections[index].person_open = false;
            let silent = !self.healing && self.net.chance(0.3);
            let hears = if silent { self.net.between(10_000, 120_000) } else { self.net.between(1, 500) };
            self.queue.after(hears, What::ToCell { connection: index, packet: Up::Closed });
        }
    }

    /// Makes a call, as a person does who does not wait for the answer.
    pub(crate) fn ask(&mut self, person: usize, request: Request) -> Result<(), Breach> {
        if !self.people[person].is_running() {
            return Ok(());
        }
        let now = self.now();
        self.trace.line(now, format_args!("p{person} asks {request:?}"));
        let input = self.people[person].ask(now, request);
        self.input(person, input)
    }

    /// Makes a call that the engine answers at once.
    pub(crate) fn ask_now(
        &mut self,
        person: usize,
        request: Request,
    ) -> Result<Option<Result<Reply, Refusal>>, Breach> {
        let now = self.now();
        let crash = self.people[person].crash.take();
        let input = self.people[person].ask(now, request.clone());
        self.captured = None;
        if let Input::Call(call) = &input {
            self.capture = Some(call.id);
        }
        self.input(person, input)?;
        self.capture = None;
        self.people[person].crash = crash;
        let answer = self.captured.take();
        if answer.is_none() && self.people[person].is_running() {
            let what = format!("p{person} gets no answer to {request:?}");
            self.check(Err((Oracle::Sound, what)))?;
        }
        Ok(answer)
    }

    /// Gives the engine of a person something, and does what it says.
    pub(crate) fn input(&mut self, person: usize, input: Input) -> Result<(), Breach> {
        let now = self.now();
        let dies = match &mut self.people[person].crash {
            Some(crash) if crash.inputs == 0 => Some(crash.durable),
            Some(crash) => {
                crash.inputs -= 1;
                None
            }
            None => None,
        };
        let was_tick = matches!(input, Input::Tick);
        let clock = self.people[person].clock(now);
        let Some(client) = self.people[person].client() else { return Ok(()) };
        let effects = match dies {
            None => client.handle(clock, input),
            Some(durable) => {
                if durable {
                    client.handle(clock, input);
                }
                self.kill_person(person);
                let back = self.dice.around(5_000);
                self.queue.after(back, What::PersonStart { person });
                return Ok(());
            }
        };
        for effect in effects {
            match effect {
                Effect::Connect => self.connect(person)?,
                Effect::Send(frame) => match self.people[person].connection {
                    Some(index) => self.send_up(index, frame),
                    None => {
                        let what = format!("p{person} sends without a transport");
                        self.check(Err((Oracle::Sound, what)))?;
                    }
                },
                Effect::Disconnect => {
                    if let Some(index) = self.people[person].connection {
                        self.trace.line(now, format_args!("p{person} disconnects"));
                        self.connections[index].down.lose_from(now);
                        let packet = Down::Closed(TransportFailure::Closed);
                        self.queue.after(0, What::ToPerson { connection: index, packet });
                    }
                }
                Effect::Output(output) => self.output(person, output)?,
            }
        }
        if !was_tick {
            self.people[person].spins = 0;
        }
        self.plan_person_tick(person)
    }

    pub(crate) fn plan_person_tick(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        let someone = &mut self.people[person];
        let skew = someone.skew_ms;
        let Some(due) = someone.client().and_then(|client| client.next_tick_ms()) else {
            someone.tick_due = None;
            return Ok(());
        };
        let due = due.saturating_add_signed(-skew);
        if due <= now {
            someone.spins += 1;
            if someone.spins > MAX_SPINS {
                let what = format!("p{person} wants a tick again and again without letting time pass");
                return self.check(Err((Oracle::Sound, what)));
            }
        }
        let due = due.max(now);
        if someone.tick_due != Some(due) {
            someone.tick_due = Some(due);
            self.queue.at(due, What::PersonTick { person });
        }
        Ok(())
    }

    pub(crate) fn output(&mut self, person: usize, output: Output) -> Result<(), Breach> {
        let now = self.now();
        match output {
            Output::Update { update } => {
                for update in self.delay_update(person, update) {
                    self.show(person, &update)?;
                }
                Ok(())
            }
            Output::Reply { id, result } => {
                self.trace.line(now, format_args!("p{person} is answered {id} {result:?}"));
                let Some(asked) = self.people[person].calls.remove(&id) else {
                    let what = format!("p{person} is answered call {id}, which is not open");
                    return self.check(Err((Oracle::Sound, what)));
                };
                self.answered(person, &asked, &result)?;
                if self.capture == Some(id) {
                    self.captured = Some(result);
                }
                Ok(())
            }
        }
    }

    /// An update reaches the screen.
    fn show(&mut self, person: usize, update: &Update) -> Result<(), Breach> {
        let now = self.now();
        self.trace.line(now, format_args!("p{person} sees {update:?}"));
        let text = match update {
            Update::Message { room, message } => {
                self.saw(person, room, message)?;
                self.text_of(room, message)
            }
            Update::Account { account } => {
                self.people[person].account = Some(account.id.clone());
                None
            }
            _ => None,
        };
        let shown = self.people[person].view.update(update, text);
        self.check(shown)?;
        match update {
            Update::Message { room, message } => self.ticks_are_true(person, room, message),
            _ => Ok(()),
        }
    }

    pub(crate) fn answered(
        &mut self,
        person: usize,
        asked: &Asked,
        result: &Result<Reply, Refusal>,
    ) -> Result<(), Breach> {
        match result {
            Err(refusal) if refusal.code == "internal" => {
                let what = format!("p{person} asks {:?} and is told: {}", asked.request, refusal.message);
                self.check(Err((Oracle::Sound, what)))
            }
            Err(_) => Ok(()),
            Ok(Reply::Account { account }) => {
                self.people[person].account = Some(account.id.clone());
                Ok(())
            }
            Ok(Reply::Chat { chat }) => {
                self.people[person].view.chats.insert(chat.room.clone(), chat.clone());
                Ok(())
            }
            Ok(Reply::Sent { message }) => {
                if let Request::SendText { room, .. } = &asked.request {
                    let room = room.clone();
                    self.saw(person, &room, message)?;
                    let text = self.text_of(&room, message);
                    let shown = self.people[person].view.message(&room, message, text);
                    self.check(shown)?;
                    if self.options.bug == Some(Bug::CallRepeated) && self.dice.chance(0.1) {
                        let mut request = asked.request.clone();
                        if let Request::SendText { client_id, .. } = &mut request {
                            *client_id = None;
                        }
                        self.queue.after(500, What::Again { person, request });
                    }
                }
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Which text a message shows, or showed to its author before it was deleted.
    fn text_of(&self, room: &str, message: &Message) -> Option<TextId> {
        match &message.body {
            Body::Text { text } => TextId::of_words(text),
            _ => self.shown_as.get(&(room.to_owned(), message.id.clone())).copied(),
        }
    }

    /// Notes what an author's screen says about the author's own text.
    pub(crate) fn saw(&mut self, person: usize, room: &str, message: &Message) -> Result<(), Breach> {
        let Body::Text { text } = &message.body else { return Ok(()) };
        let Some(id) = TextId::of_words(text) else { return Ok(()) };
        if id.author != person {
            let known = self.texts.get(&id).is_some_and(|text| text.room == room);
            let what =
                format!("p{person} is shown a text in {} that nobody wrote there: {text}", short(room));
            return if known { Ok(()) } else { self.check(Err((Oracle::Sound, what))) };
        }
        let now = self.now();
        if let Some(text) = self.texts.get_mut(&id) {
            text.exists = true;
            self.shown_as.insert((room.to_owned(), message.id.clone()), id);
            if text.sent_ms.is_none() && message.state.is_some_and(|state| state >= MessageState::Sent) {
                text.sent_ms = Some(now);
            }
        }
        Ok(())
    }
}

/// Ticks in a row without time passing, after which a process would be burning its processor.
const MAX_SPINS: u32 = 100;

//! The end of a run: faults stop, everybody is there, and everything has to come right within reasonable time.

use std::collections::BTreeMap;

use mbolo_client::TransportFailure;
use mbolo_client_api::{Body, ChatKind, Membership, Message, MessageState};
use mbolo_proto::{AccountId, RoomId};

use crate::failure::Oracle;
use crate::ledger::Breach;
use crate::network::Quality;
use crate::view::{TextId, short};
use crate::world::{Down, Text, Up, What, World};

impl World {
    /// Ends all faults and waits until everything is as it should be.
    pub(crate) fn heal(&mut self) -> Result<(), Breach> {
        let start = self.now();
        self.trace.line(start, format_args!("faults stop"));
        self.healing = true;
        self.network = Quality::good();
        self.cell.disk.heal();
        if self.plan.absences {
            self.rest()?;
        }
        self.queue.after(1_000, What::CellStart);
        for person in 0..self.people.len() {
            let someone = &mut self.people[person];
            (someone.online, someone.crash) = (true, None);
            // Half of them start anew; those whose disks are full do in any case.
            if someone.is_running() && (someone.full || self.dice.chance(0.5)) {
                self.kill_person(person);
            }
            self.queue.after(2_000, What::PersonStart { person });
        }
        // Connections from the time before are broken in ways that nobody mends.
        for index in 0..self.connections.len() {
            self.queue.after(500, What::ToCell { connection: index, packet: Up::Closed });
            let packet = Down::Closed(TransportFailure::Closed);
            self.queue.after(500, What::ToPerson { connection: index, packet });
        }
        let began = self.now();
        let mut unsettled = String::new();
        let is_awaited = self.options.oracles.contains(&Oracle::Delivered);
        let patience_ms = if is_awaited { HEAL_MS } else { UNAWAITED_HEAL_MS };
        while self.now() < began + patience_ms {
            let until = self.now() + LOOK_MS;
            while self.now() < until {
                self.step()?;
            }
            match self.settled()? {
                None => {
                    self.report.healed_in_ms = self.now() - began;
                    return self.final_checks();
                }
                Some(why) => unsettled = why,
            }
        }
        self.check(Err((Oracle::Delivered, format!("{HEAL_MS} ms after the last fault: {unsettled}"))))
    }

    /// Everybody switches off for days.
    fn rest(&mut self) -> Result<(), Breach> {
        for person in 0..self.people.len() {
            if self.people[person].is_running() {
                self.kill_person(person);
            }
        }
        let days = self.dice.between(1, 20);
        let until = self.now() + days * 24 * 3_600_000;
        self.queue.at(until, What::Observe);
        while self.now() < until {
            // Nobody is there; what is left of the past runs out. A device that wanted to start waits.
            let Some(what) = self.queue.pop() else { break };
            match what {
                What::PersonStart { .. } | What::DeviceRoom { .. } | What::Fault | What::Act { .. } => {}
                What::CellStart => self.start_cell()?,
                _ => {}
            }
        }
        self.trace.line(until, format_args!("{days} days later"));
        self.queue.after(20_000, What::Observe);
        self.cell.batch_planned = false;
        self.cell.tick_due = None;
        self.cell.inbox.push(mbolo_cell::Event::Tick);
        self.queue.after(10, What::CellBatch);
        Ok(())
    }

    fn final_checks(&mut self) -> Result<(), Breach> {
        self.observe()?;
        let kept = self.ledger.check_store(&self.cell.disk);
        self.check(kept)?;
        for person in 0..self.people.len() {
            self.look_anew(person)?;
            let open = self.people[person].calls.values().next();
            if let Some(asked) = open {
                let what =
                    format!("p{person} asked {:?} at {} and is not answered", asked.request, asked.at_ms);
                self.check(Err((Oracle::Sound, what)))?;
            }
        }
        self.report.rooms = self.ledger.rooms().count();
        // What was read anew must be as complete as what was announced.
        match self.settled()? {
            None => Ok(()),
            Some(why) => self.check(Err((Oracle::Delivered, format!("on a second look: {why}")))),
        }
    }

    /// What is still to come right, if anything.
    fn settled(&mut self) -> Result<Option<String>, Breach> {
        if !self.cell.is_running() {
            return Ok(Some("the cell is down".to_owned()));
        }
        // Others may be waiting for whoever has no account yet.
        if let Some(person) = (0..self.people.len()).find(|person| self.people[*person].account.is_none()) {
            if self.people[person].is_running() && self.people[person].calls.is_empty() {
                self.sign_up(person)?;
            }
            return Ok(Some(format!("p{person} has no account")));
        }
        let mut epochs: BTreeMap<RoomId, BTreeMap<usize, u64>> = BTreeMap::new();
        for person in 0..self.people.len() {
            let someone = &mut self.people[person];
            let Some(client) = someone.client() else { return Ok(Some(format!("p{person} is down"))) };
            let stats = client.stats();
            if stats.outbox + stats.intents + stats.healing > 0 {
                return Ok(Some(format!("p{person} still has work: {stats:?}")));
            }
            for (room, epoch, _) in client.epoch_authenticators() {
                epochs.entry(room).or_default().insert(person, epoch);
            }
        }
        let rooms: Vec<RoomId> = self.ledger.rooms().collect();
        for room in &rooms {
            if let Some(why) = self.unsettled_room(*room, epochs.get(room)) {
                return Ok(Some(why));
            }
        }
        let mut deliveries = 0;
        let texts: Vec<(TextId, Text)> = self.texts.iter().map(|(id, text)| (*id, text.clone())).collect();
        for (id, text) in texts {
            match self.unsettled_text(id, &text) {
                Ok(devices) => deliveries += devices,
                Err(why) => return Ok(Some(why)),
            }
        }
        self.report.deliveries = deliveries;
        Ok(None)
    }

    /// Members are the same for the cell and for everybody, and all in one epoch.
    fn unsettled_room(&self, room: RoomId, epochs: Option<&BTreeMap<usize, u64>>) -> Option<String> {
        let members = self.ledger.members(room);
        let name = room.to_string();
        let mut common = None;
        let mut called: Option<(usize, &str)> = None;
        for person in 0..self.people.len() {
            let chat = self.people[person].view.chats.get(&name);
            let inside = self.account(person).is_some_and(|account| members.contains(&account));
            let membership = chat.map(|chat| chat.membership);
            // Nobody is there to carry out the wish of the last one to leave.
            let alone = members.len() == 1;
            if inside && alone && membership == Some(Membership::Left) {
                continue;
            }
            if inside && membership != Some(Membership::Member) {
                return Some(format!("p{person} is a member of {} and sees {membership:?}", short(&name)));
            }
            if !inside && membership == Some(Membership::Member) {
                return Some(format!("p{person} is no member of {} and sees itself as one", short(&name)));
            }
            if !inside {
                continue;
            }
            match (chat.filter(|chat| chat.kind == ChatKind::Group), called) {
                (Some(chat), None) => called = Some((person, &chat.name)),
                (Some(chat), Some((other, name))) if chat.name != name => {
                    return Some(format!(
                        "{} is “{}” to p{person} and “{name}” to p{other}",
                        short(&room.to_string()),
                        chat.name
                    ));
                }
                _ => {}
            }
            let count = chat.map_or(0, |chat| chat.member_count as usize);
            if count != members.len() {
                return Some(format!(
                    "p{person} sees {count} members in {}, not {}",
                    short(&name),
                    members.len()
                ));
            }
            let epoch = epochs.and_then(|epochs| epochs.get(&person)).copied();
            match (epoch, common) {
                (None, _) => return Some(format!("p{person} has no group for {}", short(&name))),
                (Some(epoch), None) => common = Some((person, epoch)),
                (Some(epoch), Some((other, common))) if epoch != common => {
                    return Some(format!(
                        "p{person} is in epoch {epoch} of {} and p{other} in {common}",
                        short(&name)
                    ));
                }
                _ => {}
            }
        }
        None
    }

    /// On how many devices a text had to be, and is; or why it is not.
    fn unsettled_text(&self, id: TextId, text: &Text) -> Result<usize, String> {
        let Ok(room) = text.room.parse::<RoomId>() else { return Ok(0) };
        let own = self.people[id.author].view.text(&text.room, id);
        let Some(own) = own.filter(|_| text.exists) else { return Ok(0) };
        let author_stayed = self.stayed(room, id.author, text.created_ms);
        if own.state == Some(MessageState::Failed) && author_stayed {
            return Err(format!(
                "{id:?} has failed, though its author is in {} all the time",
                short(&text.room)
            ));
        }
        if !author_stayed && text.sent_ms.is_none() {
            return Ok(0);
        }
        let mut devices = 0;
        let mut all_stayed = author_stayed;
        for person in (0..self.people.len()).filter(|person| *person != id.author) {
            if !self.must_have(room, person, text.created_ms) {
                all_stayed &=
                    self.account(person).is_none_or(|account| self.ledger.stays(room, account).is_empty());
                continue;
            }
            let shown = self.people[person].view.text(&text.room, id);
            let Some(shown) = shown else {
                return Err(format!("p{person} does not see {id:?} in {}", short(&text.room)));
            };
            if author_stayed && !alike(own, shown) {
                return Err(format!(
                    "{id:?} in {} is {:?} {:?} to its author and {:?} {:?} to p{person}",
                    short(&text.room),
                    own.body,
                    own.reactions,
                    shown.body,
                    shown.reactions,
                ));
            }
            devices += 1;
        }
        let wanted = if all_stayed && devices > 0 { MessageState::Delivered } else { MessageState::Sent };
        if author_stayed && own.state.is_none_or(|state| state < wanted) {
            return Err(format!(
                "{id:?} in {} is {:?} and should be {wanted:?}",
                short(&text.room),
                own.state
            ));
        }
        Ok(devices)
    }

    /// A tick that says "delivered" must be true: everybody who was there all the time has the text, shown or
    /// kept until its sender has encrypted it anew.
    pub(crate) fn ticks_are_true(&self, author: usize, room: &str, message: &Message) -> Result<(), Breach> {
        if message.state.is_none_or(|state| state < MessageState::Delivered) {
            return Ok(());
        }
        let Body::Text { text: words } = &message.body else { return Ok(()) };
        let Some(id) = TextId::of_words(words).filter(|id| id.author == author) else { return Ok(()) };
        let (Some(text), Ok(room_id)) = (self.texts.get(&id), room.parse::<RoomId>()) else { return Ok(()) };
        for person in (0..self.people.len()).filter(|person| *person != author) {
            let someone = &self.people[person];
            if self.stayed(room_id, person, text.created_ms)
                && someone.is_running()
                && someone.view.text(room, id).is_none()
                && someone.undecryptable() == 0
            {
                let what = format!(
                    "{id:?} is {:?} in {}, and p{person} does not have it",
                    message.state,
                    short(room)
                );
                return self.check(Err((Oracle::Monotone, what)));
            }
        }
        Ok(())
    }

    /// Whether a person has to see what was written then: a member since before and to the end; in 1:1 chats
    /// always, for their two members are members for ever.
    fn must_have(&self, room: RoomId, person: usize, created_ms: u64) -> bool {
        self.stayed(room, person, created_ms)
            || (self.is_direct(room)
                && self.account(person).is_some_and(|a| self.ledger.members(room).contains(&a)))
    }

    /// Whether a person is in a room, and has been since before `created_ms` without a break.
    fn stayed(&self, room: RoomId, person: usize, created_ms: u64) -> bool {
        let Some(account) = self.account(person) else { return false };
        // The last one to leave stays a member for the cell: nobody is there to carry out the wish. That it was the last
        // one is checked with the members.
        let chat = self.people[person].view.chats.get(&room.to_string());
        if chat.is_some_and(|chat| chat.membership == Membership::Left) {
            return false;
        }
        let stays = self.ledger.stays(room, account);
        let here = stays.last().is_some_and(|stay| stay.until_ms.is_none() && stay.from_ms < created_ms);
        here || (self.is_direct(room) && !stays.is_empty())
    }

    fn is_direct(&self, room: RoomId) -> bool {
        let name = room.to_string();
        self.people
            .iter()
            .any(|someone| someone.view.chats.get(&name).is_some_and(|chat| chat.kind == ChatKind::Direct))
    }

    fn account(&self, person: usize) -> Option<AccountId> {
        self.people[person].account.as_deref()?.parse().ok()
    }
}

/// Whether two people see the same: words and reactions. Who reacted is compared by account.
fn alike(one: &Message, other: &Message) -> bool {
    let reactions = |message: &Message| {
        let mut list: Vec<_> =
            message.reactions.iter().map(|r| (r.account.clone(), r.emoji.clone())).collect();
        list.sort();
        list
    };
    one.body == other.body && (one.body == Body::Deleted || reactions(one) == reactions(other))
}

/// How long everything may take to come right: a client's longest pauses between two tries add up to minutes.
const HEAL_MS: u64 = 2 * 3_600_000;

/// How long what happens is watched for other promises when nobody asks whether all comes right.
const UNAWAITED_HEAL_MS: u64 = 120_000;

/// Time between two looks.
const LOOK_MS: u64 = 5_000;

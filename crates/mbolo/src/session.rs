//! A profile with its engine running, for the length of one command.
//!
//! What the engine says in codes becomes here what a person needs: if a request waits for the cell and the
//! cell cannot be reached, the command ends with the reason instead of waiting in silence.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mbolo_client::TransportFailure;
use mbolo_client_api::{Account, Chat, ChatKind, Connection, Member, OfflineReason, Reply, Request};
use mbolo_proto::Handle as UserHandle;
use mbolo_proto::handle::InvalidHandle;
use tokio::time::{Instant, sleep_until};

use crate::cli::ClientArgs;
use crate::problem::{Exit, Problem};
use crate::profile::{Profile, replace_file};
use crate::runtime::{self, CellAddress, Handle, Trouble, TrustedCertificates, Updates, Way};
use crate::text::{clean_line, is_nameless, title};

/// How long to wait for what only the cell can do.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Until this moment, or until the first attempt to reach the cell has failed.
    WhileReachable(Instant),
    /// Until this moment, whatever happens on the way.
    Until(Instant),
}

impl Patience {
    /// [`Patience::WhileReachable`] for this long from now.
    pub fn seconds(seconds: u64) -> Self {
        Self::WhileReachable(deadline(seconds))
    }
}

/// Seconds for which a command waits for the cell if it can do without.
pub const SHORTLY: u64 = 5;

/// Nothing has happened for this long: nothing more is coming.
const QUIET: Duration = Duration::from_millis(400);

/// How often the engine's counters are looked at while something waits for them.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A moment so many seconds from now.
pub fn deadline(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds.min(365 * 86_400))
}

/// Notes of the engine for the person: printed at once, or held back while a screen is in the way.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Option<Vec<String>>>>);

impl Notes {
    /// From now on notes are kept.
    pub fn hold(&self) {
        self.held().get_or_insert_default();
    }

    /// Prints what was kept, and everything from now on.
    pub fn release(&self) {
        for note in self.held().take().into_iter().flatten() {
            eprintln!("mbolo: {note}");
        }
    }

    fn add(&self, note: String) {
        match self.held().as_mut() {
            Some(held) => held.push(note),
            None => eprintln!("mbolo: {note}"),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running profile.
#[derive(Debug)]
pub struct Session {
    /// Its engine.
    pub handle: Handle,
    /// What it has to tell.
    pub notes: Notes,
    /// For suggestions: the flag that names this profile.
    pub flag: String,
}

impl Session {
    /// Opens the profile for a command that may make an account.
    pub async fn open(args: &ClientArgs) -> Result<Self, Problem> {
        let profile = Profile::open(&args.dir())?;
        let address = cell_address(args.cell.as_ref().or(profile.settings.cell.as_ref()))?;
        let trusted = trusted_certificates(args, profile.dir())?;
        if let Some(file) = &args.trust_cert {
            replace_file(&Profile::trusted_certificates(profile.dir()), &std::fs::read(file)?)?;
        }
        let notes = Notes::default();
        let note = notes.clone();
        let handle = runtime::start(profile, address, trusted, move |text| note.add(text)).await?;
        Ok(Self { handle, notes, flag: args.flag() })
    }

    /// Opens the profile for a command that needs an account.
    pub async fn with_account(args: &ClientArgs) -> Result<(Self, Account), Problem> {
        let none = || {
            Problem::new(
                Exit::NoAccount,
                format!("There is no account in the profile {} yet.", args.dir().display()),
            )
            .next(format!("Make one with: mbolo account create HANDLE --name NAME --cell URL{}", args.flag()))
        };
        if !args.dir().join("mbolo.sqlite").exists() {
            return Err(none());
        }
        let session = Self::open(args).await?;
        match session.handle.call(Request::GetAccount).await {
            Ok(Reply::Account { account }) => Ok((session, account)),
            Ok(other) => Err(unexpected(&other)),
            Err(failure) if failure.code == "no_account" => Err(none()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Asks for something the engine knows by itself.
    pub async fn ask(&self, request: Request) -> Result<Reply, Problem> {
        self.handle.call(request).await.map_err(Problem::from)
    }

    /// Asks for something that may need the cell.
    pub async fn ask_cell(&self, request: Request, patience: Patience) -> Result<Reply, Problem> {
        tokio::select! {
            biased;
            reply = self.handle.call(request) => reply.map_err(|failure| {
                if failure.code == "offline" { self.unreachable() } else { failure.into() }
            }),
            problem = self.gives_up(patience) => Err(problem),
        }
    }

    /// Waits until the cell can be asked something.
    pub async fn reach_cell(&self, patience: Patience) -> Result<(), Problem> {
        let mut connection = self.handle.connection();
        let open =
            |connection: &Connection| matches!(connection, Connection::Online | Connection::CatchingUp);
        tokio::select! {
            biased;
            Ok(_) = connection.wait_for(open) => Ok(()),
            problem = self.gives_up(patience) => Err(problem),
        }
    }

    /// Waits until everything missed is here: online, every new room joined, and quiet for a moment, because what
    /// follows a join (the room's name, for one) comes right after it.
    pub async fn catch_up(&self, patience: Patience) -> Result<(), Problem> {
        let quiet = async {
            let mut updates = self.updates().await;
            loop {
                let silence = tokio::time::timeout(QUIET, updates.next()).await;
                let is_online = *self.handle.connection().borrow() == Connection::Online;
                if silence.is_err() && is_online && self.handle.stats().await.healing == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            () = quiet => Ok(()),
            problem = self.gives_up(patience) => Err(problem),
        }
    }

    /// Waits until nothing of what was written or asked for waits for the cell any more.
    pub async fn hand_over(&self, patience: Patience) -> Result<(), Problem> {
        let done = async {
            while !self.has_handed_over().await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            () = done => Ok(()),
            problem = self.gives_up(patience) => Err(problem),
        }
    }

    /// Whether the cell has everything that was written or asked for.
    pub async fn has_handed_over(&self) -> bool {
        let stats = self.handle.stats().await;
        let is_online = *self.handle.connection().borrow() == Connection::Online;
        is_online && stats.outbox == 0 && stats.intents == 0 && stats.healing == 0
    }

    /// Waits until patience ends; returns why there is no answer.
    pub async fn gives_up(&self, patience: Patience) -> Problem {
        let (until, wait_for_cell) = match patience {
            Patience::WhileReachable(until) => (until, false),
            Patience::Until(until) => (until, true),
        };
        let mut way = self.handle.way();
        let mut connection = self.handle.connection();
        let time_is_up = sleep_until(until);
        tokio::pin!(time_is_up);
        loop {
            if let Way::Failed(trouble) = &*way.borrow_and_update() {
                // What is not a cell now will not be one in a moment.
                let hopeless = trouble.failure == TransportFailure::NotMbolo;
                let failed = trouble.failure == TransportFailure::Unreachable && !wait_for_cell;
                if hopeless || failed {
                    return trouble.clone().into();
                }
            }
            if let Some(problem) = refusal(&connection.borrow_and_update()) {
                return problem;
            }
            tokio::select! {
                Ok(()) = way.changed() => {}
                Ok(()) = connection.changed() => {}
                () = &mut time_is_up => return self.unreachable(),
            }
        }
    }

    /// Why there is no answer, now that we do not wait any longer.
    pub fn unreachable(&self) -> Problem {
        match &*self.handle.way().borrow() {
            Way::Failed(trouble) => return trouble.clone().into(),
            Way::Untried | Way::Open => {}
        }
        match refusal(&self.handle.connection().borrow()) {
            Some(problem) => problem,
            None => Problem::new(Exit::TimedOut, "The cell did not answer in time.")
                .next("Try again, or wait longer with --timeout SECONDS."),
        }
    }

    /// All chats.
    pub async fn chats(&self) -> Result<Vec<Chat>, Problem> {
        match self.ask(Request::ListChats).await? {
            Reply::Chats { chats } => Ok(chats),
            other => Err(unexpected(&other)),
        }
    }

    /// One chat.
    pub async fn chat(&self, room: &str) -> Result<Chat, Problem> {
        match self.ask(Request::GetChat { room: room.to_owned() }).await? {
            Reply::Chat { chat } => Ok(chat),
            other => Err(unexpected(&other)),
        }
    }

    /// The chat that a person means by a room id, a handle or a group's name. A handle of someone one has not
    /// talked to yet starts the chat.
    pub async fn find(&self, target: &str, patience: Patience) -> Result<Chat, Problem> {
        if let Ok(Some(chat)) = find_known(&self.chats().await?, target) {
            return self.not_somebody(target, chat).await;
        }
        let handle = match parse_handle(target) {
            Ok(handle) => handle,
            Err(problem) if target.starts_with('@') => return Err(problem),
            Err(_) => return self.find_existing(target, patience).await,
        };
        // It may be a group that one was added to since this profile was online last, or that has another name now.
        let caught_up = self.catch_up(patience).await;
        if let Some(chat) = find_known(&self.chats().await?, target)? {
            return self.not_somebody(target, chat).await;
        }
        caught_up?;
        match self.ask_cell(Request::StartChat { handle }, patience).await {
            Ok(Reply::Chat { chat }) => Ok(chat),
            Ok(other) => Err(unexpected(&other)),
            Err(problem) if problem.exit == Exit::Refused && !target.starts_with('@') => {
                let what = format!("You have no chat called “{target}”, and as a handle: {}", problem.what);
                Err(Problem { what, ..problem })
            }
            Err(problem) => Err(problem),
        }
    }

    /// The chat, unless it is a group that only has the name of a person: anybody can call a group so and add others to
    /// it, and what is meant for the person would go there. Without the cell the group is all that is known.
    async fn not_somebody(&self, target: &str, chat: Chat) -> Result<Chat, Problem> {
        let Some(handle) =
            parse_handle(target).ok().filter(|_| chat.kind == ChatKind::Group && chat.room != target.trim())
        else {
            return Ok(chat);
        };
        match self.ask_cell(Request::FindAccount { handle: handle.clone() }, Patience::seconds(SHORTLY)).await
        {
            Ok(Reply::Found { .. }) => Err(both(target, &handle, &chat)),
            _ => Ok(chat),
        }
    }

    /// The chat that a person means, only among those they have.
    pub async fn find_existing(&self, target: &str, patience: Patience) -> Result<Chat, Problem> {
        if let Ok(Some(chat)) = find_known(&self.chats().await?, target) {
            return Ok(chat);
        }
        self.find_newest(target, patience).await
    }

    /// As [`Session::find_existing`], but as things are now: what was known here counts only if the cell does not answer.
    pub async fn find_newest(&self, target: &str, patience: Patience) -> Result<Chat, Problem> {
        let caught_up = self.catch_up(patience).await;
        if let Some(chat) = find_known(&self.chats().await?, target)? {
            return Ok(chat);
        }
        caught_up?;
        Err(Problem::new(Exit::Refused, format!("You have no chat called “{target}”.")).next(format!(
            "`mbolo room list{}` shows your chats; `mbolo send @HANDLE` begins one.",
            self.flag
        )))
    }

    /// Who is in a room.
    pub async fn members(&self, room: &str) -> Result<Vec<Member>, Problem> {
        match self.ask(Request::ListMembers { room: room.to_owned() }).await? {
            Reply::Members { members } => Ok(members),
            other => Err(unexpected(&other)),
        }
    }

    /// What a chat is called for people; a group without a name by who is in it.
    pub async fn title(&self, chat: &Chat) -> Result<String, Problem> {
        let members = if is_nameless(chat) { self.members(&chat.room).await? } else { Vec::new() };
        Ok(title(chat, &members))
    }

    /// The way to the cell, as it is now.
    pub fn connection(&self) -> Connection {
        self.handle.connection().borrow().clone()
    }

    /// Every update from now on.
    pub async fn updates(&self) -> Updates {
        self.handle.updates().await
    }

    /// Ends the engine in order.
    pub async fn close(&self) {
        self.handle.shutdown().await;
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let exit = match trouble.failure {
            TransportFailure::NotMbolo => Exit::NotMbolo,
            TransportFailure::Unreachable | TransportFailure::Closed => Exit::Unreachable,
        };
        Self { exit, what: format!("{}.", trouble.what), next: trouble.next }
    }
}

/// A handle as people type it, checked before the cell is bothered.
pub fn parse_handle(text: &str) -> Result<String, Problem> {
    text.parse::<UserHandle>().map(|handle| handle.to_string()).map_err(|why| {
        let cannot =
            |why: String| Problem::new(Exit::Refused, format!("“{text}” cannot be a handle: {why}."));
        match why {
            InvalidHandle::Character => cannot(
                "a handle has only the letters a to z, digits, “_” and “.”".to_owned(),
            )
            .next("Letters of other alphabets that look the same do not count; type it anew with a to z."),
            why => cannot(why.to_string()).next("Examples: awa, awa.ndong, awa_2."),
        }
    })
}

/// An answer of the wrong kind.
pub fn unexpected(reply: &Reply) -> Problem {
    Problem::unexpected(format!("The client engine gave an unexpected answer: {reply:?}"))
}

fn refusal(connection: &Connection) -> Option<Problem> {
    match connection {
        Connection::Refused { message, .. } => {
            Some(Problem::new(Exit::NotMbolo, format!("The cell refuses this device: {message}")))
        }
        Connection::Offline { reason: OfflineReason::NotMbolo, .. } => Some(
            Problem::new(
                Exit::NotMbolo,
                "What answers at this address is not a Mbolo cell, or not one of this version.",
            )
            .next("Check the address, and update Mbolo here or there."),
        ),
        _ => None,
    }
}

fn find_known(chats: &[Chat], target: &str) -> Result<Option<Chat>, Problem> {
    let target = target.trim();
    if let Some(chat) = chats.iter().find(|chat| chat.room == target) {
        return Ok(Some(chat.clone()));
    }
    if let Some(beginning) = target.strip_prefix(ID_PREFIX) {
        let begun: Vec<_> = chats.iter().filter(|chat| chat.room.starts_with(beginning)).collect();
        return match begun.as_slice() {
            _ if beginning.is_empty() => Ok(None),
            [] => Ok(None),
            [chat] => Ok(Some((*chat).clone())),
            several => Err(which(target, several)),
        };
    }
    let handle = parse_handle(target).ok();
    let by_handle = |chat: &&Chat| {
        chat.kind == ChatKind::Direct
            && chat.peer.as_ref().and_then(|peer| peer.handle.clone()) == handle
            && handle.is_some()
    };
    let direct = chats.iter().find(by_handle).cloned();
    if target.starts_with('@') {
        return Ok(direct);
    }
    // The name of a chat of two is whatever the other one chose: it does not say who it is.
    let named: Vec<_> = chats
        .iter()
        .filter(|chat| chat.kind == ChatKind::Group && !is_nameless(chat))
        .filter(|chat| chat.name.to_lowercase() == target.to_lowercase())
        .collect();
    match (direct, handle, named.as_slice()) {
        (Some(_), Some(handle), [group, ..]) => Err(both(target, &handle, group)),
        (Some(chat), ..) => Ok(Some(chat)),
        (None, _, []) => Ok(None),
        (None, _, [chat]) => Ok(Some((*chat).clone())),
        (None, _, several) => Err(which(target, several)),
    }
}

fn which(target: &str, several: &[&Chat]) -> Problem {
    let ids: Vec<_> = several.iter().map(|chat| chat.room.as_str()).collect();
    Problem::new(Exit::Refused, format!("You have {} chats called “{target}”.", several.len()))
        .next(format!("Say which by its id: {}", ids.join(", ")))
}

/// How a chat without a name is addressed: the beginning of its id, which with this mark can be neither a handle nor a
/// name that somebody gave.
pub fn short_id(chat: &Chat) -> String {
    ID_PREFIX.chars().chain(chat.room.chars().take(SHORT_ID)).collect()
}

const ID_PREFIX: &str = "id:";

/// Letters of an id that tell the rooms of one person apart.
const SHORT_ID: usize = 8;

fn both(target: &str, handle: &str, group: &Chat) -> Problem {
    Problem::new(
        Exit::Refused,
        format!("“{}” is the handle of somebody and the name of a group of yours.", clean_line(target)),
    )
    .next(format!("Say @{handle} for the person, or for the group its id: {}", group.room))
}

/// The account of a member whom a person means by a handle, an account id or, if nobody has that handle and only one is
/// called so, by name. With `@` it is the handle: names are whatever somebody chose.
pub fn find_member(members: &[Member], who: &str) -> Result<String, Unfound> {
    let handle = parse_handle(who).ok();
    let exact =
        members.iter().find(|member| member.account == who || (handle.is_some() && member.handle == handle));
    if let Some(member) = exact {
        return Ok(member.account.clone());
    }
    if who.starts_with('@') {
        return Err(Unfound::Nobody);
    }
    let named: Vec<_> =
        members.iter().filter(|member| member.name.to_lowercase() == who.to_lowercase()).collect();
    match named.as_slice() {
        [member] => Ok(member.account.clone()),
        [] => Err(Unfound::Nobody),
        _ => Err(Unfound::Several),
    }
}

/// Why a member is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfound {
    /// Nobody is called so.
    Nobody,
    /// Several are, and none of them by handle.
    Several,
}

/// The address of the cell, which a person gave or the profile knows.
pub fn cell_address(text: Option<&String>) -> Result<CellAddress, Problem> {
    let text = text.ok_or_else(|| {
        Problem::new(Exit::Usage, "This profile does not know its cell yet.")
            .next("Add --cell URL once, for example --cell http://127.0.0.1:8100.")
    })?;
    text.parse().map_err(|why| {
        Problem::new(Exit::Usage, format!("“{text}” is not the address of a cell: {why}."))
            .next("Write it like https://cell.example or http://127.0.0.1:8100.")
    })
}

/// The certificates that the person gives now, or gave before.
pub fn trusted_certificates(args: &ClientArgs, dir: &Path) -> Result<TrustedCertificates, Problem> {
    let kept = Profile::trusted_certificates(dir);
    if let Some(file) = &args.trust_cert {
        return runtime::read_certificates(file);
    }
    if kept.exists() { runtime::read_certificates(&kept) } else { Ok(TrustedCertificates::default()) }
}

#[cfg(test)]
mod tests {
    use mbolo_client_api::Membership;

    use super::*;

    fn chat(room: &str, name: &str, handle: Option<&str>) -> Chat {
        let peer = handle.map(|handle| Member {
            account: "A".into(),
            name: name.into(),
            handle: Some(handle.into()),
            admin: false,
            me: false,
        });
        Chat {
            room: room.into(),
            kind: if peer.is_some() { ChatKind::Direct } else { ChatKind::Group },
            name: name.into(),
            peer,
            member_count: 2,
            unread: 0,
            last_message: None,
            last_activity_ms: 0,
            membership: Membership::Member,
            admin: false,
            waiting: false,
        }
    }

    #[test]
    fn a_chat_is_found_by_id_handle_or_name() {
        let chats = [chat("R1", "Awa Ndong", Some("awa")), chat("R2", "Family", None)];
        let found = |target| find_known(&chats, target).map(|found| found.map(|chat| chat.room));
        assert_eq!(found("R2"), Ok(Some("R2".into())));
        assert_eq!(found("@Awa"), Ok(Some("R1".into())));
        assert_eq!(found("awa"), Ok(Some("R1".into())));
        assert_eq!(found("family"), Ok(Some("R2".into())));
        assert_eq!(found("@family"), Ok(None));
        assert_eq!(found("nobody"), Ok(None));
    }

    #[test]
    fn a_chat_is_found_by_the_beginning_of_its_id_only_if_that_is_said() {
        let chats = [chat("k7z3abcd22", "", None), chat("k7z3abce22", "id:k7", None)];
        let found = |target| find_known(&chats, target).map(|found| found.map(|chat| chat.room));
        assert_eq!(short_id(&chats[0]), "id:k7z3abcd");
        assert_eq!(found("id:k7z3abcd"), Ok(Some("k7z3abcd22".into())));
        assert!(found("id:k7").is_err_and(|problem| problem.next.is_some()));
        assert_eq!([found("k7z3abcd"), found("id:"), found("id:x")], [Ok(None), Ok(None), Ok(None)]);
    }

    #[test]
    fn a_group_without_a_name_is_not_called_nothing() {
        assert_eq!(find_known(&[chat("R1", "", None)], ""), Ok(None));
        assert_eq!(find_known(&[chat("R1", "", None)], " "), Ok(None));
    }

    #[test]
    fn who_calls_themselves_like_somebody_does_not_get_their_messages() {
        let chats = [chat("R1", "bibi", Some("mallory")), chat("R2", "Family", None)];
        assert_eq!(find_known(&chats, "bibi"), Ok(None));
        assert_eq!(find_known(&chats, "Bibi"), Ok(None));
    }

    #[test]
    fn a_group_with_the_name_of_a_handle_is_not_guessed() {
        let chats = [chat("R1", "Bibi", Some("bibi")), chat("R2", "bibi", None)];
        let problem = find_known(&chats, "bibi").unwrap_err();
        assert!(problem.next.is_some_and(|next| next.contains("@bibi") && next.contains("R2")));
        assert_eq!(find_known(&chats, "@bibi").map(|chat| chat.map(|chat| chat.room)), Ok(Some("R1".into())));
    }

    #[test]
    fn a_member_is_found_by_handle_first_and_by_a_name_only_if_it_is_one_persons() {
        let member = |account: &str, name: &str, handle: &str| Member {
            account: account.into(),
            name: name.into(),
            handle: Some(handle.into()),
            admin: false,
            me: false,
        };
        let members =
            [member("A1", "@bibi", "mallory"), member("A2", "bibi", "eve"), member("A3", "Bibi Mba", "bibi")];
        assert_eq!(find_member(&members, "@bibi"), Ok("A3".into()));
        assert_eq!(find_member(&members, "bibi"), Ok("A3".into()));
        assert_eq!(find_member(&members, "bibi mba"), Ok("A3".into()));
        assert_eq!(find_member(&members[..2], "@bibi"), Err(Unfound::Nobody));
        let twins = [member("A1", "Awa N.", "awa1"), member("A2", "Awa N.", "awa2")];
        assert_eq!(find_member(&twins, "Awa N."), Err(Unfound::Several));
    }

    #[test]
    fn of_two_chats_with_one_name_the_person_chooses() {
        let chats = [chat("R1", "Family", None), chat("R2", "Family", None)];
        let problem = find_known(&chats, "Family").unwrap_err();
        assert!(problem.next.is_some_and(|next| next.contains("R1") && next.contains("R2")));
    }

    #[test]
    fn a_letter_that_only_looks_right_is_explained() {
        let problem = parse_handle("аwa").unwrap_err();
        assert_eq!(problem.exit, Exit::Refused);
        assert!(problem.next.is_some_and(|next| next.contains("other alphabets")));
        assert!(problem.what.ends_with("“_” and “.”."), "{}", problem.what);
    }
}

//! What a line that begins with `/` does.

use mbolo_client_api::{Message, MessageState, Request};

use super::{App, Ask, Overlay, Purpose};
use crate::chat::command::Command;
use crate::chat::conversation::{is_others_text, is_own_text};
use crate::session::{Unfound, find_member, parse_handle};
use crate::text::{clean_line, shorten};

impl App {
    /// Does what a command says.
    pub(super) fn run(&mut self, command: Command, now_ms: u64) -> Vec<Ask> {
        let change = |request| vec![Ask { request, purpose: Purpose::Change }];
        match command {
            Command::Help => {
                self.overlay = Some(Overlay::Help);
                return Vec::new();
            }
            Command::Chats => return self.show_list(),
            Command::Quit => {
                self.quit = true;
                return self.stop_typing();
            }
            Command::New { handle } => {
                return match parse_handle(&handle) {
                    Ok(handle) => {
                        vec![Ask { request: Request::StartChat { handle }, purpose: Purpose::GoTo }]
                    }
                    Err(problem) => self.refuse(problem.what, now_ms),
                };
            }
            Command::Group { name, handles } => {
                let request = Request::CreateGroup { name, handles };
                return vec![Ask { request, purpose: Purpose::GoTo }];
            }
            _ => {}
        }
        let Some(open) = &self.open else {
            return self.refuse("Choose a chat first.", now_ms);
        };
        let room = open.room.clone();
        let own =
            open.target(is_own_text).filter(|message| message.sender.me).map(|message| message.id.clone());
        let others = open.target(is_others_text).map(|message| message.id.clone());
        let member = |who: &str| {
            find_member(&open.members, who).map_err(|why| match why {
                Unfound::Nobody => format!("Nobody here is called {who}; /members lists who is."),
                Unfound::Several => format!("Several people here are called {who}; say who by the handle."),
            })
        };
        let no_message = "There is no message to do that with.";
        match command {
            Command::Reply { text } => match others {
                Some(id) => vec![Ask {
                    request: Request::SendText {
                        room: room.clone(),
                        text: text.clone(),
                        reply_to: Some(id),
                        client_id: None,
                    },
                    purpose: Purpose::Send(room, text),
                }],
                None => self.refuse(no_message, now_ms),
            },
            Command::React { emoji } => match others {
                Some(message) => change(Request::React { room, message, emoji }),
                None => self.refuse(no_message, now_ms),
            },
            Command::Edit { text } => match own {
                Some(message) => change(Request::Edit { room, message, text }),
                None => self.refuse(no_message, now_ms),
            },
            Command::Delete => match own {
                Some(message) if self.delete_armed.take().as_ref() == Some(&message) => {
                    change(Request::Delete { room, message })
                }
                Some(message) => {
                    let text = open
                        .messages
                        .iter()
                        .find(|known| known.id == message)
                        .map_or_else(String::new, |known| {
                            shorten(&clean_line(&crate::text::body(known)), 40)
                        });
                    self.delete_armed = Some(message);
                    self.say(format!("/delete again takes “{text}” back for everyone."), false, now_ms);
                    Vec::new()
                }
                None => self.refuse(no_message, now_ms),
            },
            Command::Retry => {
                let failed = |message: &Message| message.state == Some(MessageState::Failed);
                match open.target(failed).filter(|message| failed(message)).map(|message| message.id.clone())
                {
                    Some(message) => change(Request::Retry { room, message }),
                    None => self.refuse("No message here has failed.", now_ms),
                }
            }
            Command::Info => match open.target(|message| message.sender.me).map(|message| message.id.clone())
            {
                Some(message) => vec![Ask {
                    request: Request::GetMessageInfo { room, message },
                    purpose: Purpose::ShowInfo,
                }],
                None => self.refuse(no_message, now_ms),
            },
            Command::Members => {
                vec![Ask { request: Request::ListMembers { room }, purpose: Purpose::ShowMembers }]
            }
            Command::Add { handles } => {
                match handles.iter().map(|handle| parse_handle(handle)).collect::<Result<Vec<_>, _>>() {
                    Ok(handles) => change(Request::AddMembers { room, handles }),
                    Err(problem) => self.refuse(problem.what, now_ms),
                }
            }
            Command::Remove { who } => match member(&who) {
                Ok(account) => change(Request::RemoveMember { room, account }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Promote { who } => match member(&who) {
                Ok(account) => change(Request::SetAdmin { room, account, admin: true }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Demote { who } => match member(&who) {
                Ok(account) => change(Request::SetAdmin { room, account, admin: false }),
                Err(why) => self.refuse(why, now_ms),
            },
            Command::Rename { name } => change(Request::RenameGroup { room, name }),
            Command::Leave => change(Request::LeaveGroup { room }),
            Command::Help | Command::Chats | Command::Quit | Command::New { .. } | Command::Group { .. } => {
                Vec::new()
            }
        }
    }
}

//! What the person types: where a key goes, and what a sent line is.

use mbolo_client_api::{MessageState, Request};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Ask, Focus, Intent, Overlay, Purpose};
use crate::chat::command::{self, Command, Line};
use crate::chat::conversation::is_own_text;
use crate::text::clean_line;

impl App {
    /// A text was pasted.
    pub fn on_paste(&mut self, text: &str, now_ms: u64) -> Vec<Ask> {
        match self.focus {
            Focus::List => {
                self.filter.insert(&clean_line(text));
                Vec::new()
            }
            Focus::Chat => {
                self.composer.insert(text);
                self.typed(now_ms)
            }
        }
    }

    /// A key was pressed.
    pub fn on_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'q')) {
            self.quit = true;
            return self.stop_typing();
        }
        if self.overlay.take().is_some() {
            return Vec::new();
        }
        match key.code {
            KeyCode::F(1) => {
                self.overlay = Some(Overlay::Help);
                Vec::new()
            }
            KeyCode::Char('k') if control => self.show_list(),
            _ => match self.focus {
                Focus::List => self.on_list_key(key, now_ms),
                Focus::Chat => self.on_chat_key(key, now_ms),
            },
        }
    }

    fn on_list_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Up => self.move_highlight(-1),
            KeyCode::Down => self.move_highlight(1),
            KeyCode::PageUp => self.move_highlight(-10),
            KeyCode::PageDown => self.move_highlight(10),
            KeyCode::Enter => {
                if let Line::Command(command) = command::read(self.filter.text()) {
                    self.filter.take();
                    return self.run(command, now_ms);
                }
                let exact = self.filter.text().starts_with('@');
                if let Some(room) = self.highlighted.clone().filter(|_| !self.listed().is_empty() && !exact) {
                    return self.go_to(room);
                }
                let typed = self.filter.text().trim().to_owned();
                if !typed.is_empty() {
                    return self.run(Command::New { handle: typed }, now_ms);
                }
            }
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.take();
                self.keep_highlight();
            }
            KeyCode::Esc | KeyCode::Tab if self.open.is_some() => self.focus = Focus::Chat,
            KeyCode::Backspace => {
                self.filter.backspace();
                self.keep_highlight();
            }
            KeyCode::Char(c) if !control => {
                self.filter.insert(c.encode_utf8(&mut [0; 4]));
                self.keep_highlight();
                if self.filter.text() == "?" {
                    self.filter.take();
                    self.overlay = Some(Overlay::Help);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn on_chat_key(&mut self, key: KeyEvent, now_ms: u64) -> Vec<Ask> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        if self.open.as_ref().is_some_and(|open| open.selected.is_some())
            && let Some(asks) = self.on_selection_key(key, now_ms)
        {
            return asks;
        }
        let before = self.composer.text().len();
        match key.code {
            KeyCode::Enter if alt => self.composer.insert("\n"),
            KeyCode::Char('j') if control => self.composer.insert("\n"),
            KeyCode::Enter => return self.submit(now_ms),
            KeyCode::Esc if self.intent != Intent::New => {
                self.intent = Intent::New;
                self.composer.take();
            }
            KeyCode::Esc => return self.show_list(),
            KeyCode::Up if self.composer.is_empty() => self.select(true),
            KeyCode::PageUp => self.scroll(10),
            KeyCode::PageDown => self.scroll(-10),
            KeyCode::Tab => return self.complete(),
            KeyCode::Backspace if alt || control => self.composer.delete_word(),
            KeyCode::Backspace => self.composer.backspace(),
            KeyCode::Delete => self.composer.delete(),
            KeyCode::Char('w') if control => self.composer.delete_word(),
            KeyCode::Char('u') if control => self.composer.delete_to_start(),
            KeyCode::Left if control || alt => self.composer.word_left(),
            KeyCode::Right if control || alt => self.composer.word_right(),
            KeyCode::Left => self.composer.left(),
            KeyCode::Right => self.composer.right(),
            KeyCode::Home => self.composer.home(),
            KeyCode::End if self.composer.is_empty() => self.scroll(isize::MIN),
            KeyCode::End => self.composer.end(),
            KeyCode::Char('a') if control => self.composer.home(),
            KeyCode::Char('e') if control => self.composer.end(),
            KeyCode::Char(c) if !control => self.composer.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        if self.composer.text().len() == before { Vec::new() } else { self.typed(now_ms) }
    }

    /// Keys that act on the selected message; `None` for the others, which end the selection.
    fn on_selection_key(&mut self, key: KeyEvent, now_ms: u64) -> Option<Vec<Ask>> {
        let selected = self.open.as_ref()?.target(|_| false)?.clone();
        let armed = self.delete_armed.take();
        let mut asks = Vec::new();
        // A reaction is typed while its message stays selected.
        if !self.composer.is_empty() && key.code != KeyCode::Esc {
            return None;
        }
        match key.code {
            KeyCode::Up => self.select(true),
            KeyCode::Down => self.select(false),
            KeyCode::Enter | KeyCode::Char('r') => {
                self.intent = Intent::Reply(selected.id.clone(), crate::text::body(&selected));
                self.clear_selection();
            }
            KeyCode::Char('e') if is_own_text(&selected) => {
                self.intent = Intent::Edit(selected.id.clone());
                self.composer.set(crate::text::body(&selected));
                self.clear_selection();
            }
            KeyCode::Char('d') if is_own_text(&selected) => {
                if armed.as_ref() == Some(&selected.id) {
                    self.delete_armed = armed;
                    asks = self.run(Command::Delete, now_ms);
                    self.clear_selection();
                } else {
                    self.delete_armed = Some(selected.id);
                    self.say("Press d again to take this message back for everyone.", false, now_ms);
                }
            }
            KeyCode::Char('t') if selected.state == Some(MessageState::Failed) => {
                asks = self.run(Command::Retry, now_ms);
                self.clear_selection();
            }
            KeyCode::Char('+') => self.composer.set("/react "),
            KeyCode::Char('i') => asks = self.run(Command::Info, now_ms),
            KeyCode::Esc => {
                self.composer.take();
                self.clear_selection();
            }
            _ => {
                self.clear_selection();
                return None;
            }
        }
        Some(asks)
    }

    fn submit(&mut self, now_ms: u64) -> Vec<Ask> {
        let line = self.composer.text().trim().to_owned();
        if line.is_empty() {
            return Vec::new();
        }
        let line = command::read(&line);
        if !matches!(line, Line::Command(Command::Delete)) {
            self.delete_armed = None;
        }
        let text = match line {
            Line::Command(command) => {
                self.composer.take();
                let asks = self.run(command, now_ms);
                self.clear_selection();
                return asks;
            }
            Line::Wrong(why) => {
                self.say(why, true, now_ms);
                return Vec::new();
            }
            Line::Text(text) => text,
        };
        let Some(room) = self.open.as_ref().map(|open| open.room.clone()) else {
            self.say("Choose a chat first: type a name or a @handle in the list.", true, now_ms);
            return Vec::new();
        };
        self.composer.take();
        let request = match std::mem::replace(&mut self.intent, Intent::New) {
            Intent::New => {
                Request::SendText { room: room.clone(), text: text.clone(), reply_to: None, client_id: None }
            }
            Intent::Reply(id, _) => Request::SendText {
                room: room.clone(),
                text: text.clone(),
                reply_to: Some(id),
                client_id: None,
            },
            Intent::Edit(message) => Request::Edit { room: room.clone(), message, text: text.clone() },
        };
        let mut asks = self.stop_typing();
        asks.push(Ask { request, purpose: Purpose::Send(room, text) });
        asks
    }
}

//! Draws the chat screen: the list of chats, the open chat, the composer, and one line that says how it is.
//!
//! Colours are the sixteen of the terminal, so they fit its theme; with `NO_COLOR` everything is still there
//! in words and signs.

use mbolo_client_api::{Body, Chat, ChatKind, Connection, Membership, Message, MessageState, OfflineReason};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::app::{App, Focus, Intent, Overlay};
use super::command::{COMMANDS, completions};
use super::conversation::{Conversation, is_own_text};
use crate::text::{self, clean_line, shorten, wrap};

/// Below this many columns the list and the chat take turns.
const TWO_PANES: u16 = 76;

/// Columns of the list beside a chat.
const LIST_WIDTH: u16 = 30;

/// The composer grows to this many lines, then it scrolls.
const COMPOSER_LINES: usize = 6;

/// Why the cell does not answer takes at most this many lines.
const DIAGNOSIS_LINES: usize = 4;

/// Messages of one sender closer together than this share a heading.
const GROUP_MS: u64 = 5 * 60_000;

/// How things look, with or without colour.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Theme {
    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
    fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
    fn good(self) -> Style {
        self.fg(Color::Green)
    }
    fn bad(self) -> Style {
        self.fg(Color::Red)
    }
    fn accent(self) -> Style {
        self.fg(Color::Yellow)
    }
    /// Each person keeps one colour.
    fn person(self, account: &str) -> Style {
        const COLOURS: [Color; 5] =
            [Color::Cyan, Color::Magenta, Color::Blue, Color::Yellow, Color::LightRed];
        let sum = account.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.fg(COLOURS[sum % COLOURS.len()]).add_modifier(Modifier::BOLD)
    }
}

/// Draws everything, and tells the state what the person can see.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme, now_ms: u64) {
    let width = (frame.area().width as usize).saturating_sub(2).max(1);
    let mut diagnosis =
        app.diagnosis.as_ref().map_or_else(Vec::new, |sentence| wrap(&clean_line(sentence), width));
    diagnosis.truncate(DIAGNOSIS_LINES);
    let [header, why, body, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(diagnosis.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_header(frame, header, app, theme);
    let diagnosis: Vec<Line<'_>> =
        diagnosis.into_iter().map(|line| Line::styled(format!(" {line}"), theme.accent())).collect();
    frame.render_widget(Paragraph::new(diagnosis), why);
    if body.width >= TWO_PANES {
        let [list, chat] =
            Layout::horizontal([Constraint::Length(LIST_WIDTH), Constraint::Fill(1)]).areas(body);
        draw_list(frame, list, app, theme, now_ms, Borders::RIGHT);
        draw_chat(frame, chat, app, theme, now_ms);
    } else if app.focus == Focus::List || app.open.is_none() {
        app.at_bottom = false;
        draw_list(frame, body, app, theme, now_ms, Borders::NONE);
    } else {
        draw_chat(frame, body, app, theme, now_ms);
    }
    draw_footer(frame, footer, app, theme, now_ms);
    if let Some(overlay) = &app.overlay {
        draw_overlay(frame, body, overlay, theme);
    }
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let (sign, words, style) = match &app.connection {
        Connection::Online => ("●", "online", theme.good()),
        Connection::CatchingUp => ("◐", "fetching what you missed", theme.accent()),
        Connection::Connecting | Connection::Idle => ("○", "connecting", theme.quiet()),
        Connection::Offline { reason: OfflineReason::Busy, .. } => {
            ("○", "the cell is busy; trying again", theme.accent())
        }
        Connection::Offline { reason: OfflineReason::NotMbolo, .. } => {
            ("✗", "that is not a Mbolo cell", theme.bad())
        }
        Connection::Offline { .. } if area.width < TWO_PANES => ("○", "offline", theme.accent()),
        Connection::Offline { .. } => ("○", "offline: messages go out when the cell is back", theme.accent()),
        Connection::Refused { .. } => ("✗", "the cell refuses this device", theme.bad()),
    };
    let right = format!("{sign} {words} ");
    let room = (area.width as usize).saturating_sub(right.width());
    let left = shorten(&format!(" Mbolo  @{} on {}", app.me.handle, app.me.cell), room);
    let padding = " ".repeat(room.saturating_sub(left.width()));
    let line =
        Line::from(vec![Span::styled(left, theme.strong()), Span::raw(padding), Span::styled(right, style)]);
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme, now_ms: u64, borders: Borders) {
    let block = Block::new().borders(borders).border_style(theme.quiet());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = inner.width as usize;
    let mut lines = Vec::new();
    if app.focus == Focus::List {
        let hint = if app.filter.is_empty() { "find, or @handle for a new chat" } else { "" };
        lines.push(Line::from(vec![
            Span::styled(" › ", theme.good()),
            Span::raw(app.filter.text().to_owned()),
            Span::styled(shorten(hint, width.saturating_sub(4)), theme.quiet()),
        ]));
        let column = 3 + app.filter.text().width();
        frame.set_cursor_position(Position::new(
            inner.x + column.min(width.saturating_sub(1)) as u16,
            inner.y,
        ));
    } else {
        lines.push(Line::styled(" Chats", theme.quiet()));
    }
    let listed = app.listed();
    if listed.is_empty() {
        let say = if app.chats.is_empty() {
            "No chats yet. Type the handle of someone you know and press Enter."
        } else {
            "Nothing found. Enter begins a chat with this handle."
        };
        lines.push(Line::default());
        lines.extend(
            wrap(say, width.saturating_sub(2))
                .into_iter()
                .map(|line| Line::styled(format!(" {line}"), theme.quiet())),
        );
    }
    let rows = (inner.height as usize).saturating_sub(1) / 2;
    let highlighted =
        listed.iter().position(|chat| Some(&chat.room) == app.highlighted.as_ref()).unwrap_or(0);
    let first = (highlighted + 1).saturating_sub(rows.max(1));
    for chat in listed.into_iter().skip(first).take(rows) {
        let open = app.open.as_ref().is_some_and(|open| open.room == chat.room);
        let marked = app.focus == Focus::List && app.highlighted.as_ref() == Some(&chat.room);
        lines.extend(chat_lines(chat, &app.title(chat), width, open, marked, theme, now_ms));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// A chat takes two lines: its name and time, and the beginning of its newest message.
fn chat_lines(
    chat: &Chat,
    title: &str,
    width: usize,
    open: bool,
    marked: bool,
    theme: Theme,
    now_ms: u64,
) -> [Line<'static>; 2] {
    let mark = if marked {
        "▌"
    } else if open {
        "│"
    } else {
        " "
    };
    let when = text::moment(chat.last_activity_ms, now_ms);
    let name_width = width.saturating_sub(when.width() + 3);
    let name = shorten(title, name_width);
    let gap = " ".repeat(name_width.saturating_sub(name.width()) + 1);
    let name_style = if chat.unread > 0 || marked { theme.strong() } else { Style::new() };
    let unread = if chat.unread > 0 { format!(" {} ", chat.unread) } else { String::new() };
    let preview_width = width.saturating_sub(unread.width() + 3);
    let preview = shorten(&preview(chat), preview_width);
    let gap_below = " ".repeat(preview_width.saturating_sub(preview.width()) + 1);
    [
        Line::from(vec![
            Span::styled(mark, theme.good()),
            Span::styled(name, name_style),
            Span::raw(gap),
            Span::styled(when, theme.quiet()),
        ]),
        Line::from(vec![
            Span::styled(mark, theme.good()),
            Span::styled(preview, theme.quiet()),
            Span::raw(gap_below),
            Span::styled(unread, theme.good().add_modifier(Modifier::BOLD | Modifier::REVERSED)),
        ]),
    ]
}

fn preview(chat: &Chat) -> String {
    match chat.membership {
        Membership::Joining => return "joining…".to_owned(),
        Membership::Removed => return "you were removed".to_owned(),
        Membership::Left => return "you have left".to_owned(),
        Membership::Member => {}
    }
    let Some(message) = &chat.last_message else {
        return "no messages yet".to_owned();
    };
    let body = text::body(message).replace('\n', " ");
    match (&message.body, message.sender.me, chat.kind) {
        (Body::Event { .. }, _, _) => body,
        (_, true, _) => format!("{} {body}", message.state.map_or("", text::tick)),
        (_, false, ChatKind::Group) => format!("{}: {body}", text::person(&message.sender)),
        (_, false, ChatKind::Direct) => body,
    }
}

fn draw_chat(frame: &mut Frame<'_>, area: Rect, app: &mut App, theme: Theme, now_ms: u64) {
    let Some(open) = app.open.clone() else {
        let hello = [
            "",
            "Mbolo.",
            "",
            "Choose a chat with ↑ ↓ and Enter,",
            "or type the handle of someone you know.",
            "",
            "F1 shows what can be done here.",
        ];
        let lines: Vec<_> = hello.iter().map(|line| Line::styled(*line, theme.quiet())).collect();
        frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), area);
        return;
    };
    let chat = app.open_chat().cloned();
    let (composed, cursor) = app.composer.layout(area.width.saturating_sub(4) as usize);
    let composer_lines = composed.len().clamp(1, COMPOSER_LINES);
    let context = intent_line(&app.intent, theme, area.width as usize);
    let [head, messages, typing, above, composer] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1 + u16::from(context.is_some())),
        Constraint::Length(composer_lines as u16),
    ])
    .areas(area);

    if let Some(chat) = &chat {
        draw_chat_head(frame, head, chat, &app.title(chat), theme);
    }
    draw_messages(frame, messages, app, &open, theme, now_ms);
    draw_typing(frame, typing, app, &open, theme, now_ms);

    let rule = "─".repeat(area.width as usize);
    let mut lines = vec![Line::styled(rule, theme.quiet())];
    lines.extend(context);
    frame.render_widget(Paragraph::new(lines), above);
    let can_write =
        chat.as_ref().is_none_or(|chat| matches!(chat.membership, Membership::Member | Membership::Joining));
    if !can_write {
        let sentence = " You are not in this chat any more; what was said stays readable here.";
        frame.render_widget(Paragraph::new(Line::styled(sentence, theme.quiet())), composer);
        return;
    }
    let first = (cursor.1 + 1).saturating_sub(COMPOSER_LINES);
    let shown: Vec<Line<'_>> = if app.composer.is_empty() {
        vec![Line::from(vec![Span::styled(" › ", theme.good()), Span::styled("Message", theme.quiet())])]
    } else {
        composed
            .into_iter()
            .enumerate()
            .skip(first)
            .take(COMPOSER_LINES)
            .map(|(index, line)| {
                Line::from(vec![
                    Span::styled(if index == 0 { " › " } else { "   " }, theme.good()),
                    Span::raw(line),
                ])
            })
            .collect()
    };
    frame.render_widget(Paragraph::new(shown), composer);
    if app.focus == Focus::Chat && app.overlay.is_none() {
        let row = composer.y + (cursor.1 - first) as u16;
        frame.set_cursor_position(Position::new(composer.x + 3 + cursor.0 as u16, row));
    }
}

fn draw_chat_head(frame: &mut Frame<'_>, area: Rect, chat: &Chat, title: &str, theme: Theme) {
    let about = match (chat.kind, chat.waiting) {
        (_, true) => "a change waits for the cell".to_owned(),
        (ChatKind::Direct, _) => chat
            .peer
            .as_ref()
            .and_then(|peer| peer.handle.as_ref())
            .map_or_else(String::new, |handle| format!("@{handle}")),
        (ChatKind::Group, _) if chat.admin => format!("{} people, you are an admin", chat.member_count),
        (ChatKind::Group, _) => format!("{} people", chat.member_count),
    };
    let name = shorten(title, (area.width as usize).saturating_sub(about.width() + 4));
    let lines = vec![
        Line::from(vec![
            Span::raw(" "),
            Span::styled(name, theme.strong()),
            Span::raw("  "),
            Span::styled(about, theme.quiet()),
        ]),
        Line::styled("─".repeat(area.width as usize), theme.quiet()),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn intent_line(intent: &Intent, theme: Theme, width: usize) -> Option<Line<'static>> {
    let text = match intent {
        Intent::New => return None,
        Intent::Reply(_, text) => format!(" Answering: {}", text.replace('\n', " ")),
        Intent::Edit(_) => " Changing your message".to_owned(),
    };
    let hint = "  (Esc: not)";
    let text = shorten(&text, width.saturating_sub(hint.len() + 1));
    Some(Line::from(vec![Span::styled(text, theme.accent()), Span::styled(hint, theme.quiet())]))
}

fn draw_typing(frame: &mut Frame<'_>, area: Rect, app: &App, open: &Conversation, theme: Theme, now_ms: u64) {
    let typing: Vec<_> = open.typing(now_ms).into_iter().map(clean_line).collect();
    let text = match typing.as_slice() {
        _ if open.below > 0 && !app.at_bottom => {
            let what = if open.below == 1 {
                "1 new message".to_owned()
            } else {
                format!("{} new messages", open.below)
            };
            format!(" ↓ {what} below (End)")
        }
        [] => String::new(),
        [one] => format!(" {one} is typing…"),
        [one, two] => format!(" {one} and {two} are typing…"),
        several => format!(" {} people are typing…", several.len()),
    };
    frame.render_widget(
        Paragraph::new(Line::styled(text, theme.quiet().add_modifier(Modifier::ITALIC))),
        area,
    );
}

/// Draws from the newest message upwards, as far as the screen reaches.
fn draw_messages(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &mut App,
    open: &Conversation,
    theme: Theme,
    now_ms: u64,
) {
    let height = area.height as usize;
    let width = area.width as usize;
    let mut scroll = open.scroll;
    // From the bottom: the lines of the newest message come first, each message's own lines in order.
    let mut blocks: Vec<Vec<Line<'static>>> = Vec::new();
    let mut total = 0;
    let mut all_drawn = true;
    for (index, message) in open.messages.iter().enumerate().rev() {
        let before = index.checked_sub(1).map(|before| &open.messages[before]);
        let lines = message_lines(message, before, open, width, theme, now_ms);
        let end = total;
        total += lines.len();
        blocks.push(lines);
        if open.selected.as_ref() == Some(&message.id) {
            // The selection is kept on the screen.
            scroll =
                scroll.clamp((total + 1).saturating_sub(height), end.max((total + 1).saturating_sub(height)));
        }
        let selection_found =
            open.selected.as_ref().is_none_or(|id| open.messages[index..].iter().any(|m| m.id == *id));
        if total >= height.saturating_add(scroll) && selection_found {
            all_drawn = index == 0;
            break;
        }
    }
    if open.messages.is_empty() && !open.loading {
        blocks.push(vec![Line::styled(" No messages yet. Say mbolo.", theme.quiet())]);
        total = 1;
    } else if all_drawn && !open.more && total < height {
        let sealed = " End-to-end encrypted: only the people in this chat can read it.";
        blocks.push(vec![Line::styled(shorten(sealed, width), theme.quiet())]);
        total += 1;
    }
    let scroll = scroll.min(total.saturating_sub(height));
    app.at_bottom = scroll == 0;
    app.at_top = all_drawn && total <= height + scroll + height;
    if let Some(open) = &mut app.open {
        open.scroll = scroll;
    }
    let lines: Vec<Line<'static>> = blocks.into_iter().rev().flatten().collect();
    let end = lines.len().saturating_sub(scroll);
    let start = end.saturating_sub(height);
    let shown = lines[start..end].to_vec();
    let top = Rect { y: area.y + (height - shown.len()) as u16, height: shown.len() as u16, ..area };
    frame.render_widget(Paragraph::new(shown), top);
}

fn message_lines(
    message: &Message,
    before: Option<&Message>,
    open: &Conversation,
    width: usize,
    theme: Theme,
    now_ms: u64,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let day = text::day(message.at_ms, now_ms);
    let new_day = before.is_none_or(|before| text::day(before.at_ms, now_ms) != day);
    if new_day {
        lines.push(rule(&day, width, theme.quiet()));
    }
    let first_unread = open.unread_from.as_ref() == Some(&message.id);
    if first_unread {
        lines.push(rule("new", width, theme.accent()));
    }
    let selected = open.selected.as_ref() == Some(&message.id);
    let mark = if selected { "▌ " } else { "  " };
    let indent = || Span::styled(mark.to_owned(), theme.accent());
    if let Body::Event { .. } = message.body {
        let text = format!("{} · {}", text::body(message), text::time_of_day(message.at_ms));
        lines.extend(
            wrap(&text, width.saturating_sub(4))
                .into_iter()
                .map(|line| Line::styled(line, theme.quiet()).alignment(Alignment::Center)),
        );
        return lines;
    }
    let grouped = before.is_some_and(|before| {
        !new_day
            && !first_unread
            && before.sender.account == message.sender.account
            && !matches!(before.body, Body::Event { .. })
            && message.at_ms.saturating_sub(before.at_ms) < GROUP_MS
    });
    if !grouped {
        if before.is_some() && !new_day && !first_unread {
            lines.push(Line::default());
        }
        let (name, style) = if message.sender.me {
            ("You".to_owned(), theme.good().add_modifier(Modifier::BOLD))
        } else {
            (text::person(&message.sender), theme.person(&message.sender.account))
        };
        let time = text::time_of_day(message.at_ms);
        lines.push(Line::from(vec![
            Span::raw(" "),
            Span::styled(shorten(&name, width / 2), style),
            Span::styled(format!("  {time}"), theme.quiet()),
        ]));
    }
    if let Some(quote) = &message.reply_to {
        let said = if quote.text.is_empty() { "(message gone)".to_owned() } else { clean_line(&quote.text) };
        let text = shorten(&format!("┃ {}: {said}", clean_line(&quote.sender_name)), width.saturating_sub(3));
        lines.push(Line::from(vec![indent(), Span::styled(text, theme.quiet())]));
    }
    let style = if matches!(message.body, Body::Text { .. }) {
        Style::new()
    } else {
        theme.quiet().add_modifier(Modifier::ITALIC)
    };
    let mut body = wrap(&text::body(message), width.saturating_sub(8));
    let last = body.pop().unwrap_or_default();
    for line in body {
        lines.push(Line::from(vec![indent(), Span::styled(line, style)]));
    }
    let mut spans = vec![indent(), Span::styled(last, style)];
    if message.edited {
        spans.push(Span::styled(" (edited)", theme.quiet()));
    }
    if let Some(state) = message.state {
        spans.push(Span::raw(" "));
        spans.push(tick(state, theme));
    }
    lines.push(Line::from(spans));
    if !message.reactions.is_empty() {
        lines.push(Line::from(vec![indent(), Span::raw(reactions(message))]));
    }
    lines
}

fn tick(state: MessageState, theme: Theme) -> Span<'static> {
    match state {
        MessageState::Failed => Span::styled("✗ not sent: /retry", theme.bad()),
        MessageState::Read if theme.colour => Span::styled("✓✓", theme.good().add_modifier(Modifier::BOLD)),
        MessageState::Read => Span::raw("✓✓ read"),
        state => Span::styled(text::tick(state), theme.quiet()),
    }
}

fn reactions(message: &Message) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for reaction in &message.reactions {
        let emoji = clean_line(&reaction.emoji);
        match counts.iter_mut().find(|(known, _)| *known == emoji) {
            Some((_, count)) => *count += 1,
            None => counts.push((emoji, 1)),
        }
    }
    let shown =
        counts.into_iter().map(|(emoji, count)| if count == 1 { emoji } else { format!("{emoji} {count}") });
    shown.collect::<Vec<_>>().join("  ")
}

fn rule(word: &str, width: usize, style: Style) -> Line<'static> {
    let side = "─".repeat(width.saturating_sub(word.width() + 4) / 2);
    Line::styled(format!("{side} {word} {side}"), style).alignment(Alignment::Center)
}

fn draw_footer(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme, now_ms: u64) {
    let selected =
        app.open.as_ref().filter(|open| open.selected.is_some()).and_then(|open| open.target(|_| false));
    let completing = completions(app.composer.text());
    let line = match (&app.notice, selected) {
        (Some((sentence, bad, until)), _) if *until > now_ms => Line::styled(
            format!(" {}", clean_line(sentence)),
            if *bad { theme.bad() } else { theme.accent() },
        ),
        _ if app.focus == Focus::List => {
            Line::styled(" ↑↓ choose · Enter open · Esc back · F1 help · Ctrl-C end", theme.quiet())
        }
        (_, Some(message)) if !app.composer.text().starts_with('/') => {
            let own = if is_own_text(message) { " · e edit · d delete" } else { "" };
            let failed = if message.state == Some(MessageState::Failed) { " · t try again" } else { "" };
            Line::styled(format!(" Enter answer · + react{own}{failed} · i info · Esc back"), theme.quiet())
        }
        _ if !completing.is_empty() => {
            let help = |word: &&str| {
                COMMANDS
                    .iter()
                    .find(|(known, _, _)| known == word)
                    .map(|(word, args, what)| format!("/{word} {args}: {what}"))
            };
            let text = match completing.as_slice() {
                [one] => help(one).unwrap_or_default(),
                several => several.iter().map(|word| format!("/{word}")).collect::<Vec<_>>().join("  "),
            };
            Line::styled(format!(" {text}"), theme.quiet())
        }
        _ => Line::styled(" Enter send · ↑ choose a message · Esc chats · /help", theme.quiet()),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_overlay(frame: &mut Frame<'_>, area: Rect, overlay: &Overlay, theme: Theme) {
    let (title, lines) = match overlay {
        Overlay::Help => ("What can be done here".to_owned(), help_lines(theme)),
        Overlay::Lines(title, lines) => {
            (title.clone(), lines.iter().map(|line| Line::raw(line.clone())).collect())
        }
    };
    let wanted = lines.iter().map(Line::width).max().unwrap_or(0).max(title.width() + 2).max(20) as u16 + 4;
    let width = wanted.min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let block = Block::bordered()
        .title(format!(" {title} "))
        .title_bottom(Line::styled(" any key closes this ", theme.quiet()))
        .border_style(theme.quiet());
    let inner = block.inner(place);
    let padded = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    frame.render_widget(Paragraph::new(lines), padded);
}

fn help_lines(theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = COMMANDS
        .iter()
        .map(|(word, arguments, what)| {
            let typed = format!("/{word} {arguments}");
            Line::from(vec![Span::styled(format!("{typed:<22}"), theme.strong()), Span::raw(*what)])
        })
        .collect();
    lines.push(Line::default());
    lines.push(Line::raw("Alt-Enter begins a new line. ↑ chooses a message, PageUp shows older ones."));
    lines.push(Line::raw("… waiting   ✓ on the cell   ✓✓ received   ✓✓ in colour: read   ✗ not sent"));
    lines
}

#[cfg(test)]
mod tests {
    use mbolo_client_api::{Account, Reply, Update};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::app::Purpose;
    use super::super::conversation::tests::message;
    use super::*;

    const NOW: u64 = 1_700_000_100_000;

    fn chat(name: &str, unread: u32) -> Chat {
        Chat {
            room: format!("room of {name}"),
            kind: ChatKind::Group,
            name: name.into(),
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
        app.on_update(Update::Chat { chat: chat("Family", 0) }, NOW);
        app.go_to("room of Family".into());
        let messages = vec![message("a", 1, false, "mbolo"), message("b", 2, true, "hello \u{1b}[31mred")];
        let page = Reply::Messages { messages, more: false };
        app.on_reply(Purpose::Messages("room of Family".into()), Ok(page), NOW);
        app
    }

    fn screen(app: &mut App, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app, Theme { colour: false }, NOW)).unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(width as usize);
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
    }

    #[test]
    fn a_wide_screen_shows_the_list_beside_the_chat() {
        let shown = screen(&mut app(), 100, 20);
        assert!(shown.contains("Family") && shown.contains("mbolo") && shown.contains("You"), "{shown}");
        assert!(shown.contains("hello [31mred ✓"), "escape sequences do not reach the screen: {shown}");
    }

    #[test]
    fn a_narrow_screen_shows_one_of_them() {
        let mut app = app();
        assert!(screen(&mut app, 50, 20).contains("mbolo"));
        app.focus = Focus::List;
        assert!(!screen(&mut app, 50, 20).contains("hello"));
    }

    #[test]
    fn read_is_told_apart_without_colour() {
        let mut app = app();
        let mut read = message("b", 2, true, "hello");
        read.state = Some(MessageState::Read);
        app.on_update(Update::Message { room: "room of Family".into(), message: read }, NOW);
        assert!(screen(&mut app, 100, 20).contains("hello ✓✓ read"));
    }

    #[test]
    fn why_the_cell_does_not_answer_stands_below_the_header_on_any_width() {
        let mut app = app();
        app.diagnosis =
            Some("It is not you. Do not restart your router. Mbolo at c is not answering.".into());
        let wide = screen(&mut app, 100, 20);
        assert!(
            wide.contains("It is not you. Do not restart your router. Mbolo at c is not answering."),
            "{wide}"
        );
        let narrow = screen(&mut app, 40, 20);
        assert!(narrow.contains("It is not you.") && narrow.contains("answering."), "{narrow}");
        assert!(narrow.contains("mbolo"), "the chat is still there: {narrow}");
    }

    #[test]
    fn it_survives_any_size_of_terminal() {
        let mut app = app();
        app.on_update(
            Update::Chat { chat: chat("Another one with a very long name, really very long", 12) },
            NOW,
        );
        for (width, height) in [(1, 1), (2, 3), (5, 5), (20, 4), (76, 6), (77, 1), (300, 80)] {
            for focus in [Focus::List, Focus::Chat] {
                app.focus = focus;
                for overlay in [None, Some(Overlay::Help)] {
                    app.overlay = overlay;
                    screen(&mut app, width, height);
                }
            }
        }
    }
}

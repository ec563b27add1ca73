//! What one can type after a slash.

/// Every command with its arguments and what it does, in the order of `/help`.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("help", "", "what can be typed here"),
    ("chats", "", "choose a chat (also Esc or Ctrl-K)"),
    ("new", "@HANDLE", "begin a chat with someone, or go to it"),
    ("group", "NAME @HANDLE…", "make a group"),
    ("reply", "TEXT", "answer the selected message, or the newest of someone else"),
    ("react", "EMOJI", "react to it; without an emoji take the reaction back"),
    ("edit", "TEXT", "change the selected message of yours, or your newest"),
    ("delete", "", "take it back for everyone"),
    ("retry", "", "send a failed message again"),
    ("info", "", "who has received and read the message"),
    ("members", "", "who is in this chat"),
    ("add", "@HANDLE…", "add people to the group"),
    ("remove", "@HANDLE", "remove someone from the group"),
    ("promote", "@HANDLE", "make someone an admin"),
    ("demote", "@HANDLE", "take that back"),
    ("rename", "NAME", "rename the group"),
    ("leave", "", "leave the group"),
    ("quit", "", "end the program (also Ctrl-C)"),
];

/// A command as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Help,
    Chats,
    New { handle: String },
    Group { name: String, handles: Vec<String> },
    Reply { text: String },
    React { emoji: String },
    Edit { text: String },
    Delete,
    Retry,
    Info,
    Members,
    Add { handles: Vec<String> },
    Remove { who: String },
    Promote { who: String },
    Demote { who: String },
    Rename { name: String },
    Leave,
    Quit,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A text to send.
    Text(String),
    /// A command.
    Command(Command),
    /// Neither; the sentence says why.
    Wrong(String),
}

/// Reads a line. Two slashes at the beginning stand for one in a text.
pub fn read(line: &str) -> Line {
    if let Some(text) = line.strip_prefix("//") {
        return Line::Text(format!("/{text}"));
    }
    let Some(rest) = line.strip_prefix('/') else {
        return Line::Text(line.to_owned());
    };
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = argument.trim();
    let needs = |what: &str| Err(format!("/{word} needs {what}."));
    let some = |what: &str| if argument.is_empty() { needs(what) } else { Ok(argument.to_owned()) };
    let handles = || {
        let handles: Vec<String> =
            argument.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if handles.is_empty() { Err(format!("/{word} needs one or more handles.")) } else { Ok(handles) }
    };
    let command = match word {
        "help" | "?" => Ok(Command::Help),
        "chats" => Ok(Command::Chats),
        "new" | "chat" => some("a handle, such as @awa").map(|handle| Command::New { handle }),
        "group" => group(argument),
        "reply" | "r" => some("a text").map(|text| Command::Reply { text }),
        "react" => Ok(Command::React { emoji: argument.to_owned() }),
        "edit" => some("the new text").map(|text| Command::Edit { text }),
        "delete" => Ok(Command::Delete),
        "retry" => Ok(Command::Retry),
        "info" => Ok(Command::Info),
        "members" => Ok(Command::Members),
        "add" => handles().map(|handles| Command::Add { handles }),
        "remove" => some("a handle").map(|who| Command::Remove { who }),
        "promote" => some("a handle").map(|who| Command::Promote { who }),
        "demote" => some("a handle").map(|who| Command::Demote { who }),
        "rename" => some("the new name").map(|name| Command::Rename { name }),
        "leave" => Ok(Command::Leave),
        "quit" | "q" | "exit" => Ok(Command::Quit),
        _ => {
            Err(format!("There is no command /{word}; /help lists them. To send it as text, begin with //."))
        }
    };
    command.map_or_else(Line::Wrong, Line::Command)
}

/// The words that the beginning of a command can become.
pub fn completions(line: &str) -> Vec<&'static str> {
    match line.strip_prefix('/') {
        Some(start) if !start.contains(char::is_whitespace) && !start.starts_with('/') => {
            COMMANDS.iter().map(|(word, _, _)| *word).filter(|word| word.starts_with(start)).collect()
        }
        _ => Vec::new(),
    }
}

/// The name is what comes before the first `@`.
fn group(argument: &str) -> Result<Command, String> {
    let (name, rest) = argument.split_once('@').unwrap_or((argument, ""));
    let name = name.trim().trim_end_matches(',').to_owned();
    if name.is_empty() {
        return Err("/group needs a name, then handles: /group Family @awa @bibi".to_owned());
    }
    let handles = rest.split(['@', ' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Ok(Command::Group { name, handles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_people_type_them() {
        assert_eq!(read("/new @awa"), Line::Command(Command::New { handle: "@awa".into() }));
        assert_eq!(
            read("/group Our family @awa, @bibi"),
            Line::Command(Command::Group {
                name: "Our family".into(),
                handles: vec!["awa".into(), "bibi".into()]
            })
        );
        assert_eq!(read("/react"), Line::Command(Command::React { emoji: String::new() }));
        assert_eq!(read("mbolo /help"), Line::Text("mbolo /help".into()));
    }

    #[test]
    fn a_text_may_begin_with_a_slash() {
        assert_eq!(read("//etc/hosts"), Line::Text("/etc/hosts".into()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(matches!(read("/nwe"), Line::Wrong(why) if why.contains("/nwe")));
        assert!(matches!(read("/add "), Line::Wrong(why) if why.contains("handles")));
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (word, arguments, _) in COMMANDS {
            let line = if arguments.is_empty() { format!("/{word}") } else { format!("/{word} x @y") };
            assert!(matches!(read(&line), Line::Command(_)), "{line}");
        }
        assert_eq!(completions("/re"), ["reply", "react", "retry", "remove", "rename"]);
    }
}

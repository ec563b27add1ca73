//! What a page needs besides the board: who looks, when, in which language, and what they may send.

use mbolo_pulse::Problem;
use mbolo_pulse::board::{Board, Visitor};

use crate::address::Links;
use crate::texts::Language;

/// Everything one rendering depends on.
#[derive(Debug, Clone)]
pub struct PageContext<'a> {
    /// What there is to say.
    pub board: &'a Board,
    /// Where the reader is, as far as their address tells.
    pub visitor: &'a Visitor,
    /// Unix seconds.
    pub now: i64,
    /// The language of the page, see [`Language::negotiate`].
    pub language: Language,
    /// The reader chose the language by `?lang=`: links keep it.
    pub language_is_chosen: bool,
    /// `?theme=`; links keep it.
    pub theme: Theme,
    /// Where the observatory lives, `https://pulse.example.org`, without a slash at the end.
    pub base_url: &'a str,
    /// Lets a reader without scripts report and comment. None: the forms are left out and the page says why.
    pub report_form: Option<FormToken>,
    /// What the reader's last action came to.
    pub notice: Option<Notice>,
    /// Comments that were let through, newest first; the page shows at most 20, and fewer if they are long.
    pub comments: &'a [Comment],
    /// Announcements by e-mail are set up here.
    pub email_is_offered: bool,
    /// Where copies of the page are, on other hosts.
    pub copies: &'a [String],
    /// The page is a file on another host: what it links to is at the observatory.
    pub is_copy: bool,
}

impl PageContext<'_> {
    /// Whether the board is too old to be believed.
    pub fn is_stale(&self) -> bool {
        self.board.is_stale(self.now)
    }

    /// Whether no board was ever made: the observatory has just been started for the first time.
    pub(crate) fn is_starting(&self) -> bool {
        self.board.seq == 0
    }

    /// Links that keep what the reader chose.
    pub(crate) fn links(&self) -> Links<'_> {
        Links {
            base: if self.is_copy { self.base_url } else { "" },
            language: self.language_is_chosen.then_some(self.language),
            theme: self.theme,
        }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the device is set.
    #[default]
    Auto,
    /// Ink on paper.
    Light,
    /// Paper on ink.
    Dark,
}

impl Theme {
    /// From the value of `?theme=`; anything else is [`Theme::Auto`].
    pub fn from_query(value: &str) -> Self {
        match value {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    /// The value of `?theme=`, if the reader chose.
    pub fn as_query(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }
}

/// Goes into the hidden field `token` of every form: made and checked by the server, single use.
///
/// The buttons of a report carry one each, [`FormToken::of_problem`]: a server that keeps pages puts another token into its
/// place that says which problem it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormToken(pub String);

impl FormToken {
    /// What stands in the button of a problem.
    pub fn of_problem(&self, problem: Problem) -> String {
        format!("{}-{}", self.0, problem.as_str())
    }

    /// The problem, from what [`FormToken::of_problem`] adds to a token.
    pub fn problem(end: &str) -> Option<Problem> {
        end.strip_prefix('-')?.parse().ok()
    }
}

/// What the reader's last action came to, shown above the page. A server redirects a form to the page with `?notice=CODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The report counts.
    ReportThanks,
    /// This reader reported within the last 30 minutes: it counts once.
    ReportedBefore,
    /// Too much came from this place: reports, comments or addresses.
    TooMany,
    /// The form was too old, or had been sent before.
    FormExpired,
    /// The form came back faster than a person can press a button.
    TooSoon,
    /// The comment waits for a person to read it.
    CommentWaits,
    /// The comment was empty or too long.
    CommentRefused,
    /// A letter with a link is on its way to the address.
    SubscribeCheckMail,
    /// The address is confirmed.
    Subscribed,
    /// The address is forgotten.
    Unsubscribed,
    /// That is not an e-mail address.
    AddressRefused,
    /// The link of an e-mail leads to no subscription: it was used, is too old, or was never there.
    LinkUnknown,
    /// The collector could not keep it.
    NotStored,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ReportThanks,
        Self::ReportedBefore,
        Self::TooMany,
        Self::FormExpired,
        Self::TooSoon,
        Self::CommentWaits,
        Self::CommentRefused,
        Self::SubscribeCheckMail,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::AddressRefused,
        Self::LinkUnknown,
        Self::NotStored,
    ];

    /// The value of `?notice=`.
    pub fn code(self) -> &'static str {
        match self {
            Self::ReportThanks => "report-thanks",
            Self::ReportedBefore => "reported-before",
            Self::TooMany => "too-many",
            Self::FormExpired => "form-expired",
            Self::TooSoon => "too-soon",
            Self::CommentWaits => "comment-waits",
            Self::CommentRefused => "comment-refused",
            Self::SubscribeCheckMail => "subscribe-check-mail",
            Self::Subscribed => "subscribed",
            Self::Unsubscribed => "unsubscribed",
            Self::AddressRefused => "address-refused",
            Self::LinkUnknown => "link-unknown",
            Self::NotStored => "not-stored",
        }
    }

    /// From the value of `?notice=`.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.code() == code)
    }

    /// Whether what the reader wanted happened.
    pub fn is_success(self) -> bool {
        matches!(
            self,
            Self::ReportThanks
                | Self::ReportedBefore
                | Self::CommentWaits
                | Self::SubscribeCheckMail
                | Self::Subscribed
                | Self::Unsubscribed
        )
    }
}

/// What somebody wrote and a moderator let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Unix seconds.
    pub at: i64,
    /// As they called themselves, if they did.
    pub author: Option<String>,
    /// Where they wrote from, if known and public: a country's two letters.
    pub country: Option<mbolo_pulse::model::Country>,
    /// Plain text.
    pub text: String,
}

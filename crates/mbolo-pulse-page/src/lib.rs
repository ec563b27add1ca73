//! The observatory's face: page, badges, feeds and status documents.
//!
//! Every function here turns a [`Board`](mbolo_pulse::board::Board) and what is known of a visitor into text; nothing reads
//! a clock, a socket or a file. What is too old to be believed is shown grey and never green, in every form.
//!
//! [`page`] makes the HTML, [`feed`] Atom, RSS and JSON Feed, [`statuspage`] the documents that existing status clients
//! read, [`badge`] the SVG for other people's pages. [`address`] holds every path that the page links to, so that a server
//! can route them.

pub mod address;
pub mod badge;
mod chart;
mod context;
pub mod feed;
mod glyph;
mod map;
mod nearest;
pub mod page;
pub mod places;
#[doc(hidden)]
pub mod sample;
pub mod statuspage;
mod texts;
mod verdict;
mod when;
mod words;

pub use context::{Comment, FormToken, Notice, PageContext, Theme};
pub use nearest::{IsItMe, is_it_me, nearest_incident};
pub use page::{
    Draft, comment, confirm_page, content_security_policy, copy, end_page, home, how_we_know, incident,
    not_found, service, service_unavailable, subscribe,
};
pub use texts::{Language, Texts};

//! What the UI knows and decides, without a browser: every module here is data and pure functions.

pub mod chats;
pub mod divider;
pub mod draft;
pub mod events;
pub mod letters;
pub mod link;
pub mod linkify;
pub mod look;
pub mod names;
pub mod qr;
pub mod repeat;
pub mod route;
pub mod scroll;
pub mod timeline;
pub mod typing;

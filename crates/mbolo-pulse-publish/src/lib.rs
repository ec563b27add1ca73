//! How word gets out: announcements through an outbox, signed snapshots on several hosts.
//!
//! [`Publisher`] is the one entry point. It is given every new board ([`Publisher::note`]) and does the rest: it tells
//! people through the configured channels ([`announcements`]), puts signed copies of the board where they outlive this
//! host ([`snapshots`]), and watches other observatories, which watch this one.
//!
//! Nothing here reads a clock but [`Publisher::spawn`]'s own threads: `now` is an argument, in Unix seconds.

pub mod announcements;
pub mod config;
pub mod http;
mod publisher;
pub mod snapshots;
mod store;

pub use announcements::subscriptions::{
    EmailRequest, NewWebhook, SubscribeError, Subscription, SubscriptionKind, WebhookRequest,
};
pub use config::{ConfigError, PublishConfig};
pub use mbolo_pulse_page::Language;
pub use publisher::{Health, OpenError, Publisher, Running};
pub use snapshots::envelope::{Envelope, Reading, TrustedKeys, VerifyError, verify};
pub use snapshots::reader::{Newest, fetch_newest};
pub use store::StoreError;

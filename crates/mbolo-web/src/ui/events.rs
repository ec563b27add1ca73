//! What happened to a room, as a sentence.

use mbolo_client_api::{Member, RoomEvent};

use crate::texts::{t, t_with};

/// The sentence for an event that `by` caused.
pub fn sentence(event: &RoomEvent, by: &Member) -> String {
    let who = by.name.clone();
    let name = |member: &Member| if member.me { t("event-you") } else { member.name.clone() };
    let own = if by.me { "yes" } else { "no" };
    match event {
        RoomEvent::Created => t_with("event-created", &[("own", own.into()), ("who", who.into())]),
        RoomEvent::Added { members } => {
            let names = members.iter().map(name).collect::<Vec<_>>();
            t_with("event-added", &[("own", own.into()), ("who", who.into()), ("names", names.into())])
        }
        RoomEvent::Removed { member } => t_with(
            "event-removed",
            &[("own", own.into()), ("who", who.into()), ("name", name(member).into())],
        ),
        RoomEvent::Left => t_with("event-left", &[("own", own.into()), ("who", who.into())]),
        RoomEvent::Promoted { member } => t_with(
            "event-promoted",
            &[("own", own.into()), ("who", who.into()), ("name", name(member).into())],
        ),
        RoomEvent::Demoted { member } => t_with(
            "event-demoted",
            &[("own", own.into()), ("who", who.into()), ("name", name(member).into())],
        ),
        RoomEvent::Renamed { name } => t_with(
            "event-renamed",
            &[("own", own.into()), ("who", who.into()), ("name", name.clone().into())],
        ),
    }
}

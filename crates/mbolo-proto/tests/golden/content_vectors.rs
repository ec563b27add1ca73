//! Every message that members exchange inside the encryption.

use bytes::Bytes;
use mbolo_fuzz::Vector;
use mbolo_proto::content::{self, content::Body};

use crate::message;
use crate::story::*;

pub fn all() -> Vec<Vector> {
    macro_rules! each {
        ($($kind:ident: $about:literal, $value:expr;)*) => {
            vec![$(message::<content::$kind>(
                concat!("mbolo.content.v1.", stringify!($kind)),
                concat!("message/", stringify!($kind)),
                $about,
                &$value,
            ),)*]
        };
    }
    let mut vectors = bodies();
    vectors.extend(each! {
        MessageRef: "A message of Bakary's", message_ref();
        Text: "A text with a letter outside ASCII", text();
        Reaction: "A heart for Bakary's message", reaction();
        Edit: "The corrected text", edit();
        Delete: "Taken back", content::Delete { message_id: message_id() };
        Profile: "The sender's name", profile();
        RoomState: "The second name of the room", room_state();
        Resend: "Two entries that could not be read", resend();
        ReadMark: "Awa has read all up to here", read_mark();
        ReadPosition: "In one origin's log", read_position();
        EphemeralContent: "Awa is typing", ephemeral();
        Typing: "It is so", content::Typing { active: true };
        Sealed: "The outside of what is sealed with the exporter key of epoch 3", sealed();
    });
    vectors
}

fn bodies() -> Vec<Vector> {
    [
        ("text", "A text in answer to another, encrypted anew", Body::Text(text())),
        ("reaction", "A reaction", Body::Reaction(reaction())),
        ("edit", "A changed text", Body::Edit(edit())),
        ("delete", "A message taken back", Body::Delete(content::Delete { message_id: message_id() })),
        ("profile", "A name", Body::Profile(profile())),
        ("room_state", "A room's name", Body::RoomState(room_state())),
        ("resend", "A wish to get entries again", Body::Resend(resend())),
    ]
    .into_iter()
    .map(|(name, about, body)| {
        let content = content::Content {
            message_id: message_id(),
            sent_at_ms: NOW_MS,
            in_reply_to: matches!(body, Body::Text(_)).then(message_ref),
            resend_of: if matches!(body, Body::Text(_)) { vec![entry_id()] } else { vec![] },
            body: Some(body),
        };
        message("mbolo.content.v1.Content", &format!("content/{name}"), about, &content)
    })
    .collect()
}

fn entry_id() -> Bytes {
    Bytes::from_static(&[0xD0; 32])
}

fn text() -> content::Text {
    content::Text { body: "Mbolo, ça va ?".to_owned() }
}

fn reaction() -> content::Reaction {
    content::Reaction { target: Some(message_ref()), emoji: "❤️".to_owned() }
}

fn edit() -> content::Edit {
    content::Edit { message_id: message_id(), body: "Mbolo ! Ça va ?".to_owned() }
}

fn profile() -> content::Profile {
    content::Profile { name: "Awa Ndong".to_owned() }
}

fn room_state() -> content::RoomState {
    content::RoomState { version: 2, name: "Famille".to_owned() }
}

fn resend() -> content::Resend {
    content::Resend { entry_ids: vec![entry_id(), Bytes::from_static(&[0xD1; 32])] }
}

fn read_position() -> content::ReadPosition {
    content::ReadPosition { origin: origin().to_bytes(), seq: 300 }
}

fn read_mark() -> content::ReadMark {
    content::ReadMark { account_id: awa().to_bytes(), positions: vec![read_position()] }
}

fn ephemeral() -> content::EphemeralContent {
    let typing = content::ephemeral_content::Body::Typing(content::Typing { active: true });
    content::EphemeralContent { account_id: awa().to_bytes(), body: Some(typing) }
}

fn sealed() -> content::Sealed {
    content::Sealed {
        epoch: 3,
        nonce: Bytes::from_static(&[0xE0; 12]),
        ciphertext: opaque("<ChaCha20-Poly1305 ciphertext and tag>"),
    }
}

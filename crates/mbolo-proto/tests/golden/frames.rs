//! One vector for each thing that a device or a cell can say.

use mbolo_fuzz::Vector;
use mbolo_proto::wire::{self, client_frame as c, server_frame as s};

use crate::message;
use crate::messages as m;
use crate::story::*;

pub fn client() -> Vec<Vector> {
    use c::Body::*;
    let room_id = room().to_bytes();
    [
        ("register", "Awa makes an account with a proof of work", Register(m::register())),
        ("authenticate", "Awa's device opens a session", Authenticate(m::authenticate())),
        ("ping", "Are you there", Ping(wire::Ping {})),
        ("credit", "64 KiB more of feed pushes are welcome", Credit(m::credit())),
        ("subscribe", "The inbox from its start, a room from a position", Subscribe(m::subscribe())),
        ("publish", "An application message, the first after a refusal", Publish(m::publish())),
        ("put_marks", "All up to this position is stored here", PutMarks(m::put_marks())),
        ("put_read_mark", "An encrypted read mark", PutReadMark(m::put_read_mark())),
        ("ephemeral", "An encrypted ephemeral frame", Ephemeral(m::ephemeral())),
        ("create_room", "A room in epoch 0", CreateRoom(m::create_room())),
        ("submit_commit", "The commit that ends epoch 2", SubmitCommit(m::submit_commit())),
        ("get_join", "What the Welcome for epoch 3 needs", GetJoin(m::get_join())),
        (
            "get_group_info",
            "What an external commit needs",
            GetGroupInfo(wire::GetGroupInfo { room_id: room_id.clone() }),
        ),
        ("upload_key_packages", "New KeyPackages", UploadKeyPackages(m::upload_key_packages())),
        ("claim_key_packages", "One KeyPackage of each of Bakary's devices", ClaimKeyPackages(m::claim())),
        (
            "resolve_handle",
            "Who is bakary",
            ResolveHandle(wire::ResolveHandle { handle: "bakary".to_owned() }),
        ),
        (
            "get_account",
            "Bakary's handle and devices",
            GetAccount(wire::GetAccount { account_id: bakary().to_bytes() }),
        ),
        ("list_rooms", "Which rooms am I in", ListRooms(wire::ListRooms {})),
        ("get_marks", "Who has what in this room", GetMarks(wire::GetMarks { room_id })),
        ("set_handle", "Another handle", SetHandle(wire::SetHandle { handle: "awa.ndong".to_owned() })),
    ]
    .into_iter()
    .map(|(name, about, body)| {
        let frame = wire::ClientFrame { request_id: 7, body: Some(body) };
        message("mbolo.v1.ClientFrame", &format!("client_frame/{name}"), about, &frame)
    })
    .collect()
}

pub fn server() -> Vec<Vector> {
    use s::Body::*;
    let answers = [
        ("error", "Busy, with the time after which to try again", Error(m::error())),
        ("done", "It is done", Done(wire::Done {})),
        ("session_ready", "The session is open", SessionReady(m::session_ready())),
        ("pong", "I am here", Pong(wire::Pong { now_ms: NOW_MS })),
        ("subscribed", "One feed subscribed, one refused", Subscribed(m::subscribed())),
        ("published", "Stored under this position", Published(m::published())),
        ("commit_accepted", "The commit is decided", CommitAccepted(m::commit_accepted())),
        ("commit_stale", "Another commit was decided", CommitStale(m::commit_stale())),
        ("join", "What a joiner needs", Join(m::join())),
        ("room_group_info", "What an external commit needs", RoomGroupInfo(m::room_group_info())),
        ("key_package_count", "How many KeyPackages are left", KeyPackageCount(m::key_package_count())),
        ("key_packages", "One KeyPackage per device", KeyPackages(m::key_packages())),
        ("account", "An account with its devices", Account(m::account())),
        ("rooms", "The account's rooms", Rooms(m::rooms())),
    ];
    let pushes = [
        ("challenge", "The first frame on every connection", Challenge(m::challenge())),
        ("marks", "Delivered marks have moved", Marks(m::marks())),
        ("feed_push", "Two entries of one origin", FeedPush(m::feed_push())),
        ("read_mark_push", "Somebody's newest read mark", ReadMarkPush(m::read_mark_push())),
        ("ephemeral_push", "Somebody's ephemeral frame", EphemeralPush(m::ephemeral_push())),
        ("going_away", "The cell is shutting down", GoingAway(m::going_away())),
    ];
    let answers = answers.into_iter().map(|(name, about, body)| (7, name, about, body));
    let pushes = pushes.into_iter().map(|(name, about, body)| (0, name, about, body));
    answers
        .chain(pushes)
        .map(|(request_id, name, about, body)| {
            let frame = wire::ServerFrame { request_id, body: Some(body) };
            message("mbolo.v1.ServerFrame", &format!("server_frame/{name}"), about, &frame)
        })
        .collect()
}

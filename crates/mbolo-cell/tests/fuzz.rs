//! A device with a valid session that says anything at all.
//!
//! Whatever it says, it gets exactly one answer to each request or is shown the door, the store stays sound, and
//! the person beside it is served as before.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "cell/crypto.rs"]
mod crypto;
#[path = "cell/desk.rs"]
mod desk;
#[path = "cell/device.rs"]
mod device;

use bytes::Bytes;
use mbolo_cell::{Event, SessionId};
use mbolo_fuzz::{mutate_fields, run};
use mbolo_proto::policy::Policy;
use mbolo_proto::wire::{self, ClientFrame};
use mbolo_proto::{FeedId, RoomId, VersionVector, decode_client_frame, encode_frame};

use desk::{Answer, Desk, Request};
use device::Device;

/// A cell with two people in one group.
struct World {
    desk: Desk,
    awa: Device,
    bakary: Device,
    room: RoomId,
}

impl World {
    fn new() -> Self {
        let mut desk = Desk::new();
        let mut awa = Device::signed_up(&mut desk, 1, "awa");
        let mut bakary = Device::signed_up(&mut desk, 2, "bakary");
        bakary.upload(&mut desk, 2);
        let room = awa.create_group(&mut desk, 9);
        awa.add(&mut desk, room, &mut [&mut bakary]);
        bakary.follow_from_end(&mut desk, room);
        Self { desk, awa, bakary, room }
    }

    /// Requests that would all be answered well.
    fn sound_requests(&mut self) -> Vec<Vec<u8>> {
        let room_id = self.room.to_bytes();
        let feeds = [FeedId::Room(self.room), FeedId::Inbox(self.awa.account)]
            .map(|feed| wire::FeedPosition { feed: Some(feed.into()), after: None });
        let delivered: VersionVector = [(desk::origin(), 1)].into_iter().collect();
        let mark = wire::RoomMark { room_id: room_id.clone(), delivered: Some((&delivered).into()) };
        let payload = Bytes::from_static(b"sealed");
        let key_packages = vec![self.awa.key_package(false)];
        let last_resort = vec![self.awa.key_package(true)];
        let bakary = self.bakary.account.to_bytes();
        let connection = self.desk.connect();
        let register = self.awa.register(&connection, "awa");
        let new_room = self.awa.new_room(RoomId([10; 32]), &Policy::Group { admins: vec![self.awa.account] });
        let commit = self.awa.commit_update(self.room).submit();
        [
            Request::Ping(wire::Ping {}),
            Request::Credit(wire::Credit { bytes: 65_536 }),
            Request::Subscribe(wire::Subscribe { feeds: feeds.into() }),
            Device::publish(self.room, b"ciphertext"),
            Request::PutMarks(wire::PutMarks { marks: vec![mark] }),
            Request::PutReadMark(wire::PutReadMark { room_id: room_id.clone(), payload: payload.clone() }),
            Request::Ephemeral(wire::Ephemeral { room_id: room_id.clone(), payload }),
            new_room,
            commit,
            Request::GetJoin(wire::GetJoin { room_id: room_id.clone(), epoch: 1 }),
            Request::GetGroupInfo(wire::GetGroupInfo { room_id: room_id.clone() }),
            Request::UploadKeyPackages(wire::UploadKeyPackages { key_packages, last_resort }),
            Request::ClaimKeyPackages(wire::ClaimKeyPackages { account_id: bakary.clone(), cipher_suite: 3 }),
            Request::ResolveHandle(wire::ResolveHandle { handle: "bakary".into() }),
            Request::GetAccount(wire::GetAccount { account_id: bakary }),
            Request::ListRooms(wire::ListRooms {}),
            Request::GetMarks(wire::GetMarks { room_id }),
            Request::SetHandle(wire::SetHandle { handle: "awa.ndong".into() }),
            register,
        ]
        .map(|body| encode_frame(&ClientFrame { request_id: 7, body: Some(body) }).to_vec())
        .into()
    }

    /// Lets Awa's device send these bytes, and checks what she gets for it.
    fn say(&mut self, bytes: &[u8]) {
        let session = self.awa.session;
        let frame = decode_client_frame(Bytes::copy_from_slice(bytes));
        let asked = matches!(&frame, Ok(frame) if frame.request_id > 0);
        let silent = matches!(&frame, Ok(frame) if is_silent(frame));
        self.desk.queue(match frame {
            Ok(frame) => Event::Frame { session: SessionId(session), frame },
            Err(error) => Event::Malformed { session: SessionId(session), error },
        });
        self.desk.now_ms += 20;
        self.desk.settle();
        assert!(self.desk.stats().fatal.is_none(), "the cell takes its store for damaged");
        let received = self.desk.received.remove(&session).unwrap_or_default();
        let answers = received.iter().filter(|frame| frame.request_id > 0).count();
        if self.desk.closed.contains(&session) {
            assert!(answers <= 1, "one answer at most");
            self.awa.come_back(&mut self.desk);
        } else {
            assert!(answers == usize::from(asked) || (silent && answers == 0), "an answer to each request");
        }
        self.desk.received.clear();
        self.desk.trace.clear();
    }

    /// Bakary, who did nothing, publishes and is answered.
    fn check_the_bystander(&mut self) {
        self.desk.now_ms += 1_000;
        let request = Device::publish(self.room, &self.desk.now_ms.to_be_bytes());
        match self.desk.call(self.bakary.session, request) {
            Answer::Published(_) => {}
            other => panic!("the person beside is not served: {other:?}"),
        }
    }
}

/// Frames that are answered only when they are refused.
fn is_silent(frame: &ClientFrame) -> bool {
    use wire::client_frame::Body::{Credit, Ephemeral, PutMarks, PutReadMark};
    matches!(frame.body, Some(Credit(_) | PutMarks(_) | PutReadMark(_) | Ephemeral(_)))
}

#[test]
fn a_device_that_says_anything() {
    let mut world = World::new();
    let corpus = world.sound_requests();
    let mut cases = 0u64;
    run("a device that says anything", &corpus, mutate_fields, 4_000, |bytes| {
        world.say(bytes);
        cases += 1;
        if cases.is_multiple_of(1_000) {
            world.check_the_bystander();
        }
        if cases.is_multiple_of(20_000) {
            // What it had stored would fill the memory of a long run.
            world = World::new();
        }
    });
    world.check_the_bystander();
}

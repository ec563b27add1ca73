//! Rooms and their commits. Names that begin with a letter and a number are rules of `ordering.md`.

use mbolo_proto::policy::Policy;
use mbolo_proto::signing::{bundle_hash, verify};
use mbolo_proto::wire::{self, ErrorCode};
use mbolo_proto::{FeedId, Origin, RoomId, VersionVector};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use prost::Message;

use crate::desk::{Answer, Desk, Request, code, origin};
use crate::device::{Device, POST_QUANTUM, Pending, extensions_with};

/// Awa and Ben, each with KeyPackages, and Awa's group with Ben in it.
fn group_of_two(desk: &mut Desk) -> (Device, Device, RoomId) {
    let (mut awa, mut ben) = two_people(desk);
    let room = awa.create_group(desk, 50);
    awa.add(desk, room, &mut [&mut ben]);
    (awa, ben, room)
}

fn two_people(desk: &mut Desk) -> (Device, Device) {
    let awa = Device::signed_up(desk, 1, "awa");
    let ben = Device::signed_up(desk, 2, "ben");
    awa.upload(desk, 5);
    ben.upload(desk, 5);
    (awa, ben)
}

fn rooms(desk: &mut Desk, device: &Device) -> Vec<wire::RoomSummary> {
    match desk.call(device.session, Request::ListRooms(wire::ListRooms {})) {
        Answer::Rooms(rooms) => rooms.rooms,
        other => panic!("{other:?}"),
    }
}

fn refused(desk: &mut Desk, device: &Device, pending: &Pending) -> wire::Error {
    desk.refusal(device.session, pending.submit())
}

fn stale(desk: &mut Desk, device: &Device, pending: &Pending) -> Vec<wire::Entry> {
    match desk.call(device.session, pending.submit()) {
        Answer::CommitStale(stale) => stale.decided,
        other => panic!("not stale but {other:?}"),
    }
}

#[test]
fn a_room_begins_with_its_creator_and_creating_it_again_changes_nothing() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let mut ben = Device::signed_up(&mut desk, 2, "ben");
    let room = RoomId([50; 32]);
    let create = awa.new_room(room, &Policy::Group { admins: vec![awa.account] });
    for _ in 0..2 {
        assert_eq!(desk.call(awa.session, create.clone()), Answer::Done(wire::Done {}));
    }
    let listed = rooms(&mut desk, &awa);
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].epoch, listed[0].accounts, listed[0].kind()), (0, 1, wire::RoomKind::Group));
    assert_eq!(code(&desk.refusal(ben.session, create)), ErrorCode::AlreadyExists);
    let other = ben.new_room(room, &Policy::Group { admins: vec![ben.account] });
    assert_eq!(code(&desk.refusal(ben.session, other)), ErrorCode::AlreadyExists);
}

#[test]
fn a_room_that_breaks_a_rule_is_not_made() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let not_admin = awa.new_room(RoomId([1; 32]), &Policy::Group { admins: vec![ben.account] });
    assert_eq!(code(&desk.refusal(awa.session, not_admin)), ErrorCode::InvalidCommit);
    let mut participants = [awa.account, ben.account];
    participants.sort();
    let wrong_id = awa.new_room(RoomId([2; 32]), &Policy::Direct { participants });
    assert_eq!(code(&desk.refusal(awa.session, wrong_id)), ErrorCode::InvalidCommit);
    let good = awa.new_room(RoomId([3; 32]), &Policy::Group { admins: vec![awa.account] });
    assert_eq!(code(&desk.refusal(ben.session, good.clone())), ErrorCode::InvalidCommit, "not its creator");
    let Request::CreateRoom(good) = good else { unreachable!() };
    for broken in [
        wire::CreateRoom { room_id: vec![4; 32].into(), ..good.clone() },
        wire::CreateRoom { group_info: vec![1, 2, 3].into(), ..good.clone() },
        wire::CreateRoom { ratchet_tree: vec![0xFF; 40].into(), ..good.clone() },
    ] {
        let error = desk.refusal(awa.session, Request::CreateRoom(broken));
        assert_eq!(code(&error), ErrorCode::InvalidCommit);
    }
    assert!(rooms(&mut desk, &awa).is_empty());
}

#[test]
fn somebody_is_added_and_joins_with_the_welcome() {
    for suite in [crate::device::SUITE, POST_QUANTUM] {
        let mut desk = Desk::new();
        let mut awa = Device::signed_up(&mut desk, 1, "awa");
        let mut ben = Device::signed_up(&mut desk, 2, "ben");
        awa.suite = suite;
        ben.suite = suite;
        ben.upload(&mut desk, 1);
        ben.subscribe(&mut desk, FeedId::Inbox(ben.account), &VersionVector::new());
        let room = awa.create_group(&mut desk, 50);
        awa.say(&mut desk, room, b"alone");
        let packages = awa.claim(&mut desk, ben.account);
        let pending = awa.commit_adding(room, packages);
        awa.decide(&mut desk, &pending);

        let inbox = desk.payloads(ben.session);
        let [item] = inbox.as_slice() else { panic!("one notice, not {inbox:?}") };
        let item = wire::InboxItem::decode(item.as_slice()).unwrap();
        let Some(wire::inbox_item::Item::Welcome(notice)) = item.item else { panic!("{item:?}") };
        assert_eq!((notice.room_id, notice.epoch), (room.to_bytes(), 1));

        let join = ben.join(&mut desk, room, notice.epoch);
        assert_eq!(awa.authenticator(room), ben.authenticator(room));
        let start = VersionVector::try_from(join.start.as_ref()).unwrap();
        assert_eq!(start, [(origin(), 1), (Origin::COMMITS, 1)].into_iter().collect());
        let listed = rooms(&mut desk, &ben);
        assert_eq!((listed[0].epoch, listed[0].accounts), (1, 2));
    }
}

#[test]
fn k4_a_receipt_names_the_bundle_and_the_one_before() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let one = awa.commit_update(room);
    let first = awa.decide(&mut desk, &one);
    let other = awa.commit_update(room);
    let second = awa.decide(&mut desk, &other);
    assert_eq!(*first.hash, bundle_hash(&one.bundle.encode_to_vec()));
    assert_eq!(second.parent, first.hash);
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_eq!(second.votes.len(), 1);
    assert!(verify(&origin().0, b"anything else", &second.votes[0].signature).is_err());
}

#[test]
fn c2_a_commit_for_a_closed_epoch_is_answered_with_what_was_decided() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let (mine, theirs) = (awa.commit_update(room), ben.commit_update(room));
    awa.decide(&mut desk, &mine);
    let next = awa.commit_update(room);
    awa.decide(&mut desk, &next);
    let decided = stale(&mut desk, &ben, &theirs);
    assert_eq!(decided.len(), 2);
    ben.groups
        .get_mut(&room)
        .unwrap()
        .clear_pending_commit(openmls_traits::OpenMlsProvider::storage(&ben.provider))
        .unwrap();
    for entry in decided {
        assert_eq!(entry.kind(), wire::EntryKind::Commit);
        ben.follow_commit(room, &entry.payload);
    }
    assert_eq!(awa.authenticator(room), ben.authenticator(room));
    // The intent is built anew and goes through.
    let again = ben.commit_update(room);
    ben.decide(&mut desk, &again);
}

#[test]
fn c2_a_commit_for_a_later_epoch_is_told_that_the_cell_is_behind() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let pending = awa.commit_update(room);
    let error = refused(&mut desk, &awa, &Pending { epoch: 2, ..pending });
    assert_eq!(code(&error), ErrorCode::InvalidCommit);
    assert!(error.message.contains("behind"), "{}", error.message);
}

#[test]
fn c7_of_two_commits_at_once_one_wins() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let (mine, theirs) = (awa.commit_update(room), ben.commit_update(room));
    let first = desk.post(ben.session, theirs.submit());
    let second = desk.post(awa.session, mine.submit());
    desk.run(); // one batch
    assert!(matches!(desk.answer_to(ben.session, first), Some(Answer::CommitAccepted(_))));
    let Some(Answer::CommitStale(stale)) = desk.answer_to(awa.session, second) else { panic!("both won") };
    let decided = wire::DecidedCommit::decode(stale.decided[0].payload.clone()).unwrap();
    assert_eq!(decided.bundle, theirs.bundle.encode_to_vec());
}

#[test]
fn k2_the_same_bundle_again_gets_the_same_receipt() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let pending = awa.commit_update(room);
    let receipt = awa.decide(&mut desk, &pending);
    desk.restart();
    awa.come_back(&mut desk);
    match desk.call(awa.session, pending.submit()) {
        Answer::CommitAccepted(again) => assert_eq!(again.receipt, Some(receipt)),
        other => panic!("{other:?}"),
    }
    assert_eq!(rooms(&mut desk, &awa)[0].epoch, 2);
}

#[test]
fn c4_an_invalid_commit_is_refused_and_the_room_goes_on() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let good = awa.commit_update(room);
    let broken = |change: &dyn Fn(&mut wire::CommitBundle)| {
        let mut bundle = good.bundle.clone();
        change(&mut bundle);
        Pending { bundle, ..good }
    };
    let mut flipped = good.bundle.commit.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let foreign = ben.key_package(false);
    for (what, pending) in [
        ("garbage", broken(&|bundle| bundle.commit = vec![1, 2, 3].into())),
        ("a changed byte", broken(&|bundle| bundle.commit = flipped.clone().into())),
        ("no GroupInfo", broken(&|bundle| bundle.group_info = Default::default())),
        ("a Welcome for nobody", broken(&|bundle| bundle.welcome = vec![0; 50].into())),
        ("something else as GroupInfo", broken(&|bundle| bundle.group_info = foreign.clone())),
        ("a proposal that is none", broken(&|bundle| bundle.proposals = vec![vec![7; 9].into()])),
    ] {
        let error = refused(&mut desk, &awa, &pending);
        assert_eq!(code(&error), ErrorCode::InvalidCommit, "{what}: {}", error.message);
    }
    assert_eq!(desk.stats().commits_invalid, 6);
    awa.decide(&mut desk, &good);
    assert_eq!(desk.stats().commits_accepted, 2);
    ben.groups.clear();
}

#[test]
fn c4_a_group_info_of_another_epoch_is_refused() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let first = awa.commit_update(room);
    awa.decide(&mut desk, &first);
    let mut second = awa.commit_update(room);
    second.bundle.group_info = first.bundle.group_info;
    assert_eq!(code(&refused(&mut desk, &awa, &second)), ErrorCode::InvalidCommit);
}

#[test]
fn c4_who_is_no_admin_adds_and_removes_nobody() {
    let mut desk = Desk::new();
    let (awa, mut ben, room) = group_of_two(&mut desk);
    let cyd = Device::signed_up(&mut desk, 3, "cyd");
    cyd.upload(&mut desk, 1);
    let packages = ben.claim(&mut desk, cyd.account);
    let pending = ben.commit_adding(room, packages);
    let error = refused(&mut desk, &ben, &pending);
    assert_eq!(code(&error), ErrorCode::InvalidCommit);
    assert!(error.message.contains("admin"), "{}", error.message);
    ben.groups
        .get_mut(&room)
        .unwrap()
        .clear_pending_commit(openmls_traits::OpenMlsProvider::storage(&ben.provider))
        .unwrap();
    let pending = ben.commit_removing(room, awa.account);
    assert_eq!(code(&refused(&mut desk, &ben, &pending)), ErrorCode::InvalidCommit);
}

#[test]
fn c4_the_ordering_set_stays_as_it_is() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let policy = Policy::Group { admins: vec![awa.account] };
    let set = wire::OrderingSet { vote_keys: vec![vec![9; 32].into()] };
    let extensions = extensions_with(&policy, &set);
    let pending = awa.commit(room, |builder| builder.propose_group_context_extensions(extensions).unwrap());
    let error = refused(&mut desk, &awa, &pending);
    assert_eq!(code(&error), ErrorCode::InvalidCommit);
    assert!(error.message.contains("ordering set"), "{}", error.message);
}

#[test]
fn a_promoted_member_may_add() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let mut admins = vec![awa.account, ben.account];
    admins.sort();
    let promotion = awa.commit_policy(room, &Policy::Group { admins });
    awa.decide(&mut desk, &promotion);
    desk.restart(); // the policy is stored, not only remembered
    awa.come_back(&mut desk);
    ben.come_back(&mut desk);
    ben.subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    desk.settle();
    let entries = desk.entries(ben.session);
    let (_, seq, payload) = entries.last().unwrap();
    assert_eq!(*seq, 2);
    ben.follow_commit(room, payload);
    let mut cyd = Device::signed_up(&mut desk, 3, "cyd");
    cyd.upload(&mut desk, 1);
    ben.add(&mut desk, room, &mut [&mut cyd]);
    assert_eq!(cyd.authenticator(room), ben.authenticator(room));
}

#[test]
fn a_removed_member_gets_the_commit_that_removes_it_and_nothing_after() {
    let mut desk = Desk::new();
    let (mut awa, ben, room) = group_of_two(&mut desk);
    ben.follow_from_end(&mut desk, room);
    let removal = awa.commit_removing(room, ben.account);
    // One batch: a message, the removal, another message.
    desk.post(awa.session, Device::publish(room, b"before"));
    desk.post(awa.session, removal.submit());
    desk.post(awa.session, Device::publish(room, b"after"));
    desk.settle();
    let entries = desk.entries(ben.session);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0].2, b"before");
    assert_eq!((entries[1].0, entries[1].1), (Origin::COMMITS, 2));
    awa.say(&mut desk, room, b"much later");
    assert!(desk.entries(ben.session).is_empty());
    assert_eq!(code(&desk.refusal(ben.session, Device::publish(room, b"no"))), ErrorCode::NotAMember);
    assert!(rooms(&mut desk, &ben).is_empty());
}

#[test]
fn a_member_removed_while_it_was_away_learns_it_when_it_comes_back() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let late = ben.commit_update(room);
    desk.disconnect(ben.session);
    awa.say(&mut desk, room, b"before");
    let removal = awa.commit_removing(room, ben.account);
    awa.decide(&mut desk, &removal);
    awa.say(&mut desk, room, b"after");
    desk.restart();
    ben.come_back(&mut desk);
    let head = ben.subscribe(&mut desk, FeedId::Room(room), &VersionVector::new());
    assert_eq!(head.refused, 0);
    let entries = desk.entries(ben.session);
    assert_eq!(entries.iter().map(|e| (e.0, e.1)).collect::<Vec<_>>(), [(origin(), 1), (Origin::COMMITS, 2)]);
    assert_eq!(stale(&mut desk, &ben, &late).len(), 1);
}

#[test]
fn a_member_that_lost_its_state_comes_back_by_an_external_commit() {
    let mut desk = Desk::new();
    let (awa, mut ben, room) = group_of_two(&mut desk);
    ben.groups.clear();
    let mut fresh = Device { session: ben.session, ..Device::new(2, 1) };
    let pending = fresh.join_externally(&mut desk, room);
    match desk.call(fresh.session, pending.submit()) {
        Answer::CommitAccepted(accepted) => assert_eq!(accepted.receipt.unwrap().epoch, 1),
        other => panic!("{other:?}"),
    }
    let listed = rooms(&mut desk, &awa);
    assert_eq!((listed[0].epoch, listed[0].accounts), (2, 2));
    // Who is no member does not come in that way.
    let cyd = Device::signed_up(&mut desk, 3, "cyd");
    let get = Request::GetGroupInfo(wire::GetGroupInfo { room_id: room.to_bytes() });
    assert_eq!(code(&desk.refusal(cyd.session, get.clone())), ErrorCode::NotAMember);
    let Answer::RoomGroupInfo(info) = desk.call(awa.session, get) else { panic!("no GroupInfo") };
    let mut cyd = cyd;
    let pending = cyd.external_commit(room, &info);
    assert_eq!(code(&refused(&mut desk, &cyd, &pending)), ErrorCode::NotAMember);
    assert_eq!(code(&refused(&mut desk, &awa, &pending)), ErrorCode::InvalidCommit, "nor through a friend");
}

#[test]
fn the_other_half_of_a_direct_room_joins_even_if_its_invitation_got_lost() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let mut ben = Device::signed_up(&mut desk, 2, "ben");
    let mut participants = [awa.account, ben.account];
    participants.sort();
    let room = RoomId::direct(awa.account, ben.account);
    let create = awa.new_room(room, &Policy::Direct { participants });
    assert_eq!(desk.call(awa.session, create), Answer::Done(wire::Done {}));
    let theirs = ben.new_room(room, &Policy::Direct { participants });
    assert_eq!(code(&desk.refusal(ben.session, theirs)), ErrorCode::AlreadyExists);
    ben.groups.clear();
    let mut fresh = Device { session: ben.session, ..Device::new(2, 1) };
    let pending = fresh.join_externally(&mut desk, room);
    assert!(matches!(desk.call(fresh.session, pending.submit()), Answer::CommitAccepted(_)));
    fresh.say(&mut desk, room, b"hello");
    assert_eq!(rooms(&mut desk, &fresh)[0].kind(), wire::RoomKind::Direct);
}

#[test]
fn a_further_device_of_a_member_is_added_and_its_account_counts_once() {
    let mut desk = Desk::new();
    let (mut awa, _ben, room) = group_of_two(&mut desk);
    let mut laptop = Device::new(1, 2);
    let connection = desk.connect();
    desk.call(connection.session, laptop.register(&connection, ""));
    laptop.authenticate(&mut desk, connection);
    laptop.upload(&mut desk, 1);
    awa.add(&mut desk, room, &mut [&mut laptop]);
    assert_eq!(laptop.authenticator(room), awa.authenticator(room));
    assert_eq!(rooms(&mut desk, &awa)[0].accounts, 2);
}

#[test]
fn a_member_leaves_by_a_proposal_that_another_commits() {
    let mut desk = Desk::new();
    let (mut awa, mut ben, room) = group_of_two(&mut desk);
    let signer = ben.signer();
    let group = ben.groups.get_mut(&room).unwrap();
    let proposal = group.leave_group(&ben.provider, &signer).unwrap();
    let proposal: bytes::Bytes = proposal.tls_serialize_detached().unwrap().into();
    let message = openmls::prelude::MlsMessageIn::tls_deserialize_exact(&proposal).unwrap();
    let group = awa.groups.get_mut(&room).unwrap();
    let processed =
        group.process_message(&awa.provider, message.try_into_protocol_message().unwrap()).unwrap();
    let openmls::prelude::ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
        panic!("not a proposal")
    };
    group.store_pending_proposal(openmls_traits::OpenMlsProvider::storage(&awa.provider), *queued).unwrap();
    let mut pending = awa.commit(room, |builder| builder);
    let without = Pending { bundle: pending.bundle.clone(), ..pending };
    assert_eq!(
        code(&refused(&mut desk, &awa, &without)),
        ErrorCode::InvalidCommit,
        "the proposal is missing"
    );
    pending.bundle.proposals = vec![proposal];
    awa.decide(&mut desk, &pending);
    assert_eq!(rooms(&mut desk, &awa)[0].accounts, 1);
    assert!(rooms(&mut desk, &ben).is_empty());
}

#[test]
fn an_account_that_is_not_on_this_cell_is_not_added() {
    let mut desk = Desk::new();
    let (mut awa, _) = two_people(&mut desk);
    let room = awa.create_group(&mut desk, 50);
    let stranger = Device::new(9, 1);
    let package = awa.read_key_package(&stranger.key_package(false));
    let pending = awa.commit_adding(room, vec![package]);
    let error = refused(&mut desk, &awa, &pending);
    assert_eq!(code(&error), ErrorCode::InvalidCommit);
    assert!(error.message.contains("not on this cell"), "{}", error.message);
}

#[test]
fn a_welcome_is_not_there_before_its_commit_nor_for_others() {
    let mut desk = Desk::new();
    let (mut awa, ben) = two_people(&mut desk);
    let cyd = Device::signed_up(&mut desk, 3, "cyd");
    let room = awa.create_group(&mut desk, 50);
    let get = |epoch| Request::GetJoin(wire::GetJoin { room_id: room.to_bytes(), epoch });
    assert_eq!(code(&desk.refusal(ben.session, get(1))), ErrorCode::NotAMember);
    let packages = awa.claim(&mut desk, ben.account);
    let pending = awa.commit_adding(room, packages);
    awa.decide(&mut desk, &pending);
    assert!(matches!(desk.call(ben.session, get(1)), Answer::Join(_)));
    assert_eq!(code(&desk.refusal(ben.session, get(2))), ErrorCode::NotFound);
    assert_eq!(code(&desk.refusal(cyd.session, get(1))), ErrorCode::NotAMember);
}

#[test]
fn many_are_added_in_one_commit_and_a_room_survives_a_restart_between_commits() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let room = awa.create_group(&mut desk, 50);
    let mut people: Vec<Device> =
        (2..12).map(|n| Device::signed_up(&mut desk, n, &format!("person{n}"))).collect();
    for person in &people {
        person.upload(&mut desk, 1);
    }
    let mut added: Vec<&mut Device> = people.iter_mut().collect();
    awa.add(&mut desk, room, &mut added);
    desk.restart();
    awa.come_back(&mut desk);
    let removal = awa.commit_removing(room, people[0].account);
    awa.decide(&mut desk, &removal);
    assert_eq!(rooms(&mut desk, &awa)[0].accounts, 10);
    for person in people.iter_mut().skip(1) {
        person.follow_commit(
            room,
            &wire::DecidedCommit { receipt: None, bundle: removal.bundle.encode_to_vec().into() }
                .with_receipt(&mut desk, &awa, &removal),
        );
        assert_eq!(person.authenticator(room), awa.authenticator(room));
    }
}

trait WithReceipt {
    fn with_receipt(self, desk: &mut Desk, device: &Device, pending: &Pending) -> Vec<u8>;
}

impl WithReceipt for wire::DecidedCommit {
    /// The decided entry of a commit, from the receipt that the cell gives again.
    fn with_receipt(mut self, desk: &mut Desk, device: &Device, pending: &Pending) -> Vec<u8> {
        if let Answer::CommitAccepted(accepted) = desk.call(device.session, pending.submit()) {
            self.receipt = accepted.receipt;
        }
        self.encode_to_vec()
    }
}

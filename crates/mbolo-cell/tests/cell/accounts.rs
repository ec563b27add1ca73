//! Sign-up policy, handles, devices and KeyPackages.

use mbolo_cell::invite;
use mbolo_proto::signing::{find_pow, sign};
use mbolo_proto::wire::{self, ErrorCode};
use openmls::prelude::Lifetime;

use crate::desk::{Answer, Desk, Request, code};
use crate::device::{Device, POST_QUANTUM, nonce};

fn registration(request: Request) -> wire::Register {
    match request {
        Request::Register(register) => register,
        other => panic!("no registration but {other:?}"),
    }
}

#[test]
fn a_handle_belongs_to_the_first_who_takes_it() {
    let mut desk = Desk::new();
    Device::signed_up(&mut desk, 1, "awa");
    let connection = desk.connect();
    let error = desk.refusal(connection.session, Device::new(2, 1).register(&connection, "awa"));
    assert_eq!(code(&error), ErrorCode::HandleTaken);
}

#[test]
fn a_handle_of_look_alike_letters_is_refused() {
    let mut desk = Desk::new();
    for handle in ["аwa", "ab", "has space", "x..y", "1abc"] {
        let connection = desk.connect();
        let error = desk.refusal(connection.session, Device::new(2, 1).register(&connection, handle));
        assert_eq!(code(&error), ErrorCode::HandleInvalid, "{handle}");
    }
}

#[test]
fn two_who_want_one_handle_in_the_same_batch_do_not_both_get_it() {
    let mut desk = Desk::new();
    let (one, other) = (desk.connect(), desk.connect());
    let first = desk.post(one.session, Device::new(1, 1).register(&one, "awa"));
    let second = desk.post(other.session, Device::new(2, 1).register(&other, "awa"));
    desk.run();
    assert_eq!(desk.answer_to(one.session, first), Some(Answer::Done(wire::Done {})));
    match desk.answer_to(other.session, second) {
        Some(Answer::Error(error)) => assert_eq!(code(&error), ErrorCode::HandleTaken),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_handle_frees_the_old_one() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let set = |handle: &str| Request::SetHandle(wire::SetHandle { handle: handle.into() });
    assert_eq!(code(&desk.refusal(ben.session, set("awa"))), ErrorCode::HandleTaken);
    assert_eq!(desk.call(awa.session, set("awa.n")), Answer::Done(wire::Done {}));
    assert_eq!(desk.call(ben.session, set("awa")), Answer::Done(wire::Done {}));
    let resolve = |handle: &str| Request::ResolveHandle(wire::ResolveHandle { handle: handle.into() });
    match desk.call(ben.session, resolve("AWA.N")) {
        Answer::Account(account) => assert_eq!(*account.account_id, awa.account.0),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(&desk.refusal(ben.session, resolve("ben"))), ErrorCode::NotFound);
    desk.restart();
    let mut ben = ben;
    assert_eq!(ben.come_back(&mut desk).handle, "awa");
}

#[test]
fn sign_up_costs_work_that_is_bound_to_the_connection() {
    let mut desk = Desk::with(|config| config.pow_bits = 8);
    let awa = Device::new(1, 1);
    let connection = desk.connect();
    let right = find_pow(&nonce(&connection), awa.account, 8);
    let wrong =
        (0..).find(|n| !mbolo_proto::signing::pow_holds(&nonce(&connection), awa.account, *n, 8)).unwrap();
    let with =
        |pow| Request::Register(wire::Register { pow, ..registration(awa.register(&connection, "awa")) });
    assert_eq!(code(&desk.refusal(connection.session, with(wrong))), ErrorCode::PowInvalid);
    assert_eq!(desk.call(connection.session, with(right)), Answer::Done(wire::Done {}));
}

#[test]
fn an_invite_lets_one_person_in() {
    let mut desk = Desk::with(|config| config.signup_open = false);
    let invite = invite::mint(&desk.config.invite_key, [3; 16], desk.now_ms + 60_000);
    let with = |device: &Device, connection: &crate::desk::Connection, handle: &str, invite: &str| {
        let register = registration(device.register(connection, handle));
        Request::Register(wire::Register { invite: invite.into(), ..register })
    };
    let (awa, ben) = (Device::new(1, 1), Device::new(2, 1));
    let one = desk.connect();
    assert_eq!(code(&desk.refusal(one.session, awa.register(&one, "awa"))), ErrorCode::SignupClosed);
    assert_eq!(code(&desk.refusal(one.session, with(&awa, &one, "awa", "abc"))), ErrorCode::InviteInvalid);
    assert_eq!(desk.call(one.session, with(&awa, &one, "awa", &invite)), Answer::Done(wire::Done {}));
    let other = desk.connect();
    let error = desk.refusal(other.session, with(&ben, &other, "ben", &invite));
    assert_eq!(code(&error), ErrorCode::InviteInvalid, "it was used");
    let late = invite::mint(&desk.config.invite_key, [4; 16], desk.now_ms - 120_000);
    let error = desk.refusal(other.session, with(&ben, &other, "ben", &late));
    assert_eq!(code(&error), ErrorCode::InviteInvalid, "it has expired");
}

#[test]
fn a_registration_whose_answer_got_lost_may_be_repeated() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let connection = desk.connect();
    assert_eq!(desk.call(connection.session, awa.register(&connection, "awa")), Answer::Done(wire::Done {}));
    let error = desk.refusal(connection.session, awa.register(&connection, "other"));
    assert_eq!(code(&error), ErrorCode::AlreadyExists);
}

#[test]
fn a_registration_under_somebody_elses_signature_is_refused() {
    let mut desk = Desk::new();
    let awa = Device::new(1, 1);
    let connection = desk.connect();
    let mut register = registration(awa.register(&connection, "awa"));
    register.signature = sign(&Device::new(2, 1).key, b"something else");
    let error = desk.refusal(connection.session, Request::Register(register));
    assert_eq!(code(&error), ErrorCode::BadSignature);
    let mut register = registration(awa.register(&connection, "awa"));
    if let Some(certificate) = &mut register.certificate {
        certificate.created_at_ms += 1;
    }
    let error = desk.refusal(connection.session, Request::Register(register));
    assert_eq!(code(&error), ErrorCode::BadSignature);
}

#[test]
fn an_account_has_a_bounded_number_of_devices() {
    let mut desk = Desk::new();
    Device::signed_up(&mut desk, 1, "awa");
    for n in 2..=9 {
        let connection = desk.connect();
        let answer = desk.call(connection.session, Device::new(1, n).register(&connection, ""));
        match answer {
            Answer::Done(_) => assert!(n <= 8),
            Answer::Error(error) => assert_eq!((n, code(&error)), (9, ErrorCode::Limit)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn key_packages_are_claimed_one_by_one_and_the_last_resort_stays() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let claim = Request::ClaimKeyPackages(wire::ClaimKeyPackages {
        account_id: ben.account.to_bytes(),
        cipher_suite: 3,
    });
    assert_eq!(code(&desk.refusal(awa.session, claim.clone())), ErrorCode::NoKeyPackage);
    match ben.upload(&mut desk, 2) {
        Answer::KeyPackageCount(counts) => {
            assert!(counts.counts.contains(&wire::SuiteCount { cipher_suite: 3, left: 2 }))
        }
        other => panic!("{other:?}"),
    }
    let mut seen = Vec::new();
    for last_resort in [false, false, true, true] {
        let Answer::KeyPackages(packages) = desk.call(awa.session, claim.clone()) else { panic!("nothing") };
        let [package] = packages.key_packages.as_slice() else { panic!("one device, one package") };
        assert_eq!(*package.device_key, ben.device_key().0);
        assert_eq!(package.last_resort, last_resort);
        seen.push(package.key_package.clone());
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(seen[2], seen[3]);
    let mut ben = ben;
    let ready = ben.come_back(&mut desk);
    assert!(ready.key_packages.contains(&wire::SuiteCount { cipher_suite: 3, left: 0 }));
}

#[test]
fn a_claim_gives_one_package_of_every_device() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let phone = Device::signed_up(&mut desk, 2, "ben");
    let mut laptop = Device::new(2, 2);
    let connection = desk.connect();
    desk.call(connection.session, laptop.register(&connection, ""));
    laptop.authenticate(&mut desk, connection);
    phone.upload(&mut desk, 1);
    laptop.upload(&mut desk, 1);
    assert_eq!(awa.claim(&mut desk, phone.account).len(), 2);
    assert_eq!(phone.claim(&mut desk, phone.account).len(), 1, "not one's own");
}

#[test]
fn a_key_package_of_another_device_is_refused() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    let upload = |package| {
        Request::UploadKeyPackages(wire::UploadKeyPackages {
            key_packages: vec![package],
            last_resort: vec![],
        })
    };
    let error = desk.refusal(awa.session, upload(ben.key_package(false)));
    assert_eq!(code(&error), ErrorCode::BadSignature);
    let mut changed = awa.key_package(false).to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(code(&desk.refusal(awa.session, upload(changed.into()))), ErrorCode::BadSignature);
    assert_eq!(code(&desk.refusal(awa.session, upload(vec![1, 2, 3].into()))), ErrorCode::BadSignature);
    assert_eq!(code(&desk.refusal(awa.session, upload(vec![0; 20_000].into()))), ErrorCode::TooLarge);
}

#[test]
fn a_key_package_that_runs_out_is_refused_whatever_the_clock_says() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    let mut answers = Vec::new();
    for lifetime in [Lifetime::default(), Lifetime::init(0, 1), Lifetime::init(u64::MAX - 1, u64::MAX)] {
        awa.lifetime = lifetime;
        let Answer::Error(error) = awa.upload(&mut desk, 1) else { panic!("accepted") };
        answers.push(error);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[test]
fn post_quantum_key_packages_are_kept_apart() {
    let mut desk = Desk::new();
    let mut awa = Device::signed_up(&mut desk, 1, "awa");
    awa.upload(&mut desk, 1);
    awa.suite = POST_QUANTUM;
    match awa.upload(&mut desk, 3) {
        Answer::KeyPackageCount(counts) => {
            assert_eq!(counts.counts.len(), 2);
            assert!(counts.counts.contains(&wire::SuiteCount { cipher_suite: 3, left: 1 }));
            assert!(counts.counts.contains(&wire::SuiteCount { cipher_suite: 0x4D, left: 3 }));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_key_packages_than_a_device_may_keep_are_refused_whole() {
    let mut desk = Desk::new();
    let awa = Device::signed_up(&mut desk, 1, "awa");
    awa.upload(&mut desk, 60);
    let Answer::Error(error) = awa.upload(&mut desk, 41) else { panic!("accepted") };
    assert_eq!(code(&error), ErrorCode::Limit);
    match awa.upload(&mut desk, 40) {
        Answer::KeyPackageCount(counts) => assert!(counts.counts.iter().any(|count| count.left == 100)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn claims_are_limited_per_session() {
    let mut desk = Desk::with(|config| {
        config.claim_burst = 2;
        config.claim_rate_per_s = 1;
    });
    let awa = Device::signed_up(&mut desk, 1, "awa");
    let ben = Device::signed_up(&mut desk, 2, "ben");
    ben.upload(&mut desk, 10);
    let claim = Request::ClaimKeyPackages(wire::ClaimKeyPackages {
        account_id: ben.account.to_bytes(),
        cipher_suite: 3,
    });
    for _ in 0..2 {
        assert!(matches!(desk.call(awa.session, claim.clone()), Answer::KeyPackages(_)));
    }
    let error = desk.refusal(awa.session, claim.clone());
    assert_eq!((code(&error), error.retry_after_ms), (ErrorCode::Busy, 1_000));
    desk.pass(1_000);
    assert!(matches!(desk.call(awa.session, claim), Answer::KeyPackages(_)));
}

//! Random days: people write, change the group, lose the network, crash; the cell restarts. Afterwards everybody
//! has everything exactly once, in every sender's order.

use mbolo_client_api::{Reply, Request};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::desk::Desk;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test has no arguments")]
fn after_a_bad_day_everybody_has_everything_once_and_in_order() {
    let seeds = std::env::var("MBOLO_CHAOS_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6);
    let first = std::env::var("MBOLO_CHAOS_FIRST").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        bad_day(seed);
    }
}

fn bad_day(seed: u64) {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut below = move |bound: u64| random.next_u64() % bound;
    let mut desk = Desk::new();
    let handles = ["awa", "ben", "cleo", "dodo"];
    let people: Vec<usize> = handles.iter().map(|handle| desk.person(handle)).collect();
    let ids: Vec<String> = people
        .iter()
        .map(|person| match desk.ask(*person, Request::GetAccount) {
            Ok(Reply::Account { account }) => account.id,
            other => panic!("{other:?}"),
        })
        .collect();
    let group = desk.create_group(people[0], "Club", &handles[1..]);
    desk.pass(5_000);
    let mut said: Vec<Vec<String>> = vec![Vec::new(); people.len()];
    let mut offline = [false; 4];
    for step in 0..60 {
        let who = below(4) as usize;
        match below(12) {
            0..5 => {
                let text = format!("{}-{}", handles[who], said[who].len());
                let request = Request::SendText {
                    room: group.clone(),
                    text: text.clone(),
                    reply_to: None,
                    client_id: None,
                };
                if desk.ask(who, request).is_ok() {
                    said[who].push(text);
                }
            }
            5 | 6 => {
                let whom = ids[below(4) as usize].clone();
                let request = Request::SetAdmin { room: group.clone(), account: whom, admin: below(3) > 0 };
                desk.post(who, request);
            }
            7 => {
                let inputs = below(6);
                desk.crash_after(who, inputs);
            }
            8 => {
                offline[who] = !offline[who];
                if offline[who] { desk.go_offline(who) } else { desk.go_online(who) }
            }
            9 if step % 7 == 0 => desk.restart_cell(),
            _ => {}
        }
        let time = [0, 50, 300, 2_000, 20_000][below(5) as usize];
        desk.pass(time);
    }
    for person in &people {
        desk.go_online(*person);
    }
    desk.pass(300_000);
    desk.assert_agreed(&people, &group);
    let count: usize = said.iter().map(Vec::len).sum();
    for person in &people {
        let texts = desk.texts(*person, &group);
        for (who, expected) in said.iter().enumerate() {
            let prefix = format!("{}-", handles[who]);
            let seen: Vec<&String> = texts.iter().filter(|text| text.starts_with(&prefix)).collect();
            assert_eq!(
                seen,
                expected.iter().collect::<Vec<_>>(),
                "seed {seed}: {} at {person}",
                handles[who]
            );
        }
        assert_eq!(texts.len(), count, "seed {seed}: {texts:?}");
        let stats = desk.client(*person).stats();
        assert_eq!(
            (stats.outbox, stats.intents, stats.healing, stats.undecryptable),
            (0, 0, 0, 0),
            "seed {seed}"
        );
    }
}

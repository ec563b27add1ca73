use mbolo_pulse::{Asn, Country, Minute, Problem, ServiceId, Signal};

use super::*;

fn reports(minute: u32, n: u32) -> Count {
    Count {
        minute: Minute(minute),
        service: ServiceId::new("whatsapp").unwrap(),
        cc: Country::new("GA").unwrap(),
        asn: Asn(16_058),
        signal: Signal::Reports,
        problem: Some(Problem::Send),
        cell: None,
        n,
        weight: Some(f64::from(n) / 2.0),
        attempts: 0,
        failures: 0,
    }
}

fn all(store: &Store) -> Vec<Count> {
    let mut counts = Vec::new();
    store.read(|reader| each_count(reader, Minute(0), Minute(u32::MAX), |count| counts.push(count))).unwrap();
    counts
}

fn batch(id: &str, minute: u32) -> Batch {
    Batch { source: "cell:a".to_owned(), id: id.to_owned(), minute, is_whole_minute: true }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_store_is_opened_again_without_having_been_closed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 0).unwrap();
    for _ in 0..3 {
        store.add(vec![reports(100, 2)]).await.unwrap();
    }
    // The files as they are after a kill, while the first one is open: nothing was flushed or checkpointed for us.
    let killed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    let again = Store::open(killed.path(), 0).unwrap();
    assert_eq!(all(&again), [reports(100, 6)]);
    assert_eq!(store.take_fresh().iter().map(|count| count.n).sum::<u32>(), 6);
    assert!(store.take_fresh().is_empty());
}

#[test]
fn a_second_observatory_on_one_directory_is_refused_until_the_first_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let first = Store::open(directory.path(), 0).unwrap();
    let refused = Store::open(directory.path(), 0).err().unwrap();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains(directory.path().to_str().unwrap()), "{refused}");
    drop(first);
    Store::open(directory.path(), 0).unwrap();
}

#[tokio::test]
async fn days_with_a_measurement_are_kept_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 0).unwrap();
    let whatsapp = ServiceId::new("whatsapp").unwrap();
    for day in [19_000, 19_001, 19_001] {
        let service = whatsapp.clone();
        store.change(move |tx| save_measured_day(tx, &service, day)).await.unwrap();
    }
    assert_eq!(store.read(|reader| measured_days(reader, 19_001)).unwrap(), [(whatsapp, 19_001)]);
}

#[tokio::test]
async fn a_batch_counts_once_under_its_name_and_once_for_its_minute() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 0).unwrap();
    assert!(store.add_once(batch("x", 100), vec![reports(100, 2)]).await.unwrap());
    assert!(!store.add_once(batch("x", 100), vec![reports(100, 2)]).await.unwrap());
    assert!(!store.add_once(batch("x", 101), vec![reports(101, 2)]).await.unwrap());
    assert!(!store.add_once(batch("y", 100), vec![reports(100, 2)]).await.unwrap());
    assert!(store.add_once(batch("y", 101), vec![reports(101, 1)]).await.unwrap());
    assert_eq!(all(&store), [reports(100, 2), reports(101, 1)]);
}

#[tokio::test]
async fn a_full_disk_is_said_and_what_was_there_can_still_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1).unwrap();
    let mut kept = 0;
    let refused = loop {
        let counts: Vec<Count> = (0..500).map(|minute| reports(kept * 500 + minute, 1)).collect();
        match store.add(counts).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "a megabyte never became full");
    };
    assert!(matches!(refused, StoreError::Full), "{refused}");
    assert_eq!(store.trouble(), Trouble::Full);
    assert_eq!(all(&store).len() as u32, kept * 500, "a refused batch left something behind");
    assert_eq!(store.take_fresh().len() as u32, kept * 500, "a refused batch reached the detector");
    store.change(|tx| tx.execute("DELETE FROM counts WHERE minute < 2000", []).map(drop)).await.unwrap();
    store.add(vec![reports(9_000_000, 1)]).await.unwrap();
    assert_eq!(store.trouble(), Trouble::Full, "there is room for a little");
    store.add((0..500).map(|minute| reports(8_000_000 + minute, 1)).collect()).await.unwrap();
    assert_eq!(store.trouble(), Trouble::None);
}

#[tokio::test]
async fn a_change_that_fails_does_not_take_others_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 0).unwrap();
    let wrong = store.change(|tx| tx.execute("INSERT INTO nowhere VALUES (1)", []).map(drop));
    let (added, wrong) = tokio::join!(store.add(vec![reports(1, 1)]), wrong);
    assert!(added.is_ok());
    assert!(matches!(wrong, Err(StoreError::Failed(_))));
    assert_eq!(all(&store).len(), 1);
    assert_eq!(store.trouble(), Trouble::None);
}

#[tokio::test]
async fn what_is_older_than_is_kept_is_forgotten_bit_by_bit() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 0).unwrap();
    store.add((0..300).map(|minute| reports(minute, 1)).collect()).await.unwrap();
    let mut rounds = 0;
    while store.change(|tx| prune(tx, Minute(200), Minute(0))).await.unwrap() {
        rounds += 1;
    }
    assert_eq!(all(&store).len(), 100);
    assert!(rounds >= 3);
}

//! What a running client has to do with the observatory: it keeps what the cell tells about itself, for when the
//! cell does not answer, and it tells how often the cell was reached (see `mbolo_isitme::Beacon`), unless
//! the person has switched that off.
//!
//! Both are asides: they wait for nothing, nothing waits for them, and their failures are silent.

use std::sync::Arc;
use std::time::Duration;

use mbolo_isitme::{Beacon, CellInfo, INFO_PATH, MAX_INFO_BYTES, Pulse, SLICE_MS, Tally};
use tokio::sync::mpsc;

use super::address::CellAddress;
use super::http::{self, WebAddress};
use super::now_ms;
use super::trust::Verifier;
use crate::profile::Settings;

/// One request may take this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the cell tells is asked for again after this many milliseconds.
const INFO_LIFE_MS: u64 = 6 * 60 * 60 * 1000;

/// Something that came of an aside.
#[derive(Debug)]
pub enum Aside {
    /// The cell has told about itself.
    Told(CellInfo),
    /// The beacon of this batch has arrived.
    Arrived(String),
    /// It is time to look whether there is one to tell.
    Slice,
}

/// See the module.
#[derive(Debug)]
pub struct Observer {
    tally: Tally,
    /// When in a slice this client tells, so that not all do at once.
    phase_ms: u64,
    asked_at_ms: Option<u64>,
    news: mpsc::UnboundedSender<Aside>,
    inbox: mpsc::UnboundedReceiver<Aside>,
}

impl Observer {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        let (news, inbox) = mpsc::unbounded_channel();
        let phase_ms = dice() % SLICE_MS;
        Self { tally: Tally::default(), phase_ms, asked_at_ms: None, news, inbox }
    }

    /// The next thing that came of an aside. Cancel-safe.
    pub async fn next(&mut self) -> Aside {
        let next_slice = Duration::from_millis(SLICE_MS - (now_ms() + self.phase_ms) % SLICE_MS);
        tokio::select! {
            Some(news) = self.inbox.recv() => news,
            () = tokio::time::sleep(next_slice) => Aside::Slice,
        }
    }

    /// An attempt to reach the cell has come to an end.
    pub fn attempted(&mut self, reached: bool) {
        self.tally.count(now_ms(), reached, dice());
    }

    /// The cell is there: asks what it tells about itself, if that was long ago.
    pub fn ask(&mut self, cell: &CellAddress, verifier: &Arc<Verifier>) {
        let now = now_ms();
        if self.asked_at_ms.is_some_and(|at| now.saturating_sub(at) < INFO_LIFE_MS) {
            return;
        }
        self.asked_at_ms = Some(now);
        let (address, verifier, news) =
            (WebAddress::on(cell, INFO_PATH), verifier.clone(), self.news.clone());
        tokio::spawn(async move {
            if let Ok(Ok((200, body))) = tokio::time::timeout(PATIENCE, http::get(&address, verifier)).await
                && body.len() <= MAX_INFO_BYTES
                && let Ok(info) = serde_json::from_slice::<CellInfo>(&body)
            {
                let _ = news.send(Aside::Told(info.checked()));
            }
        });
    }

    /// Sends the oldest beacon, if there is one and it is wanted; returns whether.
    pub fn tell(&mut self, settings: &Settings) -> bool {
        let Some(told) = &settings.told else { return false };
        let Some(pulse) = told.pulse.as_ref().filter(|_| !settings.beacons_off) else { return false };
        let Some(beacon) = self.tally.due(now_ms(), &pulse.service, &told.name) else { return false };
        let Ok(request) = request(pulse, &beacon) else { return false };
        let news = self.news.clone();
        tokio::spawn(async move {
            let (address, json) = request;
            let sent = http::post(&address, Arc::new(Verifier::public()), json);
            match tokio::time::timeout(PATIENCE, sent).await {
                // What is refused once is refused always.
                Ok(Ok((200..=299 | 400..=407 | 409..=428, _))) => {
                    let _ = news.send(Aside::Arrived(beacon.batch));
                }
                other => tracing::debug!(?other, %address, "the beacon did not arrive"),
            }
        });
        true
    }

    /// The beacon of this batch has arrived; the next one may follow.
    pub fn arrived(&mut self, batch: &str) {
        self.tally.told(batch);
    }
}

fn request(pulse: &Pulse, beacon: &Beacon) -> std::io::Result<(WebAddress, Vec<u8>)> {
    Ok((format!("{}/v1/beacon", pulse.url).parse()?, serde_json::to_vec(beacon)?))
}

/// A random number; without randomness always the same, which only makes batches look alike.
fn dice() -> u64 {
    let mut dice = [0; 8];
    match getrandom::fill(&mut dice) {
        Ok(()) => u64::from_le_bytes(dice),
        Err(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with this body and returns what came.
    async fn answer(listener: TcpListener, body: String) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let ends = |request: &[u8]| {
            let text = String::from_utf8_lossy(request);
            let (head, got) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            (got.len() >= length.map_or(0, |length| length.parse().unwrap())).then_some(())
        };
        while ends(&request).is_none() {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    }

    async fn aside(observer: &mut Observer) -> Aside {
        loop {
            match observer.next().await {
                Aside::Slice => {}
                other => return other,
            }
        }
    }

    #[tokio::test]
    async fn what_the_cell_tells_is_asked_for_once_and_kept_without_what_cannot_be_right() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cell = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let mut observer = Observer::new();
        let verifier = Arc::new(Verifier::public());
        observer.ask(&cell, &verifier);
        let document = "{\"name\":\"cell.example\",\"alternates\":[\"nonsense\"]}";
        let request = answer(listener, document.to_owned()).await;
        assert!(request.starts_with("GET /.well-known/mbolo "), "{request}");
        let Aside::Told(told) = aside(&mut observer).await else { panic!("something else") };
        assert_eq!((told.name.as_str(), told.alternates.len()), ("cell.example", 0));
        let first = observer.asked_at_ms;
        observer.ask(&cell, &verifier);
        assert_eq!(observer.asked_at_ms, first, "not again so soon");
    }

    #[tokio::test]
    async fn failures_are_told_unless_the_person_does_not_want_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pulse = Pulse { url, service: "mbolo".into(), ..Pulse::default() };
        let told = CellInfo { name: "home".into(), pulse: Some(pulse), ..CellInfo::default() };
        let mut settings = Settings { told: Some(told), beacons_off: true, ..Settings::default() };
        let mut observer = Observer::new();
        let last = now_ms() - SLICE_MS;
        observer.tally.count(last, false, 1);
        assert!(!observer.tell(&settings));
        settings.beacons_off = false;
        assert!(observer.tell(&settings));
        let request = answer(listener, String::new()).await;
        assert!(request.starts_with("POST /v1/beacon "), "{request}");
        let body: serde_json::Value =
            serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            (&body["attempts"], &body["failures"], &body["minute"], &body["cell"]),
            (&1.into(), &1.into(), &(last / SLICE_MS * SLICE_MS / 60_000).into(), &"home".into())
        );
        let Aside::Arrived(batch) = aside(&mut observer).await else { panic!("something else") };
        observer.arrived(&batch);
        assert!(observer.tally.due(last + 2 * SLICE_MS, "mbolo", "home").is_none());
    }
}

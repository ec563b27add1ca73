//! "Is it me?", tried from this machine: the steps of `mbolo_isitme::Check` with sockets.
//!
//! All steps of a round run at once and what has no answer in time is silent. Neutral places only see that somebody
//! connects; nothing is sent to them but the request for an empty page.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, VerifyingKey};
use mbolo_isitme::{
    About, Board, CellInfo, Check, Diagnosis, Envelope, Language, Outcome, PORTAL, Snapshot, Step,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::profile::Settings;
use crate::runtime::{CellAddress, TrustedCertificates, Verifier, WebAddress, get, now_ms};

/// Three neutral places in three networks (AS13335, AS19281, AS14907), each by every way given. With addresses and
/// names, so that a network that finds no names is told from one that leads nowhere.
const ANCHORS: [&[&str]; 3] = [
    &["1.1.1.1:443", "one.one.one.one:443"],
    &["9.9.9.9:443", "dns.quad9.net:443"],
    &["www.wikipedia.org:443"],
];

/// Whose home is looked at, and with what is known of it.
#[derive(Debug, Clone)]
pub struct Home {
    /// Where it is.
    pub address: CellAddress,
    /// Certificates the person gave for it.
    pub trusted: TrustedCertificates,
    /// What the profile remembers: trusted certificates, what the cell told, places to try.
    pub settings: Settings,
}

impl Home {
    /// Looks, in less than five seconds.
    pub async fn check(&self) -> Check {
        let mut check = Check::new(self.is_here());
        let mut finds_names = true;
        loop {
            let steps = check.next_round();
            if steps.is_empty() {
                return check;
            }
            let patience = Duration::from_millis(check.round_ms().into());
            let mut tries = JoinSet::new();
            for step in steps.iter().copied() {
                let home = self.clone();
                tries.spawn(async move { (step, timeout(patience, home.attempt(step)).await) });
            }
            while let Some(tried) = tries.join_next().await {
                match tried {
                    Ok((Step::Snapshot, Ok(Tried::Word(word)))) => check.note_snapshot(word),
                    Ok((step, Ok(Tried::NoName))) => {
                        finds_names = false;
                        check.note(step, Outcome::Failed);
                    }
                    Ok((step, Ok(Tried::Outcome(outcome)))) => check.note(step, outcome),
                    // Silence proves something where an answer is sure to come, and nothing elsewhere.
                    Ok((step @ (Step::Anchor(_) | Step::Front), Err(_))) => check.note(step, Outcome::Failed),
                    _ => {}
                }
            }
            if !finds_names {
                distrust_names(&mut check);
            }
        }
    }

    /// The sentence for a diagnosis of this home.
    pub fn sentence(&self, diagnosis: &Diagnosis) -> String {
        let pulse = self.told().and_then(|told| told.pulse.as_ref());
        let about = About { home: &self.address.name(), watched_at: pulse.map(|pulse| pulse.url.as_str()) };
        diagnosis.sentence(Language::English, about)
    }

    fn told(&self) -> Option<&CellInfo> {
        self.settings.told.as_ref()
    }

    fn is_here(&self) -> bool {
        let host = self.address.host.as_str();
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    async fn attempt(&self, step: Step) -> Tried {
        Tried::Outcome(match step {
            Step::Link => link(),
            Step::Portal => match portal().await {
                Some(outcome) => outcome,
                None => return Tried::NoName,
            },
            Step::Anchor(number) => self.anchor(number).await,
            Step::Front => {
                let verifier = Arc::new(Verifier::new(self.trusted.clone(), &self.settings));
                worked(answers(&self.address, verifier).await)
            }
            Step::Alternates => self.alternates().await,
            Step::Snapshot => return Tried::Word(self.snapshot().await),
        })
    }

    async fn anchor(&self, number: usize) -> Outcome {
        let own: Vec<&str> = self.settings.anchors.iter().map(String::as_str).collect();
        let places = match own.get(number) {
            Some(place) => std::slice::from_ref(place),
            None if own.is_empty() => ANCHORS.get(number).copied().unwrap_or_default(),
            // Somebody who names two places wants two.
            None => return Outcome::NotTried,
        };
        let mut tries = JoinSet::new();
        for place in places {
            let place = (*place).to_owned();
            tries.spawn(async move { TcpStream::connect(place).await.is_ok() });
        }
        worked(any(tries).await)
    }

    async fn alternates(&self) -> Outcome {
        let mut tries = JoinSet::new();
        for address in self.told().into_iter().flat_map(|told| &told.alternates) {
            if let Ok(address) = address.parse::<CellAddress>()
                && address != self.address
            {
                tries.spawn(async move { answers(&address, Arc::new(Verifier::public())).await });
            }
        }
        if tries.is_empty() { Outcome::NotTried } else { worked(any(tries).await) }
    }

    /// The word of the newest snapshot that can be read and is rightly signed.
    async fn snapshot(&self) -> Snapshot {
        let Some((told, pulse)) = self.told().and_then(|told| Some((told, told.pulse.as_ref()?))) else {
            return Snapshot::Unread;
        };
        let keys: Arc<Vec<VerifyingKey>> =
            Arc::new(pulse.keys.iter().filter_map(|key| public_key(key)).collect());
        let mut tries = JoinSet::new();
        for address in &pulse.snapshots {
            if let Ok(address) = address.parse::<WebAddress>() {
                let keys = keys.clone();
                tries.spawn(async move {
                    let (status, body) = get(&address, Arc::new(Verifier::public())).await.ok()?;
                    if status == 200 { read_snapshot(&body, &keys) } else { None }
                });
            }
        }
        let mut best = Snapshot::Unread;
        while let Some(read) = tries.join_next().await {
            if let Ok(Some(board)) = read {
                let now = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
                match board.word(now, &pulse.service, &told.name, told.place.as_ref()) {
                    fresh @ Snapshot::Fresh { .. } => return fresh,
                    word => best = word,
                }
            }
        }
        best
    }
}

enum Tried {
    Outcome(Outcome),
    /// A name that everybody finds was not found.
    NoName,
    Word(Snapshot),
}

/// That a name is not found only speaks against the names where something is reached without one.
fn distrust_names(check: &mut Check) {
    let findings = check.findings();
    if findings.portal == Outcome::Failed
        && !findings.anchors.contains(&Outcome::Ok)
        && findings.front != Outcome::Ok
    {
        check.note(Step::Portal, Outcome::NotTried);
    }
}

/// A route to somewhere. Connecting a datagram socket chooses one and sends nothing.
fn link() -> Outcome {
    let leads = |from: SocketAddr, to: SocketAddr| {
        UdpSocket::bind(from).is_ok_and(|socket| socket.connect(to).is_ok())
    };
    let v4 = leads((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(1, 1, 1, 1), 53).into());
    let v6 = || {
        let far = Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111);
        leads((Ipv6Addr::UNSPECIFIED, 0).into(), (far, 53).into())
    };
    worked(v4 || v6())
}

/// Asks for a page that is known to be empty. A page to sign in answers in its place. None if its name is not found.
async fn portal() -> Option<Outcome> {
    let (host, path) = PORTAL;
    let addresses: Vec<SocketAddr> = lookup_host((host, 80)).await.ok()?.collect();
    Some(empty_page(&addresses, host, path).await)
}

async fn empty_page(addresses: &[SocketAddr], host: &str, path: &str) -> Outcome {
    let Ok(mut stream) = TcpStream::connect(addresses).await else { return Outcome::NotTried };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut beginning = [0; 12];
    let asked = stream.write_all(request.as_bytes()).await.is_ok();
    if !asked || stream.read_exact(&mut beginning).await.is_err() {
        return Outcome::NotTried;
    }
    worked(beginning.starts_with(b"HTTP/1.") && beginning.ends_with(b" 204"))
}

/// Whether a cell answers there, in its own words.
async fn answers(cell: &CellAddress, verifier: Arc<Verifier>) -> bool {
    let Ok((200, body)) = get(&WebAddress::on(cell, "/healthz"), verifier).await else { return false };
    let health: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    health["cell"].is_string() && health["status"] != "stopping"
}

/// The board in an envelope, if one of these keys has signed it.
fn read_snapshot(document: &[u8], keys: &[VerifyingKey]) -> Option<Board> {
    let envelope: Envelope = serde_json::from_slice(document).ok()?;
    let payload = BASE64URL_NOPAD.decode(envelope.payload.as_bytes()).ok()?;
    let signature = BASE64URL_NOPAD.decode(envelope.signature.as_bytes()).ok()?;
    let signature = Signature::from_slice(&signature).ok()?;
    let signed = [Envelope::PURPOSE, &payload[..]].concat();
    let holds = keys.iter().any(|key| key.verify_strict(&signed, &signature).is_ok());
    if !holds || envelope.version != Envelope::VERSION {
        return None;
    }
    serde_json::from_slice(&payload).ok()
}

fn public_key(hex: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

async fn any(mut tries: JoinSet<bool>) -> bool {
    while let Some(tried) = tries.join_next().await {
        if tried.unwrap_or(false) {
            return true;
        }
    }
    false
}

fn worked(it_did: bool) -> Outcome {
    if it_did { Outcome::Ok } else { Outcome::Failed }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use mbolo_isitme::{PlaceWord, Reason, ServiceWord};
    use tokio::net::TcpListener;

    use super::*;

    fn home(address: &str, settings: Settings) -> Home {
        Home { address: address.parse().unwrap(), trusted: TrustedCertificates::default(), settings }
    }

    fn signed(key: &SigningKey, board: &str) -> serde_json::Value {
        let bytes = [Envelope::PURPOSE, board.as_bytes()].concat();
        serde_json::json!({
            "version": 1,
            "payload": BASE64URL_NOPAD.encode(board.as_bytes()),
            "key_id": "0011223344556677",
            "signature": BASE64URL_NOPAD.encode(&key.sign(&bytes).to_bytes()),
        })
    }

    #[tokio::test]
    async fn a_cell_on_this_machine_that_does_not_run_is_told_without_asking_strangers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let home = home(&address, Settings::default());
        let check = home.check().await;
        assert_eq!(check.diagnosis().reason, Reason::NotRunning);
        assert_eq!(check.findings().anchors, [Outcome::NotTried; 3]);
        assert!(home.sentence(&check.diagnosis()).contains("is not running"));
    }

    #[tokio::test]
    async fn a_page_to_sign_in_is_not_the_empty_page() {
        for (answer, expected) in [("302 Found", Outcome::Failed), ("204 No Content", Outcome::Ok)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let asked = tokio::spawn(async move { empty_page(&[address], "portal.example", "/empty").await });
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0; 512];
            assert!(stream.read(&mut question).await.unwrap() > 0);
            stream.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
            assert_eq!(asked.await.unwrap(), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn anchors_can_be_ones_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let settings = Settings { anchors: vec![open, closed], ..Settings::default() };
        let home = home("https://cell.example", settings);
        let tried = [home.anchor(0).await, home.anchor(1).await, home.anchor(2).await];
        assert_eq!(tried, [Outcome::Ok, Outcome::Failed, Outcome::NotTried]);
    }

    #[test]
    fn a_snapshot_counts_only_if_one_who_may_has_signed_it_as_it_is() {
        let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let board = "{\"generated_at\":100,\"valid_until\":200,\"incidents\":[],\
                     \"services\":[{\"id\":\"mbolo\",\"health\":\"up\"}]}";
        let keys = [public_key(&HEXLOWER_PERMISSIVE.encode(key.verifying_key().as_bytes())).unwrap()];
        let read = |envelope: &serde_json::Value| read_snapshot(envelope.to_string().as_bytes(), &keys);
        let good = signed(&key, board);
        let up = Snapshot::Fresh { service: ServiceWord::Up, place: PlaceWord::Unknown };
        assert_eq!(read(&good).unwrap().word(150, "mbolo", "cell.example", None), up);
        assert!(read(&signed(&other, board)).is_none());
        let mut forged = good.clone();
        forged["payload"] = BASE64URL_NOPAD.encode(board.replace("up", "ok").as_bytes()).into();
        assert!(read(&forged).is_none());
        let mut later = good;
        later["version"] = 2.into();
        assert!(read(&later).is_none());
    }
}

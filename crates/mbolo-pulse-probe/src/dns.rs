//! From a name to addresses: the system's resolver, or given ones asked directly.
//!
//! The system's is what programs here really use, caches and search lists included. A given resolver shows what one
//! provider's resolver answers, which is how a block by DNS is told from one by routing. It is asked over UDP for
//! both families, and over TCP when an answer does not fit.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::failure::{Class, Failure};

/// A datagram may be lost.
const TRIES: usize = 3;

/// How long one try waits; the phase has its own limit above it.
const TRY_FOR: Duration = Duration::from_millis(1_500);

/// More addresses than this are not looked at.
const MAX_ADDRESSES: usize = 16;

/// Who is asked for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// The system's.
    System,
    /// These, in turn.
    Servers(Vec<SocketAddr>),
}

impl Resolver {
    /// The addresses of a name, in the order they were given.
    pub(crate) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let mut addresses = match self {
            Self::System => lookup_system(name).await?,
            Self::Servers(servers) => lookup_servers(servers, name).await?,
        };
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(Failure::new(Class::NoAddress, format_args!("{name} has no address")));
        }
        Ok(addresses)
    }
}

async fn lookup_system(name: &str) -> Result<Vec<IpAddr>, Failure> {
    let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| {
        // The resolver's code is not handed out, only its words.
        let words = error.to_string();
        let failed = words.contains("emporary failure") || words.contains("ry again");
        Failure::new(if failed { Class::ResolverFailed } else { Class::NameNotFound }, words)
    })?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

async fn lookup_servers(servers: &[SocketAddr], name: &str) -> Result<Vec<IpAddr>, Failure> {
    let (v4, v6) = tokio::join!(ask(servers, name, TYPE::A), ask(servers, name, TYPE::AAAA));
    match (v4, v6) {
        (Ok(mut v4), Ok(v6)) => {
            v4.extend(v6);
            Ok(v4)
        }
        // One family is enough: some resolvers stumble over questions for the other.
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}

async fn ask(servers: &[SocketAddr], name: &str, kind: TYPE) -> Result<Vec<IpAddr>, Failure> {
    let mut last = Failure::new(Class::ResolverFailed, "no resolver is configured");
    for server in servers.iter().cycle().take(TRIES.max(servers.len()) * usize::from(!servers.is_empty())) {
        let tried = tokio::time::timeout(TRY_FOR, ask_once(*server, name, kind)).await;
        match tried {
            Ok(Ok(addresses)) => return Ok(addresses),
            // It knows that the name does not exist: another try would not change it.
            Ok(Err(failure)) if failure.class == Class::NameNotFound => return Err(failure),
            Ok(Err(failure)) => last = failure,
            Err(_) => last = Failure::new(Class::Timeout, format_args!("no answer from {server}")),
        }
    }
    Err(last)
}

async fn ask_once(server: SocketAddr, name: &str, kind: TYPE) -> Result<Vec<IpAddr>, Failure> {
    let id = rand::random();
    let question = question(id, name, kind)?;
    let own: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = [0; 1_500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match read(&buffer[..length], id, name, kind) {
            // Somebody else's datagram, or a forged one.
            Answer::NotOurs => {}
            Answer::CutOff => return ask_over_tcp(server, &question, id, name, kind).await,
            Answer::Given(result) => return result,
        }
    }
}

async fn ask_over_tcp(
    server: SocketAddr,
    question: &[u8],
    id: u16,
    name: &str,
    kind: TYPE,
) -> Result<Vec<IpAddr>, Failure> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|error| Failure::new(Class::Other, error))?;
    let framed = [&length.to_be_bytes(), question].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    match read(&answer, id, name, kind) {
        Answer::Given(result) => result,
        Answer::NotOurs | Answer::CutOff => {
            Err(Failure::new(Class::ResolverFailed, format_args!("{server} answered something else")))
        }
    }
}

fn question(id: u16, name: &str, kind: TYPE) -> Result<Vec<u8>, Failure> {
    let not_a_name = |error| Failure::new(Class::NameNotFound, format_args!("{name} is not a name: {error}"));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(not_a_name)?;
    packet.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(not_a_name)
}

enum Answer {
    NotOurs,
    CutOff,
    Given(Result<Vec<IpAddr>, Failure>),
}

fn read(bytes: &[u8], id: u16, name: &str, kind: TYPE) -> Answer {
    let Ok(packet) = Packet::parse(bytes) else {
        return Answer::NotOurs;
    };
    let asked = packet.questions.first().is_some_and(|question| {
        question.qtype == kind.into()
            && question.qname.to_string().eq_ignore_ascii_case(name.trim_end_matches('.'))
    });
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !asked {
        return Answer::NotOurs;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Answer::CutOff;
    }
    Answer::Given(match packet.rcode() {
        // A resolver has followed the aliases: what has an address belongs to the name.
        RCODE::NoError => Ok(packet
            .answers
            .iter()
            .filter_map(|record| match &record.rdata {
                RData::A(a) => Some(IpAddr::from(a.address.to_be_bytes())),
                RData::AAAA(aaaa) => Some(IpAddr::from(aaaa.address.to_be_bytes())),
                _ => None,
            })
            .collect()),
        RCODE::NameError => Err(Failure::new(Class::NameNotFound, format_args!("{name} does not exist"))),
        other => Err(Failure::new(Class::ResolverFailed, format_args!("the resolver answered {other:?}"))),
    })
}

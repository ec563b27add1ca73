//! Names: the system's resolver and given ones, with a name server of the test's own.

use std::net::{IpAddr, SocketAddr};

use mbolo_pulse_probe::{Class, Outcome, Phase, Resolver, Roots};
use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::phases::{prober, target};
use crate::servers;

/// How the name server behaves, over UDP.
#[derive(Clone, Copy)]
enum Manner {
    Truthful,
    /// Says that the answer does not fit.
    CutsOff,
    /// Somebody answers faster, with a wrong number, and lies.
    Forged,
    Fails,
    Silent,
}

/// Knows `here.example` (127.0.0.1), `six.example` (::1), `empty.example`, and nothing else.
async fn name_server(manner: Manner) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let question = &buffer[..length];
            if matches!(manner, Manner::Forged) {
                let mut forged = answer(question, Manner::Fails);
                forged[0] ^= 0xff;
                udp.send_to(&forged, from).await.unwrap();
                udp.send_to(b"noise", from).await.unwrap();
            }
            if !matches!(manner, Manner::Silent) {
                udp.send_to(&answer(question, manner), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let answer = answer(&question, Manner::Truthful);
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

fn answer(question: &[u8], manner: Manner) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let mut packet = Packet::new_reply(asked.id());
    packet.set_flags(PacketFlag::RESPONSE);
    let question = asked.questions[0].clone();
    let name = question.qname.clone();
    let mut add = |data: RData<'static>| {
        packet.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, data));
    };
    match (name.to_string().as_str(), question.qtype) {
        _ if matches!(manner, Manner::CutsOff) => packet.set_flags(PacketFlag::TRUNCATION),
        _ if matches!(manner, Manner::Fails) => *packet.rcode_mut() = RCODE::ServerFailure,
        ("here.example", QTYPE::TYPE(TYPE::A)) => add(RData::A(A { address: 0x7f00_0001 })),
        ("six.example", QTYPE::TYPE(TYPE::AAAA)) => add(RData::AAAA(AAAA { address: 1 })),
        ("here.example" | "six.example" | "empty.example", _) => {}
        _ => *packet.rcode_mut() = RCODE::NameError,
    }
    packet.questions.push(question);
    packet.build_bytes_vec().unwrap()
}

async fn resolve(manner: Manner, name: &str) -> Outcome {
    let resolver = Resolver::Servers(vec![name_server(manner).await]);
    prober(resolver, Roots::only([])).measure(&target(&format!("dns://{name}"))).await
}

fn class(outcome: &Outcome) -> Option<Class> {
    assert_eq!(outcome.failed_phase, (!outcome.ok).then_some(Phase::Dns));
    outcome.failure.as_ref().map(|failure| failure.class)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_name_in_the_reserved_domain_is_not_found_by_the_system() {
    let outcome =
        prober(Resolver::System, Roots::only([])).measure(&target("https://nothing.invalid/")).await;
    assert_eq!(outcome.failed_phase, Some(Phase::Dns), "{outcome:?}");
    assert_eq!(outcome.phases.len(), 1, "nothing after it is tried");
}

#[tokio::test]
async fn a_given_resolver_is_asked_for_both_families() {
    assert_eq!(resolve(Manner::Truthful, "here.example").await.addresses, [ip("127.0.0.1")]);
    assert_eq!(resolve(Manner::Truthful, "six.example").await.addresses, [ip("::1")]);
}

#[tokio::test]
async fn a_measurement_goes_on_to_the_address_that_was_found() {
    let resolver = Resolver::Servers(vec![name_server(Manner::Truthful).await]);
    let port = servers::http("HTTP/1.1 204 No Content\r\n\r\n").await.port();
    let outcome =
        prober(resolver, Roots::only([])).measure(&target(&format!("http://here.example:{port}/"))).await;
    assert!(outcome.ok, "{outcome:?}");
    assert_eq!(outcome.phases.keys().copied().collect::<Vec<_>>(), [Phase::Dns, Phase::Tcp, Phase::Http]);
}

#[tokio::test]
async fn names_that_do_not_exist_have_no_address_or_get_no_answer_are_told_apart() {
    assert_eq!(class(&resolve(Manner::Truthful, "nothing.example").await), Some(Class::NameNotFound));
    assert_eq!(class(&resolve(Manner::Truthful, "empty.example").await), Some(Class::NoAddress));
    assert_eq!(class(&resolve(Manner::Fails, "here.example").await), Some(Class::ResolverFailed));
    assert_eq!(class(&resolve(Manner::Silent, "here.example").await), Some(Class::Timeout));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_over_tcp() {
    assert_eq!(resolve(Manner::CutsOff, "here.example").await.addresses, [ip("127.0.0.1")]);
}

#[tokio::test]
async fn a_forged_answer_is_not_taken() {
    assert_eq!(resolve(Manner::Forged, "here.example").await.addresses, [ip("127.0.0.1")]);
}
